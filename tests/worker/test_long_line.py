"""A file with a line that does not end, sent over HTTP: neither process holds it in memory, and it costs only itself."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import httpx2
import psutil
import pytest

from tests.core.recount import recount
from tests.worker.installation import LONG, Account, Installation, until

LENGTH = 2_000_000_000 if LONG else 64_000_000
"""Of the line, in bytes. No upload may be longer than 2 GB unless a setting says so."""
MOST_MEMORY = 24 << 20
"""What the server, and the worker, may take more than before: much less than the line."""
SECONDS = 900 if LONG else 300
PIECE = secrets.token_hex(50_000).encode()  # so that PostgreSQL cannot make it short
BOUNDARY = "a-boundary"


@pytest.fixture
def account(request: pytest.FixtureRequest, installation: Installation) -> Account:
    installation.wait()
    return installation.new_account(request.node.name)


def upload(account: Account, start: bytes, end: bytes, list_id: str) -> httpx2.Response:
    """Send a file that is `start`, LENGTH bytes of one line, and `end`, which is made while it is sent."""

    def body() -> Iterator[bytes]:
        part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="'
        yield f'{part}list_ids"\r\n\r\n{list_id}\r\n'.encode()
        yield f'{part}file"; filename="people.csv"\r\nContent-Type: text/csv\r\n\r\n'.encode() + start
        for _ in range(LENGTH // len(PIECE)):
            yield PIECE
        yield end + f"\r\n--{BOUNDARY}--\r\n".encode()

    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return account.http.post(
        "/activities/contacts_file_import", content=body(), headers=headers, timeout=SECONDS
    )


class Watch:
    """Looks at the memory of two processes all the time between enter and exit."""

    def __init__(self, installation: Installation) -> None:
        worker = until("there is a worker", installation.worker)
        self._processes = {"server": psutil.Process(installation.serving.pid), "worker": worker}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self.before = self._memory()
        self.most = dict(self.before)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.02):
            for name, memory in self._memory().items():
                self.most[name] = max(self.most[name], memory)

    def _memory(self) -> dict[str, int]:
        return {name: process.memory_info().rss for name, process in self._processes.items()}

    @property
    def more(self) -> dict[str, int]:
        """How much each took more than before, at most."""
        return {name: most - self.before[name] for name, most in self.most.items()}


def imported(installation: Installation, account: Account, start: bytes, end: bytes) -> Any:
    """The activity that such a file was imported by, once it has ended."""
    list_id = account.post("/contact_lists", json={"name": "News"})["list_id"]
    # One before, so that the memory is compared with that of processes which have imported something.
    account.ended(
        account.import_file(["email", *(f"q{number}@example.org" for number in range(2_000))], list_id)
    )
    began = time.monotonic()
    with Watch(installation) as watch:
        reply = upload(account, start, end, list_id)
        assert reply.status_code == 201, reply.text
        sent = time.monotonic() - began
        done = account.ended(reply.json()["activity_id"], SECONDS)
    more = ", ".join(f"the {name} {size / 1e6:.1f} MB" for name, size in watch.more.items())
    print(f"{LENGTH:,} bytes, {sent:.1f} s to send, {time.monotonic() - began:.1f} s in all; {more} more")
    assert max(watch.more.values()) < MOST_MEMORY, more
    parts = "select from upload_part where account_id = $1"
    until("nothing is left of the upload", lambda: not account.sql(parts))
    recount(installation.sql, account.account_id)
    return done


def test_a_long_line_costs_only_itself(installation: Installation, account: Account) -> None:
    start = b"email,first_name\na@example.org,Ann\nb@example.org,"
    done = imported(installation, account, start, b"\nc@example.org,Cleo\n")
    assert done["state"] == "completed", done
    assert done["activity_errors"] == ["Line 3: is longer than 1048576 bytes"]
    assert (done["status"]["created_count"], done["status"]["rejected_count"]) == (2, 1)
    rows = account.sql("select first_name from contact where account_id = $1 and first_name <> '' order by 1")
    assert [row["first_name"] for row in rows] == ["Ann", "Cleo"]


def test_a_file_without_any_line_end_fails(installation: Installation, account: Account) -> None:
    done = imported(installation, account, b"email", b"")
    assert done["state"] == "failed", done
    assert done["activity_errors"] == ["the first line is too long for a header"]
