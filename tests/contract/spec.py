"""Check one HTTP response against the published V3 contract (v3.json) and against our own stricter rules.

`check_response` takes a finished exchange and raises AssertionError, with a text that says what is wrong
and where, when the contract does not allow it. `operations` lists what the contract documents.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from jsonschema import Draft202012Validator, FormatChecker, TypeChecker, validators

DOCUMENT: dict[str, Any] = json.loads(Path(__file__).with_name("v3.json").read_text(encoding="utf-8"))
BASE: str = DOCUMENT["basePath"]

# --- statuses that the file does not list for the operation, and why they are right all the same -----------

ANYWHERE: dict[int, str] = {
    401: "the token is checked before anything else",
    403: "so are its scope and the privilege of its user",
    406: "the Accept header admits no type that we can write",
    413: "our own limit on the size of a body",
    415: "a body of another type than the documented one",
    429: "the rate limits hold for every call",
}
# 404 comes from a path that the file does not have, and 405 from a method that its path does not have.
HERE: dict[tuple[str, str, int], str] = {
    ("PUT", "/contact_lists/{list_id}", 409): "our choice: a name in use conflicts, as it does on POST",
    ("PUT", "/contact_custom_fields/{custom_field_id}", 409): "our choice: so does a label in use",
    ("GET", "/contact_lists/{list_id}", 400): "include_membership_count may not have a valid value",
}
# A status of 500 and more fails always, although the file lists 500 and 503: it says that the server broke.

BARE_ERRORS = {401, 403, 429}  # one object; every other error is an array of them
ERROR_KEYS: dict[int, tuple[str, ...]] = {
    400: ("contacts.api.validation.error", "http.status.bad_request"),
    401: ("unauthorized",),
    403: ("access_denied",),
    404: ("contacts.api.not_found",),
    409: ("contacts.api.conflict",),
    429: ("throttled", "quota_exceeded"),
}

# --- what we promise beyond the file ------------------------------------------------------------------------

ACTIVITY = ("activity_id", "state", "created_at", "updated_at", "percent_done", "activity_errors", "_links")
ALWAYS: dict[str, tuple[str, ...]] = {  # properties that a response never goes without
    "Activities.activities[]": ACTIVITY,
    "Activity": ACTIVITY,
    "ActivityDeleteCustomFields": ACTIVITY,
    "ActivityDeleteListResponse": ACTIVITY,
    "ActivityDeleteListsResponse": ACTIVITY,
    "ActivityDeleteStatus": ACTIVITY,
    "ActivityExportStatus": ACTIVITY,
    "ActivityGeneric": ACTIVITY,
    "ActivityImport": ACTIVITY,
    "ActivityListsMembership": ACTIVITY,
    "ActivityTagging": ACTIVITY,
    "ContactCreateOrUpdateResponse": ("contact_id", "action"),
    "ContactCustomField": ("custom_field_id",),
    "ContactList": ("list_id", "name", "favorite", "created_at", "updated_at"),
    "ContactListPutPost": ("list_id", "name", "favorite", "created_at", "updated_at"),
    "ContactResource": ("contact_id", "create_source", "created_at", "updated_at"),
    "ContactXref": ("sequence_id", "contact_id"),
    "ContactsCounts": ("total", "explicit", "implicit", "pending", "unsubscribed"),
    "CustomField": ("custom_field_id", "label", "name", "type", "created_at", "updated_at"),
    "CustomFieldChoice": ("choice_id", "choice_label", "display_order"),
    "EmailAddress": ("address", "permission_to_send", "created_at", "updated_at"),
    "ListXref": ("sequence_id", "list_id"),
    "Note": ("note_id", "created_at", "content"),
    "PhoneNumber": ("phone_number_id", "phone_number", "kind", "created_at", "updated_at"),
    "SegmentDetail": ("name", "segment_criteria", "segment_id", "created_at", "edited_at"),
    "SegmentMaster": ("name", "segment_id", "created_at", "edited_at"),
    "StreetAddress": ("street_address_id", "kind", "created_at", "updated_at"),
    "Tag": ("tag_id", "name", "created_at", "updated_at"),
}
ALSO: dict[
    str, dict[str, Any]
] = {  # properties that the file lacks: of the guide, but for the second and the last
    "ActivityDeleteListResponse": {
        "status": {"type": "object", "properties": {"list_count": {"type": "integer"}}}
    },
    # The file has the parameter include_sms_membership_count, and no name for its answer: this one is ours.
    "ContactList": {"sms_membership_count": {"type": "integer"}},
    "Tags": {"tags_count": {"type": "integer"}},
    # What became of each contact or row of an activity: our own counters, beside the vendor's.
    "ActivityStatus": {
        f"{outcome}_count": {"type": "integer"}
        for outcome in (
            *("created", "updated", "unchanged", "held_back", "rejected"),
            *("erased", "suppressed", "added", "kept", "removed"),
        )
    },
}
UUIDS = {
    "activity_id", "contact_id", "custom_field_id", "file_export_id", "list_id", "note_id", "phone_number_id",
    "sms_channel_id", "street_address_id", "tag_id",
}  # fmt: skip
EMAILS = {"AccountEmailCreateResponse.email_address", "AccountEmails[].email_address", "EmailAddress.address"}
MILLISECONDS = ("SegmentDetail.", "SegmentMaster.")

FORMATS = FormatChecker(formats=())


def _format(name: str, pattern: str = "", parse: Any = None) -> None:
    """Register a format: a string must match `pattern` as a whole and pass `parse`."""

    def check(value: object) -> bool:
        if not isinstance(value, str):
            return True
        if not re.fullmatch(pattern, value, re.ASCII):
            return False
        return parse is None or bool(parse(value))

    FORMATS.checks(name, raises=ValueError)(check)


_format("date", r"\d{4}-\d\d-\d\d", date.fromisoformat)
_format("date-time", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", datetime.fromisoformat)
_format("date-time-milliseconds", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", datetime.fromisoformat)
_format("uuid", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", UUID)
_format("email", r"[^@\s]+@[^@\s]+")
FORMATS.checks("int32")(lambda value: not isinstance(value, int) or -(2**31) <= value < 2**31)
FORMATS.checks("int64")(lambda value: not isinstance(value, int) or -(2**63) <= value < 2**63)


def _integer(_: TypeChecker, value: object) -> bool:
    """1.0 is an integer to JSON schema, but not to a strict client."""
    return isinstance(value, int) and not isinstance(value, bool)


Validator = validators.extend(
    Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _integer)
)

# --- the documented operations ------------------------------------------------------------------------------


class Operation(NamedTuple):
    """One documented operation; `path` is its template, without the base path."""

    method: str
    path: str
    operation_id: str
    sdk_name: str


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation of v3.json, ordered by path and method."""
    return tuple(
        Operation(
            method.upper(), path, found["operationId"], found.get("x-sdk-methodName", found["operationId"])
        )
        for path, item in sorted(DOCUMENT["paths"].items())
        for method, found in sorted(item.items())
    )


def find(method: str, path: str) -> Operation | None:
    """The operation that `method` and `path` (below the base path, no query) address, if any."""
    fitting = {(op.method, op.path): op for op in operations()}
    return next((fitting[method, it] for it in _templates(path) if (method, it) in fitting), None)


def _templates(path: str) -> list[str]:
    """The documented paths that `path` fits; one with fixed segments comes before one with parameters."""
    parts = path.split("/")

    def fits(template: str) -> bool:
        wanted = template.split("/")
        return len(wanted) == len(parts) and all(
            bool(part) if want.startswith("{") else want == part
            for want, part in zip(wanted, parts, strict=True)
        )

    return sorted(filter(fits, DOCUMENT["paths"]), key=lambda template: template.count("{"))


# --- schemas ------------------------------------------------------------------------------------------------


def _inline(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """`schema` with its references resolved and our own rules added; `name` is that of ALWAYS and ALSO."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/definitions/")
        return _inline(DOCUMENT["definitions"][name], name)
    schema = dict(schema)
    if name in EMAILS:
        schema["format"] = "email"
    elif schema.get("type") == "string" and name.rpartition(".")[2] in UUIDS:
        schema["format"] = "uuid"
    elif schema.get("format") == "date-time" and name.startswith(MILLISECONDS):
        schema["format"] = "date-time-milliseconds"
    if "items" in schema:
        schema["items"] = _inline(schema["items"], f"{name}[]")
    if "properties" in schema:
        properties = {key: _inline(sub, f"{name}.{key}") for key, sub in schema["properties"].items()}
        schema["properties"] = properties | ALSO.get(name, {})
        schema["required"] = sorted({*schema.get("required", ()), *ALWAYS.get(name, ())})
        schema["additionalProperties"] = False
    return schema


def _error_schema(status: int) -> dict[str, Any]:
    """The schema of an error body with that status."""
    key: dict[str, Any] = {"enum": list(ERROR_KEYS[status])} if status in ERROR_KEYS else {"minLength": 1}
    properties = {"error_key": {"type": "string"} | key, "error_message": {"type": "string", "minLength": 1}}
    error = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return error if status in BARE_ERRORS else {"type": "array", "items": error, "minItems": 1}


class Expected(NamedTuple):
    """What a response must look like: its body, the collection it opens with, and the headers it carries."""

    validator: Any  # None: no body
    collection: str | None
    headers: tuple[str, ...]
    text: bool


@cache
def _expected(operation: Operation | None, status: int) -> Expected:
    """The documented form of a response; the validator is made once."""
    if status >= 400:
        return Expected(_validator(_error_schema(status)), None, (), text=False)
    assert operation is not None
    found = DOCUMENT["paths"][operation.path][operation.method.lower()]
    response = found["responses"][str(status)]
    headers = tuple(response.get("headers", ()))
    if "schema" not in response:
        return Expected(None, None, headers, text=False)
    schema = _inline(response["schema"], "")
    collection = None
    if operation.method == "GET" and "{" not in operation.path:
        arrays = [key for key, sub in schema.get("properties", {}).items() if sub.get("type") == "array"]
        collection = arrays[0] if len(arrays) == 1 else None
    return Expected(_validator(schema), collection, headers, text=found.get("produces") == ["text/csv"])


def _validator(schema: dict[str, Any]) -> Any:
    Validator.check_schema(schema)
    return Validator(schema, format_checker=FORMATS)


# --- the check ----------------------------------------------------------------------------------------------


def check_response(
    method: str, path: str, status: int, headers: Mapping[str, str], body_bytes: bytes
) -> None:
    """Raise AssertionError unless this answer to `method` `path` is one that the contract allows.

    `path` is the path of the request with the base path; a query and a host are ignored. `headers` and
    `body_bytes` are those of the response.
    """
    problems = list(_problems(method.upper(), urlsplit(path).path, status, headers, body_bytes))
    if problems:
        shown = "\n".join(f"  - {problem}" for problem in problems[:8])
        body = body_bytes[:800].decode("utf-8", "replace")
        raise AssertionError(
            f"{method.upper()} {path} answered {status} against the contract:\n{shown}\n  body: {body}"
        )


def _problems(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> Iterator[str]:
    """What is wrong with the response, most important first."""
    below = path.removeprefix(BASE) if path.startswith(f"{BASE}/") else None
    operation = find(method, below) if below is not None else None
    if status >= 500:
        yield "the server failed"
        return
    if undocumented := _undocumented(operation, method, below, status):
        yield undocumented
        return
    expected = _expected(operation, status)
    sent = {name.lower(): value for name, value in headers.items()}
    yield from (f"the header {name} is missing" for name in expected.headers if not sent.get(name.lower()))
    if expected.validator is None:
        if body:
            yield "no body is documented, but there is one"
        return
    wanted = "text/csv" if expected.text else "application/json"
    media = sent.get("content-type", "").split(";")[0].strip().lower()
    if media != wanted:
        yield f"content-type is {media or 'missing'}, not {wanted}"
    try:
        text = body.decode("utf-8")
        data = (
            text if expected.text else json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
        )
    except ValueError as error:
        yield f"the body is not readable: {error}"
        return
    for error in sorted(expected.validator.iter_errors(data), key=lambda error: error.json_path):
        message = error.message  # the value comes first, and the reason last
        yield f"{error.json_path}: {message if len(message) < 200 else f'{message[:90]} ... {message[-90:]}'}"
    yield from _house_rules(data, "$")
    if expected.collection:
        yield from _page_rules(data, expected.collection)


def _undocumented(operation: Operation | None, method: str, below: str | None, status: int) -> str | None:
    """Why the status may not come from there, if so."""
    if status in ANYWHERE:
        return None
    templates = _templates(below) if below is not None else []
    if status == 404 and not templates:
        return None
    if status == 405 and templates and method.lower() not in DOCUMENT["paths"][templates[0]]:
        return None
    if operation is None:
        return "no operation is documented for this method and path"
    responses = DOCUMENT["paths"][operation.path][operation.method.lower()]["responses"]
    if str(status) in responses or (operation.method, operation.path, status) in HERE:
        return None
    return f"the documented statuses are {', '.join(sorted(responses))}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return dict(pairs)


def _constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _house_rules(data: object, where: str) -> Iterator[str]:
    """Our rules for every object: nothing is null, and links are relative to the host."""
    if data is None:
        yield f"{where}: null; an unset property is left out"
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from _house_rules(item, f"{where}[{index}]")
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _house_rules(value, f"{where}.{key}")
        links = data.get("_links")
        if isinstance(links, dict):
            if not links:
                yield f"{where}._links: empty; without a link it is left out"
            for name, link in links.items():
                href = link.get("href") if isinstance(link, dict) else None
                if not (isinstance(href, str) and href.startswith(f"{BASE}/")):
                    yield f"{where}._links.{name}: its href is not one below {BASE}/: {href!r}"


def _page_rules(data: object, collection: str) -> Iterator[str]:
    """Our rules for a page: the collection comes first, and a link is the one to the next page."""
    if isinstance(data, dict):
        if next(iter(data), None) != collection:
            yield f"$: the first key is {next(iter(data), None)!r}, not the collection {collection!r}"
        if "_links" in data and set(data["_links"] or ()) != {"next"}:
            yield "$._links: next is missing, or not alone"
