"""Find the accounts whose appended rows wait to be rolled up."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

if TYPE_CHECKING:
    from uuid import UUID

    from everlist.db import Queries


async def accounts_with_rows(db: Queries, table: LiteralString) -> list[UUID]:
    """Return the accounts that have rows in `table`."""
    rows = await db.rows(f"select distinct account_id from {table}")
    return [row["account_id"] for row in rows]
