"""/v3/activities, and the deletions that are activities. V3 contract section 6."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from msgspec import field

from everlist.core import activities, bulk
from everlist.rest.activities import ActivityOut, activity_out, queue
from everlist.rest.errors import bad_request, invalid, json_response
from everlist.rest.query import Links

if TYPE_CHECKING:
    from starlette.responses import Response

    from everlist.rest.call import Call

_STATES = ("processing", "completed", "cancelled", "failed", "timed_out")
_ENGAGEMENT = ("unqualified", "low", "medium", "high")


class ActivitiesOut(msgspec.Struct, omit_defaults=True):
    activities: list[ActivityOut]
    links: Links | None = field(default=None, name="_links")


class SourceIn(msgspec.Struct):
    """Which contacts: exactly one of these."""

    contact_ids: tuple[UUID, ...] | None = None
    list_ids: tuple[UUID, ...] | None = None
    tag_ids: tuple[UUID, ...] | None = None
    all_active_contacts: bool | None = None
    new_subscriber: bool | None = None
    engagement_level: str | None = None
    segment_id: int | str | None = None


class ExcludeIn(msgspec.Struct):
    contact_ids: tuple[UUID, ...] | None = None


class ForContactsIn(msgspec.Struct):
    """The body of the kinds that put contacts on lists, take them off, tag them or untag them."""

    source: SourceIn
    list_ids: tuple[UUID, ...] | None = None
    tag_ids: tuple[UUID, ...] | None = None
    exclude: ExcludeIn | None = None

    def source_of(self, *, most_lists: int = 50) -> bulk.Source:
        """Return the source as core takes it. Raises Failure 400 unless exactly one is named, within its limits."""
        given = self.source
        named = [name for name in given.__struct_fields__ if getattr(given, name) not in (None, False, ())]
        if len(named) != 1:
            raise bad_request("source does not have a valid value: exactly one source is needed")
        if given.segment_id is not None:
            raise bad_request("segment_id does not have a valid value: this server has no segments yet")
        if given.engagement_level is not None and given.engagement_level not in _ENGAGEMENT:
            raise invalid("engagement_level")
        at_most("contact_ids", given.contact_ids, 500)
        at_most("list_ids", given.list_ids, most_lists)
        at_most("tag_ids", given.tag_ids, 50)
        excluded = self.exclude.contact_ids if self.exclude else None
        if excluded and named[0] not in ("all_active_contacts", "list_ids"):
            raise bad_request(
                "exclude does not have a valid value: it goes with all_active_contacts or list_ids"
            )
        at_most("exclude[contact_ids]", excluded, 500)
        return bulk.Source(
            contact_ids=given.contact_ids or None,
            list_ids=given.list_ids or None,
            tag_ids=given.tag_ids or None,
            all_active_contacts=bool(given.all_active_contacts),
            new_subscriber=bool(given.new_subscriber),
            nobody=given.engagement_level is not None,
            except_ids=excluded or None,
        )


def at_most(name: str, ids: tuple[UUID, ...] | None, most: int) -> None:
    """Raise Failure 400 if there are more than `most` ids."""
    if ids is not None and len(set(ids)) > most:
        raise bad_request(f"{name} does not have a valid value: at most {most}")


def _required(name: str, ids: tuple[UUID, ...] | None, most: int) -> tuple[UUID, ...]:
    if not ids:
        raise bad_request(f"{name} is missing")
    at_most(name, ids, most)
    return tuple(dict.fromkeys(ids))


class ContactDeleteIn(msgspec.Struct):
    contact_ids: tuple[UUID, ...] | None = None
    list_ids: tuple[UUID, ...] | None = None


async def post_contact_delete(call: Call) -> Response:
    """POST /activities/contact_delete."""
    body = await call.body(ContactDeleteIn)
    if bool(body.contact_ids) == bool(body.list_ids):
        raise bad_request("contact_ids, list_ids are mutually exclusive, exactly one is needed")
    at_most("contact_ids", body.contact_ids, 500)
    at_most("list_ids", body.list_ids, 50)
    source = bulk.Source(contact_ids=body.contact_ids or None, list_ids=body.list_ids or None)
    list_ids = source.list_ids or ()
    counts = {"list_count": len(set(list_ids))} if list_ids else None
    request = bulk.ForContacts(source=source)
    made = await queue(call, "contact_delete", request, list_ids=list_ids, counts=counts)
    return json_response(activity_out(made), 201)


async def post_add_list_memberships(call: Call) -> Response:
    """POST /activities/add_list_memberships."""
    return await _list_memberships(call, "add_list_memberships", most_lists=50)


async def post_remove_list_memberships(call: Call) -> Response:
    """POST /activities/remove_list_memberships."""
    return await _list_memberships(call, "remove_list_memberships", most_lists=100)


async def _list_memberships(call: Call, kind: activities.ActivityKind, *, most_lists: int) -> Response:
    body = await call.body(ForContactsIn)
    ids = _required("list_ids", body.list_ids, 50)
    source = body.source_of(most_lists=most_lists)
    made = await queue(
        call,
        kind,
        bulk.ForContacts(source=source, ids=ids),
        list_ids=(*ids, *(source.list_ids or ())),
        tag_ids=source.tag_ids or (),
        counts={"list_count": len(ids)},
    )
    return json_response(activity_out(made), 201)


async def post_contacts_taggings_add(call: Call) -> Response:
    """POST /activities/contacts_taggings_add."""
    return await _taggings(call, "contacts_taggings_add")


async def post_contacts_taggings_remove(call: Call) -> Response:
    """POST /activities/contacts_taggings_remove."""
    return await _taggings(call, "contacts_taggings_remove")


async def _taggings(call: Call, kind: activities.ActivityKind) -> Response:
    body = await call.body(ForContactsIn)
    ids = _required("tag_ids", body.tag_ids, 50)
    source = body.source_of()
    made = await queue(
        call,
        kind,
        bulk.ForContacts(source=source, ids=ids),
        list_ids=source.list_ids or (),
        tag_ids=(*ids, *(source.tag_ids or ())),
    )
    return json_response(activity_out(made), 201)


class IdsIn(msgspec.Struct):
    list_ids: tuple[UUID, ...] | None = None
    tag_ids: tuple[UUID, ...] | None = None
    custom_field_ids: tuple[UUID, ...] | None = None


async def post_list_delete(call: Call) -> Response:
    """POST /activities/list_delete."""
    ids = _required("list_ids", (await call.body(IdsIn)).list_ids, 100)
    made = await queue(
        call, "list_delete", bulk.Whole(ids=ids), list_ids=ids, counts={"list_count": len(ids)}
    )
    return json_response(activity_out(made), 201)


async def post_contacts_tags_delete(call: Call) -> Response:
    """POST /activities/contacts_tags_delete."""
    ids = _required("tag_ids", (await call.body(IdsIn)).tag_ids, 500)
    counts = {"items_total_count": len(ids), "items_completed_count": 0}
    made = await queue(call, "contacts_tags_delete", bulk.Whole(ids=ids), tag_ids=ids, counts=counts)
    return json_response(activity_out(made), 201)


async def post_custom_fields_delete(call: Call) -> Response:
    """POST /activities/custom_fields_delete. Unknown ids are ignored."""
    ids = _required("custom_field_ids", (await call.body(IdsIn)).custom_field_ids, 100)
    return json_response(activity_out(await queue(call, "custom_fields_delete", bulk.Whole(ids=ids))), 201)


async def delete_list(call: Call) -> Response:
    """DELETE /contact_lists/{list_id}. V3 contract 4.1."""
    ids = (call.path_id("list_id"),)
    made = await queue(
        call, "list_delete", bulk.Whole(ids=ids), list_ids=ids, counts={"list_count": 1}, not_found=True
    )
    return _accepted(made)


async def delete_tag(call: Call) -> Response:
    """DELETE /contact_tags/{tag_id}. V3 contract 4.3."""
    ids = (call.path_id("tag_id"),)
    counts = {"items_total_count": 1, "items_completed_count": 0}
    made = await queue(
        call, "contacts_tags_delete", bulk.Whole(ids=ids), tag_ids=ids, counts=counts, not_found=True
    )
    return _accepted(made)


def _accepted(made: activities.Activity) -> Response:
    out = activity_out(made)
    return json_response(out, 202, {"Location": out.links.self.href})


async def get_activities(call: Call) -> Response:
    """GET /activities."""
    query = call.query()
    page = await activities.page(
        call.db,
        call.account_id,
        limit=query.integer("limit", default=50, low=1, high=500),
        now=call.now,
        from_id=query.from_id,
        state=query.one_of("state", _STATES),
    )
    out = [activity_out(activity) for activity in page.items]
    return json_response(ActivitiesOut(activities=out, links=query.links(page.next_id, "limit", "state")))


async def get_activity(call: Call) -> Response:
    """GET /activities/{activity_id}."""
    return json_response(
        activity_out(await activities.get(call.db, call.account_id, call.path_id("activity_id")))
    )
