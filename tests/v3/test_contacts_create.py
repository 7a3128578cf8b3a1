"""POST /contacts. V3 contract 3.2, 3.3 and 3.5."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from tests.conftest import Api, Clock, Sql
from tests.v3.helpers import (
    CORE,
    NOBODY,
    Behind,
    email,
    get_contact,
    moment,
    new_field,
    new_list,
    new_lists,
    new_tag,
    post_contact,
    put_contact,
    refused,
    sms,
)


def test_a_contact_is_answered_and_stored_with_its_ledger(alice: Api, behind: Behind, clock: Clock) -> None:
    list_id, tag_id = new_list(alice), new_tag(alice)
    before = clock().replace(microsecond=0)
    reply = alice(
        "POST",
        "/contacts",
        headers={"X-Request-Id": "request-7"},
        json={
            "email_address": {"address": "r.okafor@example.org", "permission_to_send": "implicit"},
            "first_name": "Ruth",
            "create_source": "Account",
            "birthday_month": 4,
            "birthday_day": 9,
            "list_memberships": [list_id],
            "taggings": [tag_id],
            "street_addresses": [{"kind": "home", "city": "Peoria", "state": "IL", "country": "US"}],
        },
    )
    assert reply.status == 201
    contact = reply.json
    now = contact["created_at"]
    assert before <= moment(now) <= clock()
    contact_id, (address,) = contact["contact_id"], contact["street_addresses"]
    assert contact == {
        "contact_id": contact_id,
        "email_address": {
            "address": "r.okafor@example.org",
            "permission_to_send": "implicit",
            "created_at": now,
            "updated_at": now,
            "opt_in_source": "Account",
            "opt_in_date": now,
            "confirm_status": "off",
        },
        "first_name": "Ruth",
        "birthday_month": 4,
        "birthday_day": 9,
        "create_source": "Account",
        "created_at": now,
        "updated_at": now,
        "list_memberships": [list_id],
        "taggings": [tag_id],
        "street_addresses": [
            {
                "street_address_id": address["street_address_id"],
                "kind": "home",
                "city": "Peoria",
                "state": "Illinois",
                "country": "United States",
                "created_at": now,
                "updated_at": now,
            }
        ],
    }
    row = behind.contact(contact_id)
    assert (row["first_name"], row["email"], row["permission"]) == (
        "Ruth",
        "r.okafor@example.org",
        "implicit",
    )
    assert row["update_source"] is None
    (event,) = behind.rows("consent_event")
    assert str(event["contact_id"]) == contact_id
    assert (event["channel"], event["action"], event["source"]) == ("email", "created", "Account")
    assert (event["permission_before"], event["permission_after"]) == (None, "implicit")
    assert (event["operation"], event["request_id"]) == ("POST /v3/contacts", "request-7")
    assert event["token_id"] is not None
    (delta,) = behind.rows("active_delta")
    assert (delta["change"], delta["first_this_month"]) == (1, 1)
    assert (delta["operation"], delta["request_id"]) == ("POST /v3/contacts", "request-7")
    assert behind.counters() == {
        ("contacts.implicit", ""): 1,
        ("list.members", list_id): 1,
        ("list.active", list_id): 1,
        ("tag.contacts", tag_id): 1,
    }
    assert get_contact(alice, contact_id, "list_memberships", "taggings", "street_addresses") == contact


@pytest.mark.parametrize("given", [{}, {"create_source": None}])
def test_a_missing_create_source_is_told(alice: Api, behind: Behind, given: dict[str, Any]) -> None:
    reply = alice.post("/contacts", {"first_name": "Ruth", **given})
    refused(reply, 400, "create_source is missing, create_source does not have a valid value")
    assert behind.rows("contact") == []


@pytest.mark.parametrize("value", ["account", "CONTACT", "", "System", 1, True, [], {}])
def test_create_source_is_contact_or_account(alice: Api, value: object) -> None:
    reply = alice.post("/contacts", {"first_name": "Ruth", "create_source": value})
    refused(reply, 400, "create_source")


@pytest.mark.parametrize(
    "someone",
    [
        {"first_name": "Ruth"},
        {"last_name": "Okafor"},
        {"email_address": {"address": "r@example.org"}},
        {"sms_channel": sms("13095550100")},
    ],
    ids=lambda someone: next(iter(someone)),
)
def test_one_of_four_properties_is_enough(alice: Api, behind: Behind, someone: dict[str, Any]) -> None:
    contact = post_contact(alice, **someone)
    assert ("email_address" in contact) == ("email_address" in someone)
    assert len(behind.rows("contact")) == 1


def test_a_contact_without_an_address_has_no_consent_to_record(alice: Api, behind: Behind) -> None:
    post_contact(alice, first_name="Ruth")
    assert behind.rows("consent_event") == []
    assert behind.rows("active_delta") == []
    assert behind.counters() == {("contacts.none", ""): 1}


@pytest.mark.parametrize(
    "nobody",
    [
        {},
        {"job_title": "Cook"},
        {"first_name": ""},
        {"first_name": None, "last_name": ""},
        {"anniversary": "2001-02-03"},
    ],
)
def test_a_contact_must_be_someone(alice: Api, behind: Behind, nobody: dict[str, Any]) -> None:
    refused(
        alice.post("/contacts", {"create_source": "Account", **nobody}), 400, "email_address", "is missing"
    )
    assert behind.rows("contact") == []


def nothing_is_stored(alice: Api, behind: Behind, body: dict[str, Any], *texts: str) -> None:
    before = behind.everything()
    refused(alice.post("/contacts", {"create_source": "Account", **body}), 400, *texts)
    assert behind.everything() == before


@pytest.mark.parametrize("name", ["first_name", "last_name", "job_title", "company_name"])
def test_names_have_at_most_50_characters(alice: Api, behind: Behind, name: str) -> None:
    text = "ñ" * 50
    body = {"email_address": email("r@example.org")}
    assert post_contact(alice, **body, **{name: text})[name] == text
    nothing_is_stored(alice, behind, {"email_address": email("s@example.org"), name: text + "x"}, name)


@pytest.mark.parametrize(("month", "day"), [(1, 1), (1, 31), (2, 29), (4, 30), (12, 31)])
def test_birthdays(alice: Api, month: int, day: int) -> None:
    contact = post_contact(alice, first_name="Ruth", birthday_month=month, birthday_day=day)
    assert (contact["birthday_month"], contact["birthday_day"]) == (month, day)


@pytest.mark.parametrize(
    ("birthday", "text"),
    [
        ({"birthday_month": 4}, "birthday_day is missing"),
        ({"birthday_day": 4}, "birthday_month is missing"),
        ({"birthday_month": 0, "birthday_day": 1}, "birthday_month does not have"),
        ({"birthday_month": 13, "birthday_day": 1}, "birthday_month does not have"),
        ({"birthday_month": 1, "birthday_day": 0}, "birthday_day does not have"),
        ({"birthday_month": 1, "birthday_day": 32}, "birthday_day does not have"),
        ({"birthday_month": 2, "birthday_day": 30}, "birthday_day does not have"),
        ({"birthday_month": 4, "birthday_day": 31}, "birthday_day does not have"),
        ({"birthday_month": -1, "birthday_day": -1}, "birthday_month does not have"),
    ],
)
def test_what_is_no_birthday(alice: Api, behind: Behind, birthday: dict[str, int], text: str) -> None:
    nothing_is_stored(alice, behind, {"first_name": "Ruth", **birthday}, text)


@pytest.mark.parametrize(
    "spelling",
    [
        "03/09/2001",
        "3/9/2001",
        "2001/03/09",
        "2001/3/9",
        "2001-03-09",
        "2001-3-9",
        "03-09-2001",
        "3-9-2001",
        "3-09-2001",
    ],
)
def test_an_anniversary_is_answered_in_one_spelling(alice: Api, behind: Behind, spelling: str) -> None:
    contact = post_contact(alice, first_name="Ruth", anniversary=spelling)
    assert contact["anniversary"] == "2001-03-09"
    assert behind.contact(contact["contact_id"])["anniversary"].isoformat() == "2001-03-09"


@pytest.mark.parametrize(
    "text", ["13/13/2001", "2001-02-30", "2001-03-09T00:00:00Z", "9 March", "2001", "01-02-03"]
)
def test_what_is_no_anniversary(alice: Api, behind: Behind, text: str) -> None:
    nothing_is_stored(alice, behind, {"first_name": "Ruth", "anniversary": text}, "anniversary")


def test_empty_texts_are_unset(alice: Api, behind: Behind) -> None:
    contact = post_contact(
        alice, email_address=email("r@example.org"), **dict.fromkeys(CORE[:4], ""), anniversary=""
    )
    assert not set(CORE) & set(contact)
    assert behind.contact(contact["contact_id"])["first_name"] is None


def test_null_counts_as_absent(alice: Api) -> None:
    absent = dict.fromkeys(
        ("last_name", "birthday_day", "custom_fields", "notes", "sms_channel", "email_address")
    )
    contact = post_contact(alice, first_name="Ruth", **absent)
    assert set(contact) == {"contact_id", "first_name", "create_source", "created_at", "updated_at"}


def test_unknown_and_read_only_keys_are_ignored(alice: Api) -> None:
    contact = post_contact(
        alice,
        contact_id=NOBODY,
        created_at="1999-01-01T00:00:00Z",
        updated_at="1999-01-01T00:00:00Z",
        deleted_at="1999-01-01",
        update_source="Contact",
        first_name="Ruth",
        favourite_colour={"deep": [1, None]},
        email_address=email("r@example.org", opt_in_date="1999-01-01T00:00:00Z", opt_in_source="Contact"),
        phone_numbers=[{"phone_number": "1", "kind": "home", "phone_number_id": NOBODY, "created_at": "x"}],
    )
    assert "1999" not in json.dumps(contact)
    assert NOBODY not in json.dumps(contact)
    assert "update_source" not in contact
    assert contact["email_address"]["opt_in_source"] == "Account"


# --- the address


def test_an_address_is_kept_in_lower_case(alice: Api, behind: Behind) -> None:
    contact = post_contact(alice, email_address=email("  R.Okafor@Example.ORG "))
    assert contact["email_address"]["address"] == "r.okafor@example.org"
    assert behind.contact(contact["contact_id"])["email_key"] == "r.okafor@example.org"


def test_an_address_has_at_most_80_characters(alice: Api, behind: Behind) -> None:
    longest = "r" * 64 + "@" + "e" * 11 + ".org"
    assert len(longest) == 80
    assert post_contact(alice, email_address=email(longest))["email_address"]["address"] == longest
    nothing_is_stored(
        alice, behind, {"email_address": email("s" * 64 + "@" + "e" * 12 + ".org")}, "Email address"
    )


@pytest.mark.parametrize(
    "address",
    [
        "",
        " ",
        "ruth",
        "ruth@",
        "@example.org",
        "ruth@example",
        "r@e@example.org",
        "r..o@example.org",
        "r@-.org",
    ],
)
def test_what_is_no_address(alice: Api, behind: Behind, address: str) -> None:
    nothing_is_stored(alice, behind, {"email_address": email(address)}, "Email address is invalid")


def test_an_address_beyond_ascii(alice: Api) -> None:
    contact = post_contact(alice, email_address=email("ruth@bücher.example"))
    assert contact["email_address"]["address"] == "ruth@bücher.example"
    reply = alice.post(
        "/contacts", {"create_source": "Account", "email_address": email("RUTH@xn--bcher-kva.example")}
    )
    refused(reply, 409, contact["contact_id"])


@pytest.mark.parametrize(
    "body",
    [
        {"email_address": "r@example.org"},
        {"email_address": {"permission_to_send": "explicit"}},
        {"email_address": {"address": 7}},
        {"email_address": {"address": "r@example.org", "permission_to_send": "EXPLICIT"}},
        {"email_address": {"address": "r@example.org", "permission_to_send": "removed"}},
        {"first_name": 7},
        {"first_name": ["Ruth"]},
        {"first_name": "Ruth", "birthday_month": "4", "birthday_day": 9},
        {"first_name": "Ruth", "birthday_month": 4.5, "birthday_day": 9},
        {"first_name": "Ruth", "anniversary": 20010203},
        {"first_name": "Ruth", "list_memberships": "x"},
        {"first_name": "Ruth", "list_memberships": ["x"]},
        {"first_name": "Ruth", "taggings": [7]},
        {"first_name": "Ruth", "custom_fields": [{"value": "x"}]},
        {"first_name": "Ruth", "custom_fields": [{"custom_field_id": NOBODY, "value": 7}]},
        {"first_name": "Ruth", "custom_fields": {"custom_field_id": NOBODY, "value": "x"}},
        {"first_name": "Ruth", "phone_numbers": [{"kind": "home"}]},
        {"first_name": "Ruth", "phone_numbers": [{"phone_number": "1", "kind": "fax"}]},
        {"first_name": "Ruth", "phone_numbers": [{"phone_number": ""}]},
        {"first_name": "Ruth", "street_addresses": [{"city": "Peoria"}]},
        {"first_name": "Ruth", "street_addresses": [{"kind": "mobile"}]},
        {"first_name": "Ruth", "notes": [{"content": ""}]},
        {"first_name": "Ruth", "notes": ["hello"]},
        {"first_name": "Ruth", "sms_channel": []},
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_bodies_that_do_not_fit(alice: Api, behind: Behind, body: dict[str, Any]) -> None:
    nothing_is_stored(alice, behind, body)


@pytest.mark.parametrize("state", ["active", "unsubscribed", "deleted"])
def test_an_address_that_someone_has_conflicts_whatever_the_state(
    alice: Api, behind: Behind, state: str
) -> None:
    contact_id = post_contact(alice, email_address=email("r@example.org", "explicit"))["contact_id"]
    if state == "unsubscribed":
        put_contact(alice, contact_id, email_address=email("r@example.org", "unsubscribed"))
    if state == "deleted":
        alice.delete(f"/contacts/{contact_id}")
    before = behind.everything()
    for address in ("r@example.org", "R@Example.Org"):
        reply = alice.post("/contacts", {"create_source": "Contact", "email_address": email(address)})
        refused(reply, 409, "Email already exists for contact")
        assert reply.json[0]["error_key"] == "contacts.api.conflict"
        assert reply.json[0]["error_message"].split()[-1] == contact_id
    assert behind.everything() == before


# --- sub-resources


def test_only_the_sub_resources_that_were_sent_are_answered(alice: Api) -> None:
    given: dict[str, Any] = {
        "custom_fields": [{"custom_field_id": new_field(alice), "value": "x"}],
        "list_memberships": [new_list(alice)],
        "phone_numbers": [{"phone_number": "+1 309 555 0100", "kind": "home"}],
        "street_addresses": [{"kind": "work", "street": "1 Main St"}],
        "taggings": [new_tag(alice)],
        "notes": [{"content": "hello"}],
    }
    for name, value in given.items():
        contact = post_contact(alice, first_name=name, **{name: value})
        assert set(contact) & set(given) == {name}
        assert len(contact[name]) == 1
    assert post_contact(alice, first_name="Ruth", **dict.fromkeys(given, ()))["notes"] == []


def test_lists_at_most_50(alice: Api, behind: Behind) -> None:
    lists = new_lists(alice, 51)
    contact = post_contact(alice, first_name="Ruth", list_memberships=lists[:50])
    assert sorted(contact["list_memberships"]) == sorted(lists[:50])
    assert len(behind.rows("list_membership")) == 50
    nothing_is_stored(alice, behind, {"first_name": "Saul", "list_memberships": lists}, "list_memberships")


def test_tags_at_most_50(alice: Api, behind: Behind) -> None:
    tags = [new_tag(alice, f"tag {number}") for number in range(51)]
    contact = post_contact(alice, first_name="Ruth", taggings=tags[:50])
    assert sorted(contact["taggings"]) == sorted(tags[:50])
    assert len(behind.rows("tagging")) == 50
    nothing_is_stored(alice, behind, {"first_name": "Saul", "taggings": tags}, "taggings")


def test_custom_fields_at_most_25(alice: Api, behind: Behind) -> None:
    values = [
        {"custom_field_id": new_field(alice, f"f {number}"), "value": f"v {number}"} for number in range(26)
    ]
    contact = post_contact(alice, first_name="Ruth", custom_fields=values[:25])
    assert contact["custom_fields"] == values[:25]
    assert get_contact(alice, contact["contact_id"], "custom_fields")["custom_fields"] == values[:25]
    nothing_is_stored(alice, behind, {"first_name": "Saul", "custom_fields": values}, "custom_fields")


def test_a_custom_field_value_has_at_most_255_characters(alice: Api, behind: Behind) -> None:
    field_id = new_field(alice)
    value = {"custom_field_id": field_id, "value": "ñ" * 255}
    assert post_contact(alice, first_name="Ruth", custom_fields=[value])["custom_fields"] == [value]
    longer = {"custom_field_id": field_id, "value": "ñ" * 256}
    nothing_is_stored(alice, behind, {"first_name": "Saul", "custom_fields": [longer]}, "custom_fields")


def test_a_custom_field_stands_there_once(alice: Api, behind: Behind) -> None:
    value = {"custom_field_id": new_field(alice), "value": "x"}
    nothing_is_stored(alice, behind, {"first_name": "Saul", "custom_fields": [value, value]}, "custom_fields")


def test_an_empty_custom_field_value_is_none(alice: Api) -> None:
    value = {"custom_field_id": new_field(alice), "value": ""}
    assert post_contact(alice, first_name="Ruth", custom_fields=[value])["custom_fields"] == []


def test_phone_numbers_at_most_3(alice: Api, behind: Behind) -> None:
    phones = [{"phone_number": str(number) * 25, "kind": "work"} for number in range(4)]
    contact = post_contact(alice, first_name="Ruth", phone_numbers=phones[:3])
    now = contact["created_at"]
    assert contact["phone_numbers"] == [
        {
            "phone_number_id": answered["phone_number_id"],
            **sent,
            "created_at": now,
            "updated_at": now,
            "create_source": "Account",
        }
        for sent, answered in zip(phones, contact["phone_numbers"], strict=False)
    ]
    nothing_is_stored(alice, behind, {"first_name": "Saul", "phone_numbers": phones}, "phone_numbers")
    longer = [{"phone_number": "1" * 26, "kind": "work"}]
    nothing_is_stored(alice, behind, {"first_name": "Saul", "phone_numbers": longer}, "phone_number")


@pytest.mark.parametrize("kind", ["home", "work", "mobile", "other"])
def test_kinds_of_phone_numbers(alice: Api, kind: str) -> None:
    phones = [{"phone_number": "309 555 0100", "kind": kind}]
    assert post_contact(alice, first_name="Ruth", phone_numbers=phones)["phone_numbers"][0]["kind"] == kind


def test_a_phone_number_without_a_kind_is_another_one(alice: Api) -> None:
    phones = [{"phone_number": "309 555 0100"}]
    assert post_contact(alice, first_name="Ruth", phone_numbers=phones)["phone_numbers"][0]["kind"] == "other"


def test_street_addresses_at_most_3(alice: Api, behind: Behind) -> None:
    kinds = ["home", "work", "other", "other"]
    addresses = [{"kind": kind, "city": "Peoria"} for kind in kinds]
    contact = post_contact(alice, first_name="Ruth", street_addresses=addresses[:3])
    assert [address["kind"] for address in contact["street_addresses"]] == kinds[:3]
    nothing_is_stored(
        alice, behind, {"first_name": "Saul", "street_addresses": addresses}, "street_addresses"
    )


@pytest.mark.parametrize(
    ("part", "most"), [("street", 255), ("city", 50), ("state", 50), ("postal_code", 50), ("country", 50)]
)
def test_parts_of_a_street_address(alice: Api, behind: Behind, part: str, most: int) -> None:
    address = {"kind": "home", part: "ñ" * most}
    contact = post_contact(alice, first_name="Ruth", street_addresses=[address])
    assert contact["street_addresses"][0][part] == "ñ" * most
    assert set(contact["street_addresses"][0]) == {
        "street_address_id",
        "kind",
        "created_at",
        "updated_at",
        part,
    }
    longer = [{"kind": "home", part: "ñ" * (most + 1)}]
    nothing_is_stored(alice, behind, {"first_name": "Saul", "street_addresses": longer}, part)


@pytest.mark.parametrize(
    ("state", "country", "state_name", "country_name"),
    [
        ("IL", "US", "Illinois", "United States"),
        ("il", "us", "Illinois", "United States"),
        ("IL", None, "Illinois", None),
        ("Illinois", "United States", "Illinois", "United States"),
        ("QC", "CA", "Quebec", "Canada"),
        ("BY", "DE", "BY", "Germany"),
        ("Anywhere", "Nowhere", "Anywhere", "Nowhere"),
    ],
)
def test_codes_of_places_are_stored_as_names(
    alice: Api, state: str, country: str | None, state_name: str, country_name: str | None
) -> None:
    address = {"kind": "home", "state": state, "country": country}
    (answered,) = post_contact(alice, first_name="Ruth", street_addresses=[address])["street_addresses"]
    assert (answered["state"], answered.get("country")) == (state_name, country_name)


def test_notes_at_most_150_of_2000_characters(alice: Api, behind: Behind) -> None:
    notes = [{"content": f"{number:04}" + "ñ" * 1996} for number in range(151)]
    contact = post_contact(alice, first_name="Ruth", notes=notes[:150])
    assert [note["content"] for note in contact["notes"]] == [note["content"] for note in notes[:150]]
    assert {note["created_at"] for note in contact["notes"]} == {contact["created_at"]}
    nothing_is_stored(alice, behind, {"first_name": "Saul", "notes": notes}, "notes")
    nothing_is_stored(alice, behind, {"first_name": "Saul", "notes": [{"content": "x" * 2001}]}, "notes")


@pytest.mark.parametrize(
    "reference",
    [
        {"list_memberships": [NOBODY]},
        {"taggings": [NOBODY]},
        {"custom_fields": [{"custom_field_id": NOBODY, "value": "x"}]},
    ],
    ids=lambda reference: next(iter(reference)),
)
def test_unknown_ids_are_refused_as_a_whole(alice: Api, behind: Behind, reference: dict[str, Any]) -> None:
    body = {"email_address": email("r@example.org"), "notes": [{"content": "x"}], **reference}
    nothing_is_stored(alice, behind, body, next(iter(reference)), NOBODY)


def test_one_unknown_id_beside_known_ones(alice: Api, behind: Behind) -> None:
    body = {"first_name": "Ruth", "list_memberships": [new_list(alice), NOBODY], "taggings": [new_tag(alice)]}
    nothing_is_stored(alice, behind, body, "list_memberships", NOBODY)


def test_a_deleted_list_takes_no_one(alice: Api, behind: Behind, sql: Sql) -> None:
    list_id = new_list(alice)
    sql(
        "update contact_list set deleted_at = now() where account_id = $1 and list_id = $2 returning 1",
        alice.account_id,
        UUID(list_id),
    )
    nothing_is_stored(
        alice, behind, {"first_name": "Ruth", "list_memberships": [list_id]}, "list_memberships"
    )


def test_an_id_that_comes_twice_counts_once(alice: Api, behind: Behind) -> None:
    list_id, tag_id = new_list(alice), new_tag(alice)
    body: dict[str, Any] = {"list_memberships": [list_id, list_id.upper()], "taggings": [tag_id] * 51}
    contact = post_contact(alice, first_name="Ruth", **body)
    assert (contact["list_memberships"], contact["taggings"]) == ([list_id], [tag_id])
    assert len(behind.rows("list_membership")) == 1


def test_several_problems_are_told_at_once(alice: Api) -> None:
    body = {
        "create_source": "Account",
        "first_name": "x" * 51,
        "anniversary": "soon",
        "email_address": email("x"),
    }
    refused(
        alice.post("/contacts", body),
        400,
        "first_name does not have a valid value",
        ", anniversary does not have a valid value",
        ", Email address is invalid",
    )


def test_a_field_deep_in_the_body_is_named(alice: Api) -> None:
    body = {"create_source": "Account", "first_name": "x", "phone_numbers": [{"phone_number": 7}]}
    refused(alice.post("/contacts", body), 400, "phone_numbers", "[phone_number] does not have a valid value")
    body = {"create_source": "Account", "first_name": "x", "email_address": {}}
    refused(alice.post("/contacts", body), 400, "email_address[address] is missing")
