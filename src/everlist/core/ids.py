"""Identifiers: UUIDv7, so that rows made together lie together on disk."""

from __future__ import annotations

import re
from uuid import UUID

from uuid_utils.compat import uuid7 as new_id

__all__ = ["NO_ID", "new_id", "parse_id"]

NO_ID = UUID(int=0)
"""Stands where a key needs an id and there is none: the account's own counters."""

_FORM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def parse_id(text: str) -> UUID | None:
    """The UUID that `text` spells (RFC 4122 form, either case), or None."""
    return UUID(text) if _FORM.fullmatch(text) else None
