"""/everlist/v1/contacts/explain: why an address is or is not a contact that can be mailed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everlist.core.contacts.explain import explain
from everlist.rest.errors import VALIDATION, Failure, json_response

if TYPE_CHECKING:
    from starlette.responses import Response

    from everlist.rest.call import Call


async def get_explanation(call: Call) -> Response:
    """GET /contacts/explain?email=…: its state, since when and by which act, and the call that would succeed."""
    email = call.query().text("email")
    if email is None:
        raise Failure(400, VALIDATION, "email is missing")
    return json_response(await explain(call.db, call.account_id, email, installation=call.installation))
