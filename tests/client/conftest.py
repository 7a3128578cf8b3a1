"""Both clients, against a server on a port, against the application in this process, and against recorded replies."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx2
import pytest
from anyio.from_thread import BlockingPortal

from everlist.app import create_app
from everlist.client import AsyncClient, Client, _retry, _runtime_async, _runtime_sync
from everlist.core import accounts
from everlist.settings import Settings
from tests.client.script import Script
from tests.conftest import Clock, NewToken
from tests.server import Server


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run asynchronous tests on the event loop of the portal, where the application's database is."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    pyfuncitem.funcargs["portal"].call(partial(pyfuncitem.obj, **arguments))
    return True


@pytest.fixture(autouse=True)
def _portal(portal: BlockingPortal) -> None:
    """Every test has the portal, whether it names it or not."""


@pytest.fixture(scope="session")
def application(
    settings: Settings, dsn: str, session_clock: Clock, portal: BlockingPortal
) -> Iterator[httpx2.AsyncBaseTransport]:
    """The application in this process, without a port."""
    app = create_app(settings, dsn, clock=session_clock)
    with portal.wrap_async_context_manager(app.router.lifespan_context(app)):
        yield httpx2.ASGITransport(app)


class InThread(httpx2.BaseTransport):
    """The application for a client that waits in its thread."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, portal: BlockingPortal) -> None:
        self._inner, self._portal = inner, portal

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()

        async def send() -> httpx2.Response:
            response = await self._inner.handle_async_request(request)
            body = await response.aread()
            headers = [(name, value) for name, value in response.headers.raw]
            return httpx2.Response(response.status_code, headers=headers, content=body)

        return self._portal.call(send)


@pytest.fixture
def token(alices_account: accounts.Account, new_token: NewToken) -> str:
    return new_token(alices_account, "contact_data")


@pytest.fixture(params=["http", "in process"])
def async_client(
    request: pytest.FixtureRequest,
    running: Server,
    application: httpx2.AsyncBaseTransport,
    portal: BlockingPortal,
    token: str,
) -> Iterator[AsyncClient]:
    """The client of event loops, with a token of alice's."""
    if request.param == "http":
        client = portal.call(lambda: AsyncClient(running.url, token))
    else:
        client = AsyncClient("http://everlist", token, http=httpx2.AsyncClient(transport=application))
    yield client
    portal.call(client.aclose)


@pytest.fixture(params=["http", "in process"])
def sync_client(
    request: pytest.FixtureRequest,
    running: Server,
    application: httpx2.AsyncBaseTransport,
    portal: BlockingPortal,
    token: str,
) -> Iterator[Client]:
    """The client of threads, with a token of alice's."""
    if request.param == "http":
        client = Client(running.url, token)
    else:
        transport = InThread(application, portal)
        client = Client("http://everlist", token, http=httpx2.Client(transport=transport))
    with client:
        yield client


class Losing(httpx2.AsyncBaseTransport):
    """The application behind a connection that loses the first answer to every POST."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self._lost: set[str | None] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        key = request.headers.get("idempotency-key")
        if request.method == "POST" and key not in self._lost:
            self._lost.add(key)
            raise httpx2.ReadError("lost")
        return response


@pytest.fixture
def async_losing_client(application: httpx2.AsyncBaseTransport, token: str) -> AsyncClient:
    """A client of event loops whose answers get lost."""
    return AsyncClient("http://everlist", token, http=httpx2.AsyncClient(transport=Losing(application)))


@pytest.fixture
def sync_losing_client(application: httpx2.AsyncBaseTransport, token: str, portal: BlockingPortal) -> Client:
    """A client of threads whose answers get lost."""
    transport = InThread(Losing(application), portal)
    return Client("http://everlist", token, http=httpx2.Client(transport=transport))


@pytest.fixture
def account_token(alices_account: accounts.Account, new_token: NewToken) -> str:
    return new_token(alices_account, "account_read", "account_update")


@pytest.fixture
def async_account_client(
    running: Server, account_token: str, portal: BlockingPortal
) -> Iterator[AsyncClient]:
    """A client that may change the account's settings."""
    client = portal.call(lambda: AsyncClient(running.url, account_token))
    yield client
    portal.call(client.aclose)


@pytest.fixture
def sync_account_client(running: Server, account_token: str) -> Iterator[Client]:
    """A client that may change the account's settings."""
    with Client(running.url, account_token) as client:
        yield client


@pytest.fixture
def script() -> Script:
    """Answers what it is told to, and keeps what it was asked."""
    return Script()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client would have waited, each time; nobody does. Waits are the longest that chance allows."""
    waited: list[float] = []

    async def async_sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(_runtime_async, "sleep", async_sleep)
    monkeypatch.setattr(_runtime_sync, "sleep", waited.append)
    monkeypatch.setattr(_runtime_async, "monotonic", lambda: sum(waited))
    monkeypatch.setattr(_runtime_sync, "monotonic", lambda: sum(waited))
    monkeypatch.setattr(_retry.random, "uniform", lambda low, high: high)
    return waited


@pytest.fixture
def async_scripted(script: Script) -> Callable[..., AsyncClient]:
    """A client of event loops whose server is the script."""

    def make(token: Any = "secret", **options: Any) -> AsyncClient:
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(script.answer_async))
        if options.pop("vendors", False):
            return AsyncClient.for_constant_contact(token, http=http, **options)
        return AsyncClient("http://everlist", token, http=http, **options)

    return make


@pytest.fixture
def sync_scripted(script: Script) -> Callable[..., Client]:
    """A client of threads whose server is the script."""

    def make(token: Any = "secret", **options: Any) -> Client:
        http = httpx2.Client(transport=httpx2.MockTransport(script.answer_sync))
        if options.pop("vendors", False):
            return Client.for_constant_contact(token, http=http, **options)
        return Client("http://everlist", token, http=http, **options)

    return make
