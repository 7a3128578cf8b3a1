"""Lock contacts: one, the chunk of a bulk activity, or a set of ids."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, LiteralString
from uuid import UUID

import msgspec

from everlist.core.contacts.consequences import State
from everlist.core.contacts.filters import ContactFilter, conditions, parameter
from everlist.core.contacts.read import EVERYTHING, columns, contact_of
from everlist.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everlist.core.contacts.model import Contact
    from everlist.db import Transaction


async def locked(tx: Transaction, account_id: UUID, contact_id: UUID) -> Contact:
    """Return the contact with all of its sub-resources, locked until the transaction ends. Raises NotFound."""
    # Two statements: the second begins after the lock is held, so it sees what the last writer committed.
    lock_one = "select contact_id from contact where account_id = $1 and contact_id = $2 for no key update"
    row = None
    if await tx.value(lock_one, account_id, contact_id) is not None:
        row = await tx.row(
            "select " + columns(EVERYTHING) + " from contact c where c.account_id = $1 and c.contact_id = $2",
            account_id,
            contact_id,
        )
    if row is None:
        raise NotFound(f"no contact has the id {contact_id}")
    return contact_of(row)


class Chosen(msgspec.Struct, frozen=True):
    """A contact of a chunk, as it was when its lock was held."""

    contact_id: UUID
    state: State
    permission: str | None
    """Of the address, or of the number if there is no address."""
    deleted_at: datetime | None
    deleted_list_ids: tuple[UUID, ...]
    last_active_at: datetime | None
    list_ids: tuple[UUID, ...]
    tag_ids: tuple[UUID, ...]


class Chunk(msgspec.Struct, frozen=True):
    """The contacts of one chunk, in the order of their ids."""

    contacts: list[Chosen]
    last: UUID | None
    """The last contact that was looked at; the next chunk begins after this id."""
    full: bool
    """True if more may follow."""


async def choose(
    tx: Transaction, account_id: UUID, wanted: ContactFilter, *, after: UUID | None, limit: int | None
) -> Chunk:
    """Return the next contacts by id that match, locked until the transaction ends; all if `limit` is None."""
    args: list[Any] = [account_id]
    lock: LiteralString = "select c.contact_id from contact c where c.account_id = $1" + conditions(
        wanted, args
    )
    if after is not None:
        lock += " and c.contact_id > " + parameter(args, after)
    lock += " order by c.contact_id limit " + parameter(args, limit) + "::bigint for no key update of c"
    ids = [row["contact_id"] for row in await tx.rows(lock, *args)]
    # Two statements: the second sees what the writers committed that the first waited for, such as leaving a list.
    args = [account_id, ids]
    chosen = await _read(tx, args, conditions(wanted, args))
    return Chunk(contacts=chosen, last=ids[-1] if ids else None, full=len(ids) == limit)


async def read(tx: Transaction, account_id: UUID, contact_ids: Sequence[UUID]) -> list[Chosen]:
    """Return contacts that the caller has locked, in the order of their ids."""
    return await _read(tx, [account_id, contact_ids], "")


async def _read(tx: Transaction, args: Sequence[Any], more: LiteralString) -> list[Chosen]:
    """Return the contacts $2 of the account $1 that meet `more` conditions, whose arguments follow."""
    rows = await tx.rows(
        """
        select c.contact_id, c.permission, c.sms_permission, c.sms_number is not null as has_sms, c.deleted_at,
            c.deleted_list_ids, c.last_active_at,
            array(select m.list_id from list_membership m
                where m.account_id = $1 and m.contact_id = c.contact_id order by m.list_id) as list_ids,
            array(select t.tag_id from tagging t
                where t.account_id = $1 and t.contact_id = c.contact_id order by t.tag_id) as tag_ids
        from contact c where c.account_id = $1 and c.contact_id = any($2)
        """
        + more
        + " order by c.contact_id",
        *args,
    )
    return [
        Chosen(
            contact_id=row["contact_id"],
            state=State(row["permission"], row["deleted_at"] is not None, row["has_sms"]),
            permission=row["permission"] or row["sms_permission"],
            deleted_at=row["deleted_at"],
            deleted_list_ids=tuple(row["deleted_list_ids"] or ()),
            last_active_at=row["last_active_at"],
            list_ids=tuple(row["list_ids"]),
            tag_ids=tuple(row["tag_ids"]),
        )
        for row in rows
    ]


async def lock(tx: Transaction, account_id: UUID, contact_ids: Sequence[UUID]) -> None:
    """Lock contacts until the transaction ends, by ascending id as everywhere, so that lockers cannot deadlock."""
    await tx.execute(
        "select count(*) from (select from contact where account_id = $1 and contact_id = any($2)"
        " order by contact_id for no key update) locked",
        account_id,
        contact_ids,
    )
