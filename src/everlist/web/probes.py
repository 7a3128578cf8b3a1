"""What the operator's tools ask of a web process; and the answer to paths that no edge has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response

from everlist import __version__
from everlist.db import Unavailable
from everlist.ops import metrics
from everlist.web.edge import Edge, Route
from everlist.web.request import Request

if TYPE_CHECKING:
    from starlette.types import Scope


async def _healthz(_request: Request) -> Response:
    """GET /healthz: the process answers."""
    return JSONResponse({"status": "ok", "version": __version__})


async def _readyz(request: Request) -> Response:
    """GET /readyz: the database answers too. Names the nodes of a distributed database that do not."""
    try:
        await asyncio.wait_for(request.db.value("select 1"), 5)
    except (Unavailable, TimeoutError):
        return JSONResponse({"status": "the database does not answer"}, 503)
    away = sorted(request.state.nodes_away)
    return JSONResponse({"status": "ok", "nodes_away": away} if away else {"status": "ok"})


async def _metrics(request: Request) -> Response:
    """GET /metrics: the numbers of all web processes and of the worker."""
    request.state.request_log.settle()
    return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)


async def _anybody(_request: Request) -> None:
    """Let everybody in."""


def _refuse(_scope: Scope, error: Exception) -> Response | None:
    match error:
        case HTTPException(status_code=404):
            text = "Nothing is at this path"
        case HTTPException(status_code=405):
            text = "Method not allowed"
        case HTTPException():
            text = "There was an internal problem"
        case _:
            return None
    return PlainTextResponse(text + "\n", error.status_code, error.headers)


edge = Edge(
    prefixes=(),
    routes=(
        Route(method="GET", path="/healthz", handler=_healthz),
        Route(method="GET", path="/readyz", handler=_readyz),
        Route(method="GET", path="/metrics", handler=_metrics),
    ),
    request=Request,
    authenticate=_anybody,
    refuse=_refuse,
)
