"""/confirm/{link}: GET shows, POST answers, once."""

from __future__ import annotations

import base64
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx2
import pytest

from tests.conftest import Api, Clock, Sql
from tests.mail.fixtures import Change, Post
from tests.v3.helpers import Behind, email, get_contact, new_list, post_contact, put_contact, sign_up

ADDRESS = "ruth@example.org"
YES, NO = {"answer": "yes"}, {"answer": "no"}


@pytest.fixture
def ruth(alice: Api, confirming: None, post: Post, a_list: str) -> str:
    """Signed up; her mail has arrived."""
    body = {"email_address": ADDRESS, "first_name": "Ruth", "list_memberships": [a_list]}
    reply = alice("POST", "/contacts/sign_up_form", json=body, headers={"X-Request-Id": "form-7"})
    post.deliver()
    return reply.json["contact_id"]


def permission(alice: Api, contact_id: str) -> tuple[str, str]:
    found = get_contact(alice, contact_id)["email_address"]
    return found["permission_to_send"], found["confirm_status"]


def test_looking_changes_nothing(post: Post, behind: Behind, ruth: str, browser: httpx2.Client) -> None:
    before = behind.everything()
    for method in ("GET", "GET", "HEAD"):
        reply = browser.request(method, post.link())
        assert reply.status_code == 200
    assert behind.everything() == before
    page = browser.get(post.link()).text
    assert "Harbour Books" in page
    assert "Reading circle" in page
    assert "Ruth" not in page
    assert ADDRESS not in page


def test_yes(alice: Api, post: Post, behind: Behind, ruth: str, browser: httpx2.Client, a_list: str) -> None:
    reply = browser.post(post.link(), data=YES, headers={"X-Request-Id": "button-8"})
    assert reply.status_code == 200
    assert "Thank you" in reply.text
    contact = get_contact(alice, ruth, "list_memberships")
    assert permission(alice, ruth) == ("explicit", "confirmed")
    assert contact["email_address"]["opt_in_source"] == "Contact"
    assert contact["email_address"]["opt_in_date"]
    assert contact["update_source"] == "Contact"
    assert contact["list_memberships"] == [a_list]
    event = behind.events(ruth)[-1]
    assert (event["operation"], event["source"], event["request_id"]) == (
        "POST /confirm/{link}",
        "Contact",
        "button-8",
    )
    (question,) = behind.rows("confirmation")
    assert (question["operation"], question["request_id"], question["answer_request_id"]) == (
        "POST /v3/contacts/sign_up_form",
        "form-7",
        "button-8",
    )
    assert question["confirmed_at"] == event["at"]
    assert behind.active() == [(1, 1)]


def test_a_link_answers_once(
    alice: Api, post: Post, behind: Behind, ruth: str, browser: httpx2.Client
) -> None:
    browser.post(post.link(), data=YES)
    put_contact(alice, ruth, update_source="Contact", email_address=email(ADDRESS, "unsubscribed"))
    before = behind.everything()
    for answer in (YES, NO):
        reply = browser.post(post.link(), data=answer)
        assert reply.status_code == 200
        assert "already" in reply.text
    assert "already" in browser.get(post.link()).text
    assert behind.everything() == before
    assert permission(alice, ruth)[0] == "unsubscribed"


def test_two_answers_at_once(
    alice: Api, post: Post, behind: Behind, ruth: str, browser: httpx2.Client
) -> None:
    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda _: browser.post(post.link(), data=YES), range(6)))
    assert [reply.status_code for reply in replies] == [200] * 6
    assert sum("Thank you" in reply.text for reply in replies) == 1
    assert [move[2] for move in behind.moves(ruth)] == ["pending_confirmation", "explicit"]


def test_yes_and_no_at_once_leave_one_answer(
    alice: Api, post: Post, behind: Behind, ruth: str, browser: httpx2.Client
) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda answer: browser.post(post.link(), data=answer), (YES, NO)))
    (question,) = behind.rows("confirmation")
    assert (question["confirmed_at"] is None) != (question["refused_at"] is None)
    expected = "explicit" if question["confirmed_at"] else "unsubscribed"
    assert permission(alice, ruth)[0] == expected


def test_no(alice: Api, post: Post, behind: Behind, ruth: str, browser: httpx2.Client) -> None:
    reply = browser.post(post.link(), data=NO)
    assert reply.status_code == 200
    assert "left alone" in reply.text
    found = get_contact(alice, ruth, "list_memberships")
    assert found["list_memberships"] == []
    assert found["email_address"]["opt_out_source"] == "Contact"
    assert found["email_address"]["opt_out_reason"] == "did not sign up"
    assert browser.post(post.link(), data=YES).status_code == 410
    assert permission(alice, ruth)[0] == "unsubscribed"


def test_a_link_lasts_a_week(
    alice: Api, post: Post, behind: Behind, ruth: str, browser: httpx2.Client, clock: Clock
) -> None:
    clock.move(days=7)
    before = behind.everything()
    assert browser.get(post.link()).status_code == 410
    assert browser.post(post.link(), data=YES).status_code == 410
    assert behind.everything() == before


def test_a_newer_link_takes_its_place(
    alice: Api, post: Post, ruth: str, browser: httpx2.Client, a_list: str
) -> None:
    sign_up(alice, email_address=ADDRESS, list_memberships=[a_list])
    post.deliver()
    old, new = post.link(0), post.link(1)
    assert browser.post(old, data=YES).status_code == 410
    assert permission(alice, ruth)[0] == "pending_confirmation"
    assert browser.post(new, data=YES).status_code == 200
    assert permission(alice, ruth)[0] == "explicit"


def test_an_opt_out_after_the_question_stands(
    alice: Api, post: Post, ruth: str, browser: httpx2.Client
) -> None:
    put_contact(alice, ruth, update_source="Contact", email_address=email(ADDRESS, "unsubscribed"))
    assert browser.post(post.link(), data=YES).status_code == 410
    assert permission(alice, ruth)[0] == "unsubscribed"


def test_a_deletion_after_the_question_stands(
    alice: Api, post: Post, ruth: str, browser: httpx2.Client
) -> None:
    alice.delete(f"/contacts/{ruth}")
    assert browser.post(post.link(), data=YES).status_code == 410
    assert "deleted_at" in get_contact(alice, ruth)


def test_a_link_is_of_the_address_that_was_asked(
    alice: Api, post: Post, ruth: str, browser: httpx2.Client
) -> None:
    put_contact(alice, ruth, email_address=email("other@example.org"))
    assert browser.post(post.link(), data=YES).status_code == 410
    assert browser.get(post.link()).status_code == 410
    assert permission(alice, ruth)[0] == "pending_confirmation"


def forged(link: str) -> list[str]:
    token = link.rpartition("/")[2]
    data = base64.urlsafe_b64decode(token)
    other = base64.urlsafe_b64encode(data[:16] + secrets.token_bytes(32)).decode()
    flipped = base64.urlsafe_b64encode(data[:-1] + bytes([data[-1] ^ 1])).decode()
    return [other, flipped, token[:-4], token + "AAAA", "x", "%00", "ü" * 64, token[:-1] + "="]


def test_a_forged_link_finds_nothing(post: Post, behind: Behind, ruth: str, browser: httpx2.Client) -> None:
    before = behind.everything()
    pages: set[str] = set()
    for one in forged(post.link()):
        replies = [browser.get(f"/confirm/{one}"), browser.post(f"/confirm/{one}", data=YES)]
        assert [reply.status_code for reply in replies] == [404, 404], one
        pages |= {reply.text for reply in replies}
    assert len(pages) == 1
    assert "Harbour" not in pages.pop()
    assert behind.everything() == before


@pytest.mark.parametrize("data", [{}, {"answer": ""}, {"answer": "maybe"}, {"List-Unsubscribe": "One-Click"}])
def test_only_an_answer_answers(
    post: Post, behind: Behind, ruth: str, browser: httpx2.Client, data: dict[str, str]
) -> None:
    before = behind.everything()
    assert browser.post(post.link(), data=data).status_code == 400
    assert behind.everything() == before


def test_of_an_erased_contact_nothing_is_said(
    alice: Api, post: Post, ruth: str, browser: httpx2.Client, sql: Sql
) -> None:
    link = post.link()
    assert alice("DELETE", f"/everlist/v1/contacts/{ruth}").status == 200
    for reply in (browser.get(link), browser.post(link, data=YES)):
        assert reply.status_code in (404, 410)
        assert "Harbour" not in reply.text
    assert sql("select count(*) from confirmation where contact_id = $1", UUID(ruth))[0][0] == 0


def test_the_headers_of_a_page(post: Post, ruth: str, browser: httpx2.Client) -> None:
    replies = [browser.get(post.link()), browser.get("/confirm/x"), browser.post(post.link(), data=YES)]
    for reply in replies:
        assert reply.headers["content-type"] == "text/html; charset=utf-8"
        policy = reply.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        for rule in ("form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"):
            assert rule in policy
        assert "unsafe" not in policy
        assert reply.headers["x-robots-tag"] == "noindex, nofollow"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["cache-control"] == "no-store"
        assert "set-cookie" not in reply.headers
        assert "<script" not in reply.text
        assert "http" not in reply.text.replace("https://", "http").replace('http-equiv="', "")


def test_names_are_escaped(alice: Api, change: Change, confirming: None, post: Post, browser: Any) -> None:
    change(name="<script>alert(1)</script> & Sons")
    hostile = new_list(alice, '"><img src=x onerror=alert(1)>')
    sign_up(alice, email_address=ADDRESS, list_memberships=[hostile])
    post.deliver()
    for page in (browser.get(post.link()).text, browser.post(post.link(), data=YES).text):
        assert "<script" not in page
        assert "<img" not in page
        assert "&lt;script&gt;" in page


@pytest.fixture
def out(alice: Api, confirming: None) -> str:
    address = email(ADDRESS, "unsubscribed")
    return post_contact(alice, create_source="Contact", email_address=address)["contact_id"]


def test_coming_back(alice: Api, post: Post, out: str, browser: httpx2.Client) -> None:
    lists = sorted([new_list(alice, "Reading circle"), new_list(alice, "Poetry")])
    gone = new_list(alice, "Gone")
    alice.put(f"/contacts/resubscribe/{out}", {"list_ids": [*lists, gone]})
    post.deliver()
    alice.delete(f"/contact_lists/{gone}")
    page = browser.get(post.link()).text
    assert "Poetry" in page
    assert "come back" in page
    assert permission(alice, out)[0] == "unsubscribed"
    assert browser.post(post.link(), data=YES).status_code == 200
    assert permission(alice, out) == ("explicit", "confirmed")
    found = get_contact(alice, out, "list_memberships")["list_memberships"]
    assert set(lists) <= set(found)


def test_not_coming_back(alice: Api, post: Post, out: str, browser: httpx2.Client) -> None:
    alice.put(f"/contacts/resubscribe/{out}", {"list_ids": [new_list(alice)]})
    post.deliver()
    since = get_contact(alice, out)["email_address"]["opt_out_date"]
    assert "not be asked again" in browser.post(post.link(), data=NO).text
    assert get_contact(alice, out)["email_address"]["opt_out_date"] == since
    assert browser.post(post.link(), data=YES).status_code == 410


def test_who_came_back_by_another_way_is_not_sent_away_by_an_old_mail(
    alice: Api, post: Post, out: str, browser: httpx2.Client
) -> None:
    alice.put(f"/contacts/resubscribe/{out}", {"list_ids": [new_list(alice)]})
    post.deliver()
    put_contact(alice, out, update_source="Contact", email_address=email(ADDRESS, "explicit"))
    assert browser.post(post.link(), data=NO).status_code == 200
    assert permission(alice, out)[0] == "explicit"


def test_a_deleted_contact_that_is_asked_comes_back(
    alice: Api, post: Post, out: str, browser: httpx2.Client, a_list: str
) -> None:
    alice.delete(f"/contacts/{out}")
    alice.put(f"/contacts/resubscribe/{out}", {"list_ids": [a_list]})
    post.deliver()
    assert browser.post(post.link(), data=YES).status_code == 200
    found = get_contact(alice, out, "list_memberships")
    assert "deleted_at" not in found
    assert found["list_memberships"] == [a_list]


def test_a_link_of_one_account_is_nothing_in_another(
    alice: Api, charlie: Api, post: Post, ruth: str, browser: httpx2.Client
) -> None:
    data = base64.urlsafe_b64decode(post.link().rpartition("/")[2])
    moved = base64.urlsafe_b64encode(charlie.account_id.bytes + data[16:]).decode()
    assert browser.post(f"/confirm/{moved}", data=YES).status_code == 404
    assert permission(alice, ruth)[0] == "pending_confirmation"
