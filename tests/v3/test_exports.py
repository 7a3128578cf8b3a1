"""Exports: POST /activities/contact_exports and the file at GET /contact_exports/{file_export_id}."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Api, Clock
from tests.v3.bulk import Work, ended, many, person
from tests.v3.exports import TITLES, Table, addresses, exported, parsed, queued
from tests.v3.helpers import (
    NOBODY,
    email,
    get_contact,
    new_field,
    new_list,
    new_tag,
    post_contact,
    put_contact,
    refused,
    sms,
)

# Who may


def test_without_a_token(anonymous: Api) -> None:
    assert anonymous.post("/activities/contact_exports", {}).status == 401
    assert anonymous.get(f"/contact_exports/{NOBODY}").status == 401


def test_without_the_scope(alice: Api, bob: Api, work: Work) -> None:
    assert bob.post("/activities/contact_exports", {}).status == 403
    activity_id = queued(alice)
    work()
    assert bob.get(f"/contact_exports/{activity_id}").status == 403


def test_an_export_is_its_accounts_alone(alice: Api, charlie: Api, work: Work) -> None:
    person(alice, "ann")
    activity_id = queued(alice)
    work()
    reply = charlie.get(f"/contact_exports/{activity_id}")
    refused(reply, 404, f"no export has the id {activity_id}")
    refused(charlie.get(f"/contact_exports/{NOBODY}"), 404, f"no export has the id {NOBODY}")
    assert parsed(alice.get(f"/contact_exports/{activity_id}")).column("Email address") == ["ann@example.org"]


def test_contacts_lists_and_tags_of_another_account(alice: Api, charlie: Api, work: Work) -> None:
    list_id, tag_id = new_list(alice), new_tag(alice)
    ann = person(alice, "ann", list_memberships=[list_id], taggings=[tag_id])
    person(charlie, "cleo")
    assert addresses(charlie, work, contact_ids=[ann]) == []
    assert addresses(charlie, work) == ["cleo"]
    for body, text in (
        ({"list_ids": [list_id]}, f"list_ids does not have a valid value: no list has the id {list_id}"),
        ({"tag_ids": [tag_id]}, f"tag_ids does not have a valid value: no tag has the id {tag_id}"),
        ({"fields": [new_field(alice, "Size")]}, "fields does not have a valid value"),
        ({"fields": ["cf:size"]}, "fields does not have a valid value"),
    ):
        refused(charlie.post("/activities/contact_exports", body), 400, text)


# The activity and the file


def test_the_activity(alice: Api, work: Work) -> None:
    person(alice, "ann")
    person(alice, "bea")
    made = alice.post("/activities/contact_exports", {})
    assert made.status == 201
    activity_id = made.json["activity_id"]
    links = {
        "self": {"href": f"/v3/activities/{activity_id}"},
        "results": {"href": f"/v3/contact_exports/{activity_id}"},
    }
    assert made.json["_links"] == links
    assert (made.json["state"], made.json["percent_done"], made.json["status"]) == ("initialized", 1, {})
    work()
    done = ended(alice, activity_id)
    assert done["_links"] == links
    assert done["percent_done"] == 100
    assert done["status"] == {"items_total_count": 2, "items_completed_count": 2}
    assert alice.get("/activities").json["activities"][0]["_links"] == links
    assert alice("GET", done["_links"]["results"]["href"]).status == 200


def test_the_answer_is_an_attachment(alice: Api, work: Work) -> None:
    person(alice, "ann")
    activity_id = queued(alice)
    work()
    reply = alice.get(f"/contact_exports/{activity_id}")
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.headers["content-disposition"] == f'attachment; filename="contacts-{activity_id}.csv"'
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-length"] == str(len(reply.body))


def test_an_account_without_contacts_gives_the_titles_alone(alice: Api, work: Work) -> None:
    assert exported(alice, work) == Table(TITLES, [])


def test_a_contact_with_everything(alice: Api, work: Work) -> None:
    news, offers = new_list(alice, "News"), new_list(alice, "Offers")
    tags = [new_tag(alice, "vip"), new_tag(alice, "fair")]
    field = new_field(alice, "Shoe size")
    made = post_contact(
        alice,
        email_address=email("Ann@Example.org", "explicit"),
        first_name="Ann",
        last_name="Álvarez",
        job_title="Baker",
        company_name="Old Mill",
        birthday_month=2,
        birthday_day=29,
        anniversary="2015-06-07",
        create_source="Account",
        custom_fields=[{"custom_field_id": field, "value": "44"}],
        phone_numbers=[
            {"phone_number": "1", "kind": "home"},
            {"phone_number": "2", "kind": "mobile"},
            {"phone_number": "3", "kind": "home"},
        ],
        street_addresses=[
            {
                "kind": "home",
                "street": "1 High St, flat 2",
                "city": "Peoria",
                "state": "IL",
                "postal_code": "61602",
            },
            {"kind": "work", "street": "2 Low St", "country": "FR"},
            {"kind": "other", "city": "Lyon"},
        ],
        list_memberships=[news, offers],
        taggings=tags,
        notes=[{"content": "called"}],
        sms_channel=sms("13095550100"),
    )
    put_contact(
        alice,
        made["contact_id"],
        email_address=email("ann@example.org", "unsubscribed", opt_out_reason="moved"),
        **{
            name: made[name]
            for name in "first_name last_name job_title company_name birthday_month birthday_day anniversary".split()
        },
    )
    now = get_contact(alice, made["contact_id"], "sms_channel")
    table = exported(alice, work)
    assert table.titles == [*TITLES, "Shoe size"]
    (row,) = table.rows
    assert row == {
        **dict.fromkeys(TITLES, ""),
        "Email address": "ann@example.org",
        "Email status": "Unsubscribed",
        "Email permission status": "Unsubscribed",
        "Email opt-in source": now["email_address"]["opt_in_source"],
        "Email opt-in date": now["email_address"]["opt_in_date"],
        "Email opt-out source": "Account",
        "Email opt-out date": now["email_address"]["opt_out_date"],
        "Email opt-out reason": "moved",
        "First name": "Ann",
        "Last name": "Álvarez",
        "Company": "Old Mill",
        "Job title": "Baker",
        "Phone - home": "1, 3",
        "Phone - mobile": "2",
        "Street address line 1 - Home": "1 High St, flat 2",
        "City - Home": "Peoria",
        "State/Province - Home": "Illinois",
        "Zip/Postal Code - Home": "61602",
        "Street address line 1 - Work": "2 Low St",
        "Country - Work": "France",
        "City - Other": "Lyon",
        "Tags": "vip, fair",
        "Email Lists": "News, Offers",
        "Source Name": "Account",
        "Created At": now["created_at"],
        "Updated At": now["updated_at"],
        "Birthday": "02/29",
        "birthday_day": "29",
        "birthday_month": "2",
        "Anniversary": "2015-06-07",
        "Notes": "called",
        "sms_number": "+13095550100",
        "sms_consent_date": now["sms_channel"]["sms_channel_consents"][0]["opt_in_date"][:10],
        "sms_status": "Explicit",
        "Shoe size": "44",
    }


def test_a_contact_with_a_number_and_no_address(alice: Api, work: Work) -> None:
    post_contact(alice, sms_channel=sms("447400123456", "unsubscribed"))
    (row,) = exported(alice, work).rows
    filled = {title: value for title, value in row.items() if value}
    assert filled.keys() == {"Source Name", "Created At", "Updated At", "sms_number", "sms_status"}
    assert (row["sms_number"], row["sms_status"]) == ("+447400123456", "Unsubscribed")


@pytest.mark.parametrize(
    ("permission", "status", "permission_status"),
    [
        ("explicit", "Active", "Explicit"),
        ("implicit", "Active", "Implicit"),
        ("not_set", "Not set", "Not set"),
        ("pending_confirmation", "Awaiting confirmation", "Pending confirmation"),
        ("temp_hold", "Temporary hold", "Temporary hold"),
        ("unsubscribed", "Unsubscribed", "Unsubscribed"),
    ],
)
def test_what_a_permission_is_called(
    alice: Api, work: Work, permission: str, status: str, permission_status: str
) -> None:
    contact_id = person(alice, "ann", permission)
    (row,) = exported(alice, work).rows
    assert (row["Email status"], row["Email permission status"]) == (status, permission_status)
    alice.delete(f"/contacts/{contact_id}")
    (row,) = exported(alice, work, status="removed").rows
    assert (row["Email status"], row["Email permission status"]) == ("Removed", permission_status)


def test_the_file_is_exact_utf_8_csv(alice: Api, work: Work) -> None:
    for first, note in (
        ('Ann "the" Ace, Jr.', 'one\ntwo\r\nthree, "four"'),
        ("=1+1", "\tnaïve 日本語 🦉 \N{COMBINING ACUTE ACCENT}"),
        ("@SUM(A1)", "-2"),
    ):
        post_contact(alice, first_name=first, last_name="x", notes=[{"content": note}])
    activity_id = queued(alice, fields=["notes", "first_name"])
    work()
    assert alice.get(f"/contact_exports/{activity_id}").body.decode() == (
        "First name,Notes\r\n"
        '"Ann ""the"" Ace, Jr.","one\ntwo\r\nthree, ""four"""\r\n'
        "=1+1,\tnaïve 日本語 🦉 \N{COMBINING ACUTE ACCENT}\r\n"
        "@SUM(A1),-2\r\n"
    )


# Which contacts


@pytest.fixture
def cast(alice: Api, clock: Clock) -> dict[str, str]:
    """Contacts of every kind: a list and a tag have some of them."""
    made = {"news": new_list(alice), "empty": new_list(alice), "vip": new_tag(alice)}
    on = {"list_memberships": [made["news"]], "taggings": [made["vip"]]}
    clock.move(days=-40)
    made["old"] = person(alice, "old", "explicit", **on)
    clock.move(days=40)
    made["new"] = person(alice, "new", "implicit", **on)
    made["off"] = person(alice, "off", "explicit")
    made["held"] = person(alice, "held", "temp_hold", **on)
    made["out"] = person(alice, "out", "explicit", taggings=[made["vip"]])
    put_contact(alice, made["out"], email_address=email("out@example.org", "unsubscribed"))
    made["gone"] = person(alice, "gone", "explicit", **on)
    alice.delete(f"/contacts/{made['gone']}")
    return made


ALL = ["held", "new", "off", "old", "out"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ALL),
        ({"contact_ids": None, "status": None, "exclude": None, "new_subscriber": False}, ALL),
        ({"unknown": 1}, ALL),
        ({"status": "active"}, ["new", "off", "old"]),
        ({"all_active_contacts": True}, ["new", "off", "old"]),
        ({"status": "unsubscribed"}, ["out"]),
        ({"status": "removed"}, ["gone"]),
        ({"status": "deleted"}, ["gone"]),
        ({"contact_ids": ["new", "gone", "out", "nobody"]}, ["new", "out"]),
        ({"contact_ids": ["new", "gone", "out"], "status": "removed"}, ["gone"]),
        ({"contact_ids": ["new", "gone", "out"], "status": "active"}, ["new"]),
        ({"list_ids": ["news"]}, ["held", "new", "old"]),
        ({"list_ids": ["news", "empty"]}, ["held", "new", "old"]),
        ({"list_ids": ["empty"]}, []),
        ({"list_ids": ["news"], "status": "active"}, ["new", "old"]),
        ({"list_ids": ["news"], "exclude": {"contact_ids": ["new", "off"]}}, ["held", "old"]),
        ({"tag_ids": ["vip"]}, ["held", "new", "old", "out"]),
        ({"new_subscriber": True}, ["new", "off"]),
        ({"new_subscriber": True, "list_ids": ["news"]}, ["new"]),
        ({"new_subscriber": True, "exclude": {"contact_ids": ["new"]}}, ["off"]),
        ({"new_subscriber": True, "list_ids": ["news"], "exclude": {"contact_ids": ["new"]}}, []),
        ({"exclude": {"contact_ids": ["new", "held"]}}, ["off", "old", "out"]),
        ({"exclude": {"contact_ids": []}}, ALL),
        ({"list_ids": ["news"], "contact_ids": []}, ["held", "new", "old"]),
    ],
)
def test_which_contacts(
    alice: Api, work: Work, cast: dict[str, str], body: dict[str, Any], expected: list[str]
) -> None:
    def named(value: Any) -> Any:
        if isinstance(value, list):
            return [cast.get(one, NOBODY) for one in value]
        return {key: named(one) for key, one in value.items()} if isinstance(value, dict) else value

    activity_id = queued(alice, **{**named(body), "fields": ["email_address"]})
    work()
    rows = parsed(alice.get(f"/contact_exports/{activity_id}")).column("Email address")
    assert sorted(address.partition("@")[0] for address in rows) == expected
    counts = dict.fromkeys(("items_total_count", "items_completed_count"), len(expected))
    assert ended(alice, activity_id)["status"] == counts


ONES: dict[str, Any] = {
    "contact_ids": [NOBODY],
    "list_ids": [NOBODY],
    "tag_ids": [NOBODY],
    "new_subscriber": True,
    "all_active_contacts": True,
    "status": "active",
    "exclude": {"contact_ids": [NOBODY]},
}
TOGETHER = [
    {"contact_ids", "status"},
    {"list_ids", "status"},
    {"list_ids", "exclude"},
    {"new_subscriber", "list_ids"},
    {"new_subscriber", "exclude"},
]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (one, other)
        for number, one in enumerate(ONES)
        for other in list(ONES)[number + 1 :]
        if {one, other} not in TOGETHER
    ],
)
def test_what_does_not_go_together(alice: Api, one: str, other: str) -> None:
    reply = alice.post("/activities/contact_exports", {one: ONES[one], other: ONES[other]})
    refused(reply, 400, f"{one}, {other} are mutually exclusive")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"segment_id": 1}, "segment_id does not have a valid value"),
        ({"segment_id": 0}, "segment_id does not have a valid value"),
        ({"status": "all"}, "status does not have a valid value"),
        ({"status": ""}, "status does not have a valid value"),
        ({"contact_ids": many(501)}, "contact_ids does not have a valid value: at most 500"),
        ({"list_ids": many(51)}, "list_ids does not have a valid value: at most 50"),
        ({"tag_ids": many(51)}, "tag_ids does not have a valid value: at most 50"),
        (
            {"exclude": {"contact_ids": many(51)}},
            "exclude[contact_ids] does not have a valid value: at most 50",
        ),
        ({"list_ids": [NOBODY]}, f"list_ids does not have a valid value: no list has the id {NOBODY}"),
        ({"tag_ids": [NOBODY]}, f"tag_ids does not have a valid value: no tag has the id {NOBODY}"),
        ({"contact_ids": []}, "contact_ids does not have a valid value: it is empty"),
        ({"list_ids": []}, "list_ids does not have a valid value: it is empty"),
        ({"tag_ids": []}, "tag_ids does not have a valid value: it is empty"),
        ({"contact_ids": ["x"]}, "contact_ids"),
        ({"new_subscriber": "yes"}, "new_subscriber"),
        ({"fields": "first_name"}, "fields"),
        ([], "the body"),
    ],
)
def test_bodies_that_are_refused(alice: Api, body: Any, text: str) -> None:
    refused(alice.post("/activities/contact_exports", body), 400, text)
    assert alice.get("/activities").json["activities"] == []


def test_as_many_as_may_be(alice: Api, work: Work) -> None:
    ann = person(alice, "ann")
    assert addresses(alice, work, contact_ids=[ann, *many(499)]) == ["ann"]
    assert addresses(alice, work, exclude={"contact_ids": many(50)}) == ["ann"]
