"""From what people type, a name, an id or an address, to what it stands for."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import click

from everlist.commands.session import DEFAULT_URL, NOT_FOUND, USAGE, Failed, Session

if TYPE_CHECKING:
    from everlist.client._sync.activities import Activity
    from everlist.client.models import Contact, ContactList, CustomField, Selection, Tag

T = TypeVar("T")
_BATCH = 500
_SPECIAL = re.compile(r"[^\w@%+=:,./-]")


def is_id(text: str) -> bool:
    """Whether the text is an id."""
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def _named(kind: str, text: str, things: Iterable[T], names: Callable[[T], Sequence[str]]) -> T:
    """The one thing with that name, in any case. Raises Failed where there is none, or several."""
    all_names: list[str] = []
    alike: list[T] = []
    for thing in things:
        if text in names(thing):
            return thing
        if text.casefold() in (name.casefold() for name in names(thing)):
            alike.append(thing)
        all_names += names(thing)[:1]
    if len(alike) == 1:
        return alike[0]
    if alike:
        several = ", ".join(f'"{names(one)[0]}"' for one in alike)
        raise Failed(f'"{text}" could be {several}: write it exactly, or give the id', USAGE)
    by_fold = {name.casefold(): name for name in all_names}
    near = difflib.get_close_matches(text.casefold(), by_fold, n=3, cutoff=0.6)
    near += [fold for fold in by_fold if text.casefold() in fold and fold not in near][: 3 - len(near)]
    meant = " or ".join(f'"{by_fold[fold]}"' for fold in near)
    raise Failed(f'there is no {kind} "{text}"' + (f"; did you mean {meant}?" if near else ""), NOT_FOUND)


def list_of(session: Session, text: str) -> ContactList:
    """The list with that name or id."""
    if is_id(text):
        return session.client.lists.get(text)
    return _named("list", text, session.client.lists.list(limit=1000), lambda one: (one.name,))


def tag_of(session: Session, text: str) -> Tag:
    """The tag with that name or id."""
    if is_id(text):
        return session.client.tags.get(text)
    return _named("tag", text, session.client.tags.list(limit=500), lambda one: (one.name,))


def field_of(session: Session, text: str) -> CustomField:
    """The custom field with that label, name or id."""
    if is_id(text):
        return session.client.custom_fields.get(text)
    fields = session.client.custom_fields.list(limit=100)
    return _named("field", text, fields, lambda one: (one.label, one.name or one.label))


def contact_of(session: Session, text: str, *, include: Any = None) -> Contact:
    """The contact with that address or id, a deleted one too."""
    if is_id(text):
        return session.client.contacts.get(text, include=include)
    if "@" not in text:
        raise Failed(f'"{text}" is neither the address nor the id of a contact', USAGE)
    found = session.client.contacts.find(text, include=include)
    if found is None:
        tip = f"`everlist contacts explain {text}` tells what is known of the address"
        raise Failed(f"no contact has the address {text}\n{tip}", NOT_FOUND)
    return found


def activity_of(session: Session, text: str) -> Activity:
    """The activity with that id; `last` is the newest."""
    if text != "last":
        if not is_id(text):
            raise Failed(f'"{text}" is no id of an activity; `last` is the newest one', USAGE)
        return session.client.activities.get(text)
    newest = session.client.activities.list(limit=1).first()
    if newest is None:
        raise Failed("there was no activity within the last ten days", NOT_FOUND)
    return newest


def given(words: Iterable[str]) -> list[str]:
    """The words; in the place of `-` the lines of standard input."""
    found: list[str] = []
    for word in words:
        found += [line.strip() for line in sys.stdin if line.strip()] if word == "-" else [word]
    return list(dict.fromkeys(found))


def contact_ids(session: Session, words: Iterable[str]) -> list[str]:
    """The ids of contacts that are named by address or id. Raises Failed, before anything is done, for those unknown."""
    return [word if is_id(word) else contact_of(session, word).contact_id for word in given(words)]


def selections(session: Session, who: Sequence[str], list_names: Sequence[str]) -> list[Selection]:
    """What bulk activities take, for contacts or for everybody on lists: one of the two is given."""
    from everlist.client import Selection

    if bool(who) == bool(list_names):
        raise Failed("name contacts, or lists with --list: one of the two", USAGE)
    if list_names:
        return [Selection(list_ids=[list_of(session, name).list_id for name in list_names])]
    return [Selection(contact_ids=some) for some in batches(contact_ids(session, who))]


def batches(values: Sequence[str]) -> list[list[str]]:
    """As many as an activity takes."""
    return [list(values[first : first + _BATCH]) for first in range(0, len(values), _BATCH)]


# What a shell completes


def completing(kind: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Completes names of `lists`, `tags` or `custom_fields`; nothing where the server does not answer at once."""

    def complete(ctx: click.Context, _param: click.Parameter, begun: str) -> list[str]:
        try:
            found = [name for name in _all_names(ctx, kind) if name.casefold().startswith(begun.casefold())]
        except Exception:  # noqa: BLE001 - there is nobody to tell while a line is typed
            return []
        # Of these shells bash alone leaves the escaping of blanks to the program.
        is_bash = os.environ.get("_EVERLIST_COMPLETE") == "bash_complete"
        return [_SPECIAL.sub(r"\\\g<0>", name) for name in found] if is_bash else found

    return complete


def _all_names(ctx: click.Context, kind: str) -> list[str]:
    from everlist.client import NEVER, Client, Timeouts

    url = ctx.params.get("url") or os.environ.get("EVERLIST_URL") or DEFAULT_URL
    token = ctx.params.get("token") or os.environ["EVERLIST_TOKEN"]
    quick = Timeouts(connect=1, read=2, write=2)
    with Client(url, token, retry=NEVER, timeouts=quick) as client:
        part = getattr(client, kind)
        return [one.label if kind == "custom_fields" else one.name for one in part.list()]


LISTS, TAGS, FIELDS = (completing(kind) for kind in ("lists", "tags", "custom_fields"))
