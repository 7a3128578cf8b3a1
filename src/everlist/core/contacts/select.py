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
    deleted: bool
    list_ids: frozenset[UUID]
    tag_ids: frozenset[UUID]


async def choose(
    tx: Transaction, account_id: UUID, wanted: ContactFilter, *, after: UUID | None, limit: int | None
) -> list[Chosen]:
    """The next contacts by id that match, locked until the transaction ends. `limit` None means all."""
    args: list[Any] = [account_id]
    lock: LiteralString = "select c.contact_id from contact c where c.account_id = $1" + conditions(
        wanted, args
    )
    if after is not None:
        lock += " and c.contact_id > " + parameter(args, after)
    lock += " order by c.contact_id limit " + parameter(args, limit) + "::bigint for no key update of c"
    ids = [row["contact_id"] for row in await tx.rows(lock, *args)]
    # A second statement, so that it sees what the writers we waited for have committed.
    rows = await tx.rows(
        "select c.contact_id, c.permission, c.deleted_at is not null as deleted,"
        " array(select m.list_id from list_membership m where m.account_id = c.account_id"
        " and m.contact_id = c.contact_id) as list_ids,"
        " array(select t.tag_id from tagging t where t.account_id = c.account_id"
        " and t.contact_id = c.contact_id) as tag_ids"
        " from contact c where c.account_id = $1 and c.contact_id = any($2) order by c.contact_id",
        account_id,
        ids,
    )
    return [
        Chosen(
            row["contact_id"],
            row["permission"],
            row["deleted"],
            frozenset(row["list_ids"]),
            frozenset(row["tag_ids"]),
        )
        for row in rows
    ]


async def lock(tx: Transaction, account_id: UUID, contact_ids: Sequence[UUID]) -> None:
    """Lock contacts until the transaction ends, in the order of their ids, as all do who lock many."""
    await tx.execute(
        "select count(*) from (select from contact where account_id = $1 and contact_id = any($2)"
        " order by contact_id for no key update) locked",
        account_id,
        contact_ids,
    )
