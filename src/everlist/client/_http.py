"""The HTTP library, behind the few things that the client needs of it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import httpx2
from httpx2 import AsyncClient, Client, Response

from everlist.client._errors import ClientError, ConnectionFailed, TimedOut

if TYPE_CHECKING:
    from everlist.client._retry import Timeouts

FAILURES = (httpx2.TransportError, httpx2.DecodingError)
"""What sending may raise."""

_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
_POOL = httpx2.Limits(max_connections=20, max_keepalive_connections=20, keepalive_expiry=30)


def is_hopeless(error: BaseException) -> bool:
    """Whether it will be so at every try: the request can't be sent at all, or the certificate is not good."""
    if isinstance(
        error, httpx2.LocalProtocolError | httpx2.UnsupportedProtocol | ssl.SSLCertVerificationError
    ):
        return True
    cause = error.__cause__ or error.__context__
    return cause is not None and is_hopeless(cause)


def was_never_sent(error: Exception) -> bool:
    """Whether the server cannot have seen the request."""
    return isinstance(error, _NEVER_SENT)


def failure(error: Exception, what: str) -> ClientError:
    """The error as one of the client's."""
    text = f"{what}: {str(error) or type(error).__name__}"
    return TimedOut(text) if isinstance(error, httpx2.TimeoutException) else ConnectionFailed(text)


def timeout(timeouts: Timeouts) -> httpx2.Timeout:
    """The time limits in the library's words."""
    return httpx2.Timeout(timeouts.read, connect=timeouts.connect, write=timeouts.write, pool=timeouts.read)


def no_content(response: Response) -> Response:
    """204 in the place of that answer."""
    return Response(204, headers={"X-Request-Id": response.headers.get("x-request-id", "")})


def open_sync(base_url: str) -> Client:
    """Connections for the client that waits in its thread."""
    return Client(limits=_POOL, verify=_certificates(base_url))


def open_async(base_url: str) -> AsyncClient:
    """Connections for the client of an event loop."""
    return AsyncClient(limits=_POOL, verify=_certificates(base_url))


def _certificates(base_url: str) -> ssl.SSLContext | bool:
    """Loading them takes a while, and no redirect leads from plain HTTP to anywhere else."""
    return not base_url.startswith("http://")
