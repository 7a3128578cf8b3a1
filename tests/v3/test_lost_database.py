"""An activity under which the database is lost again and again: it fails, and its account's queue goes on."""

from __future__ import annotations

import asyncio

import pytest
from anyio.from_thread import BlockingPortal

from everlist.core import activities, bulk
from everlist.core.kinds import KINDS, Kind
from everlist.db import Database, Unavailable
from everlist.worker.activities import Worker
from tests.conftest import INSTALLATION, Api, Sql
from tests.v3.bulk import Work, activity, ended, many, person, queued
from tests.v3.helpers import NOBODY, new_tag

TURNS = 3


@pytest.fixture
def one_turn(alice: Api, database: Database, portal: BlockingPortal, sql: Sql) -> Work:
    """What one and the same worker does next, at a time when it may take a slot over."""
    worker = Worker(database, INSTALLATION, asyncio.Event())

    def turn() -> None:
        sql("update lane set beat_at = beat_at - interval '1 minute' where account_id = $1", alice.account_id)
        portal.call(worker.run_one)

    return turn


async def lose_the_database(job: activities.Job) -> activities.Progress:
    await job.tx.value("select pg_terminate_backend(pg_backend_pid())")
    raise AssertionError


def test_it_fails_and_the_queue_goes_on(
    alice: Api, one_turn: Work, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everlist.worker.activities.MAX_LOSSES", TURNS)
    monkeypatch.setitem(KINDS, "contact_delete", Kind(run=lose_the_database))
    first = queued(alice, "contact_delete", contact_ids=[NOBODY])
    second = queued(alice, "contacts_taggings_add", source={"contact_ids": many(1)}, tag_ids=[new_tag(alice)])
    for _ in range(TURNS):
        with pytest.raises(Unavailable):
            one_turn()
        assert activity(alice, first)["state"] == "processing"
    one_turn()
    found = ended(alice, first, "failed")
    assert found["activity_errors"] == [
        f"the activity could not go on: the database did not answer, {TURNS} times in a row"
    ]
    work()
    ended(alice, second)


def test_only_losses_in_a_row_count(alice: Api, one_turn: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """An activity that gets on between two losses, if only a little, goes on."""
    contact_ids = [person(alice, f"p{number}") for number in range(TURNS + 2)]
    monkeypatch.setattr(bulk, "CHUNK", 1)
    monkeypatch.setattr("everlist.worker.activities.MAX_LOSSES", TURNS)
    delete = KINDS["contact_delete"].run
    calls = 0

    async def every_second_is_lost(job: activities.Job) -> activities.Progress:
        nonlocal calls
        calls += 1
        return await (lose_the_database if calls % 2 else delete)(job)

    monkeypatch.setitem(KINDS, "contact_delete", Kind(run=every_second_is_lost))
    deleting = queued(alice, "contact_delete", contact_ids=contact_ids)
    losses = 0
    while activity(alice, deleting)["state"] in ("initialized", "processing"):
        try:
            one_turn()
        except Unavailable:
            losses += 1
    assert ended(alice, deleting)["status"]["updated_count"] == len(contact_ids)
    assert losses > TURNS
