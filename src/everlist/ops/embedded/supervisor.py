"""The supervisor: the process that keeps the postgres of one cluster running."""

from __future__ import annotations

import ctypes
import functools
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from everlist.errors import StartError
from everlist.ops.embedded.files import LINUX, PORT, open_directory
from everlist.ops.embedded.programs import INSTALLS, binary, copy_programs, environment

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from everlist.ops.embedded.files import Files

START_SECONDS = 600.0
"""How long postgres may take to accept connections: recovery after a crash can be long."""
STOP_SECONDS = 120.0
"""How long a normal shutdown may take before postgres is killed."""
_POLL_SECONDS = 0.1
_CRASHES = 5  # crashes in a row, each within a minute of the start, before the supervisor gives up
_OS_USERS = ("everlist", "postgres", "nobody")  # under root, postgres runs as the first that exists

# Written into a new cluster's postgresql.conf, where the operator may change them.
_DEFAULTS = {
    "shared_buffers": "256MB",
    "max_connections": "100",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "off",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# Given on the command line, which overrides everything: how to reach postgres, and a log without personal
# data (no statements, no rejected values, no DETAIL lines with keys or queries).
_FIXED = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_statement": "none",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_BOOTSTRAP = b"CREATE ROLE everlist LOGIN;\nCREATE DATABASE everlist OWNER everlist;\n"


class Supervisor:
    """Keep the postgres of one cluster running; stop it after its last user."""

    def __init__(self, files: Files, version: int, *, durable: bool, report: int) -> None:
        self.files = files
        self.version = version
        self.durable = durable
        self.starter: int | None = report  # a pipe: the starter waits for "ready" or the text of an error
        self.users: int | None = None  # the descriptor of the users' lock, once no user is left
        self.log_start = os.fstat(2).st_size
        self.libc = ctypes.CDLL(None)
        self.root = os.geteuid() == 0

    def run(self) -> None:
        """Run until the last user is gone, or until postgres keeps crashing."""
        process: subprocess.Popen[bytes] | None = None
        crashes = 0
        try:
            with self.files.start_errors():
                self.owner = self._find_owner()
                self.programs = self._find_programs()
                if not self.files.directory.exists():
                    self._make_cluster()
                while not self._is_unused():
                    started = time.monotonic()
                    process = self._start_postgres()
                    if self._watch(process):
                        return
                    crashes = 0 if time.monotonic() - started > 60 else crashes + 1
                    if self.starter is not None or crashes > _CRASHES:
                        raise StartError(f"PostgreSQL cannot start: {self._logged_error()}")
                    self._log(f"postgres exited with status {process.returncode}; restarting it")
                    time.sleep(_POLL_SECONDS * 2**crashes)
        except StartError as error:
            self._log(str(error))
            self._report(str(error))
        finally:
            if process is not None:
                _stop(process)

    def _watch(self, process: subprocess.Popen[bytes]) -> bool:
        """Return True as soon as no user is left, or False as soon as postgres has exited."""
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None:
            if self._is_unused():
                return True
            if self.starter is not None and self.files.is_ready():
                self._report("ready")
                os.close(self.starter)
                self.starter = None
            elif self.starter is not None and time.monotonic() > deadline:
                raise StartError(f"PostgreSQL is not ready after {START_SECONDS:.0f} seconds")
            time.sleep(_POLL_SECONDS if self.starter is None else 0.01)
        return False

    def _is_unused(self) -> bool:
        """Return True if no user is left; then new users wait until this process has ended."""
        if self.users is None:
            self.users = self.files.take("users")
        return self.users is not None

    def _report(self, text: str) -> None:
        """Report to the starter, which continues when the pipe is closed; it may have ended already."""
        if self.starter is not None:
            with suppress(BrokenPipeError):
                os.write(self.starter, text.encode())

    def _log(self, text: str) -> None:
        now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        sys.stderr.write(f"{now} [{os.getpid()}] everlist: {text}\n")

    def _logged_error(self) -> str:
        """Return the error that the last failed program wrote to the log."""
        with self.files.log.open("rb") as log:
            log.seek(self.log_start)
            text = log.read().decode(errors="replace")
        # Skip the errors that clients got because the server was not running.
        no_server = "the database system is |terminating connection"
        errors = re.findall(rf"(?:FATAL|PANIC|ERROR|error): ++(?!{no_server})(.+)", text)
        others = [line for line in text.split("\n") if line and "LOG: " not in line]
        return (errors or others or [f"see {self.files.log}"])[-1]

    def _find_owner(self) -> pwd.struct_passwd:
        """Return the OS user that runs postgres: the owner of the cluster, or the future owner of a new one."""
        uid = os.geteuid()
        if self.files.directory.exists():
            owner = self.files.directory.stat().st_uid
            if owner == 0 or uid not in {0, owner}:
                raise StartError(
                    f"{self.files.directory} belongs to another user (uid {owner}): run Everlist as that user, or chown it"
                )
            uid = owner
        if uid == 0:
            for name in _OS_USERS:
                with suppress(KeyError):
                    return pwd.getpwnam(name)
            raise StartError("PostgreSQL cannot run as root: create a user named everlist")
        try:
            return pwd.getpwuid(uid)
        except KeyError:
            raise StartError(
                f"PostgreSQL cannot run: user id {uid} has no name on this machine, add it to /etc/passwd"
            ) from None

    def _find_programs(self) -> Path:
        """Return the folder of an initdb and a postgres that the owner can run."""
        version = self.version
        with suppress(FileNotFoundError):
            text = (self.files.directory / "PG_VERSION").read_text().strip()
            version = int(text) if text.isdecimal() else 0
            if version not in INSTALLS:
                raise StartError(
                    f"{self.files.directory} was made by a PostgreSQL version that Everlist does not contain"
                )
        programs = binary("postgres", version).parent
        if self._can_run(programs):
            return programs
        try:
            copy = copy_programs(version)
        except OSError as error:
            raise StartError(
                f"{programs} is not readable for {self.owner.pw_name}, and cannot be copied: {error}"
            ) from error
        if not self._can_run(copy):
            raise StartError(f"user {self.owner.pw_name} cannot run the programs in {copy}")
        return copy

    def _can_run(self, programs: Path) -> bool:
        if not self.root:
            return True
        try:
            trials = [self._start(str(programs / name), "-V") for name in ("initdb", "postgres")]
        except PermissionError:
            return False
        return [trial.wait() for trial in trials] == [0, 0]

    def _make_cluster(self) -> None:
        """Create a cluster; rename it to its final name when it is complete."""
        new = self.files.directory.with_suffix(".new")
        options = ["--username=postgres", "--auth=peer", "--encoding=UTF8", "--locale=C"]
        options += ["--data-checksums", *(f"--set={name}={_DEFAULTS[name]}" for name in _DEFAULTS)]
        if not self.durable:
            options.append("--no-sync")
        with self._take_over() as lock:
            if new.exists():
                shutil.rmtree(new)
            with self._owned(new) as directory:
                fds = (lock, directory)
                place = self._place(directory, new)
                self._run("initdb", "-D", place, *options, fds=fds)
                single = ("--single", "-D", place, "-c", "exit_on_error=on", "postgres")
                self._run("postgres", *single, stdin=_BOOTSTRAP, fds=fds)
            new.rename(self.files.directory)
            with open_directory(self.files.data_dir) as parent:
                os.fsync(parent)

    def _start_postgres(self) -> subprocess.Popen[bytes]:
        """Start postgres after all processes of an earlier one have ended."""
        directory, sockets = self.files.directory, self.files.sockets
        settings = _FIXED | ({} if self.durable else _NOT_DURABLE)
        # Only root and the owner may log in, as the kernel identifies them (peer). Written at each start, because a
        # cluster that was moved may have another owner; and written by the owner, because a directory of the owner may
        # contain symbolic links, which root must not follow.
        names = {pwd.getpwuid(0).pw_name, self.owner.pw_name}
        access = {
            "pg_hba.conf": ["local all everlist,postgres peer map=everlist"],
            "pg_ident.conf": [f'everlist "{n}" {r}' for n in names for r in ("everlist", "postgres")],
        }
        with (
            self._take_over() as lock,
            open_directory(directory) as directory_fd,
            self._owned(sockets) as sockets_fd,
        ):
            fds = (lock, directory_fd, sockets_fd)
            place = self._place(directory_fd, directory)
            for name, lines in access.items():
                text = "".join(f"{line}\n" for line in lines).encode()
                self._run("/bin/sh", "-c", 'cat >"$0"', f"{place}/{name}", stdin=text, fds=fds)
            return self._start(
                str(self.programs / "postgres"),
                *("-D", place, "-k", self._place(sockets_fd, sockets)),
                *(f"--{name}={value}" for name, value in settings.items()),
                last_signal=signal.SIGINT,
                fds=fds,
            )

    @contextmanager
    def _take_over(self) -> Generator[int]:
        """Wait until every process of an earlier postgres has ended; hold the server lock.

        If only the supervisor was killed, ask the earlier postgres to stop. If postgres itself was killed and its
        children live on, kill them.
        """
        directory = self.files.directory
        deadline = time.monotonic() + STOP_SECONDS
        asked_to_stop = False
        while (lock := self.files.take("server")) is None:
            late = time.monotonic() - deadline
            if late > 10:
                raise StartError(f"another PostgreSQL uses {directory} and does not stop: end it")
            main, others = _processes(directory)
            if main is None or late > 0:
                for pid in (*others, *filter(None, [main])):
                    _signal(pid, signal.SIGKILL)
            elif not asked_to_stop:
                _signal(main, signal.SIGINT)
                asked_to_stop = True
            time.sleep(0.02)
        try:
            # A process that does not hold the lock belongs to a postgres that was started by hand. Keep its pid file
            # then, so that ours finds it and refuses to start.
            if _processes(directory) == (None, set()):
                (directory / "postmaster.pid").unlink(missing_ok=True)
                (self.files.sockets / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)
            yield lock
        finally:
            os.close(lock)

    @contextmanager
    def _owned(self, path: Path) -> Generator[int]:
        """Open a directory that only the owner can enter; create it if it does not exist."""
        path.mkdir(mode=0o700, exist_ok=True)
        with open_directory(path) as descriptor:
            if self.root:
                os.fchown(descriptor, self.owner.pw_uid, self.owner.pw_gid)
            os.fchmod(descriptor, 0o700)
            yield descriptor

    def _place(self, descriptor: int, path: Path) -> str:
        """Return the path by which the owner reaches a directory that it inherits as an open descriptor."""
        by_path = not LINUX or (self.files.plain and not self.root)
        return str(path) if by_path else f"/proc/self/fd/{descriptor}"

    def _run(self, program: str, *arguments: str, fds: Sequence[int], stdin: bytes = b"") -> None:
        """Run a program as the owner: one of PostgreSQL's, or another by its path. Raises StartError if it fails."""
        command = (str(self.programs / program), *arguments)
        process = self._start(*command, stdin=subprocess.PIPE, fds=fds)
        process.communicate(stdin)
        if process.returncode != 0:
            reason = self._logged_error()
            raise StartError(f"PostgreSQL cannot write to {self.files.data_dir}: {reason}")

    def _start(
        self,
        *command: str,
        last_signal: int = signal.SIGKILL,
        stdin: int = subprocess.DEVNULL,
        fds: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a program as the owner, with no other privileges, variables or files than those given here."""
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            cwd="/",
            env=environment(PATH=os.defpath, LC_ALL="C", TZ="UTC"),
            umask=0o077,
            user=self.owner.pw_uid if self.root else None,
            group=self.owner.pw_gid if self.root else None,
            extra_groups=[] if self.root else None,
            pass_fds=fds,
            preexec_fn=functools.partial(self._tie, os.getpid(), last_signal),  # noqa: PLW1509 - no threads here
        )

    def _tie(self, parent: int, last_signal: int) -> None:
        """In the child: ask the kernel for a signal when the supervisor dies, and give up gaining privileges."""
        if LINUX:
            self.libc.prctl(1, last_signal, 0, 0, 0)  # PR_SET_PDEATHSIG
            self.libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
            if os.getppid() != parent:
                os._exit(1)


def _processes(directory: Path) -> tuple[int | None, set[int]]:
    """Return the pids of a cluster's postgres processes: the main one, and the others.

    Find them by their working directory. The pid in postmaster.pid may belong to another process by now.
    """
    found: set[int] = set()
    if LINUX:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                name = (process / "comm").read_text()
                if name == "postgres\n" and (process / "cwd").samefile(directory):
                    found.add(int(process.name))
    else:  # only the main process shows the directory in its command line; its children end with it
        lines = subprocess.check_output(["/bin/ps", "-axo", "pid=,args="], text=True).splitlines()
        found = {int(line.split()[0]) for line in lines if f"/postgres -D {directory} -k" in line}
    with suppress(OSError, ValueError):
        main = int((directory / "postmaster.pid").read_text().split("\n", 1)[0])
        if main in found:
            return main, found - {main}
    return None, found


def _signal(pid: int, how: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, how)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast shutdown, immediate shutdown, kill
        if process.poll() is None:
            process.send_signal(how)
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS if how == signal.SIGINT else 10)
