"""The client itself."""

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
    """Everlist's API, or the vendor's own.

    `base_url` is that of the server, with or without /v3. `token` is a text, or a function that gives one.
    Close it with `aclose`, or use it in `async with`.
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
        """`per_second` is how many requests it sends at most; `http` brings connections of your own.

        With `idempotency_keys` every POST carries a fresh Idempotency-Key, so it is safe to send it again.
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
        """A client of the vendor's service: four requests a second, and no POST sent twice that may have arrived."""
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
        """Contacts, one by one."""
        return AsyncContacts(self.transport)

    @property
    def lists(self) -> AsyncLists:
        """Contact lists."""
        return AsyncLists(self.transport)

    @property
    def tags(self) -> AsyncTags:
        """Tags."""
        return AsyncTags(self.transport)

    @property
    def custom_fields(self) -> AsyncCustomFields:
        """Custom fields."""
        return AsyncCustomFields(self.transport)

    @property
    def activities(self) -> AsyncActivities:
        """Bulk activities: imports, exports, and changes of many contacts."""
        return AsyncActivities(self.transport)

    @property
    def account(self) -> AsyncAccount:
        """The account of the token. Everlist only."""
        return AsyncAccount(self.transport)

    def with_options(
        self,
        *,
        retry: Retry | None = None,
        timeouts: Timeouts | None = None,
        idempotency_key: str | msgspec.UnsetType | None = msgspec.UNSET,
    ) -> Self:
        """The same client and connections with other options, for one call or for many.

        With an `idempotency_key` of your own, a POST that is sent again, by another process too, is done once; None
        goes back to a fresh one for each.
        """
        old = self.transport.options
        options = Options(
            retry=retry or old.retry,
            timeouts=timeouts or old.timeouts,
            idempotency_key=old.idempotency_key
            if isinstance(idempotency_key, msgspec.UnsetType)
            else idempotency_key,
        )
        other = copy(self)
        other.transport = self.transport.with_options(options)
        return other

    async def aclose(self) -> None:
        """Close the connections."""
        await self.transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
