"""Bulk activities: the record, which is also the queue. V3 contract 6.1.

An account's activities run one at a time, in the order they were queued; different accounts run at once. An account
with work has a slot, a row of the table `lane`. A worker claims a slot, runs the account's first unfinished activity,
and gives the slot back, so that a long backlog of one account does not slow the others.

Each chunk is one transaction that also writes the activity's row, guarded by `run_by`. If a worker was taken for dead
and comes back, the guard does not match any more, and its chunk rolls back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, LiteralString
from uuid import UUID

import msgspec

from everlist.core import lists, tags
from everlist.core.act import Act
from everlist.core.ids import new_id
from everlist.core.installation import Installation
from everlist.core.paging import Page
from everlist.db import Database, Queries, Row, Transaction
from everlist.errors import Conflict, EverlistError, Invalid, NotFound, Problem

WORK_CHANNEL = "everlist_work"
MAX_QUEUED = 1000
SHOWN = timedelta(days=10)
"""How long an activity is listed after it was made."""
UNDO_WINDOW = timedelta(days=30)
"""How long after its end an activity can be undone and the outcomes of its rows can be read."""
KEPT = timedelta(days=90)
"""How long an ended activity itself is kept: the cause of last month's peak can be looked up."""
DEAD_AFTER = timedelta(seconds=10)
"""How long a worker may be silent before another may claim its slot."""
MAX_ERRORS = 100
_SWEEP_ACTIVITIES = 1_000
"""How many activities one statement deletes."""

ActivityKind = Literal[
    "contacts_file_import",
    "contacts_json_import",
    "contact_exports",
    "contact_delete",
    "contact_erase",
    "contact_restore",
    "activity_undo",
    "list_replace",
    "add_list_memberships",
    "remove_list_memberships",
    "list_delete",
    "contacts_taggings_add",
    "contacts_taggings_remove",
    "contacts_tags_delete",
    "custom_fields_delete",
]
"""The name of a kind, as it is stored; core/kinds.py says what each does."""

ActivityState = Literal["initialized", "processing", "completed", "cancelled", "failed", "timed_out"]
"""The states of the contract; we never end an activity as `timed_out`."""
PROCESSING: Final = "processing"
COMPLETED: Final = "completed"
UNFINISHED: Final = ("initialized", "processing")

Outcome = Literal["created", "updated", "unchanged", "held_back", "rejected"]
"""What became of a row or a contact. Every row in has exactly one."""
OUTCOMES: dict[str, Outcome] = {
    "c": "created",
    "u": "updated",
    "n": "unchanged",
    "h": "held_back",
    "r": "rejected",
}
"""The outcomes by the letters in which they are stored."""

# Names of counters in `activity.counts`, next to those of the outcomes. The rows that are stored have the names of the
# V3 contract, which is the only reason to use them: core spells them here and nowhere else.
ITEMS: Final = "items_total_count"
ITEMS_DONE: Final = "items_completed_count"
CONTACTS: Final = "contacts_count"
"""Contacts that lost the list, tag or field that is deleted."""
ROWS_TAKEN: Final = "person_count"
ROWS_WRONG: Final = "error_count"
"""Rejected rows that the account cannot correct in the file."""
ROWS_CORRECTABLE: Final = "correctable_count"
ROWS_NOT_LISTED: Final = "cannot_add_to_list_count"


class QueueFull(EverlistError):
    """The account has the most unfinished activities that are allowed."""


class LeaseLost(EverlistError):
    """Another worker has taken the activity over: the chunk of this one must roll back."""


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """One bulk request, from when it is queued to its result."""

    account_id: UUID
    activity_id: UUID
    kind: ActivityKind
    state: ActivityState
    request: dict[str, Any]
    source_file_name: str | None
    position: dict[str, Any]
    """Where the next chunk begins, in the words of the kind."""
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
        account_id=row["account_id"],
        activity_id=row["activity_id"],
        kind=row["kind"],
        state=row["state"],
        request=msgspec.json.decode(row["request"]),
        source_file_name=row["source_file_name"],
        position=msgspec.json.decode(row["position"]),
        percent_done=row["percent_done"],
        counts=msgspec.json.decode(row["counts"]),
        errors=row["errors"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        started_at=row["started_at"],
        completed_at=row["completed_at"],
        cancel_requested_at=row["cancel_requested_at"],
        operation=row["operation"],
        request_id=row["request_id"],
        token_id=row["token_id"],
    )


async def create(
    tx: Transaction,
    account_id: UUID,
    kind: ActivityKind,
    request: object,
    *,
    list_ids: Sequence[UUID] = (),
    tag_ids: Sequence[UUID] = (),
    not_found: bool = False,
    counts: dict[str, int] | None = None,
    source_file_name: str | None = None,
    activity_id: UUID | None = None,
    act: Act,
) -> Activity:
    """Queue an activity. `request` is stored as JSON.

    `list_ids` and `tag_ids` are the lists and tags that it names. Raises Invalid if one does not exist, or NotFound
    if `not_found`: then the activity is about that list or tag itself. Raises QueueFull.

    Call it last in a transaction: it locks the account's slot until the end, so that activities are counted and
    numbered one at a time, and become visible in the order of their numbers.
    """
    _refuse_unknown("list", list_ids, await lists.lock_live(tx, account_id, list_ids), not_found=not_found)
    _refuse_unknown("tag", tag_ids, await tags.lock_existing(tx, account_id, tag_ids), not_found=not_found)
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
        raise QueueFull(
            f"Too many requests: this account has {MAX_QUEUED} activities queued, which is the limit"
        )
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


def _refuse_unknown(name: str, ids: Sequence[UUID], found: set[UUID], *, not_found: bool) -> None:
    unknown = set(ids) - found
    if unknown:
        reason = f"no {name} has the id {min(unknown)}"
        raise NotFound(reason) if not_found else Invalid(Problem(f"{name}_ids", reason))


async def get(db: Queries, account_id: UUID, activity_id: UUID) -> Activity:
    """Return an activity. Raises NotFound."""
    row = await db.row(
        "select * from activity where account_id = $1 and activity_id = $2", account_id, activity_id
    )
    if row is None:
        raise NotFound(f"no activity has the id {activity_id}")
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
    """Return a page of the activities of the last ten days, newest first."""
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
    """Cancel an activity: at once if it is queued, after its current chunk if it runs.

    Raises NotFound, and Conflict if it has ended.
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
        raise Conflict(f"the activity has ended: it is {ended.state}")
    return _activity(row)


_PIECES: tuple[tuple[LiteralString, int], ...] = (
    (
        """
        with deleted as (
            delete from before_image where account_id = $1 and activity_id = $2 and chunk in (
                select chunk from before_image where account_id = $1 and activity_id = $2 order by chunk limit $3)
            returning null
        )
        select count(*) from deleted
        """,
        10,
    ),
    (
        """
        with deleted as (
            delete from import_outcome where account_id = $1 and activity_id = $2 and first_row in (
                select first_row from import_outcome where account_id = $1 and activity_id = $2
                order by first_row limit $3)
            returning null
        )
        select count(*) from deleted
        """,
        10,
    ),
    (
        """
        with deleted as (
            delete from import_report where account_id = $1 and activity_id = $2 and row_number in (
                select row_number from import_report where account_id = $1 and activity_id = $2
                order by row_number limit $3)
            returning null
        )
        select count(*) from deleted
        """,
        10_000,
    ),
)
"""Delete a part of what is kept of an activity, and how many rows at a time ($3): one of the first two holds thousands."""


async def sweep(db: Queries, account_id: UUID, *, now: datetime) -> None:
    """Delete the before-images and row outcomes of activities that ended long ago, and after KEPT the activities.

    Each statement is a transaction of its own. Everything is kept a day longer than the API promises, so that an answer
    under way is whole. What an unfinished undo or restore has yet to read is kept until that has ended.
    """
    ended = await db.rows(
        """
        select a.activity_id from activity a
        where a.account_id = $1 and a.completed_at < $2
            and (
                exists (select from before_image b where b.account_id = $1 and b.activity_id = a.activity_id)
                or exists (select from import_outcome o where o.account_id = $1 and o.activity_id = a.activity_id)
                or exists (select from import_report r where r.account_id = $1 and r.activity_id = a.activity_id))
            and not exists (
                select from activity u where u.account_id = $1 and u.state in ('initialized', 'processing')
                and a.activity_id::text in (u.request ->> 'activity_id', u.request ->> 'deleted_by_activity_id'))
        order by a.activity_id
        """,
        account_id,
        now - UNDO_WINDOW - timedelta(days=1),
    )
    for row in ended:
        for delete, most in _PIECES:
            while await db.value(delete, account_id, row["activity_id"], most) == most:
                pass
    deleted = _SWEEP_ACTIVITIES
    while deleted == _SWEEP_ACTIVITIES:
        deleted = await db.value(
            """
            with deleted as (
                delete from activity where account_id = $1 and activity_id in (
                    select a.activity_id from activity a
                    where a.account_id = $1 and a.completed_at < $2 and not (
                        exists (select from before_image b
                            where b.account_id = $1 and b.activity_id = a.activity_id)
                        or exists (select from import_outcome o
                            where o.account_id = $1 and o.activity_id = a.activity_id)
                        or exists (select from import_report r
                            where r.account_id = $1 and r.activity_id = a.activity_id))
                    order by a.activity_id limit $3)
                returning activity_id
            )
            select count(*) from deleted
            """,
            account_id,
            now - KEPT,
            _SWEEP_ACTIVITIES,
        )


async def claim(tx: Transaction, worker_id: UUID, *, now: datetime) -> UUID | None:
    """Claim the slot that has waited longest; return its account, or None if there is no work."""
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


async def count_slots(db: Queries) -> int:
    """Return how many accounts have activities to run or running."""
    return await db.value("select count(*) from lane")


async def beat(db: Queries, account_id: UUID, worker_id: UUID, *, now: datetime) -> None:
    """Renew the worker's claim of a slot."""
    await db.value(
        "update lane set beat_at = $3 where account_id = $1 and claimed_by = $2 returning account_id",
        account_id,
        worker_id,
        now,
    )


async def take_next(tx: Transaction, account_id: UUID, worker_id: UUID, *, now: datetime) -> Activity | None:
    """Let this worker run the account's started activity, else the first in its queue; return None if there is none.

    Waits for the chunk that the previous worker may still be writing.
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
    """Give the slot back, to the end of the queue; delete it if the account has no work left."""
    is_ours = await tx.value(
        "select true from lane where account_id = $1 and claimed_by = $2 for update", account_id, worker_id
    )
    if not is_ours:
        return
    has_work = await tx.value(
        "select exists (select from activity where account_id = $1 and state in ('initialized', 'processing'))",
        account_id,
    )
    if has_work:
        await tx.execute(
            "update lane set claimed_by = null, beat_at = null, ready_at = $2 where account_id = $1",
            account_id,
            now,
        )
        await tx.execute("select pg_notify($1, '')", WORK_CHANNEL)
    else:
        await tx.execute("delete from lane where account_id = $1", account_id)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a chunk of an activity works with."""

    tx: Transaction
    """Where everything is written; commits with the chunk's progress."""
    db: Database
    """For reads outside the transaction."""
    activity: Activity
    act: Act
    installation: Installation
    partition: int | None = None
    """The partition to take the chunk from; None to take the next chunk of any."""


def is_forgotten(activity: Activity, *, now: datetime) -> bool:
    """Return True if the outcomes of its rows and its before-images are not kept any more."""
    return activity.completed_at is not None and activity.completed_at < now - UNDO_WINDOW


class ActivityFailed(EverlistError):
    """The activity cannot be done: it fails with the text as its error."""


class Progress(msgspec.Struct, frozen=True):
    """What one chunk did."""

    position: dict[str, Any]
    """Where the next chunk begins: what changes of the activity's position."""
    done: bool
    percent_done: int = 50
    counts: dict[str, int] = {}
    """Added to the activity's counters."""
    errors: list[str] = []
    """Added to the activity's errors, without duplicates, up to MAX_ERRORS."""


def percent_done(done: int, total: int) -> int:
    """Return the share of `total` that is done; there may turn out to be more than `total`."""
    return 100 * done // max(total, done, 1)


async def advance(
    tx: Transaction, activity: Activity, worker_id: UUID, progress: Progress, *, now: datetime
) -> Activity:
    """Record a chunk in the transaction that did it; end the activity after its last chunk, or if it was cancelled.

    Raises LeaseLost if another worker has taken the activity over.
    """
    row = await tx.row(
        """
        update activity set
            position = position || $4::jsonb,
            counts = counts || coalesce((
                select jsonb_object_agg(key, coalesce((counts ->> key)::bigint, 0) + number::bigint)
                from jsonb_each_text($5::jsonb) added (key, number)), '{}'),
            errors = coalesce((errors || array(
                select error from unnest($6::text[]) with ordinality added (error, n)
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
    """Show how far a long chunk is, outside its transaction; return True if the activity was cancelled.

    For kinds that do everything in one chunk: a worker that starts over finds these counts in the activity, and the
    counts of the chunk are added to them.
    Raises LeaseLost if the activity has ended.
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

    Raises LeaseLost if another worker has taken it over, or it has ended.
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
