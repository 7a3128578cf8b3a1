"""`everlist serve`: PostgreSQL, the schema, the web processes and the worker, brought up and down together."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import structlog
import uvicorn
from uvicorn.supervisors import Multiprocess

from everlist import demo, settings
from everlist.db import open_database
from everlist.errors import StartError
from everlist.ops import logs
from everlist.ops.embedded import Cluster
from everlist.ops.processes import stop_with_parent
from everlist.schema.migrate import migrate
from everlist.worker.run import erase_again

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from starlette.types import ASGIApp

    from everlist.settings import Settings

log = structlog.get_logger()

_WATCH_SECONDS = 2.0
_STOP_SECONDS = 20


@contextlib.contextmanager
def database(config: Settings) -> Generator[str]:
    """The DSN of the database of these settings: one that is given, or the embedded one, which is started."""
    if config.database_url is not None:
        yield config.database_url
        return
    cluster = Cluster(config.data_dir)
    dsn = cluster.start()
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(cluster, ended), name="watch PostgreSQL", daemon=True)
    watcher.start()
    try:
        yield dsn
    finally:
        ended.set()
        watcher.join()
        cluster.stop()


def _watch(cluster: Cluster, ended: threading.Event) -> None:
    """Bring PostgreSQL back where its supervisor was killed."""
    while not ended.wait(_WATCH_SECONDS):
        try:
            cluster.ensure_running()
        except StartError as error:
            log.error("PostgreSQL does not come back", error=str(error))


def run(config: Settings, *, host: str, port: int, workers: int, worker: bool, demo_account: bool) -> None:
    """Serve until SIGTERM or SIGINT. Raises StartError."""
    logs.configure(config.log_format)
    # Asked to stop, before uvicorn runs or after it has ended: leave through every `finally` below.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    with _listening_socket(host, port) as listening, database(config) as dsn:
        asyncio.run(migrate(dsn))
        asyncio.run(erase_again(config, dsn))
        token = asyncio.run(_make_demo(dsn)) if demo_account else None
        # Children take what was settled here; the embedded server is theirs by its DSN, and ours to keep.
        if config.public_url is None:
            log.warning("links lead to this machine until EVERLIST_PUBLIC_URL is set", url=_url(listening))
        os.environ.update(
            EVERLIST_PUBLIC_URL=config.public_url or _url(listening),
            EVERLIST_DATA_DIR=str(config.data_dir),
            EVERLIST_DATABASE_URL=dsn,
            EVERLIST_SECRET_KEY=config.secret_key,
        )
        with _metrics_directory(), _worker(wanted=worker):
            _serve(listening, workers, lambda: _announce(listening, token))


def _leave(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def web_app() -> ASGIApp:
    """The application of one of several web processes, from the environment that run() made."""
    from everlist.app import create_app  # noqa: PLC0415 - the folder of the metrics must be set before

    config = settings.load()
    logs.configure(config.log_format)
    app = create_app(config, config.database_url or "")
    # What was made so far stays, so the garbage collector need not go through it again and again.
    gc.collect()
    gc.freeze()
    return app


def several_web_app() -> ASGIApp:
    """The same, for a process that ends with the one that started it."""
    stop_with_parent()
    return web_app()


class _Server(uvicorn.Server):
    """Calls `ready` once it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _serve(listening: socket.socket, workers: int, ready: Callable[[], None]) -> None:
    config = uvicorn.Config(
        "everlist.serve:web_app" if workers == 1 else "everlist.serve:several_web_app",
        factory=True,
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    if workers > 1:
        ready()
        Multiprocess(config, sockets=[listening]).run()
        return
    server = _Server(config, ready)
    try:
        server.run(sockets=[listening])
    finally:
        if not server.started:  # uvicorn leaves with a status of its own
            raise StartError("the web server did not start; the log says why")


@contextlib.contextmanager
def _listening_socket(host: str, port: int) -> Generator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio alone leaves it off here
        try:
            listening.bind((host, port))
            listening.listen(2048)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise StartError(
                f"cannot listen on {host}, port {port}: {reason}; choose another with --host or --port"
            ) from error
        listening.set_inheritable(True)
        yield listening


@contextlib.contextmanager
def _metrics_directory() -> Generator[None]:
    """The folder that the web processes share their numbers in; gone when they are."""
    directory = tempfile.mkdtemp(prefix="everlist-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
    try:
        yield
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _worker(*, wanted: bool) -> Generator[None]:
    """The background worker as a process of its own, started again whenever it ends."""
    if not wanted:
        yield
        return
    ended = threading.Event()
    command = [sys.executable, "-m", "everlist", "worker", "--with-parent"]
    current = [subprocess.Popen(command)]

    def keep() -> None:
        while not ended.wait(0.5):
            if (code := current[0].poll()) is not None and not ended.wait(1.0):
                log.error("the worker ended and is started again", exit_status=code)
                current[0] = subprocess.Popen(command)

    keeper = threading.Thread(target=keep, name="keep the worker", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
        current[0].send_signal(signal.SIGTERM)
        try:
            current[0].wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            current[0].kill()
            current[0].wait()


async def _make_demo(dsn: str) -> str:
    db = await open_database(dsn, size=1, statement_timeout=300, name="everlist demo")
    try:
        _, token = await db.write(lambda tx: demo.make(tx, now=datetime.now(UTC)))
    finally:
        await db.close()
    return token


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - the address to show, not to bind
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _announce(listening: socket.socket, token: str | None) -> None:
    url = _url(listening)
    click.echo(f"Everlist answers at  {url}/v3")
    if token:
        click.echo(f"Token of the demo    {token}")
        click.echo("Try it:")
        click.echo(
            f"  curl -H 'Authorization: Bearer {token}' '{url}/v3/contacts?limit=2&include_count=true'"
        )
    else:
        click.echo("Make a token with    everlist token create")
    click.echo("Stop it with Ctrl-C.")
    sys.stdout.flush()
