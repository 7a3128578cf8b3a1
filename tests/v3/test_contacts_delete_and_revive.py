"""DELETE /contacts/{contact_id}, and what brings a contact back. V3 contract 3.10."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.conftest import Api, Clock
from tests.v3.helpers import (
    INCLUDES,
    NOBODY,
    Behind,
    email,
    found,
    get_contact,
    new_list,
    new_tag,
    post_contact,
    put_contact,
    refused,
    sign_up,
    sms,
)

ADDRESS = "r@example.org"


@pytest.fixture
def ruth(alice: Api) -> Any:
    return post_contact(
        alice,
        email_address=email(ADDRESS, "explicit"),
        first_name="Ruth",
        list_memberships=[new_list(alice)],
        taggings=[new_tag(alice)],
        notes=[{"content": "hello"}],
        sms_channel=sms("13095550100"),
    )


def test_delete_hides_and_keeps(alice: Api, behind: Behind, clock: Clock, ruth: Any) -> None:
    contact_id = ruth["contact_id"]
    clock.move(days=1)
    reply = alice("DELETE", f"/contacts/{contact_id}", headers={"X-Request-Id": "request-10"})
    assert (reply.status, reply.body) == (204, b"")
    contact = get_contact(alice, contact_id, *INCLUDES)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", contact["deleted_at"])
    assert contact["deleted_at"] == clock().date().isoformat()
    assert contact["list_memberships"] == []
    assert contact["email_address"] == ruth["email_address"]
    for name in ("first_name", "taggings", "notes", "sms_channel"):
        assert contact[name] == ruth[name]
    assert contact["custom_fields"] == []
    (row,) = behind.rows("contact")
    assert [str(one) for one in row["deleted_list_ids"]] == ruth["list_memberships"]
    event = behind.events()[-1]
    assert (event["action"], event["source"]) == ("deleted", "Account")
    assert (event["permission_before"], event["permission_after"]) == ("explicit", "explicit")
    assert (event["operation"], event["request_id"]) == ("DELETE /v3/contacts/{contact_id}", "request-10")
    assert behind.active() == [(1, 1), (-1, 0)]
    assert behind.counters() == {("contacts.deleted", ""): 1}
    assert behind.rows("list_membership") == []
    assert len(behind.rows("tagging")) == 1


def test_a_delete_may_come_with_a_json_content_type_and_no_body(alice: Api, ruth: Any) -> None:
    headers = {"Content-Type": "application/json"}
    assert alice("DELETE", f"/contacts/{ruth['contact_id']}", headers=headers).status == 204


def test_a_second_delete_finds_nothing(alice: Api, behind: Behind, ruth: Any) -> None:
    assert alice.delete(f"/contacts/{ruth['contact_id']}").status == 204
    before = behind.everything()
    refused(alice.delete(f"/contacts/{ruth['contact_id']}"), 404)
    assert behind.everything() == before


@pytest.mark.parametrize("contact_id", [NOBODY, "5", "x", NOBODY[:-1]])
def test_what_is_no_contact_is_not_found(alice: Api, contact_id: str) -> None:
    reply = alice.delete(f"/contacts/{contact_id}")
    refused(reply, 404)
    assert reply.json[0]["error_key"] == "contacts.api.not_found"


def test_a_contact_that_was_not_active_moves_no_meter(alice: Api, behind: Behind) -> None:
    contact = post_contact(alice, email_address=email(ADDRESS, "unsubscribed"))
    named = post_contact(alice, first_name="Ruth")
    for one in (contact, named):
        assert alice.delete(f"/contacts/{one['contact_id']}").status == 204
    assert behind.active() == []
    assert behind.counters() == {("contacts.deleted", ""): 2}


# --- what revives: an update by the account, or one that names a list; the sign-up form


@pytest.mark.parametrize(
    ("source", "with_list", "revives"),
    [("Account", False, True), ("Account", True, True), ("Contact", True, True), ("Contact", False, False)],
)
def test_an_update_revives(
    alice: Api, behind: Behind, clock: Clock, ruth: Any, source: str, *, with_list: bool, revives: bool
) -> None:
    contact_id = ruth["contact_id"]
    alice.delete(f"/contacts/{contact_id}")
    clock.move(hours=1)
    lists = {"list_memberships": [new_list(alice)]} if with_list else {}
    contact = put_contact(alice, contact_id, update_source=source, first_name="Rachel", **lists)
    assert ("deleted_at" in contact) == (not revives)
    assert contact["first_name"] == "Rachel"
    assert found(alice) == ([contact_id] if revives else [])
    expected = (
        ("restored", "explicit", "explicit", source)
        if revives
        else ("deleted", "explicit", "explicit", "Account")
    )
    assert behind.moves()[-1] == expected
    after = get_contact(alice, contact_id, "list_memberships", "taggings")
    assert after["list_memberships"] == lists.get("list_memberships", [])
    assert after["taggings"] == ruth["taggings"]
    assert (behind.contact(contact_id)["deleted_list_ids"] is None) == revives


def test_an_empty_list_names_no_list(alice: Api, ruth: Any) -> None:
    alice.delete(f"/contacts/{ruth['contact_id']}")
    contact = put_contact(alice, ruth["contact_id"], update_source="Contact", list_memberships=[])
    assert "deleted_at" in contact


def test_a_revived_contact_counts_once_in_a_month(
    alice: Api, behind: Behind, clock: Clock, ruth: Any
) -> None:
    """Only what was not active before in the month is fresh."""
    contact_id = ruth["contact_id"]
    alice.delete(f"/contacts/{contact_id}")
    put_contact(alice, contact_id)
    assert behind.active() == [(1, 1), (-1, 0), (1, 0)]
    alice.delete(f"/contacts/{contact_id}")
    clock.move(days=32)
    put_contact(alice, contact_id)
    assert behind.active()[-1] == (1, 1)


def test_the_sign_up_form_revives(alice: Api, ruth: Any) -> None:
    alice.delete(f"/contacts/{ruth['contact_id']}")
    reply = sign_up(alice, email_address=ADDRESS, list_memberships=[new_list(alice)])
    assert (reply.status, reply.json) == (200, {"contact_id": ruth["contact_id"], "action": "updated"})
    assert found(alice) == [ruth["contact_id"]]


def test_a_bad_update_revives_nobody(alice: Api, behind: Behind, ruth: Any) -> None:
    alice.delete(f"/contacts/{ruth['contact_id']}")
    before = behind.everything()
    body = {"update_source": "Account", "list_memberships": [NOBODY]}
    refused(alice.put(f"/contacts/{ruth['contact_id']}", body), 400)
    assert behind.everything() == before


def test_post_never_revives(alice: Api, behind: Behind, ruth: Any) -> None:
    alice.delete(f"/contacts/{ruth['contact_id']}")
    body = {
        "create_source": "Account",
        "email_address": email(ADDRESS),
        "list_memberships": [new_list(alice)],
    }
    before = behind.everything()
    refused(alice.post("/contacts", body), 409, ruth["contact_id"])
    body = {"create_source": "Account", "sms_channel": sms("13095550100")}
    refused(alice.post("/contacts", body), 409, ruth["contact_id"])
    assert behind.everything() == before


def test_a_deleted_contact_can_be_deleted_again_after_it_came_back(
    alice: Api, behind: Behind, ruth: Any
) -> None:
    for _ in range(3):
        assert alice.delete(f"/contacts/{ruth['contact_id']}").status == 204
        put_contact(alice, ruth["contact_id"])
    assert [action for action, *_ in behind.moves()] == ["created", *["deleted", "restored"] * 3]
