"""Requests that come at the same moment. After each test the counters equal a recount (conftest)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from threading import Barrier
from typing import Any

import pytest

from everlist.core import custom_fields, lists
from tests.conftest import Api, Reply
from tests.v3.helpers import (
    Behind,
    email,
    found,
    get_contact,
    new_field,
    new_list,
    new_lists,
    new_tag,
    post_contact,
    put_contact,
    refused,
    sms,
)

ROUNDS = 15
MOST = 6


class AtOnce:
    """Makes requests that begin at the same moment, each on a connection of its own."""

    def __init__(self, apis: list[Api], threads: ThreadPoolExecutor) -> None:
        self._apis = apis
        self._threads = threads

    def __call__(self, *calls: Callable[[Api], Reply]) -> list[Reply]:
        barrier = Barrier(len(calls))

        def run(call: Callable[[Api], Reply], api: Api) -> Reply:
            barrier.wait(timeout=60)
            return call(api)

        running = [self._threads.submit(run, *pair) for pair in zip(calls, self._apis, strict=False)]
        return [each.result(timeout=60) for each in running]


@pytest.fixture
def at_once(alice: Api) -> Iterator[AtOnce]:
    with ExitStack() as stack:
        apis = [Api(alice.url, alice.token) for _ in range(MOST)]
        for api in apis:
            stack.enter_context(api.http)
            api.get("/contacts", limit=1)  # opens the connection
        yield AtOnce(apis, stack.enter_context(ThreadPoolExecutor(MOST)))


def posting(path: str, body: dict[str, Any]) -> Callable[[Api], Reply]:
    return lambda api: api.post(path, body)


def putting(path: str, body: dict[str, Any]) -> Callable[[Api], Reply]:
    return lambda api: api.put(path, body)


def statuses(replies: list[Reply]) -> Counter[int]:
    return Counter(reply.status for reply in replies)


def one_wins(replies: list[Reply], id_name: str) -> str:
    """One is created, and the others conflict and name it: the id of the one."""
    assert statuses(replies) == {201: 1, 409: len(replies) - 1}
    (made,) = (reply.json[id_name] for reply in replies if reply.status == 201)
    for reply in replies:
        if reply.status == 409:
            refused(reply, 409, made)
    return made


def test_two_creates_of_one_address(alice: Api, behind: Behind, at_once: AtOnce) -> None:
    list_id = new_list(alice)
    for number in range(ROUNDS):
        made = one_wins(
            at_once(
                *(
                    posting(
                        "/contacts",
                        {
                            "create_source": source,
                            "email_address": email(spelling),
                            "list_memberships": [list_id],
                        },
                    )
                    for source, spelling in (
                        ("Account", f"r{number}@example.org"),
                        ("Contact", f"R{number}@EXAMPLE.org"),
                    )
                )
            ),
            "contact_id",
        )
        assert found(alice, email=f"r{number}@example.org") == [made]
    assert (
        len(behind.rows("contact")) == len(behind.events()) == len(behind.rows("list_membership")) == ROUNDS
    )


def test_many_creates_of_one_sms_number(alice: Api, at_once: AtOnce) -> None:
    for number in range(3):
        body = {"create_source": "Account", "first_name": "x", "sms_channel": sms(f"1309555010{number}")}
        one_wins(at_once(*[posting("/contacts", body)] * MOST), "contact_id")
    assert len(found(alice)) == 3


def test_creates_that_cross_by_address_and_number(alice: Api, at_once: AtOnce) -> None:
    """Each would take what the other takes: one of them wins as a whole."""
    for number in range(5):
        first = {"email_address": email(f"r{number}@example.org"), "sms_channel": sms(f"1309555010{number}")}
        second = {"sms_channel": sms(f"1309555010{number}"), "email_address": email(f"r{number}@example.org")}
        replies = at_once(
            *(posting("/contacts", {"create_source": "Account", **body}) for body in (first, second, first))
        )
        one_wins(replies, "contact_id")


def test_two_puts_of_one_contact(alice: Api, behind: Behind, at_once: AtOnce) -> None:
    a, b, c = sorted(new_lists(alice, 3))
    x, y = sorted([new_tag(alice), new_tag(alice)])
    field_id = new_field(alice)
    ruth = post_contact(alice, email_address=email("r@example.org", "explicit"))["contact_id"]
    bodies: list[dict[str, Any]] = [
        {
            "update_source": "Contact",
            "first_name": "first",
            "email_address": email("r@example.org", "unsubscribed"),
            "list_memberships": [a, b],
            "taggings": [x],
            "custom_fields": [{"custom_field_id": field_id, "value": "first"}],
            "notes": [{"content": "first"}],
        },
        {
            "update_source": "Contact",
            "first_name": "second",
            "email_address": email("r@example.org", "explicit"),
            "list_memberships": [b, c],
            "taggings": [x, y],
            "custom_fields": [{"custom_field_id": field_id, "value": "second"}],
            "notes": [{"content": "second"}],
        },
    ]
    for _ in range(ROUNDS):
        replies = at_once(*(putting(f"/contacts/{ruth}", body) for body in bodies))
        assert statuses(replies) == {200: 2}
        contact = get_contact(alice, ruth, "list_memberships", "taggings", "custom_fields", "notes")
        (written,) = (body for body in bodies if body["first_name"] == contact["first_name"])
        for name in ("list_memberships", "taggings", "custom_fields"):
            assert contact[name] == written[name]
        assert [note["content"] for note in contact["notes"]] == [written["first_name"]]
        assert (
            contact["email_address"]["permission_to_send"] == written["email_address"]["permission_to_send"]
        )
    moves = behind.moves()
    assert all(before == after for (_, _, before, _), (_, after, _, _) in pairwise(moves))


def test_puts_of_different_parts_of_one_contact_lose_nothing(alice: Api, at_once: AtOnce) -> None:
    """Each sends one array only; what it does not send is left alone."""
    field_id, list_id, tag_id = new_field(alice), new_list(alice), new_tag(alice)
    given: dict[str, Any] = {
        "custom_fields": [{"custom_field_id": field_id, "value": "x"}],
        "list_memberships": [list_id],
        "taggings": [tag_id],
        "notes": [{"content": "x"}],
        "phone_numbers": [{"phone_number": "1", "kind": "home"}],
    }
    for number in range(5):
        ruth = post_contact(alice, email_address=email(f"r{number}@example.org"))["contact_id"]
        body = {"update_source": "Account"}
        replies = at_once(
            *(putting(f"/contacts/{ruth}", {**body, name: value}) for name, value in given.items())
        )
        assert statuses(replies) == {200: len(given)}
        contact = get_contact(alice, ruth, *given)
        assert {name: len(contact[name]) for name in given} == dict.fromkeys(given, 1)


def test_two_contacts_that_want_one_address(alice: Api, at_once: AtOnce) -> None:
    for number in range(ROUNDS):
        both = [
            post_contact(alice, email_address=email(f"{who}{number}@example.org"))["contact_id"]
            for who in "ab"
        ]
        body = {"update_source": "Account", "email_address": email(f"wanted{number}@example.org")}
        replies = at_once(*(putting(f"/contacts/{one}", body) for one in both))
        assert statuses(replies) == {200: 1, 409: 1}
        (winner,) = (reply.json["contact_id"] for reply in replies if reply.status == 200)
        assert found(alice, email=f"wanted{number}@example.org") == [winner]
        (loser,) = set(both) - {winner}
        assert get_contact(alice, loser)["email_address"]["address"] != f"wanted{number}@example.org"


def test_sign_ups_of_one_new_address(alice: Api, behind: Behind, at_once: AtOnce) -> None:
    lists = sorted(new_lists(alice, MOST))
    for number in range(5):
        address = f"r{number}@example.org"
        replies = at_once(
            *(
                posting("/contacts/sign_up_form", {"email_address": address, "list_memberships": [list_id]})
                for list_id in lists
            )
        )
        assert statuses(replies) == {201: 1, 200: MOST - 1}
        assert {reply.json["action"] for reply in replies} == {"created", "updated"}
        (contact_id,) = {reply.json["contact_id"] for reply in replies}
        assert get_contact(alice, contact_id, "list_memberships")["list_memberships"] == lists
    assert len(behind.events()) == 5


def test_sign_ups_and_a_create_of_one_new_address(alice: Api, at_once: AtOnce) -> None:
    list_id = new_list(alice)
    for number in range(ROUNDS):
        address = f"r{number}@example.org"
        form = {"email_address": address, "list_memberships": [list_id]}
        body = {"create_source": "Account", "email_address": email(address)}
        signed_up, created = at_once(posting("/contacts/sign_up_form", form), posting("/contacts", body))
        assert (signed_up.status, created.status) in {(201, 409), (200, 201)}
        contact = get_contact(alice, signed_up.json["contact_id"], "list_memberships")
        assert contact["email_address"]["permission_to_send"] == "explicit"
        assert contact["list_memberships"] == [list_id]


@pytest.mark.parametrize(
    ("path", "body", "id_name"),
    [
        ("/contact_lists", {"name": "News {}"}, "list_id"),
        ("/contact_tags", {"name": "VIP {}"}, "tag_id"),
        ("/contact_custom_fields", {"label": "Town {}", "type": "string"}, "custom_field_id"),
    ],
)
def test_creates_of_one_name(
    alice: Api, at_once: AtOnce, path: str, body: dict[str, str], id_name: str
) -> None:
    for number in range(5):
        named = {key: value.replace("{}", str(number)) for key, value in body.items()}
        one_wins(at_once(*[posting(path, named)] * MOST), id_name)
    (page,) = [value for value in alice.get(path).json.values() if isinstance(value, list)]
    assert len(page) == 5


def test_renames_to_one_name(alice: Api, at_once: AtOnce) -> None:
    for number in range(5):
        lists = new_lists_named(alice, number)
        replies = at_once(*(putting(f"/contact_lists/{one}", {"name": f"wanted {number}"}) for one in lists))
        assert statuses(replies) == {200: 1, 409: len(lists) - 1}
        assert len(alice.get("/contact_lists", name=f"wanted {number}").json["lists"]) == 1


def new_lists_named(alice: Api, number: int) -> list[str]:
    return [new_list(alice, f"list {number} {letter}") for letter in "abc"]


def test_deletes_of_one_contact(alice: Api, behind: Behind, at_once: AtOnce) -> None:
    list_id = new_list(alice)
    for number in range(5):
        ruth = post_contact(alice, email_address=email(f"r{number}@example.org"), list_memberships=[list_id])
        replies = at_once(*[lambda api, ruth=ruth: api.delete(f"/contacts/{ruth['contact_id']}")] * MOST)
        assert statuses(replies) == {204: 1, 404: MOST - 1}
    assert Counter(action for action, *_ in behind.moves()) == {"created": 5, "deleted": 5}


def test_a_delete_among_updates(alice: Api, behind: Behind, at_once: AtOnce) -> None:
    list_id = new_list(alice)
    ruth = post_contact(alice, email_address=email("r@example.org", "explicit"))["contact_id"]
    form = {"email_address": "r@example.org", "list_memberships": [list_id]}
    body = {"update_source": "Contact", "email_address": email("r@example.org", "unsubscribed")}
    for _ in range(ROUNDS):
        deleted, put, signed_up = at_once(
            lambda api: api.delete(f"/contacts/{ruth}"),
            putting(f"/contacts/{ruth}", body),
            posting("/contacts/sign_up_form", form),
        )
        assert (put.status, signed_up.status) == (200, 200)
        assert deleted.status in (204, 404)
        contact = get_contact(alice, ruth, "list_memberships")
        if "deleted_at" in contact:
            assert contact["list_memberships"] == []
    moves = behind.moves()
    assert all(before == after for (_, _, before, _), (_, after, _, _) in pairwise(moves))


def test_nobody_joins_a_list_that_is_being_deleted(
    alice: Api, behind: Behind, at_once: AtOnce, work: Callable[[], None]
) -> None:
    """Whether a contact joined before the deletion or was refused after it: nobody is on the list."""

    def deleting(list_id: str) -> Callable[[Api], Reply]:
        def call(api: Api) -> Reply:
            reply = api.delete(f"/contact_lists/{list_id}")
            work()
            return reply

        return call

    for round_number in range(5):
        list_id = new_list(alice, f"list {round_number}")
        bodies = [
            {"create_source": "Account", "first_name": str(number), "list_memberships": [list_id]}
            for number in range(4)
        ]
        gone, *joined = at_once(deleting(list_id), *(posting("/contacts", body) for body in bodies))
        assert gone.status == 202
        assert set(statuses(joined)) <= {201, 400}
        work()
        assert behind.rows("list_membership") == []


def test_a_deleted_custom_field_leaves_no_value(alice: Api, behind: Behind, at_once: AtOnce) -> None:
    for number in range(5):
        field_id = new_field(alice)
        ruth = post_contact(alice, first_name="Ruth")["contact_id"]
        value = {"custom_fields": [{"custom_field_id": field_id, "value": "x"}]}
        gone, *written = at_once(
            lambda api, field_id=field_id: api.delete(f"/contact_custom_fields/{field_id}"),
            posting("/contacts", {"create_source": "Account", "first_name": str(number), **value}),
            putting(f"/contacts/{ruth}", {"update_source": "Account", "first_name": "Ruth", **value}),
        )
        assert gone.status == 204
        assert set(statuses(written)) <= {200, 201, 400}
    assert {row["custom_fields"] for row in behind.rows("contact")} == {"{}"}


def test_an_opt_out_wins_against_an_opt_in_by_the_account(alice: Api, at_once: AtOnce) -> None:
    """Whatever the order, the person's opt-out is what stays."""
    for number in range(ROUNDS):
        address = f"r{number}@example.org"
        ruth = post_contact(alice, email_address=email(address))["contact_id"]
        out = {"update_source": "Contact", "email_address": email(address, "unsubscribed")}
        back = {"update_source": "Account", "email_address": email(address, "explicit")}
        first, second = at_once(putting(f"/contacts/{ruth}", out), putting(f"/contacts/{ruth}", back))
        assert first.status == 200
        assert second.status in (200, 400)
        after = get_contact(alice, ruth)["email_address"]
        assert (after["permission_to_send"], after["opt_out_source"]) == ("unsubscribed", "Contact")


def test_moving_an_opted_out_address_while_it_is_added_again(alice: Api, at_once: AtOnce) -> None:
    """No order of the two makes an address mailable whose person opted out."""
    for number in range(ROUNDS):
        address = f"r{number}@example.org"
        ruth = post_contact(alice, create_source="Contact", email_address=email(address, "unsubscribed"))
        body = {"update_source": "Account", "email_address": email(f"new{number}@example.org")}
        added = {"create_source": "Account", "email_address": email(address, "explicit")}
        moved, made = at_once(putting(f"/contacts/{ruth['contact_id']}", body), posting("/contacts", added))
        assert moved.status == 200
        assert made.status in (201, 409)
        if made.status == 201:
            assert made.json["email_address"]["permission_to_send"] == "unsubscribed"
        else:
            again = post_contact(alice, email_address=email(address, "explicit"))
            assert again["email_address"]["permission_to_send"] == "unsubscribed"
    assert found(alice, status="active") == []


def test_reads_are_exact_while_contacts_come_and_go(alice: Api, at_once: AtOnce) -> None:
    """A contact moves between permissions; the total is the same at every moment."""
    ruth = post_contact(alice, email_address=email("r@example.org"))["contact_id"]

    def move(api: Api) -> Reply:
        for permission in ("unsubscribed", "explicit") * 5:
            put_contact(api, ruth, email_address=email("r@example.org", permission))
        return api.get("/contacts/counts")

    def look(api: Api) -> Reply:
        for _ in range(20):
            reply = api.get("/contacts/counts")
            assert (
                reply.json["total"]
                == sum(count for name, count in reply.json.items() if name != "total")
                == 1
            )
        return reply

    at_once(move, look, look)


@pytest.mark.parametrize(
    ("core", "name", "path"),
    [(lists, "MAX_LISTS", "/contact_lists"), (custom_fields, "MAX_FIELDS", "/contact_custom_fields")],
)
def test_no_more_are_made_than_an_account_may_have(
    alice: Api, at_once: AtOnce, monkeypatch: pytest.MonkeyPatch, core: Any, name: str, path: str
) -> None:
    monkeypatch.setattr(core, name, 3)
    bodies = [{"name": f"n{number}", "label": f"n{number}", "type": "string"} for number in range(MOST)]
    replies = at_once(*(posting(path, body) for body in bodies))
    assert Counter(reply.status for reply in replies)[201] == 3
