"""A server that says what it is told to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2


class Pieces(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body in these pieces, after which it may break off."""

    def __init__(self, pieces: list[bytes], error: Exception | None = None) -> None:
        self._pieces, self._error = pieces, error

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        if self._error:
            raise self._error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


class Script:
    """Answers in turn; the last one again and again. An exception is raised in place of an answer."""

    def __init__(self) -> None:
        self.answers: list[httpx2.Response | Exception] = []
        self.asked: list[httpx2.Request] = []
        self.stream: Any = None
        """A body that is sent in pieces, in place of all answers."""

    def say(
        self, status: int = 200, body: Any = None, *, text: bytes | None = None, **headers: str
    ) -> Script:
        """Add an answer: JSON, or `text` as it is."""
        content = text if text is not None else b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append(httpx2.Response(status, content=content, headers=named))
        return self

    def fail(self, error: type[httpx2.TransportError]) -> Script:
        """Add a connection that fails."""
        self.answers.append(error("as told"))
        return self

    def refuse(self, status: int, key: str, message: str = "no", **headers: str) -> Script:
        """Add an error in the shape of its status."""
        error = {"error_key": key, "error_message": message}
        return self.say(status, error if status in (401, 403, 429) else [error], **headers)

    def answer_sync(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        return self._answer(request)

    async def answer_async(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        return self._answer(request)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        if self.stream is not None:
            return httpx2.Response(200, stream=self.stream)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)

    @property
    def paths(self) -> list[str]:
        """Method, path and query of each request."""
        return [f"{one.method} {one.url.raw_path.decode()}" for one in self.asked]

    def bodies(self) -> list[Any]:
        """The JSON of each request."""
        return [json.loads(one.content) for one in self.asked if one.content]

    def header(self, name: str) -> list[str | None]:
        """That header of each request."""
        return [one.headers.get(name) for one in self.asked]
