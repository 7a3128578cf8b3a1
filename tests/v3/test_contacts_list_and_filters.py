"""GET /contacts, /contacts/{contact_id}, /contacts/counts and /contacts/contact_id_xrefs. V3 contract 3.8."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from tests.conftest import Api, Clock, Sql
from tests.v3.helpers import (
    ARRAYS,
    INCLUDES,
    NOBODY,
    Behind,
    email,
    found,
    get_contact,
    ids,
    new_field,
    new_list,
    new_lists,
    new_tag,
    post_contact,
    put_contact,
    refused,
    sms,
)

# --- one contact


def test_get_by_id(alice: Api) -> None:
    ruth = post_contact(alice, email_address=email("r@example.org"), first_name="Ruth")
    assert get_contact(alice, ruth["contact_id"]) == ruth


@pytest.mark.parametrize("contact_id", [NOBODY, "5", "x", NOBODY + "0", "{" + NOBODY + "}"])
def test_what_is_no_contact_is_not_found(alice: Api, contact_id: str) -> None:
    reply = alice.get(f"/contacts/{contact_id}")
    refused(reply, 404, "" if contact_id == NOBODY else "contact_id is in an invalid format")
    assert reply.json[0]["error_key"] == "contacts.api.not_found"


def test_a_deleted_contact_is_found_by_id(alice: Api) -> None:
    ruth = post_contact(alice, first_name="Ruth")["contact_id"]
    alice.delete(f"/contacts/{ruth}")
    contact = get_contact(alice, ruth, "list_memberships")
    assert len(contact["deleted_at"]) == 10
    assert contact["list_memberships"] == []


@pytest.mark.parametrize("name", INCLUDES)
def test_each_sub_resource_is_there_when_asked_for(alice: Api, name: str) -> None:
    given: dict[str, Any] = {
        "custom_fields": [{"custom_field_id": new_field(alice), "value": "x"}],
        "list_memberships": [new_list(alice)],
        "phone_numbers": [{"phone_number": "1", "kind": "home"}],
        "street_addresses": [{"kind": "home", "city": "Peoria"}],
        "taggings": [new_tag(alice)],
        "notes": [{"content": "hello"}],
        "sms_channel": sms("13095550100"),
    }
    ruth = post_contact(alice, first_name="Ruth", **given)
    contact = get_contact(alice, ruth["contact_id"], name)
    assert set(contact) & set(INCLUDES) == {name}
    assert contact[name] == ruth[name]
    (listed,) = alice.get("/contacts", include=name).json["contacts"]
    assert listed == contact


def test_a_sub_resource_that_is_empty_is_an_empty_array(alice: Api) -> None:
    ruth = post_contact(alice, first_name="Ruth")
    contact = get_contact(alice, ruth["contact_id"], *INCLUDES)
    assert {name: contact[name] for name in ARRAYS} == {name: [] for name in ARRAYS}
    assert "sms_channel" not in contact
    assert not set(get_contact(alice, ruth["contact_id"])) & set(INCLUDES)


@pytest.mark.parametrize("include", ["everything", "notes,everything", "Notes", ","])
def test_what_cannot_be_included(alice: Api, include: str) -> None:
    ruth = post_contact(alice, first_name="Ruth")["contact_id"]
    refused(alice.get(f"/contacts/{ruth}", include=include), 400, "include")
    refused(alice.get("/contacts", include=include), 400, "include")


# --- the collection


def test_no_contacts_are_an_empty_array(alice: Api) -> None:
    assert alice.get("/contacts").json == {"contacts": []}
    assert alice.get("/contacts", include_count="true").json == {"contacts": [], "contacts_count": 0}


def test_pages(alice: Api) -> None:
    expected = [post_contact(alice, first_name=str(number))["contact_id"] for number in range(7)]
    replies = list(alice.pages("/contacts", limit=3, include_count="true"))
    assert [len(reply.json["contacts"]) for reply in replies] == [3, 3, 1]
    assert [one for reply in replies for one in ids(reply.json["contacts"])] == expected
    assert all(list(reply.json)[:2] == ["contacts", "contacts_count"] for reply in replies)
    assert {reply.json["contacts_count"] for reply in replies} == {7}
    assert "_links" not in replies[-1].json
    assert replies[0].json["_links"]["next"]["href"].startswith("/v3/contacts?cursor=")
    assert len(alice.get("/contacts", limit=7).json) == 1


def test_a_page_has_50_contacts_unless_told(alice: Api) -> None:
    for number in range(51):
        post_contact(alice, first_name=str(number))
    first = alice.get("/contacts").json
    assert len(first["contacts"]) == 50
    assert len(alice("GET", first["_links"]["next"]["href"]).json["contacts"]) == 1
    assert len(alice.get("/contacts", limit=500).json["contacts"]) == 51


@pytest.mark.parametrize("limit", ["0", "501", "-1", "1.5", "ten", "1e2", " 5", "٣", "9" * 30])
def test_limits_that_are_refused(alice: Api, limit: str) -> None:
    refused(alice.get("/contacts", limit=limit), 400, "limit does not have a valid value")


@pytest.mark.parametrize("limit", ["1", "500", ""])
def test_limits_that_pass(alice: Api, limit: str) -> None:
    assert alice.get("/contacts", limit=limit).status == 200


@pytest.mark.parametrize(
    ("text", "counted"),
    [("true", True), ("false", False), ("1", True), ("0", False), ("TRUE", True), ("", False)],
)
def test_include_count(alice: Api, text: str, *, counted: bool) -> None:
    assert ("contacts_count" in alice.get("/contacts", include_count=text).json) == counted


@pytest.mark.parametrize("text", ["yes", "2", "null", "on"])
def test_what_is_no_boolean(alice: Api, text: str) -> None:
    refused(alice.get("/contacts", include_count=text), 400, "include_count does not have a valid value")


def test_a_cursor_alone_works_and_carries_filters_and_shape(alice: Api) -> None:
    list_id = new_list(alice)
    on = [post_contact(alice, first_name=str(n), list_memberships=[list_id])["contact_id"] for n in range(3)]
    post_contact(alice, first_name="elsewhere")
    params = {"lists": list_id, "limit": 1, "include": "list_memberships", "include_count": "true"}
    replies = list(alice.pages("/contacts", **params))
    assert [ids(reply.json["contacts"]) for reply in replies] == [[one] for one in on]
    assert {reply.json["contacts_count"] for reply in replies} == {3}
    assert all("list_memberships" in reply.json["contacts"][0] for reply in replies)


def test_a_cursor_with_its_parameters_sent_again_works(alice: Api) -> None:
    list_id = new_list(alice)
    on = [post_contact(alice, first_name=str(n), list_memberships=[list_id])["contact_id"] for n in range(3)]
    params: dict[str, Any] = {"lists": list_id, "limit": 1, "include": "notes", "status": "all"}
    first = alice.get("/contacts", **params).json
    cursor = first["_links"]["next"]["href"].partition("cursor=")[2]
    again = alice.get("/contacts", cursor=cursor, **params).json
    assert ids(again["contacts"]) == [on[1]]
    # What shapes a page may differ.
    reshaped = alice.get("/contacts", cursor=cursor, limit=2, include="taggings", include_count="true").json
    assert ids(reshaped["contacts"]) == on[1:]
    assert reshaped["contacts_count"] == 3
    assert "taggings" in reshaped["contacts"][0]
    assert "notes" not in reshaped["contacts"][0]


def test_a_page_goes_on_where_it_was_when_contacts_come_and_go(alice: Api) -> None:
    contacts = [post_contact(alice, first_name=str(n))["contact_id"] for n in range(5)]
    first = alice.get("/contacts", limit=2).json
    alice.delete(f"/contacts/{contacts[2]}")  # the very first of the next page
    added = post_contact(alice, first_name="new")["contact_id"]
    second = alice("GET", first["_links"]["next"]["href"]).json
    assert ids(second["contacts"]) == contacts[3:]
    assert ids(alice("GET", second["_links"]["next"]["href"]).json["contacts"]) == [added]


# --- filters


@pytest.fixture
def people(alice: Api) -> dict[str, str]:
    """A contact of each state: its id by the state's name."""
    made = {
        state: post_contact(alice, email_address=email(f"{state}@example.org", state))["contact_id"]
        for state in ("explicit", "implicit", "not_set", "pending_confirmation", "temp_hold", "unsubscribed")
    }
    made["none"] = post_contact(alice, first_name="Ruth")["contact_id"]
    made["deleted"] = post_contact(alice, email_address=email("gone@example.org"))["contact_id"]
    alice.delete(f"/contacts/{made['deleted']}")
    return made


LIVE = ("explicit", "implicit", "not_set", "pending_confirmation", "temp_hold", "unsubscribed", "none")
BY_STATUS = {
    "": LIVE,
    "all": (*LIVE, "deleted"),
    "active": ("explicit", "implicit"),
    "deleted": ("deleted",),
    "not_set": ("not_set",),
    "pending_confirmation": ("pending_confirmation",),
    "temp_hold": ("temp_hold",),
    "unsubscribed": ("unsubscribed",),
    "active,unsubscribed": ("explicit", "implicit", "unsubscribed"),
    "deleted,temp_hold": ("temp_hold", "deleted"),
    "unsubscribed, not_set": ("not_set", "unsubscribed"),
    "all,deleted": (*LIVE, "deleted"),
}


@pytest.mark.parametrize("status", BY_STATUS)
def test_status(alice: Api, people: dict[str, str], status: str) -> None:
    assert found(alice, status=status, limit=2) == [people[name] for name in BY_STATUS[status]]
    counted = alice.get("/contacts", status=status, include_count="1", limit=1).json
    assert counted["contacts_count"] == len(BY_STATUS[status])


@pytest.mark.parametrize("status", ["explicit", "implicit", "Active", "removed", "active;deleted", ","])
def test_what_is_no_status(alice: Api, status: str) -> None:
    refused(alice.get("/contacts", status=status), 400, "status does not have a valid value")


def test_email(alice: Api, people: dict[str, str]) -> None:
    assert found(alice, email="explicit@example.org") == [people["explicit"]]
    assert found(alice, email="EXPLICIT@Example.org") == [people["explicit"]]
    assert found(alice, email="explicit@example.or") == []
    assert found(alice, email="explicit") == []
    assert found(alice, email="%@example.org") == []
    assert found(alice, email="") == [people[name] for name in LIVE]
    assert alice.get("/contacts", email="nobody@example.org").json == {"contacts": []}


def test_the_address_of_a_deleted_contact_follows_the_status(alice: Api, people: dict[str, str]) -> None:
    assert found(alice, email="gone@example.org") == []
    assert found(alice, email="gone@example.org", status="active") == []
    assert found(alice, email="gone@example.org", status="all") == [people["deleted"]]
    assert found(alice, email="gone@example.org", status="deleted") == [people["deleted"]]
    counted = alice.get("/contacts", email="gone@example.org", include_count="true").json
    assert counted["contacts_count"] == 0


def test_lists_and_tags_are_any_of_these(alice: Api) -> None:
    a, b, c = new_lists(alice, 3)
    x, y = new_tag(alice), new_tag(alice)
    first = post_contact(alice, first_name="1", list_memberships=[a, b], taggings=[x])["contact_id"]
    second = post_contact(alice, first_name="2", list_memberships=[b], taggings=[x, y])["contact_id"]
    third = post_contact(alice, first_name="3", taggings=[y])["contact_id"]
    assert found(alice, lists=a) == [first]
    assert found(alice, lists=b) == [first, second]
    assert found(alice, lists=f"{a},{b}") == [first, second]
    assert found(alice, lists=f"{a}, {b.upper()}", limit=1) == [first, second]
    assert found(alice, lists=c) == found(alice, lists=NOBODY) == []
    assert found(alice, tags=x) == [first, second]
    assert found(alice, tags=y) == [second, third]
    assert found(alice, tags=f"{x},{y}", limit=1) == [first, second, third]
    assert found(alice, lists=b, tags=y) == [second]
    for params, count in (({"lists": b}, 2), ({"tags": f"{x},{y}"}, 3), ({"lists": b, "tags": y}, 1)):
        assert alice.get("/contacts", include_count="true", **params).json["contacts_count"] == count
    assert alice.get("/contacts", include_count="true", tags=x).json["contacts_count"] == 2
    put_contact(alice, second, email_address=email("r@example.org", "unsubscribed"))
    assert found(alice, lists=b, status="active") == []
    alice.delete(f"/contacts/{second}")
    assert found(alice, tags=x) == [first]
    assert found(alice, tags=x, status="all") == [first, second]


def test_comma_lists_may_be_percent_encoded(alice: Api) -> None:
    a, b = new_lists(alice, 2)
    on = [post_contact(alice, first_name="r", list_memberships=[list_id])["contact_id"] for list_id in (a, b)]
    for comma in (",", "%2C", "%2c"):
        reply = alice("GET", f"/contacts?lists={a}{comma}{b}&status=active{comma}all")
        assert ids(reply.json["contacts"]) == on


@pytest.mark.parametrize(("name", "most"), [("lists", 25), ("tags", 50)])
def test_as_many_lists_or_tags_as_may_be(alice: Api, name: str, most: int) -> None:
    some = [str(UUID(int=number)) for number in range(1, most + 2)]
    assert alice.get("/contacts", **{name: ",".join(some[:most])}).status == 200
    refused(alice.get("/contacts", **{name: ",".join(some)}), 400, f"{name} does not have a valid value")
    refused(alice.get("/contacts", **{name: "x"}), 400, f"{name} does not have a valid value")
    refused(alice.get("/contacts", **{name: f"{some[0]},"}), 400, f"{name} does not have a valid value")


def test_times(alice: Api, clock: Clock) -> None:
    """Three contacts a day apart; the first is changed on the fourth day, the second unsubscribed."""
    days: list[datetime] = []
    made: list[str] = []
    for number in range(3):
        address = email(f"{number}@example.org", "explicit")
        made.append(post_contact(alice, email_address=address, first_name=str(number))["contact_id"])
        clock.move(hours=12)
        days.append(clock())
        clock.move(hours=12)
    put_contact(alice, made[0], first_name="changed")
    clock.move(hours=12)
    days.append(clock())
    put_contact(alice, made[1], email_address=email("1@example.org", "unsubscribed"))
    first, second, third = made

    def at(day: int) -> str:
        return days[day].strftime("%Y-%m-%dT%H:%M:%SZ")

    assert found(alice, created_after=at(0)) == [second, third]
    assert found(alice, created_before=at(0)) == [first]
    assert found(alice, created_after=at(0), created_before=at(1)) == [second]
    assert found(alice, updated_after=at(2)) == [first, second]
    assert found(alice, updated_before=at(2)) == [third]
    assert found(alice, updated_after=at(2), updated_before=at(3)) == [first]
    assert found(alice, optout_after=at(2)) == [second]
    assert found(alice, optout_before=at(2)) == []
    assert found(alice, optout_after=at(2), optout_before=at(2)) == []
    counted = alice.get("/contacts", include_count="true", created_after=at(0), limit=1).json
    assert counted["contacts_count"] == 2
    clock.move(hours=1)
    alice.delete(f"/contacts/{third}")
    assert found(alice, updated_after=at(3)) == [second]
    assert found(alice, updated_after=at(3), status="all") == [second, third]


@pytest.mark.parametrize(
    "spelling",
    [
        lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.") + "091Z",
        lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        lambda at: at.strftime("%Y-%m-%dT%H:%M:%S+00:00"),
        lambda at: at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.%f+0000"),
        lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        lambda at: at.strftime("%Y-%m-%dT%H:%M:%S"),
        lambda at: at.astimezone(timezone(timedelta(hours=-5))).strftime("%Y-%m-%dT%H:%M:%S-05:00"),
        lambda at: at.astimezone(timezone(timedelta(hours=2))).strftime("%Y-%m-%d %H:%M:%S +0200"),
    ],
)
@pytest.mark.parametrize("plus", ["+", "%2B"])
def test_spellings_of_a_time(alice: Api, clock: Clock, spelling: Any, plus: str) -> None:
    """A plus that the client does not encode arrives as a blank."""
    first = post_contact(alice, first_name="1")["contact_id"]
    clock.move(minutes=1)
    text = quote(spelling(clock()), safe=":+").replace("+", plus)
    clock.move(minutes=1)
    second = post_contact(alice, first_name="2")["contact_id"]
    assert ids(alice("GET", f"/contacts?created_after={text}").json["contacts"]) == [second]
    assert ids(alice("GET", f"/contacts?created_before={text}").json["contacts"]) == [first]


def test_a_day_is_its_first_moment(alice: Api) -> None:
    today = datetime.now(UTC).date()
    ruth = post_contact(alice, first_name="Ruth")["contact_id"]
    assert found(alice, created_after=today.isoformat()) == [ruth]
    assert found(alice, created_after=(today + timedelta(days=2)).isoformat()) == []


TIMES = (
    "updated_after",
    "updated_before",
    "created_after",
    "created_before",
    "optout_after",
    "optout_before",
)


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("text", ["soon", "2022-13-01", "2022-01-01T25:00:00Z", "1640995200", "01/02/2022"])
def test_what_is_no_time(alice: Api, name: str, text: str) -> None:
    refused(alice.get("/contacts", **{name: text}), 400, f"{name} does not have a valid value")


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_the_first_and_the_last_moment(alice: Api, text: str) -> None:
    ruth = post_contact(alice, first_name="Ruth")["contact_id"]
    assert (found(alice, created_after=text) == [ruth]) == text.startswith("0")


def test_sms_status(alice: Api) -> None:
    post_contact(alice, first_name="without")
    permissions = ("explicit", "unsubscribed", "pending_confirmation", "not_set")
    made = {
        permission: post_contact(alice, sms_channel=sms(f"1309555010{n}", permission))["contact_id"]
        for n, permission in enumerate(permissions)
    }
    for permission, contact_id in made.items():
        assert found(alice, sms_status=permission) == [contact_id]
    assert found(alice, sms_status="all") == list(made.values())
    assert found(alice, sms_status="explicit,unsubscribed") == list(made.values())[:2]
    assert alice.get("/contacts", sms_status="all", include_count="true").json["contacts_count"] == 4
    alice.delete(f"/contacts/{made['explicit']}")
    assert found(alice, sms_status="explicit") == []
    assert found(alice, sms_status="explicit", status="all") == [made["explicit"]]
    refused(alice.get("/contacts", sms_status="implicit"), 400, "sms_status does not have a valid value")


def test_filters_are_joined_by_and(alice: Api, people: dict[str, str]) -> None:
    list_id = new_list(alice)
    put_contact(alice, people["explicit"], list_memberships=[list_id])
    put_contact(alice, people["unsubscribed"], list_memberships=[list_id])
    assert found(alice, lists=list_id) == [people["explicit"], people["unsubscribed"]]
    assert found(alice, lists=list_id, status="active") == [people["explicit"]]
    assert found(alice, lists=list_id, email="unsubscribed@example.org") == [people["unsubscribed"]]
    assert found(alice, lists=list_id, email="unsubscribed@example.org", status="active") == []
    counted = alice.get("/contacts", lists=list_id, status="active", include_count="true").json
    assert counted["contacts_count"] == 1


def test_every_filter_at_once(alice: Api, clock: Clock) -> None:
    list_id, tag_id = new_list(alice), new_tag(alice)
    address = email("r@example.org", "unsubscribed")
    channel = sms("13095550100")
    ruth = post_contact(
        alice, email_address=address, sms_channel=channel, list_memberships=[list_id], taggings=[tag_id]
    )["contact_id"]
    clock.move(days=1)
    after, before = "2000-01-01", clock().isoformat()
    params = {
        **{name: after if name.endswith("after") else before for name in TIMES},
        "status": "unsubscribed,temp_hold",
        "email": "r@example.org",
        "lists": f"{list_id},{NOBODY}",
        "tags": f"{tag_id},{NOBODY}",
        "sms_status": "explicit,not_set",
        "include": ",".join(INCLUDES),
        "include_count": "true",
        "limit": 1,
    }
    reply = alice.get("/contacts", **params).json
    assert (ids(reply["contacts"]), reply["contacts_count"]) == ([ruth], 1)
    for name in TIMES:
        wrong = before if name.endswith("after") else after
        assert found(alice, **{**params, name: wrong}) == []


def test_an_unknown_parameter_is_ignored(alice: Api) -> None:
    ruth = post_contact(alice, first_name="Ruth")["contact_id"]
    assert found(alice, colour="red") == [ruth]


# --- counts


def test_counts(alice: Api, people: dict[str, str]) -> None:
    expected = {"total": 7, "explicit": 1, "implicit": 1, "pending": 1, "unsubscribed": 1}
    assert alice.get("/contacts/counts").json == expected
    alice.delete(f"/contacts/{people['explicit']}")
    put_contact(alice, people["deleted"])
    expected = {"total": 7, "explicit": 0, "implicit": 2, "pending": 1, "unsubscribed": 1}
    assert alice.get("/contacts/counts").json == expected


def test_counts_of_nobody(alice: Api) -> None:
    names = ("total", "explicit", "implicit", "pending", "unsubscribed")
    assert alice.get("/contacts/counts").json == dict.fromkeys(names, 0)


@pytest.mark.parametrize("word", ["new_subscriber", "new_subscribers"])
def test_new_subscribers_opted_in_within_30_days(alice: Api, clock: Clock, word: str) -> None:
    for number, permission in enumerate(("explicit", "implicit", "unsubscribed", "not_set")):
        post_contact(alice, email_address=email(f"{number}@example.org", permission))
    counted = alice.get("/contacts/counts", include=word).json
    assert (counted["total"], counted["new_subscriber"]) == (4, 2)
    clock.move(days=29)
    post_contact(alice, create_source="Contact", email_address=email("new@example.org"))
    assert alice.get("/contacts/counts", include=word).json["new_subscriber"] == 3
    clock.move(days=2)
    assert alice.get("/contacts/counts", include=word).json["new_subscriber"] == 1


def test_counts_includes_nothing_else(alice: Api) -> None:
    refused(alice.get("/contacts/counts", include="deleted"), 400, "include does not have a valid value")


# --- V2 ids


def test_contact_id_xrefs(alice: Api, behind: Behind) -> None:
    for number in range(3):
        post_contact(alice, first_name=str(number))
    pairs = {row["sequence_id"]: str(row["contact_id"]) for row in behind.rows("contact")}
    numbers = sorted(pairs)
    asked = ",".join([f"000{numbers[2]}", str(numbers[0]), str(numbers[1]), str(numbers[2]), "9" * 30, "0"])
    assert alice.get("/contacts/contact_id_xrefs", sequence_ids=asked).json == {
        "xrefs": [{"sequence_id": str(number), "contact_id": pairs[number]} for number in numbers]
    }
    assert alice.get("/contacts/contact_id_xrefs", sequence_ids="0").json == {"xrefs": []}


def test_xrefs_of_deleted_contacts_are_told_too(alice: Api, behind: Behind) -> None:
    ruth = post_contact(alice, first_name="Ruth")["contact_id"]
    alice.delete(f"/contacts/{ruth}")
    (row,) = behind.rows("contact")
    found_ids = alice.get("/contacts/contact_id_xrefs", sequence_ids=str(row["sequence_id"])).json["xrefs"]
    assert [pair["contact_id"] for pair in found_ids] == [ruth]


@pytest.mark.parametrize("text", ["x", "1,", "-1", "1.5", "1;2", "9" * 31, NOBODY])
def test_what_is_no_sequence_id(alice: Api, text: str) -> None:
    refused(alice.get("/contacts/contact_id_xrefs", sequence_ids=text), 400, "sequence_ids does not have")


def test_sequence_ids_are_required_and_at_most_500(alice: Api) -> None:
    refused(alice.get("/contacts/contact_id_xrefs"), 400, "sequence_ids is missing")
    numbers = [str(number) for number in range(501)]
    assert alice.get("/contacts/contact_id_xrefs", sequence_ids=",".join(numbers[:500])).status == 200
    refused(alice.get("/contacts/contact_id_xrefs", sequence_ids=",".join(numbers)), 400, "sequence_ids")


# --- counters that are rolled up are the same counters


def test_counts_do_not_depend_on_rolling_up(alice: Api, people: dict[str, str], sql: Sql) -> None:
    list_id = new_list(alice)
    put_contact(alice, people["explicit"], list_memberships=[list_id])
    before = alice.get("/contacts/counts").json
    sql(
        """
        with gone as (delete from counter_delta where account_id = $1 returning name, subject, change)
        insert into counter (account_id, name, subject, value)
        select $1, name, subject, sum(change) from gone group by 2, 3 returning 1
        """,
        alice.account_id,
    )
    assert alice.get("/contacts/counts").json == before
    assert alice.get("/contacts", lists=list_id, include_count="true").json["contacts_count"] == 1
    put_contact(alice, people["implicit"], list_memberships=[list_id])
    assert alice.get("/contacts", lists=list_id, include_count="true").json["contacts_count"] == 2
