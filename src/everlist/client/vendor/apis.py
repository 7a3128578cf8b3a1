"""The API classes of the vendor's package."""

from __future__ import annotations

from everlist.client.vendor import models
from everlist.client.vendor._api_client import Activity, Api, Operation, no_result


class ContactsApi(Api):
    """The calls for contacts."""

    create_contact = Operation(
        "POST", "/contacts", models.GetContactById200Response, body="create_contact_request"
    )
    create_or_update_contact = Operation(
        "POST",
        "/contacts/sign_up_form",
        models.CreateOrUpdateContact200Response,
        body="create_or_update_contact_request",
    )
    delete_contact = no_result("DELETE", "/contacts/{contact_id}")
    get_all_contacts = Operation(
        "GET",
        "/contacts",
        models.GetAllContacts200Response,
        query="status email lists segment_id tags updated_after updated_before created_after created_before"
        " optout_after optout_before include sms_status include_count limit",
    )
    get_contact_by_id = Operation(
        "GET", "/contacts/{contact_id}", models.GetContactById200Response, query="include"
    )
    get_contact_counts = Operation(
        "GET", "/contacts/counts", models.GetContactCounts200Response, query="include"
    )
    get_contact_id_xrefs = Operation(
        "GET", "/contacts/contact_id_xrefs", models.GetContactIdXrefs200Response, query="sequence_ids"
    )
    get_sms_engagement_history = Operation(
        "GET",
        "/contacts/sms_engagement_history/{contact_id}",
        list[models.GetSmsEngagementHistory200ResponseInner],
    )
    resubscribe_contact = no_result(
        "PUT", "/contacts/resubscribe/{contact_id}", body="resubscribe_contact_request"
    )
    update_contact = Operation(
        "PUT", "/contacts/{contact_id}", models.GetContactById200Response, body="update_contact_request"
    )

    create_contact_with_http_info = create_contact.with_http_info
    create_or_update_contact_with_http_info = create_or_update_contact.with_http_info
    delete_contact_with_http_info = delete_contact.with_http_info
    get_all_contacts_with_http_info = get_all_contacts.with_http_info
    get_contact_by_id_with_http_info = get_contact_by_id.with_http_info
    get_contact_counts_with_http_info = get_contact_counts.with_http_info
    get_contact_id_xrefs_with_http_info = get_contact_id_xrefs.with_http_info
    get_sms_engagement_history_with_http_info = get_sms_engagement_history.with_http_info
    resubscribe_contact_with_http_info = resubscribe_contact.with_http_info
    update_contact_with_http_info = update_contact.with_http_info


class ContactListsApi(Api):
    """The calls for contact lists."""

    create_list = Operation(
        "POST", "/contact_lists", models.UpdateList200Response, body="update_list_request"
    )
    delete_list = Operation("DELETE", "/contact_lists/{list_id}", Activity)
    get_all_lists = Operation(
        "GET",
        "/contact_lists",
        models.GetAllLists200Response,
        query="limit include_count include_membership_count name status channel_type include_sms_membership_count",
    )
    get_list = Operation(
        "GET", "/contact_lists/{list_id}", models.GetList200Response, query="include_membership_count"
    )
    get_list_id_xrefs = Operation(
        "GET", "/contact_lists/list_id_xrefs", models.GetListIdXrefs200Response, query="sequence_ids"
    )
    update_list = Operation(
        "PUT", "/contact_lists/{list_id}", models.UpdateList200Response, body="update_list_request"
    )

    create_list_with_http_info = create_list.with_http_info
    delete_list_with_http_info = delete_list.with_http_info
    get_all_lists_with_http_info = get_all_lists.with_http_info
    get_list_with_http_info = get_list.with_http_info
    get_list_id_xrefs_with_http_info = get_list_id_xrefs.with_http_info
    update_list_with_http_info = update_list.with_http_info


class ContactTagsApi(Api):
    """The calls for tags."""

    delete_tag = Operation("DELETE", "/contact_tags/{tag_id}", Activity)
    get_all_tags = Operation(
        "GET", "/contact_tags", models.GetAllTags200Response, query="limit include_count"
    )
    get_tag = Operation("GET", "/contact_tags/{tag_id}", models.GetTag200Response, query="include_count")
    post_tag = Operation("POST", "/contact_tags", models.GetTag200Response, body="post_tag_request")
    put_tag = Operation("PUT", "/contact_tags/{tag_id}", models.GetTag200Response, body="put_tag_request")

    delete_tag_with_http_info = delete_tag.with_http_info
    get_all_tags_with_http_info = get_all_tags.with_http_info
    get_tag_with_http_info = get_tag.with_http_info
    post_tag_with_http_info = post_tag.with_http_info
    put_tag_with_http_info = put_tag.with_http_info


class ContactsCustomFieldsApi(Api):
    """The calls for custom fields."""

    create_custom_fields = Operation(
        "POST",
        "/contact_custom_fields",
        models.GetCustomField200Response,
        body="create_custom_fields_request",
    )
    delete_custom_field = no_result("DELETE", "/contact_custom_fields/{custom_field_id}")
    get_all_custom_fields = Operation(
        "GET", "/contact_custom_fields", models.GetAllCustomFields200Response, query="limit"
    )
    get_custom_field = Operation(
        "GET", "/contact_custom_fields/{custom_field_id}", models.GetCustomField200Response
    )
    update_custom_field = Operation(
        "PUT",
        "/contact_custom_fields/{custom_field_id}",
        models.GetCustomField200Response,
        body="update_custom_field_request",
    )

    create_custom_fields_with_http_info = create_custom_fields.with_http_info
    delete_custom_field_with_http_info = delete_custom_field.with_http_info
    get_all_custom_fields_with_http_info = get_all_custom_fields.with_http_info
    get_custom_field_with_http_info = get_custom_field.with_http_info
    update_custom_field_with_http_info = update_custom_field.with_http_info


class BulkActivitiesApi(Api):
    """The calls for bulk activities."""

    create_csv_import_activity = Operation(
        "POST", "/activities/contacts_file_import", Activity, form="file list_ids sms_permission_to_send"
    )
    create_delete_activity = Operation(
        "POST", "/activities/contact_delete", Activity, body="create_delete_activity_request"
    )
    create_export_activity = Operation(
        "POST", "/activities/contact_exports", Activity, body="create_export_activity_request"
    )
    create_import_json_activity = Operation(
        "POST", "/activities/contacts_json_import", Activity, body="create_import_json_activity_request"
    )
    create_list_add_activity = Operation(
        "POST", "/activities/add_list_memberships", Activity, body="create_list_add_activity_request"
    )
    create_list_delete_activity = Operation(
        "POST", "/activities/list_delete", Activity, body="create_list_delete_activity_request"
    )
    create_list_remove_activity = Operation(
        "POST", "/activities/remove_list_memberships", Activity, body="create_list_remove_activity_request"
    )
    create_tag_add_contact_activity = Operation(
        "POST", "/activities/contacts_taggings_add", Activity, body="create_tag_remove_activity_request"
    )
    create_tag_delete_activity = Operation(
        "POST", "/activities/contacts_tags_delete", Activity, body="create_tag_delete_activity_request"
    )
    create_tag_remove_activity = Operation(
        "POST", "/activities/contacts_taggings_remove", Activity, body="create_tag_remove_activity_request"
    )
    get_activity_by_id = Operation("GET", "/activities/{activity_id}", Activity)
    get_all_activities = Operation(
        "GET", "/activities", models.GetAllActivities200Response, query="limit state"
    )
    get_csv_export_file = Operation("GET", "/contact_exports/{file_export_id}", str, accept="text/csv")
    post_custom_field_delete = Operation(
        "POST", "/activities/custom_fields_delete", Activity, body="post_custom_field_delete_request"
    )

    create_csv_import_activity_with_http_info = create_csv_import_activity.with_http_info
    create_delete_activity_with_http_info = create_delete_activity.with_http_info
    create_export_activity_with_http_info = create_export_activity.with_http_info
    create_import_json_activity_with_http_info = create_import_json_activity.with_http_info
    create_list_add_activity_with_http_info = create_list_add_activity.with_http_info
    create_list_delete_activity_with_http_info = create_list_delete_activity.with_http_info
    create_list_remove_activity_with_http_info = create_list_remove_activity.with_http_info
    create_tag_add_contact_activity_with_http_info = create_tag_add_contact_activity.with_http_info
    create_tag_delete_activity_with_http_info = create_tag_delete_activity.with_http_info
    create_tag_remove_activity_with_http_info = create_tag_remove_activity.with_http_info
    get_activity_by_id_with_http_info = get_activity_by_id.with_http_info
    get_all_activities_with_http_info = get_all_activities.with_http_info
    get_csv_export_file_with_http_info = get_csv_export_file.with_http_info
    post_custom_field_delete_with_http_info = post_custom_field_delete.with_http_info
