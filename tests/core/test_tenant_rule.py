"""Every statement on a table of the accounts says which account, and SQL is where it belongs.

The source is read, not run. A statement is a string in src/everlist, or several that are joined with `+`;
what is joined in from elsewhere (a function, a name) is a piece that is checked where it is written.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import everlist

SOURCE = Path(everlist.__file__).parent
WITHOUT_AN_ACCOUNT = {"account", "api_token"}
"""Plain tables: an account's own row, and a token, which is how we learn the account."""

SQL_LIVES_IN = ("core/", "schema/", "db.py")
WITHOUT_A_DATABASE = ("client/",)  # it imports nothing of ours, and its `rows` are those of an import
ELSEWHERE = {
    ("web/probes.py", "_readyz"): "asks the database for a sign of life",
}
"""Calls of the database outside, by file and function, and why."""


def tenant_tables() -> set[str]:
    """Every table with an account_id."""
    found: set[str] = set()
    for path in sorted((SOURCE / "schema").glob("[0-9]*.sql")):
        statements = re.findall(
            r"create (?:unlogged )?table (\w+) \((.*?)\n\);", path.read_text("utf-8"), re.DOTALL
        )
        found |= {
            name for name, columns in statements if re.search(r"^\s*account_id uuid", columns, re.MULTILINE)
        }
    return found - WITHOUT_AN_ACCOUNT


ACROSS_ACCOUNTS = {
    "select count(*) from mail_due": "tells how much mail waits on the whole server, and nothing about whose",
    "select count(*) from lane": "tells how much work waits on the whole server, and nothing about whose",
}
"""Statements that name no account, and why they need not."""

TABLES = tenant_tables()
_REFERENCE = re.compile(
    rf"\b(?:from|join|into|update|using|table)\s+(?:only\s+)?({'|'.join(sorted(TABLES))})\b", re.IGNORECASE
)


def references(statement: str) -> list[str]:
    """The tenant tables that a statement reads or writes, as often as it does."""
    return _REFERENCE.findall(statement)


def names_its_account(statement: str) -> bool:
    """Whether there is an account_id for each reference to a tenant table."""
    enough = len(re.findall(r"\baccount_id\b", statement)) >= len(references(statement))
    return enough or statement in ACROSS_ACCOUNTS


def pieces(node: ast.expr) -> str | None:
    """The text of a string or of strings joined with `+`, with … for what is not a literal; None otherwise."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(pieces(value) or " … " for value in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = pieces(node.left), pieces(node.right)
        if left is not None or right is not None:
            return (left or " … ") + (right or " … ")
    return None


def statements(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every outermost string of a module that is no docstring, with its line."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        text = pieces(node) if isinstance(node, ast.expr) else None
        if text is None:
            yield from statements(node)
            continue
        yield getattr(node, "lineno", 0), text
        for inner in ast.walk(node):  # strings inside the calls that are joined in
            if isinstance(inner, ast.Call):
                yield from statements(inner)


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in SOURCE.glob(folder))


def test_the_tables_are_found() -> None:
    assert {
        *("contact", "contact_list", "tag", "custom_field", "list_membership", "tagging", "consent_event"),
        *("suppression", "resubscribe_request", "counter", "counter_delta", "active_delta", "activity"),
    } <= TABLES
    assert not TABLES & WITHOUT_AN_ACCOUNT
    everything = {
        name
        for path in (SOURCE / "schema").glob("[0-9]*.sql")
        for name in re.findall(r"create (?:unlogged )?table (\w+)", path.read_text("utf-8"))
    }
    assert everything == TABLES | WITHOUT_AN_ACCOUNT


@pytest.mark.parametrize("path", modules("core/**/*.py"), ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_statement_names_its_account(path: Path) -> None:
    for line, statement in statements(ast.parse(path.read_text("utf-8"))):
        assert names_its_account(statement), (
            f"{path.name}:{line} uses {', '.join(references(statement))}"
            f" with too few account_id:\n{statement}"
        )


def test_there_are_statements_to_check() -> None:
    """Else the rule above would hold of nothing."""
    found = [
        statement
        for path in modules("core/**/*.py")
        for _, statement in statements(ast.parse(path.read_text("utf-8")))
        if references(statement)
    ]
    assert len(found) > 40
    assert set(ACROSS_ACCOUNTS) <= set(found), "take out of ACROSS_ACCOUNTS what is gone"
    assert {table for statement in found for table in references(statement)} >= {"contact", "tag", "counter"}


@pytest.mark.parametrize(
    ("code", "holds"),
    [
        ('db.row("select 1 from tag where account_id = $1")', True),
        ('db.row("select 1 from tag where tag_id = $1")', False),
        ('db.row("select " + columns(x) + " from contact c where c.account_id = $1" + where)', True),
        ('db.row("select " + columns(x) + " from contact c where c.contact_id = $1" + where)', False),
        (
            'db.row("select 1 from contact c join tagging t using (contact_id) where c.account_id = $1")',
            False,
        ),
        ('x = f("update tag set name = $1")', False),
        ('X: LiteralString = """\nselect from\n  tag\n"""', False),
        ('db.row("insert into tag (tag_id) values ($1)")', False),
        ('db.row("delete from tag where tag_id = $1")', False),
        ('db.row("a" + g("select 1 from tag") + "b")', False),
        ('"""select from tag"""', True),
        ('raise E("no tag has the id")', True),
    ],
)
def test_the_rule_sees_what_it_should(code: str, holds: bool) -> None:
    found = [statement for _, statement in statements(ast.parse(code))]
    assert all(names_its_account(statement) for statement in found) == holds


def calls(tree: ast.AST, function: str = "") -> Iterator[tuple[str, int, str]]:
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
        yield from calls(node, inside)


def test_sql_is_run_in_core_schema_and_db_only() -> None:
    seen: set[tuple[str, str]] = set()
    for path in modules("**/*.py"):
        name = path.relative_to(SOURCE).as_posix()
        if name.startswith((*SQL_LIVES_IN, *WITHOUT_A_DATABASE)):
            continue
        for function, line, method in calls(ast.parse(path.read_text("utf-8"))):
            seen.add((name, function))
            assert (name, function) in ELSEWHERE, f"{name}:{line} calls .{method}( in {function}"
    assert seen == set(ELSEWHERE), "take out of ELSEWHERE what is gone"


def test_no_statement_stands_outside() -> None:
    """Not even unused, or handed to something with another name."""
    for path in modules("*.py", "v3/*.py"):
        for line, statement in statements(ast.parse(path.read_text("utf-8"))):
            assert not references(statement), f"{path.name}:{line} has SQL: {statement}"
