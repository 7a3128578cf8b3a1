"""Keep the receipts of erasures, and check the reasons that stand in them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, LiteralString, NewType
from uuid import UUID

import msgspec

from everlist.core.paging import Page
from everlist.errors import Invalid, NotFound, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everlist.db import Queries, Row, Transaction


MAX_REASON = 255

_ADDRESS = re.compile(r"\S@\S")

Reason = NewType("Reason", str)
"""Why somebody is erased, checked by checked_reason: it is kept, so it must not identify a person."""


def checked_reason(text: str | None, *, required: bool = False) -> Reason:
    """Return the reason without spaces around it.

    Raises Invalid if it contains an address, is too long, or is missing and required.
    """
    reason = (text or "").strip()
    if required and not reason:
        raise Invalid(Problem("reason", missing=True))
    if len(reason) > MAX_REASON or not reason.isprintable():
        raise Invalid(Problem("reason", f"one line of at most {MAX_REASON} characters"))
    if _ADDRESS.search(reason):
        raise Invalid(Problem("reason", "it is kept, so it must hold no address"))
    return Reason(reason)


class Erasure(msgspec.Struct, frozen=True, omit_defaults=True):
    """The erasure of one person, with its receipt."""

    erasure_id: UUID
    erased_at: datetime
    reason: str
    receipt: str
    """A compact JWS of a receipt.Receipt."""
    contact_id: UUID | None = None
    activity_id: UUID | None = None


_COLUMNS: LiteralString = "erasure_id, erased_at, reason, receipt, contact_id, activity_id"


def _erasure(row: Row) -> Erasure:
    return Erasure(
        erasure_id=row["erasure_id"],
        erased_at=row["erased_at"],
        reason=row["reason"],
        receipt=row["receipt"],
        contact_id=row["contact_id"],
        activity_id=row["activity_id"],
    )


async def add(tx: Transaction, account_id: UUID, erasures: Sequence[Erasure]) -> None:
    """Store erasures; one that is stored already stays as it is."""
    await tx.execute(
        "insert into erasure (account_id, erasure_id, contact_id, erased_at, reason, activity_id, receipt)"
        " select $1, * from unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::uuid[], $7::text[])"
        " on conflict do nothing",
        account_id,
        [erasure.erasure_id for erasure in erasures],
        [erasure.contact_id for erasure in erasures],
        [erasure.erased_at for erasure in erasures],
        [erasure.reason for erasure in erasures],
        [erasure.activity_id for erasure in erasures],
        [erasure.receipt for erasure in erasures],
    )


async def get(db: Queries, account_id: UUID, erasure_id: UUID) -> Erasure:
    """Return one erasure. Raises NotFound."""
    row = await db.row(
        "select " + _COLUMNS + " from erasure where account_id = $1 and erasure_id = $2",
        account_id,
        erasure_id,
    )
    if row is None:
        raise NotFound(f"no erasure has the id {erasure_id}")
    return _erasure(row)


async def page(
    db: Queries,
    account_id: UUID,
    *,
    limit: int,
    from_id: UUID | None = None,
    activity_id: UUID | None = None,
) -> Page[Erasure]:
    """Return the erasures of the account, or of one of its activities, newest first."""
    rows = await db.rows(
        "select " + _COLUMNS + " from erasure where account_id = $1"
        " and ($2::uuid is null or erasure_id <= $2) and ($3::uuid is null or activity_id = $3)"
        " order by erasure_id desc limit $4",
        account_id,
        from_id,
        activity_id,
        limit + 1,
    )
    next_id = rows[limit]["erasure_id"] if len(rows) > limit else None
    return Page([_erasure(row) for row in rows[:limit]], next_id)


async def done(
    db: Queries, account_id: UUID, erasure_ids: Sequence[UUID], contact_ids: Sequence[UUID]
) -> set[UUID]:
    """Return the ids of the erasures, and of the contacts with an erasure, that the database has."""
    rows = await db.rows(
        "select erasure_id, contact_id from erasure where account_id = $1"
        " and (erasure_id = any($2::uuid[]) or contact_id = any($3::uuid[]))",
        account_id,
        erasure_ids,
        contact_ids,
    )
    known = {row["erasure_id"] for row in rows} | {row["contact_id"] for row in rows}
    return known - {None}
