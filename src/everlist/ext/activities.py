"""/everlist/v1/activities: cancel, undo and restore, and the outcome of each row of an import."""

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
from everlist.rest.errors import bad_request, json_response, whole_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.responses import Response

    from everlist.rest.call import Call


async def cancel_activity(call: Call) -> Response:
    """POST /activities/{activity_id}/cancel: at once if it waits, after its current chunk if it runs.

    Answers 200 with the state and the counters, which say how far it got; 409 if it has ended.
    """
    activity_id = call.path_id("activity_id")
    cancelled = await call.run(activities.cancel, activity_id, now=call.now)
    answer: dict[str, Any] = {
        "activity_id": cancelled.activity_id,
        "state": cancelled.state,
        "percent_done": cancelled.percent_done,
        "cancel_requested_at": whole_seconds(cancelled.cancel_requested_at),
        "counts": cancelled.counts,
    }
    return json_response(answer)


async def get_rows(call: Call) -> Response:
    """GET /activities/{activity_id}/rows?outcome=…: the outcome of each row, as CSV, in the order of the file.

    Answers 404 when the rows are no longer kept.
    """
    activity_id = call.path_id("activity_id")
    wanted = call.query().words("outcome", tuple(activities.OUTCOMES.values()))
    activity = await activities.get(call.db, call.account_id, activity_id)
    if activities.is_forgotten(activity, now=call.now):
        days = activities.UNDO_WINDOW.days
        raise NotFound(f"the activity ended more than {days} days ago, and its rows are not kept longer")

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
    """POST /activities/{activity_id}/undo: queue an activity that reverses its changes. 201, or 409."""
    queued = await call.run(kinds.queue_undo, call.path_id("activity_id"), act=call.act)
    return json_response(activity_out(queued), 201)


_MAX_RESTORED = 500


class ContactRestoreIn(msgspec.Struct):
    contact_ids: tuple[UUID, ...] | None = None
    deleted_by_activity_id: UUID | None = None


async def post_contact_restore(call: Call) -> Response:
    """POST /activities/contact_restore: bring deleted contacts back with their lists and tags."""
    body = await call.body(ContactRestoreIn)
    if bool(body.contact_ids) == (body.deleted_by_activity_id is not None):
        raise bad_request("contact_ids, deleted_by_activity_id are mutually exclusive, exactly one is needed")
    if len(body.contact_ids or ()) > _MAX_RESTORED:
        raise bad_request(f"contact_ids does not have a valid value: at most {_MAX_RESTORED}")
    request = undo.RestoreRequest(
        contact_ids=body.contact_ids or None, deleted_by_activity_id=body.deleted_by_activity_id
    )
    queued = await call.run(undo.queue_restore, request, act=call.act)
    return json_response(activity_out(queued), 201)
