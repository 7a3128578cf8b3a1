"""Replies of the vendor's service as its contract shows them, read by the client."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from everlist.client import AsyncClient, Forbidden, QuotaExceeded, Unauthorized, models
from tests.client.script import Script

New = Callable[..., AsyncClient]


async def test_a_contact_as_it_is_made(async_scripted: New, script: Script) -> None:
    """Contract 3.5."""
    script.say(
        201,
        {
            "contact_id": "5d0c7b1e-9c1e-11f0-9c57-0242ac120002",
            "email_address": {
                "address": "r.okafor@example.org",
                "permission_to_send": "implicit",
                "created_at": "2026-09-29T18:38:06Z",
                "updated_at": "2026-09-29T18:38:06Z",
                "opt_in_source": "Account",
                "opt_in_date": "2026-09-29T18:38:06+00:00",
                "confirm_status": "off",
            },
            "first_name": "Ruth",
            "birthday_month": 4,
            "birthday_day": 9,
            "create_source": "Account",
            "created_at": "2026-09-29T18:38:06Z",
            "updated_at": "2026-09-29T18:38:06.123Z",
            "list_memberships": ["0b6e2c80-9c1e-11f0-8d55-0242ac120002"],
            "street_addresses": [
                {
                    "street_address_id": "5d0f1a2a-9c1e-11f0-9c57-0242ac120002",
                    "kind": "home",
                    "city": "Peoria",
                    "state": "Illinois",
                    "country": "United States",
                    "created_at": "2026-09-29T18:38:06Z",
                    "updated_at": "2026-09-29T18:38:06Z",
                }
            ],
            "something_new": {"of": ["the vendor's"]},
        },
        x_amzn_requestid="gateway-1",
    )
    got = await async_scripted(vendors=True).contacts.create(
        {"create_source": "Account", "first_name": "Ruth"}
    )
    assert got.email_address is not None
    assert got.email_address.opt_in_date == datetime(2026, 9, 29, 18, 38, 6, tzinfo=UTC)
    assert got.update_source is None
    assert got.street_addresses is not None
    assert got.street_addresses[0].state == "Illinois"
    assert str(script.asked[0].url) == "https://api.cc.email/v3/contacts"


async def test_a_deleted_contact_and_one_without_an_address(async_scripted: New, script: Script) -> None:
    """Contract 3.10 and 1.3."""
    script.say(200, {"contact_id": "1", "deleted_at": "2026-09-30", "list_memberships": []})
    got = await async_scripted(vendors=True).contacts.get("1")
    assert (got.deleted_at, got.email, got.list_memberships) == (date(2026, 9, 30), None, [])


async def test_pages_end_where_there_is_no_link(async_scripted: New, script: Script) -> None:
    """Contract 1.5, with the cursors of recorded replies, and the empty forms that its prose has."""
    href = "/v3/contacts?cursor=bGltaXQ9NSZuZXh0PTVkMGM3YjFlLTljMWUtMTFmMC05YzU3LTAyNDJhYzEyMDAwMg=="
    contact = {"contact_id": "5d0c7b1e-9c1e-11f0-9c57-0242ac120002"}
    for end in ({}, {"_links": {}}, {"_links": {"next": None}}):
        script.answers.clear()
        script.say(200, {"contacts": [contact], "contacts_count": 2, "_links": {"next": {"href": href}}})
        script.say(200, {"contacts": [contact], **end})
        got = [one async for one in async_scripted(vendors=True, per_second=None).contacts.list(limit=1)]
        assert len(got) == 2
        assert script.paths[-1].partition("cursor=")[2].startswith("bGltaXQ9NSZuZXh0")


async def test_a_segment_that_is_being_evaluated_is_asked_for_again(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    """Contract 3.8."""
    script.say(202, {"contacts": [], "status": "processing"}).say(
        202, {"contacts": [], "status": "processing"}
    )
    script.say(200, {"contacts": [{"contact_id": "1"}]})
    client = async_scripted(vendors=True, per_second=None)
    assert [one.contact_id async for one in client.contacts.list(segment_id=14)] == ["1"]
    assert len(waits) == 2
    assert min(waits) >= 1


async def test_the_bare_objects_of_the_gateway(async_scripted: New, script: Script) -> None:
    """Contract 1.4."""
    client = async_scripted(vendors=True, per_second=None)
    script.refuse(401, "unauthorized", "Unauthorized")
    with pytest.raises(Unauthorized) as unauthorized:
        await client.contacts.counts()
    assert unauthorized.value.key == "unauthorized"
    script.answers.clear()
    script.say(403, {"message": "Forbidden"}, x_amzn_requestid="gateway-1")
    with pytest.raises(Forbidden, match=r"Forbidden \(request gateway-1\)"):
        await client.contacts.counts()
    script.answers.clear()
    script.refuse(429, "quota_exceeded", "Limit Exceeded")
    with pytest.raises(QuotaExceeded):
        await client.contacts.counts()


async def test_activities_as_they_are_recorded(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    """Contract 6.1, 4.1, 4.3: a status that is empty at first, and errors of one tag's deletion as objects."""
    one = {
        "activity_id": "5d0c7b1e-9c1e-11f0-9c57-0242ac120002",
        "state": "initialized",
        "created_at": "2026-09-29T18:38:06Z",
        "updated_at": "2026-09-29T18:38:06Z",
        "percent_done": 1,
        "activity_errors": [],
        "status": {},
        "_links": {"self": {"href": "/v3/activities/5d0c7b1e-9c1e-11f0-9c57-0242ac120002"}},
    }
    counters = {"items_total_count": 3, "person_count": 2, "error_count": 0, "correctable_count": 1}
    script.say(202, one).say(200, one | {"state": "processing"})
    script.say(
        200, one | {"state": "completed", "status": counters, "activity_errors": [{"message": "Line 2"}]}
    )
    activity = await async_scripted(vendors=True, per_second=None).tags.delete("1")
    assert activity.status == models.ActivityStatus()
    done = await activity.wait()
    assert done.errors == ["Line 2"]
    assert done.status is not None
    assert done.status.correctable_count == 1
    assert waits[0] >= 1


async def test_lists_tags_fields_counts_and_histories(async_scripted: New, script: Script) -> None:
    """Contract 4.1, 4.2, 4.3, 3.8, 3.4."""
    client = async_scripted(vendors=True, per_second=None)
    script.say(200, {"list_id": "1", "name": "News", "created_at": "2026-09-29T18:38:06Z"})
    assert (await client.lists.get("1")).description is None
    script.answers.clear()
    choice = {"choice_id": 52441, "choice_label": "Tea", "display_order": 1, "deleted_at": "2026-09-30"}
    field = {
        "custom_field_id": "1",
        "label": "Drink",
        "name": "drink",
        "type": "single_select",
        "choices": [choice],
    }
    script.say(200, {"custom_fields": [field]})
    choices = (await client.custom_fields.list().page()).items[0].choices
    assert choices is not None
    assert choices[0].choice_id == 52441
    script.answers.clear()
    script.say(200, {"total": 10, "explicit": 3, "implicit": 4, "pending": 1, "unsubscribed": 2})
    assert (await client.contacts.counts()).new_subscriber is None
    script.answers.clear()
    details = {
        "state": "O",
        "source": "C",
        "consent_action_time": "2026-09-29T18:38:06Z",
        "advertised_frequency": 4,
    }
    script.say(200, [{"contact_id": "1", "history_details": details}])
    (entry,) = await client.contacts.sms_history("1")
    assert entry.history_details is not None
    assert entry.history_details.state == "O"
