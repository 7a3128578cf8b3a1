"""POST /contacts/sign_up_form. V3 contract 3.7; what it does to a permission is in test_contacts_permissions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Api, Clock
from tests.v3.helpers import (
    ARRAYS,
    NOBODY,
    Behind,
    email,
    get_contact,
    new_field,
    new_list,
    new_lists,
    post_contact,
    put_contact,
    refused,
    sign_up,
    sms,
    sms_form,
)

ADDRESS = "r@example.org"


@pytest.fixture
def lists(alice: Api) -> list[str]:
    return sorted(new_lists(alice, 3))


def nothing_is_stored(alice: Api, behind: Behind, body: dict[str, Any], *texts: str) -> None:
    before = behind.everything()
    refused(sign_up(alice, **body), 400, *texts)
    assert behind.everything() == before


def test_a_new_contact(alice: Api, behind: Behind, lists: list[str]) -> None:
    field_id = new_field(alice)
    reply = alice(
        "POST",
        "/contacts/sign_up_form",
        headers={"X-Request-Id": "request-9"},
        json={
            "email_address": "R@Example.org",
            "first_name": "Ruth",
            "last_name": "Okafor",
            "job_title": "Cook",
            "company_name": "Kitchen",
            "phone_number": "309 555 0100",
            "birthday_month": 4,
            "birthday_day": 9,
            "anniversary": "3/9/2001",
            "street_address": {"kind": "home", "city": "Peoria", "state": "IL"},
            "custom_fields": [{"custom_field_id": field_id, "value": "x"}],
            "list_memberships": lists[:2],
        },
    )
    assert reply.status == 201
    contact_id = reply.json["contact_id"]
    assert reply.json == {"contact_id": contact_id, "action": "created"}
    contact = get_contact(alice, contact_id, *ARRAYS)
    now = contact["created_at"]
    assert contact["email_address"] == {
        "address": ADDRESS,
        "permission_to_send": "explicit",
        **dict.fromkeys(("created_at", "updated_at", "opt_in_date"), now),
        "opt_in_source": "Contact",
        "confirm_status": "off",
    }
    assert (contact["first_name"], contact["last_name"]) == ("Ruth", "Okafor")
    assert (contact["job_title"], contact["company_name"]) == ("Cook", "Kitchen")
    assert (contact["birthday_month"], contact["birthday_day"]) == (4, 9)
    assert contact["anniversary"] == "2001-03-09"
    assert contact["create_source"] == "Contact"
    assert "update_source" not in contact
    assert contact["list_memberships"] == lists[:2]
    assert contact["custom_fields"] == [{"custom_field_id": field_id, "value": "x"}]
    (phone,), (address,) = contact["phone_numbers"], contact["street_addresses"]
    assert (phone["phone_number"], phone["kind"]) == ("309 555 0100", "other")
    assert phone["create_source"] == "Contact"
    assert (address["kind"], address["city"], address["state"]) == ("home", "Peoria", "Illinois")
    assert contact["taggings"] == contact["notes"] == []
    (event,) = behind.events()
    assert (event["action"], event["permission_after"], event["source"]) == ("created", "explicit", "Contact")
    assert (event["operation"], event["request_id"]) == ("POST /v3/contacts/sign_up_form", "request-9")
    assert behind.active() == [(1, 1)]
    assert behind.counters() == {
        ("contacts.explicit", ""): 1,
        ("list.members", lists[0]): 1,
        ("list.active", lists[0]): 1,
        ("list.members", lists[1]): 1,
        ("list.active", lists[1]): 1,
    }


def test_an_existing_contact_gets_only_what_is_sent(
    alice: Api, behind: Behind, clock: Clock, lists: list[str]
) -> None:
    fields = [new_field(alice, label) for label in ("a", "b", "c")]
    ruth = post_contact(
        alice,
        email_address=email(ADDRESS),
        first_name="Ruth",
        job_title="Cook",
        birthday_month=4,
        birthday_day=9,
        list_memberships=lists[:1],
        custom_fields=[{"custom_field_id": field_id, "value": "old"} for field_id in fields[:2]],
        phone_numbers=[{"phone_number": "1", "kind": "home"}],
        street_addresses=[{"kind": "home", "city": "Peoria", "postal_code": "61602"}],
        notes=[{"content": "hello"}],
    )
    clock.move(hours=1)
    reply = sign_up(
        alice,
        email_address="R@EXAMPLE.org",
        list_memberships=lists[1:2],
        last_name="Okafor",
        first_name="",
        custom_fields=[{"custom_field_id": field_id, "value": "new"} for field_id in fields[1:]],
        phone_number="2",
        street_address={"kind": "home", "city": "Canton"},
    )
    assert reply.status == 200
    assert reply.json == {"contact_id": ruth["contact_id"], "action": "updated"}
    contact = get_contact(alice, ruth["contact_id"], *ARRAYS)
    assert (contact["first_name"], contact["last_name"], contact["job_title"]) == ("Ruth", "Okafor", "Cook")
    assert (contact["birthday_month"], contact["birthday_day"]) == (4, 9)
    assert contact["list_memberships"] == lists[:2]
    assert sorted(item["value"] for item in contact["custom_fields"]) == ["new", "new", "old"]
    assert [phone["phone_number"] for phone in contact["phone_numbers"]] == ["1", "2"]
    (address,) = contact["street_addresses"]
    assert (address["city"], address["postal_code"]) == ("Canton", "61602")
    assert contact["notes"] == ruth["notes"]
    assert contact["update_source"] == "Contact"
    assert contact["create_source"] == "Account"
    assert behind.moves() == [
        ("created", None, "implicit", "Account"),
        ("changed", "implicit", "explicit", "Contact"),
    ]
    assert behind.active() == [(1, 1)]


def test_signing_up_twice_changes_nothing_but_the_time(alice: Api, behind: Behind, lists: list[str]) -> None:
    body: dict[str, Any] = {"email_address": ADDRESS, "list_memberships": lists, "phone_number": "1"}
    first = sign_up(alice, **body)
    counters = behind.counters()
    second = sign_up(alice, **body)
    assert (first.status, second.status) == (201, 200)
    assert first.json["contact_id"] == second.json["contact_id"]
    assert len(behind.events()) == 1
    assert behind.counters() == counters
    assert len(get_contact(alice, first.json["contact_id"], "phone_numbers")["phone_numbers"]) == 1


def test_a_deleted_contact_comes_back(alice: Api, behind: Behind, lists: list[str]) -> None:
    ruth = post_contact(alice, email_address=email(ADDRESS), list_memberships=lists[:1], first_name="Ruth")
    alice.delete(f"/contacts/{ruth['contact_id']}")
    reply = sign_up(alice, email_address=ADDRESS, list_memberships=lists[1:2])
    assert (reply.status, reply.json) == (200, {"contact_id": ruth["contact_id"], "action": "updated"})
    contact = get_contact(alice, ruth["contact_id"], "list_memberships")
    assert "deleted_at" not in contact
    assert contact["first_name"] == "Ruth"
    assert contact["list_memberships"] == lists[1:2]
    assert behind.moves()[-1] == ("restored", "implicit", "explicit", "Contact")


# --- what the body must have, and what it may


@pytest.mark.parametrize("given", [{}, {"list_memberships": []}, {"list_memberships": None}])
def test_lists_are_required(alice: Api, behind: Behind, given: dict[str, Any]) -> None:
    nothing_is_stored(alice, behind, {"email_address": ADDRESS, **given}, "list_memberships is missing")


def test_someone_is_required(alice: Api, behind: Behind, lists: list[str]) -> None:
    for given in ({}, {"email_address": ""}, {"first_name": "Ruth"}, {"email_address": None}):
        nothing_is_stored(alice, behind, {"list_memberships": lists, **given}, "email_address, sms_channel")


def test_a_source_goes_without_lists_and_only_so(alice: Api, behind: Behind, lists: list[str]) -> None:
    both = {"email_address": ADDRESS, "source": "Contact", "list_memberships": lists}
    nothing_is_stored(alice, behind, both, "mutually exclusive")
    nothing_is_stored(alice, behind, {"email_address": ADDRESS, "source": "Form"}, "source")
    reply = sign_up(alice, email_address=ADDRESS, source="Contact")
    assert reply.status == 201
    assert get_contact(alice, reply.json["contact_id"])["create_source"] == "Contact"


def test_a_sign_up_by_the_account_is_no_opt_in(alice: Api, behind: Behind) -> None:
    reply = sign_up(alice, email_address=ADDRESS, source="Account")
    contact = get_contact(alice, reply.json["contact_id"])
    assert contact["create_source"] == "Account"
    assert contact["email_address"]["permission_to_send"] == "implicit"
    assert sign_up(alice, email_address=ADDRESS, source="Account").status == 200
    assert behind.moves() == [("created", None, "implicit", "Account")]
    put_contact(alice, contact["contact_id"], email_address=email(ADDRESS, "unsubscribed"))
    assert sign_up(alice, email_address=ADDRESS, source="Account").status == 200
    assert behind.contact(contact["contact_id"])["permission"] == "unsubscribed"


def test_what_plugins_send_beside_is_ignored(alice: Api, lists: list[str]) -> None:
    reply = sign_up(
        alice,
        email_address=ADDRESS,
        list_memberships=lists[:1],
        street_address={},
        create_source="Account",
        update_source="Account",
        permission_to_send="unsubscribed",
        phone_numbers=[{"phone_number": 7}],
        notes="hello",
        taggings=[NOBODY],
        anything={"else": [None]},
    )
    assert reply.status == 201
    contact = get_contact(alice, reply.json["contact_id"], *ARRAYS)
    assert contact["email_address"]["permission_to_send"] == "explicit"
    assert (
        contact["street_addresses"]
        == contact["phone_numbers"]
        == contact["notes"]
        == contact["taggings"]
        == []
    )


@pytest.mark.parametrize(
    "body",
    [
        {"email_address": {"address": ADDRESS}},
        {"email_address": "ruth"},
        {"email_address": "r" * 64 + "@" + "e" * 12 + ".org"},
        {"list_memberships": [NOBODY]},
        {"list_memberships": NOBODY},
        {"list_memberships": ["x"]},
        {"first_name": "x" * 51},
        {"last_name": "x" * 51},
        {"job_title": "x" * 51},
        {"company_name": "x" * 51},
        {"first_name": 7},
        {"phone_number": "1" * 26},
        {"phone_number": 7},
        {"birthday_month": 4},
        {"birthday_month": 2, "birthday_day": 30},
        {"anniversary": "soon"},
        {"street_address": {"city": "Peoria"}},
        {"street_address": {"kind": "mobile"}},
        {"street_address": {"kind": "home", "city": 7}},
        {"street_address": {"kind": "home", "city": "x" * 51}},
        {"street_address": {"kind": "home", "street": "x" * 256}},
        {"street_address": [{"kind": "home"}]},
        {"custom_fields": [{"custom_field_id": NOBODY, "value": "x"}]},
        {"custom_fields": [{"value": "x"}]},
        {"sms_channel": {"sms_address": "3095550100"}},
        {"sms_channel": sms_form("5")},
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_bodies_that_do_not_fit(alice: Api, behind: Behind, lists: list[str], body: dict[str, Any]) -> None:
    nothing_is_stored(alice, behind, {"email_address": ADDRESS, "list_memberships": lists, **body})


def test_texts_at_their_maxima(alice: Api, lists: list[str]) -> None:
    address = "r" * 64 + "@" + "e" * 11 + ".org"
    names = dict.fromkeys(("first_name", "last_name", "job_title", "company_name"), "ñ" * 50)
    field_id = new_field(alice)
    reply = sign_up(
        alice,
        email_address=address,
        list_memberships=lists,
        phone_number="1" * 25,
        custom_fields=[{"custom_field_id": field_id, "value": "ñ" * 255}],
        street_address={"kind": "home", "street": "ñ" * 255, "city": "ñ" * 50},
        **names,
    )
    assert reply.status == 201
    contact = get_contact(alice, reply.json["contact_id"], *ARRAYS)
    assert contact["email_address"]["address"] == address
    assert contact["custom_fields"] == [{"custom_field_id": field_id, "value": "ñ" * 255}]
    assert contact["phone_numbers"][0]["phone_number"] == "1" * 25


# --- the maxima hold for what there is after the sign-up


def test_lists_at_most_50(alice: Api, behind: Behind) -> None:
    lists = new_lists(alice, 51)
    nothing_is_stored(
        alice, behind, {"email_address": ADDRESS, "list_memberships": lists}, "list_memberships"
    )
    assert sign_up(alice, email_address=ADDRESS, list_memberships=lists[:49]).status == 201
    nothing_is_stored(alice, behind, {"email_address": ADDRESS, "list_memberships": lists[49:]}, "at most 50")
    assert sign_up(alice, email_address=ADDRESS, list_memberships=lists[:50]).status == 200
    assert len(behind.rows("list_membership")) == 50


def test_custom_fields_at_most_25_whatever_the_body_repeats(
    alice: Api, behind: Behind, lists: list[str]
) -> None:
    values = [{"custom_field_id": new_field(alice, f"f {number}"), "value": "x"} for number in range(51)]
    body: dict[str, Any] = {"email_address": ADDRESS, "list_memberships": lists}
    nothing_is_stored(alice, behind, {**body, "custom_fields": values[:26]}, "custom_fields")
    blank = [{**value, "value": ""} for value in values]
    nothing_is_stored(alice, behind, {**body, "custom_fields": blank}, "custom_fields")
    filled = [*values[:25], *blank[25:50]]
    reply = sign_up(alice, **body, custom_fields=filled)
    assert reply.status == 201
    assert len(get_contact(alice, reply.json["contact_id"], "custom_fields")["custom_fields"]) == 25
    nothing_is_stored(alice, behind, {**body, "custom_fields": values[25:26]}, "at most 25")
    assert sign_up(alice, **body, custom_fields=values[:1]).status == 200


def test_a_value_that_is_sent_empty_clears_nothing(alice: Api, lists: list[str]) -> None:
    field_id = new_field(alice)
    body: dict[str, Any] = {"email_address": ADDRESS, "list_memberships": lists}
    sign_up(alice, **body, custom_fields=[{"custom_field_id": field_id, "value": "x"}])
    reply = sign_up(alice, **body, custom_fields=[{"custom_field_id": field_id, "value": ""}])
    contact = get_contact(alice, reply.json["contact_id"], "custom_fields")
    assert contact["custom_fields"] == [{"custom_field_id": field_id, "value": "x"}]


def test_phone_numbers_and_addresses_at_most_3(alice: Api, behind: Behind, lists: list[str]) -> None:
    contact = post_contact(
        alice,
        email_address=email(ADDRESS),
        phone_numbers=[{"phone_number": str(number), "kind": "home"} for number in range(3)],
        street_addresses=[{"kind": "work", "city": "Peoria"}] * 3,
    )
    body: dict[str, Any] = {"email_address": ADDRESS, "list_memberships": lists}
    nothing_is_stored(alice, behind, {**body, "phone_number": "4"}, "phone_numbers")
    nothing_is_stored(alice, behind, {**body, "street_address": {"kind": "home"}}, "street_addresses")
    assert sign_up(alice, **body, phone_number="1").status == 200
    assert sign_up(alice, **body, street_address={"kind": "work", "city": "Canton"}).status == 200
    after = get_contact(alice, contact["contact_id"], "phone_numbers", "street_addresses")
    assert after["phone_numbers"] == contact["phone_numbers"]
    assert [address["city"] for address in after["street_addresses"]] == ["Canton", "Peoria", "Peoria"]


# --- SMS


def test_an_sms_number_is_enough(alice: Api, behind: Behind, lists: list[str]) -> None:
    reply = sign_up(alice, sms_channel=sms_form("(309) 555-0100"), list_memberships=lists[:1])
    assert (reply.status, reply.json["action"]) == (201, "created")
    contact = get_contact(alice, reply.json["contact_id"], "sms_channel")
    assert "email_address" not in contact
    channel = contact["sms_channel"]
    assert (channel["sms_address"], channel["dial_code"], channel["country_code"]) == (
        "3095550100",
        "1",
        "US",
    )
    assert channel["create_source"] == "Contact"
    (consent,) = channel["sms_channel_consents"]
    assert (consent["sms_consent_permission"], consent["advertised_frequency"]) == ("explicit", "4")
    assert consent["advertised_interval"] == "monthly"
    assert behind.counters() == {
        ("contacts.none", ""): 1,
        ("list.members", lists[0]): 1,
        ("list.sms", lists[0]): 1,
    }
    again = sign_up(
        alice, sms_channel=sms_form("309 555 0100"), list_memberships=lists[1:2], first_name="Ruth"
    )
    assert (again.status, again.json) == (200, {**reply.json, "action": "updated"})
    after = get_contact(alice, reply.json["contact_id"], "list_memberships")
    assert (after["first_name"], after["list_memberships"]) == ("Ruth", lists[:2])


def test_an_address_reaches_a_contact_found_by_its_sms_number(alice: Api, lists: list[str]) -> None:
    ruth = post_contact(alice, sms_channel=sms("13095550100"))["contact_id"]
    reply = sign_up(
        alice, email_address=ADDRESS, sms_channel=sms_form("3095550100"), list_memberships=lists[:1]
    )
    assert (reply.status, reply.json["contact_id"]) == (200, ruth)
    assert get_contact(alice, ruth)["email_address"]["permission_to_send"] == "explicit"


def test_an_address_and_a_number_of_two_contacts_conflict(
    alice: Api, behind: Behind, lists: list[str]
) -> None:
    post_contact(alice, email_address=email(ADDRESS))
    saul = post_contact(alice, sms_channel=sms("13095550100"))["contact_id"]
    before = behind.everything()
    form = sms_form("3095550100")
    refused(sign_up(alice, email_address=ADDRESS, sms_channel=form, list_memberships=lists), 409, saul)
    assert behind.everything() == before


def test_a_number_alone_leaves_the_address(alice: Api, lists: list[str]) -> None:
    ruth = post_contact(alice, email_address=email(ADDRESS), sms_channel=sms("13095550100"))["contact_id"]
    reply = sign_up(alice, sms_channel=sms_form("3095550100"), list_memberships=lists[:1])
    assert reply.json["contact_id"] == ruth
    contact = get_contact(alice, ruth, "list_memberships")
    assert contact["email_address"]["permission_to_send"] == "implicit"
    assert contact["list_memberships"] == [lists[0]]


def test_another_address_comes_to_the_contact_found_by_its_number(
    alice: Api, behind: Behind, lists: list[str]
) -> None:
    ruth = post_contact(alice, email_address=email(ADDRESS), sms_channel=sms("13095550100"))["contact_id"]
    form = sms_form("3095550100")
    reply = sign_up(alice, email_address="new@example.org", sms_channel=form, list_memberships=lists[:1])
    assert (reply.status, reply.json["contact_id"]) == (200, ruth)
    address = get_contact(alice, ruth)["email_address"]
    assert (address["address"], address["permission_to_send"]) == ("new@example.org", "explicit")
    assert behind.moves()[-1] == ("readdressed", "implicit", "explicit", "Contact")


def test_the_opt_out_of_the_address_that_leaves_stays(alice: Api, behind: Behind, lists: list[str]) -> None:
    address = email(ADDRESS, "unsubscribed")
    post_contact(alice, create_source="Contact", email_address=address, sms_channel=sms("13095550100"))
    form = sms_form("3095550100")
    assert (
        sign_up(alice, email_address="new@example.org", sms_channel=form, list_memberships=lists).status
        == 200
    )
    back = post_contact(alice, email_address=email(ADDRESS))["email_address"]
    assert (back["permission_to_send"], back["opt_out_source"]) == ("unsubscribed", "Contact")


def test_a_new_list_each_time_adds_up(alice: Api, behind: Behind) -> None:
    lists = [new_list(alice) for _ in range(5)]
    for list_id in lists:
        sign_up(alice, email_address=ADDRESS, list_memberships=[list_id])
    assert {str(row["list_id"]) for row in behind.rows("list_membership")} == set(lists)
