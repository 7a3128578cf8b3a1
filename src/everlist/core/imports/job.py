"""Run an import as an activity: read the upload into rows, then merge the rows chunk by chunk."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, LiteralString
from uuid import UUID

import msgspec

from everlist.core import custom_fields, lists
from everlist.core.activities import (
    ITEMS,
    MAX_ERRORS,
    ROWS_CORRECTABLE,
    ROWS_NOT_LISTED,
    ROWS_TAKEN,
    ROWS_WRONG,
    ActivityFailed,
    Job,
    Progress,
)
from everlist.core.imports import upload
from everlist.core.imports.merge import merge
from everlist.core.imports.reading import COLUMNS, Reading
from everlist.db import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from everlist.core.activities import Activity
    from everlist.core.imports.merge import Merged
    from everlist.db import Transaction

CHUNK = 10_000
"""How many rows are merged in one transaction."""
PARTITIONS = 2
"""How many chunks are merged at once."""
ANALYZE_CONTACTS = 500
"""Run ANALYZE once the import has created so many contacts."""


class ImportRequest(msgspec.Struct, frozen=True):
    """What an import was asked for."""

    list_ids: tuple[UUID, ...]
    sms_permission: str = "not_set"
    vendor_limits: bool = False
    """Cut the file as the vendor does, at 40,000 rows or 4 MB, and report it."""
    is_json: bool = False
    """True if the upload is one JSON object a line."""


async def contacts_import(job: Job) -> Progress:
    """Do one chunk of an import: first read the whole upload into rows, then merge CHUNK rows at a time.

    The chunks are dealt out to PARTITIONS: each merges every other chunk and keeps its own position. No two merged rows
    are about one contact, so no chunk waits for another. Raises Unavailable if the rows of a partition were lost.
    """
    position = job.activity.position
    if "rows" in position and (not _unmerged(position) or await rows_are_there(job)):
        return await _merge(job)
    if job.partition is not None:
        raise Unavailable("the rows of the import were lost")
    return await read_rows(job)


def partitions_left(activity: Activity) -> list[int]:
    """Return the partitions that have rows left to merge, none before the first chunk has been merged.

    That chunk runs alone: it shows whether to expect new contacts or known ones.
    """
    return _unmerged(activity.position) if "expect_new0" in activity.position else []


def _unmerged(position: Mapping[str, int]) -> list[int]:
    return [n for n in range(PARTITIONS) if position.get(f"next{n}", math.inf) <= position["rows"]]


async def rows_are_there(job: Job) -> bool:
    """Return False if PostgreSQL has crashed since the rows were read: their table is unlogged, and a crash empties it."""
    activity = job.activity
    return await job.tx.value(
        "select exists (select from import_row where account_id = $1 and activity_id = $2 and row_number = $3)",
        activity.account_id,
        activity.activity_id,
        activity.position["rows"],
    )


async def read_rows(job: Job) -> Progress:
    """Copy every row of the upload into import_row, valid or rejected."""
    tx, activity = job.tx, job.activity
    account_id, activity_id = activity.account_id, activity.activity_id
    request = msgspec.convert(activity.request, ImportRequest)
    await tx.execute("set local statement_timeout = 0")
    for delete in _DELETE_ROWS:
        await tx.execute(delete, account_id, activity_id)
    fields = await custom_fields.page(tx, account_id, limit=custom_fields.MAX_FIELDS)
    reading = Reading(
        activity,
        fields.items,
        is_json=request.is_json,
        sms_permission=request.sms_permission,
        vendor_limits=request.vendor_limits,
        now=job.act.now.replace(microsecond=0),
    )
    pieces = upload.read(job.db, account_id, activity_id)
    await tx.copy_in("import_row", COLUMNS, reading.copy_lines(pieces))
    if reading.rows == 0:
        raise ActivityFailed("the file has no rows")
    await tx.execute("analyze import_row (account_id, activity_id, row_number)")
    for supersede in _SUPERSEDE if reading.has_numbers else _SUPERSEDE[:1]:
        await tx.execute(supersede, account_id, activity_id)
    position: dict[str, object] = {
        "rows": reading.rows,
        "fields": [str(field_id) for field_id in reading.custom_field_ids],
        "opt_outs": reading.has_opt_outs,
        "numbers": reading.has_numbers,
    }
    if "rows" in activity.position:  # read again after a crash: the counts are there already
        return Progress(position, done=False)
    # Two rows with SMS numbers may be about one contact and stand in different chunks: use one partition.
    position |= {f"next{n}": 1 + n * CHUNK for n in range(1 if reading.has_numbers else PARTITIONS)}
    position["chunk"] = CHUNK  # a later version that resumes this import must take the same chunks
    counts = {ITEMS: reading.rows + reading.header_rows}
    return Progress(
        position, done=False, percent_done=5, counts=counts, errors=reading.remarks + reading.errors
    )


_DELETE_ROWS: tuple[LiteralString, LiteralString] = (
    "delete from import_row where account_id = $1 and activity_id = $2",
    "delete from import_change where account_id = $1 and activity_id = $2",
)
"""Delete what an earlier reading of the same upload left."""

_SUPERSEDE: tuple[LiteralString, LiteralString] = (
    """
    update import_row r set superseded_by = (last.at & 2147483647)::integer
    from (
        select email_key, max(row_number::bigint << 31 | line_number) as at from import_row
        where account_id = $1 and activity_id = $2 and problem is null and email_key is not null
        group by email_key having count(*) > 1
    ) last
    where r.account_id = $1 and r.activity_id = $2 and r.email_key = last.email_key
        and r.row_number < last.at >> 31 and r.problem is null
    """,
    """
    update import_row r set superseded_by = (last.at & 2147483647)::integer
    from (
        select sms_number, max(row_number::bigint << 31 | line_number) as at from import_row
        where account_id = $1 and activity_id = $2 and problem is null and sms_number is not null and email_key is null
        group by sms_number having count(*) > 1
    ) last
    where r.account_id = $1 and r.activity_id = $2 and r.sms_number = last.sms_number and r.email_key is null
        and r.row_number < last.at >> 31 and r.problem is null
    """,
)
"""Mark rows as superseded: the last row with an address counts, and of rows without an address the last with a number.

Rows with different addresses are about different people, even if they share a number. `at` packs the row number and
the line number of the last row into one integer: max() over integers is faster than sorting an array for every address.
"""


async def _merge(job: Job) -> Progress:
    tx, activity = job.tx, job.activity
    request = msgspec.convert(activity.request, ImportRequest)
    position = activity.position
    rows: int = position["rows"]
    created = activity.counts.get("created", 0)
    unmerged = _unmerged(position)
    if not unmerged:
        await analyze(tx, before=created, created=created, done=True)
        return Progress({}, done=True)
    partition = unmerged[0] if job.partition is None else job.partition
    first: int = position[f"next{partition}"]
    last = min(first + position["chunk"] - 1, rows)
    live = await lists.lock_live(tx, activity.account_id, request.list_ids)
    gone = await fields_gone(job)
    merged = await merge(
        tx,
        activity.account_id,
        sorted(live),
        first=first,
        last=last,
        gone=gone,
        act=job.act,
        installation=job.installation,
        expect_new=position.get(f"expect_new{partition}", position.get("expect_new0", False)),
        opt_outs=position["opt_outs"],
        numbers=position.get("numbers", True),  # absent where an earlier version read the file
    )
    counts = counted(merged)
    starts = {n: position[f"next{n}"] for n in range(PARTITIONS) if f"next{n}" in position}
    step = position["chunk"] * len(starts)
    following = first + step
    chunks_left = sum(
        max(0, rows + step - start) // step for start in (starts | {partition: following}).values()
    )
    done = unmerged == [partition] and job.partition is None and following > rows
    await analyze(tx, before=created, created=created + counts["created"], done=done)
    errors = [*no_longer("list", set(request.list_ids) - live), *no_longer("custom field", gone)]
    return Progress(
        {
            f"next{partition}": following,
            f"expect_new{partition}": merged.outcomes.get("created", 0) == sum(merged.outcomes.values()),
        },
        done=done,
        percent_done=100 - 95 * chunks_left // math.ceil(rows / position["chunk"]),
        counts=counts,
        errors=[*errors, *merged.errors][:MAX_ERRORS],
    )


async def fields_gone(job: Job) -> list[UUID]:
    """Return the custom fields of the file that were deleted since; no other is deleted during this chunk."""
    ids = [UUID(field_id) for field_id in job.activity.position["fields"]]
    existing = await custom_fields.keep(job.tx, job.activity.account_id, ids)
    return [field_id for field_id in ids if field_id not in existing]


def no_longer(noun: str, ids: Iterable[UUID]) -> list[str]:
    """Return the errors of lists or fields that were deleted while the activity waited or ran."""
    return [f"{gone_id}: no such {noun} any more" for gone_id in sorted(ids)]


def counted(merged: Merged) -> Counter[str]:
    """Return how many rows of a chunk had each outcome, and the counters of `activity.counts` that follow from them."""
    outcomes, decided = merged.outcomes, merged.decided
    rejected = outcomes.get("rejected", 0)
    counts = Counter[str]()
    counts.update(outcomes)
    counts[ROWS_TAKEN] = sum(outcomes.values()) - rejected
    counts[ROWS_NOT_LISTED] = outcomes.get("held_back", 0)
    counts[ROWS_WRONG] = rejected + decided.rejected - decided.correctable
    counts[ROWS_CORRECTABLE] = decided.correctable
    counts.update(rejected=decided.rejected, unchanged=decided.superseded)
    return counts


async def analyze(tx: Transaction, *, before: int, created: int, done: bool) -> None:
    """Run ANALYZE once the import has created ANALYZE_CONTACTS contacts, and again at the end.

    `before` is how many it had created before this chunk. Autovacuum would run it later, and until then the planner
    plans for the few rows it knows.
    """
    if before < ANALYZE_CONTACTS <= created or (done and created >= ANALYZE_CONTACTS):
        await tx.execute("analyze contact (account_id, contact_id, deleted_at, permission), list_membership")
