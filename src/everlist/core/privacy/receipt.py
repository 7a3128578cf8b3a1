"""The receipt of an erasure: a JWS (RFC 7515, Ed25519 by RFC 9864) that can be verified without the server.

The key is derived from the secret key of the installation; its public half is a JWKS at /everlist/v1/keys.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from everlist.errors import EverlistError

_ALGORITHM = "Ed25519"
_TYPE = "everlist-erasure+jws"
_JWS = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class NotGenuine(EverlistError):
    """The receipt is not genuine, or cannot be read: the text says why."""


class Removed(msgspec.Struct, frozen=True):
    """What was removed from one place."""

    place: str
    """A table of the database, or `files`."""
    what: str
    count: int


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claims of a receipt."""

    erasure_id: UUID
    account_id: UUID
    erased_at: datetime
    reason: str
    removed: tuple[Removed, ...]
    kept: tuple[Removed, ...]
    contact_id: UUID | None = None
    """None for an address that no contact had."""
    activity_id: UUID | None = None
    request_id: str | None = None
    repeated_at: datetime | None = None
    """When it was repeated from the erase ledger, after the database was restored from a backup."""


@lru_cache(maxsize=4)
def _key(secret: bytes) -> OKPKey:
    seed = hmac.digest(secret, b"everlist receipt key 1", hashlib.sha256)
    return OKPKey.derive_key(seed, "Ed25519")


def key_id(secret: bytes) -> str:
    """Return the thumbprint (RFC 7638) of the public half of this secret key's signing key."""
    return _key(secret).thumbprint()


def public_keys(secret: bytes) -> dict[str, Any]:
    """Return the JWKS that verifies the receipts of this secret key."""
    key = _key(secret)
    return {
        "keys": [{**key.as_dict(private=False), "kid": key.thumbprint(), "alg": _ALGORITHM, "use": "sig"}]
    }


def sign(receipt: Receipt, secret: bytes) -> str:
    """Sign a receipt; return a compact JWS."""
    key = _key(secret)
    header = {"alg": _ALGORITHM, "kid": key.thumbprint(), "typ": _TYPE}
    return jws.serialize_compact(header, msgspec.json.encode(receipt), key, algorithms=[_ALGORITHM])


def verify(token: str, keys: object) -> Receipt:
    """Verify a receipt by `keys`, a JWKS, and return its claims. Raises NotGenuine."""
    try:
        key_set = KeySet.import_key_set(msgspec.convert(keys, dict[str, Any]))  # type: ignore[arg-type]
    except (JoseError, msgspec.ValidationError, ValueError, KeyError, TypeError) as error:
        raise NotGenuine("the keys are not a JWKS, as /everlist/v1/keys answers it") from error
    try:
        signed = jws.deserialize_compact(token, key_set, algorithms=[_ALGORITHM])
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise NotGenuine("the signature is not by one of these keys, or the receipt was changed") from error
    if signed.headers().get("typ") != _TYPE:
        raise NotGenuine("this is signed, but it is no receipt of an erasure")
    try:
        return msgspec.json.decode(signed.payload, type=Receipt)
    except msgspec.MsgspecError as error:
        raise NotGenuine("this is signed, but it does not say what a receipt says") from error


class _File(msgspec.Struct):
    """An answer of the server: one receipt, or a page of erasures."""

    receipt: str = ""
    erasures: list[_File] = []


def tokens(text: bytes) -> list[str]:
    """Return the receipts in a file: one JWS, or the JSON of an answer. Raises NotGenuine."""
    if _JWS.fullmatch(text.strip()):
        return [text.strip().decode()]
    try:
        file = msgspec.json.decode(text, type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        file = _File()
    found = [part.receipt for part in (file, *file.erasures) if part.receipt]
    if not found:
        raise NotGenuine("there is no receipt in this file")
    return found


def described(receipt: Receipt) -> str:
    """Return the receipt in words, a line for each place."""
    subject = f"contact {receipt.contact_id}" if receipt.contact_id else "an address that no contact had"
    lines = [
        f"Erasure {receipt.erasure_id}",
        f"  of        {subject}, account {receipt.account_id}",
        f"  at        {receipt.erased_at:%Y-%m-%d %H:%M:%S} UTC",
        f"  because   {receipt.reason or 'no reason was given'}",
    ]
    if receipt.repeated_at:
        lines.append(
            f"  repeated  {receipt.repeated_at:%Y-%m-%d %H:%M:%S} UTC, after a backup had been restored"
        )
    for word, items in (("removed", receipt.removed), ("kept", receipt.kept)):
        lines += [f"  {word:<8}  {item.count:>5}  {item.place}: {item.what}" for item in items]
    return "\n".join(lines)
