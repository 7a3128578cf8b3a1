"""Measure POST and PUT of one contact: against the bare application, and in five states of the planner's knowledge.

A statement may be planned well where PostgreSQL has statistics and badly where it has none, or old ones. So the same
requests are sent to five databases, which take turns, and the slowest is compared with the fastest. Each state is a
database with an Everlist of its own, because statistics belong to tables, not to accounts. Autovacuum is off
meanwhile, because its ANALYZE would end a state.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import asyncpg

from bench import data, load, serve
from bench.activity import Api, new_account
from bench.report import note, slower
from everlist import demo
from everlist.core import counters, usage
from everlist.core.ids import new_id
from everlist.db import open_database
from everlist.schema.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

    from bench.__main__ import Bench
    from bench.report import Line
    from everlist.ops.embedded import Cluster

_CHANGED = 500
"""PUT changes so many contacts in turn, and fewer in the new account."""
_NEW = 100
"""The contacts of the account that was made a minute ago."""
_SETTLED = 50_000


@dataclass(frozen=True)
class _State:
    """An account in a state of the planner's knowledge, and what requests to it name."""

    name: str
    port: int
    """The port of Everlist on this database."""
    token: str
    list_ids: Sequence[UUID]
    tag_ids: Sequence[UUID]
    contacts: Sequence[dict[str, Any]]
    """The contacts that PUT changes, by the names of columns."""


def write(bench: Bench) -> list[Line]:
    """Compare POST with the bare application, and POST and PUT in the slowest state with the fastest."""
    dsn = bench.cluster.dsn()
    try:
        with _no_autovacuum(bench.cluster), ExitStack() as stack:
            account = bench.large
            large = _state(f"{account.contacts:,}", dsn, bench.everlist, account.account_id, account.token)
            states = [*_small_states(bench, stack), large]
            path = f"/contacts/{account.account_id}"
            _check_rows(
                dsn,
                account.account_id,
                [(bench.everlist, _posts(large)), (bench.reference, _posts(large, path))],
            )
            return [
                bench.against_reference(
                    "POST one contact, two lists, two tags", _posts(large), _posts(large, path), bar=0.6
                ),
                *(
                    _spread(bench, what, requests, states, connections)
                    for what, requests in (("PUT", _puts), ("POST", _posts))
                    for connections in (1, 8)
                ),
            ]
    finally:
        asyncio.run(_roll_up(dsn, bench.large.account_id))


def _spread(
    bench: Bench,
    what: str,
    requests: Callable[[_State], Iterator[bytes]],
    states: Sequence[_State],
    connections: int,
) -> Line:
    """Compare the times in the slowest state with those in the fastest; the bar is 1.5 times them."""
    rounds = bench.race(*((state.port, requests(state)) for state in states), connections=connections)
    loads = {state.name: of_state for state, of_state in zip(states, zip(*rounds, strict=True), strict=True)}
    times = {name: median(part.percentile(50) for part in of_state) for name, of_state in loads.items()}
    rates = {name: median(part.rate for part in of_state) for name, of_state in loads.items()}
    note(
        f"{what}, {connections} at a time: "
        + "; ".join(f"{name} {rates[name]:,.0f}/s, {times[name]:.2f} ms" for name in loads)
    )
    fastest, *_, slowest = sorted(times, key=times.__getitem__)
    return slower(
        f"{what}, {connections} at a time: {slowest}, to {fastest}",
        list(zip(loads[slowest], loads[fastest], strict=True)),
        bar=1.5,
    )


def _posts(state: _State, path: str = "/v3/contacts") -> Iterator[bytes]:
    """Yield requests that each create a contact with two lists and two tags."""
    run = new_id().hex
    for number in count():
        body = {
            "email_address": {
                "address": f"person.{number}@{run}.example.com",
                "permission_to_send": "implicit",
            },
            "first_name": f"First{number % 997}",
            "last_name": f"Last{number % 4999}",
            "create_source": "Account",
            "list_memberships": state.list_ids,
            "taggings": state.tag_ids,
        }
        yield load.with_body("POST", path, state.token, body)


def _puts(state: _State) -> Iterator[bytes]:
    """Yield requests that each change the first name of a contact, and send the rest as it is."""
    for number in count():
        contact = state.contacts[number % len(state.contacts)]
        body = {
            "email_address": {"address": contact["email"]},
            "first_name": f"Name {number}",
            "last_name": contact["last_name"],
            "job_title": contact["job_title"],
            "company_name": contact["company_name"],
            "birthday_month": contact["birthday_month"],
            "birthday_day": contact["birthday_day"],
            "anniversary": contact["anniversary"],
            "update_source": "Account",
        }
        yield load.with_body("PUT", f"/v3/contacts/{contact['contact_id']}", state.token, body)


def _small_states(bench: Bench, stack: ExitStack) -> Iterator[_State]:
    """Make every state but the last; each database and each Everlist ends with the stack."""
    cluster = bench.cluster

    def served(dsn: str) -> int:
        folder = stack.enter_context(TemporaryDirectory(dir=bench.directory, ignore_cleanup_errors=True))
        return stack.enter_context(serve.everlist(dsn, Path(folder)))[0]

    dsn = stack.enter_context(_database(cluster, "new"))
    asyncio.run(migrate(dsn))
    account_id, token = asyncio.run(new_account(dsn))
    port = served(dsn)
    _fill(Api(port, token))
    yield _state("new", dsn, port, account_id, token)

    dsn = stack.enter_context(_database(cluster, "demo"))
    asyncio.run(migrate(dsn))
    account_id, token = asyncio.run(_demo(dsn))
    analyzed = stack.enter_context(_database(cluster, "analyzed", template="demo"))
    asyncio.run(_execute(analyzed, "analyze"))
    yield _state("demo", dsn, served(dsn), account_id, token)
    yield _state("demo analyzed", analyzed, served(analyzed), account_id, token)

    dsn = stack.enter_context(_database(cluster, "settled"))
    asyncio.run(migrate(dsn))
    asyncio.run(data.generate(dsn, contacts=_SETTLED))
    account = asyncio.run(data.load(dsn, data.LARGE))
    yield _state(f"{_SETTLED:,}", dsn, served(dsn), account.account_id, account.token)


def _fill(api: Api) -> None:
    """Make what an account has in its first minute: two lists, two tags and a hundred contacts."""
    list_ids = [api.new_list(name) for name in ("Newsletter", "Customers")]
    tag_ids = [api.call("POST", "/v3/contact_tags", {"name": name})["tag_id"] for name in ("buyer", "donor")]
    for number in range(_NEW):
        body = {
            "email_address": {"address": f"person.{number}@example.com", "permission_to_send": "implicit"},
            "create_source": "Account",
            "list_memberships": list_ids,
            "taggings": tag_ids,
        }
        api.call("POST", "/v3/contacts", body)


async def _demo(dsn: str) -> tuple[UUID, str]:
    """Create the demo account; return its id and a token."""
    db = await open_database(dsn, size=1, statement_timeout=3600, name="everlist bench")
    account, token = await db.write(lambda tx: demo.make(tx, now=datetime.now(UTC)))
    await db.close()
    return account.account_id, token


def _state(name: str, dsn: str, port: int, account_id: UUID, token: str) -> _State:
    """Read what requests to the account name: two lists, two tags, and a random sample of contacts."""

    async def read() -> _State:
        connection = await asyncpg.connect(dsn)
        list_ids = await connection.fetch(
            "select list_id from contact_list where account_id = $1 order by name limit 2", account_id
        )
        tag_ids = await connection.fetch(
            "select tag_id from tag where account_id = $1 order by name limit 2", account_id
        )
        contacts = await connection.fetch(
            """
            select contact_id, email, last_name, job_title, company_name, birthday_month, birthday_day, anniversary
            from contact where account_id = $1 and deleted_at is null and permission = 'implicit'
            order by md5(contact_id::text) limit $2
            """,
            account_id,
            _CHANGED,
        )
        await connection.close()
        return _State(
            name=name,
            port=port,
            token=token,
            list_ids=[row[0] for row in list_ids],
            tag_ids=[row[0] for row in tag_ids],
            contacts=[dict(row) for row in contacts],
        )

    return asyncio.run(read())


@contextmanager
def _database(cluster: Cluster, name: str, *, template: str = "template1") -> Iterator[str]:
    """Create a database of Everlist's in the cluster; yield its DSN, and drop it at the end."""
    postgres, database = cluster.dsn("postgres", "postgres"), f"bench_{name}"
    template = template if template == "template1" else f"bench_{template}"
    drop = f"drop database if exists {database} with (force)"
    asyncio.run(_execute(postgres, drop))
    asyncio.run(_execute(postgres, f"create database {database} owner everlist template {template}"))
    try:
        yield cluster.dsn(database)
    finally:
        asyncio.run(_execute(postgres, drop))


@contextmanager
def _no_autovacuum(cluster: Cluster) -> Iterator[None]:
    postgres = cluster.dsn("postgres", "postgres")
    try:
        asyncio.run(_execute(postgres, "alter system set autovacuum = off", "select pg_reload_conf()"))
        yield
    finally:
        asyncio.run(_execute(postgres, "alter system reset autovacuum", "select pg_reload_conf()"))


async def _execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


def _check_rows(dsn: str, account_id: UUID, sides: Sequence[tuple[int, Iterator[bytes]]]) -> None:
    """Raise an error unless a POST to Everlist and one to the bare application store as many rows in each table."""
    stored: list[list[int]] = []
    for port, requests in sides:
        before = asyncio.run(_rows(dsn, account_id))
        with load.Client(port, requests, connections=1) as client:
            client.run(0)
        after = asyncio.run(_rows(dsn, account_id))
        stored.append([more - fewer for more, fewer in zip(after, before, strict=True)])
    ours, theirs = stored
    if ours != theirs:
        raise RuntimeError(
            f"Everlist stored {ours} rows, the bare application {theirs}: update bench/reference.py"
        )


async def _rows(dsn: str, account_id: UUID) -> list[int]:
    """Return how many rows of the account each table has that a new contact writes."""
    connection = await asyncpg.connect(dsn)
    tables = ("contact", "list_membership", "tagging", "consent_event", "counter_delta", "active_delta")
    rows = [
        await connection.fetchval(f"select count(*) from {table} where account_id = $1", account_id)
        for table in tables
    ]
    await connection.close()
    return rows


async def _roll_up(dsn: str, account_id: UUID) -> None:
    """Roll up what was written to the large account, as a worker would, so that other sections do not wait for it."""
    db = await open_database(dsn, size=1, statement_timeout=3600, name="everlist bench")
    for roll_up in (counters.roll_up, usage.roll_up):
        while await db.write(lambda tx, roll_up=roll_up: roll_up(tx, account_id)):
            pass
    await db.close()
