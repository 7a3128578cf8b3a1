"""The kinds of bulk activity: what runs each, and all that is particular to it, in one place.

A kind is one function that does one chunk: it begins where the activity's `position` says, works in the caller's
transaction, and returns its progress. It is called until it is done. What it writes commits together with its new
position, so a worker that is killed loses at most the chunk that it was in, and nothing is done twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from everlist.core import activities, bulk, undo
from everlist.core.activities import Activity, ActivityKind, Job, Progress
from everlist.core.exports import contact_exports
from everlist.core.imports.job import contacts_import, partitions_left
from everlist.core.imports.replace import list_replace
from everlist.core.privacy.job import contact_erase
from everlist.errors import Conflict

if TYPE_CHECKING:
    from uuid import UUID

    from everlist.core.act import Act
    from everlist.db import Transaction


def _one_partition(_activity: Activity) -> Sequence[int]:
    return ()


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of activity."""

    run: Callable[[Job], Awaitable[Progress]]
    """Do the next chunk."""
    partitions: Callable[[Activity], Sequence[int]] = _one_partition
    """Return the partitions of an activity that have chunks left and may run at once, none if it has only one.

    A chunk of a partition touches nothing of another. When a worker starts or resumes the activity, and when fewer
    than two partitions are left, it runs a chunk of no given partition: `run` takes the next of any.
    """
    undo_refusal: str = ""
    """Why an activity of this kind cannot be undone; empty if it can."""


KINDS: dict[ActivityKind, Kind] = {
    "contacts_file_import": Kind(run=contacts_import, partitions=partitions_left),
    "contacts_json_import": Kind(run=contacts_import, partitions=partitions_left),
    "contact_exports": Kind(run=contact_exports, undo_refusal="the activity changed nothing"),
    "contact_delete": Kind(run=bulk.contact_delete),
    "contact_erase": Kind(run=contact_erase, undo_refusal="an erasure cannot be undone"),
    "contact_restore": Kind(run=undo.contact_restore),
    "activity_undo": Kind(run=undo.activity_undo),
    "list_replace": Kind(run=list_replace),
    "add_list_memberships": Kind(run=bulk.add_list_memberships),
    "remove_list_memberships": Kind(run=bulk.remove_list_memberships),
    "list_delete": Kind(run=bulk.list_delete),
    "contacts_taggings_add": Kind(run=bulk.contacts_taggings_add),
    "contacts_taggings_remove": Kind(run=bulk.contacts_taggings_remove),
    "contacts_tags_delete": Kind(run=bulk.contacts_tags_delete),
    "custom_fields_delete": Kind(run=bulk.custom_fields_delete),
}


async def queue_undo(tx: Transaction, account_id: UUID, activity_id: UUID, *, act: Act) -> Activity:
    """Queue the undo of an activity. Raises NotFound, QueueFull, and Conflict if it cannot be undone."""
    activity = await activities.get(tx, account_id, activity_id)
    if refusal := KINDS[activity.kind].undo_refusal:
        raise Conflict(refusal)
    await undo.refuse_undo(tx, account_id, activity_id, now=act.now)
    return await activities.create(tx, account_id, "activity_undo", undo.UndoRequest(activity_id), act=act)
