"""A call of the JSON edges: its caller, body, query and transaction."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

import msgspec
from starlette.responses import Response

from everlist.core.ids import parse_id
from everlist.db import Transaction
from everlist.rest.errors import NOT_FOUND, VALIDATION, Failure, bad_request
from everlist.rest.query import Query
from everlist.web.edge import JSON
from everlist.web.request import Request, boundary, media_type

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

    from everlist.core.idempotency import Once
    from everlist.core.tokens import Token
    from everlist.rest.idempotent import Fingerprint
    from everlist.web.edge import Route
    from everlist.web.state import State

P = ParamSpec("P")
T = TypeVar("T")


class Call(Request):
    """One request with a bearer token. The edge sets `token` and `account_id` before the handler runs."""

    __slots__ = ("_fingerprint", "_once", "account_id", "token")

    account_id: UUID
    token: Token

    def __init__(self, scope: Scope, receive: Receive, route: Route[Any], state: State) -> None:
        super().__init__(scope, receive, route, state)
        self._once: Once | None = None
        self._fingerprint: Fingerprint | None = None

    def do_once(self, once: Once, fingerprint: Fingerprint) -> None:
        """Let `once` run the operation of this call; `fingerprint` gets the body as it is read."""
        self._once, self._fingerprint = once, fingerprint

    @property
    def token_id(self) -> UUID | None:
        """The id of the caller's token."""
        return self.token.token_id

    async def run(
        self,
        operation: Callable[Concatenate[Transaction, UUID, P], Awaitable[T]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run an operation of core for the caller's account, in a transaction, as `write` does."""
        return await self.write(lambda tx: operation(tx, self.account_id, *args, **kwargs))

    async def write(self, operation: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `operation` in a transaction that has committed when this returns.

        With an Idempotency-Key it commits together with the answer, before the answer leaves.
        """
        return await (self.db if self._once is None else self._once).write(operation)

    def path_id(self, name: str) -> UUID:
        """Return the id in the path. Raises Failure 404 if it is not a UUID."""
        found = parse_id(self.path_text(name))
        if found is None:
            raise Failure(404, NOT_FOUND, f"{name} is in an invalid format")
        return found

    @property
    def visitor(self) -> str:
        """Return the visitor that the caller names in X-Visitor-Address; empty if it names none."""
        return self.header(b"x-visitor-address").strip()

    @property
    def media_type(self) -> str:
        """The type in the Content-Type header, in lower case; empty if there is none."""
        return media_type(self.scope)

    @property
    def boundary(self) -> bytes:
        """The boundary in the Content-Type header of a multipart body; empty if there is none."""
        return boundary(self.scope)

    async def stream(self) -> AsyncGenerator[bytes]:
        """Yield the bytes of the body as they come in."""
        async for data in self.body_reader.stream():
            if self._fingerprint is not None:
                self._fingerprint.add(data)
            yield data

    async def body(self, kind: type[T]) -> T:
        """Return the JSON body as `kind`. Raises Failure 400 or 415, and HTTPException 413."""
        if (self.media_type or JSON.media_type) != JSON.media_type:
            raise Failure(415, VALIDATION, "Content-Type must be application/json")
        body = await self.body_reader.body()
        if self._fingerprint is not None:
            self._fingerprint.add(body)
        return decode(body, kind)

    def query(self) -> Query:
        """Return the query parameters, with those of the cursor."""
        return Query(
            self.scope["path"],
            self.scope["query_string"],
            account_id=self.account_id,
            secret_key=self.installation.secret_key,
        )


Handler = Callable[[Call], Awaitable[Response]]

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def decode(body: bytes, kind: type[T]) -> T:
    """Decode JSON to `kind`. Raises Failure with the contract's text for what does not fit."""
    if _NUL.search(body):
        raise bad_request("the body does not have a valid value: it contains a NUL character")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise bad_request(_validation_text(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad_request("Bad request: the body is not valid JSON") from None


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
