"""The planner finds the contacts of an import by key, also in an account that it knows nothing of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg

from everlist.core.ids import new_id
from everlist.core.imports import statements

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

FILL = """
insert into contact (
    account_id, contact_id, created_at, updated_at, create_source, email, email_key, email_created_at,
    email_updated_at, permission, opt_in_source, opt_in_at)
select $1, gen_random_uuid(), now(), now(), 'Account', e, e, now(), now(), 'implicit', 'Account', now()
from (select md5(i::text) || '@example.com' as e from generate_series(1, $2::int) i) e
"""
JOIN = """
insert into list_membership (account_id, contact_id, list_id, created_at)
select account_id, contact_id, $2, now() from contact where account_id = $1
"""
READ = """
insert into import_row (account_id, activity_id, row_number, line_number, contact_id, email, email_key)
select account_id, $2, row_number() over (), 1, gen_random_uuid(), email, email_key from contact where account_id = $1
"""


def test_an_account_newer_than_the_statistics_is_read_by_key(
    own_database: str, portal: BlockingPortal
) -> None:
    old, new, list_id, activity_id = (new_id() for _ in range(4))
    chunk = (new, activity_id, 1, 2_000)
    now, nobody = datetime.now(UTC), list[str]()
    stage = (*chunk, [list_id], nobody, [], nobody, now, "{}", 3, 3, 25, 50)

    async def plans() -> list[str]:
        connection = await asyncpg.connect(own_database)

        async def plan(statement: str, *args: object) -> str:
            return "\n".join(row[0] for row in await connection.fetch("explain " + statement, *args))

        try:
            await connection.execute("set plan_cache_mode = force_custom_plan")
            await connection.execute(FILL, old, 20_000)
            await connection.execute(JOIN, old, list_id)
            await connection.execute("analyze")
            await connection.execute(FILL, new, 2_000)
            await connection.execute(JOIN, new, list_id)
            await connection.execute(READ, new, activity_id)
            await connection.execute("analyze import_row")
            compare = await plan(statements.COMPARE, *chunk, [list_id], nobody)
            staged = await plan(statements.STAGE, *stage)
            await connection.execute(statements.STAGE, *stage)
            keep = await plan(statements.KEEP_BEFORE, *chunk, nobody, now, False)
            change = await plan(statements.CHANGE_CONTACTS, *chunk, now, nobody)
            return [compare, staged, keep, change]
        finally:
            await connection.close()

    compare, staged, keep, change = portal.call(plans)
    assert "using contact_email_key on contact e" in compare, compare
    assert compare.count(" using contact_") == 2, compare  # by address and by number
    assert "using contact_email_key on contact c" in staged, staged
    assert staged.count(" using contact_") == 2, staged  # and who else has the number
    for found in (keep, change):
        assert "using contact_pkey on contact c" in found, found
        assert found.count(" using contact_") == 1, found
