"""Erase contacts, and addresses that no contact has.

A contact is first deleted by the one way in which contacts change, so that counters and meter move as they do
for any deletion; then its rows go. What other accounts hold, and what backups hold, is out of reach.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core import contacts, outbox
from everlist.core.consent import suppression
from everlist.core.contacts.edit import DELETED, edit
from everlist.core.contacts.select import read
from everlist.core.ids import NO_ID
from everlist.core.imports import upload
from everlist.core.privacy import erasures, ledger
from everlist.core.privacy.erasures import Erasure
from everlist.core.privacy.places import PLACES, Place
from everlist.core.privacy.receipt import Receipt, Removed, key_id, sign
from everlist.db import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from everlist.core.act import Act
    from everlist.core.installation import Installation
    from everlist.db import Row, Transaction

_ORPHANED = timedelta(days=1)


class Subject(msgspec.Struct, frozen=True):
    """One person, or one address that no contact has."""

    erasure_id: UUID
    contact_id: UUID | None = None
    email: str | None = None
    email_key: str | None = None
    sms_number: str | None = None
    spellings: tuple[str, ...] = ()
    """Of an address that no contact has: how it stands in texts."""
    hashes: tuple[ledger.Hashed, ...] = ()


async def erase(
    tx: Transaction,
    account_id: UUID,
    erasure_ids: dict[UUID, UUID],
    *,
    reason: str,
    act: Act,
    installation: Installation,
) -> list[Erasure]:
    """Erase the contacts that `erasure_ids` maps to the ids of their erasures, deleted ones too.

    Contacts that do not exist are passed over. Raises Unavailable where the erase ledger cannot be written.
    """
    found = await locked(tx, account_id, list(erasure_ids))
    subjects = [
        subject_of(account_id, erasure_ids[contact_id], row, act, installation)
        for contact_id, row in found.items()
    ]
    return await finish(
        tx, account_id, subjects, found, [reason] * len(subjects), act=act, installation=installation
    )


async def locked(tx: Transaction, account_id: UUID, contact_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Those of the contacts that exist, locked until the transaction ends."""
    rows = await tx.rows(
        "select c.contact_id, c.email, c.email_key, c.sms_number, c.deleted_at,"
        " case when c.opt_out_source = 'Contact' then c.opt_out_at end as opted_out_at,"
        " c.sms_channel #>> '{sms_channel_consents,0,opt_out_source}' as sms_opted_out_by,"
        " (c.sms_channel #>> '{sms_channel_consents,0,opt_out_date}')::timestamptz as sms_opted_out_at"
        " from contact c where c.account_id = $1 and c.contact_id = any($2::uuid[]) order by c.contact_id for update",
        account_id,
        contact_ids,
    )
    return {row["contact_id"]: row for row in rows}


async def _delete(tx: Transaction, account_id: UUID, contact_ids: Sequence[UUID], act: Act) -> None:
    """Delete contacts as contact_delete does; no image of them stays."""
    if act.activity_id is None:
        for contact_id in contact_ids:
            await contacts.delete(tx, account_id, contact_id, act=act)
        return
    await edit(tx, account_id, await read(tx, account_id, contact_ids), DELETED, act)
    await tx.execute(
        "delete from before_image where account_id = $1 and activity_id = $2", account_id, act.activity_id
    )


class _Tally:
    """What was removed, by erasure."""

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self._erasure_of = {one.contact_id: one.erasure_id for one in subjects}
        self._all = [one.erasure_id for one in subjects]
        self._removed: dict[UUID, list[Removed]] = defaultdict(list)
        self._kept: dict[UUID, list[Removed]] = defaultdict(list)

    def add(self, table: str, what: str, rows: Iterable[Row], *, kept: bool = False) -> None:
        """Note the numbers of a place."""
        for row in rows:
            self.note(table, what, row["whose"], row["number"], kept=kept)

    def note(self, table: str, what: str, whose: UUID | None, number: int, *, kept: bool = False) -> None:
        """Note a number of one contact or erasure, or of all where `whose` is None."""
        if number:
            erasures = self._all if whose is None else [self._erasure_of.get(whose, whose)]
            for erasure_id in erasures:
                (self._kept if kept else self._removed)[erasure_id].append(Removed(table, what, number))

    def of(self, erasure_id: UUID) -> tuple[tuple[Removed, ...], tuple[Removed, ...]]:
        """(removed, kept)."""
        return tuple(self._removed[erasure_id]), tuple(self._kept[erasure_id])


async def finish(
    tx: Transaction,
    account_id: UUID,
    subjects: Sequence[Subject],
    found: dict[UUID, Row],
    reasons: Sequence[str],
    *,
    dates: Sequence[datetime] = (),
    act: Act,
    installation: Installation,
) -> list[Erasure]:
    """Delete the subjects' contacts, which are `found` and locked; empty every place; suppress; sign.

    `reasons` go with the subjects, and so do `dates` where what was done at these moments is repeated; what is
    done for the first time is written to the erase ledger.
    """
    if not subjects:
        return []
    tally = _Tally(subjects)
    on_lists = await tx.rows(
        "select contact_id as whose, count(*) as number from list_membership"
        " where account_id = $1 and contact_id = any($2::uuid[]) group by contact_id",
        account_id,
        list(found),
    )
    tally.add("list_membership", "memberships of lists", on_lists)
    live = [contact_id for contact_id, row in found.items() if row["deleted_at"] is None]
    await _delete(tx, account_id, live, act)
    await tx.execute("set local statement_timeout = 0")  # however much an account has kept
    await tx.set_on_every_node("everlist.erasure = 'yes'")
    # Exports that run now see the person: they notice this, and begin again. It comes before the files are looked at,
    # so that the file of one which ends meanwhile is there.
    await tx.execute(
        "update activity set position = position ||"
        " jsonb_build_object('erasures', coalesce((position ->> 'erasures')::bigint, 0) + 1)"
        " where account_id = $1 and kind = 'contact_exports' and state = 'processing'",
        account_id,
    )
    for place in PLACES:
        rows = await _emptied(tx, account_id, place, subjects)
        if place.table == "export_part":
            await _mark_without_file(tx, account_id, rows)
        tally.add(place.table, place.what, rows, kept=place.kept)
    # The rows of mails are gone by now: whoever held one of them (outbox.hold) has written its file.
    gone = await asyncio.to_thread(_unlink_mail, installation.mail_folder, subjects)
    for erasure_id, number in gone.items():
        tally.note("files", "mails kept in the data directory", erasure_id, number)
    if found:
        await tx.execute(
            "insert into counter_delta (account_id, name, subject, change) values ($1, 'contacts.deleted', $2, $3)",
            account_id,
            NO_ID,
            -len(found),
        )
    await upload.sweep(tx, account_id, before=act.now - _ORPHANED)
    waiting = await tx.value(
        "select count(distinct activity_id) from upload_part where account_id = $1", account_id
    )
    what = (
        "uploads not imported yet: what they have of the person is held back, and they go when they have run"
    )
    tally.note("upload_part", what, None, waiting, kept=True)
    moments = dates or [act.now] * len(subjects)
    await _remember(tx, account_id, subjects, moments, tally)
    signed = [
        _signed(account_id, subject, tally, act, installation, reason=reason, at=at, repeated=bool(dates))
        for subject, reason, at in zip(subjects, reasons, moments, strict=True)
    ]
    await erasures.add(tx, account_id, signed)
    if installation.erase_ledger is not None and not dates:
        await _write_ledger(installation.erase_ledger, account_id, subjects, signed, installation)
    return signed


async def _write_ledger(
    path: Path,
    account_id: UUID,
    subjects: Sequence[Subject],
    signed: Sequence[Erasure],
    installation: Installation,
) -> None:
    """The last thing before the commit."""
    key = key_id(installation.secret_key)
    lines = [
        ledger.Line(
            one.erasure_id, account_id, one.erased_at, one.reason, key, one.contact_id, subject.hashes
        )
        for subject, one in zip(subjects, signed, strict=True)
    ]
    try:
        await asyncio.to_thread(ledger.append, path, lines)
    except ledger.Unwritable as error:
        raise Unavailable(str(error)) from error


def _unlink_mail(folder: Path, subjects: Sequence[Subject]) -> Counter[UUID]:
    """Take away the mails to the subjects' contacts and to their addresses; how many, by erasure."""
    gone: Counter[UUID] = Counter()
    wanted: dict[str, UUID] = {}
    for subject in subjects:
        wanted |= dict.fromkeys((one.hmac.hex() for one in subject.hashes), subject.erasure_id)
        if subject.contact_id is not None:
            wanted[str(subject.contact_id)] = subject.erasure_id
    for file in folder.glob("*.eml"):
        met = wanted.keys() & outbox.named(file.name)
        if met:
            file.unlink(missing_ok=True)
            gone[wanted[min(met)]] += 1
    return gone


async def _emptied(
    tx: Transaction, account_id: UUID, place: Place, subjects: Sequence[Subject]
) -> Sequence[Row]:
    if place.by == "address":
        addressed = [
            (one.erasure_id, email, one.email_key, one.sms_number)
            for one in subjects
            for email in one.spellings or (one.email,)
            if email or one.sms_number
        ]
        if not addressed:
            return []
        return await tx.rows(place.sql, account_id, *map(list, zip(*addressed, strict=True)))
    contact_ids = [one.contact_id for one in subjects if one.contact_id is not None]
    return await tx.rows(place.sql, account_id, contact_ids) if contact_ids else []


async def _mark_without_file(tx: Transaction, account_id: UUID, rows: Sequence[Row]) -> None:
    """Mark the exports whose files are gone."""
    activity_ids = {activity_id for row in rows for activity_id in row["activity_ids"] or ()}
    if activity_ids:
        await tx.execute(
            "update activity set position = position || '{\"removed\": true}'"
            " where account_id = $1 and activity_id = any($2::uuid[])",
            account_id,
            activity_ids,
        )


async def _remember(
    tx: Transaction, account_id: UUID, subjects: Sequence[Subject], moments: Sequence[datetime], tally: _Tally
) -> None:
    """Suppress the addresses of the subjects, each for the erasure, and for an opt-out of its person."""
    for channel in (suppression.EMAIL, suppression.SMS):
        erased: dict[bytes, datetime] = {}
        opted_out: dict[bytes, datetime] = {}
        for subject, at in zip(subjects, moments, strict=True):
            for one in subject.hashes:
                if one.channel == channel:
                    erased[one.hmac] = at
                    tally.note("suppression", f"a keyed hash ({channel})", subject.erasure_id, 1, kept=True)
                    if one.unsubscribed_at is not None:
                        opted_out[one.hmac] = one.unsubscribed_at
        await suppression.add_all(tx, account_id, channel, erased, reason=suppression.ERASURE)
        await suppression.add_all(tx, account_id, channel, opted_out, reason=suppression.UNSUBSCRIBE)


def _signed(
    account_id: UUID,
    subject: Subject,
    tally: _Tally,
    act: Act,
    installation: Installation,
    *,
    reason: str,
    at: datetime,
    repeated: bool,
) -> Erasure:
    removed, kept = tally.of(subject.erasure_id)
    receipt = Receipt(
        subject.erasure_id,
        account_id,
        at,
        reason,
        removed,
        kept,
        subject.contact_id,
        act.activity_id,
        act.request_id,
        act.now if repeated else None,
    )
    signed = sign(receipt, installation.secret_key)
    return Erasure(subject.erasure_id, at, reason, signed, subject.contact_id, act.activity_id)


def subject_of(account_id: UUID, erasure_id: UUID, row: Row, act: Act, installation: Installation) -> Subject:
    hashes = _hashes(account_id, row, act, installation)
    return Subject(
        erasure_id, row["contact_id"], row["email"], row["email_key"], row["sms_number"], hashes=hashes
    )


def _hashes(account_id: UUID, row: Row, act: Act, installation: Installation) -> tuple[ledger.Hashed, ...]:
    """The addresses of a contact as the suppression list and the erase ledger know them."""
    hashes: list[ledger.Hashed] = []
    if row["email_key"] is not None:
        hashed = installation.address_hmac(account_id, suppression.EMAIL, row["email_key"])
        hashes.append(ledger.Hashed(suppression.EMAIL, hashed, row["opted_out_at"]))
    if row["sms_number"] is not None:
        hashed = installation.address_hmac(account_id, suppression.SMS, row["sms_number"])
        by_person = row["sms_opted_out_by"] == "Contact"
        at = (row["sms_opted_out_at"] or act.now) if by_person else None
        hashes.append(ledger.Hashed(suppression.SMS, hashed, at))
    return tuple(hashes)


def erasure_id_of(activity_id: UUID, contact_id: UUID) -> UUID:
    """The same for the same, however often a chunk is tried; in the order of the activities."""
    digest = hashlib.sha256(activity_id.bytes + contact_id.bytes).digest()
    number = int.from_bytes(activity_id.bytes[:6] + digest[:10])
    number = number & ~(0xF << 76) | 7 << 76  # version 7
    return UUID(int=number & ~(0x3 << 62) | 0x2 << 62)
