"""What the database itself refuses, whoever writes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from everlist.core.consent import PERMISSIONS
from everlist.core.ids import new_id

if TYPE_CHECKING:
    from tests.conftest import Sql

NOW = datetime(2031, 1, 1, tzinfo=UTC)
RISEN = [permission for permission in PERMISSIONS if permission != "unsubscribed"]


def insert(sql: Sql, table: str, row: dict[str, Any]) -> None:
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    sql(f"insert into {table} ({', '.join(row)}) values ({places})", *row.values())


def contact(**columns: Any) -> dict[str, Any]:
    """A contact with an address and nothing else."""
    return {
        "account_id": new_id(),
        "contact_id": new_id(),
        "created_at": NOW,
        "updated_at": NOW,
        "create_source": "Account",
        "email": "ann@example.org",
        "email_key": "ann@example.org",
        "permission": "explicit",
        **columns,
    }


def event(**columns: Any) -> dict[str, Any]:
    """A consent event that changes nothing of note."""
    return {
        "account_id": new_id(),
        "contact_id": new_id(),
        "at": NOW,
        "channel": "email",
        "action": "changed",
        "permission_before": "unsubscribed",
        "permission_after": "unsubscribed",
        "source": "Account",
        "operation": "test",
        **columns,
    }


@pytest.mark.parametrize("permission", RISEN)
@pytest.mark.parametrize("source", ["Account", "System"])
@pytest.mark.parametrize("channel", ["email", "sms"])
def test_consent_only_rises_by_the_person(sql: Sql, permission: str, source: str, channel: str) -> None:
    raised = event(channel=channel, permission_after=permission, opted_out_by="Contact", source=source)
    with pytest.raises(asyncpg.CheckViolationError) as error:
        insert(sql, "consent_event", raised)
    assert error.value.constraint_name == "consent_only_rises_by_the_person"


@pytest.mark.parametrize(
    "columns",
    [
        {"opted_out_by": "Contact", "permission_after": "explicit", "source": "Contact"},
        {"opted_out_by": "Account", "permission_after": "explicit", "source": "Account"},
        {"opted_out_by": None, "permission_after": "explicit", "source": "System"},
        {"opted_out_by": "Contact", "permission_after": "unsubscribed", "source": "Account"},
        {"opted_out_by": "Contact", "permission_after": None, "source": "Account"},
    ],
)
def test_what_the_ledger_takes(sql: Sql, columns: dict[str, Any]) -> None:
    insert(sql, "consent_event", event(**columns))


@pytest.mark.parametrize(
    "columns", [{"channel": "post"}, {"action": "guessed"}, {"source": "Nobody"}, {"source": None}]
)
def test_words_that_the_ledger_does_not_know(sql: Sql, columns: dict[str, Any]) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        insert(sql, "consent_event", event(**columns))


OPTED_OUT = {"permission": "unsubscribed", "opt_out_at": NOW, "opt_out_source": "Contact"}
SMS = {"sms_number": "12025550101", "sms_permission": "explicit", "sms_channel": "{}"}


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"email": None, "email_key": None, "permission": None},
        OPTED_OUT,
        {**OPTED_OUT, "opt_out_reason": "too many mails"},
        SMS,
        {"deleted_at": NOW},
        {"deleted_at": NOW, "deleted_list_ids": []},
    ],
)
def test_contacts_that_can_be(sql: Sql, columns: dict[str, Any]) -> None:
    insert(sql, "contact", contact(**columns))


@pytest.mark.parametrize(
    "columns",
    [
        {"email": None},
        {"email_key": None},
        {"permission": None},
        {"email": None, "email_key": None},
        {"permission": "maybe"},
        {"permission": "unsubscribed"},
        {**OPTED_OUT, "permission": "explicit"},
        {**OPTED_OUT, "opt_out_at": None},
        {**OPTED_OUT, "opt_out_source": None},
        {**OPTED_OUT, "opt_out_source": "System"},
        {"opt_out_source": "Contact"},
        {"opt_out_reason": "too many mails"},
        {"opt_in_source": "System"},
        {"create_source": "System"},
        {"update_source": "System"},
        {**SMS, "sms_number": None},
        {**SMS, "sms_permission": None},
        {**SMS, "sms_channel": None},
        {**SMS, "sms_permission": "implicit"},
        {"deleted_list_ids": []},
        {"birthday_month": 13},
        {"birthday_day": 0},
    ],
)
def test_contacts_that_cannot_be(sql: Sql, columns: dict[str, Any]) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        insert(sql, "contact", contact(**columns))


@pytest.mark.parametrize("columns", [{"deleted_at": NOW}, {"deleted_at": None}])
def test_an_address_is_on_one_contact_of_an_account(sql: Sql, columns: dict[str, Any]) -> None:
    first = contact(**columns)
    insert(sql, "contact", first)
    with pytest.raises(asyncpg.UniqueViolationError):
        insert(sql, "contact", contact(account_id=first["account_id"]))
    insert(sql, "contact", contact())


def test_a_number_is_on_one_contact_of_an_account(sql: Sql) -> None:
    first = contact(**SMS, deleted_at=NOW)
    insert(sql, "contact", first)
    other = {"account_id": first["account_id"], "email": "bob@example.org", "email_key": "bob@example.org"}
    with pytest.raises(asyncpg.UniqueViolationError):
        insert(sql, "contact", contact(**SMS, **other))
    insert(sql, "contact", contact(**other))
    insert(sql, "contact", contact(**SMS))


def test_every_key_begins_with_the_account(sql: Sql) -> None:
    """Whatever is unique is so within one account, so that all of an account can live on one node."""
    rows = sql(
        """
        select i.indexrelid::regclass::text as key, a.attname as first_column
        from pg_index i
        join pg_class t on t.oid = i.indrelid and t.relnamespace = 'public'::regnamespace
        left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indisunique and t.relname not in ('account', 'api_token', 'schema_migration')
        """
    )
    assert rows
    assert {row["key"] for row in rows if row["first_column"] != "account_id"} == set[str]()


def test_no_foreign_key_leaves_an_account(sql: Sql) -> None:
    """Those that there are hold on to account_id at both ends."""
    rows = sql(
        """
        select conname, pg_get_constraintdef(oid) as definition from pg_constraint
        where contype = 'f' and conrelid::regclass::text <> 'api_token'
        """
    )
    within = "FOREIGN KEY (account_id, "
    assert {row["conname"] for row in rows if not row["definition"].startswith(within)} == set[str]()
