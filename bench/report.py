"""What was measured, as an aligned table of ratios."""

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
    """One ratio and the bar that it is held to, if there is one."""

    what: str
    measured: str
    reference: str
    ratio: float
    bar: float | None
    at_least: bool

    @property
    def passed(self) -> bool:
        """Whether the bar is met."""
        if self.bar is None:
            return True
        return self.ratio >= self.bar if self.at_least else self.ratio <= self.bar


Rounds = Sequence[tuple["Load", "Load"]]
"""What was measured beside its reference, a number of times."""


def faster(what: str, rounds: Rounds, *, bar: float) -> Line:
    """Requests a second, which must be at least `bar` of the reference's."""
    ratio = median(one.rate / other.rate for one, other in rounds)
    measured, reference = (
        f"{median(load.rate for load in side):,.0f}/s" for side in zip(*rounds, strict=True)
    )
    return _line(what, rounds, (measured, reference), ratio, bar, at_least=True)


def slower(what: str, rounds: Rounds, *, bar: float) -> Line:
    """The time of one request, which must be at most `bar` times the reference's."""
    ratio = median(one.percentile(50) / other.percentile(50) for one, other in rounds)
    return _line(what, rounds, ("", ""), ratio, bar, at_least=False)


def _line(
    what: str, rounds: Rounds, rates: tuple[str, str], ratio: float, bar: float, *, at_least: bool
) -> Line:
    measured, reference = (
        f"{rate}  {_times(side)}".strip() for rate, side in zip(rates, zip(*rounds, strict=True), strict=True)
    )
    return Line(what, measured, reference, ratio, bar, at_least)


def _times(side: Sequence[Load]) -> str:
    p50, p99 = (median(load.percentile(percent) for load in side) for percent in (50, 99))
    return f"{p50:.2f}, {p99:.2f} ms"


def table(lines: Sequence[Line]) -> str:
    """The lines below their headings."""
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
    """Say what is going on, beside the table."""
    print(text, file=sys.stderr, flush=True)
