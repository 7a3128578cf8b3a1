"""Erase contacts, and addresses that no contact has.

A contact is first deleted as in any deletion, so that counters and the meter of active contacts change as always;
then its rows are removed. Other accounts and backups are out of reach.
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
from everlist.core.privacy.erasures import Erasure, Reason
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
    """A person, or an address that no contact has."""

    erasure_id: UUID
    contact_id: UUID | None = None
    email: str | None = None
    email_key: str | None = None
    sms_number: str | None = None
    spellings: tuple[str, ...] = ()
    """How an address that no contact has is spelled in the texts of the account."""
    hashes: tuple[ledger.Hashed, ...] = ()


async def erase(
    tx: Transaction,
    account_id: UUID,
    erasure_ids: dict[UUID, UUID],
    *,
    reason: Reason,
    act: Act,
    installation: Installation,
) -> list[Erasure]:
    """Erase contacts, live or deleted; `erasure_ids` maps their ids to the ids of the erasures.

    Skip contacts that do not exist. Raises Unavailable if the erase ledger cannot be written.
    """
    found = await lock_for_erasure(tx, account_id, list(erasure_ids))
    subjects = [
        subject_of(account_id, erasure_ids[contact_id], row, act, installation)
        for contact_id, row in found.items()
    ]
    return await erase_subjects(
        tx, account_id, subjects, found, [reason] * len(subjects), act=act, installation=installation
    )


async def lock_for_erasure(tx: Transaction, account_id: UUID, contact_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Lock the contacts until the transaction ends, and return those that exist."""
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
    """Delete contacts as the activity contact_delete does, but keep no before-image of them."""
    if act.activity_id is None:
        for contact_id in contact_ids:
            await contacts.delete(tx, account_id, contact_id, act=act)
        return
    await edit(tx, account_id, await read(tx, account_id, contact_ids), DELETED, act)
    await tx.execute(
        "delete from before_image where account_id = $1 and activity_id = $2", account_id, act.activity_id
    )


class _Tally:
    """Count what was removed, by erasure."""

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self._erasure_of = {subject.contact_id: subject.erasure_id for subject in subjects}
        self._erasure_ids = [subject.erasure_id for subject in subjects]
        self._removed: dict[UUID, list[Removed]] = defaultdict(list)
        self._kept: dict[UUID, list[Removed]] = defaultdict(list)

    def add_rows(self, table: str, what: str, rows: Iterable[Row], *, kept: bool = False) -> None:
        """Add the numbers that the SQL of a place returned."""
        for row in rows:
            self.add(table, what, row["subject_id"], row["number"], kept=kept)

    def add(self, table: str, what: str, subject_id: UUID | None, number: int, *, kept: bool = False) -> None:
        """Add a number for one contact or erasure, or for all if `subject_id` is None."""
        if not number:
            return
        erasure_ids = (
            self._erasure_ids if subject_id is None else [self._erasure_of.get(subject_id, subject_id)]
        )
        for erasure_id in erasure_ids:
            removed = Removed(place=table, what=what, count=number)
            (self._kept if kept else self._removed)[erasure_id].append(removed)

    def of(self, erasure_id: UUID) -> tuple[tuple[Removed, ...], tuple[Removed, ...]]:
        """Return what was removed and what was kept in an erasure."""
        return tuple(self._removed[erasure_id]), tuple(self._kept[erasure_id])


async def erase_subjects(
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
    """Delete the contacts of the subjects, empty every place, suppress the addresses, and sign the receipts.

    `found` are the contacts as lock_for_erasure returns them. `reasons` has one reason for each subject. `dates` is
    given if the erasures of these moments are repeated; an erasure that is done for the first time is written to
    the erase ledger.
    """
    if not subjects:
        return []
    tally = _Tally(subjects)
    on_lists = await tx.rows(
        "select contact_id as subject_id, count(*) as number from list_membership"
        " where account_id = $1 and contact_id = any($2::uuid[]) group by contact_id",
        account_id,
        list(found),
    )
    tally.add_rows("list_membership", "memberships of lists", on_lists)
    live = [contact_id for contact_id, row in found.items() if row["deleted_at"] is None]
    await _delete(tx, account_id, live, act)
    await tx.execute("set local statement_timeout = 0")  # an account may have kept very much
    await tx.set_on_every_node("everlist.erasure = 'yes'")
    # A running export may already have read the person: this makes it start again. Do it before the places are
    # emptied, so that the file of an export which ends meanwhile is found there.
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
        tally.add_rows(place.table, place.what, rows, kept=place.kept)
    # The mail rows are deleted by now. A postman that held one (outbox.hold) has written its file before.
    unlinked = await asyncio.to_thread(_unlink_mail, installation.mail_folder, subjects)
    for erasure_id, number in unlinked.items():
        tally.add("files", "mails kept in the data directory", erasure_id, number)
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
    tally.add("upload_part", what, None, waiting, kept=True)
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
    """Append the erasures to the ledger. This comes last before the commit. Raises Unavailable."""
    key = key_id(installation.secret_key)
    lines = [
        ledger.Line(
            erasure_id=erasure.erasure_id,
            account_id=account_id,
            at=erasure.erased_at,
            reason=erasure.reason,
            key_id=key,
            contact_id=erasure.contact_id,
            hashes=subject.hashes,
        )
        for subject, erasure in zip(subjects, signed, strict=True)
    ]
    try:
        await asyncio.to_thread(ledger.append, path, lines)
    except ledger.Unwritable as error:
        raise Unavailable(str(error)) from error


def _unlink_mail(folder: Path, subjects: Sequence[Subject]) -> Counter[UUID]:
    """Delete the files of mail to the subjects' contacts and addresses, and count them by erasure."""
    unlinked: Counter[UUID] = Counter()
    wanted: dict[str, UUID] = {}
    for subject in subjects:
        wanted |= dict.fromkeys((hashed.hmac.hex() for hashed in subject.hashes), subject.erasure_id)
        if subject.contact_id is not None:
            wanted[str(subject.contact_id)] = subject.erasure_id
    for file in folder.glob("*.eml"):
        matching = wanted.keys() & outbox.named(file.name)
        if matching:
            file.unlink(missing_ok=True)
            unlinked[wanted[min(matching)]] += 1
    return unlinked


async def _emptied(
    tx: Transaction, account_id: UUID, place: Place, subjects: Sequence[Subject]
) -> Sequence[Row]:
    if place.by == "address":
        addressed = [
            (subject.erasure_id, email, subject.email_key, subject.sms_number)
            for subject in subjects
            for email in subject.spellings or (subject.email,)
            if email or subject.sms_number
        ]
        if not addressed:
            return []
        return await tx.rows(place.sql, account_id, *map(list, zip(*addressed, strict=True)))
    contact_ids = [subject.contact_id for subject in subjects if subject.contact_id is not None]
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
    """Suppress the addresses of the subjects: for the erasure, and if the person had unsubscribed for that too."""
    for channel in (suppression.EMAIL, suppression.SMS):
        erased: dict[bytes, datetime] = {}
        opted_out: dict[bytes, datetime] = {}
        for subject, at in zip(subjects, moments, strict=True):
            for hashed in subject.hashes:
                if hashed.channel == channel:
                    erased[hashed.hmac] = at
                    tally.add("suppression", f"a keyed hash ({channel})", subject.erasure_id, 1, kept=True)
                    if hashed.unsubscribed_at is not None:
                        opted_out[hashed.hmac] = hashed.unsubscribed_at
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
        erasure_id=subject.erasure_id,
        account_id=account_id,
        erased_at=at,
        reason=reason,
        removed=removed,
        kept=kept,
        contact_id=subject.contact_id,
        activity_id=act.activity_id,
        request_id=act.request_id,
        repeated_at=act.now if repeated else None,
    )
    return Erasure(
        erasure_id=subject.erasure_id,
        erased_at=at,
        reason=reason,
        receipt=sign(receipt, installation.secret_key),
        contact_id=subject.contact_id,
        activity_id=act.activity_id,
    )


def subject_of(account_id: UUID, erasure_id: UUID, row: Row, act: Act, installation: Installation) -> Subject:
    """Return the subject of a contact that lock_for_erasure returned."""
    return Subject(
        erasure_id=erasure_id,
        contact_id=row["contact_id"],
        email=row["email"],
        email_key=row["email_key"],
        sms_number=row["sms_number"],
        hashes=_hashes(account_id, row, act, installation),
    )


def _hashes(account_id: UUID, row: Row, act: Act, installation: Installation) -> tuple[ledger.Hashed, ...]:
    """Return the HMACs of a contact's addresses, for the suppression list and the erase ledger."""
    hashes: list[ledger.Hashed] = []
    if row["email_key"] is not None:
        hashed = installation.address_hmac(account_id, suppression.EMAIL, row["email_key"])
        hashes.append(
            ledger.Hashed(channel=suppression.EMAIL, hmac=hashed, unsubscribed_at=row["opted_out_at"])
        )
    if row["sms_number"] is not None:
        hashed = installation.address_hmac(account_id, suppression.SMS, row["sms_number"])
        by_person = row["sms_opted_out_by"] == "Contact"
        at = (row["sms_opted_out_at"] or act.now) if by_person else None
        hashes.append(ledger.Hashed(channel=suppression.SMS, hmac=hashed, unsubscribed_at=at))
    return tuple(hashes)


def erasure_id_of(activity_id: UUID, contact_id: UUID) -> UUID:
    """Return an id that is the same in every attempt of a chunk, and sorts by the activity."""
    digest = hashlib.sha256(activity_id.bytes + contact_id.bytes).digest()
    number = int.from_bytes(activity_id.bytes[:6] + digest[:10])
    number = number & ~(0xF << 76) | 7 << 76  # version 7
    return UUID(int=number & ~(0x3 << 62) | 0x2 << 62)
