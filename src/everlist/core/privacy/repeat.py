"""Repeat the erasures of the erase ledger after a backup was restored."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core.consent import suppression
from everlist.core.ids import NO_ID
from everlist.core.privacy import erasures, ledger
from everlist.core.privacy.erase import Subject, erase_subjects, erasure_id_of, lock_for_erasure, subject_of
from everlist.core.privacy.receipt import key_id

if TYPE_CHECKING:
    from pathlib import Path

    from everlist.core.act import Act
    from everlist.core.installation import Installation
    from everlist.db import Database, Transaction

CHUNK = 1_000
SCANNED = 10_000


class Repeated(msgspec.Struct):
    """The result of repeating the erase ledger."""

    erasures: int = 0
    """Erasures that were repeated."""
    unreadable: int = 0
    """Incomplete lines: the machine stopped while writing them, before their erasures."""
    other_key: int = 0
    """Erasures made with another secret key: their contacts are found by id only."""


_Missing = dict[UUID, list[ledger.Line]]
"""Lines, by account."""


async def repeat_all(db: Database, path: Path, *, act: Act, installation: Installation) -> Repeated:
    """Repeat the erasures that are in the erase ledger and not in the database.

    Find a contact by its id, and by an address that it had before the erasure.
    """
    repeated = Repeated()
    missing: _Missing = defaultdict(list)
    batch: _Missing = defaultdict(list)
    for number, line in enumerate(ledger.read(path), start=1):
        if isinstance(line, ledger.Unreadable):
            repeated.unreadable += 1
        else:
            batch[line.account_id].append(line)
        if number % SCANNED == 0:
            await _add_missing(db, batch, missing)
            batch.clear()
            if sum(map(len, missing.values())) >= SCANNED:
                await _repeat(db, missing, repeated, act=act, installation=installation)
                missing.clear()
    await _add_missing(db, batch, missing)
    await _repeat(db, missing, repeated, act=act, installation=installation)
    return repeated


async def _add_missing(db: Database, batch: _Missing, missing: _Missing) -> None:
    for account_id, lines in batch.items():
        if new := await _missing(db, account_id, lines):
            missing[account_id] += new


async def _missing(db: Database, account_id: UUID, lines: list[ledger.Line]) -> list[ledger.Line]:
    """Return the lines whose erasure is not in the database; none if the account is not."""
    if not await db.value("select exists (select from account where account_id = $1)", account_id):
        return []
    contact_ids = [line.contact_id for line in lines if line.contact_id is not None]
    known = await erasures.done(db, account_id, [line.erasure_id for line in lines], contact_ids)
    return [line for line in lines if line.erasure_id not in known and line.contact_id not in known]


async def _repeat(
    db: Database, missing: _Missing, repeated: Repeated, *, act: Act, installation: Installation
) -> None:
    key = key_id(installation.secret_key)
    for account_id, lines in missing.items():
        matched = await _matched(db, account_id, lines, installation)
        for first in range(0, len(lines), CHUNK):
            chunk = lines[first : first + CHUNK]
            await db.write(
                partial(
                    _repeat_chunk,
                    account_id=account_id,
                    lines=chunk,
                    matched=matched,
                    act=act,
                    installation=installation,
                )
            )
        repeated.erasures += len(lines)
        repeated.other_key += sum(line.key_id != key for line in lines)


class _Match(msgspec.Struct):
    """What the database has for a line of the ledger."""

    contact_ids: set[UUID] = msgspec.field(default_factory=set[UUID])
    taken: set[bytes] = msgspec.field(default_factory=set[bytes])
    """HMACs of addresses that a contact got after the erasure: its person came back."""


async def _matched(
    db: Database, account_id: UUID, lines: list[ledger.Line], installation: Installation
) -> dict[UUID, _Match]:
    """Match the lines with contacts, in one walk over the contacts of the account."""
    matched: dict[UUID, _Match] = {line.erasure_id: _Match() for line in lines}
    by_contact = {line.contact_id: line for line in lines if line.contact_id is not None}
    key = key_id(installation.secret_key)
    by_hash: dict[bytes, ledger.Line] = {}
    for line in lines:
        if line.key_id == key:
            by_hash |= {hashed.hmac: line for hashed in line.hashes}
    after = NO_ID
    while True:
        rows = await db.rows(
            "select contact_id, email_key, sms_number, created_at, coalesce(email_created_at, created_at) as email_at"
            " from contact where account_id = $1 and contact_id > $2 order by contact_id limit $3",
            account_id,
            after,
            SCANNED,
        )
        for row in rows:
            if row["contact_id"] in by_contact:
                matched[by_contact[row["contact_id"]].erasure_id].contact_ids.add(row["contact_id"])
            for channel, address, at in (
                (suppression.EMAIL, row["email_key"], row["email_at"]),
                (suppression.SMS, row["sms_number"], row["created_at"]),
            ):
                hashed = (
                    installation.address_hmac(account_id, channel, address) if address is not None else b""
                )
                line = by_hash.get(hashed)
                if line is not None and at <= line.at:
                    matched[line.erasure_id].contact_ids.add(row["contact_id"])
                elif line is not None:
                    matched[line.erasure_id].taken.add(hashed)
        if len(rows) < SCANNED:
            return matched
        after = rows[-1]["contact_id"]


async def _repeat_chunk(
    tx: Transaction,
    *,
    account_id: UUID,
    lines: list[ledger.Line],
    matched: dict[UUID, _Match],
    act: Act,
    installation: Installation,
) -> None:
    """Repeat some erasures: erase the matching contacts, and suppress the addresses of the lines."""
    key = key_id(installation.secret_key)
    contact_ids = {contact_id for line in lines for contact_id in matched[line.erasure_id].contact_ids}
    found = await lock_for_erasure(tx, account_id, list(contact_ids))
    unassigned = dict(found)
    subjects: list[Subject] = []
    subject_lines: list[ledger.Line] = []
    for line in lines:
        match = matched[line.erasure_id]
        hashes = tuple(
            hashed for hashed in line.hashes if line.key_id == key and hashed.hmac not in match.taken
        )
        subject = Subject(erasure_id=line.erasure_id, contact_id=line.contact_id, hashes=hashes)
        row = unassigned.pop(line.contact_id, None) if line.contact_id else None
        if row is not None:
            own = subject_of(account_id, line.erasure_id, row, act, installation)
            # The line is newer than the backup, so its opt-out date wins.
            known = {hashed.hmac for hashed in hashes}
            more = tuple(hashed for hashed in own.hashes if hashed.hmac not in known)
            subject = msgspec.structs.replace(own, hashes=hashes + more)
        subjects.append(subject)
        subject_lines.append(line)
    for line in lines:
        for contact_id in matched[line.erasure_id].contact_ids:
            if (row := unassigned.pop(contact_id, None)) is not None:
                erasure_id = erasure_id_of(line.erasure_id, contact_id)
                subjects.append(subject_of(account_id, erasure_id, row, act, installation))
                subject_lines.append(line)
    await erase_subjects(
        tx,
        account_id,
        subjects,
        found,
        [line.reason for line in subject_lines],
        dates=[line.at for line in subject_lines],
        act=act,
        installation=installation,
    )
