"""/everlist/v1/account/settings: what an account decides for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everlist.core import account_settings, accounts
from everlist.rest.errors import json_response

if TYPE_CHECKING:
    from starlette.responses import Response

    from everlist.rest.call import Call


async def get_settings(call: Call) -> Response:
    """GET /account/settings."""
    return json_response(await accounts.settings(call.db, call.account_id))


async def change_settings(call: Call) -> Response:
    """PATCH /account/settings: change the given ones, null removes one. Answers with all of them."""
    change = await call.body(accounts.SettingsChange)
    return json_response(await call.run(account_settings.change, change))
