"""The demo account, whose contacts are made many at a time, adds up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from everlist import demo
from everlist.db import Database
from tests.core.recount import recount

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from tests.conftest import Sql


def test_the_demo_adds_up(database: Database, sql: Sql, portal: BlockingPortal) -> None:
    async def make() -> Any:
        account, _ = await database.write(lambda tx: demo.make(tx, now=datetime.now(UTC)))
        return account.account_id

    account_id = portal.call(make)
    assert len(sql("select from contact where account_id = $1", account_id)) > 1_000
    recount(sql, account_id)
