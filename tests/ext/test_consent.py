"""The ledger of one contact, its state at a time, the record of one person; and the ledger's refusal to change."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from anyio.from_thread import BlockingPortal

from everlist.db import Database, Transaction
from tests.conftest import Api, Clock, Sql
from tests.v3.bulk import Work, person, queued, ran
from tests.v3.helpers import (
    NOBODY,
    Behind,
    email,
    new_field,
    new_list,
    new_tag,
    post_contact,
    put_contact,
    refused,
    sms,
)

ANN = "ann@example.org"


def events(api: Api, contact_id: str, **params: Any) -> Any:
    reply = api.get(f"/everlist/v1/contacts/{contact_id}/consent", **params)
    assert reply.status == 200, reply
    return reply.json


def record(api: Api, contact_id: str) -> Any:
    reply = api.get(f"/everlist/v1/contacts/{contact_id}/record")
    assert reply.status == 200, reply
    return reply.json


def test_each_change_is_told_with_who_when_and_from_what(
    alice: Api, work: Work, sql: Sql, clock: Clock
) -> None:
    made = alice.post(
        "/contacts", {"create_source": "Account", "email_address": {"address": ANN}, "first_name": "Ann"}
    )
    contact_id = made.json["contact_id"]
    clock.move(hours=1)
    out = email(ANN, "unsubscribed", opt_out_reason="too much")
    put_contact(alice, contact_id, update_source="Contact", email_address=out)
    list_id = new_list(alice)
    other = post_contact(alice, email_address=email("ben@example.org"), list_memberships=[list_id])
    activity_id = queued(alice, "contact_delete", contact_ids=[contact_id])
    work()
    told = events(alice, contact_id)
    assert told["contact_id"] == contact_id
    assert "_links" not in told
    first, second, third = told["events"]
    ((token,),) = sql("select token_id::text from api_token where account_id = $1", alice.account_id)
    assert first == {
        "event_id": first["event_id"],
        "at": first["at"],
        "channel": "email",
        "action": "created",
        "source": "Account",
        "operation": "POST /v3/contacts",
        "permission_after": "implicit",
        "request_id": made.headers["x-request-id"],
        "token_id": token,
    }
    assert datetime.fromisoformat(second["at"]) - datetime.fromisoformat(first["at"]) >= timedelta(hours=1)
    assert second["source"] == "Contact"
    assert second["reason"] == "too much"
    assert (second["permission_before"], second["permission_after"]) == ("implicit", "unsubscribed")
    assert (third["action"], third["activity_id"]) == ("deleted", activity_id)
    assert [one["permission_after"] for one in events(alice, other["contact_id"])["events"]] == ["implicit"]


def test_an_import_names_its_row_and_a_token_its_name(alice: Api, work: Work, sql: Sql) -> None:
    sql("update api_token set name = 'shop' where account_id = $1 returning 1", alice.account_id)
    rows = [{"email": "zoe@example.org"}, {"email": ANN}]
    activity_id = ran(alice, work, "contacts_json_import", import_data=rows, list_ids=[new_list(alice)])[
        "activity_id"
    ]
    (contact,) = alice.get("/contacts", email=ANN).json["contacts"]
    (event,) = events(alice, contact["contact_id"])["events"]
    assert (event["activity_id"], event["row_number"], event["token_name"]) == (activity_id, 2, "shop")


def test_details_of_an_sms_consent_are_told(alice: Api) -> None:
    made = post_contact(alice, sms_channel=sms("13095550111"))
    (event,) = events(alice, made["contact_id"])["events"]
    assert event["channel"] == "sms"
    assert event["details"]["sms_channel_id"] == made["sms_channel"]["sms_channel_id"]


def test_events_come_in_pages_by_a_signed_cursor(alice: Api) -> None:
    contact_id = person(alice, "ann")
    for turn in range(6):
        wanted = "not_set" if turn % 2 == 0 else "implicit"
        put_contact(alice, contact_id, email_address=email(ANN, wanted))
    whole = events(alice, contact_id)["events"]
    assert len(whole) == 7
    page = events(alice, contact_id, limit=3)
    walked = page["events"]
    while "_links" in page:
        href = page["_links"]["next"]["href"]
        assert href.startswith(f"/everlist/v1/contacts/{contact_id}/consent?cursor=")
        page = alice("GET", href).json
        walked += page["events"]
    assert walked == whole
    broken = href[:-3] + ("AAA" if not href.endswith("AAA") else "BBB")
    assert alice("GET", broken).status == 400
    refused(alice.get(f"/everlist/v1/contacts/{contact_id}/consent", limit="501"), 400, "limit")
    other = person(alice, "ben")
    moved = href.replace(contact_id, other)
    assert alice("GET", moved).status == 400


def test_the_state_as_of_a_date(alice: Api, clock: Clock) -> None:
    began = clock()
    clock.move(days=1)
    contact_id = person(alice, "ann", None, sms_channel=sms("13095550111"))
    clock.move(days=1)
    put_contact(alice, contact_id, update_source="Contact", email_address=email(ANN, "unsubscribed"))
    clock.move(days=1)
    alice.delete(f"/contacts/{contact_id}")
    clock.move(days=1)
    put_contact(alice, contact_id, email_address=email(ANN))

    def at(days: float) -> Any:
        moment = (began + timedelta(days=days)).isoformat().replace("+00:00", "Z")
        return events(alice, contact_id, as_of=moment)

    def mail(days: float) -> Any:
        told = at(days)
        channel = told["channels"]["email"]
        return told["deleted"], channel["permission"], channel["may_send"], channel["event"]["action"]

    before = at(0.5)
    assert (before["exists"], before["deleted"], before["channels"]) == (False, False, {})
    assert mail(1.5) == (False, "implicit", True, "created")
    assert at(1.5)["channels"]["sms"]["may_send"] is True
    assert mail(2.5) == (False, "unsubscribed", False, "changed")
    assert mail(3.5) == (True, "unsubscribed", False, "deleted")
    assert at(3.5)["channels"]["sms"]["permission"] == "explicit"
    assert at(3.5)["channels"]["sms"]["may_send"] is False
    assert mail(4.5) == (False, "unsubscribed", False, "restored")
    since = at(4.5)["channels"]["email"]["since"]
    assert since == at(2.5)["channels"]["email"]["event"]["at"]


def test_as_of_the_very_moment_of_an_event_it_has_happened(alice: Api) -> None:
    contact_id = person(alice, "ann")
    (event,) = events(alice, contact_id)["events"]
    assert events(alice, contact_id, as_of=event["at"])["channels"]["email"]["permission"] == "implicit"
    refused(alice.get(f"/everlist/v1/contacts/{contact_id}/consent", as_of="yesterday"), 400, "as_of")


def test_nobody_else_reads_it(alice: Api, bob: Api, charlie: Api, anonymous: Api) -> None:
    contact_id = person(alice, "ann")
    for name in ("consent", "record"):
        path = f"/everlist/v1/contacts/{contact_id}/{name}"
        assert [api.get(path).status for api in (bob, charlie, anonymous)] == [403, 404, 401]
        assert alice.get(f"/everlist/v1/contacts/{NOBODY}/{name}").status == 404
        assert alice.get(f"/everlist/v1/contacts/me/{name}").status == 404
    assert charlie.get(f"/everlist/v1/contacts/{contact_id}/consent", as_of="2030-01-01").status == 404


# The record of one person


def test_the_record_has_all_that_is_kept_of_a_person_and_nothing_of_others(alice: Api, work: Work) -> None:
    news, tag = new_list(alice, "News"), new_tag(alice, "VIP")
    size = new_field(alice, "Shoe size")
    choices = [{"choice_label": "red"}, {"choice_label": "green"}]
    colour = new_field(alice, "Colour", "single_select", metadata={"display_type": "radio"}, choices=choices)
    green = str(alice.get(f"/contact_custom_fields/{colour}").json["choices"][1]["choice_id"])
    contact_id = post_contact(
        alice,
        email_address=email(ANN),
        first_name="Ann",
        birthday_month=2,
        birthday_day=3,
        custom_fields=[
            {"custom_field_id": size, "value": "44"},
            {"custom_field_id": colour, "choice_ids": [green]},
        ],
        phone_numbers=[{"phone_number": "309 555 0100", "kind": "home"}],
        street_addresses=[{"kind": "home", "street": "1 High St"}],
        notes=[{"content": "likes tea"}],
        sms_channel=sms("13095550111"),
        list_memberships=[news],
        taggings=[tag],
    )["contact_id"]
    person(alice, "stranger", None, list_memberships=[news])
    rows = [
        {"email": "stranger@example.org", "first_name": "Stranger"},
        {"email": ANN, "first_name": "Anna"},
        {"email": ANN, "anniversary": "not a day"},
    ]
    imported = ran(alice, work, "contacts_json_import", import_data=rows, list_ids=[news])["activity_id"]
    source = {"contact_ids": [contact_id]}
    tagged = ran(alice, work, "contacts_taggings_remove", source=source, tag_ids=[tag])["activity_id"]
    ran(alice, work, "contacts_taggings_add", source={"contact_ids": [NOBODY]}, tag_ids=[tag])
    told = record(alice, contact_id)
    assert told["contact_id"] == contact_id
    contact = told["contact"]
    assert (contact["email"], contact["first_name"], contact["birthday_day"]) == (ANN, "Anna", 3)
    assert contact["phone_numbers"][0]["phone_number"] == "309 555 0100"
    assert contact["street_addresses"][0]["street"] == "1 High St"
    assert contact["notes"][0]["content"] == "likes tea"
    assert contact["sms_channel"]["sms_address"] == "3095550111"
    assert [(one["label"], one["value"]) for one in told["custom_fields"]] == [
        ("Colour", [green]),
        ("Shoe size", "44"),
    ]
    assert told["custom_fields"][0]["choices"] == ["green"]
    assert [(one["list_id"], one["name"]) for one in told["lists"]] == [(news, "News")]
    assert told["tags"] == []
    assert {one["channel"] for one in told["consent"]} == {"email", "sms"}
    by_id = {one["activity_id"]: one for one in told["activities"]}
    assert set(by_id) == {imported, tagged}
    rows_told = by_id[imported]["rows"]
    assert [(one["row_number"], one["outcome"]) for one in rows_told] == [(2, "updated"), (3, "rejected")]
    assert by_id[imported]["kept_for_undo"][0]["columns"]["first_name"][0] == "Ann"
    assert by_id[tagged]["kept_for_undo"] == [{"contact_id": contact_id, "untagged": [tag]}]
    assert "tranger" not in json.dumps(told)
    assert str(alice.account_id) not in json.dumps(told)
    assert "null" not in json.dumps(told)


def test_the_record_of_a_deleted_and_unsubscribed_person(alice: Api) -> None:
    news = new_list(alice, "News")
    contact_id = post_contact(alice, email_address=email(ANN), list_memberships=[news])["contact_id"]
    put_contact(alice, contact_id, update_source="Contact", email_address=email(ANN, "unsubscribed"))
    asked = alice.put(f"/contacts/resubscribe/{contact_id}", {"list_ids": [news]})
    assert asked.status == 200, asked
    alice.delete(f"/contacts/{contact_id}")
    told = record(alice, contact_id)
    assert told["lists"] == []
    assert told["lists_before_deletion"] == [{"list_id": news, "name": "News"}]
    assert told["resubscribe_request"]["list_ids"] == [news]
    assert told["contact"]["deleted_at"]
    assert told["suppressions"] == []


def test_the_record_is_a_file_and_holds_no_key_and_no_token(alice: Api, behind: Behind) -> None:
    contact_id = person(alice, "ann")
    reply = alice.get(f"/everlist/v1/contacts/{contact_id}/record")
    assert reply.headers["content-disposition"] == f'attachment; filename="{contact_id}-record.json"'
    assert not {"hmac", "token_hash", "link_token"} & set(reply.body.decode().replace('"', " ").split())


def test_every_table_that_knows_a_contact_is_in_the_record_or_named_here(sql: Sql) -> None:
    """A new table with a contact_id fails this until the record tells what it holds."""
    with_a_contact = {
        row["table_name"]
        for row in sql(
            "select table_name from information_schema.columns where table_schema = 'public'"
            " and column_name in ('contact_id', 'contact_ids', 'created')"
        )
    }
    in_the_record = {
        *("contact", "list_membership", "tagging", "consent_event", "resubscribe_request", "before_image"),
        *("import_outcome", "confirmation", "mail", "idempotency_key"),
    }
    elsewhere = {
        "import_row": "the rows of an import under way, gone when it has ended",
        "import_change": "what those rows become, gone with them",
        "erasure": "an erased contact has no record",
    }
    assert with_a_contact - in_the_record - set(elsewhere) == set()


# The ledger is never changed


def in_transaction(
    database: Database, portal: BlockingPortal, *statements: tuple[Any, ...]
) -> Callable[[], None]:
    async def operation(tx: Transaction) -> None:
        for statement, *args in statements:
            await tx.execute(statement, *args)

    return lambda: portal.call(lambda: database.write(operation))


UPDATE = "update consent_event set reason = 'x' where account_id = $1"
DELETE = "delete from consent_event where account_id = $1"


@pytest.mark.parametrize("statement", [UPDATE, DELETE])
def test_the_ledger_refuses_to_be_changed(
    alice: Api, database: Database, portal: BlockingPortal, statement: str
) -> None:
    contact_id = person(alice, "ann")
    before = events(alice, contact_id)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="never changed"):
        in_transaction(database, portal, (statement, alice.account_id))()
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        in_transaction(database, portal, (statement, UUID(NOBODY)))()
    assert events(alice, contact_id) == before


def test_the_ledger_refuses_to_be_emptied(database: Database, portal: BlockingPortal) -> None:
    for statements in (
        [("truncate consent_event",)],
        [("select set_config('everlist.erasure', 'x', true)",), ("truncate consent_event",)],
    ):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            in_transaction(database, portal, *statements)()


def test_an_erasure_that_says_so_may_change_it_until_its_transaction_ends(
    alice: Api, database: Database, portal: BlockingPortal, behind: Behind
) -> None:
    contact_id = person(alice, "ann")
    saying = ("select set_config('everlist.erasure', $1, true)", contact_id)
    in_transaction(database, portal, saying, (UPDATE, alice.account_id))()
    assert [row["reason"] for row in behind.events(contact_id)] == ["x"]
    for _ in range(8):  # whichever connection of the pool it is
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            in_transaction(database, portal, (UPDATE, alice.account_id))()
