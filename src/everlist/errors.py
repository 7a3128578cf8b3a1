"""The errors of the domain: what went wrong, in words, with no status codes.

Each edge maps these to the shape its contract asks for; the command line prints
`StartError` as one line and exits with a non-zero status.
"""

from __future__ import annotations


class EverlistError(Exception):
    """Base of every error that Everlist raises on purpose."""


class StartError(EverlistError):
    """Everlist cannot start, or go on: the message is one line that says why and what to do."""


class Invalid(EverlistError):
    """The input breaks a rule of the contract; `problems` are its texts, one for each rule."""

    def __init__(self, *problems: str) -> None:
        super().__init__(", ".join(problems))
        self.problems = problems


class NotFound(EverlistError):
    """Nothing with that id exists in this account."""


class Conflict(EverlistError):
    """The change clashes with something that exists, or with another change under way."""


class AddressTaken(Conflict):
    """The change clashes with what is known of `address`; explain tells what that is."""

    def __init__(self, message: str, address: str) -> None:
        super().__init__(message)
        self.address = address


class LimitReached(EverlistError):
    """The account holds as many of these as it may."""


class Forbidden(EverlistError):
    """The caller is known but may not do this."""


class TooMany(EverlistError):
    """A limit on how often something may be done is reached; it is possible again in `seconds`."""

    def __init__(self, message: str, *, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds
