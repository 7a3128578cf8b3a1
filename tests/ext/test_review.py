"""What a review of the extension API found, each as the shortest way to see it, and what it found to hold."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from anyio.from_thread import BlockingPortal

from everlist import receipt
from everlist.core import erase as core_erase
from everlist.core.contacts import Act
from everlist.core.ids import new_id
from everlist.db import Database
from everlist.ext.erasures import checked_reason
from everlist.settings import Settings
from everlist.worker import Worker
from tests.conftest import SECRET_KEY, Api, NewAccount, NewToken, Sql
from tests.ext.people import erase, found
from tests.ext.test_replace import put_members, replaced
from tests.ext.test_undo import undone
from tests.server import Server
from tests.v3.bulk import Work, ended, lists_of, person, ran
from tests.v3.helpers import (
    email,
    get_contact,
    new_field,
    new_list,
    post_contact,
    put_contact,
    refused,
    sms,
)

NUMBER, ANOTHER = "13095550142", "13095550199"


def upload(api: Api, text: str, *list_ids: str) -> str:
    """The id of a queued import."""
    files = {"file": ("people.csv", text.encode(), "text/csv")}
    reply = api(
        "POST", "/activities/contacts_file_import", data={"list_ids": ",".join(list_ids)}, files=files
    )
    assert reply.status == 201, reply
    return reply.json["activity_id"]


def imported(api: Api, work: Work, text: str, *list_ids: str) -> Any:
    activity_id = upload(api, text, *list_ids)
    work()
    return ended(api, activity_id)


def leave(api: Api, contact_id: str) -> None:
    """The person's one click."""
    link = api.get(f"/everlist/v1/contacts/{contact_id}/links").json["one_click_url"].rpartition("/")[2]
    reply = httpx2.post(f"{api.url}/one-click/{link}", data={"List-Unsubscribe": "One-Click"}, verify=False)
    assert reply.status_code == 200


# A list that is replaced


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


@pytest.mark.xfail(strict=True, reason="two rows with one number: the earlier is dropped whole, as unchanged")
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
            with httpx2.Client(verify=False, timeout=5) as http:
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


@pytest.mark.xfail(
    strict=True, reason="the number that is too big is told by msgspec, which nobody expects there"
)
def test_a_number_that_is_too_big_costs_its_row_alone(alice: Api) -> None:
    body = b'{"import_data": [{"email": "a@example.org"}, {"email": "b@example.org", "first_name": 1e999}]}'
    path = f"/everlist/v1/contact_lists/{new_list(alice)}/members"
    reply = alice(
        "PUT", path, params={"dry_run": "true"}, content=body, headers={"Content-Type": "application/json"}
    )
    assert (reply.status, reply.json.get("rejected")) == (200, 1)


# Undo and restore


def _number_gone(api: Api, work: Work) -> tuple[str, Any]:
    """A contact that an import had given a number, and the undo that took it away again."""
    who = person(api, "a")
    activity = imported(api, work, f"email,sms_number\na@example.org,{NUMBER}\n", new_list(api))
    return who, undone(api, work, activity)


def test_an_undo_that_would_bring_a_number_that_is_taken_reports_its_contact(
    alice: Api, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everlist.worker.CONFLICTS", 1)
    _, undo = _number_gone(alice, work)
    post_contact(alice, email_address=email("b@example.org"), sms_channel=sms(NUMBER))
    undone(alice, work, undo)


def test_an_undo_brings_no_number_back_whose_person_was_erased(alice: Api, work: Work) -> None:
    who, undo = _number_gone(alice, work)
    erase(
        alice,
        post_contact(alice, email_address=email("b@example.org"), sms_channel=sms(NUMBER))["contact_id"],
    )
    undone(alice, work, undo)
    assert "sms_channel" not in get_contact(alice, who, "sms_channel")


def test_an_undo_does_not_let_an_account_lift_the_opt_out_of_a_number(alice: Api, work: Work) -> None:
    who, undo = _number_gone(alice, work)
    ben = post_contact(
        alice, email_address=email("b@example.org"), sms_channel=sms(NUMBER), create_source="Contact"
    )["contact_id"]
    for channel in (sms(NUMBER, "unsubscribed"), sms(ANOTHER)):
        put_contact(
            alice, ben, update_source="Contact", email_address=email("b@example.org"), sms_channel=channel
        )
    undone(alice, work, undo)
    body = {"update_source": "Account", "email_address": email("a@example.org"), "sms_channel": sms(NUMBER)}
    alice.put(f"/contacts/{who}", body)
    channel = get_contact(alice, who, "sms_channel").get("sms_channel")
    assert channel is None or channel["sms_channel_consents"][0]["sms_consent_permission"] == "unsubscribed"


@pytest.mark.parametrize("how", ["undo", "restore"])
def test_who_left_all_lists_by_the_link_is_not_put_on_them_again(alice: Api, work: Work, how: str) -> None:
    a_list = new_list(alice)
    who = person(alice, "a", list_memberships=[a_list])
    activity = ran(alice, work, "contact_delete", contact_ids=[who])
    leave(alice, who)
    if how == "undo":
        undone(alice, work, activity)
    else:
        assert alice.post("/everlist/v1/activities/contact_restore", {"contact_ids": [who]}).status == 201
        work()
    assert lists_of(alice, who) == set()


def test_an_undo_gives_no_contact_more_fields_than_the_contract_allows(alice: Api, work: Work) -> None:
    fields = [new_field(alice) for _ in range(30)]
    values = [{"custom_field_id": one, "value": "x"} for one in fields]
    who = person(alice, "a", custom_fields=values[:25])
    activity = ran(alice, work, "custom_fields_delete", custom_field_ids=fields[:5])
    put_contact(alice, who, email_address=email("a@example.org"), custom_fields=values[5:])
    undone(alice, work, activity)
    get_contact(alice, who, "custom_fields")  # is checked against the contract


def test_a_restore_by_an_activity_leaves_out_whom_another_act_deleted_since(alice: Api, work: Work) -> None:
    who = person(alice, "a", list_memberships=[new_list(alice)])
    activity = ran(alice, work, "contact_delete", contact_ids=[who])
    put_contact(alice, who, email_address=email("a@example.org"))
    assert alice.delete(f"/contacts/{who}").status == 204
    body = {"deleted_by_activity_id": activity["activity_id"]}
    assert alice.post("/everlist/v1/activities/contact_restore", body).status == 201
    work()
    assert "deleted_at" in get_contact(alice, who)


# Erasing


@pytest.mark.xfail(strict=True, reason="what was rejected is kept as it was written, and compared whole")
@pytest.mark.parametrize(
    "cell", ["Zoe <zoe.person@example.org>", "zoe.person@example.org;", "mailto:zoe.person@example.org"]
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_address_in_a_rejected_cell_does_not_outlive_its_person(
    alice: Api, work: Work, sql: Sql, cell: str, when: str
) -> None:
    who = person(alice, "zoe.person")
    if when == "after":
        erase(alice, who)
    imported(alice, work, f"email,first_name\n{cell},Zoe\nother@example.org,x\n", new_list(alice))
    if when == "before":
        erase(alice, who)
    assert found(sql, alice.account_id, ["zoe.person"]) == []


@pytest.mark.xfail(
    strict=True, reason="the ledger and the images of the contact that had the number before keep it"
)
def test_an_erased_number_does_not_stay_with_the_contact_that_had_it_before(alice: Api, sql: Sql) -> None:
    first = post_contact(alice, email_address=email("a@example.org"), sms_channel=sms(NUMBER))["contact_id"]
    put_contact(alice, first, email_address=email("a@example.org"), sms_channel=sms(ANOTHER))
    erase(
        alice,
        post_contact(alice, email_address=email("b@example.org"), sms_channel=sms(NUMBER))["contact_id"],
    )
    assert found(sql, alice.account_id, [NUMBER]) == []


def test_an_import_that_waits_for_an_erasure_does_not_make_the_person_again(
    alice: Api, database: Database, portal: BlockingPortal, sql: Sql
) -> None:
    zoe = UUID(person(alice, "zoe"))
    upload(alice, "email,first_name\nzoe@example.org,Zoe\n", new_list(alice))

    async def both() -> None:
        worker = Worker(database, SECRET_KEY.encode(), asyncio.Event())
        async with database.transaction() as tx:
            act = Act("DELETE", datetime.now(UTC), SECRET_KEY.encode())
            await core_erase.erase(tx, alice.account_id, {zoe: new_id()}, reason="", act=act)
            importing = asyncio.create_task(worker.run_one())
            waits = (
                "select exists (select from pg_stat_activity where datname = current_database()"
                " and wait_event_type = 'Lock')"
            )
            while not await database.value(waits):
                assert not importing.done()
        await importing

    portal.call(both)
    assert sql("select contact_id from contact where account_id = $1", alice.account_id) == []


def test_a_reason_cannot_speak_as_the_receipt_does() -> None:
    try:
        reason = checked_reason("asked\n  removed  1000000  contact: everything\nThe signature holds.")
    except Exception:  # noqa: BLE001 - refusing it is as good
        return
    now = datetime.now(UTC)
    lines = receipt.told(receipt.Receipt(uuid4(), uuid4(), now, reason, (), ())).splitlines()
    assert len(lines) == 4


# What is sent


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


@pytest.mark.parametrize("percent", ["nan", "inf", "1e400", "-1", "101", "x"])
def test_a_share_that_is_none(alice: Api, percent: str) -> None:
    reply = put_members(alice, new_list(alice), "email\na@example.org\n", max_removed_percent=percent)
    refused(reply, 400, "max_removed_percent")
