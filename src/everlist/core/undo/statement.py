"""The statement that undoes one chunk: RESTORED, the CONSEQUENCES of any change, and REPORTED, one after the other."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID


class Parameters(NamedTuple):
    """The parameters of the statement, in their order; CONSEQUENCES fixes the first eight but for $4."""

    account_id: UUID
    """$1"""
    now: datetime
    """$2"""
    no_id: UUID
    """$3"""
    chunk: int
    """$4: the chunk of the undone activity."""
    operation: str
    """$5"""
    request_id: str | None
    """$6"""
    token_id: UUID | None
    """$7"""
    activity_id: UUID | None
    """$8: the undo itself."""
    undone_activity_id: UUID
    """$9"""
    made_at: datetime
    """$10: when the chunk was made."""
    rows_before: int
    """$11: how many rows the undo has reported."""
    max_lists: int
    """$12"""
    max_tags: int
    """$13"""
    refused: list[str]
    """$14: addresses and numbers that cannot come back, since another contact has them or they are suppressed."""
    max_custom_fields: int
    """$15"""


# In `found`, `i` is what the activity made of the contact and `c` is the contact now. `back` names the columns that go
# back, those that still are what the activity made of them; `kept_columns` names those that have changed since.
RESTORED: LiteralString = """
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
        coalesce(compared.back, '{}') as back, coalesce(compared.kept, '{}') as kept_columns,
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
    left join lateral (
        select
            array_agg(name) filter (where is_after and may_return) as back,
            array_agg(name order by n) filter (where not (is_after and may_return) and not is_before) as kept
        from (
            select n, name,
                coalesce(value, 'null') is not distinct from coalesce(i.columns -> name -> 0, 'null') as is_before,
                coalesce(value, 'null') is not distinct from coalesce(i.columns -> name -> 1, 'null') as is_after,
                coalesce(i.columns -> name -> 0 ->> key, '') <> all($14::text[]) as may_return
            from (values
                (1, 'first_name', null, to_jsonb(c.first_name)),
                (2, 'last_name', null, to_jsonb(c.last_name)),
                (3, 'job_title', null, to_jsonb(c.job_title)),
                (4, 'company_name', null, to_jsonb(c.company_name)),
                (5, 'birthday_month', null, to_jsonb(c.birthday_month)),
                (6, 'birthday_day', null, to_jsonb(c.birthday_day)),
                (7, 'anniversary', null, to_jsonb(c.anniversary)),
                (8, 'phone_numbers', null, c.phone_numbers),
                (9, 'street_addresses', null, c.street_addresses),
                (10, 'address', 'email_key', jsonb_strip_nulls(jsonb_build_object(
                    'email', c.email, 'email_key', c.email_key, 'email_created_at', c.email_created_at,
                    'email_updated_at', c.email_updated_at, 'permission', c.permission,
                    'opt_in_source', c.opt_in_source, 'opt_in_at', c.opt_in_at))),
                (11, 'sms', 'sms_number', jsonb_strip_nulls(jsonb_build_object(
                    'sms_number', c.sms_number, 'sms_permission', c.sms_permission, 'sms_channel', c.sms_channel)))
            ) present (n, name, key, value)
            where i.columns ? name and i.columns - 'deletion' <> '{}'  -- the last saves the work for most contacts
        ) compared
    ) compared on true
),
decided as materialized (  -- hidden: the contact did not exist before, or was deleted
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
    from decided
),
checked as materialized (
    select *,
        cardinality(on_lists) + cardinality(lists_in) - cardinality(lists_out) > $12::integer
            or cardinality(has_tags) + cardinality(tags_in) - cardinality(tags_out) > $13::integer
            or (select count(*) from (
                select jsonb_object_keys(custom_fields) union
                select key from jsonb_each(fields_back) where value -> 0 <> 'null') keys) > $15::integer as too_many,
        kept_columns
            || case when (created and not unmade and deleted_at is null)
                or (columns ? 'deletion' and not hidden and not revived
                    and deleted_at is distinct from deleted_before) then '{contact}'::text[] else '{}' end
            || case when cardinality(left_lists) > 0 and person_acted and permission = 'unsubscribed'
                then '{lists}'::text[] else '{}' end
            || case when exists (
                select from jsonb_each(fields)
                where not fields_back ? key and coalesce(custom_fields -> key, 'null') <> value -> 0
            ) then '{custom_fields}'::text[] else '{}' end as kept,
        unmade or hidden or revived or fields_back <> '{}' or cardinality(back) > 0
            or cardinality(lists_in || lists_out || tags_in || tags_out) > 0 as acts
    from placed
),
outcome as materialized (
    select *, row_number() over (order by image_id) + $11::integer as row_number,
        case
            when contact_id is null then 'r'
            when acts and too_many then 'r'
            when acts then 'u'
            when cardinality(kept) > 0 then case when person_acted then 'h' else 'r' end
            else 'n'
        end as letter,
        case
            when contact_id is null then 'the contact has been erased'
            when acts and too_many then 'it would be on too many lists, or have too many tags or custom fields'
            when cardinality(kept) > 0 then
                case when person_acted then 'kept, the person has acted since: ' else 'kept, changed since: ' end
                || array_to_string(kept, ', ')
        end as reason
    from checked
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
        case when 'first_name' = any(back) then columns #>> '{first_name,0}' else first_name end as first_name,
        case when 'last_name' = any(back) then columns #>> '{last_name,0}' else last_name end as last_name,
        case when 'job_title' = any(back) then columns #>> '{job_title,0}' else job_title end as job_title,
        case when 'company_name' = any(back) then columns #>> '{company_name,0}' else company_name end as company_name,
        case when 'birthday_month' = any(back) then (columns #>> '{birthday_month,0}')::smallint
            else birthday_month end as birthday_month,
        case when 'birthday_day' = any(back) then (columns #>> '{birthday_day,0}')::smallint
            else birthday_day end as birthday_day,
        case when 'anniversary' = any(back) then (columns #>> '{anniversary,0}')::date
            else anniversary end as anniversary,
        case when 'phone_numbers' = any(back) then (columns #>> '{phone_numbers,0}')::jsonb
            else phone_numbers end as phone_numbers,
        case when 'street_addresses' = any(back) then (columns #>> '{street_addresses,0}')::jsonb
            else street_addresses end as street_addresses,
        case when 'address' = any(back) then columns #>> '{address,0,email}' else email end as email,
        case when 'address' = any(back) then columns #>> '{address,0,email_key}' else email_key end as email_key,
        case when 'address' = any(back) then (columns #>> '{address,0,email_created_at}')::timestamptz
            else email_created_at end as email_created_at,
        case when 'address' = any(back) then (columns #>> '{address,0,email_updated_at}')::timestamptz
            else email_updated_at end as email_updated_at,
        case when 'address' = any(back) then columns #>> '{address,0,permission}' else permission end as permission,
        case when 'address' = any(back) then columns #>> '{address,0,opt_in_source}'
            else opt_in_source end as opt_in_source,
        case when 'address' = any(back) then (columns #>> '{address,0,opt_in_at}')::timestamptz
            else opt_in_at end as opt_in_at,
        case when 'sms' = any(back) then columns #>> '{sms,0,sms_number}' else sms_number end as sms_number,
        case when 'sms' = any(back) then columns #>> '{sms,0,sms_permission}' else sms_permission end as sms_permission,
        case when 'sms' = any(back) then (columns #>> '{sms,0,sms_channel}')::jsonb else sms_channel end as sms_channel,
        opt_out_source, opt_out_at, opt_out_reason, confirmed_at, notes,
        (custom_fields - array(select jsonb_object_keys(fields_back))) || coalesce((
            select jsonb_object_agg(key, value -> 0) from jsonb_each(fields_back) where value -> 0 <> 'null'
        ), '{}') as custom_fields,
        lists_in as lists_added, lists_out as lists_removed, tags_in as tags_added, tags_out as tags_removed,
        'Account' as source, null::jsonb as sms_details, row_number::integer as row_number,
        jsonb_strip_nulls(jsonb_build_object(  -- the before-image of the undo: the values of each pair change places
            'columns', jsonb_build_object(
                'deletion', case when unmade or hidden or revived then jsonb_build_array(
                    jsonb_build_object('deleted_at', deleted_at, 'deleted_list_ids', deleted_list_ids),
                    jsonb_build_object('deleted_at', case when unmade then $2::timestamptz when hidden then deleted_before end)
                ) end) || coalesce((
                    select jsonb_object_agg(name, jsonb_build_array(columns -> name -> 1, columns -> name -> 0))
                    from unnest(back) name), '{}'),
            'fields', (
                select jsonb_object_agg(key, jsonb_build_array(value -> 1, value -> 0)) from jsonb_each(fields_back)),
            'joined', nullif(lists_in, '{}'), 'left', nullif(lists_out, '{}'),
            'tagged', nullif(tags_in, '{}'), 'untagged', nullif(tags_out, '{}')
        )) as image
    from outcome where letter = 'u'
),"""

REPORTED: LiteralString = """,
reported as (
    insert into import_report (account_id, activity_id, row_number, reason, keys)
    select $1, $8, row_number, reason, '{}' from outcome where reason is not null
),
outcomes_stored as (
    insert into import_outcome (account_id, activity_id, first_row, outcomes, line_numbers, contact_ids)
    select $1, $8, $11::integer + 1, string_agg(letter, '' order by row_number),
        array_agg(row_number::integer order by row_number), array_agg(contact_id order by row_number)
    from outcome having count(*) > 0
)
select letter, count(*) as number from outcome group by letter
"""
