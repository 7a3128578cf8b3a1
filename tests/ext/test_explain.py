"""Explain: what stands behind an address, and a next call that succeeds."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from anyio.from_thread import BlockingPortal

from everlist.core.consent import suppression
from everlist.db import Database
from tests.conftest import INSTALLATION, Api, Clock
from tests.v3.bulk import Work, queued
from tests.v3.helpers import (
    email,
    get_contact,
    new_list,
    post_contact,
    put_contact,
    refused,
    sms,
)

PATH = "/everlist/v1/contacts/explain"
ANN = "ann@example.org"


def explain(api: Api, address: str = ANN) -> Any:
    reply = api.get(PATH, email=address)
    assert reply.status == 200, reply
    return reply.json


def call(api: Api, explained: Any) -> Any:
    """Make the next call."""
    following = explained["next_call"]
    reply = api(following["method"], following["path"], json=following["body"])
    assert reply.status in (200, 201), reply
    return reply


def permission(api: Api, contact_id: str) -> str:
    return get_contact(api, contact_id)["email_address"]["permission_to_send"]


def test_an_address_never_seen_can_be_posted(alice: Api) -> None:
    told = explain(alice, "  Ann@Example.org ")
    assert told == {
        "state": "never_seen",
        "next_call": {
            "method": "POST",
            "path": "/v3/contacts",
            "body": {"create_source": "Account", "email_address": {"address": ANN}},
        },
    }
    assert call(alice, told).json["email_address"]["address"] == ANN
    assert explain(alice)["state"] == "active"


def test_an_active_contact_can_be_updated_and_loses_nothing(alice: Api) -> None:
    list_id = new_list(alice)
    made = alice.post(
        "/contacts",
        {
            "create_source": "Account",
            "email_address": {"address": ANN},
            "first_name": "Ann",
            "birthday_month": 2,
            "birthday_day": 3,
            "anniversary": "2015-06-07",
            "list_memberships": [list_id],
        },
    )
    told = explain(alice)
    assert (told["state"], told["contact_id"]) == ("active", made.json["contact_id"])
    assert told["by"]["operation"] == "POST /v3/contacts"
    assert told["by"]["source"] == "Account"
    assert told["by"]["request_id"] == made.headers["x-request-id"]
    assert told["since"] == told["by"]["at"]
    before = get_contact(alice, told["contact_id"], "list_memberships")
    call(alice, told)
    after = get_contact(alice, told["contact_id"], "list_memberships")
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed <= {"updated_at", "update_source"}


def test_the_deleted_address_that_exists_is_explained_and_brought_back_in_one_call(
    alice: Api, clock: Clock
) -> None:
    """Seed 001: he is told that an address exists which he does not see."""
    news, gone = new_list(alice, "news"), new_list(alice, "gone")
    made = post_contact(alice, email_address=email(ANN), first_name="Ann", list_memberships=[news, gone])
    clock.move(days=3)
    reply = alice.delete(f"/contacts/{made['contact_id']}")
    assert reply.status == 204
    refusal = alice.post("/contacts", {"create_source": "Account", "email_address": {"address": ANN}})
    refused(refusal, 409, f"Email already exists for contact {made['contact_id']}")
    link = refusal.headers["link"]
    assert link == '</everlist/v1/contacts/explain?email=ann%40example.org>; rel="help"'
    told = alice("GET", link.partition(">")[0][1:]).json
    assert told["state"] == "deleted"
    assert told["by"]["operation"] == "DELETE /v3/contacts/{contact_id}"
    assert told["by"]["request_id"] == reply.headers["x-request-id"]
    call(alice, told)
    back = get_contact(alice, made["contact_id"], "list_memberships")
    assert "deleted_at" not in back
    assert (back["first_name"], set(back["list_memberships"])) == ("Ann", {news, gone})


def test_a_contact_deleted_by_an_activity_names_it(alice: Api, work: Work) -> None:
    list_id = new_list(alice)
    made = post_contact(alice, email_address=email(ANN), list_memberships=[list_id])
    activity_id = queued(alice, "contact_delete", list_ids=[list_id])
    work()
    lists = queued(alice, "list_delete", list_ids=[list_id])
    work()
    told = explain(alice)
    assert (told["state"], told["by"]["activity_id"]) == ("deleted", activity_id)
    assert lists not in str(told)
    call(alice, told)  # the list is gone: it comes back without
    assert get_contact(alice, made["contact_id"], "list_memberships")["list_memberships"] == []


def test_a_deleted_contact_that_had_unsubscribed_comes_back_unsubscribed(alice: Api) -> None:
    made = post_contact(alice, create_source="Contact", email_address=email(ANN, "unsubscribed"))
    alice.delete(f"/contacts/{made['contact_id']}")
    told = explain(alice)
    assert told["state"] == "deleted"
    assert "unsubscribed" in told["reason"]
    call(alice, told)
    assert permission(alice, made["contact_id"]) == "unsubscribed"


def test_who_the_account_unsubscribed_the_account_brings_back(alice: Api) -> None:
    made = post_contact(alice, email_address=email(ANN))["contact_id"]
    put_contact(alice, made, email_address=email(ANN, "unsubscribed", opt_out_reason="bounced"))
    told = explain(alice)
    assert (told["state"], told["reason"], told["by"]["source"]) == ("unsubscribed", "bounced", "Account")
    assert told["next_call"]["only_if"]
    call(alice, told)
    assert permission(alice, made) == "implicit"


def test_who_unsubscribed_themselves_is_asked_once_and_then_acts_alone(alice: Api) -> None:
    made = post_contact(alice, email_address=email(ANN), list_memberships=[new_list(alice)])["contact_id"]
    put_contact(alice, made, update_source="Contact", email_address=email(ANN, "unsubscribed"))
    told = explain(alice)
    assert (told["state"], told["by"]["source"]) == ("unsubscribed", "Contact")
    assert told["next_call"]["path"] == f"/v3/contacts/resubscribe/{made}"
    call(alice, told)
    assert permission(alice, made) == "unsubscribed"
    told = explain(alice)
    assert told["next_call"]["path"] == "/v3/contacts/sign_up_form"
    call(alice, told)
    assert explain(alice)["state"] == "active"


def test_who_unsubscribed_and_is_on_no_list_signs_up(alice: Api) -> None:
    post_contact(alice, create_source="Contact", email_address=email(ANN, "unsubscribed"))
    call(alice, explain(alice))
    assert explain(alice)["state"] == "active"


@pytest.mark.parametrize("held", ["not_set", "temp_hold"])
def test_who_is_held_or_not_asked_yet_is_made_mailable(alice: Api, held: str) -> None:
    made = post_contact(alice, email_address=email(ANN, held))["contact_id"]
    told = explain(alice)
    assert told["state"] == held
    assert told["next_call"]["only_if"]
    call(alice, told)
    assert permission(alice, made) == "implicit"


def test_who_has_not_confirmed_yet_signs_up_again(alice: Api) -> None:
    post_contact(alice, email_address=email(ANN, "pending_confirmation"))
    told = explain(alice)
    assert told["state"] == "pending"
    call(alice, told)
    assert explain(alice)["state"] == "active"


def test_an_opt_out_whose_contact_has_another_address_is_told(alice: Api) -> None:
    made = post_contact(alice, create_source="Contact", email_address=email(ANN, "unsubscribed"))
    put_contact(alice, made["contact_id"], email_address=email("new@example.org"))
    told = explain(alice)
    assert (told["state"], told["reason"]) == ("unsubscribed", "unsubscribe")
    assert "contact_id" not in told
    call(alice, told)
    assert explain(alice)["state"] == "active"


def test_an_erased_address_is_told_and_comes_back_by_the_person(
    alice: Api, database: Database, portal: BlockingPortal, clock: Clock
) -> None:
    hashed = INSTALLATION.address_hmac(alice.account_id, suppression.EMAIL, ANN)
    portal.call(
        lambda: database.write(
            lambda tx: suppression.add(
                tx, alice.account_id, suppression.EMAIL, hashed, at=clock(), reason=suppression.ERASURE
            )
        )
    )
    told = explain(alice)
    assert (told["state"], told["reason"]) == ("erased", "erasure")
    assert ANN not in str({**told, "next_call": None})
    refusal = alice.post("/contacts", {"create_source": "Account", "email_address": {"address": ANN}})
    assert refusal.status == 409
    assert "explain" in refusal.headers["link"]
    call(alice, told)
    assert explain(alice)["state"] == "active"


def test_the_link_of_a_409_holds_whatever_the_address_holds(alice: Api) -> None:
    for address in ("a+b%2f&c=d'#x@example.org", "jörg@exämple.org"):
        post_contact(alice, email_address=email(address))
        refusal = alice.post("/contacts", {"create_source": "Account", "email_address": {"address": address}})
        link = refusal.headers["link"]
        assert link == f'</everlist/v1/contacts/explain?email={quote(address, safe="")}>; rel="help"'
        assert alice("GET", link.partition(">")[0][1:]).json["state"] == "active"


def test_a_409_about_a_number_has_no_link(alice: Api) -> None:
    post_contact(alice, sms_channel=sms("13095550111"))
    refusal = alice.post(
        "/contacts",
        {"create_source": "Account", "email_address": {"address": ANN}, "sms_channel": sms("13095550111")},
    )
    assert refusal.status == 409
    assert "link" not in refusal.headers


def test_a_put_to_a_taken_address_has_the_link_too(alice: Api) -> None:
    post_contact(alice, email_address=email(ANN))
    other = post_contact(alice, email_address=email("ben@example.org"))["contact_id"]
    refusal = alice.put(f"/contacts/{other}", {"update_source": "Account", "email_address": {"address": ANN}})
    assert refusal.status == 409
    assert "ann%40example.org" in refusal.headers["link"]


@pytest.mark.parametrize("address", ["", "ann", "a@b@c.org", "x" * 80 + "@example.org"])
def test_what_is_no_address_is_refused(alice: Api, address: str) -> None:
    refused(alice.get(PATH, email=address), 400, "mail")


def test_nobody_learns_of_another_account(alice: Api, bob: Api, charlie: Api, anonymous: Api) -> None:
    made = post_contact(alice, email_address=email(ANN))["contact_id"]
    alice.delete(f"/contacts/{made}")
    assert explain(charlie)["state"] == "never_seen"
    assert bob.get(PATH, email=ANN).status == 403
    assert anonymous.get(PATH, email=ANN).status == 401
