"""Undo an activity, as an activity, and decide which can be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core import activities, lists, tags
from everlist.core.activities import ITEMS, ITEMS_DONE, OUTCOMES, Job, Progress, percent_done
from everlist.core.consent import suppression
from everlist.core.contacts.chain import CONSEQUENCES
from everlist.core.contacts.model import MAX_CUSTOM_FIELDS, MAX_LISTS, MAX_TAGS
from everlist.core.contacts.select import lock
from everlist.core.ids import NO_ID
from everlist.core.undo.definitions import definitions_back
from everlist.core.undo.images import count, refuse_forgotten
from everlist.core.undo.statement import REPORTED, RESTORED, Parameters
from everlist.errors import Conflict
from everlist.schema import cluster

if TYPE_CHECKING:
    from datetime import datetime

    from everlist.db import Transaction


class UndoRequest(msgspec.Struct, frozen=True):
    """Which activity to undo."""

    activity_id: UUID


async def refuse_undo(tx: Transaction, account_id: UUID, activity_id: UUID, *, now: datetime) -> None:
    """Raise NotFound, and Conflict if the activity cannot be undone now. Of two requests at once the second waits.

    `kinds.queue_undo` calls it once the kind allows an undo.
    """
    # Undo still is one statement that writes several tables and reads them again, which Citus gets wrong.
    if await cluster.is_distributed(tx):
        raise Conflict("undo of an activity is not supported on a cluster yet")
    await tx.execute(
        "select from activity where account_id = $1 and activity_id = $2 for update", account_id, activity_id
    )
    activity = await activities.get(tx, account_id, activity_id)
    if activity.completed_at is None:
        raise Conflict(f"the activity has not ended: it is {activity.state}")
    refuse_forgotten(activity, now=now)
    if await _is_undone(tx, account_id, activity_id):
        raise Conflict("the activity has been undone already")


async def _is_undone(tx: Transaction, account_id: UUID, activity_id: UUID) -> bool:
    """Return True if the activity has an undo that has not itself been undone."""
    undos = await tx.rows(
        "select activity_id from activity where account_id = $1 and kind = 'activity_undo'"
        " and request ->> 'activity_id' = $2 and state in ('initialized', 'processing', 'completed')",
        account_id,
        str(activity_id),
    )
    for undo in undos:
        if not await _is_undone(tx, account_id, undo["activity_id"]):
            return True
    return False


async def activity_undo(job: Job) -> Progress:
    """Undo one chunk of an activity: the last one that has not been undone yet."""
    tx, activity = job.tx, job.activity
    account_id = activity.account_id
    undone_id = msgspec.convert(activity.request, UndoRequest).activity_id
    total: int | None = activity.position.get("total")
    if total is None:
        total = await count(tx, account_id, undone_id)
    image = await tx.row(
        "select chunk, made_at, definitions from before_image where account_id = $1 and activity_id = $2"
        " and ($3::bigint is null or chunk < $3) order by chunk desc limit 1",
        account_id,
        undone_id,
        activity.position.get("chunk"),
    )
    if image is None:
        return Progress({"total": total}, done=True)
    errors = await definitions_back(job, image)
    await _lock(tx, account_id, undone_id, image["chunk"])
    rows_before: int = activity.position.get("rows", 0)
    parameters = Parameters(
        account_id=account_id,
        now=job.act.now,
        no_id=NO_ID,
        chunk=image["chunk"],
        operation=job.act.operation,
        request_id=job.act.request_id,
        token_id=job.act.token_id,
        activity_id=job.act.activity_id,
        undone_activity_id=undone_id,
        made_at=image["made_at"],
        rows_before=rows_before,
        max_lists=MAX_LISTS,
        max_tags=MAX_TAGS,
        refused=await _refused(job, undone_id, image["chunk"]),
        max_custom_fields=MAX_CUSTOM_FIELDS,
    )
    rows = await tx.rows(RESTORED + CONSEQUENCES + REPORTED, *parameters)
    counts: dict[str, int] = {OUTCOMES[row["letter"]]: row["number"] for row in rows}
    done = sum(counts.values())
    counts[ITEMS_DONE] = done
    if rows_before == 0 and "chunk" not in activity.position:
        counts[ITEMS] = total
    return Progress(
        {"total": total, "chunk": image["chunk"], "rows": rows_before + done},
        done=False,
        percent_done=percent_done(rows_before + done, total),
        counts=counts,
        errors=errors,
    )


async def _lock(tx: Transaction, account_id: UUID, activity_id: UUID, chunk: int) -> None:
    """Lock the contacts of a chunk, and the lists and tags that they may get back."""
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


async def _refused(job: Job, undone_id: UUID, chunk: int) -> list[str]:
    """Return the addresses and numbers of the before-images that another contact has now, or that are suppressed."""
    tx, account_id = job.tx, job.activity.account_id
    had = await tx.row(
        """
        select array_remove(array_agg(distinct e #>> '{columns,address,0,email_key}'), null) as addresses,
            array_remove(array_agg(distinct e #>> '{columns,sms,0,sms_number}'), null) as numbers
        from before_image b cross join lateral jsonb_array_elements(b.changed) e
        where b.account_id = $1 and b.activity_id = $2 and b.chunk = $3
        """,
        account_id,
        undone_id,
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
