"""A contact on the wire is built from positional arguments, seven times faster than from 21 keywords."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from everlist.core.contacts import model
from everlist.v3.contacts import contact_out

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return DAY + timedelta(days=number)


def wire(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


CONTACT = model.Contact(
    contact_id=UUID(int=1),
    created_at=day(1),
    updated_at=day(2),
    deleted_at=day(3),
    create_source="Account",
    update_source="Contact",
    first_name="first",
    last_name="last",
    job_title="job",
    company_name="company",
    birthday_month=4,
    birthday_day=5,
    anniversary=day(6).date(),
    email="a@example.org",
    email_key="key",
    email_created_at=day(7),
    email_updated_at=day(8),
    permission="explicit",
    opt_in_source="in",
    opt_in_at=day(9),
    opt_out_source="out",
    opt_out_at=day(10),
    opt_out_reason="reason",
    confirmed_at=None,
    custom_fields={"field": "value"},
    phone_numbers=(),
    street_addresses=(),
    notes=(),
    list_ids=(UUID(int=11),),
    tag_ids=(UUID(int=12),),
)


def test_every_property_has_its_place() -> None:
    include = frozenset(
        ("custom_fields", "phone_numbers", "street_addresses", "list_memberships", "taggings")
    )
    shown = msgspec.json.decode(msgspec.json.encode(contact_out(CONTACT, include)))
    assert shown == {
        "contact_id": str(UUID(int=1)),
        "created_at": wire(day(1)),
        "updated_at": wire(day(2)),
        "deleted_at": "2026-01-04",
        "create_source": "Account",
        "update_source": "Contact",
        "first_name": "first",
        "last_name": "last",
        "job_title": "job",
        "company_name": "company",
        "birthday_month": 4,
        "birthday_day": 5,
        "anniversary": "2026-01-07",
        "email_address": {
            "address": "a@example.org",
            "permission_to_send": "explicit",
            "created_at": wire(day(7)),
            "updated_at": wire(day(8)),
            "opt_in_source": "in",
            "opt_in_date": wire(day(9)),
            "opt_out_source": "out",
            "opt_out_date": wire(day(10)),
            "opt_out_reason": "reason",
            "confirm_status": "off",
        },
        "custom_fields": [{"custom_field_id": "field", "value": "value"}],
        "phone_numbers": [],
        "street_addresses": [],
        "list_memberships": [str(UUID(int=11))],
        "taggings": [str(UUID(int=12))],
    }


def test_sub_resources_that_are_not_asked_for_are_absent() -> None:
    shown = msgspec.json.decode(msgspec.json.encode(contact_out(CONTACT, frozenset(("notes",)))))
    assert shown["notes"] == []
    assert not shown.keys() & {
        "custom_fields",
        "phone_numbers",
        "street_addresses",
        "list_memberships",
        "taggings",
    }
