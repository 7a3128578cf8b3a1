"""The two kinds of import as activities: read the upload into rows, then merge the rows chunk by chunk."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, LiteralString
from uuid import UUID

import msgspec

from everlist.core import custom_fields, lists
from everlist.core.activities import MAX_ERRORS, ActivityFailed, Job, Progress
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
STRANDS = 2
"""How many chunks are merged at once."""
ANALYZED = 500
"""From how many new contacts on the planner is told of them."""


class ImportRequest(msgspec.Struct, frozen=True):
    """What an import was asked for."""

    list_ids: tuple[UUID, ...]
    sms_permission: str = "not_set"
    vendor_limits: bool = False
    """Cut the file as the vendor does, at 40,000 rows or 4 MB, and say so."""
    is_json: bool = False
    """Whether what was uploaded is one JSON object a line."""


async def contacts_import(job: Job) -> Progress:
    """One chunk of an import: first the whole upload is read into rows, then CHUNK rows at a time are merged.

    Chunks are merged in STRANDS: each takes every other chunk and keeps its own place. No two rows that are merged
    are about one contact, so no chunk waits for another. Raises Unavailable where a strand's rows are gone.
    """
    position = job.activity.position
    if "rows" in position and (not _left(position) or await rows_are_there(job)):
        return await _merge(job)
    if job.strand is not None:
        message = "the rows of the import were lost"
        raise Unavailable(message)
    return await read_rows(job)


def strands(activity: Activity) -> list[int]:
    """The strands of an import that have rows left to merge, once its first chunk has told what to expect of them."""
    return _left(activity.position) if "expect_new0" in activity.position else []


def _left(position: Mapping[str, int]) -> list[int]:
    return [n for n in range(STRANDS) if position.get(f"next{n}", math.inf) <= position["rows"]]


async def rows_are_there(job: Job) -> bool:
    """Whether the unlogged rows survived: a crash of PostgreSQL empties their table."""
    activity = job.activity
    return await job.tx.value(
        "select exists (select from import_row where account_id = $1 and activity_id = $2 and row_number = $3)",
        activity.account_id,
        activity.activity_id,
        activity.position["rows"],
    )


async def read_rows(job: Job) -> Progress:
    """Read the upload into import_row: every row, the valid and the rejected."""
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
        message = "the file has no rows"
        raise ActivityFailed(message)
    await tx.execute("analyze import_row (account_id, activity_id, row_number)")
    for supersede in _SUPERSEDE if reading.has_numbers else _SUPERSEDE[:1]:
        await tx.execute(supersede, account_id, activity_id)
    position: dict[str, object] = {
        "rows": reading.rows,
        "fields": [str(one) for one in reading.custom_field_ids],
        "opt_outs": reading.has_opt_outs,
        "numbers": reading.has_numbers,
    }
    if "rows" in activity.position:  # read again after a crash: what was counted stays counted
        return Progress(position, done=False)
    # By their numbers, rows of different chunks may be about one contact: then one strand takes all.
    position |= {f"next{n}": 1 + n * CHUNK for n in range(1 if reading.has_numbers else STRANDS)}
    position["chunk"] = CHUNK  # stays as it is for this import, whoever goes on with it
    counts = {"items_total_count": reading.rows + reading.header_rows}
    return Progress(
        position, done=False, percent_done=5, counts=counts, errors=reading.remarks + reading.errors
    )


_DELETE_ROWS: tuple[LiteralString, LiteralString] = (
    "delete from import_row where account_id = $1 and activity_id = $2",
    "delete from import_change where account_id = $1 and activity_id = $2",
)

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
"""Of the rows with one address the last counts; so it does of the rows with one number and no address. Rows with
different addresses are about different people, whatever their numbers are. Where the last row is and its line are
put into one number, of which the greatest is found faster than an array is sorted for every address."""


async def _merge(job: Job) -> Progress:
    tx, activity = job.tx, job.activity
    request = msgspec.convert(activity.request, ImportRequest)
    position = activity.position
    rows: int = position["rows"]
    created = activity.counts.get("created", 0)
    left = _left(position)
    if not left:
        await analyze(tx, before=created, created=created, done=True)
        return Progress({}, done=True)
    n = left[0] if job.strand is None else job.strand
    first: int = position[f"next{n}"]
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
        expect_new=position.get(f"expect_new{n}", position.get("expect_new0", False)),
        opt_outs=position["opt_outs"],
        numbers=position.get("numbers", True),  # absent where an earlier version read the file
    )
    counts = counted(merged)
    places = {one: position[f"next{one}"] for one in range(STRANDS) if f"next{one}" in position}
    step = position["chunk"] * len(places)
    following = first + step
    waiting = sum(max(0, rows + step - place) // step for place in (places | {n: following}).values())
    done = left == [n] and job.strand is None and following > rows
    await analyze(tx, before=created, created=created + counts["created"], done=done)
    errors = [*no_longer("list", set(request.list_ids) - live), *no_longer("custom field", gone)]
    return Progress(
        {
            f"next{n}": following,
            f"expect_new{n}": merged.outcomes.get("created", 0) == sum(merged.outcomes.values()),
        },
        done=done,
        percent_done=100 - 95 * waiting // math.ceil(rows / position["chunk"]),
        counts=counts,
        errors=[*errors, *merged.errors][:MAX_ERRORS],
    )


async def fields_gone(job: Job) -> list[UUID]:
    """The custom fields of the file that exist no more. No field changes during this chunk."""
    ids = [UUID(one) for one in job.activity.position["fields"]]
    existing = await custom_fields.keep(job.tx, job.activity.account_id, ids)
    return [one for one in ids if one not in existing]


def no_longer(what: str, ids: Iterable[UUID]) -> list[str]:
    """What an activity says of lists or fields that were deleted while it waited or ran."""
    return [f"{one}: no such {what} any more" for one in sorted(ids)]


def counted(merged: Merged) -> Counter[str]:
    """How many rows of a chunk had which outcome, with the contract's counters beside them."""
    outcomes = merged.outcomes
    refused = outcomes.get("rejected", 0)
    counts = Counter(outcomes)
    counts["person_count"] = sum(outcomes.values()) - refused
    counts["error_count"] = refused
    counts["cannot_add_to_list_count"] = outcomes.get("held_back", 0)
    counts.update(merged.decided)
    return counts


async def analyze(tx: Transaction, *, before: int, created: int, done: bool) -> None:
    """Let the planner know of many new rows now: until autovacuum comes by, it would plan as if for a few.

    Once there are some, of which there were `before` when this chunk began, and again at the end.
    """
    if before < ANALYZED <= created or (done and created >= ANALYZED):
        await tx.execute("analyze contact (account_id, contact_id, deleted_at, permission), list_membership")
