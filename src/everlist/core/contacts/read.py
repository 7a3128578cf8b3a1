"""Read contacts: one, a page, counts; look up V2 ids; read the history of an SMS channel."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, LiteralString

import msgspec

from everlist.core import counters
from everlist.core.consent import EXPLICIT, IMPLICIT, MAILABLE, PENDING, PERMISSIONS, UNSUBSCRIBED
from everlist.core.contacts.columns import CORE, names
from everlist.core.contacts.filters import ContactFilter, conditions, followed_time, parameter
from everlist.core.contacts.model import Contact, Note, Phone, SmsChannel, StreetAddress
from everlist.core.custom_fields import Value
from everlist.core.paging import Page
from everlist.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from everlist.db import Queries, Row

_LIST_IDS: LiteralString = (
    "array(select m.list_id from list_membership m where m.account_id = $1"
    " and m.contact_id = c.contact_id order by m.list_id)"
)
_TAG_IDS: LiteralString = (
    "array(select t.tag_id from tagging t where t.account_id = $1"
    " and t.contact_id = c.contact_id order by t.tag_id)"
)
_INCLUDED: tuple[tuple[str, LiteralString], ...] = (
    ("custom_fields", "c.custom_fields"),
    ("phone_numbers", "c.phone_numbers"),
    ("street_addresses", "c.street_addresses"),
    ("notes", "c.notes"),
    ("sms_channel", "c.sms_channel"),
    ("list_ids", _LIST_IDS),
    ("tag_ids", _TAG_IDS),
)
INCLUDES = tuple(name for name, _ in _INCLUDED)
"""The sub-resources that a reader may ask for."""
EVERYTHING = frozenset(INCLUDES)

_DECODERS = tuple(
    enumerate(
        (
            msgspec.json.Decoder(dict[str, Value]).decode,
            msgspec.json.Decoder(tuple[Phone, ...]).decode,
            msgspec.json.Decoder(tuple[StreetAddress, ...]).decode,
            msgspec.json.Decoder(tuple[Note, ...]).decode,
            msgspec.json.Decoder(SmsChannel).decode,
        ),
        len(CORE),
    )
)
"""The index of each JSON column in a row of columns(), and its decoder."""


@cache
def columns(include: frozenset[str]) -> LiteralString:
    """Return the select list of `contact c` for contact_of, with the sub-resources in `include`; $1 is the account."""
    sql = names(CORE, "c.")
    for name, expression in _INCLUDED:
        sql += ", " + (expression if name in include else "null")
    return sql


def contact_of(row: Row) -> Contact:
    """Return the contact in a row of columns()."""
    # Positional: a page has hundreds of contacts, and keywords cost time. columns() keeps the order of the fields.
    values = list(row)
    for index, decode in _DECODERS:
        if values[index] is not None:
            values[index] = decode(values[index])
    return Contact(*values)


@cache
def _select_one(include: frozenset[str]) -> LiteralString:
    return "select " + columns(include) + " from contact c where c.account_id = $1 and c.contact_id = $2"


async def get(
    db: Queries, account_id: UUID, contact_id: UUID, *, include: frozenset[str] = frozenset()
) -> Contact:
    """Return a contact, live or deleted, with the sub-resources in `include`. Raises NotFound."""
    row = await db.row(_select_one(include), account_id, contact_id)
    if row is None:
        raise NotFound(f"no contact has the id {contact_id}")
    return contact_of(row)


async def page(
    db: Queries,
    account_id: UUID,
    wanted: ContactFilter,
    *,
    limit: int,
    from_id: UUID | None = None,
    from_at: datetime | None = None,
    follow_time: bool = False,
    include: frozenset[str] = frozenset(),
    with_total: bool = False,
) -> Page[Contact]:
    """Return a page of contacts by id, beginning at `from_id`.

    With `follow_time`, contacts that are filtered by a time come in the order of that time, beginning at `from_at`
    and `from_id`: by id, the few that changed lately may lie behind a million that did not. A contact that changes
    during the walk comes again.
    """
    args: list[Any] = [account_id]
    where = conditions(wanted, args)
    # A cursor without a time comes from a walk by id, which goes on by id.
    time = followed_time(wanted) if follow_time and (from_id is None or from_at is not None) else None
    order: LiteralString = "c.contact_id" if time is None else "c." + time + ", c.contact_id"
    if from_id is not None:
        first = (
            parameter(args, from_id)
            if time is None
            else parameter(args, from_at) + ", " + parameter(args, from_id)
        )
        where += " and (" + order + ") >= (" + first + ")"
    rows = await db.rows(
        "select "
        + columns(include)
        + " from contact c where c.account_id = $1"
        + where
        + " order by "
        + order
        + " limit "
        + parameter(args, limit + 1),
        *args,
    )
    total = await count(db, account_id, wanted) if with_total else None
    items = [contact_of(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return Page(items, None, total)
    return Page(items, rows[limit]["contact_id"], total, None if time is None else rows[limit][time])


async def count(db: Queries, account_id: UUID, wanted: ContactFilter) -> int:
    """Count the contacts that match, by the counters if they have the number."""
    if wanted == ContactFilter(wanted.statuses):
        by_name = await counters.of_account(db, account_id)
        return sum(by_name.get(name, 0) for name in _counters_of(wanted.statuses))
    subjects = (*(wanted.list_ids or ()), *(wanted.tag_ids or ()))
    if len(subjects) == 1 and wanted == ContactFilter(list_ids=wanted.list_ids, tag_ids=wanted.tag_ids):
        name = "list.members" if wanted.list_ids else "tag.contacts"
        return (await counters.of_subjects(db, account_id, name, subjects))[subjects[0]]
    args: list[Any] = [account_id]
    return await db.value(
        "select count(*) from contact c where c.account_id = $1" + conditions(wanted, args), *args
    )


def _counters_of(statuses: frozenset[str]) -> set[str]:
    if not statuses or "all" in statuses:
        return {*PERMISSIONS, "none"} | ({"deleted"} if statuses else set[str]())
    return {name for status in statuses for name in (MAILABLE if status == "active" else (status,))}


class Counts(msgspec.Struct, frozen=True):
    """The counts of an account by permission, without deleted contacts."""

    total: int
    explicit: int
    implicit: int
    pending: int
    unsubscribed: int


async def counts(db: Queries, account_id: UUID) -> Counts:
    """Return exact counts, in constant time."""
    by_name = await counters.of_account(db, account_id)
    return Counts(
        total=sum(number for name, number in by_name.items() if name != "deleted"),
        explicit=by_name.get(EXPLICIT, 0),
        implicit=by_name.get(IMPLICIT, 0),
        pending=by_name.get(PENDING, 0),
        unsubscribed=by_name.get(UNSUBSCRIBED, 0),
    )


async def count_new_subscribers(db: Queries, account_id: UUID, *, now: datetime) -> int:
    """Count the mailable contacts that opted in within the last 30 days."""
    return await db.value(
        "select count(*) from contact where account_id = $1 and deleted_at is null"
        " and permission = any($2) and opt_in_at > $3",
        account_id,
        list(MAILABLE),
        now - timedelta(days=30),
    )


async def ids_by_sequence(
    db: Queries, account_id: UUID, sequence_ids: Sequence[int]
) -> list[tuple[int, UUID]]:
    """Return (V2 id, contact id) ascending by V2 id; unknown ids are left out."""
    rows = await db.rows(
        "select sequence_id, contact_id from contact where account_id = $1 and sequence_id = any($2)"
        " order by sequence_id",
        account_id,
        list(sequence_ids),
    )
    return [(row["sequence_id"], row["contact_id"]) for row in rows]


class SmsEvent(msgspec.Struct, frozen=True):
    """One entry of the ledger about an SMS channel."""

    at: datetime
    permission_after: str | None
    source: str
    details: dict[str, Any]


async def sms_history(db: Queries, account_id: UUID, contact_id: UUID) -> list[SmsEvent]:
    """Return the opt-ins and opt-outs of the contact's SMS channel, oldest first. Raises NotFound."""
    rows = await db.rows(
        "select at, permission_after, source, details from consent_event"
        " where account_id = $1 and contact_id = $2 and channel = 'sms' order by event_id",
        account_id,
        contact_id,
    )
    if not rows:
        await get(db, account_id, contact_id)
    return [
        SmsEvent(
            at=row["at"],
            permission_after=row["permission_after"],
            source=row["source"],
            details=msgspec.json.decode(row["details"] or "{}"),
        )
        for row in rows
    ]
