"""Contacts, lists, tags and custom fields through the client, against Everlist."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from everlist.client import (
    AsyncClient,
    BadRequest,
    Conflict,
    ContactUpdate,
    EmailAddress,
    NewContact,
    NotFound,
    SignUp,
    models,
)


async def make(client: AsyncClient, name: str, **more: object) -> models.Contact:
    return await client.contacts.create(
        NewContact(email_address=EmailAddress(address=f"{name}@example.org"), create_source="Account", **more)
    )


async def test_a_contact_is_made_read_changed_and_deleted(async_client: AsyncClient) -> None:
    news = await async_client.lists.create("News", description="Weekly")
    ruth = await make(async_client, "ruth", first_name="Ruth", list_memberships=[news.list_id])
    assert ruth.email == "ruth@example.org"
    assert ruth.email_address is not None
    assert ruth.email_address.permission_to_send == "implicit"
    assert ruth.created_at is not None
    assert ruth.created_at.tzinfo is not None
    got = await async_client.contacts.get(ruth.contact_id, include=["list_memberships", "notes"])
    assert (got.list_memberships, got.notes, got.taggings) == ([news.list_id], [], None)
    await async_client.contacts.delete(ruth.contact_id)
    assert (await async_client.contacts.get(ruth.contact_id)).deleted_at is not None
    with pytest.raises(NotFound):
        await async_client.contacts.delete(ruth.contact_id)


async def test_put_clears_what_is_left_out_and_change_keeps_it(async_client: AsyncClient) -> None:
    bea = await make(
        async_client, "bea", first_name="Bea", last_name="Blake", birthday_month=4, birthday_day=9
    )
    changed = await async_client.contacts.change(
        bea.contact_id, update_source="Account", first_name="Beatrix"
    )
    assert (changed.first_name, changed.last_name, changed.birthday_day) == ("Beatrix", "Blake", 9)
    assert changed.email == "bea@example.org"
    email = EmailAddress(address="bea@example.org")
    put = await async_client.contacts.update(
        bea.contact_id, ContactUpdate(update_source="Account", email_address=email, first_name="Bea")
    )
    assert (put.first_name, put.last_name) == ("Bea", None)


async def test_change_refuses_a_property_that_contacts_do_not_have(async_client: AsyncClient) -> None:
    dan = await make(async_client, "dan")
    with pytest.raises(TypeError, match="nickname"):
        await async_client.contacts.change(dan.contact_id, update_source="Account", nickname="D")


async def test_absent_and_empty_arrays_are_told_apart(async_client: AsyncClient) -> None:
    news = await async_client.lists.create("News")
    cleo = await make(async_client, "cleo", list_memberships=[news.list_id])
    email = EmailAddress(address="cleo@example.org")
    keep = ContactUpdate(update_source="Account", email_address=email, list_memberships=UNSET)
    await async_client.contacts.update(cleo.contact_id, keep)
    got = await async_client.contacts.get(cleo.contact_id, include="list_memberships")
    assert got.list_memberships == [news.list_id]
    clear = ContactUpdate(update_source="Account", email_address=email, list_memberships=[])
    await async_client.contacts.update(cleo.contact_id, clear)
    got = await async_client.contacts.get(cleo.contact_id, include="list_memberships")
    assert got.list_memberships == []


async def test_a_taken_address_is_a_conflict_that_names_its_owner(async_client: AsyncClient) -> None:
    eve = await make(async_client, "eve")
    with pytest.raises(Conflict) as caught:
        await make(async_client, "eve")
    assert caught.value.owner_id == eve.contact_id
    assert caught.value.key == "contacts.api.conflict"
    assert caught.value.request_id is not None
    assert caught.value.request_id in str(caught.value)


async def test_a_walk_sees_every_contact_once_whatever_the_size_of_the_pages(
    async_client: AsyncClient,
) -> None:
    made = {(await make(async_client, f"p{number}")).contact_id for number in range(7)}
    assert {one.contact_id async for one in async_client.contacts.list(limit=3)} == made
    pages = [page async for page in async_client.contacts.list(limit=3, include_count=True).pages()]
    assert [len(page.items) for page in pages] == [3, 3, 1]
    assert [page.total for page in pages] == [7, 7, 7]


async def test_a_walk_goes_on_from_a_cursor_kept_elsewhere(async_client: AsyncClient) -> None:
    made = {(await make(async_client, f"q{number}")).contact_id for number in range(5)}
    first = await async_client.contacts.list(limit=2).page()
    assert first.cursor is not None
    rest = {one.contact_id async for one in async_client.contacts.list(cursor=first.cursor)}
    assert rest | {one.contact_id for one in first.items} == made
    assert len(rest) == 3


async def test_filters_find_by_address_status_and_list(async_client: AsyncClient) -> None:
    news = await async_client.lists.create("News")
    fay = await make(async_client, "fay", list_memberships=[news.list_id])
    gus = await make(async_client, "gus")
    await async_client.contacts.delete(gus.contact_id)
    on_list = [one.contact_id async for one in async_client.contacts.list(lists=[news.list_id])]
    assert on_list == [fay.contact_id]
    assert await async_client.contacts.list(email="gus@example.org").first() is None
    found = await async_client.contacts.find("GUS@example.org")
    assert found is not None
    assert found.contact_id == gus.contact_id
    assert await async_client.contacts.find("nobody@example.org") is None
    assert fay.created_at is not None
    later = async_client.contacts.list(created_after=fay.created_at.replace(year=fay.created_at.year + 1))
    assert [one async for one in later] == []


async def test_a_person_signs_up(async_client: AsyncClient) -> None:
    news = await async_client.lists.create("News")
    form = SignUp(email_address="hal@example.org", list_memberships=[news.list_id], first_name="Hal")
    made = await async_client.contacts.sign_up(form)
    assert made.action == "created"
    again = await async_client.contacts.sign_up(
        {"email_address": "hal@example.org", "list_memberships": [news.list_id]}
    )
    assert (again.contact_id, again.action) == (made.contact_id, "updated")
    counts = await async_client.contacts.counts(new_subscriber=True)
    assert (counts.total, counts.explicit, counts.new_subscriber) == (1, 1, 1)


async def test_a_bad_value_is_a_bad_request_that_says_what(async_client: AsyncClient) -> None:
    with pytest.raises(BadRequest, match="Email address is invalid"):
        await async_client.contacts.create(
            NewContact(email_address=EmailAddress(address="nonsense"), create_source="Account")
        )


async def test_an_id_cannot_lead_to_another_path(async_client: AsyncClient) -> None:
    for bad in ("../contact_lists", "a/b", "?limit=1", "%2e%2e", " "):
        with pytest.raises(NotFound):
            await async_client.contacts.get(bad)
    for none in ("", ".", ".."):
        with pytest.raises(ValueError, match="not an id"):
            await async_client.contacts.delete(none)


async def test_sms_history_resubscribe_and_xrefs(async_client: AsyncClient) -> None:
    news = await async_client.lists.create("News")
    ida = await make(async_client, "ida")
    assert len(await async_client.contacts.sms_history(ida.contact_id)) == 0
    email = EmailAddress(address="ida@example.org", permission_to_send="unsubscribed")
    gone = ContactUpdate(update_source="Contact", email_address=email)
    await async_client.contacts.update(ida.contact_id, gone)
    await async_client.contacts.resubscribe(ida.contact_id, [news.list_id])
    with pytest.raises(Conflict):
        await async_client.contacts.resubscribe(ida.contact_id, [news.list_id])
    assert len(await async_client.contacts.xrefs([999999999])) == 0
    assert len(await async_client.lists.xrefs(["000999999999"])) == 0


async def test_lists(async_client: AsyncClient) -> None:
    made = await async_client.lists.create("Daily", favorite=True)
    assert made.favorite is True
    assert (await async_client.lists.find("daily")) is not None
    renamed = await async_client.lists.update(made.list_id, name="Nightly", description="At night")
    assert (renamed.name, renamed.favorite, renamed.description) == ("Nightly", False, "At night")
    counted = await async_client.lists.get(made.list_id, include_membership_count="all")
    assert counted.membership_count == 0
    assert [one.name async for one in async_client.lists.list()] == ["Nightly"]
    with pytest.raises(Conflict):
        await async_client.lists.create("NIGHTLY")


async def test_tags(async_client: AsyncClient) -> None:
    made = await async_client.tags.create("vip", tag_source="Shop")
    assert (made.name, made.tag_source) == ("vip", "Shop")
    assert (await async_client.tags.update(made.tag_id, name="gold")).name == "gold"
    assert (await async_client.tags.get(made.tag_id, include_count=True)).contacts_count == 0
    assert (await async_client.tags.find("GOLD")) is not None
    assert (await async_client.tags.find("vip")) is None


async def test_custom_fields(async_client: AsyncClient) -> None:
    size = await async_client.custom_fields.create("Shoe size", "string")
    assert size.name == "shoe_size"
    drink = await async_client.custom_fields.create(
        "Drink", "single_select", metadata=models.Metadata(display_type="radio"), choices=["Tea", "Coffee"]
    )
    assert drink.choices is not None
    assert [choice.choice_label for choice in drink.choices] == ["Tea", "Coffee"]
    value = models.CustomFieldValue(
        custom_field_id=drink.custom_field_id, choice_ids=[str(drink.choices[1].choice_id)]
    )
    jo = await make(async_client, "jo", custom_fields=[value])
    assert jo.custom_fields == [value]
    choices = [drink.choices[1], models.Choice(choice_label="Milk")]
    changed = await async_client.custom_fields.update(drink.custom_field_id, label="Drinks", choices=choices)
    assert changed.label == "Drinks"
    assert (await async_client.custom_fields.find("shoe SIZE")) is not None
    assert {one.label async for one in async_client.custom_fields.list()} == {"Shoe size", "Drinks"}
    await async_client.custom_fields.delete(size.custom_field_id)
    with pytest.raises(NotFound):
        await async_client.custom_fields.get(size.custom_field_id)
