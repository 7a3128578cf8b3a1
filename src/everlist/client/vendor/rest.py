"""The module that sends requests in the vendor's package; here it uses the client's transport.

Tests and tracing tools replace `ApiClient.rest_client.request`, so it exists here with the same arguments.
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
    """An answer whose body is not decoded yet."""

    def __init__(self, reply: Reply) -> None:
        self.status = reply.status
        self.reason = reason(reply.status)
        self.data = reply.body
        self._headers = reply.headers

    def read(self) -> bytes:
        """Return the body."""
        return self.data

    def getheaders(self) -> dict[str, str]:
        """Return the headers; their names are in lower case."""
        return self._headers

    def getheader(self, name: str, default: str | None = None) -> str | None:
        """Return a header, or `default` if the answer does not have it."""
        return self._headers.get(name.lower(), default)


class RESTClientObject:
    """Sends requests through a client."""

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
        """Send a request. `post_params` are the fields of a form; its `file` is a path. Raises ApiException."""
        client = self._client
        if _request_timeout is not None:
            connect, read = (
                _request_timeout
                if isinstance(_request_timeout, tuple)
                else (_request_timeout, _request_timeout)
            )
            client = client.with_options(timeouts=Timeouts(connect=connect, read=read, write=read))
        transport = client.transport
        address = urlsplit(url)
        path = address.path.removeprefix(urlsplit(transport.base_url).path)
        extra_headers = dict(headers or {})
        request = Request(
            method=method,
            path=path,
            query=dict(parse_qsl(address.query, keep_blank_values=True)),
            accept=extra_headers.pop("Accept", JSON),
            headers=extra_headers,
            # The vendor allows one resubscribe mail per contact, so a PUT that may have arrived is not repeated.
            idempotent=False if "/resubscribe/" in path else None,
        )
        if post_params:
            fields = dict(post_params)
            file = fields.pop("file")
            key = transport.new_key()
            form, content_type = multipart(file, csv_name(file, None), fields, key=key)
            request = msgspec.structs.replace(
                request, body=form, content_type=content_type, idempotency_key=key
            )
        elif body is not None:
            request = msgspec.structs.replace(request, body=msgspec.json.encode(body), content_type=JSON)
        try:
            return RESTResponse(transport.exchange(request))
        except ClientError as error:
            raise ApiException(0, "timed out" if isinstance(error, TimedOut) else str(error)) from error
