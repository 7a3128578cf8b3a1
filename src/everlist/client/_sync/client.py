# Made from src/everlist/client/_async/client.py by `make client`: edit that.
"""The client itself."""

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
    """Everlist's API, or the vendor's own.

    `base_url` is that of the server, with or without /v3. `token` is a text, or a function that gives one.
    Close it with `close`, or use it in `with`.
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
        """`per_second` is how many requests it sends at most; `http` brings connections of your own.

        With `idempotency_keys` every POST carries a fresh Idempotency-Key, so it is safe to send it again.
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
    def contacts(self) -> Contacts:
        """Contacts, one by one."""
        return Contacts(self.transport)

    @property
    def lists(self) -> Lists:
        """Contact lists."""
        return Lists(self.transport)

    @property
    def tags(self) -> Tags:
        """Tags."""
        return Tags(self.transport)

    @property
    def custom_fields(self) -> CustomFields:
        """Custom fields."""
        return CustomFields(self.transport)

    @property
    def activities(self) -> Activities:
        """Bulk activities: imports, exports, and changes of many contacts."""
        return Activities(self.transport)

    @property
    def account(self) -> Account:
        """The account of the token. Everlist only."""
        return Account(self.transport)

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

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
