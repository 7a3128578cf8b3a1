"""One visit to a page: what it is about, what comes back, and the headers that all pages have."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

import jinja2
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from everlist.core import links
from everlist.core.act import Act
from everlist.db import Unavailable
from everlist.errors import Conflict, NotFound

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from starlette.types import Receive, Scope, Send

    from everlist.core.installation import Installation
    from everlist.db import Database, Transaction

T = TypeVar("T")

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("everlist.pages"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_FIELDS = 1100
"""An account has at most 1,000 lists."""


class Gone(NotFound):
    """The link was ours, but its contact or its question is not there any more."""


class Visit:
    """One request for a page."""

    def __init__(self, request: Request, now: datetime) -> None:
        self._request = request
        self.now = now
        self.link: str = request.path_params["link"]

    @property
    def db(self) -> Database:
        """The pool of this process."""
        return self._request.app.state.db

    @property
    def act(self) -> Act:
        """This visit as an act in the ledger: the operation names the page."""
        return Act(
            f"{self._request.method} {self._request.scope['route_path']}",
            self.now,
            self._request.scope.get("request_id"),
        )

    @property
    def installation(self) -> Installation:
        """The secret key, the erase ledger and the mail folder."""
        return self._request.app.state.installation

    def contact(self) -> tuple[UUID, UUID]:
        """(account id, contact id) of a contact's link. Raises NotFound."""
        found = links.read_link(self.installation.secret_key, self.link)
        if found is None:
            raise NotFound("no contact has this link")
        return self._of(found)

    def question(self) -> tuple[UUID, bytes]:
        """(account id, hash) of the token of a question. Raises NotFound."""
        found = links.read_token(self.link)
        if found is None:
            raise NotFound("no question has this link")
        return self._of(found)

    def _of(self, found: tuple[UUID, T]) -> tuple[UUID, T]:
        self._request.scope["account_id"] = found[0]  # for the log
        return found

    async def form(self) -> FormData:
        """The fields of the form, in either encoding that RFC 8058 allows."""
        return await self._request.form(max_fields=_FIELDS, max_files=0)

    async def write(self, operation: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `operation` in a transaction that has committed when this returns."""
        return await self.db.write(operation)


Handler = Callable[[Visit], Awaitable[Response]]


class Page:
    """Runs `handler` at `path`; what goes wrong is a page too."""

    def __init__(self, handler: Handler, path: str) -> None:
        self._handler = handler
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state: Any = scope["app"].state
        scope["route_path"] = self._path
        request = Request(scope, receive)
        try:
            response = await self._handler(Visit(request, state.clock()))
        except Gone:
            response = message("gone", 410)
        except NotFound:
            response = message("unknown", 404)
        except Conflict:
            response = message("again", 503, {"Retry-After": "1"})
        except Unavailable:
            response = message("again", 503, {"Retry-After": "5"})
        except HTTPException as error:
            response = message("malformed", error.status_code)
        await response(scope, receive, send)


def page(
    template: str, status: int = 200, headers: dict[str, str] | None = None, **values: object
) -> Response:
    """A page from a template."""
    html = _TEMPLATES.get_template(template).render(values, style=_style())
    return Response(html, status, {**_headers(), **(headers or {})}, "text/html; charset=utf-8")


def message(kind: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """A page that only says something; `kind` is one of message.html."""
    return page("message.html", status, headers, kind=kind)


@cache
def _style() -> str:
    return files("everlist.pages").joinpath("templates/style.css").read_text("utf-8")


@cache
def _headers() -> dict[str, str]:
    style = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none';"
            " frame-ancestors 'none'"
        ),
        "X-Robots-Tag": "noindex, nofollow",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
