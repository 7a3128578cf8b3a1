"""The edges that speak JSON to callers with a bearer token: V3 and our own API. V3 contract 1.1 to 1.5."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from everlist.errors import EverlistError
from everlist.rest.call import Call
from everlist.rest.errors import Failure, answer, http_refusal, worded
from everlist.rest.idempotent import once
from everlist.web.bearer import authorize
from everlist.web.edge import Edge, Route

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Scope

    from everlist.core.tokens import TokenScope
    from everlist.errors import Problem
    from everlist.rest.call import Handler
    from everlist.web.edge import Body, Method

Worded = Callable[["Problem | str"], str]


def route(
    method: Method,
    path: str,
    handler: Handler,
    *takes: Body,
    scope: TokenScope | None = "contact_data",
) -> Route[Call]:
    """Return a route below the edge's prefix, which takes these bodies and needs a token with the scope.

    A POST with an Idempotency-Key is done once.
    """
    return Route(
        method=method,
        path=path,
        handler=once(handler) if method == "POST" else handler,
        scope=scope,
        takes=takes,
    )


def json_edge(prefix: str, routes: Sequence[Route[Call]], *, worded: Worded = worded) -> Edge[Call]:
    """Return an edge whose paths begin with `prefix`. `worded` says a problem in the words of its contract."""
    return Edge(
        prefixes=(prefix,),
        routes=tuple(replace(route, path=prefix + route.path) for route in routes),
        request=Call,
        authenticate=_authenticate,
        refuse=partial(_refuse, worded=worded),
    )


async def _authenticate(call: Call) -> None:
    if call.route.scope is not None:
        call.token = await authorize(call, call.route.scope)
        call.account_id = call.token.account_id


def _refuse(_scope: Scope, error: Exception, *, worded: Worded) -> Response | None:
    match error:
        case Failure():
            return error.response
        case HTTPException():
            return http_refusal(error)
        case EverlistError():
            return answer(error, worded)
        case _:
            return None
