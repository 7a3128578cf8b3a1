"""Erasing people: what of them stands with others, in a report, or is on its way in an import."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest
from anyio.from_thread import BlockingPortal

from everlist.core.act import Act
from everlist.core.ids import new_id
from everlist.core.privacy import erase as core_erase
from everlist.db import Database
from everlist.worker.activities import Worker
from tests.conftest import INSTALLATION, Api, Sql
from tests.ext.people import erase, found
from tests.v3.bulk import Work, person
from tests.v3.helpers import email, new_list, post_contact, put_contact, sms
from tests.v3.imports import imported, made, post_file

NUMBER, ANOTHER = "13095550142", "13095550199"


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
    made(post_file(alice, "email,first_name\nzoe@example.org,Zoe\n", new_list(alice)))

    async def both() -> None:
        worker = Worker(database, INSTALLATION, asyncio.Event())
        async with database.transaction() as tx:
            act = Act("DELETE", datetime.now(UTC))
            await core_erase.erase(
                tx, alice.account_id, {zoe: new_id()}, reason="", act=act, installation=INSTALLATION
            )
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
