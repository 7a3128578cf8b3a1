"""What is printed: tables for people, JSON lines for programs."""

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

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_BLOCK = 500
_WIDE = 100_000
_WHOLE = ("Id", "Made", "Updated", "When", "State")
"""Titles of columns that are not broken."""


def is_styled(stream: IO[str]) -> bool:
    """Whether colours and moving bars may be written there: a terminal that can, and nobody who said NO_COLOR."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def console(stream: IO[str] | None = None) -> Console:
    """Writes to standard output, or to that stream, with no control sequence where it is not styled."""
    from rich.console import Console

    file: IO[str] = sys.stdout if stream is None else stream
    styled = is_styled(file)
    return Console(
        file=file,
        force_terminal=styled,
        color_system="auto" if styled else None,
        width=None if file.isatty() else _WIDE,
        highlight=False,
        markup=False,
        emoji=False,
    )


def clean(value: object) -> str:
    """The value as one line of text that does nothing to a terminal; nothing for None."""
    return "" if value is None else _CONTROLS.sub(" ", str(value))


def moment(at: datetime | None, zone: tzinfo | None = None) -> str:
    """The time as people read it: that of this machine, or of the zone."""
    return "" if at is None else at.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def number(value: int | None) -> str:
    """A count with its thousands apart."""
    return "" if value is None else f"{value:,}"


def count_of(value: int, noun: str) -> str:
    """`1 contact`, `4,000 contacts`, `2 addresses`."""
    plural = noun + ("es" if noun.endswith("s") else "s") if not noun.endswith("y") else noun[:-1] + "ies"
    return f"{value:,} {noun if value == 1 else plural}"


def line(value: Any) -> None:
    """One JSON object on a line of its own."""
    import msgspec

    click.echo(msgspec.json.encode(value))


def lines(values: Iterable[Any]) -> None:
    """One JSON object on each line, as they come."""
    for value in values:
        line(value)


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Print a table as the rows come; how many there were. A title that begins with `>` stands to the right."""
    from rich.table import Table
    from rich.text import Text

    to = console()
    source = iter(rows)
    widths = [len(title.removeprefix(">")) for title in titles]
    is_wide = to.width == _WIDE
    total = 0
    for block in _blocks(source):
        shown = Table(
            box=None, pad_edge=False, show_header=total == 0, header_style="bold", padding=(0, 2, 0, 0)
        )
        texts = [[Text(clean(cell)) for cell in row] for row in block]
        for index, title in enumerate(titles):
            widths[index] = max(widths[index], *(text[index].cell_len for text in texts))
            shown.add_column(
                title.removeprefix(">"),
                justify="right" if title.startswith(">") else "left",
                overflow="fold",
                no_wrap=title in _WHOLE,
                min_width=widths[index] if is_wide else None,
            )
        for text in texts:
            shown.add_row(*text)
        _print(to, shown)
        total += len(block)
    return total


def _blocks(source: Iterator[Sequence[object]]) -> Iterator[list[Sequence[object]]]:
    while block := list(islice(source, _BLOCK)):
        yield block


def counts(rows: Iterable[tuple[str, int | None]]) -> None:
    """Print names and counts below each other; nought and None are left out."""
    there = [(name, f"{count:,}") for name, count in rows if count]
    for name, text in there:
        click.echo(f"  {name:<{max(len(n) for n, _ in there)}}  {text:>{max(len(t) for _, t in there)}}")


def pairs(rows: Iterable[tuple[str, object]]) -> None:
    """Print names and values below each other; what has no value is left out."""
    from rich.table import Table
    from rich.text import Text

    shown = Table.grid(padding=(0, 2, 0, 0))
    shown.add_column(style="bold", no_wrap=True)
    shown.add_column(overflow="fold")
    for name, value in rows:
        if value not in (None, "", []):
            shown.add_row(Text(name), Text(clean(value)))
    if shown.row_count:
        _print(console(), shown)


def _print(to: Console, shown: object) -> None:
    """Without the blanks that fill up the lines."""
    with to.capture() as captured:
        to.print(shown)
    for text in captured.get().splitlines():
        click.echo(text.rstrip(), color=True)


def is_unicode() -> bool:
    """Whether standard output takes more than ASCII."""
    try:
        "█▁…".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
