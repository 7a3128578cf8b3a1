"""Idempotency keys: a request that a client sends again is done once and answered the same each time.

The first answer is stored in the transaction of the operation, so both are committed or neither, whenever a
process dies. The transaction therefore waits for the answer: `Once` runs the operation, hands its result to the
endpoint, takes the answer that the endpoint made, stores it and commits.

Only success is stored. An error rolls back, and its key may be used again, with another body too.

An answer may hold data of a person. Their erasure deletes the answer (core.privacy.places); the key still
marks a request that was done.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import msgspec

from everlist.errors import EverlistError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from everlist.db import Database, Queries, Transaction

T = TypeVar("T")

KEPT = timedelta(hours=24)
MAX_KEY = 255


class Answer(msgspec.Struct, frozen=True):
    """The answer to a request."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes | None
    """None if it was erased, or was streamed and so never stored."""
    contact_id: UUID | None = None
    """The contact whose data the body holds."""


class NotAgain(EverlistError):
    """Another request has this key, so this one is not done."""


class Repeated(NotAgain):
    """The request was done before."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("This request was done before; its answer is not kept any more")
        self.answer = answer


class KeyReused(NotAgain):
    """Another request was done with the same key."""


class UnderWay(NotAgain):
    """A request with the same key has begun and not ended."""


class Once:
    """One request with a key: call `write` in place of Database.write, then `finish` or `give_up`."""

    def __init__(
        self, db: Database, account_id: UUID, key: str, fingerprint: Callable[[], bytes], *, now: datetime
    ) -> None:
        """`fingerprint` is called when the operation begins: by then the whole request has been read."""
        self._db = db
        self._account_id = account_id
        self._key_hash = hashlib.sha256(key.encode()).digest()
        self._fingerprint = fingerprint
        self._now = now
        self._tx: Transaction | None = None
        self._writing: asyncio.Task[None] | None = None
        self._answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    async def write(self, operation: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `operation` in a transaction that commits in `finish`.

        Raises Repeated, KeyReused and UnderWay, and then has not run it.
        """
        if self._tx is not None:
            return await operation(self._tx)
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def with_answer(tx: Transaction) -> None:
            await _claim(tx, self._account_id, self._key_hash, self._fingerprint(), now=self._now)
            result = await operation(tx)
            self._tx = tx
            done.set_result(result)
            answer = await self._answer
            await _keep(tx, self._account_id, self._key_hash, self._fingerprint(), answer, now=self._now)

        self._writing = asyncio.create_task(self._db.write(with_answer))
        await asyncio.wait((self._writing, done), return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            await self._writing  # raises
        return done.result()

    async def finish(self, answer: Answer) -> None:
        """Store the answer and commit; the answer may leave when this returns."""
        if self._writing is not None:
            self._answer.set_result(answer)
            await self._writing

    async def give_up(self) -> None:
        """Roll back what is not committed."""
        if self._writing is not None and not self._writing.done():
            self._writing.cancel()
            await asyncio.wait((self._writing,))


async def _claim(
    tx: Transaction, account_id: UUID, key_hash: bytes, request_hash: bytes, *, now: datetime
) -> None:
    """Lock the key until the transaction ends. Raises NotAgain if a request with it was done or is under way."""
    lock = int.from_bytes(hashlib.sha256(account_id.bytes + key_hash).digest()[:8], signed=True)
    if not await tx.value("select pg_try_advisory_xact_lock($1)", lock):
        raise UnderWay("A request with this Idempotency-Key is under way")
    # A second statement: its snapshot begins after the lock, so it sees the answer of the last holder.
    row = await tx.row(
        "select request_hash, status, headers, body, made_at from idempotency_key"
        " where account_id = $1 and key_hash = $2",
        account_id,
        key_hash,
    )
    if row is None:
        return
    if row["made_at"] <= now - KEPT:
        await tx.execute(
            "delete from idempotency_key where account_id = $1 and key_hash = $2", account_id, key_hash
        )
    elif row["request_hash"] != request_hash:
        raise KeyReused("another request was done with this Idempotency-Key")
    else:
        headers = msgspec.json.decode(row["headers"], type=list[tuple[str, str]])
        raise Repeated(Answer(status=row["status"], headers=headers, body=row["body"]))


async def _keep(
    tx: Transaction, account_id: UUID, key_hash: bytes, request_hash: bytes, answer: Answer, *, now: datetime
) -> None:
    await tx.execute(
        "insert into idempotency_key (account_id, key_hash, request_hash, status, headers, body, contact_id, made_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8)",
        account_id,
        key_hash,
        request_hash,
        answer.status,
        msgspec.json.encode(answer.headers).decode(),
        answer.body,
        answer.contact_id,
        now,
    )


async def sweep(db: Queries, account_id: UUID, *, before: datetime) -> None:
    """Delete the answers from before `before`."""
    await db.value(
        "delete from idempotency_key where account_id = $1 and made_at < $2 returning null",
        account_id,
        before,
    )
