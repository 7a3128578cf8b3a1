"""Databases on a cluster that is given: EVERLIST_TEST_CITUS_URL.

It is the address of a database on the coordinator, as a superuser, in which the nodes have been added. The tests only
read there which nodes there are. They make databases of their own on every node, owned by the role `everlist`, which
must be let in without a password, and drop them at the end.
"""

from __future__ import annotations

import asyncio
import os
from urllib.parse import urlsplit, urlunsplit

import asyncpg

ROLE = "everlist"
SHARDS = 4


def given() -> str | None:
    return os.environ.get("EVERLIST_TEST_CITUS_URL")


def address(
    dsn: str, *, role: str | None = None, host: str | None = None, database: str | None = None
) -> str:
    """A DSN with another role (without a password), host and port, or database."""
    parts = urlsplit(dsn)
    user, _, where = parts.netloc.rpartition("@")
    path = f"/{database}" if database else parts.path
    return urlunsplit((parts.scheme, f"{role or user}@{host or where}", path, parts.query, ""))


async def _run(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("set citus.enable_ddl_propagation = off")
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


class Nodes:
    """The nodes of the cluster, the coordinator first."""

    def __init__(self, hosts: list[tuple[str, int]], dsn: str) -> None:
        self._hosts = hosts
        self._dsn = dsn

    @classmethod
    async def of(cls, dsn: str) -> Nodes:
        connection = await asyncpg.connect(dsn)
        try:
            rows = await connection.fetch("select nodename, nodeport from pg_dist_node order by groupid")
        finally:
            await connection.close()
        nodes = cls([(row["nodename"], row["nodeport"]) for row in rows], dsn)
        role = f"do $$ begin create role {ROLE} login; exception when duplicate_object then null; end $$"
        await nodes.everywhere(role)
        return nodes

    def dsn(self, database: str, *, node: int = 0) -> str:
        """The database on a node, as the role of Everlist; 0 is the coordinator."""
        host, port = self._hosts[node]
        return address(self._dsn, role=ROLE, host=f"{host}:{port}", database=database)

    async def everywhere(self, *statements: str, database: str = "postgres") -> None:
        """Run statements on every node, as the superuser."""
        hosts = [f"{name}:{port}" for name, port in self._hosts]
        await asyncio.gather(
            *(_run(address(self._dsn, host=host, database=database), *statements) for host in hosts)
        )

    async def make(self, name: str) -> None:
        """Make a database in which the nodes are added, and nothing else."""
        await self.everywhere(f"create database {name} owner {ROLE}")
        await self.everywhere("create extension citus", database=name)
        (host, port), *others = self._hosts
        await _run(
            address(self._dsn, database=name),
            f"select citus_set_coordinator_host('{host}', {port})",
            *(f"select citus_add_node('{host}', {port})" for host, port in others),
        )

    async def run(self, name: str, sql: str) -> None:
        """Run a statement on the coordinator, as the superuser."""
        await _run(address(self._dsn, database=name), sql)

    async def close(self, name: str) -> None:
        """Let nobody connect to a database any more, Citus's own processes neither: it can be copied."""
        await self.everywhere(
            f"alter database {name} allow_connections false",
            f"select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '{name}'",
        )

    async def copy(self, name: str, template: str) -> None:
        await self.everywhere(f"create database {name} owner {ROLE} template {template} strategy wal_log")

    async def drop(self, name: str) -> None:
        await self.everywhere(f"drop database if exists {name} with (force)")
