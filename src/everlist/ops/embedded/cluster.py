"""A cluster, as a process uses it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

from everlist.errors import StartError
from everlist.ops.embedded.files import LINUX, PORT, Files
from everlist.ops.embedded.programs import environment
from everlist.ops.embedded.supervisor import START_SECONDS, STOP_SECONDS

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

_LOG_BYTES = 10_000_000  # a larger log is renamed at the next start


class Cluster:
    """The PostgreSQL cluster of one data directory, as one process uses it.

    `version` matters for a new cluster only. `durable=False` trades every guarantee against data loss for speed, for
    tests; the process that starts postgres decides it for all users.
    """

    def __init__(self, data_dir: Path, version: int = 18, *, durable: bool = True) -> None:
        self._files = Files(data_dir.resolve())
        self._version = version
        self._durable = durable
        self._users: int | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> str:
        """Start using the cluster, create and start it if necessary, and return its DSN.

        Blocks until PostgreSQL accepts connections. Raises StartError if it cannot start.
        """
        if self._users is None:
            files = self._files
            if not files.plain and not LINUX:
                raise StartError(
                    f"the path {files.sockets} is too long for a socket or contains special characters: choose another data directory"
                )
            try:
                with files.start_errors():
                    files.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
                    self._users = files.open("users")
                    fcntl.flock(self._users, fcntl.LOCK_SH)
                    self._bring_up()
            except BaseException:
                self._release()
                raise
        return self.dsn()

    def ensure_running(self) -> None:
        """Start a supervisor if the previous one is gone; cheap if it is not.

        Not needed after a crash of postgres, which the supervisor restarts. Blocks while a supervisor starts. Raises
        StartError if that fails; the call may be repeated.
        """
        if self._users is None:
            raise StartError("the embedded PostgreSQL has not been started")
        with self._files.start_errors():
            if self._files.is_free("supervisor", fcntl.LOCK_SH):
                self._bring_up()

    def stop(self) -> None:
        """Stop using the cluster; if this was its last user, wait until PostgreSQL has stopped.

        If a process ends without this call, PostgreSQL stops a moment later.
        """
        if self._users is None:
            return
        self._release()
        files = self._files
        deadline = time.monotonic() + STOP_SECONDS
        while not files.is_free("supervisor") and time.monotonic() < deadline:
            # A supervisor that stops holds the lock exclusively. If the lock can be shared, there are other users.
            if not files.is_free("users") and files.is_free("users", fcntl.LOCK_SH):
                return
            time.sleep(0.02)

    def dsn(self, database: str = "everlist", role: str = "everlist") -> str:
        """Return the DSN of a database, for asyncpg and libpq; valid until `stop`.

        `everlist` owns its database and has no other rights; `postgres` is the superuser.
        """
        directory = quote(self._files.socket_directory())
        return f"postgresql://{role}@/{database}?host={directory}&port={PORT}"

    def _release(self) -> None:
        self._files.close()
        if self._users is not None:
            os.close(self._users)
            self._users = None

    def _bring_up(self) -> None:
        """Wait until postgres is ready; start a supervisor if there is none."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            lock = self._files.take("supervisor")
            if lock is not None:
                try:
                    self._start_supervisor(lock)
                finally:
                    os.close(lock)
                return
            if self._files.is_ready():
                return
            time.sleep(0.05)
        raise StartError(f"PostgreSQL is not ready after {START_SECONDS:.0f} seconds")

    def _start_supervisor(self, lock: int) -> None:
        """Start the supervisor, pass the lock to it, and wait until it reports that postgres is ready."""
        path = self._files.log
        with suppress(FileNotFoundError):
            if path.stat().st_size > _LOG_BYTES:
                path.replace(path.with_suffix(".log.1"))
        reader, writer = os.pipe()
        with os.fdopen(reader, encoding="utf-8", errors="replace") as pipe:
            try:
                modules = os.pathsep.join(map(os.path.abspath, sys.path))
                arguments = (self._files.data_dir, self._version, int(self._durable), lock, writer)
                with os.fdopen(self._files.open("log", os.O_APPEND), "ab") as log:
                    subprocess.run(
                        [sys.executable, "-P", "-m", "everlist.ops.embedded", *map(str, arguments)],
                        check=False,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        cwd="/",
                        env=environment("PATH", "PYTHONHOME", PYTHONPATH=modules),
                        pass_fds=(lock, writer),
                        start_new_session=True,
                    )
            finally:
                os.close(writer)
            report = pipe.read()
        if report != "ready":
            raise StartError(report or f"PostgreSQL's supervisor died: see {path}")
