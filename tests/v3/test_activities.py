"""Bulk activities as records: how they are made, listed, run in order, cancelled; V3 contract 6.1."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from anyio.from_thread import BlockingPortal

from everlist.core import activities, bulk, kinds
from everlist.core.act import Act
from everlist.core.kinds import Kind
from everlist.db import Database
from everlist.errors import Conflict, NotFound
from everlist.worker.activities import Worker
from tests.conftest import INSTALLATION, Api, Clock, Sql
from tests.v3.bulk import Work, activity, counted, ended, lists_of, many, person, queued, ran
from tests.v3.helpers import NOBODY, Behind, get_contact, moment, new_field, new_list, new_tag, refused
from tests.v3.imports import by_address, made

KINDS: dict[str, dict[str, Any]] = {
    "contact_delete": {"contact_ids": [NOBODY]},
    "add_list_memberships": {"source": {"contact_ids": [NOBODY]}, "list_ids": ["LIST"]},
    "remove_list_memberships": {"source": {"contact_ids": [NOBODY]}, "list_ids": ["LIST"]},
    "list_delete": {"list_ids": ["LIST"]},
    "contacts_taggings_add": {"source": {"contact_ids": [NOBODY]}, "tag_ids": ["TAG"]},
    "contacts_taggings_remove": {"source": {"contact_ids": [NOBODY]}, "tag_ids": ["TAG"]},
    "contacts_tags_delete": {"tag_ids": ["TAG"]},
    "custom_fields_delete": {"custom_field_ids": [NOBODY]},
}


def body_of(api: Api, kind: str) -> Any:
    """A body that the kind takes, with a list or tag of the account."""
    body = dict(KINDS[kind])
    if body.get("list_ids") == ["LIST"]:
        body["list_ids"] = [new_list(api)]
    if body.get("tag_ids") == ["TAG"]:
        body["tag_ids"] = [new_tag(api)]
    return body


# Who may


@pytest.mark.parametrize("kind", KINDS)
def test_who_may(alice: Api, bob: Api, charlie: Api, anonymous: Api, work: Work, kind: str) -> None:
    body = body_of(alice, kind)
    assert anonymous.post(f"/activities/{kind}", body).status == 401
    assert bob.post(f"/activities/{kind}", body).status == 403
    if "list_ids" in body or "tag_ids" in body:  # what belongs to another account is unknown here
        refused(charlie.post(f"/activities/{kind}", body), 400, "_ids does not have a valid value: no ")
    activity_id = queued(alice, kind, **body)
    assert anonymous.get(f"/activities/{activity_id}").status == 401
    assert bob.get(f"/activities/{activity_id}").status == 403
    refused(charlie.get(f"/activities/{activity_id}"), 404, activity_id)
    assert charlie.get("/activities").json == {"activities": []}
    work()
    ended(alice, activity_id)


def test_who_may_list(bob: Api, anonymous: Api) -> None:
    assert anonymous.get("/activities").status == 401
    assert bob.get("/activities").status == 403


@pytest.mark.parametrize("path", ["/contact_lists", "/contact_tags"])
def test_who_may_delete_one(alice: Api, bob: Api, charlie: Api, anonymous: Api, path: str) -> None:
    one = new_list(alice) if path == "/contact_lists" else new_tag(alice)
    assert anonymous.delete(f"{path}/{one}").status == 401
    assert bob.delete(f"{path}/{one}").status == 403
    refused(charlie.delete(f"{path}/{one}"), 404, one)
    refused(alice.delete(f"{path}/{NOBODY}"), 404, NOBODY)
    assert alice.get(f"{path}/{one}").status == 200


# The record


@pytest.mark.parametrize("kind", KINDS)
def test_an_activity_from_its_beginning_to_its_end(alice: Api, work: Work, kind: str) -> None:
    reply = alice.post(f"/activities/{kind}", body_of(alice, kind))
    assert reply.status == 201
    made = reply.json
    href = f"/v3/activities/{made['activity_id']}"
    assert made["state"] == "initialized"
    assert made["percent_done"] == 1
    assert made["activity_errors"] == []
    assert made["_links"] == {"self": {"href": href}}
    assert made["created_at"] == made["updated_at"]
    assert not made.keys() & {"started_at", "completed_at", "source_file_name"}
    assert alice("GET", href).json == made
    work()
    found = ended(alice, made["activity_id"])
    assert found["percent_done"] == 100
    assert moment(found["created_at"]) <= moment(found["started_at"]) <= moment(found["completed_at"])
    assert ("status" in found) == (kind != "custom_fields_delete")


def test_an_unknown_activity(alice: Api) -> None:
    refused(alice.get(f"/activities/{NOBODY}"), 404)
    refused(alice.get("/activities/nonsense"), 404)


def test_activities_are_listed_newest_first_and_paged(alice: Api, work: Work) -> None:
    made = [queued(alice, "contact_delete", contact_ids=[NOBODY]) for _ in range(5)]
    pages = [reply.json["activities"] for reply in alice.pages("/activities", limit=2)]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [one["activity_id"] for page in pages for one in page] == made[::-1]
    assert all(one["_links"]["self"]["href"].endswith(one["activity_id"]) for one in pages[0])
    work()
    pages = [reply.json["activities"] for reply in alice.pages("/activities", limit=3, state="completed")]
    assert [one["activity_id"] for page in pages for one in page] == made[::-1]


def test_activities_of_one_state(alice: Api, work: Work, sql: Sql) -> None:
    done = [queued(alice, "contact_delete", contact_ids=[NOBODY]) for _ in range(2)]
    work()
    waiting = queued(alice, "contact_delete", contact_ids=[NOBODY])
    for state in ("failed", "timed_out", "cancelled", "processing"):
        assert alice.get("/activities", state=state).json["activities"] == []
        sql(
            "update activity set state = $2 where account_id = $1 and activity_id = $3",
            alice.account_id,
            state,
            UUID(done[0]),
        )
        found = alice.get("/activities", state=state).json["activities"]
        assert [one["activity_id"] for one in found] == [done[0]]
    sql(
        "update activity set state = 'failed' where account_id = $1 and activity_id = $2",
        alice.account_id,
        UUID(done[0]),
    )
    found = alice.get("/activities", state="completed").json["activities"]
    assert [one["activity_id"] for one in found] == [done[1]]
    found = alice.get("/activities").json["activities"]
    assert [one["activity_id"] for one in found] == [waiting, *done[::-1]]


def test_activities_are_listed_for_ten_days(alice: Api, clock: Clock) -> None:
    clock.move(days=-10, minutes=-1)
    old = queued(alice, "contact_delete", contact_ids=[NOBODY])
    clock.move(minutes=2)
    new = queued(alice, "contact_delete", contact_ids=[NOBODY])
    clock.move(days=10, minutes=-1)
    assert [one["activity_id"] for one in alice.get("/activities").json["activities"]] == [new]
    assert activity(alice, old)["activity_id"] == old


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 501}, {"limit": "x"}, {"state": "initialized"}, {"cursor": "x"}]
)
def test_queries_that_are_refused(alice: Api, query: dict[str, Any]) -> None:
    refused(alice.get("/activities", **query), 400, next(iter(query)))


# The queue


def test_a_thousand_may_wait(alice: Api, charlie: Api, sql: Sql) -> None:
    activity_id = queued(alice, "contact_delete", contact_ids=[NOBODY])
    sql(
        "insert into activity (account_id, activity_id, kind, state, request, created_at, updated_at, operation)"
        " select account_id, gen_random_uuid(), kind, case when n = 1 then 'processing' else state end,"
        " request, created_at, updated_at, operation from activity, generate_series(1, 998) n"
        " where account_id = $1 and activity_id = $2",
        alice.account_id,
        UUID(activity_id),
    )
    try:
        queued(alice, "contact_delete", contact_ids=[NOBODY])
        for kind in KINDS:
            reply = alice.post(f"/activities/{kind}", body_of(alice, kind))
            assert reply.status == 429, reply
            assert reply.json["error_key"] == "throttled"
            assert "1000 activities queued" in reply.json["error_message"]
            assert int(reply.headers["retry-after"]) > 0
        assert alice.delete(f"/contact_lists/{new_list(alice)}").status == 429
        queued(charlie, "contact_delete", contact_ids=[NOBODY])
    finally:
        sql(
            "update activity set state = 'cancelled' where account_id = $1 and state <> 'completed'",
            alice.account_id,
        )
    queued(alice, "contact_delete", contact_ids=[NOBODY])


def test_no_more_than_the_limit_are_queued_at_once(
    alice: Api, database: Database, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activities, "MAX_QUEUED", 3)
    act = Act("test", datetime.now(UTC))

    async def one() -> bool:
        try:
            await database.write(
                lambda tx: activities.create(
                    tx, alice.account_id, "custom_fields_delete", bulk.Whole(()), act=act
                )
            )
        except activities.QueueFull:
            return False
        return True

    async def all_at_once() -> int:
        return sum(await asyncio.gather(*(one() for _ in range(8))))

    assert portal.call(all_at_once) == 3
    assert len(alice.get("/activities").json["activities"]) == 3


def test_an_account_is_served_in_order(alice: Api, work: Work) -> None:
    first, second = new_list(alice), new_list(alice)
    ann = person(alice, "ann", list_memberships=[first])
    for source, wanted in ((first, second), (second, first)) * 3:
        queued(alice, "remove_list_memberships", source={"list_ids": [wanted]}, list_ids=[wanted])
        queued(alice, "add_list_memberships", source={"contact_ids": [ann]}, list_ids=[wanted])
        queued(alice, "remove_list_memberships", source={"list_ids": [source]}, list_ids=[source])
    work()
    assert lists_of(alice, ann) == {first}
    done = alice.get("/activities").json["activities"]
    assert {one["state"] for one in done} == {"completed"}
    ends = [one["completed_at"] for one in done]
    assert ends == sorted(ends, reverse=True)


@pytest.mark.parametrize("begun", [False, True], ids=["waiting", "begun"])
def test_an_upload_is_queued_when_it_ends_not_when_it_begins(
    alice: Api,
    database: Database,
    portal: BlockingPortal,
    sql: Sql,
    work: Work,
    monkeypatch: pytest.MonkeyPatch,
    begun: bool,
) -> None:
    """What was queued during the upload runs before it, and an activity that has begun is not overtaken."""
    list_id = new_list(alice)
    for number in range(3):
        person(alice, f"old{number}", list_memberships=[list_id])
    monkeypatch.setattr(bulk, "CHUNK", 1)
    queued_meanwhile: list[str] = []

    def upload() -> Iterator[bytes]:
        disposition = "--b\r\nContent-Disposition: form-data; name="
        yield f'{disposition}"list_ids"\r\n\r\n{list_id}\r\n'.encode()
        yield f'{disposition}"file"; filename="a.csv"\r\n\r\nemail\nann@example.org\n'.encode()
        yield (b" " * 999 + b"\n") * 1100
        while not sql("select from upload_part where account_id = $1", alice.account_id):
            pass
        activity_id = queued(alice, "contact_delete", list_ids=[list_id])
        queued_meanwhile.append(activity_id)
        while begun and activity(alice, activity_id)["state"] == "initialized":
            run_a_chunk(activity_id)
        yield b"\r\n--b--\r\n"

    def run_a_chunk(activity_id: str) -> None:
        stop = asyncio.Event()
        original = kinds.KINDS["contact_delete"].run

        async def then_stop(job: activities.Job) -> activities.Progress:
            if str(job.activity.activity_id) == activity_id:
                stop.set()
            return await original(job)

        with monkeypatch.context() as patch:
            patch.setitem(kinds.KINDS, "contact_delete", Kind(run=then_stop))
            assert portal.call(Worker(database, INSTALLATION, stop).run_one)

    uploading = Api(alice.url, alice.token)
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    import_id = made(uploading("POST", "/activities/contacts_file_import", content=upload(), headers=form))
    uploading.http.close()
    assert activity(alice, queued_meanwhile[0])["state"] == ("processing" if begun else "initialized")
    work()
    deletion = ended(alice, queued_meanwhile[0])
    assert counted(deletion)["updated"] == 3
    assert ended(alice, import_id)["started_at"] >= deletion["completed_at"]
    assert "deleted_at" not in by_address(alice, "ann@example.org")


def test_a_backlog_does_not_slow_other_accounts(
    alice: Api, charlie: Api, database: Database, portal: BlockingPortal
) -> None:
    backlog = [queued(alice, "contact_delete", contact_ids=[NOBODY]) for _ in range(5)]
    one = queued(charlie, "contact_delete", contact_ids=[NOBODY])
    worker = Worker(database, INSTALLATION, asyncio.Event())

    def run_one() -> None:
        before = {who.account_id: waiting(who) for who in (alice, charlie)}
        while before == {who.account_id: waiting(who) for who in (alice, charlie)}:
            assert portal.call(worker.run_one)  # perhaps for accounts of other tests

    def waiting(api: Api) -> int:
        done = api.get("/activities", state="completed").json["activities"]
        return len(done)

    run_one()
    run_one()
    assert activity(charlie, one)["state"] == "completed"
    assert [activity(alice, each)["state"] for each in backlog] == ["completed", *["initialized"] * 4]
    while portal.call(worker.run_one):
        pass
    assert {activity(alice, each)["state"] for each in backlog} == {"completed"}


# Deleting one


def test_delete_a_list(alice: Api, behind: Behind, work: Work) -> None:
    list_id = new_list(alice)
    ann = person(alice, "ann", list_memberships=[list_id])
    reply = alice.delete(f"/contact_lists/{list_id}")
    assert reply.status == 202
    assert reply.headers["location"] == f"/v3/activities/{reply.json['activity_id']}"
    assert reply.json["status"] == {"list_count": 1}
    work()
    done = ended(alice, reply.json["activity_id"])
    assert done["status"] == {"list_count": 1}
    assert lists_of(alice, ann) == set()
    refused(alice.delete(f"/contact_lists/{list_id}"), 404, list_id)
    (activity_row,) = behind.rows("activity")
    assert activity_row["kind"] == "list_delete"


def test_delete_a_tag(alice: Api, work: Work) -> None:
    tag_id = new_tag(alice)
    ann = person(alice, "ann", taggings=[tag_id])
    reply = alice.delete(f"/contact_tags/{tag_id}")
    assert reply.status == 202
    assert reply.headers["location"] == f"/v3/activities/{reply.json['activity_id']}"
    work()
    assert counted(ended(alice, reply.json["activity_id"])) == {"items_total": 1, "items_completed": 1}
    assert get_contact(alice, ann, "taggings")["taggings"] == []
    assert alice.get(f"/contact_tags/{tag_id}").status == 404
    refused(alice.delete(f"/contact_tags/{tag_id}"), 404, tag_id)


def test_a_list_that_is_deleted_twice_at_once(alice: Api, work: Work) -> None:
    list_id = new_list(alice)
    person(alice, "ann", list_memberships=[list_id])
    made = [alice.delete(f"/contact_lists/{list_id}").json["activity_id"] for _ in range(2)]
    work()
    for activity_id in made:
        ended(alice, activity_id)


# Cancelling; over HTTP it is an operation of our own


def cancelled(api: Api, activity_id: str, database: Database, portal: BlockingPortal) -> activities.Activity:
    now = datetime.now(UTC)

    async def operation() -> activities.Activity:
        return await database.write(
            lambda tx: activities.cancel(tx, api.account_id, UUID(activity_id), now=now)
        )

    return portal.call(operation)


def test_cancel_one_that_waits(alice: Api, work: Work, database: Database, portal: BlockingPortal) -> None:
    ann, bea = person(alice, "ann"), person(alice, "bea")
    first = queued(alice, "contact_delete", contact_ids=[ann])
    second = queued(alice, "contact_delete", contact_ids=[bea])
    assert cancelled(alice, first, database, portal).state == "cancelled"
    work()
    found = ended(alice, first, "cancelled")
    assert "started_at" not in found
    assert found["completed_at"]
    ended(alice, second)
    assert "deleted_at" not in get_contact(alice, ann)
    assert "deleted_at" in get_contact(alice, bea)
    with pytest.raises(Conflict, match="it is cancelled"):
        cancelled(alice, first, database, portal)
    with pytest.raises(Conflict, match="it is completed"):
        cancelled(alice, second, database, portal)
    with pytest.raises(NotFound):
        cancelled(alice, NOBODY, database, portal)


def test_one_cannot_cancel_for_another(
    alice: Api, charlie: Api, database: Database, portal: BlockingPortal
) -> None:
    activity_id = queued(alice, "contact_delete", contact_ids=[NOBODY])
    with pytest.raises(NotFound):
        cancelled(charlie, activity_id, database, portal)
    assert activity(alice, activity_id)["state"] == "initialized"


def test_cancel_one_that_runs(
    alice: Api,
    behind: Behind,
    database: Database,
    portal: BlockingPortal,
    work: Work,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What its finished chunks did stays; the next chunk does not begin."""
    contact_ids = [person(alice, f"p{number}") for number in range(5)]
    monkeypatch.setattr(bulk, "CHUNK", 2)
    activity_id = queued(alice, "contact_delete", contact_ids=contact_ids)
    original = kinds.KINDS["contact_delete"].run
    calls = 0

    async def then_cancel(job: activities.Job) -> activities.Progress:
        nonlocal calls
        if str(job.activity.activity_id) != activity_id:  # perhaps of another test
            return await original(job)
        calls += 1
        if calls == 2:
            now = datetime.now(UTC)
            await database.write(
                lambda tx: activities.cancel(tx, alice.account_id, UUID(activity_id), now=now)
            )
        return await original(job)

    monkeypatch.setitem(kinds.KINDS, "contact_delete", Kind(run=then_cancel))
    after = queued(alice, "contact_delete", contact_ids=[NOBODY])
    work()
    found = ended(alice, activity_id, "cancelled")
    assert counted(found) == {"items_total": 5, "items_completed": 4, "updated": 4}
    assert found["percent_done"] == 80
    assert found["completed_at"]
    gone = ["deleted_at" in get_contact(alice, one) for one in sorted(contact_ids)]
    assert gone == [True] * 4 + [False]
    assert calls == 2
    ended(alice, after)
    assert len(behind.rows("before_image")) == 2


# Chunks


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("contact_delete", {"list_ids": ["LIST"]}),
        ("add_list_memberships", {"source": {"list_ids": ["LIST"]}, "list_ids": ["OTHER"]}),
        ("remove_list_memberships", {"source": {"list_ids": ["LIST"]}, "list_ids": ["LIST"]}),
        ("contacts_taggings_add", {"source": {"list_ids": ["LIST"]}, "tag_ids": ["TAG"]}),
        ("contacts_taggings_remove", {"source": {"tag_ids": ["OLD"]}, "tag_ids": ["OLD"]}),
        ("list_delete", {"list_ids": ["LIST"]}),
        ("contacts_tags_delete", {"tag_ids": ["OLD"]}),
        ("custom_fields_delete", {"custom_field_ids": ["FIELD"]}),
    ],
)
def test_many_chunks_do_what_one_does(
    alice: Api, behind: Behind, work: Work, monkeypatch: pytest.MonkeyPatch, kind: str, what: Any
) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 2)
    made = {name: new_list(alice) for name in ("LIST", "OTHER")}
    made |= {name: new_tag(alice) for name in ("TAG", "OLD")}
    made["FIELD"] = new_field(alice)

    def named(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: named(one) for key, one in value.items()}
        return [made[one] for one in value]

    full = {
        "list_memberships": [made["LIST"]],
        "taggings": [made["OLD"]],
        "custom_fields": [{"custom_field_id": made["FIELD"], "value": "x"}],
    }
    contact_ids = [person(alice, f"p{number}", **full) for number in range(5)]
    done = ran(alice, work, kind, **named(what))
    if "items_total_count" in done.get("status", {}) and kind != "contacts_tags_delete":
        assert counted(done).items() >= {"items_total": 5, "items_completed": 5, "updated": 5}.items()
    for contact_id in contact_ids:
        found = get_contact(alice, contact_id, "list_memberships", "taggings", "custom_fields")
        lists = {"LIST"} - (
            {"LIST"} if kind in ("contact_delete", "remove_list_memberships", "list_delete") else set()
        )
        lists |= {"OTHER"} if kind == "add_list_memberships" else set()
        assert set(found["list_memberships"]) == {made[name] for name in lists}
        tags = set() if kind in ("contacts_taggings_remove", "contacts_tags_delete") else {"OLD"}
        tags |= {"TAG"} if kind == "contacts_taggings_add" else set()
        assert set(found["taggings"]) == {made[name] for name in tags}
        assert len(found["custom_fields"]) == (0 if kind == "custom_fields_delete" else 1)
        assert ("deleted_at" in found) == (kind == "contact_delete")
    assert len([row for row in behind.rows("before_image") if row["definitions"] is None]) == 3


def test_a_kind_that_breaks_again_and_again_fails_and_the_queue_goes_on(
    alice: Api, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(job: activities.Job) -> activities.Progress:
        await job.tx.execute("select 1/0")
        raise AssertionError

    monkeypatch.setattr("everlist.worker.activities.MAX_ATTEMPTS", 2)
    monkeypatch.setitem(kinds.KINDS, "contact_delete", Kind(run=broken))
    first = queued(alice, "contact_delete", contact_ids=[NOBODY])
    second = queued(alice, "contacts_taggings_add", source={"contact_ids": many(1)}, tag_ids=[new_tag(alice)])
    work()
    found = ended(alice, first, "failed")
    assert found["activity_errors"] == ["the activity could not go on: DivisionByZeroError"]
    ended(alice, second)


def test_errors_are_at_most_a_hundred(alice: Api, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    async def wordy(_job: activities.Job) -> activities.Progress:
        return activities.Progress({}, done=True, errors=[f"error {number}" for number in range(150)])

    monkeypatch.setitem(kinds.KINDS, "contact_delete", Kind(run=wordy))
    done = ran(alice, work, "contact_delete", contact_ids=[NOBODY])
    assert done["activity_errors"] == [f"error {number}" for number in range(100)]


def test_what_a_dead_worker_held_is_taken_over(
    alice: Api, database: Database, portal: BlockingPortal
) -> None:
    """Not before it was silent for long; then from where it stopped, and its late chunk does not count."""
    ann = person(alice, "ann")
    activity_id = queued(alice, "contact_delete", contact_ids=[ann])
    now = datetime.now(UTC)
    dead, living = (UUID(int=number) for number in (1, 2))

    async def story() -> None:
        mine = "select claimed_by from lane where account_id = $1"
        # All other lanes are out of the way: only ours is looked at.
        async with database.transaction() as tx:
            await tx.execute(
                "update lane set claimed_by = $2, beat_at = $3 where account_id = $1",
                alice.account_id,
                dead,
                now,
            )
        taken = await database.write(lambda tx: activities.take_next(tx, alice.account_id, dead, now=now))
        assert taken is not None
        assert str(taken.activity_id) == activity_id
        for seconds in (5, 9.9):
            later = now + timedelta(seconds=seconds)
            claimed = set()
            while (
                one := await database.write(lambda tx: activities.claim(tx, living, now=later))
            ) is not None:
                claimed.add(one)
                assert one != alice.account_id
            assert await database.value(mine, alice.account_id) == dead
        later = now + timedelta(seconds=10.1)
        claimed = set()
        while (one := await database.write(lambda tx: activities.claim(tx, living, now=later))) is not None:
            claimed.add(one)
        assert alice.account_id in claimed
        again = await database.write(lambda tx: activities.take_next(tx, alice.account_id, living, now=later))
        assert again is not None
        assert again.activity_id == taken.activity_id
        progress = activities.Progress({}, done=True)
        with pytest.raises(activities.LeaseLost):
            await database.write(lambda tx: activities.advance(tx, taken, dead, progress, now=later))
        with pytest.raises(activities.LeaseLost):
            await database.write(lambda tx: activities.fail(tx, taken, dead, "late", now=later))
        await database.write(lambda tx: activities.release(tx, alice.account_id, dead, now=later))
        assert await database.value(mine, alice.account_id) == living
        for account_id in claimed:
            await database.write(
                lambda tx, account_id=account_id: activities.release(tx, account_id, living, now=later)
            )

    portal.call(story)
    assert activity(alice, activity_id)["state"] == "processing"
    worker = Worker(database, INSTALLATION, asyncio.Event())
    while portal.call(worker.run_one):
        pass
    assert counted(ended(alice, activity_id)) == {"items_total": 1, "items_completed": 1, "updated": 1}
