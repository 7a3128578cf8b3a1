"""Bearer tokens: random, kept as a hash, bound to one account and a set of scopes."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from time import monotonic
from typing import TYPE_CHECKING, Literal, get_args
from uuid import UUID

import msgspec

from everlist.core.ids import new_id
from everlist.errors import Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from everlist.db import Database, Queries, Row, Transaction

TokenScope = Literal["contact_data", "campaign_data", "account_read", "account_update", "offline_access"]
SCOPES: tuple[TokenScope, ...] = get_args(TokenScope)
"""V3 contract 2.4."""

DEFAULT_SCOPES: tuple[TokenScope, ...] = ("contact_data", "campaign_data", "account_read", "account_update")
"""The scopes of a token if none are named: all but `offline_access`, which allows refresh tokens."""

REVOKED_CHANNEL = "everlist_token_revoked"
_CACHED_TOKENS = 10_000
_CACHED_SECONDS = 60.0


class Token(msgspec.Struct, frozen=True):
    """A token as the database has it: everything but the secret."""

    token_id: UUID
    account_id: UUID
    name: str
    scopes: frozenset[str]
    created_at: datetime
    revoked_at: datetime | None


def _token(row: Row) -> Token:
    return Token(
        token_id=row["token_id"],
        account_id=row["account_id"],
        name=row["name"],
        scopes=frozenset(row["scopes"]),
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
    )


def _hash(secret: str) -> bytes:
    # A fast hash is enough: the secret has 256 random bits, so nobody can guess it.
    return hashlib.sha256(secret.encode()).digest()


async def create(
    tx: Transaction, account_id: UUID, *, scopes: Sequence[str], now: datetime, name: str = ""
) -> tuple[str, Token]:
    """Make a token, and return its secret, which is not stored, with it. Raises Invalid for an unknown scope."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        raise Invalid(f"unknown scope {', '.join(unknown)}: the scopes are {', '.join(SCOPES)}")
    secret = "ev_" + secrets.token_urlsafe(32)
    token = Token(
        token_id=new_id(),
        account_id=account_id,
        name=name,
        scopes=frozenset(scopes),
        created_at=now,
        revoked_at=None,
    )
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
    """Return every token of the account, oldest first, revoked ones included."""
    rows = await db.rows(
        "select token_id, account_id, name, scopes, created_at, revoked_at from api_token"
        " where account_id = $1 order by created_at, token_id",
        account_id,
    )
    return [_token(row) for row in rows]


async def revoke(tx: Transaction, account_id: UUID, token_id: UUID, *, now: datetime) -> Token:
    """Revoke a token, at once and in every process. Raises NotFound."""
    row = await tx.row(
        "update api_token set revoked_at = coalesce(revoked_at, $3) where account_id = $1 and token_id = $2"
        " returning token_id, account_id, name, scopes, created_at, revoked_at",
        account_id,
        token_id,
        now,
    )
    if row is None:
        raise NotFound("no such token")
    await tx.execute("select pg_notify($1, '')", REVOKED_CHANNEL)
    return _token(row)


class Keyring:
    """Finds live tokens by their secrets, and caches them for at most a minute.

    Call `forget` at every revocation, and when the connection that reports revocations is lost.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: OrderedDict[bytes, tuple[float, Token]] = OrderedDict()
        self._generation = 0

    def known(self, secret: str) -> Token | None:
        """Return the token if it is cached. Costs no I/O."""
        entry = self._known.get(_hash(secret))
        return entry[1] if entry is not None and entry[0] > monotonic() else None

    async def find(self, secret: str) -> Token | None:
        """Read the live token with this secret, or None."""
        generation, key = self._generation, _hash(secret)
        row = await self._db.row(
            "select token_id, account_id, name, scopes, created_at, revoked_at from api_token"
            " where token_hash = $1 and revoked_at is null",
            key,
        )
        if row is None:
            return None
        token = _token(row)
        if generation == self._generation:  # otherwise it may have been revoked since it was read
            self._known[key] = (monotonic() + _CACHED_SECONDS, token)
            self._known.move_to_end(key)
            if len(self._known) > _CACHED_TOKENS:
                self._known.popitem(last=False)
        return token

    def forget(self) -> None:
        """Empty the cache."""
        self._generation += 1
        self._known.clear()
