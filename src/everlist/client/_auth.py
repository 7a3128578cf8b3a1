"""The types of a bearer token: a fixed text, or a function that returns one.

The client calls the function for every request, so the function may read a file or cache a token until it expires.
After a 401 the client calls it once more, and resends the request if the token has changed. OAuth2 flows fit in as
such functions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

Token = str | Callable[[], str]
"""For `Client`."""

AsyncToken = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""For `AsyncClient`."""
