"""Find the accounts whose appended rows wait to be rolled up."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

if TYPE_CHECKING:
    from uuid import UUID

    from everlist.db import Queries


async def accounts_with_rows(db: Queries, table: LiteralString) -> list[UUID]:
    """Return the accounts that have rows in `table`.

    The query jumps from account to account on the primary key, so its cost grows with the number of accounts and
    not with the number of rows.
    """
    rows = await db.rows(
        "with recursive waiting as ("
        f" (select account_id from {table} order by account_id limit 1)"
        " union all"
        f" select (select d.account_id from {table} d where d.account_id > w.account_id"
        " order by d.account_id limit 1)"
        " from waiting w where w.account_id is not null)"
        " select account_id from waiting where account_id is not null"
    )
    return [row["account_id"] for row in rows]
