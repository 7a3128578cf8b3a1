"""The erasure of many as an activity."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core import contacts
from everlist.core.activities import Job, Progress
from everlist.core.consent import suppression
from everlist.core.contacts import ContactFilter
from everlist.core.contacts.select import choose
from everlist.core.ids import NO_ID
from everlist.core.privacy import traces
from everlist.core.privacy.erase import Subject, erase, erasure_id_of, finish
from everlist.core.privacy.ledger import Hashed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from everlist.core.act import Act
    from everlist.core.contacts.identity import EmailAddress
    from everlist.core.installation import Installation
    from everlist.db import Transaction

CHUNK = 5_000
SCANNED = 10_000
_UNDER_WAY = timedelta(hours=1)
"""How long a request that was begun before may still be about to commit."""


class EraseRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a bulk erasure was asked for. It holds no address: what was asked by address is here as hashes."""

    reason: str
    contact_ids: tuple[UUID, ...] | None = None
    list_ids: tuple[UUID, ...] | None = None
    hashes: tuple[str, ...] = ()
    """HMACs in hexadecimal of the addresses that were named and that a contact had."""
    nobodys: tuple[str, ...] = ()
    """The same of those that no contact had; they are suppressed already, and what there is of them goes first."""


def hashed_addresses(
    account_id: UUID, addresses: Iterable[EmailAddress], installation: Installation
) -> tuple[str, ...]:
    """Addresses as EraseRequest holds them."""
    return tuple(installation.address_hmac(account_id, suppression.EMAIL, one.key).hex() for one in addresses)


async def suppress(tx: Transaction, account_id: UUID, hashed: Iterable[str], act: Act) -> None:
    """Keep addresses away, as EraseRequest holds them, until the activity runs and from then on."""
    dates = dict.fromkeys(map(bytes.fromhex, hashed), act.now)
    await suppression.add_all(tx, account_id, suppression.EMAIL, dates, reason=suppression.ERASURE)


async def holders(tx: Transaction, account_id: UUID, addresses: Sequence[EmailAddress]) -> dict[str, UUID]:
    """The contacts that have these addresses, by the key of the address."""
    rows = await tx.rows(
        "select email_key, contact_id from contact where account_id = $1 and email_key = any($2::text[])",
        account_id,
        [one.key for one in addresses],
    )
    return {row["email_key"]: row["contact_id"] for row in rows}


async def contact_erase(job: Job) -> Progress:
    """One chunk of a bulk erasure: first the addresses that nobody had, then contacts in the order of their ids.

    With the last chunk go those that came to one of the addresses after they had been named.
    """
    tx, activity, act = job.tx, job.activity, job.act
    account_id = activity.account_id
    request = msgspec.convert(activity.request, EraseRequest)
    wanted = ContactFilter(frozenset({"all"}), contact_ids=request.contact_ids, list_ids=request.list_ids)
    hashes = {bytes.fromhex(one) for one in request.hashes}
    named = hashes | {bytes.fromhex(one) for one in request.nobodys}
    total: int | None = activity.position.get("total")
    counts: dict[str, int] = {}
    if total is None:
        total = await contacts.count(tx, account_id, wanted)
        counts["items_total_count"] = total
        await suppress(tx, account_id, request.hashes, act)
        if request.nobodys:
            await _erase_nobodys(job, request)
            return Progress({"total": total}, done=False, counts=counts)
    after = activity.position.get("after")
    chunk = await choose(tx, account_id, wanted, after=UUID(after) if after else None, limit=CHUNK)
    ids = [one.contact_id for one in chunk.contacts]
    done = not chunk.full
    since = activity.created_at - _UNDER_WAY
    late = await _late(tx, account_id, named, since, job.installation) if done else []
    erasure_ids = {one: erasure_id_of(activity.activity_id, one) for one in {*ids, *late}}
    erased = await erase(
        tx, account_id, erasure_ids, reason=request.reason, act=act, installation=job.installation
    )
    counts |= {"items_completed_count": len(ids), "erased_count": len(erased)}
    seen = activity.counts.get("items_completed_count", 0) + len(ids)
    return Progress(
        {"total": total, "after": str(chunk.last) if chunk.last else after},
        done=done,
        percent_done=100 * seen // max(total, seen, 1),
        counts=counts,
    )


async def _erase_nobodys(job: Job, request: EraseRequest) -> None:
    """Erase what there is of addresses that no contact had.

    An address whose person has come back meanwhile, by their own act, loses what there was and stays theirs.
    """
    tx, account_id = job.tx, job.activity.account_id
    hashes = [bytes.fromhex(one) for one in request.nobodys]
    kept_away = await suppression.find_all(tx, account_id, suppression.EMAIL, hashes)
    seen = await traces.spellings(tx, account_id, hashes, job.installation)
    subjects = [
        Subject(
            erasure_id_of(job.activity.activity_id, UUID(bytes=hashed[:16])),
            spellings=tuple(sorted(seen.get(hashed, ()))),
            hashes=(Hashed(suppression.EMAIL, hashed),)
            if kept_away.get(hashed, suppression.Remembered()).erased_at
            else (),
        )
        for hashed in hashes
    ]
    await finish(
        tx,
        account_id,
        subjects,
        {},
        [request.reason] * len(subjects),
        act=job.act,
        installation=job.installation,
    )


async def _late(
    tx: Transaction,
    account_id: UUID,
    hashes: set[bytes],
    since: datetime,
    installation: Installation,
) -> list[UUID]:
    """The contacts that changed since then and hold one of these addresses, if it is still suppressed."""
    if not hashes:
        return []
    found = await suppression.find_all(tx, account_id, suppression.EMAIL, hashes)
    wanted = {hashed for hashed, one in found.items() if one.erased_at is not None}
    late: list[UUID] = []
    after = NO_ID
    while wanted:
        rows = await tx.rows(
            "select contact_id, email_key from contact where account_id = $1 and contact_id > $2"
            " and updated_at >= $3 and email_key is not null order by contact_id limit $4",
            account_id,
            after,
            since,
            SCANNED,
        )
        late += [
            row["contact_id"]
            for row in rows
            if installation.address_hmac(account_id, suppression.EMAIL, row["email_key"]) in wanted
        ]
        if len(rows) < SCANNED:
            break
        after = rows[-1]["contact_id"]
    return late
