"""Imports whose chunks are merged two at a time: every row is counted once, however they end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from anyio.from_thread import BlockingPortal

from everlist.core import activities
from everlist.core.activities import ActivityFailed
from everlist.core.imports import job
from everlist.db import Database, RetryTransaction, Unavailable
from everlist.worker.activities import Worker
from tests.conftest import INSTALLATION, Api, Sql
from tests.core.recount import recount
from tests.v3.bulk import counted, ended, person
from tests.v3.helpers import new_field, new_list
from tests.v3.imports import Rows, made, post_file, post_items

NAMES = tuple("abcdefghij")
FILE = "email\n" + "".join(f"{name}@example.org\n" for name in NAMES)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five chunks: the first is merged alone, then two partitions have two each."""
    monkeypatch.setattr(job, "CHUNK", 2)


@pytest.fixture
def worker(database: Database) -> Worker:
    return Worker(database, INSTALLATION, asyncio.Event())


@pytest.fixture
def run(database: Database, portal: BlockingPortal) -> Callable[[], Any]:
    return lambda: portal.call(Worker(database, INSTALLATION, asyncio.Event()).run_one)


class Together:
    """Merges chunks, of which two at a time wait for each other before they go on; `then` is done in between."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, then: Callable[[int], Awaitable[None]]) -> None:
        self.met = 0
        self._barrier: asyncio.Barrier | None = None
        self._merge = job.merge
        self._then = then
        monkeypatch.setattr(job, "merge", self.merge)

    async def merge(self, *args: Any, **named: Any) -> Any:
        merged = await self._merge(*args, **named)
        if named["first"] > 2:
            self._barrier = self._barrier or asyncio.Barrier(2)
            await asyncio.wait_for(self._barrier.wait(), 60)
            self.met += 1
            await self._then(named["first"])
            await asyncio.wait_for(self._barrier.wait(), 60)
        return merged


async def nothing(_: int) -> None:
    pass


def members(api: Api, list_id: str) -> int:
    return api.get(f"/contact_lists/{list_id}", include_membership_count="all").json["membership_count"]


def test_two_chunks_are_merged_at_once(
    alice: Api, run: Callable[[], Any], rows: Rows, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everlist.worker.activities.VACUUM_ROWS", 1)
    together = Together(monkeypatch, nothing)
    a_list = new_list(alice)
    activity_id = made(post_file(alice, FILE, a_list))
    run()
    done = ended(alice, activity_id)
    assert together.met == 4
    assert counted(done) == {"items_total": 11, "person": 10, "created": 10}
    assert [(row.row, row.outcome) for row in rows(done)] == [(n, "created") for n in range(1, 11)]
    assert members(alice, a_list) == 10
    recount(sql, alice.account_id)
    assert not sql("select 1 from import_row where account_id = $1", alice.account_id)


def test_when_one_is_cancelled_the_other_counts_for_nothing(
    alice: Api,
    run: Callable[[], Any],
    rows: Rows,
    sql: Sql,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a_list = new_list(alice)
    activity_id = made(post_file(alice, FILE, a_list))

    async def cancel(first: int) -> None:
        if first == 3:
            now = datetime.now(UTC)
            await database.write(
                lambda tx: activities.cancel(tx, alice.account_id, UUID(activity_id), now=now)
            )

    Together(monkeypatch, cancel)
    run()
    done = ended(alice, activity_id, "cancelled")
    assert counted(done) == {"items_total": 11, "person": 4, "created": 4}
    assert len(rows(done)) == 4
    assert members(alice, a_list) == 4
    recount(sql, alice.account_id)
    assert not sql("select 1 from import_row where account_id = $1", alice.account_id)


def test_when_one_fails_what_the_other_did_is_counted_or_undone(
    alice: Api, run: Callable[[], Any], rows: Rows, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(first: int) -> None:
        if first == 7:
            raise ActivityFailed("the moon is full")

    together = Together(monkeypatch, nothing)
    merge = together.merge

    async def failing(*args: Any, **named: Any) -> Any:
        merged = await merge(*args, **named)
        await fail(named["first"])
        return merged

    monkeypatch.setattr(job, "merge", failing)
    a_list = new_list(alice)
    activity_id = made(post_file(alice, FILE, a_list))
    run()
    done = ended(alice, activity_id, "failed")
    assert done["activity_errors"] == ["the moon is full"]
    created = counted(done)["created"]
    assert created in (6, 8)  # the chunk beside it may have been first
    assert len(rows(done)) == members(alice, a_list) == created
    recount(sql, alice.account_id)
    assert not sql("select 1 from import_row where account_id = $1", alice.account_id)


def test_rows_that_are_lost_between_chunks_are_read_again(
    alice: Api,
    run: Callable[[], Any],
    rows: Rows,
    sql: Sql,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A crash of PostgreSQL empties their table, and a partition may see that before it notices the crash."""
    lost: list[int] = []

    async def lose(first: int) -> None:
        if first == 3 and not lost:
            lost.append(first)
            await database.value(
                "delete from import_row where account_id = $1 returning row_number", alice.account_id
            )

    Together(monkeypatch, lose)
    a_list = new_list(alice)
    activity_id = made(post_file(alice, FILE, a_list))
    with pytest.raises(Unavailable):
        run()
    assert lost
    monkeypatch.undo()
    sql("update lane set claimed_by = null, beat_at = null where account_id = $1", alice.account_id)
    run()
    done = ended(alice, activity_id)
    assert counted(done) == {"items_total": 11, "person": 10, "created": 10}
    assert [row.row for row in rows(done)] == list(range(1, 11))
    assert members(alice, a_list) == 10
    recount(sql, alice.account_id)


def test_rows_with_numbers_are_merged_one_chunk_after_the_other(
    alice: Api, run: Callable[[], Any], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its number a row of one chunk may be about the contact of another."""
    merge = job.merge
    under_way: set[int] = set()
    most = 0

    async def watched(*args: Any, **named: Any) -> Any:
        nonlocal most
        under_way.add(named["first"])
        most = max(most, len(under_way))
        merged = await merge(*args, **named)
        under_way.remove(named["first"])
        return merged

    monkeypatch.setattr(job, "merge", watched)
    lines = "".join(f"{name}@example.org,1309555{n:04}\n" for n, name in enumerate(NAMES))
    activity_id = made(post_file(alice, "email,sms_number\n" + lines, new_list(alice)))
    run()
    assert counted(ended(alice, activity_id))["created"] == 10
    assert most == 1
    recount(sql, alice.account_id)


def test_a_worker_that_stops_leaves_both_where_they_are(
    alice: Api,
    run: Callable[[], Any],
    rows: Rows,
    sql: Sql,
    database: Database,
    portal: BlockingPortal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop = portal.call(asyncio.Event)

    async def stopped(first: int) -> None:
        if first == 5:
            stop.set()

    Together(monkeypatch, stopped)
    a_list = new_list(alice)
    activity_id = made(post_file(alice, FILE, a_list))
    portal.call(Worker(database, INSTALLATION, stop).run_one)
    assert counted(alice.get(f"/activities/{activity_id}").json)["created"] == 6
    monkeypatch.undo()
    assert run()
    done = ended(alice, activity_id)
    assert counted(done) == {"items_total": 11, "person": 10, "created": 10}
    assert [row.row for row in rows(done)] == list(range(1, 11))
    recount(sql, alice.account_id)


def test_what_gets_in_the_way_of_one_is_done_again_there_alone(
    alice: Api, run: Callable[[], Any], rows: Rows, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge = job.merge
    times: list[int] = []

    async def in_the_way(*args: Any, **named: Any) -> Any:
        merged = await merge(*args, **named)
        times.append(named["first"])
        if named["first"] == 5 and times.count(5) < 3:
            raise RetryTransaction
        return merged

    monkeypatch.setattr(job, "merge", in_the_way)
    items = [{"email": f"{name}@example.org"} for name in NAMES]
    activity_id = made(post_items(alice, items, new_list(alice)))
    run()
    done = ended(alice, activity_id)
    assert sorted(times) == [1, 3, 5, 5, 5, 7, 9]
    assert counted(done)["created"] == 10
    assert [row.row for row in rows(done)] == list(range(1, 11))
    recount(sql, alice.account_id)


def test_a_chunk_that_always_loses_the_database_fails_its_import_though_others_do_not(
    alice: Api, worker: Worker, portal: BlockingPortal, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everlist.worker.activities.MAX_LOSSES", 2)
    merge = job.merge

    async def losing(*args: Any, **named: Any) -> Any:
        if named["first"] == 5:
            raise Unavailable("the connection was lost")
        return await merge(*args, **named)

    monkeypatch.setattr(job, "merge", losing)
    activity_id = made(post_file(alice, FILE, new_list(alice)))
    for _ in range(2):
        with pytest.raises(Unavailable):
            portal.call(worker.run_one)
        sql("update lane set claimed_by = null, beat_at = null where account_id = $1", alice.account_id)
    portal.call(worker.run_one)
    done = ended(alice, activity_id, "failed")
    assert "did not answer, 2 times in a row" in done["activity_errors"][0]
    recount(sql, alice.account_id)


def test_the_undo_of_both_leaves_nobody(
    alice: Api, run: Callable[[], Any], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_list = new_list(alice)
    person(alice, "c", first_name="Before")
    Together(monkeypatch, nothing)
    file = "email,first_name\n" + "".join(f"{name}@example.org,After\n" for name in NAMES)
    activity_id = made(post_file(alice, file, a_list))
    run()
    ended(alice, activity_id)
    monkeypatch.undo()
    assert alice.post(f"/everlist/v1/activities/{activity_id}/undo", None).status == 201
    run()
    assert members(alice, a_list) == 0
    left = alice.get("/contacts").json["contacts"]
    assert [(one["email_address"]["address"], one["first_name"]) for one in left] == [
        ("c@example.org", "Before")
    ]
    recount(sql, alice.account_id)


def test_a_field_can_be_changed_between_chunks_that_overlap(
    alice: Api, run: Callable[[], Any], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for the chunks under way comes before the next, and so does not wait for the whole import."""
    field_id = new_field(alice, "Size")
    merge = job.merge
    changed: list[int] = []
    putting: list[asyncio.Task[Any]] = []
    waits = (
        "select exists (select from pg_locks where locktype = 'advisory' and not granted"
        " and database = (select oid from pg_database where datname = current_database()))"
    )

    def put() -> int:
        return alice.put(f"/contact_custom_fields/{field_id}", {"label": "Shoe size"}).status

    async def overlapping(*args: Any, **named: Any) -> Any:
        merged = await merge(*args, **named)
        first = named["first"]
        if first == 3:
            putting.append(asyncio.create_task(asyncio.to_thread(put)))
        if first in (3, 5):  # these two stay until the PUT waits for them
            while not await database.value(waits):
                assert not (putting and putting[0].done())
        elif first > 5:
            changed.append(await putting[0])
        return merged

    monkeypatch.setattr(job, "merge", overlapping)
    lines = "".join(f"{name}@example.org,L\n" for name in NAMES)
    activity_id = made(post_file(alice, "email,cf:size\n" + lines, new_list(alice)))
    run()
    assert counted(ended(alice, activity_id))["created"] == 10
    assert changed == [200, 200]
