"""The limits of what a client may write of a contact: every rule that needs no look at the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everlist.core.consent import PERMISSIONS
from everlist.core.contacts import model
from everlist.core.contacts.identity import parse_email, parse_sms_number
from everlist.core.dates import parse_date
from everlist.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from everlist.core.contacts.model import ContactDraft, SmsDraft

_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def check(draft: ContactDraft) -> None:
    """Raise Invalid with a text for each rule that the draft breaks."""
    problems = [*_core_problems(draft), *_email_problems(draft), *_array_problems(draft)]
    if draft.sms_channel is not None:
        problems += _sms_problems(draft.sms_channel)
    if problems:
        raise Invalid(*dict.fromkeys(problems))


def _invalid(field: str, why: str = "") -> str:
    return f"{field} does not have a valid value" + (f": {why}" if why else "")


def _core_problems(draft: ContactDraft) -> Iterator[str]:
    for field in ("first_name", "last_name", "job_title", "company_name"):
        value: str | None = getattr(draft, field)
        if value is not None and len(value) > model.MAX_NAME:
            yield _invalid(field, f"at most {model.MAX_NAME} characters")
    month, day = draft.birthday_month, draft.birthday_day
    if month is not None and not 1 <= month <= 12:
        yield _invalid("birthday_month")
    if day is not None and not 1 <= day <= (
        _DAYS[month - 1] if month is not None and 1 <= month <= 12 else 31
    ):
        yield _invalid("birthday_day")
    if month is None and day is not None:
        yield "birthday_month is missing"
    if day is None and month is not None:
        yield "birthday_day is missing"
    if draft.anniversary and parse_date(draft.anniversary) is None:
        yield _invalid("anniversary")


def _email_problems(draft: ContactDraft) -> Iterator[str]:
    email = draft.email
    if email is None:
        return
    if parse_email(email.address) is None:
        yield "Email address is invalid"
    if email.permission is not None and email.permission not in PERMISSIONS:
        yield _invalid("permission_to_send")
    if email.opt_out_reason is not None and len(email.opt_out_reason) > 255:
        yield _invalid("opt_out_reason", "at most 255 characters")


def _array_problems(draft: ContactDraft) -> Iterator[str]:
    if draft.list_ids is not None and len(set(draft.list_ids)) > model.MAX_LISTS:
        yield _invalid("list_memberships", f"at most {model.MAX_LISTS}")
    if draft.tag_ids is not None and len(set(draft.tag_ids)) > model.MAX_TAGS:
        yield _invalid("taggings", f"at most {model.MAX_TAGS}")
    if draft.custom_fields is not None:
        ids = [field.custom_field_id for field in draft.custom_fields]
        if len(set(ids)) != len(ids):
            yield _invalid("custom_fields", "each field may stand there once")
        if any(field.value is not None and len(field.value) > 255 for field in draft.custom_fields):
            yield _invalid("custom_fields[value]", "at most 255 characters")
    yield from _phone_and_address_problems(draft)
    if draft.notes is not None:
        if len(draft.notes) > model.MAX_NOTES:
            yield _invalid("notes", f"at most {model.MAX_NOTES}")
        if any(not 1 <= len(note.content) <= 2000 for note in draft.notes):
            yield _invalid("notes[content]", "1 to 2000 characters")


def _phone_and_address_problems(draft: ContactDraft) -> Iterator[str]:
    if draft.phone_numbers is not None:
        if len(draft.phone_numbers) > model.MAX_PHONES:
            yield _invalid("phone_numbers", f"at most {model.MAX_PHONES}")
        if any(phone.kind not in model.PHONE_KINDS for phone in draft.phone_numbers):
            yield _invalid("phone_numbers[kind]")
        if any(not 1 <= len(phone.phone_number) <= 25 for phone in draft.phone_numbers):
            yield _invalid("phone_numbers[phone_number]", "1 to 25 characters")
    if draft.street_addresses is not None:
        if len(draft.street_addresses) > model.MAX_STREET_ADDRESSES:
            yield _invalid("street_addresses", f"at most {model.MAX_STREET_ADDRESSES}")
        if any(address.kind not in model.ADDRESS_KINDS for address in draft.street_addresses):
            yield _invalid("street_addresses[kind]")
        for address in draft.street_addresses:
            yield from _too_long("street_addresses", street=(address.street, 255))
            yield from _too_long(
                "street_addresses",
                city=(address.city, 50),
                state=(address.state, 50),
                postal_code=(address.postal_code, 50),
                country=(address.country, 50),
            )


def _too_long(of: str, **values: tuple[str | None, int]) -> Iterable[str]:
    for field, (value, most) in values.items():
        if value is not None and len(value) > most:
            yield _invalid(f"{of}[{field}]", f"at most {most} characters")


def _sms_problems(draft: SmsDraft) -> Iterator[str]:
    if parse_sms_number(draft.full_number) is None:
        yield _invalid("sms_channel[sms_address]")
    if len(draft.consents) != 1:
        yield _invalid("sms_channel_consents", "one, of the type promotional_sms")
    for consent in draft.consents:
        if consent.permission not in model.SMS_PERMISSIONS:
            yield _invalid("sms_consent_permission")
        if consent.consent_type != "promotional_sms":
            yield _invalid("consent_type")
        yield from _too_long(
            "sms_channel_consents",
            consent_medium_type=(consent.medium_type, 255),
            consent_medium_url=(consent.medium_url, 2000),
            consent_medium_details=(consent.medium_details, 2000),
            advertised_interval=(consent.advertised_interval, 50),
        )
        if consent.advertised_frequency is not None and not 0 <= consent.advertised_frequency < 2**31:
            yield _invalid("advertised_frequency")
