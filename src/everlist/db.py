"""The database: a pool, transactions, and one connection that listens. SQL is literal or it is not run.

No state stays on a pooled connection (no SET, LISTEN or session lock outside a transaction), so the pool
skips asyncpg's reset query, which would halve the rate of small reads.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, LiteralString, Protocol, TypeVar

import asyncpg

from everlist.errors import Conflict, EverlistError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Sequence

    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

T = TypeVar("T")
Row = asyncpg.Record

_ATTEMPTS = 4


class RetryTransaction(Exception):
    """Another writer changed what this transaction builds on: Database.write runs it again."""


_RETRIED = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    RetryTransaction,
)


class Unavailable(EverlistError):
    """The database cannot be reached, or did not answer in time."""


class DiskFull(Unavailable):
    """The database's disk is full."""


class Queries(Protocol):
    """What runs a statement: the pool (each statement on its own) or a transaction."""

    async def rows(self, sql: LiteralString, *args: Any) -> Sequence[Row]:
        """Every row of the answer."""
        ...

    async def row(self, sql: LiteralString, *args: Any) -> Row | None:
        """The first row, or None."""
        ...

    async def value(self, sql: LiteralString, *args: Any) -> Any:
        """The first column of the first row, or None."""
        ...


class Transaction:
    """An open transaction; everything run through it commits or vanishes together."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def rows(self, sql: LiteralString, *args: Any) -> Sequence[Row]:
        return await self._connection.fetch(sql, *args)

    async def row(self, sql: LiteralString, *args: Any) -> Row | None:
        return await self._connection.fetchrow(sql, *args)

    async def value(self, sql: LiteralString, *args: Any) -> Any:
        return await self._connection.fetchval(sql, *args)

    async def execute(self, sql: LiteralString, *args: Any) -> str:
        """Run a statement for its effect; the command tag, such as `UPDATE 3`."""
        return await self._connection.execute(sql, *args)

    async def execute_many(self, sql: LiteralString, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once for each row of arguments, sent together."""
        await self._connection.executemany(sql, rows)

    async def set_on_every_node(self, setting: LiteralString) -> None:
        """Change a setting until the transaction ends: here, and on the nodes of a distributed database."""
        await self.execute("set local citus.propagate_set_commands = 'local'")
        await self.execute("set local " + setting)

    async def copy_in(
        self, table: LiteralString, columns: Sequence[LiteralString], source: AsyncIterable[bytes]
    ) -> int:
        """COPY rows in PostgreSQL's text format into a table; how many there were."""
        connection = self._connection
        copying = asyncio.ensure_future(
            connection.copy_to_table(table, source=source, columns=list(columns), format="text")
        )
        lost = False

        def give_up(_connection: object) -> None:
            nonlocal lost
            lost = True
            copying.cancel()

        # asyncpg would wait for ever where the connection is lost while the server takes no more for the moment.
        connection.add_termination_listener(give_up)
        try:
            tag = await copying
        except asyncio.CancelledError:
            if not lost:
                raise
            message = "the connection was lost in the middle of COPY"
            raise asyncpg.ConnectionDoesNotExistError(message) from None
        finally:
            connection.remove_termination_listener(give_up)
        return int(tag.rpartition(" ")[2])


class Database:
    """The pool of one process."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], dsn: str) -> None:
        self._pool = pool
        self.dsn = dsn

    async def rows(self, sql: LiteralString, *args: Any) -> Sequence[Row]:
        with _told:
            return await self._pool.fetch(sql, *args)

    async def row(self, sql: LiteralString, *args: Any) -> Row | None:
        with _told:
            return await self._pool.fetchrow(sql, *args)

    async def value(self, sql: LiteralString, *args: Any) -> Any:
        with _told:
            return await self._pool.fetchval(sql, *args)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        """A transaction that commits when the block ends and rolls back when it raises."""
        with _told:
            async with self._pool.acquire() as connection, connection.transaction():
                yield Transaction(connection)

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[Transaction]:
        """A transaction that only reads, and sees the database as it was at its first statement."""
        with _told:
            async with (
                self._pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield Transaction(connection)

    async def write(self, operation: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `operation` in a transaction; again from its start where another writer got in its way.

        Two requests that create one address at once both find it free; the one that commits second
        fails on the unique index, runs again, and finds the first. Raises Conflict when that happens
        several times in a row.
        """
        for _ in range(_ATTEMPTS):
            try:
                async with self.transaction() as tx:
                    return await operation(tx)
            except _RETRIED:
                continue
            except asyncpg.InternalServerError as error:
                # A distributed database says so where it copies rows to a node, and gives no code of its own.
                if "duplicate key value violates unique constraint" not in str(error):
                    raise
        message = "Another change of the same resource is under way"
        raise Conflict(message)

    def stats(self) -> tuple[int, int]:
        """(connections open, connections idle)."""
        return self._pool.get_size(), self._pool.get_idle_size()

    async def close(self) -> None:
        """Wait for running statements, then close every connection."""
        await self._pool.close()


async def open_database(
    dsn: str, *, size: int, statement_timeout: float, name: str, bulk: bool = False
) -> Database:
    """Open a pool of up to `size` connections; a statement may run `statement_timeout` seconds.

    `bulk` is for statements that work on thousands of rows: each is planned for its own parameters, and what
    a sort or an intermediate result takes stays in memory up to 64 MB.

    Raises Unavailable.
    """
    with _told:
        pool = await asyncpg.create_pool(
            dsn,
            min_size=min(2, size),
            max_size=size,
            timeout=10,
            reset=_leave_nothing_open,
            server_settings={
                "application_name": name,
                "timezone": "UTC",
                "jit": "off",
                "work_mem": "64MB" if bulk else "4MB",
                "plan_cache_mode": "force_custom_plan" if bulk else "auto",
                "statement_timeout": str(int(statement_timeout * 1000)),
                "idle_in_transaction_session_timeout": "60000",
            },
        )
    return Database(pool, dsn)


async def _leave_nothing_open(connection: Connection) -> None:
    """What the pool runs on release, in place of the reset query: nothing, unless a transaction is open."""
    if connection.is_in_transaction():
        await connection.execute("rollback")


_NOT_THERE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, statement timeout
    asyncpg.InsufficientResourcesError,  # too many connections, out of memory, disk full
    asyncpg.InterfaceError,  # the connection or the pool is closed
    asyncpg.InternalClientError,  # "cannot switch to state": the server was killed in mid-statement
)


class _Told:
    """Turns the loss of the database into Unavailable, which an edge answers with 503."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        # A ValueError comes of an argument that does not fit its type, which is a fault of ours.
        if isinstance(error, _NOT_THERE) and not isinstance(error, ValueError):
            message = str(error).partition("\n")[0] or type(error).__name__
            kind = DiskFull if isinstance(error, asyncpg.DiskFullError) else Unavailable
            raise kind(message) from error


_told = _Told()


class Listener:
    """One connection of its own that listens on channels and comes back when it is lost."""

    def __init__(self, dsn: str, heard: dict[str, Callable[[str], None]], lost: Callable[[], None]) -> None:
        """`heard` maps a channel to what is called with each payload; `lost` is called at every loss."""
        self._dsn = dsn
        self._heard = heard
        self._lost = lost
        self.connected = False

    async def run(self) -> None:
        """Listen until cancelled."""
        delay = 0.1
        while True:
            try:
                connection = await asyncpg.connect(self._dsn, timeout=10)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
                continue
            gone = asyncio.Event()
            connection.add_termination_listener(lambda _connection, gone=gone: gone.set())
            try:
                for channel in self._heard:
                    await connection.add_listener(channel, self._call)
                self._lost()  # what was said between the loss and now was not heard
                self.connected, delay = True, 0.1
                await gone.wait()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(delay)
            finally:
                self.connected = False
                self._lost()
                if not connection.is_closed():
                    with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                        await connection.close(timeout=2)

    def _call(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        self._heard[channel](str(payload))
