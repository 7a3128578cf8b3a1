"""Make and read the links that people get by mail.

There are two kinds. A contact's *link* is signed and never expires: its holder may unsubscribe that contact or
remove it from lists, and nothing else. A *token* is random, stored as a hash, and answers one question once.
Both contain the account's id, and only characters that a URL path may have.
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
    """Return the contact's link: 64 characters."""
    return _text(account_id.bytes + contact_id.bytes + _signature(key, account_id, contact_id))


def read_link(key: bytes, text: str) -> tuple[UUID, UUID] | None:
    """Return (account id, contact id) if the link was signed with this key, or None."""
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
    """Return a new token, 64 characters with 256 random bits, and its hash."""
    data = account_id.bytes + secrets.token_bytes(_SECRET)
    return _text(data), hashlib.sha256(data).digest()


def read_token(text: str) -> tuple[UUID, bytes] | None:
    """Return (account id, hash) if the text has the form of a token, or None."""
    data = _data(text, 16 + _SECRET)
    return None if data is None else (UUID(bytes=data[:16]), hashlib.sha256(data).digest())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()


def _data(text: str, length: int) -> bytes | None:
    """Decode URL-safe base64 of `length` bytes, or return None."""
    try:
        data = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return data if len(data) == length else None
