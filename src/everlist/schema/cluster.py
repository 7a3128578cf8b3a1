"""A distributed database: which tables lie where, what its nodes lack, and which of them answer.

Everlist runs on PostgreSQL with Citus as well as without. `everlist distribute` spreads the tables of accounts
over the nodes by account_id, so that all rows of an account are on one node, in one group of shards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

import msgspec

from everlist.db import Unavailable
from everlist.errors import StartError

if TYPE_CHECKING:
    import asyncpg

    from everlist.db import Queries

    Connection = asyncpg.Connection[asyncpg.Record]

COPIED = ("account", "api_token")
"""Small tables that are copied to every node (reference tables). `account` first: `api_token` refers to it."""
LOCAL = ("lane", "mail_due")
"""Stay on the coordinator: workers claim rows of any account there with SKIP LOCKED."""
FIRST = "contact"
"""The table that the others are placed with."""
OLDEST_CITUS = 14


class Node(msgspec.Struct, frozen=True):
    """A node of the cluster."""

    name: str
    """`host:port`."""
    answers: bool
    """Whether the node that we are connected to reaches it."""


async def is_distributed(db: Queries) -> bool:
    """Return True if `everlist distribute` has been run on this database."""
    if await db.value("select to_regclass('pg_dist_partition') is null"):
        return False
    return await db.value(
        "select exists (select from pg_dist_partition where logicalrelid = to_regclass($1))", FIRST
    )


async def refuse_worker_node(db: Queries) -> None:
    """Raise StartError on a node that is not the coordinator.

    Every node takes statements, but the ids that order the ledger and the queue, the claims of work and the
    notifications are each node's own: all of Everlist has to be connected to one node.
    """
    if await db.value("select to_regclass('pg_dist_local_group') is null"):
        return
    if await db.value("select groupid <> 0 from pg_dist_local_group"):
        raise StartError("this is a worker node of a cluster: give the address of the coordinator")


async def nodes(db: Queries) -> list[Node]:
    """Ask every node of a distributed database for a sign of life. Raises Unavailable."""
    rows = await db.rows(
        "select nodename as host, nodeport as port from pg_dist_node where noderole = 'primary' order by groupid"
    )
    found: list[Node] = []
    for row in rows:
        host, port = row["host"], row["port"]
        try:
            answers = await db.value("select citus_check_connection_to_node($1, $2)", host, port)
        except Unavailable:  # it took as long as a statement may
            answers = False
        found.append(Node(name=f"{host}:{port}", answers=answers))
    return found


async def faults(connection: Connection) -> list[str]:
    """What keeps this database from being distributed, each with what to do about it; nothing where it is ready."""
    version = await connection.fetchval("select extversion from pg_extension where extname = 'citus'")
    if version is None:
        return [
            (
                "the extension citus is missing in this database:"
                " as a superuser, run `create extension citus` in it on every node"
            )
        ]
    if int(version.partition(".")[0]) < OLDEST_CITUS:
        return [f"Citus {version} is too old: install Citus {OLDEST_CITUS} or newer on every node"]
    found: list[str] = []
    coordinator = await connection.fetchval("select count(*) from pg_dist_node where groupid = 0")
    if not coordinator:
        found.append(
            "the nodes do not know the coordinator:"
            " as a superuser, run `select citus_set_coordinator_host('HOST', PORT)` here"
        )
    workers = await connection.fetchval(
        "select count(*) from pg_dist_node where groupid <> 0 and shouldhaveshards"
    )
    if not workers:
        found.append(
            "no worker node has been added: as a superuser, run `select citus_add_node('HOST', PORT)` here for each"
        )
    return found + await _faults_of_nodes(connection, version)


async def _faults_of_nodes(connection: Connection, version: str) -> list[str]:
    rows = await connection.fetch(
        """
        select n.nodename || ':' || n.nodeport as node, r.success, r.result
        from run_command_on_all_nodes($$
            select json_build_object(
                'wal_level', current_setting('wal_level'),
                'prepared', current_setting('max_prepared_transactions')::integer,
                'citus', (select extversion from pg_extension where extname = 'citus'),
                'creates', has_schema_privilege('public', 'create'))
        $$) r join pg_dist_node n using (nodeid) order by n.groupid
        """
    )
    found: list[str] = []
    for row in rows:
        node = row["node"]
        if not row["success"]:
            reason = str(row["result"]).strip().partition("\n")[0]
            found.append(
                f"{node} cannot be used: {reason}; role, database and pg_hba.conf must let this role connect there"
            )
            continue
        state = msgspec.json.decode(row["result"], type=_NodeState)
        if state.wal_level != "logical":
            found.append(f"{node} has wal_level = {state.wal_level}: set it to logical and restart the node")
        if state.prepared == 0:
            found.append(
                f"{node} has max_prepared_transactions = 0: set it to twice max_connections and restart the node"
            )
        if state.citus != version:
            found.append(
                f"{node} has Citus {state.citus}, the coordinator {version}: run `alter extension citus update` there"
            )
        if not state.creates:
            found.append(
                f"this role may not create tables on {node}: make it the owner of the database there"
            )
    return found


class _NodeState(msgspec.Struct, frozen=True):
    wal_level: str
    prepared: int
    citus: str | None
    creates: bool


async def undistributed(connection: Connection) -> list[str]:
    """The tables of accounts that are on this node alone, but for those that belong there; `contact` first.

    Raises StartError if a table is distributed in another way than ours.
    """
    rows = await connection.fetch(
        """
        select c.relname as name, p.partmethod::text as method, p.colocationid as placed,
            column_to_column_name(p.logicalrelid, p.partkey) as key
        from pg_class c left join pg_dist_partition p on p.logicalrelid = c.oid
        where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and (c.relname = any($1) or exists (
            select from pg_attribute a where a.attrelid = c.oid and a.attname = 'account_id' and not a.attisdropped))
        order by c.relname = any($1) desc, c.relname <> $2, c.relname
        """,
        COPIED,
        FIRST,
    )
    first = next((row["placed"] for row in rows if row["name"] == FIRST), None)
    wrong: list[str] = []
    missing: list[str] = []
    for row in rows:
        name, method = row["name"], row["method"]
        if name in LOCAL:
            expected = method is None
        elif name in COPIED:
            expected = method in (None, "n")
        else:
            expected = method is None or (row["key"] == "account_id" and row["placed"] == first)
        if not expected:
            wrong.append(name)
        elif method is None and name not in LOCAL:
            missing.append(name)
    if wrong:
        undo: LiteralString = "select undistribute_table('{}', cascade_via_foreign_keys => true)"
        commands = "; ".join(undo.format(name) for name in wrong)
        raise StartError(
            f"the database is half distributed, in another way than Everlist does it: stop Everlist, run `{commands}`"
            " as the owner of the tables, and then `everlist distribute` again"
        )
    return missing


async def place(connection: Connection, tables: list[str], *, shards: int | None = None) -> None:
    """Distribute tables in one transaction, with what is in them; none of it stays in the local tables.

    `shards` says how many shards `contact` gets, where it is one of them; the others have as many as it has.
    """
    async with connection.transaction():
        # Tables that refer to each other are distributed over one connection to each node.
        await connection.execute("set local citus.multi_shard_modify_mode = 'sequential'")
        await connection.execute("set local citus.enable_unsafe_triggers = on")
        triggers = await _drop_triggers(connection, tables)
        for table in tables:
            await connection.execute(
                f"alter table {table} set logged"
            )  # unlogged shards cannot be moved online
            if table in COPIED:
                await connection.execute("select create_reference_table($1::text::regclass)", table)
            elif table == FIRST:
                await connection.execute(
                    "select create_distributed_table($1::text::regclass, 'account_id', colocate_with => 'none',"
                    " shard_count => $2)",
                    table,
                    shards,
                )
            else:
                await connection.execute(
                    "select create_distributed_table($1::text::regclass, 'account_id', colocate_with => $2)",
                    table,
                    FIRST,
                )
        # The rows have been copied to the nodes; the old ones, personal data included, are still on this disk.
        for table in reversed(tables):
            await connection.execute(
                "select truncate_local_data_after_distributing_table($1::text::regclass)", table
            )
        for definition in triggers:
            await connection.execute(definition)
    await _carry_statistics(connection, tables)
    for table in tables:
        await connection.execute(f"analyze {table}")


async def _drop_triggers(connection: Connection, tables: list[str]) -> list[str]:
    """Drop the tables' triggers, with which no table is distributed; the statements that make them again."""
    rows = await connection.fetch(
        "select tgname, tgrelid::regclass::text as table, pg_get_triggerdef(oid) as definition from pg_trigger"
        " where not tgisinternal and tgrelid = any($1::text[]::regclass[]) order by tgname",
        tables,
    )
    for row in rows:
        await connection.execute(f"drop trigger {row['tgname']} on {row['table']}")
    return [row["definition"] for row in rows]


async def _carry_statistics(connection: Connection, tables: list[str]) -> None:
    """Give the shards what the planner was told of the tables' columns, which Citus does not carry over."""
    rows = await connection.fetch(
        """
        select a.attrelid::regclass::text as table, a.attname as column, a.attstattarget as target,
            array_to_string(a.attoptions, ', ') as options
        from pg_attribute a
        where a.attrelid = any($1::text[]::regclass[]) and a.attnum > 0 and not a.attisdropped
            and (a.attstattarget >= 0 or a.attoptions is not null)
        """,
        [table for table in tables if table not in COPIED],
    )
    for row in rows:
        alter = f"alter table %s alter column {row['column']} set "
        changes = [f"statistics {row['target']}"] if row["target"] is not None and row["target"] >= 0 else []
        changes += [f"({row['options']})"] if row["options"] else []
        for change in changes:
            failed = await connection.fetchval(
                "select min(result) from run_command_on_shards($1::text::regclass, $2) where not success",
                row["table"],
                alter + change,
            )
            if failed is not None:
                raise StartError(f"the shards of {row['table']} refuse `{alter + change}`: {failed}")
