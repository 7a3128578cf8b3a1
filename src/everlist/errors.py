"""The errors of the domain: what went wrong, in words, with no status codes.

Each edge maps these to the shape its contract asks for; the command line prints
`StartError` as one line and exits with a non-zero status.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from uuid import UUID


class EverlistError(Exception):
    """Base of every error that Everlist raises on purpose."""


class StartError(EverlistError):
    """Everlist cannot start, or go on: the message is one line that says why and what to do."""


class Problem(NamedTuple):
    """One rule that an input breaks, in our own names; each edge says it in its contract's words."""

    field: str
    """The property of ours, such as `list_ids` or `custom_fields[value]`."""
    reason: str = ""
    """What is wrong with its value, such as `at most 50`; empty if the value is none that is allowed."""
    missing: bool = False
    """True if a value is required and was not given."""

    def __str__(self) -> str:
        if self.missing:
            return f"{self.field} is missing"
        return f"{self.field}: {self.reason or 'not a valid value'}"


class Invalid(EverlistError):
    """The input breaks rules; `problems` has one entry for each."""

    def __init__(self, *problems: Problem | str) -> None:
        super().__init__(", ".join(map(str, problems)))
        self.problems = problems


class NotFound(EverlistError):
    """Nothing with that id exists in this account."""


class Gone(NotFound):
    """It existed in this account, and was erased."""


class Conflict(EverlistError):
    """The change clashes with something that exists, or with another change under way."""


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
    """The account holds as many of these as it may."""


class TooMany(EverlistError):
    """A limit on how often something may be done is reached; it is possible again in `seconds`."""

    def __init__(self, message: str, *, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds
