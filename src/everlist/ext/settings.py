"""/everlist/v1/account/settings: what an account decides for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from everlist.core import accounts, usage
from everlist.rest.errors import json_response

if TYPE_CHECKING:
    from starlette.responses import Response

    from everlist.db import Transaction
    from everlist.rest.call import Call


async def get_settings(call: Call) -> Response:
    """GET /account/settings."""
    return json_response(await accounts.settings(call.db, call.account_id))


async def change_settings(call: Call) -> Response:
    """PATCH /account/settings: what is left out stays; null takes away. Answers with all of them."""
    change = await call.body(accounts.SettingsChange)

    async def operation(tx: Transaction) -> accounts.AccountSettings:
        await accounts.lock(tx, call.account_id)
        before = await accounts.settings(tx, call.account_id)
        if change.time_zone in (msgspec.UNSET, before.time_zone):
            return await accounts.change_settings(tx, call.account_id, change)
        await usage.roll_up_all(tx, call.account_id)
        changed = await accounts.change_settings(tx, call.account_id, change)
        await usage.recount_months(tx, call.account_id)
        return changed

    return json_response(await call.write(operation))
