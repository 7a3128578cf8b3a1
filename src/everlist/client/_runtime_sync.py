"""Sleeping, tokens, bodies and connections for blocking calls; `_runtime_async` has the same names."""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING

from everlist.client import _http

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everlist.client._auth import Token

__all__ = ["bearer", "content", "monotonic", "open_sync", "sleep"]

open_sync = _http.open_sync


def bearer(token: Token) -> str:
    """Return the current token."""
    return token if isinstance(token, str) else token()


def content(body: bytes | Iterable[bytes] | None) -> bytes | Iterable[bytes] | None:
    """Return a body as the HTTP library takes it."""
    return body
