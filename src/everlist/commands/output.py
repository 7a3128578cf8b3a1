"""Prints tables for people and JSON lines for programs."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from datetime import tzinfo

    from rich.console import Console

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_BLOCK = 500
"""The rows that are laid out together; a table is printed while its rows arrive."""
_UNLIMITED_WIDTH = 100_000
_UNWRAPPED = ("Id", "Created", "Updated", "When", "State")
"""The titles of columns that are never wrapped."""


def is_styled(stream: IO[str]) -> bool:
    """Return True if the stream is a terminal that shows colours, and NO_COLOR is not set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def console(stream: IO[str] | None = None) -> Console:
    """Return a console for the stream (default: standard output), without control sequences if it is not styled."""
    from rich.console import Console

    file: IO[str] = sys.stdout if stream is None else stream
    styled = is_styled(file)
    return Console(
        file=file,
        force_terminal=styled,
        color_system="auto" if styled else None,
        width=None if file.isatty() else _UNLIMITED_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
    )


def clean(value: object) -> str:
    """Return the value as one line without control characters; empty for None.

    Security: a contact's name may contain escape sequences, which must not reach the terminal.
    """
    return "" if value is None else _CONTROL_CHARACTERS.sub(" ", str(value))


def moment(time: datetime | None, zone: tzinfo | None = None) -> str:
    """Format a time in the zone (default: this machine's); empty for None."""
    return "" if time is None else time.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def number(value: int | None) -> str:
    """Format a count with thousands separators; empty for None."""
    return "" if value is None else f"{value:,}"


def count_of(value: int, noun: str) -> str:
    """Format a count with its noun: `1 contact`, `4,000 contacts`, `2 addresses`."""
    plural = noun + ("es" if noun.endswith("s") else "s") if not noun.endswith("y") else noun[:-1] + "ies"
    return f"{value:,} {noun if value == 1 else plural}"


def line(value: Any) -> None:
    """Print a value as JSON on one line."""
    import msgspec

    click.echo(msgspec.json.encode(value))


def lines(values: Iterable[Any]) -> None:
    """Print values as JSON, one per line, as they arrive."""
    for value in values:
        line(value)


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Print a table while its rows arrive. Return the number of rows. A title with a leading `>` aligns right."""
    from rich.table import Table
    from rich.text import Text

    target = console()
    widths = [len(title.removeprefix(">")) for title in titles]
    is_piped = target.width == _UNLIMITED_WIDTH
    total = 0
    for block in _blocks(iter(rows)):
        grid = Table(
            box=None, pad_edge=False, show_header=total == 0, header_style="bold", padding=(0, 2, 0, 0)
        )
        cells = [[Text(clean(value)) for value in row] for row in block]
        for index, title in enumerate(titles):
            widths[index] = max(widths[index], *(row[index].cell_len for row in cells))
            grid.add_column(
                title.removeprefix(">"),
                justify="right" if title.startswith(">") else "left",
                overflow="fold",
                no_wrap=title in _UNWRAPPED,
                # In a pipe, columns keep the width of earlier blocks, so that the whole table stays aligned.
                min_width=widths[index] if is_piped else None,
            )
        for row in cells:
            grid.add_row(*row)
        _print(target, grid)
        total += len(block)
    return total


def _blocks(rows: Iterator[Sequence[object]]) -> Iterator[list[Sequence[object]]]:
    while block := list(islice(rows, _BLOCK)):
        yield block


def counts(rows: Iterable[tuple[str, int | None]]) -> None:
    """Print names and counts as two columns; leaves out 0 and None."""
    texts = [(name, f"{count:,}") for name, count in rows if count]
    name_width = max((len(name) for name, _ in texts), default=0)
    count_width = max((len(count) for _, count in texts), default=0)
    for name, count in texts:
        click.echo(f"  {name:<{name_width}}  {count:>{count_width}}")


def pairs(rows: Iterable[tuple[str, object]]) -> None:
    """Print names and values as two columns; leaves out empty values."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        if value not in (None, "", []):
            grid.add_row(Text(name), Text(clean(value)))
    if grid.row_count:
        _print(console(), grid)


def _print(target: Console, grid: object) -> None:
    """Print without the blanks that rich adds up to the width of the terminal."""
    with target.capture() as captured:
        target.print(grid)
    for text in captured.get().splitlines():
        click.echo(text.rstrip(), color=True)


def is_unicode() -> bool:
    """Return True if standard output can encode the characters of the chart."""
    try:
        "█▁…".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
