"""The tasks of a worker process that roll up counters and delete what has expired."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from everlist.core import accounts, activities, counters, exports, idempotency, usage
from everlist.core.imports import upload
from everlist.db import Unavailable
from everlist.ops import logs, metrics
from everlist.worker.timing import wait

if TYPE_CHECKING:
    import asyncio
    from datetime import datetime
    from uuid import UUID

    from everlist.db import Database
    from everlist.worker.timing import Clock

log = structlog.get_logger()

ROLL_UP_SECONDS = 1.0
SWEEP_SECONDS = 3600.0


async def keep_rolling_up(db: Database, stop: asyncio.Event) -> None:
    """Roll up the counters of all accounts, every second or while there is more to do, until stopped."""
    while not stop.is_set():
        moved = 0
        try:
            moved = await roll_up_all(db)
        except Unavailable as error:
            log.warning("the database does not answer", error=type(error).__name__)
        if not moved:
            await wait(stop, ROLL_UP_SECONDS)


async def roll_up_all(db: Database) -> int:
    """Roll up the waiting changes of every account once; return how many there were."""
    with_counters = await counters.accounts_to_roll_up(db)
    with_usage = await usage.accounts_to_roll_up(db)
    metrics.ROLL_UPS_WAITING.set(len({*with_counters, *with_usage}))
    metrics.LANES.set(await activities.count_slots(db))
    moved = 0
    for account_id in with_counters:
        moved += await db.write(lambda tx, account_id=account_id: counters.roll_up(tx, account_id))
    for account_id in with_usage:
        moved += await db.write(lambda tx, account_id=account_id: usage.roll_up(tx, account_id))
    return moved


async def keep_sweeping(db: Database, stop: asyncio.Event, clock: Clock) -> None:
    """Delete what has expired, now and every hour, until stopped."""
    while not stop.is_set():
        try:
            await sweep_all(db, now=clock())
        except Exception as error:  # noqa: BLE001 - the next hour tries again
            log.warning("hourly clean-up failed", error=type(error).__name__, at=logs.places(error))
        await wait(stop, SWEEP_SECONDS)


async def sweep_all(db: Database, *, now: datetime) -> None:
    """Delete what has expired in every account."""
    for account in await accounts.all_accounts(db):
        await sweep_account(db, account.account_id, now=now)


async def sweep_account(db: Database, account_id: UUID, *, now: datetime) -> None:
    """Delete expired export files, abandoned uploads, old idempotency keys and the remains of old activities."""
    a_day_ago = now - timedelta(days=1)
    await exports.sweep(db, account_id, before=a_day_ago - exports.KEPT)
    await upload.sweep(db, account_id, before=a_day_ago)
    await idempotency.sweep(db, account_id, before=now - idempotency.KEPT)
    await activities.sweep(db, account_id, now=now)
