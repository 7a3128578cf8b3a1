"""Tags. V3 contract 4.3."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core import counters
from everlist.core.ids import new_id
from everlist.core.paging import Page
from everlist.errors import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from everlist.db import Queries, Row, Transaction


class Tag(msgspec.Struct, frozen=True):
    """A word that contacts are marked with."""

    tag_id: UUID
    name: str
    tag_source: str | None
    created_at: datetime
    updated_at: datetime


def _tag(row: Row) -> Tag:
    return Tag(row["tag_id"], row["name"], row["tag_source"], row["created_at"], row["updated_at"])


async def create(
    tx: Transaction, account_id: UUID, name: str, *, tag_source: str | None = None, now: datetime
) -> Tag:
    """Make a tag. Raises Conflict (the name is taken, in any case)."""
    await _refuse_taken_name(tx, account_id, name, except_id=None)
    made = Tag(new_id(), name, tag_source, now, now)
    await tx.execute(
        "insert into tag (account_id, tag_id, name, tag_source, created_at, updated_at)"
        " values ($1, $2, $3, $4, $5, $5)",
        account_id,
        made.tag_id,
        name,
        tag_source,
        now,
    )
    return made


async def get(db: Queries, account_id: UUID, tag_id: UUID) -> Tag:
    """Raises NotFound."""
    row = await db.row(
        "select tag_id, name, tag_source, created_at, updated_at from tag where account_id = $1 and tag_id = $2",
        account_id,
        tag_id,
    )
    if row is None:
        raise NotFound(f"no tag has the id {tag_id}")
    return _tag(row)


async def rename(tx: Transaction, account_id: UUID, tag_id: UUID, name: str, *, now: datetime) -> Tag:
    """Give a tag another name. Raises NotFound and Conflict (the name is taken)."""
    row = await tx.row(
        "select tag_id, name, tag_source, created_at, updated_at from tag"
        " where account_id = $1 and tag_id = $2 for no key update",
        account_id,
        tag_id,
    )
    if row is None:
        raise NotFound(f"no tag has the id {tag_id}")
    before = _tag(row)
    if before.name == name:
        return before
    await _refuse_taken_name(tx, account_id, name, except_id=tag_id)
    await tx.execute(
        "update tag set name = $3, updated_at = $4 where account_id = $1 and tag_id = $2",
        account_id,
        tag_id,
        name,
        now,
    )
    return Tag(tag_id, name, before.tag_source, before.created_at, now)


async def page(
    db: Queries, account_id: UUID, *, limit: int, from_id: UUID | None = None, count: bool = False
) -> Page[Tag]:
    """Tags, oldest first."""
    rows = await db.rows(
        "select tag_id, name, tag_source, created_at, updated_at from tag"
        " where account_id = $1 and ($2::uuid is null or tag_id >= $2) order by tag_id limit $3",
        account_id,
        from_id,
        limit + 1,
    )
    total: int | None = None
    if count:
        total = await db.value("select count(*) from tag where account_id = $1", account_id)
    return Page(
        [_tag(row) for row in rows[:limit]], rows[limit]["tag_id"] if len(rows) > limit else None, total
    )


async def contacts_counts(db: Queries, account_id: UUID, tag_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many contacts, deleted ones aside, carry each tag."""
    return await counters.of_subjects(db, account_id, "tag.contacts", tag_ids)


async def lock_existing(tx: Transaction, account_id: UUID, tag_ids: Sequence[UUID]) -> set[UUID]:
    """Which of the ids are tags; they cannot be deleted until this transaction ends."""
    if not tag_ids:
        return set()
    rows = await tx.rows(
        "select tag_id from tag where account_id = $1 and tag_id = any($2) order by tag_id for key share",
        account_id,
        list(tag_ids),
    )
    return {row["tag_id"] for row in rows}


async def lock_for_delete(tx: Transaction, account_id: UUID, tag_ids: tuple[UUID, ...]) -> None:
    """Keep everybody from using these tags until this transaction ends."""
    await tx.rows(
        "select tag_id from tag where account_id = $1 and tag_id = any($2) order by tag_id for update",
        account_id,
        list(tag_ids),
    )


async def delete(tx: Transaction, account_id: UUID, tag_ids: tuple[UUID, ...]) -> int:
    """Delete tags that no contact carries any more; how many there were."""
    gone = await tx.rows(
        "delete from tag where account_id = $1 and tag_id = any($2) returning tag_id",
        account_id,
        list(tag_ids),
    )
    return len(gone)


async def _refuse_taken_name(tx: Transaction, account_id: UUID, name: str, *, except_id: UUID | None) -> None:
    taken_by = await tx.value(
        "select tag_id from tag where account_id = $1 and lower(name) = lower($2) and tag_id is distinct from $3",
        account_id,
        name,
        except_id,
    )
    if taken_by is not None:
        raise Conflict(f"A tag with this name already exists: {taken_by}")
