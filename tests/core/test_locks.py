"""What a write refers to cannot go away while the write is under way, and the other way round."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import pytest
from anyio.from_thread import BlockingPortal

from everlist.core import custom_fields, lists, tags
from everlist.core.ids import new_id
from everlist.db import Database, Transaction

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Kind(NamedTuple):
    """Something that contacts refer to."""

    make: Callable[[Transaction, UUID], Awaitable[UUID]]
    use: Callable[[Transaction, UUID, list[UUID]], Awaitable[Collection[UUID]]]
    """Tells which of the ids are there, and keeps them."""
    begin_deletion: Callable[[Transaction, UUID, tuple[UUID, ...]], Awaitable[None]]
    delete: Callable[[Transaction, UUID, tuple[UUID, ...]], Awaitable[Any]]


async def make_list(tx: Transaction, account_id: UUID) -> UUID:
    return (await lists.create(tx, account_id, lists.ListDraft("x", None, favorite=False), now=NOW)).list_id


async def make_tag(tx: Transaction, account_id: UUID) -> UUID:
    return (await tags.create(tx, account_id, "x", now=NOW)).tag_id


async def make_field(tx: Transaction, account_id: UUID) -> UUID:
    made = await custom_fields.create(tx, account_id, label="x", kind="string", metadata={}, now=NOW)
    return made.custom_field_id


async def mark_deleted(tx: Transaction, account_id: UUID, ids: tuple[UUID, ...]) -> None:
    await lists.mark_deleted(tx, account_id, ids, now=NOW)


KINDS = {
    "list": Kind(make_list, lists.lock_live, lists.lock_for_delete, mark_deleted),
    "tag": Kind(make_tag, tags.lock_existing, tags.lock_for_delete, tags.delete),
    "custom field": Kind(
        make_field,
        custom_fields.lock_existing,
        custom_fields.lock_for_delete,
        custom_fields.delete_definitions,
    ),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def test_what_is_in_use_is_not_deleted_meanwhile(
    kind: Kind, database: Database, portal: BlockingPortal
) -> None:
    account_id = new_id()

    async def story() -> None:
        async with database.transaction() as tx:
            one = await kind.make(tx, account_id)
        async with database.transaction() as user, database.transaction() as other:
            assert set(await kind.use(user, account_id, [one, new_id()])) == {one}
            assert set(await kind.use(other, account_id, [one])) == {one}  # several may use it at once
        async with database.transaction() as user:
            await kind.use(user, account_id, [one])
            with pytest.raises(asyncpg.LockNotAvailableError):
                async with database.transaction() as deleter:
                    await deleter.set_on_every_node("lock_timeout = '50ms'")
                    await kind.begin_deletion(deleter, account_id, (one,))

    portal.call(story)


def test_what_is_being_deleted_is_not_used_meanwhile(
    kind: Kind, database: Database, portal: BlockingPortal
) -> None:
    account_id = new_id()

    async def story() -> None:
        async with database.transaction() as tx:
            one = await kind.make(tx, account_id)

        async def use() -> Collection[UUID]:
            async with database.transaction() as user:
                return await kind.use(user, account_id, [one])

        async with database.transaction() as deleter:
            await kind.begin_deletion(deleter, account_id, (one,))
            with pytest.raises(asyncpg.LockNotAvailableError):
                async with database.transaction() as user:
                    await user.set_on_every_node("lock_timeout = '50ms'")
                    await kind.use(user, account_id, [one])
            waiting = asyncio.create_task(use())
            await kind.delete(deleter, account_id, (one,))
        assert set(await waiting) == set()  # it waited, and it is gone

    portal.call(story)
