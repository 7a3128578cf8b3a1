"""The columns of a contact, named once: every list of them in SQL is made here.

Two columns are not in these lists: `sequence_id`, which the database assigns, and `last_active_at`, which only the
statement in apply.py computes.
"""

from __future__ import annotations

from typing import LiteralString

from everlist.core.values import PARAMETERS

_Columns = tuple[tuple[LiteralString, LiteralString], ...]
"""Names and types of columns, in the order in which every statement lists them."""

_TIMES: _Columns = (
    *(("contact_id", "uuid"), ("created_at", "timestamptz"), ("updated_at", "timestamptz")),
    ("deleted_at", "timestamptz"),
)
_DELETED_LISTS: _Columns = (("deleted_list_ids", "uuid[]"),)
_SOURCES: _Columns = (("create_source", "text"), ("update_source", "text"))
PROPERTIES: _Columns = (
    *(("first_name", "text"), ("last_name", "text"), ("job_title", "text"), ("company_name", "text")),
    *(("birthday_month", "smallint"), ("birthday_day", "smallint"), ("anniversary", "date")),
)
"""What a client says of a person in one value each."""
EMAIL: _Columns = (
    *(("email", "text"), ("email_key", "text")),
    *(("email_created_at", "timestamptz"), ("email_updated_at", "timestamptz")),
    *(("permission", "text"), ("opt_in_source", "text"), ("opt_in_at", "timestamptz")),
    *(("opt_out_source", "text"), ("opt_out_at", "timestamptz"), ("opt_out_reason", "text")),
    ("confirmed_at", "timestamptz"),
)
SMS: _Columns = (("sms_number", "text"), ("sms_permission", "text"), ("sms_channel", "jsonb"))
SUBRESOURCES: _Columns = (
    *(("custom_fields", "jsonb"), ("phone_numbers", "jsonb")),
    *(("street_addresses", "jsonb"), ("notes", "jsonb")),
)
"""What a contact has several of, each kind in one column."""

CORE: _Columns = (*_TIMES, *_SOURCES, *PROPERTIES, *EMAIL)
"""The fields of model.Contact up to its sub-resources, in their order."""
WRITTEN: _Columns = (
    *_TIMES,
    *_DELETED_LISTS,
    *_SOURCES,
    *PROPERTIES,
    *EMAIL,
    *SMS,
    *SUBRESOURCES,
)
"""Every column that a change of a contact writes."""
UPDATED: _Columns = (
    *(("updated_at", "timestamptz"), ("deleted_at", "timestamptz"), ("update_source", "text")),
    *PROPERTIES,
    *EMAIL,
    *SMS,
    *SUBRESOURCES,
)
"""The columns that a change of a contact sets to what they become; `deleted_list_ids` is left out."""


def parameters(columns: _Columns, *, first: int) -> LiteralString:
    """Return a parameter for each column: `$first, …`."""
    return ", ".join(PARAMETERS[first - 1 : first - 1 + len(columns)])


def parameter_assignments(columns: _Columns, *, first: int) -> LiteralString:
    """Return `name = $n` for each column, as the SET of an UPDATE."""
    return ", ".join(
        name + " = " + place for (name, _), place in zip(columns, PARAMETERS[first - 1 :], strict=False)
    )


def names(columns: _Columns, prefix: LiteralString = "") -> LiteralString:
    """Return the names, each with the prefix, as a select list or the columns of an INSERT."""
    return ", ".join(prefix + name for name, _ in columns)


def assignments(columns: _Columns) -> LiteralString:
    """Return `name = n.name` for each column, as the SET of an UPDATE."""
    return ", ".join(name + " = n." + name for name, _ in columns)
