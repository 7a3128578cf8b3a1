# Made from tests/client/_async/test_everlists_own.py by `make client`: edit that.
"""What Everlist adds to the vendor's API, through the client."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from everlist.client import Client, Conflict, NotFound, models
from tests.client._sync.test_contacts import make


def test_the_meter_knows_the_month(sync_client: Client) -> None:
    make(sync_client, "ann")
    make(sync_client, "bea")
    usage = sync_client.account.usage()
    assert (usage.current, usage.peak, usage.distinct) == (2, 2, 2)
    assert usage.peak_cause is not None
    assert usage.peak_cause.operation == "POST /v3/contacts"
    assert usage.days[-1].high == 2
    assert (sync_client.account.usage(usage.month)).peak == 2


def test_an_address_is_explained(sync_client: Client) -> None:
    assert (sync_client.contacts.explain("new@example.org")).state == "never_seen"
    ann = make(sync_client, "ann")
    sync_client.contacts.delete(ann.contact_id)
    explained = sync_client.contacts.explain("ann@example.org")
    assert (explained.state, explained.contact_id) == ("deleted", ann.contact_id)
    assert explained.next_call.path == f"/v3/contacts/{ann.contact_id}"
    assert explained.by is not None
    assert explained.by.action == "deleted"


def test_the_ledger_of_a_contact_is_walked_and_read_at_a_time(sync_client: Client) -> None:
    ann = make(sync_client, "ann")
    for permission in ("explicit", "unsubscribed"):
        email = models.EmailAddress(address="ann@example.org", permission_to_send=permission)
        sync_client.contacts.change(ann.contact_id, update_source="Contact", email_address=email)
    events = [one for one in sync_client.contacts.consent(ann.contact_id, limit=2)]
    assert [one.permission_after for one in events] == ["implicit", "explicit", "unsubscribed"]
    state = sync_client.contacts.consent_as_of(ann.contact_id, datetime.now(UTC))
    assert state.channels["email"].may_send is False
    state = sync_client.contacts.consent_as_of(ann.contact_id, events[1].at)
    assert state.channels["email"].permission == "explicit"
    record = sync_client.contacts.record(ann.contact_id)
    assert "ann@example.org" in str(record)
    links = sync_client.contacts.links(ann.contact_id)
    assert links.headers["List-Unsubscribe"] == f"<{links.one_click_url}>"


def test_people_are_erased_one_and_many(sync_client: Client, working: None) -> None:
    ann, bea = make(sync_client, "ann"), make(sync_client, "bea")
    erasure = sync_client.contacts.erase(ann.contact_id, reason="asked for it")
    assert erasure.receipt.count(".") == 2
    with pytest.raises(NotFound):
        sync_client.contacts.get(ann.contact_id)
    with pytest.raises(Conflict):
        make(sync_client, "ann")
    activity = sync_client.activities.erase(email_addresses=["bea@example.org"], reason="asked for it")
    activity.wait(timeout=60)
    with pytest.raises(NotFound):
        sync_client.contacts.get(bea.contact_id)
    account = sync_client.account
    assert [one.contact_id for one in account.erasures(activity_id=activity.activity_id)] == [bea.contact_id]
    assert account.erasure(erasure.erasure_id) == erasure
    assert {one.reason for one in account.suppressions()} == {"erasure"}
    assert (account.suppressions(email="ann@example.org").first()) is not None
    account.lift_suppression(email="ann@example.org", reason="came back in person")
    assert (account.suppressions(email="ann@example.org").first()) is None
    assert (account.receipt_keys())["keys"]


def test_settings_are_read_and_changed_one_by_one(sync_account_client: Client) -> None:
    before = sync_account_client.account.settings()
    assert before.time_zone == "UTC"
    changed = sync_account_client.account.change_settings(
        time_zone="Europe/Berlin", sender_email="news@example.org"
    )
    assert (changed.time_zone, changed.sender_email, changed.name) == (
        "Europe/Berlin",
        "news@example.org",
        before.name,
    )
    assert (sync_account_client.account.change_settings(sender_email=None)).sender_email is None
