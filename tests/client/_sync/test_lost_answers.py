# Made from tests/client/_async/test_lost_answers.py by `make client`: edit that.
"""What is sent again after its answer was lost is done once: the client's keys, and Everlist's memory of them."""

from __future__ import annotations

import io

import pytest

from everlist.client import Client, ConnectionFailed
from tests.client._sync.test_contacts import make


def test_a_contact_is_made_once(sync_losing_client: Client, waits: list[float]) -> None:
    ann = make(sync_losing_client, "ann", first_name="Ann")
    assert ann.first_name == "Ann"
    assert [one.contact_id for one in sync_losing_client.contacts.list()] == [ann.contact_id]
    assert len(waits) == 1


def test_a_file_is_imported_once(sync_losing_client: Client, waits: list[float], working: None) -> None:
    news = sync_losing_client.lists.create("News")
    file = io.BytesIO(b"email\nann@example.org\n")
    activity = sync_losing_client.activities.import_file(file, news.list_id)
    listed = [one.activity_id for one in sync_losing_client.activities.list()]
    assert listed == [activity.activity_id]
    assert (sync_losing_client.activities.get(activity.activity_id)).activity_id == activity.activity_id
    with pytest.raises(ConnectionFailed):

        class Pipe(io.BytesIO):
            def seekable(self) -> bool:
                return False

        sync_losing_client.activities.import_file(Pipe(b"email\n"), news.list_id)
