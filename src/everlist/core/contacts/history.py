"""Read the ledger of one contact: its events, and what could be sent to it at a given time."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from everlist.core.consent import MAILABLE
from everlist.core.contacts.read import get
from everlist.core.ids import NO_ID
from everlist.core.paging import Page

if TYPE_CHECKING:
    from everlist.db import Queries, Row


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change of what may be sent to a person, by `source`, in a request or an activity."""

    event_id: int
    at: datetime
    channel: str
    action: str
    """created, changed, readdressed, deleted or restored."""
    source: str
    """Contact, Account or System."""
    operation: str
    permission_before: str | None = None
    permission_after: str | None = None
    opted_out_by: str | None = None
    """Who had opted the person out before this."""
    reason: str | None = None
    details: dict[str, Any] | None = None
    request_id: str | None = None
    token_id: UUID | None = None
    token_name: str | None = None
    activity_id: UUID | None = None
    row_number: int | None = None
    """The row of the activity's input."""


def _event(row: Row) -> Event:
    return Event(
        event_id=row["event_id"],
        at=row["at"],
        channel=row["channel"],
        action=row["action"],
        source=row["source"],
        operation=row["operation"],
        permission_before=row["permission_before"],
        permission_after=row["permission_after"],
        opted_out_by=row["opted_out_by"],
        reason=row["reason"],
        details=msgspec.json.decode(row["details"]) if row["details"] else None,
        request_id=row["request_id"],
        token_id=row["token_id"],
        token_name=row["token_name"] or None,
        activity_id=row["activity_id"],
        row_number=row["row_number"],
    )


async def page(
    db: Queries, account_id: UUID, contact_id: UUID, *, limit: int | None, from_id: UUID | None = None
) -> Page[Event]:
    """Return the events of a contact, oldest first; `from_id`, from a Page, is an event_id in the form of a UUID.

    Raises NotFound.
    """
    rows = await db.rows(
        "select e.*, t.name as token_name from consent_event e left join api_token t"
        " on t.account_id = e.account_id and t.token_id = e.token_id"
        " where e.account_id = $1 and e.contact_id = $2 and e.event_id >= $3 order by e.event_id limit $4",
        account_id,
        contact_id,
        (from_id or NO_ID).int,
        None if limit is None else limit + 1,
    )
    if not rows:
        await get(db, account_id, contact_id)
    more = limit is not None and len(rows) > limit
    return Page([_event(row) for row in rows[:limit]], UUID(int=rows[-1]["event_id"]) if more else None)


async def last_of(db: Queries, account_id: UUID, contact_id: UUID, *, deleted: bool) -> Event | None:
    """Return the event that last changed the contact's e-mail permission, or with `deleted` its last deletion."""
    row = await db.row(
        "select e.*, t.name as token_name from consent_event e left join api_token t"
        " on t.account_id = e.account_id and t.token_id = e.token_id"
        " where e.account_id = $1 and e.contact_id = $2 and e.channel = 'email'"
        " and case when $3 then e.action = 'deleted' else e.permission_before is distinct from e.permission_after end"
        " order by e.event_id desc limit 1",
        account_id,
        contact_id,
        deleted,
    )
    return _event(row) if row else None


class ChannelState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What could be sent on one channel, and the last event that said so."""

    permission: str
    may_send: bool
    since: datetime
    event: Event


class State(msgspec.Struct, frozen=True):
    """A contact at a given time; channels that it did not have are absent."""

    exists: bool
    deleted: bool
    channels: dict[str, ChannelState]


async def state_at(db: Queries, account_id: UUID, contact_id: UUID, at: datetime) -> State:
    """Return what could be sent to the contact at a moment, after the events of that moment. Raises NotFound."""
    contact = await get(db, account_id, contact_id)
    events = (await page(db, account_id, contact_id, limit=None)).items
    deleted = False
    last: dict[str, Event] = {}
    since: dict[str, datetime] = {}
    for event in events:
        if event.at > at:
            continue
        if event.action in ("deleted", "restored"):
            deleted = event.action == "deleted"
        if event.channel not in last or event.permission_after != event.permission_before:
            since[event.channel] = event.at
        last[event.channel] = event
    channels = {
        channel: ChannelState(
            permission=event.permission_after,
            may_send=not deleted and event.permission_after in MAILABLE,
            since=since[channel],
            event=event,
        )
        for channel, event in last.items()
        if event.permission_after is not None
    }
    return State(exists=contact.created_at <= at, deleted=deleted, channels=channels)
