"""Exports as they run: many contacts, workers that end, and when there is no file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from anyio import to_thread
from anyio.from_thread import BlockingPortal

from everlist.core import accounts, activities, contacts, exports, tokens
from everlist.core.act import Act
from everlist.core.exports import job as export_job
from everlist.core.exports.file import PART_BYTES
from everlist.core.ids import new_id
from everlist.db import Database, open_database
from everlist.settings import Settings
from everlist.worker import run as worker
from everlist.worker import upkeep
from tests.conftest import Api, Clock, Sql
from tests.server import Server
from tests.v3.bulk import Work, ended, person
from tests.v3.exports import addresses, exported, parsed, queued
from tests.v3.helpers import Behind, email, moment, new_field, new_list, new_tag, put_contact, refused

# Many contacts, one moment


def grow(database: Database, portal: BlockingPortal, account_id: UUID, count: int) -> None:
    """Make contacts, a0@example.org and on."""
    act = Act("test", datetime.now(UTC))
    rest = (None,) * 7

    def change(number: int) -> contacts.Change:
        address = f"a{number}@example.org"
        contact = contacts.Contact(
            new_id(), act.now, act.now, None, "Account", None, "Ann", f"Number {number}", "x" * 50, "y" * 50, None, None,
            None, address, address, act.now, act.now, "implicit", "Account", act.now, None, None, None, None, None,
            *rest[:6],
        )  # fmt: skip
        return contacts.Change(None, contact, "Account")

    for start in range(0, count, 500):
        changes = [change(number) for number in range(start, min(start + 500, count))]
        portal.call(
            lambda changes=changes: database.write(lambda tx: contacts.apply(tx, account_id, changes, act))
        )


class Meanwhile:
    """Calls `act` once in the middle of an export: when its first page is written and others follow."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], page: int = 2) -> None:
        self._act = act
        self.times = 0
        self._show = activities.show_progress
        monkeypatch.setattr(export_job, "PAGE", page)
        monkeypatch.setattr(activities, "show_progress", self)

    async def __call__(self, *args: Any, **kwargs: Any) -> bool:
        cancelled = await self._show(*args, **kwargs)
        self.times += 1
        if self.times == 1:
            await to_thread.run_sync(self._act)
            return await self._show(*args, **kwargs)
        return cancelled


def test_more_contacts_than_a_page(
    alice: Api, work: Work, database: Database, portal: BlockingPortal, behind: Behind,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    grow(database, portal, alice.account_id, 5_100)
    activity_id = queued(alice)
    seen: list[Any] = []
    halfway = Meanwhile(
        monkeypatch, lambda: seen.append(alice.get(f"/activities/{activity_id}").json), page=export_job.PAGE
    )
    work()
    reply = alice.get(f"/contact_exports/{activity_id}")
    numbers = [int(address[1:].partition("@")[0]) for address in parsed(reply).column("Email address")]
    assert numbers == list(range(5_100))
    parts = behind.rows("export_part", "part")
    assert [len(part["data"]) for part in parts] == [PART_BYTES, len(reply.body) - PART_BYTES]
    assert ended(alice, activity_id)["status"] == {"items_total_count": 5100, "items_completed_count": 5100}
    assert halfway.times == 2
    (shown,) = seen
    assert (shown["state"], shown["percent_done"]) == ("processing", 39)
    assert shown["status"] == {"items_total_count": 5100, "items_completed_count": 2000}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_the_last_page(alice: Api, work: Work, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_job, "PAGE", 2)
    for number in range(count):
        person(alice, f"a{number}")
    assert addresses(alice, work) == [f"a{number}" for number in range(count)]


def test_the_file_shows_one_moment(alice: Api, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    news, vip = new_list(alice, "News"), new_tag(alice, "vip")
    field = new_field(alice, "Size")
    held = {
        "list_memberships": [news],
        "taggings": [vip],
        "custom_fields": [{"custom_field_id": field, "value": "S"}],
    }
    people = [person(alice, f"a{number}", first_name="before", **held) for number in range(5)]

    def change() -> None:
        put_contact(
            alice, people[2], email_address=email("new@example.org"), first_name="after", list_memberships=[]
        )
        assert alice.delete(f"/contacts/{people[3]}").status == 204
        person(alice, "a5")
        assert alice.put(f"/contact_lists/{news}", {"name": "Old news"}).status == 200
        assert alice.put(f"/contact_tags/{vip}", {"name": "nobody"}).status == 200
        assert alice.delete(f"/contact_custom_fields/{field}").status == 204

    activity_id = queued(alice)
    assert Meanwhile(monkeypatch, change).times == 0
    work()
    table = parsed(alice.get(f"/contact_exports/{activity_id}"))
    assert table.column("Email address") == [f"a{number}@example.org" for number in range(5)]
    for title, value in (
        ("First name", "before"), ("Email Lists", "News"), ("Tags", "vip"), ("Size", "S"), ("Email status", "Active"),
    ):  # fmt: skip
        assert table.column(title) == [value] * 5
    later = exported(alice, work)
    assert sorted(later.column("First name")) == ["", "after", "before", "before", "before"]
    assert sorted(later.column("Tags")) == ["", *["nobody"] * 4]


# Workers that end in the middle


def test_an_export_that_another_worker_takes_over_begins_again(
    alice: Api, work: Work, sql: Sql, behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        person(alice, f"a{number}")
    activity_id = queued(alice)
    taken = "update activity set run_by = $2 where account_id = $1"
    halfway = Meanwhile(monkeypatch, lambda: sql(taken, alice.account_id, uuid4()))
    work()
    assert halfway.times == 4  # twice for each time that it ran
    table = parsed(alice.get(f"/contact_exports/{activity_id}"))
    assert table.column("Email address") == [f"a{number}@example.org" for number in range(5)]
    assert len(behind.rows("export_part")) == 1
    assert ended(alice, activity_id)["status"] == {"items_total_count": 5, "items_completed_count": 5}


def test_a_cancelled_export_stops_and_leaves_nothing(
    alice: Api,
    work: Work,
    database: Database,
    portal: BlockingPortal,
    behind: Behind,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(7):
        person(alice, f"a{number}")
    activity_id = queued(alice)

    def cancel() -> None:
        asked = lambda tx: activities.cancel(tx, alice.account_id, UUID(activity_id), now=datetime.now(UTC))  # noqa: E731
        portal.call(lambda: database.write(asked))

    monkeypatch.setattr("everlist.core.exports.file.PART_BYTES", 100)
    halfway = Meanwhile(monkeypatch, cancel)
    work()
    assert halfway.times == 1
    status = {"items_total_count": 7, "items_completed_count": 2}
    assert ended(alice, activity_id, "cancelled")["status"] == status
    assert behind.rows("export_part") == []
    refused(alice.get(f"/contact_exports/{activity_id}"), 404, "the export has no file: it is cancelled")


# When there is no file


def test_before_it_is_ready(alice: Api, work: Work, behind: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        person(alice, f"a{number}")
    activity_id = queued(alice)
    path = f"/contact_exports/{activity_id}"
    refused(alice.get(path), 404, "the export is not ready: it is initialized")
    Meanwhile(monkeypatch, lambda: refused(alice.get(path), 404, "the export is not ready: it is processing"))
    work()
    assert alice.get(path).status == 200


def test_ids_that_are_no_exports(alice: Api, work: Work) -> None:
    refused(alice.get("/contact_exports/x"), 404, "invalid format")
    other = alice.post("/activities/list_delete", {"list_ids": [new_list(alice)]}).json["activity_id"]
    work()
    refused(alice.get(f"/contact_exports/{other}"), 404, f"no export has the id {other}")
    assert "results" not in alice.get(f"/activities/{other}").json["_links"]


def test_an_export_that_failed(alice: Api, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_args: object) -> None:
        raise activities.ActivityFailed("the lists are lost")

    monkeypatch.setattr(export_job, "chosen_columns", fail)
    activity_id = queued(alice)
    work()
    assert alice.get(f"/activities/{activity_id}").json["activity_errors"] == ["the lists are lost"]
    refused(alice.get(f"/contact_exports/{activity_id}"), 404, "the export has no file: it is failed")


def test_a_file_expires_after_ten_days(alice: Api, work: Work, clock: Clock) -> None:
    person(alice, "ann")
    activity_id = queued(alice)
    work()
    path = f"/contact_exports/{activity_id}"
    expires_at = moment(ended(alice, activity_id)["completed_at"]) + timedelta(days=10)
    clock.move(days=10, minutes=-2)
    assert alice.get(path).status == 200
    clock.move(minutes=4)
    refused(alice.get(path), 404, f"the export expired at {expires_at:%Y-%m-%dT%H:%M:%SZ}")
    assert alice.get(f"/activities/{activity_id}").status == 200


def test_what_has_expired_is_swept_away(
    alice: Api, charlie: Api, work: Work, database: Database, portal: BlockingPortal, behind: Behind
) -> None:
    theirs, mine = queued(charlie), queued(alice)  # theirs is the older file
    work()
    made_at = behind.rows("export_part")[0]["made_at"]
    portal.call(lambda: exports.sweep(database, alice.account_id, before=made_at))
    assert alice.get(f"/contact_exports/{mine}").status == 200
    portal.call(lambda: exports.sweep(database, alice.account_id, before=made_at + timedelta(microseconds=1)))
    assert behind.rows("export_part") == []
    refused(alice.get(f"/contact_exports/{mine}"), 404, "the export expired")
    assert charlie.get(f"/contact_exports/{theirs}").status == 200


# The worker as it runs


def finished(api: Api, activity_id: str, seconds: float = 60) -> Any:
    """The activity when it has ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        activity = api.get(f"/activities/{activity_id}").json
        if activity["state"] not in ("initialized", "processing"):
            return activity
        time.sleep(0.02)
    raise AssertionError(f"{activity_id} has not ended in {seconds} s")


def test_the_worker_exports_and_sweeps(own_database: str, settings: Settings, portal: BlockingPortal) -> None:
    async def furnish() -> tuple[Database, accounts.Account, str]:
        database = await open_database(own_database, size=2, statement_timeout=30, name="everlist tests")
        now = datetime.now(UTC)
        account = await database.write(lambda tx: accounts.create(tx, "one", now=now))
        secret, _ = await database.write(
            lambda tx: tokens.create(tx, account.account_id, scopes=("contact_data",), now=now)
        )
        return database, account, secret

    database, account, secret = portal.call(furnish)
    stop = portal.call(_event)
    with Server(settings, own_database, portal) as server:
        running = portal.start_task_soon(worker.run, settings, own_database, stop)
        api = Api(server.url, secret, account)
        try:
            person(api, "ann")
            activity_id = queued(api)
            assert finished(api, activity_id)["state"] == "completed"
            table = parsed(api.get(f"/contact_exports/{activity_id}"))
            assert table.column("Email address") == ["ann@example.org"]
            sweep_at = datetime.now(UTC) + timedelta(days=11, minutes=1)
            portal.call(lambda: upkeep.sweep_all(database, now=sweep_at - timedelta(minutes=2)))
            assert api.get(f"/contact_exports/{activity_id}").status == 200
            portal.call(lambda: upkeep.sweep_all(database, now=sweep_at))
            refused(api.get(f"/contact_exports/{activity_id}"), 404, "the export expired")
        finally:
            api.http.close()
            portal.call(_set, stop)
            running.result(timeout=60)
            portal.call(database.close)


async def _event() -> asyncio.Event:
    return asyncio.Event()


async def _set(event: asyncio.Event) -> None:
    event.set()
