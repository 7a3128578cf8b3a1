"""Our own API, /everlist/v1: what the vendor's does not have. Same tokens, same errors."""

from __future__ import annotations

from everlist.ext import activities, consent, erasures, explain, links, lists, settings, suppressions, usage
from everlist.rest.edge import json_edge, route
from everlist.web.edge import CSV_FILE, JSON, JSON_FILE

edge = json_edge(
    "/everlist/v1",
    [
        route("POST", "/activities/{activity_id}/cancel", activities.cancel_activity),
        route("GET", "/activities/{activity_id}/rows", activities.get_rows),
        route("POST", "/activities/{activity_id}/undo", activities.undo_activity),
        route("POST", "/activities/contact_restore", activities.post_contact_restore, JSON),
        route("PUT", "/contact_lists/{list_id}/members", lists.replace_members, CSV_FILE, JSON_FILE),
        route("GET", "/contacts/explain", explain.get_explanation),
        route("GET", "/account/settings", settings.get_settings, scope="account_read"),
        route("PATCH", "/account/settings", settings.change_settings, JSON, scope="account_update"),
        route("DELETE", "/contacts/{contact_id}", erasures.erase_contact),
        route("POST", "/activities/contact_erase", erasures.post_contact_erase, JSON),
        route("GET", "/erasures", erasures.get_erasures),
        route("GET", "/erasures/{erasure_id}", erasures.get_erasure),
        route("GET", "/keys", erasures.get_keys, scope=None),
        route("GET", "/suppressions", suppressions.get_suppressions),
        route("DELETE", "/suppressions", suppressions.delete_suppression),
        route("GET", "/contacts/{contact_id}/links", links.get_links),
        route("GET", "/contacts/{contact_id}/consent", consent.get_consent),
        route("GET", "/contacts/{contact_id}/record", consent.get_record),
        route("GET", "/usage/active_contacts", usage.get_active_contacts),
    ],
)
