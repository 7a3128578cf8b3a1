"""/everlist/v1/usage: how many contacts are active, and were in a month."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING

import msgspec

from everlist.core import usage
from everlist.rest.errors import invalid, json_response, whole_seconds

if TYPE_CHECKING:
    from starlette.responses import Response

    from everlist.rest.call import Call

_MONTH = re.compile(r"\d{4}-\d\d", re.ASCII)


class ActiveContactsOut(msgspec.Struct, omit_defaults=True):
    month: str
    time_zone: str
    current: int
    peak: int
    peak_at: datetime | None
    distinct: int
    days: list[usage.Day]
    peak_cause: usage.Cause | None = None


async def get_active_contacts(call: Call) -> Response:
    """GET /usage/active_contacts?month=YYYY-MM: the peak, the distinct contacts and the days of a month."""
    text = call.query().text("month")
    month = await usage.of_month(call.db, call.account_id, _first_day(text) if text else None, now=call.now)
    answer = ActiveContactsOut(
        month=month.month,
        time_zone=month.time_zone,
        current=month.current,
        peak=month.peak,
        peak_at=whole_seconds(month.peak_at),
        distinct=month.distinct,
        days=list(month.days),
        peak_cause=month.peak_cause,
    )
    return json_response(answer)


def _first_day(text: str) -> date:
    if not _MONTH.fullmatch(text):
        raise invalid("month")
    try:
        first = date.fromisoformat(text + "-01")
    except ValueError:
        raise invalid("month") from None
    if not 1970 <= first.year <= 2999:
        raise invalid("month")
    return first
