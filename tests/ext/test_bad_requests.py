"""Whatever is sent to our own API, the answer is no fault of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Api, NewToken
from tests.v3.bulk import person
from tests.v3.helpers import refused


def test_the_first_month_of_all_is_no_fault_of_ours(alice: Api) -> None:
    refused(alice.get("/everlist/v1/usage/active_contacts", month="0001-01"), 400)


_VALUES: tuple[Any, ...] = (
    *(None, [], {}, "", "x", 1, True, [None], [1], {"a": 1}, "a\0b", [""], ["x"] * 3, [[]], "é" * 300, -1),
    *(10**30, "\ud800", 1.5),
)
_BODIES = (
    ("POST", "/activities/contact_restore", ("contact_ids", "deleted_by_activity_id")),
    ("POST", "/activities/contact_erase", ("contact_ids", "email_addresses", "list_ids", "reason")),
    (
        "PATCH",
        "/account/settings",
        ("confirmed_opt_in", "sender_email", "name", "time_zone", "postal_address"),
    ),
)


@pytest.mark.parametrize(("method", "path", "names"), _BODIES)
def test_whatever_stands_in_a_property_is_no_fault_of_ours(
    alice: Api, new_token: NewToken, method: str, path: str, names: tuple[str, ...]
) -> None:
    assert alice._account is not None  # noqa: SLF001
    api = Api(alice.url, new_token(alice._account, "contact_data", "account_update"), alice._account)  # noqa: SLF001
    try:
        for name in names:
            for value in _VALUES:
                body = {"reason": "r", name: value} if path.endswith("erase") else {name: value}
                content = json.dumps(body).encode()
                reply = api(
                    method,
                    "/everlist/v1" + path,
                    content=content,
                    headers={"Content-Type": "application/json"},
                )
                assert reply.status < 500, (body, reply)
        for raw in (b"", b"null", b"[]", b"{", b"\xff", b"[" * 100_000):
            reply = api(
                method, "/everlist/v1" + path, content=raw, headers={"Content-Type": "application/json"}
            )
            assert reply.status == 400, (raw[:9], reply)
    finally:
        api.http.close()


def test_whatever_stands_in_a_parameter_is_no_fault_of_ours(alice: Api) -> None:
    contact_id = person(alice, "x")
    for place in (
        *(
            "contacts/explain?email=",
            "suppressions?email=",
            "suppressions?sms_number=",
            "suppressions?reason=",
        ),
        *("erasures?activity_id=", "erasures?cursor=", "erasures?limit=", "usage/active_contacts?month="),
        *(f"contacts/{contact_id}/consent?{name}=" for name in ("as_of", "cursor", "limit")),
    ):
        for value in (
            *(
                "",
                "%00",
                "%ff",
                "a%00b",
                "9999-12",
                "2026-13",
                "%ed%a0%80",
                "a@b",
                "a@example.org%00",
                "%C2%B2",
            ),
            *("0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "1" * 400, "1e5", "-1"),
        ):
            reply = alice("GET", f"/everlist/v1/{place}{value}")
            assert reply.status < 500, (place, value, reply)
