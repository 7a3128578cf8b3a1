"""Requests and replies as values, and the helpers that build and read them. Nothing here does I/O."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import msgspec

from everlist.client._upload import Upload

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")

JSON = "application/json"
CSV = "text/csv"
encode = msgspec.json.Encoder().encode


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the API."""

    method: str
    path: str
    query: dict[str, str] = {}
    body: bytes | Upload | None = None
    content_type: str | None = None
    accept: str = JSON
    headers: dict[str, str] = {}
    """Extra headers."""
    idempotent: bool | None = None
    """Whether sending it twice has the effect of sending it once; None: decided by the method."""
    not_found_is_success: bool = False
    """Whether 404 after a lost answer means success: an earlier DELETE got through."""
    retry_conflict: bool = False
    """Whether 409 may only mean that another request ran at the same time."""
    idempotency_key: str | None = None

    @property
    def target(self) -> str:
        """Return path and query as in the request line."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    def is_idempotent(self) -> bool:
        """Return True if the request may be sent again although an earlier try may have arrived."""
        if self.idempotent is not None:
            return self.idempotent
        return self.method in ("GET", "PUT", "DELETE") or self.idempotency_key is not None

    def can_send_body(self) -> bool:
        """Return False if the body came from a pipe that has been read already."""
        return not isinstance(self.body, Upload) or self.body.can_send()


class Reply(msgspec.Struct, frozen=True):
    """An answer of the server. The names in `headers` are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    @property
    def request_id(self) -> str | None:
        """Return the id under which the server logged the request."""
        return self.headers.get("x-request-id") or self.headers.get("x-amzn-requestid")

    @property
    def error_key(self) -> str:
        """Return the key of the first error; empty if the body has none."""
        errors = error_items(self.body)
        return errors[0][0] if errors else ""


def get(path: str, **query: Any) -> Request:
    """Build a GET; parameters that are None are left out."""
    return Request(method="GET", path=path, query=query_params(**query))


def delete(path: str, *, not_found_is_success: bool = False, **query: Any) -> Request:
    """Build a DELETE; parameters that are None are left out."""
    return Request(
        method="DELETE",
        path=path,
        query=query_params(**query),
        not_found_is_success=not_found_is_success,
    )


def send_json(
    method: str,
    path: str,
    body: object = None,
    *,
    idempotent: bool | None = None,
    retry_conflict: bool = False,
) -> Request:
    """Build a POST, PUT or PATCH with a JSON body."""
    return Request(
        method=method,
        path=path,
        body=encode(body),
        content_type=JSON,
        idempotent=idempotent,
        retry_conflict=retry_conflict,
    )


def path_with(template: str, *ids: object) -> str:
    """Fill the `{}` of a path template with ids. Raises ValueError for an id that would change the path."""
    return template.format(*map(path_segment, ids))


def path_segment(value: object) -> str:
    """Return an id quoted for a path. Raises ValueError if it is empty, `.` or `..`."""
    text = str(value)
    if text in ("", ".", ".."):
        raise ValueError(f"{text!r} is not an id")
    return quote(text, safe="")


def query_params(**query: Any) -> dict[str, str]:
    """Return query parameters as text: leaves out None, joins sequences with commas."""
    return {name: _query_text(value) for name, value in query.items() if value is not None}


def _query_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, str | int | date) or not hasattr(value, "__iter__"):
        return str(value)
    return ",".join(str(item) for item in value)


def id_list(values: Iterable[object] | object) -> list[str]:
    """Return ids as a list of texts; a single id becomes a list of one."""
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        return [str(values)]
    items: Iterable[object] = values  # pyright: ignore[reportAssignmentType]
    return [str(item) for item in items]


def without_unset(**values: Any) -> dict[str, Any]:
    """Return the properties that are set: drops msgspec.UNSET, keeps None."""
    return {name: value for name, value in values.items() if value is not msgspec.UNSET}


def next_page(request: Request, href: str) -> Request:
    """Build the request for the next page from its link.

    Security: a link cannot send the token elsewhere. Its host is ignored, and so is a path outside the two APIs.
    """
    link = urlsplit(href)
    path = link.path if link.path.startswith(("/v3/", "/everlist/v1/")) else request.path
    query = {name: values[-1] for name, values in parse_qs(link.query).items()}
    return msgspec.structs.replace(request, path=path, query=query)


def cursor_in(href: str) -> str | None:
    """Return the cursor in the link to a next page; None if the link has none."""
    return next(iter(parse_qs(urlsplit(href).query).get("cursor", [])), None)


class _Error(msgspec.Struct):
    """An error of the API (key and error_message), or of a gateway in front of it (message)."""

    error_key: str = ""
    error_message: str = ""
    message: str = ""


def error_items(body: bytes) -> list[tuple[str, str]]:
    """Return the (key, message) pairs of an error body, an array or a single object; [] if it is neither."""
    try:
        decoded = msgspec.json.decode(body, type=list[_Error] | _Error)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    errors = [decoded] if isinstance(decoded, _Error) else decoded
    return [(error.error_key, error.error_message or error.message) for error in errors]
