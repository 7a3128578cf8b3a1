"""Walks over GET /contacts that follow a time, and the rare permissions."""

from __future__ import annotations

from tests.conftest import Api, Clock


def test_contacts_chosen_by_a_time_come_in_its_order(alice: Api, clock: Clock) -> None:
    made = []
    for number in range(5):
        made.append(_created(alice, f"n{number}@example.com"))
        clock.move(hours=1)
    _changed(alice, made[1], "first to change")
    clock.move(hours=1)
    _changed(alice, made[0], "last to change")

    walked = _walk(alice, updated_after="2020-01-01")

    assert walked == [made[2], made[3], made[4], made[1], made[0]]
    assert _walk(alice) == made


def test_a_contact_that_changes_during_a_walk_by_time_comes_again(alice: Api, clock: Clock) -> None:
    made = []
    for number in range(5):
        made.append(_created(alice, f"n{number}@example.com"))
        clock.move(hours=1)
    pages = alice.pages("/contacts", updated_after="2020-01-01", limit=2)

    seen = _ids(next(pages))
    _changed(alice, made[0], "passed")
    _changed(alice, made[3], "to come")
    for page in pages:
        seen += _ids(page)

    assert seen == [made[0], made[1], made[2], made[4], made[0], made[3]]


def test_contacts_of_one_time_are_walked_once_each(alice: Api, sql) -> None:
    made = [_created(alice, f"n{number}@example.com") for number in range(7)]
    sql(
        "update contact set updated_at = created_at + interval '1 day' where account_id = $1",
        alice.account_id,
    )
    sql("update contact set updated_at = '2026-01-01' where account_id = $1", alice.account_id)

    assert _walk(alice, updated_after="2025-12-31") == made
    assert _walk(alice, updated_before="2026-01-02") == made


def test_contacts_chosen_by_their_opt_out_come_in_its_order(alice: Api, clock: Clock) -> None:
    made = [_created(alice, f"n{number}@example.com") for number in range(4)]
    for contact_id in (made[2], made[0], made[3]):
        clock.move(hours=1)
        address = alice.get(f"/contacts/{contact_id}").json["email_address"]["address"]
        email = {"address": address, "permission_to_send": "unsubscribed"}
        alice.put(f"/contacts/{contact_id}", {"update_source": "Contact", "email_address": email})

    assert _walk(alice, optout_after="2020-01-01") == [made[2], made[0], made[3]]
    assert _walk(alice, status="unsubscribed") == [made[0], made[2], made[3]]
    assert _walk(alice, status="temp_hold") == []


def _created(api: Api, address: str) -> str:
    body = {"create_source": "Account", "email_address": {"address": address}}
    return api.post("/contacts", body).json["contact_id"]


def _changed(api: Api, contact_id: str, name: str) -> None:
    email = api.get(f"/contacts/{contact_id}").json["email_address"]["address"]
    body = {"update_source": "Account", "first_name": name, "email_address": {"address": email}}
    assert api.put(f"/contacts/{contact_id}", body).status == 200


def _walk(api: Api, **params: str) -> list[str]:
    return [one for page in api.pages("/contacts", limit=2, **params) for one in _ids(page)]


def _ids(page) -> list[str]:
    return [contact["contact_id"] for contact in page.json["contacts"]]
