"""Bulk activities: V3 contract section 6, and what Everlist adds."""

from __future__ import annotations

import csv
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import msgspec

from everlist.client import models
from everlist.client._async.paging import AsyncItems
from everlist.client._async.transport import AsyncTransport
from everlist.client._errors import ActivityFailed, WaitTimedOut
from everlist.client._protocol import Request, get, given, ids, path_of, send
from everlist.client._upload import Progress, Source, csv_name, multipart

UNSET = msgspec.UNSET
_Ids = Iterable[object] | str | UUID


class AsyncActivity(models.ActivityState, dict=True):
    """An activity as it was when the server was asked, with what can be done about it."""

    async def refresh(self) -> AsyncActivity:
        """The activity as it is now."""
        return await _made_by(self).get(self.activity_id)

    async def wait(
        self,
        *,
        progress: Callable[[AsyncActivity], object] | None = None,
        timeout: float | None = None,
        check: bool = True,
    ) -> AsyncActivity:
        """The activity once it has ended. `progress` is told each time that the server was asked.

        Raises WaitTimedOut after `timeout` seconds, and ActivityFailed where it did not end as `completed`, unless
        `check` is False.
        """
        return await _made_by(self).wait(self, progress=progress, timeout=timeout, check=check)

    async def cancel(self) -> models.Cancelled:
        """Stop it: what was done stays done. Everlist only."""
        return await _made_by(self).cancel(self.activity_id)

    async def undo(self) -> AsyncActivity:
        """The activity that puts everything back as it was. Everlist only."""
        return await _made_by(self).undo(self.activity_id)

    def rows(self, *, outcome: str | Iterable[str] | None = None) -> AsyncIterator[models.Row]:
        """What became of each row of an import. Everlist only."""
        return _made_by(self).rows(self.activity_id, outcome=outcome)

    async def save(self, to: str | os.PathLike[str] | BinaryIO) -> int:
        """Write the file of an export that has ended; how many bytes it has."""
        return await _made_by(self).save_export(self.activity_id, to)


def _made_by(activity: AsyncActivity) -> AsyncActivities:
    return vars(activity)["made_by"]


class AsyncActivitiesPage(models.Page, kw_only=True):
    """A page of activities."""

    activities: list[AsyncActivity]

    @property
    def items(self) -> list[AsyncActivity]:
        """The activities."""
        return self.activities


class AsyncActivities:
    """`client.activities`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def of(self, request: Request) -> AsyncActivity:
        """The activity that the request makes or asks for."""
        return self._own(await self._transport.call(request, AsyncActivity))

    def _own(self, activity: AsyncActivity) -> AsyncActivity:
        vars(activity)["made_by"] = self
        return activity

    async def _post(self, name: str, **body: Any) -> AsyncActivity:
        return await self.of(send("POST", f"/v3/activities/{name}", given(**body)))

    async def _extra(self, path: str, **body: Any) -> AsyncActivity:
        return await self.of(send("POST", f"/everlist/v1/activities/{path}", given(**body)))

    # Reading

    def list(
        self, *, state: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> AsyncItems[AsyncActivity, AsyncActivitiesPage]:
        """The activities of the last ten days, newest first."""
        request = get("/v3/activities", state=state, limit=limit, cursor=cursor)
        return AsyncItems(self._transport, request, AsyncActivitiesPage, self._own)

    async def get(self, activity_id: object) -> AsyncActivity:
        """One activity."""
        return await self.of(get(path_of("/v3/activities/{}", activity_id)))

    async def wait(
        self,
        activity: AsyncActivity | str,
        *,
        progress: Callable[[AsyncActivity], object] | None = None,
        timeout: float | None = None,
        check: bool = True,
    ) -> AsyncActivity:
        """An activity once it has ended: see `AsyncActivity.wait`."""
        began = self._transport.now()
        delay, most = (0.1, 5.0) if self._transport.is_everlist else (1.0, 15.0)
        now = await self.get(activity) if isinstance(activity, str) else activity
        while not now.is_done:
            if progress:
                progress(now)
            left = None if timeout is None else began + timeout - self._transport.now()
            if left is not None and left <= 0:
                raise WaitTimedOut(now)
            await self._transport.sleep(delay if left is None else min(delay, left))
            delay = min(delay * 1.5, most)
            now = await self.get(now.activity_id)
        if progress:
            progress(now)
        if check and now.state != "completed":
            raise ActivityFailed(now)
        return now

    # Imports and exports

    async def import_file(
        self,
        file: Source,
        list_ids: _Ids,
        *,
        file_name: str | None = None,
        sms_permission_to_send: str | None = None,
        progress: Progress | None = None,
    ) -> AsyncActivity:
        """Import a CSV file onto lists. It is read while it is sent; `progress` is told the bytes sent."""
        fields = {"list_ids": ",".join(ids(list_ids))}
        if sms_permission_to_send is not None:
            fields["sms_permission_to_send"] = sms_permission_to_send
        key = self._transport.new_key()
        body, content_type = multipart(file, csv_name(file, file_name), fields, key=key, progress=progress)
        path = "/v3/activities/contacts_file_import"
        return await self.of(Request("POST", path, body=body, content_type=content_type, idempotency_key=key))

    async def import_rows(
        self,
        rows: Iterable[Mapping[str, Any]],
        list_ids: _Ids,
        *,
        sms_permission_to_send: str | msgspec.UnsetType = UNSET,
    ) -> AsyncActivity:
        """Import rows onto lists: `email`, `first_name`, `cf:<name>` … as the contract names them in 6.3."""
        return await self._post(
            "contacts_json_import",
            import_data=[*rows],
            list_ids=ids(list_ids),
            sms_permission_to_send=sms_permission_to_send,
        )

    async def export(self, **body: Any) -> AsyncActivity:
        """Export contacts: `contact_ids`, `list_ids`, `tag_ids`, `status`, `fields` … (6.2); nothing means all."""
        return await self._post("contact_exports", **body)

    async def save_export(self, export_id: object, to: str | os.PathLike[str] | BinaryIO) -> int:
        """Write the file of an export, chunk by chunk; how many bytes it has.

        A path is only there once the file is whole.
        """
        request = get(path_of("/v3/contact_exports/{}", export_id))
        return await self._save(msgspec.structs.replace(request, accept="text/csv"), to)

    async def _save(self, request: Request, to: str | os.PathLike[str] | BinaryIO) -> int:
        if not isinstance(to, str | os.PathLike):
            return await self._copy(request, to)
        part = Path(f"{os.fspath(to)}.part")
        try:
            with part.open("wb") as file:
                size = await self._copy(request, file)
            part.replace(to)
        finally:
            part.unlink(missing_ok=True)
        return size

    async def _copy(self, request: Request, file: BinaryIO) -> int:
        size = 0
        async with self._transport.download(request) as chunks:
            async for chunk in chunks:
                file.write(chunk)
                size += len(chunk)
        return size

    # Contacts on lists and with tags

    async def add_to_lists(
        self, source: models.Selection, list_ids: _Ids, *, except_contact_ids: _Ids | None = None
    ) -> AsyncActivity:
        """Put contacts on lists."""
        return await self._for("add_list_memberships", source, except_contact_ids, list_ids=ids(list_ids))

    async def remove_from_lists(
        self, source: models.Selection, list_ids: _Ids, *, except_contact_ids: _Ids | None = None
    ) -> AsyncActivity:
        """Take contacts off lists."""
        return await self._for("remove_list_memberships", source, except_contact_ids, list_ids=ids(list_ids))

    async def add_tags(
        self, source: models.Selection, tag_ids: _Ids, *, except_contact_ids: _Ids | None = None
    ) -> AsyncActivity:
        """Tag contacts."""
        return await self._for("contacts_taggings_add", source, except_contact_ids, tag_ids=ids(tag_ids))

    async def remove_tags(
        self, source: models.Selection, tag_ids: _Ids, *, except_contact_ids: _Ids | None = None
    ) -> AsyncActivity:
        """Untag contacts."""
        return await self._for("contacts_taggings_remove", source, except_contact_ids, tag_ids=ids(tag_ids))

    async def _for(
        self, name: str, source: models.Selection, except_contact_ids: _Ids | None, **targets: Any
    ) -> AsyncActivity:
        exclude = UNSET if except_contact_ids is None else {"contact_ids": ids(except_contact_ids)}
        return await self._post(name, source=source, exclude=exclude, **targets)

    # Deleting

    async def delete_contacts(
        self, *, contact_ids: _Ids | None = None, list_ids: _Ids | None = None
    ) -> AsyncActivity:
        """Delete these contacts, or every member of these lists."""
        return await self._post(
            "contact_delete",
            contact_ids=UNSET if contact_ids is None else ids(contact_ids),
            list_ids=UNSET if list_ids is None else ids(list_ids),
        )

    async def delete_lists(self, list_ids: _Ids) -> AsyncActivity:
        """Delete lists and their memberships."""
        return await self._post("list_delete", list_ids=ids(list_ids))

    async def delete_tags(self, tag_ids: _Ids) -> AsyncActivity:
        """Delete tags, and take them off every contact."""
        return await self._post("contacts_tags_delete", tag_ids=ids(tag_ids))

    async def delete_custom_fields(self, custom_field_ids: _Ids) -> AsyncActivity:
        """Delete fields, and their values."""
        return await self._post("custom_fields_delete", custom_field_ids=ids(custom_field_ids))

    # Everlist's own

    async def cancel(self, activity_id: object) -> models.Cancelled:
        """Stop an activity: what was done stays done. Raises Conflict where it has ended."""
        path = path_of("/everlist/v1/activities/{}/cancel", activity_id)
        return await self._transport.call(send("POST", path, {}), models.Cancelled)

    async def undo(self, activity_id: object) -> AsyncActivity:
        """The activity that puts contacts, lists, tags and consent back as they were before that one."""
        return await self._extra(path_of("{}/undo", activity_id))

    async def restore(
        self, *, contact_ids: _Ids | None = None, deleted_by_activity_id: object = UNSET
    ) -> AsyncActivity:
        """Bring deleted contacts back, with the lists and tags that they had."""
        return await self._extra(
            "contact_restore",
            contact_ids=UNSET if contact_ids is None else ids(contact_ids),
            deleted_by_activity_id=deleted_by_activity_id,
        )

    async def erase(
        self,
        *,
        reason: str,
        contact_ids: _Ids | None = None,
        email_addresses: Iterable[str] | None = None,
        list_ids: _Ids | None = None,
    ) -> AsyncActivity:
        """Erase contacts for good, by exactly one of ids, addresses or lists. There is no way back."""
        return await self._extra(
            "contact_erase",
            reason=reason,
            contact_ids=UNSET if contact_ids is None else ids(contact_ids),
            email_addresses=UNSET if email_addresses is None else ids(email_addresses),
            list_ids=UNSET if list_ids is None else ids(list_ids),
        )

    async def rows(
        self, activity_id: object, *, outcome: str | Iterable[str] | None = None
    ) -> AsyncIterator[models.Row]:
        """What became of each row of an import, as they come: `outcome="rejected,held_back"` gives those alone."""
        request = get(path_of("/everlist/v1/activities/{}/rows", activity_id), outcome=outcome)
        async with self._transport.download(msgspec.structs.replace(request, accept="text/csv")) as chunks:
            titles: list[str] | None = None
            async for record in _records(chunks):
                if titles is None:
                    titles = record
                    continue
                values = {name: value for name, value in zip(titles, record, strict=False) if value}
                yield msgspec.convert(values, models.Row, strict=False)

    async def save_rows(
        self,
        activity_id: object,
        to: str | os.PathLike[str] | BinaryIO,
        *,
        outcome: str | Iterable[str] | None = None,
    ) -> int:
        """Write the same as the CSV file that the server sends; how many bytes it has."""
        request = get(path_of("/everlist/v1/activities/{}/rows", activity_id), outcome=outcome)
        return await self._save(msgspec.structs.replace(request, accept="text/csv"), to)


async def _records(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[str]]:
    """The records of CSV. A line break within quotes does not end one: their number in it is odd until they close."""
    left = b""
    async for chunk in chunks:
        *lines, left = (left + chunk).split(b"\n")
        whole = b""
        for line in lines:
            whole += line + b"\n"
            if whole.count(b'"') % 2 == 0:
                yield next(csv.reader([whole.decode()]))
                whole = b""
        left = whole + left
    if left:
        yield next(csv.reader([left.decode()]))
