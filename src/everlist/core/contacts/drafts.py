"""Parse a draft and check every limit that needs no look at the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from everlist.core.consent import PERMISSIONS
from everlist.core.consent.sms import PROMOTIONAL, SMS_PERMISSIONS
from everlist.core.contacts import model
from everlist.core.contacts.identity import EmailAddress, SmsNumber, parse_email, parse_sms_number
from everlist.core.contacts.model import ContactDraft, SmsDraft
from everlist.core.dates import parse_date
from everlist.errors import Invalid, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MAX_TEXT = 255
_MAX_PLACE = 50
_MAX_PHONE = 25
_MAX_NOTE = 2000
_MAX_MEDIUM = 2000


class ParsedEmail(msgspec.Struct, frozen=True):
    """An EmailDraft with a valid address."""

    address: EmailAddress
    permission: str | None
    opt_out_reason: str | None


class ParsedSms(msgspec.Struct, frozen=True):
    """An SmsDraft with a valid number and one consent."""

    number: SmsNumber
    draft: SmsDraft


class ParsedDraft(msgspec.Struct, frozen=True):
    """A draft that keeps every limit, with its address, number and dates parsed."""

    draft: ContactDraft
    properties: dict[str, object]
    """The columns.PROPERTIES by name; an empty text is None."""
    email: ParsedEmail | None
    sms: ParsedSms | None


def parse(draft: ContactDraft) -> ParsedDraft:
    """Parse and check a draft. Raises Invalid with every rule that it breaks."""
    anniversary = parse_date(draft.anniversary) if draft.anniversary else None
    address = parse_email(draft.email.address) if draft.email else None
    number = parse_sms_number(draft.sms_channel.full_number) if draft.sms_channel else None
    problems = [
        *_property_problems(draft, anniversary),
        *_email_problems(draft, address),
        *_array_problems(draft),
        *_sms_problems(draft.sms_channel, number),
    ]
    if problems:
        raise Invalid(*dict.fromkeys(problems))
    email = draft.email
    return ParsedDraft(
        draft=draft,
        properties={
            "first_name": draft.first_name or None,
            "last_name": draft.last_name or None,
            "job_title": draft.job_title or None,
            "company_name": draft.company_name or None,
            "birthday_month": draft.birthday_month,
            "birthday_day": draft.birthday_day,
            "anniversary": anniversary,
        },
        email=(
            ParsedEmail(address=address, permission=email.permission, opt_out_reason=email.opt_out_reason)
            if email and address
            else None
        ),
        sms=ParsedSms(number=number, draft=draft.sms_channel) if draft.sms_channel and number else None,
    )


def _property_problems(draft: ContactDraft, anniversary: date | None) -> Iterator[Problem]:
    yield from _too_long(
        model.MAX_NAME,
        first_name=draft.first_name,
        last_name=draft.last_name,
        job_title=draft.job_title,
        company_name=draft.company_name,
    )
    month, day = draft.birthday_month, draft.birthday_day
    is_month = month is not None and 1 <= month <= len(_DAYS)
    if month is not None and not is_month:
        yield Problem("birthday_month")
    if day is not None and not 1 <= day <= (_DAYS[month - 1] if month is not None and is_month else 31):
        yield Problem("birthday_day")
    if month is None and day is not None:
        yield Problem("birthday_month", missing=True)
    if day is None and month is not None:
        yield Problem("birthday_day", missing=True)
    if draft.anniversary and anniversary is None:
        yield Problem("anniversary")


def _email_problems(draft: ContactDraft, address: EmailAddress | None) -> Iterator[Problem]:
    email = draft.email
    if email is None:
        return
    if address is None:
        yield Problem("email")
    if email.permission is not None and email.permission not in PERMISSIONS:
        yield Problem("permission")
    yield from _too_long(_MAX_TEXT, opt_out_reason=email.opt_out_reason)


def _array_problems(draft: ContactDraft) -> Iterator[Problem]:
    if draft.list_ids is not None and len(set(draft.list_ids)) > model.MAX_LISTS:
        yield Problem("list_ids", f"at most {model.MAX_LISTS}")
    if draft.tag_ids is not None and len(set(draft.tag_ids)) > model.MAX_TAGS:
        yield Problem("tag_ids", f"at most {model.MAX_TAGS}")
    if draft.custom_fields is not None:
        field_ids = [field.custom_field_id for field in draft.custom_fields]
        if len(set(field_ids)) != len(field_ids):
            yield Problem("custom_fields", "each field may stand there once")
        if any(field.value is not None and len(field.value) > _MAX_TEXT for field in draft.custom_fields):
            yield Problem("custom_fields[value]", f"at most {_MAX_TEXT} characters")
    yield from _phone_and_address_problems(draft)
    if draft.notes is not None:
        if len(draft.notes) > model.MAX_NOTES:
            yield Problem("notes", f"at most {model.MAX_NOTES}")
        if any(not 1 <= len(note.content) <= _MAX_NOTE for note in draft.notes):
            yield Problem("notes[content]", f"1 to {_MAX_NOTE} characters")


def _phone_and_address_problems(draft: ContactDraft) -> Iterator[Problem]:
    if draft.phone_numbers is not None:
        if len(draft.phone_numbers) > model.MAX_PHONES:
            yield Problem("phone_numbers", f"at most {model.MAX_PHONES}")
        if any(phone.kind not in model.PHONE_KINDS for phone in draft.phone_numbers):
            yield Problem("phone_numbers[kind]")
        if any(not 1 <= len(phone.phone_number) <= _MAX_PHONE for phone in draft.phone_numbers):
            yield Problem("phone_numbers[phone_number]", f"1 to {_MAX_PHONE} characters")
    if draft.street_addresses is not None:
        if len(draft.street_addresses) > model.MAX_STREET_ADDRESSES:
            yield Problem("street_addresses", f"at most {model.MAX_STREET_ADDRESSES}")
        if any(address.kind not in model.ADDRESS_KINDS for address in draft.street_addresses):
            yield Problem("street_addresses[kind]")
        for address in draft.street_addresses:
            yield from _too_long(_MAX_TEXT, "street_addresses", street=address.street)
            yield from _too_long(
                _MAX_PLACE,
                "street_addresses",
                city=address.city,
                state=address.state,
                postal_code=address.postal_code,
                country=address.country,
            )


def _sms_problems(draft: SmsDraft | None, number: SmsNumber | None) -> Iterator[Problem]:
    if draft is None:
        return
    if number is None:
        yield Problem("sms_channel[full_number]")
    if len(draft.consents) != 1:
        yield Problem("sms_channel[consents]", f"one, of the type {PROMOTIONAL}")
    for consent in draft.consents:
        if consent.permission not in SMS_PERMISSIONS:
            yield Problem("sms_consent_permission")
        if consent.consent_type != PROMOTIONAL:
            yield Problem("consent_type")
        yield from _too_long(_MAX_TEXT, "sms_channel[consents]", medium_type=consent.medium_type)
        yield from _too_long(
            _MAX_MEDIUM,
            "sms_channel[consents]",
            medium_url=consent.medium_url,
            medium_details=consent.medium_details,
        )
        yield from _too_long(
            _MAX_PLACE, "sms_channel[consents]", advertised_interval=consent.advertised_interval
        )
        if consent.advertised_frequency is not None and not 0 <= consent.advertised_frequency < 2**31:
            yield Problem("advertised_frequency")


def _too_long(limit: int, parent: str = "", /, **values: str | None) -> Iterator[Problem]:
    """Yield a problem for each text of more characters than `limit`."""
    for name, value in values.items():
        if value is not None and len(value) > limit:
            yield Problem(f"{parent}[{name}]" if parent else name, f"at most {limit} characters")
