# Made from src/everlist/client/_async/lists.py by `make client`: edit that.
"""Contact lists: V3 contract section 4.1, and replacing the members of a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from everlist.client import models
from everlist.client._protocol import (
    CSV,
    JSON,
    Request,
    delete,
    get,
    id_list,
    path_with,
    query_params,
    send_json,
    without_unset,
)
from everlist.client._sync.activities import Activities, Activity
from everlist.client._sync.paging import Items
from everlist.client._sync.transport import Transport
from everlist.client._upload import Progress, Source, Upload, file_upload, json_rows

UNSET = msgspec.UNSET


class Lists:
    """The calls of `client.lists`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._activities = Activities(transport)

    def list(
        self,
        *,
        name: str | None = None,
        status: str | Iterable[str] | None = None,
        channel_type: str | None = None,
        include_count: bool | None = None,
        include_membership_count: str | None = None,
        include_sms_membership_count: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Items[models.ContactList, models.ListsPage]:
        """Return the lists; `include_membership_count` is `all` or `active`."""
        request = get(
            "/v3/contact_lists",
            name=name,
            status=status,
            channel_type=channel_type,
            include_count=include_count,
            include_membership_count=include_membership_count,
            include_sms_membership_count=include_sms_membership_count,
            limit=limit,
            cursor=cursor,
        )
        return Items(self._transport, request, models.ListsPage)

    def find(self, name: str) -> models.ContactList | None:
        """Return the list with that name; None if there is none."""
        return self.list(name=name).first()

    def get(self, list_id: object, *, include_membership_count: str | None = None) -> models.ContactList:
        """Return a list, even a deleted one. Raises NotFound."""
        path = path_with("/v3/contact_lists/{}", list_id)
        request = get(path, include_membership_count=include_membership_count)
        return self._transport.call(request, models.ContactList)

    def create(
        self, name: str, *, description: models.Text = UNSET, favorite: bool | msgspec.UnsetType = UNSET
    ) -> models.ContactList:
        """Create a list. Raises Conflict if the name is taken."""
        body = without_unset(name=name, description=description, favorite=favorite)
        return self._transport.call(send_json("POST", "/v3/contact_lists", body), models.ContactList)

    def update(
        self,
        list_id: object,
        *,
        name: str,
        description: models.Text = UNSET,
        favorite: bool | msgspec.UnsetType = UNSET,
    ) -> models.ContactList:
        """Replace all three properties: clears those that you leave out."""
        body = without_unset(name=name, description=description, favorite=favorite)
        request = send_json("PUT", path_with("/v3/contact_lists/{}", list_id), body)
        return self._transport.call(request, models.ContactList)

    def delete(self, list_id: object) -> Activity:
        """Delete a list and its memberships. Its contacts stay."""
        return self._activities.call(delete(path_with("/v3/contact_lists/{}", list_id)))

    def xrefs(self, sequence_ids: Iterable[object]) -> Sequence[models.Xref]:
        """Look up the list ids of up to 500 V2 ids."""
        request = get("/v3/contact_lists/list_id_xrefs", sequence_ids=id_list(sequence_ids))
        return (self._transport.call(request, models.Xrefs)).xrefs

    def replace_members(
        self,
        list_id: object,
        members: Source | Iterable[Any],
        *,
        max_removed_percent: float | None = None,
        leavers: str | None = None,
        progress: Progress | None = None,
    ) -> Activity:
        """Replace the members of a list by the contacts of a CSV file, or of rows as for `activities.import_rows`.

        The activity fails if more than `max_removed_percent` of the members would leave. `leavers` is `unlist`
        (the default) or `delete`. `progress` is called with the bytes sent. Everlist only.
        """
        query = query_params(max_removed_percent=max_removed_percent, leavers=leavers)
        return self._activities.call(_members(list_id, members, query, progress))

    def preview_replacement(
        self,
        list_id: object,
        members: Source | Iterable[Any],
        *,
        max_removed_percent: float | None = None,
        leavers: str | None = None,
        progress: Progress | None = None,
    ) -> models.Replacement:
        """Return what `replace_members` would do, without changing anything. Everlist only."""
        query = query_params(max_removed_percent=max_removed_percent, leavers=leavers, dry_run=True)
        return self._transport.call(_members(list_id, members, query, progress), models.Replacement)


def _members(
    list_id: object, members: Source | Iterable[Any], query: dict[str, str], progress: Progress | None
) -> Request:
    path = path_with("/everlist/v1/contact_lists/{}/members", list_id)
    body, content_type = _body(members, progress)
    return Request(method="PUT", path=path, query=query, body=body, content_type=content_type)


def _body(members: Any, progress: Progress | None) -> tuple[Upload, str]:
    """Return the body and its type: CSV for a path or a file object, JSON for any other iterable."""
    if isinstance(members, str) or hasattr(members, "read") or hasattr(members, "__fspath__"):
        return file_upload(members, progress=progress), CSV
    return json_rows(members, progress=progress), JSON
