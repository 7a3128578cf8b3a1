"""Access PostgreSQL: a pool, transactions, and a connection that listens. Statements must be SQL literals.

Nothing leaves state on a pooled connection (no SET, LISTEN or session lock outside a transaction). So the pool
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
    """A concurrent write invalidated what this transaction has read: Database.write runs it again."""


_RETRIED = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    RetryTransaction,
)


class Unavailable(EverlistError):
    """The database cannot be reached, or a statement took too long."""


class DiskFull(Unavailable):
    """The database's disk is full."""


class Queries(Protocol):
    """Something that runs statements: the pool (each statement by itself) or a transaction."""

    async def rows(self, sql: LiteralString, *args: Any) -> Sequence[Row]:
        """Return every row."""
        ...

    async def row(self, sql: LiteralString, *args: Any) -> Row | None:
        """Return the first row, or None."""
        ...

    async def value(self, sql: LiteralString, *args: Any) -> Any:
        """Return the first column of the first row, or None."""
        ...


class Transaction:
    """An open transaction."""

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
        """Run a statement for its effect; return the command tag, such as `UPDATE 3`."""
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
        """COPY rows in PostgreSQL's text format into a table; return how many."""
        connection = self._connection
        copying = asyncio.ensure_future(
            connection.copy_to_table(table, source=source, columns=list(columns), format="text")
        )
        lost = False

        def cancel(_connection: object) -> None:
            nonlocal lost
            lost = True
            copying.cancel()

        # If the connection is lost while asyncpg waits to send, asyncpg would wait for ever.
        connection.add_termination_listener(cancel)
        try:
            tag = await copying
        except asyncio.CancelledError:
            if not lost:
                raise
            raise asyncpg.ConnectionDoesNotExistError(
                "the connection was lost in the middle of COPY"
            ) from None
        finally:
            connection.remove_termination_listener(cancel)
        return int(tag.rpartition(" ")[2])


class Database:
    """The connection pool of a process."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], dsn: str) -> None:
        self._pool = pool
        self.dsn = dsn

    async def rows(self, sql: LiteralString, *args: Any) -> Sequence[Row]:
        with _error_translation:
            return await self._pool.fetch(sql, *args)

    async def row(self, sql: LiteralString, *args: Any) -> Row | None:
        with _error_translation:
            return await self._pool.fetchrow(sql, *args)

    async def value(self, sql: LiteralString, *args: Any) -> Any:
        with _error_translation:
            return await self._pool.fetchval(sql, *args)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        """Open a transaction; commit it at the end of the block, or roll it back if the block raises."""
        with _error_translation:
            async with self._pool.acquire() as connection, connection.transaction():
                yield Transaction(connection)

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[Transaction]:
        """Open a read-only transaction that sees the database as of its first statement."""
        with _error_translation:
            async with (
                self._pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield Transaction(connection)

    async def write(self, operation: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `operation` in a transaction; run it again if a concurrent write conflicts with it.

        Example: two requests that create the same address both find it free. The second to commit fails on the
        unique index, runs again, and finds the contact of the first. Raises Conflict after four attempts.
        """
        for _ in range(_ATTEMPTS):
            try:
                async with self.transaction() as tx:
                    return await operation(tx)
            except _RETRIED:
                continue
            except asyncpg.InternalServerError as error:
                # A distributed database reports it so when it copies rows to a node, without a code of its own.
                if "duplicate key value violates unique constraint" not in str(error):
                    raise
        raise Conflict("Another change of the same resource is under way")

    def stats(self) -> tuple[int, int]:
        """Return (open connections, idle connections)."""
        return self._pool.get_size(), self._pool.get_idle_size()

    async def close(self) -> None:
        """Wait for running statements, and close every connection."""
        await self._pool.close()


async def open_database(
    dsn: str, *, size: int, statement_timeout: float, name: str, bulk: bool = False
) -> Database:
    """Open a pool of up to `size` connections; statements are cancelled after `statement_timeout` seconds.

    `bulk` is for statements on thousands of rows: PostgreSQL plans each for its own parameters, and sorts in memory
    up to 64 MB.

    Raises Unavailable.
    """
    with _error_translation:
        pool = await asyncpg.create_pool(
            dsn,
            min_size=min(2, size),
            max_size=size,
            timeout=10,
            reset=_roll_back,
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


async def _roll_back(connection: Connection) -> None:
    """Roll back a transaction that is still open; runs in place of the reset query when a connection is released."""
    if connection.is_in_transaction():
        await connection.execute("rollback")


_UNAVAILABLE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, statement timeout
    asyncpg.InsufficientResourcesError,  # too many connections, out of memory, disk full
    asyncpg.InterfaceError,  # the connection or the pool is closed
    asyncpg.InternalClientError,  # "cannot switch to state": the server was killed during a statement
)


class _ErrorTranslation:
    """Turn errors of a lost database into Unavailable, which edges answer with 503."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        # A ValueError means that an argument does not fit its type: a bug of ours, although asyncpg raises
        # it as an InterfaceError.
        if isinstance(error, _UNAVAILABLE) and not isinstance(error, ValueError):
            message = str(error).partition("\n")[0] or type(error).__name__
            kind = DiskFull if isinstance(error, asyncpg.DiskFullError) else Unavailable
            raise kind(message) from error


_error_translation = _ErrorTranslation()


class Listener:
    """A dedicated connection that listens on channels, and reconnects when it is lost."""

    def __init__(
        self, dsn: str, callbacks: dict[str, Callable[[str], None]], lost: Callable[[], None]
    ) -> None:
        """Set what to call: `callbacks` with each payload of their channel, `lost` whenever payloads may be missed."""
        self._dsn = dsn
        self._callbacks = callbacks
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
                for channel in self._callbacks:
                    await connection.add_listener(channel, self._call)
                self._lost()  # notifications since the loss were missed
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
        self._callbacks[channel](str(payload))
