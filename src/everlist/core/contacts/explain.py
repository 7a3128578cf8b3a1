"""Explain the state of an address, and what makes it mailable or brings it back.

For a caller who learns that an address is taken which they do not see.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from everlist.core import consent
from everlist.core.consent import suppression
from everlist.core.contacts.columns import PROPERTIES
from everlist.core.contacts.history import Event, last_of
from everlist.core.contacts.identity import parse_email
from everlist.core.contacts.model import MAX_LISTS
from everlist.core.contacts.read import get
from everlist.errors import Invalid, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from everlist.core.contacts.model import Contact
    from everlist.core.installation import Installation
    from everlist.db import Queries

NEVER_SEEN, ACTIVE, PENDING, DELETED = "never_seen", "active", "pending", "deleted"
UNSUBSCRIBED, ERASED, TEMP_HOLD, NOT_SET = "unsubscribed", "erased", "temp_hold", "not_set"


class RemedyKind(StrEnum):
    """The operation that succeeds, as the address is now."""

    CREATE = "create"
    """The account creates the contact."""
    SIGN_UP = "sign_up"
    """The person signs up: only right if they ask for it."""
    UPDATE = "update"
    """The account updates the contact; with `permission`, only right if it has the person's permission."""
    RESUBSCRIBE = "resubscribe"
    """The account asks the person by mail to come back."""


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """An operation on an address that succeeds, and what to give it."""

    kind: RemedyKind
    address: str
    contact_id: UUID | None = None
    properties: dict[str, Any] = {}
    """The contact's own properties, which an update would clear if it left them out."""
    permission: str | None = None
    """The permission to ask for; None to leave it as it is."""
    list_ids: Sequence[UUID] = ()


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The state of an address."""

    state: str
    remedy: Remedy
    contact_id: UUID | None = None
    since: datetime | None = None
    by: Event | None = None
    """The entry of the ledger that led to this state."""
    reason: str | None = None


async def explain(db: Queries, account_id: UUID, email: str, *, installation: Installation) -> Explanation:
    """Return the state of an address in this account. Raises Invalid if it is not an address."""
    address = parse_email(email)
    if address is None:
        raise Invalid(Problem("email"))
    contact_id: UUID | None = await db.value(
        "select contact_id from contact where account_id = $1 and email_key = $2", account_id, address.key
    )
    if contact_id is not None:
        contact = await get(db, account_id, contact_id, include=frozenset({"list_ids"}))
        return await _of_contact(db, account_id, contact)
    hashed = installation.address_hmac(account_id, suppression.EMAIL, address.key)
    remembered = await suppression.find(db, account_id, suppression.EMAIL, hashed)
    if not remembered:
        remedy = Remedy(kind=RemedyKind.CREATE, address=address.address)
        return Explanation(state=NEVER_SEEN, remedy=remedy)
    remedy = Remedy(kind=RemedyKind.SIGN_UP, address=address.address)
    if remembered.erased_at is not None:
        return Explanation(
            state=ERASED, remedy=remedy, since=remembered.erased_at, reason=suppression.ERASURE
        )
    return Explanation(
        state=UNSUBSCRIBED,
        remedy=remedy,
        since=remembered.unsubscribed_at,
        reason=suppression.UNSUBSCRIBE,
    )


async def _of_contact(db: Queries, account_id: UUID, contact: Contact) -> Explanation:
    event = await last_of(db, account_id, contact.contact_id, deleted=contact.deleted_at is not None)
    permission = contact.permission or ""
    state = {consent.EXPLICIT: ACTIVE, consent.IMPLICIT: ACTIVE, consent.PENDING: PENDING}.get(
        permission, permission
    )
    since = contact.opt_out_at or (event.at if event else contact.created_at)
    remedy = _update(contact)
    reason = contact.opt_out_reason
    if contact.deleted_at is not None:
        state, since = DELETED, contact.deleted_at
        reason = f"it is deleted, and its permission is {permission}"
        lists_before = await _lists_before_deletion(db, account_id, contact.contact_id)
        remedy = _update(contact, list_ids=lists_before)
    elif state == UNSUBSCRIBED and contact.opt_out_source == consent.BY_CONTACT:
        remedy = await _ask_again(db, account_id, contact)
    elif state == PENDING:
        remedy = Remedy(kind=RemedyKind.SIGN_UP, address=contact.email or "")
    elif state != ACTIVE:
        remedy = _update(contact, permission=consent.IMPLICIT)
    return Explanation(
        state=state, remedy=remedy, contact_id=contact.contact_id, since=since, by=event, reason=reason
    )


def _update(contact: Contact, *, permission: str | None = None, list_ids: Sequence[UUID] = ()) -> Remedy:
    """Return an update that takes nothing away from the contact."""
    properties = {name: getattr(contact, name) for name, _ in PROPERTIES}
    return Remedy(
        kind=RemedyKind.UPDATE,
        address=contact.email or "",
        contact_id=contact.contact_id,
        properties={name: value for name, value in properties.items() if value is not None},
        permission=permission,
        list_ids=list_ids,
    )


async def _ask_again(db: Queries, account_id: UUID, contact: Contact) -> Remedy:
    """Return the resubscribe mail, which is sent once ever; after that only the person can act."""
    asked = await db.value(
        "select exists (select from resubscribe_request where account_id = $1 and contact_id = $2)",
        account_id,
        contact.contact_id,
    )
    return Remedy(
        kind=RemedyKind.SIGN_UP if asked or not contact.list_ids else RemedyKind.RESUBSCRIBE,
        address=contact.email or "",
        contact_id=contact.contact_id,
        list_ids=contact.list_ids or (),
    )


async def _lists_before_deletion(db: Queries, account_id: UUID, contact_id: UUID) -> list[UUID]:
    """Return the lists that the contact left when it was deleted, if they still exist."""
    rows = await db.rows(
        "select l.list_id from contact c join contact_list l on l.account_id = c.account_id"
        " and l.list_id = any(c.deleted_list_ids) where c.account_id = $1 and c.contact_id = $2"
        " and l.deleted_at is null order by l.list_id limit $3",
        account_id,
        contact_id,
        MAX_LISTS,
    )
    return [row["list_id"] for row in rows]
