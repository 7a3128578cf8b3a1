"""Imports: who may, and which uploads are taken; V3 contract 6.3."""

from __future__ import annotations

import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import Api, Reply
from tests.v3.bulk import Work, counted, ended, lists_of
from tests.v3.helpers import NOBODY, Behind, found, new_list, new_lists, refused
from tests.v3.imports import Rows, by_address, made, post_file, post_items

pytestmark = pytest.mark.usefixtures("nothing_is_left")


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
        ((part("file", "email\na@example.org\n", "a\0b.csv"), ok, END), "its name contains a NUL character"),
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
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=60) as connection:
        connection.sendall(head + half)
        deadline = time.monotonic() + 60
        while seen < 2 and time.monotonic() < deadline:
            seen = len(behind.rows("upload_part", "part"))
    assert seen == 2, "pieces are stored as they come"
    deadline = time.monotonic() + 60
    while behind.rows("upload_part", "part") and time.monotonic() < deadline:
        pass
    assert behind.rows("upload_part", "part") == []
    assert alice.get("/activities").json["activities"] == []
