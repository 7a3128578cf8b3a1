"""Reading an ASGI request."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope


def header(scope: Scope, name: bytes) -> str:
    """The value of a header of the request, empty if it has none; `name` in lower case."""
    for header_name, value in scope["headers"]:
        if header_name == name:
            return value.decode("latin-1")
    return ""
