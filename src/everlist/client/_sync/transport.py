# Made from src/everlist/client/_async/transport.py by `make client`: edit that.
"""Sends requests: adds the token, keeps the pace, retries, and raises errors by name."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

import msgspec

from everlist import __version__
from everlist.client import _http
from everlist.client import _runtime_sync as runtime
from everlist.client._errors import UnexpectedReply, api_error
from everlist.client._protocol import Reply, Request
from everlist.client._retry import Attempts, Budget, Pace, Retry, Timeouts
from everlist.client._upload import Upload

if TYPE_CHECKING:
    from everlist.client._auth import Token
    from everlist.client._http import Client, Response

T = TypeVar("T")

_AGENT = f"everlist/{__version__} (Python)"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The options that may differ from call to call."""

    retry: Retry = Retry()
    timeouts: Timeouts = Timeouts()
    idempotency_key: str | None = None
    """The caller's key; None: a new one for every POST."""


class Transport:
    """The connections to one server with one token. Concurrent calls may share it."""

    def __init__(
        self,
        base_url: str,
        token: Token,
        *,
        options: Options,
        per_second: float | None = None,
        sends_keys: bool = True,
        http: Client | None = None,
    ) -> None:
        """Open the connections, or use `http`. Raises ValueError if `base_url` is not an HTTP address."""
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(f"{base_url!r}: the server's address must begin with http:// or https://")
        self.base_url = base_url.rstrip("/").removesuffix("/v3")
        self.options = options
        self.is_everlist = sends_keys
        self._token = token
        self._http = http or runtime.open_sync(self.base_url)
        self._budget = Budget()
        self._pace = Pace(per_second)

    def with_options(self, options: Options) -> Transport:
        """Return a transport with the same connections and other options."""
        transport = copy(self)
        transport.options = options
        return transport

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`."""
        runtime.sleep(seconds)

    def now(self) -> float:
        """Return the seconds of a monotonic clock."""
        return runtime.monotonic()

    def new_key(self) -> str | None:
        """Return the Idempotency-Key for the next POST; None if the server does not support keys."""
        if not self.is_everlist:
            return None
        return self.options.idempotency_key or str(uuid4())

    def call(self, request: Request, kind: type[T]) -> T:
        """Send a request and decode the answer as `kind`. Raises ClientError."""
        return decode(request, self.send(request), kind)

    def send(self, request: Request) -> Reply:
        """Send a request, with retries. Raises ApiError for a status of 300 or above, else ClientError."""
        reply = self.exchange(request)
        if reply.status >= 300:
            raise api_error(request, reply)
        return reply

    def exchange(self, request: Request) -> Reply:
        """Send a request, with retries, and return the reply whatever its status. Raises ClientError."""
        return _reply(self._response(request, stream=False))

    @contextmanager
    def download(self, request: Request) -> Generator[Iterator[bytes]]:
        """Yield the chunks of an answer's body. A connection that breaks halfway is not retried."""
        response = self._response(request, stream=True)
        try:
            if response.status_code >= 300:
                raise api_error(request, _reply(response))
            yield self._chunks(request, response)
        finally:
            response.close()

    def _chunks(self, request: Request, response: Response) -> Iterator[bytes]:
        try:
            for chunk in response.iter_bytes():
                yield chunk
        except _http.FAILURES as error:
            raise _http.client_error(error, f"{request.method} {request.path}") from error

    def _response(self, request: Request, *, stream: bool) -> Response:
        """Send a request and close its body. With `stream`, the body of a successful answer is not read yet."""
        if request.method == "POST" and request.idempotency_key is None:
            request = msgspec.structs.replace(request, idempotency_key=self.new_key())
        try:
            return self._with_retries(request, stream=stream)
        finally:
            if isinstance(request.body, Upload):
                request.body.close()

    def _with_retries(self, request: Request, *, stream: bool) -> Response:
        attempts = Attempts(request, self.options.retry, self._budget, began=runtime.monotonic())
        attempts.token = runtime.bearer(self._token)
        while True:
            self._keep_pace()
            try:
                response = self._send_once(attempts.request, attempts.token)
                is_success = response.status_code < 300 and response.status_code != 202
                if not (is_success and stream):
                    response.read()
            except _http.FAILURES as error:
                never_sent = _http.was_never_sent(error)
                wait = attempts.wait_after_failure(runtime.monotonic(), never_sent=never_sent)
                if wait is None or _http.is_permanent(error):
                    raise _http.client_error(error, f"{request.method} {request.path}") from error
            else:
                if is_success:
                    self._budget.earn()
                    return response
                reply = _reply(response)
                wait = self._wait_after_reply(attempts, reply)
                if wait is None:
                    return _http.no_content(response) if attempts.was_deleted_before(reply) else response
            runtime.sleep(wait)

    def _wait_after_reply(self, attempts: Attempts, reply: Reply) -> float | None:
        """Return the seconds to wait before the next attempt; None if the reply is final."""
        if reply.status == 401 and not attempts.token_renewed and not isinstance(self._token, str):
            refused = attempts.token
            attempts.token, attempts.token_renewed = runtime.bearer(self._token), True
            return 0 if attempts.token != refused and attempts.request.can_send_body() else None
        wait = attempts.wait_after_reply(reply, runtime.monotonic())
        # 409 without Retry-After: the server stored it as the answer for our key, so only a new key can succeed.
        is_stored = reply.status == 409 and "retry-after" not in reply.headers
        if is_stored and attempts.request.retry_conflict and self.options.idempotency_key is None:
            attempts.request = msgspec.structs.replace(attempts.request, idempotency_key=self.new_key())
        return wait

    def _keep_pace(self) -> None:
        wait = self._pace.wait(runtime.monotonic())
        if wait:
            runtime.sleep(wait)

    def _send_once(self, request: Request, token: str) -> Response:
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
        http_request = self._http.build_request(
            request.method,
            self.base_url + request.target,
            content=runtime.content(request.body),
            headers=headers,
            timeout=_http.timeout(self.options.timeouts),
        )
        return self._http.send(http_request, stream=True)


def _reply(response: Response) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, response.content)


def decode(request: Request, reply: Reply, kind: type[T]) -> T:
    """Decode the body of a reply as `kind`. Raises UnexpectedReply."""
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        trace = f" (request {reply.request_id})" if reply.request_id else ""
        raise UnexpectedReply(
            f"{request.method} {request.path}: the {reply.status} answer does not fit the contract: {error}{trace}"
        ) from error
