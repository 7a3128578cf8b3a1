"""A disk that is really full: under the rows of an import, under an upload, and under PostgreSQL's log of changes.

Where a file system may be mounted, the whole data directory lies on a small one, which a file fills up. Where
none may be, single tables are put on /dev/full, which gives the same errors; the log of changes cannot be.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import httpx2
import pytest

from everlist.ops.embedded import Cluster
from tests.core.recount import recount
from tests.worker.installation import LONG, Account, Installation, until

SIZE = 320 << 20
ROWS = 30_000
Run = Callable[[str], object]
FULL = "the activity could not go on: the disk of the database is full"


class SmallFileSystem:
    """A file system of SIZE bytes under the data directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ballast = directory / "ballast"

    def mount(self) -> bool:
        """Whether this process may do that."""
        if sys.platform != "linux":
            return False
        libc = ctypes.CDLL(None)
        options = f"size={SIZE},mode=0755".encode()
        return libc.mount(b"tmpfs", bytes(self.directory), b"tmpfs", 0, options) == 0

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", self.directory], check=True)

    @contextlib.contextmanager
    def fill(self, table: str, *, leave: int = 0) -> Iterator[None]:
        """Inside, only so many bytes are left, for that table and for all others."""
        del table
        try:
            with self._ballast.open("wb") as ballast:
                until("it is full", lambda: self._grown(ballast.fileno(), leave), every=0)
            yield
        finally:
            self._ballast.unlink()

    def _grown(self, ballast: int, leave: int) -> bool:
        status = os.statvfs(self.directory)
        with contextlib.suppress(OSError):  # another took the room meanwhile
            os.posix_fallocate(ballast, 0, status.f_bavail * status.f_frsize - leave)
            return True
        return False


class FullTables:
    """Tables that lie on /dev/full for a while."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation

    @contextlib.contextmanager
    def fill(self, table: str, *, leave: int = 0) -> Iterator[None]:
        """Inside, that table is empty and cannot grow, and the others can."""
        del leave
        with superuser(self.installation) as run, self._on_dev_full(table, run):
            yield
        self.installation.wait()

    @contextlib.contextmanager
    def _on_dev_full(self, table: str, run: Run) -> Iterator[None]:
        run(f"truncate {table}")
        which = "reltoastrelid" if table == "upload_part" else "oid"
        ((path,),) = self.installation.sql(
            f"select pg_relation_filepath({which}::regclass) from pg_class where oid = '{table}'::regclass"
        )
        file = self.installation.directory / "postgresql" / path
        aside = file.with_name("aside")
        file.rename(aside)
        file.symlink_to("/dev/full")
        run(LET_GO_OF_FILES)
        try:
            yield
        finally:
            file.unlink()
            aside.rename(file)
            run(LET_GO_OF_FILES)


LET_GO_OF_FILES = "select pg_terminate_backend(pid, 1000) from pg_stat_activity where usename = 'everlist'"


@contextlib.contextmanager
def superuser(installation: Installation) -> Iterator[Run]:
    """Something that runs statements as PostgreSQL's superuser, on a connection that is there before."""
    with asyncio.Runner() as runner:
        dsn = Cluster(installation.directory).dsn(role="postgres")
        connection = runner.run(asyncpg.connect(dsn, timeout=60))
        yield lambda statement: runner.run(connection.execute(statement))
        connection.terminate()


A_CHANGE = "select pg_logical_emit_message(true, '', '')"
NEXT_FILE = "select pg_switch_wal()"


class OnDisk(Installation):
    """An installation whose logs lie elsewhere than its data."""

    def log(self, number: int) -> Path:
        return self.directory.with_name(f"process-{number}.log")


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="everlist-disk-"))
    yield made / "data"
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def small(directory: Path) -> Iterator[SmallFileSystem | None]:
    """A small file system, or None where none can be mounted."""
    directory.mkdir()
    disk = SmallFileSystem(directory)
    mounted = disk.mount()
    yield disk if mounted else None
    if mounted:
        disk.unmount()


@pytest.fixture(scope="module")
def installation(directory: Path, small: SmallFileSystem | None) -> Iterator[Installation]:
    del small  # which is mounted before and unmounted after
    with OnDisk(directory) as running:
        # PostgreSQL's log of changes has room for what the tests do: segments that are used again.
        with superuser(running) as run:
            for statement in [A_CHANGE, NEXT_FILE] * 5 + ["checkpoint"]:
                run(statement)
        yield running


@pytest.fixture
def disk(installation: Installation, small: SmallFileSystem | None) -> SmallFileSystem | FullTables:
    return small or FullTables(installation)


@pytest.fixture
def account(request: pytest.FixtureRequest, installation: Installation) -> Account:
    installation.wait()
    return installation.new_account(request.node.name)


LINES = ["email,first_name", *(f"p{number}@example.org,N{number}" for number in range(ROWS))]


def begun(account: Account, list_id: str) -> str:
    """An import of LINES of which a part is merged."""
    activity_id = account.import_file(LINES, list_id)

    def merged() -> bool:
        percent = account.percent(activity_id)
        assert percent <= 90, "the import was over before anybody saw it"
        return percent >= 10

    until("a part is merged", merged)
    return activity_id


def new_list(account: Account, name: str = "News") -> str:
    return account.post("/contact_lists", json={"name": name})["list_id"]


def left_over(account: Account) -> dict[str, int]:
    """How much is there that nothing but an import under way may have."""
    (told,) = account.sql(
        "select (select count(*) from import_row where account_id = $1) as rows,"
        " (select count(*) from upload_part where account_id = $1) as parts,"
        " (select count(*) from lane where account_id = $1) as lanes"
    )
    return {name: number for name, number in told.items() if number}


def contacts(account: Account) -> int:
    return account.get("/contacts", limit=1, include_count="true")["contacts_count"]


def test_an_import_that_does_not_fit_fails_and_what_it_did_stays(
    installation: Installation, account: Account, disk: SmallFileSystem | FullTables
) -> None:
    list_id = new_list(account)
    other = installation.new_account("beside a full disk")
    news, nobody = new_list(other), new_list(other, "Nobody")
    other.ended(other.import_file(["email", "p@example.org"], news))
    activity_id = begun(account, list_id)
    with disk.fill("import_outcome"):
        request = {"source": {"list_ids": [news]}, "list_ids": [nobody]}
        beside = other.activity("remove_list_memberships", json=request)
        done = account.ended(activity_id)
        assert (done["state"], done["activity_errors"]) == ("failed", [FULL])
        merged = done["status"]["created_count"]
        assert 0 < merged < ROWS
        assert contacts(account) == merged
        assert other.ended(beside)["state"] == "completed"
    until("nothing of it is left", lambda: not left_over(account))
    recount(installation.sql, account.account_id)
    recount(installation.sql, other.account_id)
    again = account.ended(account.import_file(LINES, list_id))
    assert again["state"] == "completed", again
    counts = [again["status"][f"{outcome}_count"] for outcome in ("created", "unchanged")]
    assert counts == [ROWS - merged, merged]
    recount(installation.sql, account.account_id)


def test_an_upload_that_does_not_fit_is_refused_and_leaves_nothing(
    installation: Installation, account: Account, disk: SmallFileSystem | FullTables
) -> None:
    list_id = new_list(account)
    rows = [f"p{number}@example.org,{secrets.token_hex(120)}" for number in range(30_000)]
    request = {
        "files": {"file": ("people.csv", "\n".join(["email,unknown", *rows]).encode(), "text/csv")},
        "data": {"list_ids": list_id},
    }
    with disk.fill("upload_part", leave=3 << 20):
        reply = account.http.post("/activities/contacts_file_import", **request)
        assert reply.status_code == 503, reply.text
        (error,) = reply.json()
        assert error["error_key"] == "contacts.api.unavailable"
        assert int(reply.headers["retry-after"]) > 0
        assert contacts(account) == 0
    assert left_over(account) == {}
    assert account.get("/activities").get("activities", []) == []
    made = account.post("/activities/contacts_file_import", **request)
    assert account.ended(made["activity_id"])["status"]["created_count"] == 30_000
    recount(installation.sql, account.account_id)


@contextlib.contextmanager
def log_full(installation: Installation, small: SmallFileSystem | None) -> Iterator[None]:
    """Inside, PostgreSQL cannot run, since its log of changes has no room."""
    if small is None:
        pytest.skip("no file system can be mounted here, so PostgreSQL's log cannot be without room")
    with superuser(installation) as run:
        run("truncate import_row")  # a restart gives its room back, which must not be enough to go on
        with small.fill("all"):
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                for statement in [A_CHANGE, NEXT_FILE] * 100:
                    run(statement)
            until("PostgreSQL is down", lambda: not installation.is_ready())
            yield
    installation.wait()


def test_postgresql_that_cannot_write_its_log_comes_back_when_there_is_room(
    installation: Installation, account: Account, small: SmallFileSystem | None
) -> None:
    list_id = new_list(account)
    with log_full(installation, small):
        assert httpx2.get(f"{installation.url}/healthz").status_code == 200
        reply = account.http.get("/contacts")
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    done = account.ended(account.import_file(LINES[:1000], list_id))
    assert done["state"] == "completed", done["activity_errors"]
    recount(installation.sql, account.account_id)


@pytest.mark.skipif(not LONG, reason="takes half a minute: EVERLIST_LONG=1")
def test_an_import_goes_on_after_postgresql_had_no_room_for_its_log(
    installation: Installation, account: Account, small: SmallFileSystem | None
) -> None:
    """Even after its supervisor has given up, which is started again until PostgreSQL runs."""
    activity_id = begun(account, new_list(account))
    with log_full(installation, small):
        until("the supervisor gave up", lambda: installation.said("PostgreSQL cannot be restarted") >= 2)
    done = account.ended(activity_id)
    assert done["state"] == "completed", done["activity_errors"]
    assert done["status"]["created_count"] == ROWS
    recount(installation.sql, account.account_id)
