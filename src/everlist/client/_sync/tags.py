# Made from src/everlist/client/_async/tags.py by `make client`: edit that.
"""Tags: V3 contract section 4.3."""

from __future__ import annotations

import msgspec

from everlist.client import models
from everlist.client._protocol import delete, get, path_with, send_json, without_unset
from everlist.client._sync.activities import Activities, Activity
from everlist.client._sync.paging import Items
from everlist.client._sync.transport import Transport

UNSET = msgspec.UNSET


class Tags:
    """The calls of `client.tags`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._activities = Activities(transport)

    def list(
        self, *, include_count: bool | None = None, limit: int | None = None, cursor: str | None = None
    ) -> Items[models.Tag, models.TagsPage]:
        """Return the tags."""
        request = get("/v3/contact_tags", include_count=include_count, limit=limit, cursor=cursor)
        return Items(self._transport, request, models.TagsPage)

    def find(self, name: str) -> models.Tag | None:
        """Return the tag with that name, in any case; None if there is none. Reads all tags."""
        for tag in self.list(limit=500):
            if tag.name.casefold() == name.casefold():
                return tag
        return None

    def get(self, tag_id: object, *, include_count: bool | None = None) -> models.Tag:
        """Return a tag. Raises NotFound."""
        request = get(path_with("/v3/contact_tags/{}", tag_id), include_count=include_count)
        return self._transport.call(request, models.Tag)

    def create(self, name: str, *, tag_source: models.Text = UNSET) -> models.Tag:
        """Create a tag. Raises Conflict if the name is taken."""
        body = without_unset(name=name, tag_source=tag_source)
        return self._transport.call(send_json("POST", "/v3/contact_tags", body), models.Tag)

    def update(self, tag_id: object, *, name: str) -> models.Tag:
        """Rename a tag. Raises Conflict if the name is taken."""
        request = send_json("PUT", path_with("/v3/contact_tags/{}", tag_id), {"name": name})
        return self._transport.call(request, models.Tag)

    def delete(self, tag_id: object) -> Activity:
        """Delete a tag and remove it from every contact."""
        return self._activities.call(delete(path_with("/v3/contact_tags/{}", tag_id)))
