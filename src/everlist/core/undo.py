"""Undo an activity, and bring deleted contacts back. Design section 5.

An activity keeps, chunk by chunk in `before_image`, which contacts it made and what it changed of the others:

    {contact_id, columns: {name: [was, became]}, fields: {custom_field_id: [was, became]},
     joined: [list_id], left: [list_id], tagged: [tag_id], untagged: [tag_id]}

Columns that go together are one pair: `deletion`, `address`, `sms`. Undo goes through the chunks from the last to
the first, and puts back each thing that still is what the activity made of it. What has changed since is
kept and reported, and so is what the person did since. It writes by the same statement as any other change, and
so keeps before-images of its own: an undo can be undone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString
from uuid import UUID

import msgspec

from everlist.core import activities, custom_fields, lists, suppression, tags
from everlist.core.activities import UNDO_WINDOW, Job, Progress
from everlist.core.contacts.apply import CONSEQUENCES, PLAIN, Edit, edit
from everlist.core.contacts.filters import ContactFilter
from everlist.core.contacts.model import MAX_CUSTOM_FIELDS, MAX_LISTS, MAX_TAGS
from everlist.core.contacts.select import choose
from everlist.core.ids import NO_ID
from everlist.core.imports.merge import OUTCOMES
from everlist.errors import Conflict

if TYPE_CHECKING:
    from datetime import datetime

    from everlist.db import Row, Transaction

KIND = "activity_undo"
_NEVER = {
    "contact_exports": "the activity changed nothing",
    "contact_erase": "an erasure cannot be undone",
}
CHUNK = 5_000


class UndoRequest(msgspec.Struct, frozen=True):
    """Which activity to undo."""

    activity_id: UUID


class RestoreRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which contacts to bring back: one of these is set."""

    contact_ids: tuple[UUID, ...] | None = None
    deleted_by_activity_id: UUID | None = None


async def refuse_undo(tx: Transaction, account_id: UUID, activity_id: UUID, *, now: datetime) -> None:
    """Raises NotFound, and Conflict where the activity cannot be undone."""
    activity = await activities.get(tx, account_id, activity_id)
    if activity.kind in _NEVER:
        raise Conflict(_NEVER[activity.kind])
    if activity.completed_at is None:
        message = f"the activity has not ended: it is {activity.state}"
        raise Conflict(message)
    if activity.completed_at < now - UNDO_WINDOW:
        message = f"the activity ended more than {UNDO_WINDOW.days} days ago, and what it changed is not kept longer"
        raise Conflict(message)
    if await _is_undone(tx, account_id, activity_id):
        message = "the activity has been undone already"
        raise Conflict(message)


async def _is_undone(tx: Transaction, account_id: UUID, activity_id: UUID) -> bool:
    """Whether there is an undo of the activity that is not itself undone."""
    undos = await tx.rows(
        "select activity_id from activity where account_id = $1 and kind = $2 and request ->> 'activity_id' = $3"
        " and state in ('initialized', 'processing', 'completed')",
        account_id,
        KIND,
        str(activity_id),
    )
    for undo in undos:
        if not await _is_undone(tx, account_id, undo["activity_id"]):
            return True
    return False


_GROUPS: tuple[tuple[LiteralString, tuple[tuple[LiteralString, LiteralString], ...]], ...] = (
    (
        "address",
        (
            *(("email", "text"), ("email_key", "text"), ("email_created_at", "timestamptz")),
            *(("email_updated_at", "timestamptz"), ("permission", "text"), ("opt_in_source", "text")),
            ("opt_in_at", "timestamptz"),
        ),
    ),
    ("sms", (("sms_number", "text"), ("sms_permission", "text"), ("sms_channel", "jsonb"))),
)


def _is_back(name: LiteralString, place: LiteralString) -> LiteralString:
    """Whether the contact's column or group is what stands at `place` of its pair: 0 before, 1 after."""
    value: LiteralString = "to_jsonb(c." + name + ")"
    for group, columns in _GROUPS:
        if group == name:
            value = ", ".join("'" + column + "', c." + column for column, _ in columns)
            value = "jsonb_strip_nulls(jsonb_build_object(" + value + "))"
    return (
        "coalesce("
        + value
        + ", 'null') is not distinct from coalesce(i.columns #> '{"
        + name
        + ","
        + place
        + "}', 'null')"
    )


_NAMES: tuple[LiteralString, ...] = (*(name for name, _ in PLAIN), *(name for name, _ in _GROUPS))
_KEYS: dict[LiteralString, LiteralString] = {"address": "email_key", "sms": "sms_number"}


def _may_return(name: LiteralString) -> LiteralString:
    """Whether the address or number before may be on the contact again: nobody has it, and it is not suppressed."""
    for group, key in _KEYS.items():
        if group == name:
            return " and coalesce(i.columns #>> '{" + name + ",0," + key + "}', '') <> all($14::text[])"
    return ""


_BACK: LiteralString = ", ".join(
    "(i.columns ? '" + name + "' and " + _is_back(name, "1") + _may_return(name) + ") as " + name + "_back"
    for name in _NAMES
)
_KEPT: LiteralString = ", ".join(
    "case when i.columns ? '"
    + name
    + "' and not ("
    + _is_back(name, "1")
    + _may_return(name)
    + ") and not "
    + _is_back(name, "0")
    + " then '"
    + name
    + "' end"
    for name in _NAMES
)
_ANY_BACK: LiteralString = " or ".join(name + "_back" for name in _NAMES)
_PLAIN_AFTER: LiteralString = ", ".join(
    "case when "
    + name
    + "_back then (columns #>> '{"
    + name
    + ",0}')::"
    + kind
    + " else "
    + name
    + " end as "
    + name
    for name, kind in PLAIN
)
_GROUPS_AFTER: LiteralString = ", ".join(
    "case when "
    + group
    + "_back then (columns #>> '{"
    + group
    + ",0,"
    + name
    + "}')::"
    + kind
    + " else "
    + name
    + " end as "
    + name
    for group, columns in _GROUPS
    for name, kind in columns
)
_SWAPPED: LiteralString = ", ".join(
    "'" + name + "', case when " + name + "_back then"
    " jsonb_build_array(columns -> '" + name + "' -> 1, columns -> '" + name + "' -> 0) end"
    for name in _NAMES
)

# $4: the chunk, $9: the activity that is undone, $10: when the chunk was made, $11: rows reported before,
# $12, $13: how many lists and tags a contact may have, $14: addresses and numbers that may not return
_UNDONE: LiteralString = (
    """
with image as materialized (
    select i.contact_id, false as created, coalesce(i.columns, '{}') as columns, coalesce(i.fields, '{}') as fields,
        i.joined, i."left" as left_lists, i.tagged, i.untagged
    from before_image b
    cross join lateral jsonb_to_recordset(b.changed) i (contact_id uuid, columns jsonb, fields jsonb,
        joined uuid[], "left" uuid[], tagged uuid[], untagged uuid[])
    where b.account_id = $1 and b.activity_id = $9 and b.chunk = $4::bigint
    union all
    select made.contact_id, true, '{}', '{}', null, null, null, null
    from before_image b cross join lateral unnest(b.created) made (contact_id)
    where b.account_id = $1 and b.activity_id = $9 and b.chunk = $4::bigint
),
found as materialized (
    select i.contact_id as image_id, i.created, i.columns, i.fields, i.joined, i.left_lists, i.tagged, i.untagged, c.*,
        """
    + _BACK
    + """,
        array_remove(array["""
    + _KEPT
    + """], null) as kept,
        i.columns ? 'deletion'
            and c.deleted_at is not distinct from (i.columns #>> '{deletion,1,deleted_at}')::timestamptz as deletion_back,
        (i.columns #>> '{deletion,0,deleted_at}')::timestamptz as deleted_before,
        c.update_source = 'Contact' and c.updated_at > $10::timestamptz or exists (
            select from consent_event e where e.account_id = $1 and e.contact_id = i.contact_id
            and e.at > $10::timestamptz and e.source = 'Contact') as person_acted,
        array(select m.list_id from list_membership m where m.account_id = $1 and m.contact_id = i.contact_id) as on_lists,
        array(select t.tag_id from tagging t where t.account_id = $1 and t.contact_id = i.contact_id) as has_tags
    from image i
    left join lateral (
        select * from contact c where c.account_id = $1 and c.contact_id = i.contact_id offset 0
    ) c on true
),
fated as materialized (  -- hidden: it was not there before, or was deleted
    select *,
        created and deleted_at is null and updated_at = $10::timestamptz and not person_acted as unmade,
        deletion_back and deleted_before is not null and not person_acted
            and on_lists <@ coalesce(joined, '{}') as hidden,
        deletion_back and deleted_before is null as revived
    from found
),
placed as materialized (
    select *,
        case when not unmade and not hidden and (deleted_at is null or revived)
            and not (person_acted and permission is not distinct from 'unsubscribed') then array(
            select l.list_id from contact_list l
            where l.account_id = $1 and l.list_id = any(left_lists) and l.deleted_at is null and l.list_id <> all(on_lists))
        else '{}' end as lists_in,
        case when unmade or hidden then on_lists
            else array(select unnest(joined) intersect select unnest(on_lists)) end as lists_out,
        case when contact_id is not null then array(
            select t.tag_id from tag t
            where t.account_id = $1 and t.tag_id = any(untagged) and t.tag_id <> all(has_tags))
        else '{}' end as tags_in,
        array(select unnest(tagged) intersect select unnest(has_tags)) as tags_out,
        coalesce((
            select jsonb_object_agg(key, value) from jsonb_each(fields)
            where coalesce(custom_fields -> key, 'null') = value -> 1
                and (value -> 0 = 'null' or exists (
                    select from custom_field f where f.account_id = $1 and f.custom_field_id = key::uuid))
        ), '{}') as fields_back
    from fated
),
judged as materialized (
    select *,
        cardinality(on_lists) + cardinality(lists_in) - cardinality(lists_out) > $12::integer
            or cardinality(has_tags) + cardinality(tags_in) - cardinality(tags_out) > $13::integer
            or (select count(*) from (
                select jsonb_object_keys(custom_fields) union
                select key from jsonb_each(fields_back) where value -> 0 <> 'null') keys) > $15::integer as too_many,
        kept
            || case when (created and not unmade and deleted_at is null)
                or (columns ? 'deletion' and not hidden and not revived
                    and deleted_at is distinct from deleted_before) then '{contact}'::text[] else '{}' end
            || case when cardinality(left_lists) > 0 and person_acted and permission = 'unsubscribed'
                then '{lists}'::text[] else '{}' end
            || case when exists (
                select from jsonb_each(fields)
                where not fields_back ? key and coalesce(custom_fields -> key, 'null') <> value -> 0
            ) then '{custom_fields}'::text[] else '{}' end as kept_all,
        unmade or hidden or revived or fields_back <> '{}' or cardinality(lists_in || lists_out || tags_in || tags_out) > 0
            or """
    + _ANY_BACK
    + """ as acts
    from placed
),
outcome as materialized (
    select *, row_number() over (order by image_id) + $11::integer as row_number,
        case
            when contact_id is null then 'r'
            when acts and too_many then 'r'
            when acts then 'u'
            when cardinality(kept_all) > 0 then case when person_acted then 'h' else 'r' end
            else 'n'
        end as letter,
        case
            when contact_id is null then 'the contact has been erased'
            when acts and too_many then 'it would be on too many lists, or have too many tags or custom fields'
            when cardinality(kept_all) > 0 then
                case when person_acted then 'kept, the person has acted since: ' else 'kept, changed since: ' end
                || array_to_string(kept_all, ', ')
        end as reason
    from judged
),
changed as materialized (
    select contact_id, created_at, $2::timestamptz as updated_at,
        case when unmade then $2::timestamptz when hidden then deleted_before when revived then null else deleted_at end
            as deleted_at,
        case
            when unmade then on_lists
            when hidden then array(
                select value::uuid from jsonb_array_elements_text(
                    coalesce(columns #> '{deletion,0,deleted_list_ids}', '[]')))
            when deleted_at is not null and not revived then deleted_list_ids
        end as deleted_list_ids,
        create_source, 'Account' as update_source,
        """
    + _PLAIN_AFTER
    + ", "
    + _GROUPS_AFTER
    + """,
        opt_out_source, opt_out_at, opt_out_reason, confirmed_at, notes,
        (custom_fields - array(select jsonb_object_keys(fields_back))) || coalesce((
            select jsonb_object_agg(key, value -> 0) from jsonb_each(fields_back) where value -> 0 <> 'null'
        ), '{}') as custom_fields,
        lists_in as lists_added, lists_out as lists_removed, tags_in as tags_added, tags_out as tags_removed,
        'Account' as source, null::jsonb as sms_details, row_number::integer as row_number,
        jsonb_strip_nulls(jsonb_build_object(
            'columns', jsonb_build_object(
                'deletion', case when unmade or hidden or revived then jsonb_build_array(
                    jsonb_build_object('deleted_at', deleted_at, 'deleted_list_ids', deleted_list_ids),
                    jsonb_build_object('deleted_at', case when unmade then $2::timestamptz when hidden then deleted_before end)
                ) end, """
    + _SWAPPED
    + """),
            'fields', (
                select jsonb_object_agg(key, jsonb_build_array(value -> 1, value -> 0)) from jsonb_each(fields_back)),
            'joined', nullif(lists_in, '{}'), 'left', nullif(lists_out, '{}'),
            'tagged', nullif(tags_in, '{}'), 'untagged', nullif(tags_out, '{}')
        )) as image
    from outcome where letter = 'u'
),"""
)

_REPORTED: LiteralString = """,
reported as (
    insert into import_report (account_id, activity_id, row_number, reason)
    select $1, $8, row_number, reason from outcome where reason is not null
),
noted as (
    insert into import_outcome (account_id, activity_id, first_row, outcomes, line_numbers, contact_ids)
    select $1, $8, $11::integer + 1, string_agg(letter, '' order by row_number),
        array_agg(row_number::integer order by row_number), array_agg(contact_id order by row_number)
    from outcome having count(*) > 0
)
select letter, count(*) as number from outcome group by letter
"""


async def activity_undo(job: Job) -> Progress:
    """Undo one chunk of an activity, the last one that is not undone yet."""
    tx, activity = job.tx, job.activity
    account_id = activity.account_id
    undone = msgspec.convert(activity.request, UndoRequest).activity_id
    total: int | None = activity.position.get("total")
    if total is None:
        total = await _count(tx, account_id, undone)
    image = await tx.row(
        "select chunk, made_at, definitions from before_image where account_id = $1 and activity_id = $2"
        " and ($3::bigint is null or chunk < $3) order by chunk desc limit 1",
        account_id,
        undone,
        activity.position.get("chunk"),
    )
    if image is None:
        return Progress({"total": total}, done=True)
    errors = await _definitions_back(job, image)
    await _lock(tx, account_id, undone, image["chunk"])
    seen: int = activity.position.get("rows", 0)
    rows = await tx.rows(
        _UNDONE + CONSEQUENCES + _REPORTED,
        account_id,
        job.act.now,
        NO_ID,
        image["chunk"],
        job.act.operation,
        job.act.request_id,
        job.act.token_id,
        job.act.activity_id,
        undone,
        image["made_at"],
        seen,
        MAX_LISTS,
        MAX_TAGS,
        await _refused(job, undone, image["chunk"]),
        MAX_CUSTOM_FIELDS,
    )
    counts = {OUTCOMES[row["letter"]]: row["number"] for row in rows}
    done = sum(counts.values())
    counts["items_completed_count"] = done
    if seen == 0 and "chunk" not in activity.position:
        counts["items_total_count"] = total
    return Progress(
        {"total": total, "chunk": image["chunk"], "rows": seen + done},
        done=False,
        percent_done=100 * (seen + done) // max(total, 1),
        counts=counts,
        errors=errors,
    )


async def _count(tx: Transaction, account_id: UUID, activity_id: UUID) -> int:
    return await tx.value(
        "select coalesce(sum(cardinality(created) + jsonb_array_length(changed)), 0)::bigint"
        " from before_image where account_id = $1 and activity_id = $2",
        account_id,
        activity_id,
    )


async def _lock(tx: Transaction, account_id: UUID, activity_id: UUID, chunk: int) -> None:
    """Hold the contacts of a chunk, and keep the lists and tags that they may get back."""
    named = await tx.row(
        """
        select
            array(select distinct l::uuid from jsonb_array_elements(changed) e,
                jsonb_array_elements_text(e -> 'left') l) as lists,
            array(select distinct t::uuid from jsonb_array_elements(changed) e,
                jsonb_array_elements_text(e -> 'untagged') t) as tags,
            created || array(select (e ->> 'contact_id')::uuid from jsonb_array_elements(changed) e) as contacts
        from before_image where account_id = $1 and activity_id = $2 and chunk = $3
        """,
        account_id,
        activity_id,
        chunk,
    )
    if named is None:
        return
    await lists.lock_live(tx, account_id, named["lists"])
    await tags.lock_existing(tx, account_id, named["tags"])
    await tx.execute(
        "select count(*) from (select from contact where account_id = $1 and contact_id = any($2)"
        " order by contact_id for no key update) locked",
        account_id,
        named["contacts"],
    )


async def _refused(job: Job, undone: UUID, chunk: int) -> list[str]:
    """Of the addresses and numbers that contacts of the chunk had: those that another has, or that are suppressed."""
    tx, account_id = job.tx, job.activity.account_id
    had = await tx.row(
        """
        select array_remove(array_agg(distinct e #>> '{columns,address,0,email_key}'), null) as addresses,
            array_remove(array_agg(distinct e #>> '{columns,sms,0,sms_number}'), null) as numbers
        from before_image b cross join lateral jsonb_array_elements(b.changed) e
        where b.account_id = $1 and b.activity_id = $2 and b.chunk = $3
        """,
        account_id,
        undone,
        chunk,
    )
    if had is None or not (had["addresses"] or had["numbers"]):
        return []
    addresses: list[str] = had["addresses"] or []
    numbers: list[str] = had["numbers"] or []
    taken = await tx.rows(
        "select email_key as key from contact where account_id = $1 and email_key = any($2)"
        " union all select sms_number from contact where account_id = $1 and sms_number = any($3)",
        account_id,
        addresses,
        numbers,
    )
    key = job.act.hash_key
    return [
        *(row["key"] for row in taken),
        *await suppression.among(tx, key, account_id, suppression.EMAIL, addresses),
        *await suppression.among(tx, key, account_id, suppression.SMS, numbers),
    ]


async def _definitions_back(job: Job, image: Row) -> list[str]:
    """Make the lists, tags and fields again that the chunk deleted, and take away those that it made."""
    if image["definitions"] is None:
        return []
    tx, account_id, now = job.tx, job.activity.account_id, job.act.now
    kept = msgspec.json.decode(image["definitions"])
    made: dict[str, list[str]] = {}
    errors: list[str] = []
    for table, again in _AGAIN.items():
        rows = kept.get(table, [])
        if not rows:
            continue
        back = await tx.rows(again, account_id, msgspec.json.encode(rows).decode())
        made[table] = [str(row["id"]) for row in back]
        errors += [
            f"{row['name']} was not brought back: another has its name or its id"
            for row in rows
            if row[_ID[table]] not in made[table]
        ]
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


_ID = {"contact_list": "list_id", "tag": "tag_id", "custom_field": "custom_field_id"}
_AGAIN: dict[str, LiteralString] = {
    "contact_list": """
        update contact_list l set deleted_at = null
        from jsonb_to_recordset($2::jsonb) k (list_id uuid)
        where l.account_id = $1 and l.list_id = k.list_id and l.deleted_at is not null and not exists (
            select from contact_list o
            where o.account_id = $1 and lower(o.name) = lower(l.name) and o.deleted_at is null)
        returning l.list_id as id
    """,
    "tag": """
        insert into tag (account_id, tag_id, name, tag_source, created_at, updated_at)
        select $1::uuid, tag_id, name, tag_source, created_at, updated_at
        from jsonb_populate_recordset(null::tag, $2::jsonb)
        on conflict do nothing returning tag_id as id
    """,
    "custom_field": """
        insert into custom_field (account_id, custom_field_id, label, name, type, metadata, version, choices,
            created_at, updated_at)
        select $1::uuid, custom_field_id, label, name, type, metadata, version, choices, created_at, updated_at
        from jsonb_populate_recordset(null::custom_field, $2::jsonb)
        on conflict do nothing returning custom_field_id as id
    """,
}


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
    "contact_list": "select list_id, name from contact_list where account_id = $1 and list_id = any($5)"
    " and deleted_at is null",
    "tag": "select * from tag where account_id = $1 and tag_id = any($5)",
    "custom_field": "select * from custom_field where account_id = $1 and custom_field_id = any($5)",
}


async def keep_definitions(job: Job, table: str, ids: tuple[UUID, ...]) -> None:
    """Keep lists, tags or fields for undo, which the activity is about to delete."""
    await job.tx.execute(
        "insert into before_image (account_id, activity_id, created, changed, definitions, made_at)"
        " select $1, $2, '{}', '[]', jsonb_build_object($4::text, jsonb_agg(to_jsonb(d) - 'account_id')), $3"
        " from (" + _KEEP[table] + ") d having count(*) > 0",
        job.activity.account_id,
        job.activity.activity_id,
        job.act.now,
        table,
        list(ids),
    )


async def contact_restore(job: Job) -> Progress:
    """Bring one chunk of deleted contacts back, on the live ones of the lists that they were on, with their tags."""
    tx, activity = job.tx, job.activity
    account_id = activity.account_id
    request = msgspec.convert(activity.request, RestoreRequest)
    chunk: int | None = None
    if request.deleted_by_activity_id is None:
        ids = list(dict.fromkeys(request.contact_ids or ()))
    else:
        image = await tx.row(
            """
            select chunk, array(
                select c.contact_id from jsonb_array_elements(changed) e
                join contact c on c.account_id = $1 and c.contact_id = (e ->> 'contact_id')::uuid
                    and c.deleted_at = (e #>> '{columns,deletion,1,deleted_at}')::timestamptz) as ids
            from before_image where account_id = $1 and activity_id = $2 and chunk > $3 order by chunk limit 1
            """,
            account_id,
            request.deleted_by_activity_id,
            activity.position.get("chunk", 0),
        )
        if image is None:
            return Progress(activity.position, done=True)
        chunk, ids = image["chunk"], image["ids"]
    total: int | None = activity.position.get("total")
    begun = total is not None
    if total is None:
        by = request.deleted_by_activity_id
        total = len(ids) if by is None else await _count(tx, account_id, by)
    restored = await _restore(job, ids)
    seen = activity.counts.get("items_completed_count", 0) + len(ids)
    counts = {
        "items_completed_count": len(ids),
        "updated": restored,
        "unchanged": len(ids) - restored,
        **({} if begun else {"items_total_count": total}),
    }
    return Progress(
        {"total": total, "chunk": chunk},
        done=chunk is None,
        percent_done=100 * seen // max(total, 1),
        counts=counts,
    )


async def _restore(job: Job, ids: list[UUID]) -> int:
    """Restore those of the contacts that are deleted; how many those were."""
    tx, account_id = job.tx, job.activity.account_id
    deleted = ContactFilter(frozenset({"deleted"}), contact_ids=tuple(ids))
    chosen = [one.contact_id for one in await choose(tx, account_id, deleted, after=None, limit=None)]
    were_on = await tx.rows(
        "select distinct unnest(deleted_list_ids) as list_id from contact where account_id = $1 and contact_id = any($2)",
        account_id,
        chosen,
    )
    live = await lists.lock_live(tx, account_id, [row["list_id"] for row in were_on])
    back = Edit(
        deleted_at="null::timestamptz",
        lists_added="case when c.permission is distinct from 'unsubscribed'"
        " then array(select unnest(c.deleted_list_ids) intersect select unnest($9::uuid[])) else '{}' end",
    )
    await edit(tx, account_id, chosen, back, job.act, sorted(live))
    return len(chosen)


async def refuse_restore(tx: Transaction, account_id: UUID, activity_id: UUID, *, now: datetime) -> None:
    """Raises NotFound where there is no such activity, and Conflict where what it deleted is not known any more."""
    activity = await activities.get(tx, account_id, activity_id)
    if activity.completed_at is not None and activity.completed_at < now - UNDO_WINDOW:
        message = f"the activity ended more than {UNDO_WINDOW.days} days ago, and what it changed is not kept longer"
        raise Conflict(message)
