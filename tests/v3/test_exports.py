"""Exports: POST /activities/contact_exports and the file at GET /contact_exports/{file_export_id}."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from anyio import to_thread
from anyio.from_thread import BlockingPortal

from everlist import worker
from everlist.core import accounts, activities, contacts, exports, tokens
from everlist.core.exports import job as export_job
from everlist.core.exports.file import PART_BYTES
from everlist.core.ids import new_id
from everlist.core.imports.names import ColumnNames
from everlist.db import Database, open_database
from everlist.settings import Settings
from tests.conftest import Api, Clock, Reply, Sql
from tests.server import Server
from tests.v3.helpers import (
    NOBODY,
    Behind,
    email,
    get_contact,
    moment,
    new_field,
    new_list,
    new_tag,
    post_contact,
    put_contact,
    refused,
    sms,
)

Work = Callable[[], None]

ADDRESS_TITLES = ("Street address line 1", "City", "State/Province", "Zip/Postal Code", "Country")
TITLES = [
    *("Email address", "Email status", "Email permission status"),
    *("Email opt-in source", "Email opt-in date"),
    *("Email opt-out source", "Email opt-out date", "Email opt-out reason"),
    *("First name", "Last name", "Company", "Job title"),
    *("Phone - home", "Phone - work", "Phone - mobile", "Phone - other"),
    *(f"{title} - {kind}" for kind in ("Home", "Work", "Other") for title in ADDRESS_TITLES),
    *("Tags", "Email Lists", "Source Name", "Created At", "Updated At"),
    *("Birthday", "birthday_day", "birthday_month", "Anniversary", "Notes"),
    *("sms_number", "sms_consent_date", "sms_status"),
]


class Table(NamedTuple):
    titles: list[str]
    rows: list[dict[str, str]]

    def column(self, title: str) -> list[str]:
        return [row[title] for row in self.rows]


def parsed(reply: Reply) -> Table:
    assert reply.status == 200, reply
    titles, *rows = csv.reader(io.StringIO(reply.body.decode(), newline=""), strict=True)
    assert len(set(titles)) == len(titles)
    return Table(titles, [dict(zip(titles, row, strict=True)) for row in rows])


def queued(api: Api, **body: Any) -> str:
    reply = api.post("/activities/contact_exports", body)
    assert reply.status == 201, reply
    return reply.json["activity_id"]


def exported(api: Api, work: Work, **body: Any) -> Table:
    """The file that an export with this body gives."""
    activity_id = queued(api, **body)
    work()
    return parsed(api.get(f"/contact_exports/{activity_id}"))


def addresses(api: Api, work: Work, **body: Any) -> list[str]:
    """The names in the addresses of the contacts that an export with this body has."""
    return sorted(
        address.partition("@")[0] for address in exported(api, work, **body).column("Email address")
    )


def person(api: Api, name: str, permission: str | None = None, **body: Any) -> str:
    return post_contact(api, email_address=email(f"{name}@example.org", permission), **body)["contact_id"]


def done(api: Api, activity_id: str) -> Any:
    activity = api.get(f"/activities/{activity_id}").json
    assert activity["state"] == "completed", activity
    return activity


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
    ended = done(alice, activity_id)
    assert ended["_links"] == links
    assert ended["percent_done"] == 100
    assert ended["status"] == {"items_total_count": 2, "items_completed_count": 2}
    assert alice.get("/activities").json["activities"][0]["_links"] == links
    assert alice("GET", ended["_links"]["results"]["href"]).status == 200


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


# Custom fields


CHOICES = [{"choice_label": "Red"}, {"choice_label": "Green, dark"}, {"choice_label": "Blue"}]
TYPES: dict[str, tuple[dict[str, Any], Any, str]] = {
    "string": ({}, "a, b", "a, b"),
    "text_area": ({}, "one\ntwo", "one\ntwo"),
    "date": ({"version": 2}, "6/7/2015", "2015-06-07"),
    "datetime": ({}, "2015-06-07T08:09:10Z", "2015-06-07T08:09:10Z"),
    "number": ({"metadata": {"integer": False, "decimal_places": 2}}, "3.50", "3.50"),
    "currency": ({"metadata": {"currency_code": "EUR", "decimal_places": 2}}, "12.30", "12.30"),
    "boolean": ({}, "TRUE", "true"),
    "single_select": ({"metadata": {"display_type": "radio"}, "choices": CHOICES}, [1], "Green, dark"),
    "multi_select": ({"metadata": {"display_type": "checkbox"}, "choices": CHOICES}, [0, 2], "Red, Blue"),
}


def test_custom_fields_of_every_type(alice: Api, work: Work) -> None:
    values: list[dict[str, Any]] = []
    for kind, (body, value, _) in TYPES.items():
        field_id = new_field(alice, f"A {kind}", kind, **body)
        if isinstance(value, str):
            values.append({"custom_field_id": field_id, "value": value})
        else:
            choices = alice.get(f"/contact_custom_fields/{field_id}").json["choices"]
            chosen = [str(choices[index]["choice_id"]) for index in value]
            values.append({"custom_field_id": field_id, "choice_ids": chosen})
    person(alice, "ann", custom_fields=values)
    person(alice, "bea")
    table = exported(alice, work)
    expected = {f"A {kind}": text for kind, (_, _, text) in TYPES.items()}
    assert table.titles == [*TITLES, *expected]
    assert {title: table.rows[0][title] for title in expected} == expected
    assert {table.rows[1][title] for title in expected} == {""}


def test_a_choice_that_was_taken_out_keeps_its_label(alice: Api, work: Work) -> None:
    field_id = new_field(
        alice, "Colour", "single_select", metadata={"display_type": "radio"}, choices=CHOICES
    )
    red, *others = alice.get(f"/contact_custom_fields/{field_id}").json["choices"]
    person(alice, "ann", custom_fields=[{"custom_field_id": field_id, "choice_ids": [str(red["choice_id"])]}])
    changed = alice.put(f"/contact_custom_fields/{field_id}", {"label": "Colour", "choices": others})
    assert changed.status == 200, changed
    assert exported(alice, work).column("Colour") == ["Red"]


@pytest.mark.parametrize("label", ["Notes", "first name", "Phone", "E-Mail", "sms_number", "Zip code"])
def test_a_label_that_means_something_else_is_not_a_title(alice: Api, work: Work, label: str) -> None:
    field_id = new_field(alice, label)
    name = alice.get(f"/contact_custom_fields/{field_id}").json["name"]
    person(alice, "ann", custom_fields=[{"custom_field_id": field_id, "value": "x"}])
    table = exported(alice, work)
    assert table.titles == [*TITLES, f"cf:{name}"]
    assert table.column(f"cf:{name}") == ["x"]


IMPORTED = {
    "Email address": "email",
    "First name": "first_name",
    "Last name": "last_name",
    "Company": "company_name",
    "Job title": "job_title",
    **{f"Phone - {kind}": f"{kind}_phone" for kind in ("home", "work", "mobile", "other")},
    **{
        f"{title} - {kind.title()}": f"{kind}_{part}"
        for kind in ("home", "work", "other")
        for title, part in zip(ADDRESS_TITLES, ("street", "city", "state", "zip", "country"), strict=True)
    },
    "Birthday": "birthday",
    "birthday_day": "birthday_day",
    "birthday_month": "birthday_month",
    "Anniversary": "anniversary",
    "sms_number": "sms_number",
    "sms_consent_date": "sms_consent_date",
}


@pytest.mark.parametrize("title", TITLES)
def test_an_importer_knows_the_titles_of_what_it_takes(title: str) -> None:
    assert ColumnNames(()).column(title) == IMPORTED.get(title)


def furnish(api: Api) -> dict[str, str]:
    """A list, and a custom field of every type."""
    made = {"list": new_list(api, "News")}
    for kind, (body, _, _) in TYPES.items():
        made[kind] = new_field(api, f"A {kind}", kind, **body)
    made["Notes"] = new_field(api, "Phone")
    return made


def imported(api: Api, work: Work, list_id: str, file: bytes) -> Any:
    """What the import of a file did."""
    reply = api(
        "POST",
        "/activities/contacts_file_import",
        files={"file": ("contacts.csv", file, "text/csv")},
        data={"list_ids": list_id, "sms_permission_to_send": "explicit"},
    )
    assert reply.status == 201, reply
    work()
    return done(api, reply.json["activity_id"])["status"]


CORE = "first_name last_name job_title company_name birthday_month birthday_day anniversary".split()


def as_told(api: Api) -> list[Any]:
    """The contacts without ids, times and sources: what an export tells and an import takes."""
    labels = {
        field["custom_field_id"]: field["label"]
        for field in api.get("/contact_custom_fields").json["custom_fields"]
    }
    include = "custom_fields,phone_numbers,street_addresses,sms_channel"
    return sorted(
        (
            {
                **{name: contact.get(name) for name in CORE},
                "email": contact.get("email_address", {}).get("address"),
                "phones": sorted((one["kind"], one["phone_number"]) for one in contact["phone_numbers"]),
                "addresses": sorted(
                    tuple(
                        one.get(part)
                        for part in ("kind", "street", "city", "state", "postal_code", "country")
                    )
                    for one in contact["street_addresses"]
                ),
                "fields": sorted(
                    (labels[one["custom_field_id"]], one.get("value") or one["choice_ids"])
                    for one in contact["custom_fields"]
                ),
                "sms": (channel := contact.get("sms_channel"))
                and (channel["dial_code"], channel["sms_address"]),
            }
            for contact in api.get("/contacts", include=include).json["contacts"]
        ),
        key=repr,
    )


def test_an_export_can_be_imported(alice: Api, charlie: Api, work: Work) -> None:
    mine, theirs = furnish(alice), furnish(charlie)
    values: list[dict[str, Any]] = [{"custom_field_id": mine["Notes"], "value": "a note, of sorts"}]
    for kind, (_, value, _) in TYPES.items():
        if isinstance(value, str):
            values.append({"custom_field_id": mine[kind], "value": value})
        else:
            choices = alice.get(f"/contact_custom_fields/{mine[kind]}").json["choices"]
            chosen = [str(choices[index]["choice_id"]) for index in value]
            values.append({"custom_field_id": mine[kind], "choice_ids": chosen})
    on = {"list_memberships": [mine["list"]]}
    person(
        alice,
        "ann",
        "explicit",
        first_name="=Ann",
        last_name='Á "quoted", name',
        job_title="Baker",
        company_name="Old Mill",
        birthday_month=2,
        birthday_day=29,
        anniversary="2015-06-07",
        custom_fields=values,
        phone_numbers=[
            {"phone_number": str(at), "kind": kind} for at, kind in enumerate(("home", "work", "other"))
        ],
        street_addresses=[
            {
                "kind": "home",
                "street": "1 High St\nflat 2",
                "city": "Peoria",
                "state": "IL",
                "postal_code": "61602",
            },
            {"kind": "work", "street": "2 Low St", "country": "FR"},
            {"kind": "other", "city": "Lyon"},
        ],
        sms_channel=sms("13095550100"),
        **on,
    )
    person(alice, "bea", phone_numbers=[{"phone_number": "+1 309 555", "kind": "mobile"}], **on)
    post_contact(alice, first_name="Cy", sms_channel=sms("447400123456"), **on)
    activity_id = queued(alice)
    work()
    file = alice.get(f"/contact_exports/{activity_id}").body
    before = as_told(alice)
    assert imported(alice, work, mine["list"], file).get("unchanged_count") == 3
    assert as_told(alice) == before
    assert imported(charlie, work, theirs["list"], file).get("created_count") == 3
    assert as_told(charlie) == before


# Which fields

OF_FIELD = {
    "first_name": ["First name"],
    "last_name": ["Last name"],
    "email_address": ["Email address", "Email status", "Email permission status"],
    "email_lists": ["Email Lists"],
    "phone_number": ["Phone - home", "Phone - work", "Phone - mobile", "Phone - other"],
    "company_name": ["Company"],
    "job_title": ["Job title"],
    "social_profiles": ["Social profiles"],
    "website": ["Website"],
    "notes": ["Notes"],
    **{
        field: [f"{title} - {kind}" for kind in ("Home", "Work", "Other")]
        for field, title in zip(("street", "city", "state", "zip", "country"), ADDRESS_TITLES, strict=True)
    },
    "anniversary": ["Anniversary"],
    "birthday": ["Birthday"],
    "birthday_day": ["birthday_day"],
    "birthday_month": ["birthday_month"],
    "source_name": ["Source Name"],
    "created_at": ["Created At"],
    "updated_at": ["Updated At"],
    "sms_number": ["sms_number"],
    "sms_consent_date": ["sms_consent_date"],
    "sms_status": ["sms_status"],
    "tags": ["Tags"],
    "custom_fields": ["Shoe size", "Hat size"],
    "cf:shoe_size": ["Shoe size"],
    "shoe_size": ["Shoe size"],
    "HAT SIZE": ["Hat size"],
}
OPTS = {
    "email_optin_source": "Email opt-in source",
    "email_optin_date": "Email opt-in date",
    "email_optout_source": "Email opt-out source",
    "email_optout_date": "Email opt-out date",
    "email_optout_reason": "Email opt-out reason",
}


def test_every_field_is_tested() -> None:
    assert {field for field in (*OF_FIELD, *OPTS) if "size" not in field.lower()} == exports.FIELDS


def test_each_field_is_its_columns(alice: Api, work: Work) -> None:
    fields = {"shoe": new_field(alice, "Shoe size"), "hat": new_field(alice, "Hat size")}
    person(alice, "ann", custom_fields=[{"custom_field_id": fields["hat"], "value": "M"}])
    wanted = {**OF_FIELD, fields["hat"]: ["Hat size"]}
    ids = {field: queued(alice, fields=[field]) for field in wanted}
    work()
    for field, titles in wanted.items():
        table = parsed(alice.get(f"/contact_exports/{ids[field]}"))
        assert (field, table.titles) == (field, titles)
        assert len(table.rows) == 1
        if "Hat size" in titles:
            assert table.column("Hat size") == ["M"]


@pytest.mark.parametrize("field", OPTS)
def test_what_is_told_of_an_address_needs_the_address(alice: Api, work: Work, field: str) -> None:
    refused(
        alice.post("/activities/contact_exports", {"fields": ["first_name", field]}),
        400,
        f"fields does not have a valid value: {field} needs email_address",
    )
    table = exported(alice, work, fields=[field, "email_address"])
    assert table.titles == [*OF_FIELD["email_address"], OPTS[field]]


def test_columns_are_in_their_order_and_stand_once(alice: Api, work: Work) -> None:
    table = exported(alice, work, fields=["notes", "last_name", "first_name", "notes"])
    assert table.titles == ["First name", "Last name", "Notes"]
    assert exported(alice, work, fields=[]).titles == TITLES


@pytest.mark.parametrize("name", ["", "nonsense", "Email address", "First_name", "cf:first_name"])
def test_fields_that_are_not_there(alice: Api, name: str) -> None:
    reply = alice.post("/activities/contact_exports", {"fields": ["first_name", name]})
    refused(reply, 400, "fields does not have a valid value", repr(name))


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
    assert done(alice, activity_id)["status"] == counts


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


def many(count: int) -> list[str]:
    return [str(uuid4()) for _ in range(count)]


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


# Many contacts, one moment


def grow(database: Database, portal: BlockingPortal, account_id: UUID, count: int) -> None:
    """Make contacts, a0@example.org and on."""
    act = contacts.Act("test", datetime.now(UTC), b"")
    rest = (None,) * 7

    def change(number: int) -> contacts.Change:
        address = f"a{number}@example.org"
        contact = contacts.Contact(
            new_id(), act.now, act.now, None, "Account", None, "Ann", f"Number {number}", "x" * 50, "y" * 50, None, None,
            None, address, address, act.now, act.now, "implicit", "Account", act.now, None, None, None, None, None,
            *rest[:6],
        )  # fmt: skip
        return contacts.Change(contact, "Account")

    for start in range(0, count, 500):
        changes = [change(number) for number in range(start, min(start + 500, count))]
        portal.call(
            lambda changes=changes: database.write(lambda tx: contacts.apply(tx, account_id, changes, act))
        )


class Meanwhile:
    """Calls `act` once in the middle of an export: when its first page is written and others follow."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], page: int = 2) -> None:
        self._act = act
        self.times = 0
        self._show = activities.show_progress
        monkeypatch.setattr(export_job, "PAGE", page)
        monkeypatch.setattr(activities, "show_progress", self)

    async def __call__(self, *args: Any, **kwargs: Any) -> bool:
        cancelled = await self._show(*args, **kwargs)
        self.times += 1
        if self.times == 1:
            await to_thread.run_sync(self._act)
            return await self._show(*args, **kwargs)
        return cancelled


def test_more_contacts_than_a_page(
    alice: Api, work: Work, database: Database, portal: BlockingPortal, behind: Behind,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    grow(database, portal, alice.account_id, 5_100)
    activity_id = queued(alice)
    seen: list[Any] = []
    halfway = Meanwhile(
        monkeypatch, lambda: seen.append(alice.get(f"/activities/{activity_id}").json), page=export_job.PAGE
    )
    work()
    reply = alice.get(f"/contact_exports/{activity_id}")
    numbers = [int(address[1:].partition("@")[0]) for address in parsed(reply).column("Email address")]
    assert numbers == list(range(5_100))
    parts = behind.rows("export_part", "part")
    assert [len(part["data"]) for part in parts] == [PART_BYTES, len(reply.body) - PART_BYTES]
    assert done(alice, activity_id)["status"] == {"items_total_count": 5100, "items_completed_count": 5100}
    assert halfway.times == 2
    (shown,) = seen
    assert (shown["state"], shown["percent_done"]) == ("processing", 39)
    assert shown["status"] == {"items_total_count": 5100, "items_completed_count": 2000}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_the_last_page(alice: Api, work: Work, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_job, "PAGE", 2)
    for number in range(count):
        person(alice, f"a{number}")
    assert addresses(alice, work) == [f"a{number}" for number in range(count)]


def test_the_file_shows_one_moment(alice: Api, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    news, vip = new_list(alice, "News"), new_tag(alice, "vip")
    field = new_field(alice, "Size")
    held = {
        "list_memberships": [news],
        "taggings": [vip],
        "custom_fields": [{"custom_field_id": field, "value": "S"}],
    }
    people = [person(alice, f"a{number}", first_name="before", **held) for number in range(5)]

    def change() -> None:
        put_contact(
            alice, people[2], email_address=email("new@example.org"), first_name="after", list_memberships=[]
        )
        assert alice.delete(f"/contacts/{people[3]}").status == 204
        person(alice, "a5")
        assert alice.put(f"/contact_lists/{news}", {"name": "Old news"}).status == 200
        assert alice.put(f"/contact_tags/{vip}", {"name": "nobody"}).status == 200
        assert alice.delete(f"/contact_custom_fields/{field}").status == 204

    activity_id = queued(alice)
    assert Meanwhile(monkeypatch, change).times == 0
    work()
    table = parsed(alice.get(f"/contact_exports/{activity_id}"))
    assert table.column("Email address") == [f"a{number}@example.org" for number in range(5)]
    for title, value in (
        ("First name", "before"), ("Email Lists", "News"), ("Tags", "vip"), ("Size", "S"), ("Email status", "Active"),
    ):  # fmt: skip
        assert table.column(title) == [value] * 5
    later = exported(alice, work)
    assert sorted(later.column("First name")) == ["", "after", "before", "before", "before"]
    assert sorted(later.column("Tags")) == ["", *["nobody"] * 4]


# Workers that end in the middle


def test_an_export_that_another_worker_takes_over_begins_again(
    alice: Api, work: Work, sql: Sql, behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        person(alice, f"a{number}")
    activity_id = queued(alice)
    taken = "update activity set run_by = $2 where account_id = $1"
    halfway = Meanwhile(monkeypatch, lambda: sql(taken, alice.account_id, uuid4()))
    work()
    assert halfway.times == 4  # twice for each time that it ran
    table = parsed(alice.get(f"/contact_exports/{activity_id}"))
    assert table.column("Email address") == [f"a{number}@example.org" for number in range(5)]
    assert len(behind.rows("export_part")) == 1
    assert done(alice, activity_id)["status"] == {"items_total_count": 5, "items_completed_count": 5}


def test_a_cancelled_export_stops_and_leaves_nothing(
    alice: Api,
    work: Work,
    database: Database,
    portal: BlockingPortal,
    behind: Behind,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(7):
        person(alice, f"a{number}")
    activity_id = queued(alice)

    def cancel() -> None:
        asked = lambda tx: activities.cancel(tx, alice.account_id, UUID(activity_id), now=datetime.now(UTC))  # noqa: E731
        portal.call(lambda: database.write(asked))

    monkeypatch.setattr("everlist.core.exports.file.PART_BYTES", 100)
    halfway = Meanwhile(monkeypatch, cancel)
    work()
    assert halfway.times == 1
    assert alice.get(f"/activities/{activity_id}").json["state"] == "cancelled"
    assert behind.rows("export_part") == []
    refused(alice.get(f"/contact_exports/{activity_id}"), 404, "the export has no file: it is cancelled")


# When there is no file


def test_before_it_is_ready(alice: Api, work: Work, behind: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        person(alice, f"a{number}")
    activity_id = queued(alice)
    path = f"/contact_exports/{activity_id}"
    refused(alice.get(path), 404, "the export is not ready: it is initialized")
    Meanwhile(monkeypatch, lambda: refused(alice.get(path), 404, "the export is not ready: it is processing"))
    work()
    assert alice.get(path).status == 200


def test_ids_that_are_no_exports(alice: Api, work: Work) -> None:
    refused(alice.get("/contact_exports/x"), 404, "invalid format")
    other = alice.post("/activities/list_delete", {"list_ids": [new_list(alice)]}).json["activity_id"]
    work()
    refused(alice.get(f"/contact_exports/{other}"), 404, f"no export has the id {other}")
    assert "results" not in alice.get(f"/activities/{other}").json["_links"]


def test_an_export_that_failed(alice: Api, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_args: object) -> None:
        raise activities.Unusable("the lists are lost")

    monkeypatch.setattr(export_job, "chosen_columns", fail)
    activity_id = queued(alice)
    work()
    assert alice.get(f"/activities/{activity_id}").json["activity_errors"] == ["the lists are lost"]
    refused(alice.get(f"/contact_exports/{activity_id}"), 404, "the export has no file: it is failed")


def test_a_file_expires_after_ten_days(alice: Api, work: Work, clock: Clock) -> None:
    person(alice, "ann")
    activity_id = queued(alice)
    work()
    path = f"/contact_exports/{activity_id}"
    expires_at = moment(done(alice, activity_id)["completed_at"]) + timedelta(days=10)
    clock.move(days=10, minutes=-2)
    assert alice.get(path).status == 200
    clock.move(minutes=4)
    refused(alice.get(path), 404, f"the export expired at {expires_at:%Y-%m-%dT%H:%M:%SZ}")
    assert alice.get(f"/activities/{activity_id}").status == 200


def test_what_has_expired_is_swept_away(
    alice: Api, charlie: Api, work: Work, database: Database, portal: BlockingPortal, behind: Behind
) -> None:
    theirs, mine = queued(charlie), queued(alice)  # theirs is the older file
    work()
    made_at = behind.rows("export_part")[0]["made_at"]
    portal.call(lambda: exports.sweep(database, alice.account_id, before=made_at))
    assert alice.get(f"/contact_exports/{mine}").status == 200
    portal.call(lambda: exports.sweep(database, alice.account_id, before=made_at + timedelta(microseconds=1)))
    assert behind.rows("export_part") == []
    refused(alice.get(f"/contact_exports/{mine}"), 404, "the export expired")
    assert charlie.get(f"/contact_exports/{theirs}").status == 200


# The worker as it runs


def finished(api: Api, activity_id: str, seconds: float = 20) -> Any:
    """The activity when it has ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        activity = api.get(f"/activities/{activity_id}").json
        if activity["state"] not in ("initialized", "processing"):
            return activity
        time.sleep(0.02)
    raise AssertionError(f"{activity_id} has not ended in {seconds} s")


def test_the_worker_exports_and_sweeps(own_database: str, settings: Settings, portal: BlockingPortal) -> None:
    async def furnish() -> tuple[Database, accounts.Account, str]:
        database = await open_database(own_database, size=2, statement_timeout=30, name="everlist tests")
        now = datetime.now(UTC)
        account = await database.write(lambda tx: accounts.create(tx, "one", now=now))
        secret, _ = await database.write(
            lambda tx: tokens.create(tx, account.account_id, scopes=("contact_data",), now=now)
        )
        return database, account, secret

    database, account, secret = portal.call(furnish)
    stop = portal.call(_event)
    with Server(settings, own_database, portal) as server:
        running = portal.start_task_soon(worker.run, settings, own_database, stop)
        api = Api(server.url, secret, account)
        try:
            person(api, "ann")
            activity_id = queued(api)
            assert finished(api, activity_id)["state"] == "completed"
            table = parsed(api.get(f"/contact_exports/{activity_id}"))
            assert table.column("Email address") == ["ann@example.org"]
            sweep_at = datetime.now(UTC) + timedelta(days=11, minutes=1)
            portal.call(lambda: worker.sweep_all(database, now=sweep_at - timedelta(minutes=2)))
            assert api.get(f"/contact_exports/{activity_id}").status == 200
            portal.call(lambda: worker.sweep_all(database, now=sweep_at))
            refused(api.get(f"/contact_exports/{activity_id}"), 404, "the export expired")
        finally:
            api.http.close()
            portal.call(_set, stop)
            running.result(timeout=20)
            portal.call(database.close)


async def _event() -> asyncio.Event:
    return asyncio.Event()


async def _set(event: asyncio.Event) -> None:
    event.set()
