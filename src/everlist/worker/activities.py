"""The tasks of a worker process that run bulk activities.

Each task claims an account's slot, runs that account's oldest activity chunk by chunk, and gives the slot back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from everlist.core import activities
from everlist.core.act import Act
from everlist.core.activities import PROCESSING, ActivityFailed, Job, LeaseLost
from everlist.core.ids import new_id
from everlist.core.imports import upload
from everlist.core.kinds import KINDS
from everlist.db import DiskFull, Unavailable
from everlist.errors import Conflict
from everlist.ops import logs
from everlist.worker.timing import POLL_SECONDS, utc_now, wait

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everlist.core.activities import Activity
    from everlist.core.installation import Installation
    from everlist.db import Database, Transaction
    from everlist.worker.timing import Clock

log = structlog.get_logger()

BEAT_SECONDS = 2.0
MAX_ATTEMPTS = 5
"""How often a chunk may fail before its activity fails."""
MAX_LOSSES = 10
"""How often in a row an activity's chunk may lose the database before the activity fails."""
MAX_CONFLICTS = 100
"""How often a chunk may conflict with other writers before its activity fails."""
VACUUM_ROWS = 100_000
"""Run VACUUM once an ended import leaves so many rows; autovacuum is soon enough for fewer."""


class Worker:
    """Runs activities; several tasks may share one."""

    def __init__(
        self, db: Database, installation: Installation, stop: asyncio.Event, clock: Clock = utc_now
    ) -> None:
        self._db = db
        self._installation = installation
        self._stop = stop
        self._clock = clock
        self._woken = asyncio.Event()
        self._losses: Counter[tuple[UUID, int]] = Counter()
        """How often in a row the next chunk of an activity's partition has lost the database."""

    def wake(self) -> None:
        """Look at the queue now: an activity was queued, or the process is stopping."""
        self._woken.set()

    async def work(self) -> None:
        """Run activities, one after the other, until stopped."""
        while not self._stop.is_set():
            self._woken.clear()
            try:
                worked = await self.run_one()
            except Unavailable as error:
                log.warning("the database does not answer", error=type(error).__name__)
                await wait(self._stop, 0.5)
                continue
            if not worked:
                await wait(self._woken, POLL_SECONDS)

    async def run_one(self) -> bool:
        """Claim a slot and run its next activity to the end; return False if no slot is free."""
        worker_id = new_id()
        account_id = await self._db.write(lambda tx: activities.claim(tx, worker_id, now=self._clock()))
        if account_id is None:
            return False
        beating = asyncio.create_task(self._beat(account_id, worker_id))
        try:
            activity = await self._db.write(
                lambda tx: activities.take_next(tx, account_id, worker_id, now=self._clock())
            )
            if activity is None:
                pass
            elif self._has_lost(activity):  # the activity itself may be what takes the database down
                why = f"the database did not answer, {MAX_LOSSES} times in a row"
                await self._fail(activity, worker_id, f"the activity could not go on: {why}")
            else:
                await self._run(activity, worker_id)
        except LeaseLost:
            log.warning("another worker took the activity over", account_id=str(account_id))
        finally:
            beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beating
        await self._clean_up(account_id)
        await self._db.write(lambda tx: activities.release(tx, account_id, worker_id, now=self._clock()))
        return True

    def _has_lost(self, activity: Activity) -> bool:
        losses = (n for (activity_id, _), n in self._losses.items() if activity_id == activity.activity_id)
        return max(losses, default=0) >= MAX_LOSSES

    async def _run(self, activity: Activity, worker_id: UUID) -> None:
        log.info("activity started", activity_id=str(activity.activity_id), kind=activity.kind)
        while activity.state == PROCESSING and not self._stop.is_set():
            activity = await self._run_chunk(activity, worker_id)
            if len(_partitions(activity)) > 1:
                activity = await self._run_partitions(activity, worker_id)
        log.info(
            "activity ended", activity_id=str(activity.activity_id), kind=activity.kind, state=activity.state
        )
        if activity.state != PROCESSING:
            self._forget_losses(activity)

    async def _run_partitions(self, activity: Activity, worker_id: UUID) -> Activity:
        """Run the partitions of an activity side by side until they have no chunk left, or the activity ends."""

        async def run(partition: int) -> None:
            latest = activity
            while latest.state == PROCESSING and partition in _partitions(latest) and not self._stop.is_set():
                latest = await self._run_chunk(latest, worker_id, partition)

        tasks = [asyncio.create_task(run(partition)) for partition in _partitions(activity)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        after = await activities.get(self._db, activity.account_id, activity.activity_id)
        # If one partition has ended the activity, the others raise LeaseLost: that is no error.
        if after.state == PROCESSING:
            for result in results:
                if isinstance(result, Exception):
                    raise result
        return after

    async def _run_chunk(self, activity: Activity, worker_id: UUID, partition: int | None = None) -> Activity:
        """Run the next chunk, trying again if it fails or conflicts; return the activity, which may have failed."""
        failures = conflicts = 0
        partitions = _partitions(activity) if partition is None else (partition,)
        losses = activity.activity_id, partitions[0] if partitions else 0
        while not self._stop.is_set():
            try:
                after = await self._try_chunk(activity, worker_id, partition)
            except ActivityFailed as error:
                return await self._fail(activity, worker_id, str(error))
            except Conflict:  # db.write has tried several times already
                conflicts += 1
                if conflicts >= MAX_CONFLICTS:
                    why = "the activity could not go on: other changes were in its way"
                    return await self._fail(activity, worker_id, why)
                await wait(self._stop, 0.2)
            except Exception as error:  # any other error must not block the account's queue
                lost = isinstance(error, Unavailable) and not isinstance(error, DiskFull)
                if lost:
                    self._losses[losses] += 1
                if lost or isinstance(error, LeaseLost):
                    raise
                failures += 1
                log.error(
                    "chunk failed",
                    activity_id=str(activity.activity_id),
                    error=type(error).__name__,
                    at=logs.places(error),
                )
                if failures >= MAX_ATTEMPTS:
                    full = isinstance(error, DiskFull)
                    why = "the disk of the database is full" if full else type(error).__name__
                    return await self._fail(activity, worker_id, f"the activity could not go on: {why}")
                await wait(self._stop, 0.2 * 2**failures)
            else:
                del self._losses[losses]
                return after
        return activity

    async def _try_chunk(self, before: Activity, worker_id: UUID, partition: int | None) -> Activity:
        """Run the next chunk and record its progress, in one transaction."""

        async def chunk(tx: Transaction) -> Activity:
            act = Act(
                operation=before.operation,
                now=self._clock(),
                request_id=before.request_id,
                token_id=before.token_id,
                activity_id=before.activity_id,
            )
            job = Job(
                tx=tx,
                db=self._db,
                activity=before,
                act=act,
                installation=self._installation,
                partition=partition,
            )
            progress = await KINDS[before.kind].run(job)
            return await activities.advance(tx, before, worker_id, progress, now=self._clock())

        return await self._db.write(chunk)

    async def _fail(self, activity: Activity, worker_id: UUID, reason: str) -> Activity:
        log.info("activity failed", activity_id=str(activity.activity_id), kind=activity.kind)
        failed = await self._db.write(
            lambda tx: activities.fail(tx, activity, worker_id, reason, now=self._clock())
        )
        self._forget_losses(activity)
        return failed

    def _forget_losses(self, activity: Activity) -> None:
        for key in [key for key in self._losses if key[0] == activity.activity_id]:
            del self._losses[key]

    async def _clean_up(self, account_id: UUID) -> None:
        """Delete the uploads and rows of the account's imports that have ended, without waiting for the hourly clean-up.

        Called before the slot is released: if the database is lost, the worker that takes the slot over does it.
        """
        a_day_ago = self._clock() - timedelta(days=1)
        try:
            rows = await self._db.write(lambda tx: upload.sweep(tx, account_id, before=a_day_ago))
        except Conflict:
            log.warning("clean-up of ended imports postponed", account_id=str(account_id))
            return
        if rows >= VACUUM_ROWS:
            await upload.vacuum(self._db)

    async def _beat(self, account_id: UUID, worker_id: UUID) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            with contextlib.suppress(Unavailable):
                await activities.beat(self._db, account_id, worker_id, now=self._clock())


def _partitions(activity: Activity) -> Sequence[int]:
    return KINDS[activity.kind].partitions(activity)
