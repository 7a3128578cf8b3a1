"""Contacts and their sub-resources."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from msgspec import UNSET, UnsetType

from everlist.client.models.base import Model, Number, Page, Text


class EmailAddress(Model, gc=False, kw_only=True):
    """A contact's email address. The server reads only address, permission_to_send and opt_out_reason."""

    address: str
    permission_to_send: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    opt_in_source: str | None = None
    opt_in_date: datetime | None = None
    opt_out_source: str | None = None
    opt_out_date: datetime | None = None
    opt_out_reason: str | None = None
    confirm_status: str | None = None


class CustomFieldValue(Model, gc=False, kw_only=True):
    """The value of a custom field: `value` for text, `choice_ids` for a select."""

    custom_field_id: str
    value: str | None = None
    choice_ids: list[str] | None = None


class PhoneNumber(Model, gc=False, kw_only=True):
    """A phone number; kind is home, work, mobile or other."""

    phone_number: str
    kind: str | None = None
    phone_number_id: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    create_source: str | None = None
    update_source: str | None = None


class StreetAddress(Model, gc=False, kw_only=True):
    """A street address; kind is home, work or other."""

    kind: str
    street: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None
    street_address_id: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class Note(Model, gc=False, kw_only=True):
    """A note on a contact."""

    content: str
    note_id: str | None = None
    created_at: datetime | None = None


class SmsConsent(Model, gc=False, kw_only=True):
    """Consent to receive text messages."""

    sms_consent_permission: str
    consent_type: str
    """Always promotional_sms."""
    opt_in_date: datetime | None = None
    opt_out_date: datetime | None = None
    consent_medium_type: str | None = None
    consent_medium_url: str | None = None
    consent_medium_details: str | None = None
    advertised_frequency: int | str | None = None
    advertised_interval: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class SmsChannel(Model, gc=False, kw_only=True):
    """A number for text messages. Send full_sms_address; the server returns its parts."""

    sms_channel_consents: list[SmsConsent] | None = None
    full_sms_address: str | None = None
    sms_channel_id: str | None = None
    sms_address: str | None = None
    dial_code: str | None = None
    country_code: str | None = None
    create_source: str | None = None
    update_source: str | None = None


class Contact(Model, gc=False, kw_only=True):
    """A contact. The server returns sub-resources if `include` names them or the request contained them."""

    contact_id: str
    email_address: EmailAddress | None = None
    first_name: str | None = None
    last_name: str | None = None
    job_title: str | None = None
    company_name: str | None = None
    birthday_month: int | None = None
    birthday_day: int | None = None
    anniversary: str | None = None
    update_source: str | None = None
    create_source: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: date | None = None
    custom_fields: list[CustomFieldValue] | None = None
    phone_numbers: list[PhoneNumber] | None = None
    street_addresses: list[StreetAddress] | None = None
    list_memberships: list[str] | None = None
    taggings: list[str] | None = None
    notes: list[Note] | None = None
    sms_channel: SmsChannel | None = None

    @property
    def email(self) -> str | None:
        """Return the email address as text."""
        return self.email_address.address if self.email_address else None


class ContactsPage(Page, kw_only=True):
    """A page of contacts."""

    contacts: list[Contact]
    contacts_count: int | None = None
    status: str | None = None

    @property
    def items(self) -> list[Contact]:
        """Return the contacts."""
        return self.contacts

    @property
    def total(self) -> int | None:
        """Return the number of matches on all pages."""
        return self.contacts_count


class _ContactProperties(Model, kw_only=True):
    email_address: EmailAddress | UnsetType | None = UNSET
    first_name: Text = UNSET
    last_name: Text = UNSET
    job_title: Text = UNSET
    company_name: Text = UNSET
    birthday_month: Number = UNSET
    birthday_day: Number = UNSET
    anniversary: Text = UNSET
    custom_fields: list[CustomFieldValue] | UnsetType | None = UNSET
    phone_numbers: list[PhoneNumber] | UnsetType | None = UNSET
    street_addresses: list[StreetAddress] | UnsetType | None = UNSET
    list_memberships: list[str] | UnsetType | None = UNSET
    taggings: list[str] | UnsetType | None = UNSET
    notes: list[Note] | UnsetType | None = UNSET
    sms_channel: SmsChannel | UnsetType | None = UNSET


class NewContact(_ContactProperties, kw_only=True):
    """The body of a POST. create_source is Contact if the person acted, Account if you did."""

    create_source: str


CORE = (
    "email_address",
    "first_name",
    "last_name",
    "job_title",
    "company_name",
    "birthday_month",
    "birthday_day",
    "anniversary",
)
"""The core properties. PUT clears those that are absent, except the address."""


class ContactUpdate(_ContactProperties, kw_only=True):
    """The body of a PUT. The server clears an absent core property and keeps an absent array."""

    update_source: str

    @classmethod
    def of(cls, contact: Contact, *, update_source: str, **changes: Any) -> ContactUpdate:
        """Build an update that keeps the core properties of `contact` and makes these changes.

        Raises TypeError for a name that is no property of a contact.
        """
        unknown = changes.keys() - frozenset(_ContactProperties.__struct_fields__)
        if unknown:
            raise TypeError(f"unknown contact property: {', '.join(sorted(unknown))}")
        kept: dict[str, Any] = {
            name: value
            for name in CORE
            if name not in changes and (value := getattr(contact, name)) is not None
        }
        if "email_address" in kept:
            kept["email_address"] = EmailAddress(address=kept["email_address"].address)
        return cls(update_source=update_source, **kept, **changes)


class SignUp(Model, kw_only=True):
    """The body of a sign-up form. list_memberships is required unless `source` is set."""

    list_memberships: list[str] | UnsetType = UNSET
    email_address: Text = UNSET
    source: Text = UNSET
    first_name: Text = UNSET
    last_name: Text = UNSET
    job_title: Text = UNSET
    company_name: Text = UNSET
    birthday_month: Number = UNSET
    birthday_day: Number = UNSET
    anniversary: Text = UNSET
    phone_number: Text = UNSET
    street_address: StreetAddress | UnsetType | None = UNSET
    custom_fields: list[CustomFieldValue] | UnsetType | None = UNSET
    sms_channel: SmsChannel | UnsetType | None = UNSET


class SignedUp(Model, kw_only=True):
    """The result of a sign-up; action is created or updated."""

    contact_id: str
    action: str


class Counts(Model, kw_only=True):
    """The number of contacts by permission."""

    total: int
    explicit: int
    implicit: int
    pending: int
    unsubscribed: int
    new_subscriber: int | None = None


class SmsHistoryDetails(Model, kw_only=True):
    """The details of an opt-in or opt-out."""

    state: str | None = None
    source: str | None = None
    consent_type: str | None = None
    consent_action_time: datetime | None = None
    consent_action_type: str | None = None
    consent_medium_type: str | None = None
    source_consent_timestamp: datetime | None = None
    source_sms_number: str | None = None
    advertised_frequency: int | None = None
    advertised_interval: str | None = None


class SmsHistory(Model, kw_only=True):
    """One opt-in or opt-out of text messages."""

    contact_id: str | None = None
    sms_channel_id: str | None = None
    sms_channel_history_id: str | None = None
    insert_time: datetime | None = None
    history_details: SmsHistoryDetails | None = None
