"""Count the before-images of an activity, and refuse if they have expired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everlist.core.activities import UNDO_WINDOW, is_forgotten
from everlist.errors import Conflict

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from everlist.core.activities import Activity
    from everlist.db import Transaction


def refuse_forgotten(activity: Activity, *, now: datetime) -> None:
    """Raise Conflict if the before-images of the activity have expired."""
    if is_forgotten(activity, now=now):
        raise Conflict(
            f"the activity ended more than {UNDO_WINDOW.days} days ago, and what it changed is not kept longer"
        )


async def count(tx: Transaction, account_id: UUID, activity_id: UUID) -> int:
    """Return how many contacts the activity made or changed."""
    return await tx.value(
        "select coalesce(sum(cardinality(created) + jsonb_array_length(changed)), 0)::bigint"
        " from before_image where account_id = $1 and activity_id = $2",
        account_id,
        activity_id,
    )
