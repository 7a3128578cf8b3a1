"""/contact_custom_fields, and the values that contacts hold. V3 contract 4.2."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Api, Clock, Sql
from tests.v3.helpers import (
    NOBODY,
    Behind,
    found,
    get_contact,
    new_field,
    post_contact,
    put_contact,
    refused,
    sign_up,
)

COLOURS = [{"choice_label": "red"}, {"choice_label": "green"}, {"choice_label": "blue"}]


def get_field(api: Api, field_id: str) -> Any:
    reply = api.get(f"/contact_custom_fields/{field_id}")
    assert reply.status == 200, reply
    return reply.json


def select(display_type: str = "dropdown", choices: Any = COLOURS) -> dict[str, Any]:
    return {"metadata": {"display_type": display_type}, "choices": choices}


def nothing_is_stored(alice: Api, behind: Behind, body: Any, *texts: str) -> None:
    before = behind.everything()
    refused(alice.post("/contact_custom_fields", body), 400, *texts)
    assert behind.everything() == before


# --- definitions


@pytest.mark.parametrize(
    ("kind", "sent", "shown"),
    [
        ("string", {}, {}),
        ("text_area", {}, {}),
        ("boolean", {}, {}),
        ("date", {}, {}),
        ("date", {"version": 2}, {"version": 2, "metadata": {"display_format": "YYYY-MM-DD"}}),
        (
            "date",
            {"version": 2, "metadata": {"display_format": "MM/DD/YYYY"}},
            {"version": 2, "metadata": {"display_format": "MM/DD/YYYY"}},
        ),
        ("datetime", {"version": 2}, {"version": 2, "metadata": {"display_format": "YYYY-MM-DD"}}),
        ("number", {}, {"metadata": {"allow_negative": False}}),
        (
            "number",
            {"metadata": {"allow_negative": True, "integer": True}},
            {"metadata": {"allow_negative": True, "integer": True}},
        ),
        (
            "number",
            {"metadata": {"integer": False, "decimal_places": 4}},
            {"metadata": {"allow_negative": False, "integer": False, "decimal_places": 4}},
        ),
        (
            "currency",
            {"metadata": {"currency_code": "USD", "integer": False, "decimal_places": 1}},
            {
                "metadata": {
                    "allow_negative": False,
                    "currency_code": "USD",
                    "integer": False,
                    "decimal_places": 1,
                }
            },
        ),
        ("string", {"metadata": {"currency_code": "USD"}}, {}),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value)[:40],
)
def test_a_field_is_answered_and_stored(
    alice: Api, behind: Behind, kind: str, sent: dict[str, Any], shown: dict[str, Any]
) -> None:
    reply = alice.post("/contact_custom_fields", {"label": "Home  Town", "type": kind, **sent})
    assert reply.status == 201
    made = reply.json
    expected = {
        "custom_field_id": made["custom_field_id"],
        "label": "Home  Town",
        "name": "home__town",
        "type": kind,
        "version": 1,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
        **shown,
    }
    assert made == expected
    assert get_field(alice, made["custom_field_id"]) == made
    (row,) = behind.rows("custom_field")
    assert (str(row["custom_field_id"]), row["label"], row["type"]) == (
        made["custom_field_id"],
        "Home  Town",
        kind,
    )


@pytest.mark.parametrize("kind", ["single_select", "multi_select"])
@pytest.mark.parametrize("display_type", ["dropdown", "checkbox", "radio"])
def test_a_select_has_choices(alice: Api, kind: str, display_type: str) -> None:
    choices = [{"choice_label": "red", "display_order": 2}, {"choice_label": "green", "display_order": 1}]
    body = {"label": "Colour", "type": kind, **select(display_type, choices)}
    made = alice.post("/contact_custom_fields", body).json
    assert made["metadata"] == {"display_type": display_type}
    green, red = made["choices"]
    assert (green["choice_label"], red["choice_label"]) == ("green", "red")
    assert isinstance(red["choice_id"], int)
    assert red == {
        "choice_id": red["choice_id"],
        "choice_label": "red",
        "display_order": 2,
        "custom_field_id": made["custom_field_id"],
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    }
    assert get_field(alice, made["custom_field_id"]) == made


def test_choices_stand_in_the_order_they_were_sent(alice: Api) -> None:
    field_id = new_field(alice, "Colour", "single_select", **select())
    choices = get_field(alice, field_id)["choices"]
    assert [(one["choice_label"], one["display_order"]) for one in choices] == [
        ("red", 1),
        ("green", 2),
        ("blue", 3),
    ]


NUMBER = {"label": "x", "type": "number"}
BAD = [
    ({"type": "string"}, "label is missing"),
    ({"label": "x"}, "type is missing"),
    ({"label": "x", "type": None}, "type is missing"),
    ({"label": "", "type": "string"}, "label does not have"),
    ({"label": "  ", "type": "string"}, "label does not have"),
    ({"label": "x" * 51, "type": "string"}, "label does not have"),
    ({"label": 7, "type": "string"}, "label does not have"),
    ({"label": "x", "type": "email"}, "type does not have"),
    ({"label": "x", "type": "String"}, "type does not have"),
    ({"label": "x", "type": 7}, "type does not have"),
    ({"label": "x", "type": "date", "version": 0}, "version does not have"),
    ({"label": "x", "type": "date", "version": 3}, "version does not have"),
    ({"label": "x", "type": "date", "version": "2"}, "version does not have"),
    ({"label": "x", "type": "date", "metadata": {"display_format": "x" * 51}}, "display_format"),
    ({"label": "x", "type": "date", "metadata": []}, "metadata does not have"),
    ({**NUMBER, "metadata": {"integer": False}}, "metadata[decimal_places]"),
    ({**NUMBER, "metadata": {"integer": False, "decimal_places": 0}}, "metadata[decimal_places]"),
    ({**NUMBER, "metadata": {"integer": False, "decimal_places": 5}}, "metadata[decimal_places]"),
    ({**NUMBER, "metadata": {"decimal_places": 5}}, "metadata[decimal_places]"),
    ({**NUMBER, "metadata": {"decimal_places": -1}}, "metadata[decimal_places]"),
    ({**NUMBER, "metadata": {"allow_negative": "yes"}}, "metadata[allow_negative]"),
    ({"label": "x", "type": "currency", "metadata": {"currency_code": "EURO"}}, "metadata[currency_code]"),
    ({"label": "x", "type": "currency", "metadata": {"currency_code": "E1R"}}, "metadata[currency_code]"),
    ({"label": "x", "type": "string", "choices": COLOURS}, "choices does not have"),
    ({"label": "x", "type": "single_select", "choices": COLOURS}, "metadata[display_type] is missing"),
    ({"label": "x", "type": "multi_select", **select("list")}, "metadata[display_type] does not have"),
    ({"label": "x", "type": "single_select", "metadata": {"display_type": "radio"}}, "choices is missing"),
    ({"label": "x", "type": "single_select", **select(choices=[])}, "choices is missing"),
    ({"label": "x", "type": "single_select", **select(choices=[{"display_order": 1}])}, "choices"),
    (
        {"label": "x", "type": "single_select", **select(choices=[{"choice_label": ""}])},
        "choices[choice_label]",
    ),
    ({"label": "x", "type": "single_select", **select(choices=[{"choice_label": "x" * 256}])}, "choices"),
    (
        {"label": "x", "type": "single_select", **select(choices=[COLOURS[0], {"choice_label": "RED"}])},
        "once",
    ),
    (
        {
            "label": "x",
            "type": "single_select",
            **select(choices=[{"choice_label": "r", "display_order": 2**31}]),
        },
        "choices[display_order]",
    ),
]


@pytest.mark.parametrize(("body", "text"), BAD, ids=lambda value: json.dumps(value)[:70])
def test_bodies_that_do_not_fit(alice: Api, behind: Behind, body: Any, text: str) -> None:
    nothing_is_stored(alice, behind, body, text)


@pytest.mark.parametrize(("display_type", "most"), [("dropdown", 100), ("radio", 20), ("checkbox", 20)])
def test_as_many_choices_as_may_be(alice: Api, behind: Behind, display_type: str, most: int) -> None:
    choices = [{"choice_label": f"{number:03}" + "x" * 252} for number in range(most + 1)]
    body = {"label": "Colour", "type": "multi_select", **select(display_type, choices[:most])}
    assert len(alice.post("/contact_custom_fields", body).json["choices"]) == most
    nothing_is_stored(alice, behind, {**body, "label": "More", "choices": choices}, f"at most {most}")


def test_a_label_and_its_name_have_at_most_50_characters(alice: Api) -> None:
    for label in ("ñ" * 50, "İ" * 50):  # the second grows when it is made lower case
        made = alice.post("/contact_custom_fields", {"label": label, "type": "string"}).json
        assert made["label"] == label
        assert 0 < len(made["name"]) <= 50


def test_a_label_is_there_once_as_far_as_its_name_goes(alice: Api, behind: Behind) -> None:
    field_id = new_field(alice, "Home Town")
    other = new_field(alice, "Other")
    before = behind.everything()
    for label in ("Home Town", "home town", "home_town", " Home Town "):
        refused(alice.post("/contact_custom_fields", {"label": label, "type": "date"}), 409, field_id)
        refused(alice.put(f"/contact_custom_fields/{other}", {"label": label}), 409, field_id)
    assert behind.everything() == before


def test_an_account_has_at_most_100_fields(alice: Api, behind: Behind, sql: Sql) -> None:
    sql(
        "insert into custom_field"
        " (account_id, custom_field_id, label, name, type, metadata, version, choices, created_at, updated_at)"
        " select $1, gen_random_uuid(), n::text, n::text, 'string', '{}', 1, '[]', now(), now()"
        " from generate_series(1, 99) n returning 1",
        alice.account_id,
    )
    new_field(alice, "the 100th")
    nothing_is_stored(alice, behind, {"label": "one more", "type": "string"}, "at most 100")


@pytest.mark.parametrize("field_id", [NOBODY, "5", "x", NOBODY[:-1]])
def test_what_is_no_field_is_not_found(alice: Api, field_id: str) -> None:
    refused(alice.get(f"/contact_custom_fields/{field_id}"), 404)
    refused(alice.put(f"/contact_custom_fields/{field_id}", {"label": "x"}), 404)
    reply = alice.delete(f"/contact_custom_fields/{field_id}")
    refused(reply, 404)
    assert reply.json[0]["error_key"] == "contacts.api.not_found"


# --- PUT


def test_put_changes_the_label_and_with_it_the_name(alice: Api, clock: Clock) -> None:
    made = alice.post("/contact_custom_fields", {"label": "Home Town", "type": "date", "version": 2}).json
    clock.move(hours=1)
    path = f"/contact_custom_fields/{made['custom_field_id']}"
    assert alice.put(path, made).json == made
    body = {"label": "Birth Place", "type": "string", "version": 1, "metadata": {"display_format": "x"}}
    after = alice.put(path, body).json
    changed = {"label": "Birth Place", "name": "birth_place", "updated_at": after["updated_at"]}
    assert after == {**made, **changed}
    assert after["updated_at"] > made["updated_at"]
    assert get_field(alice, made["custom_field_id"]) == after
    assert alice.put(path, {"label": "BIRTH place"}).json["name"] == "birth_place"


def test_put_replaces_the_choices(alice: Api, clock: Clock) -> None:
    field_id = new_field(alice, "Colour", "single_select", **select())
    path = f"/contact_custom_fields/{field_id}"
    before = get_field(alice, field_id)
    red, green, blue = before["choices"]
    clock.move(hours=1)
    assert alice.put(path, before).json == before
    choices = [{**blue, "choice_label": "navy"}, {"choice_label": "black", "display_order": 9}, red]
    after = alice.put(path, {"label": "Colour", "choices": choices}).json
    assert [one["choice_label"] for one in after["choices"]] == ["red", "navy", "black"]
    kept, navy, black = after["choices"]
    assert kept == red
    assert navy == {**blue, "choice_label": "navy", "updated_at": after["updated_at"]}
    assert black["choice_id"] not in {red["choice_id"], green["choice_id"], blue["choice_id"]}
    # One that was taken out can come back by its id.
    again = alice.put(path, {"label": "Colour", "choices": [green]}).json
    assert [one["choice_id"] for one in again["choices"]] == [green["choice_id"]]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "label is missing"),
        ({"label": "x" * 51, "choices": COLOURS}, "label does not have"),
        ({"label": "Colour"}, "choices is missing"),
        ({"label": "Colour", "choices": []}, "choices is missing"),
        ({"label": "Colour", "choices": [{"choice_label": "x", "choice_id": 5}]}, "choice_id does not have"),
        ({"label": "Colour", "choices": [{"choice_label": "x", "choice_id": "5"}]}, "choices"),
        (
            {"label": "Colour", "choices": [{"choice_label": str(number)} for number in range(21)]},
            "at most 20",
        ),
    ],
    ids=lambda value: json.dumps(value)[:50],
)
def test_puts_that_do_not_fit(alice: Api, behind: Behind, body: Any, text: str) -> None:
    field_id = new_field(alice, "Colour", "single_select", **select("radio"))
    before = behind.everything()
    refused(alice.put(f"/contact_custom_fields/{field_id}", body), 400, text)
    assert behind.everything() == before


def test_a_field_without_choices_takes_none(alice: Api) -> None:
    field_id = new_field(alice, "Town")
    refused(
        alice.put(f"/contact_custom_fields/{field_id}", {"label": "Town", "choices": COLOURS}), 400, "choices"
    )


# --- the collection and DELETE


def test_pages(alice: Api) -> None:
    assert alice.get("/contact_custom_fields").json == {"custom_fields": []}
    made = [new_field(alice, str(number)) for number in range(51)]
    assert len(alice.get("/contact_custom_fields").json["custom_fields"]) == 50
    replies = list(alice.pages("/contact_custom_fields", limit=25))
    assert [one["custom_field_id"] for reply in replies for one in reply.json["custom_fields"]] == made
    assert [len(reply.json["custom_fields"]) for reply in replies] == [25, 25, 1]
    assert all(next(iter(reply.json)) == "custom_fields" for reply in replies)
    assert len(alice.get("/contact_custom_fields", limit=100).json["custom_fields"]) == 51


@pytest.mark.parametrize("limit", ["0", "101", "x"])
def test_limits_that_are_refused(alice: Api, limit: str) -> None:
    refused(alice.get("/contact_custom_fields", limit=limit), 400, "limit does not have a valid value")


def test_deleting_a_field_takes_its_values(alice: Api, behind: Behind) -> None:
    town, other = new_field(alice, "Town"), new_field(alice, "Other")
    values = [{"custom_field_id": town, "value": "Peoria"}, {"custom_field_id": other, "value": "x"}]
    ruth = post_contact(alice, first_name="Ruth", custom_fields=values)["contact_id"]
    gone = post_contact(alice, first_name="Gone", custom_fields=values)["contact_id"]
    alice.delete(f"/contacts/{gone}")
    reply = alice.delete(f"/contact_custom_fields/{town}")
    assert (reply.status, reply.body) == (204, b"")
    for contact_id in (ruth, gone):
        assert get_contact(alice, contact_id, "custom_fields")["custom_fields"] == values[1:]
    assert [str(row["custom_field_id"]) for row in behind.rows("custom_field")] == [other]
    refused(alice.get(f"/contact_custom_fields/{town}"), 404)
    refused(alice.delete(f"/contact_custom_fields/{town}"), 404)
    body = {"create_source": "Account", "first_name": "x", "custom_fields": values}
    refused(alice.post("/contacts", body), 400, town)
    assert new_field(alice, "Town") != town
    assert found(alice) == [ruth]


# --- values


VALUES: list[tuple[str, dict[str, Any], list[str], list[str]]] = [
    ("string", {}, ["x", " ", "ñ" * 255, "12"], []),
    ("text_area", {}, ["one\ntwo", "ñ" * 255], []),
    ("boolean", {}, ["true", "false"], ["yes", "1", "t"]),
    (
        "number",
        {},
        ["0", "12", "12.5", "1.2345", "007"],
        ["-1", "1,000", "twelve", "1e5", "1.23456", "1.", ".5", "NaN"],
    ),
    ("number", {"metadata": {"allow_negative": True}}, ["-1", "-1.5", "1"], ["--1", "+1"]),
    ("number", {"metadata": {"integer": True}}, ["12"], ["12.5", "12.0"]),
    ("number", {"metadata": {"integer": False, "decimal_places": 2}}, ["1", "1.5", "1.55"], ["1.555"]),
    (
        "currency",
        {"metadata": {"currency_code": "EUR", "integer": False, "decimal_places": 2}},
        ["12.50"],
        ["€12", "12.505", "-1"],
    ),
    ("date", {}, ["2001-03-09", "next week"], []),
    ("date", {"version": 2}, ["2001-03-09"], ["next week", "2001-02-30", "2001-03-09T00:00:00Z"]),
    (
        "datetime",
        {"version": 2},
        ["2001-03-09T10:00:00Z", "2001-03-09", "2001-03-09 10:00:00 UTC"],
        ["noon", "10:00"],
    ),
]


@pytest.mark.parametrize(
    ("kind", "definition", "good", "bad"), VALUES, ids=lambda value: json.dumps(value)[:40]
)
def test_values_of_a_type(
    alice: Api, behind: Behind, kind: str, definition: dict[str, Any], good: list[str], bad: list[str]
) -> None:
    field_id = new_field(alice, "Field", kind, **definition)
    for text in good:
        given = [{"custom_field_id": field_id, "value": text}]
        ruth = post_contact(alice, first_name="Ruth", custom_fields=given)
        assert ruth["custom_fields"] == given
        assert get_contact(alice, ruth["contact_id"], "custom_fields")["custom_fields"] == given
    before = behind.everything()
    for text in bad:
        given = [{"custom_field_id": field_id, "value": text}]
        body = {"create_source": "Account", "first_name": "Saul", "custom_fields": given}
        refused(alice.post("/contacts", body), 400, "custom_fields: Field does not have a valid value")
    assert behind.everything() == before


@pytest.mark.parametrize(
    ("kind", "sent", "shown"), [("boolean", "TRUE", "true"), ("date", "3/9/2001", "2001-03-09")]
)
def test_spellings_become_one(alice: Api, kind: str, sent: str, shown: str) -> None:
    field_id = new_field(alice, "Field", kind, version=2)
    ruth = post_contact(
        alice, first_name="Ruth", custom_fields=[{"custom_field_id": field_id, "value": sent}]
    )
    assert ruth["custom_fields"] == [{"custom_field_id": field_id, "value": shown}]


def choice_ids(api: Api, field_id: str) -> list[str]:
    return [str(choice["choice_id"]) for choice in get_field(api, field_id)["choices"]]


def test_a_multi_select_takes_several_choices(alice: Api) -> None:
    field_id = new_field(alice, "Colours", "multi_select", **select("checkbox"))
    red, green, blue = choice_ids(alice, field_id)
    for sent, shown in (
        ({"choice_ids": [red, blue]}, [red, blue]),
        ({"choice_ids": [int(green)]}, [green]),
        ({"choice_ids": [blue, blue, red]}, [blue, red]),
        ({"value": "GREEN"}, [green]),
        ({"value": blue}, [blue]),
    ):
        given = [{"custom_field_id": field_id, **sent}]
        ruth = post_contact(alice, first_name="Ruth", custom_fields=given)
        assert ruth["custom_fields"] == [{"custom_field_id": field_id, "choice_ids": shown}]
        contact = get_contact(alice, ruth["contact_id"], "custom_fields")
        assert contact["custom_fields"] == ruth["custom_fields"]
    for empty in ({"choice_ids": []}, {"value": ""}, {}):
        given = [{"custom_field_id": field_id, **empty}]
        assert post_contact(alice, first_name="Ruth", custom_fields=given)["custom_fields"] == []


def test_a_single_select_takes_one(alice: Api, behind: Behind) -> None:
    field_id = new_field(alice, "Colour", "single_select", **select("radio"))
    red, green, _ = choice_ids(alice, field_id)
    given = [{"custom_field_id": field_id, "choice_ids": [red]}]
    assert post_contact(alice, first_name="Ruth", custom_fields=given)["custom_fields"] == given
    before = behind.everything()
    for bad in (
        {"choice_ids": [red, green]},
        {"choice_ids": ["5"]},
        {"choice_ids": ["x"]},
        {"value": "white"},
    ):
        body = {
            "create_source": "Account",
            "first_name": "Saul",
            "custom_fields": [{"custom_field_id": field_id, **bad}],
        }
        refused(alice.post("/contacts", body), 400, "custom_fields: Colour does not have a valid value")
    assert behind.everything() == before


def test_a_choice_that_was_taken_out_stays_with_who_has_it(alice: Api) -> None:
    """Clients send back the contact they fetched."""
    field_id = new_field(alice, "Colour", "single_select", **select())
    red, *_ = choice_ids(alice, field_id)
    ruth = post_contact(
        alice, first_name="Ruth", custom_fields=[{"custom_field_id": field_id, "choice_ids": [red]}]
    )["contact_id"]
    alice.put(
        f"/contact_custom_fields/{field_id}", {"label": "Colour", "choices": [{"choice_label": "black"}]}
    )
    contact = get_contact(alice, ruth, "custom_fields")
    assert contact["custom_fields"] == [{"custom_field_id": field_id, "choice_ids": [red]}]
    assert put_contact(alice, ruth, **contact)["custom_fields"] == contact["custom_fields"]


def test_the_sign_up_form_checks_values_too(alice: Api) -> None:
    field_id = new_field(alice, "Size", "number")
    body: dict[str, Any] = {"email_address": "r@example.org", "source": "Contact"}
    refused(
        sign_up(alice, **body, custom_fields=[{"custom_field_id": field_id, "value": "big"}]),
        400,
        "Size does not",
    )
    assert sign_up(alice, **body, custom_fields=[{"custom_field_id": field_id, "value": "7"}]).status == 201
