"""`everlist distribute`: spread the tables of accounts over the nodes of a Citus cluster."""

from __future__ import annotations

import asyncpg

from everlist.db import Transaction
from everlist.errors import StartError
from everlist.schema import cluster
from everlist.schema.migrate import ADVISORY_LOCK, connect

SHARDS = 32


async def distribute(dsn: str, *, shards: int = SHARDS) -> list[str]:
    """Distribute every table that is not distributed yet, and return their names.

    All in one transaction: if it fails, the database is as it was. Raises StartError where the cluster is not ready,
    where Everlist runs, and where the database is half distributed in another way than ours.
    """
    connection = await connect(dsn)
    try:
        await connection.execute("select pg_advisory_lock($1)", ADVISORY_LOCK)
        await cluster.refuse_worker_node(Transaction(connection))
        found = await cluster.faults(connection)
        if found:
            raise StartError("the cluster is not ready:\n" + "\n".join(f"- {fault}" for fault in found))
        tables = await cluster.undistributed(connection)
        if not tables:
            return []
        if cluster.FIRST in tables:
            await _refuse_running(connection)
        await cluster.place(connection, tables, shards=shards)
        return tables
    except asyncpg.PostgresError as error:
        reason = str(error).splitlines()[0]
        raise StartError(f"distributing failed and changed nothing: {reason}") from error
    finally:
        await connection.close()


async def _refuse_running(connection: cluster.Connection) -> None:
    """Raise StartError if web processes or workers are connected: they would wait until all rows were copied."""
    running = await connection.fetchval(
        "select count(*) from pg_stat_activity where datname = current_database()"
        " and application_name in ('everlist web', 'everlist worker')"
    )
    if running:
        raise StartError(f"Everlist is running on this database ({running} connections): stop it first")
