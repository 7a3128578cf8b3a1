"""Imports: phone numbers and addresses, several of one kind among them; V3 contract 3.6 and 6.3."""

from __future__ import annotations

from typing import Any

import pytest

from everlist.core.imports.columns import column_of
from everlist.core.imports.names import ColumnNames
from tests.conftest import Api, Clock
from tests.v3.bulk import Work, person
from tests.v3.helpers import new_list
from tests.v3.imports import Rows, by_address, imported, imported_items

pytestmark = pytest.mark.usefixtures("nothing_is_left")

Pairs = list[tuple[str, str]]


def phones(api: Api) -> Pairs:
    """Ann's, in their order by kind."""
    found = by_address(api, "ann@example.org", "phone_numbers")["phone_numbers"]
    return [(phone["kind"], phone["phone_number"]) for phone in found]


def cities(api: Api) -> Pairs:
    found = by_address(api, "ann@example.org", "street_addresses")["street_addresses"]
    return [(address["kind"], address["city"]) for address in found]


def made(pairs: Pairs, value: str) -> list[dict[str, str]]:
    return [{"kind": kind, value: text} for kind, text in pairs]


@pytest.mark.parametrize(
    ("before", "header", "cells", "after"),
    [
        ([("other", "111")], "phone,other_phone", "111,222", [("other", "111"), ("other", "222")]),
        ([("other", "111")], "phone,other_phone", "222,111", [("other", "111"), ("other", "222")]),
        ([("other", "111"), ("other", "222")], "phone", "222", [("other", "111"), ("other", "222")]),
        ([("home", "1"), ("home", "2")], "home_phone", "3", [("home", "3"), ("home", "2")]),
        ([("home", "1"), ("home", "2")], "home_phone", "2", [("home", "1"), ("home", "2")]),
        (
            [("other", "1"), ("other", "2"), ("home", "3")],
            "phone,other_phone",
            "2,4",
            [("other", "4"), ("other", "2"), ("home", "3")],
        ),
        (
            [("home", "1"), ("work", "2")],
            "home_phone,mobile_phone",
            "9,3",
            [("home", "9"), ("work", "2"), ("mobile", "3")],
        ),
        ([], "phone,other_phone", "111,111", [("other", "111")]),
        ([("home", "1")], "home_phone", "2", [("home", "2")]),
        ([("home", "1")], "phone", "1", [("home", "1"), ("other", "1")]),
    ],
)
def test_a_new_number_takes_the_place_of_one_that_the_row_does_not_say(
    alice: Api, work: Work, rows: Rows, before: Pairs, header: str, cells: str, after: Pairs
) -> None:
    person(alice, "ann", phone_numbers=made(before, "phone_number"))
    list_id = new_list(alice)
    text = f"email,{header}\nann@example.org,{cells}\n"
    imported(alice, work, text, list_id)
    assert phones(alice) == after
    assert [row.outcome for row in rows(imported(alice, work, text, list_id))] == ["unchanged"]
    assert phones(alice) == after


@pytest.mark.parametrize("numbers", ["1", "12"])
def test_a_number_whose_place_is_taken_keeps_its_id(
    alice: Api, work: Work, clock: Clock, numbers: str
) -> None:
    clock.move(days=-1)
    person(alice, "ann", phone_numbers=made([("home", number) for number in numbers], "phone_number"))
    first, *others = by_address(alice, "ann@example.org", "phone_numbers")["phone_numbers"]
    clock.move(days=1)
    imported(alice, work, "email,home_phone\nann@example.org,3\n")
    changed, *same = by_address(alice, "ann@example.org", "phone_numbers")["phone_numbers"]
    assert same == others
    assert changed == {
        **first,
        "phone_number": "3",
        "updated_at": changed["updated_at"],
        "update_source": "Account",
    }
    assert changed["updated_at"] > first["updated_at"]


def test_more_numbers_than_a_contact_may_have(alice: Api, work: Work, rows: Rows) -> None:
    before = [("home", "1"), ("other", "2"), ("other", "3")]
    person(alice, "ann", phone_numbers=made(before, "phone_number"))
    done = imported(alice, work, "email,phone,home_phone\nann@example.org,2,1\n")
    assert [row.outcome for row in rows(done)] == ["updated"]  # she joins the list
    done = imported(alice, work, "email,phone,work_phone\nann@example.org,9,4\n")
    assert [(row.outcome, row.reason) for row in rows(done)] == [("rejected", "more than 3 phone numbers")]
    assert phones(alice) == before


@pytest.mark.parametrize(
    ("before", "header", "cells", "after"),
    [
        ([("home", "Rome")], "city", "Bern", [("home", "Bern")]),
        ([("home", "Rome")], "work_city", "Bern", [("home", "Rome"), ("work", "Bern")]),
        ([("home", "Rome"), ("home", "Oslo")], "city", "Bern", [("home", "Bern"), ("home", "Oslo")]),
        ([("home", "Rome"), ("home", "Oslo")], "city", "Oslo", [("home", "Rome"), ("home", "Oslo")]),
        (
            [("home", "Rome"), ("home", "Oslo"), ("work", "Nice")],
            "City - Home,City - Home 2",
            "Rome,Bern",
            [("home", "Rome"), ("home", "Bern"), ("work", "Nice")],
        ),
        (
            [("home", "Rome")],
            "city,home city 2,CITY - HOME 3,city - work 2",
            "Oslo,Lima,Rome,Nice",
            [("home", "Rome"), ("home", "Oslo"), ("work", "Nice")],
        ),
    ],
)
def test_an_address_changes_one_of_its_kind_that_the_row_does_not_say(
    alice: Api, work: Work, rows: Rows, before: Pairs, header: str, cells: str, after: Pairs
) -> None:
    person(alice, "ann", street_addresses=made(before, "city"))
    list_id = new_list(alice)
    text = f"email,{header}\nann@example.org,{cells}\n"
    imported(alice, work, text, list_id)
    assert cities(alice) == after
    assert [row.outcome for row in rows(imported(alice, work, text, list_id))] == ["unchanged"]
    assert cities(alice) == after


def test_an_address_that_changes_keeps_what_the_row_leaves_open(alice: Api, work: Work) -> None:
    person(
        alice,
        "ann",
        street_addresses=[
            {"kind": "home", "city": "Rome", "postal_code": "00100"},
            {"kind": "home", "city": "Oslo", "postal_code": "0150"},
        ],
    )
    first, second = by_address(alice, "ann@example.org", "street_addresses")["street_addresses"]
    imported(
        alice, work, "email,City - Home,City - Home 2,Street - Home 2\nann@example.org,Rome,Bern,1 Low St\n"
    )
    same, changed = by_address(alice, "ann@example.org", "street_addresses")["street_addresses"]
    assert same == first
    expected = {**second, "city": "Bern", "street": "1 Low St", "updated_at": changed["updated_at"]}
    assert changed == expected


def test_more_addresses_than_a_contact_may_have(alice: Api, work: Work, rows: Rows) -> None:
    titles = "City - Home,City - Home 2,City - Work,City - Work 2"
    done = imported(alice, work, f"email,{titles}\nann@example.org,A,B,C,D\nbea@example.org,A,B,C,\n")
    assert [(row.outcome, row.reason) for row in rows(done)] == [
        ("rejected", "More than 3 street addresses"),
        ("created", ""),
    ]


def test_every_number_and_address_of_a_row_has_its_own_id(alice: Api, work: Work) -> None:
    titles = "phone,home_phone,City - Other,City - Other 2,City - Other 3"
    text = f'email,{titles}\nann@example.org,"555-0101, 555-0102",555-0103,A,B,C\n'
    imported(alice, work, text)
    ann = by_address(alice, "ann@example.org", "phone_numbers", "street_addresses")
    ids = {item["phone_number_id"] for item in ann["phone_numbers"]}
    ids |= {item["street_address_id"] for item in ann["street_addresses"]}
    assert len(ids) == 6


@pytest.mark.parametrize(
    ("cell", "numbers"),
    [
        ("555-0101, 555-0102", ["555-0101", "555-0102"]),
        ("111, 222, 333", ["111", "222", "333"]),
        ("+1 (309) 555-0100,  309.555.0101 x12", ["+1 (309) 555-0100", "309.555.0101 x12"]),
        ("555-0101, 555-0101", ["555-0101"]),
        ("555-0101,555-0102", ["555-0101,555-0102"]),  # an export puts a blank there
        ("555-0101, ext. 12", ["555-0101, ext. 12"]),
        ("555-0101, 12", ["555-0101, 12"]),
        ("555-0101, ", ["555-0101,"]),
        ("Ann, 555-0101", ["Ann, 555-0101"]),
    ],
)
def test_a_cell_of_several_numbers(alice: Api, work: Work, cell: str, numbers: list[str]) -> None:
    imported(alice, work, f'email,work_phone\nann@example.org,"{cell}"\n')
    assert phones(alice) == [("work", number) for number in numbers]
    items: list[Any] = [{"email": "bea@example.org", "work_phone": cell}]
    imported_items(alice, work, items)
    found = by_address(alice, "bea@example.org", "phone_numbers")["phone_numbers"]
    assert [phone["phone_number"] for phone in found] == numbers


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("555-0101, 555-0102, 555-0103, 555-0104", "More than 3 phone numbers"),
        ("555-0101, after six o'clock", "work_phone has more than 25 characters"),
        (f"555-0101, {'5' * 26}", "work_phone has more than 25 characters"),
    ],
)
def test_cells_of_too_many_or_too_long_numbers(
    alice: Api, work: Work, rows: Rows, cell: str, reason: str
) -> None:
    done = imported(alice, work, f'email,work_phone\nann@example.org,"{cell}"\n')
    assert [(row.outcome, row.reason) for row in rows(done)] == [("rejected", reason)]


@pytest.mark.parametrize(
    ("title", "column"),
    [
        ("City - Home 2", "home_city 2"),
        (" zip/postal code - WORK 3 ", "work_zip 3"),
        ("City - Home 1", None),
        ("City - Home 4", None),
        ("Phone - home 2", None),
        ("City 2 - Home", None),
        ("Street 2 - Home", "home_street2"),
        ("City - Home", "home_city"),
    ],
)
def test_the_titles_of_further_addresses(title: str, column: str | None) -> None:
    assert column_of(title, ColumnNames(())) == column
