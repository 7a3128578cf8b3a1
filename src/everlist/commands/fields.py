"""`everlist fields`."""

from __future__ import annotations

import click

from everlist.commands import lookup, output
from everlist.commands.completion import complete_fields
from everlist.commands.session import Session, api_command, confirmed, destructive

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
_DISPLAY_TYPES = {"single_select": "dropdown", "multi_select": "checkbox"}


@click.group()
def fields() -> None:
    """List, create and delete custom fields. A FIELD is a label or name, in any case, or an id."""


@fields.command("list")
@api_command
def list_fields(session: Session) -> None:
    """List all custom fields with their column names in import files.

    Example: everlist fields list
    """
    all_fields = session.client.custom_fields.list(limit=100)
    if session.as_json:
        output.lines(all_fields)
        return
    rows = (
        (
            field.label,
            f"cf:{field.name}",
            field.type,
            ", ".join(choice.choice_label for choice in field.choices or ()),
            field.custom_field_id,
        )
        for field in all_fields
    )
    if not output.table(("Label", "In files", "Type", "Choices", "Id"), rows):
        click.echo("There are no custom fields yet. To create one: everlist fields create LABEL")


@fields.command("create")
@click.argument("label")
@click.option(
    "--type", "field_type", type=click.Choice(_TYPES), default="string", show_default=True, help="The type."
)
@click.option("--choice", "choices", multiple=True, help="A choice of a select. Repeatable.")
@api_command
def create_field(session: Session, label: str, field_type: str, choices: tuple[str, ...]) -> None:
    """Create a custom field.

    Example: everlist fields create "Shirt size" --type single_select --choice S --choice M --choice L
    """
    from everlist.client import UNSET
    from everlist.client.models import Metadata

    display_type = _DISPLAY_TYPES.get(field_type)
    field = session.client.custom_fields.create(
        label,
        field_type,
        metadata=Metadata(display_type=display_type) if display_type else UNSET,
        version=2 if field_type == "date" else UNSET,
        choices=choices or UNSET,
    )
    session.report(f'Created the field "{field.label}"; its column in files is cf:{field.name}.', field)


@fields.command("delete")
@click.argument("field_names", metavar="FIELD...", shell_complete=complete_fields, nargs=-1, required=True)
@destructive
@api_command
def delete_fields(session: Session, field_names: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Delete custom fields and their values on every contact.

    Example: everlist fields delete "Shoe size" --dry-run
    """
    chosen = [lookup.find_field(session, name) for name in lookup.with_stdin(field_names)]
    action = f"delete {output.count_of(len(chosen), 'custom field')} and their values on every contact"
    count = len(chosen)
    if not confirmed(
        session, verb="delete", action=action, count=count, noun="field", dry_run=dry_run, yes=yes
    ):
        return
    ids = [field.custom_field_id for field in chosen]
    activity = session.wait(session.client.activities.delete_custom_fields(ids), "Deleting")
    session.report(f"Deleted {', '.join(field.label for field in chosen)}.", activity)
