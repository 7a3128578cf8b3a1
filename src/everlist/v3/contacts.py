"""/v3/contacts. V3 contract section 3; operation names are those of the vendor's ContactsApi."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from msgspec import field
from starlette.responses import Response

from everlist.core import contacts
from everlist.core.consent.sms import SMS_PERMISSIONS
from everlist.core.contacts import model
from everlist.rest.errors import bad_request, invalid, json_response, required_source, whole_seconds
from everlist.rest.query import Links
from everlist.v3 import words

if TYPE_CHECKING:
    from everlist.rest.call import Call
    from everlist.rest.query import Query

_LIST_LIMIT = 25
_TAG_LIMIT = 50


class EmailOut(msgspec.Struct, omit_defaults=True, gc=False):
    address: str
    permission_to_send: str
    created_at: datetime | None = None
    updated_at: datetime | None = None
    opt_in_source: str | None = None
    opt_in_date: datetime | None = None
    opt_out_source: str | None = None
    opt_out_date: datetime | None = None
    opt_out_reason: str | None = None
    confirm_status: str | None = None


class CustomFieldValueOut(msgspec.Struct, omit_defaults=True, gc=False):
    custom_field_id: str
    value: str | None = None
    choice_ids: list[str] | None = None


class ContactOut(msgspec.Struct, omit_defaults=True, gc=False):
    """A contact on the wire: what is None is absent."""

    contact_id: UUID
    email_address: EmailOut | None = None
    first_name: str | None = None
    last_name: str | None = None
    job_title: str | None = None
    company_name: str | None = None
    birthday_month: int | None = None
    birthday_day: int | None = None
    anniversary: date | None = None
    update_source: str | None = None
    create_source: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: date | None = None
    custom_fields: list[CustomFieldValueOut] | None = None
    phone_numbers: Any = None
    street_addresses: Any = None
    list_memberships: Any = None
    taggings: Any = None
    notes: Any = None
    sms_channel: dict[str, Any] | None = None


class ContactsOut(msgspec.Struct, omit_defaults=True):
    contacts: list[ContactOut]
    contacts_count: int | None = None
    links: Links | None = field(default=None, name="_links")


def contact_out(contact: model.Contact, include: frozenset[str]) -> ContactOut:
    """Return a contact with the sub-resources in `include`; an empty one is an empty array."""
    custom_fields = None
    if "custom_fields" in include:
        custom_fields = [
            CustomFieldValueOut(field_id, value)
            if isinstance(value, str)
            else CustomFieldValueOut(field_id, None, value)
            for field_id, value in (contact.custom_fields or {}).items()
        ]
    channel = contact.sms_channel if "sms_channel" in include else None
    created_at = whole_seconds(contact.created_at)
    return ContactOut(
        contact.contact_id,
        _email_out(contact, created_at) if contact.email is not None else None,
        contact.first_name,
        contact.last_name,
        contact.job_title,
        contact.company_name,
        contact.birthday_month,
        contact.birthday_day,
        contact.anniversary,
        contact.update_source,
        contact.create_source,
        created_at,
        whole_seconds(contact.updated_at),
        contact.deleted_at.date() if contact.deleted_at else None,
        custom_fields,
        (contact.phone_numbers or ()) if "phone_numbers" in include else None,
        (contact.street_addresses or ()) if "street_addresses" in include else None,
        (contact.list_ids or ()) if "list_memberships" in include else None,
        (contact.tag_ids or ()) if "taggings" in include else None,
        (contact.notes or ()) if "notes" in include else None,
        _sms_channel_out(channel) if channel else None,
    )


def _email_out(contact: model.Contact, created_at: datetime | None) -> EmailOut:
    """Return the address. `created_at` is the contact's, in whole seconds: most times of the address equal it."""
    status = "pending" if contact.permission == "pending_confirmation" else "off"
    same = contact.created_at
    return EmailOut(
        contact.email or "",
        contact.permission or "",
        created_at if contact.email_created_at == same else whole_seconds(contact.email_created_at),
        created_at if contact.email_updated_at == same else whole_seconds(contact.email_updated_at),
        contact.opt_in_source,
        created_at if contact.opt_in_at == same else whole_seconds(contact.opt_in_at),
        contact.opt_out_source,
        whole_seconds(contact.opt_out_at),
        contact.opt_out_reason,
        "confirmed" if contact.confirmed_at else status,
    )


def _sms_channel_out(channel: model.SmsChannel) -> dict[str, Any]:
    out: dict[str, Any] = msgspec.structs.asdict(channel)
    out["sms_channel_consents"] = [
        {
            name: value
            for name, value in msgspec.structs.asdict(consent).items()
            if value is not None and name != "opt_out_source"
        }
        for consent in channel.sms_channel_consents
    ]
    return {name: value for name, value in out.items() if value is not None}


class EmailIn(msgspec.Struct):
    address: str
    permission_to_send: str | None = None
    opt_out_reason: str | None = None


class CustomFieldValueIn(msgspec.Struct):
    custom_field_id: UUID
    value: str | None = None
    choice_ids: tuple[str | int, ...] | None = None


class PhoneIn(msgspec.Struct):
    phone_number: str
    kind: str | None = None


class StreetAddressIn(msgspec.Struct):
    kind: str
    street: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None


class NoteIn(msgspec.Struct):
    content: str
    note_id: UUID | None = None


class SmsConsentIn(msgspec.Struct):
    sms_consent_permission: str
    consent_type: str
    consent_medium_type: str | None = None
    consent_medium_url: str | None = None
    consent_medium_details: str | None = None
    advertised_frequency: int | str | None = None
    advertised_interval: str | None = None


class SmsChannelIn(msgspec.Struct):
    """As POST and PUT send it (full_sms_address), as GET shows it, or as the sign-up form sends it."""

    sms_channel_consents: tuple[SmsConsentIn, ...]
    full_sms_address: str | None = None
    sms_address: str | None = None
    dial_code: str | None = None


class ContactIn(msgspec.Struct):
    """The body of POST and PUT /contacts: null counts as absent."""

    create_source: Any = None
    update_source: Any = None
    email_address: EmailIn | None = None
    first_name: str | None = None
    last_name: str | None = None
    job_title: str | None = None
    company_name: str | None = None
    birthday_month: int | None = None
    birthday_day: int | None = None
    anniversary: str | None = None
    custom_fields: tuple[CustomFieldValueIn, ...] | None = None
    phone_numbers: tuple[PhoneIn, ...] | None = None
    street_addresses: tuple[StreetAddressIn, ...] | None = None
    list_memberships: tuple[UUID, ...] | None = None
    taggings: tuple[UUID, ...] | None = None
    notes: tuple[NoteIn, ...] | None = None
    sms_channel: SmsChannelIn | None = None

    def draft(self) -> model.ContactDraft:
        """Return the body as core takes it."""
        email = self.email_address
        phones, addresses, notes = self.phone_numbers, self.street_addresses, self.notes
        return model.ContactDraft(
            first_name=self.first_name,
            last_name=self.last_name,
            job_title=self.job_title,
            company_name=self.company_name,
            birthday_month=self.birthday_month,
            birthday_day=self.birthday_day,
            anniversary=self.anniversary,
            email=None if email is None else _email_draft(email),
            sms_channel=_sms_draft(self.sms_channel) if self.sms_channel else None,
            custom_fields=_values_in(self.custom_fields),
            phone_numbers=None if phones is None else tuple(map(_phone_draft, phones)),
            street_addresses=None if addresses is None else tuple(map(_street_address_draft, addresses)),
            notes=None if notes is None else tuple(map(_note_draft, notes)),
            list_ids=self.list_memberships,
            tag_ids=self.taggings,
        )

    def sent(self) -> frozenset[str]:
        """Return the names of the sub-resources in the body, which the answer echoes."""
        return frozenset(name for name in words.SUBRESOURCES if getattr(self, name) is not None)


def _email_draft(email: EmailIn) -> model.EmailDraft:
    return model.EmailDraft(
        address=email.address, permission=email.permission_to_send, opt_out_reason=email.opt_out_reason
    )


def _values_in(values: tuple[CustomFieldValueIn, ...] | None) -> tuple[model.CustomFieldDraft, ...] | None:
    if values is None:
        return None
    return tuple(
        model.CustomFieldDraft(
            custom_field_id=item.custom_field_id,
            value=item.value,
            choice_ids=None if item.choice_ids is None else tuple(map(str, item.choice_ids)),
        )
        for item in values
    )


def _phone_draft(phone: PhoneIn) -> model.PhoneDraft:
    return model.PhoneDraft(phone_number=phone.phone_number, kind=phone.kind or "other")


def _note_draft(note: NoteIn) -> model.NoteDraft:
    return model.NoteDraft(content=note.content, note_id=note.note_id)


def _street_address_draft(address: StreetAddressIn) -> model.StreetAddressDraft:
    return model.StreetAddressDraft(
        kind=address.kind,
        street=address.street,
        city=address.city,
        state=address.state,
        postal_code=address.postal_code,
        country=address.country,
    )


def _sms_draft(channel: SmsChannelIn) -> model.SmsDraft:
    number = channel.full_sms_address
    if number is None:
        if channel.sms_address is None or channel.dial_code is None:
            raise bad_request("full_sms_address is missing")
        number = f"+{channel.dial_code.removeprefix('+')}{channel.sms_address}"
    consents = tuple(
        model.SmsConsentDraft(
            permission=consent.sms_consent_permission,
            consent_type=consent.consent_type,
            medium_type=consent.consent_medium_type,
            medium_url=consent.consent_medium_url,
            medium_details=consent.consent_medium_details,
            advertised_frequency=_frequency(consent.advertised_frequency),
            advertised_interval=consent.advertised_interval,
        )
        for consent in channel.sms_channel_consents
    )
    return model.SmsDraft(full_number=number, consents=consents)


def _frequency(value: int | str | None) -> int | None:
    if isinstance(value, str):
        if not (value.isascii() and value.isdecimal() and len(value) < 10):
            raise invalid("advertised_frequency")
        return int(value)
    return value


def _limits(call: Call) -> contacts.Limits:
    """Return the limits on mail to confirm sign-ups: per visitor if the caller names one, else per caller."""
    settings = call.settings
    if call.visitor:
        source, most = f"visitor {call.token.token_id} {call.visitor}", settings.sign_ups_per_visitor
    else:
        source, most = f"caller {call.token.token_id} {call.client_address}", settings.sign_ups_per_caller
    return contacts.Limits(source=source, per_source=most, per_address=settings.confirmations_per_address)


async def create_contact(call: Call) -> Response:
    """POST /contacts. V3 contract 3.5."""
    body = await call.body(ContactIn)
    source = required_source("create_source", body.create_source)
    with words.of_contact():
        contact = await call.run(
            contacts.create,
            body.draft(),
            source=source,
            limits=_limits(call),
            act=call.act,
            installation=call.installation,
        )
    return json_response(contact_out(contact, body.sent()), 201)


async def update_contact(call: Call) -> Response:
    """PUT /contacts/{contact_id}. V3 contract 3.6."""
    contact_id = call.path_id("contact_id")
    body = await call.body(ContactIn)
    source = required_source("update_source", body.update_source)
    with words.of_contact():
        contact = await call.run(
            contacts.replace,
            contact_id,
            body.draft(),
            source=source,
            act=call.act,
            installation=call.installation,
        )
    return json_response(contact_out(contact, body.sent()))


class SignUpIn(msgspec.Struct):
    """The body of POST /contacts/sign_up_form: singular where POST /contacts is plural."""

    list_memberships: tuple[UUID, ...] | None = None
    source: Any = None
    email_address: str | None = None
    sms_channel: SmsChannelIn | None = None
    first_name: str | None = None
    last_name: str | None = None
    job_title: str | None = None
    company_name: str | None = None
    birthday_month: int | None = None
    birthday_day: int | None = None
    anniversary: str | None = None
    phone_number: str | None = None
    street_address: dict[str, Any] | None = None
    custom_fields: tuple[CustomFieldValueIn, ...] | None = None

    def draft(self) -> model.ContactDraft:
        """Return the body as core takes it. An empty address, `{}`, counts as absent."""
        address = msgspec.convert(self.street_address, StreetAddressIn) if self.street_address else None
        phone = PhoneIn(phone_number=self.phone_number) if self.phone_number else None
        return model.ContactDraft(
            first_name=self.first_name,
            last_name=self.last_name,
            job_title=self.job_title,
            company_name=self.company_name,
            birthday_month=self.birthday_month,
            birthday_day=self.birthday_day,
            anniversary=self.anniversary,
            email=model.EmailDraft(address=self.email_address) if self.email_address else None,
            sms_channel=_sms_draft(self.sms_channel) if self.sms_channel else None,
            custom_fields=_values_in(self.custom_fields),
            phone_numbers=(_phone_draft(phone),) if phone else None,
            street_addresses=(_street_address_draft(address),) if address else None,
            list_ids=self.list_memberships,
        )


async def create_or_update_contact(call: Call) -> Response:
    """POST /contacts/sign_up_form. V3 contract 3.7."""
    body = await call.body(SignUpIn)
    if not body.list_memberships and body.source is None:
        raise bad_request("list_memberships is missing")
    if body.list_memberships and body.source is not None:
        raise bad_request("list_memberships, source are mutually exclusive")
    source = "Contact" if body.source is None else required_source("source", body.source)
    if not body.email_address and body.sms_channel is None:
        raise bad_request("email_address, sms_channel are missing, at least one parameter must be provided")
    if body.custom_fields is not None and len(body.custom_fields) > 50:
        raise invalid("custom_fields")
    try:
        draft = body.draft()
    except msgspec.ValidationError as error:
        raise invalid("street_address") from error
    with words.of_sign_up():
        contact, created = await call.run(
            contacts.sign_up,
            draft,
            source=source,
            limits=_limits(call),
            act=call.act,
            installation=call.installation,
        )
    answer = {"contact_id": contact.contact_id, "action": "created" if created else "updated"}
    return json_response(answer, 201 if created else 200)


_FILTERS = (
    *("status", "email", "lists", "tags", "sms_status", "updated_after", "updated_before"),
    *("created_after", "created_before", "optout_after", "optout_before"),
)


def contact_filter(query: Query) -> contacts.ContactFilter:
    """Return the filters of GET /contacts. V3 contract 3.8."""
    email = query.text("email")
    address = contacts.parse_email(email) if email else None
    sms = query.words("sms_status", ("all", *SMS_PERMISSIONS))
    return contacts.ContactFilter(
        statuses=query.words("status", contacts.STATUSES) or frozenset(),
        # A text that is no address finds nobody: no contact has an empty key.
        email_key=(address.key if address else "") if email else None,
        list_ids=query.ids("lists", most=_LIST_LIMIT),
        tag_ids=query.ids("tags", most=_TAG_LIMIT),
        updated_after=query.moment("updated_after"),
        updated_before=query.moment("updated_before"),
        created_after=query.moment("created_after"),
        created_before=query.moment("created_before"),
        opted_out_after=query.moment("optout_after"),
        opted_out_before=query.moment("optout_before"),
        sms_permissions=frozenset() if sms is not None and "all" in sms else sms,
    )


async def get_all_contacts(call: Call) -> Response:
    """GET /contacts. V3 contract 3.8."""
    query = call.query()
    if query.text("segment_id") is not None:
        raise bad_request("segment_id does not have a valid value: this server has no segments yet")
    wanted = contact_filter(query)
    include = query.words("include", tuple(words.SUBRESOURCES)) or frozenset()
    page = await contacts.page(
        call.db,
        call.account_id,
        wanted,
        limit=query.integer("limit", default=50, low=1, high=500),
        from_id=query.from_id,
        from_at=query.from_at,
        follow_time=True,
        include=frozenset(words.SUBRESOURCES[name] for name in include),
        with_total=query.boolean("include_count"),
    )
    links = query.links(page.next_id, *_FILTERS, "limit", "include", "include_count", at=page.next_at)
    return json_response(
        ContactsOut(
            contacts=[contact_out(contact, include) for contact in page.items],
            contacts_count=page.total,
            links=links,
        )
    )


async def get_contact_by_id(call: Call) -> Response:
    """GET /contacts/{contact_id}. V3 contract 3.8."""
    contact_id = call.path_id("contact_id")
    include = call.query().words("include", tuple(words.SUBRESOURCES)) or frozenset()
    wanted = frozenset(words.SUBRESOURCES[name] for name in include)
    contact = await contacts.get(call.db, call.account_id, contact_id, include=wanted)
    return json_response(contact_out(contact, include))


async def delete_contact(call: Call) -> Response:
    """DELETE /contacts/{contact_id}. V3 contract 3.10."""
    await call.run(contacts.delete, call.path_id("contact_id"), act=call.act)
    return Response(status_code=204)


async def get_contact_counts(call: Call) -> Response:
    """GET /contacts/counts. V3 contract 3.8."""
    include = call.query().words("include", ("new_subscriber", "new_subscribers"))
    counts: dict[str, int] = msgspec.structs.asdict(await contacts.counts(call.db, call.account_id))
    if include:
        counts["new_subscriber"] = await contacts.count_new_subscribers(
            call.db, call.account_id, now=call.now
        )
    return json_response(counts)


async def get_contact_id_xrefs(call: Call) -> Response:
    """GET /contacts/contact_id_xrefs. V3 contract 3.8."""
    found = await contacts.ids_by_sequence(call.db, call.account_id, call.query().sequence_ids())
    return json_response(
        {"xrefs": [{"sequence_id": str(number), "contact_id": contact_id} for number, contact_id in found]}
    )


class SmsEventOut(msgspec.Struct, omit_defaults=True):
    contact_id: UUID
    sms_channel_id: str
    sms_channel_history_id: str
    insert_time: datetime
    history_details: dict[str, Any]


async def get_sms_engagement_history(call: Call) -> Response:
    """GET /contacts/sms_engagement_history/{contact_id}. V3 contract 3.4."""
    contact_id = call.path_id("contact_id")
    events = await contacts.sms_history(call.db, call.account_id, contact_id)
    return json_response([_sms_event_out(contact_id, event) for event in events])


_STATES = {"explicit": ("E", "opt_in"), "unsubscribed": ("O", "opt_out")}
_SOURCES = {"Account": "A", "Contact": "C", "System": "S"}


def _sms_event_out(contact_id: UUID, event: contacts.SmsEvent) -> SmsEventOut:
    details = event.details
    state, action = _STATES.get(event.permission_after or "", (None, event.permission_after or ""))
    at = whole_seconds(event.at)
    history = {
        "state": state,
        "source": _SOURCES[event.source],
        "consent_type": details.get("consent_type"),
        "consent_action_time": at,
        "consent_action_type": action,
        "consent_medium_type": details.get("consent_medium_type"),
        "source_consent_timestamp": at,
        "source_sms_number": details.get("source_sms_number"),
        "advertised_frequency": details.get("advertised_frequency"),
        "advertised_interval": details.get("advertised_interval"),
    }
    return SmsEventOut(
        contact_id=contact_id,
        sms_channel_id=details["sms_channel_id"],
        sms_channel_history_id=details["sms_channel_history_id"],
        insert_time=event.at.replace(microsecond=0),
        history_details={name: value for name, value in history.items() if value is not None},
    )


class ResubscribeIn(msgspec.Struct):
    list_ids: tuple[UUID, ...]


async def resubscribe_contact(call: Call) -> Response:
    """PUT /contacts/resubscribe/{contact_id}. V3 contract 3.9."""
    contact_id = call.path_id("contact_id")
    body = await call.body(ResubscribeIn)
    await call.run(
        contacts.request_resubscribe,
        contact_id,
        body.list_ids,
        act=call.act,
        installation=call.installation,
    )
    return Response(status_code=200)
