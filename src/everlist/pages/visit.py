"""One request for a page: its link, its form, and the answer with the headers that all pages have."""

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
from everlist.errors import Conflict, Gone, NotFound

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
"""Fields in a form: an account has at most 1,000 lists."""


class Visit:
    """One request for a page."""

    def __init__(self, request: Request, now: datetime) -> None:
        self._request = request
        self.now = now
        self.link: str = request.path_params["link"]

    @property
    def db(self) -> Database:
        """Return the database pool of this process."""
        return self._request.app.state.db

    @property
    def act(self) -> Act:
        """Return this request as an act for the ledger; the operation is the page."""
        return Act(
            operation=f"{self._request.method} {self._request.scope['route_path']}",
            now=self.now,
            request_id=self._request.scope.get("request_id"),
        )

    @property
    def installation(self) -> Installation:
        """Return the secret key, the erase ledger and the mail folder."""
        return self._request.app.state.installation

    def contact(self) -> tuple[UUID, UUID]:
        """Return the account id and contact id of a contact's link. Raises NotFound."""
        ids = links.read_link(self.installation.secret_key, self.link)
        if ids is None:
            raise NotFound("no contact has this link")
        self._log_account(ids[0])
        return ids

    def question(self) -> tuple[UUID, bytes]:
        """Return the account id of a question's link and the hash of its token. Raises NotFound."""
        token = links.read_token(self.link)
        if token is None:
            raise NotFound("no question has this link")
        self._log_account(token[0])
        return token

    def _log_account(self, account_id: UUID) -> None:
        self._request.scope["account_id"] = account_id

    async def form(self) -> FormData:
        """Return the fields of the form, in either encoding that RFC 8058 allows."""
        return await self._request.form(max_fields=_FIELDS, max_files=0)

    async def write(self, operation: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `operation` in a transaction that has committed when this returns."""
        return await self.db.write(operation)


Handler = Callable[[Visit], Awaitable[Response]]


class Page:
    """Run `handler` at `path`, and answer errors with a page."""

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
    """Render a template as an answer."""
    html = _TEMPLATES.get_template(template).render(values, style=_style())
    return Response(html, status, {**_headers(), **(headers or {})}, "text/html; charset=utf-8")


def message(kind: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """Render a page with only a message; `kind` is one of the messages in message.html."""
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
