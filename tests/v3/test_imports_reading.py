"""Imports: how a file or an item is read, and what cannot be; V3 contract 6.3."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from tests.conftest import Api
from tests.v3.bulk import Work, counted
from tests.v3.helpers import found, get_contact, new_field
from tests.v3.imports import Rows, by_address, failed, imported, imported_items

pytestmark = pytest.mark.usefixtures("nothing_is_left")


# Files that cannot be read as a whole


def zipped() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("people.csv", "email\na@example.org\n")
    return made.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\n\n \n", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"email,first_name\n", "the file has no rows"),
        (b"email,first_name", "the file has no rows"),
        (b"email,first_name\n,\n  ,\n", "the file has no rows"),
        (b"first_name,last_name\nAnn,A\n", "the file has no email or sms_number column"),
        (b"ann@example.org\nbea@example.org\n", "the file has no email or sms_number column"),
        (zipped(), "the file is a spreadsheet or zip, not CSV: save it as CSV first"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "the file is a spreadsheet or zip"),
        (b"\x7fELF\x02\x01\x01" + bytes(range(256)), "the file is not text"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "the file has no email or sms_number column"),
        (b'"email,first_name\na@example.org,Ann\n', "the header line has a quote that does not close"),
    ],
)
def test_files_that_fail(alice: Api, work: Work, content: bytes, reason: str) -> None:
    (why,) = failed(alice, work, content)
    assert why.startswith(reason)
    assert found(alice, status="all") == []


# How it is read


def test_unknown_columns_are_named(alice: Api, work: Work) -> None:
    done = imported(
        alice, work, "email,Shoe,first_name,E-Mail,,Notes\na@example.org,44,Ann,b@example.org,,x\n"
    )
    assert done["activity_errors"] == ["Ignored columns: Shoe, E-Mail, Notes"]
    assert counted(done) == {"items_total": 2, "person": 1, "created": 1}
    assert by_address(alice, "a@example.org")["first_name"] == "Ann"


SPELLINGS = {
    "email": ["email", "EMAIL", " Email ", "Email address", "email_address", "E-Mail", "e-mail address"],
    "first_name": ["first_name", "First Name", "FIRST-NAME", "first  name"],
    "last_name": ["last_name", "Last name"],
    "job_title": ["job_title", "Job Title"],
    "company_name": ["company_name", "Company Name", "company"],
    "anniversary": ["anniversary", "Anniversary"],
}


@pytest.mark.parametrize("column", SPELLINGS)
def test_spellings_of_the_columns(alice: Api, work: Work, column: str) -> None:
    value = "2015-06-07" if column == "anniversary" else "Zoe"
    for number, spelling in enumerate(SPELLINGS[column]):
        address = f"a{number}@example.org"
        header, row = (
            (spelling, address) if column == "email" else (f"email,{spelling}", f"{address},{value}")
        )
        done = imported(alice, work, f"{header}\n{row}\n")
        assert done["activity_errors"] == []
        contact = by_address(alice, address)
        if column == "email":
            assert contact["email_address"]["address"] == address
        else:
            assert contact[column] == value


def test_every_column_of_a_file(alice: Api, work: Work) -> None:
    field_id = new_field(alice, "Shoe size")
    text = (
        "email,sms_number,first_name,last_name,phone,job_title,anniversary,birthday_day,birthday_month,"
        "company_name,street,street2,city,state,zip,country,sms_consent_date,cf:shoe_size\n"
        "ann@example.org,(309) 555-0100,Ann,Ace,123 45,Baker,6/7/2015,29,2,"
        "Mill,1 High St,Flat 2,Peoria,Illinois,61602,United States,2020-01-02,44\n"
    )
    done = imported(alice, work, text, sms_permission_to_send="explicit")
    assert done["activity_errors"] == []
    ann = by_address(
        alice, "ann@example.org", "phone_numbers", "street_addresses", "custom_fields", "sms_channel"
    )
    expected = {
        "first_name": "Ann",
        "last_name": "Ace",
        "job_title": "Baker",
        "company_name": "Mill",
        "birthday_day": 29,
        "birthday_month": 2,
        "anniversary": "2015-06-07",
    }
    assert ann.items() >= expected.items()
    (phone,) = ann["phone_numbers"]
    assert (phone["kind"], phone["phone_number"]) == ("other", "123 45")
    (address,) = ann["street_addresses"]
    assert address["kind"] == "home"
    assert address["street"] == "1 High St Flat 2"
    assert (address["city"], address["postal_code"]) == ("Peoria", "61602")
    assert ann["custom_fields"] == [{"custom_field_id": field_id, "value": "44"}]
    (consent,) = ann["sms_channel"]["sms_channel_consents"]
    assert consent["sms_consent_permission"] == "explicit"
    assert consent["opt_in_date"] == "2020-01-02T00:00:00Z"


def test_every_column_of_an_item(alice: Api, work: Work) -> None:
    new_field(alice, "Shoe size")
    item: dict[str, Any] = {
        "email": "ann@example.org",
        "birthday_month": 2,
        "birthday_day": "29",
        "phone": "1",
        "home_phone": "2",
        "mobile_phone": "3",
        "street": "a",
        "work_street": "b",
        "other_city": "c",
        "home country": "US",
        "cf:shoe_size": 44,
        "cf:unknown": "x",
        "last_name": None,
    }
    done = imported_items(alice, work, [item])
    assert counted(done) == {"items_total": 1, "person": 1, "created": 1}
    ann = by_address(alice, "ann@example.org", "phone_numbers", "street_addresses", "custom_fields")
    phones = {phone["kind"]: phone["phone_number"] for phone in ann["phone_numbers"]}
    assert phones == {"other": "1", "home": "2", "mobile": "3"}
    addresses = {address["kind"]: address for address in ann["street_addresses"]}
    assert addresses["home"]["street"] == "a"
    assert addresses["work"]["street"] == "b"
    assert addresses["other"]["city"] == "c"
    assert "last_name" not in ann
    assert ann["custom_fields"][0]["value"] == "44"


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_delimiters_and_line_ends(alice: Api, work: Work, encoding: str) -> None:
    for number, (delimiter, end) in enumerate([(",", "\n"), (";", "\r\n"), ("\t", "\r")]):
        address = f"zoe{number}@example.org"
        lines = [["email", "first_name", "last_name"], [address, "Zoë", '"Ø, ""de"" ;\tl\'Œuvre"'], [""] * 3]
        text = end.join(delimiter.join(cells) for cells in lines)
        done = imported(alice, work, text.encode(encoding))
        assert done["activity_errors"] == []
        contact = by_address(alice, address)
        assert contact["first_name"] == "Zoë"
        assert contact["last_name"] == 'Ø, "de" ;\tl\'Œuvre'


def test_rows_that_cannot_be_read_cost_only_themselves(alice: Api, work: Work, rows: Rows) -> None:
    content = (
        b"email,first_name,last_name\n"
        b"a@example.org,Ann,Ace\n"
        b"b@example.org,Bea\n"  # 3: too few
        b"c@example.org,Cid,Cox,extra\n"  # 4: too many
        b'd@example.org,"Dan "x,Dee\n'  # 5: text after a quote
        b'e@example.org,"Eve\nis two lines",Eck\n'  # 6 and 7
        b'f@example.org,"Fay,Fox\n'  # 8: never closes
        b"g@example.org,Gus,Gee\n"
        b"h@example.org,Hal\xff,Hix\n"  # 10: not UTF-8, after a character that was
        b"i@example.org,I\0da,Ire\n"  # 11: NUL
        b"\n"
        b"j@example.org,Jan,Jee,,\n"  # 13: more cells, but empty
        b'"k@example.org","K, ""K""","Koo"'  # 14: no line end
    )
    content = content.replace(b"Ann", "Änn".encode())
    done = imported(alice, work, content)
    assert counted(done) == {"items_total": 12, "person": 5, "error": 6, "created": 5, "rejected": 6}
    taken = {row.line: row.contact_id for row in rows(done, "created")}
    assert set(taken) == {2, 6, 9, 13, 14}
    assert get_contact(alice, taken[6])["first_name"] == "Eve\nis two lines"
    assert get_contact(alice, taken[14])["first_name"] == 'K, "K"'
    rejected = {row.line: row.reason for row in rows(done, "rejected")}
    assert rejected[3] == "has 2 cells where the header has 3"
    assert rejected[4] == "has 4 cells where the header has 3"
    assert "quote" in rejected[5]
    assert "quote" in rejected[8]
    assert rejected[10] == "not valid UTF-8"
    assert rejected[11] == "has a NUL character"
    assert done["activity_errors"] == [f"Line {line}: {reason}" for line, reason in rejected.items()]


REJECTED: list[tuple[dict[str, Any], str, bool]] = [
    ({"email": "x"}, "Invalid email address", True),
    ({"email": "a@b"}, "Invalid email address", True),
    ({"email": "a" * 70 + "@example.org"}, "Invalid email address", True),
    ({"first_name": "Ann"}, "No email address or SMS number", True),
    ({"email": "a@example.org", "birthday_month": "13", "birthday_day": "1"}, "Invalid birthday", True),
    ({"email": "a@example.org", "birthday_month": "2", "birthday_day": "30"}, "Invalid birthday", True),
    ({"email": "a@example.org", "birthday_month": "2"}, "Invalid birthday", True),
    ({"email": "a@example.org", "anniversary": "soon"}, "Invalid anniversary", True),
    ({"email": "a@example.org", "anniversary": "2015-02-30"}, "Invalid anniversary", True),
    ({"sms_number": "12"}, "Invalid sms_number", False),
    ({"email": "a@example.org", "sms_number": "call me"}, "Invalid sms_number", False),
    ({"email": "a@example.org", "first_name": "x" * 51}, "first_name has more than 50 characters", False),
    ({"email": "a@example.org", "company_name": "x" * 51}, "company_name has more than 50 characters", False),
    ({"email": "a@example.org", "city": "x" * 51}, "city has more than 50 characters", False),
    ({"email": "a@example.org", "street": "x" * 200, "street2": "y" * 55}, "street has more than 255 characters", False),
    ({"email": "a@example.org", "phone": "1" * 26}, "phone has more than 25 characters", False),
    ({"email": "a@example.org", "phone": "1", "home_phone": "2", "work_phone": "3", "mobile_phone": "4"}, "More than 3 phone numbers", False),
    ({"email": "a@example.org", "cf:size": "x" * 256}, "Size has more than 255 characters", False),
    ({"email": "a@example.org", "cf:day": "soon"}, "Invalid Day", False),
]  # fmt: skip


def test_rows_that_are_rejected(alice: Api, work: Work, rows: Rows) -> None:
    """The same rows and the same reasons, in a file and as items."""
    new_field(alice, "Size")
    new_field(alice, "Day", "date", version=2)
    columns = list(dict.fromkeys(name for row, _, _ in REJECTED for name in row))
    lines = [columns, *([row.get(name, "") for name in columns] for row, _, _ in REJECTED)]
    text = "\n".join(",".join(line) for line in lines)
    reasons = [reason for _, reason, _ in REJECTED]
    correctable = sum(fixable for _, _, fixable in REJECTED)
    for done, first in (
        (imported(alice, work, text), 2),
        (imported_items(alice, work, [row for row, _, _ in REJECTED]), 1),
    ):
        assert [row.reason for row in rows(done)] == reasons
        assert {row.outcome for row in rows(done)} == {"rejected"}
        assert {row.contact_id for row in rows(done)} == {""}
        assert counted(done) == {
            "items_total": len(REJECTED) + first - 1,
            "error": len(REJECTED) - correctable,
            "correctable": correctable,
            "rejected": len(REJECTED),
        }
        assert done["activity_errors"] == [f"Line {n}: {reason}" for n, reason in enumerate(reasons, first)]
    assert found(alice, status="all") == []


def test_items_with_values_of_other_types(alice: Api, work: Work, rows: Rows) -> None:
    items = [
        {"email": "a@example.org", "first_name": ["Ann"]},
        {"email": {"address": "a@example.org"}},
        {
            "email": "a@example.org",
            "first_name": 7,
            "last_name": True,
            "job_title": 1.5,
            "company_name": None,
        },
        {},
    ]
    done = imported_items(alice, work, items)
    assert [(row.outcome, row.reason) for row in rows(done)] == [
        ("rejected", "Invalid first_name"),
        ("rejected", "Invalid email"),
        ("created", ""),
        ("rejected", "No email address or SMS number"),
    ]
    contact = by_address(alice, "a@example.org")
    assert (contact["first_name"], contact["last_name"], contact["job_title"]) == ("7", "true", "1.5")


def test_errors_are_a_hundred_and_reports_are_all(alice: Api, work: Work, rows: Rows) -> None:
    done = imported(alice, work, "email\n" + "x\n" * 250)
    assert len(done["activity_errors"]) == 100
    assert counted(done) == {"items_total": 251, "correctable": 250, "rejected": 250}
    assert len(rows(done, "rejected")) == 250
    assert all(row.reason for row in rows(done))
