"""`Idempotency-Key`: is this request the same as one before, and what was the first answer?"""

from __future__ import annotations

import hashlib
import re
from functools import wraps
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from starlette.responses import Response, StreamingResponse

from everlist.core import idempotency
from everlist.rest.errors import bad_request
from everlist.web.request import boundary, media_type

if TYPE_CHECKING:
    from starlette.types import Scope

    from everlist.rest.call import Call, Handler


class Fingerprint:
    """A hash of method, path, query, Content-Type and body: two requests are the same if theirs are equal.

    The boundary of a form is left out: a client makes a new one each time it sends the same form.
    """

    def __init__(self, scope: Scope) -> None:
        form_boundary = boundary(scope)
        self._delimiter = b"\r\n--" + form_boundary if form_boundary else b""
        self._tail = b"\r\n" if form_boundary else b""
        query = scope["query_string"].decode("latin-1")
        start = (scope["method"], scope["path"], query, media_type(scope))
        self._hash = hashlib.sha256("\n".join(start).encode() + b"\n")

    def add(self, data: bytes) -> None:
        """Add the next bytes of the body."""
        if self._delimiter:
            data = (self._tail + data).replace(self._delimiter, b"\r\n\0")
            # The last bytes may be the beginning of a delimiter: keep them until the next ones come.
            complete = max(len(data) - len(self._delimiter) + 1, 0)
            data, self._tail = data[:complete], data[complete:]
        self._hash.update(data)

    def digest(self) -> bytes:
        """Return the hash of what has come so far."""
        whole = self._hash.copy()
        whole.update(self._tail)
        return whole.digest()


_KEY = re.compile(rb"[\x21-\x7e]{1,%d}" % idempotency.MAX_KEY)


class _AboutContact(msgspec.Struct):
    """The contact that an answer is about, if it is about one."""

    contact_id: UUID | None = None


def once(handler: Handler) -> Handler:
    """Return the handler of a request that is done once, however often it comes with the same Idempotency-Key.

    The first answer is stored in the transaction of the operation, and answers the requests after it.
    """

    @wraps(handler)
    async def handle_once(call: Call) -> Response:
        key = next((value for name, value in call.scope["headers"] if name == b"idempotency-key"), None)
        if key is None:
            return await handler(call)
        if not _KEY.fullmatch(key):
            raise bad_request(
                f"Idempotency-Key does not have a valid value: 1 to {idempotency.MAX_KEY} visible ASCII characters"
            )
        fingerprint = Fingerprint(call.scope)
        request = idempotency.Once(
            call.db, call.account_id, key.decode("ascii"), fingerprint.digest, now=call.now
        )
        call.do_once(request, fingerprint)
        try:
            response = await handler(call)
            await request.finish(_answer_of(response))
        finally:
            await request.give_up()
        return response

    return handle_once


def _answer_of(response: Response) -> idempotency.Answer:
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in response.raw_headers
        if name != b"content-length"
    ]
    if isinstance(response, StreamingResponse):
        return idempotency.Answer(status=response.status_code, headers=headers, body=None)
    body = bytes(response.body)
    try:
        contact_id = msgspec.json.decode(body, type=_AboutContact).contact_id
    except (msgspec.DecodeError, UnicodeDecodeError):
        contact_id = None
    return idempotency.Answer(status=response.status_code, headers=headers, body=body, contact_id=contact_id)
