"""Collect everything that is kept about a person in one document: the answer to a request for access.

Article 15 of the GDPR and similar laws. It contains all data that identifies the person or their contact, and none
that identifies others, such as the other rows of an imported file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from everlist.core.activities import OUTCOMES
from everlist.core.consent import suppression
from everlist.core.contacts.history import page
from everlist.core.contacts.read import get

if TYPE_CHECKING:
    from uuid import UUID

    from everlist.core.installation import Installation
    from everlist.db import Database, Transaction

_CONTACT = """
select json_strip_nulls(json_build_object(
    'contact', (
        select to_jsonb(c) - '{account_id,email_key,deleted_list_ids,custom_fields}'::text[] from contact c
        where c.account_id = $1 and c.contact_id = $2),
    'custom_fields', coalesce((
        select json_agg(json_build_object(
            'custom_field_id', f.custom_field_id, 'label', f.label, 'value', v.value,
            'choices', (
                select json_agg(o ->> 'choice_label') from jsonb_array_elements(f.choices) o
                where jsonb_typeof(v.value) = 'array' and v.value ? (o ->> 'choice_id'))) order by f.label)
        from contact c cross join jsonb_each(c.custom_fields) v
        join custom_field f on f.account_id = c.account_id and f.custom_field_id::text = v.key
        where c.account_id = $1 and c.contact_id = $2), '[]'),
    'lists', coalesce((
        select json_agg(json_build_object(
            'list_id', m.list_id, 'name', l.name, 'joined_at', m.created_at) order by m.created_at, m.list_id)
        from list_membership m join contact_list l on l.account_id = m.account_id and l.list_id = m.list_id
        where m.account_id = $1 and m.contact_id = $2), '[]'),
    'lists_before_deletion', (
        select json_agg(json_build_object('list_id', l.list_id, 'name', l.name) order by l.list_id)
        from contact c join contact_list l on l.account_id = c.account_id and l.list_id = any(c.deleted_list_ids)
        where c.account_id = $1 and c.contact_id = $2),
    'tags', coalesce((
        select json_agg(json_build_object(
            'tag_id', t.tag_id, 'name', g.name, 'tagged_at', t.created_at) order by t.created_at, t.tag_id)
        from tagging t join tag g on g.account_id = t.account_id and g.tag_id = t.tag_id
        where t.account_id = $1 and t.contact_id = $2), '[]'),
    'resubscribe_request', (
        select json_build_object('requested_at', r.requested_at, 'list_ids', r.list_ids)
        from resubscribe_request r where r.account_id = $1 and r.contact_id = $2),
    'confirmations', coalesce((
        select json_agg(to_jsonb(q) - '{account_id,contact_id,token_hash,address_hmac}'::text[] order by q.asked_at)
        from confirmation q where q.account_id = $1 and q.contact_id = $2), '[]'),
    'mail', coalesce((
        select json_agg(to_jsonb(m) - '{account_id,contact_id,link_token}'::text[] order by m.queued_at)
        from mail m where m.account_id = $1 and m.contact_id = $2), '[]'),
    'kept_answers', (
        select nullif(count(*), 0) from idempotency_key k where k.account_id = $1 and k.contact_id = $2)
))::text
"""

_ACTIVITIES = """
with outcomes as (
    select o.activity_id, o.xmin as tx, o.first_row + n - 1 as row_number, o.line_numbers[n] as line_number,
        substr(o.outcomes, n, 1) as letter
    from import_outcome o cross join lateral (select array_position(o.contact_ids, $2::uuid) as n) found
    where o.account_id = $1 and n is not null
),
reports as (
    select r.activity_id, r.row_number, r.reason from import_report r
    where r.account_id = $1 and (lower(r.email) = $3 or r.email = $4 or exists (
        select from outcomes o where o.activity_id = r.activity_id and o.row_number = r.row_number))
),
rows as (
    select coalesce(o.activity_id, r.activity_id) as activity_id, coalesce(o.row_number, r.row_number) as row_number,
        o.line_number, coalesce(o.letter, 'r') as letter, r.reason
    from outcomes o full join reports r on r.activity_id = o.activity_id and r.row_number = o.row_number
),
imports as (
    select activity_id from activity where account_id = $1 and kind like '%import'
),
holding as materialized (  -- of an import, only the image that the transaction of the outcome wrote
    select b.activity_id, b.changed from before_image b
    where b.account_id = $1
        and (b.activity_id not in (select activity_id from imports)
            or exists (select from outcomes o where o.activity_id = b.activity_id and o.tx = b.xmin))
        and ($2::uuid = any(b.created)
            or b.changed @> jsonb_build_array(jsonb_build_object('contact_id', $2::uuid::text)))
),
images as (
    select h.activity_id, i.image from holding h left join lateral (
        select image from jsonb_array_elements(h.changed) as element (image)
        where image ->> 'contact_id' = $2::uuid::text) i on true
),
touched as (
    select activity_id from rows
    union select activity_id from images
    union select e.activity_id from consent_event e where e.account_id = $1 and e.contact_id = $2
)
select json_strip_nulls(json_build_object(
    'activity_id', a.activity_id, 'kind', a.kind, 'state', a.state, 'created_at', a.created_at,
    'source_file_name', a.source_file_name, 'letters', (
        select json_agg(json_build_object('row_number', row_number, 'line_number', line_number, 'outcome', letter,
            'reason', reason) order by row_number) from rows where rows.activity_id = a.activity_id),
    'kept_for_undo', (
        select json_agg(image - '{account_id,email_key}'::text[]) from images
        where images.activity_id = a.activity_id and image is not null)
))::text as activity
from activity a join touched using (activity_id)
where a.account_id = $1
order by a.activity_id
"""


async def of_contact(
    db: Database, account_id: UUID, contact_id: UUID, *, installation: Installation
) -> dict[str, Any]:
    """Return the record of a contact, live or deleted, from one snapshot. Raises NotFound."""
    async with db.snapshot() as tx:
        # This may take long: it searches every before-image of the account.
        await tx.execute("set local statement_timeout = '10min'")
        contact = await get(tx, account_id, contact_id, include=frozenset({"sms_channel"}))
        number = contact.sms_channel.key if contact.sms_channel else None
        record = msgspec.json.decode(await tx.value(_CONTACT, account_id, contact_id))
        events = await page(tx, account_id, contact_id, limit=None)
        activities = await tx.rows(_ACTIVITIES, account_id, contact_id, contact.email, number)
        entries = [
            entry
            for channel, key in ((suppression.EMAIL, contact.email_key), (suppression.SMS, number))
            if key is not None
            for entry in await _remembered(tx, account_id, channel, key, installation)
        ]
    return {
        "contact_id": contact_id,
        **record,
        "consent": events.items,
        "suppressions": entries,
        "activities": [_activity(row["activity"]) for row in activities],
    }


async def _remembered(
    tx: Transaction, account_id: UUID, channel: str, key: str, installation: Installation
) -> list[suppression.Entry]:
    hashed = installation.address_hmac(account_id, channel, key)
    return await suppression.of_address(tx, account_id, channel, hashed)


def _activity(text: str) -> dict[str, Any]:
    activity = msgspec.json.decode(text)
    rows = activity.pop("letters", None)
    if rows:
        activity["rows"] = [{**row, "outcome": OUTCOMES[row["outcome"]]} for row in rows]
    return activity
