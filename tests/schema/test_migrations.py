"""The migrations make the schema of the snapshot, once, and a program meets only the schema it knows."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import pytest
from pglast import ast, parse_sql
from pglast.enums import AlterTableType, ConstrType

import everlist.schema
from everlist.errors import StartError
from everlist.schema import migrate as runner
from everlist.schema.migrate import check, migrate, migrations, newest
from tests.schema.snapshot import FILE, VERSION, snapshot

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

ALL = [name for _, name, _ in migrations()]


@pytest.fixture
def empty_database(own_database: str, portal: BlockingPortal) -> str:
    """A database with nothing in it."""
    run(portal, own_database, "drop schema public cascade", "create schema public")
    return own_database


def run(portal: BlockingPortal, dsn: str, *statements: str) -> Any:
    """The answer to the last statement."""

    async def operation() -> Any:
        connection = await asyncpg.connect(dsn)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetch(statements[-1])
        finally:
            await connection.close()

    return portal.call(operation)


def test_the_snapshot_is_what_the_migrations_make(own_database: str) -> None:
    version = os.environ.get("EVERLIST_TEST_POSTGRESQL", str(VERSION))
    given = {"EVERLIST_TEST_DATABASE_URL", "EVERLIST_TEST_CITUS_URL"} & os.environ.keys()
    if given or version != str(VERSION):
        pytest.skip(f"the snapshot is in the words of the embedded PostgreSQL {VERSION}")
    assert FILE.exists(), "write the snapshot with `make schema`"
    message = f"the migrations make another schema than {FILE.name}: `make schema` renews it; read the diff"
    assert snapshot(own_database) == FILE.read_text(encoding="utf-8"), message


def test_names_and_numbers() -> None:
    folder = Path(everlist.schema.__file__).parent
    names = sorted(path.name for path in folder.glob("*.sql") if path != FILE)
    assert names == ALL
    assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+\.sql", name) for name in names)
    assert [number for number, _, _ in migrations()] == list(range(1, len(names) + 1))
    assert newest() == len(names)


def test_from_nothing_and_again(empty_database: str, portal: BlockingPortal) -> None:
    assert portal.call(migrate, empty_database) == ALL
    portal.call(check, empty_database)
    record = "select number, name, applied_at from schema_migration order by number"
    recorded = run(portal, empty_database, record)
    assert [row["name"] for row in recorded] == ALL
    assert portal.call(migrate, empty_database) == []
    assert run(portal, empty_database, record) == recorded


def test_two_at_once(empty_database: str, portal: BlockingPortal) -> None:
    async def both() -> tuple[list[str], list[str]]:
        return await asyncio.gather(migrate(empty_database), migrate(empty_database))

    one, other = portal.call(both)
    assert sorted(one + other) == ALL
    portal.call(check, empty_database)


def test_one_that_fails_leaves_nothing(
    empty_database: str, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [*migrations(), (newest() + 1, "9999_broken.sql", "create table half_made (); select 1 / 0")]
    monkeypatch.setattr(runner, "migrations", lambda: iter(broken))
    with pytest.raises(
        StartError, match="^the migration 9999_broken.sql failed and changed nothing: [^\n]+$"
    ):
        portal.call(migrate, empty_database)
    monkeypatch.undo()
    assert run(portal, empty_database, "select to_regclass('half_made') as made")[0]["made"] is None
    portal.call(check, empty_database)


def test_activities_that_wait_keep_their_order(
    empty_database: str, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has begun comes first; what is queued later comes last."""
    before = [one for one in migrations() if one[0] < 11]
    monkeypatch.setattr(runner, "migrations", lambda: iter(before))
    portal.call(migrate, empty_database)
    monkeypatch.undo()
    insert = (
        "insert into activity (account_id, activity_id, kind, state, request, created_at, updated_at, operation)"
        " values (lpad('', 32, '0')::uuid, lpad('{}', 32, '0')::uuid, 'list_delete', '{}', '{{}}', now(), now(), 'x')"
    )
    states = {3: "initialized", 1: "initialized", 4: "processing", 2: "initialized"}
    run(portal, empty_database, *(insert.format(number, state) for number, state in states.items()))
    portal.call(migrate, empty_database)
    run(portal, empty_database, insert.format(0, "initialized"))
    rows = run(portal, empty_database, "select activity_id from activity order by queued")
    assert [row["activity_id"].int for row in rows] == [4, 1, 2, 3, 0]


def test_an_import_that_was_under_way_goes_on_where_it_was(
    empty_database: str, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are read again, in one partition: an earlier version had one position for all chunks."""
    before = [one for one in migrations() if one[0] < 13]
    monkeypatch.setattr(runner, "migrations", lambda: iter(before))
    portal.call(migrate, empty_database)
    monkeypatch.undo()
    position = '{"rows": 30000, "next": 10001, "fields": ["x"], "gone": [], "expect_new": true}'
    run(
        portal,
        empty_database,
        "insert into activity (account_id, activity_id, kind, state, request, position, created_at, updated_at,"
        " operation) values (gen_random_uuid(), gen_random_uuid(), 'contacts_file_import', 'processing', '{}',"
        f" '{position}', now(), now(), 'x')",
        "insert into import_row (account_id, activity_id, row_number, line_number, contact_id)"
        " select account_id, activity_id, 1, 2, gen_random_uuid() from activity",
    )
    portal.call(migrate, empty_database)
    (row,) = run(portal, empty_database, "select position from activity")
    assert msgspec.json.decode(row["position"]) == {
        "rows": 30000,
        "next0": 10001,
        "fields": ["x"],
        "chunk": 10000,
    }
    assert run(portal, empty_database, "select from import_row") == []


BEFORE_CLUSTERS = 14
"""The last migration that no distributed database had to run: none of these rules holds for it."""


def refused_on_a_cluster(sql: str) -> list[str]:
    """What Citus refuses of a migration once the tables are distributed."""
    found: list[str] = []
    for raw in parse_sql(sql):
        if not isinstance(raw.stmt, ast.AlterTableStmt):
            continue
        commands = raw.stmt.cmds
        for command in commands:
            constraint = command.def_
            match command.subtype:
                case AlterTableType.AT_AddConstraint if len(commands) > 1:
                    found.append("ADD CONSTRAINT together with something else")
                case AlterTableType.AT_AddIdentity:
                    found.append("ADD GENERATED AS IDENTITY")
                case AlterTableType.AT_AddColumn if any(
                    it.contype == ConstrType.CONSTR_IDENTITY for it in constraint.constraints or ()
                ):
                    found.append("ADD GENERATED AS IDENTITY")
                case AlterTableType.AT_SetStorage:
                    found.append("SET STORAGE")
                case AlterTableType.AT_SetOptions:
                    found.append("set (n_distinct)")
                case AlterTableType.AT_AlterColumnType if command.name == "account_id":
                    found.append("another type of account_id")
                case _:
                    pass
    return found


def test_later_migrations_can_run_on_a_cluster() -> None:
    refused = {
        name: refused_on_a_cluster(sql) for number, name, sql in migrations() if number > BEFORE_CLUSTERS
    }
    assert {name: found for name, found in refused.items() if found} == {}


@pytest.mark.parametrize(
    "sql",
    [
        "alter table tag add column x bigint, add constraint c check (x > 0)",
        "alter table tag alter column x add generated always as identity",
        "alter table tag add column x bigint generated always as identity",
        "alter table tag alter column name set storage external",
        "alter table tag alter column name set (n_distinct = 50)",
        "alter table tag alter column account_id type uuid",
    ],
)
def test_what_a_cluster_refuses_is_seen(sql: str) -> None:
    assert len(refused_on_a_cluster(sql)) == 1
    assert (
        refused_on_a_cluster(
            "alter table tag add column x bigint; alter table tag add constraint c check (x > 0)"
        )
        == []
    )


def test_a_newer_schema_is_refused(own_database: str, portal: BlockingPortal) -> None:
    run(portal, own_database, f"insert into schema_migration values ({newest() + 1}, 'of tomorrow')")
    for refusing in (migrate, check):
        with pytest.raises(StartError) as error:
            portal.call(refusing, own_database)
        text = str(error.value)
        assert f"at {newest() + 1}, newer than this program knows ({newest()})" in text
        assert "\n" not in text


def test_an_older_schema_is_refused(own_database: str, portal: BlockingPortal) -> None:
    run(portal, own_database, f"delete from schema_migration where number = {newest()}")
    with pytest.raises(StartError, match="older than this program: run `everlist migrate`$"):
        portal.call(check, own_database)


def test_no_schema_is_refused(empty_database: str, portal: BlockingPortal) -> None:
    with pytest.raises(StartError, match="older than this program"):
        portal.call(check, empty_database)


def test_a_database_that_is_busy(
    own_database: str, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LOCK_TIMEOUT", "50ms")

    async def operation() -> None:
        other = await asyncpg.connect(own_database)
        try:
            await other.execute("select pg_advisory_lock($1)", runner.ADVISORY_LOCK)
            await migrate(own_database)
        finally:
            await other.close()

    with pytest.raises(StartError, match="^the database is busy: a migration waited 50ms for a lock"):
        portal.call(operation)


def test_no_server(portal: BlockingPortal, tmp_path: Path) -> None:
    for refusing in (migrate, check):
        with pytest.raises(StartError, match="^the database cannot be reached: [^\n]+$"):
            portal.call(refusing, f"postgresql://everlist@/everlist?host={tmp_path}")
