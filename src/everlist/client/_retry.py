"""When a request is sent again, and how long to wait before: rules without a clock or a connection of their own.

429 has three meanings. Too many in a moment, and a full queue: nothing was done, so it is safe to send again after
the time that the server names, or a second. A day's quota used up: there is no use in trying. After 500 and above
and after a broken connection nobody knows what was done, so only what can be repeated is.
"""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import msgspec

from everlist.client._errors import seconds

if TYPE_CHECKING:
    from everlist.client._protocol import Reply, Request


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds to wait: for a connection, for the next bytes of an answer, for the next bytes to leave."""

    connect: float = 5
    read: float = 60
    write: float = 60


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how long a request is tried.

    The wait before try n is random, up to `first` doubled n times and at most `most`; all of one request's tries end
    within `within` seconds.
    """

    tries: int = 6
    first: float = 0.25
    most: float = 8
    within: float = 60


NEVER = Retry(tries=1)


class Budget:
    """What all requests of a client may spend on retries, so that an outage is not made worse by them.

    A retry costs one; an answer earns a tenth back.
    """

    def __init__(self, most: int = 50) -> None:
        self._most = self._left = most * 10
        """In tenths."""
        self._lock = threading.Lock()

    def spend(self) -> bool:
        """Take one; whether there was one."""
        with self._lock:
            if self._left < 10:
                return False
            self._left -= 10
            return True

    def earn(self) -> None:
        """An answer came."""
        with self._lock:
            self._left = min(self._most, self._left + 1)


class Pace:
    """At most so many requests a second, evenly: the time between two is never shorter."""

    def __init__(self, per_second: float | None) -> None:
        self._between = 1 / per_second if per_second else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self, now: float) -> float:
        """How long the next request must wait; its moment is taken."""
        if not self._between:
            return 0
        with self._lock:
            at = max(now, self._next)
            self._next = at + self._between
            return at - now


class Tries:
    """The tries of one request, which began at `began`."""

    def __init__(self, request: Request, retry: Retry, budget: Budget, *, began: float) -> None:
        self.request = request
        self.token = ""
        self.asked_for_token = False
        """Whether a newer token was asked for after a 401."""
        self._retry, self._budget = retry, budget
        self._ends = began + retry.within
        self._count = 0
        self._may_have_arrived = False
        """Whether an earlier try may have done its work, though its answer never came."""

    def is_gone(self, reply: Reply) -> bool:
        """Whether 404 says that a deletion got through at an earlier try."""
        return reply.status == 404 and self.request.gone_is_done and self._may_have_arrived

    def after_reply(self, reply: Reply, now: float) -> float | None:
        """How long to wait before sending it again; None: take the answer as it is."""
        request, status = self.request, reply.status
        asked = seconds(reply.headers.get("retry-after"))
        least = asked or 0
        if status == 202 and request.method == "GET":
            return self._wait(now, max(least, 1))  # a segment that is being evaluated: contract 3.8
        if status == 429 and reply.error_key != "quota_exceeded":
            return self._wait(now, 1 if asked is None else asked)
        if status == 409 and (request.conflict_passes or (asked is not None and request.idempotency_key)):
            return self._wait(now, least)
        if status in (500, 502, 503, 504):
            self._may_have_arrived = True
            return self._wait(now, least) if request.is_safe_to_repeat() else None
        return None

    def after_failure(self, now: float, *, never_sent: bool) -> float | None:
        """The same after a connection that failed."""
        if never_sent:
            return self._wait(now, 0)
        self._may_have_arrived = True
        return self._wait(now, 0) if self.request.is_safe_to_repeat() else None

    def _wait(self, now: float, least: float) -> float | None:
        self._count += 1
        if self._count >= self._retry.tries or not self.request.can_be_sent_again():
            return None
        room = min(self._retry.most, self._retry.first * 2**self._count)
        wait = least + random.uniform(0, room)  # noqa: S311 - it spreads load, it hides nothing
        if now + wait > self._ends or not self._budget.spend():
            return None
        return wait
