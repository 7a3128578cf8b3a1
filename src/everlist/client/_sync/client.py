# Made from src/everlist/client/_async/client.py by `make client`: edit that.
"""The client: one property for each part of the API."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Self

import msgspec

from everlist.client._retry import Retry, Timeouts
from everlist.client._sync.account import Account
from everlist.client._sync.activities import Activities
from everlist.client._sync.contacts import Contacts
from everlist.client._sync.custom_fields import CustomFields
from everlist.client._sync.lists import Lists
from everlist.client._sync.tags import Tags
from everlist.client._sync.transport import Options, Transport

if TYPE_CHECKING:
    from types import TracebackType

    from everlist.client._auth import Token
    from everlist.client._http import Client as HttpClient

CONSTANT_CONTACT = "https://api.cc.email/v3"


class Client:
    """A client for Everlist, or for the vendor's service.

    `base_url` is the address of the server, with or without /v3. `token` is a text, or a function that returns one.
    Close the client with `close`, or use it in `with`.
    """

    def __init__(
        self,
        base_url: str,
        token: Token,
        *,
        retry: Retry | None = None,
        timeouts: Timeouts | None = None,
        per_second: float | None = None,
        idempotency_keys: bool = True,
        http: HttpClient | None = None,
    ) -> None:
        """Create a client that sends at most `per_second` requests per second; `http` is your own connection pool.

        With `idempotency_keys` every POST carries a new Idempotency-Key, which makes it safe to retry.
        Raises ValueError if `base_url` is not an HTTP address.
        """
        self.transport = Transport(
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
        token: Token,
        *,
        retry: Retry | None = None,
        timeouts: Timeouts | None = None,
        per_second: float | None = 4,
        http: HttpClient | None = None,
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
    def contacts(self) -> Contacts:
        """The calls for single contacts."""
        return Contacts(self.transport)

    @property
    def lists(self) -> Lists:
        """The calls for contact lists."""
        return Lists(self.transport)

    @property
    def tags(self) -> Tags:
        """The calls for tags."""
        return Tags(self.transport)

    @property
    def custom_fields(self) -> CustomFields:
        """The calls for custom fields."""
        return CustomFields(self.transport)

    @property
    def activities(self) -> Activities:
        """The calls for bulk activities: imports, exports, and changes of many contacts."""
        return Activities(self.transport)

    @property
    def account(self) -> Account:
        """The calls for the token's account. Everlist only."""
        return Account(self.transport)

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

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
