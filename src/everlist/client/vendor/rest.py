"""Where the vendor's package sends its requests; here they go through the client's transport.

Tests and tracing tools replace `ApiClient.rest_client.request`, so it is there, with the same arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from everlist.client._errors import ClientError, TimedOut
from everlist.client._protocol import JSON, Reply, Request
from everlist.client._retry import Timeouts
from everlist.client._sync.client import Client
from everlist.client._upload import csv_name, multipart
from everlist.client.vendor.exceptions import ApiException, reason

__all__ = ["ApiException", "RESTClientObject", "RESTResponse"]


class RESTResponse:
    """An answer, not yet understood."""

    def __init__(self, reply: Reply) -> None:
        self.status = reply.status
        self.reason = reason(reply.status)
        self.data = reply.body
        self._headers = reply.headers

    def read(self) -> bytes:
        """The body."""
        return self.data

    def getheaders(self) -> dict[str, str]:
        """The headers, their names in lower case."""
        return self._headers

    def getheader(self, name: str, default: str | None = None) -> str | None:
        """One header."""
        return self._headers.get(name.lower(), default)


class RESTClientObject:
    """Sends requests."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def request(
        self,
        method: str,
        url: str,
        headers: dict[str, str] | None = None,
        body: Any = None,
        post_params: Sequence[tuple[str, Any]] | None = None,
        _request_timeout: float | tuple[float, float] | None = None,
    ) -> RESTResponse:
        """Send a request; `post_params` are the fields of a form, the path of its file under `file`."""
        client = self._client
        if _request_timeout is not None:
            connect, read = (
                _request_timeout
                if isinstance(_request_timeout, tuple)
                else (_request_timeout, _request_timeout)
            )
            client = client.with_options(timeouts=Timeouts(connect=connect, read=read, write=read))
        transport = client.transport
        parts = urlsplit(url)
        path = parts.path.removeprefix(urlsplit(transport.base_url).path)
        request = Request(method, path, dict(parse_qsl(parts.query, keep_blank_values=True)))
        more = dict(headers or {})
        accept = more.pop("Accept", JSON)
        if post_params:
            fields = dict(post_params)
            file = fields.pop("file")
            key = transport.new_key()
            content, content_type = multipart(file, csv_name(file, None), fields, key=key)
            request = msgspec.structs.replace(
                request, body=content, content_type=content_type, idempotency_key=key
            )
        elif body is not None:
            request = msgspec.structs.replace(request, body=msgspec.json.encode(body), content_type=JSON)
        try:
            return RESTResponse(
                transport.exchange(
                    msgspec.structs.replace(
                        request,
                        accept=accept,
                        headers=more,
                        repeatable=False if "/resubscribe/" in path else None,
                    )
                )
            )
        except ClientError as error:
            raise ApiException(0, "timed out" if isinstance(error, TimedOut) else str(error)) from error
