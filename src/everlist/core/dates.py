"""Parse the formats of dates and moments that clients send. V3 contract 1.3."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

_YEAR_FIRST = re.compile(r"(\d{4})([/-])(\d{1,2})\2(\d{1,2})", re.ASCII)
_MONTH_FIRST = re.compile(r"(\d{1,2})([/-])(\d{1,2})\2(\d{4})", re.ASCII)
_ZONE_NAME = re.compile(r" ?(?:UTC|GMT)$")


def parse_date(text: str) -> date | None:
    """Parse YYYY-MM-DD, YYYY/M/D, MM/DD/YYYY, M-D-YYYY and the like; return None for anything else."""
    if match := _YEAR_FIRST.fullmatch(text):
        year, _, month, day = match.groups()
    elif match := _MONTH_FIRST.fullmatch(text):
        month, _, day, year = match.groups()
    else:
        return None
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def parse_datetime(text: str) -> datetime | None:
    """Parse a moment in any ISO 8601 form that clients send; return it in UTC, or None for anything else.

    Accepts `2022-01-01T16:37:59.091Z`, `…+00:00` (also with a blank in place of the plus), `…+0000`,
    `2022-01-01 16:37:59 UTC`, `2022-01-01 16:37:59 +0000`, `2022-01-01`. Without a zone, UTC is assumed.
    """
    text = _ZONE_NAME.sub("Z", text.strip())
    if re.search(r":\d\d(\.\d+)? {1,2}\d\d:?\d\d$", text):  # the query string turned a plus into a blank
        head, _, zone = text.rpartition(" ")
        text = f"{head.rstrip()}+{zone}"
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
