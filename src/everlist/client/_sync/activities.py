# Made from src/everlist/client/_async/activities.py by `make client`: edit that.
"""Bulk activities: V3 contract section 6, and what Everlist adds."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import msgspec

from everlist.client import models
from everlist.client._errors import ActivityFailed, WaitTimedOut
from everlist.client._protocol import Request, get, given, ids, path_of, send
from everlist.client._sync.paging import Items
from everlist.client._sync.transport import Transport
from everlist.client._upload import Progress, Source, csv_name, multipart

UNSET = msgspec.UNSET
_Ids = Iterable[object] | str | UUID


class Activity(models.ActivityState, dict=True):
    """An activity as it was when the server was asked, with what can be done about it."""

    def refresh(self) -> Activity:
        """The activity as it is now."""
        return _made_by(self).get(self.activity_id)

    def wait(
        self,
        *,
        progress: Callable[[Activity], object] | None = None,
        timeout: float | None = None,
        check: bool = True,
    ) -> Activity:
        """The activity once it has ended. `progress` is told each time that the server was asked.

        Raises WaitTimedOut after `timeout` seconds, and ActivityFailed where it did not end as `completed`, unless
        `check` is False.
        """
        return _made_by(self).wait(self, progress=progress, timeout=timeout, check=check)

    def cancel(self) -> models.Cancelled:
        """Stop it: what was done stays done. Everlist only."""
        return _made_by(self).cancel(self.activity_id)

    def undo(self) -> Activity:
        """The activity that puts everything back as it was. Everlist only."""
        return _made_by(self).undo(self.activity_id)

    def rows(self, *, outcome: str | Iterable[str] | None = None) -> Iterator[models.Row]:
        """What became of each row of an import. Everlist only."""
        return _made_by(self).rows(self.activity_id, outcome=outcome)

    def save(self, to: str | os.PathLike[str] | BinaryIO) -> int:
        """Write the file of an export that has ended; how many bytes it has."""
        return _made_by(self).save_export(self.activity_id, to)


def _made_by(activity: Activity) -> Activities:
    return vars(activity)["made_by"]


class ActivitiesPage(models.Page, kw_only=True):
    """A page of activities."""

    activities: list[Activity]

    @property
    def items(self) -> list[Activity]:
        """The activities."""
        return self.activities


class Activities:
    """`client.activities`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def of(self, request: Request) -> Activity:
        """The activity that the request makes or asks for."""
        return self._own(self._transport.call(request, Activity))

    def _own(self, activity: Activity) -> Activity:
        vars(activity)["made_by"] = self
        return activity

    def _post(self, name: str, **body: Any) -> Activity:
        return self.of(send("POST", f"/v3/activities/{name}", given(**body)))

    def _extra(self, path: str, **body: Any) -> Activity:
        return self.of(send("POST", f"/everlist/v1/activities/{path}", given(**body)))

    # Reading

    def list(
        self, *, state: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> Items[Activity, ActivitiesPage]:
        """The activities of the last ten days, newest first."""
        request = get("/v3/activities", state=state, limit=limit, cursor=cursor)
        return Items(self._transport, request, ActivitiesPage, self._own)

    def get(self, activity_id: object) -> Activity:
        """One activity."""
        return self.of(get(path_of("/v3/activities/{}", activity_id)))

    def wait(
        self,
        activity: Activity | str,
        *,
        progress: Callable[[Activity], object] | None = None,
        timeout: float | None = None,
        check: bool = True,
    ) -> Activity:
        """An activity once it has ended: see `Activity.wait`."""
        began = self._transport.now()
        delay, most = (0.1, 5.0) if self._transport.is_everlist else (1.0, 15.0)
        now = self.get(activity) if isinstance(activity, str) else activity
        while not now.is_done:
            if progress:
                progress(now)
            left = None if timeout is None else began + timeout - self._transport.now()
            if left is not None and left <= 0:
                raise WaitTimedOut(now)
            self._transport.sleep(delay if left is None else min(delay, left))
            delay = min(delay * 1.5, most)
            now = self.get(now.activity_id)
        if progress:
            progress(now)
        if check and now.state != "completed":
            raise ActivityFailed(now)
        return now

    # Imports and exports

    def import_file(
        self,
        file: Source,
        list_ids: _Ids,
        *,
        file_name: str | None = None,
        sms_permission_to_send: str | None = None,
        progress: Progress | None = None,
    ) -> Activity:
        """Import a CSV file onto lists. It is read while it is sent; `progress` is told the bytes sent."""
        fields = {"list_ids": ",".join(ids(list_ids))}
        if sms_permission_to_send is not None:
            fields["sms_permission_to_send"] = sms_permission_to_send
        key = self._transport.new_key()
        body, content_type = multipart(file, csv_name(file, file_name), fields, key=key, progress=progress)
        path = "/v3/activities/contacts_file_import"
        return self.of(Request("POST", path, body=body, content_type=content_type, idempotency_key=key))

    def import_rows(
        self,
        rows: Iterable[Mapping[str, Any]],
        list_ids: _Ids,
        *,
        sms_permission_to_send: str | msgspec.UnsetType = UNSET,
    ) -> Activity:
        """Import rows onto lists: `email`, `first_name`, `cf:<name>` … as the contract names them in 6.3."""
        return self._post(
            "contacts_json_import",
            import_data=[*rows],
            list_ids=ids(list_ids),
            sms_permission_to_send=sms_permission_to_send,
        )

    def export(self, **body: Any) -> Activity:
        """Export contacts: `contact_ids`, `list_ids`, `tag_ids`, `status`, `fields` … (6.2); nothing means all."""
        return self._post("contact_exports", **body)

    def save_export(self, export_id: object, to: str | os.PathLike[str] | BinaryIO) -> int:
        """Write the file of an export, chunk by chunk; how many bytes it has.

        A path is only there once the file is whole.
        """
        request = get(path_of("/v3/contact_exports/{}", export_id))
        return self._save(msgspec.structs.replace(request, accept="text/csv"), to)

    def _save(self, request: Request, to: str | os.PathLike[str] | BinaryIO) -> int:
        if not isinstance(to, str | os.PathLike):
            return self._copy(request, to)
        part = Path(f"{os.fspath(to)}.part")
        try:
            with part.open("wb") as file:
                size = self._copy(request, file)
            part.replace(to)
        finally:
            part.unlink(missing_ok=True)
        return size

    def _copy(self, request: Request, file: BinaryIO) -> int:
        size = 0
        with self._transport.download(request) as chunks:
            for chunk in chunks:
                file.write(chunk)
                size += len(chunk)
        return size

    # Contacts on lists and with tags

    def add_to_lists(
        self, source: models.Selection, list_ids: _Ids, *, except_contact_ids: _Ids | None = None
    ) -> Activity:
        """Put contacts on lists."""
        return self._for("add_list_memberships", source, except_contact_ids, list_ids=ids(list_ids))

    def remove_from_lists(
        self, source: models.Selection, list_ids: _Ids, *, except_contact_ids: _Ids | None = None
    ) -> Activity:
        """Take contacts off lists."""
        return self._for("remove_list_memberships", source, except_contact_ids, list_ids=ids(list_ids))

    def add_tags(
        self, source: models.Selection, tag_ids: _Ids, *, except_contact_ids: _Ids | None = None
    ) -> Activity:
        """Tag contacts."""
        return self._for("contacts_taggings_add", source, except_contact_ids, tag_ids=ids(tag_ids))

    def remove_tags(
        self, source: models.Selection, tag_ids: _Ids, *, except_contact_ids: _Ids | None = None
    ) -> Activity:
        """Untag contacts."""
        return self._for("contacts_taggings_remove", source, except_contact_ids, tag_ids=ids(tag_ids))

    def _for(
        self, name: str, source: models.Selection, except_contact_ids: _Ids | None, **targets: Any
    ) -> Activity:
        exclude = UNSET if except_contact_ids is None else {"contact_ids": ids(except_contact_ids)}
        return self._post(name, source=source, exclude=exclude, **targets)

    # Deleting

    def delete_contacts(self, *, contact_ids: _Ids | None = None, list_ids: _Ids | None = None) -> Activity:
        """Delete these contacts, or every member of these lists."""
        return self._post(
            "contact_delete",
            contact_ids=UNSET if contact_ids is None else ids(contact_ids),
            list_ids=UNSET if list_ids is None else ids(list_ids),
        )

    def delete_lists(self, list_ids: _Ids) -> Activity:
        """Delete lists and their memberships."""
        return self._post("list_delete", list_ids=ids(list_ids))

    def delete_tags(self, tag_ids: _Ids) -> Activity:
        """Delete tags, and take them off every contact."""
        return self._post("contacts_tags_delete", tag_ids=ids(tag_ids))

    def delete_custom_fields(self, custom_field_ids: _Ids) -> Activity:
        """Delete fields, and their values."""
        return self._post("custom_fields_delete", custom_field_ids=ids(custom_field_ids))

    # Everlist's own

    def cancel(self, activity_id: object) -> models.Cancelled:
        """Stop an activity: what was done stays done. Raises Conflict where it has ended."""
        path = path_of("/everlist/v1/activities/{}/cancel", activity_id)
        return self._transport.call(send("POST", path, {}), models.Cancelled)

    def undo(self, activity_id: object) -> Activity:
        """The activity that puts contacts, lists, tags and consent back as they were before that one."""
        return self._extra(path_of("{}/undo", activity_id))

    def restore(self, *, contact_ids: _Ids | None = None, deleted_by_activity_id: object = UNSET) -> Activity:
        """Bring deleted contacts back, with the lists and tags that they had."""
        return self._extra(
            "contact_restore",
            contact_ids=UNSET if contact_ids is None else ids(contact_ids),
            deleted_by_activity_id=deleted_by_activity_id,
        )

    def erase(
        self,
        *,
        reason: str,
        contact_ids: _Ids | None = None,
        email_addresses: Iterable[str] | None = None,
        list_ids: _Ids | None = None,
    ) -> Activity:
        """Erase contacts for good, by exactly one of ids, addresses or lists. There is no way back."""
        return self._extra(
            "contact_erase",
            reason=reason,
            contact_ids=UNSET if contact_ids is None else ids(contact_ids),
            email_addresses=UNSET if email_addresses is None else ids(email_addresses),
            list_ids=UNSET if list_ids is None else ids(list_ids),
        )

    def rows(
        self, activity_id: object, *, outcome: str | Iterable[str] | None = None
    ) -> Iterator[models.Row]:
        """What became of each row of an import, as they come: `outcome="rejected,held_back"` gives those alone."""
        request = get(path_of("/everlist/v1/activities/{}/rows", activity_id), outcome=outcome)
        with self._transport.download(msgspec.structs.replace(request, accept="text/csv")) as chunks:
            titles: list[str] | None = None
            for record in _records(chunks):
                if titles is None:
                    titles = record
                    continue
                values = {name: value for name, value in zip(titles, record, strict=False) if value}
                yield msgspec.convert(values, models.Row, strict=False)

    def save_rows(
        self,
        activity_id: object,
        to: str | os.PathLike[str] | BinaryIO,
        *,
        outcome: str | Iterable[str] | None = None,
    ) -> int:
        """Write the same as the CSV file that the server sends; how many bytes it has."""
        request = get(path_of("/everlist/v1/activities/{}/rows", activity_id), outcome=outcome)
        return self._save(msgspec.structs.replace(request, accept="text/csv"), to)


def _records(chunks: Iterator[bytes]) -> Iterator[list[str]]:
    """The records of CSV. A line break within quotes does not end one: their number in it is odd until they close."""
    left = b""
    for chunk in chunks:
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
