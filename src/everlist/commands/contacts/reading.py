"""`everlist contacts`: get, find and list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from everlist.commands import lookup, output
from everlist.commands.options import list_filter, tag_filter
from everlist.commands.session import CommandError, ExitStatus, Session, api_command

if TYPE_CHECKING:
    from everlist.client.models import Contact, StreetAddress

_INCLUDE = "custom_fields,list_memberships,taggings,phone_numbers,street_addresses,notes,sms_channel"
_TERMINAL_LIMIT = 50


@click.command("get")
@click.argument("contact_name", metavar="CONTACT")
@api_command
def get_contact(session: Session, contact_name: str) -> None:
    """Show a contact with all its details, even a deleted one.

    Example: everlist contacts get ruth@example.org
    """
    _print_contact(session, lookup.find_contact(session, contact_name, include=_INCLUDE))


@click.command("find")
@click.argument("email")
@api_command
def find_contact(session: Session, email: str) -> None:
    """Show the contact with an address. The exit status is 3 if there is none.

    Example: everlist contacts find ruth@example.org --json
    """
    contact = session.client.contacts.find(email, include=_INCLUDE)
    if contact is None:
        raise CommandError(f"no contact has the address {email}", ExitStatus.NOT_FOUND)
    _print_contact(session, contact)


@click.command("list")
@list_filter
@tag_filter
@click.option(
    "--status",
    help="active, deleted, unsubscribed, pending_confirmation, not_set or all. Separate several with commas.",
)
@click.option(
    "--updated-after",
    metavar="TIME",
    help="Only contacts updated after this time, such as 2026-11-01T00:00:00Z.",
)
@click.option("--created-after", metavar="TIME", help="Only contacts created after this time.")
@click.option("--include", help="Details to add to --json, such as list_memberships,taggings,custom_fields.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="The most contacts to list. Default: 50 on a terminal, otherwise all.",
)
@api_command
def list_contacts(
    session: Session,
    list_names: tuple[str, ...],
    tag_names: tuple[str, ...],
    status: str | None,
    updated_after: str | None,
    created_after: str | None,
    include: str | None,
    limit: int | None,
) -> None:
    """List the contacts that match all options.

    Example: everlist contacts list --list "News" --status active --json
    """
    import sys
    from itertools import islice

    most = limit or (_TERMINAL_LIMIT if sys.stdout.isatty() and not session.as_json else None)
    matches = session.client.contacts.list(
        lists=[lookup.find_list(session, name).list_id for name in list_names] or None,
        tags=[lookup.find_tag(session, name).tag_id for name in tag_names] or None,
        status=status,
        updated_after=updated_after,
        created_after=created_after,
        include=include,
        limit=min(most, 500) if most else 500,
    )
    contacts = islice(matches, most)
    if session.as_json:
        output.lines(contacts)
        return
    rows = (
        (display_name(contact), _full_name(contact), _permission(contact), output.moment(contact.created_at))
        for contact in contacts
    )
    total = output.table(("Contact", "Name", "Permission", "Created"), rows)
    if not total:
        click.echo("No contact matches.")
    elif limit is None and total == most:
        click.echo(f"These are the first {most}. Show more with --limit, or all with --json.", err=True)


def display_name(contact: Contact) -> str:
    """Return the address of a contact, or its id if it has none."""
    return contact.email or contact.contact_id


def _full_name(contact: Contact) -> str:
    return _person_name(contact) or contact.company_name or ""


def _person_name(contact: Contact) -> str:
    return " ".join(filter(None, (contact.first_name, contact.last_name)))


def _permission(contact: Contact) -> str:
    permission = (contact.email_address.permission_to_send if contact.email_address else None) or ""
    return f"{permission} (deleted)".strip() if contact.deleted_at else permission


def _print_contact(session: Session, contact: Contact) -> None:
    if session.as_json:
        output.line(contact)
        return
    email = contact.email_address
    rows: list[tuple[str, object]] = [
        ("Address", contact.email),
        ("Permission", _permission(contact)),
        ("Since", output.moment(email.opt_out_date or email.opt_in_date) if email else ""),
        ("Name", _person_name(contact)),
        ("Company", contact.company_name),
        ("Job", contact.job_title),
        ("Birthday", _birthday(contact)),
        ("Anniversary", contact.anniversary),
        ("Lists", ", ".join(_list_names(session, contact))),
        ("Tags", ", ".join(_tag_names(session, contact))),
        *_field_rows(session, contact),
        *((f"Phone, {phone.kind}", phone.phone_number) for phone in contact.phone_numbers or ()),
        *((f"Address, {address.kind}", _one_line(address)) for address in contact.street_addresses or ()),
        *(("Note", note.content) for note in contact.notes or ()),
        ("Created", output.moment(contact.created_at)),
        ("Updated", output.moment(contact.updated_at)),
        ("Deleted", contact.deleted_at),
        ("Id", contact.contact_id),
    ]
    output.pairs(rows)


def _birthday(contact: Contact) -> str:
    if not (contact.birthday_month and contact.birthday_day):
        return ""
    return f"{contact.birthday_month:02}-{contact.birthday_day:02}"


def _one_line(address: StreetAddress) -> str:
    parts = (address.street, address.postal_code, address.city, address.state, address.country)
    return ", ".join(filter(None, parts))


def _list_names(session: Session, contact: Contact) -> list[str]:
    if not contact.list_memberships:
        return []
    lists = session.client.lists.list(limit=1000)
    names = {contact_list.list_id: contact_list.name for contact_list in lists}
    return [names.get(list_id, list_id) for list_id in contact.list_memberships]


def _tag_names(session: Session, contact: Contact) -> list[str]:
    if not contact.taggings:
        return []
    names = {tag.tag_id: tag.name for tag in session.client.tags.list(limit=500)}
    return [names.get(tag_id, tag_id) for tag_id in contact.taggings]


def _field_rows(session: Session, contact: Contact) -> list[tuple[str, object]]:
    if not contact.custom_fields:
        return []
    fields = {field.custom_field_id: field for field in session.client.custom_fields.list(limit=100)}
    rows: list[tuple[str, object]] = []
    for value in contact.custom_fields:
        field = fields.get(value.custom_field_id)
        choices = (field.choices if field else None) or ()
        labels = {str(choice.choice_id): choice.choice_label for choice in choices}
        chosen = ", ".join(labels.get(choice_id, choice_id) for choice_id in value.choice_ids or ())
        rows.append((field.label if field else value.custom_field_id, value.value or chosen))
    return rows
