"""Format results as an aligned table of ratios."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.load import Load


@dataclass(frozen=True)
class Line:
    """A ratio, and the bar that it must meet, if any."""

    what: str
    measured: str
    reference: str
    ratio: float
    bar: float | None
    at_least: bool

    @property
    def passed(self) -> bool:
        """Return True if the bar is met, or if there is none."""
        if self.bar is None:
            return True
        return self.ratio >= self.bar if self.at_least else self.ratio <= self.bar


Rounds = Sequence[Sequence["Load"]]
"""The loads of the measured side and of the reference, round by round."""


def faster(what: str, rounds: Rounds, *, bar: float) -> Line:
    """Return the line of requests per second, which must be at least `bar` times the reference's."""
    ratio = median(ours.rate / theirs.rate for ours, theirs in rounds)
    measured, reference = (
        f"{median(load.rate for load in side):,.0f}/s" for side in zip(*rounds, strict=True)
    )
    return _line(what, rounds, (measured, reference), ratio, bar, at_least=True)


def slower(what: str, rounds: Rounds, *, bar: float) -> Line:
    """Return the line of the time of a request, which must be at most `bar` times the reference's."""
    ratio = median(ours.percentile(50) / theirs.percentile(50) for ours, theirs in rounds)
    return _line(what, rounds, ("", ""), ratio, bar, at_least=False)


def _line(
    what: str, rounds: Rounds, rates: tuple[str, str], ratio: float, bar: float, *, at_least: bool
) -> Line:
    measured, reference = (
        f"{rate}  {_times(side)}".strip() for rate, side in zip(rates, zip(*rounds, strict=True), strict=True)
    )
    return Line(what=what, measured=measured, reference=reference, ratio=ratio, bar=bar, at_least=at_least)


def _times(side: Sequence[Load]) -> str:
    p50, p99 = (median(load.percentile(percent) for load in side) for percent in (50, 99))
    return f"{p50:.2f}, {p99:.2f} ms"


def table(lines: Sequence[Line]) -> str:
    """Format the lines below headings."""
    rows = [("", "measured", "reference", "ratio", "bar", "")]
    for line in lines:
        bar, word = "", ""
        if line.bar is not None:
            bar = f"{'≥' if line.at_least else '≤'} {line.bar:.2f}"
            word = "pass" if line.passed else "FAIL"
        rows.append((line.what, line.measured, line.reference, f"{line.ratio:.2f}", bar, word))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    )


def note(text: str) -> None:
    """Print progress on standard error, apart from the table."""
    print(text, file=sys.stderr, flush=True)
