"""What the endpoints of V3 and of our own API share about bulk activities: one is queued, and shown."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from msgspec import field

from everlist.core import activities, lists, tags
from everlist.errors import NotFound
from everlist.rest.errors import VALIDATION, Failure, whole_seconds
from everlist.rest.query import Link

if TYPE_CHECKING:
    from everlist.db import Transaction
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
"""The counters of each kind that the contract names; those of the outcomes are ours and come after them."""


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
    """Unset for a kind that the contract gives no counters."""
    links: ActivityLinks = field(name="_links")
    started_at: datetime | None = None
    completed_at: datetime | None = None
    source_file_name: str | None = None


def activity_out(activity: activities.Activity) -> ActivityOut:
    """An activity as both APIs show it."""
    counts = activity.counts
    status = {name: counts[name] for name in _STATUS[activity.kind] if name in counts}
    status |= {name + "_count": counts[name] for name in _OUTCOMES if name in counts}
    return ActivityOut(
        activity.activity_id,
        activity.state,
        whole_seconds(activity.created_at),
        whole_seconds(activity.updated_at),
        activity.percent_done,
        activity.errors,
        status if _STATUS[activity.kind] else msgspec.UNSET,
        ActivityLinks(
            Link(f"/v3/activities/{activity.activity_id}"),
            Link(f"/v3/contact_exports/{activity.activity_id}")
            if activity.kind == "contact_exports"
            else None,
        ),
        whole_seconds(activity.started_at),
        whole_seconds(activity.completed_at),
        activity.source_file_name,
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
    """Queue an activity whose lists and tags exist: else 400, or 404 where the path names them."""

    async def operation(tx: Transaction) -> activities.Activity:
        for name, ids, found in (
            ("list", list_ids, await lists.lock_live(tx, call.account_id, list_ids)),
            ("tag", tag_ids, await tags.lock_existing(tx, call.account_id, tag_ids)),
        ):
            unknown = sorted(set(ids) - found)
            if unknown and not_found:
                message = f"no {name} has the id {unknown[0]}"
                raise NotFound(message)
            if unknown:
                raise Failure(
                    400,
                    VALIDATION,
                    f"{name}_ids does not have a valid value: no {name} has the id {unknown[0]}",
                )
        return await activities.create(
            tx,
            call.account_id,
            kind,
            request,
            counts=counts,
            source_file_name=source_file_name,
            activity_id=activity_id,
            act=call.act,
        )

    return await call.write(operation)
