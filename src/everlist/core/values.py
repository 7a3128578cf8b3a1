"""INSERT with a few rows of VALUES: on Citus it goes straight to the account's shard, which INSERT … SELECT does not."""

from __future__ import annotations

from functools import cache
from typing import LiteralString

FEW = 8
"""Up to this many rows are sent as VALUES; more go by other means."""

PARAMETERS: list[LiteralString] = (
    "$1 $2 $3 $4 $5 $6 $7 $8 $9 $10 $11 $12 $13 $14 $15 $16 $17 $18 $19 $20 $21 $22 $23 $24 $25 $26 $27 $28 $29 $30"
    " $31 $32 $33 $34 $35 $36 $37 $38 $39 $40"
).split()


@cache
def values(rows: int, *, shared: int, own: int) -> LiteralString:
    """Return so many rows of VALUES: each begins with the `shared` first parameters and has `own` ones after them.

    `values(2, shared=1, own=2)` is `($1, $2, $3), ($1, $4, $5)`.
    """
    lines: list[LiteralString] = []
    for row in range(rows):
        first = shared + row * own
        lines.append("(" + ", ".join([*PARAMETERS[:shared], *PARAMETERS[first : first + own]]) + ")")
    return ", ".join(lines)
