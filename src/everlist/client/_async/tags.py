"""Tags: V3 contract section 4.3."""

from __future__ import annotations

import msgspec

from everlist.client import models
from everlist.client._async.activities import AsyncActivities, AsyncActivity
from everlist.client._async.paging import AsyncItems
from everlist.client._async.transport import AsyncTransport
from everlist.client._protocol import delete, get, given, path_of, send

UNSET = msgspec.UNSET


class AsyncTags:
    """`client.tags`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._activities = AsyncActivities(transport)

    def list(
        self, *, include_count: bool | None = None, limit: int | None = None, cursor: str | None = None
    ) -> AsyncItems[models.Tag, models.TagsPage]:
        """The tags."""
        request = get("/v3/contact_tags", include_count=include_count, limit=limit, cursor=cursor)
        return AsyncItems(self._transport, request, models.TagsPage)

    async def find(self, name: str) -> models.Tag | None:
        """The tag with that name, in any case; None if there is none. All tags are read for it."""
        async for tag in self.list(limit=500):
            if tag.name.casefold() == name.casefold():
                return tag
        return None

    async def get(self, tag_id: object, *, include_count: bool | None = None) -> models.Tag:
        """One tag."""
        request = get(path_of("/v3/contact_tags/{}", tag_id), include_count=include_count)
        return await self._transport.call(request, models.Tag)

    async def create(self, name: str, *, tag_source: models.Text = UNSET) -> models.Tag:
        """Make a tag. Raises Conflict where the name is taken."""
        body = given(name=name, tag_source=tag_source)
        return await self._transport.call(send("POST", "/v3/contact_tags", body), models.Tag)

    async def update(self, tag_id: object, *, name: str) -> models.Tag:
        """Give it another name."""
        request = send("PUT", path_of("/v3/contact_tags/{}", tag_id), {"name": name})
        return await self._transport.call(request, models.Tag)

    async def delete(self, tag_id: object) -> AsyncActivity:
        """Delete a tag, and take it off every contact."""
        return await self._activities.of(delete(path_of("/v3/contact_tags/{}", tag_id)))
