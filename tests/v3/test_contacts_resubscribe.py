"""PUT /contacts/resubscribe/{contact_id}: asks for the one mail that may ever be sent. V3 contract 3.9."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Api
from tests.v3.helpers import NOBODY, Behind, email, get_contact, new_list, post_contact, refused


@pytest.fixture
def ruth(alice: Api) -> str:
    address = email("r@example.org", "unsubscribed")
    return post_contact(alice, create_source="Contact", email_address=address)["contact_id"]


def test_it_stores_the_request_and_changes_nothing_else(alice: Api, behind: Behind, ruth: str) -> None:
    lists = [new_list(alice), new_list(alice)]
    before = get_contact(alice, ruth, "list_memberships")
    events = behind.moves()
    reply = alice.put(f"/contacts/resubscribe/{ruth}", {"list_ids": lists})
    assert (reply.status, reply.body) == (200, b"")
    assert get_contact(alice, ruth, "list_memberships") == before
    assert behind.moves() == events
    (request,) = behind.rows("resubscribe_request")
    assert [str(request["contact_id"]), *map(str, request["list_ids"])] == [ruth, *lists]


def test_it_may_be_asked_once(alice: Api, behind: Behind, ruth: str) -> None:
    body = {"list_ids": [new_list(alice)]}
    assert alice.put(f"/contacts/resubscribe/{ruth}", body).status == 200
    before = behind.everything()
    refused(alice.put(f"/contacts/resubscribe/{ruth}", body), 409, ruth)
    assert behind.everything() == before


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"list_ids": []},
        {"list_ids": None},
        {"list_ids": [NOBODY]},
        {"list_ids": ["x"]},
        {"list_ids": "x"},
    ],
)
def test_lists_are_required_and_must_be_there(
    alice: Api, behind: Behind, ruth: str, body: dict[str, Any]
) -> None:
    refused(alice.put(f"/contacts/resubscribe/{ruth}", body), 400, "list_ids")
    assert behind.rows("resubscribe_request") == []


@pytest.mark.parametrize("permission", ["explicit", "implicit", "not_set", "pending_confirmation", None])
def test_only_who_is_unsubscribed_can_be_asked(alice: Api, behind: Behind, permission: str | None) -> None:
    someone = {"email_address": email("s@example.org", permission)} if permission else {"first_name": "Saul"}
    saul = post_contact(alice, **someone)["contact_id"]
    refused(
        alice.put(f"/contacts/resubscribe/{saul}", {"list_ids": [new_list(alice)]}), 400, "not unsubscribed"
    )
    assert behind.rows("resubscribe_request") == []


@pytest.mark.parametrize("contact_id", [NOBODY, "5", "x"])
def test_nobody_is_not_found(alice: Api, contact_id: str) -> None:
    refused(alice.put(f"/contacts/resubscribe/{contact_id}", {"list_ids": [NOBODY]}), 404)
