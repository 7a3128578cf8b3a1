"""Bulk activities: the record, which is also the queue. V3 contract 6.1.

An account's activities run one at a time, in the order they were queued; accounts run side by side. An
account with work has a row in `lane`; a worker claims a lane, takes the account's first unfinished
activity, and gives the lane back after it, so that one long backlog slows no other account.

Each chunk of work is one transaction that also writes the activity's row, guarded by `run_by`. A worker
that was taken for dead and comes back finds that guard against it, and its chunk rolls back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

import msgspec

from everlist.core.act import Act
from everlist.core.ids import new_id
from everlist.core.installation import Installation
from everlist.core.paging import Page
from everlist.db import Database, Queries, Row, Transaction
from everlist.errors import Conflict, EverlistError, NotFound

WORK_CHANNEL = "everlist_work"
MAX_QUEUED = 1000
SHOWN = timedelta(days=10)
"""How long an activity is listed after it was made."""
UNDO_WINDOW = timedelta(days=30)
"""How long after its end an activity can be undone and its rows are told."""
KEPT = timedelta(days=90)
"""How long an ended activity is kept itself: the cause of last month's peak can be looked up."""
DEAD_AFTER = timedelta(seconds=10)
"""How long a worker may be silent before another may claim its lane."""
MAX_ERRORS = 100
_FORGOTTEN = 1_000

INITIALIZED, PROCESSING, COMPLETED = "initialized", "processing", "completed"
CANCELLED, FAILED, TIMED_OUT = "cancelled", "failed", "timed_out"
UNFINISHED = (INITIALIZED, PROCESSING)


class QueueFull(EverlistError):
    """The account has as many unfinished activities as it may."""


class LeaseLost(EverlistError):
    """Another worker has taken this activity over; what this one was doing does not count."""


class Activity(msgspec.Struct, frozen=True):
    """One bulk request, from when it is asked for to its result."""

    account_id: UUID
    activity_id: UUID
    kind: str
    state: str
    request: dict[str, Any]
    source_file_name: str | None
    position: dict[str, Any]
    percent_done: int
    counts: dict[str, int]
    errors: list[str]
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    cancel_requested_at: datetime | None
    operation: str
    request_id: str | None
    token_id: UUID | None


def _activity(row: Row) -> Activity:
    return Activity(
        row["account_id"],
        row["activity_id"],
        row["kind"],
        row["state"],
        msgspec.json.decode(row["request"]),
        row["source_file_name"],
        msgspec.json.decode(row["position"]),
        row["percent_done"],
        msgspec.json.decode(row["counts"]),
        row["errors"],
        row["created_at"],
        row["updated_at"],
        row["started_at"],
        row["completed_at"],
        row["cancel_requested_at"],
        row["operation"],
        row["request_id"],
        row["token_id"],
    )


async def create(
    tx: Transaction,
    account_id: UUID,
    kind: str,
    request: object,
    *,
    counts: dict[str, int] | None = None,
    source_file_name: str | None = None,
    activity_id: UUID | None = None,
    act: Act,
) -> Activity:
    """Queue an activity, which `act` asks for. `request` is stored as JSON. Raises QueueFull.

    To be called last in its transaction: it holds the account's lane until the end, so that activities are counted,
    and take their places, one at a time and in the order in which they can be seen.
    """
    # DO UPDATE, not DO NOTHING: it waits for a worker that is about to delete the row, and then inserts.
    await tx.execute(
        "insert into lane (account_id, ready_at) values ($1, $2)"
        " on conflict (account_id) do update set ready_at = lane.ready_at",
        account_id,
        act.now,
    )
    queued = await tx.value(
        "select count(*) from activity where account_id = $1 and state in ('initialized', 'processing')",
        account_id,
    )
    if queued >= MAX_QUEUED:
        message = f"Too many requests: this account has {MAX_QUEUED} activities queued, which is the limit"
        raise QueueFull(message)
    row = await tx.row(
        """
        insert into activity (account_id, activity_id, kind, state, request, source_file_name, counts,
            created_at, updated_at, operation, request_id, token_id)
        values ($1, $2, $3, 'initialized', $4, $5, $6, $7, $7, $8, $9, $10)
        returning *
        """,
        account_id,
        activity_id or new_id(),
        kind,
        msgspec.json.encode(request).decode(),
        source_file_name,
        msgspec.json.encode(counts or {}).decode(),
        act.now,
        act.operation,
        act.request_id,
        act.token_id,
    )
    await tx.execute("select pg_notify($1, '')", WORK_CHANNEL)
    if row is None:
        raise AssertionError
    return _activity(row)


async def get(db: Queries, account_id: UUID, activity_id: UUID) -> Activity:
    """Raises NotFound."""
    row = await db.row(
        "select * from activity where account_id = $1 and activity_id = $2", account_id, activity_id
    )
    if row is None:
        message = f"no activity has the id {activity_id}"
        raise NotFound(message)
    return _activity(row)


async def page(
    db: Queries,
    account_id: UUID,
    *,
    limit: int,
    now: datetime,
    from_id: UUID | None = None,
    state: str | None = None,
) -> Page[Activity]:
    """The activities of the last ten days, newest first."""
    rows = await db.rows(
        "select * from activity where account_id = $1 and created_at > $2"
        " and ($3::uuid is null or activity_id <= $3) and ($4::text is null or state = $4)"
        " order by activity_id desc limit $5",
        account_id,
        now - SHOWN,
        from_id,
        state,
        limit + 1,
    )
    next_id = rows[limit]["activity_id"] if len(rows) > limit else None
    return Page([_activity(row) for row in rows[:limit]], next_id)


async def cancel(tx: Transaction, account_id: UUID, activity_id: UUID, *, now: datetime) -> Activity:
    """Cancel an activity: at once while it waits, after its present chunk while it runs.

    Raises NotFound, and Conflict where it has ended.
    """
    row = await tx.row(
        """
        update activity set
            cancel_requested_at = coalesce(cancel_requested_at, $3),
            state = case when state = 'initialized' then 'cancelled' else state end,
            completed_at = case when state = 'initialized' then $3::timestamptz end,
            updated_at = $3
        where account_id = $1 and activity_id = $2 and state in ('initialized', 'processing')
        returning *
        """,
        account_id,
        activity_id,
        now,
    )
    if row is None:
        ended = await get(tx, account_id, activity_id)
        message = f"the activity has ended: it is {ended.state}"
        raise Conflict(message)
    return _activity(row)


_HOLDS: LiteralString = (
    "(exists (select from before_image b where b.account_id = $1 and b.activity_id = a.activity_id)"
    " or exists (select from import_outcome o where o.account_id = $1 and o.activity_id = a.activity_id)"
    " or exists (select from import_report r where r.account_id = $1 and r.activity_id = a.activity_id))"
)


def _piece(table: LiteralString, key: LiteralString) -> LiteralString:
    what: LiteralString = "from " + table + " where account_id = $1 and activity_id = $2"
    first = "select " + key + " " + what + " order by " + key + " limit $3"
    gone = "delete " + what + " and " + key + " in (" + first + ") returning null"
    return "with gone as (" + gone + ") select count(*) from gone"


_PIECES: tuple[tuple[LiteralString, int], ...] = (
    (_piece("before_image", "chunk"), 10),
    (_piece("import_outcome", "first_row"), 10),
    (_piece("import_report", "row_number"), 10_000),
)
"""What takes a piece of what an activity holds, and how many rows that is; the first two have thousands in each."""


async def sweep(db: Queries, account_id: UUID, *, now: datetime) -> None:
    """Take away the before-images and rows of activities that ended long ago, and after KEPT the activities.

    Each piece is a transaction of its own. Everything stays a day longer than it is told, so that an answer under
    way is whole; what an undo or a restore has yet to read stays until that has ended.
    """
    ended = await db.rows(
        "select a.activity_id from activity a where a.account_id = $1 and a.completed_at < $2 and "
        + _HOLDS
        + " and not exists (select from activity u where u.account_id = $1 and u.state in ('initialized', 'processing')"
        " and a.activity_id::text in (u.request ->> 'activity_id', u.request ->> 'deleted_by_activity_id'))"
        " order by a.activity_id",
        account_id,
        now - UNDO_WINDOW - timedelta(days=1),
    )
    for row in ended:
        for sql, most in _PIECES:
            while await db.value(sql, account_id, row["activity_id"], most) == most:
                pass
    forget: LiteralString = (
        "with gone as (delete from activity where account_id = $1 and activity_id in ("
        "select a.activity_id from activity a where a.account_id = $1 and a.completed_at < $2 and not "
        + _HOLDS
        + " order by a.activity_id limit $3) returning activity_id) select count(*) from gone"
    )
    while await db.value(forget, account_id, now - KEPT, _FORGOTTEN) == _FORGOTTEN:
        pass


async def claim(tx: Transaction, worker_id: UUID, *, now: datetime) -> UUID | None:
    """Claim the lane that has waited longest; its account, or None where there is no work."""
    return await tx.value(
        """
        update lane set claimed_by = $1, beat_at = $2
        where account_id = (
            select account_id from lane where claimed_by is null or beat_at < $3
            order by ready_at limit 1 for update skip locked
        )
        returning account_id
        """,
        worker_id,
        now,
        now - DEAD_AFTER,
    )


async def count_lanes(db: Queries) -> int:
    """How many accounts have work."""
    return await db.value("select count(*) from lane")


async def beat(db: Queries, account_id: UUID, worker_id: UUID, *, now: datetime) -> None:
    """Show that the worker is alive."""
    await db.value(
        "update lane set beat_at = $3 where account_id = $1 and claimed_by = $2 returning account_id",
        account_id,
        worker_id,
        now,
    )


async def take_next(tx: Transaction, account_id: UUID, worker_id: UUID, *, now: datetime) -> Activity | None:
    """The account's activity that has begun, else the first in its queue, now run by this worker; None if there is none.

    Waits for a chunk that the worker before may still be writing.
    """
    row = await tx.row(
        """
        update activity set
            state = 'processing', run_by = $2, started_at = coalesce(started_at, $3), updated_at = $3
        where account_id = $1 and state in ('initialized', 'processing') and activity_id = (
            select activity_id from activity where account_id = $1 and state in ('initialized', 'processing')
            order by state = 'processing' desc, queued limit 1
        )
        returning *
        """,
        account_id,
        worker_id,
        now,
    )
    return _activity(row) if row else None


async def release(tx: Transaction, account_id: UUID, worker_id: UUID, *, now: datetime) -> None:
    """Give the lane back, to the end of the line; remove it where the account has no work left."""
    held = await tx.value(
        "select true from lane where account_id = $1 and claimed_by = $2 for update", account_id, worker_id
    )
    if not held:
        return
    left = await tx.value(
        "select exists (select from activity where account_id = $1 and state in ('initialized', 'processing'))",
        account_id,
    )
    if left:
        await tx.execute(
            "update lane set claimed_by = null, beat_at = null, ready_at = $2 where account_id = $1",
            account_id,
            now,
        )
        await tx.execute("select pg_notify($1, '')", WORK_CHANNEL)
    else:
        await tx.execute("delete from lane where account_id = $1", account_id)


class Job(msgspec.Struct, frozen=True):
    """What a chunk of an activity works with."""

    tx: Transaction
    """Where everything is written; commits with the chunk's progress."""
    db: Database
    """For reading beside the transaction."""
    activity: Activity
    act: Act
    installation: Installation
    strand: int | None = None
    """Which of the activity's strands this is a chunk of, where several run at once."""


def is_forgotten(activity: Activity, *, now: datetime) -> bool:
    """Whether what became of the activity's rows, and what they were before, is kept no more."""
    return activity.completed_at is not None and activity.completed_at < now - UNDO_WINDOW


class ActivityFailed(EverlistError):
    """The activity cannot be done at all: it fails, and the text says why."""


class Progress(msgspec.Struct, frozen=True):
    """What one chunk did."""

    position: dict[str, Any]
    """Where the next chunk begins: what changes of the activity's position."""
    done: bool
    percent_done: int = 50
    counts: dict[str, int] = {}
    """Added to the activity's counters."""
    errors: list[str] = []
    """Added to the activity's errors, those that are not there yet, up to MAX_ERRORS."""


async def advance(
    tx: Transaction, activity: Activity, worker_id: UUID, progress: Progress, *, now: datetime
) -> Activity:
    """Record a chunk in the transaction that did it; the activity ends with its last chunk, or when cancelled.

    Raises LeaseLost where another worker has taken the activity over.
    """
    row = await tx.row(
        """
        update activity set
            position = position || $4::jsonb,
            counts = counts || coalesce((
                select jsonb_object_agg(key, coalesce((counts ->> key)::bigint, 0) + more::bigint)
                from jsonb_each_text($5::jsonb) added (key, more)), '{}'),
            errors = coalesce((errors || array(
                select error from unnest($6::text[]) with ordinality said (error, n)
                where error <> all(errors) order by n))[:$7], '{}'),
            updated_at = $8,
            state = case when $9 then 'completed' when cancel_requested_at is not null then 'cancelled' else state end,
            completed_at = case when $9 or cancel_requested_at is not null then $8::timestamptz end,
            percent_done = case when $9 then 100 else greatest(percent_done, least($10, 99)) end
        where account_id = $1 and activity_id = $2 and run_by = $3 and state = 'processing'
        returning *
        """,
        activity.account_id,
        activity.activity_id,
        worker_id,
        msgspec.json.encode(progress.position).decode(),
        msgspec.json.encode(progress.counts).decode(),
        progress.errors,
        MAX_ERRORS,
        now,
        progress.done,
        progress.percent_done,
    )
    if row is None:
        raise LeaseLost
    return _activity(row)


async def show_progress(
    db: Queries, activity: Activity, *, counts: dict[str, int], percent_done: int
) -> bool:
    """Show how far a long chunk is, outside its transaction; whether the activity shall be cancelled.

    For kinds whose only chunk is the whole: a worker that starts over finds these counts in the activity, and the
    chunk's own are added to them.
    Raises LeaseLost where the activity has ended.
    """
    row = await db.row(
        """
        update activity set percent_done = greatest(percent_done, least($3, 99)), counts = counts || $4::jsonb
        where account_id = $1 and activity_id = $2 and state = 'processing'
        returning cancel_requested_at is not null as cancelled
        """,
        activity.account_id,
        activity.activity_id,
        percent_done,
        msgspec.json.encode(counts).decode(),
    )
    if row is None:
        raise LeaseLost
    return row["cancelled"]


async def fail(
    tx: Transaction, activity: Activity, worker_id: UUID, reason: str, *, now: datetime
) -> Activity:
    """End the activity as failed, with the reason first; what its finished chunks did stays.

    Raises LeaseLost where another worker has taken it over, or it has ended.
    """
    row = await tx.row(
        """
        update activity set state = 'failed', completed_at = $4, updated_at = $4, errors = coalesce(($5::text[] || errors)[:$6], '{}')
        where account_id = $1 and activity_id = $2 and run_by = $3 and state = 'processing'
        returning *
        """,
        activity.account_id,
        activity.activity_id,
        worker_id,
        now,
        [reason],
        MAX_ERRORS,
    )
    if row is None:
        raise LeaseLost
    return _activity(row)
