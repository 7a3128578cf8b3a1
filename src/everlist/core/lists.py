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
"""What can be counted of a list, and the counter that holds it."""


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
    return ContactList(
        row["list_id"],
        row["name"],
        row["description"],
        row["favorite"],
        row["created_at"],
        row["updated_at"],
        row["deleted_at"],
    )


async def create(tx: Transaction, account_id: UUID, draft: ListDraft, *, now: datetime) -> ContactList:
    """Make a list. Raises Conflict (the name is taken, in any case) and LimitReached."""
    await _refuse_taken_name(tx, account_id, draft.name, except_id=None)
    await accounts.lock(tx, account_id)
    count = await tx.value(
        "select count(*) from contact_list where account_id = $1 and deleted_at is null", account_id
    )
    if count >= MAX_LISTS:
        raise LimitReached(f"an account may have at most {MAX_LISTS} lists")
    made = ContactList(new_id(), draft.name, draft.description, draft.favorite, now, now, None)
    await tx.execute(
        "insert into contact_list (account_id, list_id, name, description, favorite, created_at, updated_at)"
        " values ($1, $2, $3, $4, $5, $6, $6)",
        account_id,
        made.list_id,
        made.name,
        made.description,
        made.favorite,
        now,
    )
    return made


async def get(db: Queries, account_id: UUID, list_id: UUID) -> ContactList:
    """The list, a deleted one included. Raises NotFound."""
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
    """Set all writable properties; what changes nothing leaves `updated_at` alone.

    Raises NotFound (also for a deleted list) and Conflict (the name is taken).
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
    if draft == ListDraft(before.name, before.description, before.favorite):
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
    return ContactList(list_id, draft.name, draft.description, draft.favorite, before.created_at, now, None)


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
    """Lists by id: the live ones, the deleted ones, or both; of one `name` in any case, if given."""
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
    return Page([_contact_list(row) for row in rows[:limit]], next_id, total)


async def named(db: Queries, account_id: UUID, list_ids: Sequence[UUID]) -> list[ContactList]:
    """The live ones of these lists, by name."""
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
    """How many contacts are on each list; `counted` is a key of COUNTED."""
    return await counters.of_subjects(db, account_id, COUNTED[counted], list_ids)


async def ids_by_sequence(
    db: Queries, account_id: UUID, sequence_ids: Sequence[int]
) -> list[tuple[int, UUID]]:
    """(V2 id, list id) ascending by V2 id; ids of no list are left out."""
    rows = await db.rows(
        "select sequence_id, list_id from contact_list where account_id = $1 and sequence_id = any($2)"
        " order by sequence_id",
        account_id,
        list(sequence_ids),
    )
    return [(row["sequence_id"], row["list_id"]) for row in rows]


async def lock_live(tx: Transaction, account_id: UUID, list_ids: Sequence[UUID]) -> set[UUID]:
    """Which of the ids are live lists; they cannot be deleted until this transaction ends."""
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
    """Keep everybody from joining these lists until this transaction ends."""
    await tx.rows(
        "select list_id from contact_list where account_id = $1 and list_id = any($2) order by list_id for update",
        account_id,
        list(list_ids),
    )


async def mark_deleted(
    tx: Transaction, account_id: UUID, list_ids: tuple[UUID, ...], *, now: datetime
) -> None:
    """Hide lists whose memberships are gone; their names are free again."""
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
