"""Identifiers: UUIDv7, so that rows created together are stored together on disk."""

from __future__ import annotations

import re
from uuid import UUID

from uuid_utils.compat import uuid7 as new_id

__all__ = ["NO_ID", "new_id", "parse_id"]

NO_ID = UUID(int=0)
"""The subject of counters that belong to the account itself: a key cannot hold null."""

_FORM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def parse_id(text: str) -> UUID | None:
    """Parse a UUID in RFC 4122 form, in either case; return None for anything else."""
    return UUID(text) if _FORM.fullmatch(text) else None
