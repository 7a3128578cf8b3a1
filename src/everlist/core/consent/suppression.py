"""What is remembered of an address that is on no contact any more: that its person unsubscribed, or was erased.

An entry is an HMAC of the address under a key that is kept outside the database; nothing in it can be
read back. A bare hash of an address can be guessed, so the key matters. An address may have both entries,
and each counts:

- `unsubscribe` goes along with the address: a contact that an account makes with it begins unsubscribed.
- `erasure` keeps an account from making such a contact at all.

An act of the person ends both. An account may take back an erasure, never an opt-out.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core.ids import new_id
from everlist.core.paging import Page
from everlist.errors import AddressTaken, Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from everlist.core.installation import Installation
    from everlist.db import Queries, Transaction

EMAIL = "email"
SMS = "sms"
UNSUBSCRIBE = "unsubscribe"
ERASURE = "erasure"
KEY_VERSION = 1
"""Of the key and of how the HMAC is made; it stands in every entry."""


class Entry(msgspec.Struct, frozen=True):
    """One entry of the list; nothing in it tells whose."""

    suppression_id: UUID
    channel: str
    reason: str
    created_at: datetime


class Remembered(msgspec.Struct, frozen=True):
    """What is remembered of one address; false where that is nothing."""

    unsubscribed_at: datetime | None = None
    erased_at: datetime | None = None

    def __bool__(self) -> bool:
        return self.unsubscribed_at is not None or self.erased_at is not None


async def any_entry(db: Queries, account_id: UUID) -> bool:
    """Whether anything is remembered in the account."""
    return await db.value("select exists (select from suppression where account_id = $1)", account_id)


async def add(
    tx: Transaction,
    account_id: UUID,
    channel: str,
    hashed: bytes,
    *,
    at: datetime,
    reason: str = UNSUBSCRIBE,
) -> None:
    """Remember that the person behind the address unsubscribed, or was erased; the first date stands."""
    await add_all(tx, account_id, channel, {hashed: at}, reason=reason)


async def add_all(
    tx: Transaction, account_id: UUID, channel: str, dates: Mapping[bytes, datetime], *, reason: str
) -> None:
    """Remember each HMAC since its date; where there is an entry, its own date stands."""
    hashes = sorted(dates)
    await tx.execute(
        "insert into suppression (account_id, suppression_id, channel, address_hmac, key_version, reason, created_at)"
        " select $1, id, $3, hashed, $5, $6, at from unnest($2::uuid[], $4::bytea[], $7::timestamptz[])"
        " as one(id, hashed, at) order by hashed on conflict do nothing",
        account_id,
        [new_id() for _ in hashes],
        channel,
        hashes,
        KEY_VERSION,
        reason,
        [dates[hashed] for hashed in hashes],
    )


async def since(db: Queries, account_id: UUID, channel: str, hashed: bytes) -> datetime | None:
    """When the person behind the address unsubscribed, or None."""
    return (await find(db, account_id, channel, hashed)).unsubscribed_at


async def find(db: Queries, account_id: UUID, channel: str, hashed: bytes) -> Remembered:
    """What is remembered of the address."""
    return (await find_all(db, account_id, channel, [hashed])).get(hashed, Remembered())


async def find_all(
    db: Queries, account_id: UUID, channel: str, hashes: Iterable[bytes]
) -> dict[bytes, Remembered]:
    """What is remembered of those of the addresses of which there is anything."""
    rows = await db.rows(
        "select address_hmac, min(created_at) filter (where reason = 'unsubscribe') as unsubscribed_at,"
        " min(created_at) filter (where reason = 'erasure') as erased_at from suppression"
        " where account_id = $1 and channel = $2 and address_hmac = any($3::bytea[]) group by address_hmac",
        account_id,
        channel,
        list(hashes),
    )
    return {row["address_hmac"]: Remembered(row["unsubscribed_at"], row["erased_at"]) for row in rows}


async def among(
    db: Queries, account_id: UUID, channel: str, address_keys: Iterable[str], installation: Installation
) -> dict[str, Remembered]:
    """The same for a set of addresses in their compared form, by address."""
    by_hash = {installation.address_hmac(account_id, channel, one): one for one in address_keys}
    found = await find_all(db, account_id, channel, by_hash)
    return {by_hash[hashed]: remembered for hashed, remembered in found.items()}


def refuse_erased(remembered: Remembered, *, what: str, address: str | None = None) -> None:
    """Raise Conflict where the person was erased; `what` is the address or number as the text names it.

    With `address`, an AddressTaken, which leads the caller to the explanation.
    """
    if remembered.erased_at is not None:
        message = (
            f"{what} was erased on {remembered.erased_at:%Y-%m-%d}: it comes back when its person signs up,"
            " or once its suppression was removed"
        )
        raise Conflict(message) if address is None else AddressTaken(message, address)


async def lift(tx: Transaction, account_id: UUID, channel: str, hashed: bytes) -> None:
    """Forget what is remembered of an address: it is on a contact again, or the person opted in."""
    await tx.execute(
        "delete from suppression where account_id = $1 and channel = $2 and address_hmac = $3",
        account_id,
        channel,
        hashed,
    )


async def page(
    db: Queries, account_id: UUID, *, limit: int, from_id: UUID | None = None, reason: str | None = None
) -> Page[Entry]:
    """The entries of the account, oldest first."""
    rows = await db.rows(
        "select suppression_id, channel, reason, created_at from suppression where account_id = $1"
        " and ($2::uuid is null or suppression_id >= $2) and ($3::text is null or reason = $3)"
        " order by suppression_id limit $4",
        account_id,
        from_id,
        reason,
        limit + 1,
    )
    entries = [
        Entry(row["suppression_id"], row["channel"], row["reason"], row["created_at"]) for row in rows[:limit]
    ]
    return Page(entries, rows[limit]["suppression_id"] if len(rows) > limit else None)


async def of_address(db: Queries, account_id: UUID, channel: str, hashed: bytes) -> list[Entry]:
    """The entries of one address."""
    rows = await db.rows(
        "select suppression_id, channel, reason, created_at from suppression"
        " where account_id = $1 and channel = $2 and address_hmac = $3 order by suppression_id",
        account_id,
        channel,
        hashed,
    )
    return [Entry(row["suppression_id"], row["channel"], row["reason"], row["created_at"]) for row in rows]


async def remove(
    tx: Transaction,
    account_id: UUID,
    channel: str,
    hashed: bytes,
    *,
    why: str,
    now: datetime,
    operation: str,
    request_id: str | None = None,
    token_id: UUID | None = None,
) -> None:
    """Take an erasure back, so that the account may hold the address again, and record who did and why.

    Raises NotFound where nothing is remembered, and Conflict where the person unsubscribed and was not
    erased: that ends only by the person.
    """
    taken = await tx.value(
        "delete from suppression where account_id = $1 and channel = $2 and address_hmac = $3"
        " and reason = 'erasure' returning suppression_id",
        account_id,
        channel,
        hashed,
    )
    if taken is None:
        if await since(tx, account_id, channel, hashed) is None:
            raise NotFound("nothing is remembered of this address")
        raise Conflict("The person unsubscribed, which only the person can take back: by signing up again")
    await tx.execute(
        "insert into suppression_removal (account_id, suppression_id, channel, address_hmac, key_version, removed_at,"
        " why, operation, request_id, token_id) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        account_id,
        taken,
        channel,
        hashed,
        KEY_VERSION,
        now,
        why,
        operation,
        request_id,
        token_id,
    )
