"""The account: usage, settings, erasures and suppressions. Everlist only."""

from __future__ import annotations

from datetime import date, datetime

from msgspec import field

from everlist.client.models.base import Model, Page


class PeakCause(Model, kw_only=True):
    """The request or activity that caused a peak."""

    operation: str
    activity_id: str | None = None
    request_id: str | None = None


class UsageDay(Model, kw_only=True):
    """The number of active contacts during one day."""

    day: date = field(name="date")
    high: int
    low: int
    close: int


class Usage(Model, kw_only=True):
    """The number of active contacts during one month."""

    month: str
    time_zone: str
    current: int | None = None
    peak: int | None = None
    peak_at: datetime | None = None
    peak_cause: PeakCause | None = None
    distinct: int | None = None
    days: list[UsageDay] = field(default=[])


class Erasure(Model, kw_only=True):
    """The erasure of one person, with its signed receipt."""

    erasure_id: str
    erased_at: datetime
    reason: str
    receipt: str
    contact_id: str | None = None
    activity_id: str | None = None


class ErasuresPage(Page, kw_only=True):
    """A page of erasures."""

    erasures: list[Erasure]

    @property
    def items(self) -> list[Erasure]:
        """Return the erasures, newest first."""
        return self.erasures


class Suppression(Model, kw_only=True):
    """The record of an unsubscribed or erased address; it does not contain the address."""

    suppression_id: str
    channel: str
    reason: str
    created_at: datetime | None = None


class SuppressionsPage(Page, kw_only=True):
    """A page of suppressions."""

    suppressions: list[Suppression]

    @property
    def items(self) -> list[Suppression]:
        """Return the suppressions, oldest first."""
        return self.suppressions


class AccountSettings(Model, kw_only=True):
    """The settings of an account."""

    name: str
    time_zone: str
    confirmed_opt_in: bool | None = None
    sender_name: str | None = None
    sender_email: str | None = None
    postal_address: str | None = None
