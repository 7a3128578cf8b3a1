"""Serve the reference that Everlist is compared with: a bare ASGI application that runs the same statements.

No framework, no authorisation, no log: a path, a select on a pool like the server's, and the rows as JSON. The
statements are recorded from core, so they are always the same.

GET /contact/<account id>/<contact id> and GET /page/<account id>/<id of the first contact>

Run as a program, `python -m bench.reference DSN`, it prints its address.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import msgspec
import uvicorn

from everlist.core import contacts
from everlist.core.ids import NO_ID
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
        _, kind, account_id, contact_id = scope["path"].split("/")
        if kind == "contact":
            row = await pool.fetchrow(contact_sql, UUID(account_id), UUID(contact_id))
            body = encode(dict(row))
        else:
            rows = await pool.fetch(page_sql, UUID(account_id), UUID(contact_id), PAGE_SIZE + 1)
            body = encode([_with_fields(row) for row in rows[:PAGE_SIZE]])
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answer


def _with_fields(row: Row) -> dict[str, Any]:
    return {**row, "custom_fields": msgspec.Raw(row["custom_fields"].encode())}


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
