"""The statements that merge a chunk of an import's rows, in the order in which merge.py sends them.

STAGE works out, once for each row, what it becomes, into import_change; the columns of that table are explained in
the migration that makes it. Every later statement reads from there which rows it is about, and from import_row what
they say. A statement writes one table, and reads none that another part of it writes.

In all of them $1 is the account, $2 the activity, $3 the first row of the chunk and $4 its last; `c` is a contact, `r`
its row of import_row, `n` what becomes of it.

Where contacts and memberships are joined, the account is `(select $1::uuid)`, which the planner does not look into. Of
$1 it would find, where the account is newer than the statistics, that it is empty, and would read all of its contacts
for each row, by any index of account_id.
"""

from __future__ import annotations

from typing import LiteralString

from everlist.core.contacts.columns import PROPERTIES, names
from everlist.core.imports.subresources import HAS_ADDRESSES, HAS_PHONES, made, merged

_DIFFERS: LiteralString = """(
            r.first_name <> coalesce(c.first_name, '') or r.last_name <> coalesce(c.last_name, '')
            or r.job_title <> coalesce(c.job_title, '') or r.company_name <> coalesce(c.company_name, '')
            or r.birthday_month <> coalesce(c.birthday_month, 0) or r.birthday_day <> coalesce(c.birthday_day, 0)
            or r.anniversary <> coalesce(c.anniversary, '-infinity')
            or c.custom_fields || (r.custom_fields - $6::text[]) <> c.custom_fields
        ) is true"""
"""True if the row has another value than its contact. $6 custom fields that no longer exist."""

COMPARE: LiteralString = (
    """
with compared as materialized (
    select r.row_number, c.contact_id, r.email_key is null as by_number, (
        c.contact_id is not null and c.deleted_at is null
        and coalesce(c.permission, c.sms_permission) is distinct from 'unsubscribed'
        and not r.opted_out and not """
    + _DIFFERS
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
            where m.account_id = (select $1::uuid) and m.contact_id = c.contact_id and m.list_id = any($5::uuid[])
        ) = cardinality($5::uuid[])) is true as same
    from import_row r
    left join lateral (
        select e.* from contact e where e.account_id = (select $1::uuid) and e.email_key = r.email_key
        union all
        select s.* from contact s
        where r.email_key is null and s.account_id = (select $1::uuid) and s.sms_number = r.sms_number
    ) c on true
    where r.account_id = $1 and r.activity_id = $2 and r.row_number between $3 and $4
        and r.superseded_by is null and r.problem is null
)
select
    coalesce(array_agg(row_number) filter (where same), '{}') as rows,
    coalesce(array_agg(contact_id) filter (where same), '{}') as unchanged,
    coalesce(array_agg(contact_id) filter (where not same and contact_id is not null), '{}') as others,
    count(*) filter (where same) = count(*) as all_unchanged,
    coalesce(bool_or(by_number and contact_id is not null), false) as by_number
from compared
"""
)
"""Find the rows that change nothing, and the contacts of the others. $5 list ids, $6 custom fields that no longer exist."""


def _stage(match: LiteralString, rows: LiteralString) -> LiteralString:
    """Return the INSERT for `rows`, whose contacts are those that `match`."""
    phones, addresses = merged("$10::jsonb")
    return (
        """
insert into import_change (
    account_id, activity_id, row_number, contact_id, existed, refused, number_problem, held_back, suppressed,
    new_values, gets_number, was_live, had_number, permission, first_this_month, phone_numbers, street_addresses,
    lists_joined, lists_kept, tags_kept)
select account_id, activity_id, row_number, contact_id, existed,
    case  -- what a row has too much of by itself was refused when it was read
        when jsonb_array_length(phone_numbers) > $11::int then 'more than ' || $11::int || ' phone numbers'
        when jsonb_array_length(street_addresses) > $12::int then 'more than ' || $12::int || ' street addresses'
        when (select count(*) from jsonb_object_keys(merged_fields)) > $13::int
            then 'more than ' || $13::int || ' custom fields'
        when on_lists + cardinality($5::uuid[]) > $14::int and on_lists + cardinality(lists_missing) > $14::int
            and not unsubscribed and not suppressed then 'on more than ' || $14::int || ' lists'
    end,
    number_problem, held_back or suppressed, suppressed,
    not existed or differs or phone_numbers is not null or street_addresses is not null,
    row_number_given and not had_number and number_problem is null,
    was_live, had_number, permission, first_this_month, phone_numbers, street_addresses,
    case when held_back or suppressed then '{}' else lists_missing end, lists_kept, tags_kept
from (
    select r.account_id, r.activity_id, r.row_number, coalesce(c.contact_id, r.contact_id) as contact_id,
        c.contact_id is not null as existed,
        """
        + _DIFFERS
        + """ as differs,
        case when c.contact_id is not null then c.custom_fields || (r.custom_fields - $6::text[]) end as merged_fields,
        """
        + phones
        + """ as phone_numbers,
        """
        + addresses
        + """ as street_addresses,
        c.permission is not distinct from 'unsubscribed' as unsubscribed,
        coalesce(c.permission, case when r.email_key is null then c.sms_permission end)
            is not distinct from 'unsubscribed' or r.opted_out as held_back,
        coalesce((c.contact_id is null and r.email_key = any($8::text[]))
            or (c.sms_number is null and r.sms_number = any($8::text[])), false) as suppressed,
        r.sms_number is not null as row_number_given, c.sms_number is not null as had_number,
        case
            when r.sms_number is null then null
            when exists (
                select from contact other
                where other.account_id = (select $1::uuid) and other.sms_number = r.sms_number
                    and other.contact_id is distinct from c.contact_id)
                then 'the SMS number belongs to another contact'
            when c.sms_number <> r.sms_number then 'the contact has another SMS number'
        end as number_problem,
        c.contact_id is not null and c.deleted_at is null as was_live,
        case when c.contact_id is not null then c.permission when r.email_key is not null then 'implicit' end
            as permission,
        (c.contact_id is null or c.deleted_at is not null) and coalesce(c.last_active_at < $9::timestamptz, true)
            as first_this_month,
        coalesce(cardinality(l.list_ids), 0) as on_lists,
        case
            when l.list_ids is null then $5::uuid[]
            when l.list_ids @> $5::uuid[] then '{}'
            else array(select id from unnest($5::uuid[]) id where id <> all(l.list_ids))
        end as lists_missing,
        case when c.deleted_at is not null or r.sms_number is not null and c.sms_number is null
            then coalesce(l.list_ids, '{}') else '{}' end as lists_kept,
        case when c.deleted_at is not null then array(
            select t.tag_id from tagging t
            where t.account_id = (select $1::uuid) and t.contact_id = c.contact_id order by t.tag_id)
            else '{}' end as tags_kept
    from import_row r
    left join lateral (  -- limit 1: look for each by its key, and never read all contacts of the account
        select c.* from contact c where c.account_id = (select $1::uuid) and """
        + match
        + """ limit 1
    ) c on true
    left join lateral (
        select array_agg(m.list_id order by m.list_id) as list_ids from list_membership m
        where m.account_id = (select $1::uuid) and m.contact_id = c.contact_id
    ) l on c.contact_id is not null
    where r.account_id = $1 and r.activity_id = $2 and r.row_number between $3 and $4
        and r.superseded_by is null and r.problem is null and r.row_number <> all($7::int[]) and """
        + rows
        + """
    offset 0  -- so that what is named here is worked out once
) matched
"""
    )


STAGE: LiteralString = _stage("c.email_key = r.email_key", "r.email_key is not null")
"""Work out what becomes of each row with an address. $5 list ids, $6 custom fields that no longer exist, $7 rows that
change nothing, $8 suppressed addresses and numbers, $9 when the month began, $10 times of what is new, $11 to $14 how
many phone numbers, street addresses, custom fields and lists a contact may have."""

STAGE_BY_NUMBER: LiteralString = _stage("c.sms_number = r.sms_number", "r.email_key is null")
"""The same for the rows without an address, which are about the contact with their number."""

GIVE_NUMBERS_ONCE: LiteralString = """
update import_change n set
    gets_number = false,
    number_problem = case when claim.email_key is not null then 'the SMS number belongs to another contact' end,
    superseded_by = case when claim.email_key is null then claim.given_to_line end
from (
    select r.row_number, r.email_key, first_value(r.line_number) over claims as given_to_line,
        row_number() over claims as place
    from import_change n
    join import_row r on r.account_id = n.account_id and r.activity_id = n.activity_id and r.row_number = n.row_number
    where n.account_id = $1 and n.activity_id = $2 and n.row_number between $3 and $4
        and n.gets_number and n.refused is null and not n.suppressed
    window claims as (partition by r.sms_number order by r.email_key is null, r.row_number)
) claim
where n.account_id = $1 and n.activity_id = $2 and n.row_number = claim.row_number and claim.place > 1
"""
"""Give a number that several rows claim to the first of them, one with an address before one without."""

SUPERSEDE: LiteralString = """
update import_change n set superseded_by = following.line_number
from (
    select n.row_number, lead(r.line_number) over (partition by n.contact_id order by n.row_number) as line_number
    from import_change n
    join import_row r on r.account_id = n.account_id and r.activity_id = n.activity_id and r.row_number = n.row_number
    where n.account_id = $1 and n.activity_id = $2 and n.row_number between $3 and $4
        and n.existed and n.refused is null
) following
where n.account_id = $1 and n.activity_id = $2 and n.row_number = following.row_number
    and following.line_number is not null
"""
"""One row may name a contact by its address and another by its number: the last counts."""

STATES: LiteralString = """
select n.outcome, n.writes, n.existed, n.was_live, n.permission, n.had_number, n.gets_number, n.first_this_month,
    n.lists_joined, n.lists_kept, n.tags_kept, count(*) as number,
    count(*) filter (where coalesce(n.refused, n.number_problem) is not null) as problems,
    count(*) filter (where n.superseded_by is not null) as superseded,
    count(*) filter (where n.existed and n.contact_id <> all($5::uuid[])) as unlocked
from import_change n
where n.account_id = $1 and n.activity_id = $2 and n.row_number between $3 and $4
group by n.outcome, n.writes, n.existed, n.was_live, n.permission, n.had_number, n.gets_number, n.first_this_month,
    n.lists_joined, n.lists_kept, n.tags_kept
"""
"""Read how many rows become what, alike in all that follows from it. $5 the contacts that are locked."""

START_AGAIN: LiteralString = """
delete from import_change where account_id = $1 and activity_id = $2 and row_number between $3 and $4
"""

_PAIRS: LiteralString = ", ".join(
    "'"
    + name
    + "', case when r."
    + name
    + " is distinct from c."
    + name
    + " and r."
    + name
    + " is not null then jsonb_build_array(c."
    + name
    + ", r."
    + name
    + ") end"
    for name, _ in PROPERTIES
)

KEEP_BEFORE: LiteralString = (
    """
insert into before_image (account_id, activity_id, created, changed, made_at, addresses)
select $1, $2,
    coalesce((
        select array_agg(n.contact_id) from import_change n
        where n.account_id = $1 and n.activity_id = $2 and n.row_number between $3 and $4
            and n.writes and not n.existed), '{}'),
    coalesce((
        select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
            'contact_id', c.contact_id,
            'columns', jsonb_build_object("""
    + _PAIRS
    + """,
                'phone_numbers', case when n.phone_numbers is not null
                    then jsonb_build_array(c.phone_numbers, n.phone_numbers) end,
                'street_addresses', case when n.street_addresses is not null
                    then jsonb_build_array(c.street_addresses, n.street_addresses) end,
                'sms', case when n.gets_number then jsonb_build_array('{}'::jsonb, jsonb_build_object(
                    'sms_number', r.sms_number, 'sms_channel', r.sms_channel,
                    'sms_permission', r.sms_channel #>> '{sms_channel_consents,0,sms_consent_permission}')) end,
                'deletion', case when c.deleted_at is not null and not n.held_back then jsonb_build_array(
                    jsonb_build_object('deleted_at', c.deleted_at, 'deleted_list_ids', c.deleted_list_ids),
                    '{}'::jsonb) end),
            'fields', (
                select jsonb_object_agg(key, jsonb_build_array(c.custom_fields -> key, value))
                from jsonb_each(r.custom_fields - $5::text[]) where c.custom_fields -> key is distinct from value),
            'joined', nullif(n.lists_joined, '{}'))))
        from import_change n
        join import_row r
            on r.account_id = n.account_id and r.activity_id = n.activity_id and r.row_number = n.row_number
        join contact c on c.account_id = (select $1::uuid) and c.contact_id = n.contact_id
        where n.account_id = $1 and n.activity_id = $2 and n.row_number between $3 and $4
            and n.writes and n.existed), '[]'),
    $6::timestamptz, $7::boolean
"""
)
"""Keep what undo needs: the contacts that are made, and of each that changes, what it was and becomes.

$5 custom fields that no longer exist, $6 now, $7 whether one that existed gets a number."""


def _create_contacts() -> LiteralString:
    phones, addresses = made("$7::jsonb")
    return (
        """
insert into contact (
    account_id, contact_id, created_at, updated_at, create_source, """
        + names(PROPERTIES)
        + """,
    email, email_key, email_created_at, email_updated_at, permission, opt_in_source, opt_in_at,
    sms_number, sms_permission, sms_channel, custom_fields, phone_numbers, street_addresses)
select n.account_id, n.contact_id, $5::timestamptz, $5::timestamptz, 'Account', """
        + names(PROPERTIES, "r.")
        + """,
    r.email, r.email_key, case when r.email is not null then $5::timestamptz end,
    case when r.email is not null then $5::timestamptz end, n.permission,
    case when r.email is not null then 'Account' end, case when r.email is not null then $5::timestamptz end,
    case when n.gets_number then r.sms_number end,
    case when n.gets_number then r.sms_channel #>> '{sms_channel_consents,0,sms_consent_permission}' end,
    case when n.gets_number then r.sms_channel end,
    coalesce(r.custom_fields - $6::text[], '{}'),
    coalesce("""
        + phones
        + """, '[]'),
    coalesce("""
        + addresses
        + """, '[]')
from import_change n
join import_row r on r.account_id = n.account_id and r.activity_id = n.activity_id and r.row_number = n.row_number
where n.account_id = $1 and n.activity_id = $2 and n.row_number between $3 and $4 and n.writes and not n.existed
order by n.row_number
"""
    )


CREATE_CONTACTS: LiteralString = _create_contacts()
"""$5 now, $6 custom fields that no longer exist, $7 times of what is new."""

CHANGE_CONTACTS: LiteralString = (
    """
update contact c set
    updated_at = $5::timestamptz, update_source = 'Account',
    deleted_at = case when n.held_back then c.deleted_at end,
    deleted_list_ids = case when n.held_back then c.deleted_list_ids end,
    """
    + ", ".join(name + " = coalesce(r." + name + ", c." + name + ")" for name, _ in PROPERTIES)
    + """,
    sms_number = case when n.gets_number then r.sms_number else c.sms_number end,
    sms_permission = case when n.gets_number
        then r.sms_channel #>> '{sms_channel_consents,0,sms_consent_permission}' else c.sms_permission end,
    sms_channel = case when n.gets_number then r.sms_channel else c.sms_channel end,
    custom_fields = coalesce(c.custom_fields || (r.custom_fields - $6::text[]), c.custom_fields),
    phone_numbers = coalesce(n.phone_numbers, c.phone_numbers),
    street_addresses = coalesce(n.street_addresses, c.street_addresses)
from import_change n
join import_row r on r.account_id = n.account_id and r.activity_id = n.activity_id and r.row_number = n.row_number
where n.account_id = $1 and n.activity_id = $2 and n.row_number between $3 and $4 and n.writes and n.existed
    and c.account_id = (select $1::uuid) and c.contact_id = n.contact_id
"""
)
"""$5 now, $6 custom fields that no longer exist."""

JOIN_LISTS: LiteralString = """
insert into list_membership (account_id, contact_id, list_id, created_at)
select n.account_id, n.contact_id, joined.list_id, $5::timestamptz
from import_change n cross join lateral unnest(n.lists_joined) joined (list_id)
where n.account_id = $1 and n.activity_id = $2 and n.row_number between $3 and $4 and n.writes
"""
"""$5 now."""

RECORD_CREATED: LiteralString = """
insert into consent_event (
    account_id, contact_id, at, channel, action, permission_after, source,
    operation, request_id, token_id, activity_id, row_number)
select n.account_id, n.contact_id, $5::timestamptz, 'email', 'created', n.permission, 'Account',
    $6::text, $7::text, $8::uuid, n.activity_id, n.row_number
from import_change n
where n.account_id = $1 and n.activity_id = $2 and n.row_number between $3 and $4
    and n.writes and not n.existed and n.permission is not null
"""
"""Write the ledger of new addresses. $5 now, $6 operation, $7 request id, $8 token id."""

RECORD_RESTORED: LiteralString = """
insert into consent_event (
    account_id, contact_id, at, channel, action, permission_before, permission_after, source,
    operation, request_id, token_id, activity_id, row_number)
select n.account_id, n.contact_id, $5::timestamptz, 'email', 'restored', n.permission, n.permission, 'Account',
    $6::text, $7::text, $8::uuid, n.activity_id, n.row_number
from import_change n
where n.account_id = $1 and n.activity_id = $2 and n.row_number between $3 and $4
    and n.writes and n.existed and not n.was_live and not n.held_back
"""
"""Write the ledger of contacts that come back; none of them has opted out, else it would be held back.

$5 now, $6 operation, $7 request id, $8 token id."""

RECORD_NUMBERS: LiteralString = """
insert into consent_event (
    account_id, contact_id, at, channel, action, permission_after, source, details,
    operation, request_id, token_id, activity_id, row_number)
select n.account_id, n.contact_id, $5::timestamptz, 'sms', 'created',
    r.sms_channel #>> '{sms_channel_consents,0,sms_consent_permission}', 'Account',
    jsonb_build_object(
        'sms_channel_id', r.sms_channel ->> 'sms_channel_id', 'sms_channel_history_id', gen_random_uuid(),
        'consent_type', 'promotional_sms', 'consent_medium_type', 'FI', 'source_sms_number', r.sms_number),
    $6::text, $7::text, $8::uuid, n.activity_id, n.row_number
from import_change n
join import_row r on r.account_id = n.account_id and r.activity_id = n.activity_id and r.row_number = n.row_number
where n.account_id = $1 and n.activity_id = $2 and n.row_number between $3 and $4 and n.writes and n.gets_number
"""
"""Write the ledger of new SMS numbers. $5 now, $6 operation, $7 request id, $8 token id."""

REPORT: LiteralString = """
insert into import_report (account_id, activity_id, row_number, reason, email, keys)
select account_id, activity_id, row_number,
    case
        when refused is not null then refused
        when superseded_by is not null then 'superseded by line ' || superseded_by
        when outcome <> 'h' then number_problem
        when keys && $5::text[] then 'the address is suppressed: its person was erased'
        when suppressed then 'the address is suppressed: its person unsubscribed'
        when permission is distinct from 'unsubscribed' and opted_out
            then 'the file says that the contact has unsubscribed'
        else 'the contact has unsubscribed'
    end,
    case when not keys && $5::text[] then shown end, case when keys && $5::text[] then '{}' else keys end
from (
    select n.account_id, n.activity_id, n.row_number, n.refused, n.superseded_by, n.outcome, n.number_problem,
        n.suppressed, n.permission, r.opted_out, coalesce(r.email, r.sms_number) as shown,
        array_remove(array[r.email_key, r.sms_number], null) as keys
    from import_change n
    join import_row r on r.account_id = n.account_id and r.activity_id = n.activity_id and r.row_number = n.row_number
    where n.account_id = $1 and n.activity_id = $2 and n.row_number between $3 and $4
        and (n.outcome in ('r', 'h') or n.superseded_by is not null or n.number_problem is not null)
) reported
"""
"""Say why rows were refused, held back or superseded, or not given their number. $5 addresses of erased persons."""

PROBLEMS: LiteralString = """
select 'Line ' || r.line_number || ': ' || coalesce(n.refused, n.number_problem) as error
from import_change n
join import_row r on r.account_id = n.account_id and r.activity_id = n.activity_id and r.row_number = n.row_number
where n.account_id = $1 and n.activity_id = $2 and n.row_number between $3 and $4
    and coalesce(n.refused, n.number_problem) is not null
order by n.row_number
"""

KEEP_OUTCOMES: LiteralString = """
insert into import_outcome (account_id, activity_id, first_row, outcomes, line_numbers, contact_ids)
select $1, $2, $3, string_agg(outcome, '' order by row_number), array_agg(line_number order by row_number),
    array_agg(contact_id order by row_number)
from (
    select r.row_number, r.line_number,
        coalesce(n.outcome, case when r.problem is not null then 'r' else 'n' end) as outcome,
        case when n.outcome <> 'r' and (n.existed or n.outcome = 'c') then n.contact_id else u.contact_id end
            as contact_id
    from import_row r
    left join import_change n
        on n.account_id = r.account_id and n.activity_id = r.activity_id and n.row_number = r.row_number
    left join unnest($5::int[], $6::uuid[]) u (row_number, contact_id) on u.row_number = r.row_number
    where r.account_id = $1 and r.activity_id = $2 and r.row_number between $3 and $4
) outcomes
having count(*) > 0
"""
"""Keep the outcome of every row of the chunk. $5 the rows that change nothing, $6 their contacts."""
