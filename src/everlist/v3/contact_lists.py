"""/v3/contact_lists. V3 contract 4.1."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from msgspec import field

from everlist.core import lists
from everlist.rest.errors import bad_request, invalid, json_response, whole_seconds
from everlist.rest.query import Links

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from everlist.rest.call import Call

_MAX_NAME = 255
_MAX_DESCRIPTION = 10_000


class ListOut(msgspec.Struct, omit_defaults=True):
    list_id: UUID
    name: str
    favorite: bool
    created_at: datetime | None
    updated_at: datetime | None
    description: str | None = None
    deleted_at: datetime | None = None
    membership_count: int | None = None
    sms_membership_count: int | None = None


class ListsOut(msgspec.Struct, omit_defaults=True):
    lists: list[ListOut]
    lists_count: int | None = None
    links: Links | None = field(default=None, name="_links")


class ListIn(msgspec.Struct):
    """The body of POST and PUT."""

    name: str
    description: str | None = None
    favorite: bool | None = None

    def draft(self) -> lists.ListDraft:
        """Return the body as core takes it. Raises Failure 400 if a text is too long or the name is empty."""
        if not 1 <= len(self.name.strip()) <= _MAX_NAME or len(self.name) > _MAX_NAME:
            raise invalid("name")
        if self.description is not None and len(self.description) > _MAX_DESCRIPTION:
            raise invalid("description")
        return lists.ListDraft(
            name=self.name.strip(), description=self.description or None, favorite=bool(self.favorite)
        )


def _list_out(contact_list: lists.ContactList) -> ListOut:
    return ListOut(
        list_id=contact_list.list_id,
        name=contact_list.name,
        favorite=contact_list.favorite,
        created_at=whole_seconds(contact_list.created_at),
        updated_at=whole_seconds(contact_list.updated_at),
        description=contact_list.description,
        deleted_at=whole_seconds(contact_list.deleted_at),
    )


async def create_list(call: Call) -> Response:
    """POST /contact_lists."""
    draft = (await call.body(ListIn)).draft()
    return json_response(_list_out(await call.run(lists.create, draft, now=call.now)), 201)


async def get_list(call: Call) -> Response:
    """GET /contact_lists/{list_id}."""
    counted = call.query().one_of("include_membership_count", ("all", "active"))
    out = _list_out(await lists.get(call.db, call.account_id, call.path_id("list_id")))
    await _count(call, [out], counted)
    return json_response(out)


async def update_list(call: Call) -> Response:
    """PUT /contact_lists/{list_id}: full replace."""
    list_id = call.path_id("list_id")
    draft = (await call.body(ListIn)).draft()
    return json_response(_list_out(await call.run(lists.replace, list_id, draft, now=call.now)))


async def get_lists(call: Call) -> Response:
    """GET /contact_lists."""
    query = call.query()
    statuses = query.words("status", ("all", "active", "deleted")) or {"active"}
    channel = query.one_of("channel_type", ("email", "sms"))
    count_sms = query.boolean("include_sms_membership_count")
    if count_sms and channel != "sms":
        raise bad_request("include_sms_membership_count does not have a valid value")
    counted = query.one_of("include_membership_count", ("all", "active"))
    page = await lists.page(
        call.db,
        call.account_id,
        limit=query.integer("limit", default=50, low=1, high=1000),
        from_id=query.from_id,
        name=query.text("name"),
        live=bool(statuses & {"all", "active"}),
        deleted=bool(statuses & {"all", "deleted"}),
        count=query.boolean("include_count"),
    )
    out = [_list_out(one) for one in page.items]
    await _count(call, out, counted)
    if count_sms:
        counts = await lists.membership_counts(call.db, call.account_id, [one.list_id for one in out], "sms")
        for shown in out:
            shown.sms_membership_count = counts[shown.list_id]
    links = query.links(
        page.next_id,
        *("limit", "name", "status", "channel_type", "include_count"),
        *("include_membership_count", "include_sms_membership_count"),
    )
    return json_response(ListsOut(lists=out, lists_count=page.total, links=links))


async def get_list_id_xrefs(call: Call) -> Response:
    """GET /contact_lists/list_id_xrefs."""
    found = await lists.ids_by_sequence(call.db, call.account_id, call.query().sequence_ids())
    return json_response(
        {"xrefs": [{"sequence_id": str(number), "list_id": list_id} for number, list_id in found]}
    )


async def _count(call: Call, out: Sequence[ListOut], counted: str | None) -> None:
    if counted is None:
        return
    counts = await lists.membership_counts(call.db, call.account_id, [one.list_id for one in out], counted)
    for shown in out:
        shown.membership_count = counts[shown.list_id]
