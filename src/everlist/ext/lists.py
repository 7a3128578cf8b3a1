"""PUT /everlist/v1/contact_lists/{list_id}/members: the list becomes exactly the body."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from everlist.core import lists
from everlist.core.activities import ActivityFailed
from everlist.core.ids import new_id
from everlist.core.imports.replace import LEAVERS, UNLIST, ReplaceRequest, preview
from everlist.core.imports.upload import Upload
from everlist.errors import NotFound
from everlist.rest.activities import activity_out, queue
from everlist.rest.errors import VALIDATION, Failure, bad_request, invalid, json_response

if TYPE_CHECKING:
    from starlette.responses import Response

    from everlist.rest.call import Call


class MembersIn(msgspec.Struct):
    import_data: list[msgspec.Raw] | None = None


async def replace_members(call: Call) -> Response:
    """PUT /contact_lists/{list_id}/members, a CSV file or `{"import_data": […]}`.

    Answers 201 with the activity, or with `dry_run=true` 200 with the difference, and changes nothing.
    """
    list_id = call.path_id("list_id")
    query = call.query()
    dry_run = query.boolean("dry_run")
    if call.media_type not in ("text/csv", "application/json"):
        raise Failure(415, VALIDATION, "Content-Type must be text/csv or application/json")
    request = ReplaceRequest(
        list_ids=(list_id,),
        vendor_limits=call.settings.vendor_import_limits,
        is_json=call.media_type == "application/json",
        leavers=query.one_of("leavers", LEAVERS) or UNLIST,
        max_removed_percent=_percent(query.text("max_removed_percent")),
    )
    if (await lists.get(call.db, call.account_id, list_id)).deleted_at is not None:
        raise NotFound(f"no list has the id {list_id}")
    if dry_run:
        _refuse_if_busy(call)  # before the body is read: it may be big
    activity_id = new_id()
    upload = Upload(call.db, call.account_id, activity_id, now=call.now)
    try:
        await _store(call, upload, is_json=request.is_json)
        if not dry_run:
            made = await queue(
                call,
                "list_replace",
                request,
                list_ids=request.list_ids,
                not_found=True,
                activity_id=activity_id,
            )
            return json_response(activity_out(made), 201)
        _refuse_if_busy(call)
        async with call.state.dry_runs:
            difference = await preview(
                call.db, call.account_id, activity_id, request, act=call.act, installation=call.installation
            )
    except ActivityFailed as error:
        await upload.discard()
        raise bad_request(f"the file was refused: {error}") from error
    except BaseException:
        await upload.discard()
        raise
    await upload.discard()
    return json_response(difference)


def _refuse_if_busy(call: Call) -> None:
    if call.state.dry_runs.locked():
        raise Failure(
            429, "throttled", "other dry runs are under way: ask again in a few seconds", {"Retry-After": "5"}
        )


def _percent(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        percent = float(text)
    except ValueError:
        raise invalid("max_removed_percent") from None
    if not (math.isfinite(percent) and 0 <= percent <= 100):
        raise invalid("max_removed_percent")
    return percent


async def _store(call: Call, upload: Upload, *, is_json: bool) -> None:
    """Store the body for the activity or the dry run."""
    if is_json:
        items = (await call.body(MembersIn)).import_data
        if items is None:
            raise bad_request("import_data is missing")
        await upload.write_items(items)
    else:
        async for data in call.stream():
            await upload.write(data)
    if upload.size == 0:
        raise bad_request("the body is empty: a list is emptied by removing everybody from it")
    await upload.finish()
