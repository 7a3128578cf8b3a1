"""What every endpoint of V3 and of our own API shares: bearer check, bodies and queries in, JSON and errors out.

V3 contract 1.1 to 1.5. The service answers its own errors as an array; what the vendor's gateway answers
(401, 403) is a bare object.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from everlist import errors
from everlist.core import idempotency
from everlist.core.activities import QueueFull
from everlist.core.contacts import Act
from everlist.core.dates import parse_datetime
from everlist.core.ids import parse_id
from everlist.db import DiskFull, Unavailable

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from everlist.core.tokens import Token
    from everlist.db import Database, Transaction
    from everlist.rate import Limiter
    from everlist.settings import Settings

T = TypeVar("T")

VALIDATION = "contacts.api.validation.error"
NOT_FOUND = "contacts.api.not_found"
CONFLICT = "contacts.api.conflict"

_ERROR_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Error(msgspec.Struct):
    """One error, in the fields that both shapes have."""

    error_key: str
    error_message: str


def header(scope: Scope, name: bytes) -> str:
    """The value of a header of the request, empty if it has none; `name` in lower case."""
    for header_name, value in scope["headers"]:
        if header_name == name:
            return value.decode("latin-1")
    return ""


class Failure(Exception):
    """An answer other than success, raised from anywhere in an endpoint."""

    def __init__(self, status: int, key: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.response = error_response(status, key, message, headers)


_encode = msgspec.json.Encoder().encode


def json_response(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`value` as JSON."""
    body = _encode(value)
    if headers is None:
        return _Json(body, status)
    return Response(body, status, headers, "application/json")


class _Json(Response):
    """JSON and no headers of its own: Response looks for many things that are not here."""

    def __init__(self, body: bytes, status: int) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]


def error_response(status: int, key: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error in the shape of its status: an object for 401, 403 and 429, an array for the others."""
    error = Error(key, message)
    return json_response(error if status in (401, 403, 429) else [error], status, headers)


def answer(error: errors.EverlistError) -> Response | None:  # noqa: PLR0911 - one for each kind
    """The answer to an error of the domain; None for an error that is a fault of ours."""
    match error:
        case errors.Invalid() | errors.LimitReached():
            return error_response(400, VALIDATION, str(error))
        case errors.NotFound():
            return error_response(404, NOT_FOUND, str(error))
        case errors.Conflict():
            return error_response(409, CONFLICT, str(error), _explanation(error))
        case idempotency.NotAgain():
            return _not_again(error)
        case errors.Forbidden():
            return error_response(403, "access_denied", str(error))
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


def _explanation(error: errors.Conflict) -> dict[str, str] | None:
    """Where a caller learns what stands in the way of an address."""
    if not isinstance(error, errors.AddressTaken):
        return None
    address = quote(error.address, safe="")
    return {"Link": f'</everlist/v1/contacts/explain?email={address}>; rel="help"'}


def _not_again(error: idempotency.NotAgain) -> Response:
    """What was answered the first time, or why the request is not done."""
    match error:
        case idempotency.Repeated(answer=first) if first.body is not None:
            return Response(first.body, first.status, {**dict(first.headers), "Idempotent-Replayed": "true"})
        case idempotency.KeyReused():
            return error_response(422, VALIDATION, str(error))
        case idempotency.UnderWay():
            return error_response(409, CONFLICT, str(error), {"Retry-After": "1"})
        case _:
            return error_response(409, CONFLICT, str(error))


class _Fingerprint:
    """Tells whether two requests are the same: method, path, query and body.

    A form's boundary is left out, since a client makes a new one each time it sends the same form.
    """

    def __init__(self, scope: Scope) -> None:
        content_type = header(scope, b"content-type")
        kind, _, rest = content_type.partition(";")
        found = _BOUNDARY.search(rest) if kind.strip().lower().startswith("multipart/") else None
        self._delimiter = b"\r\n--" + (found[1] or found[2]).encode("latin-1") if found else b""
        self._tail = b"\r\n" if found else b""
        start = (scope["method"], scope["path"], scope["query_string"].decode("latin-1"), kind)
        self._hash = hashlib.sha256("\n".join(start).encode() + b"\n")

    def add(self, data: bytes) -> None:
        """The next bytes of the body."""
        if self._delimiter:
            data = (self._tail + data).replace(self._delimiter, b"\r\n\0")
            sure = max(
                len(data) - len(self._delimiter) + 1, 0
            )  # the rest may be the beginning of a delimiter
            data, self._tail = data[:sure], data[sure:]
        self._hash.update(data)

    def digest(self) -> bytes:
        """The fingerprint of what came so far."""
        whole = self._hash.copy()
        whole.update(self._tail)
        return whole.digest()


_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE)


class Call:
    """One authorised request."""

    __slots__ = ("_fingerprint", "_once", "_request", "account_id", "now", "token")

    def __init__(self, request: Request, token: Token, now: datetime) -> None:
        self._request = request
        self._once: idempotency.Once | None = None
        self._fingerprint: _Fingerprint | None = None
        self.token = token
        self.account_id = token.account_id
        self.now = now

    def once(self, key: str) -> idempotency.Once:
        """From now on this request is done once, whenever it comes again with the key."""
        self._fingerprint = _Fingerprint(self._request.scope)
        self._once = idempotency.Once(self.db, self.account_id, key, self._fingerprint.digest, now=self.now)
        return self._once

    @property
    def db(self) -> Database:
        """The pool of this process."""
        return self._request.app.state.db

    @property
    def act(self) -> Act:
        """This request as an act in the ledger."""
        return Act(
            f"{self._request.method} {self._request.scope['route_path']}",
            self.now,
            self._request.app.state.hash_key,
            self._request.scope.get("request_id"),
            self.token.token_id,
        )

    async def write(self, operation: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `operation` in a transaction that has committed when this returns.

        With an Idempotency-Key it commits, together with the answer, before the answer leaves.
        """
        return await (self.db if self._once is None else self._once).write(operation)

    def path_id(self, name: str) -> UUID:
        """The id in the path; 404 where it is not a UUID."""
        text: str = self._request.path_params[name]
        found = parse_id(text)
        if found is None:
            raise Failure(404, NOT_FOUND, f"{name} is in an invalid format")
        return found

    @property
    def settings(self) -> Settings:
        """The settings of this process."""
        return self._request.app.state.settings

    @property
    def visitor(self) -> str:
        """The visitor on whose behalf the caller acts, in the caller's own words; nothing if it names none."""
        return self._request.headers.get("x-visitor-address", "").strip()

    @property
    def caller(self) -> str:
        """The address that the request came from."""
        client = self._request.client
        return client.host if client else ""

    @property
    def public_url(self) -> str:
        """Where people reach our pages."""
        return self.settings.base_url

    @property
    def content_type(self) -> str:
        """The Content-Type header, or nothing."""
        return self._request.headers.get("content-type", "")

    async def stream(self) -> AsyncGenerator[bytes]:
        """The bytes of the body as they come in."""
        async for data in self._request.stream():
            if self._fingerprint is not None:
                self._fingerprint.add(data)
            yield data

    async def body(self, kind: type[T]) -> T:
        """The JSON body as `kind`; 400, 413 or 415 where it is not."""
        request = self._request
        content_type = (
            request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        )
        if content_type != "application/json":
            raise Failure(415, VALIDATION, "Content-Type must be application/json")
        body = await request.body()
        if self._fingerprint is not None:
            self._fingerprint.add(body)
        return decode(body, kind)

    def query(self) -> Query:
        """The query parameters, with those of the cursor."""
        return Query(self._request, self.account_id)


def decode(body: bytes, kind: type[T]) -> T:
    """JSON to `kind`, with the contract's texts for what does not fit."""
    if _ERROR_NUL.search(body):
        raise Failure(400, VALIDATION, "the body does not have a valid value: it contains a NUL character")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Failure(400, VALIDATION, _validation_text(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Failure(400, VALIDATION, "Bad request: the body is not valid JSON") from None


_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")


def _validation_text(message: str) -> str:
    """`Expected `str`, got `int` - at `$.first_name`` gives `first_name does not have a valid value`."""
    path = match["path"] if (match := _PATH.search(message)) else ""
    if missing := _MISSING.search(message):
        return f"{_field(path, missing['field'])} is missing"
    return f"{_field(path) or 'the body'} does not have a valid value"


def _field(path: str, last: str = "") -> str:
    """`custom_fields[3].value` gives `custom_fields[3][value]`, as the contract's texts name fields."""
    first, *rest = [part for part in (*path.split("."), last) if part] or [""]
    return first + "".join(f"[{part}]" for part in rest)


class Query:
    """The query parameters of a request; each method answers 400 where its parameter is malformed.

    A cursor carries the filters of its collection and is signed for the account and the path. Parameters
    may be sent again beside it; a filter that then differs makes another collection, so the cursor is
    refused. `limit`, `include` and `include_…` only change the shape of a page and may differ.
    """

    def __init__(self, request: Request, account_id: UUID) -> None:
        self._path: str = request.scope["path"]
        self._key: bytes = request.app.state.hash_key
        self._account_id = account_id
        self._given: dict[str, str] = {}
        query_string: bytes = request.scope["query_string"]
        for name, value in (
            parse_qsl(query_string.decode("latin-1"), keep_blank_values=True) if query_string else ()
        ):
            if "\x00" in value:
                raise invalid(name)
            self._given.setdefault(name, value)
        self._next: UUID | None = None
        self._at: datetime | None = None
        cursor = self._given.pop("cursor", None)
        if cursor is not None:
            self._merge(cursor)

    def _merge(self, cursor: str) -> None:
        try:
            text = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode(
                "ascii"
            )
        except ValueError:
            raise invalid("cursor") from None
        signed, _, signature = text.rpartition("&sig=")
        if not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            raise invalid("cursor")
        carried = dict(parse_qsl(signed, keep_blank_values=True))
        self._next = parse_id(carried.pop("next", ""))
        self._at = parse_datetime(carried.pop("at")) if "at" in carried else None
        for name, value in self._given.items():
            if (
                name != "limit"
                and not name.startswith("include")
                and name in carried
                and carried[name] != value
            ):
                raise invalid("cursor")
        self._given = {**carried, **self._given}

    def _signature(self, signed: str) -> str:
        message = b"\x00".join((b"cursor", self._account_id.bytes, self._path.encode(), signed.encode()))
        return base64.urlsafe_b64encode(hmac.digest(self._key, message, hashlib.sha256)[:12]).decode()

    @property
    def from_id(self) -> UUID | None:
        """The first id of the page that a cursor asks for."""
        return self._next

    @property
    def from_at(self) -> datetime | None:
        """The time of that first item, where the pages follow a time."""
        return self._at

    def links(self, next_id: UUID | None, *names: str, at: datetime | None = None) -> Links | None:
        """The link to the next page, which carries the parameters in `names`; None on the last page."""
        if next_id is None:
            return None
        carried = {name: self._given[name] for name in sorted(names) if name in self._given}
        if at is not None:
            carried["at"] = at.isoformat()
        signed = urlencode({**carried, "next": str(next_id)})
        token = (
            base64.urlsafe_b64encode(f"{signed}&sig={self._signature(signed)}".encode()).decode().rstrip("=")
        )
        return Links(Link(f"{self._path}?cursor={token}"))

    def text(self, name: str) -> str | None:
        """The parameter, or None where it is absent or empty."""
        return self._given.get(name) or None

    def has_any_but(self, *names: str) -> bool:
        """Whether a parameter other than these was sent."""
        return bool(self._given.keys() - set(names))

    def integer(self, name: str, *, default: int, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        text = self.text(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) < 10 and low <= int(text) <= high):
            raise invalid(name)
        return int(text)

    def boolean(self, name: str) -> bool:
        """True or false, 1 or 0, in any case; absent means false."""
        text = (self.text(name) or "false").lower()
        if text not in ("true", "false", "1", "0"):
            raise invalid(name)
        return text in ("true", "1")

    def one_of(self, name: str, words: tuple[str, ...]) -> str | None:
        """One of `words`, or None where the parameter is absent."""
        text = self.text(name)
        if text is not None and text not in words:
            raise invalid(name)
        return text

    def words(self, name: str, words: tuple[str, ...]) -> frozenset[str] | None:
        """Some of `words`, separated by commas, or None where the parameter is absent."""
        text = self.text(name)
        if text is None:
            return None
        given = frozenset(word.strip() for word in text.split(","))
        if not given <= frozenset(words):
            raise invalid(name)
        return given

    def ids(self, name: str, *, most: int) -> tuple[UUID, ...] | None:
        """Up to `most` UUIDs, separated by commas, or None where the parameter is absent."""
        text = self.text(name)
        if text is None:
            return None
        found = [parse_id(word.strip()) for word in text.split(",")]
        ids = tuple(dict.fromkeys(one for one in found if one is not None))
        if None in found or len(ids) > most:
            raise invalid(name)
        return ids

    def sequence_ids(self, *, most: int = 500) -> list[int]:
        """The V2 ids of `sequence_ids`, which is required: decimals, leading zeros allowed."""
        text = self.text("sequence_ids")
        if text is None:
            raise Failure(400, VALIDATION, "sequence_ids is missing")
        words = [word.strip() for word in text.split(",")]
        if len(words) > most or not all(re.fullmatch(r"[0-9]{1,30}", word) for word in words):
            raise invalid("sequence_ids")
        return [number for word in words if (number := int(word)) < 2**63]

    def moment(self, name: str) -> datetime | None:
        """A date-time in any spelling of contract 1.3, in UTC."""
        text = self.text(name)
        if text is None:
            return None
        moment = parse_datetime(text)
        if moment is None:
            raise invalid(name)
        return moment


class Link(msgspec.Struct):
    """Where something is, relative to the host."""

    href: str


class Links(msgspec.Struct):
    """The `_links` of a page."""

    next: Link


def invalid(field: str) -> Failure:
    """400 for a parameter or property."""
    return Failure(400, VALIDATION, f"{field} does not have a valid value")


def required_source(name: str, value: object) -> str:
    """`create_source` or `update_source`: Contact or Account, and never absent."""
    if value is None:
        raise Failure(400, VALIDATION, f"{name} is missing, {name} does not have a valid value")
    if value not in ("Contact", "Account"):
        raise invalid(name)
    return str(value)


def whole_seconds(moment: datetime | None) -> datetime | None:
    """The moment without its fraction, which the contract does not show."""
    # A page has hundreds of these, and a subtraction takes half the time of replace().
    return None if moment is None else moment - timedelta(0, 0, moment.microsecond)


Handler = Callable[[Call], Awaitable[Response]]

_UNAUTHORIZED = error_response(401, "unauthorized", "Unauthorized", {"WWW-Authenticate": "Bearer"})
_FORBIDDEN = error_response(403, "access_denied", "Request forbidden due to insufficient user privileges.")
_TOO_MANY = {"throttled": "Too Many Requests", "quota_exceeded": "Limit Exceeded"}
_KEY = re.compile(rb"[\x21-\x7e]{1,%d}" % idempotency.MAX_KEY)


class Endpoint:
    """Runs `handler` at `path` for callers with a live token that has the scope.

    It is plain ASGI, which spares every request the wrappings of an endpoint that is a function.
    """

    def __init__(self, handler: Handler, path: str, needed_scope: str) -> None:
        self._handler = handler
        self._path = path
        self._needed_scope = needed_scope

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state: Any = scope["app"].state
        scope["route_path"] = self._path  # for the ledger, the log and the metrics
        try:
            kind, _, secret = header(scope, b"authorization").partition(" ")
            token: Token | None = None
            if kind.lower() == "bearer" and secret:
                token = state.keyring.known(secret) or await state.keyring.find(secret)
            if token is None:
                response = _UNAUTHORIZED
            else:
                scope["account_id"] = token.account_id
                if state.limiter is not None:
                    _limit(state.limiter, token.account_id, state.clock())
                if self._needed_scope not in token.scopes:
                    response = _FORBIDDEN
                else:
                    call = Call(Request(scope, receive), token, state.clock())
                    key = _key(scope) if scope["method"] == "POST" else None
                    response = await (self._handler(call) if key is None else self._once(call, key))
        except Failure as failure:
            response = failure.response
        except errors.EverlistError as error:
            response = answer(error)
            if response is None:
                raise
        await response(scope, receive, send)

    async def _once(self, call: Call, key: bytes) -> Response:
        """The answer to a request with an Idempotency-Key, which is stored with what the request did."""
        if not _KEY.fullmatch(key):
            text = f"Idempotency-Key does not have a valid value: 1 to {idempotency.MAX_KEY} visible ASCII characters"
            raise Failure(400, VALIDATION, text)
        once = call.once(key.decode("ascii"))
        try:
            response = await self._handler(call)
            await once.finish(_answer_of(response))
        finally:
            await once.give_up()
        return response


class _Told(msgspec.Struct):
    """Whom an answer tells of, if that is one contact."""

    contact_id: UUID | None = None


def _key(scope: Scope) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == b"idempotency-key"), None)


def _answer_of(response: Response) -> idempotency.Answer:
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in response.raw_headers
        if name != b"content-length"
    ]
    if isinstance(response, StreamingResponse):
        return idempotency.Answer(response.status_code, headers, None)
    body = bytes(response.body)
    try:
        contact_id = msgspec.json.decode(body, type=_Told).contact_id
    except (msgspec.DecodeError, UnicodeDecodeError):
        contact_id = None
    return idempotency.Answer(response.status_code, headers, body, contact_id)


def _limit(limiter: Limiter, account_id: UUID, now: datetime) -> None:
    refused = limiter.refuses(account_id, now)
    if refused is not None:
        kind, seconds = refused
        raise Failure(429, kind, _TOO_MANY[kind], {"Retry-After": str(seconds)})
