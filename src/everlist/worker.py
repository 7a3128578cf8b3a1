"""The background process: folds counters. One or many may run beside one database."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import structlog

from everlist import metrics
from everlist.core import counters
from everlist.db import Unavailable, open_database
from everlist.schema.migrate import check

if TYPE_CHECKING:
    from everlist.db import Database
    from everlist.settings import Settings

log = structlog.get_logger()

FOLD_SECONDS = 1.0


async def run(settings: Settings, dsn: str, stop: asyncio.Event) -> None:
    """Work until `stop` is set."""
    await check(dsn)
    db = await open_database(
        dsn, size=2, statement_timeout=settings.statement_timeout_seconds, name="everlist worker"
    )
    try:
        while not stop.is_set():
            try:
                moved = await fold_all(db)
            except Unavailable as error:
                log.warning("the database does not answer", error=type(error).__name__)
                moved = 0
            if not moved:
                await _wait(stop, FOLD_SECONDS)
    finally:
        await db.close()


async def run_until_signal(settings: Settings, dsn: str) -> None:
    """Work until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(settings, dsn, stop)


async def fold_all(db: Database) -> int:
    """Fold what waits in every account once; how many differences were moved."""
    waiting = await counters.accounts_to_fold(db)
    metrics.UNFOLDED.set(len(waiting))
    moved = 0
    for account_id in waiting:
        async with db.transaction() as tx:
            moved += await counters.fold(tx, account_id)
    return moved


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass
