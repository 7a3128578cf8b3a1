"""The answers of the JSON edges: bodies, errors and their shapes. V3 contract 1.4 and 1.5."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
from starlette.responses import Response

from everlist import errors
from everlist.core import idempotency
from everlist.core.activities import QueueFull
from everlist.db import DiskFull, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.exceptions import HTTPException

VALIDATION = "contacts.api.validation.error"
NOT_FOUND = "contacts.api.not_found"
CONFLICT = "contacts.api.conflict"


class Error(msgspec.Struct):
    """One error, in the fields that the object and the array have in common."""

    error_key: str
    error_message: str


class Failure(Exception):
    """An error that a handler answers, raised from anywhere in it."""

    def __init__(self, status: int, key: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.response = error_response(status, key, message, headers)


_TEXTS = {
    401: ("unauthorized", "Unauthorized"),
    403: ("access_denied", "Request forbidden due to insufficient user privileges."),
    404: (NOT_FOUND, "Nothing is at this path"),
    405: ("contacts.api.method_not_allowed", "Method not allowed"),
    413: (VALIDATION, "The body is too big"),
    500: ("contacts.api.internal_error", "There was an internal problem"),
}
_LIMITS = {"throttled": "Too Many Requests", "quota_exceeded": "Limit Exceeded"}
"""The texts of the two limits on how many requests an account may make."""


def http_refusal(error: HTTPException) -> Response:
    """Return the answer to what the application or the bearer check refuses."""
    key, text = _TEXTS.get(error.status_code, (VALIDATION, "Bad request"))
    if error.status_code == 429:
        key, text = error.detail, _LIMITS[error.detail]
    return error_response(error.status_code, key, text, dict(error.headers or {}))


_encode = msgspec.json.Encoder().encode


def json_response(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return `value` as JSON."""
    body = _encode(value)
    if headers is None:
        return _Json(body, status)
    return Response(body, status, headers, "application/json")


class _Json(Response):
    """JSON without further headers, made faster than Response does: half the time of a small answer."""

    def __init__(self, body: bytes, status: int) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]


def error_response(status: int, key: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """Return an error in the shape of its status: an object for 401, 403 and 429, an array for the others."""
    error = Error(key, message)
    return json_response(error if status in (401, 403, 429) else [error], status, headers)


def worded(problem: errors.Problem | str) -> str:
    """Return the contract's sentence for a problem. V3 contract 1.4."""
    if isinstance(problem, str):
        return problem
    if problem.missing:
        return f"{problem.field} is missing"
    return f"{problem.field} does not have a valid value" + (f": {problem.reason}" if problem.reason else "")


def answer(  # noqa: PLR0911 - one for each kind
    error: errors.EverlistError, worded: Callable[[errors.Problem | str], str] = worded
) -> Response | None:
    """Return the answer to an error of the domain; None for an error that is a fault of ours.

    `worded` says a problem in the words of the edge's contract.
    """
    match error:
        case errors.Invalid():
            return error_response(400, VALIDATION, ", ".join(map(worded, error.problems)))
        case errors.LimitReached():
            return error_response(400, VALIDATION, str(error))
        case errors.NotFound():
            return error_response(404, NOT_FOUND, str(error))
        case errors.Conflict():
            return error_response(409, CONFLICT, _conflict_text(error), _explanation(error))
        case idempotency.NotAgain():
            return _not_again(error)
        case QueueFull():
            return error_response(429, "throttled", str(error), {"Retry-After": "60"})
        case errors.TooMany():
            return error_response(429, "throttled", str(error), {"Retry-After": str(error.seconds)})
        case DiskFull():
            return error_response(
                503, "contacts.api.unavailable", "The disk of the database is full", {"Retry-After": "60"}
            )
        case Unavailable():
            return error_response(
                503,
                "contacts.api.unavailable",
                "The service is temporarily unavailable",
                {"Retry-After": "1"},
            )
        case _:
            return None


def _conflict_text(error: errors.Conflict) -> str:
    match error:
        case errors.AddressTaken():
            return f"Email already exists for contact {error.contact_id}"
        case errors.NumberTaken():
            return f"SMS number already exists for contact {error.contact_id}"
        case _:
            return str(error)


def _explanation(error: errors.Conflict) -> dict[str, str] | None:
    """Return a link to the explanation of an address that is taken or erased."""
    if not isinstance(error, (errors.AddressTaken, errors.AddressErased)):
        return None
    address = quote(error.address, safe="")
    return {"Link": f'</everlist/v1/contacts/explain?email={address}>; rel="help"'}


def _not_again(error: idempotency.NotAgain) -> Response:
    """Return the first answer to a request that is sent again, or why the request is not done."""
    match error:
        case idempotency.Repeated(answer=first) if first.body is not None:
            return Response(first.body, first.status, {**dict(first.headers), "Idempotent-Replayed": "true"})
        case idempotency.KeyReused():
            text = "Idempotency-Key does not have a valid value: another request was done with it"
            return error_response(422, VALIDATION, text)
        case idempotency.UnderWay():
            return error_response(409, CONFLICT, str(error), {"Retry-After": "1"})
        case _:
            return error_response(409, CONFLICT, str(error))


def bad_request(text: str) -> Failure:
    """Return a 400 with this text."""
    return Failure(400, VALIDATION, text)


def invalid(field: str) -> Failure:
    """Return a 400 for a parameter or property whose value is not valid."""
    return bad_request(f"{field} does not have a valid value")


def required_source(name: str, value: object) -> str:
    """Return `create_source` or `update_source`. Raises Failure unless it is Contact or Account."""
    if value is None:
        raise bad_request(f"{name} is missing, {name} does not have a valid value")
    if value not in ("Contact", "Account"):
        raise invalid(name)
    return str(value)


def whole_seconds(moment: datetime | None) -> datetime | None:
    """Return the moment without its fraction of a second, which the contract does not show."""
    # A page has hundreds of these, and a subtraction takes half the time of replace().
    return None if moment is None else moment - timedelta(0, 0, moment.microsecond)
