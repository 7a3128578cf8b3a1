"""An account that asks by mail whoever signs up: what becomes of a permission, and how often is asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import Api, Clock, Reply, Sql
from tests.mail.fixtures import Change, Post
from tests.v3.helpers import (
    Behind,
    email,
    get_contact,
    new_list,
    post_contact,
    put_contact,
    refused,
    sign_up,
    sms,
    sms_form,
)

ADDRESS = "ruth@example.org"
pytestmark = pytest.mark.usefixtures("confirming")


@pytest.fixture
def form(alice: Api, a_list: str) -> Any:
    """Sends the sign-up form: form("ruth@example.org")."""

    def send(address: str = ADDRESS, **headers: str) -> Reply:
        body = {"email_address": address, "list_memberships": [a_list]}
        return alice("POST", "/contacts/sign_up_form", json=body, headers=headers)

    return send


def permission(alice: Api, contact_id: str) -> tuple[str, str]:
    found = get_contact(alice, contact_id)["email_address"]
    return found["permission_to_send"], found["confirm_status"]


def test_a_sign_up_waits_for_its_confirmation(
    alice: Api, behind: Behind, post: Post, form: Any, a_list: str
) -> None:
    reply = form()
    assert reply.status == 201
    contact_id = reply.json["contact_id"]
    assert permission(alice, contact_id) == ("pending_confirmation", "pending")
    contact = get_contact(alice, contact_id, "list_memberships")
    assert contact["list_memberships"] == [a_list]
    assert "opt_in_date" not in contact["email_address"]
    assert behind.moves() == [("created", None, "pending_confirmation", "Contact")]
    assert behind.active() == []
    post.deliver()
    assert [one.rcpt_tos for one in post.server.taken] == [[ADDRESS]]


def test_so_does_a_contact_that_the_person_made(alice: Api, post: Post) -> None:
    made = post_contact(alice, create_source="Contact", email_address=email(ADDRESS))
    assert made["email_address"]["permission_to_send"] == "pending_confirmation"
    asked = post_contact(alice, create_source="Contact", email_address=email("b@example.org", "explicit"))
    assert asked["email_address"]["permission_to_send"] == "pending_confirmation"
    post.deliver()
    assert len(post.server.taken) == 2


@pytest.mark.parametrize(
    ("source", "asked", "becomes"),
    [
        ("Account", None, "implicit"),
        ("Account", "explicit", "explicit"),
        ("Account", "pending_confirmation", "pending_confirmation"),
        ("Contact", "not_set", "not_set"),
        ("Contact", "temp_hold", "temp_hold"),
        ("Contact", "unsubscribed", "unsubscribed"),
    ],
)
def test_who_is_not_asked(alice: Api, post: Post, source: str, asked: str | None, becomes: str) -> None:
    made = post_contact(alice, create_source=source, email_address=email(ADDRESS, asked))
    assert made["email_address"]["permission_to_send"] == becomes
    assert post.rows() == []


def test_a_contact_without_an_address_is_not_asked(alice: Api, post: Post) -> None:
    post_contact(alice, create_source="Contact", first_name="Ruth")
    assert post.rows() == []


def test_a_visitor_takes_nobody_out_of_the_mail_by_typing_an_address(
    alice: Api, behind: Behind, post: Post, form: Any, browser: Any
) -> None:
    contact_id = post_contact(alice, email_address=email(ADDRESS, "implicit"))["contact_id"]
    before = behind.moves(), behind.active()
    assert form().json == {"contact_id": contact_id, "action": "updated"}
    assert permission(alice, contact_id) == ("implicit", "off")
    assert (behind.moves(), behind.active()) == before
    post.deliver()
    assert browser.post(post.link(), data={"answer": "yes"}).status_code == 200
    assert permission(alice, contact_id) == ("explicit", "confirmed")
    assert behind.moves()[-1] == ("changed", "implicit", "explicit", "Contact")


def test_an_implicit_contact_that_says_no_is_left_alone(
    alice: Api, post: Post, form: Any, browser: Any
) -> None:
    contact_id = post_contact(alice, email_address=email(ADDRESS, "implicit"))["contact_id"]
    form()
    post.deliver()
    assert browser.post(post.link(), data={"answer": "no"}).status_code == 200
    assert permission(alice, contact_id)[0] == "unsubscribed"


def test_a_visitor_makes_nobody_mailable_who_was_deleted(alice: Api, post: Post, form: Any) -> None:
    contact_id = post_contact(alice, email_address=email(ADDRESS, "implicit"))["contact_id"]
    alice.delete(f"/contacts/{contact_id}")
    form()
    assert permission(alice, contact_id) == ("pending_confirmation", "pending")
    assert len(post.rows()) == 1


@pytest.mark.parametrize("before", ["not_set", "temp_hold", "pending_confirmation"])
def test_who_signs_up_again_is_asked(alice: Api, post: Post, form: Any, before: str) -> None:
    contact_id = post_contact(alice, email_address=email(ADDRESS, before))["contact_id"]
    assert form().json == {"contact_id": contact_id, "action": "updated"}
    assert permission(alice, contact_id) == ("pending_confirmation", "pending")
    assert len(post.rows()) == 1


def test_a_form_with_the_number_of_somebody_takes_no_address_away(
    alice: Api, behind: Behind, post: Post, form: Any, a_list: str
) -> None:
    ruth = post_contact(alice, email_address=email(ADDRESS), sms_channel=sms("13095550100"))["contact_id"]
    before = behind.everything()
    visitor = sign_up(
        alice, email_address="me@example.org", sms_channel=sms_form("3095550100"), list_memberships=[a_list]
    )
    refused(visitor, 409, ruth)
    assert behind.everything() == before
    assert post.rows() == []


def test_who_is_explicit_stays_so(alice: Api, behind: Behind, post: Post, form: Any, a_list: str) -> None:
    contact_id = post_contact(alice, email_address=email(ADDRESS, "explicit"))["contact_id"]
    events = behind.moves()
    assert form().status == 200
    assert permission(alice, contact_id) == ("explicit", "off")
    assert get_contact(alice, contact_id, "list_memberships")["list_memberships"] == [a_list]
    assert (behind.moves(), post.rows()) == (events, [])


def test_the_form_used_by_the_account_asks_nobody(alice: Api, post: Post) -> None:
    reply = sign_up(alice, email_address=ADDRESS, source="Account")
    assert permission(alice, reply.json["contact_id"])[0] == "implicit"
    assert post.rows() == []


def test_an_account_that_does_not_confirm_goes_on_as_before(
    alice: Api, change: Change, post: Post, form: Any
) -> None:
    change(confirmed_opt_in=False)
    assert permission(alice, form().json["contact_id"]) == ("explicit", "off")
    assert post.rows() == []


@pytest.fixture
def opted_out(alice: Api) -> str:
    made = post_contact(alice, create_source="Contact", email_address=email(ADDRESS, "unsubscribed"))
    return made["contact_id"]


@pytest.mark.parametrize("way", ["straight", "not_set", "unsubscribed"])
def test_an_account_cannot_confirm_for_a_person_who_had_opted_out(
    alice: Api, form: Any, opted_out: str, way: str
) -> None:
    form()
    assert permission(alice, opted_out) == ("pending_confirmation", "pending")
    if way != "straight":
        put_contact(alice, opted_out, email_address=email(ADDRESS, way))
    for asked in ("explicit", "implicit"):
        body = {"update_source": "Account", "email_address": email(ADDRESS, asked)}
        refused(alice.put(f"/contacts/{opted_out}", body), 400, "only the contact")


def test_the_opt_out_is_remembered_until_the_person_confirms(
    alice: Api, behind: Behind, post: Post, form: Any, opted_out: str, browser: Any
) -> None:
    since = behind.contact(opted_out)["opt_out_at"]
    form()
    (entry,) = behind.rows("suppression")
    assert (entry["reason"], entry["created_at"]) == ("unsubscribe", since)
    post.deliver()
    assert browser.post(post.link(), data={"answer": "yes"}).status_code == 200
    assert behind.rows("suppression") == []
    assert permission(alice, opted_out) == ("explicit", "confirmed")
    put_contact(alice, opted_out, email_address=email(ADDRESS, "not_set"))
    put_contact(alice, opted_out, email_address=email(ADDRESS, "explicit"))


def test_an_address_that_left_its_contact_opted_out_is_lifted_by_the_confirmation_only(
    alice: Api, behind: Behind, post: Post, form: Any, opted_out: str, browser: Any
) -> None:
    put_contact(alice, opted_out, email_address=email("other@example.org"))
    assert len(behind.rows("suppression")) == 1
    contact_id = form().json["contact_id"]
    assert contact_id != opted_out
    assert permission(alice, contact_id)[0] == "pending_confirmation"
    assert len(behind.rows("suppression")) == 1
    body = {"update_source": "Account", "email_address": email(ADDRESS, "explicit")}
    refused(alice.put(f"/contacts/{contact_id}", body), 400, "only the contact")
    post.deliver()
    assert browser.post(post.link(), data={"answer": "yes"}).status_code == 200
    assert behind.rows("suppression") == []


def test_a_person_who_acts_by_put_needs_no_mail(
    alice: Api, behind: Behind, form: Any, opted_out: str
) -> None:
    form()
    put_contact(alice, opted_out, update_source="Contact", email_address=email(ADDRESS, "explicit"))
    assert permission(alice, opted_out)[0] == "explicit"
    assert behind.rows("suppression") == []


def test_an_address_hears_three_times_a_day(alice: Api, post: Post, form: Any, clock: Clock) -> None:
    for number in range(6):
        reply = form("Ruth@Example.org" if number % 2 else ADDRESS)
        assert reply.status == (200 if number else 201)
        assert set(reply.json) == {"contact_id", "action"}
    assert len(post.rows()) == 3
    (live,) = [row for row in post.rows("confirmation") if row["replaced_at"] is None]
    assert live["asked_at"] == max(row["asked_at"] for row in post.rows("confirmation"))
    clock.move(hours=25)
    form()
    assert len(post.rows()) == 4


def test_a_person_who_said_no_is_left_alone_for_a_month(
    alice: Api, post: Post, form: Any, browser: Any, clock: Clock
) -> None:
    contact_id = form().json["contact_id"]
    post.deliver()
    assert browser.post(post.link(), data={"answer": "no"}).status_code == 200
    assert permission(alice, contact_id)[0] == "unsubscribed"
    clock.move(days=3)
    form()
    assert post.rows() == []
    assert permission(alice, contact_id)[0] == "pending_confirmation"
    clock.move(days=28)
    form()
    assert len(post.rows()) == 1


def test_a_visitor_signs_up_twenty_times_an_hour(
    alice: Api, behind: Behind, post: Post, form: Any, clock: Clock
) -> None:
    for number in range(20):
        assert form(f"n{number}@example.org", **{"X-Visitor-Address": "192.0.2.7"}).status == 201
    before = behind.everything()
    reply = form("one-more@example.org", **{"X-Visitor-Address": "192.0.2.7"})
    refused(reply, 429, "20 sign-ups an hour")
    assert reply.json["error_key"] == "throttled"
    assert 0 < int(reply.headers["Retry-After"]) <= 3600
    assert behind.everything() == before
    assert form("one-more@example.org", **{"X-Visitor-Address": "192.0.2.8"}).status == 201
    assert form("and-more@example.org").status == 201
    clock.move(hours=1)
    assert form("later@example.org", **{"X-Visitor-Address": "192.0.2.7"}).status == 201
    assert not any("192.0.2" in row for row in behind.everything()["sign_up_count"])


def test_who_is_explicit_already_counts_towards_no_limit(alice: Api, form: Any) -> None:
    post_contact(alice, email_address=email(ADDRESS, "explicit"))
    for _ in range(25):
        assert form(**{"X-Visitor-Address": "192.0.2.7"}).status == 200


def test_many_sign_ups_at_once_ask_three_times(alice: Api, post: Post, form: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        statuses = [reply.status for reply in pool.map(lambda _: form(), range(8))]
    assert sorted(set(statuses)) == [200, 201]
    assert len(post.rows()) == 3


def test_the_same_request_again_asks_once(alice: Api, post: Post, form: Any) -> None:
    first, second = (form(**{"Idempotency-Key": "key-1"}) for _ in range(2))
    assert (first.status, first.body) == (second.status, second.body)
    assert len(post.rows()) == 1


def test_a_contact_found_by_its_number_is_asked_at_its_new_address(
    alice: Api, post: Post, a_list: str
) -> None:
    channel = {
        "full_sms_address": "+13095550123",
        "sms_channel_consents": [{"sms_consent_permission": "explicit", "consent_type": "promotional_sms"}],
    }
    contact_id = post_contact(alice, sms_channel=channel)["contact_id"]
    reply = sign_up(alice, email_address=ADDRESS, sms_channel=channel, list_memberships=[a_list])
    assert reply.json["contact_id"] == contact_id
    assert permission(alice, contact_id) == ("pending_confirmation", "pending")
    assert [mail["address"] for mail in post.rows()] == [ADDRESS]


def test_one_account_says_nothing_about_another(
    alice: Api, charlie: Api, post: Post, form: Any, sql: Sql
) -> None:
    form()
    there = sign_up(charlie, email_address=ADDRESS, list_memberships=[new_list(charlie)])
    assert get_contact(charlie, there.json["contact_id"])["email_address"]["permission_to_send"] == "explicit"
    assert sql("select count(*) from mail where account_id = $1", charlie.account_id)[0][0] == 0
