"""Questions to a person by mail: did you sign up, do you want to come back?

A sign-up in an account with confirmed opt-in, and every resubscribe request, asks the person in one mail. The link in
it opens a page; only the button there answers, once, within LASTS. Every question is written under the lock of its
contact. The operations that ask and answer are in subscribe.py and write.py; here are the rows and the limits.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core import accounts, consent, links, lists, outbox
from everlist.core.consent import suppression
from everlist.core.contacts import read
from everlist.core.ids import new_id
from everlist.errors import NotFound, TooMany

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everlist.core.act import Act
    from everlist.core.contacts.drafts import ParsedDraft
    from everlist.core.contacts.model import Contact
    from everlist.core.installation import Installation
    from everlist.db import Queries, Row, Transaction

LASTS = timedelta(days=7)
"""How long the link in a mail can be answered."""
QUIET = timedelta(days=30)
"""How long no question is sent to an address whose person said that they had not signed up."""
SIGN_UP, RESUBSCRIBE = "sign_up", "resubscribe"
OPEN, CONFIRMED, ENDED = "open", "confirmed", "ended"


class Limits(msgspec.Struct, frozen=True):
    """Limits that keep a sign-up form from flooding a person with mail."""

    source: str
    """Where this sign-up comes from: any text that is the same for the same source."""
    per_source: int
    """Sign-ups of one source within an hour."""
    per_address: int
    """Mails to one address within 24 hours."""


class Question(msgspec.Struct, frozen=True):
    """A question as the page shows it."""

    account_id: UUID
    contact_id: UUID
    confirmation_id: UUID
    kind: str
    state: str
    """OPEN, CONFIRMED, or ENDED: expired, replaced by a newer one, or refused."""
    list_ids: Sequence[UUID]
    address_hmac: bytes
    asked_at: datetime


async def must_confirm(tx: Transaction, account_id: UUID, parsed: ParsedDraft, source: str) -> bool:
    """Return True if the person signs up with an address in an account with confirmed opt-in."""
    if parsed.email is None or source != consent.BY_CONTACT:
        return False
    return (await accounts.settings(tx, account_id)).confirmed_opt_in


async def ask_to_confirm(
    tx: Transaction,
    account_id: UUID,
    contact: Contact,
    limits: Limits,
    *,
    act: Act,
    installation: Installation,
) -> None:
    """Ask a contact that is pending or implicit to confirm the sign-up, within the limits. Raises TooMany."""
    if contact.permission not in (consent.PENDING, consent.IMPLICIT) or contact.email_key is None:
        return
    await _count_source(tx, account_id, limits, act, installation)
    row = await tx.row(
        "select count(*) filter (where asked_at > $3) as asked, coalesce(bool_or(refused_at > $4), false) as refused"
        " from confirmation where account_id = $1 and address_hmac = $2",
        account_id,
        installation.address_hmac(account_id, suppression.EMAIL, contact.email_key),
        act.now - timedelta(days=1),
        act.now - QUIET,
    )
    if row is None or row["refused"] or row["asked"] >= limits.per_address:
        return
    await ask(tx, account_id, contact, SIGN_UP, [], act=act, installation=installation)


async def _count_source(
    tx: Transaction, account_id: UUID, limits: Limits, act: Act, installation: Installation
) -> None:
    hour = act.now.replace(minute=0, second=0, microsecond=0)
    message = b"\x00".join((b"everlist source 1", account_id.bytes, limits.source.encode()))
    count = await tx.value(
        "insert into sign_up_count (account_id, source_hmac, hour, sign_ups) values ($1, $2, $3, 1)"
        " on conflict (account_id, source_hmac, hour) do update set sign_ups = sign_up_count.sign_ups + 1"
        " returning sign_ups",
        account_id,
        hmac.digest(installation.secret_key, message, hashlib.sha256),
        hour,
    )
    if count > limits.per_source:
        text = f"Too many requests: {limits.per_source} sign-ups an hour from one source"
        raise TooMany(text, seconds=3600 - int((act.now - hour).total_seconds()))


async def ask(
    tx: Transaction,
    account_id: UUID,
    contact: Contact,
    kind: str,
    list_ids: Sequence[UUID],
    *,
    act: Act,
    installation: Installation,
) -> None:
    """Queue the mail with a question; an open question of the same kind ends."""
    if contact.email_key is None:
        return
    await tx.execute(
        "update confirmation set replaced_at = $4 where account_id = $1 and contact_id = $2 and kind = $3"
        " and replaced_at is null and confirmed_at is null and refused_at is null",
        account_id,
        contact.contact_id,
        kind,
        act.now,
    )
    confirmation_id = new_id()
    token, token_hash = links.new_token(account_id)
    sender = (await accounts.settings(tx, account_id)).sender_email
    domain = sender.rpartition("@")[2] if sender else "localhost"
    await tx.execute(
        """
        insert into confirmation (account_id, contact_id, confirmation_id, kind, token_hash, address_hmac, list_ids,
            asked_at, expires_at, operation, request_id, token_id, message_id)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        """,
        account_id,
        contact.contact_id,
        confirmation_id,
        kind,
        token_hash,
        installation.address_hmac(account_id, suppression.EMAIL, contact.email_key),
        list_ids,
        act.now,
        act.now + LASTS,
        act.operation,
        act.request_id,
        act.token_id,
        f"<{confirmation_id}@{domain}>",
    )
    await outbox.queue(
        tx,
        account_id,
        contact.contact_id,
        confirmation_id,
        address=contact.email_key,
        link_token=token,
        now=act.now,
    )


async def contact_asked(db: Queries, account_id: UUID, token_hash: bytes) -> UUID:
    """Return the id of the contact that was sent the link. Raises NotFound."""
    contact_id: UUID | None = await db.value(
        "select contact_id from confirmation where account_id = $1 and token_hash = $2",
        account_id,
        token_hash,
    )
    if contact_id is None:
        raise NotFound("no question has this link")
    return contact_id


async def find(db: Queries, account_id: UUID, token_hash: bytes, *, now: datetime) -> Question:
    """Return the question that a link asks. Raises NotFound."""
    row = await db.row(
        "select * from confirmation where account_id = $1 and token_hash = $2", account_id, token_hash
    )
    if row is None:
        raise NotFound("no question has this link")
    return _question(row, now)


def _question(row: Row, now: datetime) -> Question:
    state = OPEN
    if row["confirmed_at"] is not None:
        state = CONFIRMED
    elif row["replaced_at"] is not None or row["refused_at"] is not None or row["expires_at"] <= now:
        state = ENDED
    return Question(
        account_id=row["account_id"],
        contact_id=row["contact_id"],
        confirmation_id=row["confirmation_id"],
        kind=row["kind"],
        state=state,
        list_ids=row["list_ids"],
        address_hmac=row["address_hmac"],
        asked_at=row["asked_at"],
    )


async def set_confirmed(tx: Transaction, account_id: UUID, question: Question, act: Act) -> None:
    """Record that the person said yes."""
    await tx.execute(
        "update confirmation set confirmed_at = $4, answer_request_id = $5"
        " where account_id = $1 and contact_id = $2 and confirmation_id = $3",
        account_id,
        question.contact_id,
        question.confirmation_id,
        act.now,
        act.request_id,
    )


async def set_refused(tx: Transaction, account_id: UUID, question: Question, act: Act) -> None:
    """Record that the person said no."""
    await tx.execute(
        "update confirmation set refused_at = $4, answer_request_id = $5"
        " where account_id = $1 and contact_id = $2 and confirmation_id = $3",
        account_id,
        question.contact_id,
        question.confirmation_id,
        act.now,
        act.request_id,
    )


async def end(tx: Transaction, account_id: UUID, contact_id: UUID, act: Act) -> None:
    """End the open questions of the contact."""
    await tx.execute(
        "update confirmation set replaced_at = $3 where account_id = $1 and contact_id = $2"
        " and replaced_at is null and confirmed_at is null and refused_at is null",
        account_id,
        contact_id,
        act.now,
    )


class Shown(msgspec.Struct, frozen=True):
    """What a page shows of a contact: no name and no address, because a link may be forwarded."""

    account_name: str
    subscribed: bool
    lists: list[lists.ContactList]
    """The lists that the contact is on, by name."""


async def shown(
    db: Queries, account_id: UUID, contact_id: UUID, list_ids: Sequence[UUID] | None = None
) -> Shown:
    """Return what a page shows; `list_ids`, if any, replace the lists that the contact is on.

    Raises NotFound if the contact was erased.
    """
    contact = await read.get(db, account_id, contact_id, include=frozenset({"list_ids"}))
    account = await accounts.settings(db, account_id)
    found = await lists.named(db, account_id, list_ids or contact.list_ids or ())
    subscribed = contact.permission not in (None, consent.UNSUBSCRIBED) or bool(found)
    return Shown(account_name=account.name, subscribed=subscribed, lists=found)


async def sweep(db: Queries, account_id: UUID, *, now: datetime) -> None:
    """Delete unanswered questions that ended a month ago, and the sign-up counts of past hours."""
    await db.value(
        "delete from confirmation where account_id = $1 and confirmed_at is null and refused_at is null"
        " and expires_at < $2 returning null",
        account_id,
        now - QUIET,
    )
    await db.value(
        "delete from sign_up_count where account_id = $1 and hour < $2 returning null",
        account_id,
        now - timedelta(days=1),
    )
