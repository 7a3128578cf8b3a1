"""What every endpoint shares: tokens, bodies, queries, cursors, errors. V3 contract 1.1 to 1.5 and 2.4."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from everlist import v3
from everlist.settings import MAX_BODY_BYTES
from tests.conftest import Api
from tests.v3.helpers import (
    NOBODY,
    Behind,
    email,
    found,
    ids,
    new_list,
    new_lists,
    new_tag,
    post_contact,
    put_contact,
    refused,
)

ROUTES = [(route.method, route.path) for route in v3.edge.routes]
WITH_BODY = [
    (method, path)
    for method, path in ROUTES
    if method in ("POST", "PUT") and not path.endswith("_file_import")  # which takes a form
]
COLLECTIONS = ("/contacts", "/contact_lists", "/contact_tags", "/contact_custom_fields", "/activities")
JSON = {"Content-Type": "application/json"}


def filled(path: str) -> str:
    """The path with an id in its place."""
    return "/".join(NOBODY if part.startswith("{") else part for part in path.split("/"))


# --- who may


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_token_nothing_is_answered(anonymous: Api, method: str, path: str) -> None:
    reply = anonymous(method, filled(path), content=b"{", headers={"Content-Type": "text/plain"})
    assert reply.status == 401
    assert reply.json == {"error_key": "unauthorized", "error_message": "Unauthorized"}
    assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_the_scope_nothing_is_answered(bob: Api, method: str, path: str) -> None:
    reply = bob(method, filled(path), content=b"{", headers={"Content-Type": "text/plain"})
    assert reply.status == 403
    assert reply.json == {
        "error_key": "access_denied",
        "error_message": "Request forbidden due to insufficient user privileges.",
    }


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer unknown",
        "Bearer {token}x",
        "Bearer  {token}",
        "Basic {token}",
        "{token}",
        "Bearer " + "x" * 10_000,
        "Bearer \xff\xfe",
    ],
    ids=lambda header: header[:20],
)
def test_what_is_no_token(alice: Api, anonymous: Api, header: str) -> None:
    value = header.replace("{token}", alice.token or "").encode("latin-1")
    assert anonymous("GET", "/contacts", headers=[(b"Authorization", value)]).status == 401


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER"])
def test_the_word_bearer_in_any_case(alice: Api, anonymous: Api, kind: str) -> None:
    assert anonymous("GET", "/contacts", headers={"Authorization": f"{kind} {alice.token}"}).status == 200


# --- where


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/nothing",
        "/contacts/",
        "/contacts/counts/",
        f"/contacts/{NOBODY}/x",
        "/contacts/a%2Fb",
        "/Contacts",
    ],
)
def test_nothing_is_at_an_unknown_path(alice: Api, anonymous: Api, path: str) -> None:
    for api in (alice, anonymous):
        response = api.http.get("/v3" + path)
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/json"
        assert response.json() == [
            {"error_key": "contacts.api.not_found", "error_message": "Nothing is at this path"}
        ]


@pytest.mark.parametrize("path", sorted({path for _, path in ROUTES}))
def test_a_method_that_a_path_does_not_have(alice: Api, path: str) -> None:
    reply = alice("PATCH", filled(path), json={})
    assert reply.status == 405
    assert reply.json[0]["error_message"] == "Method not allowed"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/contacts"),
        ("PUT", "/contacts"),
        ("POST", f"/contacts/{NOBODY}"),
        ("POST", "/contacts/counts"),
    ],
)
def test_methods_that_only_another_path_has(alice: Api, method: str, path: str) -> None:
    assert alice(method, path, json={}).status == 405


@pytest.mark.parametrize(
    "text", ["%00", "%FF", "%ED%A0%80", "x" * 5_000, "5d0c7b1e-9c1e-11f0-9c57-0242ac12000g"]
)
def test_ids_of_any_sort_are_not_found(alice: Api, text: str) -> None:
    for path in ("/contacts", "/contact_lists", "/contact_tags", "/contact_custom_fields", "/activities"):
        reply = alice.get(f"{path}/{text}")
        refused(reply, 404, "is in an invalid format")
        assert reply.json[0]["error_key"] == "contacts.api.not_found"


# --- bodies


BROKEN = {
    "empty": b"",
    "blank": b"  ",
    "cut off": b'{"name": ',
    "no JSON": b"name=x",
    "single quotes": b"{'name': 'x'}",
    "trailing comma": b'{"name": "x",}',
    "two values": b"{} {}",
    "NaN": b'{"name": NaN}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "an escaped NUL": b'{"name": "a\\u0000b"}',
    "nested deeply": b'{"name": "x", "y": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "objects nested deeply": b'{"y":' * 50_000 + b"1" + b"}" * 50_000,
    "an array": b"[]",
    "a string": b'"name"',
    "a number": b"7",
    "null": b"null",
}


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
def test_bodies_that_are_no_object_in_json(alice: Api, behind: Behind, method: str, path: str) -> None:
    before = behind.everything()
    for name, body in BROKEN.items():
        reply = alice(method, filled(path), content=body, headers=JSON)
        assert reply.status == 400, (name, reply)
        assert reply.json[0]["error_key"] == "contacts.api.validation.error", name
    assert behind.everything() == before


BROKEN_TEXTS = {
    "invalid UTF-8": b"\xff",
    "an encoded surrogate": b"\xed\xa0\x80",
    "a NUL byte": b"a\x00b",
    "an escaped NUL": b"a\\u0000b",
    "an escaped NUL after a backslash": b"\\\\\\u0000",
    "a lone surrogate": b"\\ud800",
    "half a pair": b"\\ud83dx",
    "surrogates the wrong way round": b"\\udc00\\ud800",
    "a line feed": b"a\nb",
    "an unknown escape": b"\\x41",
}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/contacts", b'{"create_source": "Account", "first_name": "%s"}'),
        ("/contacts", b'{"create_source": "Account", "first_name": "x", "notes": [{"content": "%s"}]}'),
        (
            "/contacts/sign_up_form",
            b'{"email_address": "r@example.org", "source": "Contact", "first_name": "%s"}',
        ),
        ("/contact_lists", b'{"name": "%s"}'),
        ("/contact_lists", b'{"name": "x", "description": "%s"}'),
        ("/contact_tags", b'{"name": "%s"}'),
        ("/contact_custom_fields", b'{"label": "%s", "type": "string"}'),
    ],
)
def test_texts_that_are_no_text(alice: Api, behind: Behind, path: str, body: bytes) -> None:
    before = behind.everything()
    for name, text in BROKEN_TEXTS.items():
        reply = alice("POST", path, content=body.replace(b"%s", text), headers=JSON)
        assert reply.status == 400, (name, reply)
    assert behind.everything() == before
    assert alice("POST", path, content=body.replace(b"%s", b"x"), headers=JSON).status == 201


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
def test_bodies_of_another_type(alice: Api, method: str, path: str) -> None:
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "application/jsonx",
        "x",
    ):
        reply = alice(method, filled(path), content=b"{}", headers={"Content-Type": kind})
        assert reply.status == 415, (kind, reply)


@pytest.mark.parametrize(
    "kind",
    ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/json;charset=x"],
)
def test_the_type_json_with_parameters(alice: Api, kind: str) -> None:
    assert (
        alice("POST", "/contact_tags", content=b'{"name": "x"}', headers={"Content-Type": kind}).status == 201
    )


def test_a_body_without_a_type_is_json(alice: Api) -> None:
    assert alice("POST", "/contact_tags", content=b'{"name": "x"}').status == 201


def test_a_body_that_is_too_big(alice: Api, behind: Behind) -> None:
    fits = b'{"name": "x", "y": "' + b"y" * (MAX_BODY_BYTES - 22) + b'"}'
    assert len(fits) == MAX_BODY_BYTES
    assert alice("POST", "/contact_tags", content=fits, headers=JSON).status == 201
    before = behind.everything()
    assert alice("POST", "/contact_tags", content=fits + b" ", headers=JSON).status == 413

    def chunks() -> Iterator[bytes]:
        yield fits
        yield b" "

    assert alice("POST", "/contact_tags", content=chunks(), headers=JSON).status == 413
    assert behind.everything() == before
    assert found(alice) == []  # and the next request is answered


def test_a_body_in_pieces_is_put_together(alice: Api) -> None:
    def chunks() -> Iterator[bytes]:
        for byte in b'{"name": "in pieces"}':
            yield bytes([byte])

    assert alice("POST", "/contact_tags", content=chunks(), headers=JSON).json["name"] == "in pieces"


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        (b"\\ud83d\\ude00", "\U0001f600"),
        ("\U0001f600".encode(), "\U0001f600"),
        (b"\\\\u0000", "\\u0000"),
        (b"\\u00e9", "é"),
        (b"\\u200f\\ufeff\\u0001", "\u200f\ufeff\x01"),
        (b"'; drop table contact; --", "'; drop table contact; --"),
        (b"\\t\\n$1 %s {}", "\t\n$1 %s {}"),
    ],
)
def test_texts_come_back_as_they_were_sent(alice: Api, text: bytes, stored: str) -> None:
    body = (
        b'{"create_source": "Account", "first_name": "'
        + text
        + b'", "notes": [{"content": "'
        + text
        + b'"}]}'
    )
    reply = alice("POST", "/contacts", content=body, headers=JSON)
    assert reply.status == 201
    shown = alice.get(f"/contacts/{reply.json['contact_id']}", include="notes").json
    assert shown["first_name"] == shown["notes"][0]["content"] == stored


@pytest.mark.parametrize(
    "number",
    [
        "99999999999999999999",
        "-9223372036854775809",
        "1e400",
        "-1e400",
        "1" * 5_000,
        "0.5",
        "1e-400",
        '"1"',
        "true",
        "[]",
    ],
    ids=lambda number: number[:20],
)
def test_numbers_that_are_refused(alice: Api, behind: Behind, number: str) -> None:
    before = behind.everything()
    for body in (
        f'{{"create_source": "Account", "first_name": "x", "birthday_month": {number}, "birthday_day": 1}}',
        f'{{"create_source": "Account", "first_name": "x", "birthday_month": 1, "birthday_day": {number}}}',
    ):
        refused(alice("POST", "/contacts", content=body.encode(), headers=JSON), 400, "birthday_")
    for name in ("version", "metadata"):
        value = f'{{"decimal_places": {number}}}' if name == "metadata" else number
        body = f'{{"label": "x", "type": "number", "{name}": {value}}}'
        refused(alice("POST", "/contact_custom_fields", content=body.encode(), headers=JSON), 400, name)
    choice = f'{{"choice_label": "x", "display_order": {number}}}'
    body = f'{{"label": "x", "type": "single_select", "metadata": {{"display_type": "radio"}}, "choices": [{choice}]}}'
    refused(alice("POST", "/contact_custom_fields", content=body.encode(), headers=JSON), 400, "choices")
    assert behind.everything() == before


@pytest.mark.parametrize("length", [90, 10_000, 1_000_000])
def test_texts_that_are_too_long_by_far(alice: Api, behind: Behind, length: int) -> None:
    text = "x" * length
    before = behind.everything()
    for body in (
        {"first_name": text},
        {"email_address": email(text + "@example.org")},
        {"email_address": email("r@" + text + ".org")},
        {"first_name": "x", "anniversary": text},
        {"first_name": "x", "list_memberships": [text]},
        {"create_source": text, "first_name": "x"},
    ):
        refused(alice.post("/contacts", {"create_source": "Account", **body}), 400)
    assert behind.everything() == before


def test_a_key_that_comes_twice_counts_by_its_last_value(alice: Api) -> None:
    body = b'{"name": "first", "name": "last"}'
    assert alice("POST", "/contact_tags", content=body, headers=JSON).json["name"] == "last"


def test_a_get_with_a_body_ignores_it(alice: Api) -> None:
    assert alice("GET", "/contacts", content=b"{", headers={"Content-Type": "text/plain"}).status == 200


# --- queries


@pytest.mark.parametrize("name", ["limit", "status", "email", "lists", "updated_after", "cursor", "anything"])
def test_a_nul_in_a_query_is_refused(alice: Api, name: str) -> None:
    refused(alice("GET", f"/contacts?{name}=a%00b"), 400, f"{name} does not have a valid value")


def test_odd_queries_find_nobody(alice: Api) -> None:
    post_contact(alice, email_address=email("r@example.org"))
    for text in ("%ED%A0%80", "%FF", "x" * 5_000, "%25", "'", "r@example.org%20or%201=1"):
        assert alice("GET", f"/contacts?email={text}").json == {"contacts": []}
        assert alice("GET", f"/contact_lists?name={text}").json == {"lists": []}


def test_a_parameter_that_comes_twice_counts_by_its_first_value(alice: Api) -> None:
    first, second = post_contact(alice, first_name="1"), post_contact(alice, first_name="2")
    assert len(alice("GET", "/contacts?limit=1&limit=2").json["contacts"]) == 1
    assert len(alice("GET", "/contacts?limit=2&limit=x").json["contacts"]) == 2
    alice.delete(f"/contacts/{second['contact_id']}")
    reply = alice("GET", "/contacts?status=active,all&status=deleted")
    assert ids(reply.json["contacts"]) == [first["contact_id"], second["contact_id"]]


def test_names_and_values_may_be_percent_encoded(alice: Api) -> None:
    ruth = post_contact(alice, email_address=email("r+x@example.org"))["contact_id"]
    assert ids(alice("GET", "/contacts?%65mail=r%2Bx%40example.org").json["contacts"]) == [ruth]


# --- cursors


def cursor_of(reply: Any) -> str:
    return reply.json["_links"]["next"]["href"].partition("cursor=")[2]


def furnish(alice: Api) -> None:
    """Two of everything that has pages."""
    for number in range(2):
        post_contact(alice, first_name=str(number))
        new_tag(alice)
        new_list(alice)
        alice.post("/contact_custom_fields", {"label": str(number), "type": "string"})
        alice.delete(f"/contact_tags/{new_tag(alice)}")


def test_a_cursor_is_of_its_path_and_account(alice: Api, charlie: Api) -> None:
    for api in (alice, charlie):
        furnish(api)
    cursors = {path: cursor_of(alice.get(path, limit=1)) for path in COLLECTIONS}
    for path in COLLECTIONS:
        for of, cursor in cursors.items():
            reply = alice.get(path, cursor=cursor)
            if path == of:
                assert reply.status == 200
            else:
                refused(reply, 400, "cursor does not have a valid value")
        refused(charlie.get(path, cursor=cursors[path]), 400, "cursor does not have a valid value")


@pytest.mark.parametrize(
    "change",
    [{"status": "all"}, {"lists": NOBODY}, {"email": "s@example.org"}, {"updated_after": "2001-01-01"}],
)
def test_a_cursor_is_of_its_query(alice: Api, change: dict[str, str]) -> None:
    (list_id,) = new_lists(alice, 1)
    for number in range(2):
        post_contact(alice, first_name=str(number), list_memberships=[list_id])
    query = {"status": "", "lists": list_id, "email": "", "updated_after": "2000-01-01"}
    cursor = cursor_of(alice.get("/contacts", limit=1, **query))
    assert alice.get("/contacts", cursor=cursor, **query).status == 200
    refused(alice.get("/contacts", cursor=cursor, **{**query, **change}), 400, "cursor")


def test_a_cursor_that_was_changed_is_refused(alice: Api) -> None:
    for number in range(3):
        post_contact(alice, first_name=str(number))
    cursor = cursor_of(alice.get("/contacts", limit=1))
    text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    assert "limit=1" in text

    def encoded(changed: str) -> str:
        return base64.urlsafe_b64encode(changed.encode()).decode().rstrip("=")

    assert encoded(text) == cursor
    for changed in (
        text.replace("limit=1", "limit=2"),
        text.replace("next=", f"next={NOBODY}&x="),
        "status=all&" + text,
        text + "&status=all",
        text.partition("&sig=")[0],
        text.partition("&sig=")[0] + "&sig=",
        f"limit=1&next={NOBODY}",
        "",
    ):
        refused(alice.get("/contacts", cursor=encoded(changed)), 400, "cursor does not have a valid value")
    for position in range(0, len(cursor), 7):
        letter = "A" if cursor[position] != "A" else "B"
        changed = cursor[:position] + letter + cursor[position + 1 :]
        refused(alice.get("/contacts", cursor=changed), 400, "cursor does not have a valid value")


@pytest.mark.parametrize("cursor", ["x", "=", "!!!", "é", "null", NOBODY, "x" * 5_000])
def test_what_is_no_cursor(alice: Api, cursor: str) -> None:
    for path in COLLECTIONS:
        refused(alice.get(path, cursor=cursor), 400, "cursor does not have a valid value")


def test_a_cursor_may_come_with_its_padding_and_percent_encoded(alice: Api) -> None:
    for number in range(2):
        post_contact(alice, first_name=str(number))
    cursor = cursor_of(alice.get("/contacts", limit=1))
    for sent in (cursor, cursor + "%3D" * (-len(cursor) % 4)):
        assert len(alice("GET", f"/contacts?cursor={sent}").json["contacts"]) == 1


# --- answers


def test_a_request_id_comes_back_and_stands_in_the_ledger(alice: Api, behind: Behind) -> None:
    body = {"create_source": "Account", "email_address": email("r@example.org")}
    reply = alice("POST", "/contacts", json=body, headers={"X-Request-Id": "trace/7:a_b.c+d=e-f"})
    assert reply.headers["x-request-id"] == "trace/7:a_b.c+d=e-f"
    put_contact(alice, reply.json["contact_id"], email_address=email("r@example.org", "unsubscribed"))
    first, second = behind.events()
    assert first["request_id"] == "trace/7:a_b.c+d=e-f"
    assert len(second["request_id"]) == 36


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 101, "é", "<script>", "a\tb"])
def test_a_request_without_a_sane_id_gets_one(alice: Api, given: str | None) -> None:
    headers = [] if given is None else [(b"X-Request-Id", given.encode("latin-1"))]
    seen = {alice("GET", "/contacts", headers=headers).headers["x-request-id"] for _ in range(2)}
    assert len(seen) == 2
    assert {len(one) for one in seen} == {36}


def test_an_error_has_a_request_id_too(alice: Api, anonymous: Api) -> None:
    for reply in (anonymous.get("/contacts"), alice.get("/contacts/x"), alice("PATCH", "/contacts")):
        assert len(reply.headers["x-request-id"]) == 36


def test_a_head_request_has_no_body(alice: Api) -> None:
    response = alice.http.head("/v3/contacts")
    assert (response.status_code, response.content) == (200, b"")


# --- booleans, everywhere a query has one


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/contacts", "contacts_count"),
        ("/contact_lists", "lists_count"),
        ("/contact_tags", "tags_count"),
    ],
)
def test_booleans(alice: Api, path: str, name: str) -> None:
    for text, counted in (
        ("true", True),
        ("1", True),
        ("True", True),
        ("false", False),
        ("0", False),
        ("", False),
    ):
        assert (name in alice.get(path, include_count=text).json) == counted, text
    for text in ("yes", "2", "-1", "t"):
        refused(alice.get(path, include_count=text), 400, "include_count does not have a valid value")


def test_every_error_of_the_service_is_an_array(alice: Api) -> None:
    ruth = post_contact(alice, email_address=email("r@example.org"))["contact_id"]
    calls: list[Callable[[], Any]] = [
        lambda: alice.post("/contacts", {}),
        lambda: alice.get("/contacts/x"),
        lambda: alice.post(
            "/contacts", {"create_source": "Account", "email_address": email("r@example.org")}
        ),
        lambda: alice("POST", "/contacts", content=b"", headers={"Content-Type": "text/plain"}),
        lambda: alice("PATCH", f"/contacts/{ruth}"),
    ]
    for call in calls:
        (error,) = call().json
        assert set(error) == {"error_key", "error_message"}
        assert json.dumps(error)
