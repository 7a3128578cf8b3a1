"""What is sent and what comes back, as typed values. Names are those of the contract.

In what comes back, a property that is absent is None. In what is sent, three things are told apart: a property
left alone (msgspec.UNSET, the default) is not sent, None is sent as null, and "" or [] as what they are. Words of
the contract are open texts: a new one is no error. Properties that this client does not know are passed over.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Self

import msgspec
from msgspec import UNSET, UnsetType, field

from everlist.client._protocol import cursor_of

Text = str | None | UnsetType
Number = int | None | UnsetType


class Model(msgspec.Struct, omit_defaults=True, repr_omit_defaults=True):
    """A value of the API."""

    def to_dict(self) -> dict[str, Any]:
        """The value as it stands on the wire, absent properties left out; times stay times."""
        return msgspec.to_builtins(self, builtin_types=(datetime, date))

    def to_json(self) -> str:
        """The same as JSON."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_dict(cls, obj: Any) -> Self:
        """The value of such a dictionary. Raises msgspec.ValidationError."""
        return msgspec.convert(obj, cls)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The value of JSON. Raises msgspec.ValidationError."""
        return msgspec.json.decode(text, type=cls)


class Link(Model, kw_only=True):
    """Where something is, relative to the host."""

    href: str


class NextLink(Model, kw_only=True):
    """The links of a page."""

    next: Link | None = None


class Page(Model, kw_only=True):
    """What all pages have. `items` are its values, `total` how many there are on all pages, if that was asked."""

    links: NextLink | None = field(default=None, name="_links")

    @property
    def next(self) -> str | None:
        """The link to the next page; None on the last."""
        return self.links.next.href if self.links and self.links.next else None

    @property
    def cursor(self) -> str | None:
        """What `list(cursor=…)` takes to go on with the next page, in another process too; None on the last."""
        return cursor_of(self.next) if self.next else None

    @property
    def total(self) -> int | None:
        """How many there are on all pages, where that was asked for."""
        return None


class Xref(Model, kw_only=True):
    """A V2 id and what it is here."""

    sequence_id: str
    contact_id: str | None = None
    list_id: str | None = None


class Xrefs(Model, kw_only=True):
    """Cross-references."""

    xrefs: list[Xref]


# Contacts


class EmailAddress(Model, gc=False, kw_only=True):
    """A contact's address. When it is sent, only address, permission_to_send and opt_out_reason count."""

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
    """The value of a custom field: a text, or the ids of choices."""

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
    """A consent to text messages."""

    sms_consent_permission: str
    consent_type: str
    """promotional_sms is the only one."""
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
    """A number for text messages: full_sms_address when it is sent, its parts when it comes back."""

    sms_channel_consents: list[SmsConsent] | None = None
    full_sms_address: str | None = None
    sms_channel_id: str | None = None
    sms_address: str | None = None
    dial_code: str | None = None
    country_code: str | None = None
    create_source: str | None = None
    update_source: str | None = None


class Contact(Model, gc=False, kw_only=True):
    """A contact. Sub-resources are there when they were asked for, or were in what was sent."""

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
        """The address itself."""
        return self.email_address.address if self.email_address else None


class ContactsPage(Page, kw_only=True):
    """A page of contacts."""

    contacts: list[Contact]
    contacts_count: int | None = None
    status: str | None = None

    @property
    def items(self) -> list[Contact]:
        """The contacts."""
        return self.contacts

    @property
    def total(self) -> int | None:
        """How many match on all pages."""
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
    """A contact to be made. create_source is Contact when the person acts, Account when you do."""

    create_source: str


class ContactUpdate(_ContactProperties, kw_only=True):
    """What a contact shall be. A core property that is left out is cleared; an array that is left out stays."""

    update_source: str

    @classmethod
    def of(cls, contact: Contact, *, update_source: str, **changes: Any) -> ContactUpdate:
        """All that `contact` has, with these properties changed: the way to change one and keep the rest."""
        unknown = changes.keys() - frozenset(_ContactProperties.__struct_fields__)
        if unknown:
            message = f"no property of a contact: {', '.join(sorted(unknown))}"
            raise TypeError(message)
        there: dict[str, Any] = {
            name: value
            for name in CORE
            if name not in changes and (value := getattr(contact, name)) is not None
        }
        if "email_address" in there:
            there["email_address"] = EmailAddress(address=there["email_address"].address)
        return cls(update_source=update_source, **there, **changes)


CORE = (
    *(
        "email_address",
        "first_name",
        "last_name",
        "job_title",
        "company_name",
        "birthday_month",
        "birthday_day",
    ),
    "anniversary",
)
"""What PUT clears when it is left out; the address stays, but a contact has to have something."""


class SignUp(Model, kw_only=True):
    """A person who signs up: what the form asked for. list_memberships is required, but for `source`."""

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
    """What the sign-up did: action is created or updated."""

    contact_id: str
    action: str


class Counts(Model, kw_only=True):
    """How many contacts there are, by permission."""

    total: int
    explicit: int
    implicit: int
    pending: int
    unsubscribed: int
    new_subscriber: int | None = None


class SmsHistory(Model, kw_only=True):
    """One change of the consent to text messages."""

    contact_id: str | None = None
    sms_channel_id: str | None = None
    sms_channel_history_id: str | None = None
    insert_time: datetime | None = None
    history_details: SmsHistoryDetails | None = None


class SmsHistoryDetails(Model, kw_only=True):
    """What changed."""

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


# Lists, tags, custom fields


class ContactList(Model, kw_only=True):
    """A list of contacts."""

    list_id: str
    name: str
    description: str | None = None
    favorite: bool | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    membership_count: int | None = None
    sms_membership_count: int | None = None


class ListsPage(Page, kw_only=True):
    """A page of lists."""

    lists: list[ContactList]
    lists_count: int | None = None

    @property
    def items(self) -> list[ContactList]:
        """The lists."""
        return self.lists

    @property
    def total(self) -> int | None:
        """How many there are on all pages."""
        return self.lists_count


class Tag(Model, kw_only=True):
    """A tag."""

    tag_id: str
    name: str
    tag_source: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    contacts_count: int | None = None


class TagsPage(Page, kw_only=True):
    """A page of tags."""

    tags: list[Tag]
    tags_count: int | None = None

    @property
    def items(self) -> list[Tag]:
        """The tags."""
        return self.tags

    @property
    def total(self) -> int | None:
        """How many there are on all pages."""
        return self.tags_count


class Metadata(Model, kw_only=True):
    """What a type of custom field needs to know besides."""

    display_type: str | None = None
    allow_negative: bool | None = None
    decimal_places: int | None = None
    currency_code: str | None = None
    integer: bool | None = None
    display_format: str | None = None


class Choice(Model, kw_only=True):
    """One choice of a select; choice_id is given by the server."""

    choice_label: str
    display_order: int | None = None
    choice_id: int | None = None
    custom_field_id: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: date | None = None


class CustomField(Model, kw_only=True):
    """A custom field. `name` is made from the label and is what `cf:` means in imports."""

    custom_field_id: str
    label: str
    name: str | None = None
    type: str | None = None
    version: int | None = None
    metadata: Metadata | None = None
    choices: list[Choice] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class CustomFieldsPage(Page, kw_only=True):
    """A page of custom fields."""

    custom_fields: list[CustomField]

    @property
    def items(self) -> list[CustomField]:
        """The fields."""
        return self.custom_fields


# Activities


class ActivityStatus(Model, kw_only=True):
    """The counters of an activity; which ones there are depends on its kind. The last ten are Everlist's."""

    items_total_count: int | None = None
    items_completed_count: int | None = None
    list_count: int | None = None
    person_count: int | None = None
    error_count: int | None = None
    correctable_count: int | None = None
    cannot_add_to_list_count: int | None = None
    created_count: int | None = None
    updated_count: int | None = None
    unchanged_count: int | None = None
    held_back_count: int | None = None
    rejected_count: int | None = None
    added_count: int | None = None
    kept_count: int | None = None
    removed_count: int | None = None
    erased_count: int | None = None
    suppressed_count: int | None = None


class ActivityLinks(Model, kw_only=True):
    """Where an activity is, and what it made."""

    self: Link | None = None
    results: Link | None = None


class ActivityError(Model, kw_only=True):
    """A text as the vendor wraps it when one tag is deleted."""

    message: str = ""


ENDED = frozenset(("completed", "cancelled", "failed", "timed_out"))
"""The states that an activity does not leave."""


class ActivityState(Model, dict=True, kw_only=True):
    """An activity as it was when the server was asked."""

    activity_id: str
    state: str
    created_at: datetime | None = None
    updated_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    percent_done: int = 0
    activity_errors: list[str | ActivityError] = []
    status: ActivityStatus | None = None
    source_file_name: str | None = None
    links: ActivityLinks | None = field(default=None, name="_links")

    @property
    def is_done(self) -> bool:
        """Whether it has ended."""
        return self.state in ENDED

    @property
    def errors(self) -> list[str]:
        """What went wrong; some answers of the vendor's wrap each text in an object."""
        return [one if isinstance(one, str) else one.message for one in self.activity_errors]


class ActivitiesPage(Page, kw_only=True):
    """A page of activities."""

    activities: list[ActivityState]

    @property
    def items(self) -> list[ActivityState]:
        """The activities."""
        return self.activities


class Selection(Model, kw_only=True):
    """Which contacts a bulk activity is for: exactly one of these."""

    contact_ids: list[str] | None = None
    list_ids: list[str] | None = None
    tag_ids: list[str] | None = None
    all_active_contacts: bool | None = None
    new_subscriber: bool | None = None
    engagement_level: str | None = None
    segment_id: int | str | None = None


class Row(Model, kw_only=True):
    """What became of one row of an import."""

    row: int
    line: int | None = None
    outcome: str
    contact_id: str | None = None
    email: str | None = None
    reason: str | None = None


# Everlist's own


class Cancelled(Model, kw_only=True):
    """How far an activity got before it was cancelled."""

    activity_id: str
    state: str
    percent_done: int = 0
    cancel_requested_at: datetime | None = None
    counts: dict[str, int] = {}


class ReplacedRow(Model, kw_only=True):
    """A row of a replacement that would be held back or rejected."""

    line: int
    outcome: str
    reason: str
    email: str | None = None


class Replacement(Model, kw_only=True):
    """What replacing a list would do; `rows` are the first 1,000 that are held back or rejected."""

    add: int = 0
    keep: int = 0
    update: int = 0
    remove: int = 0
    held_back: int = 0
    rejected: int = 0
    peak_before: int | None = None
    peak_after: int | None = None
    rows: list[ReplacedRow] = []


class PeakCause(Model, kw_only=True):
    """The request behind a peak."""

    operation: str
    activity_id: str | None = None
    request_id: str | None = None


class UsageDay(Model, kw_only=True):
    """A day of the meter."""

    day: date = field(name="date")
    high: int
    low: int
    close: int


class Usage(Model, kw_only=True):
    """A month of the meter of active contacts."""

    month: str
    time_zone: str
    current: int | None = None
    peak: int | None = None
    peak_at: datetime | None = None
    peak_cause: PeakCause | None = None
    distinct: int | None = None
    days: list[UsageDay] = []


class ConsentEvent(Model, kw_only=True):
    """An entry of the consent ledger: what changed, who did it, and by which request or activity."""

    event_id: int
    at: datetime
    channel: str
    action: str
    source: str
    operation: str
    permission_before: str | None = None
    permission_after: str | None = None
    opted_out_by: str | None = None
    reason: str | None = None
    details: dict[str, Any] | None = None
    request_id: str | None = None
    token_id: str | None = None
    token_name: str | None = None
    activity_id: str | None = None
    row_number: int | None = None


class ConsentEventsPage(Page, kw_only=True):
    """A page of the ledger of one contact."""

    contact_id: str
    events: list[ConsentEvent]

    @property
    def items(self) -> list[ConsentEvent]:
        """The entries, oldest first."""
        return self.events


class ChannelState(Model, kw_only=True):
    """What could be sent on one channel at a time, and the entry that had made it so."""

    permission: str
    may_send: bool
    since: datetime | None = None
    event: ConsentEvent | None = None


class ConsentState(Model, kw_only=True):
    """A contact at a time; a channel that it did not have is absent."""

    contact_id: str
    as_of: datetime
    exists: bool
    deleted: bool
    channels: dict[str, ChannelState]


class NextCall(Model, kw_only=True):
    """A call that would succeed; `only_if` is what must be true for it to be right, too."""

    method: str
    path: str
    body: dict[str, Any]
    only_if: str | None = None


class Explanation(Model, kw_only=True):
    """How an address stands, since when and by what, and the call that would succeed."""

    state: str
    next_call: NextCall
    contact_id: str | None = None
    since: datetime | None = None
    by: ConsentEvent | None = None
    reason: str | None = None


class ContactLinks(Model, kw_only=True):
    """What goes into a contact's mail: the addresses of its pages, and the headers for one-click unsubscribing."""

    unsubscribe_url: str
    one_click_url: str
    preferences_url: str
    headers: dict[str, str]


class Erasure(Model, kw_only=True):
    """One person that was erased, and the signed receipt."""

    erasure_id: str
    erased_at: datetime
    reason: str
    receipt: str
    contact_id: str | None = None
    activity_id: str | None = None


class ErasuresPage(Page, kw_only=True):
    """A page of erasures."""

    erasures: list[Erasure]

    @property
    def items(self) -> list[Erasure]:
        """The erasures, newest first."""
        return self.erasures


class Suppression(Model, kw_only=True):
    """What is remembered of an address that unsubscribed or was erased; never the address itself."""

    suppression_id: str
    channel: str
    reason: str
    created_at: datetime | None = None


class SuppressionsPage(Page, kw_only=True):
    """A page of suppressions."""

    suppressions: list[Suppression]

    @property
    def items(self) -> list[Suppression]:
        """The entries, oldest first."""
        return self.suppressions


class AccountSettings(Model, kw_only=True):
    """What an account decides for itself."""

    name: str
    time_zone: str
    confirmed_opt_in: bool | None = None
    sender_name: str | None = None
    sender_email: str | None = None
    postal_address: str | None = None
