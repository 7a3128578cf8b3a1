"""What is remembered of erased addresses, and every path that could bring one back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Api, Clock
from tests.ext.people import ADDRESS, NUMBER, SUPPRESSIONS, erase, zenobia
from tests.v3.bulk import Work, counted, ended, person, queued
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
)


def entries(api: Api, **params: Any) -> list[tuple[str, str]]:
    reply = api.get(SUPPRESSIONS, **params)
    assert reply.status == 200, reply
    return [(one["channel"], one["reason"]) for one in reply.json["suppressions"]]


def remove(api: Api, **params: str) -> Any:
    return api("DELETE", SUPPRESSIONS, params=params)


def permission(api: Api, contact_id: str) -> str:
    return get_contact(api, contact_id)["email_address"]["permission_to_send"]


def test_an_account_cannot_make_an_erased_contact(alice: Api, charlie: Api) -> None:
    erase(alice, zenobia(alice))
    for body in (
        {"email_address": email(ADDRESS.upper(), "explicit")},
        {"email_address": email("someone@example.org"), "sms_channel": sms(NUMBER)},
        {"first_name": "Z", "sms_channel": sms(NUMBER)},
    ):
        refused(alice.post("/contacts", {"create_source": "Account", **body}), 409, "was erased on")
    zenobia(charlie)


def test_the_409_leads_to_the_explanation(alice: Api) -> None:
    erase(alice, zenobia(alice))
    reply = alice.post("/contacts", {"create_source": "Account", "email_address": email(ADDRESS)})
    link = reply.headers["link"].partition(">")[0].removeprefix("<")
    assert alice("GET", link).json["state"] == "erased"


def test_no_put_takes_an_erased_address_or_number(alice: Api, behind: Behind) -> None:
    erase(alice, zenobia(alice))
    other = person(alice, "other")
    for body in ({"email_address": email(ADDRESS)}, {"sms_channel": sms(NUMBER)}):
        reply = alice.put(f"/contacts/{other}", {"update_source": "Account", "first_name": "x", **body})
        refused(reply, 409, "was erased on")
    assert behind.contact(other)["first_name"] is None


def test_a_sign_up_form_in_the_accounts_name_is_refused(alice: Api) -> None:
    erase(alice, zenobia(alice))
    refused(sign_up(alice, email_address=ADDRESS, source="Account"), 409, "was erased on")
    other = person(alice, "other", sms_channel=sms("13095550177"))
    reply = sign_up(alice, email_address=ADDRESS, sms_channel=sms("13095550177"), source="Account")
    refused(reply, 409, "was erased on")
    assert get_contact(alice, other)["email_address"]["address"] == "other@example.org"


@pytest.mark.parametrize("how", ["form", "post", "put"])
def test_the_person_comes_back_by_their_own_act(alice: Api, behind: Behind, how: str) -> None:
    erase(alice, zenobia(alice))
    assert entries(alice) == [("email", "erasure"), ("sms", "erasure")]
    if how == "form":
        assert sign_up(alice, email_address=ADDRESS, list_memberships=[new_list(alice)]).status == 201
    elif how == "post":
        post_contact(alice, create_source="Contact", email_address=email(ADDRESS))
    else:
        other = person(alice, "other")
        put_contact(alice, other, update_source="Contact", email_address=email(ADDRESS))
    assert entries(alice) == [("sms", "erasure")]
    (contact,) = behind.rows("contact")
    assert contact["email"] == ADDRESS
    assert contact["permission"] in ("explicit", "implicit")


def test_an_erased_person_who_had_unsubscribed_is_both(alice: Api, behind: Behind, clock: Clock) -> None:
    contact_id = zenobia(alice)
    out = email(ADDRESS, "unsubscribed")
    put_contact(
        alice, contact_id, update_source="Contact", email_address=out, sms_channel=sms(NUMBER, "unsubscribed")
    )
    opted_out_at = behind.contact(contact_id)["opt_out_at"]
    clock.move(days=3)
    erase(alice, contact_id)
    assert sorted(entries(alice)) == [
        ("email", "erasure"),
        ("email", "unsubscribe"),
        ("sms", "erasure"),
        ("sms", "unsubscribe"),
    ]
    kept = {(row["channel"], row["reason"]): row["created_at"] for row in behind.rows("suppression")}
    assert kept["email", "unsubscribe"] == opted_out_at
    assert (kept["email", "erasure"] - opted_out_at).days == 3


def test_taking_an_erasure_back_leaves_the_persons_opt_out(alice: Api) -> None:
    contact_id = zenobia(alice)
    put_contact(alice, contact_id, update_source="Contact", email_address=email(ADDRESS, "unsubscribed"))
    erase(alice, contact_id)
    assert remove(alice, email=ADDRESS, reason="erased by mistake").status == 204
    refused(remove(alice, email=ADDRESS, reason="again"), 409, "only the person can take back")
    again = post_contact(alice, email_address=email(ADDRESS, "explicit"))
    assert permission(alice, again["contact_id"]) == "unsubscribed"
    assert entries(alice, email=ADDRESS) == []


def test_an_accounts_own_opt_out_is_not_remembered(alice: Api) -> None:
    contact_id = zenobia(alice)
    put_contact(alice, contact_id, email_address=email(ADDRESS, "unsubscribed"))
    erase(alice, contact_id)
    assert entries(alice, email=ADDRESS) == [("email", "erasure")]


def test_removing_is_recorded(alice: Api, behind: Behind) -> None:
    erase(alice, zenobia(alice))
    assert remove(alice, email=" " + ADDRESS.upper(), reason="erased by mistake").status == 204
    (row,) = behind.rows("suppression_removal")
    assert (row["channel"], row["why"]) == ("email", "erased by mistake")
    assert row["operation"] == "DELETE /everlist/v1/suppressions"
    assert row["request_id"]
    assert row["token_id"]
    assert remove(alice, sms_number="+1 309 555 0142", reason="a new owner").status == 204
    assert entries(alice) == []
    zenobia(alice)


@pytest.mark.parametrize(
    ("params", "status", "text"),
    [
        ({"email": ADDRESS}, 400, "reason is missing"),
        ({"reason": "x"}, 400, "email is missing"),
        ({"email": "nonsense", "reason": "x"}, 400, "email does not have a valid value"),
        ({"sms_number": "12", "reason": "x"}, 400, "sms_number does not have a valid value"),
        ({"email": ADDRESS, "sms_number": NUMBER, "reason": "x"}, 400, "mutually exclusive"),
        ({"email": ADDRESS, "reason": f"{ADDRESS} asked"}, 400, "must hold no address"),
        ({"email": "stranger@example.org", "reason": "x"}, 404, "nothing is remembered"),
    ],
)
def test_a_removal_that_is_refused(alice: Api, params: dict[str, str], status: int, text: str) -> None:
    erase(alice, zenobia(alice))
    refused(remove(alice, **params), status, text)
    assert len(entries(alice)) == 2


def test_accounts_do_not_see_one_anothers_entries(alice: Api, charlie: Api) -> None:
    erase(alice, zenobia(alice))
    assert entries(charlie) == entries(charlie, email=ADDRESS) == []
    refused(remove(charlie, email=ADDRESS, reason="x"), 404, "nothing is remembered")
    assert len(entries(alice)) == 2


def test_the_list_is_paged_and_has_no_address(alice: Api) -> None:
    for number in range(5):
        erase(alice, person(alice, f"p{number}"))
    seen: list[str] = []
    reply = alice.get(SUPPRESSIONS, limit=2, reason="erasure")
    while True:
        assert "example" not in reply.body.decode().replace("?cursor=", "")
        assert set(reply.json["suppressions"][0]) == {"suppression_id", "channel", "reason", "created_at"}
        seen += [one["suppression_id"] for one in reply.json["suppressions"]]
        if "_links" not in reply.json:
            break
        reply = alice("GET", reply.json["_links"]["next"]["href"])
    assert len(set(seen)) == len(seen) == 5
    assert seen == sorted(seen)
    assert entries(alice, reason="unsubscribe") == []


def test_an_import_of_an_erased_person_is_held_back(alice: Api, work: Work, behind: Behind) -> None:
    """The sync of the next day."""
    erase(alice, zenobia(alice))
    rows = f"email,first_name,sms_number\n{ADDRESS},Z,\nnew@example.org,N,\nother@example.org,O,{NUMBER}\n"
    files = {"file": ("people.csv", rows.encode(), "text/csv")}
    activity_id = alice(
        "POST", "/activities/contacts_file_import", data={"list_ids": new_list(alice)}, files=files
    ).json["activity_id"]
    work()
    counts = counted(ended(alice, activity_id))
    assert (counts["created"], counts["held_back"]) == (1, 2)
    assert [row["email"] for row in behind.rows("contact")] == ["new@example.org"]


def test_an_import_that_waited_while_a_person_was_erased_holds_them_back(
    alice: Api, work: Work, behind: Behind
) -> None:
    contact_id = zenobia(alice)
    activity_id = queued(
        alice,
        "contacts_json_import",
        import_data=[{"email": ADDRESS, "first_name": "Z"}],
        list_ids=[new_list(alice)],
    )
    erase(alice, contact_id)
    work()
    assert counted(ended(alice, activity_id))["held_back"] == 1
    assert behind.rows("contact") == []
    assert behind.rows("upload_part") == []
