"""What a type checker sees of the client: pyright reads this file, nothing runs it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from typing import assert_type

import everlist.client.vendor as cc
from everlist.client import NEVER, UNSET, AsyncClient, Client, ContactUpdate, NewContact, models
from everlist.client.vendor import ApiResponse


async def renewed() -> str:
    return "a token"


def with_threads(client: Client) -> None:
    for contact in client.contacts.list():
        assert_type(contact, models.Contact)
        assert_type(contact.email_address, models.EmailAddress | None)
    assert_type(client.contacts.list().page(), models.ContactsPage)
    assert_type(client.contacts.list().pages(), Iterator[models.ContactsPage])
    assert_type(client.contacts.list().first(), models.Contact | None)
    assert_type(client.contacts.create({"first_name": "Ruth"}), models.Contact)
    activity = client.activities.import_file(sys.stdin.buffer, ["1"]).wait(progress=print)
    assert_type(activity.undo().percent_done, int)
    assert_type(activity.rows(), Iterator[models.Row])
    assert_type(client.with_options(retry=NEVER), Client)
    NewContact(create_source="Account", first_name=None, last_name=UNSET, taggings=[])
    NewContact(create_source="Account", birthday_day="1")  # pyright: ignore[reportArgumentType]
    ContactUpdate()  # pyright: ignore[reportCallIssue]
    Client("http://127.0.0.1:8080", lambda: "a token")
    Client("http://127.0.0.1:8080", renewed)  # pyright: ignore[reportArgumentType]


async def with_an_event_loop(client: AsyncClient) -> None:
    async for contact in client.contacts.list():
        assert_type(contact, models.Contact)
    assert_type(client.contacts.list().pages(), AsyncIterator[models.ContactsPage])
    assert_type(await client.contacts.find("ruth@example.org"), models.Contact | None)
    assert_type((await (await client.lists.delete("1")).wait()).state, str)
    AsyncClient("http://127.0.0.1:8080", renewed)
    AsyncClient("http://127.0.0.1:8080", lambda: "a token")


def with_the_vendors_names(api: cc.ContactsApi) -> None:
    request = cc.CreateContactRequest(first_name="Ruth")
    assert_type(api.create_contact(request), models.Contact)
    assert_type(api.create_contact_with_http_info(request), ApiResponse[models.Contact])
    assert_type(api.get_all_contacts(limit=5).contacts, list[models.Contact])
