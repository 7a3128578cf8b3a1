"""What the hourly clean-up takes away of activities, and what it leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from anyio.from_thread import BlockingPortal

from everlist.core import activities
from everlist.db import Database
from everlist.worker import upkeep
from everlist.worker.activities import Worker
from tests.conftest import INSTALLATION, Api, Clock, Sql
from tests.v3.bulk import Work, activity, ended, person, queued
from tests.v3.conftest import adds_up, behind, work
from tests.v3.helpers import Behind, get_contact, new_list, refused

__all__ = ["adds_up", "behind", "work"]

TABLES = ("before_image", "import_outcome", "import_report")
Sweep = Callable[..., None]


@pytest.fixture
def sweep(alice: Api, charlie: Api, database: Database, portal: BlockingPortal, clock: Clock) -> Sweep:
    """Sweeps the accounts of the test, and not the thousands of all tests, at the time of the clock."""

    async def both() -> None:
        for api in (alice, charlie):
            await upkeep.sweep_account(database, api.account_id, now=clock())

    return lambda: portal.call(both)


def imported(api: Api, work: Work, rows: int = 3) -> str:
    """An import of some rows, of which the last is rejected."""
    data = [{"email": f"row{number}@example.org"} for number in range(rows)] + [{"email": "broken"}]
    activity_id = queued(api, "contacts_json_import", import_data=data, list_ids=[new_list(api)])
    work()
    ended(api, activity_id)
    return activity_id


def held(behind: Behind, activity_id: str) -> dict[str, int]:
    """How much each table has of the activity."""
    return {
        table: sum(str(row["activity_id"]) == activity_id for row in behind.rows(table)) for table in TABLES
    }


def rows_of(api: Api, activity_id: str) -> Any:
    return api.get(f"/everlist/v1/activities/{activity_id}/rows")


def undo(api: Api, activity_id: str) -> Any:
    return api.post(f"/everlist/v1/activities/{activity_id}/undo", None)


def ended_at(sql: Sql, api: Api, activity_id: str, at: datetime, **columns: datetime) -> None:
    """As if the activity had ended then, and its images had been made then or when `made_at` says."""
    sql(
        "update activity set completed_at = $3 where account_id = $1 and activity_id = $2 returning 1",
        api.account_id,
        UUID(activity_id),
        at,
    )
    sql(
        "update before_image set made_at = $3 where account_id = $1 and activity_id = $2 returning 1",
        api.account_id,
        UUID(activity_id),
        columns.get("made_at", at),
    )


def test_the_rows_of_an_activity_are_told_for_thirty_days_and_then_refused(
    alice: Api, work: Work, behind: Behind, clock: Clock, sweep: Sweep
) -> None:
    activity_id = imported(alice, work)
    clock.move(days=29, hours=23)
    sweep()
    assert len(rows_of(alice, activity_id).body.splitlines()) == 5
    clock.move(hours=2)
    for _ in range(2):
        refused(rows_of(alice, activity_id), 404, "its rows are not kept longer")
        sweep()
    assert all(held(behind, activity_id).values()), "an answer that had begun is whole"
    clock.move(days=1)
    sweep()
    assert held(behind, activity_id) == dict.fromkeys(TABLES, 0)
    refused(rows_of(alice, activity_id), 404, "its rows are not kept longer")
    assert activity(alice, activity_id)["status"]["created_count"] == 3


def test_an_activity_that_ran_over_the_edge_is_undone_as_a_whole(
    alice: Api, work: Work, sql: Sql, clock: Clock, sweep: Sweep
) -> None:
    """Its first chunks are older than the window, its end is not."""
    people = [person(alice, name) for name in ("ann", "ben")]
    activity_id = queued(alice, "contact_delete", contact_ids=people)
    work()
    now = clock()
    ended_at(sql, alice, activity_id, now - timedelta(days=29), made_at=now - timedelta(days=40))
    sweep()
    assert undo(alice, activity_id).status == 201
    work()
    assert all("deleted_at" not in get_contact(alice, one) for one in people)


def test_what_a_running_activity_has_kept_stays(
    alice: Api, work: Work, sql: Sql, behind: Behind, clock: Clock, sweep: Sweep
) -> None:
    activity_id = imported(alice, work)
    sql(
        "update activity set state = 'processing', completed_at = null where account_id = $1 and activity_id = $2"
        " returning 1",
        alice.account_id,
        UUID(activity_id),
    )
    before = held(behind, activity_id)
    clock.move(days=300)
    sweep()
    assert held(behind, activity_id) == before
    ended_at(sql, alice, activity_id, clock())
    sql("update activity set state = 'completed' where account_id = $1 returning 1", alice.account_id)


@pytest.mark.parametrize("how", ["undo", "restore"])
def test_an_undo_that_was_taken_in_time_finds_everything_however_long_it_waits(
    alice: Api, work: Work, clock: Clock, sweep: Sweep, how: str
) -> None:
    one = person(alice, "ann")
    activity_id = queued(alice, "contact_delete", contact_ids=[one])
    work()
    clock.move(days=29)
    if how == "undo":
        assert undo(alice, activity_id).status == 201
    else:
        body = {"deleted_by_activity_id": activity_id}
        assert alice.post("/everlist/v1/activities/contact_restore", body).status == 201
    clock.move(days=100)
    sweep()
    work()
    assert "deleted_at" not in get_contact(alice, one)


def test_an_ended_activity_goes_after_ninety_days(
    alice: Api, charlie: Api, work: Work, clock: Clock, sweep: Sweep, behind: Behind
) -> None:
    activity_id = imported(alice, work)
    clock.move(days=89, hours=23)
    sweep()
    assert activity(alice, activity_id)["state"] == "completed"
    assert "more than 30 days ago" in undo(alice, activity_id).json[0]["error_message"]
    clock.move(hours=2)
    waiting = queued(alice, "contact_exports")
    theirs = queued(charlie, "contact_exports")
    sweep()
    assert alice.get(f"/activities/{activity_id}").status == 404
    refused(rows_of(alice, activity_id), 404, "no activity has the id")
    assert activity(alice, waiting)["state"] == activity(charlie, theirs)["state"] == "initialized"
    assert {str(event["activity_id"]) for event in behind.rows("consent_event")} == {activity_id}
    work()


def test_much_is_swept_piece_by_piece(
    alice: Api, work: Work, behind: Behind, clock: Clock, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activities, "_PIECES", tuple((sql, 1) for sql, _ in activities._PIECES))
    monkeypatch.setattr(activities, "_SWEEP_ACTIVITIES", 1)
    monkeypatch.setattr("everlist.core.imports.job.CHUNK", 2)
    for _ in range(3):
        imported(alice, work, rows=5)
    clock.move(days=91)
    sweep()
    assert [behind.rows(table) for table in ("activity", *TABLES)] == [[]] * 4


def test_a_worker_takes_the_time_from_its_clock(
    alice: Api, database: Database, portal: BlockingPortal, clock: Clock
) -> None:
    clock.move(days=3)
    activity_id = queued(
        alice, "contacts_json_import", import_data=[{"email": "ann@example.org"}], list_ids=[new_list(alice)]
    )
    worker = Worker(database, INSTALLATION, portal.call(asyncio.Event), clock)
    while portal.call(worker.run_one):
        pass
    done = ended(alice, activity_id)
    assert done["started_at"] >= done["created_at"]
    assert done["completed_at"] >= done["created_at"]
