"""Sends requests: token, pace, retries, and errors by name."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

import msgspec

from everlist import __version__
from everlist.client import _http
from everlist.client import _runtime_async as runtime
from everlist.client._errors import UnexpectedReply, error_of
from everlist.client._protocol import Reply, Request
from everlist.client._retry import Budget, Pace, Retry, Timeouts, Tries
from everlist.client._upload import Upload

if TYPE_CHECKING:
    from everlist.client._auth import AsyncToken
    from everlist.client._http import AsyncClient, Response

T = TypeVar("T")

_AGENT = f"everlist/{__version__} (Python)"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What may differ from call to call."""

    retry: Retry = Retry()
    timeouts: Timeouts = Timeouts()
    idempotency_key: str | None = None
    """The caller's own; None: a fresh one for every POST."""


class AsyncTransport:
    """Connections to one server, with one token. May be shared by all that runs at the same time."""

    def __init__(
        self,
        base_url: str,
        token: AsyncToken,
        *,
        options: Options,
        per_second: float | None = None,
        sends_keys: bool = True,
        http: AsyncClient | None = None,
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            message = f"the address of a server begins with http:// or https://, not as {base_url!r}"
            raise ValueError(message)
        self.base_url = base_url.rstrip("/").removesuffix("/v3")
        self.options = options
        self.is_everlist = sends_keys
        self._token = token
        self._http = http or runtime.open_async(self.base_url)
        self._budget = Budget()
        self._pace = Pace(per_second)

    def with_options(self, options: Options) -> AsyncTransport:
        """The same connections with other options."""
        other = copy(self)
        other.options = options
        return other

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await runtime.sleep(seconds)

    def now(self) -> float:
        """Seconds on a clock that only goes forward."""
        return runtime.monotonic()

    def new_key(self) -> str | None:
        """The Idempotency-Key of the next POST; None where the server knows none."""
        if not self.is_everlist:
            return None
        return self.options.idempotency_key or str(uuid4())

    async def call(self, request: Request, kind: type[T]) -> T:
        """Send it, and read the answer as `kind`. Raises ApiError and the other errors of the client."""
        return decode(request, await self.send(request), kind)

    async def send(self, request: Request) -> Reply:
        """Send it, as often as the rules allow; the answer, if it is a good one. Raises ClientError."""
        reply = await self.exchange(request)
        if reply.status >= 300:
            raise error_of(request, reply)
        return reply

    async def exchange(self, request: Request) -> Reply:
        """The same, but any answer is returned."""
        response = await self._tried(request, stream=False)
        return Reply(response.status_code, _headers(response), response.content)

    @asynccontextmanager
    async def download(self, request: Request) -> AsyncGenerator[AsyncIterator[bytes]]:
        """The chunks of the body of a good answer. What breaks on the way is not asked for again."""
        response = await self._tried(request, stream=True)
        try:
            if response.status_code >= 300:
                raise error_of(request, Reply(response.status_code, _headers(response), response.content))
            yield self._chunks(request, response)
        finally:
            await response.aclose()

    async def _chunks(self, request: Request, response: Response) -> AsyncIterator[bytes]:
        try:
            async for chunk in response.aiter_bytes():
                yield chunk
        except _http.FAILURES as error:
            raise _http.failure(error, f"{request.method} {request.path}") from error

    async def _tried(self, request: Request, *, stream: bool) -> Response:
        """The last answer, read whole unless it is a good one and `stream`."""
        if request.method == "POST" and request.idempotency_key is None:
            request = msgspec.structs.replace(request, idempotency_key=self.new_key())
        try:
            return await self._try(request, stream=stream)
        finally:
            if isinstance(request.body, Upload):
                request.body.close()

    async def _try(self, request: Request, *, stream: bool) -> Response:
        tries = Tries(request, self.options.retry, self._budget, began=runtime.monotonic())
        tries.token = await runtime.bearer(self._token)
        while True:
            await self._paced()
            try:
                response = await self._once(tries.request, tries.token)
                is_good = response.status_code < 300 and response.status_code != 202
                if not (is_good and stream):
                    await response.aread()
            except _http.FAILURES as error:
                wait = tries.after_failure(runtime.monotonic(), never_sent=_http.was_never_sent(error))
                if wait is None or _http.is_hopeless(error):
                    raise _http.failure(error, f"{request.method} {request.path}") from error
            else:
                if is_good:
                    self._budget.earn()
                    return response
                reply = Reply(response.status_code, _headers(response), response.content)
                wait = await self._wait_after(tries, reply)
                if wait is None:
                    return _http.no_content(response) if tries.is_gone(reply) else response
            await runtime.sleep(wait)

    async def _wait_after(self, tries: Tries, reply: Reply) -> float | None:
        """How long to wait before the next try; None: the answer stands."""
        if reply.status == 401 and not tries.asked_for_token and not isinstance(self._token, str):
            tries.asked_for_token = True
            before, tries.token = tries.token, await runtime.bearer(self._token)
            return 0 if tries.token != before and tries.request.can_be_sent_again() else None
        wait = tries.after_reply(reply, runtime.monotonic())
        is_another_request = reply.status == 409 and "retry-after" not in reply.headers
        if is_another_request and tries.request.conflict_passes and self.options.idempotency_key is None:
            tries.request = msgspec.structs.replace(tries.request, idempotency_key=self.new_key())
        return wait

    async def _paced(self) -> None:
        wait = self._pace.wait(runtime.monotonic())
        if wait:
            await runtime.sleep(wait)

    async def _once(self, request: Request, token: str) -> Response:
        headers = request.headers | {
            "Authorization": f"Bearer {token}",
            "Accept": request.accept,
            "User-Agent": _AGENT,
        }
        if request.content_type:
            headers["Content-Type"] = request.content_type
        if request.idempotency_key:
            headers["Idempotency-Key"] = request.idempotency_key
        if isinstance(request.body, Upload) and request.body.length is not None:
            headers["Content-Length"] = str(request.body.length)
        sent = self._http.build_request(
            request.method,
            self.base_url + request.target,
            content=runtime.content(request.body),
            headers=headers,
            timeout=_http.timeout(self.options.timeouts),
        )
        return await self._http.send(sent, stream=True)


def _headers(response: Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def decode(request: Request, reply: Reply, kind: type[T]) -> T:
    """The body of an answer as `kind`. Raises UnexpectedReply."""
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        trace = f" (request {reply.request_id})" if reply.request_id else ""
        message = f"{request.method} {request.path} answered {reply.status}, but not as the contract says: {error}{trace}"
        raise UnexpectedReply(message) from error
