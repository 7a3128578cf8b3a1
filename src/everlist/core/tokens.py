"""Bearer tokens: random, kept as a hash, bound to one account and a set of scopes."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from time import monotonic
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core.ids import new_id
from everlist.errors import Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from everlist.db import Database, Queries, Row, Transaction

SCOPES = ("contact_data", "campaign_data", "account_read", "account_update", "offline_access")
"""V3 contract 2.4."""

DEFAULT_SCOPES = ("contact_data", "campaign_data", "account_read", "account_update")
"""What a token may do unless told otherwise: everything but the issue of refresh tokens."""

REVOKED_CHANNEL = "everlist_token_revoked"
_CACHED_TOKENS = 10_000
_CACHED_SECONDS = 60.0


class Token(msgspec.Struct, frozen=True):
    """A token as it is kept: everything but the secret."""

    token_id: UUID
    account_id: UUID
    name: str
    scopes: frozenset[str]
    created_at: datetime
    revoked_at: datetime | None


def _token(row: Row) -> Token:
    return Token(
        row["token_id"],
        row["account_id"],
        row["name"],
        frozenset(row["scopes"]),
        row["created_at"],
        row["revoked_at"],
    )


def _hash(secret: str) -> bytes:
    # A fast hash is right here: the secret has 256 random bits, so there is nothing to guess.
    return hashlib.sha256(secret.encode()).digest()


async def create(
    tx: Transaction, account_id: UUID, *, scopes: Sequence[str], now: datetime, name: str = ""
) -> tuple[str, Token]:
    """Make a token; the secret is returned here and never again. Raises Invalid for an unknown scope."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        message = f"unknown scope {', '.join(unknown)}: the scopes are {', '.join(SCOPES)}"
        raise Invalid(message)
    secret = "ev_" + secrets.token_urlsafe(32)
    token = Token(new_id(), account_id, name, frozenset(scopes), now, None)
    await tx.execute(
        "insert into api_token (token_hash, token_id, account_id, name, scopes, created_at)"
        " values ($1, $2, $3, $4, $5, $6)",
        _hash(secret),
        token.token_id,
        account_id,
        name,
        sorted(scopes),
        now,
    )
    return secret, token


async def of_account(db: Queries, account_id: UUID) -> list[Token]:
    """Every token of the account, oldest first, revoked ones included."""
    rows = await db.rows(
        "select token_id, account_id, name, scopes, created_at, revoked_at from api_token"
        " where account_id = $1 order by created_at, token_id",
        account_id,
    )
    return [_token(row) for row in rows]


async def revoke(tx: Transaction, account_id: UUID, token_id: UUID, *, now: datetime) -> Token:
    """End a token now, in every process. Raises NotFound."""
    row = await tx.row(
        "update api_token set revoked_at = coalesce(revoked_at, $3) where account_id = $1 and token_id = $2"
        " returning token_id, account_id, name, scopes, created_at, revoked_at",
        account_id,
        token_id,
        now,
    )
    if row is None:
        message = "no such token"
        raise NotFound(message)
    await tx.execute("select pg_notify($1, '')", REVOKED_CHANNEL)
    return _token(row)


class Keyring:
    """Tells whose a bearer token is, from memory for as long as nothing was revoked.

    An entry lives a minute at most; `forget` empties the memory, and is called at every revocation and
    whenever the connection that hears of revocations is lost.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: OrderedDict[bytes, tuple[float, Token]] = OrderedDict()
        self._generation = 0

    def known(self, secret: str) -> Token | None:
        """The token, if it is in memory. Costs no I/O."""
        entry = self._known.get(_hash(secret))
        return entry[1] if entry is not None and entry[0] > monotonic() else None

    async def find(self, secret: str) -> Token | None:
        """The live token with this secret, or None."""
        generation, key = self._generation, _hash(secret)
        row = await self._db.row(
            "select token_id, account_id, name, scopes, created_at, revoked_at from api_token"
            " where token_hash = $1 and revoked_at is null",
            key,
        )
        if row is None:
            return None
        token = _token(row)
        if generation == self._generation:  # else it may have been revoked since it was read
            self._known[key] = (monotonic() + _CACHED_SECONDS, token)
            self._known.move_to_end(key)
            if len(self._known) > _CACHED_TOKENS:
                self._known.popitem(last=False)
        return token

    def forget(self) -> None:
        """Drop everything in memory."""
        self._generation += 1
        self._known.clear()
