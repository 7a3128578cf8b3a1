"""The consent ledger: which events a change of a contact writes. The rows are never changed (decision 8)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everlist.core.act import Act
    from everlist.core.contacts.model import Contact
    from everlist.db import Transaction


class Event(NamedTuple):
    """One row of consent_event, without what all rows of an act share."""

    contact_id: UUID
    channel: str
    action: str
    permission_before: str | None
    permission_after: str | None
    opted_out_by: str | None
    """Who had opted out before: Contact or Account."""
    source: str
    reason: str | None = None
    details: dict[str, Any] | None = None


def events(
    before: Contact | None, after: Contact, *, source: str, sms_details: dict[str, Any] | None = None
) -> list[Event]:
    """Return the events of a change: one if the e-mail permission moved, one if the SMS permission did.

    `before` is None for a new contact. An address that changes hands, a deletion and a return are events too,
    since each changes who may be written to.
    """
    found: list[Event] = []
    if _email(before) != _email(after) and not (before is None and after.permission is None):
        found.append(
            Event(
                after.contact_id,
                "email",
                _action(before, after),
                before.permission if before else None,
                after.permission,
                before.opt_out_source if before else None,
                source,
                after.opt_out_reason,
            )
        )
    number_before, permission_before, opted_out_by = _sms(before)
    if (number_before, permission_before, opted_out_by) != _sms(after):
        found.append(
            Event(
                after.contact_id,
                "sms",
                "created" if number_before is None else "changed",
                permission_before,
                _sms(after)[1],
                opted_out_by,
                source,
                None,
                sms_details,
            )
        )
    return found


def _email(contact: Contact | None) -> tuple[object, ...]:
    if contact is None:
        return ()
    return contact.permission, contact.deleted_at is None, contact.email_key, contact.opt_out_source


def _sms(contact: Contact | None) -> tuple[str | None, str | None, str | None]:
    """Return the number, its permission and who opted out; all None without a number."""
    if contact is None or contact.sms_channel is None:
        return None, None, None
    consent = contact.sms_channel.sms_channel_consents[0]
    return contact.sms_channel.key, consent.sms_consent_permission, consent.opt_out_source


def _action(before: Contact | None, after: Contact) -> str:
    if before is None:
        return "created"
    if (before.deleted_at is None) != (after.deleted_at is None):
        return "restored" if after.deleted_at is None else "deleted"
    return "changed" if before.email_key == after.email_key else "readdressed"


_APPEND = """
insert into consent_event (account_id, contact_id, at, channel, action, permission_before, permission_after,
    opted_out_by, source, reason, details, operation, request_id, token_id, activity_id)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""


async def append(tx: Transaction, account_id: UUID, found: Sequence[Event], act: Act) -> None:
    """Write events of `act` to the ledger."""
    rows = [_row(account_id, event, act) for event in found]
    if len(rows) == 1:
        await tx.execute(_APPEND, *rows[0])
    elif rows:
        await tx.execute_many(_APPEND, rows)


def _row(account_id: UUID, event: Event, act: Act) -> tuple[UUID | datetime | str | None, ...]:
    return (
        account_id,
        event.contact_id,
        act.now,
        event.channel,
        event.action,
        event.permission_before,
        event.permission_after,
        event.opted_out_by,
        event.source,
        event.reason,
        None if event.details is None else msgspec.json.encode(event.details).decode(),
        act.operation,
        act.request_id,
        act.token_id,
        act.activity_id,
    )
