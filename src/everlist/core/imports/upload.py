"""Store an upload in the database, in parts, until a worker has read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from everlist.errors import Invalid, Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from everlist.db import Queries

PART_BYTES = 1 << 20


class Upload:
    """Takes the bytes of one upload; at most one part of it is in memory.

    Each part is stored as it arrives, in a transaction of its own, so a slow upload holds no connection. The activity
    is created after the last part; `sweep` deletes the parts of uploads that were abandoned before.
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
        """Add the items of a JSON import, one on each line. Raises Invalid if one is not an object."""
        if not all(bytes(item).lstrip().startswith(b"{") for item in items):
            raise Invalid(Problem("import_data"))
        for item in items:
            await self.write(msgspec.json.format(bytes(item), indent=-1) + b"\n")

    async def finish(self) -> None:
        """Store what is left."""
        if self._buffer:
            await self._store(bytes(self._buffer))
            self._buffer.clear()

    async def discard(self) -> None:
        """Delete what was stored."""
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
    """Yield the bytes of an upload, part by part."""
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
    """Delete an upload."""
    await db.value(
        "delete from upload_part where account_id = $1 and activity_id = $2 returning null",
        account_id,
        activity_id,
    )


async def sweep(db: Queries, account_id: UUID, *, before: datetime) -> int:
    """Delete the uploads and rows of ended imports, and uploads without an activity that were begun before `before`.

    Return how many rows were deleted.
    """
    await db.value(
        """
        delete from upload_part t where t.account_id = $1 and (
            exists (
                select from activity a where a.account_id = $1 and a.activity_id = t.activity_id
                and a.state not in ('initialized', 'processing'))
            or t.made_at < $2 and not exists (
                select from activity a where a.account_id = $1 and a.activity_id = t.activity_id))
        returning null
        """,
        account_id,
        before,
    )
    await db.value(
        """
        delete from import_change t where t.account_id = $1 and exists (
            select from activity a where a.account_id = $1 and a.activity_id = t.activity_id
            and a.state not in ('initialized', 'processing'))
        returning null
        """,
        account_id,
    )
    return await db.value(
        """
        with deleted as (
            delete from import_row t where t.account_id = $1 and exists (
                select from activity a where a.account_id = $1 and a.activity_id = t.activity_id
                and a.state not in ('initialized', 'processing'))
            returning null
        )
        select count(*) from deleted
        """,
        account_id,
    )


async def vacuum(db: Queries) -> None:
    """Run VACUUM on import_row, so that the next import does not read past the deleted rows.

    Skips it if another session holds the table, such as a dry run; autovacuum does it later.
    """
    await db.value("vacuum (skip_locked) import_row, import_change")
