"""Consent: what may be sent to a person.

`email` and `sms` decide permissions; `suppression` remembers addresses that no contact has any more.
"""

from everlist.core.consent.email import (
    BY_ACCOUNT,
    BY_CONTACT,
    EXPLICIT,
    IMPLICIT,
    MAILABLE,
    NOT_SET,
    ONLY_THE_CONTACT,
    PENDING,
    PERMISSIONS,
    SOURCES,
    TEMP_HOLD,
    UNSUBSCRIBED,
    EmailConsent,
    changed,
    confirmed,
    initial,
    signed_up,
)

__all__ = [
    "BY_ACCOUNT",
    "BY_CONTACT",
    "EXPLICIT",
    "IMPLICIT",
    "MAILABLE",
    "NOT_SET",
    "ONLY_THE_CONTACT",
    "PENDING",
    "PERMISSIONS",
    "SOURCES",
    "TEMP_HOLD",
    "UNSUBSCRIBED",
    "EmailConsent",
    "changed",
    "confirmed",
    "initial",
    "signed_up",
]
