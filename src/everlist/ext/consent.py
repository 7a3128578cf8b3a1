"""/everlist/v1/contacts/{contact_id}/consent and …/record: the ledger of a contact, and all data about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from msgspec import field

from everlist.core.contacts import history
from everlist.core.privacy import access
from everlist.rest.errors import json_response
from everlist.rest.query import Links

if TYPE_CHECKING:
    from starlette.responses import Response

    from everlist.rest.call import Call


class EventsOut(msgspec.Struct, omit_defaults=True):
    contact_id: UUID
    events: Sequence[history.Event]
    links: Links | None = field(default=None, name="_links")


class StateOut(msgspec.Struct):
    contact_id: UUID
    as_of: datetime
    exists: bool
    deleted: bool
    channels: dict[str, history.ChannelState]


async def get_consent(call: Call) -> Response:
    """GET /contacts/{contact_id}/consent: the events, oldest first; with `as_of`, the state at that moment."""
    contact_id = call.path_id("contact_id")
    query = call.query()
    as_of = query.moment("as_of")
    if as_of is not None:
        state = await history.state_at(call.db, call.account_id, contact_id, as_of)
        return json_response(
            StateOut(
                contact_id=contact_id,
                as_of=as_of,
                exists=state.exists,
                deleted=state.deleted,
                channels=state.channels,
            )
        )
    page = await history.page(
        call.db,
        call.account_id,
        contact_id,
        limit=query.integer("limit", default=50, low=1, high=500),
        from_id=query.from_id,
    )
    return json_response(
        EventsOut(contact_id=contact_id, events=page.items, links=query.links(page.next_id, "limit"))
    )


async def get_record(call: Call) -> Response:
    """GET /contacts/{contact_id}/record: all data about one person, for an access request."""
    contact_id = call.path_id("contact_id")
    kept = await access.of_contact(call.db, call.account_id, contact_id, installation=call.installation)
    name = f"{contact_id}-record.json"
    return json_response(kept, 200, {"Content-Disposition": f'attachment; filename="{name}"'})
