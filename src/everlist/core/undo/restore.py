"""Restore deleted contacts."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core import activities, lists
from everlist.core.activities import ITEMS, ITEMS_DONE, Job, Progress, percent_done
from everlist.core.contacts.edit import Edit, edit
from everlist.core.contacts.filters import ContactFilter
from everlist.core.contacts.select import choose
from everlist.core.undo.images import count, refuse_forgotten

if TYPE_CHECKING:
    from everlist.core.act import Act
    from everlist.db import Transaction


KIND = "contact_restore"


class RestoreRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which contacts to restore: exactly one of these is set."""

    contact_ids: tuple[UUID, ...] | None = None
    deleted_by_activity_id: UUID | None = None


async def contact_restore(job: Job) -> Progress:
    """Restore one chunk of deleted contacts, with their tags and those of their lists that still exist."""
    tx, activity = job.tx, job.activity
    account_id = activity.account_id
    request = msgspec.convert(activity.request, RestoreRequest)
    chunk: int | None = None
    if request.deleted_by_activity_id is None:
        ids = list(dict.fromkeys(request.contact_ids or ()))
    else:
        image = await tx.row(
            """
            select chunk, array(
                select c.contact_id from jsonb_array_elements(changed) e
                join contact c on c.account_id = $1 and c.contact_id = (e ->> 'contact_id')::uuid
                    and c.deleted_at = (e #>> '{columns,deletion,1,deleted_at}')::timestamptz) as ids
            from before_image where account_id = $1 and activity_id = $2 and chunk > $3 order by chunk limit 1
            """,
            account_id,
            request.deleted_by_activity_id,
            activity.position.get("chunk", 0),
        )
        if image is None:
            return Progress(activity.position, done=True)
        chunk, ids = image["chunk"], image["ids"]
    restored = await _restore(job, ids)
    counts = {ITEMS_DONE: len(ids), "updated": restored, "unchanged": len(ids) - restored}
    total: int | None = activity.position.get("total")
    if total is None:
        deleted_by = request.deleted_by_activity_id
        total = len(ids) if deleted_by is None else await count(tx, account_id, deleted_by)
        counts[ITEMS] = total
    return Progress(
        {"total": total, "chunk": chunk},
        done=chunk is None,
        percent_done=percent_done(activity.counts.get(ITEMS_DONE, 0) + len(ids), total),
        counts=counts,
    )


async def _restore(job: Job, ids: list[UUID]) -> int:
    """Restore those of the contacts that are deleted; return how many those were."""
    tx, account_id = job.tx, job.activity.account_id
    deleted = ContactFilter(statuses=frozenset({"deleted"}), contact_ids=tuple(ids))
    chunk = await choose(tx, account_id, deleted, after=None, limit=None)
    were_on = {list_id for contact in chunk.contacts for list_id in contact.deleted_list_ids}
    live = await lists.lock_live(tx, account_id, sorted(were_on))
    await edit(tx, account_id, chunk.contacts, Edit(revive=True, rejoin=tuple(sorted(live))), job.act)
    return len(chunk.contacts)


async def queue_restore(
    tx: Transaction, account_id: UUID, request: RestoreRequest, *, act: Act
) -> activities.Activity:
    """Queue a restore. Raises NotFound if its activity does not exist, and Conflict if its rows are no longer kept."""
    if request.deleted_by_activity_id is not None:
        deletion = await activities.get(tx, account_id, request.deleted_by_activity_id)
        refuse_forgotten(deletion, now=act.now)
    return await activities.create(tx, account_id, KIND, request, act=act)
