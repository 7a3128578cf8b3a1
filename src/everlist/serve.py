"""Run `everlist serve`: start PostgreSQL, migrate, start the web processes and the worker; stop them together."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
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

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from starlette.types import ASGIApp

    from everlist.settings import Settings

log = structlog.get_logger()

_WATCH_SECONDS = 2.0
_STOP_SECONDS = 20


@contextlib.contextmanager
def database(config: Settings) -> Generator[str]:
    """Yield the DSN of the configured database; start the embedded PostgreSQL if none is configured."""
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
    """Restart PostgreSQL whenever its supervisor was killed."""
    while not ended.wait(_WATCH_SECONDS):
        try:
            cluster.ensure_running()
        except StartError as error:
            log.error("PostgreSQL cannot be restarted", error=str(error))


def run(config: Settings, *, host: str, port: int, workers: int, worker: bool, demo_account: bool) -> None:
    """Serve until SIGTERM or SIGINT. Raises StartError."""
    logs.configure(config.log_format)
    # Before uvicorn starts and after it ends, a signal must still run every `finally` below.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    with _metrics_directory(), _listening_socket(host, port) as listening, database(config) as dsn:
        from everlist.worker.run import erase_again  # noqa: PLC0415 - after _metrics_directory

        asyncio.run(migrate(dsn))
        asyncio.run(erase_again(config, dsn))
        token = asyncio.run(_make_demo(dsn)) if demo_account else None
        if config.public_url is None:
            log.warning(
                "EVERLIST_PUBLIC_URL is not set: links in mail work on this machine only", url=_url(listening)
            )
        # This process alone looks after the embedded PostgreSQL: its children get a DSN like any other.
        config = replace(config, database_url=dsn, public_url=config.public_url or _url(listening))
        with _worker(config, wanted=worker):
            _serve(config, listening, workers, lambda: _announce(listening, token))


def _leave(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def _web_app(config: Settings) -> ASGIApp:
    """Create the application of a web process."""
    from everlist.app import create_app  # noqa: PLC0415 - after _metrics_directory

    logs.configure(config.log_format)
    app = create_app(config, config.database_url or "")
    # Modules and routes live as long as the process: exempt them from every later garbage collection.
    gc.collect()
    gc.freeze()
    return app


def _child_web_app(config: Settings) -> ASGIApp:
    """Create the application of one of several web processes, which ends when its parent ends."""
    stop_with_parent()
    return _web_app(config)


class _Server(uvicorn.Server):
    """Call `ready` once the server answers requests."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _serve(config: Settings, listening: socket.socket, workers: int, ready: Callable[[], None]) -> None:
    uvicorn_config = uvicorn.Config(
        partial(_web_app if workers == 1 else _child_web_app, config),
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
        Multiprocess(uvicorn_config, sockets=[listening]).run()
        return
    server = _Server(uvicorn_config, ready)
    try:
        server.run(sockets=[listening])
    finally:
        if not server.started:  # uvicorn has logged the reason and called sys.exit(3)
            raise StartError("the web server did not start; the log says why")


@contextlib.contextmanager
def _listening_socket(host: str, port: int) -> Generator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )  # asyncio sets it for sockets of its own only
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
    """Make the folder in which web processes and worker share metrics; delete it at the end.

    A shell deletes it, so that it goes even if this process is killed: only then does the shell's input end.
    prometheus-client reads the environment when it is imported: everything that imports it comes later.
    """
    directory = tempfile.mkdtemp(prefix="everlist-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
    script = 'trap "" HUP INT TERM; read -r _; rm -rf "$0"'
    remover = subprocess.Popen(
        ["/bin/sh", "-c", script, directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    try:
        yield
    finally:
        remover.communicate()


@contextlib.contextmanager
def _worker(config: Settings, *, wanted: bool) -> Generator[None]:
    """Run the background worker as a child process; restart it whenever it ends."""
    if not wanted:
        yield
        return
    ended = threading.Event()
    environment = settings.environment(config)

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "everlist", "worker", "--with-parent"]
        return subprocess.Popen(command, env=environment)

    process = start()

    def restart() -> None:
        nonlocal process
        while not ended.wait(0.5):
            if (status := process.poll()) is not None and not ended.wait(1.0):
                log.error("the worker process ended and is restarted", exit_status=status)
                process = start()

    watcher = threading.Thread(target=restart, name="restart the worker", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _make_demo(dsn: str) -> str:
    db = await open_database(dsn, size=1, statement_timeout=300, name="everlist demo")
    try:
        _, token = await db.write(lambda tx: demo.make(tx, now=datetime.now(UTC)))
    finally:
        await db.close()
    return token


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - for display, not to bind
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
        click.echo("Create a token with  everlist token create")
    click.echo("Stop it with Ctrl-C.")
    sys.stdout.flush()
