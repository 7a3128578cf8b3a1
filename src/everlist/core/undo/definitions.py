"""Lists, tags and custom fields that an activity deleted or made: kept, made again, taken away again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString
from uuid import UUID

import msgspec

from everlist.core import accounts, custom_fields, lists, tags

if TYPE_CHECKING:
    from everlist.core.activities import Job
    from everlist.db import Row, Transaction


async def definitions_back(job: Job, image: Row) -> list[str]:
    """Make the lists, tags and fields again that the chunk deleted, and take away those that it made."""
    if image["definitions"] is None:
        return []
    tx, account_id, now = job.tx, job.activity.account_id, job.act.now
    kept = msgspec.json.decode(image["definitions"])
    made: dict[str, list[str]] = {}
    errors: list[str] = []
    for table in _AGAIN:
        rows = kept.get(table, [])
        if not rows:
            continue
        made[table], why = await _bring_back(tx, account_id, table, rows)
        errors += why
    for table, ids in kept.get("made", {}).items():
        errors += await _unmake(job, table, [UUID(one) for one in ids])
    if made:
        await tx.execute(
            "insert into before_image (account_id, activity_id, created, changed, definitions, made_at)"
            " values ($1, $2, '{}', '[]', $3, $4)",
            account_id,
            job.activity.activity_id,
            msgspec.json.encode({"made": made}).decode(),
            now,
        )
    return errors


async def _bring_back(
    tx: Transaction, account_id: UUID, table: str, rows: list[dict[str, Any]]
) -> tuple[list[str], list[str]]:
    """Make them again as far as there is room: the ids of those that came back, and why the others did not."""
    room: dict[str, tuple[int, str]] = {
        "contact_list": (lists.MAX_LISTS, "lists"),
        "custom_field": (custom_fields.MAX_FIELDS, "custom fields"),
    }
    most = room.get(table)
    encoded = msgspec.json.encode(rows).decode()
    await accounts.lock(tx, account_id)
    free = await tx.rows(_AGAIN[table], account_id, encoded, *(most[:1] if most else ()))
    back = {str(row["id"]): row["back"] for row in free}
    full = f"an account may have at most {most[0]} {most[1]}" if most else ""
    errors = [
        f"{row['name']} was not brought back: "
        + (full if row[_ID[table]] in back else "another has its name or its id")
        for row in rows
        if not back.get(row[_ID[table]])
    ]
    return [one for one, is_back in back.items() if is_back], errors


_ID = {"contact_list": "list_id", "tag": "tag_id", "custom_field": "custom_field_id"}
_AGAIN: dict[str, LiteralString] = {
    "contact_list": """
        with free as (
            select l.list_id from contact_list l
            join jsonb_to_recordset($2::jsonb) k (list_id uuid) on l.list_id = k.list_id
            where l.account_id = $1 and l.deleted_at is not null and not exists (
                select from contact_list o
                where o.account_id = $1 and lower(o.name) = lower(l.name) and o.deleted_at is null)
        ),
        back as (
            update contact_list set deleted_at = null
            where account_id = $1 and deleted_at is not null and list_id in (
                select list_id from free order by list_id limit greatest($3::bigint - (
                    select count(*) from contact_list where account_id = $1 and deleted_at is null), 0))
            returning list_id
        )
        select list_id as id, list_id in (select list_id from back) as back from free
    """,
    "tag": """
        insert into tag (account_id, tag_id, name, tag_source, created_at, updated_at)
        select $1::uuid, tag_id, name, tag_source, created_at, updated_at
        from jsonb_populate_recordset(null::tag, $2::jsonb)
        on conflict do nothing returning tag_id as id, true as back
    """,
    "custom_field": """
        with free as (
            select k.* from jsonb_populate_recordset(null::custom_field, $2::jsonb) k
            where not exists (
                select from custom_field f
                where f.account_id = $1 and (f.custom_field_id = k.custom_field_id or f.name = k.name))
        ),
        back as (
            insert into custom_field (account_id, custom_field_id, label, name, type, metadata, version, choices,
                created_at, updated_at)
            select $1::uuid, custom_field_id, label, name, type, metadata, version, choices, created_at, updated_at
            from free order by custom_field_id
            limit greatest($3::bigint - (select count(*) from custom_field where account_id = $1), 0)
            on conflict do nothing returning custom_field_id
        )
        select custom_field_id as id, custom_field_id in (select custom_field_id from back) as back from free
    """,
}
"""What brings back those of them whose names and ids are free, up to as many as an account may have ($3)."""


async def _unmake(job: Job, table: str, ids: list[UUID]) -> list[str]:
    """Take lists, tags or fields away again, but for those that somebody has used since."""
    tx, account_id = job.tx, job.activity.account_id
    used: set[UUID] = set()
    if table == "contact_list":
        await lists.lock_for_delete(tx, account_id, tuple(ids))
        used = await _used(
            tx,
            "select distinct list_id as id from list_membership where account_id = $1 and list_id = any($2)",
            account_id,
            ids,
        )
    elif table == "tag":
        await tags.lock_for_delete(tx, account_id, tuple(ids))
        used = await _used(
            tx,
            "select distinct tag_id as id from tagging where account_id = $1 and tag_id = any($2)",
            account_id,
            ids,
        )
    else:
        await custom_fields.lock_for_delete(tx, account_id, tuple(ids))
        used = await _used(
            tx,
            "select distinct k::uuid as id from unnest($2::uuid[]::text[]) k where exists ("
            "select from contact c where c.account_id = $1 and c.custom_fields ? k)",
            account_id,
            ids,
        )
    gone = tuple(one for one in ids if one not in used)
    await keep_definitions(job, table, gone)
    if table == "contact_list":
        await lists.mark_deleted(tx, account_id, gone, now=job.act.now)
    elif table == "tag":
        await tags.delete(tx, account_id, gone)
    else:
        await custom_fields.delete_definitions(tx, account_id, gone)
    return [f"{one} was kept: it is used" for one in sorted(used)]


async def _used(tx: Transaction, sql: LiteralString, account_id: UUID, ids: list[UUID]) -> set[UUID]:
    return {row["id"] for row in await tx.rows(sql, account_id, ids)}


_KEEP: dict[str, LiteralString] = {
    "contact_list": "select list_id, name from contact_list where account_id = $1 and list_id = any($2)"
    " and deleted_at is null",
    "tag": "select * from tag where account_id = $1 and tag_id = any($2)",
    "custom_field": "select * from custom_field where account_id = $1 and custom_field_id = any($2)",
}


async def keep_definitions(job: Job, table: str, ids: tuple[UUID, ...]) -> None:
    """Keep lists, tags or fields for undo, which the activity is about to delete."""
    kept = await job.tx.value(
        "select jsonb_build_object($3::text, jsonb_agg(to_jsonb(d) - 'account_id')) from ("
        + _KEEP[table]
        + ") d having count(*) > 0",
        job.activity.account_id,
        list(ids),
        table,
    )
    if kept is not None:
        await job.tx.execute(
            "insert into before_image (account_id, activity_id, created, changed, definitions, made_at)"
            " values ($1, $2, '{}', '[]', $3, $4)",
            job.activity.account_id,
            job.activity.activity_id,
            kept,
            job.act.now,
        )
