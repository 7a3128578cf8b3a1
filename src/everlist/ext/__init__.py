"""Our own API, /everlist/v1: what the vendor's does not have. Same tokens, same errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from everlist.ext import activities, consent, erasures, explain, links, lists, settings, suppressions, usage
from everlist.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from everlist.rest.endpoint import Handler


def _route(method: str, path: str, handler: Handler, scope: str = "contact_data") -> Route:
    path = "/everlist/v1" + path
    return Route(path, Endpoint(handler, path, scope), methods=[method], name=handler.__name__)


routes = [
    _route("POST", "/activities/{activity_id}/cancel", activities.cancel_activity),
    _route("GET", "/activities/{activity_id}/rows", activities.get_rows),
    _route("POST", "/activities/{activity_id}/undo", activities.undo_activity),
    _route("POST", "/activities/contact_restore", activities.post_contact_restore),
    _route("PUT", "/contact_lists/{list_id}/members", lists.replace_members),
    _route("GET", "/contacts/explain", explain.get_explanation),
    _route("GET", "/account/settings", settings.get_settings, "account_read"),
    _route("PATCH", "/account/settings", settings.change_settings, "account_update"),
    _route("DELETE", "/contacts/{contact_id}", erasures.erase_contact),
    _route("POST", "/activities/contact_erase", erasures.post_contact_erase),
    _route("GET", "/erasures", erasures.get_erasures),
    _route("GET", "/erasures/{erasure_id}", erasures.get_erasure),
    Route("/everlist/v1/keys", erasures.get_keys, methods=["GET"]),
    _route("GET", "/suppressions", suppressions.get_suppressions),
    _route("DELETE", "/suppressions", suppressions.delete_suppression),
    _route("GET", "/contacts/{contact_id}/links", links.get_links),
    _route("GET", "/contacts/{contact_id}/consent", consent.get_consent),
    _route("GET", "/contacts/{contact_id}/record", consent.get_record),
    _route("GET", "/usage/active_contacts", usage.get_active_contacts),
]
