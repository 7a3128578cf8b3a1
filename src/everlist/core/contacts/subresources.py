"""Phone numbers, postal addresses, notes and the SMS channel: what they become when they are written.

Pure functions. An item that stays what it was keeps its id and its creation time (V3 contract 3.6):
phone numbers are matched by kind and number, then by kind; addresses by kind; notes by id, else by content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from everlist.core.consent import BY_CONTACT, UNSUBSCRIBED
from everlist.core.contacts import model
from everlist.core.contacts.identity import parse_sms_number
from everlist.core.contacts.model import Note, Phone, SmsChannel, SmsConsent, StreetAddress
from everlist.core.ids import new_id
from everlist.core.places import country_name, state_name
from everlist.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from everlist.core.contacts.model import NoteDraft, PhoneDraft, SmsDraft, StreetAddressDraft


T = TypeVar("T")


def replaced_phones(
    before: Sequence[Phone], drafts: Sequence[PhoneDraft], *, source: str, now: datetime
) -> tuple[Phone, ...]:
    """The phone numbers of the drafts, in their order."""
    left = list(before)
    exact = [
        _take(left, lambda old, new=new: (old.kind, old.phone_number) == (new.kind, new.phone_number))
        for new in drafts
    ]
    after: list[Phone] = []
    for draft, same in zip(drafts, exact, strict=True):
        if same is not None:
            after.append(same)
        elif (old := _take(left, lambda old, new=draft: old.kind == new.kind)) is not None:
            changed = msgspec.structs.replace(
                old, phone_number=draft.phone_number, updated_at=now, update_source=source
            )
            after.append(changed)
        else:
            after.append(Phone(new_id(), draft.phone_number, draft.kind, now, now, source))
    return tuple(after)


def with_phone(
    before: Sequence[Phone], draft: PhoneDraft, *, source: str, now: datetime
) -> tuple[Phone, ...]:
    """The phone numbers with one more: a number that is there stays, else it takes its kind's place.

    Raises Invalid where that would be too many.
    """
    if any(phone.phone_number == draft.phone_number for phone in before):
        return tuple(before)
    old = next((phone for phone in before if phone.kind == draft.kind), None)
    (made,) = replaced_phones([old] if old else [], [draft], source=source, now=now)
    if old is not None:
        return tuple(made if phone is old else phone for phone in before)
    if len(before) >= model.MAX_PHONES:
        message = f"phone_numbers does not have a valid value: at most {model.MAX_PHONES}"
        raise Invalid(message)
    return (*before, made)


def replaced_street_addresses(
    before: Sequence[StreetAddress], drafts: Sequence[StreetAddressDraft], *, now: datetime
) -> tuple[StreetAddress, ...]:
    """The addresses of the drafts, in their order; codes of countries and states as their names."""
    left = list(before)
    after: list[StreetAddress] = []
    for draft in drafts:
        country = country_name(draft.country) if draft.country else None
        state = state_name(draft.state, country) if draft.state else None
        made = StreetAddress(
            new_id(),
            draft.kind,
            now,
            now,
            draft.street or None,
            draft.city or None,
            state,
            draft.postal_code or None,
            country,
        )
        if (old := _take(left, lambda old, new=draft: old.kind == new.kind)) is not None:
            made = msgspec.structs.replace(
                made,
                street_address_id=old.street_address_id,
                created_at=old.created_at,
                updated_at=old.updated_at,
            )
            if made != old:
                made = msgspec.structs.replace(made, updated_at=now)
        after.append(made)
    return tuple(after)


def with_street_address(
    before: Sequence[StreetAddress], draft: StreetAddressDraft, *, now: datetime
) -> tuple[StreetAddress, ...]:
    """The addresses with one more; of an address of that kind, the parts that the draft names are set.

    Raises Invalid where that would be too many.
    """
    old = next((address for address in before if address.kind == draft.kind), None)
    if old is not None:
        named = {field: value for field in _PARTS if (value := getattr(draft, field))}
        kept = {field: getattr(old, field) for field in _PARTS}
        draft = model.StreetAddressDraft(draft.kind, **{**kept, **named})
    elif len(before) >= model.MAX_STREET_ADDRESSES:
        message = f"street_addresses does not have a valid value: at most {model.MAX_STREET_ADDRESSES}"
        raise Invalid(message)
    made = replaced_street_addresses([old] if old else [], [draft], now=now)
    if old is None:
        return (*before, *made)
    return tuple(made[0] if address is old else address for address in before)


_PARTS = ("street", "city", "state", "postal_code", "country")


def replaced_notes(before: Sequence[Note], drafts: Sequence[NoteDraft], *, now: datetime) -> tuple[Note, ...]:
    """The notes of the drafts, newest first."""
    left = list(before)
    after: list[Note] = []
    for draft in drafts:
        old = _take(left, lambda old, new=draft: new.note_id is not None and old.note_id == new.note_id)
        old = old or _take(left, lambda old, new=draft: old.content == new.content)
        if old is None:
            after.append(Note(new_id(), now, draft.content))
        else:
            after.append(msgspec.structs.replace(old, content=draft.content))
    return tuple(sorted(after, key=lambda note: note.created_at, reverse=True))


def replaced_sms_channel(
    before: SmsChannel | None,
    draft: SmsDraft,
    *,
    source: str,
    now: datetime,
    suppressed_at: datetime | None = None,
) -> tuple[SmsChannel, dict[str, Any]]:
    """The channel that the draft asks for, and the details for the ledger.

    `suppressed_at` is when the person behind a number that is new to the contact unsubscribed, on a contact
    that no longer holds it: then the account gets the number unsubscribed. Raises Invalid where an account would lift an opt-out that the person made.
    """
    number = parse_sms_number(draft.full_number)
    if number is None or not draft.consents:
        message = "sms_channel does not have a valid value"
        raise Invalid(message)
    wanted = draft.consents[0]
    suppressed = suppressed_at is not None and source != BY_CONTACT
    if suppressed:
        wanted = msgspec.structs.replace(wanted, permission=UNSUBSCRIBED)
    old = before.sms_channel_consents[0] if before and before.sms_channel_consents else None
    if (
        old is not None
        and old.sms_consent_permission == UNSUBSCRIBED != wanted.permission
        and old.opt_out_source == BY_CONTACT != source
    ):
        message = (
            "sms_consent_permission does not have a valid value:"
            " the contact unsubscribed and only the contact can subscribe again"
        )
        raise Invalid(message)
    frequency = wanted.advertised_frequency
    consent = SmsConsent(
        wanted.permission,
        wanted.consent_type,
        old.created_at if old else now,
        now,
        opt_in_date=_when(holds=wanted.permission == "explicit", old=old, field="opt_in_date", now=now),
        opt_out_date=_when(
            holds=wanted.permission == UNSUBSCRIBED, old=old, field="opt_out_date", now=suppressed_at or now
        ),
        opt_out_source=BY_CONTACT if suppressed else _opt_out_source(old, wanted.permission, source),
        advertised_frequency=str(frequency) if frequency is not None else (old and old.advertised_frequency),
        advertised_interval=wanted.advertised_interval or (old and old.advertised_interval),
    )
    if old is not None and msgspec.structs.replace(consent, updated_at=old.updated_at) == old:
        consent = old
    channel = SmsChannel(
        before.sms_channel_id if before else new_id(),
        number.national,
        number.dial_code,
        number.country_code,
        before.create_source if before else source,
        (consent,),
        source if before else None,
    )
    details = {
        "sms_channel_id": str(channel.sms_channel_id),
        "sms_channel_history_id": str(new_id()),
        "consent_type": wanted.consent_type,
        "consent_medium_type": wanted.medium_type,
        "consent_medium_url": wanted.medium_url,
        "consent_medium_details": wanted.medium_details,
        "source_sms_number": number.key,
        "advertised_frequency": frequency,
        "advertised_interval": wanted.advertised_interval,
    }
    return channel, {name: value for name, value in details.items() if value is not None}


def _when(*, holds: bool, old: SmsConsent | None, field: str, now: datetime) -> datetime | None:
    if not holds:
        return None
    return (getattr(old, field) if old else None) or now


def _opt_out_source(old: SmsConsent | None, permission: str, source: str) -> str | None:
    if permission != UNSUBSCRIBED:
        return None
    return BY_CONTACT if BY_CONTACT in (source, old.opt_out_source if old else None) else source


def _take(items: list[T], fits: Callable[[T], bool]) -> T | None:
    """Remove and return the first item that fits."""
    for index, item in enumerate(items):
        if fits(item):
            return items.pop(index)
    return None
