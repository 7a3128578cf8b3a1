"""/v3/contact_tags. V3 contract 4.3."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from msgspec import field

from everlist.core import tags
from everlist.rest.errors import invalid, json_response, whole_seconds
from everlist.rest.query import Links

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from everlist.rest.call import Call

_MAX_NAME = 255


class TagOut(msgspec.Struct, omit_defaults=True):
    tag_id: UUID
    name: str
    created_at: datetime | None
    updated_at: datetime | None
    tag_source: str | None = None
    contacts_count: int | None = None


class TagsOut(msgspec.Struct, omit_defaults=True):
    tags: list[TagOut]
    tags_count: int | None = None
    links: Links | None = field(default=None, name="_links")


class TagIn(msgspec.Struct):
    """The body of POST and PUT."""

    name: str
    tag_source: str | None = None

    def checked(self) -> TagIn:
        """Return the body. Raises Failure 400 if the name is empty, too long, or has an angle bracket."""
        if (
            not 1 <= len(self.name.strip()) <= len(self.name) <= _MAX_NAME
            or "<" in self.name
            or ">" in self.name
        ):
            raise invalid("name")
        if self.tag_source is not None and len(self.tag_source) > _MAX_NAME:
            raise invalid("tag_source")
        return self


def _tag_out(tag: tags.Tag) -> TagOut:
    return TagOut(
        tag_id=tag.tag_id,
        name=tag.name,
        created_at=whole_seconds(tag.created_at),
        updated_at=whole_seconds(tag.updated_at),
        tag_source=tag.tag_source,
    )


async def post_tag(call: Call) -> Response:
    """POST /contact_tags."""
    body = (await call.body(TagIn)).checked()
    tag = await call.run(tags.create, body.name, tag_source=body.tag_source or None, now=call.now)
    return json_response(_tag_out(tag), 201)


async def get_tag(call: Call) -> Response:
    """GET /contact_tags/{tag_id}."""
    counted = call.query().boolean("include_count")
    out = _tag_out(await tags.get(call.db, call.account_id, call.path_id("tag_id")))
    await _count(call, [out], counted=counted)
    return json_response(out)


async def put_tag(call: Call) -> Response:
    """PUT /contact_tags/{tag_id}: the name only; tag_source stays."""
    tag_id = call.path_id("tag_id")
    body = (await call.body(TagIn)).checked()
    return json_response(_tag_out(await call.run(tags.rename, tag_id, body.name, now=call.now)))


async def get_tags(call: Call) -> Response:
    """GET /contact_tags."""
    query = call.query()
    counted = query.boolean("include_count")
    page = await tags.page(
        call.db,
        call.account_id,
        limit=query.integer("limit", default=50, low=1, high=500),
        from_id=query.from_id,
        count=counted,
    )
    out = [_tag_out(tag) for tag in page.items]
    await _count(call, out, counted=counted)
    return json_response(
        TagsOut(tags=out, tags_count=page.total, links=query.links(page.next_id, "limit", "include_count"))
    )


async def _count(call: Call, out: Sequence[TagOut], *, counted: bool) -> None:
    if not counted:
        return
    counts = await tags.contacts_counts(call.db, call.account_id, [tag.tag_id for tag in out])
    for tag in out:
        tag.contacts_count = counts[tag.tag_id]
