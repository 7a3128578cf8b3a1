"""Read the outcomes of an activity's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everlist.core.activities import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from everlist.db import Queries

Line = tuple[int, int, str, str, str, str]
"""Row number, line number, outcome, contact id, address, reason; the last three may be empty."""


async def read(
    db: Queries, account_id: UUID, activity_id: UUID, wanted: frozenset[str] | None
) -> AsyncIterator[list[Line]]:
    """Yield the rows merged so far, a chunk at a time, in the order of the file; `wanted` selects outcomes, None all."""
    first = 0
    while True:
        chunk = await db.row(
            "select first_row, outcomes, line_numbers, contact_ids from import_outcome"
            " where account_id = $1 and activity_id = $2 and first_row > $3 order by first_row limit 1",
            account_id,
            activity_id,
            first,
        )
        if chunk is None:
            return
        first = chunk["first_row"]
        reports = await db.rows(
            "select row_number, reason, email from import_report"
            " where account_id = $1 and activity_id = $2 and row_number between $3 and $4",
            account_id,
            activity_id,
            first,
            first + len(chunk["outcomes"]) - 1,
        )
        reported = {row["row_number"]: (row["email"] or "", row["reason"]) for row in reports}
        lines: list[Line] = []
        rows = zip(chunk["outcomes"], chunk["line_numbers"], chunk["contact_ids"], strict=True)
        for number, (letter, line, contact_id) in enumerate(rows, start=first):
            outcome = OUTCOMES[letter]
            if wanted is None or outcome in wanted:
                lines.append((number, line, outcome, str(contact_id or ""), *reported.get(number, ("", ""))))
        yield lines
