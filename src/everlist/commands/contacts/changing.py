"""`everlist contacts`: create and update."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from everlist.commands import names
from everlist.commands.contacts.reading import reference
from everlist.commands.names import LISTS, TAGS
from everlist.commands.session import NOT_FOUND, REFUSED, USAGE, Failed, Session, api

if TYPE_CHECKING:
    from everlist.client.models import CustomFieldValue

F = TypeVar("F", bound=Callable[..., Any])

_TEXTS = ("first_name", "last_name", "job_title", "company_name", "anniversary")


def properties(command: F) -> F:
    """Gives a command the options of a contact's properties, as one dictionary, `given`."""
    permissions = click.Choice(["explicit", "implicit", "unsubscribed", "pending_confirmation", "not_set"])

    @click.option("--first-name", help="Up to 50 characters, as all names.")
    @click.option("--last-name")
    @click.option("--job-title")
    @click.option("--company-name")
    @click.option("--birthday", metavar="MM-DD", help="Month and day, such as 03-14.")
    @click.option("--anniversary", metavar="DATE", help="A date, such as 2019-06-01.")
    @click.option("--permission", type=permissions, help="What may be sent.")
    @click.option(
        "--field", "fields", metavar="NAME=VALUE", multiple=True, help="A custom field; choices with commas."
    )
    @click.option(
        "--body", type=click.File("rb"), help="Properties as JSON, as the API has them; - is standard input."
    )
    @click.option(
        "--source",
        type=click.Choice(["Account", "Contact"]),
        default="Account",
        show_default=True,
        help="Who acts.",
    )
    @functools.wraps(command)
    def with_properties(
        *args: Any,
        birthday: str | None,
        permission: str | None,
        fields: tuple[str, ...],
        body: IO[bytes] | None,
        source: str,
        **kwargs: Any,
    ) -> Any:
        given = _body(body)
        given |= {name: value for name in _TEXTS if (value := kwargs.pop(name)) is not None}
        if birthday is not None:
            given |= _birthday(birthday)
        return command(*args, given=given, permission=permission, fields=fields, source=source, **kwargs)

    return with_properties  # pyright: ignore[reportReturnType] - click passes the arguments by name


def _body(file: IO[bytes] | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        read = json.load(file)
    except ValueError as error:
        raise Failed(f"--body is no JSON: {error}", USAGE) from error
    if not isinstance(read, dict):
        raise Failed("--body is no JSON object", USAGE)
    return {str(name): value for name, value in read.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _birthday(text: str) -> dict[str, Any]:
    month, _, day = text.partition("-")
    if not (month.isdecimal() and day.isdecimal()):
        raise Failed(f"--birthday is a month and a day, such as 03-14, not {text}", USAGE)
    return {"birthday_month": int(month), "birthday_day": int(day)}


def _field_value(session: Session, text: str) -> CustomFieldValue:
    from everlist.client import CustomFieldValue

    name, equals, value = text.partition("=")
    if not equals:
        raise Failed(f"--field is a name and a value, such as Size=M, not {text}", USAGE)
    field = names.field_of(session, name.strip())
    if field.choices is None:
        return CustomFieldValue(custom_field_id=field.custom_field_id, value=value)
    chosen: list[str] = []
    for label in filter(None, (part.strip() for part in value.split(","))):
        known = {one.choice_label.casefold(): one for one in field.choices}
        if label.casefold() not in known:
            there = ", ".join(one.choice_label for one in field.choices)
            raise Failed(f'"{field.label}" has no choice "{label}": it has {there}', NOT_FOUND)
        chosen.append(str(known[label.casefold()].choice_id))
    return CustomFieldValue(custom_field_id=field.custom_field_id, choice_ids=chosen)


@click.command("create")
@click.argument("email", required=False)
@click.option(
    "--list", "list_names", shell_complete=LISTS, multiple=True, help="Onto this list; several may be given."
)
@click.option(
    "--tag", "tags", shell_complete=TAGS, multiple=True, help="With this tag; several may be given."
)
@properties
@api
def create_contact(
    session: Session,
    email: str | None,
    list_names: tuple[str, ...],
    tags: tuple[str, ...],
    given: dict[str, Any],
    permission: str | None,
    fields: tuple[str, ...],
    source: str,
) -> None:
    """Make a contact. --source Contact where the person asked for it.

    Example: everlist contacts create ada@example.org --first-name Ada --list "News" --field Size=M
    """
    from everlist.client import Conflict

    body: dict[str, Any] = {"create_source": source, **given}
    if email is not None:
        body["email_address"] = {"address": email}
    if permission is not None:
        body.setdefault("email_address", {})["permission_to_send"] = permission
    if list_names:
        body["list_memberships"] = [names.list_of(session, name).list_id for name in list_names]
    if tags:
        body["taggings"] = [names.tag_of(session, name).tag_id for name in tags]
    if fields:
        body["custom_fields"] = [_field_value(session, text) for text in fields]
    try:
        made = session.client.contacts.create(body)
    except Conflict as error:
        tip = f"everlist contacts explain {email} tells what can be done" if email else ""
        raise Failed(f"{error.message}\n{tip}".strip(), REFUSED) from error
    session.done(f"Made {reference(made)}, {made.contact_id}.", made)


@click.command("update")
@click.argument("who", metavar="CONTACT")
@click.option("--email", help="The new address.")
@click.option(
    "--clear", "cleared", multiple=True, type=click.Choice([*_TEXTS, "birthday"]), help="Take this away."
)
@click.option(
    "--add-list", "on", shell_complete=LISTS, multiple=True, metavar="LIST", help="Put it on this list."
)
@click.option(
    "--remove-list", "off", shell_complete=LISTS, multiple=True, metavar="LIST", help="Take it off this list."
)
@click.option(
    "--add-tag", "tagged", shell_complete=TAGS, multiple=True, metavar="TAG", help="Give it this tag."
)
@click.option(
    "--remove-tag",
    "untagged",
    shell_complete=TAGS,
    multiple=True,
    metavar="TAG",
    help="Take this tag off it.",
)
@properties
@api
def update_contact(
    session: Session,
    who: str,
    email: str | None,
    cleared: tuple[str, ...],
    on: tuple[str, ...],
    off: tuple[str, ...],
    tagged: tuple[str, ...],
    untagged: tuple[str, ...],
    given: dict[str, Any],
    permission: str | None,
    fields: tuple[str, ...],
    source: str,
) -> None:
    """Change what the options name, and keep all else.

    Example: everlist contacts update ruth@example.org --job-title Florist --add-tag "vip"
    """
    from everlist.client import EmailAddress

    there = names.contact_of(session, who, include="custom_fields,list_memberships,taggings")
    changes = dict(given)
    for name in cleared:
        changes |= dict.fromkeys(("birthday_month", "birthday_day") if name == "birthday" else (name,))
    if email is not None or permission is not None:
        address = email or there.email
        if address is None:
            raise Failed("the contact has no address: give one with --email", USAGE)
        changes["email_address"] = EmailAddress(address=address, permission_to_send=permission)
    if on or off:
        ids = [names.list_of(session, name).list_id for name in (*on, *off)]
        changes["list_memberships"] = _moved(there.list_memberships, ids[: len(on)], ids[len(on) :])
    if tagged or untagged:
        ids = [names.tag_of(session, name).tag_id for name in (*tagged, *untagged)]
        changes["taggings"] = _moved(there.taggings, ids[: len(tagged)], ids[len(tagged) :])
    if fields:
        values = {one.custom_field_id: one for one in there.custom_fields or ()}
        values |= {one.custom_field_id: one for one in (_field_value(session, text) for text in fields)}
        changes["custom_fields"] = [one for one in values.values() if one.value or one.choice_ids]
    if not changes:
        raise Failed("say what to change: everlist contacts update --help has the options", USAGE)
    try:
        changed = session.client.contacts.change(there.contact_id, update_source=source, **changes)
    except TypeError as error:
        raise Failed(str(error), USAGE) from error
    session.done(f"Changed {reference(changed)}.", changed)


def _moved(there: list[str] | None, add: list[str], remove: list[str]) -> list[str]:
    return [one for one in dict.fromkeys([*(there or ()), *add]) if one not in remove]
