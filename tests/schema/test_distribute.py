"""Distributing over the nodes of a cluster. Most of it runs where EVERLIST_TEST_CITUS_URL names a cluster."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from everlist import demo
from everlist.core.undo import refuse_undo
from everlist.db import open_database
from everlist.errors import Conflict, StartError
from everlist.schema import migrate as runner
from everlist.schema.distribute import distribute
from everlist.schema.migrate import check, migrate, migrations, newest
from tests.core.recount import recount
from tests.server import Server

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from everlist.settings import Settings
    from tests.cluster import Nodes

SHARDS = 4
_numbers = itertools.count(1)


class World:
    """A database on a cluster, not distributed yet."""

    def __init__(self, portal: BlockingPortal, nodes: Nodes, name: str) -> None:
        self._portal = portal
        self._nodes = nodes
        self.name = name
        self.dsn = nodes.dsn(name)

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return self._portal.call(function, *args)

    def distribute(self) -> list[str]:
        return self._portal.call(lambda: distribute(self.dsn, shards=SHARDS))

    def refused(self) -> str:
        with pytest.raises(StartError) as refusal:
            self.distribute()
        return str(refusal.value)

    def superuser(self, sql: str) -> None:
        self._portal.call(self._nodes.run, self.name, sql)

    def sql(self, query: Any, *args: Any) -> list[tuple[Any, ...]]:
        async def run() -> list[tuple[Any, ...]]:
            connection = await asyncpg.connect(self.dsn)
            try:
                return [tuple(row.values()) for row in await connection.fetch(query, *args)]
            finally:
                await connection.close()

        return self._portal.call(run)

    def filled(self) -> Any:
        """Make the demo account; its id."""

        async def fill() -> Any:
            db = await open_database(self.dsn, size=1, statement_timeout=300, name="everlist demo")
            try:
                account, _ = await db.write(lambda tx: demo.make(tx, now=datetime.now(UTC)))
                return account.account_id
            finally:
                await db.close()

        return self._portal.call(fill)


@pytest.fixture
def empty(nodes: Nodes | None, portal: BlockingPortal) -> Iterator[str]:
    """The name of a database with nothing in it, on every node."""
    if nodes is None:
        pytest.skip("no cluster is given: EVERLIST_TEST_CITUS_URL")
    name = f"everlist_spread_{os.getpid()}_{next(_numbers)}"
    portal.call(nodes.make, name)
    yield name
    portal.call(nodes.drop, name)


@pytest.fixture
def world(nodes: Nodes, portal: BlockingPortal, empty: str) -> World:
    world = World(portal, nodes, empty)
    world.call(migrate, world.dsn)
    return world


def test_a_database_without_citus_is_refused(
    nodes: Nodes | None, own_database: str, portal: BlockingPortal
) -> None:
    if nodes is not None:
        pytest.skip("here every database has Citus")
    with pytest.raises(StartError, match="as a superuser, run `create extension citus`"):
        portal.call(distribute, own_database)


def test_a_filled_database_is_distributed_whole(world: World) -> None:
    account_id = world.filled()
    tables = [
        name
        for (name,) in world.sql(
            "select relname from pg_class where relkind = 'r' and relnamespace"
            " = 'public'::regnamespace order by relname"
        )
    ]
    before = {name: world.sql(f"select count(*) from {name}")[0][0] for name in tables}
    assert before["contact"] > 100
    distributed = world.distribute()
    assert sorted([*distributed, "lane", "mail_due", "schema_migration"]) == tables
    assert {name: world.sql(f"select count(*) from {name}")[0][0] for name in tables} == before
    recount(world.sql, account_id)
    # Nothing of it stays on the coordinator, in whose own files the rows were.
    assert [name for name in distributed if world.sql(f"select pg_relation_size('{name}')") != [(0,)]] == []
    placed = world.sql(
        "select count(distinct colocationid), count(*) from pg_dist_partition where partmethod = 'h'"
    )
    assert placed == [(1, len(distributed) - 2)]
    triggers = world.sql(
        "select count(*) from pg_trigger where not tgisinternal and tgrelid = 'consent_event'::regclass"
    )
    assert triggers == [(2,)]
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        world.sql("update consent_event set reason = 'x' where account_id = $1", account_id)
    assert world.distribute() == []


def test_the_shards_know_what_the_planner_was_told(world: World) -> None:
    world.distribute()
    told = """
        select table_name::text, result, count(*)::integer from unnest(array['contact', 'tagging']) table_name,
            run_command_on_shards(table_name::regclass, $$
                select concat_ws(' ', a.attstattarget, array_to_string(a.attoptions, ' ')) from pg_attribute a
                where a.attrelid = '%s'::regclass and a.attname = 'account_id'$$) group by 1, 2
    """
    here = world.sql(
        "select attrelid::regclass::text, concat_ws(' ', attstattarget, array_to_string(attoptions, ' ')), $1::integer"
        " from pg_attribute where attrelid = any('{contact,tagging}'::regclass[]) and attname = 'account_id'",
        SHARDS,
    )
    assert sorted(world.sql(told)) == sorted(here)


def test_a_database_in_use_is_refused(world: World, settings: Settings, portal: BlockingPortal) -> None:
    with Server(settings, world.dsn, portal):
        assert "stop it first" in world.refused()
    assert world.distribute()


def test_half_distributed_is_refused_and_says_how_to_go_on(world: World) -> None:
    world.sql("select create_distributed_table('tag', 'account_id', colocate_with => 'none')")
    message = world.refused()
    assert "half distributed" in message
    command = message.split("`")[1]
    world.sql(command)
    assert "tag" in world.distribute()


def test_a_table_of_a_later_migration_is_distributed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.distribute()
    world.sql("create table made_by_hand (account_id uuid primary key)")
    assert world.distribute() == ["made_by_hand"]
    later = (newest() + 1, "9999_later.sql", "create table later (account_id uuid primary key, name text)")
    known = list(migrations())
    monkeypatch.setattr(runner, "migrations", lambda: iter([*known, later]))
    assert world.call(migrate, world.dsn) == ["9999_later.sql"]
    assert world.sql(
        "select partmethod::text from pg_dist_partition where logicalrelid = 'later'::regclass"
    ) == [("h",)]
    assert world.call(migrate, world.dsn) == []


def test_every_missing_thing_is_named(world: World) -> None:
    world.superuser("select citus_remove_node(nodename, nodeport) from pg_dist_node where groupid <> 0")
    assert "no worker node has been added" in world.refused()
    world.superuser("select citus_remove_node(nodename, nodeport) from pg_dist_node")
    message = world.refused()
    assert "citus_set_coordinator_host" in message
    assert "citus_add_node" in message
    assert "contact" in [name for (name,) in world.sql("select relname from pg_class")]  # nothing was touched


def test_a_worker_node_is_refused(world: World, nodes: Nodes) -> None:
    world.distribute()
    for refusing in (migrate, check, distribute):
        with pytest.raises(StartError, match="worker node of a cluster: give the address of the coordinator"):
            world.call(refusing, nodes.dsn(world.name, node=1))


def test_undo_is_refused(world: World) -> None:
    world.distribute()

    async def undo() -> None:
        db = await open_database(world.dsn, size=1, statement_timeout=300, name="everlist test")
        try:
            await db.write(lambda tx: refuse_undo(tx, uuid4(), uuid4(), now=datetime.now(UTC)))
        finally:
            await db.close()

    with pytest.raises(Conflict, match="not supported on a cluster"):
        world.call(undo)


def test_readiness_names_the_nodes_that_are_away(
    world: World, settings: Settings, portal: BlockingPortal
) -> None:
    world.distribute()
    world.superuser("select citus_add_inactive_node('127.0.0.1', 9)")
    with Server(settings, world.dsn, portal) as server:
        for _ in range(600):
            ready = httpx2.get(f"{server.url}/readyz", timeout=60)
            assert ready.status_code == 200
            if "nodes_away" in ready.json():
                break
        assert ready.json() == {"status": "ok", "nodes_away": ["127.0.0.1:9"]}
        numbers = httpx2.get(f"{server.url}/metrics", timeout=60).text
    assert 'everlist_database_node{node="127.0.0.1:9"} 0.0' in numbers
    assert numbers.count("everlist_database_node{") == len(world.sql("select from pg_dist_node"))
