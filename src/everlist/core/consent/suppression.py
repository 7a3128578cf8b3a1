"""The suppression list: addresses without a contact whose person unsubscribed or was erased.

An entry holds an HMAC of the address, made with a key that is kept outside the database, so no address can be read
back. A plain hash would not do: addresses can be guessed. An address may have both kinds of entry, and each counts:

- `unsubscribe`: a contact that an account creates with this address begins unsubscribed.
- `erasure`: an account cannot create such a contact at all.

An act of the person ends both. An account may take back an erasure, never an opt-out.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core.ids import new_id
from everlist.core.paging import Page
from everlist.errors import AddressErased, Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from everlist.core.act import Act
    from everlist.core.installation import Installation
    from everlist.db import Queries, Row, Transaction

EMAIL = "email"
SMS = "sms"
UNSUBSCRIBE = "unsubscribe"
ERASURE = "erasure"
KEY_VERSION = 1
"""The version of the key and of the way to make the HMAC, stored in every entry."""


class Entry(msgspec.Struct, frozen=True):
    """One entry of the list, which does not reveal the person."""

    suppression_id: UUID
    channel: str
    reason: str
    created_at: datetime


class Remembered(msgspec.Struct, frozen=True):
    """What is remembered of one address; false if nothing is."""

    unsubscribed_at: datetime | None = None
    erased_at: datetime | None = None

    def __bool__(self) -> bool:
        return self.unsubscribed_at is not None or self.erased_at is not None


async def any_entry(db: Queries, account_id: UUID) -> bool:
    """Return True if the account has any entry."""
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
    """Remember that the person behind the address unsubscribed or was erased; an earlier date stays."""
    await add_all(tx, account_id, channel, {hashed: at}, reason=reason)


async def add_all(
    tx: Transaction, account_id: UUID, channel: str, dates: Mapping[bytes, datetime], *, reason: str
) -> None:
    """Remember each HMAC with its date; an existing entry keeps its date."""
    hashes = sorted(dates)
    await tx.execute(
        "insert into suppression (account_id, suppression_id, channel, address_hmac, key_version, reason, created_at)"
        " select $1, id, $3, hashed, $5, $6, at from unnest($2::uuid[], $4::bytea[], $7::timestamptz[])"
        " as entry (id, hashed, at) order by hashed on conflict do nothing",
        account_id,
        [new_id() for _ in hashes],
        channel,
        hashes,
        KEY_VERSION,
        reason,
        [dates[hashed] for hashed in hashes],
    )


async def since(db: Queries, account_id: UUID, channel: str, hashed: bytes) -> datetime | None:
    """Return when the person behind the address unsubscribed, or None."""
    return (await find(db, account_id, channel, hashed)).unsubscribed_at


async def find(db: Queries, account_id: UUID, channel: str, hashed: bytes) -> Remembered:
    """Return what is remembered of the address."""
    return (await find_all(db, account_id, channel, [hashed])).get(hashed, Remembered())


async def find_all(
    db: Queries, account_id: UUID, channel: str, hashes: Iterable[bytes]
) -> dict[bytes, Remembered]:
    """Return what is remembered of addresses, by HMAC; addresses without an entry are left out."""
    rows = await db.rows(
        "select address_hmac, min(created_at) filter (where reason = 'unsubscribe') as unsubscribed_at,"
        " min(created_at) filter (where reason = 'erasure') as erased_at from suppression"
        " where account_id = $1 and channel = $2 and address_hmac = any($3::bytea[]) group by address_hmac",
        account_id,
        channel,
        list(hashes),
    )
    return {
        row["address_hmac"]: Remembered(unsubscribed_at=row["unsubscribed_at"], erased_at=row["erased_at"])
        for row in rows
    }


async def among(
    db: Queries, account_id: UUID, channel: str, address_keys: Iterable[str], installation: Installation
) -> dict[str, Remembered]:
    """Return what is remembered of addresses, by address key; addresses without an entry are left out."""
    by_hash = {installation.address_hmac(account_id, channel, key): key for key in address_keys}
    found = await find_all(db, account_id, channel, by_hash)
    return {by_hash[hashed]: remembered for hashed, remembered in found.items()}


def refuse_erased_email(remembered: Remembered, address: str) -> None:
    """Raise AddressErased if the person behind the address was erased."""
    if remembered.erased_at is not None:
        raise AddressErased(_erased_text("The email address", remembered.erased_at), address)


def refuse_erased_number(remembered: Remembered) -> None:
    """Raise Conflict if the person behind the SMS number was erased."""
    if remembered.erased_at is not None:
        raise Conflict(_erased_text("The SMS number", remembered.erased_at))


def _erased_text(subject: str, erased_at: datetime) -> str:
    return (
        f"{subject} was erased on {erased_at:%Y-%m-%d}: it comes back when its person signs up,"
        " or once its suppression was removed"
    )


async def lift(tx: Transaction, account_id: UUID, channel: str, hashed: bytes) -> None:
    """Delete the entries of an address: a contact has it again, or its person opted in."""
    await tx.execute(
        "delete from suppression where account_id = $1 and channel = $2 and address_hmac = $3",
        account_id,
        channel,
        hashed,
    )


async def page(
    db: Queries, account_id: UUID, *, limit: int, from_id: UUID | None = None, reason: str | None = None
) -> Page[Entry]:
    """Return the entries of the account, oldest first."""
    rows = await db.rows(
        "select suppression_id, channel, reason, created_at from suppression where account_id = $1"
        " and ($2::uuid is null or suppression_id >= $2) and ($3::text is null or reason = $3)"
        " order by suppression_id limit $4",
        account_id,
        from_id,
        reason,
        limit + 1,
    )
    return Page(
        [_entry(row) for row in rows[:limit]], rows[limit]["suppression_id"] if len(rows) > limit else None
    )


async def of_address(db: Queries, account_id: UUID, channel: str, hashed: bytes) -> list[Entry]:
    """Return the entries of one address."""
    rows = await db.rows(
        "select suppression_id, channel, reason, created_at from suppression"
        " where account_id = $1 and channel = $2 and address_hmac = $3 order by suppression_id",
        account_id,
        channel,
        hashed,
    )
    return [_entry(row) for row in rows]


def _entry(row: Row) -> Entry:
    return Entry(
        suppression_id=row["suppression_id"],
        channel=row["channel"],
        reason=row["reason"],
        created_at=row["created_at"],
    )


async def remove(
    tx: Transaction,
    account_id: UUID,
    channel: str,
    hashed: bytes,
    *,
    why: str,
    act: Act,
) -> None:
    """Take back an erasure, so that the account may hold the address again, and record who did so and why.

    Raises NotFound if nothing is remembered, and Conflict if the person unsubscribed and was not erased: only the
    person ends that.
    """
    suppression_id = await tx.value(
        "delete from suppression where account_id = $1 and channel = $2 and address_hmac = $3"
        " and reason = 'erasure' returning suppression_id",
        account_id,
        channel,
        hashed,
    )
    if suppression_id is None:
        if await since(tx, account_id, channel, hashed) is None:
            raise NotFound("nothing is remembered of this address")
        raise Conflict("The person unsubscribed, which only the person can take back: by signing up again")
    await tx.execute(
        "insert into suppression_removal (account_id, suppression_id, channel, address_hmac, key_version, removed_at,"
        " why, operation, request_id, token_id) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        account_id,
        suppression_id,
        channel,
        hashed,
        KEY_VERSION,
        act.now,
        why,
        act.operation,
        act.request_id,
        act.token_id,
    )
