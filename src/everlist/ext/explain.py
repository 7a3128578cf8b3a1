"""/everlist/v1/contacts/explain: the state of an address, and the call that succeeds from there."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from everlist.core.contacts.explain import Remedy, RemedyKind, explain
from everlist.core.contacts.history import Event
from everlist.errors import Invalid
from everlist.rest.errors import VALIDATION, Failure, json_response

if TYPE_CHECKING:
    from starlette.responses import Response

    from everlist.rest.call import Call

_IF_THE_PERSON_ASKS = "the person asks for it: this is their act"
_WITH_PERMISSION = "you have the person's permission"


class NextCall(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A call that succeeds, as the address is now."""

    method: str
    path: str
    body: dict[str, Any]
    only_if: str | None = None
    """A condition that the server cannot check: without it, the call succeeds but is wrong."""


class ExplanationOut(msgspec.Struct, omit_defaults=True, kw_only=True):
    state: str
    next_call: NextCall
    contact_id: UUID | None = None
    since: datetime | None = None
    by: Event | None = None
    reason: str | None = None


async def get_explanation(call: Call) -> Response:
    """GET /contacts/explain?email=…: its state, since when and by which act, and the call that would succeed."""
    email = call.query().text("email")
    if email is None:
        raise Failure(400, VALIDATION, "email is missing")
    try:
        found = await explain(call.db, call.account_id, email, installation=call.installation)
    except Invalid as error:
        raise Failure(400, VALIDATION, "Email address is invalid") from error
    return json_response(
        ExplanationOut(
            state=found.state,
            next_call=_next_call(found.remedy),
            contact_id=found.contact_id,
            since=found.since,
            by=found.by,
            reason=found.reason,
        )
    )


def _next_call(remedy: Remedy) -> NextCall:
    """Return the call of V3 that carries out a remedy."""
    match remedy.kind:
        case RemedyKind.CREATE:
            body = {"create_source": "Account", "email_address": {"address": remedy.address}}
            return NextCall(method="POST", path="/v3/contacts", body=body)
        case RemedyKind.SIGN_UP:
            body = {"email_address": remedy.address, "source": "Contact"}
            return NextCall(
                method="POST", path="/v3/contacts/sign_up_form", body=body, only_if=_IF_THE_PERSON_ASKS
            )
        case RemedyKind.RESUBSCRIBE:
            return NextCall(
                method="PUT",
                path=f"/v3/contacts/resubscribe/{remedy.contact_id}",
                body={"list_ids": remedy.list_ids},
            )
        case RemedyKind.UPDATE:
            return NextCall(
                method="PUT",
                path=f"/v3/contacts/{remedy.contact_id}",
                body=_update(remedy),
                only_if=_WITH_PERMISSION if remedy.permission else None,
            )


def _update(remedy: Remedy) -> dict[str, Any]:
    """Return the body of a PUT that clears nothing."""
    email = {"address": remedy.address}
    if remedy.permission:
        email["permission_to_send"] = remedy.permission
    body: dict[str, Any] = {"update_source": "Account", "email_address": email, **remedy.properties}
    if remedy.list_ids:
        body["list_memberships"] = remedy.list_ids
    return body
