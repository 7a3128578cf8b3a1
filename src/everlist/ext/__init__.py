"""Our own API, /everlist/v1: what the vendor's does not have. Same tokens, same errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from everlist.ext import activities
from everlist.rest import Endpoint

if TYPE_CHECKING:
    from everlist.rest import Handler


def _route(method: str, path: str, handler: Handler) -> Route:
    path = "/everlist/v1" + path
    return Route(path, Endpoint(handler, path, "contact_data"), methods=[method], name=handler.__name__)


routes = [
    _route("POST", "/activities/{activity_id}/cancel", activities.cancel_activity),
    _route("GET", "/activities/{activity_id}/rows", activities.get_rows),
]
