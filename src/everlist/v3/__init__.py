"""The V3 contract: all of its routes."""

from __future__ import annotations

from everlist.rest.edge import json_edge, route
from everlist.v3 import (
    activities,
    contact_custom_fields,
    contact_lists,
    contact_tags,
    contacts,
    exports,
    imports,
)
from everlist.web.edge import JSON, JSON_FILE, MULTIPART_FILE

edge = json_edge(
    "/v3",
    [
        route("GET", "/contacts", contacts.get_all_contacts),
        route("POST", "/contacts", contacts.create_contact, JSON),
        route("POST", "/contacts/sign_up_form", contacts.create_or_update_contact, JSON),
        route("GET", "/contacts/counts", contacts.get_contact_counts),
        route("GET", "/contacts/contact_id_xrefs", contacts.get_contact_id_xrefs),
        route("GET", "/contacts/sms_engagement_history/{contact_id}", contacts.get_sms_engagement_history),
        route("PUT", "/contacts/resubscribe/{contact_id}", contacts.resubscribe_contact, JSON),
        route("GET", "/contacts/{contact_id}", contacts.get_contact_by_id),
        route("PUT", "/contacts/{contact_id}", contacts.update_contact, JSON),
        route("DELETE", "/contacts/{contact_id}", contacts.delete_contact),
        route("GET", "/contact_lists", contact_lists.get_lists),
        route("POST", "/contact_lists", contact_lists.create_list, JSON),
        route("GET", "/contact_lists/list_id_xrefs", contact_lists.get_list_id_xrefs),
        route("GET", "/contact_lists/{list_id}", contact_lists.get_list),
        route("PUT", "/contact_lists/{list_id}", contact_lists.update_list, JSON),
        route("GET", "/contact_custom_fields", contact_custom_fields.get_all_custom_fields),
        route("POST", "/contact_custom_fields", contact_custom_fields.post_custom_field, JSON),
        route("GET", "/contact_custom_fields/{custom_field_id}", contact_custom_fields.get_custom_field),
        route(
            "PUT", "/contact_custom_fields/{custom_field_id}", contact_custom_fields.put_custom_field, JSON
        ),
        route(
            "DELETE", "/contact_custom_fields/{custom_field_id}", contact_custom_fields.delete_custom_field
        ),
        route("GET", "/contact_tags", contact_tags.get_tags),
        route("POST", "/contact_tags", contact_tags.post_tag, JSON),
        route("GET", "/contact_tags/{tag_id}", contact_tags.get_tag),
        route("PUT", "/contact_tags/{tag_id}", contact_tags.put_tag, JSON),
        route("DELETE", "/contact_tags/{tag_id}", activities.delete_tag),
        route("DELETE", "/contact_lists/{list_id}", activities.delete_list),
        route("GET", "/activities", activities.get_activities),
        route("POST", "/activities/contacts_file_import", imports.post_contacts_file_import, MULTIPART_FILE),
        route("POST", "/activities/contacts_json_import", imports.post_contacts_json_import, JSON_FILE),
        route("POST", "/activities/contact_delete", activities.post_contact_delete, JSON),
        route("POST", "/activities/add_list_memberships", activities.post_add_list_memberships, JSON),
        route("POST", "/activities/remove_list_memberships", activities.post_remove_list_memberships, JSON),
        route("POST", "/activities/list_delete", activities.post_list_delete, JSON),
        route("POST", "/activities/contacts_taggings_add", activities.post_contacts_taggings_add, JSON),
        route("POST", "/activities/contacts_taggings_remove", activities.post_contacts_taggings_remove, JSON),
        route("POST", "/activities/contacts_tags_delete", activities.post_contacts_tags_delete, JSON),
        route("POST", "/activities/custom_fields_delete", activities.post_custom_fields_delete, JSON),
        route("POST", "/activities/contact_exports", exports.post_contact_exports, JSON),
        route("GET", "/activities/{activity_id}", activities.get_activity),
        route("GET", "/contact_exports/{file_export_id}", exports.get_contact_export),
    ],
)
