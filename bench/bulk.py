"""Measure bulk activities over HTTP, from request to end, against a COPY of the finished rows by psql.

Runs on an empty cluster of its own, with a server and its worker. The order is: import a file, copy the resulting
rows into an empty database with the same schema, import the file again, export, clear the list, delete everybody.
"""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from bench.activity import Api, Ended, Server, pace, server, write_file
from bench.report import Line, note
from everlist.ops.embedded import binary
from everlist.schema.migrate import migrate

if TYPE_CHECKING:
    from pathlib import Path

_COPIED = ("contact", "list_membership", "consent_event")


class _Memory(threading.Thread):
    """Records the peak memory of the server's processes above their memory at the start."""

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
        """Measure ten times a second."""
        while not self._over.wait(0.1):
            for pid, (name, held) in self._held().items():
                grown = (held - self._idle.get(pid, (name, 0))[1]) / 1e6
                self.megabytes[name] = max(self.megabytes.get(name, 0.0), grown)

    def stop(self) -> None:
        """Stop measuring."""
        self._over.set()
        self.join()


def measure(directory: Path, number: int) -> list[Line]:
    """Measure with a file of `number` rows, on a new cluster."""
    with server(directory) as everlist:
        return _measure(everlist, write_file(everlist.directory / "people.csv", number), number)


def _copied(everlist: Server) -> float:
    """Return the seconds that psql takes to copy the rows into an empty database with the same schema."""
    files = {table: everlist.directory / f"{table}.copy" for table in _COPIED}
    for table, file in files.items():
        _psql(everlist.cluster.dsn(role="postgres"), f"\\copy {table} to '{file}'")
    everlist.value("create database finished")
    finished = everlist.cluster.dsn("finished", "postgres")
    asyncio.run(migrate(finished))
    everlist.value("checkpoint")
    begun = time.perf_counter()
    for table, file in files.items():
        _psql(finished, f"\\copy {table} from '{file}'")
    took = time.perf_counter() - begun
    everlist.value("drop database finished")
    for file in files.values():
        file.unlink()
    return took


def _psql(dsn: str, command: str) -> None:
    subprocess.run([binary("psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-c", command, dsn], check=True)


def _dead_rows(everlist: Server) -> int:
    """Return how many rows of the tables that an import fills were updated or deleted."""
    everlist.value("select pg_stat_clear_snapshot()")
    names = ", ".join(f"'{table}'" for table in _COPIED)
    return everlist.value(
        f"select sum(n_tup_upd + n_tup_del) from pg_stat_user_tables where relname in ({names})"
    )


def _measure(everlist: Server, file: Path, number: int) -> list[Line]:
    api = everlist.api
    list_id = api.new_list("Everybody")

    def imported() -> Ended:
        everlist.value("checkpoint")
        begun = time.perf_counter()
        ended = api.ended(begun, api.upload(file, list_id))
        note(
            f"import: request {ended.uploaded:.1f} s, then reading {ended.read - ended.uploaded:.1f} s,"
            f" then merging {ended.seconds - ended.read:.1f} s; {ended.counts}"
        )
        return ended

    memory = _Memory(everlist.pid)
    memory.start()
    first = imported()
    memory.stop()
    # Vacuum now: otherwise autovacuum may run during one of the next measurements.
    everlist.value("vacuum analyze")
    copy = _copied(everlist)
    written = _dead_rows(everlist)
    again = imported()
    written = _dead_rows(everlist) - written
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
    export = api.run("/v3/activities/contact_exports", list_ids=[list_id])
    size = _downloaded(api, export.activity["_links"]["results"]["href"])
    note(
        f"export: {export.seconds:.1f} s, and {time.perf_counter() - begun - export.seconds:.1f} s to download {size / 1e6:.0f} MB"
    )
    people = api.members(list_id)
    cleared = api.run(
        "/v3/activities/remove_list_memberships", source={"list_ids": [list_id]}, list_ids=[list_id]
    )
    imported()  # puts everybody back
    deleted = api.run("/v3/activities/contact_delete", list_ids=[list_id])
    return [
        *lines,
        _ratio("export, to the first import", people, export.seconds, first.seconds),
        _ratio("clear a list of everybody, to the first import", people, cleared.seconds, first.seconds),
        _ratio("delete everybody, to the first import", people, deleted.seconds, first.seconds),
    ]


def _downloaded(api: Api, path: str) -> int:
    with api.answer("GET", path, None, {}) as answer:
        return sum(len(piece) for piece in iter(lambda: answer.read(1 << 20), b""))


def _ratio(what: str, number: int, seconds: float, reference: float, bar: float | None = None) -> Line:
    """Return the line of a ratio of speeds; higher is faster."""
    return Line(
        what=what,
        measured=pace(number, seconds),
        reference=pace(number, reference),
        ratio=reference / seconds,
        bar=bar,
        at_least=True,
    )


def _amount(what: str, measured: float, bar: float, unit: str) -> Line:
    return Line(
        what=what,
        measured=f"{measured:,.0f} {unit}",
        reference="",
        ratio=measured,
        bar=bar,
        at_least=False,
    )
