"""The consent ledger of a contact, and the state of an address. Everlist only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from everlist.client.models.base import Model, Page


class ConsentEvent(Model, kw_only=True):
    """An entry of the consent ledger: the change, its author, and the request or activity that made it."""

    event_id: int
    at: datetime
    channel: str
    action: str
    source: str
    operation: str
    permission_before: str | None = None
    permission_after: str | None = None
    opted_out_by: str | None = None
    reason: str | None = None
    details: dict[str, Any] | None = None
    request_id: str | None = None
    token_id: str | None = None
    token_name: str | None = None
    activity_id: str | None = None
    row_number: int | None = None


class ConsentEventsPage(Page, kw_only=True):
    """A page of one contact's consent ledger."""

    contact_id: str
    events: list[ConsentEvent]

    @property
    def items(self) -> list[ConsentEvent]:
        """Return the entries, oldest first."""
        return self.events


class ChannelState(Model, kw_only=True):
    """The permission of one channel at a point in time, and the entry that set it."""

    permission: str
    may_send: bool
    since: datetime | None = None
    event: ConsentEvent | None = None


class ConsentState(Model, kw_only=True):
    """A contact's permissions at a point in time; a channel that it did not have is absent."""

    contact_id: str
    as_of: datetime
    exists: bool
    deleted: bool
    channels: dict[str, ChannelState]


class NextCall(Model, kw_only=True):
    """A call that would succeed; `only_if` is the condition under which you may make it."""

    method: str
    path: str
    body: dict[str, Any]
    only_if: str | None = None


class Explanation(Model, kw_only=True):
    """The state of an address, its cause, and the call that would succeed."""

    state: str
    next_call: NextCall
    contact_id: str | None = None
    since: datetime | None = None
    by: ConsentEvent | None = None
    reason: str | None = None


class ContactLinks(Model, kw_only=True):
    """The links for a contact's mail, and its headers for one-click unsubscribing."""

    unsubscribe_url: str
    one_click_url: str
    preferences_url: str
    headers: dict[str, str]
