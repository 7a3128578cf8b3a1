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
    """A label on contacts."""

    tag_id: UUID
    name: str
    tag_source: str | None
    created_at: datetime
    updated_at: datetime


def _tag(row: Row) -> Tag:
    return Tag(**row)


async def create(
    tx: Transaction, account_id: UUID, name: str, *, tag_source: str | None = None, now: datetime
) -> Tag:
    """Create a tag. Raises Conflict (another tag has the name, ignoring case)."""
    await _refuse_taken_name(tx, account_id, name, except_id=None)
    tag = Tag(tag_id=new_id(), name=name, tag_source=tag_source, created_at=now, updated_at=now)
    await tx.execute(
        "insert into tag (account_id, tag_id, name, tag_source, created_at, updated_at)"
        " values ($1, $2, $3, $4, $5, $5)",
        account_id,
        tag.tag_id,
        name,
        tag_source,
        now,
    )
    return tag


async def get(db: Queries, account_id: UUID, tag_id: UUID) -> Tag:
    """Return a tag. Raises NotFound."""
    row = await db.row(
        "select tag_id, name, tag_source, created_at, updated_at from tag where account_id = $1 and tag_id = $2",
        account_id,
        tag_id,
    )
    if row is None:
        raise NotFound(f"no tag has the id {tag_id}")
    return _tag(row)


async def rename(tx: Transaction, account_id: UUID, tag_id: UUID, name: str, *, now: datetime) -> Tag:
    """Rename a tag. Raises NotFound and Conflict (another tag has the name)."""
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
    return msgspec.structs.replace(before, name=name, updated_at=now)


async def page(
    db: Queries, account_id: UUID, *, limit: int, from_id: UUID | None = None, count: bool = False
) -> Page[Tag]:
    """Return a page of tags, oldest first."""
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
    next_id = rows[limit]["tag_id"] if len(rows) > limit else None
    return Page(items=[_tag(row) for row in rows[:limit]], next_id=next_id, total=total)


async def contacts_counts(db: Queries, account_id: UUID, tag_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return how many contacts, without deleted ones, have each tag."""
    return await counters.of_subjects(db, account_id, "tag.contacts", tag_ids)


async def lock_existing(tx: Transaction, account_id: UUID, tag_ids: Sequence[UUID]) -> set[UUID]:
    """Return which of the ids are tags; block their deletion until this transaction ends."""
    if not tag_ids:
        return set()
    rows = await tx.rows(
        "select tag_id from tag where account_id = $1 and tag_id = any($2) order by tag_id for key share",
        account_id,
        list(tag_ids),
    )
    return {row["tag_id"] for row in rows}


async def lock_for_delete(tx: Transaction, account_id: UUID, tag_ids: tuple[UUID, ...]) -> None:
    """Block other transactions from using these tags until this transaction ends."""
    await tx.rows(
        "select tag_id from tag where account_id = $1 and tag_id = any($2) order by tag_id for update",
        account_id,
        list(tag_ids),
    )


async def delete(tx: Transaction, account_id: UUID, tag_ids: tuple[UUID, ...]) -> int:
    """Delete tags that no contact has any more; return how many."""
    deleted = await tx.rows(
        "delete from tag where account_id = $1 and tag_id = any($2) returning tag_id",
        account_id,
        list(tag_ids),
    )
    return len(deleted)


async def _refuse_taken_name(tx: Transaction, account_id: UUID, name: str, *, except_id: UUID | None) -> None:
    taken_by = await tx.value(
        "select tag_id from tag where account_id = $1 and lower(name) = lower($2) and tag_id is distinct from $3",
        account_id,
        name,
        except_id,
    )
    if taken_by is not None:
        raise Conflict(f"A tag with this name already exists: {taken_by}")
