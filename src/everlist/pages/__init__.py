"""Pages for the people on the lists: confirm, unsubscribe, choose lists. Links in mail lead to them.

There is no token, cookie or script: the link alone gives access. GET changes nothing, because mail scanners follow
links; POST acts.
"""

from __future__ import annotations

from everlist.pages import confirm, leave
from everlist.pages.visit import Handler, Visit, authenticate, refuse
from everlist.web.edge import FORM, MULTIPART, Edge, Route


def _show(path: str, handler: Handler) -> Route[Visit]:
    return Route(method="GET", path=path, handler=handler)


def _act(path: str, handler: Handler) -> Route[Visit]:
    return Route(method="POST", path=path, handler=handler, takes=(FORM, MULTIPART))


edge = Edge(
    prefixes=("/confirm", "/unsubscribe", "/one-click", "/preferences"),
    routes=(
        _show("/confirm/{link}", confirm.show_question),
        _act("/confirm/{link}", confirm.answer_question),
        _show("/unsubscribe/{link}", leave.show_unsubscribe),
        _act("/unsubscribe/{link}", leave.unsubscribe),
        _show("/one-click/{link}", leave.show_unsubscribe),
        _act("/one-click/{link}", leave.unsubscribe_at_once),
        _show("/preferences/{link}", leave.show_preferences),
        _act("/preferences/{link}", leave.change_preferences),
    ),
    request=Visit,
    authenticate=authenticate,
    refuse=refuse,
)
