"""Find the spellings of addresses of which only the HMACs are known, as a queued erasure knows them.

Search the texts of every table from which an erasure removes addresses, once for all HMACs: hash whatever could be an
address, and compare.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from everlist.core import contacts
from everlist.core.consent import suppression
from everlist.core.ids import NO_ID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from uuid import UUID

    from everlist.core.installation import Installation
    from everlist.db import Transaction

TABLES = {"import_report", "activity", "mail", "idempotency_key", "before_image", "export_part"}
"""The tables that are searched; a test compares them with the places that are emptied by address."""
READ = 5_000

_AT = re.compile(r"""([^\s,;"<>()\[\]@]{1,80})@(?=([^\s,;"<>()\[\]@]{1,80}))""")
"""At most as many characters as an address has: without a limit, a long word would take quadratic time."""
_GLUE = re.compile(r"[:=/|'&?{}]")
"""Characters that may be part of an address, or separate it from the text before it."""
_DOMAIN = re.compile(r"[\w.-]+")
_ESCAPED = re.compile(r"\\.")


async def spellings(
    tx: Transaction, account_id: UUID, hashes: Iterable[bytes], installation: Installation
) -> dict[bytes, set[str]]:
    """Return the spellings of these HMACs' addresses in the texts of the account; none for an address in no text."""
    wanted = frozenset(hashes)
    found: defaultdict[bytes, set[str]] = defaultdict(set)
    if wanted:
        async for text in _texts(tx, account_id):
            for hashed, spelling in await asyncio.to_thread(_among, text, wanted, account_id, installation):
                found[hashed].add(spelling)
    return found


def _among(
    text: str, wanted: frozenset[bytes], account_id: UUID, installation: Installation
) -> list[tuple[bytes, str]]:
    found: list[tuple[bytes, str]] = []
    for spelling in set(_candidates(text)):
        key = spelling.lower()
        if not key.isascii():
            address = contacts.parse_email(spelling)
            key = address.key if address else key
        hashed = installation.address_hmac(account_id, suppression.EMAIL, key)
        if hashed in wanted:
            found += [(hashed, text) for text in {spelling, spelling.lower(), key}]
    return found


def _candidates(text: str) -> Iterator[str]:
    """Yield whatever could be an address in the text, also without characters that may only surround it."""
    for match in _AT.finditer(text):
        local, rest = match.groups()
        domain = _DOMAIN.match(rest)
        if domain is None:
            continue
        locals_ = [local, *(local[glue.end() :] for glue in _GLUE.finditer(local))]
        labels = domain[0].strip(".-_").split(".")
        for end in range(len(labels), 1, -1):
            yield from (f"{part}@{'.'.join(labels[:end])}" for part in locals_)


async def _texts(tx: Transaction, account_id: UUID) -> AsyncIterator[str]:
    """Yield the contents of the tables, in texts that do not cut an address in two."""
    async for text in _reports(tx, account_id):
        yield text
    messages = await tx.rows(
        "select errors, source_file_name from activity where account_id = $1"
        " and (errors <> '{}' or source_file_name is not null)",
        account_id,
    )
    yield "\n".join("\n".join((*row["errors"], row["source_file_name"] or "")) for row in messages)
    mails = await tx.rows(
        "select address from mail where account_id = $1 and address is not null", account_id
    )
    yield "\n".join(row["address"] for row in mails)
    async for text in _json(tx, account_id):
        yield _ESCAPED.sub(" ", text)
    async for text in _exports(tx, account_id):
        yield text


async def _reports(tx: Transaction, account_id: UUID) -> AsyncIterator[str]:
    after, number = NO_ID, -1
    while True:
        rows = await tx.rows(
            "select r.activity_id, r.row_number, r::text as text from import_report r where r.account_id = $1"
            " and (r.activity_id, r.row_number) > ($2, $3) order by r.activity_id, r.row_number limit $4",
            account_id,
            after,
            number,
            READ,
        )
        yield "\n".join(row["text"] for row in rows)
        if len(rows) < READ:
            return
        after, number = rows[-1]["activity_id"], rows[-1]["row_number"]


async def _json(tx: Transaction, account_id: UUID) -> AsyncIterator[str]:
    """Yield the answers kept for repeated requests, and the before-images of bulk activities."""
    after = b""
    while True:
        rows = await tx.rows(
            "select key_hash, convert_from(body, 'UTF8') as text from idempotency_key"
            " where account_id = $1 and body is not null and key_hash > $2 order by key_hash limit $3",
            account_id,
            after,
            READ,
        )
        yield "\n".join(row["text"] for row in rows)
        if len(rows) < READ:
            break
        after = rows[-1]["key_hash"]
    images = await tx.rows(
        "select activity_id, chunk from before_image where account_id = $1 and addresses", account_id
    )
    for image in images:
        yield await tx.value(
            "select changed::text from before_image where account_id = $1 and activity_id = $2 and chunk = $3",
            account_id,
            image["activity_id"],
            image["chunk"],
        )


async def _exports(tx: Transaction, account_id: UUID) -> AsyncIterator[str]:
    parts = await tx.rows(
        "select activity_id, part from export_part where account_id = $1 order by activity_id, part",
        account_id,
    )
    before, cut = None, b""
    for part in parts:
        data = await tx.value(
            "select data from export_part where account_id = $1 and activity_id = $2 and part = $3",
            account_id,
            part["activity_id"],
            part["part"],
        )
        if part["activity_id"] != before:
            yield cut.decode(errors="replace")
            before, cut = part["activity_id"], b""
        whole, line, cut = (cut + data).rpartition(b"\n")
        yield (whole + line).decode(errors="replace")
    yield cut.decode(errors="replace")
