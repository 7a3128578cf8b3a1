"""The undo of an activity, as an activity, and which activities can be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core import activities, lists, tags
from everlist.core.activities import Job, Progress
from everlist.core.consent import suppression
from everlist.core.contacts.apply import CONSEQUENCES
from everlist.core.contacts.model import MAX_CUSTOM_FIELDS, MAX_LISTS, MAX_TAGS
from everlist.core.contacts.select import lock
from everlist.core.ids import NO_ID
from everlist.core.imports.merge import OUTCOMES
from everlist.core.undo.definitions import definitions_back
from everlist.core.undo.images import count, refuse_forgotten
from everlist.core.undo.statement import REPORTED, UNDONE
from everlist.errors import Conflict

if TYPE_CHECKING:
    from datetime import datetime

    from everlist.core.act import Act
    from everlist.core.activities import Activity
    from everlist.db import Transaction

KIND = "activity_undo"
_NEVER = {
    "contact_exports": "the activity changed nothing",
    "contact_erase": "an erasure cannot be undone",
}


class UndoRequest(msgspec.Struct, frozen=True):
    """Which activity to undo."""

    activity_id: UUID


async def queue_undo(tx: Transaction, account_id: UUID, activity_id: UUID, *, act: Act) -> Activity:
    """Queue the undo of an activity. Raises NotFound, and Conflict if the activity cannot be undone."""
    await _refuse_undo(tx, account_id, activity_id, now=act.now)
    return await activities.create(tx, account_id, KIND, UndoRequest(activity_id=activity_id), act=act)


async def _refuse_undo(tx: Transaction, account_id: UUID, activity_id: UUID, *, now: datetime) -> None:
    """Raise NotFound or Conflict if the activity cannot be undone. A second request waits for the first one's end."""
    await tx.execute(
        "select from activity where account_id = $1 and activity_id = $2 for update", account_id, activity_id
    )
    activity = await activities.get(tx, account_id, activity_id)
    if activity.kind in _NEVER:
        raise Conflict(_NEVER[activity.kind])
    if activity.completed_at is None:
        message = f"the activity has not ended: it is {activity.state}"
        raise Conflict(message)
    refuse_forgotten(activity, now=now)
    if await _is_undone(tx, account_id, activity_id):
        message = "the activity has been undone already"
        raise Conflict(message)


async def _is_undone(tx: Transaction, account_id: UUID, activity_id: UUID) -> bool:
    """Whether there is an undo of the activity that is not itself undone."""
    undos = await tx.rows(
        "select activity_id from activity where account_id = $1 and kind = $2 and request ->> 'activity_id' = $3"
        " and state in ('initialized', 'processing', 'completed')",
        account_id,
        KIND,
        str(activity_id),
    )
    for undo in undos:
        if not await _is_undone(tx, account_id, undo["activity_id"]):
            return True
    return False


async def activity_undo(job: Job) -> Progress:
    """Undo one chunk of an activity, the last one that is not undone yet."""
    tx, activity = job.tx, job.activity
    account_id = activity.account_id
    undone = msgspec.convert(activity.request, UndoRequest).activity_id
    total: int | None = activity.position.get("total")
    if total is None:
        total = await count(tx, account_id, undone)
    image = await tx.row(
        "select chunk, made_at, definitions from before_image where account_id = $1 and activity_id = $2"
        " and ($3::bigint is null or chunk < $3) order by chunk desc limit 1",
        account_id,
        undone,
        activity.position.get("chunk"),
    )
    if image is None:
        return Progress({"total": total}, done=True)
    errors = await definitions_back(job, image)
    await _lock(tx, account_id, undone, image["chunk"])
    seen: int = activity.position.get("rows", 0)
    rows = await tx.rows(
        UNDONE + CONSEQUENCES + REPORTED,
        account_id,
        job.act.now,
        NO_ID,
        image["chunk"],
        job.act.operation,
        job.act.request_id,
        job.act.token_id,
        job.act.activity_id,
        undone,
        image["made_at"],
        seen,
        MAX_LISTS,
        MAX_TAGS,
        await _refused(job, undone, image["chunk"]),
        MAX_CUSTOM_FIELDS,
    )
    counts = {OUTCOMES[row["letter"]]: row["number"] for row in rows}
    done = sum(counts.values())
    counts["items_completed_count"] = done
    if seen == 0 and "chunk" not in activity.position:
        counts["items_total_count"] = total
    return Progress(
        {"total": total, "chunk": image["chunk"], "rows": seen + done},
        done=False,
        percent_done=100 * (seen + done) // max(total, 1),
        counts=counts,
        errors=errors,
    )


async def _lock(tx: Transaction, account_id: UUID, activity_id: UUID, chunk: int) -> None:
    """Hold the contacts of a chunk, and keep the lists and tags that they may get back."""
    named = await tx.row(
        """
        select
            array(select distinct l::uuid from jsonb_array_elements(changed) e,
                jsonb_array_elements_text(e -> 'left') l) as lists,
            array(select distinct t::uuid from jsonb_array_elements(changed) e,
                jsonb_array_elements_text(e -> 'untagged') t) as tags,
            created || array(select (e ->> 'contact_id')::uuid from jsonb_array_elements(changed) e) as contacts
        from before_image where account_id = $1 and activity_id = $2 and chunk = $3
        """,
        account_id,
        activity_id,
        chunk,
    )
    if named is None:
        return
    await lists.lock_live(tx, account_id, named["lists"])
    await tags.lock_existing(tx, account_id, named["tags"])
    await lock(tx, account_id, named["contacts"])


async def _refused(job: Job, undone: UUID, chunk: int) -> list[str]:
    """Of the addresses and numbers that contacts of the chunk had: those that another has, or that are suppressed."""
    tx, account_id = job.tx, job.activity.account_id
    had = await tx.row(
        """
        select array_remove(array_agg(distinct e #>> '{columns,address,0,email_key}'), null) as addresses,
            array_remove(array_agg(distinct e #>> '{columns,sms,0,sms_number}'), null) as numbers
        from before_image b cross join lateral jsonb_array_elements(b.changed) e
        where b.account_id = $1 and b.activity_id = $2 and b.chunk = $3
        """,
        account_id,
        undone,
        chunk,
    )
    if had is None or not (had["addresses"] or had["numbers"]):
        return []
    addresses: list[str] = had["addresses"] or []
    numbers: list[str] = had["numbers"] or []
    taken = await tx.rows(
        "select email_key as key from contact where account_id = $1 and email_key = any($2)"
        " union all select sms_number from contact where account_id = $1 and sms_number = any($3)",
        account_id,
        addresses,
        numbers,
    )
    return [
        *(row["key"] for row in taken),
        *await suppression.among(tx, account_id, suppression.EMAIL, addresses, job.installation),
        *await suppression.among(tx, account_id, suppression.SMS, numbers, job.installation),
    ]
