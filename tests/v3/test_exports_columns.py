"""Exports: the columns of custom fields, which an import takes again, and those that are asked for."""

from __future__ import annotations

from typing import Any

import pytest

from everlist.core import exports
from everlist.core.imports.names import ColumnNames
from tests.conftest import Api
from tests.v3.bulk import Work, ended, person
from tests.v3.exports import ADDRESS_TITLES, TITLES, exported, parsed, queued
from tests.v3.helpers import new_field, new_list, post_contact, refused, sms

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
    "Email status": "email_status",
    "Email permission status": "email_permission_status",
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
    return ended(api, reply.json["activity_id"])["status"]


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
