"""Runs the edges: each request gets an id, an edge, a route, a limit on its body, an answer, and a line in the log.

Every request passes through here, so it is plain ASGI.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Router
from uuid_utils import uuid7

from everlist.ops import logs
from everlist.web.edge import RouteTree
from everlist.web.request import header, limited, media_type
from everlist.web.request_log import Finished

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from everlist.web.edge import Edge
    from everlist.web.state import State

log = structlog.get_logger()

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,100}", re.ASCII)
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Application:
    """The ASGI application of some edges. The last edge takes the paths that no other edge has."""

    def __init__(
        self, edges: Sequence[Edge[Any]], start: Callable[[], AbstractAsyncContextManager[State]]
    ) -> None:
        """`start` makes the state when the process starts, and closes what is in it when the process ends."""
        self._start = start
        self._state: State | None = None
        self._edges = [_RunningEdge(edge, self) for edge in edges]
        self._by_prefix = [(prefix, prefix + "/", edge) for edge in self._edges for prefix in edge.prefixes]
        self.router = Router(lifespan=self._lifespan)

    @property
    def state(self) -> State:
        """The state of this process, once it has started."""
        if self._state is None:
            raise AssertionError("the application has not started: its lifespan makes the state")
        return self._state

    @asynccontextmanager
    async def _lifespan(self, _app: object) -> AsyncGenerator[None]:
        async with self._start() as self._state:
            yield
            self.state.request_log.settle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        if scope["type"] != "http":
            await self.router(scope, receive, send)
            return
        state = self.state
        began = perf_counter()
        given = header(scope, b"x-request-id")
        request_id = given if _ACCEPTED_ID.fullmatch(given) else str(uuid7())
        scope["request_id"] = request_id
        id_header = (b"x-request-id", request_id.encode())
        status = 0

        def send_with_id(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), id_header]
            return send(message)

        edge = self._edge_of(scope["path"])
        try:
            await edge.app(scope, receive, send_with_id)
        except Exception as error:  # noqa: BLE001
            log.error(
                "request failed", request_id=request_id, error=type(error).__name__, at=logs.places(error)
            )
            if not status:
                await edge.fault(scope)(scope, receive, send_with_id)
        finally:
            finished = Finished(
                method=scope["method"] if scope["method"] in _METHODS else "other",
                route=scope.get("route_path", "none"),
                status=status,
                seconds=perf_counter() - began,
                request_id=request_id,
                account_id=scope.get("account_id", ""),
                at=datetime.now(UTC),
            )
            state.request_log.add(finished)

    def _edge_of(self, path: str) -> _RunningEdge:
        for prefix, folder, edge in self._by_prefix:
            if path.startswith(folder) or path == prefix:
                return edge
        return self._edges[-1]


class _RunningEdge:
    """An edge with its routes as a tree, inside its middleware."""

    def __init__(self, edge: Edge[Any], application: Application) -> None:
        self._edge = edge
        self._application = application
        self._routes = RouteTree(edge.routes)
        self.prefixes = edge.prefixes
        self.app: ASGIApp = self._run
        for middleware in reversed(edge.middleware):
            self.app = middleware.cls(self.app, *middleware.args, **middleware.kwargs)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        edge = self._edge
        try:
            route, scope["path_params"] = self._routes.find(scope["path"], scope["method"])
            scope["route_path"] = route.path  # for the log and the metrics
            state = self._application.state
            if route.takes:
                receive = limited(scope, receive, route.max_bytes(media_type(scope), state.settings))
            request = edge.request(scope, receive, route, state)
            await edge.authenticate(request)
            response = await route.handler(request)
        except Exception as error:
            refusal = edge.refuse(scope, error)
            if refusal is None:
                raise
            response = refusal
        await response(scope, receive, send)

    def fault(self, scope: Scope) -> Response:
        """Return the edge's answer to a fault of ours."""
        return self._edge.refuse(scope, HTTPException(500)) or PlainTextResponse("Internal error\n", 500)
