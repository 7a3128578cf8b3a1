"""`everlist fields`."""

from __future__ import annotations

import click

from everlist.commands import names, output
from everlist.commands.names import FIELDS
from everlist.commands.session import Session, agreed, api, destroys

_TYPES = (
    "string",
    "text_area",
    "number",
    "currency",
    "boolean",
    "date",
    "datetime",
    "single_select",
    "multi_select",
)


@click.group()
def fields() -> None:
    """Custom fields: show, make and delete them. A FIELD is a label or name, in any case, or an id."""


@fields.command("list")
@api
def list_fields(session: Session) -> None:
    """Show all custom fields, with the name that imports know them by.

    Example: everlist fields list
    """
    all_fields = session.client.custom_fields.list(limit=100)
    if session.as_json:
        output.lines(all_fields)
        return
    rows = (
        (
            one.label,
            f"cf:{one.name}",
            one.type,
            ", ".join(choice.choice_label for choice in one.choices or ()),
            one.custom_field_id,
        )
        for one in all_fields
    )
    if not output.table(("Label", "In files", "Type", "Choices", "Id"), rows):
        click.echo("There are no custom fields yet. To make one: everlist fields create LABEL")


@fields.command("create")
@click.argument("label")
@click.option(
    "--type", "kind", type=click.Choice(_TYPES), default="string", show_default=True, help="Its values."
)
@click.option("--choice", "choices", multiple=True, help="A choice of a select; several may be given.")
@api
def create_field(session: Session, label: str, kind: str, choices: tuple[str, ...]) -> None:
    """Define a custom field.

    Example: everlist fields create "Shirt size" --type single_select --choice S --choice M --choice L
    """
    from everlist.client import UNSET
    from everlist.client.models import Metadata

    selects = {"single_select": "dropdown", "multi_select": "checkbox"}
    made = session.client.custom_fields.create(
        label,
        kind,
        metadata=Metadata(display_type=selects[kind]) if kind in selects else UNSET,
        version=2 if kind == "date" else UNSET,
        choices=choices or UNSET,
    )
    session.done(f'Made the field "{made.label}"; in files it is cf:{made.name}.', made)


@fields.command("delete")
@click.argument("fields", metavar="FIELD...", shell_complete=FIELDS, nargs=-1, required=True)
@destroys
@api
def delete_fields(session: Session, fields: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Delete custom fields, and their values on every contact.

    Example: everlist fields delete "Shoe size" --dry-run
    """
    there = [names.field_of(session, name) for name in names.given(fields)]
    what = f"delete {output.count_of(len(there), 'custom field')} and their values on every contact"
    if not agreed(
        session, verb="delete", what=what, count=len(there), noun="field", dry_run=dry_run, yes=yes
    ):
        return
    ids = [one.custom_field_id for one in there]
    activity = session.wait(session.client.activities.delete_custom_fields(ids), "Deleting")
    session.done(f"Deleted {', '.join(one.label for one in there)}.", activity)
