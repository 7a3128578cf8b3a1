"""A PostgreSQL, a running server, and the cast.

One cluster, one database and one server serve the whole run; each test gets accounts of its own, so
nothing that it commits is seen by another. A test that needs a database for itself takes `own_database`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import hypothesis
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from everlist.core import accounts, tokens
from everlist.core.installation import Installation
from everlist.db import Database, open_database
from everlist.ops.embedded import Cluster
from everlist.schema.distribute import distribute
from everlist.schema.migrate import migrate
from everlist.settings import Settings
from everlist.worker import run as worker
from tests import cluster
from tests.cluster import Nodes
from tests.contract.spec import check_response
from tests.server import Server
from tests.statements import TO_BE_REWRITTEN, Recorder, problems, wrong

SECRET_KEY = "a key that only tests use, of more than 32 characters"
INSTALLATION = Installation(
    secret_key=SECRET_KEY.encode(), erase_ledger=None, mail_folder=Path("/nonexistent/mail")
)
_numbers = itertools.count(1)
_temporary_folder = pytest.StashKey[Path]()

# How long an example takes says how busy the machine is, and nothing about what is tested.
hypothesis.settings.register_profile(
    "everlist", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("everlist")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give the run a temporary folder of its own, which the processes that it starts inherit.

    The names in it are short: the path of a socket may have 107 characters.
    """
    folder = Path(tempfile.mkdtemp(prefix="everlist-"))
    folder.chmod(0o755)  # PostgreSQL may run as another user
    config.stash[_temporary_folder] = folder
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    config.option.basetemp = config.option.basetemp or folder / "t"


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[_temporary_folder], ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left(pytestconfig: pytest.Config) -> Iterator[None]:
    """Fail the run if a test, or a program that it started, leaves something in the temporary folder."""
    yield
    folder = pytestconfig.stash[_temporary_folder]
    left = sorted({path.name for path in folder.iterdir()} - {"t"})
    assert not left, (
        f"The tests left {left} in the temporary folder {folder}: remove them where they are made."
    )


@pytest.fixture(scope="session", autouse=True)
def _statements_keep_the_rules(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the run if a statement that was sent breaks a rule of tests/statements.py.

    A run of everything fails as well if a call in core whose statement is put together was never made, and if a
    function in TO_BE_REWRITTEN breaks no rule any more.
    """
    recorder = Recorder()
    yield
    found = [line for name, texts in sorted(recorder.sent.items()) for line in wrong(name, texts)]
    assert not found, "\n\n".join(found)
    config = request.config
    everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.keyword
    if everything and not request.session.testsfailed:
        assert not recorder.never_sent(), "no test sends the statements of these calls"
        known = TO_BE_REWRITTEN.keys() & recorder.sent.keys()
        clean = {name for name in known if not any(map(problems, recorder.sent[name]))}
        assert not clean, f"take {clean} out of TO_BE_REWRITTEN: they break no rule any more"


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """Runs coroutines, in a thread with an event loop that lasts for the whole run."""
    with start_blocking_portal("asyncio") as portal:
        yield portal


@pytest.fixture(scope="session")
def nodes(portal: BlockingPortal) -> Nodes | None:
    """The nodes of the cluster that EVERLIST_TEST_CITUS_URL names, where every database is then distributed."""
    given = cluster.given()
    return portal.call(Nodes.of, given) if given else None


@pytest.fixture(scope="session")
def cluster_dsn(nodes: Nodes | None, portal: BlockingPortal) -> Iterator[str]:
    """The DSN of a server where databases may be made; PostgreSQL 18 unless EVERLIST_TEST_POSTGRESQL says 16."""
    if nodes is not None:
        yield nodes.dsn("postgres")
        return
    if given := os.environ.get("EVERLIST_TEST_DATABASE_URL"):
        yield given
        return
    directory = Path(tempfile.mkdtemp(prefix="everlist-tests-"))
    version = int(os.environ.get("EVERLIST_TEST_POSTGRESQL", "18"))
    try:
        with Cluster(directory, version, durable=False) as embedded:
            # To signal is for `drop database … with (force)`, which meets an autovacuum worker now and then.
            may = "alter role everlist createdb; grant pg_signal_backend to everlist"
            portal.call(_execute, embedded.dsn(role="postgres"), may)
            yield embedded.dsn()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _in_database(dsn: str, name: str) -> str:
    head, question, query = dsn.partition("?")
    return head.rpartition("/")[0] + "/" + name + question + query


async def _execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def template(nodes: Nodes | None, cluster_dsn: str, portal: BlockingPortal) -> Iterator[str]:
    """The name of a database with the whole schema and nothing in it; not to be connected to."""
    name = f"everlist_template_{os.getpid()}"
    if nodes is None:
        portal.call(_execute, cluster_dsn, f"create database {name}")
        portal.call(migrate, _in_database(cluster_dsn, name))
        yield name
        portal.call(_execute, cluster_dsn, f"drop database {name}")
        return
    portal.call(nodes.make, name)
    portal.call(migrate, nodes.dsn(name))
    portal.call(lambda: distribute(nodes.dsn(name), shards=cluster.SHARDS))
    portal.call(nodes.close, name)
    yield name
    portal.call(nodes.drop, name)


Cloned = Callable[[], contextlib.AbstractContextManager[str]]


@pytest.fixture(scope="session")
def cloned(nodes: Nodes | None, cluster_dsn: str, template: str, portal: BlockingPortal) -> Cloned:
    """Makes a database with the whole schema, for as long as its block runs."""

    @contextlib.contextmanager
    def clone() -> Iterator[str]:
        name = f"everlist_test_{os.getpid()}_{next(_numbers)}"
        if nodes is not None:
            portal.call(nodes.copy, name, template)
            yield nodes.dsn(name)
            portal.call(nodes.drop, name)
            return
        portal.call(_execute, cluster_dsn, f"create database {name} template {template}")
        yield _in_database(cluster_dsn, name)
        portal.call(_execute, cluster_dsn, f"drop database {name} with (force)")

    return clone


@pytest.fixture(scope="session")
def dsn(cloned: Cloned) -> Iterator[str]:
    """The database that tests share."""
    with cloned() as dsn:
        yield dsn


@pytest.fixture
def own_database(cloned: Cloned) -> Iterator[str]:
    """A database for this test alone."""
    with cloned() as dsn:
        yield dsn


@pytest.fixture(scope="session")
def database(dsn: str, portal: BlockingPortal) -> Iterator[Database]:
    """A pool on the shared database, for tests that look behind the server or call core."""
    opened: Database = portal.call(
        lambda: open_database(dsn, size=4, statement_timeout=30, name="everlist tests", bulk=True)
    )
    yield opened
    portal.call(opened.close)


class Clock:
    """The time as the server sees it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def move(self, **by: float) -> None:
        """Let time pass: `clock.move(days=3)`."""
        self.ahead += timedelta(**by)


@pytest.fixture(scope="session")
def session_clock() -> Clock:
    return Clock()


@pytest.fixture
def clock(session_clock: Clock) -> Iterator[Clock]:
    """The server's clock; it is put right again after the test."""
    yield session_clock
    session_clock.ahead = timedelta()


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(data_dir=tmp_path_factory.mktemp("data"), secret_key=SECRET_KEY)


@pytest.fixture(scope="session")
def running(settings: Settings, dsn: str, session_clock: Clock, portal: BlockingPortal) -> Iterator[Server]:
    """The server of the run, on a real port."""
    with Server(settings, dsn, portal, clock=session_clock) as server:
        yield server


@pytest.fixture
def working(dsn: str, settings: Settings, portal: BlockingPortal) -> Iterator[None]:
    """A worker that runs beside the server for as long as the test does."""
    stop = portal.call(asyncio.Event)
    running = portal.start_task_soon(worker.run, settings, dsn, stop)
    yield
    portal.call(stop.set)
    running.result(timeout=60)


class Reply:
    """An answer of the server, already checked against the published contract."""

    def __init__(self, response: httpx2.Response) -> None:
        self.request = response.request
        self.status = response.status_code
        self.headers = response.headers
        self.body: bytes = response.content

    @property
    def json(self) -> Any:
        return httpx2.Response(self.status, content=self.body).json()

    def __repr__(self) -> str:
        """Say what was asked and what was answered, so that a failed assertion needs no other file."""
        try:
            sent = self.request.content[:500].decode(errors="replace")
        except httpx2.RequestNotRead:
            sent = "(a file)"
        answered = self.body[:500].decode(errors="replace")
        return f"{self.request.method} {self.request.url} {sent} was answered {self.status} {answered}"


class Api:
    """A caller of V3 with one token. Every answer is checked against the published OpenAPI file."""

    def __init__(self, url: str, token: str | None, account: accounts.Account | None = None) -> None:
        self.url = url
        self.token = token
        self._account = account
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http = httpx2.Client(
            base_url=url, headers=headers, timeout=60, verify=False
        )  # no CA certificates to load

    @property
    def account_id(self) -> Any:
        assert self._account is not None
        return self._account.account_id

    def __call__(self, method: str, path: str, **kwargs: Any) -> Reply:
        """`api("GET", "/contacts", params={…})`: the path is below /v3 unless it begins with it.

        Answers of /everlist/v1 are not checked: no contract of others tells what they are.
        """
        if path.startswith("/everlist/"):
            return Reply(self.http.request(method, path, **kwargs))
        full = path if path.startswith("/v3") else "/v3" + path
        response = self.http.request(method, full, **kwargs)
        check_response(
            method, full.partition("?")[0], response.status_code, response.headers, response.content
        )
        return Reply(response)

    def get(self, path: str, **params: Any) -> Reply:
        return self("GET", path, params=params)

    def post(self, path: str, body: Any) -> Reply:
        return self("POST", path, json=body)

    def put(self, path: str, body: Any) -> Reply:
        return self("PUT", path, json=body)

    def delete(self, path: str) -> Reply:
        return self("DELETE", path)

    def pages(self, path: str, **params: Any) -> Iterator[Reply]:
        """Every page of a collection, by its next links."""
        reply = self.get(path, **params)
        yield reply
        while "_links" in reply.json:
            reply = self("GET", reply.json["_links"]["next"]["href"])
            yield reply


NewToken = Callable[..., str]
NewAccount = Callable[[], accounts.Account]


@pytest.fixture(scope="session")
def new_account(database: Database, portal: BlockingPortal) -> NewAccount:
    """Makes an account with a name of its own."""

    def make() -> accounts.Account:
        name = f"account {next(_numbers)}"
        return portal.call(
            lambda: database.write(lambda tx: accounts.create(tx, name, now=datetime.now(UTC)))
        )

    return make


@pytest.fixture(scope="session")
def new_token(database: Database, portal: BlockingPortal) -> NewToken:
    """Makes a token: new_token(account, "contact_data")."""

    def make(account: accounts.Account, *scopes: str) -> str:
        async def operation() -> str:
            secret, _ = await database.write(
                lambda tx: tokens.create(tx, account.account_id, scopes=scopes, now=datetime.now(UTC))
            )
            return secret

        return portal.call(operation)

    return make


@pytest.fixture
def alices_account(new_account: NewAccount) -> accounts.Account:
    return new_account()


@pytest.fixture
def alice(running: Server, alices_account: accounts.Account, new_token: NewToken) -> Iterator[Api]:
    """Owns the account of the test."""
    api = Api(running.url, new_token(alices_account, "contact_data"), alices_account)
    yield api
    api.http.close()


@pytest.fixture
def bob(running: Server, alices_account: accounts.Account, new_token: NewToken) -> Iterator[Api]:
    """Alice's colleague, whose token lacks the scope for contacts."""
    api = Api(running.url, new_token(alices_account, "campaign_data", "account_read"), alices_account)
    yield api
    api.http.close()


@pytest.fixture
def charlie(running: Server, new_account: NewAccount, new_token: NewToken) -> Iterator[Api]:
    """Owns another account."""
    account = new_account()
    api = Api(running.url, new_token(account, "contact_data"), account)
    yield api
    api.http.close()


@pytest.fixture
def anonymous(running: Server) -> Iterator[Api]:
    """Has no token."""
    api = Api(running.url, None)
    yield api
    api.http.close()


@pytest.fixture(scope="session")
def server(running: Server, new_account: NewAccount, new_token: NewToken) -> Server:
    """The server of the run with a token of an account that every user of this fixture shares."""
    running.token = new_token(new_account(), "contact_data")
    return running


Sql = Callable[..., Sequence[asyncpg.Record]]


@pytest.fixture(scope="session")
def sql(database: Database, portal: BlockingPortal) -> Sql:
    """Runs a query on the shared database: sql("select … where account_id = $1", alice.account_id)."""

    def run(query: Any, *args: Any) -> Sequence[asyncpg.Record]:
        return portal.call(lambda: database.rows(query, *args))

    return run
