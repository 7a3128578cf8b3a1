# Made from tests/client/_async/test_activities.py by `make client`: edit that.
"""Imports, exports and other bulk activities through the client, against Everlist and its worker."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from everlist.client import ActivityFailed, BadRequest, Client, NotFound, Selection, WaitTimedOut, models
from everlist.client import Conflict as AlreadyEnded

ROWS = b"email,first_name\nann@example.org,Ann\nbea@example.org,Bea\nnonsense,N\n"


def members(client: Client, list_id: str) -> set[str | None]:
    return {one.email for one in client.contacts.list(lists=list_id, limit=500)}


def test_a_file_is_imported_with_progress_and_every_row_is_accounted_for(
    sync_client: Client, working: None, tmp_path: Path
) -> None:
    news = sync_client.lists.create("News")
    file = tmp_path / "people"
    file.write_bytes(ROWS)
    sent: list[tuple[int, int | None]] = []
    told: list[models.ActivityState] = []
    activity = sync_client.activities.import_file(
        file, news.list_id, progress=lambda done, total: sent.append((done, total))
    )
    assert activity.state == "initialized"
    assert activity.source_file_name == "people.csv"
    assert sent[-1][0] == sent[-1][1]
    done = activity.wait(progress=told.append, timeout=60)
    assert done.state == "completed"
    assert told[-1].percent_done == 100
    assert done.status is not None
    assert (done.status.created_count, done.status.rejected_count) == (2, 1)
    assert members(sync_client, news.list_id) == {"ann@example.org", "bea@example.org"}
    rows = [row for row in done.rows()]
    assert [(row.row, row.line, row.outcome) for row in rows] == [
        (1, 2, "created"),
        (2, 3, "created"),
        (3, 4, "rejected"),
    ]
    assert [row.email for row in done.rows(outcome="rejected")] == [rows[2].email]
    out = io.BytesIO()
    assert sync_client.activities.save_rows(done.activity_id, out, outcome=["rejected"]) == len(
        out.getvalue()
    )
    assert out.getvalue().splitlines()[0].startswith(b"row,line,outcome")


def test_what_comes_from_a_pipe_is_imported_too(sync_client: Client, working: None) -> None:
    news = sync_client.lists.create("News")
    reading, writing = os.pipe()
    threading.Thread(target=lambda: (os.write(writing, ROWS), os.close(writing))).start()
    with os.fdopen(reading, "rb") as pipe:
        activity = sync_client.activities.import_file(pipe, [news.list_id], file_name="stdin")
    assert activity.source_file_name == "stdin.csv"
    activity.wait(timeout=60)
    assert len(members(sync_client, news.list_id)) == 2


def test_rows_are_imported(sync_client: Client, working: None) -> None:
    news = sync_client.lists.create("News")
    sync_client.custom_fields.create("Size", "string")
    rows = [{"email": "ann@example.org", "cf:size": "44"}, {"email": "bea@example.org"}]
    (sync_client.activities.import_rows(iter(rows), [news.list_id])).wait(timeout=60)
    ann = sync_client.contacts.find("ann@example.org", include="custom_fields")
    assert ann is not None
    assert ann.custom_fields is not None
    assert ann.custom_fields[0].value == "44"


def test_an_import_that_fails_raises_its_reasons(sync_client: Client, working: None) -> None:
    news = sync_client.lists.create("News")
    activity = sync_client.activities.import_file(io.BytesIO(b"name\nAnn\n"), news.list_id)
    with pytest.raises(ActivityFailed, match="email") as caught:
        activity.wait(timeout=60)
    assert caught.value.activity.state == "failed"
    assert (activity.wait(timeout=60, check=False)).state == "failed"


def test_waiting_ends_in_time_when_nobody_works(sync_client: Client, waits: list[float]) -> None:
    activity = sync_client.activities.export()
    with pytest.raises(WaitTimedOut) as caught:
        activity.wait(timeout=30)
    assert sum(waits) == pytest.approx(30)
    assert caught.value.activity.state == "initialized"
    assert max(waits) <= 5
    cancelled = activity.cancel()
    assert cancelled.state == "cancelled"
    with pytest.raises(AlreadyEnded):
        activity.cancel()


def test_an_export_is_saved_whole_or_not_at_all(sync_client: Client, working: None, tmp_path: Path) -> None:
    news = sync_client.lists.create("News")
    (sync_client.activities.import_file(io.BytesIO(ROWS), news.list_id)).wait(timeout=60)
    export = sync_client.activities.export(list_ids=[news.list_id], fields=["email_address"])
    to = tmp_path / "out.csv"
    with pytest.raises(NotFound):
        sync_client.activities.save_export("0b6e2c80-9c1e-11f0-8d55-0242ac120002", to)
    assert list(tmp_path.iterdir()) == []
    size = (export.wait(timeout=60)).save(to)
    assert to.stat().st_size == size
    assert {line.split(b",")[0] for line in to.read_bytes().splitlines()[1:]} == {
        b"ann@example.org",
        b"bea@example.org",
    }
    assert [file.name for file in tmp_path.iterdir()] == ["out.csv"]


def test_lists_and_tags_of_many_contacts(sync_client: Client, working: None) -> None:
    activities = sync_client.activities
    news, club = sync_client.lists.create("News"), sync_client.lists.create("Club")
    vip = sync_client.tags.create("vip")
    (activities.import_file(io.BytesIO(ROWS), news.list_id)).wait(timeout=60)
    ann = sync_client.contacts.find("ann@example.org")
    assert ann is not None
    everybody = Selection(list_ids=[news.list_id])
    (activities.add_to_lists(everybody, club.list_id, except_contact_ids=[ann.contact_id])).wait()
    assert members(sync_client, club.list_id) == {"bea@example.org"}
    (activities.add_tags(everybody, [vip.tag_id])).wait(timeout=60)
    assert (sync_client.tags.get(vip.tag_id, include_count=True)).contacts_count == 2
    (activities.remove_tags(Selection(contact_ids=[ann.contact_id]), [vip.tag_id])).wait(timeout=60)
    assert (sync_client.tags.get(vip.tag_id, include_count=True)).contacts_count == 1
    (activities.remove_from_lists(everybody, club.list_id)).wait(timeout=60)
    assert members(sync_client, club.list_id) == set()
    with pytest.raises(BadRequest, match="source"):
        activities.add_tags(Selection(), [vip.tag_id])


def test_the_deletions(sync_client: Client, working: None) -> None:
    activities = sync_client.activities
    lists = [sync_client.lists.create(name) for name in ("One", "Two", "Three")]
    tags = [sync_client.tags.create(name) for name in ("one", "two")]
    field = sync_client.custom_fields.create("Size", "string")
    (activities.import_file(io.BytesIO(ROWS), lists[0].list_id)).wait(timeout=60)
    made = [
        activities.delete_contacts(list_ids=[lists[0].list_id]),
        sync_client.lists.delete(lists[0].list_id),
        activities.delete_lists([lists[1].list_id]),
        sync_client.tags.delete(tags[0].tag_id),
        activities.delete_tags([tags[1].tag_id]),
        activities.delete_custom_fields([field.custom_field_id]),
    ]
    for activity in made:
        assert (activity.wait(timeout=60)).state == "completed"
    assert [one.name for one in sync_client.lists.list()] == ["Three"]
    assert [one for one in sync_client.tags.list()] == []
    assert [one for one in sync_client.custom_fields.list()] == []
    assert (sync_client.contacts.counts()).total == 0
    listed = [one for one in activities.list(state="completed", limit=3)]
    assert {one.activity_id for one in made} < {one.activity_id for one in listed}
    assert (listed[0].refresh()).activity_id == listed[0].activity_id
    page = activities.list(limit=2).page()
    assert [one.activity_id for one in page.items] == [one.activity_id for one in listed[:2]]
    assert (page.items[0].refresh()).is_done
