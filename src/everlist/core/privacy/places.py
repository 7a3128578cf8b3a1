"""List every table that may hold data about a person, and the SQL that removes it.

A test compares the list with the catalogue of the database.
"""

from __future__ import annotations

from typing import LiteralString

import msgspec


class Place(msgspec.Struct, frozen=True):
    """A table that may hold data about a person, and the SQL that removes it."""

    table: str
    what: str
    sql: LiteralString
    """Returns (subject_id, number); $1 is the account, and `by` says what follows."""
    by: str = "contact"
    """How the SQL finds the data.

    `contact`: $2 are contact ids, and subject_id is a contact id. `address`: $2 are erasure ids, $3 to $5 the
    addresses as shown, their keys and SMS numbers, and subject_id is an erasure id. `account`: as `contact`, but
    subject_id is null, because what is deleted holds data about several persons. Places of `export_part` return activity_ids too."""
    kept: bool = False
    """True if the rows stay, without what identifies the person."""


_KEYS: LiteralString = """
with subject as (
    select distinct s.erasure_id, k.key
    from unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) s (erasure_id, email, email_key, sms_number)
    cross join lateral (values (s.email), (s.email_key), (s.sms_number),
        (case when s.sms_number like '1__________' then substr(s.sms_number, 2) end)) k (key)
    where k.key is not null
),"""
"""A CTE with every spelling of an address or number to search texts for."""

PLACES: tuple[Place, ...] = (
    Place(
        table="tagging",
        what="tags",
        sql="with gone as (delete from tagging where account_id = $1 and contact_id = any($2::uuid[])"
        " returning contact_id) select contact_id as subject_id, count(*) as number from gone group by contact_id",
    ),
    Place(
        table="resubscribe_request",
        what="requests for a resubscribe mail",
        sql="with gone as (delete from resubscribe_request where account_id = $1 and contact_id = any($2::uuid[])"
        " returning contact_id) select contact_id as subject_id, count(*) as number from gone group by contact_id",
    ),
    Place(
        table="mail_due",
        what="mails that waited for their turn",
        sql="with gone as (delete from mail_due d using mail m where d.account_id = $1 and m.account_id = $1"
        " and m.mail_id = d.mail_id and m.contact_id = any($2::uuid[]) returning m.contact_id)"
        " select contact_id as subject_id, count(*) as number from gone group by contact_id",
    ),
    Place(
        table="mail",
        what="mails",
        sql="with gone as (delete from mail where account_id = $1 and contact_id = any($2::uuid[])"
        " returning contact_id) select contact_id as subject_id, count(*) as number from gone group by contact_id",
    ),
    Place(
        table="mail_due",
        what="the turns of mails to other contacts: counted with these mails",
        sql=_KEYS
        + """
        gone as (
            delete from mail_due d where d.account_id = $1 and d.mail_id in (
                select m.mail_id from mail m join subject s on s.key = m.address where m.account_id = $1)
            returning d.mail_id
        )
        select null::uuid as subject_id, 0 as number from gone
        """,
        by="address",
    ),
    Place(
        table="mail",
        what="mails to other contacts, which had the address before",
        sql=_KEYS
        + """
        held as materialized (
            select distinct m.mail_id, s.erasure_id from mail m join subject s on s.key = m.address
            where m.account_id = $1
        ), gone as (
            delete from mail m where m.account_id = $1 and m.mail_id in (select mail_id from held)
        )
        select erasure_id as subject_id, count(*) as number from held group by erasure_id
        """,
        by="address",
    ),
    Place(
        table="confirmation",
        what="questions that were put by mail, and their answers",
        sql="with gone as (delete from confirmation where account_id = $1 and contact_id = any($2::uuid[])"
        " returning contact_id) select contact_id as subject_id, count(*) as number from gone group by contact_id",
    ),
    Place(
        table="idempotency_key",
        what="answers that were kept for repeated requests",
        sql="""
        with held as materialized (
            select k.key_hash, k.contact_id from idempotency_key k
            where k.account_id = $1 and k.contact_id = any($2::uuid[])
        ), emptied as (
            update idempotency_key k set body = null, contact_id = null, headers = '[]'
            from held where k.account_id = $1 and k.key_hash = held.key_hash
        )
        select contact_id as subject_id, count(*) as number from held group by contact_id
        """,
    ),
    Place(
        table="idempotency_key",
        what="answers of other contacts, which had the address before",
        sql=_KEYS
        + """
        held as materialized (
            select distinct k.key_hash, s.erasure_id
            from idempotency_key k join subject s on position(s.key in lower(convert_from(k.body, 'UTF8'))) > 0
            where k.account_id = $1 and k.body is not null
        ), emptied as (
            update idempotency_key k set body = null, contact_id = null, headers = '[]'
            where k.account_id = $1 and k.key_hash in (select key_hash from held)
        )
        select erasure_id as subject_id, count(*) as number from held group by erasure_id
        """,
        by="address",
    ),
    Place(
        table="before_image",
        what="states before a bulk activity",
        sql="""
        with held as materialized (
            select b.activity_id, b.chunk, imaged.contact_id
            from before_image b cross join lateral (
                select unnest(b.created) as contact_id
                union
                select (e ->> 'contact_id')::uuid from jsonb_array_elements(b.changed) e
            ) imaged
            join unnest($2::uuid[]) erased (contact_id) on erased.contact_id = imaged.contact_id
            where b.account_id = $1
                and (  -- for one contact, do not take every image apart
                    cardinality($2::uuid[]) > 1 or b.created && $2::uuid[]
                    or b.changed @> jsonb_build_array(jsonb_build_object('contact_id', ($2::uuid[])[1])))
        ), emptied as (
            update before_image b set
                created = array(
                    select item.id from unnest(b.created) with ordinality item (id, position)
                    where not exists (select from unnest($2::uuid[]) erased (id) where erased.id = item.id)
                    order by item.position),
                changed = (
                    select coalesce(jsonb_agg(image.item order by image.position), '[]')
                    from jsonb_array_elements(b.changed) with ordinality image (item, position)
                    where not exists (
                        select from unnest($2::uuid[]) erased (id)
                        where erased.id = (image.item ->> 'contact_id')::uuid))
            where b.account_id = $1 and (b.activity_id, b.chunk) in (select activity_id, chunk from held)
        )
        select contact_id as subject_id, count(*) as number from held group by contact_id
        """,
    ),
    Place(
        table="before_image",
        what="states of other contacts, which had the address before",
        sql=_KEYS
        + """
        held as materialized (
            select distinct b.activity_id, b.chunk, s.erasure_id, s.key
            from before_image b join subject s on position(s.key in lower(b.changed::text)) > 0
            where b.account_id = $1 and b.addresses
        ), emptied as (
            update before_image b set changed = (
                select jsonb_agg(case
                    when exists (
                        select from held h where (h.activity_id, h.chunk) = (b.activity_id, b.chunk)
                            and position(h.key in lower(image.item::text)) > 0)
                    then image.item #- '{columns,address}' #- '{columns,sms}' else image.item end order by image.position)
                from jsonb_array_elements(b.changed) with ordinality image (item, position))
            where b.account_id = $1 and (b.activity_id, b.chunk) in (select activity_id, chunk from held)
        )
        select erasure_id as subject_id, count(distinct (activity_id, chunk)) as number from held group by erasure_id
        """,
        by="address",
    ),
    Place(
        table="import_outcome",
        what="rows of imports, which no longer name their contact",
        sql="""
        with held as materialized (
            select o.activity_id, o.first_row, imported.contact_id
            from import_outcome o cross join lateral unnest(o.contact_ids) imported (contact_id)
            join unnest($2::uuid[]) erased (contact_id) on erased.contact_id = imported.contact_id
            where o.account_id = $1
        ), emptied as (
            update import_outcome o set contact_ids = array(
                select case when erased.id is null then item.id end
                from unnest(o.contact_ids) with ordinality item (id, position)
                left join unnest($2::uuid[]) erased (id) on erased.id = item.id order by item.position)
            where o.account_id = $1 and (o.activity_id, o.first_row) in (select activity_id, first_row from held)
        )
        select contact_id as subject_id, count(*) as number from held group by contact_id
        """,
    ),
    Place(
        table="import_report",
        what="addresses in the reports of imports",
        sql=_KEYS
        + """
        held as materialized (
            select r.activity_id, r.row_number, s.erasure_id
            from import_report r cross join lateral unnest(r.keys) k (key) join subject s on s.key = k.key
            where r.account_id = $1 and r.keys <> '{}'
        ), emptied as (
            update import_report r set email = null, keys = '{}'
            where r.account_id = $1 and (r.activity_id, r.row_number) in (select activity_id, row_number from held)
        )
        select erasure_id as subject_id, count(*) as number from held group by erasure_id
        """,
        by="address",
    ),
    Place(
        table="activity",
        what="bulk activities with an address in their messages or the name of their file",
        sql=_KEYS
        + """
        messages as materialized (
            select a.activity_id, a.errors, a.source_file_name from activity a
            where a.account_id = $1 and (a.errors <> '{}' or a.source_file_name is not null)
        ),
        held as materialized (
            select t.activity_id, s.erasure_id, s.key from messages t join subject s
                on position(s.key in lower(array_to_string(t.errors, ' ') || ' ' || coalesce(t.source_file_name, ''))) > 0
        ), emptied as (
            update activity a set
                errors = array(
                    select case when exists (
                        select from held h where h.activity_id = a.activity_id and position(h.key in lower(message.line)) > 0)
                        then 'about a person who was erased' else message.line end
                    from unnest(a.errors) with ordinality message (line, position) order by message.position),
                source_file_name = case when not exists (
                    select from held h where h.activity_id = a.activity_id
                        and position(h.key in lower(a.source_file_name)) > 0) then a.source_file_name end
            where a.account_id = $1 and a.activity_id in (select activity_id from held)
        )
        select erasure_id as subject_id, count(distinct activity_id) as number from held group by erasure_id
        """,
        by="address",
    ),
    Place(
        table="export_part",
        what="files of exports that may have held the person",
        sql="""
        with gone as (
            delete from export_part p using activity a
            where p.account_id = $1 and a.account_id = $1 and a.activity_id = p.activity_id
                and a.completed_at >= (
                    select min(c.created_at) from contact c where c.account_id = $1 and c.contact_id = any($2::uuid[]))
            returning p.activity_id
        )
        select null::uuid as subject_id, count(distinct activity_id) as number,
            array_agg(distinct activity_id) as activity_ids
        from gone
        """,
        by="account",
    ),
    Place(
        table="export_part",
        what="files of exports with the address",
        sql=_KEYS
        + """
        part as (
            select p.activity_id, p.data || coalesce(substr(lead(p.data) over (
                partition by p.activity_id order by p.part), 1, 100), '') as data
            from export_part p where p.account_id = $1
        ),
        held as materialized (
            select distinct p.activity_id, s.erasure_id
            from part p join subject s on position(convert_to(s.key, 'UTF8') in p.data) > 0
        ), gone as (
            delete from export_part p where p.account_id = $1 and p.activity_id in (select activity_id from held)
        )
        select erasure_id as subject_id, count(*) as number, array_agg(activity_id) as activity_ids
        from held group by erasure_id
        """,
        by="address",
    ),
    Place(
        table="contact",
        what="the contact with all of its properties, notes, numbers and addresses",
        sql="with gone as (delete from contact where account_id = $1 and contact_id = any($2::uuid[])"
        " returning contact_id) select contact_id as subject_id, count(*) as number from gone group by contact_id",
    ),
    Place(
        table="consent_event",
        what="entries of the consent ledger, without reason, details, request and row",
        sql="with stripped as (update consent_event"
        " set reason = null, details = null, request_id = null, row_number = null"
        " where account_id = $1 and contact_id = any($2::uuid[]) returning contact_id)"
        " select contact_id as subject_id, count(*) as number from stripped group by contact_id",
        kept=True,
    ),
    Place(
        table="consent_event",
        what="entries of other contacts, which had the number before: the number in their details",
        sql=_KEYS
        + """
        held as materialized (
            select distinct e.contact_id, e.event_id, s.erasure_id, s.key
            from consent_event e join subject s on position(s.key in e.details::text) > 0
            where e.account_id = $1 and e.details is not null
        ), stripped as (
            update consent_event e set details = (
                select jsonb_object_agg(detail.key, detail.value) from jsonb_each(e.details) detail
                where not exists (
                    select from held h where (h.contact_id, h.event_id) = (e.contact_id, e.event_id)
                        and position(h.key in detail.value::text) > 0))
            where e.account_id = $1 and (e.contact_id, e.event_id) in (select contact_id, event_id from held)
        )
        select erasure_id as subject_id, count(distinct event_id) as number from held group by erasure_id
        """,
        by="address",
        kept=True,
    ),
)
"""In the order in which they are emptied. The deletion before has removed the memberships of lists; uploads and
staged rows are deleted when their import ends."""
