"""The two kinds of import as activities: read the upload into rows, then merge the rows chunk by chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString
from uuid import UUID

import msgspec

from everlist.core import custom_fields, lists, suppression
from everlist.core.activities import MAX_ERRORS, Job, Progress, Unusable
from everlist.core.imports import upload
from everlist.core.imports.merge import merge
from everlist.core.imports.reading import COLUMNS, Reading

if TYPE_CHECKING:
    from everlist.core.activities import Activity
    from everlist.db import Transaction

CHUNK = 10_000
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
    """One chunk of an import: first the whole upload is read into rows, then CHUNK rows at a time are merged."""
    if "next" not in job.activity.position or not await rows_are_there(job):
        return await read_rows(job)
    return await _merge(job)


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
    await tx.execute(
        "delete from import_row where account_id = $1 and activity_id = $2", account_id, activity_id
    )
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
    await tx.copy_in("import_row", COLUMNS, reading.lines_ahead(pieces))
    if reading.rows == 0:
        message = "the file has no rows"
        raise Unusable(message)
    await tx.execute("analyze import_row (account_id, activity_id, row_number)")
    for supersede in _SUPERSEDE if reading.has_numbers else _SUPERSEDE[:1]:
        await tx.execute(supersede, account_id, activity_id)
    position = {"rows": reading.rows, "next": activity.position.get("next", 1)}
    if "next" in activity.position:  # read again after a crash: what was counted stays counted
        return Progress(position, done=False)
    counts = await _first_counts(tx, activity, job.act.hash_key)
    counts["items_total_count"] = reading.rows + reading.header_rows
    return Progress(
        position, done=False, percent_done=5, counts=counts, errors=reading.remarks + reading.errors
    )


_SUPERSEDE: tuple[LiteralString, LiteralString] = (
    """
    update import_row r set superseded_by = last.line_number
    from (
        select email_key, max(row_number) as row_number,
            (array_agg(line_number order by row_number desc))[1] as line_number
        from import_row
        where account_id = $1 and activity_id = $2 and problem is null and email_key is not null
        group by email_key having count(*) > 1
    ) last
    where r.account_id = $1 and r.activity_id = $2 and r.email_key = last.email_key
        and r.row_number < last.row_number and r.problem is null
    """,
    """
    update import_row r set superseded_by = best.line_number
    from (
        select sms_number,
            (array_agg(row_number order by email_key is null, row_number desc))[1] as row_number,
            (array_agg(line_number order by email_key is null, row_number desc))[1] as line_number
        from import_row
        where account_id = $1 and activity_id = $2 and problem is null and sms_number is not null
            and superseded_by is null
        group by sms_number having count(*) > 1
    ) best
    where r.account_id = $1 and r.activity_id = $2 and r.sms_number = best.sms_number
        and r.row_number <> best.row_number and r.email_key is null
        and r.problem is null and r.superseded_by is null
    """,
)
"""Of the rows with one address the last counts; so it does of the rows with only one number, unless a row with an
address has that number too. Rows of different addresses are different people, whatever their numbers are."""


async def _first_counts(tx: Transaction, activity: Activity, hash_key: bytes) -> dict[str, int]:
    """Report and count the rows that are decided before any merge: rejected, and superseded by a later one."""
    await tx.execute(
        """
        insert into import_report (account_id, activity_id, row_number, reason, email, keys)
        select $1, $2, row_number, coalesce(problem, 'superseded by line ' || superseded_by),
            case when not k.keys && $3::text[] then coalesce(email, sms_number) end,
            case when k.keys && $3::text[] then '{}' else k.keys end
        from import_row r cross join lateral (
            select coalesce(r.keys, array_remove(array[r.email_key, r.sms_number], null)) as keys
        ) k
        where account_id = $1 and activity_id = $2 and (problem is not null or superseded_by is not null)
        on conflict do nothing
        """,
        activity.account_id,
        activity.activity_id,
        await _erased(tx, activity, hash_key),
    )
    row = await tx.row(
        """
        select count(*) filter (where problem is not null) as rejected,
            count(*) filter (where problem is not null and correctable) as correctable_count,
            count(*) filter (where problem is not null and not correctable) as error_count,
            count(*) filter (where superseded_by is not null) as unchanged
        from import_row where account_id = $1 and activity_id = $2
        """,
        activity.account_id,
        activity.activity_id,
    )
    return dict(row) if row else {}


async def _erased(tx: Transaction, activity: Activity, hash_key: bytes) -> list[str]:
    """The keys in the rows that are reported, by which erased people are known: such a text must not be kept."""
    if not await suppression.any_entry(tx, activity.account_id):
        return []
    rows = await tx.rows(
        "select distinct k.key from import_row r"
        " cross join lateral unnest(coalesce(r.keys, array[r.email_key, r.sms_number])) k (key)"
        " where r.account_id = $1 and r.activity_id = $2 and (r.problem is not null or r.superseded_by is not null)"
        " and k.key is not null",
        activity.account_id,
        activity.activity_id,
    )
    keys = [row["key"] for row in rows]
    erased: list[str] = []
    for channel in (suppression.EMAIL, suppression.SMS):
        found = await suppression.among(tx, hash_key, activity.account_id, channel, keys)
        erased += [key for key, remembered in found.items() if remembered.erased_at is not None]
    return erased


async def _merge(job: Job) -> Progress:
    tx, activity = job.tx, job.activity
    request = msgspec.convert(activity.request, ImportRequest)
    first: int = activity.position["next"]
    rows: int = activity.position["rows"]
    last = min(first + CHUNK - 1, rows)
    live = await lists.lock_live(tx, activity.account_id, request.list_ids)
    expect_new: bool = activity.position.get("expect_new", False)
    merged = await merge(
        tx, activity.account_id, sorted(live), first=first, last=last, act=job.act, expect_new=expect_new
    )
    counts = counted(merged)
    errors = (
        [f"{gone}: no such list any more" for gone in sorted(set(request.list_ids) - live)]
        if first == 1
        else []
    )
    done = last == rows
    if first == 1 and not done:
        await analyze(tx)
    if done:
        await finish(job, created=activity.counts.get("created", 0) + counts.get("created", 0))
    return Progress(
        {"rows": rows, "next": last + 1, "expect_new": merged.get("created", 0) == sum(merged.values())},
        done=done,
        percent_done=5 + 95 * last // rows,
        counts=counts,
        errors=errors[:MAX_ERRORS],
    )


def counted(outcomes: dict[str, int]) -> dict[str, int]:
    """How many rows had which outcome, with the contract's counters beside them."""
    merged = sum(outcomes.values())
    return {
        **outcomes,
        "person_count": merged - outcomes.get("rejected", 0),
        "error_count": outcomes.get("rejected", 0),
        "cannot_add_to_list_count": outcomes.get("held_back", 0),
    }


async def finish(job: Job, *, created: int) -> None:
    """Take the rows and the upload away when all are merged, of which `created` made a contact."""
    tx, activity = job.tx, job.activity
    if created >= ANALYZED:
        await analyze(tx)
    await tx.execute(
        "delete from import_row where account_id = $1 and activity_id = $2",
        activity.account_id,
        activity.activity_id,
    )
    await upload.discard(tx, activity.account_id, activity.activity_id)


async def analyze(tx: Transaction) -> None:
    """Let the planner know of the many new rows now: until autovacuum comes by, it would plan as if for a few."""
    await tx.execute("analyze contact (account_id, contact_id, deleted_at, permission), list_membership")
