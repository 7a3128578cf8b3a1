"""Merge a chunk of an import's rows into the contacts, and store the outcome of each. V3 contract 6.3.

A row changes only what it holds a value for, and never a permission. It revives a deleted contact. If the contact has
unsubscribed, the row is held back: the contact is updated, but added to no list and not revived. A row with a
suppressed address or number is held back too, and writes nothing. Nor does a row that changes nothing.

If the file says that a person has unsubscribed, as an export does, the row is held back as well. If no contact has the
address, it is suppressed as unsubscribed, so that the next file cannot add it as new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from everlist.core import counters, usage
from everlist.core.activities import OUTCOMES, Outcome
from everlist.core.consent import suppression
from everlist.core.contacts.consequences import Move, State, consequences
from everlist.core.contacts.model import MAX_CUSTOM_FIELDS, MAX_LISTS, MAX_PHONES, MAX_STREET_ADDRESSES
from everlist.core.contacts.select import lock
from everlist.core.imports import statements
from everlist.db import RetryTransaction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from everlist.core.act import Act
    from everlist.core.installation import Installation
    from everlist.db import Row, Transaction

_LIMITS = (MAX_PHONES, MAX_STREET_ADDRESSES, MAX_CUSTOM_FIELDS, MAX_LISTS)


async def merge(
    tx: Transaction,
    account_id: UUID,
    list_ids: Sequence[UUID],
    *,
    first: int,
    last: int,
    act: Act,
    installation: Installation,
    gone: Sequence[UUID] = (),
    expect_new: bool = False,
    opt_outs: bool = False,
    numbers: bool = True,
) -> Merged:
    """Merge the rows `first` to `last` of the activity of `act`, without values of the deleted custom fields `gone`.

    `expect_new` tries first without looking for contacts, as if every row were new; if a row has a contact, it starts
    over. `opt_outs` is True if the file says of any person that they have unsubscribed, `numbers` if some rows may have
    an SMS number. Raises RetryTransaction if a person was erased or an opt-out remembered meanwhile.
    """
    chunk = _Chunk(account_id, act.activity_id, first, last)
    ids = list(list_ids)
    no_fields = [str(field_id) for field_id in gone]
    if opt_outs:
        await _remember(tx, account_id, first, last, act=act, installation=installation)
    while True:
        found = _NOBODY if expect_new else await _find(tx, chunk, ids, no_fields)
        expect_new = False
        if found.all_unchanged:
            await tx.execute(statements.KEEP_OUTCOMES, *chunk, found.rows, found.unchanged)
            decided = await _decided(tx, account_id, first, last, act=act, installation=installation)
            return Merged(outcomes={"unchanged": len(found.rows)}, decided=decided, errors=[])
        suppressed, erased = await _suppressed(
            tx, account_id, first, last, act=act, installation=installation
        )
        rules = _Rules(ids, no_fields, suppressed, numbers=numbers)
        states = await _stage(tx, chunk, found, rules, act)
        if not any(state["unlocked"] for state in states):
            break
        await tx.execute(statements.START_AGAIN, *chunk)
    await _write(tx, chunk, states, no_fields, act)
    if any(state["outcome"] in ("c", "u") for state in states):
        # We hold the lock on every matching contact. An unmatched address may have been suppressed meanwhile.
        now_suppressed, _ = await _suppressed(tx, account_id, first, last, act=act, installation=installation)
        if set(now_suppressed) != set(suppressed):
            raise RetryTransaction
    if any(state["outcome"] in ("r", "h") or state["superseded"] or state["problems"] for state in states):
        await tx.execute(statements.REPORT, *chunk, erased)
    await tx.execute(statements.KEEP_OUTCOMES, *chunk, found.rows, found.unchanged)
    errors: list[str] = []
    if any(state["problems"] for state in states):
        errors = [row["error"] for row in await tx.rows(statements.PROBLEMS, *chunk)]
    outcomes: dict[Outcome, int] = {"unchanged": len(found.rows)}
    for state in states:
        outcome = OUTCOMES[state["outcome"]]
        outcomes[outcome] = outcomes.get(outcome, 0) + state["number"]
    decided = await _decided(tx, account_id, first, last, act=act, installation=installation)
    return Merged(outcomes=outcomes, decided=decided, errors=errors)


class Merged(NamedTuple):
    """What became of the rows of a chunk."""

    outcomes: dict[Outcome, int]
    """How many merged rows had each outcome."""
    decided: Decided
    """The rows that no merge decides."""
    errors: list[str]
    """Rows that were rejected, and numbers that were not taken."""


class Decided(NamedTuple):
    """How many rows were decided before the merge."""

    rejected: int
    correctable: int
    """Of those that were rejected, how many the account can correct in the file."""
    superseded: int


class _Chunk(NamedTuple):
    """The rows that are merged: the first four parameters of every statement."""

    account_id: UUID
    activity_id: UUID | None
    first: int
    last: int


class _Rules(NamedTuple):
    """The facts, apart from rows and contacts, that decide the outcome of a row."""

    list_ids: list[UUID]
    no_fields: list[str]
    """Custom fields that no longer exist."""
    suppressed: list[str]
    """Addresses and numbers."""
    numbers: bool
    """True if rows may have an SMS number."""


class _Found(NamedTuple):
    """The contacts of a chunk's rows."""

    rows: list[int]
    """The rows that change nothing, with their contacts."""
    unchanged: list[UUID]
    locked: list[UUID]
    """The contacts of the other rows."""
    all_unchanged: bool = False
    by_number: bool = False
    """True if a row names its contact by an SMS number alone: another may do so by an address."""


_NOBODY = _Found([], [], [])


async def _find(tx: Transaction, chunk: _Chunk, list_ids: list[UUID], no_fields: list[str]) -> _Found:
    """Find the rows that change nothing, and lock the contacts of the others."""
    (row,) = await tx.rows(statements.COMPARE, *chunk, list_ids, no_fields)
    found = _Found(row["rows"], row["unchanged"], row["others"], row["all_unchanged"], row["by_number"])
    if found.all_unchanged:
        return found
    if found.by_number:  # two rows may be about one contact
        found = _Found([], [], found.unchanged + found.locked, by_number=True)
    await lock(tx, chunk.account_id, found.locked)
    return found


async def _stage(tx: Transaction, chunk: _Chunk, found: _Found, rules: _Rules, act: Act) -> Sequence[Row]:
    """Stage the outcome of each row, and return the distinct outcomes with their numbers of rows."""
    args = (
        *chunk,
        rules.list_ids,
        rules.no_fields,
        found.rows,
        rules.suppressed,
        await usage.month_began(tx, chunk.account_id, now=act.now),
        _times(act),
        *_LIMITS,
    )
    await tx.execute(statements.STAGE, *args)
    if rules.numbers:
        await tx.execute(statements.STAGE_BY_NUMBER, *args)
        await tx.execute(statements.GIVE_NUMBERS_ONCE, *chunk)
    if found.by_number:
        await tx.execute(statements.SUPERSEDE, *chunk)
    return await tx.rows(statements.STATES, *chunk, found.locked)


def _times(act: Act) -> str:
    """Return the times of phone numbers and addresses that are new, as JSON."""
    now = act.now.replace(microsecond=0)
    return msgspec.json.encode({"created_at": now, "updated_at": now}).decode()


async def _write(
    tx: Transaction, chunk: _Chunk, states: Sequence[Row], no_fields: list[str], act: Act
) -> None:
    """Write the staged rows, table by table."""
    written = [state for state in states if state["writes"]]
    if not written:
        return
    created = any(not state["existed"] for state in written)
    changed = any(state["existed"] for state in written)
    numbers = any(state["gets_number"] for state in written)
    readdressed = any(state["gets_number"] and state["existed"] for state in written)
    provenance = (act.now, act.operation, act.request_id, act.token_id)
    await tx.execute(statements.KEEP_BEFORE, *chunk, no_fields, act.now, readdressed)
    if created:
        await tx.execute(statements.CREATE_CONTACTS, *chunk, act.now, no_fields, _times(act))
    if changed:
        await tx.execute(statements.CHANGE_CONTACTS, *chunk, act.now, no_fields)
    if any(state["lists_joined"] for state in written):
        await tx.execute(statements.JOIN_LISTS, *chunk, act.now)
    if created:
        await tx.execute(statements.RECORD_CREATED, *chunk, *provenance)
    if any(state["existed"] and not state["was_live"] and state["outcome"] == "u" for state in written):
        await tx.execute(statements.RECORD_RESTORED, *chunk, *provenance)
    if numbers:
        await tx.execute(statements.RECORD_NUMBERS, *chunk, *provenance)
    total = consequences(_move(state) for state in written)
    await counters.add(tx, chunk.account_id, total.differences())
    await usage.add(tx, chunk.account_id, total.active, first_this_month=total.first_this_month, act=act)


def _move(state: Row) -> Move:
    existed, deleted = state["existed"], state["existed"] and not state["was_live"]
    has_sms = state["had_number"] or state["gets_number"]
    return Move(
        before=State(state["permission"], deleted, state["had_number"]) if existed else None,
        after=State(state["permission"], deleted and state["outcome"] == "h", has_sms),
        lists_joined=state["lists_joined"],
        lists_kept=state["lists_kept"],
        tags_kept=state["tags_kept"],
        first_this_month=state["first_this_month"],
        number=state["number"],
    )


async def _remember(
    tx: Transaction, account_id: UUID, first: int, last: int, *, act: Act, installation: Installation
) -> None:
    """Suppress the addresses that the file calls unsubscribed and that no contact has."""
    rows = await tx.rows(
        "select r.email_key from import_row r where r.account_id = $1 and r.activity_id = $2"
        " and r.row_number between $3 and $4 and r.opted_out and r.superseded_by is null and r.problem is null"
        " and r.email_key is not null and not exists ("
        "select from contact c where c.account_id = $1 and c.email_key = r.email_key)",
        account_id,
        act.activity_id,
        first,
        last,
    )
    hashes = (installation.address_hmac(account_id, suppression.EMAIL, row["email_key"]) for row in rows)
    dates = dict.fromkeys(hashes, act.now)
    if dates:
        await suppression.add_all(tx, account_id, suppression.EMAIL, dates, reason=suppression.UNSUBSCRIBE)


async def _suppressed(
    tx: Transaction, account_id: UUID, first: int, last: int, *, act: Act, installation: Installation
) -> tuple[list[str], list[str]]:
    """Return the suppressed addresses and numbers of these rows, and which of them belong to erased people."""
    if not await suppression.any_entry(tx, account_id):
        return [], []
    rows = await tx.rows(
        "select email_key, sms_number from import_row where account_id = $1 and activity_id = $2"
        " and row_number between $3 and $4 and superseded_by is null and problem is null",
        account_id,
        act.activity_id,
        first,
        last,
    )
    suppressed: list[str] = []
    erased: list[str] = []
    for channel, column in ((suppression.EMAIL, "email_key"), (suppression.SMS, "sms_number")):
        keys = {row[column] for row in rows} - {None}
        found = await suppression.among(tx, account_id, channel, keys, installation)
        suppressed += found
        erased += [key for key, remembered in found.items() if remembered.erased_at is not None]
    return suppressed, erased


async def _decided(
    tx: Transaction, account_id: UUID, first: int, last: int, *, act: Act, installation: Installation
) -> Decided:
    """Report and count the rows that no merge decides: rejected when they were read, or superseded by another."""
    erased: list[str] = []  # the report must not name a person who was erased
    if await suppression.any_entry(tx, account_id):
        texts = await tx.rows(
            "select distinct k.key from import_row r"
            " cross join lateral unnest(coalesce(r.keys, array[r.email_key, r.sms_number])) k (key)"
            " where r.account_id = $1 and r.activity_id = $2 and r.row_number between $3 and $4"
            " and (r.problem is not null or r.superseded_by is not null) and k.key is not null",
            account_id,
            act.activity_id,
            first,
            last,
        )
        keys = [row["key"] for row in texts]
        for channel in (suppression.EMAIL, suppression.SMS):
            found = await suppression.among(tx, account_id, channel, keys, installation)
            erased += [key for key, remembered in found.items() if remembered.erased_at is not None]
    row = await tx.row(
        """
        select count(*) filter (where problem is not null) as rejected,
            count(*) filter (where problem is not null and correctable) as correctable,
            count(*) filter (where superseded_by is not null) as superseded
        from import_row
        where account_id = $1 and activity_id = $2 and row_number between $3 and $4
            and (problem is not null or superseded_by is not null)
        """,
        account_id,
        act.activity_id,
        first,
        last,
    )
    if row is None:
        raise AssertionError
    decided = Decided(rejected=row["rejected"], correctable=row["correctable"], superseded=row["superseded"])
    if decided.rejected or decided.superseded:
        await tx.execute(
            """
            insert into import_report (account_id, activity_id, row_number, reason, email, keys)
            select account_id, activity_id, row_number, reason, case when not keys && $5::text[] then shown end,
                case when keys && $5::text[] then '{}' else keys end
            from (
                select r.account_id, r.activity_id, r.row_number, coalesce(r.email, r.sms_number) as shown,
                    coalesce(r.problem, 'superseded by line ' || r.superseded_by) as reason,
                    coalesce(r.keys, array_remove(array[r.email_key, r.sms_number], null)) as keys
                from import_row r
                where r.account_id = $1 and r.activity_id = $2 and r.row_number between $3 and $4
                    and (r.problem is not null or r.superseded_by is not null)
            ) decided
            """,
            account_id,
            act.activity_id,
            first,
            last,
            erased,
        )
    return decided
