"""The file of an export: CSV (RFC 4180, UTF-8), stored in the database in parts."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from everlist.core import activities
from everlist.core.exports.columns import shown_moment
from everlist.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from uuid import UUID

    from everlist.core.activities import Job
    from everlist.db import Queries

PART_BYTES = 1 << 20
KEPT = timedelta(days=10)
"""How long after its activity was completed a file can be downloaded."""


class File:
    """Writes rows into parts of PART_BYTES, in the job's transaction."""

    def __init__(self, job: Job) -> None:
        self._tx = job.tx
        self._activity = job.activity
        self._now = job.act.now
        self._text = io.StringIO()
        self._csv = csv.writer(self._text, lineterminator="\r\n")
        self._buffer = bytearray()
        self._parts = 0

    async def write(self, rows: Iterable[Sequence[str | int | None]]) -> None:
        """Add rows; at most one part and these rows are in memory."""
        self._csv.writerows(rows)
        self._buffer += self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        while len(self._buffer) >= PART_BYTES:
            await self._store(bytes(self._buffer[:PART_BYTES]))
            del self._buffer[:PART_BYTES]

    async def finish(self) -> None:
        """Store the last part."""
        await self._store(bytes(self._buffer))

    async def discard(self) -> None:
        """Delete what was stored."""
        await self._tx.execute(
            "delete from export_part where account_id = $1 and activity_id = $2",
            self._activity.account_id,
            self._activity.activity_id,
        )

    async def _store(self, data: bytes) -> None:
        await self._tx.execute(
            "insert into export_part (account_id, activity_id, part, data, made_at) values ($1, $2, $3, $4, $5)",
            self._activity.account_id,
            self._activity.activity_id,
            self._parts,
            data,
            self._now,
        )
        self._parts += 1


async def size(db: Queries, account_id: UUID, activity_id: UUID, *, now: datetime) -> int:
    """Return the size of the file in bytes. Raises NotFound, with the reason why there is no file."""
    try:
        activity = await activities.get(db, account_id, activity_id)
    except NotFound:
        activity = None
    if activity is None or activity.kind != "contact_exports":
        raise NotFound(f"no export has the id {activity_id}")
    if activity.state in activities.UNFINISHED:
        raise NotFound(f"the export is not ready: it is {activity.state}")
    if activity.state != activities.COMPLETED or activity.completed_at is None:
        raise NotFound(f"the export has no file: it is {activity.state}")
    expires_at = activity.completed_at + KEPT
    total: int | None = await db.value(
        "select sum(octet_length(data)) from export_part where account_id = $1 and activity_id = $2",
        account_id,
        activity_id,
    )
    if total is None and activity.position.get("removed") and now < expires_at:
        raise NotFound(
            "the file of the export was removed, because a person was erased who may be in it: export anew"
        )
    if now >= expires_at or total is None:
        raise NotFound(f"the export expired at {shown_moment(expires_at)}")
    return total


async def read(db: Queries, account_id: UUID, activity_id: UUID) -> AsyncIterator[bytes]:
    """Yield the bytes of the file, part by part."""
    part = 0
    while True:
        data: bytes | None = await db.value(
            "select data from export_part where account_id = $1 and activity_id = $2 and part = $3",
            account_id,
            activity_id,
            part,
        )
        if data is None:
            return
        yield data
        part += 1


async def sweep(db: Queries, account_id: UUID, *, before: datetime) -> None:
    """Delete the files that were made before `before`."""
    await db.value(
        "delete from export_part where account_id = $1 and made_at < $2 returning null", account_id, before
    )
