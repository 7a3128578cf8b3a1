"""An export that is imported again: nothing changes where it came from, nothing is lost where it goes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Api
from tests.v3.bulk import Work, ended, person
from tests.v3.exports import ADDRESS_TITLES, TITLES, exported, queued
from tests.v3.helpers import new_field, new_list
from tests.v3.imports import Rows, by_address, imported

pytestmark = pytest.mark.usefixtures("nothing_is_left")

ANN = "ann@example.org"
PARTS = ("kind", "street", "city", "state", "postal_code", "country")


def exported_file(api: Api, work: Work, **body: Any) -> bytes:
    activity_id = queued(api, **body)
    work()
    ended(api, activity_id)
    return api.get(f"/contact_exports/{activity_id}").body


def told(api: Api) -> tuple[list[Any], list[Any]]:
    """Ann's phone numbers and addresses, without what an account gives them."""
    ann = by_address(api, ANN, "phone_numbers", "street_addresses")
    return (
        [(phone["kind"], phone["phone_number"]) for phone in ann["phone_numbers"]],
        [tuple(address.get(part) for part in PARTS) for address in ann["street_addresses"]],
    )


@pytest.mark.parametrize(
    "phones",
    [
        ["555-1111", "555-2222"],
        ["309-555-0001", "309-555-0002", "309-555-0003"],
        ["+1 (309) 555-0100", "309.555.0101 ext. 12"],
    ],
)
def test_numbers_of_one_kind(alice: Api, charlie: Api, work: Work, rows: Rows, phones: list[str]) -> None:
    list_id = new_list(alice)
    numbers = [{"kind": "work", "phone_number": phone} for phone in phones]
    person(alice, "ann", phone_numbers=numbers, list_memberships=[list_id])
    before = told(alice)
    file = exported_file(alice, work)
    assert [row.outcome for row in rows(imported(alice, work, file, list_id))] == ["unchanged"]
    assert told(alice) == before
    imported(charlie, work, file)
    assert told(charlie) == before


HOMES = [
    [{"city": "Rome"}, {"city": "Oslo"}],
    [{"street": "1 High St, flat 2", "state": "Illinois"}, {"city": "Oslo", "country": "Norway"}],
    [{"city": "Rome"}, {"city": "Rome"}, {"city": "Rome", "street": "1\n2"}],
]


@pytest.mark.parametrize("addresses", HOMES)
def test_addresses_of_one_kind(
    alice: Api, charlie: Api, work: Work, rows: Rows, addresses: list[dict[str, str]]
) -> None:
    list_id = new_list(alice)
    homes = [{"kind": "home", **address} for address in addresses]
    person(alice, "ann", street_addresses=homes, list_memberships=[list_id])
    person(alice, "bea", street_addresses=homes[:1], list_memberships=[list_id])
    before = told(alice)
    file = exported_file(alice, work)
    assert {row.outcome for row in rows(imported(alice, work, file, list_id))} == {"unchanged"}
    assert told(alice) == before
    imported(charlie, work, file)
    assert told(charlie) == before
    bea = by_address(charlie, "bea@example.org", "street_addresses")
    assert len(bea["street_addresses"]) == 1


def test_a_second_address_of_a_kind_has_columns_where_there_is_one(
    alice: Api, charlie: Api, work: Work
) -> None:
    person(
        alice, "ann", street_addresses=[{"kind": kind, "city": kind} for kind in ("home", "work", "other")]
    )
    assert exported(alice, work).titles == TITLES
    person(alice, "bea", street_addresses=[{"kind": "work", "city": city} for city in ("Rome", "Oslo")])
    person(
        alice, "cid", street_addresses=[{"kind": "work", "city": "Bern"}, {"kind": "home", "city": "Nice"}]
    )
    table = exported(alice, work)
    further = [f"{title} - Work 2" for title in ADDRESS_TITLES]
    after = TITLES.index("Country - Other") + 1
    assert table.titles == [*TITLES[:after], *further, *TITLES[after:]]
    assert table.column("City - Work") == ["work", "Rome", "Bern"]
    assert table.column("City - Work 2") == ["", "Oslo", ""]
    assert exported(alice, work, fields=["city"]).titles == [
        *("City - Home", "City - Work", "City - Other", "City - Work 2"),
    ]
    assert exported(alice, work, fields=["first_name"]).titles == ["First name"]
    assert exported(charlie, work).titles == TITLES


@pytest.mark.parametrize("label", ["City - Home 2", "zip - other 3"])
def test_a_field_with_the_title_of_a_further_address(alice: Api, work: Work, rows: Rows, label: str) -> None:
    list_id = new_list(alice)
    field_id = new_field(alice, label)
    homes = [{"kind": "home", "city": city} for city in ("Rome", "Oslo")]
    values = [{"custom_field_id": field_id, "value": "x"}]
    person(alice, "ann", street_addresses=homes, custom_fields=values, list_memberships=[list_id])
    file = exported_file(alice, work)
    assert [row.outcome for row in rows(imported(alice, work, file, list_id))] == ["unchanged"]
    (field,) = by_address(alice, ANN, "custom_fields")["custom_fields"]
    assert field["value"] == "x"


SELECT: dict[str, Any] = {"metadata": {"display_type": "checkbox"}}


def chosen(api: Api, address: str = ANN) -> list[str]:
    (field,) = by_address(api, address, "custom_fields")["custom_fields"]
    return field["choice_ids"]


def with_choices(api: Api, kind: str, *labels: str) -> tuple[str, list[Any]]:
    """A new field, Colour, and its choices."""
    field_id = new_field(api, "Colour", kind, **SELECT, choices=[{"choice_label": label} for label in labels])
    return field_id, api.get(f"/contact_custom_fields/{field_id}").json["choices"]


@pytest.mark.parametrize(
    "at", [[0, 1], [1, 2], [0, 2], [0, 1, 2, 3], [3], [1]], ids=lambda at: "".join(map(str, at))
)
def test_choices_with_commas(alice: Api, work: Work, rows: Rows, at: list[int]) -> None:
    list_id = new_list(alice)
    field_id, choices = with_choices(
        alice, "multi_select", "Red, dark", "Blue", "Red, not so dark, but", "Red"
    )
    ids = [str(choices[one]["choice_id"]) for one in at]
    values = [{"custom_field_id": field_id, "choice_ids": ids}]
    person(alice, "ann", custom_fields=values, list_memberships=[list_id])
    file = exported_file(alice, work)
    assert [row.outcome for row in rows(imported(alice, work, file, list_id))] == ["unchanged"]
    text = file.replace(b"ann@example.org", b"bea@example.org")
    imported(alice, work, text, list_id)
    assert chosen(alice, "bea@example.org") == chosen(alice) == ids


@pytest.mark.parametrize("kind", ["single_select", "multi_select"])
def test_a_choice_that_was_taken_out(alice: Api, work: Work, rows: Rows, kind: str) -> None:
    list_id = new_list(alice)
    field_id, (red, *others) = with_choices(alice, kind, "Red, dark", "Blue")
    values = [{"custom_field_id": field_id, "choice_ids": [str(red["choice_id"])]}]
    person(alice, "ann", custom_fields=values, list_memberships=[list_id])
    reply = alice.put(f"/contact_custom_fields/{field_id}", {"label": "Colour", "choices": others})
    assert reply.status == 200, reply
    file = exported_file(alice, work)
    assert [row.outcome for row in rows(imported(alice, work, file, list_id))] == ["unchanged"]
    assert chosen(alice) == [str(red["choice_id"])]
    again = alice.put(
        f"/contact_custom_fields/{field_id}",
        {"label": "Colour", "choices": [*others, {"choice_label": "Red, dark"}]},
    )
    new = next(one for one in again.json["choices"] if one["choice_label"] == "Red, dark")
    imported(alice, work, 'email,Colour\nbea@example.org,"red, DARK"\n')
    assert chosen(alice, "bea@example.org") == [str(new["choice_id"])] != [str(red["choice_id"])]


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        ("multi_select", "Red, Green"),
        ("multi_select", "Red, dark, Green"),
        ("multi_select", ", ,"),
        ("single_select", "Red, Blue"),
        ("single_select", "Blue, Blue"),
        ("single_select", "Green"),
    ],
)
def test_what_is_no_choice(alice: Api, work: Work, rows: Rows, kind: str, cell: str) -> None:
    with_choices(alice, kind, "Red", "Red, dark", "Blue")
    done = imported(alice, work, f'email,Colour\nann@example.org,"{cell}"\n')
    assert [(row.outcome, row.reason) for row in rows(done)] == [("rejected", "Invalid Colour")]
