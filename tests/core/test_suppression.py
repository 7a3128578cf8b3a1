"""What is left of an address that opted out and left its contact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

from anyio.from_thread import BlockingPortal
from msgspec.structs import replace

from everlist.core.consent import suppression
from everlist.core.ids import new_id
from everlist.db import Database
from tests.conftest import INSTALLATION

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _hmac(secret_key: bytes, account_id: UUID, channel: str, address_key: str) -> bytes:
    installation = replace(INSTALLATION, secret_key=secret_key)
    return installation.address_hmac(account_id, channel, address_key)


def test_a_hash_is_of_its_key_account_channel_and_address() -> None:
    accounts = [new_id(), new_id()]
    hashes = {
        _hmac(*parts)
        for parts in product(
            (b"key", b"other key"),
            accounts,
            (suppression.EMAIL, suppression.SMS),
            ("a@example.org", "b@example.org"),
        )
    }
    assert len(hashes) == 2**4
    assert {len(hashed) for hashed in hashes} == {32}
    first = _hmac(b"key", accounts[0], suppression.EMAIL, "a@example.org")
    assert first == _hmac(b"key", accounts[0], suppression.EMAIL, "a@example.org")


def test_the_first_date_stands_until_it_is_lifted(database: Database, portal: BlockingPortal) -> None:
    account_id, hashed = new_id(), b"x" * 32

    async def story() -> None:
        async with database.transaction() as tx:
            assert await suppression.since(tx, account_id, suppression.EMAIL, hashed) is None
            await suppression.add(tx, account_id, suppression.EMAIL, hashed, at=NOW)
            await suppression.add(tx, account_id, suppression.EMAIL, hashed, at=NOW + timedelta(days=1))
            assert await suppression.since(tx, account_id, suppression.EMAIL, hashed) == NOW
            assert await suppression.since(tx, account_id, suppression.SMS, hashed) is None
            assert await suppression.since(tx, new_id(), suppression.EMAIL, hashed) is None
            await suppression.lift(tx, new_id(), suppression.EMAIL, hashed)
            assert await suppression.since(tx, account_id, suppression.EMAIL, hashed) == NOW
            await suppression.lift(tx, account_id, suppression.EMAIL, hashed)
            assert await suppression.since(tx, account_id, suppression.EMAIL, hashed) is None

    portal.call(story)
