"""Generate the data to measure with: a large and a small account, made by SQL in an embedded cluster.

The data is as consistent as the write path would make it: only live contacts are on lists, and the counters are right.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, LiteralString
from uuid import UUID

import asyncpg

from everlist.core import accounts, tokens
from everlist.core.ids import NO_ID, new_id
from everlist.db import open_database

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everlist.db import Database

LARGE, SMALL = "large", "small"

_FIRST_NAMES = (
    "Ada Alan Barbara Blaise Carl Dorothy Edsger Emmy Frances Grace Hedy Henri Ida Jean Joan John Karen Katherine"
    " Kurt Leonhard Lise Margaret Maria Mary Niklaus Radia Rosalind Sofia Srinivasa Tim Vera Zoë"
).split()
_LAST_NAMES = (
    "Abel Allen Babbage Bartik Berners-Lee Boole Cantor Church Curie Dijkstra Euler Gauss Gödel Hamilton Hilbert"
    " Hopper Johnson Knuth Lamarr Lovelace Meitner Noether Pascal Perlman Poincaré Rhodes Rubin Shannon Tao"
    " Turing Vaughan Wirth"
).split()

# (name, modulus, remainder): the contacts whose number modulo `modulus` is `remainder`. Two or three lists per contact.
_LISTS = (
    ("Everybody", 1, 0),
    ("Customers", 2, 0),
    ("Prospects", 2, 1),
    *((f"Region {number}", 12, number) for number in range(6)),
    ("Board", 10_000, 7),
)
_TAGS = (("buyer", 10, 3), ("speaker", 5_000, 11))
_FIELDS = (("Favourite product", "text_area"), ("Member since", "date"), ("Shop", "text_area"))

_CONTACTS: LiteralString = """
insert into contact (
    account_id, contact_id, created_at, updated_at, deleted_at, create_source, update_source,
    first_name, last_name, job_title, company_name, birthday_month, birthday_day,
    email, email_key, email_created_at, email_updated_at, permission,
    opt_in_source, opt_in_at, opt_out_source, opt_out_at, opt_out_reason, custom_fields)
select
    $1, contact_id, created_at, updated_at, case when deleted then updated_at end, 'Account', 'Account',
    first_name, last_name,
    case when i % 3 = 0 then 'Programmer' end, case when i % 2 = 0 then 'Company ' || i % 5000 end,
    case when i % 4 = 0 then 1 + i % 12 end, case when i % 4 = 0 then 1 + i % 28 end,
    address, address, created_at, created_at, permission,
    'Account', case when permission in ('implicit', 'explicit') then created_at end,
    case when permission = 'unsubscribed' then 'Contact' end,
    case when permission = 'unsubscribed' then updated_at end,
    case when permission = 'unsubscribed' then 'too many mails' end,
    jsonb_build_object(
        $3::text, 'Product ' || i % 900, $4::text, to_char(created_at, 'YYYY-MM-DD'), $5::text, 'Shop ' || i % 70)
from (
    select
        i, contact_id, uuid_extract_timestamp(contact_id) as created_at,
        uuid_extract_timestamp(contact_id) + make_interval(secs => i * 7919 % 100 * step) as updated_at,
        i % 51 = 0 as deleted, first_name, last_name,
        lower(first_name || '.' || last_name) || i || '@example' || i % 40 || '.com' as address,
        case
            when i * 31 % 100 < 70 then 'implicit' when i * 31 % 100 < 90 then 'explicit'
            when i * 31 % 100 < 95 then 'unsubscribed' when i * 31 % 100 < 98 then 'pending_confirmation'
            else 'not_set'
        end as permission
    from (
        select
            i, step, uuidv7(make_interval(secs => (i - $2 - 100) * step)) as contact_id,
            ($6::text[])[1 + i * 13 % 32] as first_name, ($7::text[])[1 + i * 7919 / 32 % 32] as last_name
        from generate_series(1, $2::bigint) i, (select 63072000.0 / $2::bigint as step) two_years
    ) numbered
) described
"""
# One contact in 51 is deleted, which leaves `contacts` live ones.

_MEMBERSHIPS: LiteralString = """
insert into list_membership (account_id, contact_id, list_id, created_at)
select $1, c.contact_id, l.list_id, c.created_at
from contact c
join unnest($2::uuid[], $3::int[], $4::int[]) as l(list_id, modulus, remainder)
    on c.sequence_id % l.modulus = l.remainder
where c.account_id = $1 and c.deleted_at is null
order by c.contact_id
"""

_TAGGINGS: LiteralString = """
insert into tagging (account_id, contact_id, tag_id, created_at)
select $1, c.contact_id, t.tag_id, c.created_at
from contact c
join unnest($2::uuid[], $3::int[], $4::int[]) as t(tag_id, modulus, remainder)
    on c.sequence_id % t.modulus = t.remainder
where c.account_id = $1 and c.deleted_at is null
order by c.contact_id
"""

_COUNTERS: LiteralString = """
insert into counter (account_id, name, subject, value)
select $1, 'contacts.' || case when deleted_at is null then coalesce(permission, 'none') else 'deleted' end,
    $2::uuid, count(*)
from contact where account_id = $1 group by 2
union all
select $1, 'list.members', list_id, count(*) from list_membership where account_id = $1 group by list_id
union all
select $1, 'list.active', m.list_id, count(*)
from list_membership m
join contact c on c.account_id = m.account_id and c.contact_id = m.contact_id
where m.account_id = $1 and c.permission in ('implicit', 'explicit') group by m.list_id
union all
select $1, 'tag.contacts', tag_id, count(*) from tagging where account_id = $1 group by tag_id
"""


@dataclass(frozen=True)
class Account:
    """An account full of contacts, with a token, and ids to request."""

    account_id: UUID
    contacts: int
    """How many are not deleted."""
    token: str
    list_id: UUID
    """The list that every contact is on."""
    sample: tuple[UUID, ...]
    """A random sample of the contacts, in random order."""
    page_starts: tuple[UUID, ...]
    """The sampled contacts that are followed by at least a page of others."""
    last_page: UUID
    """The first contact of the last page of 50."""


async def generate(dsn: str, *, contacts: int) -> None:
    """Fill an empty database: an account with `contacts` contacts, and an account with a thousand."""
    db = await open_database(dsn, size=1, statement_timeout=3600, name="everlist bench")
    for name, size in ((LARGE, contacts), (SMALL, 1000)):
        account = await db.write(lambda tx, name=name: accounts.create(tx, name, now=datetime.now(UTC)))
        await _fill(dsn, account.account_id, size)
    await db.close()
    connection = await asyncpg.connect(dsn)
    await connection.execute("vacuum analyze")
    await connection.close()


async def _fill(dsn: str, account_id: UUID, contacts: int) -> None:
    connection = await asyncpg.connect(dsn, server_settings={"synchronous_commit": "off", "jit": "off"})
    now = datetime.now(UTC)
    list_ids, tag_ids, field_ids = (
        [new_id() for _ in definitions] for definitions in (_LISTS, _TAGS, _FIELDS)
    )
    await connection.executemany(
        "insert into contact_list (account_id, list_id, name, created_at, updated_at) values ($1, $2, $3, $4, $4)",
        [(account_id, list_id, name, now) for list_id, (name, _, _) in zip(list_ids, _LISTS, strict=True)],
    )
    await connection.executemany(
        "insert into tag (account_id, tag_id, name, created_at, updated_at) values ($1, $2, $3, $4, $4)",
        [(account_id, tag_id, name, now) for tag_id, (name, _, _) in zip(tag_ids, _TAGS, strict=True)],
    )
    await connection.executemany(
        "insert into custom_field (account_id, custom_field_id, label, name, type, version, created_at, updated_at)"
        " values ($1, $2, $3, $4, $5, 1, $6, $6)",
        [
            (account_id, field_id, label, label.lower().replace(" ", "_"), kind, now)
            for field_id, (label, kind) in zip(field_ids, _FIELDS, strict=True)
        ],
    )
    rows = contacts + contacts // 50
    await connection.execute(
        _CONTACTS, account_id, rows, *(str(field_id) for field_id in field_ids), _FIRST_NAMES, _LAST_NAMES
    )
    for sql, ids, definitions in ((_MEMBERSHIPS, list_ids, _LISTS), (_TAGGINGS, tag_ids, _TAGS)):
        await connection.execute(
            sql, account_id, ids, [row[1] for row in definitions], [row[2] for row in definitions]
        )
    await connection.execute(
        "analyze contact, list_membership"
    )  # otherwise the counting is planned for a few rows
    await connection.execute(_COUNTERS, account_id, NO_ID)
    await connection.close()


async def load(dsn: str, name: str) -> Account:
    """Return a generated account, with a new token."""
    db = await open_database(dsn, size=1, statement_timeout=3600, name="everlist bench")
    try:
        return await _load(db, name)
    finally:
        await db.close()


async def _load(db: Database, name: str) -> Account:
    account = await accounts.find(db, name)
    assert account is not None
    account_id = account.account_id
    token, _ = await db.write(
        lambda tx: tokens.create(tx, account_id, scopes=["contact_data"], now=datetime.now(UTC), name="bench")
    )
    live = await _ids(
        db, "select contact_id from contact where account_id = $1 and deleted_at is null", account_id
    )
    sample = sorted(live, key=lambda contact_id: contact_id.bytes[::-1])[
        :5000
    ]  # by the random part of the id
    ordered = sorted(live)
    whole_pages = set(ordered[:-51])
    list_id = await db.value(
        "select list_id from contact_list where account_id = $1 and name = 'Everybody'", account_id
    )
    return Account(
        account_id=account_id,
        contacts=len(live),
        token=token,
        list_id=list_id,
        sample=tuple(sample),
        page_starts=tuple(contact_id for contact_id in sample if contact_id in whole_pages),
        last_page=ordered[(len(ordered) - 1) // 50 * 50],
    )


async def _ids(db: Database, sql: LiteralString, account_id: UUID) -> Sequence[UUID]:
    return [row[0] for row in await db.rows(sql, account_id)]
