"""Count contacts, list members and tagged contacts: exact at every moment, in constant time.

A write appends differences to `counter_delta` in its own transaction, so two writers never wait for one row.
The worker rolls the differences up into `counter`. A read sums both tables in one statement.

Names of counters: `contacts.<permission>` (not deleted; `none` for contacts without an address),
`contacts.deleted`; with the list as subject `list.members`, `list.active`, `list.sms`; with the tag as subject
`tag.contacts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everlist.core.ids import NO_ID
from everlist.core.roll_up import accounts_with_rows
from everlist.core.values import FEW, values

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from everlist.db import Queries, Transaction


async def add(tx: Transaction, account_id: UUID, differences: Sequence[tuple[str, UUID, int]]) -> None:
    """Add differences to the account's counters: (name, subject, difference) of each."""
    if not differences:
        return
    if len(differences) <= FEW:
        rows = values(len(differences), shared=1, own=3)
        flat = [value for difference in differences for value in difference]
        await tx.execute(
            "insert into counter_delta (account_id, name, subject, change) values " + rows, account_id, *flat
        )
        return
    names, subjects, changes = zip(*differences, strict=True)
    await tx.execute(
        """
        insert into counter_delta (account_id, name, subject, change)
        select $1, name, subject, change from unnest($2::text[], $3::uuid[], $4::bigint[]) d (name, subject, change)
        """,
        account_id,
        names,
        subjects,
        changes,
    )


async def of_account(db: Queries, account_id: UUID) -> dict[str, int]:
    """Return the account's own counters by name, without the prefix `contacts.`; a missing name means zero."""
    rows = await db.rows(
        """
        select name, sum(value)::bigint as value
        from (
            select name, value from counter where account_id = $1 and name like 'contacts.%' and subject = $2
            union all
            select name, change from counter_delta where account_id = $1 and name like 'contacts.%' and subject = $2
        ) both_parts
        group by name
        """,
        account_id,
        NO_ID,
    )
    return {row["name"].removeprefix("contacts."): row["value"] for row in rows}


async def of_subjects(db: Queries, account_id: UUID, name: str, subjects: Sequence[UUID]) -> dict[UUID, int]:
    """Return one counter of several lists or tags, with a zero for a subject that has none."""
    rows = await db.rows(
        """
        select subject, sum(value)::bigint as value
        from (
            select subject, value from counter where account_id = $1 and name = $2 and subject = any($3)
            union all
            select subject, change from counter_delta where account_id = $1 and name = $2 and subject = any($3)
        ) both_parts
        group by subject
        """,
        account_id,
        name,
        list(subjects),
    )
    counts = dict.fromkeys(subjects, 0)
    counts.update({row["subject"]: row["value"] for row in rows})
    return counts


async def roll_up(tx: Transaction, account_id: UUID, *, most: int = 50_000) -> int:
    """Move up to `most` differences of the account into its counters; return how many."""
    taken = await tx.rows(
        """
        with oldest as materialized (  -- locks its rows once; a nested loop would run it again and lock others
            select name, subject, delta_id from counter_delta where account_id = $1
            order by name, subject, delta_id limit $2
            for update skip locked
        ), taken as (
            delete from counter_delta d using oldest
            where d.account_id = $1 and d.name = oldest.name and d.subject = oldest.subject
                and d.delta_id = oldest.delta_id
            returning d.name, d.subject, d.change
        )
        select name, subject, sum(change)::bigint as change, count(*) as number
        from taken group by name, subject order by name, subject
        """,
        account_id,
        most,
    )
    if taken:
        await tx.execute(
            """
            insert into counter (account_id, name, subject, value)
            select $1, name, subject, change from unnest($2::text[], $3::uuid[], $4::bigint[]) t (name, subject, change)
            on conflict (account_id, name, subject) do update set value = counter.value + excluded.value
            """,
            account_id,
            [row["name"] for row in taken],
            [row["subject"] for row in taken],
            [row["change"] for row in taken],
        )
    return sum(row["number"] for row in taken)


async def accounts_to_roll_up(db: Queries) -> list[UUID]:
    """Return the accounts that have differences to roll up."""
    return await accounts_with_rows(db, "counter_delta")
