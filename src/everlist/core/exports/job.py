"""Export contacts, as an activity.

The file shows one moment: everything is read from one snapshot, a page of contacts at a time. Its parts are written
in the transaction that completes the activity, so a worker that is killed leaves nothing behind. If people who may be
in the file were erased meanwhile, the export starts over.
"""

from __future__ import annotations

import msgspec

from everlist.core import activities, contacts
from everlist.core.activities import ITEMS, ITEMS_DONE, ActivityFailed, Job, Progress, percent_done
from everlist.core.contacts import ContactFilter
from everlist.core.exports.columns import chosen_columns
from everlist.core.exports.file import File

PAGE = 2_000
ATTEMPTS = 10
"""How often an export is tried while people are erased."""


class ExportRequest(msgspec.Struct, frozen=True):
    """What an export was asked for."""

    wanted: ContactFilter
    fields: tuple[str, ...] | None = None
    """Words of FIELDS and ids of custom fields; None means all that we store."""


async def contact_exports(job: Job) -> Progress:
    """Do the whole export in one chunk."""
    account_id = job.activity.account_id
    request = msgspec.convert(job.activity.request, ExportRequest)
    file = File(job)
    done, from_id = 0, None
    async with job.db.snapshot() as snapshot:
        total = await contacts.count(snapshot, account_id, request.wanted)
        columns = await chosen_columns(snapshot, account_id, request.fields)
        include = frozenset(column.include for column in columns if column.include)
        cells = [column.cell for column in columns]
        await file.write([[column.title for column in columns]])
        while True:
            page = await contacts.page(
                snapshot, account_id, request.wanted, limit=PAGE, from_id=from_id, include=include
            )
            await file.write([cell(contact) for cell in cells] for contact in page.items)
            done, from_id = done + len(page.items), page.next_id
            if from_id is None:
                break
            if await _is_cancelled(job, done, total):
                await file.discard()
                _, stored = await _lock_activity(job)
                return Progress({}, done=False, counts=_added(stored, done, total))
    await file.finish()
    erasures, stored = await _lock_activity(job)
    if erasures != job.activity.position.get("erasures", 0):
        attempts = job.activity.position.get("attempts", 1) + 1
        if attempts > ATTEMPTS:
            raise ActivityFailed("people were erased again and again while the export ran")
        await file.discard()
        return Progress(
            {"erasures": erasures, "attempts": attempts}, done=False, counts=_added(stored, done, done)
        )
    return Progress({}, done=True, counts=_added(stored, done, done))


def _counts(done: int, total: int) -> dict[str, int]:
    return {ITEMS: max(total, done), ITEMS_DONE: done}


def _added(stored: dict[str, int], done: int, total: int) -> dict[str, int]:
    """Return what must be added to the stored counters, which show the progress already, to make them right."""
    return {name: count - stored.get(name, 0) for name, count in _counts(done, total).items()}


async def _lock_activity(job: Job) -> tuple[int, dict[str, int]]:
    """Lock the activity; return how many erasures have touched it, and its stored counters.

    The next erasure waits until the transaction ends, and then finds the file.
    """
    row = await job.tx.row(
        "select coalesce((position ->> 'erasures')::bigint, 0) as erasures, counts from activity"
        " where account_id = $1 and activity_id = $2 for update",
        job.activity.account_id,
        job.activity.activity_id,
    )
    return (row["erasures"], msgspec.json.decode(row["counts"])) if row else (0, {})


async def _is_cancelled(job: Job, done: int, total: int) -> bool:
    """Show the progress of the export; return True if it was cancelled."""
    return await activities.show_progress(
        job.db, job.activity, counts=_counts(done, total), percent_done=percent_done(done, total)
    )
