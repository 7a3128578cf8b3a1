# Made from tests/client/_async/test_contacts.py by `make client`: edit that.
"""Contacts, lists, tags and custom fields through the client, against Everlist."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from everlist.client import (
    BadRequest,
    Client,
    Conflict,
    ContactUpdate,
    EmailAddress,
    NewContact,
    NotFound,
    SignUp,
    models,
)


def make(client: Client, name: str, **more: object) -> models.Contact:
    return client.contacts.create(
        NewContact(email_address=EmailAddress(address=f"{name}@example.org"), create_source="Account", **more)
    )


def test_a_contact_is_made_read_changed_and_deleted(sync_client: Client) -> None:
    news = sync_client.lists.create("News", description="Weekly")
    ruth = make(sync_client, "ruth", first_name="Ruth", list_memberships=[news.list_id])
    assert ruth.email == "ruth@example.org"
    assert ruth.email_address is not None
    assert ruth.email_address.permission_to_send == "implicit"
    assert ruth.created_at is not None
    assert ruth.created_at.tzinfo is not None
    got = sync_client.contacts.get(ruth.contact_id, include=["list_memberships", "notes"])
    assert (got.list_memberships, got.notes, got.taggings) == ([news.list_id], [], None)
    sync_client.contacts.delete(ruth.contact_id)
    assert (sync_client.contacts.get(ruth.contact_id)).deleted_at is not None
    with pytest.raises(NotFound):
        sync_client.contacts.delete(ruth.contact_id)


def test_put_clears_what_is_left_out_and_change_keeps_it(sync_client: Client) -> None:
    bea = make(sync_client, "bea", first_name="Bea", last_name="Blake", birthday_month=4, birthday_day=9)
    changed = sync_client.contacts.change(bea.contact_id, update_source="Account", first_name="Beatrix")
    assert (changed.first_name, changed.last_name, changed.birthday_day) == ("Beatrix", "Blake", 9)
    assert changed.email == "bea@example.org"
    email = EmailAddress(address="bea@example.org")
    put = sync_client.contacts.update(
        bea.contact_id, ContactUpdate(update_source="Account", email_address=email, first_name="Bea")
    )
    assert (put.first_name, put.last_name) == ("Bea", None)


def test_change_refuses_a_property_that_contacts_do_not_have(sync_client: Client) -> None:
    dan = make(sync_client, "dan")
    with pytest.raises(TypeError, match="nickname"):
        sync_client.contacts.change(dan.contact_id, update_source="Account", nickname="D")


def test_absent_and_empty_arrays_are_told_apart(sync_client: Client) -> None:
    news = sync_client.lists.create("News")
    cleo = make(sync_client, "cleo", list_memberships=[news.list_id])
    email = EmailAddress(address="cleo@example.org")
    keep = ContactUpdate(update_source="Account", email_address=email, list_memberships=UNSET)
    sync_client.contacts.update(cleo.contact_id, keep)
    got = sync_client.contacts.get(cleo.contact_id, include="list_memberships")
    assert got.list_memberships == [news.list_id]
    clear = ContactUpdate(update_source="Account", email_address=email, list_memberships=[])
    sync_client.contacts.update(cleo.contact_id, clear)
    got = sync_client.contacts.get(cleo.contact_id, include="list_memberships")
    assert got.list_memberships == []


def test_a_taken_address_is_a_conflict_that_names_its_owner(sync_client: Client) -> None:
    eve = make(sync_client, "eve")
    with pytest.raises(Conflict) as caught:
        make(sync_client, "eve")
    assert caught.value.owner_id == eve.contact_id
    assert caught.value.key == "contacts.api.conflict"
    assert caught.value.request_id is not None
    assert caught.value.request_id in str(caught.value)


def test_a_walk_sees_every_contact_once_whatever_the_size_of_the_pages(
    sync_client: Client,
) -> None:
    made = {(make(sync_client, f"p{number}")).contact_id for number in range(7)}
    assert {one.contact_id for one in sync_client.contacts.list(limit=3)} == made
    pages = [page for page in sync_client.contacts.list(limit=3, include_count=True).pages()]
    assert [len(page.items) for page in pages] == [3, 3, 1]
    assert [page.total for page in pages] == [7, 7, 7]


def test_a_walk_goes_on_from_a_cursor_kept_elsewhere(sync_client: Client) -> None:
    made = {(make(sync_client, f"q{number}")).contact_id for number in range(5)}
    first = sync_client.contacts.list(limit=2).page()
    assert first.cursor is not None
    rest = {one.contact_id for one in sync_client.contacts.list(cursor=first.cursor)}
    assert rest | {one.contact_id for one in first.items} == made
    assert len(rest) == 3


def test_filters_find_by_address_status_and_list(sync_client: Client) -> None:
    news = sync_client.lists.create("News")
    fay = make(sync_client, "fay", list_memberships=[news.list_id])
    gus = make(sync_client, "gus")
    sync_client.contacts.delete(gus.contact_id)
    on_list = [one.contact_id for one in sync_client.contacts.list(lists=[news.list_id])]
    assert on_list == [fay.contact_id]
    assert sync_client.contacts.list(email="gus@example.org").first() is None
    found = sync_client.contacts.find("GUS@example.org")
    assert found is not None
    assert found.contact_id == gus.contact_id
    assert sync_client.contacts.find("nobody@example.org") is None
    assert fay.created_at is not None
    later = sync_client.contacts.list(created_after=fay.created_at.replace(year=fay.created_at.year + 1))
    assert [one for one in later] == []


def test_a_person_signs_up(sync_client: Client) -> None:
    news = sync_client.lists.create("News")
    form = SignUp(email_address="hal@example.org", list_memberships=[news.list_id], first_name="Hal")
    made = sync_client.contacts.sign_up(form)
    assert made.action == "created"
    again = sync_client.contacts.sign_up(
        {"email_address": "hal@example.org", "list_memberships": [news.list_id]}
    )
    assert (again.contact_id, again.action) == (made.contact_id, "updated")
    counts = sync_client.contacts.counts(new_subscriber=True)
    assert (counts.total, counts.explicit, counts.new_subscriber) == (1, 1, 1)


def test_a_bad_value_is_a_bad_request_that_says_what(sync_client: Client) -> None:
    with pytest.raises(BadRequest, match="Email address is invalid"):
        sync_client.contacts.create(
            NewContact(email_address=EmailAddress(address="nonsense"), create_source="Account")
        )


def test_an_id_cannot_lead_to_another_path(sync_client: Client) -> None:
    for bad in ("../contact_lists", "a/b", "?limit=1", "%2e%2e", " "):
        with pytest.raises(NotFound):
            sync_client.contacts.get(bad)
    for none in ("", ".", ".."):
        with pytest.raises(ValueError, match="not an id"):
            sync_client.contacts.delete(none)


def test_sms_history_resubscribe_and_xrefs(sync_client: Client) -> None:
    news = sync_client.lists.create("News")
    ida = make(sync_client, "ida")
    assert len(sync_client.contacts.sms_history(ida.contact_id)) == 0
    email = EmailAddress(address="ida@example.org", permission_to_send="unsubscribed")
    gone = ContactUpdate(update_source="Contact", email_address=email)
    sync_client.contacts.update(ida.contact_id, gone)
    sync_client.contacts.resubscribe(ida.contact_id, [news.list_id])
    with pytest.raises(Conflict):
        sync_client.contacts.resubscribe(ida.contact_id, [news.list_id])
    assert len(sync_client.contacts.xrefs([999999999])) == 0
    assert len(sync_client.lists.xrefs(["000999999999"])) == 0


def test_lists(sync_client: Client) -> None:
    made = sync_client.lists.create("Daily", favorite=True)
    assert made.favorite is True
    assert (sync_client.lists.find("daily")) is not None
    renamed = sync_client.lists.update(made.list_id, name="Nightly", description="At night")
    assert (renamed.name, renamed.favorite, renamed.description) == ("Nightly", False, "At night")
    counted = sync_client.lists.get(made.list_id, include_membership_count="all")
    assert counted.membership_count == 0
    assert [one.name for one in sync_client.lists.list()] == ["Nightly"]
    with pytest.raises(Conflict):
        sync_client.lists.create("NIGHTLY")


def test_tags(sync_client: Client) -> None:
    made = sync_client.tags.create("vip", tag_source="Shop")
    assert (made.name, made.tag_source) == ("vip", "Shop")
    assert (sync_client.tags.update(made.tag_id, name="gold")).name == "gold"
    assert (sync_client.tags.get(made.tag_id, include_count=True)).contacts_count == 0
    assert (sync_client.tags.find("GOLD")) is not None
    assert (sync_client.tags.find("vip")) is None


def test_custom_fields(sync_client: Client) -> None:
    size = sync_client.custom_fields.create("Shoe size", "string")
    assert size.name == "shoe_size"
    drink = sync_client.custom_fields.create(
        "Drink", "single_select", metadata=models.Metadata(display_type="radio"), choices=["Tea", "Coffee"]
    )
    assert drink.choices is not None
    assert [choice.choice_label for choice in drink.choices] == ["Tea", "Coffee"]
    value = models.CustomFieldValue(
        custom_field_id=drink.custom_field_id, choice_ids=[str(drink.choices[1].choice_id)]
    )
    jo = make(sync_client, "jo", custom_fields=[value])
    assert jo.custom_fields == [value]
    choices = [drink.choices[1], models.Choice(choice_label="Milk")]
    changed = sync_client.custom_fields.update(drink.custom_field_id, label="Drinks", choices=choices)
    assert changed.label == "Drinks"
    assert (sync_client.custom_fields.find("shoe SIZE")) is not None
    assert {one.label for one in sync_client.custom_fields.list()} == {"Shoe size", "Drinks"}
    sync_client.custom_fields.delete(size.custom_field_id)
    with pytest.raises(NotFound):
        sync_client.custom_fields.get(size.custom_field_id)
