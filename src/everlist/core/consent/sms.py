"""What we may send to a person by SMS. V3 contract 3.4.

Pure functions over `SmsConsent`. As for e-mail, an opt-out that the person made ends only by an act of the person.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from everlist.core.consent.email import BY_CONTACT, EXPLICIT, NOT_SET, PENDING, UNSUBSCRIBED
from everlist.errors import Invalid, Problem

SMS_PERMISSIONS = (EXPLICIT, UNSUBSCRIBED, PENDING, NOT_SET)
PROMOTIONAL = "promotional_sms"
"""The one type of consent that the contract knows."""


class SmsConsent(msgspec.Struct, frozen=True, omit_defaults=True):
    """A permission to send SMS, and how it came to be."""

    sms_consent_permission: str
    consent_type: str
    created_at: datetime
    updated_at: datetime
    opt_in_date: datetime | None = None
    opt_out_date: datetime | None = None
    opt_out_source: str | None = None
    advertised_frequency: str | None = None
    advertised_interval: str | None = None


def changed(
    before: SmsConsent | None,
    source: str,
    *,
    permission: str,
    consent_type: str,
    advertised_frequency: int | None = None,
    advertised_interval: str | None = None,
    suppressed_at: datetime | None = None,
    now: datetime,
) -> SmsConsent:
    """Return the consent after `source` asks for a permission.

    `suppressed_at` is when the person behind a number that is new to the contact unsubscribed, on a contact that
    no longer holds the number: an account then gets the number unsubscribed. Raises Invalid if an account would
    lift an opt-out that the person made.
    """
    suppressed = suppressed_at is not None and source != BY_CONTACT
    if suppressed:
        permission = UNSUBSCRIBED
    if (
        before is not None
        and before.sms_consent_permission == UNSUBSCRIBED != permission
        and before.opt_out_source == BY_CONTACT != source
    ):
        raise Invalid(
            Problem(
                "sms_consent_permission", "the contact unsubscribed and only the contact can subscribe again"
            )
        )
    after = SmsConsent(
        sms_consent_permission=permission,
        consent_type=consent_type,
        created_at=before.created_at if before else now,
        updated_at=now,
        opt_in_date=((before and before.opt_in_date) or now) if permission == EXPLICIT else None,
        opt_out_date=(
            ((before and before.opt_out_date) or suppressed_at or now) if permission == UNSUBSCRIBED else None
        ),
        opt_out_source=BY_CONTACT if suppressed else _opt_out_source(before, permission, source),
        advertised_frequency=(
            str(advertised_frequency)
            if advertised_frequency is not None
            else (before and before.advertised_frequency)
        ),
        advertised_interval=advertised_interval or (before and before.advertised_interval),
    )
    if before is not None and msgspec.structs.replace(after, updated_at=before.updated_at) == before:
        return before
    return after


def _opt_out_source(before: SmsConsent | None, permission: str, source: str) -> str | None:
    """Return who opted out; an account cannot take over the opt-out of the person."""
    if permission != UNSUBSCRIBED:
        return None
    if before is not None and before.opt_out_source == BY_CONTACT:
        return BY_CONTACT
    return source
