"""Contact lists. V3 contract 4.1."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core import accounts, counters
from everlist.core.ids import new_id
from everlist.core.paging import Page
from everlist.errors import Conflict, LimitReached, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from everlist.db import Queries, Row, Transaction

MAX_LISTS = 1000

COUNTED = {"all": "list.members", "active": "list.active", "sms": "list.sms"}
"""The counts of a list, and the counter of each."""


class ContactList(msgspec.Struct, frozen=True):
    """A list that contacts are on."""

    list_id: UUID
    name: str
    description: str | None
    favorite: bool
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class ListDraft(msgspec.Struct, frozen=True):
    """The writable properties of a list."""

    name: str
    description: str | None
    favorite: bool


def _contact_list(row: Row) -> ContactList:
    return ContactList(**row)


async def create(tx: Transaction, account_id: UUID, draft: ListDraft, *, now: datetime) -> ContactList:
    """Create a list. Raises Conflict (another list has the name, ignoring case) and LimitReached."""
    await _refuse_taken_name(tx, account_id, draft.name, except_id=None)
    await accounts.lock(tx, account_id)
    count = await tx.value(
        "select count(*) from contact_list where account_id = $1 and deleted_at is null", account_id
    )
    if count >= MAX_LISTS:
        raise LimitReached(f"an account may have at most {MAX_LISTS} lists")
    contact_list = ContactList(
        list_id=new_id(),
        name=draft.name,
        description=draft.description,
        favorite=draft.favorite,
        created_at=now,
        updated_at=now,
        deleted_at=None,
    )
    await tx.execute(
        "insert into contact_list (account_id, list_id, name, description, favorite, created_at, updated_at)"
        " values ($1, $2, $3, $4, $5, $6, $6)",
        account_id,
        contact_list.list_id,
        draft.name,
        draft.description,
        draft.favorite,
        now,
    )
    return contact_list


async def get(db: Queries, account_id: UUID, list_id: UUID) -> ContactList:
    """Return a list, even if it is deleted. Raises NotFound."""
    row = await db.row(
        "select list_id, name, description, favorite, created_at, updated_at, deleted_at"
        " from contact_list where account_id = $1 and list_id = $2",
        account_id,
        list_id,
    )
    if row is None:
        raise NotFound(f"no contact list has the id {list_id}")
    return _contact_list(row)


async def replace(
    tx: Transaction, account_id: UUID, list_id: UUID, draft: ListDraft, *, now: datetime
) -> ContactList:
    """Set all writable properties; leave `updated_at` alone if nothing changes.

    Raises NotFound (also for a deleted list) and Conflict (another list has the name).
    """
    row = await tx.row(
        "select list_id, name, description, favorite, created_at, updated_at, deleted_at"
        " from contact_list where account_id = $1 and list_id = $2 and deleted_at is null for no key update",
        account_id,
        list_id,
    )
    if row is None:
        raise NotFound(f"no contact list has the id {list_id}")
    before = _contact_list(row)
    if draft == ListDraft(name=before.name, description=before.description, favorite=before.favorite):
        return before
    await _refuse_taken_name(tx, account_id, draft.name, except_id=list_id)
    await tx.execute(
        "update contact_list set name = $3, description = $4, favorite = $5, updated_at = $6"
        " where account_id = $1 and list_id = $2",
        account_id,
        list_id,
        draft.name,
        draft.description,
        draft.favorite,
        now,
    )
    return msgspec.structs.replace(
        before, name=draft.name, description=draft.description, favorite=draft.favorite, updated_at=now
    )


async def page(
    db: Queries,
    account_id: UUID,
    *,
    limit: int,
    from_id: UUID | None = None,
    name: str | None = None,
    live: bool = True,
    deleted: bool = False,
    count: bool = False,
) -> Page[ContactList]:
    """Return a page of lists by id: live ones, deleted ones or both; with `name`, only that one, ignoring case."""
    rows = await db.rows(
        """
        select list_id, name, description, favorite, created_at, updated_at, deleted_at
        from contact_list
        where account_id = $1 and ($2::uuid is null or list_id >= $2) and ($3::text is null or lower(name) = lower($3))
            and ((deleted_at is null and $4) or (deleted_at is not null and $5))
        order by list_id
        limit $6
        """,
        account_id,
        from_id,
        name,
        live,
        deleted,
        limit + 1,
    )
    total: int | None = None
    if count:
        total = await db.value(
            """
            select count(*) from contact_list
            where account_id = $1 and ($2::text is null or lower(name) = lower($2))
                and ((deleted_at is null and $3) or (deleted_at is not null and $4))
            """,
            account_id,
            name,
            live,
            deleted,
        )
    next_id = rows[limit]["list_id"] if len(rows) > limit else None
    return Page(items=[_contact_list(row) for row in rows[:limit]], next_id=next_id, total=total)


async def named(db: Queries, account_id: UUID, list_ids: Sequence[UUID]) -> list[ContactList]:
    """Return those of the lists that are live, ordered by name."""
    rows = await db.rows(
        "select list_id, name, description, favorite, created_at, updated_at, deleted_at"
        " from contact_list where account_id = $1 and list_id = any($2) and deleted_at is null order by name",
        account_id,
        list(list_ids),
    )
    return [_contact_list(row) for row in rows]


async def membership_counts(
    db: Queries, account_id: UUID, list_ids: Sequence[UUID], counted: str
) -> dict[UUID, int]:
    """Return how many contacts are on each list; `counted` is a key of COUNTED."""
    return await counters.of_subjects(db, account_id, COUNTED[counted], list_ids)


async def ids_by_sequence(
    db: Queries, account_id: UUID, sequence_ids: Sequence[int]
) -> list[tuple[int, UUID]]:
    """Return (V2 id, list id) by ascending V2 id; omit ids that no list has."""
    rows = await db.rows(
        "select sequence_id, list_id from contact_list where account_id = $1 and sequence_id = any($2)"
        " order by sequence_id",
        account_id,
        list(sequence_ids),
    )
    return [(row["sequence_id"], row["list_id"]) for row in rows]


async def lock_live(tx: Transaction, account_id: UUID, list_ids: Sequence[UUID]) -> set[UUID]:
    """Return which of the ids are live lists; block their deletion until this transaction ends."""
    if not list_ids:
        return set()
    rows = await tx.rows(
        "select list_id from contact_list where account_id = $1 and list_id = any($2) and deleted_at is null"
        " order by list_id for key share",
        account_id,
        list(list_ids),
    )
    return {row["list_id"] for row in rows}


async def lock_for_delete(tx: Transaction, account_id: UUID, list_ids: tuple[UUID, ...]) -> None:
    """Block other transactions from adding members to these lists until this transaction ends."""
    await tx.rows(
        "select list_id from contact_list where account_id = $1 and list_id = any($2) order by list_id for update",
        account_id,
        list(list_ids),
    )


async def mark_deleted(
    tx: Transaction, account_id: UUID, list_ids: tuple[UUID, ...], *, now: datetime
) -> None:
    """Hide lists whose memberships are already deleted; their names become free."""
    await tx.execute(
        "update contact_list set deleted_at = $3, updated_at = $3"
        " where account_id = $1 and list_id = any($2) and deleted_at is null",
        account_id,
        list(list_ids),
        now,
    )


async def _refuse_taken_name(tx: Transaction, account_id: UUID, name: str, *, except_id: UUID | None) -> None:
    taken_by = await tx.value(
        "select list_id from contact_list"
        " where account_id = $1 and lower(name) = lower($2) and deleted_at is null"
        " and list_id is distinct from $3",
        account_id,
        name,
        except_id,
    )
    if taken_by is not None:
        raise Conflict(f"A contact list with this name already exists: {taken_by}")
