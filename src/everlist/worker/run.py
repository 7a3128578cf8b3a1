"""The background process: runs activities, sends mail and rolls up counters. One or many may work on one database.

Each of its lanes claims an account, runs that account's oldest activity chunk by chunk, and gives the
account back. It is woken by a notification when work arrives, and looks by itself every second.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from everlist.core import accounts, activities, counters, exports, idempotency, outbox, usage
from everlist.core.act import Act
from everlist.core.activities import WORK_CHANNEL, Activity, ActivityFailed, Job, LeaseLost
from everlist.core.bulk import KINDS, STRANDS
from everlist.core.contacts import confirmations
from everlist.core.ids import new_id
from everlist.core.imports import upload
from everlist.core.installation import installation_of
from everlist.core.outbox import MAIL_CHANNEL
from everlist.core.privacy import ledger, repeat
from everlist.db import DiskFull, Listener, Unavailable, open_database
from everlist.errors import Conflict
from everlist.mail import Postman
from everlist.ops import logs, metrics
from everlist.schema.migrate import check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from everlist.core.installation import Installation
    from everlist.db import Database, Transaction
    from everlist.settings import Settings

log = structlog.get_logger()

LANES = 2
ROLL_UP_SECONDS = 1.0
POLL_SECONDS = 1.0
BEAT_SECONDS = 2.0
CHUNK_TIMEOUT_SECONDS = 600
ATTEMPTS = 5
LOSSES = 10
"""How often in a row an activity's chunk may lose the database before the activity fails."""
CONFLICTS = 100
SWEEP_SECONDS = 3600.0
VACUUMED = 100_000
"""From how many rows of imports on their room is made free at once; for less, autovacuum is in time."""


async def run_until_signal(settings: Settings, dsn: str) -> None:
    """Work until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(settings, dsn, stop)


async def erase_again(settings: Settings, dsn: str) -> int:
    """Before anything else is done: erase whom the erase ledger has and a restored database brought back.

    Answers how many erasures those were. Raises StartError where the ledger cannot be written.
    """
    if settings.erase_ledger is None:
        return 0
    await asyncio.to_thread(ledger.check, settings.erase_ledger)
    db = await open_database(dsn, size=2, statement_timeout=CHUNK_TIMEOUT_SECONDS, name="everlist erase")
    try:
        act = Act("erase ledger", _now())
        repeated = await repeat.repeat_all(
            db, settings.erase_ledger, act=act, installation=installation_of(settings)
        )
    finally:
        await db.close()
    if repeated.unreadable:
        log.warning("the erase ledger has lines that cannot be read", lines=repeated.unreadable)
    if repeated.other_key:
        log.warning("the erase ledger has lines of another secret key", lines=repeated.other_key)
    if repeated.erasures:
        log.info("erased again after a restore", erasures=repeated.erasures)
    return repeated.erasures


async def run(settings: Settings, dsn: str, stop: asyncio.Event) -> None:
    """Work until `stop` is set; the chunk under way is finished first."""
    await check(dsn)
    await erase_again(settings, dsn)
    db = await open_database(
        dsn,
        size=LANES * 3 + 2,  # an export reads beside its transaction, and shows its progress
        statement_timeout=CHUNK_TIMEOUT_SECONDS,
        name="everlist worker",
        bulk=True,
    )
    worker = Worker(
        db,
        installation_of(settings),
        stop,
    )
    if settings.public_url is None:
        log.warning(
            "EVERLIST_PUBLIC_URL is not set: links in mail work on this machine only", url=settings.base_url
        )
    post = Post(db, Postman(db, settings), stop)
    heard: dict[str, Callable[[str], None]] = {
        WORK_CHANNEL: lambda _payload: worker.wake(),
        MAIL_CHANNEL: lambda _payload: post.wake(),
    }
    listener = Listener(dsn, heard, lambda: None)
    listening = asyncio.create_task(listener.run())
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(worker.roll_up())
            group.create_task(worker.sweep())
            group.create_task(post.work())
            group.create_task(post.sweep())
            for _ in range(LANES):
                group.create_task(worker.work())
            await stop.wait()
            worker.wake()
            post.wake()
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        await db.close()


class Worker:
    """The tasks of one worker process."""

    def __init__(
        self,
        db: Database,
        installation: Installation,
        stop: asyncio.Event,
    ) -> None:
        self._db = db
        self._installation = installation
        self._stop = stop
        self._woken = asyncio.Event()
        self._losses: Counter[tuple[UUID, int]] = Counter()
        """By activity and strand, how often its next chunk has lost the database."""

    def wake(self) -> None:
        """There is work, or it is time to stop."""
        self._woken.set()

    async def roll_up(self) -> None:
        """Roll up counters until stopped."""
        while not self._stop.is_set():
            moved = 0
            try:
                moved = await roll_up_all(self._db)
            except Unavailable as error:
                log.warning("the database does not answer", error=type(error).__name__)
            if not moved:
                await _wait(self._stop, ROLL_UP_SECONDS)

    async def sweep(self) -> None:
        """Take away what has had its time, now and every hour, until stopped."""
        while not self._stop.is_set():
            try:
                await sweep_all(self._db, now=_now())
            except Exception as error:  # noqa: BLE001 - whatever it is, there is another hour
                log.warning("sweeping failed", error=type(error).__name__, at=logs.places(error))
            await _wait(self._stop, SWEEP_SECONDS)

    async def work(self) -> None:
        """Run activities, one at a time, until stopped."""
        while not self._stop.is_set():
            self._woken.clear()
            try:
                worked = await self.run_one()
            except Unavailable as error:
                log.warning("the database does not answer", error=type(error).__name__)
                await _wait(self._stop, 0.5)
                continue
            if not worked:
                await _wait(self._woken, POLL_SECONDS)

    async def run_one(self) -> bool:
        """Claim a lane and run its next activity to the end; False where nothing waits."""
        me = new_id()
        account_id = await self._db.write(lambda tx: activities.claim(tx, me, now=_now()))
        if account_id is None:
            return False
        beating = asyncio.create_task(self._beat(account_id, me))
        try:
            activity = await self._db.write(lambda tx: activities.take_next(tx, account_id, me, now=_now()))
            if activity is None:
                pass
            elif self._has_lost(activity):  # it may be what takes the database down
                why = f"the database did not answer, {LOSSES} times in a row"
                await self._fail(activity, me, f"the activity could not go on: {why}")
            else:
                await self._run(activity, me)
        except LeaseLost:
            log.warning("another worker took the activity over", account_id=str(account_id))
        finally:
            beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beating
        await self._tidy(account_id)
        await self._db.write(lambda tx: activities.release(tx, account_id, me, now=_now()))
        return True

    def _has_lost(self, activity: Activity) -> bool:
        lost = (n for (activity_id, _), n in self._losses.items() if activity_id == activity.activity_id)
        return max(lost, default=0) >= LOSSES

    async def _run(self, activity: Activity, me: UUID) -> None:
        log.info("activity begins", activity_id=str(activity.activity_id), kind=activity.kind)
        while activity.state == activities.PROCESSING and not self._stop.is_set():
            activity = await self._next(activity, me)
            if len(_strands(activity)) > 1:
                activity = await self._run_strands(activity, me)
        log.info(
            "activity ends", activity_id=str(activity.activity_id), kind=activity.kind, state=activity.state
        )
        if activity.state != activities.PROCESSING:
            self._forget_losses(activity)

    async def _run_strands(self, activity: Activity, me: UUID) -> Activity:
        """Run the strands of an activity side by side until they have no chunk left, or the activity ends."""

        async def run(strand: int) -> None:
            one = activity
            while one.state == activities.PROCESSING and strand in _strands(one) and not self._stop.is_set():
                one = await self._next(one, me, strand)

        running = [asyncio.create_task(run(strand)) for strand in _strands(activity)]
        try:
            await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in running:
                task.cancel()
            ends = await asyncio.gather(*running, return_exceptions=True)
        after = await activities.get(self._db, activity.account_id, activity.activity_id)
        if after.state == activities.PROCESSING:  # else one strand has ended it, which the others cannot know
            for end in ends:
                if isinstance(end, Exception):
                    raise end
        return after

    async def _next(self, activity: Activity, me: UUID, strand: int | None = None) -> Activity:
        """Do the next chunk, several times where something is in its way; the activity then, which may have failed."""
        failures = conflicts = 0
        strands = _strands(activity) if strand is None else (strand,)
        losses = activity.activity_id, strands[0] if strands else 0
        while not self._stop.is_set():
            try:
                after = await self._chunk(activity, me, strand)
            except ActivityFailed as error:
                return await self._fail(activity, me, str(error))
            except Conflict:  # other writers were in the way again and again
                conflicts += 1
                if conflicts >= CONFLICTS:
                    why = "the activity could not go on: other changes were in its way"
                    return await self._fail(activity, me, why)
                await _wait(self._stop, 0.2)
            except Exception as error:  # whatever it is, the account's queue goes on
                lost = isinstance(error, Unavailable) and not isinstance(error, DiskFull)
                if lost:
                    self._losses[losses] += 1
                if lost or isinstance(error, LeaseLost):
                    raise
                failures += 1
                log.error(
                    "a chunk failed",
                    activity_id=str(activity.activity_id),
                    error=type(error).__name__,
                    at=logs.places(error),
                )
                if failures >= ATTEMPTS:
                    full = isinstance(error, DiskFull)
                    why = "the disk of the database is full" if full else type(error).__name__
                    return await self._fail(activity, me, f"the activity could not go on: {why}")
                await _wait(self._stop, 0.2 * 2**failures)
            else:
                del self._losses[losses]
                return after
        return activity

    async def _chunk(self, before: Activity, me: UUID, strand: int | None) -> Activity:
        """Do the next chunk and record it, in one transaction."""

        async def chunk(tx: Transaction) -> Activity:
            act = Act(
                before.operation,
                _now(),
                before.request_id,
                before.token_id,
                before.activity_id,
            )
            progress = await KINDS[before.kind](Job(tx, self._db, before, act, self._installation, strand))
            return await activities.advance(tx, before, me, progress, now=_now())

        return await self._db.write(chunk)

    async def _fail(self, activity: Activity, me: UUID, reason: str) -> Activity:
        log.info("activity fails", activity_id=str(activity.activity_id), kind=activity.kind)
        failed = await self._db.write(lambda tx: activities.fail(tx, activity, me, reason, now=_now()))
        self._forget_losses(activity)
        return failed

    def _forget_losses(self, activity: Activity) -> None:
        for one in [one for one in self._losses if one[0] == activity.activity_id]:
            del self._losses[one]

    async def _tidy(self, account_id: UUID) -> None:
        """Take away now, not only at the next sweep, what the account's imports that have ended were read from and into.

        Before the lane is given back: if the database is lost, whoever takes the lane over does it.
        """
        a_day_ago = _now() - timedelta(days=1)
        try:
            rows = await self._db.write(lambda tx: upload.sweep(tx, account_id, before=a_day_ago))
        except Conflict:
            log.warning("what ended imports have left stays until the next sweep", account_id=str(account_id))
            return
        if rows >= VACUUMED:
            await upload.vacuum(self._db)

    async def _beat(self, account_id: UUID, me: UUID) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            with contextlib.suppress(Unavailable):
                await activities.beat(self._db, account_id, me, now=_now())


def _strands(activity: Activity) -> Sequence[int]:
    return STRANDS[activity.kind](activity) if activity.kind in STRANDS else ()


class Post:
    """The lane of a worker process that sends mail."""

    def __init__(self, db: Database, postman: Postman, stop: asyncio.Event) -> None:
        self._db = db
        self._postman = postman
        self._stop = stop
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There is mail, or it is time to stop."""
        self._woken.set()

    async def work(self) -> None:
        """Send what is due, one mail at a time, until stopped."""
        while not self._stop.is_set():
            self._woken.clear()
            sent = False
            try:
                metrics.MAIL_WAITING.set(await outbox.count_waiting(self._db))
                while not self._stop.is_set() and await self._postman.deliver(now=_now()):
                    sent = True
            except Unavailable as error:
                log.warning("the database does not answer", error=type(error).__name__)
            except Exception as error:  # noqa: BLE001 - whatever it is, other mail goes on
                log.error("sending mail failed", error=type(error).__name__, at=logs.places(error))
            await self._postman.close()
            if not sent:
                await _wait(self._woken, POLL_SECONDS)

    async def sweep(self) -> None:
        """Take away what mail leaves behind when it has had its time, now and every hour, until stopped."""
        while not self._stop.is_set():
            try:
                now, dead = _now(), 0
                for account in await accounts.all_accounts(self._db):
                    await outbox.sweep(self._db, account.account_id, before=now - outbox.DEAD_KEPT)
                    await confirmations.sweep(self._db, account.account_id, now=now)
                    dead += await outbox.count_dead(self._db, account.account_id)
                metrics.MAIL_DEAD.set(dead)
                await self._postman.sweep(now=now)
            except Exception as error:  # noqa: BLE001 - whatever it is, there is another hour
                log.warning("sweeping failed", error=type(error).__name__, at=logs.places(error))
            await _wait(self._stop, SWEEP_SECONDS)


async def roll_up_all(db: Database) -> int:
    """Roll up what waits in every account once; how many differences were moved."""
    waiting = await counters.accounts_to_roll_up(db)
    metered = await usage.accounts_to_roll_up(db)
    metrics.ROLL_UPS_WAITING.set(len({*waiting, *metered}))
    metrics.LANES.set(await activities.count_lanes(db))
    moved = 0
    for account_id in waiting:
        moved += await db.write(lambda tx, one=account_id: counters.roll_up(tx, one))
    for account_id in metered:
        moved += await db.write(lambda tx, one=account_id: usage.roll_up(tx, one))
    return moved


async def sweep_all(db: Database, *, now: datetime) -> None:
    """Delete the files of exports that have expired, uploads that never ended, and what activities have kept."""
    a_day_ago = now - timedelta(days=1)
    for account in await accounts.all_accounts(db):
        await exports.sweep(db, account.account_id, before=a_day_ago - exports.KEPT)
        await upload.sweep(db, account.account_id, before=a_day_ago)
        await idempotency.sweep(db, account.account_id, before=now - idempotency.KEPT)
        await activities.sweep(db, account.account_id, now=now)


def _now() -> datetime:
    return datetime.now(UTC)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
