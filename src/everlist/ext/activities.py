"""/everlist/v1/activities: cancel one, and see what became of each row of an import."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from starlette.responses import StreamingResponse

from everlist.core import activities, kinds, undo
from everlist.core.imports import outcomes
from everlist.errors import NotFound
from everlist.rest.activities import activity_out
from everlist.rest.errors import VALIDATION, Failure, json_response, whole_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.responses import Response

    from everlist.db import Transaction
    from everlist.rest.call import Call


async def cancel_activity(call: Call) -> Response:
    """POST /activities/{activity_id}/cancel: at once while it waits, after its present chunk while it runs.

    Answers 200 with the state and the counters, which say how far it got; 409 where it has ended.
    """
    activity_id = call.path_id("activity_id")

    async def operation(tx: Transaction) -> activities.Activity:
        return await activities.cancel(tx, call.account_id, activity_id, now=call.now)

    cancelled = await call.write(operation)
    answer: dict[str, Any] = {
        "activity_id": cancelled.activity_id,
        "state": cancelled.state,
        "percent_done": cancelled.percent_done,
        "cancel_requested_at": whole_seconds(cancelled.cancel_requested_at),
        "counts": cancelled.counts,
    }
    return json_response(answer)


async def get_rows(call: Call) -> Response:
    """GET /activities/{activity_id}/rows?outcome=…: what became of each row, as CSV, in the order of the file.

    404 once the rows are not kept any more.
    """
    activity_id = call.path_id("activity_id")
    wanted = call.query().words("outcome", tuple(activities.OUTCOMES.values()))
    activity = await activities.get(call.db, call.account_id, activity_id)
    if activities.is_forgotten(activity, now=call.now):
        days = activities.UNDO_WINDOW.days
        message = f"the activity ended more than {days} days ago, and its rows are not kept longer"
        raise NotFound(message)

    async def lines() -> AsyncIterator[bytes]:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(("row", "line", "outcome", "contact_id", "email", "reason"))
        async for rows in outcomes.read(call.db, call.account_id, activity_id, wanted):
            writer.writerows(rows)
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
        yield text.getvalue().encode()

    name = f"{activity_id}-rows.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(lines(), 200, headers, "text/csv; charset=utf-8")


async def undo_activity(call: Call) -> Response:
    """POST /activities/{activity_id}/undo: an activity that puts back what that one changed. 201, or 409."""
    activity_id = call.path_id("activity_id")
    act = call.act

    async def operation(tx: Transaction) -> activities.Activity:
        return await kinds.queue_undo(tx, call.account_id, activity_id, act=act)

    return json_response(activity_out(await call.write(operation)), 201)


_MAX_RESTORED = 500


class ContactRestoreIn(msgspec.Struct):
    contact_ids: tuple[UUID, ...] | None = None
    deleted_by_activity_id: UUID | None = None


async def post_contact_restore(call: Call) -> Response:
    """POST /activities/contact_restore: deleted contacts come back with the lists and tags that they had."""
    body = await call.body(ContactRestoreIn)
    by = body.deleted_by_activity_id
    if bool(body.contact_ids) == (by is not None):
        message = "contact_ids, deleted_by_activity_id are mutually exclusive, exactly one is needed"
        raise Failure(400, VALIDATION, message)
    if len(body.contact_ids or ()) > _MAX_RESTORED:
        raise Failure(400, VALIDATION, f"contact_ids does not have a valid value: at most {_MAX_RESTORED}")
    request = undo.RestoreRequest(body.contact_ids or None, by)
    act = call.act

    async def operation(tx: Transaction) -> activities.Activity:
        if by is not None:
            await undo.refuse_restore(tx, call.account_id, by, now=act.now)
        return await activities.create(tx, call.account_id, "contact_restore", request, act=act)

    return json_response(activity_out(await call.write(operation)), 201)
