"""Bearer tokens, and the memory of the live ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from anyio.from_thread import BlockingPortal

from everlist.core import accounts, tokens
from everlist.core.tokens import DEFAULT_SCOPES, SCOPES, Keyring, Token
from everlist.db import Database
from everlist.errors import Invalid, NotFound
from tests.conftest import NewAccount, Sql

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture
def run(portal: BlockingPortal) -> Run:
    async def awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return await coroutine

    return lambda coroutine: portal.call(awaited, coroutine)


@pytest.fixture
def account(new_account: NewAccount) -> accounts.Account:
    return new_account()


def create(run: Run, database: Database, account: accounts.Account, *scopes: str) -> tuple[str, Token]:
    return run(
        database.write(
            lambda tx: tokens.create(tx, account.account_id, scopes=scopes, now=NOW, name="for tests")
        )
    )


def revoke(run: Run, database: Database, account: accounts.Account, token: Token, days: int = 1) -> Token:
    now = NOW + timedelta(days=days)
    return run(database.write(lambda tx: tokens.revoke(tx, account.account_id, token.token_id, now=now)))


def test_a_secret_is_long_and_kept_as_a_hash_only(
    run: Run, database: Database, account: accounts.Account, sql: Sql
) -> None:
    secret, token = create(run, database, account, "contact_data")
    other, _ = create(run, database, account, "contact_data")
    assert secret != other
    assert secret.startswith("ev_")
    assert len(secret) >= 3 + 43  # 256 bits
    rows = sql(
        "select t::text as text, token_hash from api_token t where account_id = $1", account.account_id
    )
    assert len(rows) == 2
    assert not any(secret.removeprefix("ev_") in row["text"] for row in rows)
    assert hashlib.sha256(secret.encode()).digest() in {row["token_hash"] for row in rows}
    assert token.scopes == {"contact_data"}


def test_an_unknown_scope_is_refused(run: Run, database: Database, account: accounts.Account) -> None:
    with pytest.raises(Invalid, match="unknown scope everything"):
        create(run, database, account, "contact_data", "everything")
    assert run(tokens.of_account(database, account.account_id)) == []


def test_the_default_scopes_are_scopes() -> None:
    assert set(DEFAULT_SCOPES) < set(SCOPES)


def test_find_knows_a_live_token_and_no_other(
    run: Run, database: Database, account: accounts.Account
) -> None:
    secret, token = create(run, database, account, "contact_data", "account_read")
    keyring = Keyring(database)
    assert keyring.known(secret) is None
    assert run(keyring.find(secret)) == token
    assert keyring.known(secret) == token
    for unknown in ("", "x", secret + "x", secret[:-1], secret.upper(), "ev_"):
        assert keyring.known(unknown) is None
        assert run(keyring.find(unknown)) is None
        assert keyring.known(unknown) is None


def test_a_revoked_token_is_found_no_more(run: Run, database: Database, account: accounts.Account) -> None:
    secret, token = create(run, database, account, "contact_data")
    revoked = revoke(run, database, account, token)
    assert revoked.revoked_at == NOW + timedelta(days=1)
    assert run(Keyring(database).find(secret)) is None
    assert revoke(run, database, account, token, days=2) == revoked  # the first date stands
    assert run(tokens.of_account(database, account.account_id)) == [revoked]


def test_a_token_of_another_account_is_not_revoked(
    run: Run, database: Database, account: accounts.Account, new_account: NewAccount
) -> None:
    secret, token = create(run, database, account, "contact_data")
    with pytest.raises(NotFound):
        revoke(run, database, new_account(), token)
    assert run(Keyring(database).find(secret)) == token


def test_tokens_stand_oldest_first(run: Run, database: Database, account: accounts.Account) -> None:
    made = [create(run, database, account, "contact_data")[1] for _ in range(3)]
    assert run(tokens.of_account(database, account.account_id)) == made


# --- the memory, on a database of one token


class OneToken:
    """Stands in for the database: every secret is of this token; `meanwhile` runs while it is read."""

    def __init__(self) -> None:
        self.read = 0
        self.meanwhile: Callable[[], None] = lambda: None

    async def row(self, _sql: str, *_args: object) -> dict[str, Any]:
        self.read += 1
        self.meanwhile()
        return {
            "token_id": uuid4(),
            "account_id": uuid4(),
            "name": "",
            "scopes": ["contact_data"],
            "created_at": NOW,
            "revoked_at": None,
        }


@pytest.fixture
def one() -> OneToken:
    return OneToken()


@pytest.fixture
def keyring(one: OneToken) -> Keyring:
    return Keyring(one)  # type: ignore[arg-type]


def test_a_known_token_is_not_read_again_until_it_is_forgotten(run: Run, keyring: Keyring) -> None:
    token = run(keyring.find("a"))
    assert keyring.known("a") is token
    keyring.forget()
    assert keyring.known("a") is None


def test_a_token_that_was_revoked_while_it_was_read_is_not_remembered(
    run: Run, one: OneToken, keyring: Keyring
) -> None:
    one.meanwhile = keyring.forget
    assert run(keyring.find("a")) is not None  # it was live when it was read
    assert keyring.known("a") is None


def test_memory_ends_after_a_minute(run: Run, keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    time = 1000.0
    monkeypatch.setattr(tokens, "monotonic", lambda: time)
    run(keyring.find("a"))
    time = 1059.0
    assert keyring.known("a") is not None
    time = 1061.0
    assert keyring.known("a") is None


def test_memory_is_bounded_and_drops_the_oldest(
    run: Run, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_CACHED_TOKENS", 3)
    for secret in "abc":
        run(keyring.find(secret))
    run(keyring.find("a"))  # is now the newest
    run(keyring.find("d"))
    assert [secret for secret in "abcd" if keyring.known(secret) is not None] == ["a", "c", "d"]
