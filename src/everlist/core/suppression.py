"""Opt-outs whose address is on no contact any more, so that none is lost with its contact.

An entry is an HMAC of the address under a key that is kept outside the database; nothing in it can be
read back. A bare hash of an address can be guessed, so the key matters.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from everlist.db import Transaction

EMAIL = "email"
SMS = "sms"


def address_hmac(key: bytes, account_id: UUID, channel: str, address_key: str) -> bytes:
    """The 32 bytes that stand for an address; `address_key` is its compared form."""
    message = b"\x00".join(
        (b"everlist suppression 1", account_id.bytes, channel.encode(), address_key.encode())
    )
    return hmac.digest(key, message, hashlib.sha256)


async def add(tx: Transaction, account_id: UUID, channel: str, hashed: bytes, *, at: datetime) -> None:
    """Remember that the person behind the address unsubscribed; the first date stands."""
    await tx.execute(
        "insert into suppression (account_id, channel, address_hmac, reason, created_at)"
        " values ($1, $2, $3, 'unsubscribe', $4) on conflict do nothing",
        account_id,
        channel,
        hashed,
        at,
    )


async def since(tx: Transaction, account_id: UUID, channel: str, hashed: bytes) -> datetime | None:
    """When the person behind the address unsubscribed, or None."""
    return await tx.value(
        "select created_at from suppression where account_id = $1 and channel = $2 and address_hmac = $3",
        account_id,
        channel,
        hashed,
    )


async def lift(tx: Transaction, account_id: UUID, channel: str, hashed: bytes) -> None:
    """Forget an entry: the opt-out is on a contact again, or the person opted in."""
    await tx.execute(
        "delete from suppression where account_id = $1 and channel = $2 and address_hmac = $3",
        account_id,
        channel,
        hashed,
    )
