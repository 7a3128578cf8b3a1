"""Imports, exports and other bulk activities through the client, against Everlist and its worker."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from everlist.client import ActivityFailed, AsyncClient, BadRequest, NotFound, Selection, WaitTimedOut, models
from everlist.client import Conflict as AlreadyEnded

ROWS = b"email,first_name\nann@example.org,Ann\nbea@example.org,Bea\nnonsense,N\n"


async def members(client: AsyncClient, list_id: str) -> set[str | None]:
    return {one.email async for one in client.contacts.list(lists=list_id, limit=500)}


async def test_a_file_is_imported_with_progress_and_every_row_is_accounted_for(
    async_client: AsyncClient, working: None, tmp_path: Path
) -> None:
    news = await async_client.lists.create("News")
    file = tmp_path / "people"
    file.write_bytes(ROWS)
    sent: list[tuple[int, int | None]] = []
    told: list[models.ActivityState] = []
    activity = await async_client.activities.import_file(
        file, news.list_id, progress=lambda done, total: sent.append((done, total))
    )
    assert activity.state == "initialized"
    assert activity.source_file_name == "people.csv"
    assert sent[-1][0] == sent[-1][1]
    done = await activity.wait(progress=told.append, timeout=60)
    assert done.state == "completed"
    assert told[-1].percent_done == 100
    assert done.status is not None
    assert (done.status.created_count, done.status.rejected_count) == (2, 1)
    assert await members(async_client, news.list_id) == {"ann@example.org", "bea@example.org"}
    rows = [row async for row in done.rows()]
    assert [(row.row, row.line, row.outcome) for row in rows] == [
        (1, 2, "created"),
        (2, 3, "created"),
        (3, 4, "rejected"),
    ]
    assert [row.email async for row in done.rows(outcome="rejected")] == [rows[2].email]
    out = io.BytesIO()
    assert await async_client.activities.save_rows(done.activity_id, out, outcome=["rejected"]) == len(
        out.getvalue()
    )
    assert out.getvalue().splitlines()[0].startswith(b"row,line,outcome")


async def test_what_comes_from_a_pipe_is_imported_too(async_client: AsyncClient, working: None) -> None:
    news = await async_client.lists.create("News")
    reading, writing = os.pipe()
    threading.Thread(target=lambda: (os.write(writing, ROWS), os.close(writing))).start()
    with os.fdopen(reading, "rb") as pipe:
        activity = await async_client.activities.import_file(pipe, [news.list_id], file_name="stdin")
    assert activity.source_file_name == "stdin.csv"
    await activity.wait(timeout=60)
    assert len(await members(async_client, news.list_id)) == 2


async def test_rows_are_imported(async_client: AsyncClient, working: None) -> None:
    news = await async_client.lists.create("News")
    await async_client.custom_fields.create("Size", "string")
    rows = [{"email": "ann@example.org", "cf:size": "44"}, {"email": "bea@example.org"}]
    await (await async_client.activities.import_rows(iter(rows), [news.list_id])).wait(timeout=60)
    ann = await async_client.contacts.find("ann@example.org", include="custom_fields")
    assert ann is not None
    assert ann.custom_fields is not None
    assert ann.custom_fields[0].value == "44"


async def test_an_import_that_fails_raises_its_reasons(async_client: AsyncClient, working: None) -> None:
    news = await async_client.lists.create("News")
    activity = await async_client.activities.import_file(io.BytesIO(b"name\nAnn\n"), news.list_id)
    with pytest.raises(ActivityFailed, match="email") as caught:
        await activity.wait(timeout=60)
    assert caught.value.activity.state == "failed"
    assert (await activity.wait(timeout=60, check=False)).state == "failed"


async def test_waiting_ends_in_time_when_nobody_works(async_client: AsyncClient, waits: list[float]) -> None:
    activity = await async_client.activities.export()
    with pytest.raises(WaitTimedOut) as caught:
        await activity.wait(timeout=30)
    assert sum(waits) == pytest.approx(30)
    assert caught.value.activity.state == "initialized"
    assert max(waits) <= 5
    cancelled = await activity.cancel()
    assert cancelled.state == "cancelled"
    with pytest.raises(AlreadyEnded):
        await activity.cancel()


async def test_an_export_is_saved_whole_or_not_at_all(
    async_client: AsyncClient, working: None, tmp_path: Path
) -> None:
    news = await async_client.lists.create("News")
    await (await async_client.activities.import_file(io.BytesIO(ROWS), news.list_id)).wait(timeout=60)
    export = await async_client.activities.export(list_ids=[news.list_id], fields=["email_address"])
    to = tmp_path / "out.csv"
    with pytest.raises(NotFound):
        await async_client.activities.save_export("0b6e2c80-9c1e-11f0-8d55-0242ac120002", to)
    assert list(tmp_path.iterdir()) == []
    size = await (await export.wait(timeout=60)).save(to)
    assert to.stat().st_size == size
    assert {line.split(b",")[0] for line in to.read_bytes().splitlines()[1:]} == {
        b"ann@example.org",
        b"bea@example.org",
    }
    assert [file.name for file in tmp_path.iterdir()] == ["out.csv"]


async def test_lists_and_tags_of_many_contacts(async_client: AsyncClient, working: None) -> None:
    activities = async_client.activities
    news, club = await async_client.lists.create("News"), await async_client.lists.create("Club")
    vip = await async_client.tags.create("vip")
    await (await activities.import_file(io.BytesIO(ROWS), news.list_id)).wait(timeout=60)
    ann = await async_client.contacts.find("ann@example.org")
    assert ann is not None
    everybody = Selection(list_ids=[news.list_id])
    await (await activities.add_to_lists(everybody, club.list_id, except_contact_ids=[ann.contact_id])).wait()
    assert await members(async_client, club.list_id) == {"bea@example.org"}
    await (await activities.add_tags(everybody, [vip.tag_id])).wait(timeout=60)
    assert (await async_client.tags.get(vip.tag_id, include_count=True)).contacts_count == 2
    await (await activities.remove_tags(Selection(contact_ids=[ann.contact_id]), [vip.tag_id])).wait(
        timeout=60
    )
    assert (await async_client.tags.get(vip.tag_id, include_count=True)).contacts_count == 1
    await (await activities.remove_from_lists(everybody, club.list_id)).wait(timeout=60)
    assert await members(async_client, club.list_id) == set()
    with pytest.raises(BadRequest, match="source"):
        await activities.add_tags(Selection(), [vip.tag_id])


async def test_the_deletions(async_client: AsyncClient, working: None) -> None:
    activities = async_client.activities
    lists = [await async_client.lists.create(name) for name in ("One", "Two", "Three")]
    tags = [await async_client.tags.create(name) for name in ("one", "two")]
    field = await async_client.custom_fields.create("Size", "string")
    await (await activities.import_file(io.BytesIO(ROWS), lists[0].list_id)).wait(timeout=60)
    made = [
        await activities.delete_contacts(list_ids=[lists[0].list_id]),
        await async_client.lists.delete(lists[0].list_id),
        await activities.delete_lists([lists[1].list_id]),
        await async_client.tags.delete(tags[0].tag_id),
        await activities.delete_tags([tags[1].tag_id]),
        await activities.delete_custom_fields([field.custom_field_id]),
    ]
    for activity in made:
        assert (await activity.wait(timeout=60)).state == "completed"
    assert [one.name async for one in async_client.lists.list()] == ["Three"]
    assert [one async for one in async_client.tags.list()] == []
    assert [one async for one in async_client.custom_fields.list()] == []
    assert (await async_client.contacts.counts()).total == 0
    listed = [one async for one in activities.list(state="completed", limit=3)]
    assert {one.activity_id for one in made} < {one.activity_id for one in listed}
    assert (await listed[0].refresh()).activity_id == listed[0].activity_id
    page = await activities.list(limit=2).page()
    assert [one.activity_id for one in page.items] == [one.activity_id for one in listed[:2]]
    assert (await page.items[0].refresh()).is_done
