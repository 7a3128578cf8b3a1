"""What is sent again after its answer was lost is done once: the client's keys, and Everlist's memory of them."""

from __future__ import annotations

import io

import pytest

from everlist.client import AsyncClient, ConnectionFailed
from tests.client._async.test_contacts import make


async def test_a_contact_is_made_once(async_losing_client: AsyncClient, waits: list[float]) -> None:
    ann = await make(async_losing_client, "ann", first_name="Ann")
    assert ann.first_name == "Ann"
    assert [one.contact_id async for one in async_losing_client.contacts.list()] == [ann.contact_id]
    assert len(waits) == 1


async def test_a_file_is_imported_once(
    async_losing_client: AsyncClient, waits: list[float], working: None
) -> None:
    news = await async_losing_client.lists.create("News")
    file = io.BytesIO(b"email\nann@example.org\n")
    activity = await async_losing_client.activities.import_file(file, news.list_id)
    listed = [one.activity_id async for one in async_losing_client.activities.list()]
    assert listed == [activity.activity_id]
    assert (
        await async_losing_client.activities.get(activity.activity_id)
    ).activity_id == activity.activity_id
    with pytest.raises(ConnectionFailed):

        class Pipe(io.BytesIO):
            def seekable(self) -> bool:
                return False

        await async_losing_client.activities.import_file(Pipe(b"email\n"), news.list_id)
