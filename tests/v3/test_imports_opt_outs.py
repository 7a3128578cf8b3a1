"""A file that says who has unsubscribed, as an export does, brings none of them back as somebody to mail."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Api, Sql
from tests.core.recount import recount
from tests.v3.bulk import Work, counted, ended, person, queued
from tests.v3.helpers import Behind, get_contact, new_list
from tests.v3.imports import Rows, by_address, imported, imported_items

SAYS = "the file says that the contact has unsubscribed"
REMEMBERED = "the address is suppressed: its person unsubscribed"


def outcomes(rows: Rows, done: Any) -> list[tuple[str, str]]:
    return [(row.outcome, row.reason) for row in rows(done)]


@pytest.mark.parametrize("title", ["Email status", "email_status", "EMAIL PERMISSION STATUS"])
def test_who_is_new_and_has_unsubscribed_is_remembered_and_not_made(
    alice: Api, work: Work, rows: Rows, sql: Sql, title: str
) -> None:
    file = f"email,{title}\nann@example.org,Unsubscribed\nben@example.org,Active\ncat@example.org,\n"
    done = imported(alice, work, file)
    assert outcomes(rows, done) == [("held_back", REMEMBERED), ("created", ""), ("created", "")]
    assert by_address(alice, "ann@example.org") is None
    again = imported(alice, work, "email\nann@example.org\n")
    assert outcomes(rows, again) == [("held_back", REMEMBERED)]
    told = alice.get("/everlist/v1/contacts/explain", email="ann@example.org").json
    assert told["state"] == "unsubscribed"
    recount(sql, alice.account_id)


def test_who_is_there_keeps_their_permission_and_joins_nothing(
    alice: Api, work: Work, rows: Rows, sql: Sql
) -> None:
    ann = person(alice, "ann", "explicit")
    ben = person(alice, "ben")
    alice.delete(f"/contacts/{ben}")
    a_list = new_list(alice)
    file = (
        "email,first_name,email status\nann@example.org,Ann,unsubscribed\nben@example.org,Ben,unsubscribed\n"
    )
    done = imported(alice, work, file, a_list)
    assert outcomes(rows, done) == [("held_back", SAYS), ("held_back", SAYS)]
    found = get_contact(alice, ann, "list_memberships")
    assert (found["first_name"], found["list_memberships"]) == ("Ann", [])
    assert found["email_address"]["permission_to_send"] == "explicit"
    assert "deleted_at" in by_address(alice, "ben@example.org")
    recount(sql, alice.account_id)


def test_a_row_of_a_member_of_the_list_is_not_unchanged(alice: Api, work: Work, rows: Rows) -> None:
    a_list = new_list(alice)
    person(alice, "ann", list_memberships=[a_list])
    done = imported(alice, work, "email,email status\nann@example.org,Unsubscribed\n", a_list)
    assert outcomes(rows, done) == [("held_back", SAYS)]


def test_items_of_json_say_it_too(alice: Api, work: Work, rows: Rows) -> None:
    items = [{"email": "ann@example.org", "email_status": "Unsubscribed"}, {"email": "ben@example.org"}]
    assert outcomes(rows, imported_items(alice, work, items)) == [("held_back", REMEMBERED), ("created", "")]


def test_a_house_that_is_moved_keeps_its_opt_outs(
    alice: Api, charlie: Api, work: Work, behind: Behind
) -> None:
    person(alice, "ann", "unsubscribed")
    person(alice, "ben", "explicit")
    activity_id = queued(alice, "contact_exports")
    work()
    ended(alice, activity_id)
    file = alice.get(f"/contact_exports/{activity_id}").body
    done = imported(charlie, work, file)
    assert counted(done) == {
        "items_total": 3,
        "person": 2,
        "created": 1,
        "held_back": 1,
        "cannot_add_to_list": 1,
    }
    assert by_address(charlie, "ann@example.org") is None
    assert by_address(charlie, "ben@example.org") is not None
