"""Accounts (tenants) and their settings. Accounts share no data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, LiteralString
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
from email_validator import EmailNotValidError, validate_email

from everlist.core.ids import new_id
from everlist.errors import Conflict, Invalid, NotFound, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from everlist.db import Queries, Row, Transaction

DEFAULT_NAME = "default"


class Account(msgspec.Struct, frozen=True):
    """One tenant."""

    account_id: UUID
    name: str
    time_zone: str
    created_at: datetime


class AccountSettings(msgspec.Struct, frozen=True):
    """The settings of an account."""

    name: str
    """Shown to contacts, on pages and in mail."""
    time_zone: str
    confirmed_opt_in: bool = False
    """Ask by mail before a sign-up counts."""
    sender_name: str | None = None
    """The name in From; None for the account's name."""
    sender_email: str | None = None
    """The address in From, which receives the bounces."""
    postal_address: str | None = None
    """Printed at the end of every mail (CAN-SPAM asks for one)."""


class SettingsChange(msgspec.Struct, frozen=True):
    """A change of settings: UNSET keeps a setting, None clears it."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    time_zone: str | msgspec.UnsetType = msgspec.UNSET
    confirmed_opt_in: bool | msgspec.UnsetType = msgspec.UNSET
    sender_name: str | msgspec.UnsetType | None = msgspec.UNSET
    sender_email: str | msgspec.UnsetType | None = msgspec.UNSET
    postal_address: str | msgspec.UnsetType | None = msgspec.UNSET


def _account(row: Row) -> Account:
    return Account(**row)


async def create(tx: Transaction, name: str, *, now: datetime, time_zone: str = "UTC") -> Account:
    """Create an account. Raises Invalid (empty or over-long name, unknown zone) and Conflict (name taken)."""
    name = name.strip()
    if not 1 <= len(name) <= 255 or "\x00" in name:
        raise Invalid(Problem("name", "give 1 to 255 characters"))
    if not _is_time_zone(time_zone):
        raise Invalid(Problem("time_zone", f"{time_zone!r} is unknown, give a name such as Europe/Berlin"))
    account = Account(account_id=new_id(), name=name, time_zone=time_zone, created_at=now)
    try:
        await tx.execute(
            "insert into account (account_id, name, time_zone, created_at) values ($1, $2, $3, $4)",
            account.account_id,
            account.name,
            account.time_zone,
            account.created_at,
        )
    except asyncpg.UniqueViolationError as error:
        raise Conflict(f"an account named {name!r} exists") from error
    return account


async def find(db: Queries, name: str) -> Account | None:
    """Return the account of that name, ignoring case, or None."""
    row = await db.row(
        "select account_id, name, time_zone, created_at from account where lower(name) = lower($1)", name
    )
    return _account(row) if row else None


async def all_accounts(db: Queries) -> list[Account]:
    """Return every account, oldest first."""
    rows = await db.rows(
        "select account_id, name, time_zone, created_at from account order by created_at, account_id"
    )
    return [_account(row) for row in rows]


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


_SETTINGS: LiteralString = (
    "select name, time_zone, confirmed_opt_in, sender_name, sender_email, postal_address"
    " from account where account_id = $1"
)


async def settings(db: Queries, account_id: UUID) -> AccountSettings:
    """Return the settings of the account. Raises NotFound."""
    row = await db.row(_SETTINGS, account_id)
    return _settings(row)


def _settings(row: Row | None) -> AccountSettings:
    if row is None:
        raise NotFound("there is no such account")
    return AccountSettings(**row)


async def change_settings(tx: Transaction, account_id: UUID, change: SettingsChange) -> AccountSettings:
    """Change the given settings; return all settings after the change.

    Raises Invalid with all problems at once, and Conflict (another account has the name, ignoring case).
    """
    before = _settings(await tx.row(_SETTINGS + " for no key update", account_id))
    given = {
        name: value.strip() or None if isinstance(value, str) else value
        for name, value in msgspec.structs.asdict(change).items()
        if value is not msgspec.UNSET
    }
    after = msgspec.structs.replace(before, **given)
    if problems := tuple(_problems(after)):
        raise Invalid(*problems)
    taken = await tx.value(
        "select true from account where lower(name) = lower($2) and account_id <> $1", account_id, after.name
    )
    if taken:
        raise Conflict(f"an account named {after.name!r} exists")
    await tx.execute(
        "update account set name = $2, time_zone = $3, confirmed_opt_in = $4, sender_name = $5, sender_email = $6,"
        " postal_address = $7 where account_id = $1",
        account_id,
        after.name,
        after.time_zone,
        after.confirmed_opt_in,
        after.sender_name,
        after.sender_email,
        after.postal_address,
    )
    return after


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def _problems(after: AccountSettings) -> Iterator[Problem]:
    """Yield a problem for each bad setting; texts that go into mail headers may hold no control characters."""
    if not 1 <= len(after.name or "") <= 255 or _CONTROL.search(after.name):
        yield Problem("name", "1 to 255 characters on one line")
    if not _is_time_zone(after.time_zone or ""):
        yield Problem("time_zone", "the name of a time zone, such as Europe/Berlin")
    if after.sender_name is not None and (len(after.sender_name) > 100 or _CONTROL.search(after.sender_name)):
        yield Problem("sender_name", "at most 100 characters on one line")
    if after.sender_email is not None and not _is_sender(after.sender_email):
        yield Problem("sender_email", "an e-mail address in ASCII letters")
    if after.postal_address is not None and (
        len(after.postal_address) > 500 or _CONTROL.search(re.sub(r"\r?\n", "", after.postal_address))
    ):
        yield Problem("postal_address", "at most 500 characters")
    if after.confirmed_opt_in and after.sender_email is None:
        yield Problem("confirmed_opt_in", "it needs sender_email, since somebody has to send the mail")


def _is_sender(address: str) -> bool:
    """Return True if any mail server accepts the address in From and MAIL FROM."""
    try:
        valid = validate_email(address, check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError:
        return False
    return address.isascii() and valid.ascii_email is not None


async def lock(tx: Transaction, account_id: UUID) -> None:
    """Lock the account, so that operations that check a limit of the account run one after another."""
    await tx.execute("select from account where account_id = $1 for no key update", account_id)
