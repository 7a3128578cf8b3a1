"""The meter: how many contacts were active at one time in a month, and how many at any time in it.

Every change of the number of active contacts is a row of `active_delta`, appended by the transaction that
made it. `fold` moves these rows into one row a day and one a month; a read adds what is not folded yet, in
one statement, and so counts each committed change exactly once.

The order of the changes is that of their delta_id, a batch of `fold` after the other. A change that had
committed before another began comes before it; what ran at the same time comes in an order that is settled
when it is folded. What one transaction did at one moment is one step, so that what it takes away and adds
again makes no peak. The days go by that order: a change that comes late, after the day of its `at` was over,
counts on the day that has come. The distinct contacts go by `at`, as the ledger does.

A day is one of the time zone that the account had then. When that changes, the days that were measured stay, and
the day under way goes on until the next one begins in the new zone; the distinct contacts of all months are counted
again, from the ledger.
"""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, LiteralString
from uuid import UUID

import msgspec

from everlist.errors import Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everlist.core.act import Act
    from everlist.db import Queries, Transaction


async def add(tx: Transaction, account_id: UUID, change: int, *, first_this_month: int, act: Act) -> None:
    """Add to the number of active contacts.

    `first_this_month` is how many became active that had not been so before in this month.
    """
    if change or first_this_month:
        await tx.execute(
            """
            insert into active_delta (account_id, at, change, first_this_month, operation, request_id, activity_id)
            values ($1, $2, $3, $4, $5, $6, $7)
            """,
            account_id,
            act.now,
            change,
            first_this_month,
            act.operation,
            act.request_id,
            act.activity_id,
        )


async def month_began(db: Queries, account_id: UUID, *, now: datetime) -> datetime:
    """Return when the month of `now` began in the account's time zone."""
    return await db.value(
        """
        select date_trunc('month', $2::timestamptz at time zone time_zone) at time zone time_zone
        from account where account_id = $1
        """,
        account_id,
        now,
    )


class Day(msgspec.Struct, frozen=True):
    """The number of active contacts on one day; `high` and `low` include what the day began with."""

    date: date
    high: int
    low: int
    close: int


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """The act that made a peak."""

    operation: str
    activity_id: UUID | None = None
    request_id: str | None = None


class Month(msgspec.Struct, frozen=True):
    """The meter of one month."""

    month: str
    """YYYY-MM."""
    time_zone: str
    current: int
    """Active contacts now, whichever month this is."""
    peak: int
    peak_at: datetime
    """When the peak was reached first; the beginning of the month where it began with it."""
    peak_cause: Cause | None
    """None where the month began with its peak."""
    distinct: int
    days: Sequence[Day]


_SERIES: LiteralString = """
head as (
    select coalesce(max(value), 0) as value, coalesce(max(at), '-infinity') as at,
        coalesce(max(day), '-infinity') as day
    from active_head where account_id = $1
),
steps as (
    select min(delta_id) as number, at, sum(change)::bigint as change from waiting group by tx, at
),
series as (
    select s.number, s.change,
        (h.value + sum(s.change) over so_far)::bigint as value,
        greatest(h.at, max(s.at) over so_far) as at
    from steps s, head h
    window so_far as (order by s.number rows unbounded preceding)
),
dated as (
    select s.number, s.change, s.value, s.at,
        greatest(h.day, max((s.at at time zone a.time_zone)::date) over (
            order by s.number rows unbounded preceding)) as day
    from series s, head h, account a where a.account_id = $1
),
daily as (
    select day, max(value) as high, min(value) as low, min(number) as first, max(number) as last
    from dated group by day
),
highest as (
    select d.day, min(d.number) as number from daily join dated d on d.day = daily.day and d.value = daily.high
    group by d.day
),
days as (
    select d.day, greatest(d.high, f.value - f.change) as high, least(d.low, f.value - f.change) as low,
        l.value as close, p.at as high_at, w.operation, w.request_id, w.activity_id
    from daily d
    join dated f on f.number = d.first
    join dated l on l.number = d.last
    join highest h on h.day = d.day
    left join dated p on p.number = h.number and p.value > f.value - f.change
    left join waiting w on w.delta_id = p.number
),
months as (
    select date_trunc('month', w.at at time zone a.time_zone)::date as month,
        sum(w.change)::bigint as change, sum(w.first_this_month)::bigint as first_this_month
    from waiting w, account a where a.account_id = $1
    group by 1
)"""
"""CTEs over `waiting`, the changes that are not folded: `days` and `months`, in the form of their tables."""

_BATCH: LiteralString = (
    """
with oldest as (
    select delta_id, xmin as tx from active_delta where account_id = $1 order by delta_id limit $2
),
waiting as (  -- of a transaction that is in the batch, all of it: what it did at one moment is one step
    select d.delta_id, d.xmin as tx, d.at, d.change, d.first_this_month, d.operation, d.request_id, d.activity_id
    from active_delta d
    where d.account_id = $1 and d.delta_id <= (select max(delta_id) + $2 from oldest)
        and d.xmin in (select tx from oldest)
),"""
    + _SERIES
    + """
select (select array_agg(delta_id) from waiting) as delta_ids,
    (select jsonb_agg(to_jsonb(d)) from days d)::text as days,
    (select jsonb_agg(to_jsonb(m)) from months m)::text as months,
    (select jsonb_build_array(jsonb_build_object('value', value, 'at', at, 'day', day))
        from dated order by number desc limit 1)::text as head
"""
)
"""Reads the oldest changes that are not folded, and what they add to the days, the months and the head."""

_KEEP_DAYS: LiteralString = """
insert into active_day as kept (account_id, day, high, low, close, high_at, operation, request_id, activity_id)
select $1::uuid, day, high, low, close, high_at, operation, request_id, activity_id
from jsonb_to_recordset($2::jsonb) d (day date, high bigint, low bigint, close bigint, high_at timestamptz,
    operation text, request_id text, activity_id uuid)
on conflict (account_id, day) do update set
    high = greatest(kept.high, excluded.high), low = least(kept.low, excluded.low), close = excluded.close,
    high_at = case when excluded.high > kept.high then excluded.high_at else kept.high_at end,
    operation = case when excluded.high > kept.high then excluded.operation else kept.operation end,
    request_id = case when excluded.high > kept.high then excluded.request_id else kept.request_id end,
    activity_id = case when excluded.high > kept.high then excluded.activity_id else kept.activity_id end
"""
_KEEP_MONTHS: LiteralString = """
insert into active_month as kept (account_id, month, change, first_this_month)
select $1::uuid, month, change, first_this_month
from jsonb_to_recordset($2::jsonb) m (month date, change bigint, first_this_month bigint)
on conflict (account_id, month) do update set
    change = kept.change + excluded.change, first_this_month = kept.first_this_month + excluded.first_this_month
"""
_MOVE_HEAD: LiteralString = """
insert into active_head (account_id, value, at, day)
select $1::uuid, value, at, day from jsonb_to_recordset($2::jsonb) h (value bigint, at timestamptz, day date)
on conflict (account_id) do update set value = excluded.value, at = excluded.at, day = excluded.day
"""


_LOCK: LiteralString = "hashtextextended('everlist meter ' || $1::uuid::text, 0)"


async def fold(tx: Transaction, account_id: UUID, *, most: int = 50_000) -> int:
    """Move some `most` changes of the account into its days and months; how many were moved.

    None where another worker is at it.
    """
    alone = await tx.value("select pg_try_advisory_xact_lock(" + _LOCK + ")", account_id)
    if not alone:
        return 0
    # A statement of its own: it begins after the lock is held, and sees what the last one to hold it has folded.
    batch = await tx.row(_BATCH, account_id, most)
    if batch is None or batch["delta_ids"] is None:
        return 0
    await tx.execute(_KEEP_DAYS, account_id, batch["days"])
    await tx.execute(_KEEP_MONTHS, account_id, batch["months"])
    await tx.execute(_MOVE_HEAD, account_id, batch["head"])
    await tx.execute(
        "delete from active_delta where account_id = $1 and delta_id = any($2)",
        account_id,
        batch["delta_ids"],
    )
    return len(batch["delta_ids"])


async def fold_all(tx: Transaction, account_id: UUID) -> None:
    """Move every change that has committed, before the time zone of the account changes: they are of the old one.

    From then until the transaction ends nobody else folds.
    """
    await tx.execute("select pg_advisory_xact_lock(" + _LOCK + ")", account_id)
    while await fold(tx, account_id):
        pass


async def recount_months(tx: Transaction, account_id: UUID) -> None:
    """Count the distinct contacts of every month again, in the time zone that the account has now.

    From the consent ledger, which has what waits to be folded too: that is taken off, and comes with its fold.
    """
    await tx.execute("set local statement_timeout = 0")  # however long the ledger is
    await tx.execute(
        """
        with states as (
            select e.contact_id, e.event_id, e.at, e.permission_after in ('explicit', 'implicit')
                and count(*) filter (where e.action = 'deleted') over so_far
                    = count(*) filter (where e.action = 'restored') over so_far as active
            from consent_event e where e.account_id = $1 and e.channel = 'email'
            window so_far as (partition by e.contact_id order by e.event_id)
        ),
        changes as (
            select contact_id, event_id, coalesce(active, false) as active, coalesce(
                lag(active) over (partition by contact_id order by event_id), false) as was, at
            from states
        ),
        flips as (
            select s.active, date_trunc('month', s.at at time zone a.time_zone)::date as month,
                lag(date_trunc('month', s.at at time zone a.time_zone)::date) over (
                    partition by s.contact_id order by s.event_id) as last_month
            from changes s, account a where a.account_id = $1 and s.active <> s.was
        ),
        counted as (
            select month, case when active then 1 else -1 end as change,
                (active and month is distinct from last_month)::integer as first_this_month
            from flips
            union all
            select date_trunc('month', d.at at time zone a.time_zone)::date, -d.change, -d.first_this_month
            from active_delta d, account a where d.account_id = $1 and a.account_id = $1
            union all
            select month, 0, 0 from active_month where account_id = $1
        )
        insert into active_month (account_id, month, change, first_this_month)
        select $1::uuid, month, sum(change), sum(first_this_month) from counted group by month
        on conflict (account_id, month) do update set
            change = excluded.change, first_this_month = excluded.first_this_month
        """,
        account_id,
    )


async def accounts_to_fold(db: Queries) -> list[UUID]:
    """The accounts that have changes waiting."""
    rows = await db.rows("select distinct account_id from active_delta")
    return [row["account_id"] for row in rows]


class _Days(msgspec.Struct, frozen=True):
    """A row of active_day, or of `days`."""

    day: date
    high: int
    low: int
    close: int
    high_at: datetime | None
    operation: str | None
    request_id: str | None
    activity_id: UUID | None


class _Read(msgspec.Struct, frozen=True):
    time_zone: str
    today: date
    first: date
    began_at: datetime
    created_at: datetime
    created_on: date
    current: int
    carried: int | None
    """How the last day before the month that is folded ended."""
    folded: list[_Days]
    waiting: list[_Days]
    """Those up to the end of the month, also before it."""
    distinct: int


_READ: LiteralString = (
    """
with waiting as materialized (
    select delta_id, xmin as tx, at, change, first_this_month, operation, request_id, activity_id
    from active_delta where account_id = $1
),"""
    + _SERIES
    + """,
today as (  -- the day under way goes on where the time zone has become one in which it has not begun
    select greatest(($3::timestamptz at time zone a.time_zone)::date, h.day) as day
    from account a, head h where a.account_id = $1
),
wanted as (
    select a.time_zone, a.created_at, t.day as today, coalesce($2::date, date_trunc('month', t.day)::date) as first
    from account a, today t where a.account_id = $1
),
all_months as (
    select month, change, first_this_month from active_month where account_id = $1
    union all select month, change, first_this_month from months
)
select json_build_object(
    'time_zone', w.time_zone, 'today', w.today, 'first', w.first,
    'began_at', w.first::timestamp at time zone w.time_zone,
    'created_at', w.created_at, 'created_on', (w.created_at at time zone w.time_zone)::date,
    'current', (select value from head) + (select coalesce(sum(change), 0) from steps),
    'carried', (
        select d.close from active_day d where d.account_id = $1 and d.day < w.first order by d.day desc limit 1),
    'folded', coalesce((
        select json_agg(d order by d.day) from active_day d
        where d.account_id = $1 and d.day >= w.first and d.day < w.first + interval '1 month'), '[]'),
    'waiting', coalesce((
        select json_agg(d order by d.day) from days d where d.day < w.first + interval '1 month'), '[]'),
    'distinct', coalesce((
        select sum(change) filter (where month < w.first) from all_months), 0)
        + coalesce((select sum(first_this_month) filter (where month = w.first) from all_months), 0)
)::text from wanted w
"""
)


async def of_month(db: Queries, account_id: UUID, first: date | None, *, now: datetime) -> Month:
    """The meter of the month that begins with `first`; without it, of the month that it is now.

    Raises Invalid for a month that has not begun, and NotFound for one before there was the account.
    """
    read = msgspec.json.decode(await db.value(_READ, account_id, first, now), type=_Read)
    first = read.first
    text = f"{first:%Y-%m}"
    last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
    opening = read.carried
    for piece in read.waiting:
        if piece.day < first:
            opening = piece.close
    pieces = sorted(
        [*read.folded, *(piece for piece in read.waiting if piece.day >= first)], key=lambda piece: piece.day
    )
    if not pieces and first > read.today:
        message = f"month does not have a valid value: {text} has not begun"
        raise Invalid(message)
    if not pieces and opening is None and last < read.created_on:
        message = f"the account did not exist in {text}"
        raise NotFound(message)
    begin = first if opening is not None else max(first, min([read.created_on, *(one.day for one in pieces)]))
    opening = opening or 0
    peak, peak_at, cause = opening, max(read.began_at, read.created_at), None
    for piece in pieces:
        if piece.high > peak and piece.high_at is not None:
            peak, peak_at = piece.high, piece.high_at
            cause = Cause(piece.operation or "", piece.activity_id, piece.request_id)
    end = min(last, max([read.today, *(piece.day for piece in pieces)]))
    return Month(
        text,
        read.time_zone,
        read.current,
        peak,
        peak_at,
        cause,
        read.distinct,
        _filled(begin, end, opening, pieces),
    )


def _filled(begin: date, end: date, opening: int, pieces: list[_Days]) -> list[Day]:
    """A day for each from `begin` to `end`; two pieces of one day, folded and waiting, become one."""
    by_day: dict[date, list[_Days]] = {}
    for piece in pieces:
        by_day.setdefault(piece.day, []).append(piece)
    days: list[Day] = []
    value, day = opening, begin
    while day <= end:
        parts = by_day.get(day, [])
        high = max([value, *(part.high for part in parts)])
        low = min([value, *(part.low for part in parts)])
        value = parts[-1].close if parts else value
        days.append(Day(day, high, low, value))
        day += timedelta(days=1)
    return days
