"""The files of a cluster in the data directory: locks, log and socket."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from everlist.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

LINUX = sys.platform == "linux"
PORT = 5432
"""Part of the name of the socket file; PostgreSQL listens on no TCP port."""
# A path that needs no quoting in a DSN and in PostgreSQL's settings, and fits into the address of a socket.
_PLAIN = re.compile(r"/[\w./+-]{1,88}", re.ASCII)


class Files:
    """The lock files, the log, the cluster's directory and its socket, below one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.directory = data_dir / "postgresql"
        self.sockets = data_dir / "postgresql.socket"
        self.log = data_dir / "postgresql.log"
        self.plain = _PLAIN.fullmatch(str(self.sockets)) is not None
        self._sockets: int | None = None

    def open(self, name: str, flags: int = 0) -> int:
        """Open a lock file or the log; create it with the owner of the data directory."""
        flags |= os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(self.data_dir / f"postgresql.{name}", flags, 0o600)
        if os.geteuid() == 0 and os.fstat(descriptor).st_nlink == 1:
            owner = self.data_dir.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor

    def take(self, name: str, how: int = fcntl.LOCK_EX) -> int | None:
        """Try to take a lock; return the descriptor that holds it, or None if the lock is not free."""
        lock = self.open(name)
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    def is_free(self, name: str, how: int = fcntl.LOCK_EX) -> bool:
        """Return True if the lock could be taken now."""
        lock = self.take(name, how)
        if lock is not None:
            os.close(lock)
        return lock is not None

    def is_ready(self) -> bool:
        """Return True if postgres has reported that it accepts connections, and does accept one."""
        try:
            if not (self.directory / "postmaster.pid").read_text().rstrip().endswith("ready"):
                return False
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(f"{self.socket_directory()}/.s.PGSQL.{PORT}")
        except OSError:
            return False
        return True

    def socket_directory(self) -> str:
        """Return a path of the socket's directory that is short enough for the address of a socket."""
        if self.plain:
            return str(self.sockets)
        if self._sockets is None:
            self._sockets = os.open(self.sockets, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/{os.getpid()}/fd/{self._sockets}"

    def close(self) -> None:
        """Close the directory behind the path that `socket_directory` returned."""
        if self._sockets is not None:
            os.close(self._sockets)
            self._sockets = None

    @contextmanager
    def start_errors(self) -> Generator[None]:
        """Turn an OSError into a StartError that names the data directory."""
        try:
            yield
        except OSError as error:
            raise StartError(f"the data directory {self.data_dir} cannot be used: {error}") from error


@contextmanager
def open_directory(path: Path) -> Generator[int]:
    """Open a directory; refuse a symbolic link."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
