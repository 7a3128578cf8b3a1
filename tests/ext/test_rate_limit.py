"""EVERLIST_RATE_LIMIT: off unless set; by the second and by the day, for each account."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from anyio.from_thread import BlockingPortal

from everlist.errors import StartError
from everlist.settings import Settings, load
from everlist.web.rate import Limiter
from tests.conftest import Api, NewAccount, NewToken
from tests.server import Server

NOW = datetime(2030, 1, 31, 22, 0, 0, tzinfo=UTC)
ANN, BEN = uuid4(), uuid4()


def refused(limiter: Limiter, moments: list[datetime]) -> list[tuple[str, int] | None]:
    return [limiter.refuses(ANN, moment) for moment in moments]


def test_so_many_at_once_and_then_one_for_each_part_of_a_second() -> None:
    limiter = Limiter(4, None)
    assert refused(limiter, [NOW] * 4) == [None] * 4
    assert limiter.refuses(ANN, NOW) == ("throttled", 1)
    quarter = timedelta(seconds=0.25)
    assert refused(limiter, [NOW + quarter, NOW + quarter, NOW + 2 * quarter]) == [
        None,
        ("throttled", 1),
        None,
    ]
    assert refused(limiter, [NOW + timedelta(hours=1)] * 5) == [None] * 4 + [("throttled", 1)]


def test_accounts_do_not_share_their_limit() -> None:
    limiter = Limiter(1, None)
    assert limiter.refuses(ANN, NOW) is None
    assert limiter.refuses(BEN, NOW) is None
    assert limiter.refuses(ANN, NOW) is not None


def test_the_quota_of_a_day_ends_at_midnight_utc() -> None:
    limiter = Limiter(100, 3)
    assert refused(limiter, [NOW] * 4) == [None, None, None, ("quota_exceeded", 2 * 3600)]
    late = NOW + timedelta(hours=1, minutes=59, seconds=59.5)
    assert limiter.refuses(ANN, late) == ("quota_exceeded", 1)
    assert limiter.refuses(ANN, NOW + timedelta(hours=2)) is None


def test_what_was_refused_is_not_counted() -> None:
    limiter = Limiter(1, 2)
    assert refused(limiter, [NOW] * 50).count(None) == 1
    assert limiter.refuses(ANN, NOW + timedelta(seconds=1)) is None
    assert limiter.refuses(ANN, NOW + timedelta(seconds=2)) == ("quota_exceeded", 2 * 3600 - 2)


def test_a_clock_that_is_set_back_gives_and_takes_nothing() -> None:
    limiter = Limiter(1, None)
    assert limiter.refuses(ANN, NOW) is None
    back = NOW - timedelta(hours=1)
    assert limiter.refuses(ANN, back) == ("throttled", 1)
    assert limiter.refuses(ANN, back + timedelta(seconds=1)) is None


# Over HTTP


class Still:
    """A clock that stands."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def still() -> Still:
    return Still()


@pytest.fixture
def limited(
    settings: Settings,
    dsn: str,
    portal: BlockingPortal,
    new_account: NewAccount,
    new_token: NewToken,
    still: Still,
) -> Iterator[list[Api]]:
    """Two tokens of one account and one of another, at a server that limits as the vendor does."""
    limits = dataclasses.replace(settings, rate_limit=(4, 6))
    with Server(limits, dsn, portal, clock=still) as server:
        mine, other = new_account(), new_account()
        apis = [Api(server.url, new_token(one, "contact_data"), one) for one in (mine, mine, other)]
        yield apis
        for api in apis:
            api.http.close()


def test_the_answers_are_those_of_the_vendor_with_the_seconds_to_wait(
    limited: list[Api], still: Still
) -> None:
    one, same, other = limited
    assert [api.get("/contacts").status for api in (one, same, one, same)] == [200] * 4
    reply = one.get("/contacts")
    assert (reply.status, reply.headers["retry-after"]) == (429, "1")
    assert reply.json == {"error_key": "throttled", "error_message": "Too Many Requests"}
    assert same.get("/contacts").status == 429
    assert other.get("/contacts").status == 200
    still.now += timedelta(seconds=1)
    assert [one.get("/contacts").status for _ in range(2)] == [200] * 2
    reply = one.post("/contacts", {"create_source": "Account", "first_name": "Ann"})
    assert (reply.status, reply.headers["retry-after"]) == (429, str(2 * 3600 - 1))
    assert reply.json == {"error_key": "quota_exceeded", "error_message": "Limit Exceeded"}
    still.now += timedelta(hours=2)
    assert one.get("/contacts").json == {"contacts": []}


def test_there_is_no_limit_unless_it_is_set(alice: Api) -> None:
    assert {alice.get("/contacts").status for _ in range(30)} == {200}


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        ("", None),
        ("off", None),
        ("vendor", (4, 10_000)),
        ("50", (50, None)),
        ("50,100000", (50, 100_000)),
    ],
)
def test_what_the_setting_means(tmp_path: Path, value: str, limit: object) -> None:
    environ = {"EVERLIST_RATE_LIMIT": value, "EVERLIST_DATA_DIR": str(tmp_path)}
    assert load(environ).rate_limit == limit


@pytest.mark.parametrize("value", ["on", "0", "-1", "4/s", "4,", "4,0", "1,2,3", "٤", "9999999999"])
def test_what_the_setting_can_not_be(tmp_path: Path, value: str) -> None:
    with pytest.raises(StartError, match="EVERLIST_RATE_LIMIT must be"):
        load({"EVERLIST_RATE_LIMIT": value, "EVERLIST_DATA_DIR": str(tmp_path)})
