"""What a statement of the program must keep to, read from its syntax tree by PostgreSQL's own parser.

The rules make a statement right on one PostgreSQL and on Citus alike: docs/operating-at-scale.md says why.
`problems` checks a text. `calls` finds every call in core that sends one, with its text where that is a constant.
`Recorder` sees each text that this process really sends, and which function of ours sent it.
"""

from __future__ import annotations

import ast as python
import importlib
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind, BoolExprType, SetOperation

import everlist

SOURCE = Path(everlist.__file__).parent
WITHOUT_AN_ACCOUNT = {"account", "api_token"}
"""Plain tables: an account's own row, and a token, which is how we learn the account."""

ACROSS_ACCOUNTS = {
    "core.activities.claim": "claims work of whichever account has waited longest; `lane` has no more than its id",
    "core.activities.count_slots": "tells how much work waits on the whole server, and nothing about whose",
    "core.outbox.claim": "claims a mail of whichever account has waited longest; `mail_due` has no more than its id",
    "core.outbox.count_waiting": "tells how much mail waits on the whole server, and nothing about whose",
    "core.roll_up.accounts_with_rows": "finds the accounts that have something to roll up, and nothing about them",
}
"""Functions whose statements name no account, and why they need not."""

TO_BE_REWRITTEN = {
    "core.imports.merge._find": "keeps the planner from a bad plan with `(select $1)`: see core/imports/statements.py",
    "core.imports.merge._stage": "keeps the planner from a bad plan with `(select $1)`, as _find does",
    "core.imports.merge._write": "keeps the planner from a bad plan with `(select $1)`, as _find does",
    "core.undo.job.activity_undo": "one chained statement; it becomes one statement a table",
}
"""Functions whose statements break a rule today, and why. One that has become clean has to go from here."""

KEPT_ON_THE_COORDINATOR = {"statement_timeout", "work_mem", "plan_cache_mode", "citus.propagate_set_commands"}
"""Settings that a transaction may change without telling the nodes: they matter where the client is."""


@cache
def tenant_tables() -> frozenset[str]:
    """Every table with an account_id, as far as it is not a plain one."""
    tables: set[str] = set()
    for raw in parse_sql((SOURCE / "schema" / "current.sql").read_text("utf-8")):
        statement = raw.stmt
        if isinstance(statement, ast.CreateStmt):
            columns = {it.colname for it in statement.tableElts or () if isinstance(it, ast.ColumnDef)}
            if "account_id" in columns:
                tables.add(statement.relation.relname)
    return frozenset(tables - WITHOUT_AN_ACCOUNT)


def problems(sql: str) -> list[str]:
    """What is wrong with the statements in a text."""
    return sorted({problem for raw in parse_sql(sql) for problem in _problems(raw.stmt)})


def uses_an_account(sql: str) -> bool:
    """Return True if the text has a table with accounts in it."""
    return any(
        isinstance(node, ast.RangeVar) and node.relname in tenant_tables()
        for raw in parse_sql(sql)
        for node in _below(raw.stmt)
    )


def _problems(statement: ast.Node) -> Iterator[str]:
    ctes = {node.ctename for node in _below(statement) if isinstance(node, ast.CommonTableExpr)}
    yield from _without_an_account(statement, ctes)
    yield from _written_and_read(statement, ctes)
    yield from _refused(statement)
    inserting = isinstance(statement, ast.InsertStmt)
    for query in _sub_selects(statement):
        yield from _badly_correlated(query, ctes, inserting=inserting)


# Walking a tree


def _children(node: object) -> Iterator[ast.Node]:
    if isinstance(node, ast.Node):
        for name in node:
            yield from _nodes(getattr(node, name))


def _nodes(value: object) -> Iterator[ast.Node]:
    if isinstance(value, ast.Node):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _nodes(item)


def _below(node: ast.Node) -> Iterator[ast.Node]:
    yield node
    for child in _children(node):
        yield from _below(child)


_QUERIES = (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt)
_WRITES = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt)


def _inside(node: ast.Node) -> Iterator[ast.Node]:
    """Everything below a query that belongs to it, and not to a query within."""
    for child in _children(node):
        if not isinstance(child, _QUERIES):
            yield child
            yield from _inside(child)


def _relations(query: ast.Node) -> Iterator[ast.RangeVar]:
    """The tables that a query itself names; not the target of an INSERT."""
    target = query.relation if isinstance(query, ast.InsertStmt) else None
    for node in _inside(query):
        if isinstance(node, ast.RangeVar) and node is not target:
            yield node


def _alias(relation: ast.RangeVar) -> str:
    return relation.alias.aliasname if relation.alias else relation.relname


def _conjuncts(expression: ast.Node | None) -> Iterator[ast.Node]:
    if isinstance(expression, ast.BoolExpr) and expression.boolop == BoolExprType.AND_EXPR:
        for part in expression.args:
            yield from _conjuncts(part)
    elif expression is not None:
        yield expression


def _conditions(query: ast.Node) -> Iterator[ast.Node]:
    yield from _conjuncts(getattr(query, "whereClause", None))
    for node in _inside(query):
        if isinstance(node, ast.JoinExpr):
            yield from _conjuncts(node.quals)


# One account


def _bare(node: Any) -> Any:
    while isinstance(node, ast.TypeCast):
        node = node.arg
    return node


def _account_of(node: Any, aliases: list[str]) -> str | None:
    """The alias whose account_id a column is; None for another column or value."""
    node = _bare(node)
    if not isinstance(node, ast.ColumnRef) or getattr(node.fields[-1], "sval", "") != "account_id":
        return None
    if len(node.fields) > 1:
        return node.fields[0].sval
    return aliases[0] if len(aliases) == 1 else None


def _pairs(condition: ast.Node) -> Iterator[tuple[Any, Any]]:
    """(left, right) of each equality that a condition demands."""
    kinds = (A_Expr_Kind.AEXPR_OP, A_Expr_Kind.AEXPR_OP_ANY, A_Expr_Kind.AEXPR_IN)
    if not isinstance(condition, ast.A_Expr) or condition.kind not in kinds or condition.name[0].sval != "=":
        if isinstance(condition, ast.SubLink) and condition.testexpr is not None:
            yield condition.testexpr, None
        return
    left, right = condition.lexpr, condition.rexpr
    if isinstance(left, ast.RowExpr) and isinstance(right, ast.RowExpr):
        yield from zip(left.args, right.args, strict=True)
    else:
        yield left, right


def _bound(query: ast.Node, ctes: set[str], *, by: Callable[[Any, list[str]], bool]) -> set[str]:
    """The aliases whose account_id a query ties to something that `by` accepts, directly or through another's."""
    tables = [
        _alias(it) for it in _relations(query) if it.relname in tenant_tables() and it.relname not in ctes
    ]
    own = [_alias(it) for it in _relations(query)]
    links: list[tuple[str, str]] = []
    bound: set[str] = set()
    for condition in _conditions(query):
        for pair in _pairs(condition):
            left, right = (_account_of(side, tables) for side in pair)
            for side, other in ((left, pair[1]), (right, pair[0])):
                if side is not None and by(other, own):
                    bound.add(side)
            if left is not None and right is not None:
                links.append((left, right))
    for node in _inside(query):
        if isinstance(node, ast.JoinExpr) and "account_id" in {it.sval for it in node.usingClause or ()}:
            joined = [_alias(it) for it in _below(node) if isinstance(it, ast.RangeVar)]
            links += [(joined[0], alias) for alias in joined[1:]]
    for _ in links:
        for one, other in links:
            if one in bound or other in bound:
                bound |= {one, other}
    return bound


def _is_one_account(value: Any, own: list[str]) -> bool:
    """Return True unless the value is a column of the query's own tables."""
    value = _bare(value)
    if isinstance(value, ast.ColumnRef):
        return len(value.fields) > 1 and value.fields[0].sval not in own
    return value is not None


def _is_parameter(value: Any, _own: list[str]) -> bool:
    return isinstance(_bare(value), ast.ParamRef)


def _is_outer(value: Any, own: list[str]) -> bool:
    value = _bare(value)
    return isinstance(value, ast.ColumnRef) and len(value.fields) > 1 and value.fields[0].sval not in own


def _without_an_account(statement: ast.Node, ctes: set[str]) -> Iterator[str]:
    for query in _below(statement):
        if not isinstance(query, _QUERIES):
            continue
        bound = _bound(query, ctes, by=_is_one_account)
        # A sub-select or CTE in FROM is checked by itself; what is tied to its account_id is tied to that account.
        derived = {_alias(it) for it in _relations(query) if it.relname in ctes}
        derived |= {
            it.alias.aliasname for it in _inside(query) if isinstance(it, ast.RangeSubselect) and it.alias
        }
        if derived:
            bound |= _bound(query, ctes, by=lambda value, _own: _account_of(value, []) in derived)
        for relation in _relations(query):
            if relation.relname in tenant_tables() - ctes and _alias(relation) not in bound:
                yield f"does not say which account_id of {relation.relname}"
        if isinstance(query, ast.InsertStmt) and query.relation.relname in tenant_tables():
            if "account_id" not in {column.name for column in query.cols or ()}:
                yield f"does not say which account_id of {query.relation.relname}"


# What is written and read


def _parts(statement: ast.Node) -> dict[str, ast.Node]:
    parts = {it.ctename: it.ctequery for it in _below(statement) if isinstance(it, ast.CommonTableExpr)}
    return {**parts, "": statement}


def _names(part: ast.Node) -> set[str]:
    """Tables and CTEs that a part reads: not those of CTEs within, and not the table that it writes."""
    target = part.relation if isinstance(part, _WRITES) else None
    names: set[str] = set()
    waiting = list(_children(part))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.CommonTableExpr):
            continue
        if isinstance(node, ast.RangeVar) and node is not target:
            names.add(node.relname)
        waiting += _children(node)
    return names


def _written_and_read(statement: ast.Node, ctes: set[str]) -> Iterator[str]:
    parts = _parts(statement)
    read = {name: _names(part) for name, part in parts.items()}
    written = {
        name: part.relation.relname
        for name, part in parts.items()
        if isinstance(part, _WRITES) and part.relation
    }
    if len(set(written.values())) > 1:
        yield f"writes {', '.join(sorted(set(written.values())))}: one table a statement"
    for writer, table in written.items():
        # What the write itself draws on is read before it, wherever it runs.
        before, waiting = {writer}, [writer]
        while waiting:
            new = (read[waiting.pop()] & ctes) - before
            before |= new
            waiting += new
        for name in parts:
            if name not in before and (table in read[name] or written.get(name) == table):
                yield f"reads {table}, which another part of it writes"


# What Citus refuses or gets wrong


def _refused(statement: ast.Node) -> Iterator[str]:
    if isinstance(statement, ast.VariableSetStmt) and statement.name not in KEPT_ON_THE_COORDINATOR:
        yield f"sets {statement.name}, which no node would hear of: tx.set_on_every_node"
    in_set = {
        id(node)
        for update in _below(statement)
        if isinstance(update, ast.UpdateStmt)
        for target in update.targetList
        for node in _below(target)
    }
    coalesced = {
        id(node) for call in _below(statement) if isinstance(call, ast.CoalesceExpr) for node in _below(call)
    }
    for node in _below(statement):
        match node:
            case ast.WithClause(recursive=True):
                yield "has a recursive CTE"
            case ast.CaseExpr(arg=ast.Node()):
                yield "has `case x when`: write `case when x =`"
            case ast.A_Indices(is_slice=True) if id(node) in in_set and id(node) not in coalesced:
                yield "sets a slice without coalesce"
            case ast.FuncCall() if node.funcname[-1].sval == "set_config":
                yield "calls set_config, which no node would hear of: tx.set_on_every_node"
            case ast.SubLink():
                yield from _refused_below(node.subselect)
            case ast.InsertStmt():
                yield from _rows_as_json(node)
            case ast.SelectStmt() if node.op != SetOperation.SETOP_NONE:
                for arm in (node.larg, node.rarg):
                    if any(isinstance(target.val, ast.ParamRef) for target in arm.targetList or ()):
                        yield "has a bare parameter in an arm of a UNION: give it a type"
            case _:
                pass


def _refused_below(query: ast.SelectStmt) -> Iterator[str]:
    if any(
        isinstance(it, ast.SelectStmt) and it.op in (SetOperation.SETOP_EXCEPT, SetOperation.SETOP_INTERSECT)
        for it in _below(query)
    ):
        yield "has EXCEPT or INTERSECT in a sub-select"
    targets = query.targetList or ()
    if not query.fromClause and len(targets) == 1 and isinstance(_bare(targets[0].val), ast.ParamRef):
        yield "has `(select $1)`"


def _rows_as_json(insert: ast.InsertStmt) -> Iterator[str]:
    derived = {
        it.alias.aliasname
        for it in _below(insert)
        if isinstance(it, ast.RangeSubselect) and it.alias is not None
    }
    for call in _below(insert):
        if isinstance(call, ast.FuncCall) and call.funcname[-1].sval in (
            "to_jsonb",
            "to_json",
            "row_to_json",
        ):
            for argument in call.args or ():
                if (
                    isinstance(argument, ast.ColumnRef)
                    and getattr(argument.fields[-1], "sval", "") in derived
                ):
                    yield "makes JSON of a row of a sub-select in an INSERT"


def _sub_selects(statement: ast.Node) -> Iterator[ast.SelectStmt]:
    for node in _below(statement):
        if isinstance(node, ast.SubLink):
            yield node.subselect


def _badly_correlated(query: ast.SelectStmt, ctes: set[str], *, inserting: bool) -> Iterator[str]:
    own = [_alias(it) for it in _relations(query)]
    tables = [it for it in _relations(query) if it.relname in tenant_tables() - ctes]
    correlated = any(_is_outer(node, own) for node in _inside(query))
    if not tables or not correlated:
        return
    parameter, outer = _bound(query, ctes, by=_is_parameter), _bound(query, ctes, by=_is_outer)
    for table in tables:
        if _alias(table) in outer - parameter:
            yield f"ties {table.relname} in a sub-select to an account_id outside alone: write `= $1`"
        if inserting and _alias(table) in parameter - outer:
            yield f"ties {table.relname} in a sub-select of an INSERT to `$1` alone: add the account_id outside"


# Who sends what

_METHODS = ("execute", "execute_many", "executemany", "rows", "row", "value", "fetch", "fetchrow", "fetchval")


class Call(NamedTuple):
    """A call in core that sends a statement."""

    name: str
    """Where it is, such as `core.contacts.read.get`."""
    file: str
    first: int
    last: int
    sql: str | None
    """None where the text is put together from pieces when the program runs."""


@cache
def calls() -> tuple[Call, ...]:
    """Every call in core that sends a statement."""
    found: list[Call] = []
    for path in sorted(SOURCE.glob("core/**/*.py")):
        file = path.relative_to(SOURCE)
        module = ".".join(part for part in file.with_suffix("").parts if part != "__init__")
        names = vars(importlib.import_module(f"everlist.{module}"))
        for function, node in _sending(python.parse(path.read_text("utf-8")), module):
            try:
                sql = eval(compile(python.Expression(node.args[0]), "a statement", "eval"), names)
            except NameError:
                sql = None
            if sql is None or isinstance(sql, str):
                found.append(Call(function, file.as_posix(), node.lineno, node.end_lineno or 0, sql))
            else:
                found.append(Call(function, file.as_posix(), node.lineno, node.end_lineno or 0, None))
    return tuple(found)


def _sending(tree: python.AST, name: str) -> Iterator[tuple[str, python.Call]]:
    for node in python.iter_child_nodes(tree):
        inside = name
        if isinstance(node, python.FunctionDef | python.AsyncFunctionDef | python.ClassDef):
            inside = f"{name}.{node.name}"
        if (
            isinstance(node, python.Call)
            and isinstance(node.func, python.Attribute)
            and node.func.attr in _METHODS
            and node.args
        ):
            yield inside, node
        yield from _sending(node, inside)


def wrong(name: str, texts: Iterable[str]) -> list[str]:
    """What is wrong with the statements of a function, but for what is known of it."""
    found = [(problem, sql) for sql in texts for problem in problems(sql)]
    if name in TO_BE_REWRITTEN:
        return []
    if name in ACROSS_ACCOUNTS:
        found = [
            (problem, sql)
            for problem, sql in found
            if not problem.startswith("does not say which account_id")
        ]
    return [f"{name} {problem}:\n{sql}" for problem, sql in found]


@cache
def _in_core(file_name: str) -> tuple[str, str] | None:
    """Return the file of a module of core and the module's name; None for any other file."""
    path = Path(file_name)
    if SOURCE / "core" not in path.parents:
        return None
    file = path.relative_to(SOURCE)
    return file.as_posix(), ".".join(part for part in file.with_suffix("").parts if part != "__init__")


class Recorder:
    """Sees every text that this process sends to PostgreSQL, from the moment when it is made."""

    def __init__(self) -> None:
        self.sent: dict[str, set[str]] = defaultdict(set)
        """The texts, by the function that sent them, such as `core.contacts.read.get`."""
        self.lines: set[tuple[str, int]] = set()
        """(file, line) of every call of ours that sent one."""
        for name in ("fetch", "fetchrow", "fetchval", "execute", "executemany"):
            setattr(asyncpg.Connection, name, self._recorded(getattr(asyncpg.Connection, name)))

    def _recorded(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(connection: Any, sql: str, *args: Any, **kwargs: Any) -> Any:
            self._note(sql)
            return method(connection, sql, *args, **kwargs)

        return call

    def _note(self, sql: str) -> None:
        frame = sys._getframe(2)
        while frame is not None and frame.f_code.co_name != "set_on_every_node":
            if core := _in_core(frame.f_code.co_filename):
                file, module = core
                self.sent[f"{module}.{frame.f_code.co_qualname.replace('.<locals>', '')}"].add(sql)
                self.lines.add((file, frame.f_lineno))
                return
            frame = frame.f_back

    def never_sent(self) -> list[str]:
        """The calls whose text is put together when the program runs, and that were never made: nothing checked them."""
        return [
            f"{call.file}:{call.first}"
            for call in calls()
            if call.sql is None
            and not any((call.file, line) in self.lines for line in range(call.first, call.last + 1))
        ]
