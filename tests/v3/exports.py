"""Short ways to export contacts and read the file."""

from __future__ import annotations

import csv
import io
from typing import Any, NamedTuple

from tests.conftest import Api, Reply
from tests.v3.bulk import Work

ADDRESS_TITLES = ("Street address line 1", "City", "State/Province", "Zip/Postal Code", "Country")
TITLES = [
    *("Email address", "Email status", "Email permission status"),
    *("Email opt-in source", "Email opt-in date"),
    *("Email opt-out source", "Email opt-out date", "Email opt-out reason"),
    *("First name", "Last name", "Company", "Job title"),
    *("Phone - home", "Phone - work", "Phone - mobile", "Phone - other"),
    *(f"{title} - {kind}" for kind in ("Home", "Work", "Other") for title in ADDRESS_TITLES),
    *("Tags", "Email Lists", "Source Name", "Created At", "Updated At"),
    *("Birthday", "birthday_day", "birthday_month", "Anniversary", "Notes"),
    *("sms_number", "sms_consent_date", "sms_status"),
]


class Table(NamedTuple):
    titles: list[str]
    rows: list[dict[str, str]]

    def column(self, title: str) -> list[str]:
        return [row[title] for row in self.rows]


def parsed(reply: Reply) -> Table:
    assert reply.status == 200, reply
    titles, *rows = csv.reader(io.StringIO(reply.body.decode(), newline=""), strict=True)
    assert len(set(titles)) == len(titles)
    return Table(titles, [dict(zip(titles, row, strict=True)) for row in rows])


def queued(api: Api, **body: Any) -> str:
    reply = api.post("/activities/contact_exports", body)
    assert reply.status == 201, reply
    return reply.json["activity_id"]


def exported(api: Api, work: Work, **body: Any) -> Table:
    """The file that an export with this body gives."""
    activity_id = queued(api, **body)
    work()
    return parsed(api.get(f"/contact_exports/{activity_id}"))


def addresses(api: Api, work: Work, **body: Any) -> list[str]:
    """The names in the addresses of the contacts that an export with this body has."""
    return sorted(
        address.partition("@")[0] for address in exported(api, work, **body).column("Email address")
    )
