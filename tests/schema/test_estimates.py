"""The planner reads a contact by the index that finds it, also in an account that it knows nothing of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from everlist.core.ids import new_id

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
LOOKUPS = {
    "contact_email_key": (
        "select * from unnest($2::text[]) wanted (one) cross join lateral"
        " (select from contact c where c.account_id = $1 and c.email_key = wanted.one offset 0) c",
        ["ann@example.org"] * 100,
    ),
    "contact_pkey": (
        "select * from unnest($2::uuid[]) wanted (one) cross join lateral"
        " (select c.email from contact c where c.account_id = $1 and c.contact_id = wanted.one offset 0) c",
        [new_id()] * 100,
    ),
    "list_membership_pkey": (
        "select * from unnest($2::uuid[]) wanted (one) cross join lateral"
        " (select m.created_at from list_membership m where m.account_id = $1 and m.contact_id = wanted.one offset 0) m",
        [new_id()] * 100,
    ),
}


@pytest.mark.parametrize("index", LOOKUPS)
def test_an_account_newer_than_the_statistics_is_read_by_key(
    own_database: str, portal: BlockingPortal, index: str
) -> None:
    sql, keys = LOOKUPS[index]
    old, new = new_id(), new_id()

    async def plan() -> str:
        connection = await asyncpg.connect(own_database)
        try:
            await connection.execute("set plan_cache_mode = force_custom_plan")
            await connection.execute(FILL, old, 20_000)
            await connection.execute(JOIN, old, new_id())
            await connection.execute("analyze")
            await connection.execute(FILL, new, 2_000)
            await connection.execute(JOIN, new, new_id())
            return "\n".join(row[0] for row in await connection.fetch("explain " + sql, new, keys))
        finally:
            await connection.close()

    assert f"using {index} " in portal.call(plan)
