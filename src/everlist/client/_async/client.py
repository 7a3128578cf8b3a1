"""The client: one property for each part of the API."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Self

import msgspec

from everlist.client._async.account import AsyncAccount
from everlist.client._async.activities import AsyncActivities
from everlist.client._async.contacts import AsyncContacts
from everlist.client._async.custom_fields import AsyncCustomFields
from everlist.client._async.lists import AsyncLists
from everlist.client._async.tags import AsyncTags
from everlist.client._async.transport import AsyncTransport, Options
from everlist.client._retry import Retry, Timeouts

if TYPE_CHECKING:
    from types import TracebackType

    from everlist.client._auth import AsyncToken
    from everlist.client._http import AsyncClient as HttpAsyncClient

CONSTANT_CONTACT = "https://api.cc.email/v3"


class AsyncClient:
    """A client for Everlist, or for the vendor's service.

    `base_url` is the address of the server, with or without /v3. `token` is a text, or a function that returns one.
    Close the client with `aclose`, or use it in `async with`.
    """

    def __init__(
        self,
        base_url: str,
        token: AsyncToken,
        *,
        retry: Retry | None = None,
        timeouts: Timeouts | None = None,
        per_second: float | None = None,
        idempotency_keys: bool = True,
        http: HttpAsyncClient | None = None,
    ) -> None:
        """Create a client that sends at most `per_second` requests per second; `http` is your own connection pool.

        With `idempotency_keys` every POST carries a new Idempotency-Key, which makes it safe to retry.
        Raises ValueError if `base_url` is not an HTTP address.
        """
        self.transport = AsyncTransport(
            base_url,
            token,
            options=Options(retry=retry or Retry(), timeouts=timeouts or Timeouts()),
            per_second=per_second,
            sends_keys=idempotency_keys,
            http=http,
        )

    @classmethod
    def for_constant_contact(
        cls,
        token: AsyncToken,
        *,
        retry: Retry | None = None,
        timeouts: Timeouts | None = None,
        per_second: float | None = 4,
        http: HttpAsyncClient | None = None,
    ) -> Self:
        """Create a client for the vendor's service: four requests per second, no retry of a POST that may have arrived."""
        return cls(
            CONSTANT_CONTACT,
            token,
            retry=retry,
            timeouts=timeouts,
            per_second=per_second,
            idempotency_keys=False,
            http=http,
        )

    @property
    def contacts(self) -> AsyncContacts:
        """The calls for single contacts."""
        return AsyncContacts(self.transport)

    @property
    def lists(self) -> AsyncLists:
        """The calls for contact lists."""
        return AsyncLists(self.transport)

    @property
    def tags(self) -> AsyncTags:
        """The calls for tags."""
        return AsyncTags(self.transport)

    @property
    def custom_fields(self) -> AsyncCustomFields:
        """The calls for custom fields."""
        return AsyncCustomFields(self.transport)

    @property
    def activities(self) -> AsyncActivities:
        """The calls for bulk activities: imports, exports, and changes of many contacts."""
        return AsyncActivities(self.transport)

    @property
    def account(self) -> AsyncAccount:
        """The calls for the token's account. Everlist only."""
        return AsyncAccount(self.transport)

    def with_options(
        self,
        *,
        retry: Retry | None = None,
        timeouts: Timeouts | None = None,
        idempotency_key: str | msgspec.UnsetType | None = msgspec.UNSET,
    ) -> Self:
        """Return a client with other options that shares the connections.

        A POST with an `idempotency_key` of your own is carried out once, even if two processes send it; None returns
        to a new key for each POST.
        """
        current = self.transport.options
        if isinstance(idempotency_key, msgspec.UnsetType):
            idempotency_key = current.idempotency_key
        options = Options(
            retry=retry or current.retry,
            timeouts=timeouts or current.timeouts,
            idempotency_key=idempotency_key,
        )
        client = copy(self)
        client.transport = self.transport.with_options(options)
        return client

    async def aclose(self) -> None:
        """Close the connections."""
        await self.transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
