"""What follows from a change of contacts: differences of counters, and of the number of active contacts.

One place for one contact and for thousands. A set of contacts is given as groups of equal moves with their
number, so that Python does a handful of additions whatever the size of the set.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core.consent import MAILABLE
from everlist.core.ids import NO_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class State(msgspec.Struct, frozen=True):
    """What a contact is, as far as counters and the meter depend on it."""

    permission: str | None
    deleted: bool
    has_sms: bool

    @property
    def live(self) -> bool:
        """True unless the contact is deleted."""
        return not self.deleted

    @property
    def active(self) -> bool:
        """True if the contact counts as active: not deleted, with an address that may be mailed."""
        return not self.deleted and self.permission in MAILABLE

    @property
    def sms(self) -> bool:
        """True if the contact is not deleted and has an SMS number."""
        return not self.deleted and self.has_sms


class Move(msgspec.Struct, frozen=True):
    """How `number` contacts changed alike."""

    before: State | None
    """None for contacts that did not exist."""
    after: State
    lists_joined: Sequence[UUID] = ()
    lists_left: Sequence[UUID] = ()
    lists_kept: Sequence[UUID] = ()
    """Lists that they were on and stay on; needed only if `before` and `after` differ."""
    tags_added: Sequence[UUID] = ()
    tags_removed: Sequence[UUID] = ()
    tags_kept: Sequence[UUID] = ()
    first_this_month: bool = False
    """True if they were not active before in this month (account's time zone)."""
    number: int = 1


class Consequences(msgspec.Struct):
    """The sum of what follows from moves."""

    counters: Counter[tuple[str, UUID]]
    """Difference of each counter, by its name and subject; see core/counters.py for the names."""
    active: int = 0
    """Difference of the number of active contacts."""
    first_this_month: int = 0
    """How many became active and had not been so before in this month."""

    def differences(self) -> list[tuple[str, UUID, int]]:
        """Return (name, subject, difference) of the counters that change, in a fixed order."""
        return [
            (name, subject, change) for (name, subject), change in sorted(self.counters.items()) if change
        ]


def consequences(moves: Iterable[Move]) -> Consequences:
    """Add up what follows from the moves."""
    total = Consequences(Counter())
    for move in moves:
        _add(total, move)
    return total


def _add(total: Consequences, move: Move) -> None:
    before, after, number = move.before, move.after, move.number
    counters = total.counters
    was_live = was_active = was_sms = False
    if before is not None:
        was_live, was_active, was_sms = before.live, before.active, before.sms
        counters["contacts." + (before.permission or "none"), NO_ID] -= number * was_live
        counters["contacts.deleted", NO_ID] -= number * before.deleted
    counters["contacts." + (after.permission or "none"), NO_ID] += number * after.live
    counters["contacts.deleted", NO_ID] += number * after.deleted
    for list_id in move.lists_joined:
        counters["list.members", list_id] += number
        counters["list.active", list_id] += number * after.active
        counters["list.sms", list_id] += number * after.sms
    for list_id in move.lists_left:
        counters["list.members", list_id] -= number
        counters["list.active", list_id] -= number * was_active
        counters["list.sms", list_id] -= number * was_sms
    for list_id in move.lists_kept:
        counters["list.active", list_id] += number * (after.active - was_active)
        counters["list.sms", list_id] += number * (after.sms - was_sms)
    for tag_id in move.tags_added:
        counters["tag.contacts", tag_id] += number * after.live
    for tag_id in move.tags_removed:
        counters["tag.contacts", tag_id] -= number * was_live
    for tag_id in move.tags_kept:
        counters["tag.contacts", tag_id] += number * (after.live - was_live)
    total.active += number * (after.active - was_active)
    if after.active and not was_active and move.first_this_month:
        total.first_this_month += number
