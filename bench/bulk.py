"""Bulk activities over HTTP, from the request to the end of the activity, against psql's copy of the finished rows.

It has a cluster of its own, empty at first, and a server with its worker. Everything is done in one order:
import a file, copy what that gave into an empty database of the same schema, import the file again, export,
clear the list, delete everybody.
"""

from __future__ import annotations

import asyncio
import http.client
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import psutil

from bench import serve
from bench.report import Line, note
from everlist.core import accounts, tokens
from everlist.db import open_database
from everlist.embedded import Cluster, binary
from everlist.schema.migrate import migrate

if TYPE_CHECKING:
    from pathlib import Path

_HEADER = (
    "email,first name,last name,job title,company name,home phone,home address 1,home city,home state,"
    "home zip,cf:shop\r\n"
)
_COPIED = ("contact", "list_membership", "consent_event")
_BOUNDARY = b"a-boundary-that-stands-in-no-row"


def rows(number: int) -> Iterator[str]:
    """The lines of a file of about 100 bytes a row: 1 row in 100 has a bad address, 1 in 20 one that came before."""
    for row in range(number):
        who = row - 11 if row % 20 == 19 else row
        address = (
            "no address at all"
            if row % 100 == 50
            else f"person.{who * 7919 % 1_000_003}.{who}@example{who % 40}.com"
        )
        yield (
            f"{address},First{who % 997},Last{who % 4999},Programmer,Company {who % 5003},"
            f"555 {who:07d},{who % 300} Main St,Springfield,IL,{60000 + who % 999},Shop {who % 70}\r\n"
        )


@dataclass(frozen=True)
class _Ended:
    """An activity that has ended, and how long it took since its request began."""

    activity: dict[str, Any]
    seconds: float
    uploaded: float
    """The seconds until the request was answered."""
    read: float
    """The seconds until the first progress past the reading of the file."""


class _Api:
    """Enough of an HTTP client: the benchmark shares the machine with what it measures."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._headers = {"Authorization": f"Bearer {token}"}

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of an answer that is a success."""
        content = None if body is None else msgspec.json.encode(body)
        with self.answer(method, path, content, {"Content-Type": "application/json"}) as answer:
            return msgspec.json.decode(answer.read() or b"null")

    @contextmanager
    def answer(
        self, method: str, path: str, body: bytes | Iterable[bytes] | None, headers: dict[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer, which is a success, before it is read."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)
        try:
            connection.request(method, path, body, {**self._headers, **headers})
            answer = connection.getresponse()
            if answer.status >= 300:
                message = f"{method} {path}: {answer.status} {answer.read().decode()}"
                raise RuntimeError(message)
            yield answer
        finally:
            connection.close()

    def upload(self, file: Path, list_id: str) -> str:
        """The id of an import of the file to a list."""

        def field(name: str, value: str = "", more: str = "") -> bytes:
            head = f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}'
            return b"--" + _BOUNDARY + b"\r\n" + head.encode()

        def body() -> Iterator[bytes]:
            yield field("list_ids", list_id) + b"\r\n"
            yield field("file", more='; filename="people.csv"')
            with file.open("rb") as content:
                while piece := content.read(1 << 18):
                    yield piece
            yield b"\r\n--" + _BOUNDARY + b"--\r\n"

        content_type = f"multipart/form-data; boundary={_BOUNDARY.decode()}"
        path = "/v3/activities/contacts_file_import"
        with self.answer("POST", path, body(), {"Content-Type": content_type}) as answer:
            return msgspec.json.decode(answer.read())["activity_id"]

    def ended(self, begun: float, activity_id: str) -> _Ended:
        """Wait for the end of an activity whose request began at `begun`."""
        uploaded, read = time.perf_counter() - begun, 0.0
        while True:
            activity = self.call("GET", f"/v3/activities/{activity_id}")
            if not read and activity["percent_done"] >= 5:
                read = time.perf_counter() - begun
            if activity["state"] == "completed":
                return _Ended(activity, time.perf_counter() - begun, uploaded, read)
            if activity["state"] not in ("initialized", "processing"):
                raise RuntimeError(str(activity))
            time.sleep(0.1)

    def run(self, kind: str, **body: object) -> _Ended:
        """Run an activity to its end."""
        begun = time.perf_counter()
        return self.ended(begun, self.call("POST", f"/v3/activities/{kind}", body)["activity_id"])


class _Memory(threading.Thread):
    """Watches how much memory the processes of the server hold beyond what they held at first."""

    def __init__(self, parent: int) -> None:
        super().__init__(daemon=True)
        self._parent = psutil.Process(parent)
        self._over = threading.Event()
        self._idle = self._held()
        self.megabytes: dict[str, float] = {}

    def _held(self) -> dict[int, tuple[str, int]]:
        held: dict[int, tuple[str, int]] = {}
        for process in (self._parent, *self._parent.children(recursive=True)):
            with suppress(psutil.NoSuchProcess), process.oneshot():
                name = "worker" if "worker" in process.cmdline() else "server"
                held[process.pid] = name, process.memory_info().rss
        return held

    def run(self) -> None:
        """Look ten times a second."""
        while not self._over.wait(0.1):
            for pid, (name, held) in self._held().items():
                grown = (held - self._idle.get(pid, (name, 0))[1]) / 1e6
                self.megabytes[name] = max(self.megabytes.get(name, 0.0), grown)

    def stop(self) -> None:
        """Look no longer."""
        self._over.set()
        self.join()


def measure(directory: Path, number: int) -> list[Line]:
    """Measure with a file of so many rows, in a new cluster in `directory`."""
    file = directory / "people.csv"
    with file.open("w", newline="") as out:
        out.write(_HEADER)
        out.writelines(rows(number))
    note(f"a file of {number:,} rows, {file.stat().st_size / 1e6:.0f} MB")
    with Cluster(directory / "bulk") as cluster:
        dsn = cluster.dsn()
        asyncio.run(migrate(dsn))
        token = asyncio.run(_token(dsn))
        with serve.everlist(dsn, directory, worker=True) as (port, pid):
            return _measure(_Api(port, token), _Database(cluster, directory), pid, file, number)


async def _token(dsn: str) -> str:
    db = await open_database(dsn, size=1, statement_timeout=60, name="everlist bench")
    now = datetime.now(UTC)
    account = await db.write(lambda tx: accounts.create(tx, "bulk", now=now))
    token, _ = await db.write(
        lambda tx: tokens.create(tx, account.account_id, scopes=["contact_data"], now=now, name="bench")
    )
    await db.close()
    return token


class _Database:
    """The database below the server, and beside it an empty one of the same schema."""

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self._dsn = cluster.dsn(role="postgres")
        self._cluster = cluster
        self._directory = directory

    def value(self, sql: str) -> Any:
        """The one value of a statement."""

        async def ask() -> Any:
            connection = await asyncpg.connect(self._dsn, timeout=60)
            try:
                return await connection.fetchval(sql, timeout=600)
            finally:
                await connection.close()

        return asyncio.run(ask())

    def copied(self) -> float:
        """The seconds that psql takes to copy what stands here into an empty database."""
        for table in _COPIED:
            self._psql(self._dsn, f"\\copy {table} to '{self._file(table)}'")
        self.value("create database finished")
        finished = self._cluster.dsn("finished", "postgres")
        asyncio.run(migrate(finished))
        self.value("checkpoint")
        begun = time.perf_counter()
        for table in _COPIED:
            self._psql(finished, f"\\copy {table} from '{self._file(table)}'")
        took = time.perf_counter() - begun
        self.value("drop database finished")
        for table in _COPIED:
            self._file(table).unlink()
        return took

    def _file(self, table: str) -> Path:
        return self._directory / f"{table}.copy"

    def _psql(self, dsn: str, command: str) -> None:
        subprocess.run([binary("psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-c", command, dsn], check=True)

    def dead_rows(self) -> int:
        """How many dead rows there are in the tables that an import fills."""
        self.value("select pg_stat_clear_snapshot()")
        names = ", ".join(f"'{table}'" for table in _COPIED)
        return self.value(
            f"select sum(n_tup_upd + n_tup_del) from pg_stat_user_tables where relname in ({names})"
        )


def _measure(api: _Api, database: _Database, pid: int, file: Path, number: int) -> list[Line]:
    list_id = api.call("POST", "/v3/contact_lists", {"name": "Everybody"})["list_id"]
    api.call("POST", "/v3/contact_custom_fields", {"label": "Shop", "type": "string"})

    def imported() -> _Ended:
        database.value("checkpoint")
        begun = time.perf_counter()
        ended = api.ended(begun, api.upload(file, list_id))
        counts = {
            name.removesuffix("_count"): count for name, count in ended.activity["status"].items() if count
        }
        note(
            f"import: request {ended.uploaded:.1f} s, then reading {ended.read - ended.uploaded:.1f} s,"
            f" then merging {ended.seconds - ended.read:.1f} s; {counts}"
        )
        return ended

    memory = _Memory(pid)
    memory.start()
    first = imported()
    memory.stop()
    copy = database.copied()
    written = database.dead_rows()
    again = imported()
    written = database.dead_rows() - written
    lines = [
        _ratio("import, to COPY of the finished rows", number, first.seconds, copy, 0.5),
        _ratio("import of the same file again, to the first", number, again.seconds, first.seconds, 2.0),
        _amount("rows that the second import wrote", written, 0, "rows"),
        *(
            _amount(f"memory of the {name} above idle", held, 150, "MB")
            for name, held in sorted(memory.megabytes.items())
        ),
    ]
    begun = time.perf_counter()
    export = api.ended(
        begun, api.call("POST", "/v3/activities/contact_exports", {"list_ids": [list_id]})["activity_id"]
    )
    size = _downloaded(api, export.activity["_links"]["results"]["href"])
    note(
        f"export: {export.seconds:.1f} s, and {time.perf_counter() - begun - export.seconds:.1f} s to download {size / 1e6:.0f} MB"
    )
    people = api.call("GET", f"/v3/contact_lists/{list_id}?include_membership_count=all")["membership_count"]
    cleared = api.run("remove_list_memberships", source={"list_ids": [list_id]}, list_ids=[list_id])
    imported()  # puts everybody back
    deleted = api.run("contact_delete", list_ids=[list_id])
    return [
        *lines,
        _ratio("export, to the first import", people, export.seconds, first.seconds, 1.0),
        _ratio("clear a list of everybody, to the first import", people, cleared.seconds, first.seconds, 1.0),
        _ratio("delete everybody, to the first import", people, deleted.seconds, first.seconds, 1.0),
    ]


def _downloaded(api: _Api, path: str) -> int:
    with api.answer("GET", path, None, {}) as answer:
        return sum(len(piece) for piece in iter(lambda: answer.read(1 << 20), b""))


def _ratio(what: str, number: int, seconds: float, reference: float, bar: float) -> Line:
    """How many times as fast as the reference."""
    measured, other = (f"{took:.1f} s, {number / took:,.0f} rows/s" for took in (seconds, reference))
    return Line(what, measured, other, reference / seconds, bar, at_least=True)


def _amount(what: str, measured: float, bar: float, unit: str) -> Line:
    return Line(what, f"{measured:,.0f} {unit}", "", measured, bar, at_least=False)
