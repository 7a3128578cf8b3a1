"""The meter of an account that moves to another time zone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from anyio.from_thread import BlockingPortal

from everlist.core import accounts, usage
from everlist.db import Database
from tests.conftest import Api, Clock, NewToken, Sql
from tests.core.recount import recount
from tests.ext.meter import RollUp, month
from tests.server import Server
from tests.v3.bulk import person
from tests.v3.helpers import put_contact


@pytest.fixture
def lives_in(
    running: Server, alices_account: accounts.Account, new_token: NewToken
) -> Iterator[Callable[[str], None]]:
    """Changes the time zone of alice's account."""
    steward = Api(running.url, new_token(alices_account, "account_update"), alices_account)

    def change(zone: str) -> None:
        reply = steward("PATCH", "/everlist/v1/account/settings", json={"time_zone": zone})
        assert reply.status == 200, reply

    yield change
    steward.http.close()


def at_hour(clock: Clock, zone: str, day: int, hour: int) -> None:
    """Put the clock to that hour of that day of the month after the next, where they are in the zone."""
    month = (datetime.now(UTC).replace(day=1) + timedelta(days=70)).replace(day=1)
    local = datetime(month.year, month.month, day, hour, tzinfo=ZoneInfo(zone))
    clock.ahead = local - datetime.now(UTC)


def days_of(told: Any) -> dict[int, tuple[int, int, int]]:
    return {int(day["date"][-2:]): (day["high"], day["low"], day["close"]) for day in told["days"]}


@pytest.mark.parametrize("rolls_up", [False, True])
def test_a_day_that_had_begun_goes_on_where_the_new_zone_has_yet_to_reach_it(
    alice: Api, lives_in: Callable[[str], None], clock: Clock, roll_up: RollUp, *, rolls_up: bool
) -> None:
    lives_in("Pacific/Auckland")
    at_hour(clock, "Pacific/Auckland", 9, 20)
    person(alice, "ann")
    at_hour(clock, "Pacific/Auckland", 10, 1)
    person(alice, "ben")
    alice.delete(f"/contacts/{person(alice, 'cat')}")
    if rolls_up:
        roll_up()
    before = month(alice)
    lives_in("America/Los_Angeles")  # where it is the ninth
    after = month(alice)
    assert after == {**before, "time_zone": "America/Los_Angeles"}
    person(alice, "dan")
    told = month(alice)
    assert (told["current"], told["peak"], told["distinct"]) == (3, 3, 4)
    assert (days_of(told)[9], days_of(told)[10]) == ((1, 0, 1), (3, 1, 3))
    assert max(days_of(told)) == 10
    at_hour(clock, "America/Los_Angeles", 10, 23)
    person(alice, "eve")
    at_hour(clock, "America/Los_Angeles", 11, 1)
    person(alice, "fay")
    for _ in range(2):
        told = month(alice)
        assert (days_of(told)[10], days_of(told)[11]) == ((4, 1, 4), (5, 4, 5))
        assert (told["peak"], told["current"], told["distinct"]) == (5, 5, 6)
        roll_up()


def test_past_days_stay_as_they_were_measured_where_the_new_zone_is_ahead(
    alice: Api, lives_in: Callable[[str], None], clock: Clock, roll_up: RollUp
) -> None:
    lives_in("America/Los_Angeles")
    at_hour(clock, "America/Los_Angeles", 10, 20)
    one = person(alice, "ann")
    lives_in("Pacific/Auckland")  # where it is the eleventh
    alice.delete(f"/contacts/{one}")
    for _ in range(2):
        told = month(alice)
        assert (days_of(told)[10], days_of(told)[11]) == ((1, 0, 1), (1, 0, 0))
        assert (told["peak"], told["distinct"]) == (1, 1)
        roll_up()


def test_a_month_that_had_begun_goes_on_too(
    alice: Api, lives_in: Callable[[str], None], clock: Clock
) -> None:
    lives_in("Pacific/Auckland")
    at_hour(clock, "Pacific/Auckland", 1, 5)
    one = person(alice, "ann")
    begun = month(alice)["month"]
    lives_in("America/Los_Angeles")  # where it is the last of the month before
    alice.delete(f"/contacts/{one}")
    told = month(alice)
    assert (told["month"], told["current"], told["peak"]) == (begun, 0, 1)
    assert days_of(told) == {1: (1, 0, 0)}
    assert told["distinct"] == 0, "in the new zone the contact was active in the month before alone"
    month_before = (datetime.fromisoformat(begun + "-01") - timedelta(days=1)).strftime("%Y-%m")
    assert month(alice, month_before)["distinct"] == 1
    at_hour(clock, "America/Los_Angeles", 1, 5)
    assert month(alice)["month"] == begun


def test_the_distinct_contacts_are_those_of_the_ledger_in_whatever_zone(
    alice: Api, lives_in: Callable[[str], None], clock: Clock, roll_up: RollUp, sql: Sql
) -> None:
    """Contacts come and go every few hours around the beginning of a month, and the zone changes amid them."""
    zones = ("Pacific/Auckland", "America/Los_Angeles", "UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago")
    at_hour(clock, "UTC", 1, 0)
    clock.move(days=-1)
    people: list[str] = []
    for step in range(24):
        people.append(person(alice, f"p{step}"))
        for one in people[step % 3 :: 4]:
            gone = alice.delete(f"/contacts/{one}").status != 204
            if gone:
                put_contact(alice, one, update_source="Account", first_name="back")
        if step % 5 == 2:
            roll_up()
        if step % 4 == 3:
            lives_in(zones[step // 4 % len(zones)])
            recount(sql, alice.account_id)
        clock.move(hours=2)


def test_the_zone_changes_once_whoever_rolls_up_has_ended(
    alice: Api, lives_in: Callable[[str], None], database: Database, portal: BlockingPortal, sql: Sql
) -> None:
    person(alice, "ann")

    async def change_amid() -> None:
        async with database.transaction() as tx:
            await usage.roll_up(tx, alice.account_id)
            changing = asyncio.create_task(asyncio.to_thread(lives_in, "Pacific/Auckland"))
            waiting = "select exists (select from pg_locks where locktype = 'advisory' and not granted)"
            while not changing.done() and not await database.value(waiting):
                pass
            assert not changing.done()
        await changing

    portal.call(change_amid)
    assert sql("select count(*) from active_delta where account_id = $1", alice.account_id)[0][0] == 0
