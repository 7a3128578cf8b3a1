"""The task of a worker process that sends mail."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from everlist.core import accounts, outbox
from everlist.core.contacts import confirmations
from everlist.db import Unavailable
from everlist.ops import logs, metrics
from everlist.worker.timing import POLL_SECONDS, utc_now, wait
from everlist.worker.upkeep import SWEEP_SECONDS

if TYPE_CHECKING:
    from everlist.db import Database
    from everlist.mail import Postman
    from everlist.worker.timing import Clock

log = structlog.get_logger()


class MailSender:
    """Sends the mail of the outbox, one at a time."""

    def __init__(self, db: Database, postman: Postman, stop: asyncio.Event, clock: Clock = utc_now) -> None:
        self._db = db
        self._postman = postman
        self._stop = stop
        self._clock = clock
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look at the outbox now: mail was queued, or the process is stopping."""
        self._woken.set()

    async def work(self) -> None:
        """Send the mail that is due, one at a time, until stopped."""
        while not self._stop.is_set():
            self._woken.clear()
            sent = False
            try:
                metrics.MAIL_WAITING.set(await outbox.count_waiting(self._db))
                while not self._stop.is_set() and await self._postman.deliver(now=self._clock()):
                    sent = True
            except Unavailable as error:
                log.warning("the database does not answer", error=type(error).__name__)
            except Exception as error:  # noqa: BLE001 - one mail that fails must not stop the others
                log.error("sending mail failed", error=type(error).__name__, at=logs.places(error))
            await self._postman.close()
            if not sent:
                await wait(self._woken, POLL_SECONDS)

    async def keep_sweeping(self) -> None:
        """Delete expired mail and confirmation requests, now and every hour, until stopped."""
        while not self._stop.is_set():
            try:
                await self._sweep()
            except Exception as error:  # noqa: BLE001 - the next hour tries again
                log.warning("hourly clean-up failed", error=type(error).__name__, at=logs.places(error))
            await wait(self._stop, SWEEP_SECONDS)

    async def _sweep(self) -> None:
        now, given_up = self._clock(), 0
        for account in await accounts.all_accounts(self._db):
            await outbox.sweep(self._db, account.account_id, before=now - outbox.DEAD_KEPT)
            await confirmations.sweep(self._db, account.account_id, now=now)
            given_up += await outbox.count_dead(self._db, account.account_id)
        metrics.MAIL_DEAD.set(given_up)
        await self._postman.sweep(now=now)
