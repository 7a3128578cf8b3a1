"""Imports: what is taken, how it is read, and what becomes of each row; V3 contract 6.3."""

from __future__ import annotations

import dataclasses
import io
import json
import socket
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from anyio.from_thread import BlockingPortal

from everlist.core import activities, suppression
from everlist.core.imports import job, outcomes, upload
from everlist.db import Database
from everlist.settings import Settings
from tests.conftest import SECRET_KEY, Api, Clock, NewAccount, NewToken, Reply, Sql
from tests.core.recount import recount
from tests.server import Server
from tests.v3.bulk import Work, counted, ended, images, lists_of, person
from tests.v3.helpers import (
    NOBODY,
    Behind,
    email,
    found,
    get_contact,
    new_field,
    new_list,
    new_lists,
    post_contact,
    put_contact,
    refused,
    sign_up,
    sms,
)


def post_file(
    api: Api, content: str | bytes, *list_ids: str, name: str = "people.csv", **fields: str
) -> Reply:
    data = content.encode() if isinstance(content, str) else content
    return api(
        "POST",
        "/activities/contacts_file_import",
        files={"file": (name, data, "text/csv")},
        data={"list_ids": ",".join(list_ids), **fields},
    )


def post_items(api: Api, items: Any, *list_ids: str, **more: Any) -> Reply:
    return api.post("/activities/contacts_json_import", {"import_data": items, "list_ids": list_ids, **more})


def made(reply: Reply) -> str:
    assert reply.status == 201, reply
    return reply.json["activity_id"]


def imported(api: Api, work: Work, content: str | bytes, *list_ids: str, **more: Any) -> Any:
    """The activity that imported a file."""
    activity_id = made(post_file(api, content, *(list_ids or [new_list(api)]), **more))
    work()
    return ended(api, activity_id)


def imported_items(api: Api, work: Work, items: Any, *list_ids: str, **more: Any) -> Any:
    activity_id = made(post_items(api, items, *(list_ids or [new_list(api)]), **more))
    work()
    return ended(api, activity_id)


def failed(api: Api, work: Work, content: str | bytes) -> list[str]:
    """Why a file could not be imported."""
    activity_id = made(post_file(api, content, new_list(api)))
    work()
    return ended(api, activity_id, "failed")["activity_errors"]


def by_address(api: Api, address: str, *include: str) -> Any:
    contacts = api.get("/contacts", email=address, status="all").json["contacts"]
    return get_contact(api, contacts[0]["contact_id"], *include) if contacts else None


class Row(NamedTuple):
    row: int
    line: int
    outcome: str
    contact_id: str
    email: str
    reason: str


class Rows:
    """Reads what became of each row."""

    def __init__(self, api: Api, database: Database, portal: BlockingPortal) -> None:
        self.api, self.database, self.portal = api, database, portal

    def __call__(self, activity: Any, *wanted: str) -> list[Row]:
        async def read() -> list[Row]:
            chosen = frozenset(wanted) or None
            activity_id = UUID(activity["activity_id"])
            chunks = outcomes.read(self.database, self.api.account_id, activity_id, chosen)
            return [Row(*line) async for chunk in chunks for line in chunk]

        return self.portal.call(read)


@pytest.fixture
def rows(alice: Api, database: Database, portal: BlockingPortal) -> Rows:
    return Rows(alice, database, portal)


@pytest.fixture(autouse=True)
def nothing_is_left(alice: Api, sql: Sql, database: Database, portal: BlockingPortal) -> Iterator[None]:
    """Once a sweep was made, no piece of an upload and no row on its way outlasts an import that has ended."""
    yield
    a_day_ago = datetime.now(UTC) - timedelta(days=1)
    portal.call(lambda: upload.sweep(database, alice.account_id, before=a_day_ago))
    for table in ("upload_part", "import_row"):
        left = sql(
            f"select t.activity_id, a.state from {table} t left join activity a using (account_id, activity_id)"
            " where t.account_id = $1 and coalesce(a.state, 'none') not in ('initialized', 'processing')",
            alice.account_id,
        )
        assert not left, (table, left)


# What is taken


def test_who_may(alice: Api, bob: Api, charlie: Api, anonymous: Api) -> None:
    list_id = new_list(alice)
    for post, data in ((post_file, "email\na@example.org\n"), (post_items, [{"email": "a@example.org"}])):
        assert post(anonymous, data, list_id).status == 401
        assert post(bob, data, list_id).status == 403
        refused(post(charlie, data, list_id), 400, f"no list has the id {list_id}")


def test_a_file_from_its_upload_to_its_end(alice: Api, work: Work, rows: Rows) -> None:
    list_id = new_list(alice)
    reply = post_file(alice, "email,first_name\r\nAnn@Example.org,Ann\r\nbea@example.org,Bea\r\n", list_id)
    assert reply.status == 201
    assert reply.json["state"] == "initialized"
    assert reply.json["source_file_name"] == "people.csv"
    assert reply.json["status"] == {}
    work()
    done = ended(alice, made(reply))
    assert done["source_file_name"] == "people.csv"
    assert done["percent_done"] == 100
    assert done["activity_errors"] == []
    assert done["status"] == {
        "items_total_count": 3,
        "person_count": 2,
        "error_count": 0,
        "correctable_count": 0,
        "cannot_add_to_list_count": 0,
        "created_count": 2,
        "unchanged_count": 0,
        "rejected_count": 0,
    }
    ann = by_address(alice, "ann@example.org", "list_memberships")
    assert ann["first_name"] == "Ann"
    assert ann["list_memberships"] == [list_id]
    assert ann["create_source"] == "Account"
    assert "update_source" not in ann
    assert ann["email_address"]["permission_to_send"] == "implicit"
    assert ann["email_address"]["opt_in_source"] == "Account"
    assert [(row.row, row.line, row.outcome) for row in rows(done)] == [(1, 2, "created"), (2, 3, "created")]
    assert rows(done)[0].contact_id == ann["contact_id"]


def test_items_from_their_upload_to_their_end(alice: Api, work: Work, rows: Rows) -> None:
    list_ids = new_lists(alice, 2)
    reply = post_items(alice, [{"email": "Ann@Example.org", "first_name": "Ann"}, {"email": "x"}], *list_ids)
    assert reply.status == 201
    assert "source_file_name" not in reply.json
    work()
    done = ended(alice, made(reply))
    assert counted(done) == {"items_total": 2, "person": 1, "correctable": 1, "created": 1, "rejected": 1}
    assert done["activity_errors"] == ["Line 2: Invalid email address"]
    assert lists_of(alice, by_address(alice, "ann@example.org")["contact_id"]) == set(list_ids)
    assert [(row.line, row.outcome, row.email, row.reason) for row in rows(done)] == [
        (1, "created", "", ""),
        (2, "rejected", "x", "Invalid email address"),
    ]


BOUNDARY = "a-boundary"


def part(name: str, value: str | bytes, file_name: str | None = None) -> bytes:
    file_part = f'; filename="{file_name}"' if file_name is not None else ""
    data = value.encode() if isinstance(value, str) else value
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file_part}\r\n\r\n'.encode()
        + data
        + b"\r\n"
    )


END = f"--{BOUNDARY}--\r\n".encode()
FILE = part("file", "email\nann@example.org\n", "a.csv")


def post_form(
    api: Api, *parts: bytes, content_type: str = f"multipart/form-data; boundary={BOUNDARY}"
) -> Reply:
    return api(
        "POST",
        "/activities/contacts_file_import",
        content=b"".join(parts),
        headers={"Content-Type": content_type},
    )


@pytest.mark.parametrize("how", ["before", "after", "around", "repeated", "blanks", "twice the same"])
def test_lists_stand_anywhere_in_the_form(alice: Api, work: Work, how: str) -> None:
    one, other = new_lists(alice, 2)
    parts = {
        "before": (part("list_ids", f"{one},{other}"), FILE),
        "after": (FILE, part("list_ids", f"{one},{other}")),
        "around": (part("list_ids", one), FILE, part("list_ids", other)),
        "repeated": (part("list_ids", one), part("list_ids", other), FILE),
        "blanks": (part("list_ids", f" {one} , {other},,"), FILE),
        "twice the same": (part("list_ids", f"{one},{other},{one}"), part("list_ids", other), FILE),
    }[how]
    activity_id = made(post_form(alice, *parts, END))
    work()
    assert counted(ended(alice, activity_id)) == {"items_total": 2, "person": 1, "created": 1}
    assert lists_of(alice, by_address(alice, "ann@example.org")["contact_id"]) == {one, other}


@pytest.mark.parametrize("name", ["people.CSV", "what, now; 100%.csv", "Zoë.csv"])
def test_file_names(alice: Api, name: str) -> None:
    reply = post_form(
        alice, part("file", "email\na@example.org", name), part("list_ids", new_list(alice)), END
    )
    assert reply.status == 201
    assert reply.json["source_file_name"] == name


def test_an_unknown_field_of_the_form_is_passed_over(alice: Api, work: Work) -> None:
    parts = [part("what", "x" * 1000), FILE, part("file", "email\nbea@example.org\n", "second.csv")]
    activity_id = made(post_form(alice, *parts, part("list_ids", new_list(alice)), END))
    work()
    assert ended(alice, activity_id)["source_file_name"] == "a.csv"
    assert found(alice) == [by_address(alice, "ann@example.org")["contact_id"]]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/csv", "multipart/form-data", "multipart/mixed; boundary=a-boundary"],
)
def test_a_form_of_the_wrong_type(alice: Api, content_type: str) -> None:
    refused(post_form(alice, FILE, END, content_type=content_type), 415, "multipart/form-data")


@pytest.mark.parametrize("name", ["people.xlsx", "people.csv.zip", "csv", "people", ""])
def test_a_file_that_is_not_named_csv(alice: Api, behind: Behind, name: str) -> None:
    reply = post_form(
        alice, part("list_ids", new_list(alice)), part("file", "email\na@example.org\n", name), END
    )
    refused(reply, 415, ".csv")
    assert behind.rows("upload_part") == []


def test_forms_that_are_refused(alice: Api, behind: Behind) -> None:
    ok = part("list_ids", new_list(alice))
    for parts, text in (
        ((ok, END), "file is missing"),
        ((FILE, END), "list_ids is missing"),
        ((FILE, part("list_ids", " , "), END), "list_ids is missing"),
        ((FILE, part("list_ids", "x"), END), "list_ids does not have a valid value"),
        ((FILE, part("list_ids", NOBODY), END), f"no list has the id {NOBODY}"),
        ((FILE, part("list_ids", ",".join([NOBODY[:-3] + f"{n:03}" for n in range(51)])), END), "at most 50"),
        ((FILE, part("list_ids", "x" * 20_000), END), "list_ids does not have a valid value"),
        ((FILE, ok, part("sms_permission_to_send", "implicit"), END), "sms_permission_to_send does not have"),
        ((part("file", "", "a.csv"), ok, END), "it is empty"),
        ((part("file", "email\na@example.org\n"), ok, END), ".csv"),
        ((ok, FILE), "cut off"),
        ((b"no form at all",), "multipart"),
        ((), "file is missing"),
    ):
        reply = post_form(alice, *parts)
        assert reply.status in (400, 415), (parts, reply)
        assert text in reply.json[0]["error_message"], (parts, reply)
    assert behind.rows("upload_part") == []
    assert alice.get("/activities").json["activities"] == []


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "list_ids is missing"),
        ({"list_ids": []}, "list_ids is missing"),
        (
            {"list_ids": [NOBODY] * 2, "import_data": [{"email": "a@example.org"}]},
            f"no list has the id {NOBODY}",
        ),
        ({"list_ids": ["x"], "import_data": [{"email": "a@example.org"}]}, "list_ids"),
        ({"import_data": []}, "import_data is missing"),
        ({"import_data": None}, "import_data is missing"),
        ({"import_data": {}}, "import_data"),
        ({"import_data": ["a@example.org"]}, "import_data does not have a valid value"),
        ({"import_data": [{"email": "a@example.org"}, None]}, "import_data does not have a valid value"),
        (
            {"import_data": [{"email": "a@example.org"}], "sms_permission_to_send": "x"},
            "sms_permission_to_send",
        ),
    ],
)
def test_items_that_are_refused(alice: Api, behind: Behind, body: Any, text: str) -> None:
    if "import_data" in body and "list_ids" not in body:
        body = {**body, "list_ids": [new_list(alice)]}
    refused(alice.post("/activities/contacts_json_import", body), 400, text)
    assert behind.rows("upload_part") == []


def test_an_upload_that_is_cut_off_leaves_nothing(alice: Api, behind: Behind) -> None:
    url = urlsplit(alice.url)
    head = (
        f"POST /v3/activities/contacts_file_import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.token}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: 9000000\r\n\r\n"
    ).encode()
    half = part("list_ids", new_list(alice)) + part(
        "file", b"email\n" + b"a@example.org\n" * 200_000, "a.csv"
    )
    seen = 0
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=30) as connection:
        connection.sendall(head + half)
        deadline = time.monotonic() + 30
        while seen < 2 and time.monotonic() < deadline:
            seen = len(behind.rows("upload_part", "part"))
    assert seen == 2, "pieces are stored as they come"
    while behind.rows("upload_part", "part") and time.monotonic() < deadline:
        pass
    assert behind.rows("upload_part", "part") == []
    assert alice.get("/activities").json["activities"] == []


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


# What becomes of the rows


def test_of_rows_for_one_address_the_last_counts(alice: Api, work: Work, rows: Rows) -> None:
    text = "email,first_name\nann@example.org,One\nbea@example.org,Bea\nANN@Example.org,Two\nann@example.org,Three\n"
    done = imported(alice, work, text)
    assert counted(done) == {"items_total": 5, "person": 2, "created": 2, "unchanged": 2}
    assert by_address(alice, "ann@example.org")["first_name"] == "Three"
    assert [(row.outcome, row.email, row.reason) for row in rows(done)] == [
        ("unchanged", "ann@example.org", "superseded by line 5"),
        ("created", "", ""),
        ("unchanged", "ann@example.org", "superseded by line 5"),
        ("created", "", ""),
    ]
    assert done["activity_errors"] == []


def test_a_rejected_row_supersedes_nothing(alice: Api, work: Work, rows: Rows) -> None:
    done = imported(alice, work, f"email,first_name\nann@example.org,Ann\nann@example.org,{'x' * 51}\n")
    assert [row.outcome for row in rows(done)] == ["created", "rejected"]
    assert by_address(alice, "ann@example.org")["first_name"] == "Ann"


def test_rows_for_one_number(alice: Api, work: Work, rows: Rows) -> None:
    text = "sms_number,first_name\n3095550100,One\n+1 309 555 0100,Two\n"
    done = imported(alice, work, text)
    assert [(row.outcome, row.reason) for row in rows(done)] == [
        ("unchanged", "superseded by line 3"),
        ("created", ""),
    ]
    (contact_id,) = found(alice)
    contact = get_contact(alice, contact_id, "sms_channel")
    assert contact["first_name"] == "Two"
    assert "email_address" not in contact
    again = imported(alice, work, "sms_number,last_name\n3095550100,Too\n")
    assert counted(again) == {"items_total": 2, "person": 1, "updated": 1}
    assert get_contact(alice, contact_id)["last_name"] == "Too"


def test_two_rows_for_one_contact_by_its_address_and_its_number(
    alice: Api, work: Work, rows: Rows, behind: Behind
) -> None:
    """They are about one contact, whatever names it; it is restored, counted and written once."""
    contact_id = person(alice, "ann", sms_channel=sms("13095550100"))
    alice.delete(f"/contacts/{contact_id}")
    list_id = new_list(alice)
    text = "email,sms_number,first_name\nann@example.org,,One\n,3095550100,Two\n"
    done = imported(alice, work, text, list_id)
    assert [row.outcome for row in rows(done)].count("updated") == 1
    assert (done["status"]["updated_count"], done["status"]["unchanged_count"]) == (1, 1)
    assert get_contact(alice, contact_id)["first_name"] == "Two"
    assert [(row.contact_id, row.reason) for row in rows(done)] == [
        (contact_id, "superseded by line 3"),
        (contact_id, ""),
    ]
    assert [move[0] for move in behind.moves(contact_id)] == ["created", "deleted", "restored"]


def test_only_the_columns_that_are_there_change(alice: Api, work: Work, rows: Rows, clock: Clock) -> None:
    field = new_field(alice, "Size")
    other = new_field(alice, "Other")
    news, club = new_lists(alice, 2)
    clock.move(days=-1)
    before = post_contact(
        alice,
        email_address=email("ann@example.org", "explicit"),
        first_name="Ann",
        last_name="Ace",
        job_title="Baker",
        company_name="Mill",
        birthday_month=2,
        birthday_day=29,
        anniversary="2015-06-07",
        list_memberships=[news],
        custom_fields=[{"custom_field_id": field, "value": "44"}, {"custom_field_id": other, "value": "x"}],
        notes=[{"content": "called"}],
    )
    done = imported(alice, work, "email,last_name,job_title,cf:Size\nann@example.org,Pace,,45\n", club)
    assert counted(done) == {"items_total": 2, "person": 1, "updated": 1}
    after = by_address(alice, "ann@example.org", "list_memberships", "custom_fields", "notes")
    same = "first_name job_title company_name birthday_month birthday_day anniversary create_source created_at".split()
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert after["last_name"] == "Pace"
    assert set(after["list_memberships"]) == {news, club}
    assert {one["custom_field_id"]: one["value"] for one in after["custom_fields"]} == {
        field: "45",
        other: "x",
    }
    assert after["notes"] == before["notes"]
    assert after["update_source"] == "Account"
    assert after["updated_at"] > before["updated_at"]
    (row,) = rows(done)
    assert row.contact_id == after["contact_id"]


@pytest.mark.parametrize(
    "permission", ["explicit", "implicit", "not_set", "pending_confirmation", "temp_hold"]
)
def test_permission_stays_what_it_was(alice: Api, behind: Behind, work: Work, permission: str) -> None:
    contact_id = person(alice, "ann", permission)
    before = get_contact(alice, contact_id)["email_address"]
    list_id = new_list(alice)
    imported(alice, work, "email,first_name\nann@example.org,Ann\n", list_id)
    after = get_contact(alice, contact_id, "list_memberships")
    assert after["email_address"] == before
    assert after["list_memberships"] == [list_id]
    assert [move[0] for move in behind.moves(contact_id)] == ["created"]


@pytest.mark.parametrize("by", ["Account", "Contact"])
@pytest.mark.parametrize("deleted", [False, True])
def test_the_unsubscribed_are_held_back_but_updated(
    alice: Api, work: Work, rows: Rows, by: str, deleted: bool
) -> None:
    contact_id = person(alice, "ann", first_name="Ann")
    put_contact(
        alice,
        contact_id,
        email_address=email("ann@example.org", "unsubscribed"),
        update_source=by,
        first_name="Ann",
    )
    if deleted:
        alice.delete(f"/contacts/{contact_id}")
    before = get_contact(alice, contact_id)
    text = "email,first_name,last_name\nann@example.org,Ann,Ace\n"
    done = imported(alice, work, text)
    assert counted(done) == {"items_total": 2, "person": 1, "cannot_add_to_list": 1, "held_back": 1}
    after = get_contact(alice, contact_id, "list_memberships")
    assert after["last_name"] == "Ace"
    assert after["list_memberships"] == []
    assert after["email_address"] == before["email_address"]
    assert after.get("deleted_at") == before.get("deleted_at")
    (row,) = rows(done)
    assert row[2:] == ("held_back", contact_id, "ann@example.org", "the contact has unsubscribed")


def test_the_deleted_come_back(alice: Api, behind: Behind, work: Work) -> None:
    old, new = new_lists(alice, 2)
    contact_id = person(alice, "ann", "explicit", list_memberships=[old])
    alice.delete(f"/contacts/{contact_id}")
    done = imported(alice, work, "email\nann@example.org\n", new)
    assert counted(done) == {"items_total": 2, "person": 1, "updated": 1}
    after = get_contact(alice, contact_id, "list_memberships")
    assert "deleted_at" not in after
    assert after["list_memberships"] == [new]
    assert after["email_address"]["permission_to_send"] == "explicit"
    event = behind.events(contact_id)[-1]
    assert (event["action"], event["activity_id"], event["row_number"]) == (
        "restored",
        UUID(done["activity_id"]),
        1,
    )
    assert event["operation"] == "POST /v3/activities/contacts_file_import"


def test_suppressed_addresses_are_held_back(alice: Api, work: Work, rows: Rows, behind: Behind) -> None:
    """Their persons unsubscribed on contacts that have other addresses now."""
    contact_id = person(alice, "ann")
    put_contact(
        alice, contact_id, email_address=email("ann@example.org", "unsubscribed"), update_source="Contact"
    )
    put_contact(alice, contact_id, email_address=email("new@example.org"))
    assert len(behind.rows("suppression")) == 1
    done = imported(alice, work, "email\nann@example.org\nbea@example.org\n")
    assert counted(done) == {
        "items_total": 3,
        "person": 2,
        "cannot_add_to_list": 1,
        "held_back": 1,
        "created": 1,
    }
    assert by_address(alice, "ann@example.org") is None
    row = rows(done, "held_back")[0]
    assert row[3:] == ("", "ann@example.org", "the address is suppressed: its person unsubscribed")
    assert len(behind.rows("suppression")) == 1


def test_a_suppressed_number_does_not_come_back_as_consent(
    alice: Api, work: Work, database: Database, portal: BlockingPortal
) -> None:
    """The person of the number opted out; an import cannot opt it in, neither on a new contact nor on another."""
    person(alice, "ann")

    async def suppress() -> None:
        for number in ("13095550100", "13095550101"):
            hashed = suppression.address_hmac(SECRET_KEY.encode(), alice.account_id, suppression.SMS, number)
            await database.write(
                lambda tx, hashed=hashed: suppression.add(
                    tx, alice.account_id, suppression.SMS, hashed, at=datetime.now(UTC)
                )
            )

    portal.call(suppress)
    text = (
        "email,sms_number,sms_consent_date\nann@example.org,3095550100,2020-01-01\n"
        "bea@example.org,3095550101,2020-01-01\n"
    )
    done = imported(alice, work, text, sms_permission_to_send="explicit")
    assert done["status"]["held_back_count"] == 2
    for address in ("ann@example.org", "bea@example.org"):
        contact = by_address(alice, address, "sms_channel")
        if contact is not None and "sms_channel" in contact:
            (consent,) = contact["sms_channel"]["sms_channel_consents"]
            assert consent["sms_consent_permission"] == "unsubscribed"


def test_rows_that_change_nothing_write_nothing(alice: Api, work: Work, rows: Rows, sql: Sql) -> None:
    new_field(alice, "Size")
    list_id = new_list(alice)
    text = (
        "email,first_name,phone,street,city,country,birthday,anniversary,cf:Size,sms_number\n"
        "ann@example.org,Ann,123,1 High St,Peoria,US,2/29,6/7/2015,44,3095550100\n"
        "bea@example.org,Bea,,,,,,,,\n"
    )
    imported(alice, work, text, list_id)

    def state() -> Any:
        return [
            sql(
                f"select xmin::text, ctid::text from {table} where account_id = $1 order by 2",
                alice.account_id,
            )
            for table in ("contact", "list_membership", "consent_event", "active_delta")
        ]

    before = state()
    for again in (text, text.replace("Bea", "").replace("6/7/2015", "2015-06-07").replace("ann@", "ANN@")):
        done = imported(alice, work, again, list_id)
        assert counted(done) == {"items_total": 3, "person": 2, "unchanged": 2}
        assert {row.outcome for row in rows(done)} == {"unchanged"}
        assert all(row.contact_id and not row.reason for row in rows(done))
    assert state() == before


def kinds(items: Any, *names: str) -> dict[str, tuple[str | None, ...]]:
    return {item["kind"]: tuple(item.get(name) for name in names) for item in items}


def test_phones_and_addresses_are_merged_by_their_kind(alice: Api, work: Work) -> None:
    contact_id = person(
        alice,
        "ann",
        phone_numbers=[{"phone_number": "1", "kind": "home"}, {"phone_number": "2", "kind": "work"}],
        street_addresses=[
            {"kind": "home", "street": "1 High St", "city": "Peoria", "postal_code": "61602"},
            {"kind": "work", "street": "2 Low St"},
        ],
    )
    before = get_contact(alice, contact_id, "phone_numbers", "street_addresses")
    imported(
        alice, work, "email,home_phone,mobile_phone,city,other_street\nann@example.org,9,3,Chicago,3 Old St\n"
    )
    after = get_contact(alice, contact_id, "phone_numbers", "street_addresses")
    assert kinds(after["phone_numbers"], "phone_number") == {"home": ("9",), "work": ("2",), "mobile": ("3",)}
    assert kinds(after["street_addresses"], "street", "city", "postal_code") == {
        "home": ("1 High St", "Chicago", "61602"),
        "work": ("2 Low St", None, None),
        "other": ("3 Old St", None, None),
    }

    def one(contact: Any, what: str, kind: str) -> Any:
        return next(item for item in contact[what] if item["kind"] == kind)

    assert one(after, "phone_numbers", "work") == one(before, "phone_numbers", "work")
    assert one(after, "street_addresses", "work") == one(before, "street_addresses", "work")
    home = one(after, "street_addresses", "home")
    assert home["street_address_id"] == one(before, "street_addresses", "home")["street_address_id"]


def test_limits_of_what_a_contact_has(alice: Api, work: Work, rows: Rows) -> None:
    fields = [new_field(alice, f"F{number}") for number in range(26)]
    person(
        alice,
        "ann",
        phone_numbers=[
            {"phone_number": str(n), "kind": kind} for n, kind in enumerate(("home", "work", "mobile"))
        ],
        custom_fields=[{"custom_field_id": field, "value": "x"} for field in fields[:25]],
    )
    person(alice, "bea", custom_fields=[{"custom_field_id": fields[25], "value": "x"}])
    done = imported(
        alice,
        work,
        "email,other_phone,cf:f25,cf:f0\n"
        "ann@example.org,4,,\n"  # and the fields she has
        "bea@example.org,4,y,y\n",
    )
    assert [(row.outcome, row.reason) for row in rows(done)] == [
        ("rejected", "more than 3 phone numbers"),
        ("updated", ""),
    ]
    assert counted(done) == {"items_total": 3, "person": 1, "error": 1, "rejected": 1, "updated": 1}
    done = imported(alice, work, "email,cf:f25,cf:f0\nann@example.org,y,y\n")
    assert [row.reason for row in rows(done)] == ["more than 25 custom fields"]
    header = ",".join(["email", *(f"cf:f{number}" for number in range(26))])
    done = imported(alice, work, f"{header}\ncid@example.org{',x' * 26}\ndan@example.org{',x' * 25},\n")
    assert [row.reason for row in rows(done)] == ["More than 25 custom fields", ""]


def test_no_more_than_fifty_lists(alice: Api, work: Work, rows: Rows) -> None:
    on = new_lists(alice, 52)
    full = person(alice, "full", list_memberships=on[:49])
    rather = person(alice, "rather", list_memberships=on[:48])
    done = imported(alice, work, "email\nfull@example.org\nrather@example.org\nnew@example.org\n", *on[50:])
    assert [(row.outcome, row.reason) for row in rows(done)] == [
        ("rejected", "on more than 50 lists"),
        ("updated", ""),
        ("created", ""),
    ]
    assert len(lists_of(alice, full)) == 49
    assert len(lists_of(alice, rather)) == 50


def test_a_number_stays_where_it_is(alice: Api, work: Work, rows: Rows) -> None:
    person(alice, "ann", sms_channel=sms("13095550100"))
    person(alice, "bea", sms_channel=sms("13095550101"))
    text = (
        "email,sms_number\n"
        "ann@example.org,3095550102\n"  # she has another
        "cid@example.org,3095550101\n"  # it is Bea's
        "dan@example.org,3095550103\n"
    )
    done = imported(alice, work, text)
    assert [(row.outcome, row.reason) for row in rows(done)] == [
        ("rejected", "the contact has another SMS number"),
        ("rejected", "the SMS number belongs to another contact"),
        ("created", ""),
    ]


def test_consent_by_sms(alice: Api, work: Work) -> None:
    """It takes the word `explicit` and a date that is past; an opt-out stays."""
    person(alice, "out", sms_channel=sms("13095550199", "unsubscribed"))
    text = (
        "email,sms_number,sms_consent_date\n"
        "a@example.org,3095550101,2020-01-02\nb@example.org,3095550102,\nc@example.org,3095550103,soon\n"
        "d@example.org,3095550104,2999-01-01\nout@example.org,3095550199,2020-01-02\n"
    )

    def permissions() -> list[str]:
        contacts = [
            by_address(alice, f"{name}@example.org", "sms_channel") for name in ("a", "b", "c", "d", "out")
        ]
        return [one["sms_channel"]["sms_channel_consents"][0]["sms_consent_permission"] for one in contacts]

    imported(alice, work, text, sms_permission_to_send="explicit")
    assert permissions() == ["explicit", "not_set", "not_set", "not_set", "unsubscribed"]


def test_before_images(alice: Api, work: Work, behind: Behind) -> None:
    list_id = new_list(alice)
    ann = person(alice, "ann", first_name="Ann")
    same = person(alice, "same", list_memberships=[list_id])
    done = imported(
        alice,
        work,
        "email,first_name\nann@example.org,Anna\nnew@example.org,New\nsame@example.org,\n",
        list_id,
    )
    ((created, changed),) = images(behind, done["activity_id"])
    assert [str(one) for one in created] == [by_address(alice, "new@example.org")["contact_id"]]
    (image,) = changed
    assert image["contact_id"] == ann
    assert image["columns"] == {"first_name": ["Ann", "Anna"]}
    assert image["joined"] == [list_id]
    assert str(same) not in str(changed)


def test_another_account_has_the_same_addresses(alice: Api, charlie: Api, work: Work) -> None:
    theirs = post_contact(charlie, email_address=email("ann@example.org", "unsubscribed"))["contact_id"]
    before = get_contact(charlie, theirs)
    done = imported(alice, work, "email,first_name\nann@example.org,Ann\n")
    assert counted(done) == {"items_total": 2, "person": 1, "created": 1}
    assert get_contact(charlie, theirs) == before


def test_chunks_make_no_difference(
    alice: Api, work: Work, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "CHUNK", 2)
    person(alice, "p3", "unsubscribed")
    gone = person(alice, "p4")
    alice.delete(f"/contacts/{gone}")
    lines = ["email,first_name", *(f"p{n}@example.org,N{n}" for n in range(7)), "x,", "p0@example.org,Last"]
    done = imported(alice, work, "\n".join(lines))
    expected = [
        "unchanged",
        "created",
        "created",
        "held_back",
        "updated",
        "created",
        "created",
        "rejected",
        "created",
    ]
    assert [row.outcome for row in rows(done)] == expected
    assert [row.row for row in rows(done)] == list(range(1, 10))
    assert counted(done) == {
        "items_total": 10,
        "person": 7,
        "correctable": 1,
        "cannot_add_to_list": 1,
        "created": 5,
        "updated": 1,
        "unchanged": 1,
        "held_back": 1,
        "rejected": 1,
    }
    assert by_address(alice, "p0@example.org")["first_name"] == "Last"


def test_imports_that_are_cancelled(
    alice: Api,
    work: Work,
    behind: Behind,
    database: Database,
    portal: BlockingPortal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While it waits nothing happens; while it runs, what was merged stays. Its upload is gone either way."""

    async def cancel(activity_id: str) -> None:
        now = datetime.now(UTC)
        await database.write(lambda tx: activities.cancel(tx, alice.account_id, UUID(activity_id), now=now))

    waiting = made(post_file(alice, "email\nann@example.org\n", new_list(alice)))
    portal.call(cancel, waiting)
    work()
    ended(alice, waiting, "cancelled")
    assert found(alice) == []

    original = job.merge

    async def then_cancel(*args: Any, **named: Any) -> dict[str, int]:
        await cancel(running)
        return await original(*args, **named)

    monkeypatch.setattr(job, "merge", then_cancel)
    monkeypatch.setattr(job, "CHUNK", 2)
    running = made(
        post_file(alice, "email\n" + "".join(f"p{n}@example.org\n" for n in range(5)), new_list(alice))
    )
    work()
    done = ended(alice, running, "cancelled")
    assert counted(done) == {"items_total": 6, "person": 2, "created": 2}
    assert len(found(alice)) == 2
    assert behind.rows("before_image", "chunk")


# Size


def test_more_rows_than_the_vendor_takes(alice: Api, work: Work, sql: Sql, rows: Rows) -> None:
    list_id = new_list(alice)
    names = range(40_500)
    done = imported(alice, work, "email\n" + "".join(f"p{n}@example.org\n" for n in names), list_id)
    assert counted(done) == {"items_total": 40_501, "person": 40_500, "created": 40_500}
    ((count,),) = sql("select count(*) from contact where account_id = $1", alice.account_id)
    assert count == 40_500
    assert (
        alice.get(f"/contact_lists/{list_id}", include_membership_count="all").json["membership_count"]
        == 40_500
    )
    outcomes = rows(done)
    assert [row.row for row in outcomes] == list(range(1, 40_501))
    assert len({row.contact_id for row in outcomes}) == 40_500


@pytest.fixture
def limited(
    settings: Settings,
    dsn: str,
    portal: BlockingPortal,
    session_clock: Clock,
    new_account: NewAccount,
    new_token: NewToken,
    sql: Sql,
) -> Iterator[Api]:
    """A caller of a server that imitates the vendor's limits."""
    vendor = dataclasses.replace(settings, vendor_import_limits=True)
    with Server(vendor, dsn, portal, clock=session_clock) as server:
        account = new_account()
        api = Api(server.url, new_token(account, "contact_data"), account)
        yield api
        api.http.close()
        recount(sql, account.account_id)


def test_the_vendors_limit_of_rows(limited: Api, work: Work) -> None:
    text = "email\n" + "".join(f"p{n}\n" for n in range(40_010))  # all rejected, which is quicker
    done = imported(limited, work, text)
    assert counted(done) == {"items_total": 40_000, "correctable": 39_999, "rejected": 39_999}
    assert done["activity_errors"][0].startswith("Only the first 40,000 lines were read")
    done = imported_items(limited, work, [{"email": f"p{n}"} for n in range(40_010)])
    assert counted(done) == {"items_total": 40_000, "correctable": 40_000, "rejected": 40_000}
    assert done["activity_errors"][0].startswith("Only the first 40,000 lines were read")


@pytest.mark.parametrize("kind", ["file", "items"])
def test_the_vendors_limit_of_bytes(limited: Api, work: Work, sql: Sql, kind: str) -> None:
    """No row is imported in part."""
    long = "y" * 240
    new_field(limited, "Size")
    if kind == "file":
        text = "cf:size,email\n" + "".join(f"{long},p{n}@example.organisation\n" for n in range(17_000))
        done = imported(limited, work, text)
        whole = text.encode()[: 4 * 1024 * 1024].count(b"\n") - 1
    else:
        items = [{"cf:size": long, "email": f"p{n}@example.organisation"} for n in range(17_000)]
        done = imported_items(limited, work, items)
        lines = "".join(json.dumps(item, separators=(",", ":")) + "\n" for item in items)
        whole = lines.encode()[: 4 * 1024 * 1024].count(b"\n")
    assert done["activity_errors"][0].startswith("Only the first 4 MB of the file were read")
    ((count, wrong),) = sql(
        "select count(*), count(*) filter (where email not like '%.organisation') from contact where account_id = $1",
        limited.account_id,
    )
    assert wrong == 0
    assert count == whole
    assert counted(done)["created"] == whole


def test_a_small_import_within_the_vendors_limits(limited: Api, work: Work) -> None:
    done = imported(limited, work, "email\na@example.org\n")
    assert done["activity_errors"] == []


def test_sign_ups_while_an_import_waits(alice: Api, work: Work, rows: Rows) -> None:
    """What a person did after the upload stands."""
    list_id = new_list(alice)
    activity_id = made(post_file(alice, "email,first_name\nann@example.org,Import\n", list_id))
    other = new_list(alice)
    assert sign_up(alice, email_address="ann@example.org", list_memberships=[other]).status == 201
    work()
    done = ended(alice, activity_id)
    assert counted(done) == {"items_total": 2, "person": 1, "updated": 1}
    ann = by_address(alice, "ann@example.org", "list_memberships")
    assert ann["email_address"]["permission_to_send"] == "explicit"
    assert set(ann["list_memberships"]) == {list_id, other}
