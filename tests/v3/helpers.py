"""Short ways to say what the tests of V3 say often."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from tests.conftest import Api, Reply, Sql

NOBODY = "0b6e2c80-9c1e-11f0-8d55-0242ac120002"
"""An id that nothing has."""

CORE = (
    "first_name",
    "last_name",
    "job_title",
    "company_name",
    "birthday_month",
    "birthday_day",
    "anniversary",
)
ARRAYS = ("custom_fields", "list_memberships", "phone_numbers", "street_addresses", "taggings", "notes")
INCLUDES = (*ARRAYS, "sms_channel")


def post_contact(api: Api, **body: Any) -> Any:
    """A contact that the account makes, unless `create_source` says otherwise."""
    reply = api.post("/contacts", {"create_source": "Account", **body})
    assert reply.status == 201, f"201 was expected, but {reply}"
    return reply.json


def email(address: str, permission: str | None = None, **more: Any) -> dict[str, Any]:
    """An email_address."""
    asked = {} if permission is None else {"permission_to_send": permission}
    return {"address": address, **asked, **more}


def put_contact(api: Api, contact_id: str, /, **body: Any) -> Any:
    """An update by the account, unless `update_source` says otherwise."""
    reply = api.put(f"/contacts/{contact_id}", {"update_source": "Account", **body})
    assert reply.status == 200, f"200 was expected, but {reply}"
    return reply.json


def get_contact(api: Api, contact_id: str, *include: str) -> Any:
    reply = api.get(f"/contacts/{contact_id}", **({"include": ",".join(include)} if include else {}))
    assert reply.status == 200, f"200 was expected, but {reply}"
    return reply.json


def sign_up(api: Api, **body: Any) -> Reply:
    return api.post("/contacts/sign_up_form", body)


def new_list(api: Api, name: str = "", **body: Any) -> str:
    reply = api.post("/contact_lists", {"name": name or f"list {uuid4()}", **body})
    assert reply.status == 201, f"201 was expected, but {reply}"
    return reply.json["list_id"]


def new_lists(api: Api, count: int) -> list[str]:
    return [new_list(api, f"list {number}") for number in range(count)]


def new_tag(api: Api, name: str = "") -> str:
    reply = api.post("/contact_tags", {"name": name or f"tag {uuid4()}"})
    assert reply.status == 201, f"201 was expected, but {reply}"
    return reply.json["tag_id"]


def new_field(api: Api, label: str = "", kind: str = "string", **body: Any) -> str:
    reply = api.post("/contact_custom_fields", {"label": label or f"field {uuid4()}", "type": kind, **body})
    assert reply.status == 201, f"201 was expected, but {reply}"
    return reply.json["custom_field_id"]


def sms(number: str, permission: str = "explicit", **consent: Any) -> dict[str, Any]:
    """An sms_channel as POST and PUT take it."""
    given = {"sms_consent_permission": permission, "consent_type": "promotional_sms", **consent}
    return {"full_sms_address": number, "sms_channel_consents": [given]}


def sms_form(number: str, permission: str = "explicit", **consent: Any) -> dict[str, Any]:
    """An sms_channel as the sign-up form takes it."""
    given = {
        "sms_consent_permission": permission,
        "consent_type": "promotional_sms",
        "consent_medium_type": "LF",
        "consent_medium_url": "https://example.org/form",
        "consent_medium_details": "the form on the front page",
        "advertised_frequency": 4,
        "advertised_interval": "monthly",
    }
    return {
        "sms_address": number,
        "dial_code": "1",
        "country_code": "US",
        "sms_channel_consents": [{**given, **consent}],
    }


def refused(reply: Reply, status: int, *texts: str) -> None:
    """The reply is an error of that status, and its message has these texts."""
    assert reply.status == status, f"{status} was expected, but {reply}"
    found = reply.json if isinstance(reply.json, list) else [reply.json]
    for text in texts:
        assert text in found[0]["error_message"], f"The error should say {text!r}, but {reply}"


def ids(contacts: Iterable[Any]) -> list[str]:
    return [contact["contact_id"] for contact in contacts]


def found(api: Api, **params: Any) -> list[str]:
    """The ids that GET /contacts finds, on all pages, in order."""
    replies = list(api.pages("/contacts", **params))
    for reply in replies:
        assert reply.status == 200, f"200 was expected, but {reply}"
    return [one for reply in replies for one in ids(reply.json["contacts"])]


def moment(text: str) -> datetime:
    """A date-time of a response."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


class Behind:
    """What the database holds of one account."""

    def __init__(self, sql: Sql, account_id: UUID) -> None:
        self.sql = sql
        self.account_id = account_id

    def rows(self, table: str, order: str = "1, 2, 3") -> list[dict[str, Any]]:
        query = f"select * from {table} where account_id = $1 order by {order}"
        return [dict(row) for row in self.sql(query, self.account_id)]

    def contact(self, contact_id: str) -> dict[str, Any]:
        query = "select * from contact where account_id = $1 and contact_id = $2"
        rows = self.sql(query, self.account_id, UUID(contact_id))
        assert len(rows) == 1, f"The table contact has {len(rows)} rows of contact {contact_id}, not 1."
        return dict(rows[0])

    def events(self, contact_id: str | None = None, channel: str = "email") -> list[dict[str, Any]]:
        """The ledger, oldest first."""
        return [
            row
            for row in self.rows("consent_event", "event_id")
            if row["channel"] == channel and contact_id in (None, str(row["contact_id"]))
        ]

    def moves(self, contact_id: str | None = None) -> list[tuple[str, str | None, str | None, str]]:
        """(action, permission before, permission after, source) of the ledger's e-mail events."""
        return [
            (row["action"], row["permission_before"], row["permission_after"], row["source"])
            for row in self.events(contact_id)
        ]

    def active(self) -> list[tuple[int, int]]:
        """(change, first this month) of every move of the number of active contacts."""
        return [(row["change"], row["first_this_month"]) for row in self.rows("active_delta", "delta_id")]

    def counters(self) -> dict[tuple[str, str], int]:
        """The counters other than zero: by name, and by subject where there is one."""
        query = """
            select name, subject, sum(value)::int as value from (
                select name, subject, value from counter where account_id = $1
                union all select name, subject, change from counter_delta where account_id = $1
            ) parts group by name, subject having sum(value) <> 0"""
        rows = self.sql(query, self.account_id)
        return {(row["name"], _subject(row["subject"])): row["value"] for row in rows}

    def everything(self) -> dict[str, list[str]]:
        """Every row of every table that has an account_id, as text: to see that nothing changed."""
        tables = self.sql(
            "select table_name from information_schema.columns where table_schema = 'public'"
            " and column_name = 'account_id' and table_name not in ('account', 'api_token') order by 1"
        )
        return {
            table: [
                row[0]
                for row in self.sql(
                    f"select t::text from {table} t where account_id = $1 order by 1", self.account_id
                )
            ]
            for (table,) in tables
        }


def _subject(subject: UUID | None) -> str:
    return "" if subject is None or not subject.int else str(subject)
