"""Every statement of the program keeps the rules of tests/statements.py, and SQL is where it belongs.

What is checked here is what stands in the source as a constant. What is put together when the program runs is
checked at the end of each run of tests, as it was sent: `_statements_keep_the_rules` in tests/conftest.py.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from pglast import parse_sql
from pglast.ast import CreateStmt
from pglast.parser import ParseError

from tests.statements import (
    ACROSS_ACCOUNTS,
    SOURCE,
    TO_BE_REWRITTEN,
    WITHOUT_AN_ACCOUNT,
    calls,
    problems,
    tenant_tables,
    uses_an_account,
    wrong,
)

SQL_LIVES_IN = ("core/", "schema/", "db.py")
WITHOUT_A_DATABASE = ("client/",)  # it imports nothing of ours, and its `rows` are those of an import
ELSEWHERE = {
    ("web/probes.py", "_readyz"): "asks the database for a sign of life",
}
"""Calls of the database outside, by file and function, and why."""


def test_the_tables_are_found() -> None:
    assert {
        *("contact", "contact_list", "tag", "custom_field", "list_membership", "tagging", "consent_event"),
        *("suppression", "resubscribe_request", "counter", "counter_delta", "active_delta", "activity"),
    } <= tenant_tables()
    everything = {
        raw.stmt.relation.relname
        for raw in parse_sql((SOURCE / "schema" / "current.sql").read_text("utf-8"))
        if isinstance(raw.stmt, CreateStmt)
    }
    assert everything == tenant_tables() | WITHOUT_AN_ACCOUNT | {"schema_migration"}


def test_every_statement_keeps_the_rules() -> None:
    found = [line for call in calls() if call.sql for line in wrong(call.name, [call.sql])]
    assert not found, "\n\n".join(found)


def test_there_are_statements_to_check() -> None:
    """Else the rules above would hold of nothing."""
    texts = [call.sql for call in calls() if call.sql]
    assert len(texts) > 150
    assert sum(map(uses_an_account, texts)) > 100
    assert len(texts) > 5 * sum(call.sql is None for call in calls())


def test_the_exceptions_are_there() -> None:
    names = {call.name for call in calls()}
    assert names >= ACROSS_ACCOUNTS.keys(), "take out of ACROSS_ACCOUNTS what is gone"
    assert names >= TO_BE_REWRITTEN.keys(), "take out of TO_BE_REWRITTEN what is gone"
    for name in (*ACROSS_ACCOUNTS, *TO_BE_REWRITTEN):
        sent = [call.sql for call in calls() if call.name == name]
        if None not in sent:
            assert any(map(problems, filter(None, sent))), f"take {name} out: it breaks no rule any more"


ACCOUNT = "account_id"
TWO = "one table a statement"
READS = "reads tag, which another part of it writes"
OUTSIDE = "to an account_id outside alone"


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("select 1 from tag where account_id = $1", None),
        ("select 1 from tag where tag_id = $1", ACCOUNT),
        ("select 1 from tag where account_id > $1", ACCOUNT),
        ("select 1 from tag where account_id = $1 or tag_id = $2", ACCOUNT),
        ("select 1 from tag where account_id = account_id", ACCOUNT),
        ("select 1 from tag t where (t.account_id, t.tag_id) = ($1, $2)", None),
        ("select 1 from tag where account_id = any($1::uuid[])", None),
        ("select 1 from contact c join tagging t using (contact_id) where c.account_id = $1", ACCOUNT),
        (
            "select 1 from contact c join tagging t using (account_id, contact_id) where c.account_id = $1",
            None,
        ),
        (
            "select 1 from contact c join tagging t on t.account_id = c.account_id where c.account_id = $1",
            None,
        ),
        ("select 1 from contact c join tagging t on t.account_id = c.account_id", ACCOUNT),
        (
            "select 1 from contact c, lateral (select from tag where tag_id = $2) t where c.account_id = $1",
            ACCOUNT,
        ),
        ("with t as (select 1 from tag) select from t", ACCOUNT),
        ("with contact as (select 1) select from contact", None),
        ("insert into tag (tag_id) values ($1)", ACCOUNT),
        ("insert into tag (account_id, tag_id) values ($1, $2)", None),
        ("update tag set name = $1", ACCOUNT),
        ("delete from tag t using contact c where t.account_id = $1", ACCOUNT),
        ("select from account", None),
        (
            "with a as (delete from tag where account_id = $1), b as (delete from tagging where account_id = $1)"
            " select from b",
            TWO,
        ),
        ("with a as (delete from tag where account_id = $1) select from tag where account_id = $1", READS),
        (
            "with a as (delete from tag where account_id = $1), b as (select from tag where account_id = $1)"
            " select from a, b",
            READS,
        ),
        (
            "with a as (select tag_id from tag where account_id = $1),"
            " b as (delete from tag where account_id = $1 and tag_id in (select tag_id from a) returning 1) select from b",
            None,
        ),
        ("with recursive a as (select 1 union all select 2 from a) select from a", "recursive"),
        (
            "select array(select 1 from tagging t where t.account_id = $1) from contact c where c.account_id = $1",
            None,
        ),
        (
            "select array(select 1 from tagging t where t.account_id = c.account_id) from contact c"
            " where c.account_id = $1",
            OUTSIDE,
        ),
        (
            "insert into tag (account_id) select c.account_id from contact c where c.account_id = $1 and exists ("
            "select from tagging t where t.account_id = $1 and t.contact_id = c.contact_id)",
            "add the account_id outside",
        ),
        (
            "insert into tag (account_id) select c.account_id from contact c where c.account_id = $1 and exists ("
            "select from tagging t where t.account_id = $1 and t.account_id = c.account_id)",
            None,
        ),
        ("select array(select 1 except select 2)", "EXCEPT"),
        ("select array(select 1 intersect select 2)", "EXCEPT"),
        ("select 1 except select 2", None),
        ("select 1 from tag where account_id = (select $1::uuid)", "(select $1)"),
        ("select case when true then 1 end", None),
        ("select case 1 when 1 then 1 end", "case x when"),
        ("update activity set errors = errors[:$2] where account_id = $1", "slice"),
        ("update activity set errors = coalesce(errors[:$2], '{}') where account_id = $1", None),
        (
            "insert into tag (account_id, name) select $1, to_jsonb(d) from ("
            "select name from contact_list where account_id = $1) d",
            "makes JSON",
        ),
        ("select set_config('everlist.erasure', 'x', true)", "set_config"),
        ("set local enable_nestloop = off", "set_on_every_node"),
        ("set local statement_timeout = 0", None),
        ("select 1 union all select $1", "bare parameter"),
        ("select 1 union all select $1::integer", None),
    ],
)
def test_the_rules_see_what_they_should(sql: str, problem: str | None) -> None:
    found = problems(sql)
    assert bool(found) == (problem is not None), found
    assert problem is None or problem in found[0]


def database_calls(tree: ast.AST, function: str = "") -> Iterator[tuple[str, int, str]]:
    """(function, line, method) of everything that looks like a call of the database."""
    for node in ast.iter_child_nodes(tree):
        inside = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr
            in ("execute", "executemany", "rows", "row", "value", "fetch", "fetchrow", "fetchval", "cursor")
            and (node.args or node.func.attr in ("execute", "fetch"))
        ):
            yield inside, node.lineno, node.func.attr
        yield from database_calls(node, inside)


def test_sql_is_run_in_core_schema_and_db_only() -> None:
    seen: set[tuple[str, str]] = set()
    for path in sorted(SOURCE.glob("**/*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if name.startswith((*SQL_LIVES_IN, *WITHOUT_A_DATABASE)):
            continue
        for function, line, method in database_calls(ast.parse(path.read_text("utf-8"))):
            seen.add((name, function))
            assert (name, function) in ELSEWHERE, f"{name}:{line} calls .{method}( in {function}"
    assert seen == set(ELSEWHERE), "take out of ELSEWHERE what is gone"


def test_no_statement_stands_outside() -> None:
    """Not even unused, or handed to something with another name."""
    for path in sorted(SOURCE.glob("**/*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if name.startswith((*SQL_LIVES_IN, *WITHOUT_A_DATABASE)):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and text.lstrip().lower().startswith(
                ("select ", "insert into ", "update ", "delete from ", "with ")
            ):
                try:
                    uses = uses_an_account(text)
                except ParseError:  # a sentence
                    continue
                assert not uses, f"{name}:{node.lineno} has SQL: {text}"
