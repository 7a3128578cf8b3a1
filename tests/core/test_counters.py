"""Exact counts: also while many write and several roll up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import pytest
from anyio.from_thread import BlockingPortal

from everlist.core import counters
from everlist.core.ids import NO_ID, new_id
from everlist.db import Database, Transaction
from everlist.worker.upkeep import roll_up_all
from tests.conftest import Sql

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture
def run(portal: BlockingPortal) -> Run:
    async def awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return await coroutine

    return lambda coroutine: portal.call(awaited, coroutine)


async def append(tx: Transaction, account_id: UUID, name: str, *changes: tuple[UUID, int]) -> None:
    """What a write does: its differences, in its own transaction."""
    for subject, change in changes:
        await tx.execute(
            "insert into counter_delta (account_id, name, subject, change) values ($1, $2, $3, $4)",
            account_id,
            name,
            subject,
            change,
        )


async def write(database: Database, account_id: UUID, name: str, *changes: tuple[UUID, int]) -> None:
    async with database.transaction() as tx:
        await append(tx, account_id, name, *changes)


async def roll_up(database: Database, account_id: UUID, most: int = 50_000) -> int:
    async with database.transaction() as tx:
        return await counters.roll_up(tx, account_id, most=most)


async def waiting(database: Database, account_id: UUID) -> int:
    return await database.value("select count(*)::int from counter_delta where account_id = $1", account_id)


def test_a_read_adds_what_is_rolled_up_and_what_is_not(run: Run, database: Database) -> None:
    account_id, a, b, other = (new_id() for _ in range(4))

    async def story() -> None:
        await write(database, account_id, "list.members", (a, 3), (b, 1))
        assert await roll_up(database, account_id) == 2
        await write(database, account_id, "list.members", (a, -1))
        await write(database, account_id, "list.active", (a, 50))
        await write(database, new_id(), "list.members", (a, 100))
        assert await counters.of_subjects(database, account_id, "list.members", [a, b, other]) == {
            a: 2,
            b: 1,
            other: 0,
        }
        assert await counters.of_subjects(database, account_id, "list.members", []) == {}

    run(story())


def test_the_accounts_own_counters(run: Run, database: Database) -> None:
    account_id = new_id()

    async def story() -> None:
        assert await counters.of_account(database, account_id) == {}
        await write(database, account_id, "contacts.explicit", (NO_ID, 2))
        await roll_up(database, account_id)
        await write(database, account_id, "contacts.explicit", (NO_ID, 1))
        await write(database, account_id, "contacts.none", (NO_ID, 5))
        await write(database, account_id, "list.members", (new_id(), 7))
        assert await counters.of_account(database, account_id) == {"explicit": 3, "none": 5}

    run(story())


def test_rolling_up_moves_all_and_changes_nothing(run: Run, database: Database, sql: Sql) -> None:
    account_id, a = new_id(), new_id()

    async def story() -> None:
        for _ in range(10):
            await write(database, account_id, "list.members", (a, 1))
        await database.value("analyze counter_delta")  # with which the planner may begin from the other side
        assert await roll_up(database, account_id, most=4) == 4
        assert await waiting(database, account_id) == 6
        assert await counters.of_subjects(database, account_id, "list.members", [a]) == {a: 10}
        assert [await roll_up(database, account_id, most=4) for _ in range(3)] == [4, 2, 0]
        assert await counters.of_subjects(database, account_id, "list.members", [a]) == {a: 10}

    run(story())
    assert [row["value"] for row in sql("select value from counter where account_id = $1", account_id)] == [
        10
    ]


def test_what_is_rolled_back_does_not_count(run: Run, database: Database) -> None:
    account_id, a = new_id(), new_id()

    async def story() -> None:
        with pytest.raises(ZeroDivisionError):
            async with database.transaction() as tx:
                await append(tx, account_id, "list.members", (a, 1))
                raise ZeroDivisionError
        await write(database, account_id, "list.members", (a, 1))
        with pytest.raises(ZeroDivisionError):
            async with database.transaction() as tx:
                assert await counters.roll_up(tx, account_id) == 1
                raise ZeroDivisionError
        assert await counters.of_subjects(database, account_id, "list.members", [a]) == {a: 1}
        assert await waiting(database, account_id) == 1

    run(story())


def test_two_roll_ups_at_once_take_different_differences(run: Run, database: Database) -> None:
    account_id, a, b = new_id(), new_id(), new_id()

    async def counted() -> dict[UUID, int]:
        return await counters.of_subjects(database, account_id, "list.members", [a, b])

    async def story() -> None:
        for subject in (a, a, b, a, b):
            await write(database, account_id, "list.members", (subject, 1))
        async with database.transaction() as first:
            assert await counters.roll_up(first, account_id, most=3) == 3
            # The first is not committed: what it took is still what a reader sees, and in nobody's way.
            assert await counted() == {a: 3, b: 2}
            assert await asyncio.wait_for(roll_up(database, account_id), 60) == 2
            assert await counted() == {a: 3, b: 2}
        assert await counted() == {a: 3, b: 2}
        assert await waiting(database, account_id) == 0

    run(story())


def test_counts_are_exact_at_any_time(run: Run, database: Database) -> None:
    """Every write moves one from a to b, so that a + b is zero in every answer, also while differences are rolled up."""
    account_id, a, b = new_id(), new_id(), new_id()
    writes, writers = 25, 4

    async def story() -> None:
        done = asyncio.Event()
        seen: list[int] = []

        async def writer() -> None:
            for _ in range(writes):
                async with database.transaction() as tx:
                    await append(tx, account_id, "list.members", (a, -1), (b, 1))
                    await append(tx, account_id, "contacts.explicit", (NO_ID, -1))
                    await append(tx, account_id, "contacts.implicit", (NO_ID, 1))

        async def keep_rolling_up() -> None:
            while not done.is_set():
                await roll_up(database, account_id, most=7)

        async def reader() -> None:
            while not done.is_set():
                by_list = await counters.of_subjects(database, account_id, "list.members", [a, b])
                assert by_list[a] + by_list[b] == 0
                assert sum((await counters.of_account(database, account_id)).values()) == 0
                seen.append(by_list[b])

        async with asyncio.TaskGroup() as group:
            writing = [group.create_task(writer()) for _ in range(writers)]
            for task in (keep_rolling_up(), keep_rolling_up(), reader(), reader()):
                group.create_task(task)
            await asyncio.gather(*writing)
            done.set()
        total = writes * writers
        expected = {a: -total, b: total}
        assert all(0 <= count <= total for count in seen)
        assert await counters.of_subjects(database, account_id, "list.members", [a, b]) == expected
        while await roll_up(database, account_id, most=7):
            pass
        assert await waiting(database, account_id) == 0
        assert await counters.of_subjects(database, account_id, "list.members", [a, b]) == expected
        assert await counters.of_account(database, account_id) == {"explicit": -total, "implicit": total}

    run(story())


def test_accounts_to_roll_up_are_those_that_wait(run: Run, database: Database) -> None:
    first, second, quiet = (new_id() for _ in range(3))

    async def story() -> None:
        for account_id in (first, second, first):
            await write(database, account_id, "list.members", (new_id(), 1))
        await write(database, quiet, "list.members", (new_id(), 1))
        await roll_up(database, quiet)
        found = await counters.accounts_to_roll_up(database)
        assert len(found) == len(set(found))
        assert {first, second} <= set(found)
        assert quiet not in found
        assert await roll_up_all(database) >= 3
        assert not {first, second} & set(await counters.accounts_to_roll_up(database))

    run(story())
