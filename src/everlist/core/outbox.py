"""The outbox: a request queues mail in its own transaction, and a worker sends it at most once.

A worker claims a mail by moving its due time on by a lease, so the mail of a killed worker becomes due again. Right
before the worker sends the text, it marks the mail `sending`. If it dies after that, or the connection breaks before
the server's answer, the server may or may not have accepted the mail: the worker gives it up, because sending it
twice is worse. A failure before the mark, or a temporary refusal by the server after it, is retried.

A mail that the server accepted is deleted. A mail that is given up loses its address and its token.

Lock order: mail_due, then mail, then confirmation. An erasure follows it too; another order would deadlock.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core.ids import new_id

if TYPE_CHECKING:
    from everlist.db import Queries, Transaction

MAIL_CHANNEL = "everlist_mail"
LEASE = timedelta(minutes=5)
FIRST_RETRY = timedelta(seconds=30)
LAST_RETRY = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=2)
DEAD_KEPT = timedelta(days=30)
"""How long a mail is counted after it was given up."""

UNKNOWN = "unknown"
"""The last error of a mail that the server may or may not have accepted."""


class Claimed(msgspec.Struct, frozen=True):
    """A mail that a worker has claimed; `claim_id` proves that the claim still holds."""

    account_id: UUID
    mail_id: UUID
    claim_id: UUID


class Mail(msgspec.Struct, frozen=True):
    """Everything needed to compose and send a mail."""

    account_id: UUID
    mail_id: UUID
    contact_id: UUID
    confirmation_id: UUID
    kind: str
    """The kind of the confirmation."""
    address: str
    address_hmac: bytes
    """Keyed as in suppression."""
    link_token: str
    message_id: str
    queued_at: datetime
    attempts: int
    expires_at: datetime
    list_names: list[str]


async def queue(
    tx: Transaction,
    account_id: UUID,
    contact_id: UUID,
    confirmation_id: UUID,
    *,
    address: str,
    link_token: str,
    now: datetime,
) -> None:
    """Queue the mail that asks for a confirmation; it is sent if the transaction commits."""
    mail_id = new_id()
    await tx.execute(
        "insert into mail (account_id, mail_id, contact_id, confirmation_id, state, address, link_token, queued_at)"
        " values ($1, $2, $3, $4, 'waiting', $5, $6, $7)",
        account_id,
        mail_id,
        contact_id,
        confirmation_id,
        address,
        link_token,
        now,
    )
    await tx.execute(
        "insert into mail_due (account_id, mail_id, due_at) values ($1, $2, $3)", account_id, mail_id, now
    )
    await tx.execute("select pg_notify($1, '')", MAIL_CHANNEL)


async def claim(tx: Transaction, *, now: datetime) -> Claimed | None:
    """Claim the mail that has been due longest; return None if none is due."""
    claim_id = new_id()
    row = await tx.row(
        """
        update mail_due set due_at = $2, claimed_by = $3
        where (account_id, mail_id) = (
            select account_id, mail_id from mail_due where due_at <= $1 order by due_at limit 1 for update skip locked
        )
        returning account_id, mail_id
        """,
        now,
        now + LEASE,
        claim_id,
    )
    return Claimed(account_id=row["account_id"], mail_id=row["mail_id"], claim_id=claim_id) if row else None


async def take(tx: Transaction, claimed: Claimed, *, now: datetime) -> Mail | None:
    """Return the claimed mail; if it must not be sent any more, settle it and return None.

    A mail is not sent if its question was answered or replaced, if the contact's address has changed, or if a worker
    died while sending it.
    """
    row = await tx.row(
        """
        select m.*, c.kind, c.address_hmac, c.message_id, c.expires_at,
            c.replaced_at is null and c.confirmed_at is null and c.refused_at is null and c.expires_at > $3
                and exists (select from contact k where k.account_id = $1 and k.contact_id = m.contact_id
                    and k.email_key = m.address) as open,
            array(
                select l.name from contact_list l
                where l.account_id = $1 and l.deleted_at is null and (l.list_id = any(c.list_ids)
                    or c.kind = 'sign_up' and l.list_id in (
                        select s.list_id from list_membership s
                        where s.account_id = $1 and s.contact_id = m.contact_id))
                order by l.name
            ) as list_names
        from mail m join confirmation c on c.account_id = m.account_id and c.contact_id = m.contact_id
            and c.confirmation_id = m.confirmation_id
        where m.account_id = $1 and m.mail_id = $2 and m.state <> 'dead'
        """,
        claimed.account_id,
        claimed.mail_id,
        now,
    )
    if row is None or not row["open"]:
        await _delete(tx, claimed.account_id, claimed.mail_id)
        return None
    if row["state"] == "sending":
        await give_up(tx, claimed, UNKNOWN)
        return None
    return Mail(
        account_id=row["account_id"],
        mail_id=row["mail_id"],
        contact_id=row["contact_id"],
        confirmation_id=row["confirmation_id"],
        kind=row["kind"],
        address=row["address"],
        address_hmac=row["address_hmac"],
        link_token=row["link_token"],
        message_id=row["message_id"],
        queued_at=row["queued_at"],
        attempts=row["attempts"],
        expires_at=row["expires_at"],
        list_names=row["list_names"],
    )


async def mark_sending(tx: Transaction, claimed: Claimed) -> bool:
    """Mark that the text is about to be sent; return False if another worker has the claim, or the mail is deleted."""
    marked = await tx.value(
        """
        update mail m set state = 'sending' from mail_due d
        where m.account_id = $1 and m.mail_id = $2 and m.state = 'waiting'
            and d.account_id = m.account_id and d.mail_id = m.mail_id and d.claimed_by = $3
        returning true
        """,
        claimed.account_id,
        claimed.mail_id,
        claimed.claim_id,
    )
    return marked is True


def file_name(mail: Mail) -> str:
    """The name of a mail that is kept as a file: whose it is, and a keyed hash of the address that it is to."""
    return f"{mail.contact_id}.{mail.mail_id}.{mail.address_hmac.hex()}.eml"


def named(file: str) -> set[str]:
    """The ids and the hash, in hexadecimal, in the name of a file, finished or not."""
    return set(file.removeprefix(".").removesuffix(".eml").split("."))


async def hold(tx: Transaction, claimed: Claimed) -> bool:
    """Lock the mail against an erasure; return False if the mail is erased, or another worker has the claim."""
    due = await tx.value(
        "select true from mail_due where account_id = $1 and mail_id = $2 and claimed_by = $3 for update",
        claimed.account_id,
        claimed.mail_id,
        claimed.claim_id,
    )
    held = due and await tx.value(
        "select true from mail where account_id = $1 and mail_id = $2 and state = 'sending' for update",
        claimed.account_id,
        claimed.mail_id,
    )
    return held is True


async def sent(tx: Transaction, mail: Mail, *, now: datetime) -> None:
    """Record that the server accepted the mail, and delete it."""
    await _delete(tx, mail.account_id, mail.mail_id)
    await tx.execute(
        "update confirmation set sent_at = $4 where account_id = $1 and contact_id = $2 and confirmation_id = $3",
        mail.account_id,
        mail.contact_id,
        mail.confirmation_id,
        now,
    )


async def try_later(tx: Transaction, claimed: Claimed, mail: Mail, error: str, *, now: datetime) -> bool:
    """Schedule another attempt, after twice the delay each time; return False if the mail is given up instead.

    `error` is the type of the error or the server's code.
    """
    if now - mail.queued_at >= GIVEN_UP_AFTER:
        await give_up(tx, claimed, error)
        return False
    delay = min(FIRST_RETRY * 2 ** min(mail.attempts, 10), LAST_RETRY)
    await tx.execute(
        "update mail set state = 'waiting', attempts = attempts + 1, last_error = $3"
        " where account_id = $1 and mail_id = $2 and state <> 'dead'",
        mail.account_id,
        mail.mail_id,
        error,
    )
    await tx.execute(
        "update mail_due set due_at = $4, claimed_by = null"
        " where account_id = $1 and mail_id = $2 and claimed_by = $3",
        mail.account_id,
        mail.mail_id,
        claimed.claim_id,
        now + delay,
    )
    return True


async def give_up(tx: Transaction, claimed: Claimed, error: str) -> None:
    """Give the mail up: keep its row for the count, without its address and its token.

    If the server certainly did not accept a resubscribe mail, allow another request for it.
    """
    row = await tx.row(
        "update mail set state = 'dead', address = null, link_token = null, last_error = $3"
        " where account_id = $1 and mail_id = $2 returning contact_id, confirmation_id",
        claimed.account_id,
        claimed.mail_id,
        error,
    )
    await tx.execute(
        "delete from mail_due where account_id = $1 and mail_id = $2", claimed.account_id, claimed.mail_id
    )
    if row is not None and error != UNKNOWN:
        await tx.execute(
            """
            delete from resubscribe_request r using confirmation c
            where r.account_id = $1 and r.contact_id = $2 and c.account_id = r.account_id
                and c.contact_id = r.contact_id and c.confirmation_id = $3 and c.kind = 'resubscribe'
            """,
            claimed.account_id,
            row["contact_id"],
            row["confirmation_id"],
        )


async def _delete(tx: Transaction, account_id: UUID, mail_id: UUID) -> None:
    await tx.execute("delete from mail_due where account_id = $1 and mail_id = $2", account_id, mail_id)
    await tx.execute("delete from mail where account_id = $1 and mail_id = $2", account_id, mail_id)


async def count_waiting(db: Queries) -> int:
    """Return how many mails wait to be sent, over all accounts."""
    return await db.value("select count(*) from mail_due")


async def count_dead(db: Queries, account_id: UUID) -> int:
    """Return how many mails of the account were given up within the last DEAD_KEPT."""
    return await db.value("select count(*) from mail where account_id = $1 and state = 'dead'", account_id)


async def sweep(db: Queries, account_id: UUID, *, before: datetime) -> None:
    """Delete given-up mails that were queued before `before`."""
    await db.value(
        "delete from mail where account_id = $1 and state = 'dead' and queued_at < $2 returning null",
        account_id,
        before,
    )
