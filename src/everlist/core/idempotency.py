"""Requests that a client may send again: done once, and answered the same each time.

The answer is stored by the transaction of the operation itself, so there is no moment at which one of them
exists without the other, whenever a process dies. For that, the transaction waits for the answer: `Once`
runs the operation, hands its result to the endpoint, takes the answer that the endpoint made of it, stores
it and commits.

Only what succeeded is kept. An error rolls back, and its key may be used again, also with another body.

An answer may tell of a person. The erasure of that person takes the answer away (core.privacy.places); the key
still stands for a request that was done.
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
    """What was answered to a request."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes | None
    """None where it was erased, or never kept."""
    contact_id: UUID | None = None
    """The contact that the body tells of."""


class NotAgain(EverlistError):
    """A request with this key is not done."""


class Repeated(NotAgain):
    """The request was done before."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("This request was done before; its answer is not kept any more")
        self.answer = answer


class KeyReused(NotAgain):
    """Another request was done with the same key."""


class UnderWay(NotAgain):
    """A request with the same key is being done at this moment."""


class Once:
    """One request that came with a key. `write` in place of Database.write, then `finish` or `give_up`."""

    def __init__(
        self, db: Database, account_id: UUID, key: str, fingerprint: Callable[[], bytes], *, now: datetime
    ) -> None:
        """`fingerprint` is asked when the operation begins, when the whole request has been read."""
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

        async def all_of_it(tx: Transaction) -> None:
            await _claim(tx, self._account_id, self._key_hash, self._fingerprint(), now=self._now)
            result = await operation(tx)
            self._tx = tx
            done.set_result(result)
            answer = await self._answer
            await _keep(tx, self._account_id, self._key_hash, self._fingerprint(), answer, now=self._now)

        self._writing = asyncio.create_task(self._db.write(all_of_it))
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
    """Make sure that nobody has done or is doing a request with this key, until the transaction ends."""
    lock = int.from_bytes(hashlib.sha256(account_id.bytes + key_hash).digest()[:8], signed=True)
    if not await tx.value("select pg_try_advisory_xact_lock($1)", lock):
        message = "A request with this Idempotency-Key is under way"
        raise UnderWay(message)
    # A statement of its own: it begins after the lock is held, and sees what the last one to hold it stored.
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
        message = "Idempotency-Key does not have a valid value: another request was done with it"
        raise KeyReused(message)
    else:
        headers = msgspec.json.decode(row["headers"], type=list[tuple[str, str]])
        raise Repeated(Answer(row["status"], headers, row["body"]))


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
    """Take away what was answered before `before`."""
    await db.value(
        "delete from idempotency_key where account_id = $1 and made_at < $2 returning null",
        account_id,
        before,
    )
