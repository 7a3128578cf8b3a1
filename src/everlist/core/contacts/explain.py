"""What stands behind an address, and which call goes on from there.

For the caller who was told that an address exists which he does not see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from everlist.core import consent
from everlist.core.consent import suppression
from everlist.core.contacts.history import Event, last_of
from everlist.core.contacts.identity import parse_email
from everlist.core.contacts.model import MAX_LISTS
from everlist.core.contacts.read import get
from everlist.errors import Invalid

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from everlist.core.contacts.model import Contact
    from everlist.core.installation import Installation
    from everlist.db import Queries

NEVER_SEEN, ACTIVE, PENDING, DELETED = "never_seen", "active", "pending", "deleted"
UNSUBSCRIBED, ERASED, TEMP_HOLD, NOT_SET = "unsubscribed", "erased", "temp_hold", "not_set"

_OF_THE_PERSON = "the person asks for it: this is their act"
_WITH_PERMISSION = "you have the person's permission"


class NextCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call that succeeds, as the address is now."""

    method: str
    path: str
    body: dict[str, Any]
    only_if: str | None = None
    """What must be true for the call to be right, beside that it succeeds."""


class Explanation(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of an address."""

    state: str
    next_call: NextCall
    contact_id: UUID | None = None
    since: datetime | None = None
    by: Event | None = None
    """The entry of the ledger that made it so."""
    reason: str | None = None


async def explain(db: Queries, account_id: UUID, email: str, *, installation: Installation) -> Explanation:
    """The state of an address in this account. Raises Invalid where it is not an address."""
    address = parse_email(email)
    if address is None:
        message = "Email address is invalid"
        raise Invalid(message)
    contact_id: UUID | None = await db.value(
        "select contact_id from contact where account_id = $1 and email_key = $2", account_id, address.key
    )
    if contact_id is not None:
        contact = await get(db, account_id, contact_id, include=frozenset({"list_memberships"}))
        return await _of_contact(db, account_id, contact)
    hashed = installation.address_hmac(account_id, suppression.EMAIL, address.key)
    remembered = await suppression.find(db, account_id, suppression.EMAIL, hashed)
    if not remembered:
        body = {"create_source": "Account", "email_address": {"address": address.address}}
        return Explanation(NEVER_SEEN, NextCall("POST", "/v3/contacts", body))
    by_the_person = _sign_up(address.address)
    if remembered.erased_at is not None:
        return Explanation(ERASED, by_the_person, since=remembered.erased_at, reason=suppression.ERASURE)
    return Explanation(
        UNSUBSCRIBED, by_the_person, since=remembered.unsubscribed_at, reason=suppression.UNSUBSCRIBE
    )


async def _of_contact(db: Queries, account_id: UUID, contact: Contact) -> Explanation:
    deleted = contact.deleted_at is not None
    event = await last_of(db, account_id, contact.contact_id, deleted=deleted)
    permission = contact.permission or ""
    state = {consent.EXPLICIT: ACTIVE, consent.IMPLICIT: ACTIVE, consent.PENDING: PENDING}.get(
        permission, permission
    )
    since = contact.opt_out_at or (event.at if event else contact.created_at)
    next_call = _update(contact)
    reason = contact.opt_out_reason
    if contact.deleted_at is not None:
        state, since = DELETED, contact.deleted_at
        reason = f"it is deleted, and its permission is {permission}"
        next_call = _update(
            contact, list_ids=await _lists_before_deletion(db, account_id, contact.contact_id)
        )
    elif state == UNSUBSCRIBED and contact.opt_out_source == consent.BY_CONTACT:
        next_call = await _ask_again(db, account_id, contact)
    elif state == PENDING:
        next_call = _sign_up(contact.email or "")
    elif state != ACTIVE:
        next_call = _update(contact, permission=consent.IMPLICIT)
    return Explanation(state, next_call, contact.contact_id, since, event, reason)


def _sign_up(address: str) -> NextCall:
    body = {"email_address": address, "source": "Contact"}
    return NextCall("POST", "/v3/contacts/sign_up_form", body, _OF_THE_PERSON)


def _update(
    contact: Contact, *, permission: str | None = None, list_ids: list[str] | None = None
) -> NextCall:
    """A PUT that takes nothing away: what it leaves out of the core properties, it would clear."""
    email = {"address": contact.email} | ({"permission_to_send": permission} if permission else {})
    core = {name: getattr(contact, name) for name in _CORE if getattr(contact, name) is not None}
    body = {"update_source": "Account", "email_address": email, **core}
    if list_ids:
        body["list_memberships"] = list_ids
    path = f"/v3/contacts/{contact.contact_id}"
    return NextCall("PUT", path, body, _WITH_PERMISSION if permission else None)


_CORE = (
    *(
        "first_name",
        "last_name",
        "job_title",
        "company_name",
        "birthday_month",
        "birthday_day",
        "anniversary",
    ),
)


async def _ask_again(db: Queries, account_id: UUID, contact: Contact) -> NextCall:
    """The one mail that asks the person; after that, only the person acts."""
    asked = await db.value(
        "select exists (select from resubscribe_request where account_id = $1 and contact_id = $2)",
        account_id,
        contact.contact_id,
    )
    list_ids = [str(one) for one in contact.list_ids or ()]
    if asked or not list_ids:
        return _sign_up(contact.email or "")
    return NextCall("PUT", f"/v3/contacts/resubscribe/{contact.contact_id}", {"list_ids": list_ids})


async def _lists_before_deletion(db: Queries, account_id: UUID, contact_id: UUID) -> list[str]:
    """Those of the lists it was on that are still there."""
    rows = await db.rows(
        "select l.list_id from contact c join contact_list l on l.account_id = c.account_id"
        " and l.list_id = any(c.deleted_list_ids) where c.account_id = $1 and c.contact_id = $2"
        " and l.deleted_at is null order by l.list_id limit $3",
        account_id,
        contact_id,
        MAX_LISTS,
    )
    return [str(row["list_id"]) for row in rows]
