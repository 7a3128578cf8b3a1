"""`everlist usage`: the active contacts of a month as a chart."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from everlist.commands import output
from everlist.commands.session import CommandError, ExitStatus, Session, api_command

if TYPE_CHECKING:
    from datetime import datetime

    from everlist.client.models import Usage

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_HEIGHT = 8


@click.command("usage")
@click.argument("month", required=False, metavar="[YYYY-MM]")
@click.option("--ascii", "is_ascii", is_flag=True, help="Draw the chart with ASCII characters only.")
@api_command
def usage(session: Session, month: str | None, is_ascii: bool) -> None:
    """Show the active contacts of a month as a chart.

    Draws the maximum of each day. Prints the peak, its time and cause, and the number of distinct active contacts.

    Example: everlist usage
    """
    if month is not None and not _is_month(month):
        raise CommandError(f"{month}: give the month as YYYY-MM, such as 2026-11", ExitStatus.USAGE)
    month_usage = session.client.account.usage(month)
    if session.as_json:
        output.line(month_usage)
        return
    click.echo(f"Active contacts, {month_usage.month} ({month_usage.time_zone})\n")
    blocks = not is_ascii and output.is_unicode()
    for line in chart(month_usage, blocks=blocks):
        click.echo(line)
    click.echo()
    output.pairs(
        (
            ("Now", output.number(month_usage.current)),
            ("Peak", output.number(month_usage.peak)),
            ("When", _local_time(month_usage, month_usage.peak_at)),
            ("Cause", _cause(month_usage)),
            ("Distinct", output.number(month_usage.distinct)),
        )
    )


def _is_month(text: str) -> bool:
    year, _, month = text.partition("-")
    return len(year) == 4 and len(month) == 2 and (year + month).isdecimal()


def peak_line(usage: Usage) -> str:
    """Return a sentence with the peak and its time."""
    when = f", first reached on {_local_time(usage, usage.peak_at)}" if usage.peak_at else ""
    return f"Peak of {usage.month}: {usage.peak or 0:,} active contacts{when}."


def _local_time(usage: Usage, time: datetime | None) -> str:
    """Format a time in the account's zone, or in UTC if this machine has no time zone data."""
    try:
        return output.moment(time, ZoneInfo(usage.time_zone))
    except ZoneInfoNotFoundError:
        return f"{output.moment(time, UTC)} UTC"


def _cause(usage: Usage) -> str:
    cause = usage.peak_cause
    if cause is None:
        return "already reached when the month began" if usage.peak else ""
    if cause.activity_id:
        return f"{cause.operation}, activity {cause.activity_id}"
    return cause.operation + (f", request {cause.request_id}" if cause.request_id else "")


def chart(usage: Usage, *, blocks: bool) -> list[str]:
    """Return the lines of a chart: a column with the maximum of each day, and a mark below the peak.

    If the days differ little, the axis starts above 0, at the number at its lower end.
    """
    if not usage.days or not usage.peak:
        return ["(no active contacts)"]
    highs = [day.high for day in usage.days]
    floor = _floor(min(highs), max(highs))
    labels = {_HEIGHT: f"{max(highs):,}", 1: f"{floor:,}"}
    label_width = max(len(label) for label in labels.values())
    lines: list[str] = []
    for level in range(_HEIGHT, 0, -1):
        bars = (_cell((high - floor) / (max(highs) - floor), level, blocks=blocks) for high in highs)
        lines.append(f"{labels.get(level, ''):>{label_width}} {'▕' if blocks else '|'}{' '.join(bars)}")
    marks = "  " * highs.index(max(highs)) + ("▲" if blocks else "^")
    numbers = "".join(f"{day.day.day:<10}" for day in usage.days if day.day.day % 5 == 1)
    return [
        line.rstrip() for line in (*lines, f"{'':>{label_width}}  {marks}", f"{'':>{label_width}}  {numbers}")
    ]


def _floor(lowest: int, highest: int) -> int:
    """Return the start of the axis: 0, or a round number below `lowest` if that is over half of `highest`."""
    if lowest * 2 < highest or lowest == highest:
        return 0
    step = 10 ** max(0, len(str(highest - lowest)) - 1)
    return max(0, (lowest - (highest - lowest) // 2) // step * step)


def _cell(share: float, level: int, *, blocks: bool) -> str:
    """Return the character of a column at one level; a share above 0 is always visible."""
    filled = share * _HEIGHT - (level - 1)
    must_show = level == 1 and filled > 0
    if not blocks:
        return "#" if filled >= 0.5 or must_show else " "
    return _EIGHTHS[min(8, max(1 if must_show else 0, round(filled * 8)))]
