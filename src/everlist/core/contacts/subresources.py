"""Merge the phone numbers, postal addresses, notes and SMS channel of a draft into those of a contact.

Pure functions. An item that matches one of the draft keeps its id and its creation time (V3 contract 3.6): phone
numbers match by kind and number, then by kind; addresses by kind; notes by id, else by content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from everlist.core.consent import sms
from everlist.core.contacts import model
from everlist.core.contacts.model import Note, Phone, SmsChannel, StreetAddress
from everlist.core.ids import new_id
from everlist.core.places import country_name, state_name
from everlist.errors import Invalid, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from everlist.core.contacts.identity import SmsNumber
    from everlist.core.contacts.model import NoteDraft, PhoneDraft, SmsDraft, StreetAddressDraft


T = TypeVar("T")


def replaced_phones(
    before: Sequence[Phone], drafts: Sequence[PhoneDraft], *, source: str, now: datetime
) -> tuple[Phone, ...]:
    """Return the phone numbers of the drafts, in their order."""
    unmatched = list(before)
    exact = [
        _take(unmatched, lambda old, new=new: (old.kind, old.phone_number) == (new.kind, new.phone_number))
        for new in drafts
    ]
    after: list[Phone] = []
    for draft, same in zip(drafts, exact, strict=True):
        if same is not None:
            after.append(same)
        elif (old := _take(unmatched, lambda old, new=draft: old.kind == new.kind)) is not None:
            changed = msgspec.structs.replace(
                old, phone_number=draft.phone_number, updated_at=now, update_source=source
            )
            after.append(changed)
        else:
            new_phone = Phone(
                phone_number_id=new_id(),
                phone_number=draft.phone_number,
                kind=draft.kind,
                created_at=now,
                updated_at=now,
                create_source=source,
            )
            after.append(new_phone)
    return tuple(after)


def with_phone(
    before: Sequence[Phone], draft: PhoneDraft, *, source: str, now: datetime
) -> tuple[Phone, ...]:
    """Return the phone numbers with one more: a known number stays, another one replaces that of its kind.

    Raises Invalid if the contact already has as many as it may.
    """
    if any(phone.phone_number == draft.phone_number for phone in before):
        return tuple(before)
    old = next((phone for phone in before if phone.kind == draft.kind), None)
    (added,) = replaced_phones([old] if old else [], [draft], source=source, now=now)
    if old is not None:
        return tuple(added if phone is old else phone for phone in before)
    if len(before) >= model.MAX_PHONES:
        raise Invalid(Problem("phone_numbers", f"at most {model.MAX_PHONES}"))
    return (*before, added)


def replaced_street_addresses(
    before: Sequence[StreetAddress], drafts: Sequence[StreetAddressDraft], *, now: datetime
) -> tuple[StreetAddress, ...]:
    """Return the addresses of the drafts, in their order, with codes of countries and states as names."""
    unmatched = list(before)
    after: list[StreetAddress] = []
    for draft in drafts:
        country = country_name(draft.country) if draft.country else None
        state = state_name(draft.state, country) if draft.state else None
        address = StreetAddress(
            street_address_id=new_id(),
            kind=draft.kind,
            created_at=now,
            updated_at=now,
            street=draft.street or None,
            city=draft.city or None,
            state=state,
            postal_code=draft.postal_code or None,
            country=country,
        )
        if (old := _take(unmatched, lambda old, new=draft: old.kind == new.kind)) is not None:
            address = msgspec.structs.replace(
                address,
                street_address_id=old.street_address_id,
                created_at=old.created_at,
                updated_at=old.updated_at,
            )
            if address != old:
                address = msgspec.structs.replace(address, updated_at=now)
        after.append(address)
    return tuple(after)


def with_street_address(
    before: Sequence[StreetAddress], draft: StreetAddressDraft, *, now: datetime
) -> tuple[StreetAddress, ...]:
    """Return the addresses with one more; an address of the same kind gets the parts that the draft names.

    Raises Invalid if the contact already has as many as it may.
    """
    old = next((address for address in before if address.kind == draft.kind), None)
    if old is not None:
        named = {field: value for field in _PARTS if (value := getattr(draft, field))}
        kept = {field: getattr(old, field) for field in _PARTS}
        draft = model.StreetAddressDraft(kind=draft.kind, **{**kept, **named})
    elif len(before) >= model.MAX_STREET_ADDRESSES:
        raise Invalid(Problem("street_addresses", f"at most {model.MAX_STREET_ADDRESSES}"))
    (added,) = replaced_street_addresses([old] if old else [], [draft], now=now)
    if old is None:
        return (*before, added)
    return tuple(added if address is old else address for address in before)


_PARTS = ("street", "city", "state", "postal_code", "country")


def replaced_notes(before: Sequence[Note], drafts: Sequence[NoteDraft], *, now: datetime) -> tuple[Note, ...]:
    """Return the notes of the drafts, newest first."""
    unmatched = list(before)
    after: list[Note] = []
    for draft in drafts:
        old = _take(unmatched, lambda old, new=draft: new.note_id is not None and old.note_id == new.note_id)
        old = old or _take(unmatched, lambda old, new=draft: old.content == new.content)
        if old is None:
            after.append(Note(note_id=new_id(), created_at=now, content=draft.content))
        else:
            after.append(msgspec.structs.replace(old, content=draft.content))
    return tuple(sorted(after, key=lambda note: note.created_at, reverse=True))


def replaced_sms_channel(
    before: SmsChannel | None,
    draft: SmsDraft,
    number: SmsNumber,
    *,
    source: str,
    now: datetime,
    suppressed_at: datetime | None = None,
) -> tuple[SmsChannel, dict[str, Any]]:
    """Return the channel that the draft asks for, and the details for the ledger.

    `number` is the parsed number of the draft; sms.changed explains `suppressed_at` and when this raises Invalid.
    """
    (wanted,) = draft.consents
    consent = sms.changed(
        before.sms_channel_consents[0] if before and before.sms_channel_consents else None,
        source,
        permission=wanted.permission,
        consent_type=wanted.consent_type,
        advertised_frequency=wanted.advertised_frequency,
        advertised_interval=wanted.advertised_interval,
        suppressed_at=suppressed_at,
        now=now,
    )
    channel = SmsChannel(
        sms_channel_id=before.sms_channel_id if before else new_id(),
        sms_address=number.national,
        dial_code=number.dial_code,
        country_code=number.country_code,
        create_source=before.create_source if before else source,
        sms_channel_consents=(consent,),
        update_source=source if before else None,
    )
    details = {
        "sms_channel_id": str(channel.sms_channel_id),
        "sms_channel_history_id": str(new_id()),
        "consent_type": wanted.consent_type,
        "consent_medium_type": wanted.medium_type,
        "consent_medium_url": wanted.medium_url,
        "consent_medium_details": wanted.medium_details,
        "source_sms_number": number.key,
        "advertised_frequency": wanted.advertised_frequency,
        "advertised_interval": wanted.advertised_interval,
    }
    return channel, {name: value for name, value in details.items() if value is not None}


def _take(items: list[T], fits: Callable[[T], bool]) -> T | None:
    """Remove and return the first item that fits."""
    for index, item in enumerate(items):
        if fits(item):
            return items.pop(index)
    return None
