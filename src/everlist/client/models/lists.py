"""Lists, and the preview of replacing one."""

from __future__ import annotations

from datetime import datetime

from msgspec import field

from everlist.client.models.base import Model, Page


class ContactList(Model, kw_only=True):
    """A list of contacts."""

    list_id: str
    name: str
    description: str | None = None
    favorite: bool | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    membership_count: int | None = None
    sms_membership_count: int | None = None


class ListsPage(Page, kw_only=True):
    """A page of lists."""

    lists: list[ContactList]
    lists_count: int | None = None

    @property
    def items(self) -> list[ContactList]:
        """Return the lists."""
        return self.lists

    @property
    def total(self) -> int | None:
        """Return the number of lists on all pages."""
        return self.lists_count


class ReplacedRow(Model, kw_only=True):
    """A row that a replacement would hold back or reject."""

    line: int
    outcome: str
    reason: str
    email: str | None = None


class Replacement(Model, kw_only=True):
    """A preview of replacing a list; `rows` are the first 1,000 rows held back or rejected."""

    add: int = 0
    keep: int = 0
    update: int = 0
    remove: int = 0
    held_back: int = 0
    rejected: int = 0
    peak_before: int | None = None
    peak_after: int | None = None
    rows: list[ReplacedRow] = field(default=[])
