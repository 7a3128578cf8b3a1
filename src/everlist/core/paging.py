"""Pages by key (keyset pagination): items, and the id of the first item of the next page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a collection."""

    items: Sequence[T]
    next_id: UUID | None
    """The id of the first item of the next page; None on the last page."""
    total: int | None = None
    """How many items match on all pages; None unless the caller asked for it."""
    next_at: datetime | None = None
    """The time of that item, if the pages are ordered by a time."""
