"""The meter: current, peak, distinct and days of a month, whatever is rolled up and whatever runs at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from everlist.core import accounts, usage
from everlist.core.ids import new_id
from everlist.db import Database
from everlist.worker import upkeep
from tests.conftest import Api, Clock, NewToken, Sql
from tests.core.recount import recount
from tests.ext.meter import PATH, RollUp, month, move_to_the_tenth
from tests.server import Server
from tests.v3.bulk import Work, person, queued
from tests.v3.helpers import email, new_list, post_contact, put_contact, refused

# Over HTTP


def test_the_meter_tells_the_peak_and_what_made_it(alice: Api, sql: Sql) -> None:
    first = person(alice, "ann")
    person(alice, "ben")
    last = alice.post(
        "/contacts", {"create_source": "Account", "email_address": {"address": "cat@example.org"}}
    )
    alice.delete(f"/contacts/{first}")
    told = month(alice)
    today = datetime.now(UTC).date()
    assert (told["current"], told["peak"], told["distinct"]) == (2, 3, 3)
    assert told["time_zone"] == "UTC"
    assert told["month"] == f"{today:%Y-%m}"
    assert told["peak_cause"] == {
        "operation": "POST /v3/contacts",
        "request_id": last.headers["x-request-id"],
    }
    assert told["peak_at"] == sql(
        "select created_at from contact where account_id = $1 order by 1", alice.account_id
    )[-1][0].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert told["days"] == [{"date": str(today), "high": 3, "low": 0, "close": 2}]


def test_an_activity_is_the_cause_of_the_peak_that_it_makes(alice: Api, work: Work, roll_up: RollUp) -> None:
    person(alice, "ann")
    activity_id = queued(
        alice,
        "contacts_json_import",
        import_data=[{"email": "ben@example.org"}, {"email": "cat@example.org"}],
        list_ids=[new_list(alice)],
    )
    work()
    for _ in range(2):
        told = month(alice)
        assert told["peak"] == 3
        assert told["peak_cause"]["activity_id"] == activity_id
        assert told["peak_cause"]["operation"] == "POST /v3/activities/contacts_json_import"
        roll_up()


def test_rolling_up_changes_nothing_that_is_read(alice: Api, roll_up: RollUp, sql: Sql, clock: Clock) -> None:
    move_to_the_tenth(clock)
    ids = [person(alice, f"p{number}") for number in range(4)]
    alice.delete(f"/contacts/{ids[0]}")
    assert roll_up() == 5
    assert sql("select count(*) from active_delta where account_id = $1", alice.account_id)[0][0] == 0
    clock.move(days=1)
    put_contact(alice, ids[1], email_address=email("p1@example.org", "unsubscribed"))
    person(alice, "p5")
    before = month(alice)
    assert roll_up() == 2
    assert month(alice) == before
    assert roll_up() == 0
    assert [(day["high"], day["close"]) for day in before["days"]][-2:] == [(4, 3), (3, 3)]


def test_the_history_of_last_month_stays_when_everybody_has_gone(
    alice: Api, roll_up: RollUp, clock: Clock
) -> None:
    ids = [person(alice, f"p{number}") for number in range(3)]
    then = month(alice)
    clock.move(days=40)
    for one in ids:
        alice.delete(f"/contacts/{one}")
    roll_up()
    last = month(alice, then["month"])
    assert (last["peak"], last["peak_at"], last["distinct"]) == (3, then["peak_at"], 3)
    assert last["days"][-1]["close"] == 3
    assert last["current"] == 0
    now = month(alice)
    assert (now["peak"], now["distinct"], now["days"][-1]["close"]) == (3, 3, 0)
    assert "peak_cause" not in now
    assert now["peak_at"].endswith("-01T00:00:00Z")


def test_a_month_without_a_change_has_what_it_began_with(alice: Api, roll_up: RollUp, clock: Clock) -> None:
    person(alice, "ann")
    roll_up()
    clock.move(days=75)
    told = month(alice)
    assert (told["peak"], told["distinct"], told["current"]) == (1, 1, 1)
    assert {(day["high"], day["low"], day["close"]) for day in told["days"]} == {(1, 1, 1)}
    assert told["days"][0]["date"] == told["month"] + "-01"


def test_an_account_without_contacts_has_a_meter_at_zero(alice: Api) -> None:
    told = month(alice)
    assert (told["current"], told["peak"], told["distinct"]) == (0, 0, 0)
    assert [day["close"] for day in told["days"]] == [0]


@pytest.mark.parametrize(
    "text", ["2026", "2026-13", "2026-1", "11-2026", "2026-11-01", "0000-01", "x", "٢٠٢٦-١١"]
)
def test_what_is_no_month_is_refused(alice: Api, text: str) -> None:
    refused(alice.get(PATH, month=text), 400, "month does not have a valid value")


def test_months_that_have_not_begun_or_were_before_the_account(alice: Api) -> None:
    refused(alice.get(PATH, month="2999-01"), 400, "2999-01 has not begun")
    refused(alice.get(PATH, month="1999-01"), 404, "the account did not exist in 1999-01")
    assert alice.get(PATH, month="9999-12").status == 400


def test_who_may_read_the_meter(alice: Api, bob: Api, charlie: Api, anonymous: Api) -> None:
    person(alice, "ann")
    assert bob.get(PATH).status == 403
    assert anonymous.get(PATH).status == 401
    assert month(charlie)["peak"] == 0


def test_a_contact_deleted_and_brought_back_in_a_month_counts_once(alice: Api, clock: Clock) -> None:
    one = person(alice, "ann")
    alice.delete(f"/contacts/{one}")
    put_contact(alice, one, email_address=email("ann@example.org"))
    clock.move(days=40)
    alice.delete(f"/contacts/{one}")
    put_contact(alice, one, email_address=email("ann@example.org"))
    assert month(alice)["distinct"] == 1


def test_the_worker_rolls_up(alice: Api, database: Database, portal: BlockingPortal, sql: Sql) -> None:
    person(alice, "ann")
    while portal.call(upkeep.roll_up_all, database):
        pass
    assert sql("select count(*) from active_delta where account_id = $1", alice.account_id)[0][0] == 0
    assert month(alice)["current"] == 1


# Under concurrency


def test_every_change_counts_once_while_many_write_and_roll_up(
    alice: Api, roll_up: RollUp, running: Server, new_token: NewToken, alices_account: accounts.Account
) -> None:
    def writer(number: int) -> None:
        api = Api(running.url, new_token(alices_account, "contact_data"), alices_account)
        for turn in range(12):
            one = person(api, f"w{number}-{turn}")
            if turn % 3 == 0:
                api.delete(f"/contacts/{one}")
        api.http.close()

    highest = 0
    with ThreadPoolExecutor(5) as pool:
        writers = [pool.submit(writer, number) for number in range(4)]
        rolling_up = pool.submit(lambda: [roll_up() for _ in range(40)])
        while not all(one.done() for one in writers):
            told = month(alice)
            assert told["current"] == told["days"][-1]["close"]
            assert told["days"][-1]["high"] >= told["current"]
            highest = max(highest, told["current"])
        for one in (*writers, rolling_up):
            one.result()
    for _ in range(2):
        told = month(alice)
        assert told["current"] == told["days"][-1]["close"] == 4 * 8
        assert told["distinct"] == 4 * 12
        assert 4 * 12 >= told["peak"] >= max(highest, 4 * 8)
        roll_up()


class Deltas:
    """Appends changes with transactions that commit when the test says so."""

    def __init__(self, dsn: str, account_id: UUID) -> None:
        self.dsn = dsn
        self.account_id = account_id

    async def open(self) -> tuple[asyncpg.Connection[Any], Any]:
        connection = await asyncpg.connect(self.dsn)
        transaction = connection.transaction()
        await transaction.start()
        return connection, transaction

    async def append(self, to: Any, at: datetime, change: int, operation: str = "x", fresh: int = 0) -> None:
        await to.execute(
            "insert into active_delta (account_id, at, change, first_this_month, operation) values ($1, $2, $3, $4, $5)",
            self.account_id,
            at,
            change,
            fresh,
            operation,
        )


@pytest.fixture
def account(database: Database, portal: BlockingPortal) -> Callable[[str], UUID]:
    """Makes an account in a time zone, begun in 2029."""

    def make(zone: str) -> UUID:
        made = portal.call(
            lambda: database.write(
                lambda tx: accounts.create(
                    tx, f"meter {new_id()}", now=datetime(2029, 12, 1, tzinfo=UTC), time_zone=zone
                )
            )
        )
        return made.account_id

    return make


def read(
    database: Database, portal: BlockingPortal, account_id: UUID, first: date, now: datetime
) -> usage.Month:
    return portal.call(lambda: usage.of_month(database, account_id, first, now=now))


def rolled_up(database: Database, portal: BlockingPortal, account_id: UUID, most: int = 50_000) -> int:
    return portal.call(lambda: database.write(lambda tx: usage.roll_up(tx, account_id, most=most)))


def test_a_change_that_becomes_visible_after_a_later_one_counts_once_and_on_the_day_that_has_come(
    dsn: str, database: Database, portal: BlockingPortal, account: Callable[[str], UUID]
) -> None:
    account_id = account("UTC")
    deltas = Deltas(dsn, account_id)
    january, february = (
        datetime(2030, 1, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2030, 2, 1, 0, 0, 1, tzinfo=UTC),
    )

    async def play() -> tuple[usage.Month, usage.Month]:
        slow, slow_transaction = await deltas.open()
        quick, quick_transaction = await deltas.open()
        await deltas.append(slow, january, 5, "slow", fresh=5)
        await deltas.append(quick, february, 2, "quick", fresh=2)
        await quick_transaction.commit()
        assert await database.write(lambda tx: usage.roll_up(tx, account_id)) == 1
        await slow_transaction.commit()
        waiting = await usage.of_month(database, account_id, date(2030, 2, 1), now=february)
        assert await database.write(lambda tx: usage.roll_up(tx, account_id)) == 1
        await slow.close()
        await quick.close()
        return waiting, await usage.of_month(database, account_id, date(2030, 2, 1), now=february)

    waiting, after = portal.call(play)
    assert waiting == after
    assert (after.current, after.peak, after.distinct) == (7, 7, 7)
    assert after.peak_cause == usage.Cause("slow")
    assert after.days == [usage.Day(date(2030, 2, 1), 7, 0, 7)]
    before = read(database, portal, account_id, date(2030, 1, 1), february)
    assert (before.peak, before.distinct) == (0, 5)  # the distinct go by the ledger's time


def test_two_roll_ups_at_once_do_not_get_in_each_others_way(
    dsn: str, database: Database, portal: BlockingPortal, account: Callable[[str], UUID]
) -> None:
    account_id = account("UTC")
    deltas = Deltas(dsn, account_id)
    now = datetime(2030, 1, 5, tzinfo=UTC)

    async def play() -> list[int]:
        connection, transaction = await deltas.open()
        for _ in range(300):
            await deltas.append(connection, now, 1)
            await deltas.append(connection, now + timedelta(seconds=1), -1)
            await deltas.append(connection, now + timedelta(seconds=2), 1)
        await transaction.commit()
        await connection.close()
        return list(
            await asyncio.gather(
                *(database.write(lambda tx: usage.roll_up(tx, account_id, most=90)) for _ in range(20))
            )
        )

    moved = sum(portal.call(play))
    while more := rolled_up(database, portal, account_id):
        moved += more
    assert moved == 900
    assert read(database, portal, account_id, date(2030, 1, 1), now).current == 300


@pytest.mark.parametrize("most", [1, 2, 50_000])
def test_what_one_transaction_takes_away_and_adds_at_one_moment_makes_no_peak(
    dsn: str, database: Database, portal: BlockingPortal, account: Callable[[str], UUID], most: int
) -> None:
    account_id = account("UTC")
    deltas = Deltas(dsn, account_id)
    now = datetime(2030, 1, 5, tzinfo=UTC)

    async def play() -> None:
        connection, transaction = await deltas.open()
        await deltas.append(connection, now, 100, "import")
        await transaction.commit()
        switch = connection.transaction()
        await switch.start()
        later = now + timedelta(hours=1)
        for change in (60, -60, -40, 40):
            await deltas.append(connection, later, change, "replace")
        await switch.commit()
        await connection.close()

    portal.call(play)
    for _ in range(2):
        told = read(database, portal, account_id, date(2030, 1, 1), now)
        assert (told.peak, told.peak_cause) == (100, usage.Cause("import"))
        assert told.days[-1] == usage.Day(date(2030, 1, 5), 100, 0, 100)
        while rolled_up(database, portal, account_id, most):
            pass


@pytest.mark.parametrize(
    ("zone", "moments"),
    [
        # New York leaves summer time at 06:00 UTC on 2030-11-03, Berlin at 01:00 UTC on 2030-10-27.
        ("America/New_York", [datetime(2030, 11, 3, hour, 30, tzinfo=UTC) for hour in (3, 4, 5, 6, 7)]),
        ("Europe/Berlin", [datetime(2030, 10, 26, 22, minute, tzinfo=UTC) for minute in (0, 59)]),
        ("Pacific/Kiritimati", [datetime(2030, 1, 31, hour, tzinfo=UTC) for hour in (9, 10, 11)]),
        ("America/St_Johns", [datetime(2030, 2, 1, 3, minute, tzinfo=UTC) for minute in (29, 30, 31)]),
        # Havana goes back from 01:00 to 00:00: the day begins once, and is not left again.
        ("America/Havana", [datetime(2030, 11, 3, hour, 30, tzinfo=UTC) for hour in (3, 4, 5, 6)]),
    ],
)
def test_days_and_months_begin_at_midnight_in_the_zone_of_the_account(
    dsn: str,
    database: Database,
    portal: BlockingPortal,
    account: Callable[[str], UUID],
    zone: str,
    moments: list[datetime],
) -> None:
    account_id = account(zone)
    deltas = Deltas(dsn, account_id)

    async def play() -> None:
        connection, transaction = await deltas.open()
        for moment in moments:
            await deltas.append(connection, moment, 1, fresh=1)
        await transaction.commit()
        await connection.close()

    portal.call(play)
    local = [moment.astimezone(ZoneInfo(zone)).date() for moment in moments]
    first = local[-1].replace(day=1)
    for _ in range(2):
        told = read(database, portal, account_id, first, moments[-1])
        assert [day.close for day in told.days if day.date in local] == [
            sum(one <= day for one in local) for day in sorted(set(local)) if day >= first
        ]
        assert told.distinct == told.peak == len(moments)
        rolled_up(database, portal, account_id)


# Against a model


class Step:
    def __init__(self, at: datetime, change: int) -> None:
        self.at = at
        self.change = change


Steps = st.lists(st.tuples(st.integers(0, 40 * 24), st.integers(-3, 4)), min_size=1, max_size=25)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=Steps, rolls_up=st.sets(st.integers(0, 25)), most=st.sampled_from([1, 3, 50_000]))
@example(steps=[(0, 4), (1, -1), (800, 1), (2, 1)], rolls_up={1, 3}, most=1)
def test_whatever_is_rolled_up_when_the_meter_is_what_the_running_sum_says(
    dsn: str,
    database: Database,
    portal: BlockingPortal,
    account: Callable[[str], UUID],
    steps: list[tuple[int, int]],
    rolls_up: set[int],
    most: int,
) -> None:
    """Times may go back, as those of several machines do: a change is never before the one that it follows."""
    zone = ZoneInfo("America/New_York")
    account_id = account(str(zone))
    deltas = Deltas(dsn, account_id)
    start = datetime(2030, 2, 20, 4, 30, tzinfo=UTC)

    async def play() -> None:
        connection = await asyncpg.connect(dsn)
        for number, (hours, change) in enumerate(steps):
            await deltas.append(
                connection, start + timedelta(hours=hours), change, f"step {number}", max(change, 0)
            )
            if number in rolls_up:
                await database.write(lambda tx: usage.roll_up(tx, account_id, most=most))
        await connection.close()

    portal.call(play)
    value, at = 0, start
    series: list[tuple[date, int, datetime, str]] = []
    for number, (hours, change) in enumerate(steps):
        value += change
        at = max(at, start + timedelta(hours=hours))
        series.append((at.astimezone(zone).date(), value, at, f"step {number}"))
    end = at + timedelta(days=1)
    for first in (date(2030, 2, 1), date(2030, 3, 1)):
        last = date(2030, 2, 28) if first.month == 2 else date(2030, 3, 31)
        if first > end.astimezone(zone).date():
            continue
        told = read(database, portal, account_id, first, end)
        before = [one for one in series if one[0] < first]
        within = [one for one in series if first <= one[0] <= last]
        opening = before[-1][1] if before else 0
        peak = max([opening, *(one[1] for one in within)])
        assert told.peak == peak
        if peak > opening:
            made = next(one for one in within if one[1] == peak)
            assert (told.peak_at, told.peak_cause) == (made[2], usage.Cause(made[3]))
        else:
            assert told.peak_cause is None
        by_time = [(start + timedelta(hours=hours), change) for hours, change in steps]
        month_of = [(one.astimezone(zone).date().replace(day=1), change) for one, change in by_time]
        assert told.distinct == sum(change for when, change in month_of if when < first) + sum(
            max(change, 0) for when, change in month_of if when == first
        )
        value = opening
        for day in told.days:
            values = [one[1] for one in within if one[0] == day.date]
            assert (day.high, day.low) == (max([value, *values]), min([value, *values]))
            value = values[-1] if values else value
            assert day.close == value
        assert told.current == series[-1][1]


def test_the_distinct_contacts_equal_a_recount_of_the_ledger_across_months(
    alice: Api, sql: Sql, clock: Clock, roll_up: RollUp
) -> None:
    ids = [person(alice, f"p{number}") for number in range(4)]
    for turn in range(5):
        clock.move(days=13)
        one = ids[turn % 4]
        alice.delete(f"/contacts/{one}")
        if turn % 2:
            roll_up()
        put_contact(alice, one, email_address=email(f"p{turn % 4}@example.org"))
        post_contact(
            alice, create_source="Contact", email_address=email(f"q{turn}@example.org", "unsubscribed")
        )
        recount(sql, alice.account_id)
    roll_up()
    recount(sql, alice.account_id)
