"""Limits on the requests of an account to one web process: per second, and per day in UTC."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from datetime import date, datetime
    from uuid import UUID


Limit = Literal["throttled", "quota_exceeded"]
"""The limit of a second, and that of a day."""


class _Account(msgspec.Struct):
    at: datetime
    left: float
    """Requests that may come at once."""
    day: date
    today: int = 0


class Limiter:
    """Limits the requests of each account by a token bucket: it holds one second's requests, and refills in one."""

    def __init__(self, per_second: int, per_day: int | None) -> None:
        self._per_second = per_second
        self._per_day = per_day
        self._accounts: dict[UUID, _Account] = {}

    def refuses(self, account_id: UUID, now: datetime) -> tuple[Limit, int] | None:
        """Count a request, and return None; or do not count it, and return the limit and the seconds to wait."""
        account = self._accounts.get(account_id)
        if account is None:
            account = self._accounts[account_id] = _Account(at=now, left=self._per_second, day=now.date())
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
