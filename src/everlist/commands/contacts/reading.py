"""`everlist contacts`: get, find and list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from everlist.commands import names, output
from everlist.commands.names import LISTS, TAGS
from everlist.commands.session import NOT_FOUND, Failed, Session, api

if TYPE_CHECKING:
    from everlist.client.models import Contact

_INCLUDE = "custom_fields,list_memberships,taggings,phone_numbers,street_addresses,notes,sms_channel"
_ON_A_TERMINAL = 50


@click.command("get")
@click.argument("who", metavar="CONTACT")
@api
def get_contact(session: Session, who: str) -> None:
    """Show a contact with everything on it, a deleted one too.

    Example: everlist contacts get ruth@example.org
    """
    _show(session, names.contact_of(session, who, include=_INCLUDE))


@click.command("find")
@click.argument("email")
@api
def find_contact(session: Session, email: str) -> None:
    """Show the contact with an address. The exit status is 3 where there is none.

    Example: everlist contacts find ruth@example.org --json
    """
    found = session.client.contacts.find(email, include=_INCLUDE)
    if found is None:
        raise Failed(f"no contact has the address {email}", NOT_FOUND)
    _show(session, found)


@click.command("list")
@click.option(
    "--list",
    "list_names",
    shell_complete=LISTS,
    multiple=True,
    help="Only who is on this list; several: on any of them.",
)
@click.option(
    "--tag", "tags", shell_complete=TAGS, multiple=True, help="Only who has this tag; several: any of them."
)
@click.option(
    "--status",
    help="active, deleted, unsubscribed, pending_confirmation, not_set or all; several with commas.",
)
@click.option(
    "--updated-after", metavar="TIME", help="Only who was changed after it, such as 2026-11-01T00:00:00Z."
)
@click.option("--created-after", metavar="TIME", help="Only who was made after it.")
@click.option("--include", help="For --json, such as list_memberships,taggings,custom_fields.")
@click.option(
    "--limit", type=click.IntRange(min=1), help="At most so many. Default: 50 on a terminal, else all."
)
@api
def list_contacts(
    session: Session,
    list_names: tuple[str, ...],
    tags: tuple[str, ...],
    status: str | None,
    updated_after: str | None,
    created_after: str | None,
    include: str | None,
    limit: int | None,
) -> None:
    """Show contacts, all that the options fit.

    Example: everlist contacts list --list "News" --status active --json
    """
    import sys
    from itertools import islice

    shown = limit or (_ON_A_TERMINAL if sys.stdout.isatty() and not session.as_json else None)
    found = session.client.contacts.list(
        lists=[names.list_of(session, name).list_id for name in list_names] or None,
        tags=[names.tag_of(session, name).tag_id for name in tags] or None,
        status=status,
        updated_after=updated_after,
        created_after=created_after,
        include=include,
        limit=min(shown, 500) if shown else 500,
    )
    some = islice(found, shown)
    if session.as_json:
        output.lines(some)
        return
    rows = (
        (reference(one), _full_name(one), _permission(one), output.moment(one.created_at)) for one in some
    )
    total = output.table(("Contact", "Name", "Permission", "Made"), rows)
    if not total:
        click.echo("No contact fits.")
    elif limit is None and total == shown:
        click.echo(f"These are the first {shown}: --limit shows more, --json all of them.", err=True)


def reference(contact: Contact) -> str:
    """What people call the contact."""
    return contact.email or contact.contact_id


def _full_name(contact: Contact) -> str:
    return " ".join(filter(None, (contact.first_name, contact.last_name))) or contact.company_name or ""


def _permission(contact: Contact) -> str:
    permission = (contact.email_address.permission_to_send if contact.email_address else None) or ""
    return f"{permission} (deleted)".strip() if contact.deleted_at else permission


def _show(session: Session, contact: Contact) -> None:
    if session.as_json:
        output.line(contact)
        return
    client = session.client
    lists = (
        {one.list_id: one.name for one in client.lists.list(limit=1000)} if contact.list_memberships else {}
    )
    tags = {one.tag_id: one.name for one in client.tags.list(limit=500)} if contact.taggings else {}
    email = contact.email_address
    rows: list[tuple[str, object]] = [
        ("Address", contact.email),
        ("Permission", _permission(contact)),
        ("Since", output.moment(email.opt_out_date or email.opt_in_date) if email else ""),
        ("Name", " ".join(filter(None, (contact.first_name, contact.last_name)))),
        ("Company", contact.company_name),
        ("Job", contact.job_title),
        (
            "Birthday",
            f"{contact.birthday_month:02}-{contact.birthday_day:02}"
            if contact.birthday_month and contact.birthday_day
            else "",
        ),
        ("Anniversary", contact.anniversary),
        ("Lists", ", ".join(lists.get(one, one) for one in contact.list_memberships or ())),
        ("Tags", ", ".join(tags.get(one, one) for one in contact.taggings or ())),
        *_field_rows(session, contact),
        *((f"Phone, {one.kind}", one.phone_number) for one in contact.phone_numbers or ()),
        *(
            (
                f"Address, {one.kind}",
                ", ".join(filter(None, (one.street, one.postal_code, one.city, one.state, one.country))),
            )
            for one in contact.street_addresses or ()
        ),
        *(("Note", one.content) for one in contact.notes or ()),
        ("Made", output.moment(contact.created_at)),
        ("Changed", output.moment(contact.updated_at)),
        ("Deleted", contact.deleted_at),
        ("Id", contact.contact_id),
    ]
    output.pairs(rows)


def _field_rows(session: Session, contact: Contact) -> list[tuple[str, object]]:
    if not contact.custom_fields:
        return []
    there = {one.custom_field_id: one for one in session.client.custom_fields.list(limit=100)}
    rows: list[tuple[str, object]] = []
    for value in contact.custom_fields:
        field = there.get(value.custom_field_id)
        labels = {str(one.choice_id): one.choice_label for one in (field.choices if field else None) or ()}
        chosen = ", ".join(labels.get(one, one) for one in value.choice_ids or ())
        rows.append((field.label if field else value.custom_field_id, value.value or chosen))
    return rows
