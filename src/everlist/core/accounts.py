"""Accounts: each is a world of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import msgspec

from everlist.core.ids import new_id
from everlist.errors import Conflict, Invalid

if TYPE_CHECKING:
    from datetime import datetime

    from everlist.db import Queries, Row, Transaction

DEFAULT_NAME = "default"


class Account(msgspec.Struct, frozen=True):
    """One tenant."""

    account_id: UUID
    name: str
    time_zone: str
    created_at: datetime


def _account(row: Row) -> Account:
    return Account(row["account_id"], row["name"], row["time_zone"], row["created_at"])


async def create(tx: Transaction, name: str, *, now: datetime, time_zone: str = "UTC") -> Account:
    """Make an account. Raises Invalid (empty or over-long name, unknown zone) and Conflict (name taken)."""
    name = name.strip()
    if not 1 <= len(name) <= 255 or "\x00" in name:
        message = "the name of an account has 1 to 255 characters"
        raise Invalid(message)
    try:
        ZoneInfo(time_zone)
    except (KeyError, ValueError, OSError) as error:
        message = f"{time_zone!r} is not the name of a time zone, such as Europe/Berlin"
        raise Invalid(message) from error
    account = Account(new_id(), name, time_zone, now)
    try:
        await tx.execute(
            "insert into account (account_id, name, time_zone, created_at) values ($1, $2, $3, $4)",
            account.account_id,
            account.name,
            account.time_zone,
            account.created_at,
        )
    except asyncpg.UniqueViolationError as error:
        message = f"an account named {name!r} exists"
        raise Conflict(message) from error
    return account


async def find(db: Queries, name: str) -> Account | None:
    """The account of that name, in any case."""
    row = await db.row(
        "select account_id, name, time_zone, created_at from account where lower(name) = lower($1)", name
    )
    return _account(row) if row else None


async def all_accounts(db: Queries) -> list[Account]:
    """Every account, oldest first."""
    rows = await db.rows(
        "select account_id, name, time_zone, created_at from account order by created_at, account_id"
    )
    return [_account(row) for row in rows]
