"""`everlist contacts`: create and update."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from everlist.commands import lookup
from everlist.commands.completion import complete_lists, complete_tags
from everlist.commands.contacts.reading import display_name
from everlist.commands.session import CommandError, ExitStatus, Session, api_command

if TYPE_CHECKING:
    from everlist.client.models import Contact, CustomFieldValue

F = TypeVar("F", bound=Callable[..., Any])

_TEXT_PROPERTIES = ("first_name", "last_name", "job_title", "company_name", "anniversary")
_BIRTHDAY_PROPERTIES = ("birthday_month", "birthday_day")


def property_options(command: F) -> F:
    """Add the options for a contact's properties to a command, and pass them as the dictionary `properties`."""
    permissions = click.Choice(["explicit", "implicit", "unsubscribed", "pending_confirmation", "not_set"])

    @click.option("--first-name", help="Up to 50 characters.")
    @click.option("--last-name", help="Up to 50 characters.")
    @click.option("--job-title", help="Up to 50 characters.")
    @click.option("--company-name", help="Up to 50 characters.")
    @click.option("--birthday", metavar="MM-DD", help="Month and day, such as 03-14.")
    @click.option("--anniversary", metavar="DATE", help="A date, such as 2019-06-01.")
    @click.option("--permission", type=permissions, help="The permission to send email.")
    @click.option(
        "--field",
        "field_texts",
        metavar="NAME=VALUE",
        multiple=True,
        help="The value of a custom field. Separate several choices with commas. Repeatable.",
    )
    @click.option(
        "--body",
        type=click.File("rb"),
        help="A JSON file with properties as in the API; - is standard input.",
    )
    @click.option(
        "--source",
        type=click.Choice(["Account", "Contact"]),
        default="Account",
        show_default=True,
        help="Who makes the change: you (Account) or the person (Contact).",
    )
    @functools.wraps(command)
    def with_properties(
        *args: Any,
        birthday: str | None,
        body: IO[bytes] | None,
        **kwargs: Any,
    ) -> Any:
        properties = _read_body(body)
        properties |= {name: value for name in _TEXT_PROPERTIES if (value := kwargs.pop(name)) is not None}
        if birthday is not None:
            properties |= _parse_birthday(birthday)
        return command(*args, properties=properties, **kwargs)

    return with_properties  # pyright: ignore[reportReturnType] - click passes the arguments by name


def _read_body(file: IO[bytes] | None) -> dict[str, Any]:
    """Read the properties of --body. Raises CommandError if the file is not a JSON object."""
    if file is None:
        return {}
    try:
        body = json.load(file)
    except ValueError as error:
        raise CommandError(f"--body is not valid JSON: {error}", ExitStatus.USAGE) from error
    if not isinstance(body, dict):
        raise CommandError("--body must be a JSON object", ExitStatus.USAGE)
    return {str(name): value for name, value in body.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _parse_birthday(text: str) -> dict[str, Any]:
    month, _, day = text.partition("-")
    if not (month.isdecimal() and day.isdecimal()):
        raise CommandError(f"--birthday {text}: give month and day, such as 03-14", ExitStatus.USAGE)
    return {"birthday_month": int(month), "birthday_day": int(day)}


def _parse_field(session: Session, text: str) -> CustomFieldValue:
    """Look up the field and the choices of `NAME=VALUE`. Raises CommandError if one is unknown."""
    from everlist.client import CustomFieldValue

    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"--field {text}: give a name and a value, such as Size=M", ExitStatus.USAGE)
    field = lookup.find_field(session, name.strip())
    if field.choices is None:
        return CustomFieldValue(custom_field_id=field.custom_field_id, value=value)
    choices = {choice.choice_label.casefold(): choice for choice in field.choices}
    choice_ids: list[str] = []
    for label in filter(None, (part.strip() for part in value.split(","))):
        choice = choices.get(label.casefold())
        if choice is None:
            known = ", ".join(choice.choice_label for choice in field.choices)
            raise CommandError(
                f'"{field.label}" has no choice "{label}": it has {known}', ExitStatus.NOT_FOUND
            )
        choice_ids.append(str(choice.choice_id))
    return CustomFieldValue(custom_field_id=field.custom_field_id, choice_ids=choice_ids)


@click.command("create")
@click.argument("email", required=False)
@click.option(
    "--list",
    "list_names",
    shell_complete=complete_lists,
    multiple=True,
    help="Add the contact to this list. Repeatable.",
)
@click.option(
    "--tag",
    "tag_names",
    shell_complete=complete_tags,
    multiple=True,
    help="Add this tag to the contact. Repeatable.",
)
@property_options
@api_command
def create_contact(
    session: Session,
    email: str | None,
    list_names: tuple[str, ...],
    tag_names: tuple[str, ...],
    properties: dict[str, Any],
    permission: str | None,
    field_texts: tuple[str, ...],
    source: str,
) -> None:
    """Create a contact. Use --source Contact if the person asked for it.

    Example: everlist contacts create ada@example.org --first-name Ada --list "News" --field Size=M
    """
    from everlist.client import Conflict

    body: dict[str, Any] = {"create_source": source, **properties}
    if email is not None:
        body["email_address"] = {"address": email}
    if permission is not None:
        body.setdefault("email_address", {})["permission_to_send"] = permission
    if list_names:
        body["list_memberships"] = [lookup.find_list(session, name).list_id for name in list_names]
    if tag_names:
        body["taggings"] = [lookup.find_tag(session, name).tag_id for name in tag_names]
    if field_texts:
        body["custom_fields"] = [_parse_field(session, text) for text in field_texts]
    try:
        contact = session.client.contacts.create(body)
    except Conflict as error:
        hint = f"\nto see what you can do: everlist contacts explain {email}" if email else ""
        raise CommandError(f"{error.message}{hint}") from error
    session.report(f"Created {display_name(contact)}, {contact.contact_id}.", contact)


@click.command("update")
@click.argument("contact_name", metavar="CONTACT")
@click.option("--email", help="The new address.")
@click.option(
    "--clear",
    "cleared",
    multiple=True,
    type=click.Choice([*_TEXT_PROPERTIES, "birthday"]),
    help="Clear this property. Repeatable.",
)
@click.option(
    "--add-list",
    "lists_to_add",
    shell_complete=complete_lists,
    multiple=True,
    metavar="LIST",
    help="Add the contact to this list. Repeatable.",
)
@click.option(
    "--remove-list",
    "lists_to_remove",
    shell_complete=complete_lists,
    multiple=True,
    metavar="LIST",
    help="Remove the contact from this list. Repeatable.",
)
@click.option(
    "--add-tag",
    "tags_to_add",
    shell_complete=complete_tags,
    multiple=True,
    metavar="TAG",
    help="Add this tag to the contact. Repeatable.",
)
@click.option(
    "--remove-tag",
    "tags_to_remove",
    shell_complete=complete_tags,
    multiple=True,
    metavar="TAG",
    help="Remove this tag from the contact. Repeatable.",
)
@property_options
@api_command
def update_contact(
    session: Session,
    contact_name: str,
    email: str | None,
    cleared: tuple[str, ...],
    lists_to_add: tuple[str, ...],
    lists_to_remove: tuple[str, ...],
    tags_to_add: tuple[str, ...],
    tags_to_remove: tuple[str, ...],
    properties: dict[str, Any],
    permission: str | None,
    field_texts: tuple[str, ...],
    source: str,
) -> None:
    """Change the properties that the options name, and keep all others.

    Example: everlist contacts update ruth@example.org --job-title Florist --add-tag "vip"
    """
    from everlist.client import EmailAddress

    contact = lookup.find_contact(session, contact_name, include="custom_fields,list_memberships,taggings")
    changes = dict(properties)
    for name in cleared:
        changes |= dict.fromkeys(_BIRTHDAY_PROPERTIES if name == "birthday" else (name,))
    if email is not None or permission is not None:
        address = email or contact.email
        if address is None:
            raise CommandError("the contact has no address: give one with --email", ExitStatus.USAGE)
        changes["email_address"] = EmailAddress(address=address, permission_to_send=permission)
    if lists_to_add or lists_to_remove:
        changes["list_memberships"] = _merge(
            contact.list_memberships,
            add=[lookup.find_list(session, name).list_id for name in lists_to_add],
            remove=[lookup.find_list(session, name).list_id for name in lists_to_remove],
        )
    if tags_to_add or tags_to_remove:
        changes["taggings"] = _merge(
            contact.taggings,
            add=[lookup.find_tag(session, name).tag_id for name in tags_to_add],
            remove=[lookup.find_tag(session, name).tag_id for name in tags_to_remove],
        )
    if field_texts:
        changes["custom_fields"] = _merge_fields(session, contact, field_texts)
    if not changes:
        raise CommandError(
            "nothing to change: give an option, such as --job-title; see everlist contacts update --help",
            ExitStatus.USAGE,
        )
    try:
        updated = session.client.contacts.change(contact.contact_id, update_source=source, **changes)
    except TypeError as error:  # --body has a name that is no property
        raise CommandError(f"--body: {error}", ExitStatus.USAGE) from error
    session.report(f"Updated {display_name(updated)}.", updated)


def _merge(ids: list[str] | None, *, add: list[str], remove: list[str]) -> list[str]:
    return [item for item in dict.fromkeys([*(ids or ()), *add]) if item not in remove]


def _merge_fields(session: Session, contact: Contact, field_texts: tuple[str, ...]) -> list[CustomFieldValue]:
    """Return the contact's field values with the given ones; an empty value removes a field."""
    values = {value.custom_field_id: value for value in contact.custom_fields or ()}
    for text in field_texts:
        value = _parse_field(session, text)
        values[value.custom_field_id] = value
    return [value for value in values.values() if value.value or value.choice_ids]
