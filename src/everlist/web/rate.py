"""How many requests an account may make of one process: so many a second, and so many a day (UTC)."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from datetime import date, datetime
    from uuid import UUID


class _Account(msgspec.Struct):
    at: datetime
    left: float
    """Of the requests that may come at once."""
    day: date
    today: int = 0


class Limiter:
    """Counts the requests of each account.

    A bucket for each: it holds what a second allows, and fills up again at that rate.
    """

    def __init__(self, per_second: int, per_day: int | None) -> None:
        self._per_second = per_second
        self._per_day = per_day
        self._accounts: dict[UUID, _Account] = {}

    def refuses(self, account_id: UUID, now: datetime) -> tuple[str, int] | None:
        """Count a request. None, or why it may not be done: the kind of limit, and seconds to wait.

        The kinds are `throttled` and `quota_exceeded`. What is refused is not counted.
        """
        account = self._accounts.get(account_id)
        if account is None:
            account = self._accounts[account_id] = _Account(now, self._per_second, now.date())
        if now.date() > account.day:
            account.day, account.today = now.date(), 0
        if self._per_day is not None and account.today >= self._per_day:
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            return "quota_exceeded", math.ceil((midnight - now).total_seconds())
        since = max((now - account.at).total_seconds(), 0.0)
        account.left = min(account.left + since * self._per_second, self._per_second)
        account.at = now
        if account.left < 1:
            return "throttled", max(math.ceil((1 - account.left) / self._per_second), 1)
        account.left -= 1
        account.today += 1
        return None
