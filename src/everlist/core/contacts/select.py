"""Choose and lock the contacts of one chunk of a bulk activity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString
from uuid import UUID

import msgspec

from everlist.core.contacts.filters import ContactFilter, conditions, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everlist.db import Transaction


class Chosen(msgspec.Struct, frozen=True):
    """What decides what becomes of a contact."""

    contact_id: UUID
    permission: str | None
    """Of the address, or of the number where there is no address."""
    deleted: bool
    list_ids: frozenset[UUID]
    tag_ids: frozenset[UUID]


class Chunk(msgspec.Struct, frozen=True):
    """Contacts of a source, in the order of their ids."""

    contacts: list[Chosen]
    last: UUID | None
    """The last contact that was looked at; the next chunk begins after it."""
    full: bool
    """Whether more may follow."""


async def choose(
    tx: Transaction, account_id: UUID, wanted: ContactFilter, *, after: UUID | None, limit: int | None
) -> Chunk:
    """The next contacts by id that match, locked until the transaction ends. `limit` None means all."""
    args: list[Any] = [account_id]
    lock: LiteralString = "select c.contact_id from contact c where c.account_id = $1" + conditions(
        wanted, args
    )
    if after is not None:
        lock += " and c.contact_id > " + parameter(args, after)
    lock += " order by c.contact_id limit " + parameter(args, limit) + "::bigint for no key update of c"
    ids = [row["contact_id"] for row in await tx.rows(lock, *args)]
    # A second statement, so that it sees what the writers we waited for have committed: who left a list is spared.
    args = [account_id, ids]
    still = conditions(wanted, args)
    rows = await tx.rows(
        "select c.contact_id, coalesce(c.permission, c.sms_permission) as permission, c.deleted_at is not null as deleted,"
        " array(select m.list_id from list_membership m where m.account_id = c.account_id"
        " and m.contact_id = c.contact_id) as list_ids,"
        " array(select t.tag_id from tagging t where t.account_id = c.account_id"
        " and t.contact_id = c.contact_id) as tag_ids"
        " from contact c where c.account_id = $1 and c.contact_id = any($2)"
        + still
        + " order by c.contact_id",
        *args,
    )
    chosen = [
        Chosen(
            row["contact_id"],
            row["permission"],
            row["deleted"],
            frozenset(row["list_ids"]),
            frozenset(row["tag_ids"]),
        )
        for row in rows
    ]
    return Chunk(chosen, ids[-1] if ids else None, full=len(ids) == limit)


async def lock(tx: Transaction, account_id: UUID, contact_ids: Sequence[UUID]) -> None:
    """Lock contacts until the transaction ends, in the order of their ids, as all do who lock many."""
    await tx.execute(
        "select count(*) from (select from contact where account_id = $1 and contact_id = any($2)"
        " order by contact_id for no key update) locked",
        account_id,
        contact_ids,
    )
