"""Finds the list, tag, field, contact or activity that an argument names."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from everlist.commands.session import CommandError, ExitStatus, Session

if TYPE_CHECKING:
    from everlist.client._sync.activities import Activity
    from everlist.client.models import Contact, ContactList, CustomField, Selection, Tag

T = TypeVar("T")
_BATCH = 500
"""The most ids that a bulk activity accepts."""
_SUGGESTIONS = 3


def is_id(text: str) -> bool:
    """Return True if the text is an id."""
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def _by_name(kind: str, text: str, items: Iterable[T], names_of: Callable[[T], Sequence[str]]) -> T:
    """Return the item with that name; an exact match wins over one in another case.

    Raises CommandError if no name matches, and suggests similar ones, or if several match.
    """
    display_names: list[str] = []
    matches: list[T] = []
    for item in items:
        names = names_of(item)
        if text in names:
            return item
        if text.casefold() in (name.casefold() for name in names):
            matches.append(item)
        display_names += names[:1]
    if len(matches) == 1:
        return matches[0]
    if matches:
        candidates = " or ".join(f'"{names_of(match)[0]}"' for match in matches)
        raise CommandError(
            f'"{text}" matches several: use the exact spelling {candidates}, or the id', ExitStatus.USAGE
        )
    similar = " or ".join(f'"{name}"' for name in _similar(text, display_names))
    hint = f"; did you mean {similar}?" if similar else ""
    raise CommandError(f'there is no {kind} "{text}"{hint}', ExitStatus.NOT_FOUND)


def _similar(text: str, names: Iterable[str]) -> list[str]:
    """Return up to three names that resemble the text or contain it."""
    wanted = text.casefold()
    by_casefold = {name.casefold(): name for name in names}
    keys = difflib.get_close_matches(wanted, by_casefold, n=_SUGGESTIONS, cutoff=0.6)
    keys += [key for key in by_casefold if wanted in key and key not in keys]
    return [by_casefold[key] for key in keys[:_SUGGESTIONS]]


def find_list(session: Session, text: str) -> ContactList:
    """Return the list with that name or id. Raises CommandError, NotFound."""
    if is_id(text):
        return session.client.lists.get(text)
    lists = session.client.lists.list(limit=1000)
    return _by_name("list", text, lists, lambda contact_list: (contact_list.name,))


def find_tag(session: Session, text: str) -> Tag:
    """Return the tag with that name or id. Raises CommandError, NotFound."""
    if is_id(text):
        return session.client.tags.get(text)
    return _by_name("tag", text, session.client.tags.list(limit=500), lambda tag: (tag.name,))


def find_field(session: Session, text: str) -> CustomField:
    """Return the custom field with that label, name or id. Raises CommandError, NotFound."""
    if is_id(text):
        return session.client.custom_fields.get(text)
    fields = session.client.custom_fields.list(limit=100)
    return _by_name("field", text, fields, lambda field: (field.label, field.name or field.label))


def find_contact(session: Session, text: str, *, include: Any = None) -> Contact:
    """Return the contact with that address or id, even a deleted one. Raises CommandError, NotFound."""
    if is_id(text):
        return session.client.contacts.get(text, include=include)
    check_contact_argument(text)
    contact = session.client.contacts.find(text, include=include)
    if contact is None:
        raise CommandError(
            f"no contact has the address {text}\n"
            f"to see whether it unsubscribed or was erased: everlist contacts explain {text}",
            ExitStatus.NOT_FOUND,
        )
    return contact


def check_contact_argument(text: str) -> None:
    """Raise CommandError unless the text is an address or an id."""
    if "@" not in text and not is_id(text):
        raise CommandError(f'"{text}": give an email address or the id of a contact', ExitStatus.USAGE)


def find_activity(session: Session, text: str) -> Activity:
    """Return the activity with that id; `last` is the newest. Raises CommandError, NotFound."""
    if text != "last":
        if not is_id(text):
            raise CommandError(
                f'"{text}": give the id of an activity, or `last` for the newest', ExitStatus.USAGE
            )
        return session.client.activities.get(text)
    newest = session.client.activities.list(limit=1).first()
    if newest is None:
        raise CommandError(
            "there is no activity: none was created in the last ten days", ExitStatus.NOT_FOUND
        )
    return newest


def with_stdin(arguments: Iterable[str]) -> list[str]:
    """Return the arguments without duplicates; `-` is replaced by the lines of standard input."""
    values: list[str] = []
    for argument in arguments:
        values += [line.strip() for line in sys.stdin if line.strip()] if argument == "-" else [argument]
    return list(dict.fromkeys(values))


def find_contact_ids(session: Session, contacts: Iterable[str]) -> list[str]:
    """Return the ids of contacts that are given by address or id. Raises CommandError for an unknown address."""
    return [text if is_id(text) else find_contact(session, text).contact_id for text in with_stdin(contacts)]


def check_either(contacts: Sequence[str], other: object, option: str) -> None:
    """Raise CommandError unless exactly one of the contacts and the option is given."""
    if bool(contacts) == bool(other):
        raise CommandError(f"give either contacts or {option}", ExitStatus.USAGE)


def find_selections(session: Session, contacts: Sequence[str], list_names: Sequence[str]) -> list[Selection]:
    """Return the selections for bulk activities: contacts in batches, or lists. Raises CommandError."""
    from everlist.client import Selection

    check_either(contacts, list_names, "--list")
    if list_names:
        return [Selection(list_ids=[find_list(session, name).list_id for name in list_names])]
    return [Selection(contact_ids=batch) for batch in batches(find_contact_ids(session, contacts))]


def batches(values: Sequence[str]) -> list[list[str]]:
    """Split values into batches that a bulk activity accepts."""
    return [list(values[start : start + _BATCH]) for start in range(0, len(values), _BATCH)]


def count_members(session: Session, list_id: str) -> int:
    """Return the number of contacts on a list. Raises NotFound."""
    contact_list = session.client.lists.get(list_id, include_membership_count="all")
    return contact_list.membership_count or 0
