"""Rows with SMS numbers: whom they are about, and whose a number is; V3 contract 6.3."""

from __future__ import annotations

from datetime import UTC, datetime

from anyio.from_thread import BlockingPortal

from everlist.core.consent import suppression
from everlist.db import Database
from tests.conftest import INSTALLATION, Api, Sql
from tests.core.recount import recount
from tests.v3.bulk import Work, counted, lists_of, person, ran
from tests.v3.helpers import (
    Behind,
    found,
    get_contact,
    new_list,
    post_contact,
    sms,
)
from tests.v3.imports import Rows, by_address, imported


def test_rows_for_one_number(alice: Api, work: Work, rows: Rows) -> None:
    text = "sms_number,first_name\n3095550100,One\n+1 309 555 0100,Two\n"
    done = imported(alice, work, text)
    assert [(row.outcome, row.reason) for row in rows(done)] == [
        ("unchanged", "superseded by line 3"),
        ("created", ""),
    ]
    (contact_id,) = found(alice)
    contact = get_contact(alice, contact_id, "sms_channel")
    assert contact["first_name"] == "Two"
    assert "email_address" not in contact
    again = imported(alice, work, "sms_number,last_name\n3095550100,Too\n")
    assert counted(again) == {"items_total": 2, "person": 1, "updated": 1}
    assert get_contact(alice, contact_id)["last_name"] == "Too"


def test_two_rows_for_one_contact_by_its_address_and_its_number(
    alice: Api, work: Work, rows: Rows, behind: Behind
) -> None:
    """They are about one contact, whatever names it; it is restored, counted and written once."""
    contact_id = person(alice, "ann", sms_channel=sms("13095550100"))
    alice.delete(f"/contacts/{contact_id}")
    list_id = new_list(alice)
    text = "email,sms_number,first_name\nann@example.org,,One\n,3095550100,Two\n"
    done = imported(alice, work, text, list_id)
    assert [row.outcome for row in rows(done)].count("updated") == 1
    assert (done["status"]["updated_count"], done["status"]["unchanged_count"]) == (1, 1)
    assert get_contact(alice, contact_id)["first_name"] == "Two"
    assert [(row.contact_id, row.reason) for row in rows(done)] == [
        (contact_id, "superseded by line 3"),
        (contact_id, ""),
    ]
    assert [move[0] for move in behind.moves(contact_id)] == ["created", "deleted", "restored"]


def test_a_suppressed_number_does_not_come_back_as_consent(
    alice: Api, work: Work, database: Database, portal: BlockingPortal
) -> None:
    """The person of the number opted out; an import cannot opt it in, neither on a new contact nor on another."""
    person(alice, "ann")

    async def suppress() -> None:
        for number in ("13095550100", "13095550101"):
            hashed = INSTALLATION.address_hmac(alice.account_id, suppression.SMS, number)
            await database.write(
                lambda tx, hashed=hashed: suppression.add(
                    tx, alice.account_id, suppression.SMS, hashed, at=datetime.now(UTC)
                )
            )

    portal.call(suppress)
    text = (
        "email,sms_number,sms_consent_date\nann@example.org,3095550100,2020-01-01\n"
        "bea@example.org,3095550101,2020-01-01\n"
    )
    done = imported(alice, work, text, sms_permission_to_send="explicit")
    assert done["status"]["held_back_count"] == 2
    for address in ("ann@example.org", "bea@example.org"):
        contact = by_address(alice, address, "sms_channel")
        if contact is not None and "sms_channel" in contact:
            (consent,) = contact["sms_channel"]["sms_channel_consents"]
            assert consent["sms_consent_permission"] == "unsubscribed"


def test_a_number_stays_where_it_is(alice: Api, work: Work, rows: Rows) -> None:
    person(alice, "ann", sms_channel=sms("13095550100"))
    person(alice, "bea", sms_channel=sms("13095550101"))
    text = (
        "email,sms_number\n"
        "ann@example.org,3095550102\n"  # she has another
        "cid@example.org,3095550101\n"  # it is Bea's
        "dan@example.org,3095550103\n"
    )
    done = imported(alice, work, text)
    assert [(row.outcome, row.reason) for row in rows(done)] == [
        ("updated", "the contact has another SMS number"),
        ("created", "the SMS number belongs to another contact"),
        ("created", ""),
    ]
    assert done["activity_errors"] == [
        "Line 2: the contact has another SMS number",
        "Line 3: the SMS number belongs to another contact",
    ]
    assert counted(done) == {"items_total": 4, "person": 3, "created": 2, "updated": 1}
    again = imported(alice, work, text, *lists_of(alice, rows(done)[0].contact_id))
    assert [row.outcome for row in rows(again)] == ["unchanged"] * 3


def test_consent_by_sms(alice: Api, work: Work) -> None:
    """It takes the word `explicit` and a date that is past; an opt-out stays."""
    person(alice, "out", sms_channel=sms("13095550199", "unsubscribed"))
    text = (
        "email,sms_number,sms_consent_date\n"
        "a@example.org,3095550101,2020-01-02\nb@example.org,3095550102,\nc@example.org,3095550103,soon\n"
        "d@example.org,3095550104,2999-01-01\nout@example.org,3095550199,2020-01-02\n"
    )

    def permissions() -> list[str]:
        contacts = [
            by_address(alice, f"{name}@example.org", "sms_channel") for name in ("a", "b", "c", "d", "out")
        ]
        return [one["sms_channel"]["sms_channel_consents"][0]["sms_consent_permission"] for one in contacts]

    imported(alice, work, text, sms_permission_to_send="explicit")
    assert permissions() == ["explicit", "not_set", "not_set", "not_set", "unsubscribed"]


def test_a_number_that_two_people_have_in_one_file_is_the_first_ones(
    alice: Api, work: Work, rows: Rows, sql: Sql
) -> None:
    number = "13095550142"
    done = imported(
        alice,
        work,
        f"email,first_name,sms_number\nann@example.org,Ann,{number}\nben@example.org,Ben,{number}\n,Zed,{number}\n",
    )
    assert [(row.outcome, row.reason) for row in rows(done)] == [
        ("created", ""),
        ("created", "the SMS number belongs to another contact"),
        ("unchanged", "superseded by line 2"),
    ]
    assert by_address(alice, "ann@example.org", "sms_channel")["sms_channel"]["sms_address"] == number[1:]
    recount(sql, alice.account_id)


def test_of_the_rows_with_only_a_number_the_last_counts(alice: Api, work: Work, rows: Rows) -> None:
    number = "13095550142"
    done = imported(alice, work, f"sms_number,first_name\n{number},Ann\n{number},Ben\n")
    assert [row.outcome for row in rows(done)] == ["unchanged", "created"]
    assert get_contact(alice, rows(done)[1].contact_id)["first_name"] == "Ben"


def test_a_person_is_not_lost_to_a_row_whose_number_is_taken(alice: Api, work: Work, rows: Rows) -> None:
    """A number alone, and an address with that number: they are two people if somebody has the number."""
    cid = post_contact(alice, sms_channel=sms("13095550142"))["contact_id"]
    a_list = new_list(alice)
    text = "email,first_name,sms_number\n,Cid,13095550142\nbob@example.org,Bob,13095550142\n"
    assert [row.outcome for row in rows(imported(alice, work, text, a_list))] == ["updated", "created"]
    assert lists_of(alice, cid) == {a_list}


def test_who_unsubscribed_from_sms_and_has_no_address_is_held_back(
    alice: Api, work: Work, rows: Rows
) -> None:
    a_list = new_list(alice)
    cid = post_contact(alice, sms_channel=sms("13095550142", "unsubscribed"))["contact_id"]
    done = imported(alice, work, "sms_number,first_name\n13095550142,Cid\n", a_list)
    assert [(row.outcome, row.reason) for row in rows(done)] == [
        ("held_back", "the contact has unsubscribed")
    ]
    done = ran(alice, work, "add_list_memberships", source={"contact_ids": [cid]}, list_ids=[a_list])
    assert counted(done)["held_back"] == 1
    assert lists_of(alice, cid) == set()
