"""One request for a page: its link, its form, and the answer with the headers that all pages have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.responses import Response

from everlist.core import links
from everlist.db import Unavailable
from everlist.errors import Conflict, Gone, NotFound
from everlist.web.html import Pages
from everlist.web.request import Request

if TYPE_CHECKING:
    from uuid import UUID

    from starlette.types import Scope

_FIELDS = 1100
"""Fields in a form: an account has at most 1,000 lists."""
_PAGES = Pages("everlist.pages")

page = _PAGES.page


class Visit(Request):
    """One request for a page."""

    __slots__ = ()

    @property
    def link(self) -> str:
        """The link in the path."""
        return self.path_text("link")

    def contact(self) -> tuple[UUID, UUID]:
        """Return (account id, contact id) of a contact's link. Raises NotFound."""
        found = links.read_link(self.installation.secret_key, self.link)
        if found is None:
            raise NotFound("no contact has this link")
        self.belongs_to(found[0])
        return found

    def question(self) -> tuple[UUID, bytes]:
        """Return (account id, hash) of the token of a question. Raises NotFound."""
        found = links.read_token(self.link)
        if found is None:
            raise NotFound("no question has this link")
        self.belongs_to(found[0])
        return found

    async def form(self) -> FormData:
        """Return the fields of the form, in either encoding that RFC 8058 allows."""
        return await self.body_reader.form(max_fields=_FIELDS, max_files=0)


Handler = Callable[[Visit], Awaitable[Response]]


async def authenticate(_visit: Visit) -> None:
    """Let everybody in: the handlers read the link, which is all that a visitor needs."""


def refuse(_scope: Scope, error: Exception) -> Response | None:  # noqa: PLR0911 - one for each kind
    """Return the page that answers an error; None for a fault of ours."""
    match error:
        case Gone():
            return message("gone", 410)
        case NotFound():
            return message("unknown", 404)
        case Conflict():
            return message("again", 503, {"Retry-After": "1"})
        case Unavailable():
            return message("again", 503, {"Retry-After": "5"})
        case HTTPException(status_code=404):
            return message("unknown", 404)
        case HTTPException(status_code=500):
            return message("again", 500)
        case HTTPException():
            return message("malformed", error.status_code, dict(error.headers or {}))
        case _:
            return None


def message(kind: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """Return a page that only says something; `kind` is one of message.html."""
    return page("message.html", status, headers, kind=kind)
