"""Apply the numbered migrations, forward only.

Each `NNNN_name.sql` in this folder runs once, in order. It commits together with the row that records it. An advisory
lock lets one process migrate at a time. A lock timeout ends a migration that waits behind a long transaction, because
every other query would queue behind the migration.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import asyncpg

from everlist.db import Transaction
from everlist.errors import StartError
from everlist.schema import cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

ADVISORY_LOCK = 0x45564552  # "EVER"
LOCK_TIMEOUT = "10s"
OLDEST_SERVER = 160000


def migrations() -> Iterator[tuple[int, str, str]]:
    """Yield every migration as (number, file name, SQL), in order."""
    for entry in sorted(files("everlist.schema").iterdir(), key=lambda entry: entry.name):
        number, _, rest = entry.name.partition("_")
        if number.isdecimal() and rest.endswith(".sql"):
            yield int(number), entry.name, entry.read_text(encoding="utf-8")


def newest() -> int:
    """Return the number of the last migration that this program knows."""
    return max(number for number, _, _ in migrations())


async def migrate(dsn: str) -> list[str]:
    """Apply the migrations that are missing; return their names.

    On a distributed database, distribute the tables that they made too.

    Raises StartError if the server cannot be reached or is too old, or if its schema is newer than this program.
    """
    connection = await connect(dsn)
    try:
        await cluster.refuse_worker_node(Transaction(connection))
        await connection.execute(f"set lock_timeout = '{LOCK_TIMEOUT}'")
        await connection.execute("select pg_advisory_lock($1)", ADVISORY_LOCK)
        await connection.execute(
            "create table if not exists schema_migration"
            " (number integer primary key, name text not null, applied_at timestamptz not null default now())"
        )
        applied = await _applied(connection)
        _refuse_newer(applied)
        distributed = await cluster.is_distributed(Transaction(connection))
        if distributed:
            await connection.execute("set citus.multi_shard_modify_mode = 'sequential'")
            await connection.execute("set citus.enable_unsafe_triggers = on")
        names: list[str] = []
        for number, name, sql in migrations():
            if number not in applied:
                await _run(connection, number, name, sql)
                names.append(name)
        if distributed and (tables := await cluster.undistributed(connection)):
            await cluster.place(connection, tables)
        return names
    except asyncpg.LockNotAvailableError as error:
        raise StartError(
            f"the database is busy: a migration waited {LOCK_TIMEOUT} for a lock; try again"
        ) from error
    finally:
        await connection.close()


async def check(dsn: str) -> None:
    """Raise StartError unless the schema is the one that this program needs."""
    connection = await connect(dsn)
    try:
        await cluster.refuse_worker_node(Transaction(connection))
        exists = await connection.fetchval("select to_regclass('schema_migration') is not null")
        applied: set[int] = await _applied(connection) if exists else set()
    finally:
        await connection.close()
    _refuse_newer(applied)
    if newest() not in applied:
        raise StartError("the database schema is older than this program: run `everlist migrate`")


async def connect(dsn: str) -> asyncpg.Connection[asyncpg.Record]:
    """Open a connection outside any pool. Raises StartError if that fails or the server is too old."""
    try:
        connection = await asyncpg.connect(dsn, timeout=10)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, TimeoutError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StartError(f"the database cannot be reached: {reason}; check EVERLIST_DATABASE_URL") from error
    version = int(await connection.fetchval("show server_version_num"))
    if version < OLDEST_SERVER:
        await connection.close()
        raise StartError(f"PostgreSQL {version // 10000} is too old: Everlist needs 16 or newer")
    return connection


async def _run(connection: asyncpg.Connection[asyncpg.Record], number: int, name: str, sql: str) -> None:
    try:
        async with connection.transaction():
            await connection.execute(sql)
            await connection.execute(
                "insert into schema_migration (number, name) values ($1, $2)", number, name
            )
    except asyncpg.LockNotAvailableError:
        raise
    except asyncpg.PostgresError as error:
        raise StartError(
            f"the migration {name} failed and changed nothing: {str(error).splitlines()[0]}"
        ) from error


async def _applied(connection: asyncpg.Connection[asyncpg.Record]) -> set[int]:
    return {row["number"] for row in await connection.fetch("select number from schema_migration")}


def _refuse_newer(applied: set[int]) -> None:
    if applied and max(applied) > newest():
        raise StartError(
            f"the database schema is at {max(applied)}, newer than this program knows ({newest()}):"
            " upgrade Everlist"
        )
