"""Keep, restore and delete again the lists, tags and custom fields that an activity deleted or made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString
from uuid import UUID

import msgspec

from everlist.core import accounts, custom_fields, lists, tags

if TYPE_CHECKING:
    from everlist.core.activities import Job
    from everlist.db import Row, Transaction


async def definitions_back(job: Job, image: Row) -> list[str]:
    """Restore the lists, tags and fields that the chunk deleted, and delete those that it made; return the errors."""
    if image["definitions"] is None:
        return []
    tx, account_id, now = job.tx, job.activity.account_id, job.act.now
    kept = msgspec.json.decode(image["definitions"])
    restored: dict[str, list[str]] = {}
    errors: list[str] = []
    for table in _RESTORE:
        rows = kept.get(table, [])
        if not rows:
            continue
        restored[table], reasons = await _restore(tx, account_id, table, rows)
        errors += reasons
    for table, ids in kept.get("made", {}).items():
        errors += await _delete(job, table, [UUID(made_id) for made_id in ids])
    if restored:
        await tx.execute(
            "insert into before_image (account_id, activity_id, created, changed, definitions, made_at)"
            " values ($1, $2, '{}', '[]', $3, $4)",
            account_id,
            job.activity.activity_id,
            msgspec.json.encode({"made": restored}).decode(),
            now,
        )
    return errors


async def _restore(
    tx: Transaction, account_id: UUID, table: str, rows: list[dict[str, Any]]
) -> tuple[list[str], list[str]]:
    """Restore as many as the account may have: return the ids of those, and the reasons why the others stay deleted."""
    limits: dict[str, tuple[int, str]] = {
        "contact_list": (lists.MAX_LISTS, "lists"),
        "custom_field": (custom_fields.MAX_FIELDS, "custom fields"),
    }
    limit = limits.get(table)
    encoded = msgspec.json.encode(rows).decode()
    await accounts.lock(tx, account_id)
    free = await tx.rows(_RESTORE[table], account_id, encoded, *(limit[:1] if limit else ()))
    restored = {str(row["id"]): row["restored"] for row in free}
    full = f"an account may have at most {limit[0]} {limit[1]}" if limit else ""
    errors = [
        f"{row['name']} was not brought back: "
        + (full if row[_ID[table]] in restored else "another has its name or its id")
        for row in rows
        if not restored.get(row[_ID[table]])
    ]
    return [definition_id for definition_id, is_restored in restored.items() if is_restored], errors


_ID = {"contact_list": "list_id", "tag": "tag_id", "custom_field": "custom_field_id"}
_RESTORE: dict[str, LiteralString] = {
    "contact_list": """
        with free as (
            select l.list_id from contact_list l
            join jsonb_to_recordset($2::jsonb) k (list_id uuid) on l.list_id = k.list_id
            where l.account_id = $1 and l.deleted_at is not null and not exists (
                select from contact_list o
                where o.account_id = $1 and lower(o.name) = lower(l.name) and o.deleted_at is null)
        ),
        restored as (
            update contact_list set deleted_at = null
            where account_id = $1 and deleted_at is not null and list_id in (
                select list_id from free order by list_id limit greatest($3::bigint - (
                    select count(*) from contact_list where account_id = $1 and deleted_at is null), 0))
            returning list_id
        )
        select list_id as id, list_id in (select list_id from restored) as restored from free
    """,
    "tag": """
        insert into tag (account_id, tag_id, name, tag_source, created_at, updated_at)
        select $1::uuid, tag_id, name, tag_source, created_at, updated_at
        from jsonb_populate_recordset(null::tag, $2::jsonb)
        on conflict do nothing returning tag_id as id, true as restored
    """,
    "custom_field": """
        with free as (
            select k.* from jsonb_populate_recordset(null::custom_field, $2::jsonb) k
            where not exists (
                select from custom_field f
                where f.account_id = $1 and (f.custom_field_id = k.custom_field_id or f.name = k.name))
        ),
        restored as (
            insert into custom_field (account_id, custom_field_id, label, name, type, metadata, version, choices,
                created_at, updated_at)
            select $1::uuid, custom_field_id, label, name, type, metadata, version, choices, created_at, updated_at
            from free order by custom_field_id
            limit greatest($3::bigint - (select count(*) from custom_field where account_id = $1), 0)
            on conflict do nothing returning custom_field_id
        )
        select custom_field_id as id, custom_field_id in (select custom_field_id from restored) as restored from free
    """,
}
"""Restore the rows ($2) whose names and ids are free, up to as many as the account may have ($3)."""


async def _delete(job: Job, table: str, ids: list[UUID]) -> list[str]:
    """Delete lists, tags or fields, save those that contacts have by now; return an error for each of these."""
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
    unused = tuple(definition_id for definition_id in ids if definition_id not in used)
    await keep_definitions(job, table, unused)
    if table == "contact_list":
        await lists.mark_deleted(tx, account_id, unused, now=job.act.now)
    elif table == "tag":
        await tags.delete(tx, account_id, unused)
    else:
        await custom_fields.delete_definitions(tx, account_id, unused)
    return [f"{definition_id} was kept: it is used" for definition_id in sorted(used)]


async def _used(tx: Transaction, sql: LiteralString, account_id: UUID, ids: list[UUID]) -> set[UUID]:
    return {row["id"] for row in await tx.rows(sql, account_id, ids)}


_KEEP: dict[str, LiteralString] = {
    "contact_list": """
        select jsonb_build_object('contact_list', jsonb_agg(to_jsonb(d)))
        from (
            select list_id, name from contact_list
            where account_id = $1 and list_id = any($2) and deleted_at is null
        ) d
        having count(*) > 0
    """,
    "tag": """
        select jsonb_build_object('tag', jsonb_agg(to_jsonb(t) - 'account_id'))
        from tag t where t.account_id = $1 and t.tag_id = any($2)
        having count(*) > 0
    """,
    "custom_field": """
        select jsonb_build_object('custom_field', jsonb_agg(to_jsonb(f) - 'account_id'))
        from custom_field f where f.account_id = $1 and f.custom_field_id = any($2)
        having count(*) > 0
    """,
}
"""Read definitions as a before-image keeps them: $1 account, $2 ids."""


async def keep_definitions(job: Job, table: str, ids: tuple[UUID, ...]) -> None:
    """Store the lists, tags or fields that the activity is about to delete, so that they can be restored."""
    definitions = await job.tx.value(_KEEP[table], job.activity.account_id, list(ids))
    if definitions is not None:
        await job.tx.execute(
            "insert into before_image (account_id, activity_id, created, changed, definitions, made_at)"
            " values ($1, $2, '{}', '[]', $3, $4)",
            job.activity.account_id,
            job.activity.activity_id,
            definitions,
            job.act.now,
        )
