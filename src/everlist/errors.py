"""Define the errors of the domain, without status codes.

Each edge translates them into the answers of its contract. The command line prints `StartError` as one line and
exits with a non-zero status.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from uuid import UUID


class EverlistError(Exception):
    """Base of every error that Everlist raises on purpose."""


class StartError(EverlistError):
    """Everlist cannot start or continue. The message is one line that says why, and what to do."""


class Problem(NamedTuple):
    """One rule that an input breaks, in our own names; each edge words it as its contract does."""

    field: str
    """Our name of the property, such as `list_ids` or `custom_fields[value]`."""
    reason: str = ""
    """What a valid value would be, such as `at most 50`; empty if there is nothing to add."""
    missing: bool = False
    """True if a required value is missing."""

    def __str__(self) -> str:
        if self.missing:
            return f"{self.field} is missing"
        return f"{self.field}: {self.reason or 'not a valid value'}"


class Invalid(EverlistError):
    """The input breaks rules; `problems` has an entry for each of them."""

    def __init__(self, *problems: Problem | str) -> None:
        super().__init__(", ".join(map(str, problems)))
        self.problems = problems


class NotFound(EverlistError):
    """Nothing with that id exists in this account."""


class Gone(NotFound):
    """It existed in this account, and was erased."""


class Conflict(EverlistError):
    """The change conflicts with existing data, or with a concurrent change."""


class AddressTaken(Conflict):
    """Another contact, live or deleted, has the e-mail address."""

    def __init__(self, contact_id: UUID, address: str) -> None:
        super().__init__(f"contact {contact_id} has this e-mail address")
        self.contact_id = contact_id
        self.address = address


class NumberTaken(Conflict):
    """Another contact, live or deleted, has the SMS number."""

    def __init__(self, contact_id: UUID) -> None:
        super().__init__(f"contact {contact_id} has this SMS number")
        self.contact_id = contact_id


class AddressErased(Conflict):
    """The person behind the e-mail address was erased, so an account may not hold the address again."""

    def __init__(self, message: str, address: str) -> None:
        super().__init__(message)
        self.address = address


class LimitReached(EverlistError):
    """The account already has the highest number of these that it may have."""


class TooMany(EverlistError):
    """A rate limit is reached; retry in `seconds`."""

    def __init__(self, message: str, *, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds
