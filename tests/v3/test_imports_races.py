"""Imports and other bulk activities while people act: what a person did in the middle of it stands."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from anyio.from_thread import BlockingPortal

from everlist.core import contacts
from everlist.core.act import Act
from everlist.core.contacts.model import ContactDraft, EmailDraft
from everlist.core.imports import job, merge
from everlist.db import Database
from everlist.worker.activities import Worker
from tests.conftest import INSTALLATION, Api, Sql
from tests.core.recount import recount
from tests.ext.people import erase
from tests.v3.bulk import Work, counted, ended, lists_of, person, queued, tags_of
from tests.v3.helpers import (
    email,
    get_contact,
    new_field,
    new_list,
    new_tag,
    post_contact,
    put_contact,
    sms,
)
from tests.v3.imports import Rows, by_address, imported

NUMBER = "13095550142"


def before_the_merge(monkeypatch: pytest.MonkeyPatch, chunk: int, act: Any) -> None:
    """Has `act` done when a chunk has looked at what is suppressed, and has not been merged yet."""
    suppressed = merge._suppressed
    looked: set[int] = set()

    async def looking(tx: Any, account_id: UUID, first: int, last: int, **rest: Any) -> Any:
        found = await suppressed(tx, account_id, first, last, **rest)
        if first == chunk and first not in looked:
            looked.add(first)
            await asyncio.to_thread(act)
        return found

    monkeypatch.setattr(merge, "_suppressed", looking)


def test_who_is_erased_while_a_chunk_is_merged_as_new_people_does_not_come_back(
    alice: Api, work: Work, rows: Rows, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "CHUNK", 1)
    ann = person(alice, "ann")
    before_the_merge(monkeypatch, 2, lambda: erase(alice, ann))
    done = imported(alice, work, "email\nnew@example.org\nann@example.org\n")
    assert [row.outcome for row in rows(done)] == ["created", "held_back"]
    assert by_address(alice, "ann@example.org") is None
    recount(sql, alice.account_id)


def test_nor_does_an_opt_out_go_whose_contact_gets_another_address_then(
    alice: Api, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "CHUNK", 1)
    ann = person(alice, "ann")
    put_contact(alice, ann, email_address=email("ann@example.org", "unsubscribed"), update_source="Contact")
    moved = {"update_source": "Account", "email_address": email("moved@example.org")}
    before_the_merge(monkeypatch, 2, lambda: alice.put(f"/contacts/{ann}", moved))
    imported(alice, work, "email\nnew@example.org\nann@example.org\n")
    assert by_address(alice, "ann@example.org") is None


def test_an_erased_number_goes_to_nobody(
    alice: Api, work: Work, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    cid = post_contact(alice, sms_channel=sms(NUMBER))["contact_id"]
    bob = person(alice, "bob")
    before_the_merge(monkeypatch, 1, lambda: erase(alice, cid))
    done = imported(alice, work, f"email,sms_number\nbob@example.org,{NUMBER}\n")
    assert [row.outcome for row in rows(done)] == ["held_back"]
    assert "sms_channel" not in get_contact(alice, bob, "sms_channel")


@pytest.mark.parametrize(
    "kind", ["contact_delete", "contact_erase", "add_list_memberships", "contacts_taggings_add", "replace"]
)
def test_who_leaves_a_list_while_an_activity_waits_is_spared(
    alice: Api, work: Work, database: Database, portal: BlockingPortal, kind: str
) -> None:
    a_list, other, third = (new_list(alice) for _ in range(3))
    ann = person(alice, "ann", list_memberships=[a_list])
    source = {"list_ids": [a_list]}
    match kind:
        case "contact_delete":
            queued(alice, kind, list_ids=[a_list])
        case "contact_erase":
            body = {"list_ids": [a_list], "reason": "x"}
            assert alice.post("/everlist/v1/activities/contact_erase", body).status == 201
        case "add_list_memberships":
            queued(alice, kind, source=source, list_ids=[third])
        case "contacts_taggings_add":
            queued(alice, kind, source=source, tag_ids=[new_tag(alice)])
        case _:
            path = f"/everlist/v1/contact_lists/{a_list}/members"
            csv = {"Content-Type": "text/csv"}
            reply = alice(
                "PUT", path, params={"leavers": "delete"}, content=b"email\nnew@example.org\n", headers=csv
            )
            assert reply.status == 201

    async def both() -> None:
        act = Act("PUT", datetime.now(UTC))
        draft = ContactDraft(email=EmailDraft("ann@example.org"), list_ids=(UUID(other),))
        waits = (
            "select exists (select from pg_stat_activity where datname = current_database()"
            " and wait_event_type = 'Lock')"
        )
        async with database.transaction() as tx:
            await contacts.replace(
                tx, alice.account_id, UUID(ann), draft, source="Account", act=act, installation=INSTALLATION
            )
            running = asyncio.create_task(Worker(database, INSTALLATION, asyncio.Event()).run_one())
            while not await database.value(waits):
                assert not running.done()
        await running

    portal.call(both)
    work()
    assert "deleted_at" not in get_contact(alice, ann)
    assert (lists_of(alice, ann), tags_of(alice, ann)) == ({other}, set())


def test_a_custom_field_that_is_deleted_between_two_chunks_gets_no_values(
    alice: Api, work: Work, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = new_field(alice, "Colour")
    monkeypatch.setattr(job, "CHUNK", 2)
    lock_live = job.lists.lock_live
    chunks: list[int] = []

    async def deleting(*args: Any) -> Any:
        chunks.append(1)
        if len(chunks) == 2:
            await asyncio.to_thread(alice.delete, f"/contact_custom_fields/{field}")
        return await lock_live(*args)

    monkeypatch.setattr(job.lists, "lock_live", deleting)
    people = "".join(f"p{number}@example.org,Red\n" for number in range(5))
    done = imported(alice, work, f"email,cf:colour\n{people}")
    held = sql("select custom_fields::text as held from contact where account_id = $1", alice.account_id)
    assert [row["held"] for row in held] == ["{}"] * 5
    assert done["activity_errors"] == [f"{field}: no such custom field any more"]


def test_a_cancelled_import_has_counted_the_rows_that_it_tells_of(
    alice: Api, work: Work, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "CHUNK", 2)
    a_list = new_list(alice)
    original = job.merge

    async def then_cancel(*args: Any, **named: Any) -> Any:
        merged = await original(*args, **named)
        await asyncio.to_thread(alice.post, f"/everlist/v1/activities/{running}/cancel", None)
        return merged

    monkeypatch.setattr(job, "merge", then_cancel)
    files = {"file": ("a.csv", b"email\nann@example.org\nno address\nben@example.org\nnone\n", "text/csv")}
    reply = alice("POST", "/activities/contacts_file_import", data={"list_ids": a_list}, files=files)
    running = reply.json["activity_id"]
    work()
    done = ended(alice, running, "cancelled")
    assert [row.outcome for row in rows(done)] == ["created", "rejected"]
    assert counted(done) == {"items_total": 5, "person": 1, "correctable": 1, "created": 1, "rejected": 1}
