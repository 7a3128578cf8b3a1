"""The export of contacts as an activity.

The file shows one moment: everything is read from one snapshot, a page of contacts at a time. Its pieces
are written in the transaction that completes the activity, so they are there when it is, and a worker that
is killed leaves nothing behind. Where people were erased meanwhile, who may be in it, it begins again.
"""

from __future__ import annotations

import msgspec

from everlist.core import activities, contacts
from everlist.core.activities import ActivityFailed, Job, Progress
from everlist.core.contacts import ContactFilter
from everlist.core.exports.columns import chosen_columns
from everlist.core.exports.file import File

PAGE = 2_000
ATTEMPTS = 10
"""How often an export begins again because people were erased."""


class ExportRequest(msgspec.Struct, frozen=True):
    """What an export was asked for."""

    wanted: ContactFilter
    fields: tuple[str, ...] | None = None
    """Words of FIELDS and ids of custom fields; None means all that there is something of."""


async def contact_exports(job: Job) -> Progress:
    """The whole export in one chunk."""
    account_id = job.activity.account_id
    request = msgspec.convert(job.activity.request, ExportRequest)
    file = File(job)
    done, from_id = 0, None
    async with job.db.snapshot() as moment:
        total = await contacts.count(moment, account_id, request.wanted)
        columns = await chosen_columns(moment, account_id, request.fields)
        include = frozenset(column.include for column in columns if column.include)
        cells = [column.cell for column in columns]
        await file.write([[column.title for column in columns]])
        while True:
            page = await contacts.page(
                moment, account_id, request.wanted, limit=PAGE, from_id=from_id, include=include
            )
            await file.write([cell(contact) for cell in cells] for contact in page.items)
            done, from_id = done + len(page.items), page.next_id
            if from_id is None:
                break
            if await _cancelled(job, done, total):
                await file.discard()
                _, shown = await _standing(job)
                return Progress({}, done=False, counts=_counts(shown, done, total))
    await file.finish()
    erasures, shown = await _standing(job)
    if erasures != job.activity.position.get("erasures", 0):
        attempts = job.activity.position.get("attempts", 1) + 1
        if attempts > ATTEMPTS:
            raise ActivityFailed("people were erased again and again while the export ran")
        await file.discard()
        return Progress(
            {"erasures": erasures, "attempts": attempts}, done=False, counts=_counts(shown, done, done)
        )
    return Progress({}, done=True, counts=_counts(shown, done, done))


def _counts(shown: dict[str, int], done: int, total: int) -> dict[str, int]:
    """What is to be added to the counters that are shown so that they say how far the export is."""
    return {name: count - shown.get(name, 0) for name, count in _shown(done, total).items()}


def _shown(done: int, total: int) -> dict[str, int]:
    return {"items_total_count": max(total, done), "items_completed_count": done}


async def _standing(job: Job) -> tuple[int, dict[str, int]]:
    """How many erasures have touched this activity, and its counters as they are shown.

    The next erasure waits until the transaction ends, and finds the file.
    """
    row = await job.tx.row(
        "select coalesce((position ->> 'erasures')::bigint, 0) as erasures, counts from activity"
        " where account_id = $1 and activity_id = $2 for update",
        job.activity.account_id,
        job.activity.activity_id,
    )
    return (row["erasures"], msgspec.json.decode(row["counts"])) if row else (0, {})


async def _cancelled(job: Job, done: int, total: int) -> bool:
    """Show how far the export is; whether it shall stop."""
    percent = 100 * done // max(total, done)
    return await activities.show_progress(
        job.db, job.activity, counts=_shown(done, total), percent_done=percent
    )
