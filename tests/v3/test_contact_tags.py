"""/contact_tags. V3 contract 4.3."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Api, Clock
from tests.v3.helpers import (
    NOBODY,
    Behind,
    get_contact,
    new_tag,
    post_contact,
    put_contact,
    refused,
)


def get_tag(api: Api, tag_id: str, **params: Any) -> Any:
    reply = api.get(f"/contact_tags/{tag_id}", **params)
    assert reply.status == 200, reply
    return reply.json


def test_a_tag_is_answered_and_stored(alice: Api, behind: Behind) -> None:
    reply = alice.post("/contact_tags", {"name": "VIP & friends!", "tag_source": "Contact"})
    assert reply.status == 201
    made = reply.json
    assert made == {
        "tag_id": made["tag_id"],
        "name": "VIP & friends!",
        "tag_source": "Contact",
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    }
    (row,) = behind.rows("tag")
    assert (str(row["tag_id"]), row["name"], row["tag_source"]) == (made["tag_id"], made["name"], "Contact")
    assert get_tag(alice, made["tag_id"]) == made


def test_a_tag_without_a_source(alice: Api) -> None:
    made = alice.post("/contact_tags", {"name": "VIP", "tag_source": "", "tag_id": NOBODY}).json
    assert "tag_source" not in made
    assert made["tag_id"] != NOBODY


BAD = [
    ({}, "name is missing"),
    ({"name": ""}, "name does not have a valid value"),
    ({"name": " "}, "name does not have a valid value"),
    ({"name": None}, "name does not have a valid value"),
    ({"name": ["x"]}, "name does not have a valid value"),
    ({"name": "x" * 256}, "name does not have a valid value"),
    ({"name": "a<b"}, "name does not have a valid value"),
    ({"name": "a>b"}, "name does not have a valid value"),
    ({"name": "x", "tag_source": "x" * 256}, "tag_source does not have a valid value"),
    ({"name": "x", "tag_source": 7}, "tag_source does not have a valid value"),
]


@pytest.mark.parametrize(("body", "text"), BAD, ids=lambda value: json.dumps(value)[:50])
def test_bodies_that_do_not_fit(alice: Api, behind: Behind, body: Any, text: str) -> None:
    tag_id = new_tag(alice, "there")
    before = behind.everything()
    refused(alice.post("/contact_tags", body), 400, text)
    refused(alice.put(f"/contact_tags/{tag_id}", body), 400, text)
    assert behind.everything() == before


def test_a_name_has_at_most_255_characters(alice: Api) -> None:
    name = "ñ" * 255
    assert get_tag(alice, new_tag(alice, name))["name"] == name


def test_a_name_is_there_once_in_any_case(alice: Api, behind: Behind) -> None:
    vip, other = new_tag(alice, "Vip"), new_tag(alice, "Other")
    before = behind.everything()
    for name in ("Vip", "VIP", "vip"):
        refused(alice.post("/contact_tags", {"name": name}), 409, vip)
        refused(alice.put(f"/contact_tags/{other}", {"name": name}), 409, vip)
    assert behind.everything() == before
    assert alice.put(f"/contact_tags/{vip}", {"name": "VIP"}).json["name"] == "VIP"


def test_put_changes_the_name_only(alice: Api, clock: Clock) -> None:
    made = alice.post("/contact_tags", {"name": "VIP", "tag_source": "Contact"}).json
    clock.move(hours=1)
    assert alice.put(f"/contact_tags/{made['tag_id']}", {"name": "VIP"}).json == made
    after = alice.put(f"/contact_tags/{made['tag_id']}", {"name": "Friend", "tag_source": "Account"}).json
    assert after == {**made, "name": "Friend", "updated_at": after["updated_at"]}
    assert after["updated_at"] > made["updated_at"]
    assert get_tag(alice, made["tag_id"]) == after


@pytest.mark.parametrize("tag_id", [NOBODY, "5", "x", NOBODY[:-1]])
def test_what_is_no_tag_is_not_found(alice: Api, tag_id: str) -> None:
    refused(alice.get(f"/contact_tags/{tag_id}"), 404)
    refused(alice.put(f"/contact_tags/{tag_id}", {"name": "x"}), 404)
    reply = alice.delete(f"/contact_tags/{tag_id}")
    refused(reply, 404)
    assert reply.json[0]["error_key"] == "contacts.api.not_found"


def test_no_tags_are_an_empty_array(alice: Api) -> None:
    assert alice.get("/contact_tags").json == {"tags": []}
    assert alice.get("/contact_tags", include_count="true").json == {"tags": [], "tags_count": 0}


def test_pages_oldest_first(alice: Api) -> None:
    made = [new_tag(alice, name) for name in ("c", "a", "e", "b", "d")]
    replies = list(alice.pages("/contact_tags", limit=2, include_count="true"))
    assert [one["tag_id"] for reply in replies for one in reply.json["tags"]] == made
    assert [len(reply.json["tags"]) for reply in replies] == [2, 2, 1]
    assert all(list(reply.json)[:2] == ["tags", "tags_count"] for reply in replies)
    assert {reply.json["tags_count"] for reply in replies} == {5}
    assert all(one["contacts_count"] == 0 for reply in replies for one in reply.json["tags"])
    href = replies[0].json["_links"]["next"]["href"]
    assert href.startswith("/v3/contact_tags?cursor=")
    again = alice.get("/contact_tags", cursor=href.partition("cursor=")[2], limit=3).json
    assert [one["tag_id"] for one in again["tags"]] == made[2:]


def test_a_page_has_50_tags_unless_told(alice: Api) -> None:
    for number in range(51):
        new_tag(alice, str(number))
    assert len(alice.get("/contact_tags").json["tags"]) == 50
    assert len(alice.get("/contact_tags", limit=500).json["tags"]) == 51


@pytest.mark.parametrize(
    ("name", "text"), [("limit", "0"), ("limit", "501"), ("include_count", "yes"), ("cursor", "x")]
)
def test_parameters_that_are_refused(alice: Api, name: str, text: str) -> None:
    refused(alice.get("/contact_tags", **{name: text}), 400, f"{name} does not have a valid value")


def test_contacts_are_counted_but_not_deleted_ones(alice: Api) -> None:
    vip, other = new_tag(alice, "VIP"), new_tag(alice, "Other")
    ruth = post_contact(alice, first_name="Ruth", taggings=[vip, other])["contact_id"]
    saul = post_contact(alice, first_name="Saul", taggings=[vip])["contact_id"]

    def counts() -> tuple[int, int]:
        first, second = (get_tag(alice, tag_id, include_count="true") for tag_id in (vip, other))
        listed = alice.get("/contact_tags", include_count="true").json["tags"]
        assert [first, second] == listed
        return first["contacts_count"], second["contacts_count"]

    assert counts() == (2, 1)
    assert "contacts_count" not in get_tag(alice, vip)
    alice.delete(f"/contacts/{ruth}")
    assert counts() == (1, 0)
    put_contact(alice, saul, first_name="Saul", taggings=[])
    assert counts() == (0, 0)
    put_contact(alice, ruth, first_name="Ruth")
    assert counts() == (1, 1)


def test_deleting_a_tag_is_an_activity_that_takes_it_off_contacts(
    alice: Api, behind: Behind, work: Callable[[], None]
) -> None:
    vip, other = new_tag(alice, "VIP"), new_tag(alice, "Other")
    ruth = post_contact(alice, first_name="Ruth", taggings=[vip, other])["contact_id"]
    gone = post_contact(alice, first_name="Gone", taggings=[vip])["contact_id"]
    alice.delete(f"/contacts/{gone}")
    reply = alice.delete(f"/contact_tags/{vip}")
    assert reply.status == 202
    activity = reply.json
    assert activity["state"] == "initialized"
    assert activity["_links"]["self"]["href"] == f"/v3/activities/{activity['activity_id']}"
    work()
    assert alice.get(f"/activities/{activity['activity_id']}").json["state"] == "completed"
    assert get_contact(alice, ruth, "taggings")["taggings"] == [other]
    assert get_contact(alice, gone, "taggings")["taggings"] == []
    refused(alice.get(f"/contact_tags/{vip}"), 404)
    refused(alice.delete(f"/contact_tags/{vip}"), 404)
    refused(alice.post("/contacts", {"create_source": "Account", "first_name": "x", "taggings": [vip]}), 400)
    assert len(behind.rows("tagging")) == 1
    assert new_tag(alice, "vip") != vip
