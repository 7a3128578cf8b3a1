"""Pages for the people on the lists: confirm, unsubscribe, choose lists. Links in mail lead to them.

There is no token, cookie or script: the link alone gives access. GET changes nothing, because mail scanners follow
links; POST acts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from everlist.pages import confirm, leave
from everlist.pages.visit import Page

if TYPE_CHECKING:
    from everlist.pages.visit import Handler


def _route(method: str, path: str, handler: Handler) -> Route:
    return Route(path, Page(handler, path), methods=[method], name=handler.__name__)


routes = [
    _route("GET", "/confirm/{link}", confirm.show_question),
    _route("POST", "/confirm/{link}", confirm.answer_question),
    _route("GET", "/unsubscribe/{link}", leave.show_unsubscribe),
    _route("POST", "/unsubscribe/{link}", leave.unsubscribe),
    _route("GET", "/one-click/{link}", leave.show_unsubscribe),
    _route("POST", "/one-click/{link}", leave.unsubscribe_at_once),
    _route("GET", "/preferences/{link}", leave.show_preferences),
    _route("POST", "/preferences/{link}", leave.change_preferences),
]
