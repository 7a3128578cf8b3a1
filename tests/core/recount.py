"""Count everything again from the tables, and compare it with what is kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, datetime  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING
from uuid import UUID  # noqa: TC003
from zoneinfo import ZoneInfo

import msgspec

from everlist.core.ids import NO_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Sql

MAILABLE = ("explicit", "implicit")


def recount(sql: Sql, account_id: UUID, *, meter: bool = True) -> None:
    """Raise AssertionError, with a line for each difference, unless all that is kept is what is there.

    The counters; the sum of the active deltas and, unless `meter` is false, its distinct contacts of each
    month; the ledger of each contact, erased ones too; memberships and taggings of nothing. Call it while no
    activity of the account is under way.
    """
    tables = _tables(sql, account_id)
    problems = [
        *_wrong_counters(tables),
        *_wrong_active(tables),
        *_wrong_ledger(tables),
        *_strays(tables),
        *(_wrong_meter(tables) if meter else ()),
    ]
    if problems:
        raise AssertionError("\n".join([f"account {account_id} does not add up:", *problems]))


class _Contact(msgspec.Struct, frozen=True):
    contact_id: UUID
    deleted_at: datetime | None
    email_key: str | None
    permission: str | None
    sms_number: str | None
    sms_permission: str | None

    @property
    def live(self) -> bool:
        return self.deleted_at is None

    @property
    def active(self) -> bool:
        return self.email_key is not None and self.live and self.permission in MAILABLE


class _Event(msgspec.Struct, frozen=True):
    contact_id: UUID
    event_id: int
    at: datetime
    channel: str
    action: str
    permission_before: str | None
    permission_after: str | None
    opted_out_by: str | None
    source: str


class _Delta(msgspec.Struct, frozen=True):
    at: datetime
    change: int
    first_this_month: int


class _RolledUpMonth(msgspec.Struct, frozen=True):
    month: date
    change: int
    first_this_month: int


class _Kept(msgspec.Struct, frozen=True):
    name: str
    subject: UUID
    value: int


class _Tables(msgspec.Struct, frozen=True):
    """All that counts of an account, at one moment."""

    time_zone: str
    contacts: list[_Contact]
    memberships: list[tuple[UUID, UUID]]
    taggings: list[tuple[UUID, UUID]]
    lists: set[UUID]
    tags: set[UUID]
    events: list[_Event]
    deltas: list[_Delta]
    rolled_up: int
    """Active contacts after the deltas that are rolled up."""
    rolled_up_months: list[_RolledUpMonth]
    counters: list[_Kept]
    erased: set[UUID]


_TABLES = """
with mine as (select account_id, time_zone from account where account_id = $1)
select jsonb_build_object(
    'time_zone', time_zone,
    'contacts', (select coalesce(jsonb_agg(jsonb_build_object(
        'contact_id', contact_id, 'deleted_at', deleted_at, 'email_key', email_key, 'permission', permission,
        'sms_number', sms_number, 'sms_permission', sms_permission)), '[]')
        from contact natural join mine),
    'memberships', (select coalesce(jsonb_agg(jsonb_build_array(contact_id, list_id)), '[]')
        from list_membership natural join mine),
    'taggings', (select coalesce(jsonb_agg(jsonb_build_array(contact_id, tag_id)), '[]')
        from tagging natural join mine),
    'lists', (select coalesce(jsonb_agg(list_id), '[]') from contact_list natural join mine
        where deleted_at is null),
    'tags', (select coalesce(jsonb_agg(tag_id), '[]') from tag natural join mine),
    'events', (select coalesce(jsonb_agg(to_jsonb(e) - 'details' order by event_id), '[]')
        from consent_event e where e.account_id = $1),
    'deltas', (select coalesce(jsonb_agg(to_jsonb(d) order by delta_id), '[]')
        from active_delta d where d.account_id = $1),
    'rolled_up', (select coalesce(max(value), 0) from active_head h where h.account_id = $1),
    'rolled_up_months', (select coalesce(jsonb_agg(to_jsonb(m)), '[]') from active_month m where m.account_id = $1),
    'erased', (select coalesce(jsonb_agg(contact_id), '[]') from erasure natural join mine
        where contact_id is not null),
    'counters', (select coalesce(jsonb_agg(to_jsonb(k)), '[]') from (
        select name, subject, sum(value)::bigint as value from (
            select name, subject, value from counter where account_id = $1
            union all select name, subject, change from counter_delta where account_id = $1
        ) both_parts group by name, subject) k)
) as tables from mine
"""


def _tables(sql: Sql, account_id: UUID) -> _Tables:
    ((encoded,),) = sql(_TABLES, account_id)
    return msgspec.json.decode(encoded, type=_Tables)


def _wrong_counters(tables: _Tables) -> Iterator[str]:
    kept = {(counter.name, counter.subject): counter.value for counter in tables.counters}
    contacts = {contact.contact_id: contact for contact in tables.contacts}
    counted: Counter[tuple[str, UUID]] = Counter()
    for contact in contacts.values():
        counted[f"contacts.{(contact.permission or 'none') if contact.live else 'deleted'}", NO_ID] += 1
    for contact_id, list_id in tables.memberships:
        contact = contacts.get(contact_id)
        counted["list.members", list_id] += 1
        counted["list.active", list_id] += contact is not None and contact.active
        counted["list.sms", list_id] += contact is not None and contact.sms_number is not None
    for contact_id, tag_id in tables.taggings:
        contact = contacts.get(contact_id)
        counted["tag.contacts", tag_id] += contact is not None and contact.live
    for name, subject in sorted({*kept, *counted}):
        one, other = kept.get((name, subject), 0), counted[name, subject]
        if one != other:
            of = f" of {subject}" if subject != NO_ID else ""
            yield f"{name}{of} is kept as {one} and counted as {other}"


def _wrong_active(tables: _Tables) -> Iterator[str]:
    kept = tables.rolled_up + sum(delta.change for delta in tables.deltas)
    counted = sum(contact.active for contact in tables.contacts)
    if kept != counted:
        yield f"the active deltas add up to {kept}; {counted} contacts are active"


def _wrong_ledger(tables: _Tables) -> Iterator[str]:
    """Follow each contact's events: each begins where the last one ended, and the last tells the present."""
    permissions: dict[tuple[UUID, str], str | None] = {}
    deleted: set[UUID] = set()
    for event in tables.events:
        which = f"event {event.event_id} ({event.channel}) of contact {event.contact_id}"
        before, after = event.permission_before, event.permission_after
        last = permissions.get((event.contact_id, event.channel))
        if before != last:
            yield f"{which} begins at {before}; the one before it ended at {last}"
        if event.action in ("deleted", "restored"):
            if (event.action == "deleted") == (event.contact_id in deleted):
                yield f"{which} says {event.action} of a contact that was so already"
            (deleted.add if event.action == "deleted" else deleted.discard)(event.contact_id)
        rises = after not in (None, "unsubscribed")
        if event.opted_out_by == "Contact" and rises and event.source != "Contact":
            yield f"{which} raises the person's opt-out to {after}, by {event.source}"
        permissions[event.contact_id, event.channel] = after
    for contact in tables.contacts:
        for channel, permission in (("email", contact.permission), ("sms", contact.sms_permission)):
            recorded = permissions.get((contact.contact_id, channel))
            if recorded != permission:
                yield f"contact {contact.contact_id} has {channel} permission {permission}; the ledger says {recorded}"
        if (contact.contact_id in deleted) == contact.live:
            says = "deleted" if contact.contact_id in deleted else "not deleted"
            yield f"contact {contact.contact_id} was deleted at {contact.deleted_at}; the ledger says {says}"
    known = {contact.contact_id for contact in tables.contacts} | tables.erased
    for contact_id in {event.contact_id for event in tables.events} - known:
        yield f"the ledger tells of contact {contact_id}, which does not exist"


def _strays(tables: _Tables) -> Iterator[str]:
    live = {contact.contact_id: contact.live for contact in tables.contacts}
    for contact_id, list_id in tables.memberships:
        if not live.get(contact_id):
            yield f"{'deleted' if contact_id in live else 'missing'} contact {contact_id} is on list {list_id}"
        if list_id not in tables.lists:
            yield f"contact {contact_id} is on the missing or deleted list {list_id}"
    for contact_id, tag_id in tables.taggings:
        if contact_id not in live:
            yield f"missing contact {contact_id} carries tag {tag_id}"
        if tag_id not in tables.tags:
            yield f"contact {contact_id} carries the missing tag {tag_id}"


def _wrong_meter(tables: _Tables) -> Iterator[str]:
    """The distinct contacts of a month: those active as it began, and those that became so for the first time."""
    zone = ZoneInfo(tables.time_zone)
    deltas: list[tuple[_Month, _Delta | _RolledUpMonth]] = [
        *((_month(delta.at, zone), delta) for delta in tables.deltas),
        *(((one.month.year, one.month.month), one) for one in tables.rolled_up_months),
    ]
    spans = {contact_id: _active_months(events, zone) for contact_id, events in _by_contact(tables).items()}
    for month in sorted({month for month, _ in deltas}):
        as_it_began = sum(delta.change for when, delta in deltas if when < month)
        metered = as_it_began + sum(delta.first_this_month for when, delta in deltas if when == month)
        distinct = sum(any(first <= month <= last for first, last in of_one) for of_one in spans.values())
        if metered != distinct:
            yield f"{month}: the meter says that {metered} distinct contacts were active, the ledger {distinct}"


_Month = tuple[int, int]


def _month(at: datetime, zone: ZoneInfo) -> _Month:
    local = at.astimezone(zone)
    return local.year, local.month


def _by_contact(tables: _Tables) -> dict[UUID, list[_Event]]:
    events: dict[UUID, list[_Event]] = defaultdict(list)
    for event in tables.events:
        if event.channel == "email":
            events[event.contact_id].append(event)
    return events


def _active_months(events: list[_Event], zone: ZoneInfo) -> list[tuple[_Month, _Month]]:
    """The months in which each time began and ended that the contact was active."""
    spans: list[tuple[_Month, _Month]] = []
    live, began = True, None
    for event in events:
        if event.action in ("deleted", "restored"):
            live = event.action == "restored"
        active = live and event.permission_after in MAILABLE
        if active and began is None:
            began = _month(event.at, zone)
        elif began is not None and not active:
            spans.append((began, _month(event.at, zone)))
            began = None
    return [*spans, (began, (9999, 12))] if began is not None else spans
