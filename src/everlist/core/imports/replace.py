"""Make a list exactly what a file says, in one step. Design section 5.

The file is read as an import's is. Then one transaction takes off whoever is not in it, and merges its rows: the
list changes for all at once, and as it is emptied first, no more contacts are active in between than before or
after. A preview is that same transaction, rolled back.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, LiteralString
from uuid import UUID

import msgspec

from everlist.core import activities, counters, lists, usage
from everlist.core.activities import MAX_ERRORS, PROCESSING, Activity, ActivityFailed, Job, Progress
from everlist.core.contacts.edit import DELETED, Edit, edit
from everlist.core.contacts.select import lock, read
from everlist.core.imports import outcomes
from everlist.core.imports.job import (
    CHUNK,
    ImportRequest,
    analyze,
    counted,
    fields_gone,
    no_longer,
    read_rows,
    rows_are_there,
)
from everlist.core.imports.merge import merge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from everlist.core.act import Act
    from everlist.core.installation import Installation
    from everlist.db import Database, Transaction

KIND = "list_replace"
UNLIST, DELETE = "unlist", "delete"
LEAVERS = (UNLIST, DELETE)
MAX_REPORTED = 1000


class ReplaceRequest(ImportRequest, frozen=True):
    """What a replacement was asked for; `list_ids` is the one list."""

    leavers: str = UNLIST
    """What becomes of contacts on the list that the file does not have: a word of LEAVERS."""
    max_removed_percent: float | None = None
    """Refuse where more of the list would leave."""


class Reported(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row that was not simply taken."""

    line: int
    outcome: str
    reason: str
    email: str | None = None


class Difference(msgspec.Struct, frozen=True):
    """What a replacement does, or would do."""

    add: int
    """Contacts that come onto the list."""
    keep: int
    """Contacts that stay on it."""
    update: int
    """Of those, whose details change."""
    remove: int
    held_back: int
    """Rows of people who unsubscribed: they stay as they are."""
    rejected: int
    peak_before: int
    """The most contacts active at one time in this month."""
    peak_after: int
    rows: tuple[Reported, ...] = ()
    """The first 1,000 rows that are held back or rejected, with their reasons."""


async def list_replace(job: Job) -> Progress:
    """Read the file; then make the list what it says."""
    if "rows" not in job.activity.position or not await rows_are_there(job):
        return await read_rows(job)

    async def show(percent: int) -> None:
        await activities.show_progress(job.db, job.activity, counts={}, percent_done=percent)

    counts, errors = await _switch(job, show)
    return Progress(job.activity.position, done=True, counts=counts, errors=errors[:MAX_ERRORS])


class _Preview(Exception):
    def __init__(self, difference: Difference) -> None:
        super().__init__()
        self.difference = difference


async def preview(
    db: Database,
    account_id: UUID,
    activity_id: UUID,
    request: ReplaceRequest,
    *,
    act: Act,
    installation: Installation,
) -> Difference:
    """What replacing the list by the upload of `activity_id` would do. Nothing is changed. Raises ActivityFailed."""
    activity = Activity(
        account_id=account_id,
        activity_id=activity_id,
        kind=KIND,
        state=PROCESSING,
        request=msgspec.to_builtins(request),
        source_file_name=None,
        position={},
        percent_done=0,
        counts={},
        errors=[],
        created_at=act.now,
        updated_at=act.now,
        started_at=act.now,
        completed_at=None,
        cancel_requested_at=None,
        operation=act.operation,
        request_id=act.request_id,
        token_id=act.token_id,
    )

    act = msgspec.structs.replace(act, activity_id=activity_id)

    async def operation(tx: Transaction) -> None:
        for setting in ("statement_timeout = 0", "work_mem = '64MB'", "plan_cache_mode = force_custom_plan"):
            await tx.execute("set local " + setting)
        month = await usage.of_month(tx, account_id, None, now=act.now)
        read = await read_rows(Job(tx, db, activity, act, installation))
        ready = msgspec.structs.replace(activity, position=read.position, counts=read.counts)
        counts, _ = await _switch(Job(tx, db, ready, act, installation), None)
        after = await usage.of_month(tx, account_id, None, now=act.now)
        total = {name: read.counts.get(name, 0) + counts.get(name, 0) for name in read.counts | counts}
        reported: list[Reported] = []
        async for lines in outcomes.read(tx, account_id, activity_id, frozenset({"held_back", "rejected"})):
            reported += [
                Reported(line, outcome, reason, email or None) for _, line, outcome, _, email, reason in lines
            ]
            if len(reported) >= MAX_REPORTED:
                break
        raise _Preview(
            Difference(
                total["added_count"],
                total["kept_count"],
                total["changed_count"],
                total["removed_count"],
                total.get("held_back", 0),
                total.get("rejected", 0),
                month.peak,
                after.peak,
                tuple(reported[:MAX_REPORTED]),
            )
        )

    try:
        await db.write(operation)
    except _Preview as made:
        return made.difference
    raise AssertionError


_LEAVERS: LiteralString = """
select coalesce(string_agg(uuid_send(m.contact_id), ''::bytea order by m.contact_id), ''::bytea)
from list_membership m
join contact c on c.account_id = $1 and c.contact_id = m.contact_id
where m.account_id = $1 and m.list_id = $3
    and not exists (
        select from import_row r where r.account_id = $1 and r.activity_id = $2 and r.email_key = c.email_key)
    and not exists (
        select from import_row r, unnest(r.keys) k (key)
        where r.account_id = $1 and r.activity_id = $2 and k.key = c.email_key)
    and not exists (
        select from import_row r, unnest(r.keys) k (key)
        where r.account_id = $1 and r.activity_id = $2 and k.key = c.sms_number)
    and not exists (
        select from import_row r where r.account_id = $1 and r.activity_id = $2
        and r.email_key is null and r.sms_number = c.sms_number)
"""


async def _switch(
    job: Job, show: Callable[[int], Awaitable[None]] | None
) -> tuple[dict[str, int], list[str]]:
    """Take off who leaves, and merge the rows that were read; the counts of it all, and what was refused."""
    tx, activity = job.tx, job.activity
    account_id = activity.account_id
    request = msgspec.convert(activity.request, ReplaceRequest)
    if not await lists.lock_live(tx, account_id, request.list_ids):
        message = "the list has been deleted"
        raise ActivityFailed(message)
    (list_id,) = request.list_ids
    before = await _members(tx, account_id, list_id)
    leavers = await _leavers(job, list_id)
    most = request.max_removed_percent
    if most is not None and before and 100 * len(leavers) > most * before:
        message = (
            f"{len(leavers):,} of {before:,} contacts would leave the list, which is more than {most:g}%:"
            " nothing was changed"
        )
        raise ActivityFailed(message)
    leave = DELETED if request.leavers == DELETE else Edit(leave=(list_id,))
    removed = 0
    for begin in range(0, len(leavers), CHUNK):
        some = leavers[begin : begin + CHUNK]
        await lock(tx, account_id, some)
        some = await _still_on(tx, account_id, list_id, some)
        removed += len(some)
        await edit(tx, account_id, await read(tx, account_id, some), leave, job.act)
    rows: int = activity.position["rows"]
    gone = await fields_gone(job)
    counts: Counter[str] = Counter()
    errors = no_longer("custom field", gone)
    for first in range(1, rows + 1, CHUNK):
        last = min(first + CHUNK - 1, rows)
        merged = await merge(
            tx,
            account_id,
            [list_id],
            first=first,
            last=last,
            gone=gone,
            act=job.act,
            installation=job.installation,
            opt_outs=activity.position["opt_outs"],
        )
        created = counts["created"]
        counts.update(counted(merged))
        errors += merged.errors
        await analyze(tx, before=created, created=counts["created"], done=last == rows and show is not None)
        if show is not None:
            await show(100 * last // rows)
    after = await _members(tx, account_id, list_id)
    kept = before - len(leavers)
    joined = after - kept - counts["created"]
    switched = {
        "added_count": after - kept,
        "kept_count": kept,
        "removed_count": removed,
        "changed_count": counts["updated"] - joined,
    }
    return {**counts, **switched}, errors


async def _leavers(job: Job, list_id: UUID) -> list[UUID]:
    """Who is on the list and not in the file. A row that cannot be taken keeps its contact where it is.

    Where nobody can tell whom such a row means, nobody leaves.
    """
    tx, activity = job.tx, job.activity
    nameless = await tx.value(
        "select exists (select from import_row where account_id = $1 and activity_id = $2 and problem is not null"
        " and btrim(coalesce(email, '')) = '')",
        activity.account_id,
        activity.activity_id,
    )
    if nameless:
        return []
    # The planner knows little of the rows just read; a loop over all of them for each member would never end.
    await tx.set_on_every_node("enable_nestloop = off")
    packed: bytes = await tx.value(_LEAVERS, activity.account_id, activity.activity_id, list_id)
    await tx.set_on_every_node("enable_nestloop = on")
    return [UUID(bytes=packed[at : at + 16]) for at in range(0, len(packed), 16)]


async def _still_on(
    tx: Transaction, account_id: UUID, list_id: UUID, contact_ids: Sequence[UUID]
) -> list[UUID]:
    """Those whom nobody has taken off the list while we waited for their locks."""
    rows = await tx.rows(
        "select contact_id from list_membership where account_id = $1 and list_id = $2"
        " and contact_id = any($3::uuid[]) order by contact_id",
        account_id,
        list_id,
        contact_ids,
    )
    return [row["contact_id"] for row in rows]


async def _members(tx: Transaction, account_id: UUID, list_id: UUID) -> int:
    return (await counters.of_subjects(tx, account_id, "list.members", [list_id]))[list_id]
