"""The two statements that merge a chunk of an import's rows: COMPARE, and INCOMING to REPORTED."""

from __future__ import annotations

from typing import LiteralString

from everlist.core.contacts.columns import PLAIN
from everlist.core.imports.subresources import ADDRESSES, HAS_ADDRESSES, HAS_PHONES, PHONES

# The contact that a row is about: the one with its address, or for a row without an address with its number.
# `(select $1)` hides the account from the planner. Given $1 itself and an account newer than the statistics, it takes
# the account for empty, and reads all its contacts for each row by any index of account_id.
_CONTACT: LiteralString = """lateral (
        select e.* from contact e where e.account_id = (select $1::uuid) and e.email_key = r.email_key
        union all
        select s.* from contact s
        where r.email_key is null and s.account_id = (select $1::uuid) and s.sms_number = r.sms_number
    ) c"""


def _differs(gone: LiteralString) -> LiteralString:
    """Return the condition that the row has another value than the contact; `gone` are the custom fields that were deleted."""
    return (
        """(
            r.first_name <> coalesce(c.first_name, '') or r.last_name <> coalesce(c.last_name, '')
            or r.job_title <> coalesce(c.job_title, '') or r.company_name <> coalesce(c.company_name, '')
            or r.birthday_month <> coalesce(c.birthday_month, 0) or r.birthday_day <> coalesce(c.birthday_day, 0)
            or r.anniversary <> coalesce(c.anniversary, '-infinity')
            or c.custom_fields || (r.custom_fields - """
        + gone
        + """) <> c.custom_fields
            or (r.email is not null and c.email is null)
        ) is true"""
    )


def _outcomes_stored(
    merged: LiteralString, activity: LiteralString, first: LiteralString, last: LiteralString
) -> LiteralString:
    """Return the INSERT of the outcomes of a chunk; `merged` selects those of the merged rows, the others are decided."""
    return (
        """
    insert into import_outcome (account_id, activity_id, first_row, outcomes, line_numbers, contact_ids)
    select $1, """
        + activity
        + ", "
        + first
        + """, string_agg(outcome, '' order by row_number),
        array_agg(line_number order by row_number), array_agg(contact_id order by row_number)
    from (
        """
        + merged
        + """
        union all
        select row_number, line_number, case when problem is not null then 'r' else 'n' end, null
        from import_row
        where account_id = $1 and activity_id = """
        + activity
        + " and row_number between "
        + first
        + " and "
        + last
        + """
            and (superseded_by is not null or problem is not null)
    ) outcomes
    having count(*) > 0"""
    )


COMPARE: LiteralString = (
    """
with compared as materialized (
    select r.row_number, r.line_number, r.email_key is null as by_number, c.contact_id,
        c.deleted_at is null and coalesce(c.permission, c.sms_permission) is distinct from 'unsubscribed'
        and not r.opted_out and not """
    + _differs("$6::text[]")
    + """
        and (r.sms_number is null or c.sms_number = r.sms_number)
        and (r.phone_numbers is null or """
    + HAS_PHONES
    + """)
        and (r.street_addresses is null or """
    + HAS_ADDRESSES
    + """)
        and (
            select count(*) from list_membership m
            where m.account_id = (select $1::uuid) and m.contact_id = c.contact_id and m.list_id = any($3::uuid[])
        ) = cardinality($3::uuid[]) as same
    from import_row r
    left join """
    + _CONTACT
    + """ on true
    where r.account_id = $1 and r.activity_id = $2 and r.row_number between $4 and $5
        and r.superseded_by is null and r.problem is null
),
verdict as materialized (
    select count(*) filter (where same is not true) = 0 as all_unchanged, count(*) as number from compared
),
outcomes_stored as ("""
    + _outcomes_stored(
        "select row_number, line_number, 'n' as outcome, contact_id from compared", "$2", "$4", "$5"
    )
    + """ and (select all_unchanged from verdict)
)
select
    coalesce(array_agg(row_number) filter (where same), '{}') as rows,
    coalesce(array_agg(line_number) filter (where same), '{}') as lines,
    coalesce(array_agg(contact_id) filter (where same), '{}') as unchanged,
    coalesce(array_agg(contact_id) filter (where same is not true and contact_id is not null), '{}') as others,
    (select number from verdict where all_unchanged) as all_unchanged,
    bool_or(by_number and contact_id is not null) as by_number
from compared where not (select all_unchanged from verdict)
"""
)

# $4: list ids, $9: first row, $10: last row, $11: suppressed address keys, $12: rows that change nothing, $13:
# their lines, $14: their contacts, $15: the contacts that are locked, $16: those
# of $11 whose persons were erased, $17: custom fields that were deleted, $18: the times of what is new
INCOMING: LiteralString = (
    """
with matched as materialized (  -- each row that counts, with the contact that it is about
    select r.row_number, r.line_number, r.contact_id as new_id, r.email as new_email, r.email_key as new_email_key,
        r.sms_number as new_sms_number, r.sms_channel as new_sms_channel, r.opted_out,
        c.contact_id, c.created_at, c.deleted_at, c.create_source, c.update_source,
        c.email, c.email_key, c.email_created_at, c.email_updated_at, c.permission, c.opt_in_source, c.opt_in_at,
        c.opt_out_source, c.opt_out_at, c.opt_out_reason, c.confirmed_at, c.sms_number, c.sms_permission, c.sms_channel,
        coalesce(r.first_name, c.first_name) as first_name,
        coalesce(r.last_name, c.last_name) as last_name,
        coalesce(r.job_title, c.job_title) as job_title,
        coalesce(r.company_name, c.company_name) as company_name,
        coalesce(r.birthday_month, c.birthday_month) as birthday_month,
        coalesce(r.birthday_day, c.birthday_day) as birthday_day,
        coalesce(r.anniversary, c.anniversary) as anniversary,
        case
            when c.contact_id is null then coalesce(r.custom_fields - $17::text[], '{}')
            else coalesce(c.custom_fields || (r.custom_fields - $17::text[]), c.custom_fields)
        end as custom_fields,
        coalesce("""
    + PHONES
    + """, '[]') as phone_numbers,
        coalesce("""
    + ADDRESSES
    + """, '[]') as street_addresses,
        coalesce(c.notes, '[]') as notes,
        c.contact_id is not null and """
    + _differs("$17::text[]")
    + """ as differs,
        coalesce(l.on_these, 0) as on_these, coalesce(l.on_lists, 0) as on_lists,
        c.phone_numbers as phones_before, c.street_addresses as addresses_before,
        c.deleted_list_ids,
        r.sms_number is not null and exists (
            select from contact other where other.account_id = (select $1::uuid) and other.sms_number = r.sms_number
            and other.contact_id is distinct from c.contact_id) as number_taken,
        r.sms_number is not null and c.sms_number is not null and c.sms_number <> r.sms_number as number_differs,
        coalesce((c.contact_id is null and r.email_key = any($11::text[]))
            or (c.sms_number is null and r.sms_number = any($11::text[])), false) as suppressed
    from import_row r
    left join """
    + _CONTACT
    + """ on true
    left join lateral (
        select count(*) as on_lists, count(*) filter (where m.list_id = any($4::uuid[])) as on_these
        from list_membership m where m.account_id = (select $1::uuid) and m.contact_id = c.contact_id
    ) l on c.contact_id is not null
    where r.account_id = $1 and r.activity_id = $8 and r.row_number between $9 and $10
        and r.superseded_by is null and r.problem is null
        and r.row_number not in (select unnest($12::integer[]))
),
checked as (
    select matched.*,
        case  -- what a row has too much of by itself was refused when it was read
            when contact_id is not null and jsonb_array_length(phone_numbers) > 3 then 'more than 3 phone numbers'
            when contact_id is not null and jsonb_array_length(street_addresses) > 3 then 'more than 3 street addresses'
            when contact_id is not null and (select count(*) from jsonb_object_keys(custom_fields)) > 25
                then 'more than 25 custom fields'
            when on_lists - on_these + cardinality($4::uuid[]) > 50 and permission is distinct from 'unsubscribed'
                and not suppressed then 'on more than 50 lists'
        end as refused,
        coalesce(coalesce(permission, case when new_email is null then sms_permission end) = 'unsubscribed', false)
            or suppressed or opted_out as held,
        differs or phone_numbers is distinct from phones_before or street_addresses is distinct from addresses_before
            as new_values
    from matched
),
claimed as (  -- a number goes to one contact: who has it, or else the first row that may get it, one with an address first
    select checked.*,
        case when may_get then first_value(line_number) over claims end as given_to_line,
        may_get and row_number() over claims > 1 as number_gone
    from (
        select checked.*, new_sms_number is not null and sms_number is null and not number_taken
            and refused is null and not suppressed as may_get
        from checked
    ) checked
    window claims as (partition by new_sms_number, may_get order by new_email_key is null, row_number)
),
followed as (
    select claimed.*,
        case
            when number_taken or (number_gone and new_email_key is not null)
                then 'the SMS number belongs to another contact'
            when number_differs then 'the contact has another SMS number'
        end as number_problem,
        coalesce(case when number_gone and new_email_key is null then given_to_line end, """
)

FOLLOWED: LiteralString = """
        lead(line_number) over (
            partition by coalesce(contact_id, new_id), refused is null order by row_number)"""
"""The line that supersedes a row: if one row names a contact by address and another by number, the last one counts."""

_PAIRS: LiteralString = ", ".join(
    "'"
    + name
    + "', case when c."
    + name
    + " is distinct from incoming."
    + name
    + " then jsonb_build_array(c."
    + name
    + ", incoming."
    + name
    + ") end"
    for name, _ in PLAIN
)
"""The columns that differ, with their values before and after, for undo."""

CHANGED: LiteralString = (
    """) as superseded_by
    from claimed
),
incoming as materialized (
    select followed.*,
        case
            when refused is not null then 'r'
            when superseded_by is not null then 'n'
            when held then 'h'
            when contact_id is null then 'c'
            when new_values or given_number is not null or deleted_at is not null
                or on_these < cardinality($4::uuid[]) then 'u'
            else 'n'
        end as outcome
    from (
        select followed.*,
            case when number_problem is null and sms_number is null then new_sms_number end as given_number,
            case when number_problem is null and sms_number is null then new_sms_channel end as given_channel
        from followed
    ) followed
),
unlocked as materialized (  -- contacts that are not locked: then nothing is written
    select contact_id from incoming
    where contact_id is not null and contact_id not in (select unnest($15::uuid[])) limit 1
),
changed as materialized (
    select
        coalesce(contact_id, new_id) as contact_id, coalesce(created_at, $2::timestamptz) as created_at,
        $2::timestamptz as updated_at,
        case when outcome = 'h' then deleted_at end as deleted_at,
        case when outcome = 'h' then deleted_list_ids end as deleted_list_ids,
        coalesce(create_source, 'Account') as create_source,
        case when contact_id is not null then 'Account' end as update_source,
        first_name, last_name, job_title, company_name, birthday_month, birthday_day, anniversary,
        coalesce(email, new_email) as email, coalesce(email_key, new_email_key) as email_key,
        case when coalesce(email, new_email) is not null then coalesce(email_created_at, $2) end as email_created_at,
        case when coalesce(email, new_email) is not null then coalesce(email_updated_at, $2) end as email_updated_at,
        case when coalesce(email, new_email) is not null then coalesce(permission, 'implicit') end as permission,
        case when coalesce(email, new_email) is not null then coalesce(opt_in_source, 'Account') end as opt_in_source,
        case when permission is not null then opt_in_at when new_email is not null then $2 end as opt_in_at,
        opt_out_source, opt_out_at, opt_out_reason, confirmed_at,
        coalesce(sms_number, given_number) as sms_number,
        coalesce(sms_permission, given_channel #>> '{sms_channel_consents,0,sms_consent_permission}') as sms_permission,
        coalesce(sms_channel, given_channel) as sms_channel,
        custom_fields, phone_numbers, street_addresses, notes,
        case when outcome = 'h' then '{}'::uuid[] else $4::uuid[] end as lists_added, '{}'::uuid[] as lists_removed,
        '{}'::uuid[] as tags_added, '{}'::uuid[] as tags_removed,
        'Account' as source,
        case when given_channel is not null then jsonb_build_object(
            'sms_channel_id', given_channel ->> 'sms_channel_id', 'sms_channel_history_id', gen_random_uuid(),
            'consent_type', 'promotional_sms', 'consent_medium_type', 'FI', 'source_sms_number', given_number)
        end as sms_details,
        row_number,
        case when contact_id is not null then (
            select jsonb_strip_nulls(jsonb_build_object('columns', jsonb_build_object("""
    + _PAIRS
    + """,
                'address', case when c.email is null and new_email is not null then jsonb_build_array('{}'::jsonb,
                    jsonb_build_object('email', new_email, 'email_key', new_email_key, 'email_created_at', $2,
                        'email_updated_at', $2, 'permission', 'implicit', 'opt_in_source', 'Account', 'opt_in_at', $2))
                end,
                'sms', case when given_number is not null then jsonb_build_array('{}'::jsonb,
                    jsonb_build_object('sms_number', given_number, 'sms_channel', given_channel, 'sms_permission',
                        given_channel #>> '{sms_channel_consents,0,sms_consent_permission}'))
                end,
                'deletion', case when c.deleted_at is not null and outcome = 'u' then jsonb_build_array(
                    jsonb_build_object('deleted_at', c.deleted_at, 'deleted_list_ids', c.deleted_list_ids), '{}'::jsonb)
                end),
                'fields', (
                    select jsonb_object_agg(key, jsonb_build_array(c.custom_fields -> key, value))
                    from jsonb_each(incoming.custom_fields) where c.custom_fields -> key is distinct from value),
                'joined', case when outcome = 'u' then nullif(array(
                    select unnest($4::uuid[]) except select m.list_id from list_membership m
                    where m.account_id = $1 and m.contact_id = c.contact_id), '{}') end))
            from contact c where c.account_id = $1 and c.contact_id = incoming.contact_id)
        end as image
    from incoming
    where (outcome in ('c', 'u') or (outcome = 'h' and (new_values or given_number is not null) and not suppressed))
        and not exists (select from unlocked)
),"""
)


REPORTED: LiteralString = (
    """,
reported as (
    insert into import_report (account_id, activity_id, row_number, reason, email, keys)
    select $1, $8, row_number,
        case
            when refused is not null then refused
            when superseded_by is not null then 'superseded by line ' || superseded_by
            when outcome <> 'h' then number_problem
            when not k.known then 'the address is suppressed: its person was erased'
            when suppressed then 'the address is suppressed: its person unsubscribed'
            when permission is distinct from 'unsubscribed' and opted_out
                then 'the file says that the contact has unsubscribed'
            else 'the contact has unsubscribed' end,
        case when k.known then coalesce(new_email, new_sms_number) end,
        case when k.known then k.keys else '{}' end
    from incoming cross join lateral (
        select keys, not keys && $16::text[] as known
        from (select array_remove(array[new_email_key, new_sms_number], null) as keys) k offset 0
    ) k
    where (outcome in ('r', 'h') or superseded_by is not null or number_problem is not null)
        and not exists (select from unlocked)
),
outcomes_stored as ("""
    + _outcomes_stored(
        """select row_number, line_number, outcome,
            case when outcome <> 'r' then coalesce(contact_id, case outcome when 'c' then new_id end) end as contact_id
        from incoming
        union all
        select row_number, line_number, 'n', contact_id
        from unnest($12::integer[], $13::integer[], $14::uuid[]) unchanged (row_number, line_number, contact_id)""",
        "$8",
        "$9",
        "$10",
    )
    + """ and not exists (select from unlocked)
)
select outcome, count(*) as number, exists (select from unlocked) as has_unlocked,
    (select array_agg('Line ' || line_number || ': ' || coalesce(refused, number_problem) order by row_number)
        from incoming where coalesce(refused, number_problem) is not null) as errors
from incoming group by outcome
"""
)
