"""What waiting and opening mean in an event loop; `_runtime_sync` has the same names."""

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
    """Wait, on whichever event loop runs."""
    import anyio  # noqa: PLC0415 - here for the HTTP library already

    await anyio.sleep(seconds)


async def bearer(token: AsyncToken) -> str:
    """The token now."""
    if isinstance(token, str):
        return token
    found = token()
    return await found if inspect.isawaitable(found) else found


def content(body: bytes | Upload | None) -> bytes | AsyncIterator[bytes] | None:
    """A body as the HTTP library takes it."""
    return _parts(body) if isinstance(body, Upload) else body


async def _parts(body: Upload) -> AsyncIterator[bytes]:
    # Reading a file of this machine does not take long enough to be worth a thread for each chunk.
    for part in body:
        yield part
