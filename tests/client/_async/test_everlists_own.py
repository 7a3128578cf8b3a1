"""What Everlist adds to the vendor's API, through the client."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from everlist.client import AsyncClient, Conflict, NotFound, models
from tests.client._async.test_contacts import make


async def test_the_meter_knows_the_month(async_client: AsyncClient) -> None:
    await make(async_client, "ann")
    await make(async_client, "bea")
    usage = await async_client.account.usage()
    assert (usage.current, usage.peak, usage.distinct) == (2, 2, 2)
    assert usage.peak_cause is not None
    assert usage.peak_cause.operation == "POST /v3/contacts"
    assert usage.days[-1].high == 2
    assert (await async_client.account.usage(usage.month)).peak == 2


async def test_an_address_is_explained(async_client: AsyncClient) -> None:
    assert (await async_client.contacts.explain("new@example.org")).state == "never_seen"
    ann = await make(async_client, "ann")
    await async_client.contacts.delete(ann.contact_id)
    explained = await async_client.contacts.explain("ann@example.org")
    assert (explained.state, explained.contact_id) == ("deleted", ann.contact_id)
    assert explained.next_call.path == f"/v3/contacts/{ann.contact_id}"
    assert explained.by is not None
    assert explained.by.action == "deleted"


async def test_the_ledger_of_a_contact_is_walked_and_read_at_a_time(async_client: AsyncClient) -> None:
    ann = await make(async_client, "ann")
    for permission in ("explicit", "unsubscribed"):
        email = models.EmailAddress(address="ann@example.org", permission_to_send=permission)
        await async_client.contacts.change(ann.contact_id, update_source="Contact", email_address=email)
    events = [one async for one in async_client.contacts.consent(ann.contact_id, limit=2)]
    assert [one.permission_after for one in events] == ["implicit", "explicit", "unsubscribed"]
    state = await async_client.contacts.consent_as_of(ann.contact_id, datetime.now(UTC))
    assert state.channels["email"].may_send is False
    state = await async_client.contacts.consent_as_of(ann.contact_id, events[1].at)
    assert state.channels["email"].permission == "explicit"
    record = await async_client.contacts.record(ann.contact_id)
    assert "ann@example.org" in str(record)
    links = await async_client.contacts.links(ann.contact_id)
    assert links.headers["List-Unsubscribe"] == f"<{links.one_click_url}>"


async def test_people_are_erased_one_and_many(async_client: AsyncClient, working: None) -> None:
    ann, bea = await make(async_client, "ann"), await make(async_client, "bea")
    erasure = await async_client.contacts.erase(ann.contact_id, reason="asked for it")
    assert erasure.receipt.count(".") == 2
    with pytest.raises(NotFound):
        await async_client.contacts.get(ann.contact_id)
    with pytest.raises(Conflict):
        await make(async_client, "ann")
    activity = await async_client.activities.erase(email_addresses=["bea@example.org"], reason="asked for it")
    await activity.wait(timeout=60)
    with pytest.raises(NotFound):
        await async_client.contacts.get(bea.contact_id)
    account = async_client.account
    assert [one.contact_id async for one in account.erasures(activity_id=activity.activity_id)] == [
        bea.contact_id
    ]
    assert await account.erasure(erasure.erasure_id) == erasure
    assert {one.reason async for one in account.suppressions()} == {"erasure"}
    assert (await account.suppressions(email="ann@example.org").first()) is not None
    await account.lift_suppression(email="ann@example.org", reason="came back in person")
    assert (await account.suppressions(email="ann@example.org").first()) is None
    assert (await account.receipt_keys())["keys"]


async def test_settings_are_read_and_changed_one_by_one(async_account_client: AsyncClient) -> None:
    before = await async_account_client.account.settings()
    assert before.time_zone == "UTC"
    changed = await async_account_client.account.change_settings(
        time_zone="Europe/Berlin", sender_email="news@example.org"
    )
    assert (changed.time_zone, changed.sender_email, changed.name) == (
        "Europe/Berlin",
        "news@example.org",
        before.name,
    )
    assert (await async_account_client.account.change_settings(sender_email=None)).sender_email is None
