"""Turn a ContactFilter into SQL: conditions on contacts are composed only here. V3 contract 3.8."""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import msgspec

from everlist.core.consent import MAILABLE

STATUSES = ("all", "active", "deleted", "not_set", "pending_confirmation", "temp_hold", "unsubscribed")
"""`active` is mailable: explicit or implicit. All but `all` and `deleted` leave deleted contacts out."""


class ContactFilter(msgspec.Struct, frozen=True):
    """Contacts that meet every condition that is not None."""

    statuses: frozenset[str] = frozenset()
    """Words of STATUSES, joined by OR; an empty set means every contact that is not deleted."""
    email_key: str | None = None
    list_ids: tuple[UUID, ...] | None = None
    """On at least one of these lists."""
    tag_ids: tuple[UUID, ...] | None = None
    """With at least one of these tags."""
    updated_after: datetime | None = None
    updated_before: datetime | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    opted_out_after: datetime | None = None
    opted_out_before: datetime | None = None
    custom_field_ids: tuple[UUID, ...] | None = None
    """With a value of at least one of these fields."""
    contact_ids: tuple[UUID, ...] | None = None
    except_ids: tuple[UUID, ...] | None = None
    opted_in_after: datetime | None = None
    sms_permissions: frozenset[str] | None = None
    """Words of SMS_PERMISSIONS; an empty set means any contact with an SMS number."""


_COMPARED: tuple[tuple[str, LiteralString, LiteralString], ...] = (
    ("email_key", " and c.email_key = ", ""),
    ("updated_after", " and c.updated_at > ", ""),
    ("updated_before", " and c.updated_at < ", ""),
    ("created_after", " and c.created_at > ", ""),
    ("created_before", " and c.created_at < ", ""),
    ("opted_out_after", " and c.opt_out_at > ", ""),
    ("opted_out_before", " and c.opt_out_at < ", ""),
    ("opted_in_after", " and c.opt_in_at > ", ""),
    ("custom_field_ids", " and c.custom_fields ?| ", "::uuid[]::text[]"),
    ("contact_ids", " and c.contact_id = any(", ")"),
    ("except_ids", " and c.contact_id <> all(", ")"),
)
"""A field of ContactFilter, and the SQL before and after its parameter."""


def conditions(wanted: ContactFilter, args: list[Any]) -> LiteralString:
    """Return the conditions on `contact c`, each beginning with ` and`, and add their values to `args`.

    The first of `args` is the account.
    """
    sql: LiteralString = _status(wanted.statuses, args)
    if wanted.list_ids is not None:
        sql += (
            " and exists (select from list_membership m where m.account_id = $1"
            " and m.contact_id = c.contact_id and m.list_id = " + _one_or_any(args, wanted.list_ids) + ")"
        )
    if wanted.tag_ids is not None:
        sql += (
            " and exists (select from tagging t where t.account_id = $1"
            " and t.contact_id = c.contact_id and t.tag_id = " + _one_or_any(args, wanted.tag_ids) + ")"
        )
    for field, before, behind in _COMPARED:
        value: datetime | str | tuple[UUID, ...] | None = getattr(wanted, field)
        if value is not None:
            sql += before + parameter(args, list(value) if isinstance(value, tuple) else value) + behind
    if wanted.sms_permissions is not None:
        sql += " and c.sms_number is not null"
        if wanted.sms_permissions:
            sql += " and c.sms_permission = any(" + parameter(args, sorted(wanted.sms_permissions)) + ")"
    return sql


def _status(statuses: frozenset[str], args: list[Any]) -> LiteralString:
    if not statuses:
        return " and c.deleted_at is null"
    if "all" in statuses:
        return ""
    permissions = [status for status in sorted(statuses) if status not in ("active", "deleted")]
    if "active" in statuses:
        permissions += MAILABLE
    if not permissions:
        return " and c.deleted_at is not null"
    # One permission alone lets the planner walk the index of the rare ones in the order of the page.
    one_or_any = parameter(args, permissions[0]) if len(permissions) == 1 else _any(args, permissions)
    live: LiteralString = "c.deleted_at is null and c.permission = " + one_or_any
    return " and (" + live + " or c.deleted_at is not null)" if "deleted" in statuses else " and " + live


_PARAMETERS: tuple[LiteralString, ...] = (
    *("$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11", "$12"),
    *("$13", "$14", "$15", "$16", "$17", "$18", "$19", "$20"),
)


def parameter(args: list[Any], value: object) -> LiteralString:
    """Add a value to `args` and return the `$n` that stands for it."""
    args.append(value)
    return _PARAMETERS[len(args) - 1]


def _one_or_any(args: list[Any], ids: tuple[UUID, ...]) -> LiteralString:
    # One id alone lets the planner walk the index of that list in the order of the page.
    if len(ids) == 1:
        return parameter(args, ids[0])
    return _any(args, list(ids))


def _any(args: list[Any], values: list[Any]) -> LiteralString:
    return "any(" + parameter(args, values) + ")"


def followed_time(wanted: ContactFilter) -> LiteralString | None:
    """Return the name of the time by which contacts are filtered, if an index has its order."""
    if wanted.updated_after is not None or wanted.updated_before is not None:
        return "updated_at"
    if wanted.opted_out_after is not None or wanted.opted_out_before is not None:
        return "opt_out_at"
    return None
