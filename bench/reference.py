"""Serve the reference that Everlist is compared with: a bare ASGI application.

No framework, no authorisation, no log: a path, statements on a pool like the server's, and the rows as JSON. The
selects are recorded from core, so they are always the same. A new contact is written without any check, in one
transaction with one INSERT for each table: the least that stores the rows that Everlist stores.

GET /contact/<account id>/<contact id>, GET /page/<account id>/<id of the first contact>, and
POST /contacts/<account id> with the body of Everlist's POST /v3/contacts

Run as a program, `python -m bench.reference DSN`, it prints its address.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import msgspec
import uvicorn

from everlist.core import contacts
from everlist.core.ids import NO_ID, new_id
from everlist.errors import NotFound
from everlist.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from everlist.db import Row

PAGE_SIZE = 50
INCLUDE = frozenset(("list_ids", "custom_fields"))


class _Recorder:
    """Takes the place of the database, and records the statement that core runs."""

    def __init__(self) -> None:
        self.sql = ""
        self.args: tuple[Any, ...] = ()

    async def rows(self, sql: str, *args: Any) -> Sequence[Row]:
        self.sql, self.args = sql, args
        return ()

    async def row(self, sql: str, *args: Any) -> Row | None:
        self.sql, self.args = sql, args
        return None

    async def value(self, sql: str, *args: Any) -> Any:
        self.sql, self.args = sql, args


async def statements() -> tuple[str, str]:
    """Return the statements for a contact and for a page, after checking their arguments."""
    contact, page = _Recorder(), _Recorder()
    with suppress(NotFound):
        await contacts.get(contact, NO_ID, NO_ID)
    everybody = contacts.ContactFilter()
    await contacts.page(page, NO_ID, everybody, limit=PAGE_SIZE, from_id=NO_ID, include=INCLUDE)
    if contact.args != (NO_ID, NO_ID) or page.args != (NO_ID, NO_ID, PAGE_SIZE + 1):
        raise RuntimeError("core's statements take other arguments now: update bench/reference.py")
    return contact.sql, page.sql


def create_app(dsn: str) -> ASGIApp:
    """Create the bare application."""
    contact_sql, page_sql = asyncio.run(statements())
    encode = msgspec.json.Encoder().encode
    pool: Any = None

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal pool
        if scope["type"] == "lifespan":
            pool = await _lifespan(dsn, receive, send)
            return
        _, kind, account_id, *ids = scope["path"].split("/")
        status = 200
        if kind == "contacts":
            status = 201
            body = encode(await _create(pool, UUID(account_id), await _body(receive)))
        elif kind == "contact":
            row = await pool.fetchrow(contact_sql, UUID(account_id), UUID(ids[0]))
            body = encode(dict(row))
        else:
            rows = await pool.fetch(page_sql, UUID(account_id), UUID(ids[0]), PAGE_SIZE + 1)
            body = encode([_with_fields(row) for row in rows[:PAGE_SIZE]])
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answer


def _with_fields(row: Row) -> dict[str, Any]:
    return {**row, "custom_fields": msgspec.Raw(row["custom_fields"].encode())}


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


class _Email(msgspec.Struct):
    address: str


class _NewContact(msgspec.Struct):
    email_address: _Email
    first_name: str
    last_name: str
    list_memberships: tuple[UUID, UUID]
    taggings: tuple[UUID, UUID]


_CONTACT = """
insert into contact (account_id, contact_id, created_at, updated_at, create_source,
    first_name, last_name, email, email_key, email_created_at, email_updated_at,
    permission, opt_in_source, opt_in_at)
values ($1, $2, $3, $3, 'Account', $4, $5, $6, $6, $3, $3, 'implicit', 'Account', $3)
"""
_MEMBERSHIPS = """
insert into list_membership (account_id, contact_id, created_at, list_id) values ($1, $2, $3, $4), ($1, $2, $3, $5)
"""
_TAGGINGS = """
insert into tagging (account_id, contact_id, created_at, tag_id) values ($1, $2, $3, $4), ($1, $2, $3, $5)
"""
_LEDGER = """
insert into consent_event (account_id, contact_id, at, channel, action, permission_after, source, operation)
values ($1, $2, $3, 'email', 'created', 'implicit', 'Account', 'create_contact')
"""
_COUNTERS = """
insert into counter_delta (account_id, name, subject, change)
values ($1, 'contacts.implicit', $2, 1),
    ($1, 'list.members', $3, 1), ($1, 'list.active', $3, 1), ($1, 'list.members', $4, 1), ($1, 'list.active', $4, 1),
    ($1, 'tag.contacts', $5, 1), ($1, 'tag.contacts', $6, 1)
"""
_ACTIVE = """
insert into active_delta (account_id, at, change, first_this_month, operation) values ($1, $2, 1, 1, 'create_contact')
"""


async def _create(pool: Any, account_id: UUID, body: bytes) -> dict[str, Any]:
    """Store a new contact with two lists and two tags; return it."""
    contact = msgspec.json.decode(body, type=_NewContact)
    contact_id, now = new_id(), datetime.now(UTC)
    email, first_name, last_name = contact.email_address.address, contact.first_name, contact.last_name
    list_ids, tag_ids = contact.list_memberships, contact.taggings
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_CONTACT, account_id, contact_id, now, first_name, last_name, email)
        await connection.execute(_MEMBERSHIPS, account_id, contact_id, now, *list_ids)
        await connection.execute(_TAGGINGS, account_id, contact_id, now, *tag_ids)
        await connection.execute(_LEDGER, account_id, contact_id, now)
        await connection.execute(_COUNTERS, account_id, NO_ID, *list_ids, *tag_ids)
        await connection.execute(_ACTIVE, account_id, now)
    return {"contact_id": contact_id, "created_at": now, **msgspec.structs.asdict(contact)}


async def _lifespan(dsn: str, receive: Receive, send: Send) -> Any:
    await receive()
    pool = await asyncpg.create_pool(
        dsn,
        min_size=2,
        max_size=Settings(Path()).pool_size,
        reset=_no_reset,
        server_settings={"timezone": "UTC", "jit": "off"},
    )
    await send({"type": "lifespan.startup.complete"})
    return pool


async def _no_reset(_connection: object) -> None:
    """Replace asyncpg's reset query by nothing, as Everlist does."""


def main(dsn: str) -> None:
    """Serve, with the same uvicorn settings as Everlist."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        config = uvicorn.Config(
            create_app(dsn), log_config=None, access_log=False, server_header=False, timeout_keep_alive=75
        )
        uvicorn.Server(config).run([listening])


if __name__ == "__main__":
    main(*sys.argv[1:])
