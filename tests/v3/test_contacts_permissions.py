"""permission_to_send: V3 contract 3.9 row by row, and that no opt-out is ever lost."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Api, Clock
from tests.v3.helpers import Behind, email, get_contact, new_list, post_contact, put_contact, refused, sign_up

ADDRESS = "r@example.org"


def contact_in(alice: Api, state: str) -> str:
    """A contact whose permission is `state`; `unsubscribed/Contact` says who made the opt-out."""
    permission, _, by = state.partition("/")
    if not by:
        return post_contact(alice, email_address=email(ADDRESS, permission))["contact_id"]
    contact_id = post_contact(alice, email_address=email(ADDRESS, "explicit"))["contact_id"]
    put_contact(alice, contact_id, update_source=by, email_address=email(ADDRESS, "unsubscribed"))
    return contact_id


# --- a new contact


@pytest.mark.parametrize(("source", "permission"), [("Account", "implicit"), ("Contact", "explicit")])
def test_the_permission_of_a_new_contact_follows_from_its_source(
    alice: Api, behind: Behind, source: str, permission: str
) -> None:
    contact = post_contact(alice, create_source=source, email_address=email(ADDRESS))
    assert contact["email_address"] == {
        "address": ADDRESS,
        "permission_to_send": permission,
        **dict.fromkeys(("created_at", "updated_at", "opt_in_date"), contact["created_at"]),
        "opt_in_source": source,
        "confirm_status": "off",
    }
    assert behind.moves() == [("created", None, permission, source)]
    assert behind.active() == [(1, 1)]


@pytest.mark.parametrize("source", ["Account", "Contact"])
@pytest.mark.parametrize(
    ("permission", "confirm_status", "opted_in"),
    [
        ("explicit", "off", True),
        ("implicit", "off", True),
        ("not_set", "off", False),
        ("pending_confirmation", "pending", False),
        ("temp_hold", "off", False),
    ],
)
def test_a_permission_that_is_sent_is_taken(
    alice: Api, behind: Behind, source: str, permission: str, confirm_status: str, *, opted_in: bool
) -> None:
    contact = post_contact(alice, create_source=source, email_address=email(ADDRESS, permission))
    address = contact["email_address"]
    assert (address["permission_to_send"], address["confirm_status"]) == (permission, confirm_status)
    assert address["opt_in_source"] == source
    assert ("opt_in_date" in address) == opted_in
    assert not {"opt_out_source", "opt_out_date", "opt_out_reason"} & set(address)
    assert behind.moves() == [("created", None, permission, source)]
    assert behind.active() == ([(1, 1)] if opted_in else [])


@pytest.mark.parametrize("source", ["Account", "Contact"])
def test_a_contact_can_begin_unsubscribed(alice: Api, behind: Behind, source: str) -> None:
    address = email(ADDRESS, "unsubscribed", opt_out_reason="moved")
    contact = post_contact(alice, create_source=source, email_address=address)
    answered = contact["email_address"]
    assert answered["opt_out_source"] == source
    assert answered["opt_out_date"] == contact["created_at"]
    assert answered["opt_out_reason"] == "moved"
    assert "opt_in_date" not in answered
    assert behind.moves() == [("created", None, "unsubscribed", source)]
    assert behind.active() == []


def test_a_contact_without_an_address_has_no_permission(alice: Api, behind: Behind) -> None:
    assert "email_address" not in post_contact(alice, first_name="Ruth")
    assert behind.rows("consent_event") == []


# --- every state, every event

# The columns: PUT of that permission with update_source Account (A) or Contact (C), and the sign-up form.
TABLE = """
state                 explicit/A explicit/C implicit/A implicit/C unsubscribed/A unsubscribed/C nothing/A            nothing/C            sign_up
explicit              explicit   explicit   400        400        unsubscribed/A unsubscribed/C explicit             explicit             explicit
implicit              explicit   explicit   implicit   implicit   unsubscribed/A unsubscribed/C implicit             implicit             explicit
not_set               explicit   explicit   implicit   implicit   unsubscribed/A unsubscribed/C not_set              not_set              explicit
pending_confirmation  explicit   explicit   implicit   implicit   unsubscribed/A unsubscribed/C pending_confirmation pending_confirmation explicit
temp_hold             explicit   explicit   implicit   implicit   unsubscribed/A unsubscribed/C temp_hold            temp_hold            explicit
unsubscribed/Account  explicit   explicit   implicit   explicit   unsubscribed/A unsubscribed/C unsubscribed/A       unsubscribed/A       explicit
unsubscribed/Contact  400        explicit   400        explicit   unsubscribed/C unsubscribed/C unsubscribed/C       unsubscribed/C       explicit
"""
SOURCES = {"A": "Account", "C": "Contact"}
(_, *EVENTS), *ROWS = (line.split() for line in TABLE.strip().splitlines())


@pytest.mark.parametrize(
    ("state", "event", "expected"),
    [(state, event, cell) for state, *cells in ROWS for event, cell in zip(EVENTS, cells, strict=True)],
)
def test_the_permission_table(
    alice: Api, behind: Behind, clock: Clock, state: str, event: str, expected: str
) -> None:
    contact_id = contact_in(alice, state)
    before = get_contact(alice, contact_id)["email_address"]
    everything, moves = behind.everything(), behind.moves()
    clock.move(hours=1)
    permission, _, by = event.partition("/")
    if event == "sign_up":
        source = "Contact"
        reply = sign_up(alice, email_address=ADDRESS, list_memberships=[new_list(alice)])
    else:
        source = SOURCES[by]
        address = email(ADDRESS, None if permission == "nothing" else permission)
        reply = alice.put(f"/contacts/{contact_id}", {"update_source": source, "email_address": address})
    if expected == "400":
        refused(reply, 400, "permission_to_send")
        assert behind.everything() == everything
        return
    assert reply.status == 200
    wanted, _, opted_out_by = expected.partition("/")
    after = get_contact(alice, contact_id)["email_address"]
    assert after["permission_to_send"] == wanted
    assert after.get("opt_out_source") == SOURCES.get(opted_out_by)
    assert ("opt_out_date" in after) == (wanted == "unsubscribed")
    assert ("opt_in_date" in after) or wanted not in ("explicit", "implicit")
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    if before["permission_to_send"] == wanted and before.get("opt_out_source") == after.get("opt_out_source"):
        assert changed == set()
        assert behind.moves() == moves
    else:
        assert "updated_at" in changed
        # Also when only who opted out changes, from the account to the person.
        assert behind.moves() == [*moves, ("changed", before["permission_to_send"], wanted, source)]


# --- what stands beside the permission


def test_an_opt_out_by_the_account_says_so(alice: Api, clock: Clock) -> None:
    contact_id = contact_in(alice, "explicit")
    before = get_contact(alice, contact_id)["email_address"]
    clock.move(hours=1)
    address = email(ADDRESS, "unsubscribed", opt_out_reason="bounces")
    after = put_contact(alice, contact_id, email_address=address)
    assert after["email_address"] == {
        **before,
        "permission_to_send": "unsubscribed",
        "updated_at": after["updated_at"],
        "opt_out_source": "Account",
        "opt_out_date": after["updated_at"],
        "opt_out_reason": "bounces",
    }


@pytest.mark.parametrize("by", ["Account", "Contact"])
def test_opting_in_again_takes_the_opt_out_away(alice: Api, clock: Clock, by: str) -> None:
    contact_id = contact_in(alice, f"unsubscribed/{by}")
    clock.move(hours=1)
    after = put_contact(alice, contact_id, update_source=by, email_address=email(ADDRESS, "explicit"))
    address = after["email_address"]
    assert not {"opt_out_source", "opt_out_date", "opt_out_reason"} & set(address)
    assert (address["opt_in_source"], address["opt_in_date"]) == (by, after["updated_at"])


def test_a_permission_that_rises_keeps_where_it_came_from(alice: Api, clock: Clock) -> None:
    contact_id = contact_in(alice, "implicit")
    before = get_contact(alice, contact_id)["email_address"]
    clock.move(hours=1)
    contact = put_contact(
        alice, contact_id, update_source="Contact", email_address=email(ADDRESS, "explicit")
    )
    changed = {"permission_to_send": "explicit", "updated_at": contact["updated_at"]}
    assert contact["email_address"] == {**before, **changed}


def test_the_sign_up_form_is_an_opt_in_by_the_person(alice: Api, clock: Clock) -> None:
    contact_id = contact_in(alice, "unsubscribed/Contact")
    clock.move(hours=1)
    assert sign_up(alice, email_address=ADDRESS, list_memberships=[new_list(alice)]).status == 200
    after = get_contact(alice, contact_id)
    address = after["email_address"]
    assert (address["permission_to_send"], address["opt_in_source"]) == ("explicit", "Contact")
    assert address["opt_in_date"] == after["updated_at"]
    assert "opt_out_date" not in address


def test_an_account_does_not_take_over_the_persons_opt_out(alice: Api, behind: Behind, clock: Clock) -> None:
    contact_id = contact_in(alice, "unsubscribed/Contact")
    before = get_contact(alice, contact_id)["email_address"]
    clock.move(hours=1)
    address = email(ADDRESS, "unsubscribed", opt_out_reason="by the account")
    assert put_contact(alice, contact_id, email_address=address)["email_address"] == before
    reply = alice.put(
        f"/contacts/{contact_id}", {"update_source": "Account", "email_address": email(ADDRESS, "explicit")}
    )
    refused(reply, 400, "only the contact can subscribe again")
    assert behind.contact(contact_id)["permission"] == "unsubscribed"


def test_the_person_takes_over_the_accounts_opt_out(alice: Api, clock: Clock) -> None:
    contact_id = contact_in(alice, "unsubscribed/Account")
    clock.move(hours=1)
    address = email(ADDRESS, "unsubscribed", opt_out_reason="please")
    after = put_contact(alice, contact_id, update_source="Contact", email_address=address)
    assert after["email_address"]["opt_out_source"] == "Contact"
    assert after["email_address"]["opt_out_date"] == after["updated_at"]
    assert after["email_address"]["opt_out_reason"] == "please"
    lift = {"update_source": "Account", "email_address": email(ADDRESS, "implicit")}
    refused(alice.put(f"/contacts/{contact_id}", lift), 400, "permission_to_send")


def test_who_opted_out_may_say_why_later(alice: Api) -> None:
    contact_id = contact_in(alice, "unsubscribed/Contact")
    before = get_contact(alice, contact_id)["email_address"]
    address = email(ADDRESS, "unsubscribed", opt_out_reason="too many")
    after = put_contact(alice, contact_id, update_source="Contact", email_address=address)["email_address"]
    assert after["opt_out_reason"] == "too many"
    assert after["opt_out_date"] == before["opt_out_date"]


@pytest.mark.parametrize("permission", ["not_set", "pending_confirmation", "temp_hold"])
def test_an_account_lifts_the_persons_opt_out_in_no_disguise(
    alice: Api, behind: Behind, permission: str
) -> None:
    contact_id = contact_in(alice, "unsubscribed/Contact")
    before = behind.everything()
    body = {"update_source": "Account", "email_address": email(ADDRESS, permission)}
    refused(alice.put(f"/contacts/{contact_id}", body), 400, "permission_to_send")
    assert behind.everything() == before


@pytest.mark.parametrize(
    "state", ["explicit", "implicit", "not_set", "temp_hold", "unsubscribed/Account", "unsubscribed/Contact"]
)
def test_deleting_and_reviving_leave_the_permission(alice: Api, behind: Behind, state: str) -> None:
    contact_id = contact_in(alice, state)
    before = get_contact(alice, contact_id)["email_address"]
    alice.delete(f"/contacts/{contact_id}")
    assert get_contact(alice, contact_id)["email_address"] == before
    put_contact(alice, contact_id)
    assert get_contact(alice, contact_id)["email_address"] == before
    permission = state.partition("/")[0]
    assert behind.moves()[-2:] == [
        ("deleted", permission, permission, "Account"),
        ("restored", permission, permission, "Account"),
    ]


# --- an opt-out stays with the address, also when the address leaves its contact


def moved_away(alice: Api) -> Any:
    """An unsubscribed contact that got another address: what is left is the opt-out of r@example.org."""
    contact_id = contact_in(alice, "unsubscribed/Contact")
    return put_contact(alice, contact_id, email_address=email("new@example.org"))


def test_another_address_does_not_launder_an_opt_out(alice: Api, behind: Behind) -> None:
    moved = moved_away(alice)
    assert moved["email_address"]["permission_to_send"] == "unsubscribed"
    assert moved["email_address"]["opt_out_source"] == "Contact"
    assert len(behind.rows("suppression")) == 1
    back = post_contact(alice, email_address=email(ADDRESS, "explicit"))["email_address"]
    assert (back["permission_to_send"], back["opt_out_source"]) == ("unsubscribed", "Contact")
    assert back["opt_out_date"] == moved["email_address"]["opt_out_date"]
    assert "opt_in_date" not in back


def test_a_laundered_address_is_not_lifted_by_the_account_afterwards(alice: Api) -> None:
    moved_away(alice)
    contact_id = post_contact(alice, email_address=email(ADDRESS))["contact_id"]
    body = {"update_source": "Account", "email_address": email(ADDRESS, "explicit")}
    refused(alice.put(f"/contacts/{contact_id}", body), 400, "only the contact can subscribe again")
    # … nor by going round once more.
    put_contact(alice, contact_id, email_address=email("third@example.org"))
    again = post_contact(alice, email_address=email(ADDRESS, "implicit"))["email_address"]
    assert (again["permission_to_send"], again["opt_out_source"]) == ("unsubscribed", "Contact")


def test_an_address_that_opted_out_brings_its_opt_out_to_another_contact(alice: Api, behind: Behind) -> None:
    moved_away(alice)
    saul = post_contact(alice, email_address=email("saul@example.org", "explicit"))["contact_id"]
    contact = put_contact(alice, saul, email_address=email(ADDRESS, "explicit"))
    assert contact["email_address"]["permission_to_send"] == "unsubscribed"
    assert contact["email_address"]["opt_out_source"] == "Contact"
    assert behind.moves(saul)[-1] == ("readdressed", "explicit", "unsubscribed", "Account")
    named = post_contact(alice, first_name="Nameless")["contact_id"]
    put_contact(alice, saul, email_address=email("saul@example.org"))
    contact = put_contact(alice, named, email_address=email(ADDRESS))
    assert contact["email_address"]["permission_to_send"] == "unsubscribed"


def test_only_the_person_lifts_the_opt_out_of_an_address_without_a_contact(
    alice: Api, behind: Behind
) -> None:
    moved_away(alice)
    contact = post_contact(alice, create_source="Contact", email_address=email(ADDRESS))
    assert contact["email_address"]["permission_to_send"] == "explicit"
    assert behind.rows("suppression") == []


def test_the_sign_up_form_lifts_it_too(alice: Api, behind: Behind) -> None:
    moved_away(alice)
    reply = sign_up(alice, email_address=ADDRESS, list_memberships=[new_list(alice)])
    assert reply.status == 201
    contact = get_contact(alice, reply.json["contact_id"])
    assert contact["email_address"]["permission_to_send"] == "explicit"
    assert behind.rows("suppression") == []


def test_the_sign_up_form_by_the_account_does_not(alice: Api) -> None:
    moved_away(alice)
    reply = sign_up(alice, email_address=ADDRESS, source="Account")
    assert reply.status == 201
    contact = get_contact(alice, reply.json["contact_id"])
    assert contact["email_address"]["permission_to_send"] == "unsubscribed"


def test_an_opt_out_by_the_account_goes_with_the_address_that_leaves(alice: Api, behind: Behind) -> None:
    contact_id = contact_in(alice, "unsubscribed/Account")
    moved = put_contact(alice, contact_id, email_address=email("new@example.org"))
    assert moved["email_address"]["permission_to_send"] == "unsubscribed"
    assert behind.rows("suppression") == []
    back = post_contact(alice, email_address=email(ADDRESS))["email_address"]
    assert back["permission_to_send"] == "implicit"


def test_what_is_left_of_an_address_cannot_be_read(alice: Api, behind: Behind) -> None:
    moved_away(alice)
    (left,) = behind.rows("suppression")
    assert len(left["address_hmac"]) == 32
    assert b"example" not in left["address_hmac"]
    assert (left["channel"], left["reason"]) == ("email", "unsubscribe")


def test_a_taken_suppressed_address_can_move_again_by_the_person(alice: Api) -> None:
    """The person gives a new address and subscribes it; the old one stays opted out."""
    contact_id = contact_in(alice, "unsubscribed/Contact")
    contact = put_contact(
        alice, contact_id, update_source="Contact", email_address=email("new@example.org", "explicit")
    )
    assert contact["email_address"]["permission_to_send"] == "explicit"
    back = post_contact(alice, email_address=email(ADDRESS))["email_address"]
    assert back["permission_to_send"] == "unsubscribed"
