"""Sleeping, tokens, bodies and connections for an event loop; `_runtime_sync` has the same names."""

from __future__ import annotations

import inspect
from time import monotonic
from typing import TYPE_CHECKING

from everlist.client import _http
from everlist.client._upload import Upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from everlist.client._auth import AsyncToken

__all__ = ["bearer", "content", "monotonic", "open_async", "sleep"]

open_async = _http.open_async


async def sleep(seconds: float) -> None:
    """Sleep on the running event loop, asyncio or trio."""
    import anyio  # noqa: PLC0415 - only here; the HTTP library needs it anyway

    await anyio.sleep(seconds)


async def bearer(token: AsyncToken) -> str:
    """Return the current token."""
    if isinstance(token, str):
        return token
    current = token()
    return await current if inspect.isawaitable(current) else current


def content(body: bytes | Upload | None) -> bytes | AsyncIterator[bytes] | None:
    """Return a body as the HTTP library takes it."""
    return _chunks(body) if isinstance(body, Upload) else body


async def _chunks(body: Upload) -> AsyncIterator[bytes]:
    # Reads on the event loop: a chunk of a local file takes less time than handing it to a thread.
    for chunk in body:
        yield chunk
