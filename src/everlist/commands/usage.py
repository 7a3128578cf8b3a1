"""`everlist usage`: the month as a chart."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from everlist.commands import output
from everlist.commands.session import USAGE, Failed, Session, api

if TYPE_CHECKING:
    from datetime import datetime

    from everlist.client.models import Usage

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_HEIGHT = 8


@click.command("usage")
@click.argument("month", required=False, metavar="[YYYY-MM]")
@click.option("--ascii", "plain", is_flag=True, help="Draw with ASCII alone.")
@api
def usage(session: Session, month: str | None, plain: bool) -> None:
    """Show a month's active contacts as a chart.

    It has the most on each day, the peak, when that was and what made it, and how many contacts it were altogether.

    Example: everlist usage
    """
    if month is not None and not _is_month(month):
        raise Failed(f"a month is written as 2026-11, not as {month}", USAGE)
    shown = session.client.account.usage(month)
    if session.as_json:
        output.line(shown)
        return
    click.echo(f"Active contacts, {shown.month} ({shown.time_zone})\n")
    blocks = not plain and output.is_unicode()
    for text in chart(shown, blocks=blocks):
        click.echo(text)
    click.echo()
    output.pairs(
        (
            ("Now", output.number(shown.current)),
            ("Peak", output.number(shown.peak)),
            ("When", _when(shown, shown.peak_at)),
            ("Cause", _cause(shown)),
            ("Distinct", output.number(shown.distinct)),
        )
    )


def _is_month(text: str) -> bool:
    year, _, month = text.partition("-")
    return len(year) == 4 and len(month) == 2 and (year + month).isdecimal()


def peak_of(usage: Usage) -> str:
    """One line about the peak."""
    when = f", first reached on {_when(usage, usage.peak_at)}" if usage.peak_at else ""
    return f"Peak of {usage.month}: {usage.peak or 0:,} active contacts{when}."


def _when(usage: Usage, at: datetime | None) -> str:
    try:
        return output.moment(at, ZoneInfo(usage.time_zone))
    except ZoneInfoNotFoundError:  # a machine without the data of time zones
        return f"{output.moment(at, UTC)} UTC"


def _cause(usage: Usage) -> str:
    cause = usage.peak_cause
    if cause is None:
        return "the month began with it" if usage.peak else ""
    if cause.activity_id:
        return f"{cause.operation}, activity {cause.activity_id}"
    return cause.operation + (f", request {cause.request_id}" if cause.request_id else "")


def chart(usage: Usage, *, blocks: bool) -> list[str]:
    """The highest number of each day as a column, and a mark below the day of the peak.

    The columns begin at 0, or where the days differ little at a number that is written beside them.
    """
    if not usage.days or not usage.peak:
        return ["(nobody was active)"]
    highs = [day.high for day in usage.days]
    floor = _floor(min(highs), max(highs))
    labels = {_HEIGHT: f"{max(highs):,}", 1: f"{floor:,}"}
    left = max(len(label) for label in labels.values())
    texts: list[str] = []
    for level in range(_HEIGHT, 0, -1):
        bars = (_cell((high - floor) / (max(highs) - floor), level, blocks=blocks) for high in highs)
        texts.append(f"{labels.get(level, ''):>{left}} {'▕' if blocks else '|'}{' '.join(bars)}")
    marks = "  " * highs.index(max(highs)) + ("▲" if blocks else "^")
    numbers = "".join(f"{day.day.day:<10}" for day in usage.days if day.day.day % 5 == 1)
    return [text.rstrip() for text in (*texts, f"{'':>{left}}  {marks}", f"{'':>{left}}  {numbers}")]


def _floor(lowest: int, highest: int) -> int:
    """0, or a round number well below the lowest where that is more than half of the highest."""
    if lowest * 2 < highest or lowest == highest:
        return 0
    step = 10 ** max(0, len(str(highest - lowest)) - 1)
    return max(0, (lowest - (highest - lowest) // 2) // step * step)


def _cell(share: float, level: int, *, blocks: bool) -> str:
    """One column at one height; what is not nothing is seen."""
    filled = share * _HEIGHT - (level - 1)
    least = level == 1 and filled > 0
    if not blocks:
        return "#" if filled >= 0.5 or least else " "
    return _EIGHTHS[min(8, max(1 if least else 0, round(filled * 8)))]
