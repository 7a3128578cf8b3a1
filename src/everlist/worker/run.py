"""Start and stop the background process. Any number of them may work on one database.

It runs bulk activities (`activities.py`), sends mail (`mail.py`), rolls up counters and deletes what has
expired (`upkeep.py`). A notification from the database wakes it when there is work; it also polls every second.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import structlog

from everlist.core.act import Act
from everlist.core.activities import WORK_CHANNEL
from everlist.core.installation import installation_of
from everlist.core.outbox import MAIL_CHANNEL
from everlist.core.privacy import ledger, repeat
from everlist.db import Listener, open_database
from everlist.mail import Postman
from everlist.schema.migrate import check
from everlist.worker import upkeep
from everlist.worker.activities import Worker
from everlist.worker.mail import MailSender
from everlist.worker.timing import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from everlist.settings import Settings
    from everlist.worker.timing import Clock

log = structlog.get_logger()

ACTIVITIES_AT_ONCE = 2
"""How many accounts one process serves at a time."""
CHUNK_TIMEOUT_SECONDS = 600
"""The longest that one statement of a chunk may run."""


async def run_until_signal(settings: Settings, dsn: str) -> None:
    """Work until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(settings, dsn, stop)


async def erase_again(settings: Settings, dsn: str, *, clock: Clock = utc_now) -> int:
    """Repeat the erasures of the erase ledger that a restored database has undone; return how many those were.

    Must run before anything else reads the database. Raises StartError if the ledger cannot be written.
    """
    if settings.erase_ledger is None:
        return 0
    await asyncio.to_thread(ledger.check, settings.erase_ledger)
    db = await open_database(dsn, size=2, statement_timeout=CHUNK_TIMEOUT_SECONDS, name="everlist erase")
    try:
        act = Act(operation="erase ledger", now=clock())
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


async def run(settings: Settings, dsn: str, stop: asyncio.Event, *, clock: Clock = utc_now) -> None:
    """Work until `stop` is set. Finishes the chunks that are running first."""
    await check(dsn)
    await erase_again(settings, dsn, clock=clock)
    db = await open_database(
        dsn,
        # An export holds three connections: its transaction, the snapshot that it reads, and its progress.
        size=ACTIVITIES_AT_ONCE * 3 + 2,
        statement_timeout=CHUNK_TIMEOUT_SECONDS,
        name="everlist worker",
        bulk=True,
    )
    worker = Worker(db, installation_of(settings), stop, clock)
    if settings.public_url is None:
        log.warning(
            "EVERLIST_PUBLIC_URL is not set: links in mail work on this machine only", url=settings.base_url
        )
    sender = MailSender(db, Postman(db, settings), stop, clock)
    on_notification: dict[str, Callable[[str], None]] = {
        WORK_CHANNEL: lambda _payload: worker.wake(),
        MAIL_CHANNEL: lambda _payload: sender.wake(),
    }
    listener = Listener(dsn, on_notification, lambda: None)
    listening = asyncio.create_task(listener.run())
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(upkeep.keep_rolling_up(db, stop))
            group.create_task(upkeep.keep_sweeping(db, stop, clock))
            group.create_task(sender.work())
            group.create_task(sender.keep_sweeping())
            for _ in range(ACTIVITIES_AT_ONCE):
                group.create_task(worker.work())
            await stop.wait()
            worker.wake()
            sender.wake()
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        await db.close()
