"""One authorised request: its body, its query, its transaction."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import msgspec
from starlette.requests import Request

from everlist.core import idempotency
from everlist.core.act import Act
from everlist.core.ids import parse_id
from everlist.rest.errors import NOT_FOUND, VALIDATION, Failure
from everlist.rest.idempotent import Fingerprint
from everlist.rest.query import Query

if TYPE_CHECKING:
    from everlist.core.installation import Installation
    from everlist.core.tokens import Token
    from everlist.db import Database, Transaction
    from everlist.settings import Settings


T = TypeVar("T")


_ERROR_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Call:
    """One authorised request."""

    __slots__ = ("_fingerprint", "_once", "_request", "account_id", "now", "token")

    def __init__(self, request: Request, token: Token, now: datetime) -> None:
        self._request = request
        self._once: idempotency.Once | None = None
        self._fingerprint: Fingerprint | None = None
        self.token = token
        self.account_id = token.account_id
        self.now = now

    def once(self, key: str) -> idempotency.Once:
        """From now on this request is done once, whenever it comes again with the key."""
        self._fingerprint = Fingerprint(self._request.scope)
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
            self._request.scope.get("request_id"),
            self.token.token_id,
        )

    @property
    def installation(self) -> Installation:
        """The secret key, the erase ledger and the mail folder."""
        return self._request.app.state.installation

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
