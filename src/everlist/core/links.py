"""Links that people get by mail: what stands in them, and how it is read back.

Two kinds. A contact's *link* is signed and never expires: whoever holds it may unsubscribe that contact or
take it off lists, and nothing more. A *token* is random, kept as a hash, and answers one question once.
Both say which account they belong to, and have the characters of a URL's path.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from uuid import UUID

_SIGNATURE = 16
_SECRET = 32


def link(key: bytes, account_id: UUID, contact_id: UUID) -> str:
    """The contact's link: 64 characters."""
    return _text(account_id.bytes + contact_id.bytes + _signature(key, account_id, contact_id))


def read_link(key: bytes, text: str) -> tuple[UUID, UUID] | None:
    """(account id, contact id) of a link that was made with this key, or None."""
    data = _data(text, 32 + _SIGNATURE)
    if data is None:
        return None
    account_id, contact_id = UUID(bytes=data[:16]), UUID(bytes=data[16:32])
    if not hmac.compare_digest(data[32:], _signature(key, account_id, contact_id)):
        return None
    return account_id, contact_id


def _signature(key: bytes, account_id: UUID, contact_id: UUID) -> bytes:
    message = b"\x00".join((b"everlist link 1", account_id.bytes, contact_id.bytes))
    return hmac.digest(key, message, hashlib.sha256)[:_SIGNATURE]


def new_token(account_id: UUID) -> tuple[str, bytes]:
    """(token, its hash): 64 characters with 256 random bits."""
    data = account_id.bytes + secrets.token_bytes(_SECRET)
    return _text(data), hashlib.sha256(data).digest()


def read_token(text: str) -> tuple[UUID, bytes] | None:
    """(account id, hash) of what has the form of a token, or None."""
    data = _data(text, 16 + _SECRET)
    return None if data is None else (UUID(bytes=data[:16]), hashlib.sha256(data).digest())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()


def _data(text: str, length: int) -> bytes | None:
    """The bytes that `text` spells in its one spelling, or None."""
    try:
        data = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return data if len(data) == length else None
