"""The receipts of erasures, as they are kept."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, LiteralString
from uuid import UUID

import msgspec

from everlist.core.paging import Page
from everlist.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everlist.db import Queries, Row, Transaction


class Erasure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One person that was erased, and the receipt."""

    erasure_id: UUID
    erased_at: datetime
    reason: str
    receipt: str
    """A compact JWS; everlist.core.privacy.receipt says what is in it."""
    contact_id: UUID | None = None
    activity_id: UUID | None = None


_COLUMNS: LiteralString = "erasure_id, erased_at, reason, receipt, contact_id, activity_id"


def _erasure(row: Row) -> Erasure:
    return Erasure(
        row["erasure_id"],
        row["erased_at"],
        row["reason"],
        row["receipt"],
        row["contact_id"],
        row["activity_id"],
    )


async def add(tx: Transaction, account_id: UUID, erasures: Sequence[Erasure]) -> None:
    """Keep the receipts; one that is there stays as it is."""
    await tx.execute(
        "insert into erasure (account_id, erasure_id, contact_id, erased_at, reason, activity_id, receipt)"
        " select $1, * from unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::uuid[], $7::text[])"
        " on conflict do nothing",
        account_id,
        [one.erasure_id for one in erasures],
        [one.contact_id for one in erasures],
        [one.erased_at for one in erasures],
        [one.reason for one in erasures],
        [one.activity_id for one in erasures],
        [one.receipt for one in erasures],
    )


async def get(db: Queries, account_id: UUID, erasure_id: UUID) -> Erasure:
    """Raises NotFound."""
    row = await db.row(
        "select " + _COLUMNS + " from erasure where account_id = $1 and erasure_id = $2",
        account_id,
        erasure_id,
    )
    if row is None:
        message = f"no erasure has the id {erasure_id}"
        raise NotFound(message)
    return _erasure(row)


async def page(
    db: Queries,
    account_id: UUID,
    *,
    limit: int,
    from_id: UUID | None = None,
    activity_id: UUID | None = None,
) -> Page[Erasure]:
    """The erasures of the account, or of one of its activities, newest first."""
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
    """Which of these erasures, and of these contacts' erasures, the database knows: both kinds of id."""
    rows = await db.rows(
        "select erasure_id, contact_id from erasure where account_id = $1"
        " and (erasure_id = any($2::uuid[]) or contact_id = any($3::uuid[]))",
        account_id,
        erasure_ids,
        contact_ids,
    )
    return {one for row in rows for one in (row["erasure_id"], row["contact_id"]) if one is not None}
