"""The rules of retrying: whether a request is sent again, and after which wait. Nothing here does I/O.

429 has three meanings. After a rate limit or a full queue nothing was done, so the client waits as long as the server
asks (default: a second) and retries. After an exhausted daily quota it does not retry.
After a 500 or a broken connection nobody knows if the request was carried out, so only idempotent ones are retried.
"""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import msgspec

from everlist.client._errors import retry_after_seconds

if TYPE_CHECKING:
    from everlist.client._protocol import Reply, Request


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds to wait for a connection, for the next bytes of an answer, and for the next bytes to be sent."""

    connect: float = 5
    read: float = 60
    write: float = 60


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """How often a request is tried, and for how long.

    The wait before retry n is random, between 0 and the lower of `first` * 2**n and `most` seconds. No try starts
    later than `within` seconds after the first one.
    """

    tries: int = 6
    first: float = 0.25
    most: float = 8
    within: float = 60


NEVER = Retry(tries=1)


class Budget:
    """The retries that all requests of a client share, so that retrying does not make an outage worse.

    A retry costs 1; a successful answer earns 0.1.
    """

    def __init__(self, retries: int = 50) -> None:
        self._most_tenths = self._tenths = retries * 10
        self._lock = threading.Lock()

    def spend(self) -> bool:
        """Take one retry. Return False if none is left."""
        with self._lock:
            if self._tenths < 10:
                return False
            self._tenths -= 10
            return True

    def earn(self) -> None:
        """Add a tenth of a retry."""
        with self._lock:
            self._tenths = min(self._most_tenths, self._tenths + 1)


class Pace:
    """A limit of requests per second with even gaps, without bursts."""

    def __init__(self, per_second: float | None) -> None:
        self._gap = 1 / per_second if per_second else 0.0
        self._next_slot = 0.0
        self._lock = threading.Lock()

    def wait(self, now: float) -> float:
        """Reserve the next slot. Return the seconds until it begins."""
        if not self._gap:
            return 0
        with self._lock:
            slot = max(now, self._next_slot)
            self._next_slot = slot + self._gap
            return slot - now


class Attempts:
    """The attempts to send one request."""

    def __init__(self, request: Request, retry: Retry, budget: Budget, *, began: float) -> None:
        self.request = request
        self.token = ""
        self.token_renewed = False
        """Whether a 401 has made the client ask for a newer token."""
        self._retry, self._budget = retry, budget
        self._deadline = began + retry.within
        self._count = 0
        self._may_have_arrived = False
        """Whether the server may have carried out an earlier attempt and its answer was lost."""

    def was_deleted_before(self, reply: Reply) -> bool:
        """Return True if 404 means that an earlier attempt deleted the resource and its answer was lost."""
        return reply.status == 404 and self.request.not_found_is_success and self._may_have_arrived

    def wait_after_reply(self, reply: Reply, now: float) -> float | None:
        """Return the seconds to wait before the next attempt; None if the reply is final."""
        request, status = self.request, reply.status
        retry_after = retry_after_seconds(reply.headers.get("retry-after"))
        least = retry_after or 0
        if status == 202 and request.method == "GET":
            return self._wait(now, max(least, 1))  # the server is evaluating a segment: contract 3.8
        if status == 429 and reply.error_key != "quota_exceeded":
            return self._wait(now, 1 if retry_after is None else retry_after)
        if status == 409 and (
            request.retry_conflict or (retry_after is not None and request.idempotency_key)
        ):
            return self._wait(now, least)
        if status in (500, 502, 503, 504):
            self._may_have_arrived = True
            return self._wait(now, least) if request.is_idempotent() else None
        return None

    def wait_after_failure(self, now: float, *, never_sent: bool) -> float | None:
        """Return the seconds to wait after a failed connection; None if the failure is final."""
        if never_sent:
            return self._wait(now, 0)
        self._may_have_arrived = True
        return self._wait(now, 0) if self.request.is_idempotent() else None

    def _wait(self, now: float, least: float) -> float | None:
        self._count += 1
        if self._count >= self._retry.tries or not self.request.can_send_body():
            return None
        most_jitter = min(self._retry.most, self._retry.first * 2**self._count)
        wait = least + random.uniform(0, most_jitter)  # noqa: S311 - spreads load, needs no secrecy
        if now + wait > self._deadline or not self._budget.spend():
            return None
        return wait
