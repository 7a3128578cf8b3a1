"""Merge a chunk of an import's rows into the contacts, and say what became of each. V3 contract 6.3.

An existing contact changes only in what its row holds; its permission never changes. A deleted one comes
back. One that unsubscribed is updated but put on no list and not brought back: its row is held back, and so
is a row that brings a suppressed address or number, which writes nothing. Nor does a row that changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from everlist.core import suppression
from everlist.core.contacts.apply import CONSEQUENCES
from everlist.core.ids import NO_ID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from everlist.core.contacts.model import Act
    from everlist.db import Transaction

OUTCOMES = {"c": "created", "u": "updated", "n": "unchanged", "h": "held_back", "r": "rejected"}

_LOCK: LiteralString = """
select c.contact_id from contact c
where c.account_id = $1 and (
    c.email_key in (
        select r.email_key from import_row r where r.account_id = $1 and r.activity_id = $2
        and r.row_number between $3 and $4 and r.superseded_by is null and r.problem is null)
    or c.sms_number in (
        select r.sms_number from import_row r where r.account_id = $1 and r.activity_id = $2
        and r.row_number between $3 and $4 and r.superseded_by is null and r.problem is null))
order by c.contact_id for no key update
"""

_PHONES: LiteralString = """
case
    when r.phone_numbers is null then c.phone_numbers
    when c.phone_numbers = '[]' then r.phone_numbers
    when c.phone_numbers @> (
        select jsonb_agg(i - '{phone_number_id,created_at,updated_at,create_source}'::text[])
        from jsonb_array_elements(r.phone_numbers) i) then c.phone_numbers
    else (
        select jsonb_agg(item order by position)
        from (
            select e.item, e.position
            from jsonb_array_elements(c.phone_numbers) with ordinality e(item, position)
            where not exists (  -- a number that takes this one's place
                select from jsonb_array_elements(r.phone_numbers) i
                where i ->> 'kind' = e.item ->> 'kind' and not exists (
                    select from jsonb_array_elements(c.phone_numbers) s
                    where s ->> 'kind' = i ->> 'kind' and s ->> 'phone_number' = i ->> 'phone_number'))
            union all
            select i.item, 100 + i.position
            from jsonb_array_elements(r.phone_numbers) with ordinality i(item, position)
            where not exists (
                select from jsonb_array_elements(c.phone_numbers) s
                where s ->> 'kind' = i.item ->> 'kind' and s ->> 'phone_number' = i.item ->> 'phone_number')
        ) merged)
end"""

_ADDRESSES: LiteralString = """
case
    when r.street_addresses is null then c.street_addresses
    when c.street_addresses = '[]' then r.street_addresses
    when c.street_addresses @> (
        select jsonb_agg(i - '{street_address_id,created_at,updated_at}'::text[])
        from jsonb_array_elements(r.street_addresses) i) then c.street_addresses
    else (
        select jsonb_agg(item order by position)
        from (
            select
                case
                    when i.item is null then e.item
                    when e.item @> (i.item - '{street_address_id,created_at,updated_at}'::text[]) then e.item
                    else e.item || (i.item - '{street_address_id,created_at}'::text[])
                end as item,
                e.position
            from jsonb_array_elements(c.street_addresses) with ordinality e(item, position)
            left join jsonb_array_elements(r.street_addresses) i(item) on i.item ->> 'kind' = e.item ->> 'kind'
            union all
            select i.item, 100 + i.position
            from jsonb_array_elements(r.street_addresses) with ordinality i(item, position)
            where not exists (
                select from jsonb_array_elements(c.street_addresses) s where s ->> 'kind' = i.item ->> 'kind')
        ) merged)
end"""

# $4: list ids, $9: first row, $10: last row, $11: suppressed address keys
_INCOMING: LiteralString = (
    """
with matched as materialized (  -- each row that counts, beside the contact that it is about
    select r.row_number, r.line_number, r.contact_id as new_id, r.email as new_email, r.email_key as new_email_key,
        r.sms_number as new_sms_number, r.sms_channel as new_sms_channel,
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
        coalesce(coalesce(c.custom_fields, '{}') || r.custom_fields, c.custom_fields, '{}') as custom_fields,
        coalesce(case when c.contact_id is null then r.phone_numbers else """
    + _PHONES
    + """ end, '[]') as phone_numbers,
        coalesce(case when c.contact_id is null then r.street_addresses else """
    + _ADDRESSES
    + """ end, '[]') as street_addresses,
        coalesce(c.notes, '[]') as notes,
        c.contact_id is not null and (
            r.first_name <> coalesce(c.first_name, '') or r.last_name <> coalesce(c.last_name, '')
            or r.job_title <> coalesce(c.job_title, '') or r.company_name <> coalesce(c.company_name, '')
            or r.birthday_month <> coalesce(c.birthday_month, 0) or r.birthday_day <> coalesce(c.birthday_day, 0)
            or r.anniversary <> coalesce(c.anniversary, '-infinity')
            or not c.custom_fields @> r.custom_fields
            or (r.email is not null and c.email is null)
            or (r.sms_number is not null and c.sms_number is null)
        ) is true as differs,
        coalesce(l.on_these, 0) as on_these, coalesce(l.on_lists, 0) as on_lists,
        c.phone_numbers as phones_before, c.street_addresses as addresses_before,
        c.custom_fields as fields_before, c.deleted_list_ids,
        r.sms_number is not null and exists (
            select from contact other where other.account_id = $1 and other.sms_number = r.sms_number
            and other.contact_id is distinct from c.contact_id) as number_taken,
        r.sms_number is not null and c.sms_number is not null and c.sms_number <> r.sms_number as number_differs,
        coalesce((c.contact_id is null and r.email_key = any($11::text[]))
            or (c.sms_number is null and r.sms_number = any($11::text[])), false) as suppressed
    from import_row r
    left join lateral (
        select e.* from contact e where e.account_id = $1 and e.email_key = r.email_key
        union all
        select s.* from contact s where r.email_key is null and s.account_id = $1 and s.sms_number = r.sms_number
    ) c on true
    left join lateral (
        select count(*) as on_lists, count(*) filter (where m.list_id = any($4::uuid[])) as on_these
        from list_membership m where m.account_id = $1 and m.contact_id = c.contact_id
    ) l on c.contact_id is not null
    where r.account_id = $1 and r.activity_id = $8 and r.row_number between $9 and $10
        and r.superseded_by is null and r.problem is null
),
judged as (
    select matched.*,
        case
            when jsonb_array_length(phone_numbers) > 3 then 'more than 3 phone numbers'
            when jsonb_array_length(street_addresses) > 3 then 'more than 3 street addresses'
            when (select count(*) from jsonb_object_keys(custom_fields)) > 25 then 'more than 25 custom fields'
            when on_lists - on_these + cardinality($4::uuid[]) > 50 then 'on more than 50 lists'
            when number_taken then 'the SMS number belongs to another contact'
            when number_differs then 'the contact has another SMS number'
        end as refused,
        coalesce(permission = 'unsubscribed', false) or suppressed as held,
        differs or phone_numbers is distinct from phones_before or street_addresses is distinct from addresses_before
            as new_values
    from matched
),
followed as (  -- one row may name a contact by its address and another by its number: the last counts
    select judged.*,
        lead(line_number) over (
            partition by coalesce(contact_id, new_id), refused is null order by row_number) as superseded_by
    from judged
),
incoming as materialized (
    select followed.*,
        case
            when refused is not null then 'r'
            when superseded_by is not null then 'n'
            when held then 'h'
            when contact_id is null then 'c'
            when new_values or deleted_at is not null or on_these < cardinality($4::uuid[]) then 'u'
            else 'n'
        end as outcome
    from followed
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
        coalesce(sms_number, new_sms_number) as sms_number,
        coalesce(sms_permission, new_sms_channel #>> '{sms_channel_consents,0,sms_consent_permission}') as sms_permission,
        coalesce(sms_channel, new_sms_channel) as sms_channel,
        custom_fields, phone_numbers, street_addresses, notes,
        case when outcome = 'h' then '{}'::uuid[] else $4::uuid[] end as lists_added, '{}'::uuid[] as lists_removed,
        '{}'::uuid[] as tags_added, '{}'::uuid[] as tags_removed,
        'Account' as source,
        case when new_sms_channel is not null and sms_channel is null then jsonb_build_object(
            'sms_channel_id', new_sms_channel ->> 'sms_channel_id', 'sms_channel_history_id', gen_random_uuid(),
            'consent_type', 'promotional_sms', 'consent_medium_type', 'FI', 'source_sms_number', new_sms_number)
        end as sms_details,
        row_number,
        case when contact_id is not null then (
            select to_jsonb(c) - '{account_id,sequence_id}'::text[] from contact c
            where c.account_id = $1 and c.contact_id = incoming.contact_id)
            || jsonb_build_object('joined', array(
                select unnest($4::uuid[]) except select m.list_id from list_membership m
                where m.account_id = $1 and m.contact_id = incoming.contact_id))
        end as image
    from incoming
    where outcome in ('c', 'u') or (outcome = 'h' and new_values and not suppressed)
),"""
)

_REPORTED: LiteralString = """,
reported as (
    insert into import_report (account_id, activity_id, row_number, reason, email)
    select $1, $8, row_number,
        coalesce(refused, 'superseded by line ' || superseded_by, case
            when suppressed then 'the address is suppressed: its person unsubscribed'
            else 'the contact has unsubscribed' end),
        coalesce(new_email, new_sms_number)
    from incoming where outcome in ('r', 'h') or superseded_by is not null
),
noted as (
    insert into import_outcome (account_id, activity_id, first_row, outcomes, line_numbers, contact_ids)
    select $1, $8, $9,
        string_agg(coalesce(i.outcome, case when r.problem is not null then 'r' else 'n' end), '' order by r.row_number),
        array_agg(r.line_number order by r.row_number),
        array_agg(case when i.outcome <> 'r' then coalesce(i.contact_id, case i.outcome when 'c' then i.new_id end) end
            order by r.row_number)
    from import_row r left join incoming i on i.row_number = r.row_number
    where r.account_id = $1 and r.activity_id = $8 and r.row_number between $9 and $10
    having count(*) > 0
)
select outcome, count(*) as number from incoming group by outcome
"""


async def merge(
    tx: Transaction, account_id: UUID, list_ids: Sequence[UUID], *, first: int, last: int, act: Act
) -> dict[str, int]:
    """Merge the rows `first` to `last` of the activity of `act`; how many rows had which outcome.

    Rows that were rejected or superseded before are in the outcomes that are stored, not in the answer.
    """
    await tx.rows(_LOCK, account_id, act.activity_id, first, last)
    suppressed = await _suppressed(tx, account_id, first, last, act)
    rows = await tx.rows(
        _INCOMING + CONSEQUENCES + _REPORTED,
        account_id,
        act.now,
        NO_ID,
        list(list_ids),
        act.operation,
        act.request_id,
        act.token_id,
        act.activity_id,
        first,
        last,
        suppressed,
    )
    return {OUTCOMES[row["outcome"]]: row["number"] for row in rows}


async def _suppressed(tx: Transaction, account_id: UUID, first: int, last: int, act: Act) -> list[str]:
    """The addresses and numbers of these rows whose persons unsubscribed on a contact that no longer holds them."""
    if not await tx.value("select exists (select from suppression where account_id = $1)", account_id):
        return []
    rows = await tx.rows(
        "select email_key, sms_number from import_row where account_id = $1 and activity_id = $2"
        " and row_number between $3 and $4 and superseded_by is null and problem is null",
        account_id,
        act.activity_id,
        first,
        last,
    )
    found: list[str] = []
    for channel, column in ((suppression.EMAIL, "email_key"), (suppression.SMS, "sms_number")):
        by_hash = {
            suppression.address_hmac(act.hash_key, account_id, channel, row[column]): row[column]
            for row in rows
            if row[column] is not None
        }
        hits = await tx.rows(
            "select address_hmac from suppression where account_id = $1 and channel = $2 and address_hmac = any($3)",
            account_id,
            channel,
            list(by_hash),
        )
        found += [by_hash[row["address_hmac"]] for row in hits]
    return found
