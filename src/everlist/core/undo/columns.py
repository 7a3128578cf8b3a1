"""The columns of a contact that an undo puts back, as pieces of its statement.

`i` is what the activity made of the contact, `c` the contact as it is.
"""

from __future__ import annotations

from typing import LiteralString

from everlist.core.contacts.columns import PLAIN

_GROUPS: tuple[tuple[LiteralString, tuple[tuple[LiteralString, LiteralString], ...]], ...] = (
    (
        "address",
        (
            *(("email", "text"), ("email_key", "text"), ("email_created_at", "timestamptz")),
            *(("email_updated_at", "timestamptz"), ("permission", "text"), ("opt_in_source", "text")),
            ("opt_in_at", "timestamptz"),
        ),
    ),
    ("sms", (("sms_number", "text"), ("sms_permission", "text"), ("sms_channel", "jsonb"))),
)


def _is_back(name: LiteralString, place: LiteralString) -> LiteralString:
    """Whether the contact's column or group is what stands at `place` of its pair: 0 before, 1 after."""
    value: LiteralString = "to_jsonb(c." + name + ")"
    for group, columns in _GROUPS:
        if group == name:
            value = ", ".join("'" + column + "', c." + column for column, _ in columns)
            value = "jsonb_strip_nulls(jsonb_build_object(" + value + "))"
    return (
        "coalesce("
        + value
        + ", 'null') is not distinct from coalesce(i.columns #> '{"
        + name
        + ","
        + place
        + "}', 'null')"
    )


_NAMES: tuple[LiteralString, ...] = (*(name for name, _ in PLAIN), *(name for name, _ in _GROUPS))
_KEYS: dict[LiteralString, LiteralString] = {"address": "email_key", "sms": "sms_number"}


def _may_return(name: LiteralString) -> LiteralString:
    """Whether the address or number before may be on the contact again: nobody has it, and it is not suppressed."""
    for group, key in _KEYS.items():
        if group == name:
            return " and coalesce(i.columns #>> '{" + name + ",0," + key + "}', '') <> all($14::text[])"
    return ""


BACK: LiteralString = ", ".join(
    "(i.columns ? '" + name + "' and " + _is_back(name, "1") + _may_return(name) + ") as " + name + "_back"
    for name in _NAMES
)
"""Of each column or group, as `…_back`: whether it goes back."""
KEPT: LiteralString = ", ".join(
    "case when i.columns ? '"
    + name
    + "' and not ("
    + _is_back(name, "1")
    + _may_return(name)
    + ") and not "
    + _is_back(name, "0")
    + " then '"
    + name
    + "' end"
    for name in _NAMES
)
"""The names of those that do not, as they have changed since."""
ANY_BACK: LiteralString = " or ".join(name + "_back" for name in _NAMES)
"""Whether any goes back."""
PLAIN_AFTER: LiteralString = ", ".join(
    "case when "
    + name
    + "_back then (columns #>> '{"
    + name
    + ",0}')::"
    + kind
    + " else "
    + name
    + " end as "
    + name
    for name, kind in PLAIN
)
"""The columns that stand for themselves, as they shall be."""
GROUPS_AFTER: LiteralString = ", ".join(
    "case when "
    + group
    + "_back then (columns #>> '{"
    + group
    + ",0,"
    + name
    + "}')::"
    + kind
    + " else "
    + name
    + " end as "
    + name
    for group, columns in _GROUPS
    for name, kind in columns
)
"""The columns of the groups, as they shall be."""
SWAPPED: LiteralString = ", ".join(
    "'" + name + "', case when " + name + "_back then"
    " jsonb_build_array(columns -> '" + name + "' -> 1, columns -> '" + name + "' -> 0) end"
    for name in _NAMES
)
"""What the undo changes, as the before-image of the undo has it."""
