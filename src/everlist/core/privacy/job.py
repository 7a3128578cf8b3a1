"""Erase many contacts as an activity."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core import activities, contacts
from everlist.core.activities import Activity, Job, Progress
from everlist.core.consent import suppression
from everlist.core.contacts import ContactFilter, changes
from everlist.core.contacts.model import MAX_LISTS
from everlist.core.contacts.select import choose
from everlist.core.ids import NO_ID
from everlist.core.privacy import traces
from everlist.core.privacy.erase import Subject, erase, erase_subjects, erasure_id_of
from everlist.core.privacy.erasures import Reason
from everlist.core.privacy.ledger import Hashed
from everlist.errors import Invalid, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from everlist.core.act import Act
    from everlist.core.installation import Installation
    from everlist.db import Transaction

MAX_CONTACTS = 500
"""Contacts, or addresses, that one request may name."""
CHUNK = 5_000
SCANNED = 10_000
_UNDER_WAY = timedelta(hours=1)
"""How long a request that began earlier may still take until its commit."""


class EraseRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The request of an erasure activity. It contains no address: addresses are stored as hashes."""

    reason: str
    contact_ids: tuple[UUID, ...] | None = None
    list_ids: tuple[UUID, ...] | None = None
    hashes: tuple[str, ...] = ()
    """Hexadecimal HMACs of the addresses that were named and that a contact had."""
    nobodys: tuple[str, ...] = ()
    """Hexadecimal HMACs of the addresses that no contact had: suppressed already, and erased first."""


async def request_erasure(
    tx: Transaction,
    account_id: UUID,
    *,
    reason: Reason,
    contact_ids: Sequence[UUID] = (),
    email_addresses: Sequence[str] = (),
    list_ids: Sequence[UUID] = (),
    act: Act,
    installation: Installation,
) -> Activity:
    """Queue the erasure of contacts: by id, by address, or all of some lists.

    An address that no contact has is suppressed at once. Raises Invalid unless exactly one of the three is given,
    not too many of it, and every address is valid and every list exists; and QueueFull.
    """
    given = {"contact_ids": contact_ids, "email_addresses": email_addresses, "list_ids": list_ids}
    names = [name for name, values in given.items() if values]
    if len(names) != 1:
        raise Invalid(Problem(", ".join(given), "give exactly one of them"))
    limit = MAX_LISTS if list_ids else MAX_CONTACTS
    if len(set(given[names[0]])) > limit:
        raise Invalid(Problem(names[0], f"at most {limit}"))
    addresses = _parsed(email_addresses)
    live_lists = await changes.live_lists(tx, account_id, list_ids)
    held = await _holders(tx, account_id, addresses) if addresses else {}
    nobodys = _hashed(account_id, [key for key in addresses if key not in held], installation)
    await _suppress(tx, account_id, nobodys, act)
    request = EraseRequest(
        reason=reason,
        contact_ids=None if live_lists else tuple(dict.fromkeys(contact_ids)) or tuple(held.values()),
        list_ids=tuple(live_lists) or None,
        hashes=_hashed(account_id, held, installation),
        nobodys=nobodys,
    )
    counts = {"suppressed_count": len(nobodys)} if addresses else None
    return await activities.create(tx, account_id, "contact_erase", request, counts=counts, act=act)


def _parsed(texts: Sequence[str]) -> list[str]:
    """Return the keys of addresses, without duplicates. Raises Invalid for the first that is not valid."""
    keys: dict[str, None] = {}
    for index, text in enumerate(texts):
        address = contacts.parse_email(text)
        if address is None:
            raise Invalid(Problem(f"email_addresses[{index}]"))
        keys[address.key] = None
    return list(keys)


def _hashed(account_id: UUID, address_keys: Iterable[str], installation: Installation) -> tuple[str, ...]:
    """Return addresses as EraseRequest holds them."""
    return tuple(installation.address_hmac(account_id, suppression.EMAIL, key).hex() for key in address_keys)


async def _suppress(tx: Transaction, account_id: UUID, hashes: Iterable[str], act: Act) -> None:
    """Suppress addresses, in the form of EraseRequest, from the request on."""
    dates = dict.fromkeys(map(bytes.fromhex, hashes), act.now)
    await suppression.add_all(tx, account_id, suppression.EMAIL, dates, reason=suppression.ERASURE)


async def _holders(tx: Transaction, account_id: UUID, address_keys: Sequence[str]) -> dict[str, UUID]:
    """Return the contacts that have these addresses, by address key."""
    rows = await tx.rows(
        "select email_key, contact_id from contact where account_id = $1 and email_key = any($2::text[])",
        account_id,
        address_keys,
    )
    return {row["email_key"]: row["contact_id"] for row in rows}


async def contact_erase(job: Job) -> Progress:
    """Erase one chunk: first the addresses that no contact had, then contacts in the order of their ids.

    The last chunk also erases contacts that got one of the addresses after the request.
    """
    tx, activity, act = job.tx, job.activity, job.act
    account_id = activity.account_id
    request = msgspec.convert(activity.request, EraseRequest)
    wanted = ContactFilter(frozenset({"all"}), contact_ids=request.contact_ids, list_ids=request.list_ids)
    named = {bytes.fromhex(hashed) for hashed in (*request.hashes, *request.nobodys)}
    total: int | None = activity.position.get("total")
    counts: dict[str, int] = {}
    if total is None:
        total = await contacts.count(tx, account_id, wanted)
        counts["items_total_count"] = total
        await _suppress(tx, account_id, request.hashes, act)
        if request.nobodys:
            await _erase_nobodys(job, request)
            return Progress({"total": total}, done=False, counts=counts)
    after = activity.position.get("after")
    chunk = await choose(tx, account_id, wanted, after=UUID(after) if after else None, limit=CHUNK)
    contact_ids = [chosen.contact_id for chosen in chunk.contacts]
    done = not chunk.full
    since = activity.created_at - _UNDER_WAY
    late = await _late(tx, account_id, named, since, job.installation) if done else []
    erasure_ids = {
        contact_id: erasure_id_of(activity.activity_id, contact_id) for contact_id in {*contact_ids, *late}
    }
    erased = await erase(
        tx, account_id, erasure_ids, reason=Reason(request.reason), act=act, installation=job.installation
    )
    counts |= {"items_completed_count": len(contact_ids), "erased_count": len(erased)}
    seen = activity.counts.get("items_completed_count", 0) + len(contact_ids)
    return Progress(
        {"total": total, "after": str(chunk.last) if chunk.last else after},
        done=done,
        percent_done=100 * seen // max(total, seen, 1),
        counts=counts,
    )


async def _erase_nobodys(job: Job, request: EraseRequest) -> None:
    """Erase what the account kept about addresses that no contact had.

    If the person has signed up since the request, the old data goes and the address stays with them.
    """
    tx, account_id = job.tx, job.activity.account_id
    hashes = [bytes.fromhex(hashed) for hashed in request.nobodys]
    suppressed = await suppression.find_all(tx, account_id, suppression.EMAIL, hashes)
    spellings = await traces.spellings(tx, account_id, hashes, job.installation)
    subjects = [
        Subject(
            erasure_id=erasure_id_of(job.activity.activity_id, UUID(bytes=hashed[:16])),
            spellings=tuple(sorted(spellings.get(hashed, ()))),
            hashes=(Hashed(channel=suppression.EMAIL, hmac=hashed),)
            if suppressed.get(hashed, suppression.Remembered()).erased_at
            else (),
        )
        for hashed in hashes
    ]
    await erase_subjects(
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
    """Return the contacts that changed since then and have one of these addresses, if it is still suppressed."""
    if not hashes:
        return []
    suppressed = await suppression.find_all(tx, account_id, suppression.EMAIL, hashes)
    wanted = {hashed for hashed, entry in suppressed.items() if entry.erased_at is not None}
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
