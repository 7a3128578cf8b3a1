"""PUT /contacts/{contact_id}. V3 contract 3.6; what it does to a permission is in test_contacts_permissions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Api, Clock
from tests.v3.helpers import (
    ARRAYS,
    CORE,
    INCLUDES,
    NOBODY,
    Behind,
    email,
    get_contact,
    new_field,
    new_list,
    new_lists,
    new_tag,
    post_contact,
    put_contact,
    refused,
    sms,
)


@pytest.fixture
def ruth(alice: Api) -> Any:
    """A contact with everything that a contact can have."""
    return post_contact(
        alice,
        email_address=email("r.okafor@example.org", "explicit"),
        first_name="Ruth",
        last_name="Okafor",
        job_title="Cook",
        company_name="Kitchen",
        birthday_month=4,
        birthday_day=9,
        anniversary="2001-03-09",
        custom_fields=[{"custom_field_id": new_field(alice), "value": "x"}],
        list_memberships=[new_list(alice)],
        phone_numbers=[{"phone_number": "309 555 0100", "kind": "home"}],
        street_addresses=[{"kind": "home", "city": "Peoria"}],
        taggings=[new_tag(alice)],
        notes=[{"content": "hello"}],
        sms_channel=sms("13095550100"),
    )


def unchanged(alice: Api, behind: Behind, contact_id: str, body: dict[str, Any], *texts: str) -> None:
    """The update is refused as a whole."""
    before = behind.everything()
    refused(alice.put(f"/contacts/{contact_id}", {"update_source": "Account", **body}), 400, *texts)
    assert behind.everything() == before


def test_an_update_is_answered_and_stored_with_its_ledger(
    alice: Api, behind: Behind, clock: Clock, ruth: Any
) -> None:
    clock.move(hours=1)
    reply = alice(
        "PUT",
        f"/contacts/{ruth['contact_id']}",
        headers={"X-Request-Id": "request-8"},
        json={
            "email_address": email("r.okafor@example.org", "unsubscribed", opt_out_reason="too many"),
            "first_name": "Rachel",
            "update_source": "Contact",
        },
    )
    assert reply.status == 200
    contact = reply.json
    now = contact["updated_at"]
    assert now > ruth["updated_at"]
    assert contact == {
        "contact_id": ruth["contact_id"],
        "email_address": {
            **ruth["email_address"],
            "permission_to_send": "unsubscribed",
            "updated_at": now,
            "opt_out_source": "Contact",
            "opt_out_date": now,
            "opt_out_reason": "too many",
        },
        "first_name": "Rachel",
        "create_source": "Account",
        "update_source": "Contact",
        "created_at": ruth["created_at"],
        "updated_at": now,
    }
    row = behind.contact(ruth["contact_id"])
    assert (row["first_name"], row["last_name"], row["permission"]) == ("Rachel", None, "unsubscribed")
    event = behind.events()[-1]
    assert (event["action"], event["source"], event["reason"]) == ("changed", "Contact", "too many")
    assert (event["permission_before"], event["permission_after"]) == ("explicit", "unsubscribed")
    assert (event["operation"], event["request_id"]) == ("PUT /v3/contacts/{contact_id}", "request-8")
    assert behind.active() == [(1, 1), (-1, 0)]
    (list_id,), (tag_id,) = ruth["list_memberships"], ruth["taggings"]
    assert behind.counters() == {
        ("contacts.unsubscribed", ""): 1,
        ("list.members", list_id): 1,
        ("list.sms", list_id): 1,
        ("tag.contacts", tag_id): 1,
    }


def test_an_unknown_contact_is_not_found(alice: Api, behind: Behind) -> None:
    for contact_id in (NOBODY, "5", "not-a-uuid", NOBODY[:-1], NOBODY.replace("-", "")):
        reply = alice.put(f"/contacts/{contact_id}", {"update_source": "Account", "first_name": "Ruth"})
        refused(reply, 404)
        assert reply.json[0]["error_key"] == "contacts.api.not_found"
    assert behind.rows("contact") == []


def test_an_id_in_capitals_is_the_same_id(alice: Api, ruth: Any) -> None:
    assert put_contact(alice, ruth["contact_id"].upper(), first_name="Rachel")["first_name"] == "Rachel"


@pytest.mark.parametrize("given", [{}, {"update_source": None}])
def test_a_missing_update_source_is_told(alice: Api, ruth: Any, given: dict[str, Any]) -> None:
    reply = alice.put(f"/contacts/{ruth['contact_id']}", {"first_name": "Rachel", **given})
    refused(reply, 400, "update_source is missing, update_source does not have a valid value")


@pytest.mark.parametrize("value", ["account", "", "System", 1, []])
def test_update_source_is_contact_or_account(alice: Api, behind: Behind, ruth: Any, value: object) -> None:
    unchanged(alice, behind, ruth["contact_id"], {"update_source": value}, "update_source")


def test_omitted_core_properties_are_cleared_and_omitted_sub_resources_kept(alice: Api, ruth: Any) -> None:
    contact = put_contact(alice, ruth["contact_id"])
    assert not set(contact) & {*CORE, *INCLUDES}
    after = get_contact(alice, ruth["contact_id"], *INCLUDES)
    assert not set(after) & set(CORE)
    for name in INCLUDES:
        assert after[name] == ruth[name]
    assert after["email_address"] == ruth["email_address"]
    assert after["create_source"] == "Account"
    assert after["created_at"] == ruth["created_at"]


@pytest.mark.parametrize("name", ARRAYS)
def test_an_empty_array_clears_and_only_its_own(alice: Api, behind: Behind, ruth: Any, name: str) -> None:
    contact = put_contact(alice, ruth["contact_id"], **{name: []})
    assert contact[name] == []
    assert not (set(contact) & set(INCLUDES)) - {name}
    after = get_contact(alice, ruth["contact_id"], *INCLUDES)
    assert {each: after[each] for each in INCLUDES} == {
        each: [] if each == name else ruth[each] for each in INCLUDES
    }


def test_a_present_array_replaces(alice: Api, ruth: Any) -> None:
    given: dict[str, Any] = {
        "custom_fields": [{"custom_field_id": new_field(alice), "value": "y"}],
        "list_memberships": sorted(new_lists(alice, 2)),
        "taggings": sorted([new_tag(alice), new_tag(alice)]),
        "phone_numbers": [{"phone_number": "1", "kind": "work"}, {"phone_number": "2", "kind": "mobile"}],
        "street_addresses": [{"kind": "work", "city": "Canton"}, {"kind": "other", "city": "Pekin"}],
        "notes": [{"content": "one"}, {"content": "two"}],
    }
    contact = put_contact(alice, ruth["contact_id"], **given)
    after = get_contact(alice, ruth["contact_id"], *ARRAYS)
    for name in ARRAYS:
        assert after[name] == contact[name]
    for name in ("custom_fields", "list_memberships", "taggings"):
        assert after[name] == given[name]
    assert [phone["phone_number"] for phone in after["phone_numbers"]] == ["1", "2"]
    assert [address["city"] for address in after["street_addresses"]] == ["Canton", "Pekin"]
    assert [note["content"] for note in after["notes"]] == ["one", "two"]


def test_the_update_source_stays_until_the_next_update(alice: Api, ruth: Any) -> None:
    assert "update_source" not in ruth
    assert put_contact(alice, ruth["contact_id"], update_source="Contact")["update_source"] == "Contact"
    assert get_contact(alice, ruth["contact_id"])["update_source"] == "Contact"
    assert put_contact(alice, ruth["contact_id"], create_source="Contact")["create_source"] == "Account"


def test_a_fetched_contact_can_be_put_back_whole(alice: Api, behind: Behind, clock: Clock, ruth: Any) -> None:
    clock.move(hours=1)
    before = get_contact(alice, ruth["contact_id"], *INCLUDES)
    events = len(behind.rows("consent_event"))
    answered = put_contact(alice, ruth["contact_id"], **before)
    assert answered["updated_at"] > before["updated_at"]
    changed = {"updated_at": answered["updated_at"], "update_source": "Account"}
    channel = {**before["sms_channel"], "update_source": "Account"}
    assert answered == {**before, **changed, "sms_channel": channel}
    assert get_contact(alice, ruth["contact_id"], *INCLUDES) == answered
    assert len(behind.rows("consent_event")) == events


# --- items of arrays


def test_an_unchanged_phone_number_keeps_its_id_and_times(alice: Api, clock: Clock, ruth: Any) -> None:
    (old,) = ruth["phone_numbers"]
    clock.move(hours=1)
    contact = put_contact(
        alice,
        ruth["contact_id"],
        update_source="Contact",
        phone_numbers=[
            {"phone_number": "1", "kind": "work"},
            {"phone_number": "309 555 0100", "kind": "home"},
        ],
    )
    added, kept = contact["phone_numbers"]
    assert kept == old
    assert (added["create_source"], added["created_at"]) == ("Contact", contact["updated_at"])
    assert "update_source" not in added


def test_a_changed_phone_number_says_who_changed_it(alice: Api, clock: Clock, ruth: Any) -> None:
    (old,) = ruth["phone_numbers"]
    clock.move(hours=1)
    phones = [{"phone_number": "309 555 0199", "kind": "home"}]
    contact = put_contact(alice, ruth["contact_id"], update_source="Contact", phone_numbers=phones)
    changed = {
        "phone_number": "309 555 0199",
        "updated_at": contact["updated_at"],
        "update_source": "Contact",
    }
    assert contact["phone_numbers"] == [{**old, **changed}]


def test_a_street_address_keeps_the_id_of_its_kind(alice: Api, clock: Clock, ruth: Any) -> None:
    (old,) = ruth["street_addresses"]
    clock.move(hours=1)
    body = [{"kind": "home", "city": "Peoria"}]
    assert put_contact(alice, ruth["contact_id"], street_addresses=body)["street_addresses"] == [old]
    body = [{"kind": "home", "city": "Canton", "state": "IL"}]
    contact = put_contact(alice, ruth["contact_id"], street_addresses=body)
    changed = {"city": "Canton", "state": "Illinois", "updated_at": contact["updated_at"]}
    assert contact["street_addresses"] == [{**old, **changed}]


def test_notes_keep_their_ids_and_stand_newest_first(alice: Api, clock: Clock, ruth: Any) -> None:
    (hello,) = ruth["notes"]
    clock.move(hours=1)
    second = put_contact(alice, ruth["contact_id"], notes=[{"content": "hello"}, {"content": "newer"}])
    newer, same = second["notes"]
    assert same == hello
    assert (newer["content"], newer["created_at"]) == ("newer", second["updated_at"])
    clock.move(hours=1)
    reworded = [{"note_id": hello["note_id"], "content": "hello there"}, {"content": "newest"}]
    third = put_contact(alice, ruth["contact_id"], notes=reworded)
    assert [note["content"] for note in third["notes"]] == ["newest", "hello there"]
    assert third["notes"][1] == {**hello, "content": "hello there"}


# --- the address


def test_an_omitted_address_stays(alice: Api, behind: Behind, ruth: Any) -> None:
    contact = put_contact(alice, ruth["contact_id"], first_name="Rachel")
    assert contact["email_address"] == ruth["email_address"]
    assert len(behind.events()) == 1


def test_who_has_no_address_must_keep_a_name(alice: Api, behind: Behind) -> None:
    contact_id = post_contact(alice, first_name="Ruth")["contact_id"]
    unchanged(alice, behind, contact_id, {"job_title": "Cook"}, "email_address", "is missing")
    assert put_contact(alice, contact_id, last_name="Okafor")["last_name"] == "Okafor"


def test_a_name_gets_an_address(alice: Api, behind: Behind, clock: Clock) -> None:
    contact_id = post_contact(alice, first_name="Ruth")["contact_id"]
    clock.move(hours=1)
    contact = put_contact(alice, contact_id, email_address=email("r@example.org"))
    assert contact["email_address"] == {
        "address": "r@example.org",
        "permission_to_send": "implicit",
        **dict.fromkeys(("created_at", "updated_at", "opt_in_date"), contact["updated_at"]),
        "opt_in_source": "Account",
        "confirm_status": "off",
    }
    assert behind.moves() == [("readdressed", None, "implicit", "Account")]
    assert behind.active() == [(1, 1)]


def test_another_address_keeps_the_permission_and_gets_new_times(
    alice: Api, behind: Behind, clock: Clock, ruth: Any
) -> None:
    clock.move(hours=1)
    contact = put_contact(alice, ruth["contact_id"], email_address=email("ruth@example.org"))
    now = contact["updated_at"]
    changed = {"address": "ruth@example.org", "created_at": now, "updated_at": now}
    assert contact["email_address"] == {**ruth["email_address"], **changed}
    assert behind.moves()[-1] == ("readdressed", "explicit", "explicit", "Account")
    assert behind.active() == [(1, 1)]
    assert (
        post_contact(alice, email_address=email("r.okafor@example.org"))["contact_id"]
        != contact["contact_id"]
    )


def test_the_same_address_in_capitals_is_no_change(
    alice: Api, behind: Behind, clock: Clock, ruth: Any
) -> None:
    clock.move(hours=1)
    contact = put_contact(alice, ruth["contact_id"], email_address=email("R.Okafor@EXAMPLE.org"))
    assert contact["email_address"] == ruth["email_address"]
    assert len(behind.events()) == 1


@pytest.mark.parametrize("deleted", [False, True])
def test_an_address_of_someone_else_conflicts(
    alice: Api, behind: Behind, ruth: Any, *, deleted: bool
) -> None:
    saul = post_contact(alice, email_address=email("saul@example.org"))["contact_id"]
    if deleted:
        alice.delete(f"/contacts/{saul}")
    before = behind.everything()
    body = {"update_source": "Account", "email_address": email("Saul@Example.org"), "first_name": "Rachel"}
    reply = alice.put(f"/contacts/{ruth['contact_id']}", body)
    refused(reply, 409, "Email already exists for contact")
    assert reply.json[0]["error_message"].split()[-1] == saul
    assert behind.everything() == before


# --- what is refused is refused as a whole


@pytest.mark.parametrize(
    "body",
    [
        {"first_name": "x" * 51},
        {"birthday_month": 4},
        {"anniversary": "soon"},
        {"email_address": email("ruth")},
        {"email_address": email("ruth@example.org", "removed")},
        {"email_address": email("ruth@example.org", "unsubscribed", opt_out_reason="x" * 256)},
        {"list_memberships": [NOBODY]},
        {"list_memberships": ["x"]},
        {"taggings": [NOBODY]},
        {"custom_fields": [{"custom_field_id": NOBODY, "value": "x"}]},
        {"phone_numbers": [{"phone_number": str(number)} for number in range(4)]},
        {"street_addresses": [{"kind": "home"}] * 4},
        {"notes": [{"content": str(number)} for number in range(151)]},
        {"notes": [{"content": "x" * 2001}]},
        {"sms_channel": sms("5")},
        {"first_name": 7},
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_a_bad_update_changes_nothing(alice: Api, behind: Behind, ruth: Any, body: dict[str, Any]) -> None:
    good = {"first_name": "Rachel", "list_memberships": [], "taggings": [], "notes": [], "phone_numbers": []}
    unchanged(alice, behind, ruth["contact_id"], {**good, **body})


def test_more_than_the_maxima_change_nothing(alice: Api, behind: Behind, ruth: Any) -> None:
    lists = new_lists(alice, 51)
    tags = [new_tag(alice) for _ in range(51)]
    fields = [{"custom_field_id": new_field(alice), "value": "x"} for _ in range(26)]
    for name, items in (("list_memberships", lists), ("taggings", tags), ("custom_fields", fields)):
        unchanged(alice, behind, ruth["contact_id"], {name: items}, name)
        contact = put_contact(alice, ruth["contact_id"], **{name: items[:-1]})
        assert len(contact[name]) == len(items) - 1


def test_an_opt_out_reason_has_at_most_255_characters(alice: Api, ruth: Any) -> None:
    address = email("r.okafor@example.org", "unsubscribed", opt_out_reason="ñ" * 255)
    contact = put_contact(alice, ruth["contact_id"], email_address=address)
    assert contact["email_address"]["opt_out_reason"] == "ñ" * 255
