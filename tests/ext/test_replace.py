"""PUT /everlist/v1/contact_lists/{id}/members: the list becomes exactly the body. Design section 5."""

from __future__ import annotations

import csv
import dataclasses
import io
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everlist.core.activities import MAX_ERRORS
from everlist.settings import Settings
from tests.conftest import Api, NewAccount, NewToken, Reply, Sql
from tests.ext.test_undo import everything, undone
from tests.server import Server
from tests.v3.bulk import Work, ended, lists_of, person
from tests.v3.helpers import (
    NOBODY,
    Behind,
    email,
    get_contact,
    new_list,
    post_contact,
    put_contact,
    refused,
    sms,
)

NUMBER = "13095550142"


def put_members(api: Api, list_id: str, content: str | bytes, **params: str) -> Reply:
    body = content.encode() if isinstance(content, str) else content
    path = f"/everlist/v1/contact_lists/{list_id}/members"
    return api("PUT", path, params=params, content=body, headers={"Content-Type": "text/csv"})


def replaced(
    api: Api, work: Work, list_id: str, content: str, *, state: str = "completed", **params: str
) -> Any:
    """The activity that replaced a list."""
    reply = put_members(api, list_id, content, **params)
    assert reply.status == 201, reply
    work()
    return ended(api, reply.json["activity_id"], state)


def previewed(api: Api, list_id: str, content: str, **params: str) -> Any:
    reply = put_members(api, list_id, content, dry_run="true", **params)
    assert reply.status == 200, reply
    return reply.json


def file_of(*names: str) -> str:
    return "email\n" + "".join(f"{name}@example.org\n" for name in names)


def members(api: Api, list_id: str) -> set[str]:
    """The names before the @ of the contacts on a list."""
    found: set[str] = set()
    for page in api.pages("/contacts", lists=list_id, status="all"):
        found |= {one["email_address"]["address"].partition("@")[0] for one in page.json["contacts"]}
    return found


def peak(api: Api) -> int:
    return api.get("/everlist/v1/usage/active_contacts").json["peak"]


def counted(activity: Any) -> dict[str, int]:
    return {
        name.removesuffix("_count"): number
        for name, number in activity["status"].items()
        if name in ("added_count", "kept_count", "removed_count", "held_back_count", "rejected_count")
        and number
    }


def test_the_daily_replace_keeps_the_unsubscribes_and_the_peak(alice: Api, work: Work) -> None:
    """The person of the forum: the whole audience by a file each day, nobody mailed twice, no bill that doubles."""
    daily = new_list(alice, "Daily")
    yesterday = [f"y{number}" for number in range(10)]
    replaced(alice, work, daily, file_of(*yesterday))
    assert members(alice, daily) == set(yesterday)
    assert peak(alice) == 10
    y3 = alice.get("/contacts", email="y3@example.org").json["contacts"][0]["contact_id"]
    out = email("y3@example.org", "unsubscribed", opt_out_reason="enough")
    put_contact(alice, y3, update_source="Contact", email_address=out, list_memberships=[daily])

    today = file_of("y0", "y3", *(f"t{number}" for number in range(8)))
    expected = previewed(alice, daily, today, leavers="delete")
    activity = replaced(alice, work, daily, today, leavers="delete")

    assert members(alice, daily) == {"y0", "y3", *(f"t{number}" for number in range(8))}
    assert get_contact(alice, y3)["email_address"]["permission_to_send"] == "unsubscribed"
    assert counted(activity) == {"added": 8, "kept": 2, "removed": 8, "held_back": 1}
    assert {name: expected[name] for name in ("add", "keep", "remove", "held_back")} == {
        "add": 8,
        "keep": 2,
        "remove": 8,
        "held_back": 1,
    }
    assert expected["rows"] == [
        {
            "line": 3,
            "outcome": "held_back",
            "reason": "the contact has unsubscribed",
            "email": "y3@example.org",
        }
    ]
    assert (expected["peak_before"], expected["peak_after"]) == (10, 10)
    assert peak(alice) == 10  # not 18: who leaves does so before anybody comes
    (row,) = csv.DictReader(
        io.StringIO(
            alice.get(
                f"/everlist/v1/activities/{activity['activity_id']}/rows", outcome="held_back"
            ).body.decode()
        )
    )
    assert (row["line"], row["email"], row["reason"]) == (
        "3",
        "y3@example.org",
        "the contact has unsubscribed",
    )


def test_a_second_time_changes_nothing_and_writes_nothing(alice: Api, work: Work, behind: Behind) -> None:
    list_id = new_list(alice)
    content = "email,first name,home phone\n" + "".join(
        f"p{n}@example.org,First{n},555 {n}\n" for n in range(20)
    )
    replaced(alice, work, list_id, content)
    tables = ("contact", "list_membership", "consent_event", "counter_delta", "active_delta")
    before = {table: behind.rows(table) for table in tables}
    activity = replaced(alice, work, list_id, content)
    assert {table: behind.rows(table) for table in tables} == before
    assert counted(activity) == {"kept": 20}
    assert activity["status"]["unchanged_count"] == 20


def test_a_dry_run_changes_nothing(alice: Api, work: Work) -> None:
    list_id = new_list(alice)
    replaced(alice, work, list_id, file_of("a", "b", "c"))
    before = everything(alice)
    difference = previewed(alice, list_id, file_of("b", "d"), leavers="delete")
    assert everything(alice) == before
    assert (difference["add"], difference["keep"], difference["remove"]) == (1, 1, 2)


def test_leavers_stay_contacts_or_are_deleted(alice: Api, work: Work) -> None:
    list_id, other = new_list(alice), new_list(alice)
    for leavers in ("unlist", "delete"):
        leaver = person(alice, leavers, list_memberships=[list_id, other])
        replaced(alice, work, list_id, file_of("stays"), leavers=leavers)
        contact = get_contact(alice, leaver, "list_memberships")
        assert ("deleted_at" in contact) == (leavers == "delete")
        assert contact["list_memberships"] == ([] if leavers == "delete" else [other])
    assert members(alice, list_id) == {"stays"}


def test_the_guard_refuses_when_too_many_would_leave(alice: Api, work: Work) -> None:
    list_id = new_list(alice)
    replaced(alice, work, list_id, file_of("a", "b", "c", "d"))
    before = everything(alice)
    params = {"max_removed_percent": "25"}
    failed = replaced(alice, work, list_id, file_of("a", "b", "x"), state="failed", **params)
    text = "2 of 4 contacts would leave the list, which is more than 25%: nothing was changed"
    assert failed["activity_errors"] == [text]
    assert everything(alice) == before
    refused = put_members(alice, list_id, file_of("a", "b", "x"), dry_run="true", **params)
    assert refused.status == 400
    assert refused.json[0]["error_message"] == f"the file was refused: {text}"
    assert counted(replaced(alice, work, list_id, file_of("a", "b", "c", "x"), **params)) == {
        "added": 1,
        "kept": 3,
        "removed": 1,
    }


def test_a_row_that_cannot_be_taken_leaves_its_contact_on_the_list(alice: Api, work: Work) -> None:
    list_id = new_list(alice)
    replaced(alice, work, list_id, file_of("a", "b"))
    activity = replaced(alice, work, list_id, "email,anniversary\nA@example.org,no date\nb@example.org,\n")
    assert members(alice, list_id) == {"a", "b"}
    assert counted(activity) == {"kept": 2, "rejected": 1}


def test_a_replacement_can_be_undone(alice: Api, work: Work) -> None:
    list_id = new_list(alice)
    replaced(alice, work, list_id, file_of("a", "b", "c"))
    before = everything(alice)
    activity = replaced(
        alice, work, list_id, "email,first name\nb@example.org,B\nnew@example.org,N\n", leavers="delete"
    )
    made = set(everything(alice)["contacts"]) - set(before["contacts"])
    undone(alice, work, activity)
    after = everything(alice)
    for contact_id in made:
        del after["contacts"][contact_id]
    assert after == before


def test_rows_as_json(alice: Api, work: Work) -> None:
    list_id = new_list(alice)
    path = f"/everlist/v1/contact_lists/{list_id}/members"
    reply = alice.put(path, {"import_data": [{"email": "a@example.org"}, {"email": "nobody"}]})
    assert reply.status == 201, reply
    work()
    assert counted(ended(alice, reply.json["activity_id"])) == {"added": 1, "rejected": 1}


def test_deleted_people_come_back_and_erased_ones_do_not(alice: Api, work: Work) -> None:
    list_id = new_list(alice)
    replaced(alice, work, list_id, file_of("gone", "erased"))
    ids = {
        one: alice.get("/contacts", email=f"{one}@example.org").json["contacts"][0]["contact_id"]
        for one in ("gone", "erased")
    }
    alice.delete(f"/contacts/{ids['gone']}")
    alice.delete(f"/everlist/v1/contacts/{ids['erased']}")
    activity = replaced(alice, work, list_id, file_of("gone", "erased"))
    assert members(alice, list_id) == {"gone"}
    assert counted(activity) == {"added": 1, "held_back": 1}
    assert lists_of(alice, ids["gone"]) == {list_id}
    rows = alice.get(
        f"/everlist/v1/activities/{activity['activity_id']}/rows", outcome="held_back"
    ).body.decode()
    assert "its person was erased" in rows
    assert "erased@" not in rows


@pytest.mark.parametrize(
    ("content", "headers", "params", "status"),
    [
        (b"", "text/csv", {}, 400),
        (b"email\na@example.org\n", "text/plain", {}, 415),
        (b'{"import_data": [1]}', "application/json", {}, 400),
        (b"{}", "application/json", {}, 400),
        (b"email\na@example.org\n", "text/csv", {"leavers": "shoot"}, 400),
        (b"email\na@example.org\n", "text/csv", {"max_removed_percent": "nan"}, 400),
        (b"email\na@example.org\n", "text/csv", {"max_removed_percent": "101"}, 400),
        (b"email\na@example.org\n", "text/csv", {"dry_run": "perhaps"}, 400),
        (b"email\n", "text/csv", {"dry_run": "true"}, 400),
        (b"no,such,columns\n1,2,3\n", "text/csv", {"dry_run": "true"}, 400),
    ],
)
def test_bad_requests(
    alice: Api, sql: Sql, content: bytes, headers: str, params: dict[str, str], status: int
) -> None:
    path = f"/everlist/v1/contact_lists/{new_list(alice)}/members"
    reply = alice("PUT", path, params=params, content=content, headers={"Content-Type": headers})
    assert reply.status == status, reply
    assert reply.json[0]["error_message"]
    assert sql("select from upload_part where account_id = $1", alice.account_id) == []


def test_a_list_that_is_not_there(alice: Api, charlie: Api) -> None:
    for list_id in (NOBODY, new_list(charlie)):
        assert put_members(alice, list_id, file_of("a")).status == 404
        assert put_members(alice, list_id, file_of("a"), dry_run="true").status == 404


@pytest.fixture
def busy_with_dry_runs(running: Server, portal: BlockingPortal) -> Iterator[None]:
    """As many dry runs as the server does at one time."""
    dry_runs, held = running.app.state.dry_runs, 0
    while not dry_runs.locked():
        portal.call(dry_runs.acquire)
        held += 1
    yield
    for _ in range(held):
        portal.call(dry_runs.release)


def test_a_dry_run_too_many_is_refused_before_its_file_is_sent(alice: Api, busy_with_dry_runs: None) -> None:
    url = urlsplit(alice.url)
    head = (
        f"PUT /everlist/v1/contact_lists/{new_list(alice)}/members?dry_run=true HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {alice.token}\r\nContent-Type: text/csv\r\nContent-Length: 9000000\r\n\r\n"
    )
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=60) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(1000).decode()
    assert answer.startswith("HTTP/1.1 429 ")
    assert "retry-after: 5\r\n" in answer


@pytest.mark.parametrize(
    "row",
    ["a@example.org,Ann,one cell too many", '"a@example.org"x,Ann', "a@example.org", "a@example.org,\0"],
)
@pytest.mark.parametrize("leavers", ["unlist", "delete"])
def test_a_row_that_cannot_be_read_takes_nobody_off_the_list(
    alice: Api, work: Work, row: str, leavers: str
) -> None:
    a_list = new_list(alice)
    ann = person(alice, "a", list_memberships=[a_list])
    replaced(alice, work, a_list, f"email,first_name\n{row}\nb@example.org,Ben\n", leavers=leavers)
    assert lists_of(alice, ann) == {a_list}


@pytest.mark.parametrize("stored", ["zoë@bücher.example", "zoe@xn--bcher-kva.example"])
def test_nor_does_a_rejected_row_whose_address_is_written_another_way(
    alice: Api, work: Work, stored: str
) -> None:
    a_list = new_list(alice)
    zoe = post_contact(alice, email_address=email(stored), list_memberships=[a_list])["contact_id"]
    written = stored.replace("zoë@bücher", "Zoë@BÜCHER").replace("xn--bcher-kva", "bücher")
    replaced(alice, work, a_list, f"email,anniversary\n{written},no date\nb@example.org,\n")
    assert lists_of(alice, zoe) == {a_list}


@pytest.mark.parametrize("cell", ["+1 (309) 555-0142", "Ann <ann@example.org>; bea@example.org"])
def test_nor_does_one_that_says_whom_it_means_in_its_own_way(alice: Api, work: Work, cell: str) -> None:
    a_list = new_list(alice)
    bodies: list[dict[str, Any]] = [
        {"email_address": email(f"{name}@example.org")} for name in ("ann", "bea")
    ]
    bodies.append({"sms_channel": sms(NUMBER)})
    ann, bea, who = (post_contact(alice, list_memberships=[a_list], **body)["contact_id"] for body in bodies)
    replaced(alice, work, a_list, f"email\n{cell}\nb@example.org\n")
    stays = [lists_of(alice, one) == {a_list} for one in (ann, bea, who)]
    assert stays == ([False, False, True] if cell.startswith("+") else [True, True, False])


def test_of_two_people_with_one_number_neither_is_lost_without_a_word(alice: Api, work: Work) -> None:
    a_list = new_list(alice)
    activity = replaced(
        alice,
        work,
        a_list,
        f"email,sms_number\na@example.org,{NUMBER}\nb@example.org,{NUMBER}\n",
    )
    count = alice.get("/contacts", lists=a_list, include_count="true").json["contacts_count"]
    assert count == 2 or activity["status"]["rejected_count"] + activity["status"].get("held_back_count", 0)


def test_dry_runs_at_once_leave_the_server_answering(
    settings: Settings,
    dsn: str,
    sql: Sql,
    portal: BlockingPortal,
    new_account: NewAccount,
    new_token: NewToken,
) -> None:
    account = new_account()
    small = dataclasses.replace(settings, pool_size=3)
    with Server(small, dsn, portal) as server:
        api = Api(server.url, new_token(account, "contact_data"), account)
        a_list = new_list(api)
        file = "email\n" + "".join(f"p{number}@example.org\n" for number in range(5_000))

        def dry_run(_: int) -> int:
            with httpx2.Client(verify=False, timeout=60) as http:
                try:
                    return http.put(
                        f"{server.url}/everlist/v1/contact_lists/{a_list}/members?dry_run=true",
                        content=file.encode(),
                        headers={"Content-Type": "text/csv", "Authorization": f"Bearer {api.token}"},
                    ).status_code
                except httpx2.TimeoutException:
                    return 0

        with ThreadPoolExecutor(6) as pool:
            statuses = set(pool.map(dry_run, range(6)))
        api.http.close()
        while True:  # a server that waits for itself could not be stopped
            try:
                ready = httpx2.get(f"{server.url}/readyz", verify=False, timeout=1)
            except httpx2.TimeoutException:
                sql(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
                    " and application_name = 'everlist web' and query ilike 'copy%import_row%'"
                )
            else:
                assert ready.status_code == 200
                break
        assert 0 not in statuses


def test_a_number_that_is_too_big_costs_its_row_alone(alice: Api) -> None:
    body = b'{"import_data": [{"email": "a@example.org"}, {"email": "b@example.org", "first_name": 1e999}]}'
    path = f"/everlist/v1/contact_lists/{new_list(alice)}/members"
    reply = alice(
        "PUT", path, params={"dry_run": "true"}, content=body, headers={"Content-Type": "application/json"}
    )
    assert (reply.status, reply.json.get("rejected")) == (200, 1)


@pytest.mark.parametrize("percent", ["nan", "inf", "1e400", "-1", "101", "x"])
def test_a_share_that_is_none(alice: Api, percent: str) -> None:
    reply = put_members(alice, new_list(alice), "email\na@example.org\n", max_removed_percent=percent)
    refused(reply, 400, "max_removed_percent")


_NAMES = st.sampled_from([f"n{number}" for number in range(9)])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.lists(_NAMES, max_size=12, min_size=1),
    second=st.lists(_NAMES, max_size=12, min_size=1),
    out=st.lists(_NAMES, max_size=3),
    leavers=st.sampled_from(["unlist", "delete"]),
)
def test_a_dry_run_says_what_the_real_run_does(
    alice: Api, work: Work, first: list[str], second: list[str], out: list[str], leavers: str
) -> None:
    list_id = new_list(alice)
    first, second, out = ([f"{one}-{list_id}" for one in names] for names in (first, second, out))
    replaced(alice, work, list_id, file_of(*first), leavers=leavers)
    for name in set(out) & set(first):
        (contact,) = alice.get("/contacts", email=f"{name}@example.org").json["contacts"]
        unsubscribed = email(f"{name}@example.org", "unsubscribed")
        put_contact(alice, contact["contact_id"], email_address=unsubscribed, update_source="Contact")
    said = previewed(alice, list_id, file_of(*second), leavers=leavers)
    done = counted(replaced(alice, work, list_id, file_of(*second), leavers=leavers))
    names = {
        "add": "added",
        "keep": "kept",
        "remove": "removed",
        "held_back": "held_back",
        "rejected": "rejected",
    }
    assert {name: said[name] for name in names} == {name: done.get(count, 0) for name, count in names.items()}
    assert said["peak_after"] == peak(alice)


def test_why_it_failed_comes_first_however_many_rows_were_rejected(alice: Api, work: Work) -> None:
    a_list = new_list(alice)
    for name in ("ann", "ben"):
        person(alice, name, list_memberships=[a_list])
    rejected = "".join(f"no address {number}\n" for number in range(MAX_ERRORS + 1))
    done = replaced(
        alice, work, a_list, f"email\nc@example.org\n{rejected}", state="failed", max_removed_percent="10"
    )
    why, *others = done["activity_errors"]
    assert "nothing was changed" in why
    assert len(others) == MAX_ERRORS - 1
