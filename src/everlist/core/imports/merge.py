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

from everlist.core.activities import OUTCOMES, Outcome
from everlist.core.consent import suppression
from everlist.core.contacts.chain import CONSEQUENCES
from everlist.core.contacts.select import lock
from everlist.core.ids import NO_ID
from everlist.core.imports.statement import CHANGED, COMPARE, FOLLOWED, INCOMING, REPORTED
from everlist.db import RetryTransaction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from everlist.core.act import Act
    from everlist.core.installation import Installation
    from everlist.db import Transaction


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
) -> Merged:
    """Merge the rows `first` to `last` of the activity of `act`, without values of the deleted custom fields `gone`.

    `expect_new` tries first without looking for contacts, as if every row were new; if a row has a contact, nothing is
    written and it starts over. `opt_outs` is True if the file says of any person that they have unsubscribed.
    Raises RetryTransaction if a person was erased or an opt-out remembered meanwhile.
    """
    ids = list(list_ids)
    gone_fields = [str(field_id) for field_id in gone]
    now = act.now.replace(microsecond=0)
    times = msgspec.json.encode({"created_at": now, "updated_at": now}).decode()
    if opt_outs:
        await _remember(tx, account_id, first, last, act=act, installation=installation)
    while True:
        found = (
            _NOBODY
            if expect_new
            else await _find(tx, account_id, ids, gone_fields, first=first, last=last, act=act)
        )
        expect_new = False
        if found.all_unchanged is not None:
            decided = await _decided(tx, account_id, first, last, act=act, installation=installation)
            return Merged(outcomes={"unchanged": found.all_unchanged}, decided=decided, errors=[])
        suppressed, erased = await _suppressed(
            tx, account_id, first, last, act=act, installation=installation
        )
        merged = await tx.rows(
            INCOMING + (FOLLOWED if found.by_number else "null::integer") + CHANGED + CONSEQUENCES + REPORTED,
            account_id,
            act.now,
            NO_ID,
            ids,
            act.operation,
            act.request_id,
            act.token_id,
            act.activity_id,
            first,
            last,
            suppressed,
            found.rows,
            found.lines,
            found.unchanged,
            found.locked,
            erased,
            gone_fields,
            times,
        )
        if any(row["has_unlocked"] for row in merged):
            continue
        outcomes: dict[Outcome, int] = {OUTCOMES[row["outcome"]]: row["number"] for row in merged}
        if outcomes.keys() & {"created", "updated"}:
            # We hold the lock on every matching contact. An unmatched address may have been erased meanwhile, so
            # check suppression again.
            now_suppressed, _ = await _suppressed(
                tx, account_id, first, last, act=act, installation=installation
            )
            if set(now_suppressed) != set(suppressed):
                raise RetryTransaction
        outcomes["unchanged"] = outcomes.get("unchanged", 0) + len(found.rows)
        decided = await _decided(tx, account_id, first, last, act=act, installation=installation)
        errors: list[str] = (merged[0]["errors"] or []) if merged else []
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


class _Found(NamedTuple):
    """The contacts that a chunk's rows are about."""

    rows: list[int]
    """The rows that change nothing."""
    lines: list[int]
    """Their line numbers, in the same order."""
    unchanged: list[UUID]
    """Their contacts, in the same order."""
    locked: list[UUID]
    """The contacts of the other rows."""
    by_number: bool
    """True if a row names its contact by an SMS number alone: another may name the same one by its address."""
    all_unchanged: int | None = None
    """How many rows there are if none changes anything; then their outcomes are stored already."""


_NOBODY = _Found(rows=[], lines=[], unchanged=[], locked=[], by_number=False)


async def _find(
    tx: Transaction,
    account_id: UUID,
    list_ids: list[UUID],
    gone: list[str],
    *,
    first: int,
    last: int,
    act: Act,
) -> _Found:
    """Find the rows that change nothing, and lock the contacts of the others."""
    (row,) = await tx.rows(COMPARE, account_id, act.activity_id, list_ids, first, last, gone)
    found = _Found(
        rows=row["rows"],
        lines=row["lines"],
        unchanged=row["unchanged"],
        locked=row["others"],
        by_number=bool(row["by_number"]),
        all_unchanged=row["all_unchanged"],
    )
    if found.by_number:  # two rows may be about one contact
        found = _Found(rows=[], lines=[], unchanged=[], locked=found.unchanged + found.locked, by_number=True)
    await lock(tx, account_id, found.locked)
    return found


async def _remember(
    tx: Transaction, account_id: UUID, first: int, last: int, *, act: Act, installation: Installation
) -> None:
    """Suppress the addresses that the file calls unsubscribed and that no contact has."""
    rows = await tx.rows(
        "select r.email_key from import_row r where r.account_id = $1 and r.activity_id = $2"
        " and r.row_number between $3 and $4 and r.opted_out and r.superseded_by is null and r.problem is null"
        " and r.email_key is not null and not exists ("
        "select from contact c where c.account_id = (select $1::uuid) and c.email_key = r.email_key)",
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
        with decided as (
            select r.row_number, r.problem, r.correctable, r.superseded_by, coalesce(r.email, r.sms_number) as shown,
                coalesce(r.keys, array_remove(array[r.email_key, r.sms_number], null)) as keys
            from import_row r
            where r.account_id = $1 and r.activity_id = $2 and r.row_number between $3 and $4
                and (r.problem is not null or r.superseded_by is not null)
        ),
        reported as (
            insert into import_report (account_id, activity_id, row_number, reason, email, keys)
            select $1, $2, row_number, coalesce(problem, 'superseded by line ' || superseded_by),
                case when not keys && $5::text[] then shown end, case when keys && $5::text[] then '{}' else keys end
            from decided
        )
        select count(*) filter (where problem is not null) as rejected,
            count(*) filter (where problem is not null and correctable) as correctable,
            count(*) filter (where superseded_by is not null) as superseded
        from decided
        """,
        account_id,
        act.activity_id,
        first,
        last,
        erased,
    )
    if row is None:
        raise AssertionError
    return Decided(rejected=row["rejected"], correctable=row["correctable"], superseded=row["superseded"])
