# Made from src/everlist/client/_async/activities.py by `make client`: edit that.
"""Bulk activities: V3 contract section 6, and Everlist's additions."""

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
from everlist.client._protocol import CSV, Request, get, id_list, path_with, send_json, without_unset
from everlist.client._sync.paging import Items
from everlist.client._sync.transport import Transport
from everlist.client._upload import Progress, Source, csv_name, multipart

UNSET = msgspec.UNSET
_Ids = Iterable[object] | str | UUID


class Activity(models.ActivityState, dict=True):
    """An activity as the server last reported it, with its calls."""

    def refresh(self) -> Activity:
        """Fetch the current state of the activity."""
        return _calls_of(self).get(self.activity_id)

    def wait(
        self,
        *,
        progress: Callable[[Activity], object] | None = None,
        timeout: float | None = None,
        check: bool = True,
    ) -> Activity:
        """Wait until the activity ends and return it. `progress` is called after each poll.

        Raises WaitTimedOut after `timeout` seconds. Raises ActivityFailed if the activity ends in a state other than
        `completed`, unless `check` is False.
        """
        return _calls_of(self).wait(self, progress=progress, timeout=timeout, check=check)

    def cancel(self) -> models.Cancelled:
        """Cancel the activity. The changes made so far stay. Everlist only."""
        return _calls_of(self).cancel(self.activity_id)

    def undo(self) -> Activity:
        """Start an activity that reverts this one. Everlist only."""
        return _calls_of(self).undo(self.activity_id)

    def rows(self, *, outcome: str | Iterable[str] | None = None) -> Iterator[models.Row]:
        """Yield the outcome of each row of an import. Everlist only."""
        return _calls_of(self).rows(self.activity_id, outcome=outcome)

    def save(self, to: str | os.PathLike[str] | BinaryIO) -> int:
        """Write the file of a completed export and return its size in bytes."""
        return _calls_of(self).save_export(self.activity_id, to)


def _calls_of(activity: Activity) -> Activities:
    return vars(activity)["calls"]


class ActivitiesPage(models.Page, kw_only=True):
    """A page of activities."""

    activities: list[Activity]

    @property
    def items(self) -> list[Activity]:
        """Return the activities."""
        return self.activities


class Activities:
    """The calls of `client.activities`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def call(self, request: Request) -> Activity:
        """Send a request and return the activity in the answer."""
        return self._attach(self._transport.call(request, Activity))

    def _attach(self, activity: Activity) -> Activity:
        """Store these calls on the activity, for its methods."""
        vars(activity)["calls"] = self
        return activity

    def _post_v3(self, name: str, **body: Any) -> Activity:
        return self.call(send_json("POST", f"/v3/activities/{name}", without_unset(**body)))

    def _post_everlist(self, path: str, **body: Any) -> Activity:
        return self.call(send_json("POST", f"/everlist/v1/activities/{path}", without_unset(**body)))

    # Reading

    def list(
        self, *, state: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> Items[Activity, ActivitiesPage]:
        """Return the activities of the last ten days, newest first."""
        request = get("/v3/activities", state=state, limit=limit, cursor=cursor)
        return Items(self._transport, request, ActivitiesPage, self._attach)

    def get(self, activity_id: object) -> Activity:
        """Return an activity. Raises NotFound."""
        return self.call(get(path_with("/v3/activities/{}", activity_id)))

    def wait(
        self,
        activity: Activity | str,
        *,
        progress: Callable[[Activity], object] | None = None,
        timeout: float | None = None,
        check: bool = True,
    ) -> Activity:
        """Wait until an activity ends and return it: see `Activity.wait`."""
        began = self._transport.now()
        # The vendor allows four requests per second for everything, so poll its service less often.
        delay, max_delay = (0.1, 5.0) if self._transport.is_everlist else (1.0, 15.0)
        current = self.get(activity) if isinstance(activity, str) else activity
        while not current.is_done:
            if progress:
                progress(current)
            remaining = None if timeout is None else began + timeout - self._transport.now()
            if remaining is not None and remaining <= 0:
                raise WaitTimedOut(current)
            self._transport.sleep(delay if remaining is None else min(delay, remaining))
            delay = min(delay * 1.5, max_delay)
            current = self.get(current.activity_id)
        if progress:
            progress(current)
        if check and current.state != "completed":
            raise ActivityFailed(current)
        return current

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
        """Import a CSV file to lists. Reads the file while sending; `progress` is called with the bytes sent."""
        fields = {"list_ids": ",".join(id_list(list_ids))}
        if sms_permission_to_send is not None:
            fields["sms_permission_to_send"] = sms_permission_to_send
        key = self._transport.new_key()
        body, content_type = multipart(file, csv_name(file, file_name), fields, key=key, progress=progress)
        request = Request(
            method="POST",
            path="/v3/activities/contacts_file_import",
            body=body,
            content_type=content_type,
            idempotency_key=key,
        )
        return self.call(request)

    def import_rows(
        self,
        rows: Iterable[Mapping[str, Any]],
        list_ids: _Ids,
        *,
        sms_permission_to_send: str | msgspec.UnsetType = UNSET,
    ) -> Activity:
        """Import rows to lists; their properties are `email`, `first_name`, `cf:<name>` … (contract 6.3)."""
        return self._post_v3(
            "contacts_json_import",
            import_data=[*rows],
            list_ids=id_list(list_ids),
            sms_permission_to_send=sms_permission_to_send,
        )

    def export(self, **body: Any) -> Activity:
        """Export contacts selected by `contact_ids`, `list_ids`, `tag_ids`, `status` (contract 6.2); default: all."""
        return self._post_v3("contact_exports", **body)

    def save_export(self, export_id: object, to: str | os.PathLike[str] | BinaryIO) -> int:
        """Write the file of an export, chunk by chunk, and return its size in bytes.

        A file at a path appears only when it is complete.
        """
        return self._save(get(path_with("/v3/contact_exports/{}", export_id)), to)

    def _save(self, request: Request, to: str | os.PathLike[str] | BinaryIO) -> int:
        request = msgspec.structs.replace(request, accept=CSV)
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
        """Add contacts to lists."""
        return self._change("add_list_memberships", source, except_contact_ids, list_ids=id_list(list_ids))

    def remove_from_lists(
        self, source: models.Selection, list_ids: _Ids, *, except_contact_ids: _Ids | None = None
    ) -> Activity:
        """Remove contacts from lists."""
        return self._change("remove_list_memberships", source, except_contact_ids, list_ids=id_list(list_ids))

    def add_tags(
        self, source: models.Selection, tag_ids: _Ids, *, except_contact_ids: _Ids | None = None
    ) -> Activity:
        """Add tags to contacts."""
        return self._change("contacts_taggings_add", source, except_contact_ids, tag_ids=id_list(tag_ids))

    def remove_tags(
        self, source: models.Selection, tag_ids: _Ids, *, except_contact_ids: _Ids | None = None
    ) -> Activity:
        """Remove tags from contacts."""
        return self._change("contacts_taggings_remove", source, except_contact_ids, tag_ids=id_list(tag_ids))

    def _change(
        self, name: str, source: models.Selection, except_contact_ids: _Ids | None, **targets: Any
    ) -> Activity:
        exclude = UNSET if except_contact_ids is None else {"contact_ids": id_list(except_contact_ids)}
        return self._post_v3(name, source=source, exclude=exclude, **targets)

    # Deleting

    def delete_contacts(self, *, contact_ids: _Ids | None = None, list_ids: _Ids | None = None) -> Activity:
        """Delete these contacts, or all members of these lists."""
        return self._post_v3(
            "contact_delete",
            contact_ids=UNSET if contact_ids is None else id_list(contact_ids),
            list_ids=UNSET if list_ids is None else id_list(list_ids),
        )

    def delete_lists(self, list_ids: _Ids) -> Activity:
        """Delete lists and their memberships."""
        return self._post_v3("list_delete", list_ids=id_list(list_ids))

    def delete_tags(self, tag_ids: _Ids) -> Activity:
        """Delete tags and remove them from every contact."""
        return self._post_v3("contacts_tags_delete", tag_ids=id_list(tag_ids))

    def delete_custom_fields(self, custom_field_ids: _Ids) -> Activity:
        """Delete custom fields and their values on every contact."""
        return self._post_v3("custom_fields_delete", custom_field_ids=id_list(custom_field_ids))

    # Everlist only

    def cancel(self, activity_id: object) -> models.Cancelled:
        """Cancel an activity. The changes made so far stay. Raises Conflict if it has ended."""
        path = path_with("/everlist/v1/activities/{}/cancel", activity_id)
        return self._transport.call(send_json("POST", path, {}), models.Cancelled)

    def undo(self, activity_id: object) -> Activity:
        """Start an activity that restores contacts, lists, tags and consent to their state before that one."""
        return self._post_everlist(path_with("{}/undo", activity_id))

    def restore(self, *, contact_ids: _Ids | None = None, deleted_by_activity_id: object = UNSET) -> Activity:
        """Restore deleted contacts with the lists and tags that they had."""
        return self._post_everlist(
            "contact_restore",
            contact_ids=UNSET if contact_ids is None else id_list(contact_ids),
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
        """Erase contacts irreversibly; give exactly one of ids, addresses or lists."""
        return self._post_everlist(
            "contact_erase",
            reason=reason,
            contact_ids=UNSET if contact_ids is None else id_list(contact_ids),
            email_addresses=UNSET if email_addresses is None else id_list(email_addresses),
            list_ids=UNSET if list_ids is None else id_list(list_ids),
        )

    def rows(
        self, activity_id: object, *, outcome: str | Iterable[str] | None = None
    ) -> Iterator[models.Row]:
        """Yield the outcome of each row of an import; `outcome="rejected,held_back"` selects those outcomes."""
        request = get(path_with("/everlist/v1/activities/{}/rows", activity_id), outcome=outcome)
        with self._transport.download(msgspec.structs.replace(request, accept=CSV)) as chunks:
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
        """Write the outcomes of the rows as CSV and return the size in bytes."""
        request = get(path_with("/everlist/v1/activities/{}/rows", activity_id), outcome=outcome)
        return self._save(request, to)


def _records(chunks: Iterator[bytes]) -> Iterator[list[str]]:
    """Split chunks into CSV records. A record ends at a line break after an even number of quotes."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        record = b""
        for line in lines:
            record += line + b"\n"
            if record.count(b'"') % 2 == 0:
                yield next(csv.reader([record.decode()]))
                record = b""
        rest = record + rest
    if rest:
        yield next(csv.reader([rest.decode()]))
