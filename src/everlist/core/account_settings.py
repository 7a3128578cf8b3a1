"""Change the settings of an account, with the figures that depend on them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core import accounts, usage

if TYPE_CHECKING:
    from everlist.db import Transaction


async def change(
    tx: Transaction, account_id: UUID, settings: accounts.SettingsChange
) -> accounts.AccountSettings:
    """Change the settings that are given, and return all of them.

    The usage of every month is counted again if the time zone changes. Raises Invalid, Conflict and NotFound.
    """
    await accounts.lock(tx, account_id)
    before = await accounts.settings(tx, account_id)
    if settings.time_zone in (msgspec.UNSET, before.time_zone):
        return await accounts.change_settings(tx, account_id, settings)
    await usage.roll_up_all(tx, account_id)
    changed = await accounts.change_settings(tx, account_id, settings)
    await usage.recount_months(tx, account_id)
    return changed
