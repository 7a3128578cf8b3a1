"""Replace the members of a list by those of a file, in one step.

The file is read as an import reads it. Then one transaction removes the contacts that are not in the file and merges
its rows, so readers see the old list or the new. It removes before it adds: at no time are more contacts active than
before or after. A preview is the same transaction, rolled back.
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

UNLIST, DELETE = "unlist", "delete"
LEAVERS = (UNLIST, DELETE)
MAX_REPORTED = 1000


class ReplaceRequest(ImportRequest, frozen=True):
    """What a replacement was asked for; `list_ids` holds one list."""

    leavers: str = UNLIST
    """What happens to members that are not in the file: a word of LEAVERS."""
    max_removed_percent: float | None = None
    """Refuse if more of the list would leave."""


class Reported(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row that was held back or rejected."""

    line: int
    outcome: str
    reason: str
    email: str | None = None


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What a replacement would change."""

    add: int
    """Contacts to be added to the list."""
    keep: int
    """Contacts that stay on it."""
    update: int
    """How many of those change in other values."""
    remove: int
    held_back: int
    """Rows of people who have unsubscribed: they are not added."""
    rejected: int
    peak_before: int
    """The highest number of active contacts this month so far."""
    peak_after: int
    rows: tuple[Reported, ...] = ()
    """The first 1,000 rows that are held back or rejected, with their reasons."""


async def list_replace(job: Job) -> Progress:
    """Read the file in the first chunk, and replace the list in the second."""
    if "rows" not in job.activity.position or not await rows_are_there(job):
        return await read_rows(job)

    async def show(percent: int) -> None:
        await activities.show_progress(job.db, job.activity, counts={}, percent_done=percent)

    counts, errors = await _switch(job, show)
    return Progress(job.activity.position, done=True, counts=counts, errors=errors[:MAX_ERRORS])


class _Preview(Exception):
    """Rolls the transaction of a preview back, and carries its result out."""

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
    """Return what replacing the list by the upload of `activity_id` would change. Raises ActivityFailed."""
    activity = Activity(
        account_id=account_id,
        activity_id=activity_id,
        kind="list_replace",
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
        # The worker's own connections have these settings; a preview runs in a web process.
        await tx.execute("set local statement_timeout = 0")
        await tx.execute("set local work_mem = '64MB'")
        await tx.execute("set local plan_cache_mode = force_custom_plan")
        month = await usage.of_month(tx, account_id, None, now=act.now)
        job = Job(tx=tx, db=db, activity=activity, act=act, installation=installation)
        read = await read_rows(job)
        ready = msgspec.structs.replace(activity, position=read.position, counts=read.counts)
        counts, _ = await _switch(msgspec.structs.replace(job, activity=ready), None)
        after = await usage.of_month(tx, account_id, None, now=act.now)
        total = {name: read.counts.get(name, 0) + counts.get(name, 0) for name in read.counts | counts}
        reported: list[Reported] = []
        async for lines in outcomes.read(tx, account_id, activity_id, frozenset({"held_back", "rejected"})):
            reported += [
                Reported(line=line, outcome=outcome, reason=reason, email=email or None)
                for _, line, outcome, _, email, reason in lines
            ]
            if len(reported) >= MAX_REPORTED:
                break
        raise _Preview(
            Difference(
                add=total["added_count"],
                keep=total["kept_count"],
                update=total["changed_count"],
                remove=total["removed_count"],
                held_back=total.get("held_back", 0),
                rejected=total.get("rejected", 0),
                peak_before=month.peak,
                peak_after=after.peak,
                rows=tuple(reported[:MAX_REPORTED]),
            )
        )

    try:
        await db.write(operation)
    except _Preview as done:
        return done.difference
    raise AssertionError


# $1 account, $2 activity, $3 list. The ids come as one byte string: a list may have a million members.
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
    """Remove the leavers and merge the rows that were read; return the counts and the errors."""
    tx, activity = job.tx, job.activity
    account_id = activity.account_id
    request = msgspec.convert(activity.request, ReplaceRequest)
    if not await lists.lock_live(tx, account_id, request.list_ids):
        raise ActivityFailed("the list has been deleted")
    (list_id,) = request.list_ids
    before = await _members(tx, account_id, list_id)
    leavers = await _leavers(job, list_id)
    most = request.max_removed_percent
    if most is not None and before and 100 * len(leavers) > most * before:
        raise ActivityFailed(
            f"{len(leavers):,} of {before:,} contacts would leave the list, which is more than {most:g}%:"
            " nothing was changed"
        )
    leave = DELETED if request.leavers == DELETE else Edit(leave=(list_id,))
    removed = 0
    for begin in range(0, len(leavers), CHUNK):
        contact_ids = leavers[begin : begin + CHUNK]
        await lock(tx, account_id, contact_ids)
        contact_ids = await _still_on(tx, account_id, list_id, contact_ids)
        removed += len(contact_ids)
        await edit(tx, account_id, await read(tx, account_id, contact_ids), leave, job.act)
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
            numbers=activity.position.get("numbers", True),
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
    """Return the members that are not in the file. A rejected row keeps its contact on the list.

    If a rejected row names no address, its contact cannot be known: then nobody leaves.
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
    # import_row has few statistics yet, so the planner may choose to loop over all rows for each member: hours.
    await tx.set_on_every_node("enable_nestloop = off")
    packed: bytes = await tx.value(_LEAVERS, activity.account_id, activity.activity_id, list_id)
    await tx.set_on_every_node("enable_nestloop = on")
    return [UUID(bytes=packed[at : at + 16]) for at in range(0, len(packed), 16)]


async def _still_on(
    tx: Transaction, account_id: UUID, list_id: UUID, contact_ids: Sequence[UUID]
) -> list[UUID]:
    """Return the contacts that nobody has removed from the list while we waited for their locks."""
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
