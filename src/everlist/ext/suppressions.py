"""/everlist/v1/suppressions: what is remembered of addresses that unsubscribed or were erased."""

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
from everlist.rest.errors import VALIDATION, Failure, invalid, json_response, whole_seconds
from everlist.rest.query import Links

if TYPE_CHECKING:
    from everlist.db import Transaction
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
    return SuppressionOut(entry.suppression_id, entry.channel, entry.reason, whole_seconds(entry.created_at))


async def get_suppressions(call: Call) -> Response:
    """GET /suppressions: the entries, oldest first; `email` or `sms_number` gives those of one address."""
    query = call.query()
    named = _named(call, query)
    if named is not None:
        channel, hashed = named
        entries = await suppression.of_address(call.db, call.account_id, channel, hashed)
        return json_response(SuppressionsOut([_out(one) for one in entries]))
    page = await suppression.page(
        call.db,
        call.account_id,
        limit=query.integer("limit", default=50, low=1, high=500),
        from_id=query.from_id,
        reason=query.one_of("reason", REASONS),
    )
    links = query.links(page.next_id, "limit", "reason")
    return json_response(SuppressionsOut([_out(one) for one in page.items], links))


async def delete_suppression(call: Call) -> Response:
    """DELETE /suppressions?email=…&reason=…: an account may hold an erased address again. `reason` is kept."""
    query = call.query()
    named = _named(call, query)
    if named is None:
        raise Failure(400, VALIDATION, "email is missing")
    why = checked_reason(query.text("reason"), required=True)
    channel, hashed = named
    act = call.act

    async def operation(tx: Transaction) -> None:
        await suppression.remove(tx, call.account_id, channel, hashed, why=why, act=act)

    await call.write(operation)
    return Response(status_code=204)


def _named(call: Call, query: Query) -> tuple[str, bytes] | None:
    """The channel and HMAC of the address in the query, if one is named; 400 where it is none."""
    email, number = query.text("email"), query.text("sms_number")
    if email is not None and number is not None:
        raise Failure(400, VALIDATION, "email, sms_number are mutually exclusive")
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
