"""What can go wrong, named by what it means to the caller."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from everlist.client._protocol import error_items

if TYPE_CHECKING:
    from everlist.client._protocol import Reply, Request

_LAST_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class ClientError(Exception):
    """Everything that the client raises about a request."""


class ConnectionFailed(ClientError):
    """No answer came: the server could not be reached, or the connection broke."""


class TimedOut(ClientError, TimeoutError):
    """No answer came in time."""


class UnexpectedReply(ClientError):
    """The server answered with something that is not of the contract."""


class ActivityFailed(ClientError):
    """An activity that was waited for ended, and not as `completed`."""

    def __init__(self, activity: Any) -> None:
        self.activity = activity
        texts = "; ".join(activity.errors) or "it gives no reason"
        super().__init__(f"activity {activity.activity_id} is {activity.state}: {texts}")


class WaitTimedOut(ClientError, TimeoutError):
    """An activity did not end in the time that was given for it; it goes on."""

    def __init__(self, activity: Any) -> None:
        self.activity = activity
        super().__init__(
            f"activity {activity.activity_id} is still {activity.state}: {activity.percent_done} %"
        )


class ApiError(ClientError):
    """The server refused, and said why.

    `status`, `key` and `message` are those of the answer; `request_id` finds the request in the server's log.
    """

    def __init__(self, request: Request, reply: Reply) -> None:
        self.status = reply.status
        self.errors = error_items(reply.body)
        self.key, self.message = self.errors[0] if self.errors else ("", "")
        self.method = request.method
        self.path = request.path
        self.headers = reply.headers
        self.body = reply.body
        self.request_id = reply.request_id
        texts = "; ".join(message for _, message in self.errors) or "no reason given"
        trace = f" (request {self.request_id})" if self.request_id else ""
        super().__init__(f"{self.status} {request.method} {request.path}: {texts}{trace}")

    @property
    def retry_after(self) -> float | None:
        """The seconds that the server asked to wait."""
        return seconds(self.headers.get("retry-after"))


class BadRequest(ApiError):
    """400 or 415: a value is missing or wrong, or a limit is reached."""


class Unauthorized(ApiError):
    """401: no token, an unknown one, or one that has ended."""


class Forbidden(ApiError):
    """403: the token lacks the scope, or its user the privilege."""


class NotFound(ApiError):
    """404: nothing of this account has that id."""


class Conflict(ApiError):
    """409: something is taken already, or other changes were in the way."""

    @property
    def owner_id(self) -> str | None:
        """The id of who holds what is taken, with which the message ends."""
        found = _LAST_UUID.findall(self.message)
        return found[-1] if found else None


class TooLarge(ApiError):
    """413: the body is bigger than the server takes."""


class KeyReused(ApiError):
    """422: the Idempotency-Key was used before, for another request."""


class RateLimited(ApiError):
    """429: too many requests in a moment, or too many activities in the queue."""


class QuotaExceeded(ApiError):
    """429: the requests of this day are used up; the vendor counts anew from midnight UTC."""


class ServerFailed(ApiError):
    """500 and above: a fault of the server, or it is not available."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    415: BadRequest,
    422: KeyReused,
    429: RateLimited,
}


def error_of(request: Request, reply: Reply) -> ApiError:
    """The error that an answer other than a good one stands for."""
    kind = _BY_STATUS.get(reply.status, ServerFailed if reply.status >= 500 else ApiError)
    if reply.status == 429 and reply.error_key == "quota_exceeded":
        kind = QuotaExceeded
    return kind(request, reply)


def seconds(text: str | None) -> float | None:
    """The value of Retry-After where it is a number of seconds."""
    return float(text) if text is not None and text.isascii() and text.isdecimal() else None
