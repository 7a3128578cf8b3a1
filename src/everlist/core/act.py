"""Who asks for a change, and when: what the ledger says of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec


class Act(msgspec.Struct, frozen=True):
    """One act on contacts: what is done, when (UTC), and at whose request. It stands in the ledger."""

    operation: str
    now: datetime
    request_id: str | None = None
    token_id: UUID | None = None
    activity_id: UUID | None = None
