"""A look behind the server, and the check that every test of V3 ends with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from anyio.from_thread import BlockingPortal

from everlist.db import Database
from everlist.worker import Worker
from tests.conftest import SECRET_KEY, Api, Sql
from tests.core.recount import recount
from tests.v3.helpers import Behind


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
        worker = Worker(database, SECRET_KEY.encode(), asyncio.Event())
        while await worker.run_one():
            pass

    return lambda: portal.call(all_that_waits)
