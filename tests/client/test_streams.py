"""Files of any size go out and come in piece by piece, and one client serves many threads."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx2
from anyio.from_thread import BlockingPortal
from hypothesis import given
from hypothesis import strategies as st

from everlist.client import AsyncClient, Client
from everlist.client._sync.activities import _records
from everlist.client._upload import CHUNK
from tests.server import Server

PIECES = 200
LIST = "0b6e2c80-9c1e-11f0-8d55-0242ac120002"
ACTIVITY = {"activity_id": LIST, "state": "initialized"}


class Long(io.RawIOBase):
    """A file that is made while it is read, and knows how much of it was."""

    def __init__(self) -> None:
        self.read_bytes = 0

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        assert 0 < size <= CHUNK
        piece = b"x" * min(size, PIECES * CHUNK - self.read_bytes)
        self.read_bytes += len(piece)
        return piece


class Sink(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """A server that keeps nothing, and notes how far the client has read ahead."""

    def __init__(self, file: Long) -> None:
        self.file, self.received, self.ahead = file, 0, 0

    def _take(self, part: bytes) -> None:
        self.received += len(part)
        self.ahead = max(self.ahead, self.file.read_bytes - self.received)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        assert isinstance(request.stream, httpx2.SyncByteStream)
        for part in request.stream:
            self._take(part)
        return httpx2.Response(201, json=ACTIVITY)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        assert isinstance(request.stream, httpx2.AsyncByteStream)
        async for part in request.stream:
            self._take(part)
        return httpx2.Response(201, json=ACTIVITY)


def test_an_upload_never_holds_more_than_a_piece(portal: BlockingPortal) -> None:
    for asynchronous in (False, True):
        file = Long()
        sink = Sink(file)
        told: list[tuple[int, int | None]] = []

        def progress(sent: int, total: int | None, told: list[tuple[int, int | None]] = told) -> None:
            told.append((sent, total))

        if asynchronous:
            client = AsyncClient("http://everlist", "", http=httpx2.AsyncClient(transport=sink))
            portal.call(partial(client.activities.import_file, file, LIST, progress=progress))
        else:
            with Client("http://everlist", "", http=httpx2.Client(transport=sink)) as sync_client:
                sync_client.activities.import_file(file, LIST, progress=progress)
        assert file.read_bytes == PIECES * CHUNK
        assert sink.received > PIECES * CHUNK
        assert sink.ahead <= CHUNK
        assert told[-1] == (sink.received, None)


def test_rows_are_encoded_while_they_are_sent() -> None:
    made = 0

    def rows() -> Iterator[dict[str, str]]:
        nonlocal made
        for number in range(100_000):
            made += 1
            yield {"email": f"p{number}@example.org"}

    sizes: list[int] = []

    class Counting(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            seen = 0
            assert isinstance(request.stream, httpx2.SyncByteStream)
            for part in request.stream:
                seen += part.count(b"@")
                assert made == seen
                sizes.append(len(part))
            assert seen == 100_000
            return httpx2.Response(201, json=ACTIVITY)

    with Client("http://everlist", "", http=httpx2.Client(transport=Counting())) as client:
        client.lists.replace_members(LIST, rows())
    assert len(sizes) > 10
    assert max(sizes) < CHUNK + 100


def test_a_download_never_holds_more_than_a_piece(tmp_path: Path) -> None:
    to = tmp_path / "out.csv"
    written_behind = 0

    class Body(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            nonlocal written_behind
            part = tmp_path / "out.csv.part"
            for number in range(PIECES):
                yield b"y" * CHUNK
                written_behind = max(written_behind, (number + 1) * CHUNK - part.stat().st_size)

    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, stream=Body()))
    with Client("http://everlist", "", http=httpx2.Client(transport=transport)) as client:
        assert client.activities.save_export("1", to) == PIECES * CHUNK
    assert to.stat().st_size == PIECES * CHUNK
    assert written_behind <= 2 * CHUNK


@given(
    st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
            min_size=2,
            max_size=4,
        ),
        max_size=6,
    ),
    st.integers(1, 9),
)
def test_records_come_out_as_they_were_written(records: list[list[str]], size: int) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(records)
    body = text.getvalue().encode()
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    assert list(_records(pieces)) == records


def test_one_client_serves_many_threads(running: Server, token: str) -> None:
    with Client(running.url, token) as client, ThreadPoolExecutor(8) as threads:
        bodies = [
            {"create_source": "Account", "email_address": {"address": f"t{number}@example.org"}}
            for number in range(80)
        ]
        made = {one.contact_id for one in threads.map(client.contacts.create, bodies)}
        assert len(made) == 80
        assert {one.contact_id for one in client.contacts.list(limit=7)} == made
