"""The check of the values that contacts hold of custom fields. V3 contract 4.2."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everlist.core.custom_fields import MAX_NAME, TYPES, Choice, CustomField, checked_value, slug
from everlist.errors import Invalid

NOW = datetime(2026, 1, 1, tzinfo=UTC)
quick = settings(max_examples=200, deadline=None, database=None)


def field(kind: str, version: int = 1, choices: tuple[Choice, ...] = (), **metadata: Any) -> CustomField:
    return CustomField(UUID(int=1), "Field", "field", kind, metadata, version, choices, NOW, NOW)


def choice(choice_id: int, label: str, deleted_at: date | None = None) -> Choice:
    return Choice(choice_id, label, choice_id, NOW, NOW, deleted_at)


COLOURS = (choice(10001, "Red"), choice(10002, "Green"), choice(10003, "Gone", NOW.date()))


def refused(of: CustomField, value: str | None, choice_ids: list[str] | None = None) -> None:
    with pytest.raises(Invalid, match="custom_fields: Field: not a valid value"):
        checked_value(of, value, choice_ids)


@pytest.mark.parametrize("kind", TYPES)
def test_an_empty_value_is_none(kind: str) -> None:
    of = field(kind, 2, COLOURS if kind.endswith("select") else ())
    assert checked_value(of, None, None) is None
    assert checked_value(of, "", None) is None
    assert checked_value(of, None, []) is None


@pytest.mark.parametrize("kind", ["string", "text_area"])
def test_texts(kind: str) -> None:
    for text in ("x", " ", "ñ" * 255, "12", "\n"):
        assert checked_value(field(kind), text, None) == text
    refused(field(kind), "x" * 256)


@pytest.mark.parametrize(("text", "value"), [("true", "true"), ("TRUE", "true"), ("False", "false")])
def test_booleans(text: str, value: str) -> None:
    assert checked_value(field("boolean"), text, None) == value


@pytest.mark.parametrize("text", ["yes", "1", "0", "t", " true"])
def test_what_is_no_boolean(text: str) -> None:
    refused(field("boolean"), text)


NUMBERS: list[tuple[dict[str, Any], str, bool]] = [
    ({}, "12", True),
    ({}, "12.3456", True),
    ({}, "12.34567", False),
    ({}, "-12", False),
    ({"allow_negative": False}, "-12", False),
    ({"allow_negative": True}, "-12.5", True),
    ({"integer": True}, "12", True),
    ({"integer": True}, "12.0", False),
    ({"integer": True, "decimal_places": 2}, "12.1", False),
    ({"integer": False, "decimal_places": 2}, "12.34", True),
    ({"integer": False, "decimal_places": 2}, "12.345", False),
    ({}, "9" * 30, True),
    ({}, "9" * 31, False),
    ({}, "1,000", False),
    ({}, "1e5", False),
    ({}, "0x10", False),
    ({}, "٣", False),
    ({}, "+1", False),
    ({}, " 1", False),
    ({}, "1\n", False),
    ({}, "Infinity", False),
]


@pytest.mark.parametrize("kind", ["number", "currency"])
@pytest.mark.parametrize(("metadata", "text", "valid"), NUMBERS, ids=str)
def test_numbers(kind: str, metadata: dict[str, Any], text: str, valid: bool) -> None:
    of = field(kind, **metadata)
    if valid:
        assert checked_value(of, text, None) == text
    else:
        refused(of, text)


def test_dates_of_both_versions() -> None:
    assert checked_value(field("date"), "next week", None) == "next week"
    assert checked_value(field("date", 2), "3/9/2001", None) == "2001-03-09"
    for text in ("next week", "2001-02-30", "2001-03-09T00:00:00Z"):
        refused(field("date", 2), text)


def test_datetimes() -> None:
    for text in ("2001-03-09T10:00:00Z", "2001-03-09 10:00:00 UTC", "2001-03-09", "3/9/2001"):
        assert checked_value(field("datetime", 2), text, None) == text
    for text in ("noon", "10:00", "2001-03-09T25:00:00Z"):
        refused(field("datetime", 2), text)


def test_single_selects() -> None:
    of = field("single_select", choices=COLOURS)
    assert checked_value(of, None, ["10001"]) == ["10001"]
    assert checked_value(of, "red", None) == checked_value(of, "10001", None) == ["10001"]
    assert checked_value(of, "ignored", ["10002"]) == ["10002"]
    assert checked_value(of, None, ["10001", "10001"]) == ["10001"]
    refused(of, None, ["10001", "10002"])
    refused(of, None, ["10004"])
    refused(of, "white")


def test_a_choice_that_was_taken_out_is_taken_by_its_id_only() -> None:
    of = field("multi_select", choices=COLOURS)
    assert checked_value(of, None, ["10003", "10001"]) == ["10003", "10001"]
    assert checked_value(of, "10003", None) == ["10003"]
    refused(of, "gone")


def test_choice_ids_of_what_is_no_select_are_ignored() -> None:
    assert checked_value(field("string"), "x", ["10001"]) == "x"
    assert checked_value(field("string"), None, ["10001"]) is None


def test_live_choices_stand_in_their_order() -> None:
    first, second, gone = COLOURS
    of = field("single_select", choices=(Choice(1, "last", 9, NOW, NOW), second, gone, first))
    assert [one.choice_label for one in of.live_choices] == ["last", "Red", "Green"]


@quick
@given(
    st.sampled_from(TYPES),
    st.sampled_from([1, 2]),
    st.none() | st.text(max_size=300),
    st.none() | st.lists(st.text(max_size=6)),
)
def test_no_value_is_too_odd(
    kind: str, version: int, value: str | None, choice_ids: list[str] | None
) -> None:
    try:
        checked = checked_value(field(kind, version, COLOURS), value, choice_ids)
    except Invalid:
        return
    assert checked is None or len(checked) <= 255
    assert checked != ""
    assert checked != []


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Customer ID", "customer_id"),
        (" Home  Town ", "home__town"),
        ("a\tb", "a_b"),
        ("Größe", "größe"),
        ("x", "x"),
    ],
)
def test_slugs(label: str, name: str) -> None:
    assert slug(label) == name


@quick
@given(st.text(min_size=1, max_size=50))
def test_a_slug_is_no_longer_than_a_label(label: str) -> None:
    assert len(slug(label)) <= MAX_NAME
