"""The application: its edges, and what a web process opens when it starts and closes when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from everlist import ext, pages, v3
from everlist.core.installation import installation_of
from everlist.core.tokens import REVOKED_CHANNEL, Keyring
from everlist.db import Listener, Unavailable, open_database
from everlist.ops import metrics
from everlist.schema import cluster
from everlist.schema.migrate import check
from everlist.web import probes
from everlist.web.application import Application
from everlist.web.rate import Limiter
from everlist.web.request_log import RequestLog
from everlist.web.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from everlist.db import Database
    from everlist.settings import Settings
    from everlist.web.edge import Edge

EDGES: tuple[Edge[Any], ...] = (v3.edge, ext.edge, pages.edge)
"""To add an edge, add its folder and name it here."""

_DRY_RUNS = 2
_WATCH_NODES_SECONDS = 5


def create_app(
    settings: Settings,
    dsn: str,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    edges: tuple[Edge[Any], ...] = EDGES,
) -> Application:
    """Return the application on the database at `dsn`, whose schema must be current.

    `clock` returns the time in UTC.
    """

    @asynccontextmanager
    async def start() -> AsyncGenerator[State]:
        await check(dsn)
        db = await open_database(
            dsn,
            size=settings.pool_size,
            statement_timeout=settings.statement_timeout_seconds,
            name="everlist web",
        )
        keyring = Keyring(db)
        listener = Listener(dsn, {REVOKED_CHANNEL: lambda _payload: keyring.forget()}, keyring.forget)
        nodes_away = set[str]()
        background = [asyncio.create_task(listener.run()), asyncio.create_task(_watch_pool(db))]
        if await cluster.is_distributed(db):
            background.append(asyncio.create_task(_watch_nodes(db, nodes_away)))
        try:
            yield State(
                db=db,
                keyring=keyring,
                settings=settings,
                installation=installation_of(settings),
                clock=clock,
                limiter=Limiter(*settings.rate_limit) if settings.rate_limit else None,
                dry_runs=asyncio.Semaphore(_DRY_RUNS),
                request_log=RequestLog(),
                nodes_away=nodes_away,
            )
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await db.close()

    return Application((*edges, probes.edge), start)


async def _watch_pool(db: Database) -> None:
    """Keep the pool's numbers in /metrics current, whichever process is asked for them."""
    while True:
        size, idle = db.stats()
        metrics.POOL.labels("busy").set(size - idle)
        metrics.POOL.labels("idle").set(idle)
        await asyncio.sleep(1)


async def _watch_nodes(db: Database, nodes_away: set[str]) -> None:
    """Ask the nodes of a distributed database for a sign of life, every few seconds; keep who does not answer."""
    while True:
        with suppress(Unavailable):
            nodes = await cluster.nodes(db)
            for node in nodes:
                metrics.NODES.labels(node.name).set(node.answers)
            nodes_away.clear()
            nodes_away.update(node.name for node in nodes if not node.answers)
        await asyncio.sleep(_WATCH_NODES_SECONDS)
