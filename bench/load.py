"""Generate load: keep-alive connections that send their next request when the last one is answered.

Understands only the HTTP that these servers speak: answers with a Content-Length. Uses plain sockets, because it
shares the machine with the servers it measures.
"""

from __future__ import annotations

import re
import selectors
import socket
from dataclasses import dataclass
from itertools import cycle
from time import perf_counter
from typing import TYPE_CHECKING, Self

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_SUCCESS = (b"HTTP/1.1 200 ", b"HTTP/1.1 201 ")
_PIECE = 1 << 18


@dataclass(frozen=True)
class Load:
    """The result of a run: the seconds of each request, and of all requests together."""

    times: Sequence[float]
    took: float

    @property
    def rate(self) -> float:
        """Return the requests per second."""
        return len(self.times) / self.took

    def percentile(self, percent: int) -> float:
        """Return a percentile of the times, in milliseconds."""
        return sorted(self.times)[len(self.times) * percent // 100] * 1000

    @staticmethod
    def together(parts: Sequence[Load]) -> Load:
        """Combine several runs."""
        return Load([time for part in parts for time in part.times], sum(part.took for part in parts))


def get(path: str, token: str) -> bytes:
    """Return a GET request as bytes."""
    return _head("GET", path, token) + b"\r\n"


def with_body(method: str, path: str, token: str, body: object) -> bytes:
    """Return a request with a JSON body as bytes."""
    content = msgspec.json.encode(body)
    headers = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return _head(method, path, token) + headers.encode() + content


def _head(method: str, path: str, token: str) -> bytes:
    headers = f"Host: localhost\r\nAccept: */*\r\nAuthorization: Bearer {token}\r\n"
    return f"{method} {path} HTTP/1.1\r\n{headers}".encode()


class Client:
    """Connections to a server, and the requests to send over them; after the last request, the first is sent again."""

    def __init__(self, port: int, requests: Iterable[bytes], *, connections: int) -> None:
        self._todo = cycle(requests)
        self._selector = selectors.DefaultSelector()
        self._connections = [_Connection(port) for _ in range(connections)]
        for connection in self._connections:
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for connection in self._connections:
            connection.socket.close()

    def run(self, seconds: float) -> Load:
        """Send requests for `seconds`, and wait for every answer."""
        times: list[float] = []
        began = perf_counter()
        for connection in self._connections:
            connection.send(next(self._todo))
        waiting = len(self._connections)
        while waiting:
            for key, _ in self._selector.select():
                connection: _Connection = key.data
                if not connection.receive():
                    continue
                now = perf_counter()
                times.append(now - connection.sent)
                if now < began + seconds:
                    connection.send(next(self._todo))
                else:
                    waiting -= 1
        return Load(times, perf_counter() - began)


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent = 0.0
        self._pieces: list[bytes] = []
        self._left: int | None = None

    def send(self, request: bytes) -> None:
        self._pieces.clear()
        self._left = None
        self.sent = perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Receive data; return True if the answer is complete."""
        piece = self.socket.recv(_PIECE)
        self._pieces.append(piece)
        if self._left is not None:
            self._left -= len(piece)
        else:
            answer = b"".join(self._pieces)
            head, end, rest = answer.partition(b"\r\n\r\n")
            length = _LENGTH.search(head) if end else None
            if not piece or (end and (length is None or not answer.startswith(_SUCCESS))):
                raise RuntimeError(f"the server answered {answer[:500]!r}")
            if length is not None:
                self._left = int(length[1]) - len(rest)
        return self._left == 0
