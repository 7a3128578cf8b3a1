"""/everlist/v1/suppressions: the entries for addresses that unsubscribed or were erased."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from msgspec import field
from starlette.responses import Response

from everlist.core import contacts
from everlist.core.consent import suppression
from everlist.core.contacts.identity import parse_sms_number
from everlist.core.privacy.erasures import checked_reason
from everlist.rest.errors import bad_request, invalid, json_response, whole_seconds
from everlist.rest.query import Links

if TYPE_CHECKING:
    from everlist.rest.call import Call
    from everlist.rest.query import Query

REASONS = (suppression.UNSUBSCRIBE, suppression.ERASURE)


class SuppressionOut(msgspec.Struct):
    suppression_id: UUID
    channel: str
    reason: str
    created_at: datetime | None


class SuppressionsOut(msgspec.Struct, omit_defaults=True):
    suppressions: Sequence[SuppressionOut]
    links: Links | None = field(default=None, name="_links")


def _out(entry: suppression.Entry) -> SuppressionOut:
    return SuppressionOut(
        suppression_id=entry.suppression_id,
        channel=entry.channel,
        reason=entry.reason,
        created_at=whole_seconds(entry.created_at),
    )


async def get_suppressions(call: Call) -> Response:
    """GET /suppressions: the entries, oldest first; `email` or `sms_number` gives those of one address."""
    query = call.query()
    named = _named(call, query)
    if named is not None:
        channel, hashed = named
        entries = await suppression.of_address(call.db, call.account_id, channel, hashed)
        return json_response(SuppressionsOut(suppressions=[_out(entry) for entry in entries]))
    page = await suppression.page(
        call.db,
        call.account_id,
        limit=query.integer("limit", default=50, low=1, high=500),
        from_id=query.from_id,
        reason=query.one_of("reason", REASONS),
    )
    links = query.links(page.next_id, "limit", "reason")
    return json_response(SuppressionsOut(suppressions=[_out(entry) for entry in page.items], links=links))


async def delete_suppression(call: Call) -> Response:
    """DELETE /suppressions?email=…&reason=…: allow an erased address again. `reason` is kept."""
    query = call.query()
    named = _named(call, query)
    if named is None:
        raise bad_request("email is missing")
    why = checked_reason(query.text("reason"), required=True)
    channel, hashed = named
    act = call.act
    await call.run(suppression.remove, channel, hashed, why=why, act=act)
    return Response(status_code=204)


def _named(call: Call, query: Query) -> tuple[str, bytes] | None:
    """Return the channel and HMAC of the address in the query; None if it names none. Raises Failure 400."""
    email, number = query.text("email"), query.text("sms_number")
    if email is not None and number is not None:
        raise bad_request("email, sms_number are mutually exclusive")
    if email is not None:
        address = contacts.parse_email(email)
        if address is None:
            raise invalid("email")
        channel, key = suppression.EMAIL, address.key
    elif number is not None:
        parsed = parse_sms_number(number.strip())
        if parsed is None:
            raise invalid("sms_number")
        channel, key = suppression.SMS, parsed.key
    else:
        return None
    return channel, call.installation.address_hmac(call.account_id, channel, key)
