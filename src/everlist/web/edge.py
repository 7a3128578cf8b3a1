"""An edge as a value: its prefixes, routes, bodies, callers and refusals.

An edge is a folder that exports one `Edge`, and a line in `app.EDGES`. `web/application.py` runs it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.middleware import Middleware
    from starlette.responses import Response
    from starlette.types import Scope

    from everlist.core.tokens import TokenScope
    from everlist.settings import Settings
    from everlist.web.request import Request

R = TypeVar("R", bound="Request")
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Body:
    """A kind of body that a route takes."""

    media_type: str
    """As in Content-Type, in lower case and without parameters."""
    max_bytes: Callable[[Settings], int]


_MAX_JSON_FILE_BYTES = 32 * 1024 * 1024


def _max_body(settings: Settings) -> int:
    return settings.max_body_bytes


def _max_file(settings: Settings) -> int:
    return settings.max_upload_bytes


def _max_json_file(settings: Settings) -> int:
    """JSON is held in memory, however big a file may be."""
    return min(settings.max_upload_bytes, _MAX_JSON_FILE_BYTES)


JSON = Body("application/json", _max_body)
FORM = Body("application/x-www-form-urlencoded", _max_body)
MULTIPART = Body("multipart/form-data", _max_body)
CSV_FILE = Body("text/csv", _max_file)
JSON_FILE = Body("application/json", _max_json_file)
MULTIPART_FILE = Body("multipart/form-data", _max_file)
"""The three with FILE in their name carry a file, so the limit of uploads applies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[R]):
    """One method of one path, and the function that answers it."""

    method: Method
    path: str
    """The whole path; a part in braces takes any text. It names the operation in the ledger and the log."""
    handler: Callable[[R], Awaitable[Response]]
    scope: TokenScope | None = None
    """The scope that a caller's token needs; None if the route is open to everybody."""
    takes: tuple[Body, ...] = ()

    def max_bytes(self, media_type: str, settings: Settings) -> int:
        """Return how long a body of this type may be; a type that the route does not take gets the least."""
        for body in self.takes:
            if body.media_type == media_type:
                return body.max_bytes(settings)
        return min(body.max_bytes(settings) for body in self.takes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge(Generic[R]):
    """One contract over HTTP."""

    prefixes: tuple[str, ...]
    """The paths that are the edge's, with all that is below them: `/api` is also `/api/things`."""
    routes: tuple[Route[R], ...]
    request: type[R]
    """The class of the requests that its handlers take."""
    authenticate: Callable[[R], Awaitable[None]]
    """Finds out who calls, and refuses callers that may not. It runs before the handler of every route."""
    refuse: Callable[[Scope, Exception], Response | None]
    """Returns the answer to an error, in the edge's own shape.

    It answers the errors of the domain, and every HTTPException: 404, 405 (with `Allow`), 413 and 500 come from
    the application, 401, 403 and 429 from `web/bearer.py`. None means that the error is a fault: the application
    logs it, and asks for the answer to HTTPException(500).
    """
    middleware: tuple[Middleware, ...] = ()
    """Wraps the whole edge, the first one outermost: CORS, or a session in a cookie."""


class RouteTree:
    """Finds a route by the parts of a path. Literal parts win over parts in braces."""

    def __init__(self, routes: Iterable[Route[Any]]) -> None:
        self._root = _Node()
        for route in routes:
            node = self._root
            names: list[str] = []
            for part in route.path.split("/")[1:]:
                if part.startswith("{"):
                    names.append(part.strip("{}"))
                    node.any_part = node.any_part or _Node()
                    node = node.any_part
                else:
                    node = node.parts.setdefault(part, _Node())
            for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
                node.methods.setdefault(method, (route, tuple(names)))

    def find(self, path: str, method: str) -> tuple[Route[Any], dict[str, str]]:
        """Return the route, and the texts in the place of its braces. Raises HTTPException 404 and 405."""
        values: list[str] = []
        allowed: set[str] = set()
        found = self._root.find(path.split("/"), 1, method, values, allowed)
        if found is not None:
            route, names = found
            return route, dict(zip(names, values, strict=True))
        if allowed:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))})
        raise HTTPException(404)


class _Node:
    """The routes that begin with the same parts."""

    __slots__ = ("any_part", "methods", "parts")

    def __init__(self) -> None:
        self.parts: dict[str, _Node] = {}
        self.any_part: _Node | None = None
        self.methods: dict[str, tuple[Route[Any], tuple[str, ...]]] = {}

    def find(
        self, parts: list[str], position: int, method: str, values: list[str], allowed: set[str]
    ) -> tuple[Route[Any], tuple[str, ...]] | None:
        """Search the parts from `position` on; `values` and `allowed` are filled on the way."""
        if position == len(parts):
            allowed.update(self.methods)
            return self.methods.get(method)
        part = parts[position]
        literal = self.parts.get(part)
        found = literal.find(parts, position + 1, method, values, allowed) if literal else None
        if found is None and part and self.any_part is not None:
            values.append(part)
            found = self.any_part.find(parts, position + 1, method, values, allowed)
            if found is None:
                values.pop()
        return found
