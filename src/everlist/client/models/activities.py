"""Bulk activities."""

from __future__ import annotations

from datetime import datetime

from msgspec import field

from everlist.client.models.base import Link, Model, Page


class ActivityStatus(Model, kw_only=True):
    """The counters of an activity; each kind has its own subset. Those from created_count on are Everlist's."""

    items_total_count: int | None = None
    items_completed_count: int | None = None
    list_count: int | None = None
    person_count: int | None = None
    error_count: int | None = None
    correctable_count: int | None = None
    cannot_add_to_list_count: int | None = None
    created_count: int | None = None
    updated_count: int | None = None
    unchanged_count: int | None = None
    held_back_count: int | None = None
    rejected_count: int | None = None
    added_count: int | None = None
    kept_count: int | None = None
    removed_count: int | None = None
    erased_count: int | None = None
    suppressed_count: int | None = None


class ActivityLinks(Model, kw_only=True):
    """The links to an activity and to its result."""

    self: Link | None = None
    results: Link | None = None


class ActivityError(Model, kw_only=True):
    """An error wrapped in an object: the vendor does this when a single tag is deleted."""

    message: str = ""


ENDED = frozenset(("completed", "cancelled", "failed", "timed_out"))
"""The final states of an activity."""


class ActivityState(Model, dict=True, kw_only=True):
    """An activity as the server last reported it."""

    activity_id: str
    state: str
    created_at: datetime | None = None
    updated_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    percent_done: int = 0
    activity_errors: list[str | ActivityError] = field(default=[])
    status: ActivityStatus | None = None
    source_file_name: str | None = None
    links: ActivityLinks | None = field(default=None, name="_links")

    @property
    def is_done(self) -> bool:
        """Return True if the activity has ended."""
        return self.state in ENDED

    @property
    def errors(self) -> list[str]:
        """Return the error texts; the vendor wraps them in objects in some answers."""
        return [error if isinstance(error, str) else error.message for error in self.activity_errors]


class ActivitiesPage(Page, kw_only=True):
    """A page of activities."""

    activities: list[ActivityState]

    @property
    def items(self) -> list[ActivityState]:
        """Return the activities."""
        return self.activities


class Selection(Model, kw_only=True):
    """The contacts that a bulk activity applies to; set exactly one property."""

    contact_ids: list[str] | None = None
    list_ids: list[str] | None = None
    tag_ids: list[str] | None = None
    all_active_contacts: bool | None = None
    new_subscriber: bool | None = None
    engagement_level: str | None = None
    segment_id: int | str | None = None


class Row(Model, kw_only=True):
    """The outcome of one row of an import."""

    row: int
    line: int | None = None
    outcome: str
    contact_id: str | None = None
    email: str | None = None
    reason: str | None = None


class Cancelled(Model, kw_only=True):
    """The progress of an activity when it was cancelled."""

    activity_id: str
    state: str
    percent_done: int = 0
    cancel_requested_at: datetime | None = None
    counts: dict[str, int] = field(default={})
