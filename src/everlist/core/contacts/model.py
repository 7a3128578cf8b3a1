"""Define a contact, the draft of one that a client sends, and the limits of both. V3 contract 3.2 to 3.4."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from everlist.core.consent import EmailConsent
from everlist.core.consent.sms import SmsConsent
from everlist.core.custom_fields import Value

MAX_NAME = 50
MAX_LISTS = 50
MAX_TAGS = 50
MAX_CUSTOM_FIELDS = 25
MAX_PHONES = 3
MAX_STREET_ADDRESSES = 3
MAX_NOTES = 150
PHONE_KINDS = ("home", "work", "mobile", "other")
ADDRESS_KINDS = ("home", "work", "other")


class Phone(msgspec.Struct, frozen=True, omit_defaults=True):
    """A phone number of a contact."""

    phone_number_id: UUID
    phone_number: str
    kind: str
    created_at: datetime
    updated_at: datetime
    create_source: str
    update_source: str | None = None


class StreetAddress(msgspec.Struct, frozen=True, omit_defaults=True):
    """A postal address of a contact."""

    street_address_id: UUID
    kind: str
    created_at: datetime
    updated_at: datetime
    street: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None


class Note(msgspec.Struct, frozen=True):
    """A note on a contact."""

    note_id: UUID
    created_at: datetime
    content: str


class SmsChannel(msgspec.Struct, frozen=True, omit_defaults=True):
    """The SMS number of a contact, and the permission to send to it."""

    sms_channel_id: UUID
    sms_address: str
    dial_code: str
    country_code: str
    create_source: str
    sms_channel_consents: tuple[SmsConsent, ...]
    update_source: str | None = None

    @property
    def key(self) -> str:
        """Return the number in the form in which numbers are compared: E.164 without the plus."""
        return self.dial_code + self.sms_address


class Contact(msgspec.Struct, frozen=True, gc=False):
    """A contact as stored; sub-resources that were not selected are None. All times are UTC."""

    contact_id: UUID
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    create_source: str
    update_source: str | None
    first_name: str | None
    last_name: str | None
    job_title: str | None
    company_name: str | None
    birthday_month: int | None
    birthday_day: int | None
    anniversary: date | None
    email: str | None
    email_key: str | None
    email_created_at: datetime | None
    email_updated_at: datetime | None
    permission: str | None
    opt_in_source: str | None
    opt_in_at: datetime | None
    opt_out_source: str | None
    opt_out_at: datetime | None
    opt_out_reason: str | None
    confirmed_at: datetime | None
    custom_fields: dict[str, Value] | None = None
    phone_numbers: tuple[Phone, ...] | None = None
    street_addresses: tuple[StreetAddress, ...] | None = None
    notes: tuple[Note, ...] | None = None
    sms_channel: SmsChannel | None = None
    list_ids: Sequence[UUID] | None = None
    tag_ids: Sequence[UUID] | None = None

    @property
    def consent(self) -> EmailConsent | None:
        """Return the permission for the e-mail address; None without an address."""
        if self.permission is None:
            return None
        return EmailConsent(
            permission=self.permission,
            opt_in_source=self.opt_in_source,
            opt_in_at=self.opt_in_at,
            opt_out_source=self.opt_out_source,
            opt_out_at=self.opt_out_at,
            opt_out_reason=self.opt_out_reason,
            confirmed_at=self.confirmed_at,
        )


class EmailDraft(msgspec.Struct, frozen=True):
    """An address as a client sends it."""

    address: str
    permission: str | None = None
    opt_out_reason: str | None = None


class PhoneDraft(msgspec.Struct, frozen=True):
    """A phone number as a client sends it."""

    phone_number: str
    kind: str = "other"


class StreetAddressDraft(msgspec.Struct, frozen=True):
    """A postal address as a client sends it."""

    kind: str
    street: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None


class NoteDraft(msgspec.Struct, frozen=True):
    """A note as a client sends it, with the id of the existing note if it replaces one."""

    content: str
    note_id: UUID | None = None


class CustomFieldDraft(msgspec.Struct, frozen=True):
    """The value of one field as a client sends it."""

    custom_field_id: UUID
    value: str | None = None
    choice_ids: tuple[str, ...] | None = None


class SmsConsentDraft(msgspec.Struct, frozen=True):
    """A consent to SMS as a client sends it."""

    permission: str
    consent_type: str
    medium_type: str | None = None
    medium_url: str | None = None
    medium_details: str | None = None
    advertised_frequency: int | None = None
    advertised_interval: str | None = None


class SmsDraft(msgspec.Struct, frozen=True):
    """An SMS channel as a client sends it; `full_number` begins with the dial code."""

    full_number: str
    consents: tuple[SmsConsentDraft, ...]


class ContactDraft(msgspec.Struct, frozen=True):
    """A contact as a client sends it. Each operation says what None means to it."""

    first_name: str | None = None
    last_name: str | None = None
    job_title: str | None = None
    company_name: str | None = None
    birthday_month: int | None = None
    birthday_day: int | None = None
    anniversary: str | None = None
    email: EmailDraft | None = None
    sms_channel: SmsDraft | None = None
    custom_fields: tuple[CustomFieldDraft, ...] | None = None
    phone_numbers: tuple[PhoneDraft, ...] | None = None
    street_addresses: tuple[StreetAddressDraft, ...] | None = None
    notes: tuple[NoteDraft, ...] | None = None
    list_ids: tuple[UUID, ...] | None = None
    tag_ids: tuple[UUID, ...] | None = None
