"""Shared by the benchmarks of bulk activities: a file of people, a server on an empty cluster, and a client.

The cluster and all other files of the server are in a temporary directory, which is deleted at the end.
"""

from __future__ import annotations

import asyncio
import http.client
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from bench import serve
from bench.report import note
from everlist.core import accounts, tokens
from everlist.db import open_database
from everlist.ops.embedded import Cluster
from everlist.schema.migrate import migrate

_HEADER = (
    "email,first name,last name,job title,company name,home phone,home address 1,home city,home state,"
    "home zip,cf:shop\r\n"
)
_BOUNDARY = b"a-boundary-that-stands-in-no-row"


def rows(number: int, start: int = 0) -> Iterator[str]:
    """Yield the lines of a file, about 100 bytes each. 1 row in 100 has a bad address, 1 in 20 repeats an address.

    `start` is the number of the first row, so that two files can have some rows in common.
    """
    for row in range(start, start + number):
        person = row - 11 if row % 20 == 19 else row
        address = (
            "no address at all"
            if row % 100 == 50
            else f"person.{person * 7919 % 1_000_003}.{person}@example{person % 40}.com"
        )
        yield (
            f"{address},First{person % 997},Last{person % 4999},Programmer,Company {person % 5003},"
            f"555 {person:07d},{person % 300} Main St,Springfield,IL,{60000 + person % 999},Shop {person % 70}\r\n"
        )


def write_file(file: Path, number: int, start: int = 0) -> Path:
    """Write a file of `rows`."""
    with file.open("w", newline="") as out:
        out.write(_HEADER)
        out.writelines(rows(number, start))
    note(f"a file of {number:,} rows, {file.stat().st_size / 1e6:.0f} MB")
    return file


@dataclass(frozen=True)
class Ended:
    """An activity that has ended, and its times since the request began."""

    activity: dict[str, Any]
    seconds: float
    uploaded: float
    """The seconds until the request was answered."""
    read: float
    """The seconds until the file was read."""

    @property
    def counts(self) -> dict[str, int]:
        """Return the counters that are not zero, by name without `_count`."""
        status: dict[str, int] = self.activity["status"]
        return {name.removesuffix("_count"): count for name, count in status.items() if count}


class Api:
    """A light HTTP client, because the benchmark shares the machine with the server."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._headers = {"Authorization": f"Bearer {token}"}

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Send a request and return the JSON of the answer; raise an error unless it succeeds."""
        content = None if body is None else msgspec.json.encode(body)
        with self.answer(method, path, content, {"Content-Type": "application/json"}) as answer:
            return msgspec.json.decode(answer.read() or b"null")

    @contextmanager
    def answer(
        self, method: str, path: str, body: bytes | Iterable[bytes] | None, headers: dict[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request and yield the unread answer; raise an error unless it succeeds."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)
        try:
            connection.request(method, path, body, {**self._headers, **headers})
            answer = connection.getresponse()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {answer.read().decode()}")
            yield answer
        finally:
            connection.close()

    def new_list(self, name: str) -> str:
        """Create a list; return its id."""
        return self.call("POST", "/v3/contact_lists", {"name": name})["list_id"]

    def members(self, list_id: str) -> int:
        """Return how many contacts are on a list."""
        answer = self.call("GET", f"/v3/contact_lists/{list_id}?include_membership_count=all")
        return answer["membership_count"]

    def upload(self, file: Path, list_id: str) -> str:
        """Import the file to a list; return the id of the activity."""

        def field(name: str, value: str = "", more: str = "") -> bytes:
            head = f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}'
            return b"--" + _BOUNDARY + b"\r\n" + head.encode()

        def body() -> Iterator[bytes]:
            yield field("list_ids", list_id) + b"\r\n"
            yield field("file", more='; filename="people.csv"')
            yield from _pieces(file)
            yield b"\r\n--" + _BOUNDARY + b"--\r\n"

        content_type = f"multipart/form-data; boundary={_BOUNDARY.decode()}"
        path = "/v3/activities/contacts_file_import"
        with self.answer("POST", path, body(), {"Content-Type": content_type}) as answer:
            return msgspec.json.decode(answer.read())["activity_id"]

    def replace(self, file: Path, list_id: str) -> str:
        """Replace a list by the file; return the id of the activity."""
        path = f"/everlist/v1/contact_lists/{list_id}/members"
        with self.answer("PUT", path, _pieces(file), {"Content-Type": "text/csv"}) as answer:
            return msgspec.json.decode(answer.read())["activity_id"]

    def ended(self, begun: float, activity_id: str) -> Ended:
        """Wait until an activity, whose request began at `begun`, has completed."""
        uploaded, read = time.perf_counter() - begun, 0.0
        while True:
            activity = self.call("GET", f"/v3/activities/{activity_id}")
            if not read and activity["percent_done"] >= 5:
                read = time.perf_counter() - begun
            if activity["state"] == "completed":
                return Ended(
                    activity=activity,
                    seconds=time.perf_counter() - begun,
                    uploaded=uploaded,
                    read=read,
                )
            if activity["state"] not in ("initialized", "processing"):
                raise RuntimeError(str(activity))
            time.sleep(0.1)

    def run(self, path: str, **body: object) -> Ended:
        """Start an activity by a POST to the path, and wait until it has completed."""
        begun = time.perf_counter()
        return self.ended(begun, self.call("POST", path, body or None)["activity_id"])


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as content:
        while piece := content.read(1 << 18):
            yield piece


@dataclass(frozen=True)
class Server:
    """Everlist on a cluster of its own, with an account that has only the custom field of `rows`."""

    api: Api
    account_id: UUID
    pid: int
    cluster: Cluster
    directory: Path

    def value(self, sql: str) -> Any:
        """Run a statement as superuser; return its value."""

        async def ask() -> Any:
            connection = await asyncpg.connect(self.cluster.dsn(role="postgres"), timeout=60)
            try:
                return await connection.fetchval(sql, timeout=600)
            finally:
                await connection.close()

        return asyncio.run(ask())


@contextmanager
def server(directory: Path, *, worker: bool = True) -> Iterator[Server]:
    """Run Everlist on a new cluster below `directory`, with or without its worker."""
    with (
        tempfile.TemporaryDirectory(dir=directory, ignore_cleanup_errors=True) as own,
        Cluster(Path(own) / "cluster") as cluster,
    ):
        asyncio.run(migrate(cluster.dsn()))
        account_id, token = asyncio.run(new_account(cluster.dsn()))
        with serve.everlist(cluster.dsn(), Path(own), worker=worker) as (port, pid):
            api = Api(port, token)
            api.call("POST", "/v3/contact_custom_fields", {"label": "Shop", "type": "string"})
            yield Server(api=api, account_id=account_id, pid=pid, cluster=cluster, directory=Path(own))


async def new_account(dsn: str) -> tuple[UUID, str]:
    """Create an account; return its id and a token."""
    db = await open_database(dsn, size=1, statement_timeout=60, name="everlist bench")
    now = datetime.now(UTC)
    account = await db.write(lambda tx: accounts.create(tx, "bench", now=now))
    token, _ = await db.write(
        lambda tx: tokens.create(tx, account.account_id, scopes=["contact_data"], now=now, name="bench")
    )
    await db.close()
    return account.account_id, token


def pace(number: int, seconds: float) -> str:
    """Format the time of `number` rows, and their rate."""
    return f"{seconds:.2f} s, {number / seconds:,.0f} rows/s"
