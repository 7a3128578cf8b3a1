"""Where the bearer token comes from.

A fixed text, or a function that gives one and is asked for every request: it may read a file, or keep a
token until it ends. After a 401 it is asked once more, and the request is sent again if the token is another.
The flows of OAuth2 belong here, as such functions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

Token = str | Callable[[], str]
"""For the client that waits in its thread."""

AsyncToken = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""For the client of an event loop."""
