"""What we may send to a person by e-mail: the one place where a permission is decided.

Pure functions over `EmailConsent`; V3 contract 3.9. Two rules stand above the table there:

- *Consent only rises by the person.* An opt-out that the person made ends only by an act of the person
  (`source` is `Contact`); the ledger's CHECK `consent_only_rises_by_the_person` holds it in the database too.
- An account cannot take over the person's opt-out by unsubscribing the contact once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from everlist.errors import Invalid, Problem

if TYPE_CHECKING:
    from datetime import datetime

EXPLICIT = "explicit"
IMPLICIT = "implicit"
NOT_SET = "not_set"
PENDING = "pending_confirmation"
TEMP_HOLD = "temp_hold"
UNSUBSCRIBED = "unsubscribed"
PERMISSIONS = (EXPLICIT, IMPLICIT, NOT_SET, PENDING, TEMP_HOLD, UNSUBSCRIBED)
MAILABLE = (EXPLICIT, IMPLICIT)

BY_CONTACT = "Contact"
BY_ACCOUNT = "Account"
SOURCES = (BY_CONTACT, BY_ACCOUNT)

ONLY_THE_CONTACT = Problem("permission", "the contact unsubscribed and only the contact can subscribe again")


class EmailConsent(msgspec.Struct, frozen=True):
    """The permission that goes with an e-mail address, and how it came to be."""

    permission: str
    opt_in_source: str | None = None
    opt_in_at: datetime | None = None
    opt_out_source: str | None = None
    opt_out_at: datetime | None = None
    opt_out_reason: str | None = None
    confirmed_at: datetime | None = None


def initial(
    source: str,
    *,
    requested: str | None = None,
    reason: str | None = None,
    suppressed_at: datetime | None = None,
    confirm: bool = False,
    now: datetime,
) -> EmailConsent:
    """Return the consent for an address that is new to a contact.

    `source` is who acts. Without a `requested` permission, an account gets implicit and a person explicit.
    `suppressed_at` is when the person behind this address unsubscribed, on a contact that no longer has the
    address: an account then gets it unsubscribed, and only the person lifts that. With `confirm`, a person who
    would be mailable is pending until they confirm.
    """
    if suppressed_at is not None and source != BY_CONTACT:
        return EmailConsent(
            permission=UNSUBSCRIBED,
            opt_in_source=source,
            opt_out_source=BY_CONTACT,
            opt_out_at=suppressed_at,
        )
    permission = requested or (EXPLICIT if source == BY_CONTACT else IMPLICIT)
    if confirm and source == BY_CONTACT and permission in MAILABLE:
        permission = PENDING
    if permission == UNSUBSCRIBED:
        return EmailConsent(
            permission=permission,
            opt_in_source=source,
            opt_out_source=source,
            opt_out_at=now,
            opt_out_reason=reason,
        )
    opt_in_at = now if permission in MAILABLE else None
    return EmailConsent(permission=permission, opt_in_source=source, opt_in_at=opt_in_at)


def changed(
    before: EmailConsent, source: str, *, requested: str | None, reason: str | None = None, now: datetime
) -> EmailConsent:
    """Return the consent after an update by `source` that may ask for a permission.

    Raises Invalid if explicit would become implicit, or an account would lift an opt-out that the person made.
    """
    if requested is None or requested == before.permission != UNSUBSCRIBED:
        return before
    if requested == UNSUBSCRIBED:
        return _opted_out(before, source, reason, now)
    if before.permission == UNSUBSCRIBED:
        return _opted_in_again(before, source, requested, now)
    if before.permission == EXPLICIT and requested == IMPLICIT:
        raise Invalid(Problem("permission", "explicit cannot become implicit"))
    if requested in MAILABLE:  # opt_in_source is set once, at the creation of the address
        return msgspec.structs.replace(before, permission=requested, opt_in_at=before.opt_in_at or now)
    return msgspec.structs.replace(before, permission=requested)


def signed_up(
    before: EmailConsent, *, confirm: bool = False, live: bool = True, now: datetime
) -> EmailConsent:
    """Return the consent after the person signed up again: explicit, whatever it was.

    With `confirm` it is pending instead, except that a mailable permission of a `live` contact (not a deleted one)
    stays: nothing has proved yet that the person typed the address themselves.
    """
    if before.permission == EXPLICIT or (confirm and live and before.permission in MAILABLE):
        return before
    if confirm:
        return EmailConsent(
            permission=PENDING, opt_in_source=before.opt_in_source, opt_in_at=before.opt_in_at
        )
    return _explicit_by_person(now=now, confirmed_at=before.confirmed_at)


def confirmed(before: EmailConsent, *, now: datetime) -> EmailConsent:
    """Return the consent after the person confirmed by the link in a mail: explicit, whatever it was."""
    if before.permission == EXPLICIT:
        return msgspec.structs.replace(before, confirmed_at=before.confirmed_at or now)
    return _explicit_by_person(now=now, confirmed_at=now)


def _explicit_by_person(*, now: datetime, confirmed_at: datetime | None) -> EmailConsent:
    return EmailConsent(
        permission=EXPLICIT, opt_in_source=BY_CONTACT, opt_in_at=now, confirmed_at=confirmed_at
    )


def _opted_out(before: EmailConsent, source: str, reason: str | None, now: datetime) -> EmailConsent:
    if before.permission != UNSUBSCRIBED or (before.opt_out_source, source) == (BY_ACCOUNT, BY_CONTACT):
        return msgspec.structs.replace(
            before, permission=UNSUBSCRIBED, opt_out_source=source, opt_out_at=now, opt_out_reason=reason
        )
    # Unsubscribed already: the first opt-out stands, but the same party may add the reason.
    if reason is not None and source == before.opt_out_source:
        return msgspec.structs.replace(before, opt_out_reason=reason)
    return before


def _opted_in_again(before: EmailConsent, source: str, requested: str, now: datetime) -> EmailConsent:
    if before.opt_out_source == BY_CONTACT and source != BY_CONTACT:
        raise Invalid(ONLY_THE_CONTACT)
    if requested not in MAILABLE:
        return EmailConsent(
            permission=requested,
            opt_in_source=before.opt_in_source,
            opt_in_at=before.opt_in_at,
            confirmed_at=before.confirmed_at,
        )
    return EmailConsent(
        permission=EXPLICIT if source == BY_CONTACT else requested,
        opt_in_source=source,
        opt_in_at=now,
        confirmed_at=before.confirmed_at,
    )
