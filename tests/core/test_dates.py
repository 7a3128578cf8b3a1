"""The spellings of a date. V3 contract 1.3."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everlist.core.dates import parse_date, parse_datetime

quick = settings(max_examples=300, deadline=None, database=None)
DAY = date(2001, 3, 9)


@pytest.mark.parametrize(
    "text",
    [
        "03/09/2001",
        "3/9/2001",
        "2001/03/09",
        "2001/3/9",
        "2001-03-09",
        "2001-3-9",
        "03-09-2001",
        "3-9-2001",
        "3-09-2001",
    ],
)
def test_every_spelling_of_a_date(text: str) -> None:
    assert parse_date(text) == DAY


@pytest.mark.parametrize(
    "text",
    ["", "2001-03/09", "03/09-2001", "09.03.2001", "3/9/01", "2001-3", "20010309", "13/01/2001", "2001-13-01"]
    + [
        "2001-02-29",
        "0000-01-01",
        "2001-03-09T00:00:00Z",
        " 2001-03-09",
        "2001-03-09\n",
        "٢٠٠١-٠٣-٠٩",
        "2001-003-09",
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert parse_date(text) is None


@quick
@given(
    st.dates(),
    st.sampled_from(["{y:04}-{m:02}-{d:02}", "{y:04}/{m}/{d}", "{m}/{d}/{y:04}", "{m:02}-{d}-{y:04}"]),
)
def test_every_date_in_its_spellings(day: date, spelling: str) -> None:
    assert parse_date(spelling.format(y=day.year, m=day.month, d=day.day)) == day


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-01-01T16:37:59.091Z", datetime(2022, 1, 1, 16, 37, 59, 91_000, UTC)),
        ("2022-01-01T16:37:59Z", datetime(2022, 1, 1, 16, 37, 59, 0, UTC)),
        ("2022-01-01T16:37:59+00:00", datetime(2022, 1, 1, 16, 37, 59, 0, UTC)),
        ("2022-01-01T16:37:59 00:00", datetime(2022, 1, 1, 16, 37, 59, 0, UTC)),
        ("2022-01-01T16:37:59-05:00", datetime(2022, 1, 1, 21, 37, 59, 0, UTC)),
        ("2022-01-01T16:37:59 02:00", datetime(2022, 1, 1, 14, 37, 59, 0, UTC)),
        ("2022-01-01 16:37:59 UTC", datetime(2022, 1, 1, 16, 37, 59, 0, UTC)),
        ("2022-01-01 16:37:59 GMT", datetime(2022, 1, 1, 16, 37, 59, 0, UTC)),
        ("2022-01-01 16:37:59UTC", datetime(2022, 1, 1, 16, 37, 59, 0, UTC)),
        ("2022-01-01 16:37:59 -0500", datetime(2022, 1, 1, 21, 37, 59, 0, UTC)),
        ("2022-01-01 16:37:59 +0200", datetime(2022, 1, 1, 14, 37, 59, 0, UTC)),
        ("2022-01-01 16:37:59  0200", datetime(2022, 1, 1, 14, 37, 59, 0, UTC)),
        ("2022-01-01T16:37:59.091000+0000", datetime(2022, 1, 1, 16, 37, 59, 91_000, UTC)),
        ("2022-01-01T16:37:59.091000 0000", datetime(2022, 1, 1, 16, 37, 59, 91_000, UTC)),
        ("2022-01-01T16:37:59.091000", datetime(2022, 1, 1, 16, 37, 59, 91_000, UTC)),
        ("2022-01-01", datetime(2022, 1, 1, 0, 0, 0, 0, UTC)),
        (" 2022-01-01T16:37:59Z ", datetime(2022, 1, 1, 16, 37, 59, 0, UTC)),
    ],
)
def test_every_spelling_of_a_moment(text: str, expected: datetime) -> None:
    found = parse_datetime(text)
    assert found == expected
    assert found is not None
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "1640995200",
        "2022-13-01",
        "2022-01-01T25:00:00Z",
        "2022-01-01T16:37:59+25:00",
        "01/01/2022",
        "UTC",
    ]
    + [
        "2022-01-01T16:37:59Z Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "\x00",
        "2022-01-01T16:37:61Z",
    ],
)
def test_what_is_no_moment(text: str) -> None:
    assert parse_datetime(text) is None


zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@quick
@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=zones),
    st.sampled_from(["%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%d %H:%M:%S.%f %z", "%Y-%m-%d %H:%M:%S.%f%z"]),
    st.booleans(),
)
def test_every_moment_in_its_spellings(moment: datetime, spelling: str, blank: bool) -> None:
    text = moment.strftime(spelling)
    text = text.zfill(len(text) + 4 - text.index("-"))  # strftime leaves a year below 1000 short
    assert parse_datetime(text.replace("+", " ") if blank else text) == moment


@quick
@given(st.text("0123456789-:TZ+ .UTC/W", max_size=32) | st.text(max_size=32))
def test_no_text_is_too_odd(text: str) -> None:
    moment, day = parse_datetime(text), parse_date(text)
    assert moment is None or moment.tzinfo is UTC
    assert day is None or isinstance(day, date)
