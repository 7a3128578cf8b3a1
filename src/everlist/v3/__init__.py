"""The V3 contract: the whole surface as one list. More specific paths come first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from everlist.rest.endpoint import Endpoint
from everlist.v3 import (
    activities,
    contact_custom_fields,
    contact_lists,
    contact_tags,
    contacts,
    exports,
    imports,
)

if TYPE_CHECKING:
    from everlist.rest.endpoint import Handler


def _route(method: str, path: str, handler: Handler, scope: str = "contact_data") -> Route:
    path = "/v3" + path
    return Route(path, Endpoint(handler, path, scope), methods=[method], name=handler.__name__)


routes = [
    _route("GET", "/contacts", contacts.get_all_contacts),
    _route("POST", "/contacts", contacts.create_contact),
    _route("POST", "/contacts/sign_up_form", contacts.create_or_update_contact),
    _route("GET", "/contacts/counts", contacts.get_contact_counts),
    _route("GET", "/contacts/contact_id_xrefs", contacts.get_contact_id_xrefs),
    _route("GET", "/contacts/sms_engagement_history/{contact_id}", contacts.get_sms_engagement_history),
    _route("PUT", "/contacts/resubscribe/{contact_id}", contacts.resubscribe_contact),
    _route("GET", "/contacts/{contact_id}", contacts.get_contact_by_id),
    _route("PUT", "/contacts/{contact_id}", contacts.update_contact),
    _route("DELETE", "/contacts/{contact_id}", contacts.delete_contact),
    _route("GET", "/contact_lists", contact_lists.get_lists),
    _route("POST", "/contact_lists", contact_lists.create_list),
    _route("GET", "/contact_lists/list_id_xrefs", contact_lists.get_list_id_xrefs),
    _route("GET", "/contact_lists/{list_id}", contact_lists.get_list),
    _route("PUT", "/contact_lists/{list_id}", contact_lists.update_list),
    _route("GET", "/contact_custom_fields", contact_custom_fields.get_all_custom_fields),
    _route("POST", "/contact_custom_fields", contact_custom_fields.post_custom_field),
    _route("GET", "/contact_custom_fields/{custom_field_id}", contact_custom_fields.get_custom_field),
    _route("PUT", "/contact_custom_fields/{custom_field_id}", contact_custom_fields.put_custom_field),
    _route("DELETE", "/contact_custom_fields/{custom_field_id}", contact_custom_fields.delete_custom_field),
    _route("GET", "/contact_tags", contact_tags.get_tags),
    _route("POST", "/contact_tags", contact_tags.post_tag),
    _route("GET", "/contact_tags/{tag_id}", contact_tags.get_tag),
    _route("PUT", "/contact_tags/{tag_id}", contact_tags.put_tag),
    _route("DELETE", "/contact_tags/{tag_id}", activities.delete_tag),
    _route("DELETE", "/contact_lists/{list_id}", activities.delete_list),
    _route("GET", "/activities", activities.get_activities),
    _route("POST", "/activities/contacts_file_import", imports.post_contacts_file_import),
    _route("POST", "/activities/contacts_json_import", imports.post_contacts_json_import),
    _route("POST", "/activities/contact_delete", activities.post_contact_delete),
    _route("POST", "/activities/add_list_memberships", activities.post_add_list_memberships),
    _route("POST", "/activities/remove_list_memberships", activities.post_remove_list_memberships),
    _route("POST", "/activities/list_delete", activities.post_list_delete),
    _route("POST", "/activities/contacts_taggings_add", activities.post_contacts_taggings_add),
    _route("POST", "/activities/contacts_taggings_remove", activities.post_contacts_taggings_remove),
    _route("POST", "/activities/contacts_tags_delete", activities.post_contacts_tags_delete),
    _route("POST", "/activities/custom_fields_delete", activities.post_custom_fields_delete),
    _route("POST", "/activities/contact_exports", exports.post_contact_exports),
    _route("GET", "/activities/{activity_id}", activities.get_activity),
    _route("GET", "/contact_exports/{file_export_id}", exports.get_contact_export),
]
