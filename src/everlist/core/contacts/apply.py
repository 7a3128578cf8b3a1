"""Write one contact, and everything that follows from the difference between before and after.

One statement a table: the contact, its memberships and taggings, the consent ledger, the counters, the number of
active contacts. What follows is derived here from the two states, so no operation can forget it. A statement
that has nothing to write is not sent. Callers hold the lock of every existing contact that they change
(select.locked). Sets of contacts that change alike go through edit.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString
from uuid import UUID

import msgspec

from everlist.core import counters, usage
from everlist.core.contacts import ledger
from everlist.core.contacts.columns import UPDATED, WRITTEN, names, parameter_assignments, parameters
from everlist.core.contacts.consequences import Move, State, consequences
from everlist.core.contacts.model import Contact
from everlist.core.values import FEW, values

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from everlist.core.act import Act
    from everlist.db import Transaction


class Change(msgspec.Struct, frozen=True):
    """A contact before and after; lists and tags included."""

    before: Contact | None
    """As it was read under its lock; None for a new contact."""
    after: Contact
    source: str
    """Who acts: Contact or Account."""
    sms_details: dict[str, Any] | None = None
    """What the ledger keeps of a change of the SMS consent."""


async def apply(tx: Transaction, account_id: UUID, changes: Sequence[Change], act: Act) -> None:
    """Make the changes. Raises asyncpg.UniqueViolationError where another contact holds an address."""
    if not changes:
        return
    moves = [await _move(tx, account_id, change, act) for change in changes]
    await _write_contacts(tx, account_id, changes, act)
    await _write_lists_and_tags(tx, account_id, changes, moves, act)
    events = [event for change in changes for event in _events(change)]
    await ledger.append(tx, account_id, events, act)
    total = consequences(moves)
    await counters.add(tx, account_id, total.differences())
    await usage.add(tx, account_id, total.active, first_this_month=total.first_this_month, act=act)


def _events(change: Change) -> list[ledger.Event]:
    return ledger.events(change.before, change.after, source=change.source, sms_details=change.sms_details)


async def _move(tx: Transaction, account_id: UUID, change: Change, act: Act) -> Move:
    before, after = change.before, change.after
    lists_before = frozenset(before.list_ids or ()) if before else frozenset[UUID]()
    tags_before = frozenset(before.tag_ids or ()) if before else frozenset[UUID]()
    lists_after, tags_after = frozenset(after.list_ids or ()), frozenset(after.tag_ids or ())
    state_before, state_after = state_of(before) if before else None, state_of(after)
    first_this_month = state_after.active
    if before is not None and state_before is not None and state_after.active and not state_before.active:
        first_this_month = await _first_this_month(tx, account_id, before.contact_id, act)
    return Move(
        state_before,
        state_after,
        lists_joined=sorted(lists_after - lists_before),
        lists_left=sorted(lists_before - lists_after),
        lists_kept=sorted(lists_before & lists_after),
        tags_added=sorted(tags_after - tags_before),
        tags_removed=sorted(tags_before - tags_after),
        tags_kept=sorted(tags_before & tags_after),
        first_this_month=first_this_month,
    )


def state_of(contact: Contact) -> State:
    """Return what counters and the meter see of a contact."""
    return State(contact.permission, contact.deleted_at is not None, contact.sms_channel is not None)


async def _first_this_month(tx: Transaction, account_id: UUID, contact_id: UUID, act: Act) -> bool:
    """Return whether the contact was not active before in the month of `act.now` (account's time zone)."""
    last_active_at = await tx.value(
        "select last_active_at from contact where account_id = $1 and contact_id = $2", account_id, contact_id
    )
    return last_active_at is None or last_active_at < await usage.month_began(tx, account_id, now=act.now)


_INSERT: LiteralString = (
    "insert into contact (account_id, "
    + names(WRITTEN)
    + ") values ($1, "
    + parameters(WRITTEN, first=2)
    + ")"
)
# $1 account, $2 contact, $3 when it was last active if it is not any more, $4 the lists that it was deleted with,
# $5 whether it is deleted; from $6 on the columns
_UPDATE: LiteralString = (
    "update contact set last_active_at = coalesce($3, last_active_at),"
    " deleted_list_ids = case when $5::boolean then coalesce($4, deleted_list_ids) end, "
    + parameter_assignments(UPDATED, first=6)
    + " where account_id = $1 and contact_id = $2"
)


async def _write_contacts(tx: Transaction, account_id: UUID, changes: Iterable[Change], act: Act) -> None:
    inserts: list[tuple[Any, ...]] = []
    updates: list[tuple[Any, ...]] = []
    for change in changes:
        columns = _columns(change)
        if change.before is None:
            inserts.append((account_id, *(columns[name] for name, _ in WRITTEN)))
            continue
        after = change.after
        left = state_of(change.before).active and not state_of(after).active
        updates.append(
            (
                account_id,
                after.contact_id,
                act.now if left else None,
                columns["deleted_list_ids"],
                after.deleted_at is not None,
                *(columns[name] for name, _ in UPDATED),
            )
        )
    await _execute(tx, _INSERT, inserts)
    await _execute(tx, _UPDATE, updates)


async def _execute(tx: Transaction, sql: LiteralString, rows: Sequence[Sequence[Any]]) -> None:
    if len(rows) == 1:
        await tx.execute(sql, *rows[0])
    elif rows:
        await tx.execute_many(sql, rows)


def _columns(change: Change) -> dict[str, Any]:
    """Return the columns of the contact after the change, by name, as asyncpg takes them."""
    after = change.after
    channel = after.sms_channel
    columns = msgspec.structs.asdict(after)
    deleted_now = after.deleted_at is not None and (change.before is None or change.before.deleted_at is None)
    columns["deleted_list_ids"] = (
        list(change.before.list_ids or ()) if change.before and deleted_now else None
    )
    columns["sms_number"] = channel.key if channel else None
    columns["sms_permission"] = channel.sms_channel_consents[0].sms_consent_permission if channel else None
    columns["sms_channel"] = _json(channel) if channel else None
    columns["custom_fields"] = _json(after.custom_fields or {})
    for name in ("phone_numbers", "street_addresses", "notes"):
        columns[name] = _json(columns[name] or ())
    return columns


_encode = msgspec.json.Encoder().encode


def _json(value: object) -> str:
    return _encode(value).decode()


_LEAVE_LISTS = (
    "delete from list_membership where account_id = $1 and contact_id = $2 and list_id = any($3::uuid[])"
)
_REMOVE_TAGS = "delete from tagging where account_id = $1 and contact_id = $2 and tag_id = any($3::uuid[])"
_JOIN_LISTS: LiteralString = (
    "insert into list_membership (account_id, created_at, contact_id, list_id) values "
)
_ADD_TAGS: LiteralString = "insert into tagging (account_id, created_at, contact_id, tag_id) values "


async def _write_lists_and_tags(
    tx: Transaction, account_id: UUID, changes: Iterable[Change], moves: Iterable[Move], act: Act
) -> None:
    joined: list[tuple[UUID, UUID]] = []
    tagged: list[tuple[UUID, UUID]] = []
    for change, move in zip(changes, moves, strict=True):
        contact_id = change.after.contact_id
        if move.lists_left:
            await tx.execute(_LEAVE_LISTS, account_id, contact_id, move.lists_left)
        if move.tags_removed:
            await tx.execute(_REMOVE_TAGS, account_id, contact_id, move.tags_removed)
        joined += [(contact_id, list_id) for list_id in move.lists_joined]
        tagged += [(contact_id, tag_id) for tag_id in move.tags_added]
    await _insert_pairs(tx, _JOIN_LISTS, joined, account_id, act)
    await _insert_pairs(tx, _ADD_TAGS, tagged, account_id, act)


async def _insert_pairs(
    tx: Transaction, insert: LiteralString, pairs: Sequence[tuple[UUID, UUID]], account_id: UUID, act: Act
) -> None:
    if len(pairs) > FEW:
        rows = [(account_id, act.now, *pair) for pair in pairs]
        await tx.execute_many(insert + values(1, shared=2, own=2), rows)
    elif pairs:
        flat = [value for pair in pairs for value in pair]
        await tx.execute(insert + values(len(pairs), shared=2, own=2), account_id, act.now, *flat)
