"""`Idempotency-Key`: whether two requests are the same, and the first answer kept."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from starlette.responses import Response, StreamingResponse

from everlist.core import idempotency
from everlist.web.request import header

if TYPE_CHECKING:
    from starlette.types import Scope


class Fingerprint:
    """Tells whether two requests are the same: method, path, query and body.

    A form's boundary is left out, since a client makes a new one each time it sends the same form.
    """

    def __init__(self, scope: Scope) -> None:
        content_type = header(scope, b"content-type")
        kind, _, rest = content_type.partition(";")
        found = _BOUNDARY.search(rest) if kind.strip().lower().startswith("multipart/") else None
        self._delimiter = b"\r\n--" + (found[1] or found[2]).encode("latin-1") if found else b""
        self._tail = b"\r\n" if found else b""
        start = (scope["method"], scope["path"], scope["query_string"].decode("latin-1"), kind)
        self._hash = hashlib.sha256("\n".join(start).encode() + b"\n")

    def add(self, data: bytes) -> None:
        """The next bytes of the body."""
        if self._delimiter:
            data = (self._tail + data).replace(self._delimiter, b"\r\n\0")
            sure = max(
                len(data) - len(self._delimiter) + 1, 0
            )  # the rest may be the beginning of a delimiter
            data, self._tail = data[:sure], data[sure:]
        self._hash.update(data)

    def digest(self) -> bytes:
        """The fingerprint of what came so far."""
        whole = self._hash.copy()
        whole.update(self._tail)
        return whole.digest()


_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE)


KEY = re.compile(rb"[\x21-\x7e]{1,%d}" % idempotency.MAX_KEY)


class _Told(msgspec.Struct):
    """Whom an answer tells of, if that is one contact."""

    contact_id: UUID | None = None


def key_of(scope: Scope) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == b"idempotency-key"), None)


def answer_of(response: Response) -> idempotency.Answer:
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in response.raw_headers
        if name != b"content-length"
    ]
    if isinstance(response, StreamingResponse):
        return idempotency.Answer(response.status_code, headers, None)
    body = bytes(response.body)
    try:
        contact_id = msgspec.json.decode(body, type=_Told).contact_id
    except (msgspec.DecodeError, UnicodeDecodeError):
        contact_id = None
    return idempotency.Answer(response.status_code, headers, body, contact_id)
