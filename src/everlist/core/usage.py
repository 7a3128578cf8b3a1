"""The meter: the peak of active contacts in a month, and how many contacts were active at any time in it.

A transaction that changes the number of active contacts appends a row to `active_delta`. The worker rolls these
rows up into one row a day and one a month. A read adds the rows that still wait, in one statement, and so counts
each committed change exactly once.

Changes are ordered by delta_id. A change that committed before another began comes first; the order of concurrent
changes is settled when they are rolled up. All that one transaction did at one moment is one step: removing and
adding contacts in one transaction makes no peak. Days follow this order: a change that commits after midnight counts
on the new day, even if its `at` is before midnight. Distinct contacts follow `at`, as the ledger does.

A day belongs to the time zone that the account had on that day. When the zone changes, measured days stay, and the
current day lasts until the next day begins in the new zone. The distinct contacts of every month are counted again,
from the ledger.
"""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, LiteralString
from uuid import UUID

import msgspec

from everlist.core.roll_up import accounts_with_rows
from everlist.errors import Invalid, NotFound, Problem

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
    """The number of active contacts on one day; `high` and `low` include the number at its beginning."""

    date: date
    high: int
    low: int
    close: int


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """The operation that made a peak."""

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
    """When the peak was first reached; the beginning of the month if the month began with it."""
    peak_cause: Cause | None
    """None if the month began with its peak."""
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
"""CTEs that turn `waiting`, the changes not yet rolled up, into `days` and `months` with the columns of their tables."""

_BATCH: LiteralString = (
    """
with oldest as (
    select delta_id, xmin as tx from active_delta where account_id = $1 order by delta_id limit $2
),
waiting as (  -- take whole transactions, because a step must not be split
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
"""Reads the oldest changes not yet rolled up, and what they add to the days, the months and the head."""

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


async def roll_up(tx: Transaction, account_id: UUID, *, most: int = 50_000) -> int:
    """Move about `most` changes of the account into its days and months; return how many.

    Returns 0 if another worker is rolling up this account.
    """
    locked = await tx.value("select pg_try_advisory_xact_lock(" + _LOCK + ")", account_id)
    if not locked:
        return 0
    # A separate statement gets its snapshot after the lock, and so sees what the previous holder committed.
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


async def roll_up_all(tx: Transaction, account_id: UUID) -> None:
    """Roll up every committed change, before the account's time zone changes: these changes belong to the old zone.

    Keeps workers from rolling up this account until the transaction ends.
    """
    await tx.execute("select pg_advisory_xact_lock(" + _LOCK + ")", account_id)
    while await roll_up(tx, account_id):
        pass


async def recount_months(tx: Transaction, account_id: UUID) -> None:
    """Count the distinct contacts of every month again, in the account's present time zone.

    The consent ledger already holds the changes that wait to be rolled up, so they are subtracted here and added
    when they are rolled up.
    """
    await tx.execute("set local statement_timeout = 0")  # the ledger may be long
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


async def accounts_to_roll_up(db: Queries) -> list[UUID]:
    """Return the accounts that have changes to roll up."""
    return await accounts_with_rows(db, "active_delta")


class _Days(msgspec.Struct, frozen=True):
    """A row of active_day, or of the CTE `days`."""

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
    """How the last rolled-up day before the month ended."""
    rolled_up: list[_Days]
    waiting: list[_Days]
    """Days up to the end of the month, including earlier ones."""
    distinct: int


_READ: LiteralString = (
    """
with waiting as materialized (
    select delta_id, xmin as tx, at, change, first_this_month, operation, request_id, activity_id
    from active_delta where account_id = $1
),"""
    + _SERIES
    + """,
today as (  -- a change of zone may put "now" on the day before: the current day stays
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
    'rolled_up', coalesce((
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
    """Return the meter of the month that begins on `first`; of the current month if `first` is None.

    Raises Invalid if the month has not begun, and NotFound if it ended before the account was created.
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
        [*read.rolled_up, *(piece for piece in read.waiting if piece.day >= first)],
        key=lambda piece: piece.day,
    )
    if not pieces and first > read.today:
        raise Invalid(Problem("month", f"{text} has not begun"))
    if not pieces and opening is None and last < read.created_on:
        raise NotFound(f"the account did not exist in {text}")
    begin = (
        first if opening is not None else max(first, min([read.created_on, *(piece.day for piece in pieces)]))
    )
    opening = opening or 0
    peak, peak_at, cause = opening, max(read.began_at, read.created_at), None
    for piece in pieces:
        if piece.high > peak and piece.high_at is not None:
            peak, peak_at = piece.high, piece.high_at
            cause = Cause(
                operation=piece.operation or "", activity_id=piece.activity_id, request_id=piece.request_id
            )
    end = min(last, max([read.today, *(piece.day for piece in pieces)]))
    return Month(
        month=text,
        time_zone=read.time_zone,
        current=read.current,
        peak=peak,
        peak_at=peak_at,
        peak_cause=cause,
        distinct=read.distinct,
        days=_filled(begin, end, opening, pieces),
    )


def _filled(begin: date, end: date, opening: int, pieces: list[_Days]) -> list[Day]:
    """Return every day from `begin` to `end`; merge the rolled-up and the waiting part of a day."""
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
        days.append(Day(date=day, high=high, low=low, close=value))
        day += timedelta(days=1)
    return days
