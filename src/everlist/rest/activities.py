"""How V3 and our own API queue and show bulk activities."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from msgspec import field

from everlist.core import activities
from everlist.rest.errors import whole_seconds
from everlist.rest.query import Link

if TYPE_CHECKING:
    from everlist.rest.call import Call

_ITEMS = ("items_total_count", "items_completed_count")
_OUTCOMES = ("created", "updated", "unchanged", "held_back", "rejected")
_IMPORTED = (
    *("items_total_count", "person_count", "error_count", "correctable_count", "cannot_add_to_list_count"),
)
_STATUS: dict[activities.ActivityKind, tuple[str, ...]] = {
    "contact_exports": _ITEMS,
    "contacts_file_import": _IMPORTED,
    "contacts_json_import": _IMPORTED,
    "contact_delete": ("list_count", *_ITEMS),
    "add_list_memberships": (*_ITEMS, "list_count"),
    "remove_list_memberships": (*_ITEMS, "list_count"),
    "list_delete": ("list_count",),
    "contacts_taggings_add": _ITEMS,
    "contacts_taggings_remove": _ITEMS,
    "contacts_tags_delete": _ITEMS,
    "custom_fields_delete": (),
    "contact_erase": (*_ITEMS, "erased_count", "suppressed_count"),
    "contact_restore": _ITEMS,
    "activity_undo": _ITEMS,
    "list_replace": (*_IMPORTED, "added_count", "kept_count", "removed_count"),
}
"""The counters of each kind, in the order of the contract. The counters of outcomes are ours and follow them."""


class ActivityLinks(msgspec.Struct, omit_defaults=True):
    self: Link
    results: Link | None = None


class ActivityOut(msgspec.Struct, omit_defaults=True):
    activity_id: UUID
    state: str
    created_at: datetime | None
    updated_at: datetime | None
    percent_done: int
    activity_errors: list[str]
    status: dict[str, int] | msgspec.UnsetType
    """Unset for a kind without counters in the contract."""
    links: ActivityLinks = field(name="_links")
    started_at: datetime | None = None
    completed_at: datetime | None = None
    source_file_name: str | None = None


def activity_out(activity: activities.Activity) -> ActivityOut:
    """Return an activity as both APIs show it."""
    counts = activity.counts
    status = {name: counts[name] for name in _STATUS[activity.kind] if name in counts}
    status |= {name + "_count": counts[name] for name in _OUTCOMES if name in counts}
    activity_id = activity.activity_id
    results = Link(f"/v3/contact_exports/{activity_id}") if activity.kind == "contact_exports" else None
    return ActivityOut(
        activity_id=activity_id,
        state=activity.state,
        created_at=whole_seconds(activity.created_at),
        updated_at=whole_seconds(activity.updated_at),
        percent_done=activity.percent_done,
        activity_errors=activity.errors,
        status=status if _STATUS[activity.kind] else msgspec.UNSET,
        links=ActivityLinks(self=Link(f"/v3/activities/{activity_id}"), results=results),
        started_at=whole_seconds(activity.started_at),
        completed_at=whole_seconds(activity.completed_at),
        source_file_name=activity.source_file_name,
    )


async def queue(
    call: Call,
    kind: activities.ActivityKind,
    request: object,
    *,
    list_ids: tuple[UUID, ...] = (),
    tag_ids: tuple[UUID, ...] = (),
    counts: dict[str, int] | None = None,
    not_found: bool = False,
    source_file_name: str | None = None,
    activity_id: UUID | None = None,
) -> activities.Activity:
    """Queue an activity. An unknown list or tag is answered with 400, or with 404 if the path names it."""
    return await call.run(
        activities.create,
        kind,
        request,
        list_ids=list_ids,
        tag_ids=tag_ids,
        not_found=not_found,
        counts=counts,
        source_file_name=source_file_name,
        activity_id=activity_id,
        act=call.act,
    )
