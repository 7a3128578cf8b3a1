"""The models of the vendor's package, under its names.

Attributes and keyword arguments are those of that package, and None counts as absent. Unlike there, values are not
validated here: the server rejects invalid ones.
"""

from __future__ import annotations

from typing import Any, Self

import msgspec
from msgspec import field

from everlist.client import models as ours


class _Request(ours.Model):
    """The base of request bodies."""

    @classmethod
    def model_construct(cls, **values: Any) -> Self:
        """Build the value, like calling the class: neither validates."""
        return cls(**values)


def plain(value: Any) -> Any:
    """Return a value as JSON types, without properties that are None or unset."""
    return _without_none(msgspec.to_builtins(value))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        items: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return {name: _without_none(item) for name, item in items.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


# Sub-resources: one class for requests and answers

CreateContactRequestEmailAddress = UpdateContactRequestEmailAddress = ours.EmailAddress
GetContactById200ResponseEmailAddress = ours.EmailAddress
UpdateContactRequestPhoneNumbersInner = GetContactById200ResponsePhoneNumbersInner = ours.PhoneNumber
UpdateContactRequestStreetAddressesInner = GetContactById200ResponseStreetAddressesInner = ours.StreetAddress
CreateOrUpdateContactRequestStreetAddress = ours.StreetAddress
GetContactById200ResponseNotesInner = ours.Note
GetContactById200ResponseCustomFieldsInner = ours.CustomFieldValue
CreateOrUpdateContactRequestCustomFieldsInner = ours.CustomFieldValue
UpdateContactRequestSmsChannel = CreateOrUpdateContactRequestSmsChannel = ours.SmsChannel
GetContactById200ResponseSmsChannel = ours.SmsChannel
UpdateContactRequestSmsChannelSmsChannelConsentsInner = ours.SmsConsent
CreateOrUpdateContactRequestSmsChannelSmsChannelConsentsInner = ours.SmsConsent
GetContactById200ResponseSmsChannelSmsChannelConsentsInner = ours.SmsConsent
GetCustomField200ResponseMetadata = ours.Metadata
GetCustomField200ResponseChoicesInner = ours.Choice
CreateCustomFieldsRequestChoicesInner = UpdateCustomFieldRequestChoicesInner = ours.Choice


# Answers

GetContactById200Response = ours.Contact
GetAllContacts200Response = ours.ContactsPage
CreateOrUpdateContact200Response = ours.SignedUp
GetContactCounts200Response = ours.Counts
GetContactIdXrefs200Response = GetListIdXrefs200Response = ours.Xrefs
GetContactIdXrefs200ResponseXrefsInner = GetListIdXrefs200ResponseXrefsInner = ours.Xref
GetSmsEngagementHistory200ResponseInner = ours.SmsHistory
GetSmsEngagementHistory200ResponseInnerHistoryDetails = ours.SmsHistoryDetails
GetList200Response = UpdateList200Response = ours.ContactList
GetAllLists200Response = ours.ListsPage
GetTag200Response = ours.Tag
GetAllTags200Response = ours.TagsPage
GetCustomField200Response = ours.CustomField
GetAllCustomFields200Response = ours.CustomFieldsPage
GetAllActivities200Response = ours.ActivitiesPage
GetAllActivities200ResponseActivitiesInner = GetActivityById200Response = ours.ActivityState
CreateCSVImportActivity201Response = CreateDeleteActivity201Response = ours.ActivityState
CreateExportActivity201Response = CreateListDeleteActivity201Response = ours.ActivityState
CreateListRemoveActivity201Response = CreateTagRemoveActivity201Response = ours.ActivityState
DeleteList202Response = DeleteTag202Response = PostCustomFieldDelete201Response = ours.ActivityState


# Requests


class _ContactRequest(_Request, kw_only=True):
    email_address: ours.EmailAddress | None = None
    first_name: str | None = None
    last_name: str | None = None
    job_title: str | None = None
    company_name: str | None = None
    birthday_month: int | None = None
    birthday_day: int | None = None
    anniversary: str | None = None
    custom_fields: list[ours.CustomFieldValue] | None = None
    phone_numbers: list[ours.PhoneNumber] | None = None
    street_addresses: list[ours.StreetAddress] | None = None
    list_memberships: list[str] | None = None
    taggings: list[str] | None = None
    notes: list[ours.Note] | None = None
    sms_channel: ours.SmsChannel | None = None


class CreateContactRequest(_ContactRequest, kw_only=True):
    """The body of create_contact."""

    create_source: str | None = None


class UpdateContactRequest(_ContactRequest, kw_only=True):
    """The body of update_contact."""

    update_source: str | None = None


class CreateOrUpdateContactRequest(_Request, kw_only=True):
    """The body of create_or_update_contact."""

    email_address: str | None = None
    list_memberships: list[str] | None = None
    first_name: str | None = None
    last_name: str | None = None
    job_title: str | None = None
    company_name: str | None = None
    phone_number: str | None = None
    custom_fields: list[ours.CustomFieldValue] | None = None
    anniversary: str | None = None
    birthday_month: int | None = None
    birthday_day: int | None = None
    street_address: ours.StreetAddress | None = None
    sms_channel: ours.SmsChannel | None = None


class ResubscribeContactRequest(_Request, kw_only=True):
    """The body of resubscribe_contact."""

    list_ids: list[str] | None = None


class UpdateListRequest(_Request, kw_only=True):
    """The body of create_list and update_list."""

    name: str | None = None
    favorite: bool | None = None
    description: str | None = None


class PostTagRequest(_Request, kw_only=True):
    """The body of post_tag."""

    name: str | None = None
    tag_source: str | None = None


class PutTagRequest(_Request, kw_only=True):
    """The body of put_tag."""

    name: str | None = None


class CreateCustomFieldsRequest(_Request, kw_only=True):
    """The body of create_custom_fields."""

    label: str | None = None
    type: str | None = None
    metadata: ours.Metadata | None = None
    version: int | None = None
    choices: list[ours.Choice] | None = None


class UpdateCustomFieldRequest(_Request, kw_only=True):
    """The body of update_custom_field."""

    label: str | None = None
    choices: list[ours.Choice] | None = None


class _Source(_Request, kw_only=True):
    contact_ids: list[str] | None = None
    list_ids: list[str] | None = None
    tag_ids: list[str] | None = None
    all_active_contacts: bool | None = None
    new_subscriber: bool | None = None
    engagement_level: str | None = None
    segment_id: int | str | None = None


class CreateListAddActivityRequestSource(_Source):
    """The contacts to change."""


class CreateListRemoveActivityRequestSource(_Source):
    """The contacts to change."""


class CreateTagRemoveActivityRequestSource(_Source):
    """The contacts to change."""


class CreateListAddActivityRequestExclude(_Request, kw_only=True):
    """The contacts to leave out."""

    contact_ids: list[str] | None = None


CreateListRemoveActivityRequestExclude = CreateTagRemoveActivityRequestExclude = (
    CreateListAddActivityRequestExclude
)
CreateExportActivityRequestExclude = CreateListAddActivityRequestExclude


class CreateListAddActivityRequest(_Request, kw_only=True):
    """The body of create_list_add_activity."""

    source: _Source | None = None
    exclude: CreateListAddActivityRequestExclude | None = None
    list_ids: list[str] | None = None


class CreateListRemoveActivityRequest(CreateListAddActivityRequest):
    """The body of create_list_remove_activity."""


class CreateTagRemoveActivityRequest(_Request, kw_only=True):
    """The body of create_tag_add_contact_activity and create_tag_remove_activity."""

    source: _Source | None = None
    exclude: CreateListAddActivityRequestExclude | None = None
    tag_ids: list[str] | None = None


class CreateDeleteActivityRequest(_Request, kw_only=True):
    """The body of create_delete_activity."""

    contact_ids: list[str] | None = None
    list_ids: list[str] | None = None


class CreateListDeleteActivityRequest(_Request, kw_only=True):
    """The body of create_list_delete_activity."""

    list_ids: list[str] | None = None


class CreateTagDeleteActivityRequest(_Request, kw_only=True):
    """The body of create_tag_delete_activity."""

    tag_ids: list[str] | None = None


class PostCustomFieldDeleteRequest(_Request, kw_only=True):
    """The body of post_custom_field_delete."""

    custom_field_ids: list[str] | None = None


class CreateExportActivityRequest(_Request, kw_only=True):
    """The body of create_export_activity."""

    contact_ids: list[str] | None = None
    list_ids: list[str] | None = None
    tag_ids: list[str] | None = None
    segment_id: int | None = None
    new_subscriber: bool | None = None
    status: str | None = None
    fields: list[str] | None = None
    exclude: CreateListAddActivityRequestExclude | None = None


class CreateImportJSONActivityRequestImportDataInner(_Request, kw_only=True):
    """A row of an import."""

    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    job_title: str | None = None
    company_name: str | None = None
    birthday_month: int | None = None
    birthday_day: int | None = None
    anniversary: str | None = None
    phone: str | None = None
    home_phone: str | None = None
    work_phone: str | None = None
    mobile_phone: str | None = None
    other_phone: str | None = None
    street: str | None = None
    street2: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country: str | None = None
    home_street: str | None = None
    home_street2: str | None = None
    home_city: str | None = None
    home_state: str | None = None
    home_zip: str | None = None
    home_country: str | None = None
    work_street: str | None = None
    work_street2: str | None = None
    work_city: str | None = None
    work_state: str | None = None
    work_zip: str | None = None
    work_country: str | None = None
    other_street: str | None = None
    other_street2: str | None = None
    other_city: str | None = None
    other_state: str | None = None
    other_zip: str | None = None
    other_country: str | None = None
    cfcustom_field_name: str | None = field(default=None, name="cf:custom_field_name")
    sms_number: str | None = None
    sms_consent_date: str | None = None


class CreateImportJSONActivityRequest(_Request, kw_only=True):
    """The body of create_import_json_activity."""

    import_data: list[Any] | None = None
    list_ids: list[str] | None = None
    sms_permission_to_send: str | None = None
