"""A client for Everlist, and for the vendor's service whose API Everlist speaks. It does not need the server package.

    from everlist.client import Client

    with Client("http://127.0.0.1:8080", token) as client:
        for contact in client.contacts.list(status="active"):
            print(contact.email)

`AsyncClient` has the same methods for event loops; `everlist.client.vendor` has the names of the vendor's package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from everlist.client import models
from everlist.client._errors import (
    ActivityFailed,
    ApiError,
    BadRequest,
    ClientError,
    Conflict,
    ConnectionFailed,
    Forbidden,
    KeyReused,
    NotFound,
    QuotaExceeded,
    RateLimited,
    ServerFailed,
    TimedOut,
    TooLarge,
    Unauthorized,
    UnexpectedReply,
    WaitTimedOut,
)
from everlist.client._retry import NEVER, Retry, Timeouts
from everlist.client.models import (
    Contact,
    ContactUpdate,
    CustomFieldValue,
    EmailAddress,
    NewContact,
    Selection,
    SignUp,
)

if TYPE_CHECKING:
    from everlist.client._async.client import AsyncClient
    from everlist.client._sync.client import Client

__all__ = [
    "NEVER",
    "UNSET",
    "ActivityFailed",
    "ApiError",
    "AsyncClient",
    "BadRequest",
    "Client",
    "ClientError",
    "Conflict",
    "ConnectionFailed",
    "Contact",
    "ContactUpdate",
    "CustomFieldValue",
    "EmailAddress",
    "Forbidden",
    "KeyReused",
    "NewContact",
    "NotFound",
    "QuotaExceeded",
    "RateLimited",
    "Retry",
    "Selection",
    "ServerFailed",
    "SignUp",
    "TimedOut",
    "Timeouts",
    "TooLarge",
    "Unauthorized",
    "UnexpectedReply",
    "WaitTimedOut",
    "models",
]


def __getattr__(name: str) -> Any:
    """Import `Client` or `AsyncClient` on first use: each loads its half of the HTTP library."""
    if name == "Client":
        from everlist.client._sync.client import Client  # noqa: PLC0415

        return Client
    if name == "AsyncClient":
        from everlist.client._async.client import AsyncClient  # noqa: PLC0415

        return AsyncClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
