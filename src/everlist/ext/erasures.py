"""/everlist/v1/erasures, and the calls that erase. core/privacy says what is kept of an erased person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from msgspec import field

from everlist.core.ids import new_id
from everlist.core.privacy import erase, erasures, job, receipt
from everlist.errors import NotFound
from everlist.rest.activities import activity_out
from everlist.rest.errors import bad_request, json_response, whole_seconds
from everlist.rest.query import Links

if TYPE_CHECKING:
    from starlette.responses import Response

    from everlist.rest.call import Call


class ErasuresOut(msgspec.Struct, omit_defaults=True):
    erasures: Sequence[erasures.Erasure]
    links: Links | None = field(default=None, name="_links")


def _out(erasure: erasures.Erasure) -> erasures.Erasure:
    return msgspec.structs.replace(erasure, erased_at=whole_seconds(erasure.erased_at))


async def erase_contact(call: Call) -> Response:
    """DELETE /contacts/{contact_id}: erase a person, live or deleted, and answer with the receipt."""
    contact_id = call.path_id("contact_id")
    reason = erasures.checked_reason(call.query().text("reason"))
    erasure_id = new_id()  # the same in every attempt, for the erase ledger
    erased = await call.run(
        erase.erase, {contact_id: erasure_id}, reason=reason, act=call.act, installation=call.installation
    )
    if not erased:
        raise NotFound(f"no contact has the id {contact_id}")
    return json_response(_out(erased[0]))


class ContactEraseIn(msgspec.Struct):
    contact_ids: tuple[UUID, ...] | None = None
    email_addresses: tuple[str, ...] | None = None
    list_ids: tuple[UUID, ...] | None = None
    reason: str | None = None


async def post_contact_erase(call: Call) -> Response:
    """POST /activities/contact_erase. Addresses that no contact has are suppressed at once."""
    body = await call.body(ContactEraseIn)
    reason = erasures.checked_reason(body.reason, required=True)
    if sum(map(bool, (body.contact_ids, body.email_addresses, body.list_ids))) != 1:
        raise bad_request(
            "contact_ids, email_addresses, list_ids are mutually exclusive, exactly one is needed"
        )
    queued = await call.run(
        job.request_erasure,
        reason=reason,
        contact_ids=body.contact_ids or (),
        email_addresses=body.email_addresses or (),
        list_ids=body.list_ids or (),
        act=call.act,
        installation=call.installation,
    )
    return json_response(activity_out(queued), 201)


async def get_erasures(call: Call) -> Response:
    """GET /erasures: the receipts, newest first; `activity_id` gives those of one bulk erasure."""
    query = call.query()
    of_activity = query.ids("activity_id", most=1)
    page = await erasures.page(
        call.db,
        call.account_id,
        limit=query.integer("limit", default=50, low=1, high=500),
        from_id=query.from_id,
        activity_id=of_activity[0] if of_activity else None,
    )
    links = query.links(page.next_id, "limit", "activity_id")
    return json_response(ErasuresOut(erasures=[_out(erasure) for erasure in page.items], links=links))


async def get_erasure(call: Call) -> Response:
    """GET /erasures/{erasure_id}: one receipt."""
    found = await erasures.get(call.db, call.account_id, call.path_id("erasure_id"))
    return json_response(_out(found))


async def get_keys(call: Call) -> Response:
    """GET /keys: the public keys of the receipts, as a JWKS. No token is needed."""
    return json_response(receipt.public_keys(call.installation.secret_key))
