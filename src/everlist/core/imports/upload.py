"""What was uploaded for an import, kept in the database in pieces until a worker has read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from everlist.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from everlist.db import Queries

PART_BYTES = 1 << 20


class Upload:
    """Takes the bytes of one upload; at most one piece of it is in memory.

    Pieces are stored as they come, each in a transaction of its own, so a slow upload holds no
    connection. They belong to an activity only when that is created; `sweep` takes pieces away whose
    upload never ended.
    """

    def __init__(self, db: Queries, account_id: UUID, activity_id: UUID, *, now: datetime) -> None:
        self._db = db
        self._account_id = account_id
        self._activity_id = activity_id
        self._now = now
        self._buffer = bytearray()
        self._parts = 0
        self.size = 0

    async def write(self, data: bytes) -> None:
        """Add bytes."""
        self.size += len(data)
        self._buffer += data
        while len(self._buffer) >= PART_BYTES:
            await self._store(bytes(self._buffer[:PART_BYTES]))
            del self._buffer[:PART_BYTES]

    async def write_items(self, items: Sequence[msgspec.Raw]) -> None:
        """Add the items of an `import_data`, one on each line. Raises Invalid where one is no object."""
        if not all(bytes(item).lstrip().startswith(b"{") for item in items):
            message = "import_data does not have a valid value"
            raise Invalid(message)
        for item in items:
            await self.write(msgspec.json.format(bytes(item), indent=-1) + b"\n")

    async def finish(self) -> None:
        """Store what is left."""
        if self._buffer:
            await self._store(bytes(self._buffer))
            self._buffer.clear()

    async def discard(self) -> None:
        """Take back what was stored."""
        await discard(self._db, self._account_id, self._activity_id)

    async def _store(self, data: bytes) -> None:
        await self._db.value(
            "insert into upload_part (account_id, activity_id, part, data, made_at) values ($1, $2, $3, $4, $5)"
            " returning part",
            self._account_id,
            self._activity_id,
            self._parts,
            data,
            self._now,
        )
        self._parts += 1


async def read(db: Queries, account_id: UUID, activity_id: UUID) -> AsyncIterator[bytes]:
    """The bytes of an upload, piece by piece."""
    part = 0
    while True:
        data: bytes | None = await db.value(
            "select data from upload_part where account_id = $1 and activity_id = $2 and part = $3",
            account_id,
            activity_id,
            part,
        )
        if data is None:
            return
        yield data
        part += 1


async def discard(db: Queries, account_id: UUID, activity_id: UUID) -> None:
    """Take an upload away."""
    await db.value(
        "delete from upload_part where account_id = $1 and activity_id = $2 returning null",
        account_id,
        activity_id,
    )


async def sweep(db: Queries, account_id: UUID, *, before: datetime) -> int:
    """Take away uploads that were begun before `before` and have no activity, and those of ended imports with their rows.

    Answers how many rows those were.
    """
    ended = (
        "exists (select from activity a where a.account_id = $1 and a.activity_id = t.activity_id"
        " and a.state not in ('initialized', 'processing'))"
    )
    await db.value(
        "delete from upload_part t where t.account_id = $1 and ("
        + ended
        + " or t.made_at < $2 and not exists ("
        "select from activity a where a.account_id = $1 and a.activity_id = t.activity_id)) returning null",
        account_id,
        before,
    )
    await db.value(
        "delete from import_change t where t.account_id = $1 and " + ended + " returning null", account_id
    )
    return await db.value(
        "with gone as (delete from import_row t where t.account_id = $1 and "
        + ended
        + " returning null) select count(*) from gone",
        account_id,
    )


async def vacuum(db: Queries) -> None:
    """Make the room of rows that were taken away free at once: the next import would have to read past them.

    Left to autovacuum where somebody holds the table, such as a dry run.
    """
    await db.value("vacuum (skip_locked) import_row, import_change")
