"""One HTTP request: what every edge reads of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from python_multipart.multipart import parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import Request as HTTPRequest

from everlist.core.act import Act

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from uuid import UUID

    from starlette.types import Message, Receive, Scope

    from everlist.core.installation import Installation
    from everlist.db import Database, Transaction
    from everlist.settings import Settings
    from everlist.web.edge import Route
    from everlist.web.state import State

T = TypeVar("T")


def header(scope: Scope, name: bytes) -> str:
    """Return the value of a header of the request, empty if it has none; `name` in lower case."""
    for header_name, value in scope["headers"]:
        if header_name == name:
            return value.decode("latin-1")
    return ""


def media_type(scope: Scope) -> str:
    """Return the type in the Content-Type header, in lower case and without parameters; empty if there is none."""
    return header(scope, b"content-type").partition(";")[0].strip().lower()


def boundary(scope: Scope) -> bytes:
    """Return the boundary in the Content-Type header of a multipart body; empty if there is none."""
    if not media_type(scope).startswith("multipart/"):
        return b""
    _, options = parse_options_header(header(scope, b"content-type"))
    return options.get(b"boundary", b"")


def limited(scope: Scope, receive: Receive, max_bytes: int) -> Receive:
    """Return a `receive` that raises HTTPException 413 if the body is longer than `max_bytes`."""
    length = header(scope, b"content-length")
    declared = int(length) if length.isdecimal() else None
    if declared is not None and declared <= max_bytes:
        return receive
    received = declared or 0

    async def receive_within_limit() -> Message:
        nonlocal received
        message = await receive()
        if declared is None:
            received += len(message.get("body", b""))
        if received > max_bytes:
            raise HTTPException(413)
        return message

    return receive_within_limit


class Request:
    """One request for a route of an edge. Edges add what their handlers need by a class of their own."""

    __slots__ = ("_http", "_receive", "now", "route", "scope", "state")

    def __init__(self, scope: Scope, receive: Receive, route: Route[Any], state: State) -> None:
        self.scope = scope
        self.route = route
        self.state = state
        self.now: datetime = state.clock()
        self._receive = receive
        self._http: HTTPRequest | None = None

    @property
    def http(self) -> HTTPRequest:
        """The request as Starlette reads it, made when it is first needed."""
        if self._http is None:
            self._http = HTTPRequest(self.scope, self._receive)
        return self._http

    @property
    def body_reader(self) -> HTTPRequest:
        """The request for reading its body, which the route must say that it takes."""
        if not self.route.takes:
            raise AssertionError(f"the route {self.route.path} takes no body: name the body in its `takes`")
        return self.http

    @property
    def db(self) -> Database:
        """The pool of this process."""
        return self.state.db

    @property
    def settings(self) -> Settings:
        """The settings of this process."""
        return self.state.settings

    @property
    def installation(self) -> Installation:
        """The secret key, the erase ledger and the mail folder."""
        return self.state.installation

    @property
    def public_url(self) -> str:
        """The address at which people reach our pages."""
        return self.state.settings.base_url

    @property
    def token_id(self) -> UUID | None:
        """The id of the caller's token; None on an edge without tokens."""
        return None

    @property
    def act(self) -> Act:
        """This request as an act in the ledger: the operation is its method and the path of its route."""
        return Act(
            operation=f"{self.scope['method']} {self.route.path}",
            now=self.now,
            request_id=self.scope["request_id"],
            token_id=self.token_id,
        )

    @property
    def client_address(self) -> str:
        """The address that the request came from; empty if the server does not know it."""
        client = self.scope.get("client")
        return client[0] if client else ""

    async def write(self, operation: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `operation` in a transaction that has committed when this returns."""
        return await self.state.db.write(operation)

    def header(self, name: bytes) -> str:
        """Return the value of a header, empty if the request has none; `name` in lower case."""
        return header(self.scope, name)

    def path_text(self, name: str) -> str:
        """Return the text in the place of `{name}` in the path of the route."""
        return self.scope["path_params"][name]

    def belongs_to(self, account_id: UUID) -> None:
        """Name the account in the log line of this request."""
        self.scope["account_id"] = account_id
