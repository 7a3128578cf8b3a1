"""The exceptions of the client."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from everlist.client._protocol import error_items

if TYPE_CHECKING:
    from everlist.client._protocol import Reply, Request

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class ClientError(Exception):
    """The base of all errors that the client raises about a request."""


class ConnectionFailed(ClientError):
    """The server could not be reached, or the connection broke before an answer came."""


class TimedOut(ClientError, TimeoutError):
    """The server did not answer in time."""


class UnexpectedReply(ClientError):
    """The server answered with something that does not fit the contract."""


class ActivityFailed(ClientError):
    """An activity ended in a state other than `completed`."""

    def __init__(self, activity: Any) -> None:
        self.activity = activity
        reasons = "; ".join(activity.errors) or "no reason given"
        super().__init__(f"activity {activity.activity_id} ended as {activity.state}: {reasons}")


class WaitTimedOut(ClientError, TimeoutError):
    """An activity did not end before the timeout; it continues on the server."""

    def __init__(self, activity: Any) -> None:
        self.activity = activity
        super().__init__(
            f"activity {activity.activity_id} is still {activity.state} after the timeout:"
            f" {activity.percent_done}% done. It continues on the server"
        )


class ApiError(ClientError):
    """The server answered with an error.

    `status`, `key` and `message` come from the answer; `request_id` finds the request in the server's log.
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
        reasons = "; ".join(message for _, message in self.errors) or "no reason given"
        trace = f" (request {self.request_id})" if self.request_id else ""
        super().__init__(f"{self.status} {request.method} {request.path}: {reasons}{trace}")

    @property
    def retry_after(self) -> float | None:
        """Return the seconds that the server asks to wait; None if it does not say."""
        return retry_after_seconds(self.headers.get("retry-after"))


class BadRequest(ApiError):
    """400 or 415: a value is missing or invalid, or a limit is reached."""


class Unauthorized(ApiError):
    """401: the token is missing, unknown, expired or revoked."""


class Forbidden(ApiError):
    """403: the token lacks a scope, or its user a privilege."""


class NotFound(ApiError):
    """404: the account has nothing with that id."""


class Conflict(ApiError):
    """409: the address, number or name is taken, or another change ran at the same time."""

    @property
    def owner_id(self) -> str | None:
        """Return the id of the contact, list, tag or field that has the value: the last id in the message."""
        ids = _UUID.findall(self.message)
        return ids[-1] if ids else None


class TooLarge(ApiError):
    """413: the body is larger than the server accepts."""


class KeyReused(ApiError):
    """422: the Idempotency-Key was used for a different request."""


class RateLimited(ApiError):
    """429: too many requests per second, or too many activities in the queue."""


class QuotaExceeded(ApiError):
    """429: the daily quota is used up; the vendor resets it at midnight UTC."""


class ServerFailed(ApiError):
    """500 and above: the server failed or is unavailable."""


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


def api_error(request: Request, reply: Reply) -> ApiError:
    """Build the error for an answer with a status of 300 or above."""
    error_class = _BY_STATUS.get(reply.status, ServerFailed if reply.status >= 500 else ApiError)
    if reply.status == 429 and reply.error_key == "quota_exceeded":
        error_class = QuotaExceeded
    return error_class(request, reply)


def retry_after_seconds(text: str | None) -> float | None:
    """Parse Retry-After; None if the header is missing or is a date."""
    return float(text) if text is not None and text.isascii() and text.isdecimal() else None
