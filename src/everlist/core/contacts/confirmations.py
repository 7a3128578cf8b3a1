"""Questions that are put to a person by mail: did you sign up, do you want to come back?

A sign-up of an account with confirmed opt-in, and every resubscribe request, asks the person by one mail.
The link in it opens a page; only the button there answers, once, within LASTS. All of a contact's questions
are written under the lock of the contact.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core import accounts, consent, contacts, links, lists, outbox
from everlist.core.consent import suppression
from everlist.core.ids import new_id
from everlist.errors import NotFound, TooMany

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everlist.core.act import Act
    from everlist.core.contacts import Contact, ContactDraft
    from everlist.core.installation import Installation
    from everlist.db import Queries, Row, Transaction

LASTS = timedelta(days=7)
"""How long the link in a mail answers."""
QUIET = timedelta(days=30)
"""How long an address is left alone after its person said that they had not signed up."""
SIGN_UP, RESUBSCRIBE = "sign_up", "resubscribe"
OPEN, CONFIRMED, ENDED = "open", "confirmed", "ended"
REFUSED = "did not sign up"
"""The reason of the opt-out of a person who says so."""


class Limits(msgspec.Struct, frozen=True):
    """What keeps the sign-up form from flooding somebody with mail."""

    source: str
    """Where this sign-up comes from, as a text that is the same for the same source."""
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


async def create(
    tx: Transaction,
    account_id: UUID,
    draft: ContactDraft,
    *,
    source: str,
    limits: Limits,
    act: Act,
    installation: Installation,
) -> Contact:
    """contacts.create; a person of an account with confirmed opt-in is asked. Raises TooMany beside its errors."""
    confirm = await _confirms(tx, account_id, draft, source)
    contact = await contacts.create(
        tx, account_id, draft, source=source, confirm=confirm, act=act, installation=installation
    )
    if confirm:
        await _ask_who_signed_up(tx, account_id, contact, limits, act=act, installation=installation)
    return contact


async def sign_up(
    tx: Transaction,
    account_id: UUID,
    draft: ContactDraft,
    *,
    source: str,
    limits: Limits,
    act: Act,
    installation: Installation,
) -> tuple[Contact, bool]:
    """contacts.sign_up, with the same addition."""
    confirm = await _confirms(tx, account_id, draft, source)
    contact, created = await contacts.sign_up(
        tx, account_id, draft, source=source, confirm=confirm, act=act, installation=installation
    )
    if confirm:
        await _ask_who_signed_up(tx, account_id, contact, limits, act=act, installation=installation)
    return contact, created


async def request_resubscribe(
    tx: Transaction,
    account_id: UUID,
    contact_id: UUID,
    list_ids: Sequence[UUID],
    *,
    act: Act,
    installation: Installation,
) -> None:
    """Send the one resubscribe mail of this contact; nothing else changes until the person confirms.

    Raises NotFound, Invalid (not unsubscribed, unknown list) and Conflict (asked before).
    """
    await contacts.request_resubscribe(tx, account_id, contact_id, list_ids, act=act)
    contact = await contacts.locked(tx, account_id, contact_id)
    await _ask(
        tx,
        account_id,
        contact,
        RESUBSCRIBE,
        list(dict.fromkeys(list_ids)),
        act=act,
        installation=installation,
    )


async def _confirms(tx: Transaction, account_id: UUID, draft: ContactDraft, source: str) -> bool:
    """Whether the person is to be asked by mail."""
    if draft.email is None or source != consent.BY_CONTACT:
        return False
    return (await accounts.settings(tx, account_id)).confirmed_opt_in


async def _ask_who_signed_up(
    tx: Transaction,
    account_id: UUID,
    contact: Contact,
    limits: Limits,
    *,
    act: Act,
    installation: Installation,
) -> None:
    """Ask a contact that waits for its confirmation, or is implicit, within the limits. Raises TooMany."""
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
    await _ask(tx, account_id, contact, SIGN_UP, [], act=act, installation=installation)


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


async def _ask(
    tx: Transaction,
    account_id: UUID,
    contact: Contact,
    kind: str,
    list_ids: Sequence[UUID],
    *,
    act: Act,
    installation: Installation,
) -> None:
    """Put the question, in place of an open one of its kind."""
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


async def find(db: Queries, account_id: UUID, token_hash: bytes, *, now: datetime) -> Question:
    """The question that a link asks. Raises NotFound."""
    row = await db.row(
        "select * from confirmation where account_id = $1 and token_hash = $2", account_id, token_hash
    )
    if row is None:
        message = "no question has this link"
        raise NotFound(message)
    return _question(row, now)


def _question(row: Row, now: datetime) -> Question:
    state = OPEN
    if row["confirmed_at"] is not None:
        state = CONFIRMED
    elif row["replaced_at"] is not None or row["refused_at"] is not None or row["expires_at"] <= now:
        state = ENDED
    return Question(
        row["account_id"],
        row["contact_id"],
        row["confirmation_id"],
        row["kind"],
        state,
        row["list_ids"],
        row["address_hmac"],
        row["asked_at"],
    )


async def confirm(
    tx: Transaction, account_id: UUID, token_hash: bytes, *, act: Act, installation: Installation
) -> tuple[Question, bool]:
    """The person says yes: the question as it is then, CONFIRMED if it was open, and whether this was the answer.

    ENDED where it is not valid any more, or its contact has another address, was deleted or opted out since.
    Raises NotFound, also where the contact was erased.
    """
    asked = await _locked(tx, account_id, token_hash, act)
    if asked.state != OPEN:
        return asked, False
    contact = await contacts.confirm(
        tx,
        account_id,
        asked.contact_id,
        asked.list_ids,
        address_hmac=asked.address_hmac,
        asked_at=asked.asked_at,
        act=act,
        installation=installation,
    )
    if contact is None:
        await _end(tx, account_id, asked.contact_id, act)
        return msgspec.structs.replace(asked, state=ENDED), False
    await tx.execute(
        "update confirmation set confirmed_at = $4, answer_request_id = $5"
        " where account_id = $1 and contact_id = $2 and confirmation_id = $3",
        account_id,
        asked.contact_id,
        asked.confirmation_id,
        act.now,
        act.request_id,
    )
    return msgspec.structs.replace(asked, state=CONFIRMED), True


async def refuse(
    tx: Transaction, account_id: UUID, token_hash: bytes, *, act: Act, installation: Installation
) -> tuple[Question, bool]:
    """The person says no: who did not sign up is opted out, and the address is left alone for QUIET.

    Whoever does not want to come back stays as they are. Only an open question can be refused; any other is
    told as it is. Gives what confirm gives.
    """
    asked = await _locked(tx, account_id, token_hash, act)
    if asked.state != OPEN:
        return asked, False
    contact = await contacts.locked(tx, account_id, asked.contact_id)
    if (
        asked.kind == SIGN_UP
        and contact.email_key is not None
        and installation.address_hmac(account_id, suppression.EMAIL, contact.email_key) == asked.address_hmac
    ):
        await contacts.unsubscribe(tx, account_id, asked.contact_id, reason=REFUSED, act=act)
    await tx.execute(
        "update confirmation set refused_at = $4, answer_request_id = $5"
        " where account_id = $1 and contact_id = $2 and confirmation_id = $3",
        account_id,
        asked.contact_id,
        asked.confirmation_id,
        act.now,
        act.request_id,
    )
    await _end(tx, account_id, asked.contact_id, act)
    return msgspec.structs.replace(asked, state=ENDED), True


async def unsubscribe(tx: Transaction, account_id: UUID, contact_id: UUID, *, act: Act) -> None:
    """contacts.unsubscribe by the person's link; open questions end with it. Raises NotFound."""
    await _have_patience(tx)
    await contacts.unsubscribe(tx, account_id, contact_id, act=act)
    await _end(tx, account_id, contact_id, act)


async def leave_lists(
    tx: Transaction, account_id: UUID, contact_id: UUID, list_ids: Sequence[UUID], *, act: Act
) -> None:
    """contacts.leave_lists by the person's link. Raises NotFound."""
    await _have_patience(tx)
    await contacts.leave_lists(tx, account_id, contact_id, list_ids, act=act)


async def _have_patience(tx: Transaction) -> None:
    """A bulk activity may hold the contact for a minute, and a mail program does not ask again."""
    await tx.execute("set local statement_timeout = 0")


async def _locked(tx: Transaction, account_id: UUID, token_hash: bytes, act: Act) -> Question:
    """The question, with the lock of its contact held. Raises NotFound."""
    asked = await find(tx, account_id, token_hash, now=act.now)
    await contacts.locked(tx, account_id, asked.contact_id)
    return await find(tx, account_id, token_hash, now=act.now)


async def _end(tx: Transaction, account_id: UUID, contact_id: UUID, act: Act) -> None:
    """End the open questions of the contact."""
    await tx.execute(
        "update confirmation set replaced_at = $3 where account_id = $1 and contact_id = $2"
        " and replaced_at is null and confirmed_at is null and refused_at is null",
        account_id,
        contact_id,
        act.now,
    )


class Shown(msgspec.Struct, frozen=True):
    """What a page shows of a contact: no name and no address, since a link may be forwarded."""

    account_name: str
    subscribed: bool
    lists: list[lists.ContactList]
    """Those that the contact is on, by name."""


async def shown(
    db: Queries, account_id: UUID, contact_id: UUID, list_ids: Sequence[UUID] | None = None
) -> Shown:
    """What a page shows; `list_ids`, if there are any, in place of the lists that the contact is on.

    Raises NotFound where the contact was erased.
    """
    contact = await contacts.get(db, account_id, contact_id, include=frozenset(("list_memberships",)))
    account = await accounts.settings(db, account_id)
    found = await lists.named(db, account_id, list_ids or contact.list_ids or ())
    subscribed = contact.permission not in (None, consent.UNSUBSCRIBED) or bool(found)
    return Shown(account.name, subscribed, found)


async def sweep(db: Queries, account_id: UUID, *, now: datetime) -> None:
    """Forget unanswered questions that ended a month ago, and the counts of past hours."""
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
