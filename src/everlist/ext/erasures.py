"""/everlist/v1/erasures, and the calls that erase. core/privacy says what is kept of an erased person."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from msgspec import field

from everlist.core import activities, contacts, lists
from everlist.core.ids import new_id
from everlist.core.privacy import erase, erasures, job, receipt
from everlist.errors import NotFound
from everlist.rest.activities import activity_out
from everlist.rest.errors import VALIDATION, Failure, bad_request, invalid, json_response, whole_seconds
from everlist.rest.query import Links

if TYPE_CHECKING:
    from starlette.responses import Response

    from everlist.core.contacts.identity import EmailAddress
    from everlist.db import Transaction
    from everlist.rest.call import Call

MAX_REASON = 255
MAX_CONTACTS = 500
MAX_LISTS = 50

_ADDRESS = re.compile(r"\S@\S")


class ErasuresOut(msgspec.Struct, omit_defaults=True):
    erasures: Sequence[erasures.Erasure]
    links: Links | None = field(default=None, name="_links")


def _out(erasure: erasures.Erasure) -> erasures.Erasure:
    return msgspec.structs.replace(erasure, erased_at=whole_seconds(erasure.erased_at))


def checked_reason(reason: str | None, *, required: bool = False) -> str:
    """Return the reason. Raises Failure 400 if it holds an address, is too long, or is missing and required."""
    text = (reason or "").strip()
    if required and not text:
        raise bad_request("reason is missing")
    if len(text) > MAX_REASON or not text.isprintable():
        raise bad_request(f"reason does not have a valid value: one line of at most {MAX_REASON} characters")
    if _ADDRESS.search(text):
        raise bad_request("reason does not have a valid value: it is kept, so it must hold no address")
    return text


async def erase_contact(call: Call) -> Response:
    """DELETE /contacts/{contact_id}: erase a contact, deleted or not. Answers with the receipt."""
    contact_id = call.path_id("contact_id")
    reason = checked_reason(call.query().text("reason"))
    erased = await call.run(
        erase.erase, {contact_id: new_id()}, reason=reason, act=call.act, installation=call.installation
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
    reason = checked_reason(body.reason, required=True)
    given = [name for name in ("contact_ids", "email_addresses", "list_ids") if getattr(body, name)]
    if len(given) != 1:
        text = "contact_ids, email_addresses, list_ids are mutually exclusive, exactly one is needed"
        raise Failure(400, VALIDATION, text)
    most = MAX_LISTS if body.list_ids else MAX_CONTACTS
    if len(set(getattr(body, given[0]))) > most:
        raise Failure(400, VALIDATION, f"{given[0]} does not have a valid value: at most {most}")
    addresses = _addresses(body.email_addresses or ())
    act = call.act

    async def operation(tx: Transaction) -> activities.Activity:
        account_id = call.account_id
        list_ids = tuple(dict.fromkeys(body.list_ids or ()))
        unknown = set(list_ids) - await lists.lock_live(tx, account_id, list_ids)
        if unknown:
            text = f"list_ids does not have a valid value: no list has the id {min(unknown)}"
            raise Failure(400, VALIDATION, text)
        contact_ids = tuple(dict.fromkeys(body.contact_ids or ()))
        held = await job.holders(tx, account_id, list(addresses.values())) if addresses else {}
        nobodys = job.hashed_addresses(
            account_id, [one for key, one in addresses.items() if key not in held], call.installation
        )
        await job.suppress(tx, account_id, nobodys, act)
        request = job.EraseRequest(
            reason,
            None if list_ids else contact_ids or tuple(held.values()),
            list_ids or None,
            job.hashed_addresses(account_id, [addresses[key] for key in held], call.installation),
            nobodys,
        )
        return await activities.create(
            tx,
            account_id,
            job.KIND,
            request,
            counts={"suppressed_count": len(nobodys)} if addresses else None,
            act=act,
        )

    return json_response(activity_out(await call.write(operation)), 201)


def _addresses(texts: Sequence[str]) -> dict[str, EmailAddress]:
    """Return the addresses by their keys. Raises Failure 400 if a text is not an address."""
    parsed = [contacts.parse_email(text) for text in texts]
    if None in parsed:
        raise invalid(f"email_addresses[{parsed.index(None)}]")
    return {one.key: one for one in parsed if one is not None}


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
