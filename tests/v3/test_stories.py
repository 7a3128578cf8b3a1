"""What people do with an account, told from its beginning to its end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Api, Clock
from tests.v3.helpers import (
    ARRAYS,
    INCLUDES,
    Behind,
    email,
    found,
    get_contact,
    new_field,
    new_list,
    new_tag,
    post_contact,
    put_contact,
    refused,
    sign_up,
    sms,
)

ADDRESS = "ruth@example.org"


def test_remove_a_contact_from_one_list_and_leave_the_other_untouched(alice: Api, behind: Behind) -> None:
    """There is no such call: the contact is sent back with the lists that remain."""
    news, offers = new_list(alice, "News"), new_list(alice, "Offers")
    ruth = post_contact(
        alice,
        email_address=email(ADDRESS, "explicit"),
        first_name="Ruth",
        notes=[{"content": "likes both"}],
        list_memberships=[news, offers],
    )["contact_id"]
    joined = {str(row["list_id"]): row["created_at"] for row in behind.rows("list_membership")}

    contact = get_contact(alice, ruth, "list_memberships")
    remaining = [list_id for list_id in contact["list_memberships"] if list_id != news]
    answered = put_contact(alice, ruth, **{**contact, "list_memberships": remaining})

    assert answered["list_memberships"] == [offers]
    assert found(alice, lists=news) == []
    assert found(alice, lists=offers) == [ruth]
    after = get_contact(alice, ruth, *ARRAYS)
    assert after["first_name"] == "Ruth"
    assert after["email_address"] == contact["email_address"]
    assert [note["content"] for note in after["notes"]] == ["likes both"]
    assert {str(row["list_id"]): row["created_at"] for row in behind.rows("list_membership")} == {
        offers: joined[offers]
    }
    for list_id, count in ((news, 0), (offers, 1)):
        counted = alice.get(f"/contact_lists/{list_id}", include_membership_count="active").json
        assert counted["membership_count"] == count
    assert behind.moves() == [("created", None, "explicit", "Account")]


@pytest.mark.parametrize("way", ["put", "sign up"])
def test_a_deleted_address_answers_409_on_post_is_found_with_status_deleted_and_comes_back_by_put_or_sign_up_never_by_post(
    alice: Api, way: str
) -> None:
    news = new_list(alice, "News")
    ruth = post_contact(alice, email_address=email(ADDRESS), first_name="Ruth")["contact_id"]
    assert alice.delete(f"/contacts/{ruth}").status == 204
    assert found(alice, email=ADDRESS) == []

    refusal = alice.post("/contacts", {"create_source": "Account", "email_address": email(ADDRESS)})
    refused(refusal, 409)
    assert refusal.json[0]["error_message"].split()[-1] == ruth
    assert found(alice) == []
    assert found(alice, email=ADDRESS, status="deleted") == [ruth]
    assert "deleted_at" in get_contact(alice, ruth)

    if way == "put":
        put_contact(alice, ruth, email_address=email(ADDRESS), first_name="Ruth", list_memberships=[news])
    else:
        reply = sign_up(alice, email_address=ADDRESS, list_memberships=[news])
        assert (reply.status, reply.json) == (200, {"contact_id": ruth, "action": "updated"})

    assert found(alice, email=ADDRESS) == found(alice, lists=news) == [ruth]
    contact = get_contact(alice, ruth)
    assert "deleted_at" not in contact
    assert contact["first_name"] == "Ruth"


@pytest.mark.parametrize("by", ["Contact", "Account"])
def test_an_unsubscribed_contact_that_is_deleted_and_added_again_is_still_unsubscribed(
    alice: Api, behind: Behind, by: str
) -> None:
    news = new_list(alice, "News")
    ruth = post_contact(alice, email_address=email(ADDRESS, "explicit"), list_memberships=[news])[
        "contact_id"
    ]
    put_contact(
        alice, ruth, update_source=by, email_address=email(ADDRESS, "unsubscribed", opt_out_reason="enough")
    )
    opted_out = get_contact(alice, ruth)["email_address"]
    alice.delete(f"/contacts/{ruth}")
    refused(alice.post("/contacts", {"create_source": "Account", "email_address": email(ADDRESS)}), 409, ruth)

    put_contact(alice, ruth, email_address=email(ADDRESS), list_memberships=[news])

    contact = get_contact(alice, ruth, "list_memberships")
    assert "deleted_at" not in contact
    assert contact["list_memberships"] == [news]
    assert contact["email_address"] == opted_out
    assert (opted_out["permission_to_send"], opted_out["opt_out_source"]) == ("unsubscribed", by)
    assert found(alice, status="active") == []
    assert (
        alice.get(f"/contact_lists/{news}", include_membership_count="active").json["membership_count"] == 0
    )
    assert behind.moves() == [
        ("created", None, "explicit", "Account"),
        ("changed", "explicit", "unsubscribed", by),
        ("deleted", "unsubscribed", "unsubscribed", "Account"),
        ("restored", "unsubscribed", "unsubscribed", "Account"),
    ]
    if by == "Contact":
        again = {"update_source": "Account", "email_address": email(ADDRESS, "explicit")}
        refused(alice.put(f"/contacts/{ruth}", again), 400, "only the contact can subscribe again")


def everything_about_ruth(alice: Api) -> Any:
    return post_contact(
        alice,
        email_address=email(ADDRESS, "explicit"),
        first_name="Ruth",
        last_name="Okafor",
        job_title="Cook",
        company_name="Kitchen",
        birthday_month=4,
        birthday_day=9,
        anniversary="2001-03-09",
        custom_fields=[{"custom_field_id": new_field(alice), "value": "x"}],
        list_memberships=[new_list(alice)],
        phone_numbers=[{"phone_number": "309 555 0100", "kind": "home"}],
        street_addresses=[{"kind": "home", "city": "Peoria"}],
        taggings=[new_tag(alice)],
        notes=[{"content": "hello"}],
        sms_channel=sms("13095550100"),
    )


def test_put_clears_omitted_properties_and_keeps_omitted_sub_resources(alice: Api, clock: Clock) -> None:
    ruth = everything_about_ruth(alice)
    clock.move(hours=1)

    answered = put_contact(alice, ruth["contact_id"], email_address=email(ADDRESS), last_name="Smith")

    assert set(answered) == {
        *(
            "contact_id",
            "email_address",
            "last_name",
            "create_source",
            "update_source",
            "created_at",
            "updated_at",
        )
    }
    contact = get_contact(alice, ruth["contact_id"], *INCLUDES)
    assert contact["last_name"] == "Smith"
    for name in ("first_name", "job_title", "company_name", "birthday_month", "birthday_day", "anniversary"):
        assert name not in contact
    assert {name: contact[name] for name in INCLUDES} == {name: ruth[name] for name in INCLUDES}
    assert contact["email_address"] == ruth["email_address"]

    # Only an array that is sent empty clears.
    put_contact(alice, ruth["contact_id"], notes=[], phone_numbers=[])
    contact = get_contact(alice, ruth["contact_id"], *ARRAYS)
    assert contact["notes"] == contact["phone_numbers"] == []
    assert contact["list_memberships"] == ruth["list_memberships"]
    assert contact["taggings"] == ruth["taggings"]


def test_sign_up_form_appends_and_never_clears(alice: Api, clock: Clock) -> None:
    ruth = everything_about_ruth(alice)
    offers, colour = new_list(alice, "Offers"), new_field(alice, "Colour")
    clock.move(hours=1)

    reply = sign_up(
        alice,
        email_address=ADDRESS,
        list_memberships=[offers],
        first_name="",
        job_title=None,
        phone_number="309 555 0199",
        street_address={"kind": "work", "city": "Canton"},
        custom_fields=[{"custom_field_id": colour, "value": "red"}],
    )

    assert (reply.status, reply.json) == (200, {"contact_id": ruth["contact_id"], "action": "updated"})
    contact = get_contact(alice, ruth["contact_id"], *INCLUDES)
    for name in ("first_name", "last_name", "job_title", "company_name", "birthday_month", "anniversary"):
        assert contact[name] == ruth[name]
    assert set(contact["list_memberships"]) == {*ruth["list_memberships"], offers}
    assert contact["phone_numbers"][0] == ruth["phone_numbers"][0]
    assert [phone["phone_number"] for phone in contact["phone_numbers"][1:]] == ["309 555 0199"]
    assert contact["street_addresses"][0] == ruth["street_addresses"][0]
    assert [address["city"] for address in contact["street_addresses"][1:]] == ["Canton"]
    assert contact["custom_fields"][:1] == ruth["custom_fields"]
    assert contact["custom_fields"][1:] == [{"custom_field_id": colour, "value": "red"}]
    for name in ("taggings", "notes", "sms_channel"):
        assert contact[name] == ruth[name]

    # Sending less does not take anything back.
    sign_up(alice, email_address=ADDRESS, list_memberships=[offers])
    again = get_contact(alice, ruth["contact_id"], *INCLUDES)
    assert {name: again[name] for name in INCLUDES} == {name: contact[name] for name in INCLUDES}
