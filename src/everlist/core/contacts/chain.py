"""What follows from a change of many contacts, as one chained statement: for undo.

A caller puts a CTE `changed` before it, each row a contact as it will be, and a final statement after it. All
parts of the statement see the rows as they were before it.
"""

from __future__ import annotations

from typing import LiteralString

from everlist.core.contacts.columns import EMAIL, PROPERTIES, SMS, SUBRESOURCES, WRITTEN, assignments, names

_MOVED: LiteralString = """
moved as materialized (  -- what each contact was, and what it becomes
    select
        n.*,
        b.contact_id is not null as existed,
        b.permission as permission_before,
        b.email_key as email_key_before,
        b.opt_out_source as opted_out_by,
        b.sms_permission as sms_permission_before,
        b.sms_number as sms_number_before,
        b.sms_channel #>> '{sms_channel_consents,0,opt_out_source}' as sms_opted_out_by,
        b.last_active_at as last_active_before,
        (b.contact_id is not null and b.deleted_at is null)::int as live_before,
        (n.deleted_at is null)::int as live_after,
        (b.contact_id is not null and b.deleted_at is not null)::int as deleted_before,
        coalesce(b.deleted_at is null and b.permission in ('explicit', 'implicit'), false)::int as active_before,
        coalesce(n.deleted_at is null and n.permission in ('explicit', 'implicit'), false)::int as active_after,
        (b.deleted_at is null and b.sms_number is not null)::int as sms_before,
        (n.deleted_at is null and n.sms_number is not null)::int as sms_after
    from changed n
    left join contact b on b.account_id = $1 and b.contact_id = n.contact_id
),"""

_IMAGED: LiteralString = """
imaged as (
    insert into before_image (account_id, activity_id, created, changed, made_at, addresses)
    select $1, $8, coalesce(array_agg(contact_id) filter (where not existed), '{}'),
        coalesce(jsonb_agg(image || jsonb_build_object('contact_id', contact_id)) filter (where existed), '[]'),
        $2::timestamptz,
        coalesce(bool_or(image -> 'columns' ?| '{address,sms}'), false)
    from moved having count(*) > 0
),"""

_WRITTEN: LiteralString = (
    """
inserted as (
    insert into contact (account_id, """
    + names(WRITTEN)
    + """)
    select $1::uuid, """
    + names(WRITTEN)
    + """
    from moved
    where not existed
),
updated as (
    update contact c set
        updated_at = n.updated_at, deleted_at = n.deleted_at,
        deleted_list_ids = case when n.deleted_at is not null then coalesce(n.deleted_list_ids, c.deleted_list_ids) end,
        update_source = n.update_source, """
    + assignments((*PROPERTIES, *EMAIL))
    + """,
        last_active_at = case when n.active_before > n.active_after then $2::timestamptz else n.last_active_before end, """
    + assignments((*SMS, *SUBRESOURCES))
    + """
    from moved n
    where c.account_id = $1 and c.contact_id = n.contact_id and n.existed
),
left_lists as (
    delete from list_membership m
    using (select contact_id, unnest(lists_removed) as list_id from moved) r
    where m.account_id = $1 and m.contact_id = r.contact_id and m.list_id = r.list_id
    returning m.contact_id, m.list_id
),
joined_lists as (
    insert into list_membership (account_id, contact_id, list_id, created_at)
    select $1::uuid, contact_id, unnest(lists_added), $2::timestamptz from moved
    on conflict do nothing
    returning contact_id, list_id
),
left_tags as (
    delete from tagging t
    using (select contact_id, unnest(tags_removed) as tag_id from moved) r
    where t.account_id = $1 and t.contact_id = r.contact_id and t.tag_id = r.tag_id
    returning t.contact_id, t.tag_id
),
joined_tags as (
    insert into tagging (account_id, contact_id, tag_id, created_at)
    select $1::uuid, contact_id, unnest(tags_added), $2::timestamptz from moved
    on conflict do nothing
    returning contact_id, tag_id
),
active_before as (select contact_id from moved where active_before = 1),
active_after as (select contact_id from moved where active_after = 1),
sms_before as (select contact_id from moved where sms_before = 1),
sms_after as (select contact_id from moved where sms_after = 1),
live_before as (select contact_id from moved where live_before = 1),
live_after as (select contact_id from moved where live_after = 1),
memberships as (  -- every membership that is or was, as the counters see it before and after
    select list_id, 0 as was, 1 as becomes,
        0 as active_before, (contact_id in (select contact_id from active_after))::int as active_after,
        0 as sms_before, (contact_id in (select contact_id from sms_after))::int as sms_after
    from joined_lists
    union all
    select list_id, 1, 0, (contact_id in (select contact_id from active_before))::int, 0,
        (contact_id in (select contact_id from sms_before))::int, 0
    from left_lists
    union all
    select m.list_id, 1, 1, n.active_before, n.active_after, n.sms_before, n.sms_after
    from moved n cross join lateral (  -- offset 0: look up the few that flip, never scan them all
        select m.list_id from list_membership m where m.account_id = $1 and m.contact_id = n.contact_id offset 0
    ) m
    where n.existed and (n.active_before, n.sms_before) <> (n.active_after, n.sms_after)
        and m.list_id <> all(n.lists_removed)
),
taggings as (
    select tag_id, 0 as live_before, (contact_id in (select contact_id from live_after))::int as live_after
    from joined_tags
    union all
    select tag_id, (contact_id in (select contact_id from live_before))::int, 0 from left_tags
    union all
    select t.tag_id, n.live_before, n.live_after
    from moved n cross join lateral (
        select t.tag_id from tagging t where t.account_id = $1 and t.contact_id = n.contact_id offset 0
    ) t
    where n.existed and n.live_before <> n.live_after and t.tag_id <> all(n.tags_removed)
),
counted as (
    insert into counter_delta (account_id, name, subject, change)
    select $1::uuid, name, subject, sum(change)
    from (  -- sums of sums: no name is made for every row
        select 'contacts.' || coalesce(permission_before, 'none') as name, $3::uuid as subject,
            -sum(live_before) as change
        from moved group by permission_before
        union all
        select 'contacts.' || coalesce(permission, 'none'), $3::uuid, sum(live_after) from moved group by permission
        union all
        select 'contacts.deleted', $3::uuid, sum((1 - live_after) - deleted_before) from moved
        union all
        select d.name, m.list_id, d.change
        from (
            select list_id, sum(becomes - was) as members, sum(active_after - active_before) as active,
                sum(sms_after - sms_before) as sms
            from memberships group by list_id
        ) m cross join lateral (
            values ('list.members', m.members), ('list.active', m.active), ('list.sms', m.sms)) d (name, change)
        union all
        select 'tag.contacts', tag_id, sum(live_after - live_before) from taggings group by tag_id
    ) differences
    group by name, subject
    having sum(change) <> 0
),
metered as (
    insert into active_delta (account_id, at, change, first_this_month, operation, request_id, activity_id)
    select $1::uuid, $2::timestamptz, sum(active_after - active_before), count(*) filter (where fresh),
        $5::text, $6::text, $8::uuid
    from (
        select active_before, active_after,
            active_after > active_before and (last_active_before is null or last_active_before < m.began) as fresh
        from moved, (
            select date_trunc('month', $2::timestamptz at time zone a.time_zone) at time zone a.time_zone as began
            from account a where a.account_id = $1
        ) m
    ) flips
    having sum(active_after - active_before) <> 0 or count(*) filter (where fresh) > 0
),
ledger as (
insert into consent_event (
    account_id, contact_id, at, channel, action, permission_before, permission_after, opted_out_by, source,
    reason, details, operation, request_id, token_id, activity_id, row_number)
select
    $1::uuid, contact_id, $2::timestamptz, 'email',
    case
        when not existed then 'created'
        when live_before > live_after then 'deleted'
        when live_before < live_after then 'restored'
        when email_key is distinct from email_key_before then 'readdressed'
        else 'changed'
    end,
    permission_before, permission, opted_out_by, source, opt_out_reason, null::jsonb,
    $5::text, $6::text, $7::uuid, $8::uuid, row_number
from moved
where case when existed
    then (permission_before, live_before, email_key_before, opted_out_by)
        is distinct from (permission, live_after, email_key, opt_out_source)
    else permission is not null end
union all
select
    $1::uuid, contact_id, $2::timestamptz, 'sms', case when sms_number_before is null then 'created' else 'changed' end,
    sms_permission_before, sms_permission, sms_opted_out_by, source, null, sms_details,
    $5::text, $6::text, $7::uuid, $8::uuid, row_number
from moved
where (sms_permission_before, sms_number_before, sms_opted_out_by) is distinct from
    (sms_permission, sms_number, sms_channel #>> '{sms_channel_consents,0,opt_out_source}')
)"""
)

CONSEQUENCES: LiteralString = _MOVED + _IMAGED + _WRITTEN
"""What follows from a CTE `changed` in an activity: CTEs, to which a final statement is added. Parameters: $1
account, $2 now, $3 NO_ID, $5 operation, $6 request id, $7 token id, $8 activity id; $4 and $9 on are the caller's."""
