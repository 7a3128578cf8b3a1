"""A look behind the server, and the check that every test of V3 ends with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from anyio.from_thread import BlockingPortal

from everlist.core.imports import upload
from everlist.db import Database
from everlist.worker.activities import Worker
from tests.conftest import INSTALLATION, Api, Sql
from tests.core.recount import recount
from tests.v3.helpers import Behind
from tests.v3.imports import Rows


@pytest.fixture
def behind(alice: Api, sql: Sql) -> Behind:
    """What the database holds of alice's account."""
    return Behind(sql, alice.account_id)


@pytest.fixture(autouse=True)
def adds_up(request: pytest.FixtureRequest, sql: Sql) -> Iterator[None]:
    """Whatever a test did: when it ends, counters, active deltas and ledgers equal a recount."""
    apis: list[Api] = [
        request.getfixturevalue(name) for name in ("alice", "charlie") if name in request.fixturenames
    ]
    yield
    for api in apis:
        recount(sql, api.account_id)


@pytest.fixture(scope="session")
def work(database: Database, portal: BlockingPortal) -> Callable[[], None]:
    """Runs every activity that waits, as the worker does."""

    async def all_that_waits() -> None:
        worker = Worker(database, INSTALLATION, asyncio.Event())
        while await worker.run_one():
            pass

    return lambda: portal.call(all_that_waits)


@pytest.fixture
def rows(alice: Api, database: Database, portal: BlockingPortal) -> Rows:
    """Reads what became of each row of an import of alice's."""
    return Rows(alice, database, portal)


@pytest.fixture
def nothing_is_left(alice: Api, sql: Sql, database: Database, portal: BlockingPortal) -> Iterator[None]:
    """Once a sweep was made, no piece of an upload and no row on its way outlasts an import that has ended."""
    yield
    a_day_ago = datetime.now(UTC) - timedelta(days=1)
    portal.call(lambda: upload.sweep(database, alice.account_id, before=a_day_ago))
    for table in ("upload_part", "import_row", "import_change"):
        left = sql(
            f"select t.activity_id, a.state from {table} t left join activity a using (account_id, activity_id)"
            " where t.account_id = $1 and coalesce(a.state, 'none') not in ('initialized', 'processing')",
            alice.account_id,
        )
        assert not left, f"The table {table} still has rows of activities that have ended: {left}"
