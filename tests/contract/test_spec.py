"""The contract checker can fail: each rule has a response that keeps it, and one that breaks it."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.contract import spec, strip_spec

LIST = "1f6c7a52-c7a1-11f0-8d55-0242ac120002"
CONTACT = "2a9d01be-c7a1-11f0-8d55-0242ac120002"
FIELD = "34e2b6f0-c7a1-11f0-8d55-0242ac120002"
OTHER = "3f1a9c9a-c7a1-11f0-8d55-0242ac120002"
WHEN = "2026-11-02T09:15:44Z"

EMAIL = {
    "address": "mina@example.org",
    "permission_to_send": "implicit",
    "created_at": WHEN,
    "updated_at": WHEN,
    "opt_in_source": "Account",
    "opt_in_date": WHEN,
    "confirm_status": "off",
}
PERSON = {
    "contact_id": CONTACT,
    "email_address": EMAIL,
    "first_name": "Mina",
    "birthday_month": 3,
    "birthday_day": 27,
    "create_source": "Account",
    "created_at": WHEN,
    "updated_at": WHEN,
    "custom_fields": [
        {"custom_field_id": FIELD, "value": "42"},
        {"custom_field_id": FIELD, "choice_ids": ["7"]},
    ],
    "list_memberships": [LIST],
    "phone_numbers": [
        {
            "phone_number_id": OTHER,
            "phone_number": "555 0100",
            "kind": "home",
            "created_at": WHEN,
            "updated_at": WHEN,
        }
    ],
    "street_addresses": [
        {"street_address_id": OTHER, "kind": "work", "city": "Ghent", "created_at": WHEN, "updated_at": WHEN}
    ],
}
MAILING = {"list_id": LIST, "name": "News", "favorite": False, "created_at": WHEN, "updated_at": WHEN}
PAGE = {
    "contacts": [PERSON],
    "contacts_count": 9,
    "_links": {"next": {"href": "/v3/contacts?cursor=bGltaXQ9MQ"}},
}
ACTIVITY = {
    "activity_id": OTHER,
    "state": "initialized",
    "created_at": WHEN,
    "updated_at": WHEN,
    "percent_done": 1,
    "activity_errors": [],
    "_links": {"self": {"href": f"/v3/activities/{OTHER}"}},
}
SEGMENT = {
    "name": "Quiet",
    "segment_criteria": "{}",
    "segment_id": 4,
    "created_at": "2026-11-02T09:15:44.120Z",
    "edited_at": "2026-11-02T09:15:44.120Z",
}
TAG = {"tag_id": OTHER, "name": "vip", "created_at": WHEN, "updated_at": WHEN}
DATED = {
    "custom_field_id": FIELD,
    "label": "Renewal",
    "name": "renewal",
    "type": "date",
    "version": 2,
    "created_at": WHEN,
    "updated_at": WHEN,
}
HISTORY = {
    "contact_id": CONTACT,
    "sms_channel_id": OTHER,
    "insert_time": WHEN,
    "history_details": {"state": "E", "source": "A", "advertised_frequency": 2},
}
COUNTS = {"total": 3, "explicit": 1, "implicit": 1, "pending": 0, "unsubscribed": 1}
INVALID = [{"error_key": "contacts.api.validation.error", "error_message": "create_source is missing"}]
NOT_FOUND = [{"error_key": "contacts.api.not_found", "error_message": "Contact not found"}]
CONFLICT = [
    {"error_key": "contacts.api.conflict", "error_message": f"Email already exists for contact {CONTACT}"}
]
UNAUTHORIZED = {"error_key": "unauthorized", "error_message": "Unauthorized"}

Case = tuple[str, str, int, Any]
GOOD: list[Case] = [
    ("GET", f"/v3/contacts/{CONTACT}?include=notes", 200, PERSON),
    ("GET", f"/v3/contacts/{CONTACT}", 200, {**PERSON, "deleted_at": "2026-11-03", "list_memberships": []}),
    ("POST", "/v3/contacts", 201, {k: v for k, v in PERSON.items() if k != "email_address"}),
    ("GET", "/v3/contacts", 200, PAGE),
    ("GET", "/v3/contacts", 200, {"contacts": []}),
    ("GET", "/v3/contacts?segment_id=1", 202, {"contacts": [], "status": "processing"}),
    ("GET", "/v3/contacts/counts", 200, COUNTS),
    ("GET", "/v3/contacts/contact_id_xrefs", 200, {"xrefs": [{"sequence_id": "007", "contact_id": CONTACT}]}),
    ("GET", f"/v3/contacts/sms_engagement_history/{CONTACT}", 200, [HISTORY]),
    ("POST", "/v3/contacts/sign_up_form", 201, {"contact_id": CONTACT, "action": "created"}),
    ("GET", f"/v3/contact_lists/{LIST}", 200, {**MAILING, "description": "weekly", "deleted_at": WHEN}),
    ("PUT", f"/v3/contact_lists/{LIST}", 409, CONFLICT),
    ("GET", f"/v3/contact_lists/{LIST}", 400, INVALID),
    ("GET", "/v3/contact_tags", 200, {"tags": [TAG], "tags_count": 1}),
    ("POST", "/v3/contact_custom_fields", 201, DATED),
    ("POST", "/v3/activities/list_delete", 201, {**ACTIVITY, "status": {"list_count": 1}}),
    ("GET", "/v3/activities", 200, {"activities": [ACTIVITY]}),
    ("GET", "/v3/segments/4", 200, SEGMENT),
    ("POST", "/v3/contacts", 400, INVALID),
    ("POST", "/v3/contacts", 401, UNAUTHORIZED),
    ("POST", "/v3/contacts", 403, {"error_key": "access_denied", "error_message": "Request forbidden"}),
    ("GET", "/v3/contacts/abc", 404, NOT_FOUND),
    ("GET", "/v3/nothing/here", 404, NOT_FOUND),
    ("POST", "/v3/contacts", 409, CONFLICT),
    ("DELETE", "/v3/contacts", 405, [{"error_key": "any", "error_message": "Method not allowed"}]),
    ("POST", "/v3/contacts", 413, [{"error_key": "any", "error_message": "too large"}]),
    ("POST", "/v3/contacts", 415, [{"error_key": "any", "error_message": "wrong type"}]),
    ("GET", "/v3/contacts", 429, {"error_key": "throttled", "error_message": "Too Many Requests"}),
]
NO_BODY = [
    ("DELETE", f"/v3/contacts/{CONTACT}", 204),
    ("DELETE", f"/v3/contact_custom_fields/{FIELD}", 204),
    ("PUT", f"/v3/contacts/resubscribe/{CONTACT}", 200),
]


def check(method: str, path: str, status: int, body: Any, **headers: str) -> None:
    sent = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    spec.check_response(method, path, status, sent, json.dumps(body).encode())


@pytest.mark.parametrize("case", GOOD, ids=lambda case: f"{case[0]} {case[1]} {case[2]}")
def test_what_the_contract_allows_passes(case: Case) -> None:
    check(*case)


@pytest.mark.parametrize("case", NO_BODY, ids=lambda case: f"{case[0]} {case[1]} {case[2]}")
def test_no_body_where_none_is_documented(case: tuple[str, str, int]) -> None:
    spec.check_response(*case, {}, b"")
    with pytest.raises(AssertionError, match="no body is documented"):
        spec.check_response(*case, {"Content-Type": "application/json"}, b"{}")


ONE = ("GET", f"/v3/contacts/{CONTACT}", 200, PERSON)
MANY = ("GET", "/v3/contacts", 200, PAGE)
NEWS = ("GET", f"/v3/contact_lists/{LIST}", 200, MAILING)
SEGMENTED = ("GET", "/v3/segments/4", 200, SEGMENT)
BAD = ("POST", "/v3/contacts", 400, INVALID)
UNKNOWN = ("POST", "/v3/contacts", 401, UNAUTHORIZED)
FIELDS = ("POST", "/v3/contact_custom_fields", 201, DATED)


def put(value: Any, *keys: Any) -> Callable[[Any], Any]:
    """A change that sets `value` at `keys` of a body; `...` takes that entry away."""

    def change(body: Any) -> Any:
        if not keys:
            return value
        node = body
        for key in keys[:-1]:
            node = node[key]
        if value is ...:
            del node[keys[-1]]
        else:
            node[keys[-1]] = value
        return body

    return change


BROKEN: list[tuple[str, Case, Callable[[Any], Any], str]] = [
    # the schema of the published file
    ("over-long string", ONE, put("x" * 51, "first_name"), r"\$\.first_name: .* is too long"),
    ("too many items", ONE, put([{"custom_field_id": FIELD}] * 26, "custom_fields"), "is too long"),
    ("too many lists", ONE, put([LIST] * 51, "list_memberships"), r"list_memberships: .* is too long"),
    ("fraction for an integer", ONE, put(3.0, "birthday_month"), "3.0 is not of type 'integer'"),
    ("boolean for an integer", MANY, put(True, "contacts_count"), "True is not of type 'integer'"),
    ("string for an integer", MANY, put("9", "contacts_count"), "'9' is not of type 'integer'"),
    ("string for a boolean", NEWS, put("false", "favorite"), "'false' is not of type 'boolean'"),
    ("object for an array", ONE, put([]), "is not of type 'object'"),
    ("missing required property", ONE, put(..., "email_address", "address"), "'address' is a required"),
    ("value outside an enum", ONE, put("Robot", "create_source"), "'Robot' is not one of"),
    ("number over its maximum", ONE, put(32, "birthday_day"), "32 is greater than the maximum of 31"),
    ("not a uuid", ONE, put("12-34", "contact_id"), "'12-34' is not a 'uuid'"),
    ("upper-case uuid", ONE, put(CONTACT.upper(), "contact_id"), "is not a 'uuid'"),
    ("not a uuid in an array", ONE, put(["x"], "list_memberships"), r"\[0\]: 'x' is not a 'uuid'"),
    ("not an e-mail address", ONE, put("mina", "email_address", "address"), "'mina' is not a 'email'"),
    ("number as custom value", ONE, put(42, "custom_fields", 0, "value"), "42 is not of type 'string'"),
    ("number as choice id", ONE, put([7], "custom_fields", 1, "choice_ids"), "7 is not of type 'string'"),
    ("string as choice id of a field", FIELDS, put([{"choice_id": "7"}], "choices"), "'7' is not of type"),
    ("int32 out of range", SEGMENTED, put(2**31, "segment_id"), "is not a 'int32'"),
    # our own rules
    ("null property", ONE, put(None, "last_name"), r"\$\.last_name: null"),
    ("null deep inside", ONE, put(None, "street_addresses", 0, "state"), r"_addresses\[0\]\.state: null"),
    ("null in an array", ONE, put([None], "list_memberships"), r"list_memberships\[0\]: null"),
    ("undocumented property", ONE, put(1, "last_nam"), "'last_nam' was unexpected"),
    ("identity missing", ONE, put(..., "contact_id"), "'contact_id' is a required property"),
    ("contact deleted_at with a time", ONE, put(WHEN, "deleted_at"), "is not a 'date'"),
    ("list deleted_at without a time", NEWS, put("2026-11-03", "deleted_at"), "is not a 'date-time'"),
    ("impossible date", ONE, put("2026-02-30", "deleted_at"), "is not a 'date'"),
    ("milliseconds", ONE, put("2026-11-02T09:15:44.120Z", "created_at"), "is not a 'date-time'"),
    ("an offset for Z", ONE, put("2026-11-02T09:15:44+00:00", "created_at"), "is not a 'date-time'"),
    ("impossible time", ONE, put("2026-11-02T25:15:44Z", "created_at"), "is not a 'date-time'"),
    ("segment without milliseconds", SEGMENTED, put(WHEN, "edited_at"), "is not a 'date-time-milliseconds'"),
    ("empty _links", MANY, put({}, "_links"), "_links: empty"),
    ("empty next", MANY, put({}, "_links", "next"), "href is not one below /v3/"),
    ("null href", MANY, put(None, "_links", "next", "href"), "href is not one below /v3/"),
    ("href with a host", MANY, put("//x.example/v3/contacts", "_links", "next", "href"), "not one below"),
    ("another link on a page", MANY, put({"self": {"href": "/v3/contacts"}}, "_links"), "next is missing"),
    ("collection not first", MANY, lambda body: dict(reversed(body.items())), "the first key is '_links'"),
    ("collection missing", MANY, put(..., "contacts"), "the first key is 'contacts_count'"),
    ("validation error as an object", BAD, put(INVALID[0]), "is not of type 'array'"),
    ("no error in the array", BAD, put([]), r"\[\] should be non-empty"),
    ("error without a text", BAD, put(..., 0, "error_message"), "'error_message' is a required property"),
    ("another error key", BAD, put("oops", 0, "error_key"), "'oops' is not one of"),
    ("third property in an error", BAD, put("x", 0, "detail"), "'detail' was unexpected"),
    ("401 as an array", UNKNOWN, put([UNAUTHORIZED]), "is not of type 'object'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "change", "text"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_what_the_contract_forbids_fails(case: Case, change: Callable[[Any], Any], text: str) -> None:
    method, path, status, body = case
    check(method, path, status, body)
    with pytest.raises(AssertionError, match=text):
        check(method, path, status, change(copy.deepcopy(body)))


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", f"/v3/contacts/{CONTACT}", 201, "the documented statuses are 200, 400"),
        ("POST", "/v3/contacts", 404, "the documented statuses are 201, 400"),
        ("POST", "/v3/contact_lists", 422, "the documented statuses are"),
        ("GET", "/v3/contacts", 405, "the documented statuses are"),
        ("GET", "/v3/contact", 200, "no operation is documented"),
        ("PATCH", f"/v3/contacts/{CONTACT}", 404, "no operation is documented"),
        ("GET", "/contacts", 200, "no operation is documented"),
        ("GET", "/v3/contacts", 500, "the server failed"),
        ("GET", "/v3/contacts", 503, "the server failed"),
        ("GET", "/v3/contacts", 302, "the documented statuses are"),
    ],
)
def test_undocumented_status_fails(method: str, path: str, status: int, text: str) -> None:
    with pytest.raises(AssertionError, match=text):
        check(method, path, status, NOT_FOUND)


def test_headers() -> None:
    location = f"/v3/activities/{OTHER}"
    check("DELETE", f"/v3/contact_lists/{LIST}", 202, ACTIVITY, Location=location)
    with pytest.raises(AssertionError, match="the header Location is missing"):
        check("DELETE", f"/v3/contact_lists/{LIST}", 202, ACTIVITY)
    check(*ONE, content_type="application/json; charset=utf-8")
    with pytest.raises(AssertionError, match="content-type is text/html"):
        check(*ONE, content_type="text/html")


def test_body_that_is_not_json() -> None:
    for body in (b"", b"{", b'{"total": NaN}', b'{"total": 1, "total": 1}', b'"\xff"'):
        with pytest.raises(AssertionError, match="the body is not readable"):
            spec.check_response("GET", "/v3/contacts/counts", 200, {"Content-Type": "application/json"}, body)


def test_export_is_csv() -> None:
    path = f"/v3/contact_exports/{OTHER}"
    spec.check_response("GET", path, 200, {"Content-Type": "text/csv; charset=utf-8"}, b"Email address\r\n")
    with pytest.raises(AssertionError, match="content-type is application/json, not text/csv"):
        spec.check_response("GET", path, 200, {"Content-Type": "application/json"}, b"[]")


def test_fixed_segments_win_over_parameters() -> None:
    found = spec.find("GET", "/contacts/counts")
    assert found == ("GET", "/contacts/counts", "countContact", "getContactCounts")
    assert getattr(spec.find("GET", "/contacts/other"), "path", None) == "/contacts/{contact_id}"
    assert getattr(spec.find("DELETE", "/contacts/counts"), "path", None) == "/contacts/{contact_id}"
    assert spec.find("GET", "/contacts/") is None
    # both answers to a method that only the general path has are sound
    check("DELETE", "/v3/contacts/counts", 404, NOT_FOUND)
    check("DELETE", "/v3/contacts/counts", 405, [{"error_key": "any", "error_message": "Method not allowed"}])


def test_operations_are_listed_once_each() -> None:
    listed = spec.operations()
    assert len(listed) == len({(op.method, op.path) for op in listed}) == 54
    assert ("POST", "/contacts", "createContact", "createContact") in listed


def test_tables_name_what_exists() -> None:
    """An exception that the file has come to document, or for what it lacks, must go from the table."""
    for method, path, status in spec.HERE:
        assert str(status) not in spec.DOCUMENT["paths"][path][method.lower()]["responses"]
    for table in (spec.ALWAYS, spec.ALSO):
        assert {name.split(".")[0] for name in table} <= set(spec.DOCUMENT["definitions"])
    assert all(reason for *_, reason in strip_spec.FIXES)


def strings(node: object) -> Iterator[str]:
    """All the values that are strings."""
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from strings(item)
    elif isinstance(node, str):
        yield node


def test_the_file_holds_facts_only() -> None:
    text = json.dumps(spec.DOCUMENT)
    assert {value for value in strings(spec.DOCUMENT) if re.search(r"\s|//", value)} == {"JSON PUT body"}
    assert not re.search(r'"(x-)?example|"summary"|"externalDocs"|"tags": \["', text)


def test_properties_named_like_prose_stay() -> None:
    assert spec.DOCUMENT["definitions"]["ContactList"]["properties"]["description"] == {"type": "string"}
    prose = {"description": "A sentence.", "example": {"title": "x"}, "type": "object"}
    named = {
        name: {"type": "string", "title": "A name"} for name in ("description", "title", "example", "summary")
    }
    kept = strip_spec.schema({**prose, "properties": named}, "here")
    assert kept == {"type": "object", "properties": {name: {"type": "string"} for name in named}}
    with pytest.raises(SystemExit, match="neither kept nor left out: x-new"):
        strip_spec.schema({"type": "string", "x-new": 1}, "here")
