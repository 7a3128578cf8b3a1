"""The ASGI application: mounts the edges, owns start-up and shutdown, and wraps every request.

Around each request: an id (taken from `X-Request-Id` where it is sane), a limit on the body, one line in
the log, the numbers of /metrics, and an answer in the contract's shape where something of ours fails.

Everything passes through here, so it is plain ASGI, and what an API has is found by dictionary; the rest is
left to Starlette's router.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from datetime import UTC, datetime
from time import perf_counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from uuid_utils import uuid7

from everlist import __version__, ext, pages, v3
from everlist.core.installation import installation_of
from everlist.core.tokens import REVOKED_CHANNEL, Keyring
from everlist.db import Listener, Unavailable, open_database
from everlist.ops import logs, metrics
from everlist.rest.errors import NOT_FOUND, VALIDATION, error_response
from everlist.schema import cluster
from everlist.schema.migrate import check
from everlist.web.rate import Limiter
from everlist.web.request import header

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
    from uuid import UUID

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from everlist.db import Database
    from everlist.settings import Settings

log = structlog.get_logger()


def create_app(
    settings: Settings, dsn: str, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> ASGIApp:
    """The application on the database at `dsn`, whose schema must be current. `clock` tells the time in UTC."""

    @contextlib.asynccontextmanager
    async def lifespan(app: _Application) -> AsyncGenerator[None]:
        await check(dsn)
        db = await open_database(
            dsn,
            size=settings.pool_size,
            statement_timeout=settings.statement_timeout_seconds,
            name="everlist web",
        )
        keyring = Keyring(db)
        listener = Listener(dsn, {REVOKED_CHANNEL: lambda _payload: keyring.forget()}, keyring.forget)
        app.state.db, app.state.keyring = db, keyring
        app.state.settings, app.state.clock = settings, clock
        app.state.installation = installation_of(settings)
        app.state.limiter = Limiter(*settings.rate_limit) if settings.rate_limit else None
        app.state.nodes_away = []
        background = [asyncio.create_task(listener.run()), asyncio.create_task(_watch_pool(db))]
        if await cluster.is_distributed(db):
            background.append(asyncio.create_task(_watch_nodes(db, app.state)))
        try:
            yield
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await db.close()
            app.settle()

    routes = [
        Route("/healthz", _healthz, methods=["GET"]),
        Route("/readyz", _readyz, methods=["GET"]),
        Route("/metrics", _metrics, methods=["GET"]),
        *v3.routes,
        *ext.routes,
        *pages.routes,
    ]
    router = Router(routes, redirect_slashes=False, lifespan=lifespan)
    return _Application(router, _Tree([*v3.routes, *ext.routes]), settings)


async def _healthz(_request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok", "version": __version__})


async def _readyz(request: Request) -> Response:
    """The database answers too."""
    try:
        await asyncio.wait_for(request.app.state.db.value("select 1"), 5)
    except (Unavailable, TimeoutError):
        return JSONResponse({"status": "the database does not answer"}, 503)
    away = request.app.state.nodes_away
    return JSONResponse({"status": "ok", "nodes_away": away} if away else {"status": "ok"})


async def _watch_pool(db: Database) -> None:
    """Keep this process's numbers of the pool fresh, whichever process is asked for them."""
    while True:
        size, idle = db.stats()
        metrics.POOL.labels("busy").set(size - idle)
        metrics.POOL.labels("idle").set(idle)
        await asyncio.sleep(1)


async def _watch_nodes(db: Database, state: SimpleNamespace) -> None:
    """Ask the nodes of a distributed database for a sign of life, every few seconds."""
    while True:
        with contextlib.suppress(Unavailable):
            nodes = await cluster.nodes(db)
            for node in nodes:
                metrics.NODES.labels(node.name).set(node.answers)
            state.nodes_away = [node.name for node in nodes if not node.answers]
        await asyncio.sleep(_WATCH_NODES_SECONDS)


async def _metrics(request: Request) -> Response:
    request.app.settle()
    return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)


def _refusal(error: HTTPException) -> Response:
    """What the router refuses: an unknown path, a method that the path does not have, a body that is too big."""
    texts = {
        404: (NOT_FOUND, "Nothing is at this path"),
        405: ("contacts.api.method_not_allowed", "Method not allowed"),
        413: (VALIDATION, "The body is too big"),
    }
    key, text = texts.get(error.status_code, (VALIDATION, "Bad request"))
    return error_response(error.status_code, key, text, dict(error.headers or {}))


_FAULT = error_response(500, "contacts.api.internal_error", "There was an internal problem")
_SETTLE_SECONDS = 0.01
_WATCH_NODES_SECONDS = 5
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,100}", re.ASCII)


class _Tree:
    """Routes as a tree of the parts of their paths; a part in braces takes anything.

    It finds what matching one route after the other would find, where the more specific path comes first.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self._root: dict[str | None, Any] = {}
        for route in routes:
            node = self._root
            parts = route.path.split("/")[1:]
            for part in parts:
                node = node.setdefault(None if part.startswith("{") else part, {})
            names = [part.strip("{}") for part in parts if part.startswith("{")]
            for method in route.methods or ():
                node.setdefault("/" + method, (route.app, names))

    def find(self, scope: Scope) -> ASGIApp | None:
        """What answers the request, if it is here; the values in the path become `path_params`."""
        node, values = self._root, list[str]()
        for part in scope["path"].split("/")[1:]:
            child = node.get(part)
            if child is None:
                child = node.get(None)
                if child is None or not part:
                    return None
                values.append(part)
            node = child
        found = node.get("/" + scope["method"])
        if found is None:
            return None
        app, names = found
        scope["path_params"] = dict(zip(names, values, strict=True))
        return app


_UPLOADS = re.compile("/v3/activities/contacts_(?:file|json)_import|/everlist/v1/contact_lists/[^/]+/members")
"""Paths that take files: a file is streamed, but JSON is held in memory."""
_MAX_JSON_BYTES = 32 * 1024 * 1024

_Finished = tuple[str, str, int, float, str, "UUID | str", datetime]
"""A request: method, route, status, seconds, request id, account, when it finished."""


class _Application:
    """The wrapper around every request; the `app` of the requests within."""

    def __init__(self, router: Router, tree: _Tree, settings: Settings) -> None:
        self.state = SimpleNamespace()
        self._router = router
        self._tree = tree
        self._settings = settings
        self._finished: list[_Finished] = []
        self._numbers: dict[tuple[str, str, int], tuple[Any, Any]] = {}
        self._log = log.bind()  # each use of `log` itself would bind anew

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        began = perf_counter()
        given = header(scope, b"x-request-id")
        request_id = given if _SANE_ID.fullmatch(given) else str(uuid7())
        scope["request_id"] = request_id
        id_header = (b"x-request-id", request_id.encode())
        status = 0

        def send_with_id(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), id_header]
            return send(message)

        try:
            app = self._tree.find(scope) or self._router
            if scope["method"] != "GET":  # whose body nobody reads
                receive = self._limited(scope, receive)
            await app(scope, receive, send_with_id)
        except Exception as error:  # noqa: BLE001
            response = _FAULT
            if isinstance(error, HTTPException):
                response = _refusal(error)
            else:
                log.error(
                    "request failed", request_id=request_id, error=type(error).__name__, at=logs.places(error)
                )
            if not status:
                await response(scope, receive, send_with_id)
        finally:
            if not self._finished:
                asyncio.get_running_loop().call_later(_SETTLE_SECONDS, self.settle)
            took = perf_counter() - began
            method: str = scope["method"] if scope["method"] in _METHODS else "other"
            route, account_id = scope.get("route_path", "none"), scope.get("account_id", "")
            self._finished.append((method, route, status, took, request_id, account_id, datetime.now(UTC)))

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """`receive` that raises 413 once the body is longer than it may be."""
        most = self._settings.max_body_bytes
        if _UPLOADS.fullmatch(scope["path"]):
            most = self._settings.max_upload_bytes
            if header(scope, b"content-type").startswith("application/json"):
                most = min(most, _MAX_JSON_BYTES)
        length = header(scope, b"content-length")
        declared = int(length) if length.isdecimal() else None
        if declared is not None and declared <= most:
            return receive
        received = declared or 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            if declared is None:
                received += len(message.get("body", b""))
            if received > most:
                raise HTTPException(413)
            return message

        return limited

    def settle(self) -> None:
        """Count and log the requests that have finished.

        Many at a time take a third of what each takes by itself between two answers.
        """
        finished, self._finished = self._finished, []
        if finished:
            self._count(finished)
            logs.infos(self._log, "request", map(_told, finished))

    def _count(self, finished: list[_Finished]) -> None:
        for (method, route, status), number in Counter(one[:3] for one in finished).items():
            if (method, route, status) not in self._numbers:
                self._numbers[method, route, status] = (
                    metrics.REQUESTS.labels(method, route, str(status)),
                    metrics.LATENCY.labels(method, route).observe,
                )
            self._numbers[method, route, status][0].inc(number)
        for one in finished:
            self._numbers[one[:3]][1](one[3])


def _told(one: _Finished) -> dict[str, object]:
    """A request that has finished, for the log."""
    method, route, status, seconds, request_id, account_id, at = one
    return {
        "request_id": request_id,
        "method": method,
        "route": route,
        "status": status,
        "milliseconds": round(seconds * 1000, 2),
        "account_id": account_id,
        "timestamp": at,
    }


_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
