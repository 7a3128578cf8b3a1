"""Requests and replies as values: what is sent and what came back, without a word about how it travels."""

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
encode = msgspec.json.Encoder().encode


class Request(msgspec.Struct, frozen=True):
    """One call, as it is meant."""

    method: str
    path: str
    query: dict[str, str] = {}
    body: bytes | Upload | None = None
    content_type: str | None = None
    accept: str = JSON
    headers: dict[str, str] = {}
    """Further ones."""
    repeatable: bool | None = None
    """Whether sending it twice does what sending it once does; None: as its method says."""
    gone_is_done: bool = False
    """Whether 404 means success once an earlier try may have got through: a deletion."""
    conflict_passes: bool = False
    """Whether 409 may only mean that another request was in the way."""
    idempotency_key: str | None = None

    @property
    def target(self) -> str:
        """Path and query as they stand in the request line."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    def is_safe_to_repeat(self) -> bool:
        """Whether it may be sent again when nobody knows whether it arrived."""
        if self.repeatable is not None:
            return self.repeatable
        return self.method in ("GET", "PUT", "DELETE") or self.idempotency_key is not None

    def can_be_sent_again(self) -> bool:
        """Whether its body is still there."""
        return not isinstance(self.body, Upload) or self.body.rewind()


class Reply(msgspec.Struct, frozen=True):
    """What came back. The names of `headers` are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    @property
    def request_id(self) -> str | None:
        """The server's name for the request."""
        return self.headers.get("x-request-id") or self.headers.get("x-amzn-requestid")

    @property
    def error_key(self) -> str:
        """The key of the first error, empty if there is none."""
        items = error_items(self.body)
        return items[0][0] if items else ""


def get(path: str, **query: Any) -> Request:
    """GET with the parameters that are not None."""
    return Request("GET", path, params(**query))


def delete(path: str, *, gone_is_done: bool = False, **query: Any) -> Request:
    """DELETE with the parameters that are not None."""
    return Request("DELETE", path, params(**query), gone_is_done=gone_is_done)


def send(
    method: str,
    path: str,
    body: object = None,
    *,
    query: dict[str, str] | None = None,
    repeatable: bool | None = None,
    conflict_passes: bool = False,
) -> Request:
    """POST, PUT or PATCH of a value as JSON."""
    return Request(
        method, path, query or {}, encode(body), JSON, repeatable=repeatable, conflict_passes=conflict_passes
    )


def path_of(template: str, *ids: object) -> str:
    """`template` with its `{}` filled by ids. Raises ValueError for one that would make another path."""
    return template.format(*map(segment, ids))


def segment(one: object) -> str:
    """An id as it stands in a path."""
    text = str(one)
    if text in ("", ".", ".."):
        message = f"{text!r} is not an id"
        raise ValueError(message)
    return quote(text, safe="")


def params(**query: Any) -> dict[str, str]:
    """Query parameters as text: None is left out, sequences are joined by commas."""
    return {name: _text(value) for name, value in query.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, str | int | date) or not hasattr(value, "__iter__"):
        return str(value)
    return ",".join(str(one) for one in value)


def ids(values: Iterable[object] | object) -> list[str]:
    """Ids as a list of texts; one id alone is a list of one."""
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        return [str(values)]
    items: Iterable[object] = values  # pyright: ignore[reportAssignmentType]
    return [str(one) for one in items]


def given(**values: Any) -> dict[str, Any]:
    """The properties that are set: None is kept, msgspec.UNSET is left out."""
    return {name: value for name, value in values.items() if value is not msgspec.UNSET}


def following(request: Request, href: str) -> Request:
    """The request for the next page. A link never leads to another host, nor out of the two APIs."""
    parts = urlsplit(href)
    path = parts.path
    if not path.startswith(("/v3/", "/everlist/v1/")):
        path = request.path
    return msgspec.structs.replace(
        request, path=path, query={name: values[-1] for name, values in parse_qs(parts.query).items()}
    )


def cursor_of(href: str) -> str | None:
    """The cursor in the link to a next page."""
    return next(iter(parse_qs(urlsplit(href).query).get("cursor", [])), None)


class _Error(msgspec.Struct):
    """An error of the service, or of a gateway before it."""

    error_key: str = ""
    error_message: str = ""
    message: str = ""


def error_items(body: bytes) -> list[tuple[str, str]]:
    """The (key, message) pairs of an error, whether they came as an array or as one object."""
    try:
        found = msgspec.json.decode(body, type=list[_Error] | _Error)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    items = [found] if isinstance(found, _Error) else found
    return [(item.error_key, item.error_message or item.message) for item in items]
