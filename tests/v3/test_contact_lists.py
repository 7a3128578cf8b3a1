"""/contact_lists. V3 contract 4.1."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Api, Clock, Sql
from tests.v3.helpers import (
    NOBODY,
    Behind,
    email,
    found,
    get_contact,
    moment,
    new_list,
    new_lists,
    post_contact,
    put_contact,
    refused,
    sms,
)


def get_list(api: Api, list_id: str, **params: Any) -> Any:
    reply = api.get(f"/contact_lists/{list_id}", **params)
    assert reply.status == 200, reply
    return reply.json


def nothing_is_stored(alice: Api, behind: Behind, body: Any, *texts: str, list_id: str = "") -> None:
    before = behind.everything()
    method, path = ("PUT", f"/contact_lists/{list_id}") if list_id else ("POST", "/contact_lists")
    refused(alice(method, path, json=body), 400, *texts)
    assert behind.everything() == before


def test_a_list_is_answered_and_stored(alice: Api, behind: Behind, clock: Clock) -> None:
    before = clock().replace(microsecond=0)
    reply = alice.post("/contact_lists", {"name": "News", "description": "Every week", "favorite": True})
    assert reply.status == 201
    made = reply.json
    assert before <= moment(made["created_at"]) <= clock()
    assert made == {
        "list_id": made["list_id"],
        "name": "News",
        "description": "Every week",
        "favorite": True,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    }
    (row,) = behind.rows("contact_list")
    assert str(row["list_id"]) == made["list_id"]
    assert (row["name"], row["description"], row["favorite"]) == ("News", "Every week", True)
    assert get_list(alice, made["list_id"]) == made


def test_what_is_omitted_is_absent_or_its_default(alice: Api) -> None:
    made = alice.post("/contact_lists", {"name": "News", "description": "", "list_id": NOBODY, "x": [1]}).json
    assert "description" not in made
    assert made["favorite"] is False
    assert made["list_id"] != NOBODY


BAD = [
    ({}, "name is missing"),
    ({"name": None}, "name does not have a valid value"),
    ({"name": ""}, "name does not have a valid value"),
    ({"name": "  "}, "name does not have a valid value"),
    ({"name": 7}, "name does not have a valid value"),
    ({"name": "x" * 256}, "name does not have a valid value"),
    ({"name": "x", "description": 7}, "description does not have a valid value"),
    ({"name": "x", "description": "x" * 10_001}, "description does not have a valid value"),
    ({"name": "x", "favorite": "yes"}, "favorite does not have a valid value"),
    ({"name": "x", "favorite": 1}, "favorite does not have a valid value"),
    ([], "the body does not have a valid value"),
]


@pytest.mark.parametrize(("body", "text"), BAD, ids=lambda value: json.dumps(value)[:50])
def test_bodies_that_do_not_fit(alice: Api, behind: Behind, body: Any, text: str) -> None:
    list_id = new_list(alice, "there")
    nothing_is_stored(alice, behind, body, text)
    nothing_is_stored(alice, behind, body, text, list_id=list_id)


def test_a_name_has_at_most_255_characters(alice: Api) -> None:
    name = "ñ" * 255
    assert get_list(alice, new_list(alice, name))["name"] == name


def test_a_name_is_there_once_in_any_case(alice: Api, behind: Behind) -> None:
    news = new_list(alice, "News")
    other = new_list(alice, "Other")
    before = behind.everything()
    for name in ("News", "NEWS", "news"):
        refused(alice.post("/contact_lists", {"name": name}), 409, news)
        refused(alice.put(f"/contact_lists/{other}", {"name": name}), 409, news)
    assert behind.everything() == before
    assert alice.put(f"/contact_lists/{news}", {"name": "NEWS"}).json["name"] == "NEWS"


def test_an_account_has_at_most_1000_lists(alice: Api, behind: Behind, sql: Sql) -> None:
    sql(
        "insert into contact_list (account_id, list_id, name, created_at, updated_at)"
        " select $1, gen_random_uuid(), n::text, now(), now() from generate_series(1, 999) n returning 1",
        alice.account_id,
    )
    new_list(alice, "the 1000th")
    nothing_is_stored(alice, behind, {"name": "one more"}, "at most 1000")


# --- PUT


def test_put_replaces_all_of_it(alice: Api, clock: Clock) -> None:
    reply = alice.post("/contact_lists", {"name": "News", "description": "Every week", "favorite": True})
    made = reply.json
    clock.move(hours=1)
    after = alice.put(f"/contact_lists/{made['list_id']}", {"name": "Other"}).json
    assert after == {
        "list_id": made["list_id"],
        "name": "Other",
        "favorite": False,
        "created_at": made["created_at"],
        "updated_at": after["updated_at"],
    }
    assert after["updated_at"] > made["updated_at"]
    assert get_list(alice, made["list_id"]) == after


def test_a_put_that_changes_nothing_leaves_the_time(alice: Api, clock: Clock) -> None:
    made = alice.post("/contact_lists", {"name": "News", "description": "x"}).json
    clock.move(hours=1)
    assert alice.put(f"/contact_lists/{made['list_id']}", made).json == made


@pytest.mark.parametrize("list_id", [NOBODY, "5", "x", NOBODY[:-1]])
def test_what_is_no_list_is_not_found(alice: Api, list_id: str) -> None:
    refused(alice.get(f"/contact_lists/{list_id}"), 404)
    refused(alice.put(f"/contact_lists/{list_id}", {"name": "x"}), 404)
    reply = alice.delete(f"/contact_lists/{list_id}")
    refused(reply, 404)
    assert reply.json[0]["error_key"] == "contacts.api.not_found"


# --- the collection


def test_no_lists_are_an_empty_array(alice: Api) -> None:
    assert alice.get("/contact_lists").json == {"lists": []}
    assert alice.get("/contact_lists", include_count="true").json == {"lists": [], "lists_count": 0}


def test_pages(alice: Api) -> None:
    made = new_lists(alice, 5)
    params = {"limit": 2, "include_count": "1", "include_membership_count": "all"}
    replies = list(alice.pages("/contact_lists", **params))
    assert [[one["list_id"] for one in reply.json["lists"]] for reply in replies] == [
        made[:2],
        made[2:4],
        made[4:],
    ]
    assert all(list(reply.json)[:2] == ["lists", "lists_count"] for reply in replies)
    assert {reply.json["lists_count"] for reply in replies} == {5}
    assert all(one["membership_count"] == 0 for reply in replies for one in reply.json["lists"])
    assert "_links" not in replies[-1].json
    cursor = replies[0].json["_links"]["next"]["href"].partition("cursor=")[2]
    again = alice.get("/contact_lists", cursor=cursor, **params).json
    assert [one["list_id"] for one in again["lists"]] == made[2:4]


def test_a_page_has_50_lists_unless_told(alice: Api) -> None:
    new_lists(alice, 51)
    assert len(alice.get("/contact_lists").json["lists"]) == 50
    assert len(alice.get("/contact_lists", limit=1000).json["lists"]) == 51


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x"])
def test_limits_that_are_refused(alice: Api, limit: str) -> None:
    refused(alice.get("/contact_lists", limit=limit), 400, "limit does not have a valid value")


def test_a_name_finds_its_list(alice: Api) -> None:
    news, _ = new_list(alice, "News"), new_list(alice, "Newsletter")
    for name in ("News", "NEWS"):
        page = alice.get("/contact_lists", name=name, include_count="true").json
        assert ([one["list_id"] for one in page["lists"]], page["lists_count"]) == ([news], 1)
    assert alice.get("/contact_lists", name="Ne").json == {"lists": []}
    assert alice.get("/contact_lists", name="News%").json == {"lists": []}
    assert len(alice.get("/contact_lists", name="").json["lists"]) == 2


@pytest.mark.parametrize(
    "params",
    [
        {"status": "gone"},
        {"include_membership_count": "unsubscribed"},
        {"include_membership_count": "true"},
        {"channel_type": "fax"},
        {"include_count": "yes"},
        {"include_sms_membership_count": "yes", "channel_type": "sms"},
        {"include_sms_membership_count": "true"},
        {"include_sms_membership_count": "true", "channel_type": "email"},
    ],
    ids=lambda params: json.dumps(params)[:60],
)
def test_parameters_that_are_refused(alice: Api, params: dict[str, str]) -> None:
    refused(alice.get("/contact_lists", **params), 400, f"{next(iter(params))} does not have a valid value")


def test_a_lists_count_is_refused_in_the_texts_words(alice: Api) -> None:
    list_id = new_list(alice)
    reply = alice.get(f"/contact_lists/{list_id}", include_membership_count="unsubscribed")
    refused(reply, 400, "include_membership_count does not have a valid value")


# --- members


def test_membership_counts(alice: Api) -> None:
    first, second = new_list(alice, "first"), new_list(alice, "second")
    for number, permission in enumerate(("explicit", "implicit", "unsubscribed", "not_set", "temp_hold")):
        address = email(f"{number}@example.org", permission)
        post_contact(alice, email_address=address, list_memberships=[first])
    gone = post_contact(alice, email_address=email("gone@example.org"), list_memberships=[first])
    alice.delete(f"/contacts/{gone['contact_id']}")
    post_contact(alice, sms_channel=sms("13095550100"), list_memberships=[first, second])
    assert get_list(alice, first, include_membership_count="all")["membership_count"] == 6
    assert get_list(alice, first, include_membership_count="active")["membership_count"] == 2
    assert get_list(alice, second, include_membership_count="active")["membership_count"] == 0
    assert "membership_count" not in get_list(alice, first)

    def counts(name: str = "membership_count", **params: str) -> list[int]:
        return [one[name] for one in alice.get("/contact_lists", **params).json["lists"]]

    assert counts(include_membership_count="all") == [6, 1]
    assert counts(include_membership_count="active") == [2, 0]
    on_sms = {"channel_type": "sms", "include_sms_membership_count": "true"}
    page = alice("GET", "/contact_lists", params=on_sms)
    assert [one["sms_membership_count"] for one in page.json["lists"]] == [1, 1]
    assert "membership_count" not in page.json["lists"][0]


def test_a_membership_moves_with_its_contact(alice: Api) -> None:
    list_id = new_list(alice)
    ruth = post_contact(alice, email_address=email("r@example.org", "explicit"), list_memberships=[list_id])

    def counts() -> tuple[int, int]:
        shown = [get_list(alice, list_id, include_membership_count=which) for which in ("all", "active")]
        return shown[0]["membership_count"], shown[1]["membership_count"]

    assert counts() == (1, 1)
    put_contact(alice, ruth["contact_id"], email_address=email("r@example.org", "unsubscribed"))
    assert counts() == (1, 0)
    put_contact(alice, ruth["contact_id"], email_address=email("r@example.org", "explicit"))
    assert counts() == (1, 1)
    put_contact(alice, ruth["contact_id"], list_memberships=[])
    assert counts() == (0, 0)


# --- DELETE


def test_deleting_a_list_is_an_activity_that_takes_the_memberships(
    alice: Api, behind: Behind, work: Callable[[], None]
) -> None:
    first, second = new_list(alice, "first"), new_list(alice, "second")
    address = email("r@example.org", "explicit")
    ruth = post_contact(alice, email_address=address, list_memberships=[first, second])["contact_id"]
    reply = alice.delete(f"/contact_lists/{first}")
    assert reply.status == 202
    activity = reply.json
    assert activity["state"] == "initialized"
    assert activity["percent_done"] == 1
    assert activity["activity_errors"] == []
    assert activity["_links"]["self"]["href"] == f"/v3/activities/{activity['activity_id']}"
    assert reply.headers["location"] == activity["_links"]["self"]["href"]
    work()
    assert alice("GET", reply.headers["location"]).json["state"] == "completed"
    assert get_contact(alice, ruth, "list_memberships")["list_memberships"] == [second]
    assert behind.contact(ruth)["deleted_at"] is None
    assert found(alice, lists=first) == []
    assert [event["action"] for event in behind.events()] == ["created"]
    assert behind.counters() == {
        ("contacts.explicit", ""): 1,
        ("list.members", second): 1,
        ("list.active", second): 1,
    }


def test_a_deleted_list_is_hidden_but_there(alice: Api, behind: Behind, work: Callable[[], None]) -> None:
    gone, stays = new_list(alice, "News"), new_list(alice, "Other")
    alice.delete(f"/contact_lists/{gone}")
    work()
    shown = get_list(alice, gone, include_membership_count="all")
    assert moment(shown["deleted_at"])
    assert shown["membership_count"] == 0
    for status, expected in (
        ("", [stays]),
        ("active", [stays]),
        ("deleted", [gone]),
        ("all", [gone, stays]),
        ("active,deleted", [gone, stays]),
    ):
        page = alice.get("/contact_lists", status=status, include_count="true").json
        assert ([one["list_id"] for one in page["lists"]], page["lists_count"]) == (expected, len(expected))
    before = behind.everything()
    refused(alice.put(f"/contact_lists/{gone}", {"name": "x"}), 404)
    refused(alice.delete(f"/contact_lists/{gone}"), 404)
    body = {"create_source": "Account", "first_name": "Ruth", "list_memberships": [gone]}
    refused(alice.post("/contacts", body), 400, "list_memberships")
    refused(
        alice.post("/contacts/sign_up_form", {"email_address": "r@example.org", "list_memberships": [gone]}),
        400,
    )
    assert behind.everything() == before
    assert new_list(alice, "NEWS") != gone


# --- V2 ids


def test_list_id_xrefs(alice: Api, behind: Behind) -> None:
    new_lists(alice, 3)
    pairs = {row["sequence_id"]: str(row["list_id"]) for row in behind.rows("contact_list")}
    numbers = sorted(pairs)
    asked = ",".join([f"00{numbers[2]}", str(numbers[0]), str(numbers[1]), "9" * 30, "0"])
    assert alice.get("/contact_lists/list_id_xrefs", sequence_ids=asked).json == {
        "xrefs": [{"sequence_id": str(number), "list_id": pairs[number]} for number in numbers]
    }


def test_sequence_ids_are_required_and_at_most_500(alice: Api) -> None:
    refused(alice.get("/contact_lists/list_id_xrefs"), 400, "sequence_ids is missing")
    refused(alice.get("/contact_lists/list_id_xrefs", sequence_ids="x"), 400, "sequence_ids")
    numbers = [str(number) for number in range(501)]
    assert alice.get("/contact_lists/list_id_xrefs", sequence_ids=",".join(numbers[:500])).status == 200
    refused(alice.get("/contact_lists/list_id_xrefs", sequence_ids=",".join(numbers)), 400, "sequence_ids")
