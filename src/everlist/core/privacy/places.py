"""Every place that may hold a person, and how it is emptied of some. A test compares them with the catalogue."""

from __future__ import annotations

from typing import LiteralString

import msgspec


class Place(msgspec.Struct, frozen=True):
    """A place that may hold a person, and how it is emptied of some."""

    table: str
    what: str
    sql: LiteralString
    """Answers (whose, number); its parameters beside $1, the account, are those of `by`."""
    by: str = "contact"
    """`contact`: $2 are contact ids, and so is `whose`. `address`: $2 are erasure ids, $3 to $5 addresses as shown,
    their keys and SMS numbers, and `whose` is an erasure id. `account`: as `contact`, but `whose` is null: what
    goes holds more than one person. Of `export_part` there are `activity_ids` in the answer as well."""
    kept: bool = False
    """What is counted stays, without the person."""


_KEYS: LiteralString = """
with subject as (
    select distinct s.erasure_id, k.key
    from unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) s (erasure_id, email, email_key, sms_number)
    cross join lateral (values (s.email), (s.email_key), (s.sms_number),
        (case when s.sms_number like '1__________' then substr(s.sms_number, 2) end)) k (key)
    where k.key is not null
),"""
"""Every spelling of an address by which a text is known to mean it."""

PLACES: tuple[Place, ...] = (
    Place(
        "tagging",
        "tags",
        "with gone as (delete from tagging where account_id = $1 and contact_id = any($2::uuid[])"
        " returning contact_id) select contact_id as whose, count(*) as number from gone group by contact_id",
    ),
    Place(
        "resubscribe_request",
        "requests for a resubscribe mail",
        "with gone as (delete from resubscribe_request where account_id = $1 and contact_id = any($2::uuid[])"
        " returning contact_id) select contact_id as whose, count(*) as number from gone group by contact_id",
    ),
    Place(
        "mail_due",
        "mails that waited for their turn",
        "with gone as (delete from mail_due d using mail m where d.account_id = $1 and m.account_id = $1"
        " and m.mail_id = d.mail_id and m.contact_id = any($2::uuid[]) returning m.contact_id)"
        " select contact_id as whose, count(*) as number from gone group by contact_id",
    ),
    Place(
        "mail",
        "mails",
        "with gone as (delete from mail where account_id = $1 and contact_id = any($2::uuid[])"
        " returning contact_id) select contact_id as whose, count(*) as number from gone group by contact_id",
    ),
    Place(
        "mail_due",
        "the turns of mails to other contacts: counted with these mails",
        _KEYS
        + """
        gone as (
            delete from mail_due d where d.account_id = $1 and d.mail_id in (
                select m.mail_id from mail m join subject s on s.key = m.address where m.account_id = $1)
            returning d.mail_id
        )
        select null::uuid as whose, 0 as number from gone
        """,
        by="address",
    ),
    Place(
        "mail",
        "mails to other contacts, which had the address before",
        _KEYS
        + """
        held as materialized (
            select distinct m.mail_id, s.erasure_id from mail m join subject s on s.key = m.address
            where m.account_id = $1
        ), gone as (
            delete from mail m where m.account_id = $1 and m.mail_id in (select mail_id from held)
        )
        select erasure_id as whose, count(*) as number from held group by erasure_id
        """,
        by="address",
    ),
    Place(
        "confirmation",
        "questions that were put by mail, and their answers",
        "with gone as (delete from confirmation where account_id = $1 and contact_id = any($2::uuid[])"
        " returning contact_id) select contact_id as whose, count(*) as number from gone group by contact_id",
    ),
    Place(
        "idempotency_key",
        "answers that were kept for repeated requests",
        """
        with held as materialized (
            select k.key_hash, k.contact_id from idempotency_key k
            where k.account_id = $1 and k.contact_id = any($2::uuid[])
        ), emptied as (
            update idempotency_key k set body = null, contact_id = null, headers = '[]'
            from held where k.account_id = $1 and k.key_hash = held.key_hash
        )
        select contact_id as whose, count(*) as number from held group by contact_id
        """,
    ),
    Place(
        "idempotency_key",
        "answers of other contacts, which had the address before",
        _KEYS
        + """
        held as materialized (
            select distinct k.key_hash, s.erasure_id
            from idempotency_key k join subject s on position(s.key in lower(convert_from(k.body, 'UTF8'))) > 0
            where k.account_id = $1 and k.body is not null
        ), emptied as (
            update idempotency_key k set body = null, contact_id = null, headers = '[]'
            where k.account_id = $1 and k.key_hash in (select key_hash from held)
        )
        select erasure_id as whose, count(*) as number from held group by erasure_id
        """,
        by="address",
    ),
    Place(
        "before_image",
        "states before a bulk activity",
        """
        with held as materialized (
            select b.activity_id, b.chunk, one.contact_id
            from before_image b cross join lateral (
                select unnest(b.created) as contact_id
                union
                select (e ->> 'contact_id')::uuid from jsonb_array_elements(b.changed) e
            ) one
            join unnest($2::uuid[]) erased (contact_id) on erased.contact_id = one.contact_id
            where b.account_id = $1
                and (  -- for one contact, do not take every image apart
                    cardinality($2::uuid[]) > 1 or b.created && $2::uuid[]
                    or b.changed @> jsonb_build_array(jsonb_build_object('contact_id', ($2::uuid[])[1])))
        ), emptied as (
            update before_image b set
                created = array(
                    select one.id from unnest(b.created) with ordinality one (id, position)
                    where not exists (select from unnest($2::uuid[]) erased (id) where erased.id = one.id)
                    order by one.position),
                changed = (
                    select coalesce(jsonb_agg(one.item order by one.position), '[]')
                    from jsonb_array_elements(b.changed) with ordinality one (item, position)
                    where not exists (
                        select from unnest($2::uuid[]) erased (id)
                        where erased.id = (one.item ->> 'contact_id')::uuid))
            where b.account_id = $1 and (b.activity_id, b.chunk) in (select activity_id, chunk from held)
        )
        select contact_id as whose, count(*) as number from held group by contact_id
        """,
    ),
    Place(
        "before_image",
        "states of other contacts, which had the address before",
        _KEYS
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
                            and position(h.key in lower(one.item::text)) > 0)
                    then one.item #- '{columns,address}' #- '{columns,sms}' else one.item end order by one.position)
                from jsonb_array_elements(b.changed) with ordinality one (item, position))
            where b.account_id = $1 and (b.activity_id, b.chunk) in (select activity_id, chunk from held)
        )
        select erasure_id as whose, count(distinct (activity_id, chunk)) as number from held group by erasure_id
        """,
        by="address",
    ),
    Place(
        "import_outcome",
        "rows of imports, which no longer say whom they were about",
        """
        with held as materialized (
            select o.activity_id, o.first_row, one.contact_id
            from import_outcome o cross join lateral unnest(o.contact_ids) one (contact_id)
            join unnest($2::uuid[]) erased (contact_id) on erased.contact_id = one.contact_id
            where o.account_id = $1
        ), emptied as (
            update import_outcome o set contact_ids = array(
                select case when erased.id is null then one.id end
                from unnest(o.contact_ids) with ordinality one (id, position)
                left join unnest($2::uuid[]) erased (id) on erased.id = one.id order by one.position)
            where o.account_id = $1 and (o.activity_id, o.first_row) in (select activity_id, first_row from held)
        )
        select contact_id as whose, count(*) as number from held group by contact_id
        """,
    ),
    Place(
        "import_report",
        "addresses in the reports of imports",
        _KEYS
        + """
        held as materialized (
            select r.activity_id, r.row_number, s.erasure_id
            from import_report r cross join lateral unnest(r.keys) k (key) join subject s on s.key = k.key
            where r.account_id = $1 and r.keys <> '{}'
        ), emptied as (
            update import_report r set email = null, keys = '{}'
            where r.account_id = $1 and (r.activity_id, r.row_number) in (select activity_id, row_number from held)
        )
        select erasure_id as whose, count(*) as number from held group by erasure_id
        """,
        by="address",
    ),
    Place(
        "activity",
        "bulk activities with an address in their messages or the name of their file",
        _KEYS
        + """
        told as materialized (
            select a.activity_id, a.errors, a.source_file_name from activity a
            where a.account_id = $1 and (a.errors <> '{}' or a.source_file_name is not null)
        ),
        held as materialized (
            select t.activity_id, s.erasure_id, s.key from told t join subject s
                on position(s.key in lower(array_to_string(t.errors, ' ') || ' ' || coalesce(t.source_file_name, ''))) > 0
        ), emptied as (
            update activity a set
                errors = array(
                    select case when exists (
                        select from held h where h.activity_id = a.activity_id and position(h.key in lower(one.line)) > 0)
                        then 'about a person who was erased' else one.line end
                    from unnest(a.errors) with ordinality one (line, position) order by one.position),
                source_file_name = case when not exists (
                    select from held h where h.activity_id = a.activity_id
                        and position(h.key in lower(a.source_file_name)) > 0) then a.source_file_name end
            where a.account_id = $1 and a.activity_id in (select activity_id from held)
        )
        select erasure_id as whose, count(distinct activity_id) as number from held group by erasure_id
        """,
        by="address",
    ),
    Place(
        "export_part",
        "files of exports that may have held the person",
        """
        with gone as (
            delete from export_part p using activity a
            where p.account_id = $1 and a.account_id = $1 and a.activity_id = p.activity_id
                and a.completed_at >= (
                    select min(c.created_at) from contact c where c.account_id = $1 and c.contact_id = any($2::uuid[]))
            returning p.activity_id
        )
        select null::uuid as whose, count(distinct activity_id) as number, array_agg(distinct activity_id) as activity_ids
        from gone
        """,
        by="account",
    ),
    Place(
        "export_part",
        "files of exports with the address",
        _KEYS
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
        select erasure_id as whose, count(*) as number, array_agg(activity_id) as activity_ids
        from held group by erasure_id
        """,
        by="address",
    ),
    Place(
        "contact",
        "the contact with all of its properties, notes, numbers and addresses",
        "with gone as (delete from contact where account_id = $1 and contact_id = any($2::uuid[])"
        " returning contact_id) select contact_id as whose, count(*) as number from gone group by contact_id",
    ),
    Place(
        "consent_event",
        "entries of the consent ledger, without reason, details, request and row",
        "with stripped as (update consent_event"
        " set reason = null, details = null, request_id = null, row_number = null"
        " where account_id = $1 and contact_id = any($2::uuid[]) returning contact_id)"
        " select contact_id as whose, count(*) as number from stripped group by contact_id",
        kept=True,
    ),
    Place(
        "consent_event",
        "entries of other contacts, which had the number before: the number in their details",
        _KEYS
        + """
        held as materialized (
            select distinct e.contact_id, e.event_id, s.erasure_id, s.key
            from consent_event e join subject s on position(s.key in e.details::text) > 0
            where e.account_id = $1 and e.details is not null
        ), stripped as (
            update consent_event e set details = (
                select jsonb_object_agg(one.key, one.value) from jsonb_each(e.details) one
                where not exists (
                    select from held h where (h.contact_id, h.event_id) = (e.contact_id, e.event_id)
                        and position(h.key in one.value::text) > 0))
            where e.account_id = $1 and (e.contact_id, e.event_id) in (select contact_id, event_id from held)
        )
        select erasure_id as whose, count(distinct event_id) as number from held group by erasure_id
        """,
        by="address",
        kept=True,
    ),
)
"""In this order. Memberships go with the deletion before; uploads, and what imports staged, when those have ended."""
