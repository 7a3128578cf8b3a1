"""/v3/activities/contact_exports and /v3/contact_exports. V3 contract 6.2 and 6.4."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import combinations
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from starlette.responses import StreamingResponse

from everlist.core import custom_fields, exports
from everlist.core.contacts import ContactFilter
from everlist.rest.activities import activity_out, queue
from everlist.rest.errors import bad_request, invalid, json_response
from everlist.v3.activities import ExcludeIn, at_most

if TYPE_CHECKING:
    from starlette.responses import Response

    from everlist.rest.call import Call

_STATUSES = {"active": "active", "unsubscribed": "unsubscribed", "removed": "deleted", "deleted": "deleted"}
_TOGETHER = {
    frozenset(pair)
    for pair in (
        ("contact_ids", "status"),
        ("list_ids", "status"),
        ("list_ids", "exclude"),
        ("new_subscriber", "list_ids"),
        ("new_subscriber", "exclude"),
    )
}
_NEW = timedelta(days=30)


class ExportIn(msgspec.Struct):
    """Which contacts and which of their fields; nothing means all."""

    contact_ids: tuple[UUID, ...] | None = None
    list_ids: tuple[UUID, ...] | None = None
    tag_ids: tuple[UUID, ...] | None = None
    new_subscriber: bool | None = None
    all_active_contacts: bool | None = None
    segment_id: int | str | None = None
    status: str | None = None
    exclude: ExcludeIn | None = None
    fields: tuple[str, ...] | None = None

    def wanted(self, *, now: datetime) -> ContactFilter:
        """Return the contacts as core takes them. Raises Failure 400 if the body combines what excludes each other."""
        excluded = self.exclude.contact_ids if self.exclude else None
        if self.segment_id is not None:
            raise bad_request("segment_id does not have a valid value: this server has no segments yet")
        if self.status is not None and self.status not in _STATUSES:
            raise invalid("status")
        at_most("contact_ids", self.contact_ids, 500)
        at_most("list_ids", self.list_ids, 50)
        at_most("tag_ids", self.tag_ids, 50)
        at_most("exclude[contact_ids]", excluded, 50)
        self._check_pairs(excluded)
        statuses: frozenset[str] = frozenset()
        if self.status is not None:
            statuses = frozenset({_STATUSES[self.status]})
        elif self.new_subscriber or self.all_active_contacts:
            statuses = frozenset({"active"})
        return ContactFilter(
            statuses=statuses,
            list_ids=self.list_ids or None,
            tag_ids=self.tag_ids or None,
            contact_ids=self.contact_ids or None,
            except_ids=excluded or None,
            opted_in_after=now - _NEW if self.new_subscriber else None,
        )

    def _check_pairs(self, excluded: tuple[UUID, ...] | None) -> None:
        named: dict[str, object] = {
            "contact_ids": self.contact_ids,
            "list_ids": self.list_ids,
            "tag_ids": self.tag_ids,
            "new_subscriber": self.new_subscriber,
            "all_active_contacts": self.all_active_contacts,
            "status": self.status,
            "exclude": excluded,
        }
        given = [name for name, value in named.items() if value]
        for name, other in combinations(given, 2):
            if frozenset((name, other)) not in _TOGETHER:
                raise bad_request(f"{name}, {other} are mutually exclusive")
        for name in ("contact_ids", "list_ids", "tag_ids"):
            if not given and named[name] == ():  # an empty selection must not select everything
                raise bad_request(f"{name} does not have a valid value: it is empty")


async def post_contact_exports(call: Call) -> Response:
    """POST /activities/contact_exports."""
    body = await call.body(ExportIn)
    wanted = body.wanted(now=call.now)
    fields = None
    if body.fields:
        defined = await custom_fields.page(call.db, call.account_id, limit=custom_fields.MAX_FIELDS)
        fields = exports.checked_fields(body.fields, defined.items)
    made = await queue(
        call,
        "contact_exports",
        exports.ExportRequest(wanted=wanted, fields=fields),
        list_ids=wanted.list_ids or (),
        tag_ids=wanted.tag_ids or (),
    )
    return json_response(activity_out(made), 201)


async def get_contact_export(call: Call) -> Response:
    """GET /contact_exports/{file_export_id}: the file, read from the database as the client takes it."""
    export_id = call.path_id("file_export_id")
    size = await exports.size(call.db, call.account_id, export_id, now=call.now)
    return StreamingResponse(
        exports.read(call.db, call.account_id, export_id),
        media_type="text/csv",
        headers={
            "Content-Length": str(size),
            "Content-Disposition": f'attachment; filename="contacts-{export_id}.csv"',
            "X-Content-Type-Options": "nosniff",
        },
    )
