"""/everlist/v1/contacts/{contact_id}/links: what a sender puts into its mail to a contact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everlist.core import contacts, links
from everlist.rest.errors import json_response

if TYPE_CHECKING:
    from starlette.responses import Response

    from everlist.rest.call import Call


async def get_links(call: Call) -> Response:
    """GET /contacts/{contact_id}/links: the addresses of the contact's pages, and the headers of RFC 8058."""
    contact_id = call.path_id("contact_id")
    await contacts.get(call.db, call.account_id, contact_id)
    link = links.link(call.installation.secret_key, call.account_id, contact_id)
    one_click = f"{call.public_url}/one-click/{link}"
    return json_response(
        {
            "unsubscribe_url": f"{call.public_url}/unsubscribe/{link}",
            "one_click_url": one_click,
            "preferences_url": f"{call.public_url}/preferences/{link}",
            "headers": {
                "List-Unsubscribe": f"<{one_click}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            },
        }
    )
