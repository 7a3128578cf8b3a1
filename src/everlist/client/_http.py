"""The only module that knows the HTTP library, httpx2."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import httpx2
from httpx2 import AsyncClient, Client, Response

from everlist.client._errors import ClientError, ConnectionFailed, TimedOut

if TYPE_CHECKING:
    from everlist.client._retry import Timeouts

FAILURES = (httpx2.TransportError, httpx2.DecodingError)
"""The exceptions that sending a request may raise."""

_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
_POOL = httpx2.Limits(max_connections=20, max_keepalive_connections=20, keepalive_expiry=30)


def is_permanent(error: BaseException) -> bool:
    """Return True if every retry would fail too: an invalid request, or a certificate that does not verify."""
    if isinstance(
        error, httpx2.LocalProtocolError | httpx2.UnsupportedProtocol | ssl.SSLCertVerificationError
    ):
        return True
    cause = error.__cause__ or error.__context__
    return cause is not None and is_permanent(cause)


def was_never_sent(error: Exception) -> bool:
    """Return True if the server cannot have seen the request."""
    return isinstance(error, _NEVER_SENT)


def client_error(error: Exception, request_line: str) -> ClientError:
    """Convert an exception of the library into TimedOut or ConnectionFailed."""
    text = f"{request_line}: {str(error) or type(error).__name__}"
    return TimedOut(text) if isinstance(error, httpx2.TimeoutException) else ConnectionFailed(text)


def timeout(timeouts: Timeouts) -> httpx2.Timeout:
    """Convert our timeouts into those of the library."""
    return httpx2.Timeout(timeouts.read, connect=timeouts.connect, write=timeouts.write, pool=timeouts.read)


def no_content(response: Response) -> Response:
    """Return a 204 that replaces `response` and keeps its request id."""
    return Response(204, headers={"X-Request-Id": response.headers.get("x-request-id", "")})


def open_sync(base_url: str) -> Client:
    """Open a connection pool for blocking calls."""
    return Client(limits=_POOL, verify=_needs_certificates(base_url))


def open_async(base_url: str) -> AsyncClient:
    """Open a connection pool for an event loop."""
    return AsyncClient(limits=_POOL, verify=_needs_certificates(base_url))


def _needs_certificates(base_url: str) -> bool:
    """Return False for plain HTTP: loading the certificates takes time, and redirects are not followed."""
    return not base_url.startswith("http://")
