"""Query parameters, cursors and the links between pages. V3 contract 1.2 and 1.3."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import datetime
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

import msgspec

from everlist.core.dates import parse_datetime
from everlist.core.ids import parse_id
from everlist.rest.errors import bad_request, invalid


class Query:
    """The query parameters of a request; each method answers 400 if its parameter is malformed.

    A cursor carries the filters of its collection and is signed for the account and the path. Filters may be
    sent again together with the cursor; if one differs, it asks for another collection, so the cursor is
    refused. `limit`, `include` and `include_…` only change the shape of a page and may differ.
    """

    def __init__(self, path: str, query_string: bytes, *, account_id: UUID, secret_key: bytes) -> None:
        self._path = path
        self._key = secret_key
        self._account_id = account_id
        self._given: dict[str, str] = {}
        for name, value in (
            parse_qsl(query_string.decode("latin-1"), keep_blank_values=True) if query_string else ()
        ):
            if "\x00" in value:
                raise invalid(name)
            self._given.setdefault(name, value)
        self._next: UUID | None = None
        self._at: datetime | None = None
        cursor = self._given.pop("cursor", None)
        if cursor is not None:
            self._merge(cursor)

    def _merge(self, cursor: str) -> None:
        try:
            text = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode(
                "ascii"
            )
        except ValueError:
            raise invalid("cursor") from None
        signed, _, signature = text.rpartition("&sig=")
        if not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            raise invalid("cursor")
        carried = dict(parse_qsl(signed, keep_blank_values=True))
        self._next = parse_id(carried.pop("next", ""))
        self._at = parse_datetime(carried.pop("at")) if "at" in carried else None
        for name, value in self._given.items():
            if (
                name != "limit"
                and not name.startswith("include")
                and name in carried
                and carried[name] != value
            ):
                raise invalid("cursor")
        self._given = {**carried, **self._given}

    def _signature(self, signed: str) -> str:
        message = b"\x00".join((b"cursor", self._account_id.bytes, self._path.encode(), signed.encode()))
        return base64.urlsafe_b64encode(hmac.digest(self._key, message, hashlib.sha256)[:12]).decode()

    @property
    def from_id(self) -> UUID | None:
        """The first id of the page that the cursor asks for."""
        return self._next

    @property
    def from_at(self) -> datetime | None:
        """The time of that first item, if the pages are ordered by a time."""
        return self._at

    def links(self, next_id: UUID | None, *names: str, at: datetime | None = None) -> Links | None:
        """Return the link to the next page, which carries the parameters in `names`; None on the last page."""
        if next_id is None:
            return None
        carried = {name: self._given[name] for name in sorted(names) if name in self._given}
        if at is not None:
            carried["at"] = at.isoformat()
        signed = urlencode({**carried, "next": str(next_id)})
        token = (
            base64.urlsafe_b64encode(f"{signed}&sig={self._signature(signed)}".encode()).decode().rstrip("=")
        )
        return Links(Link(f"{self._path}?cursor={token}"))

    def text(self, name: str) -> str | None:
        """Return the parameter, or None if it is absent or empty."""
        return self._given.get(name) or None

    def integer(self, name: str, *, default: int, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`."""
        text = self.text(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) < 10 and low <= int(text) <= high):
            raise invalid(name)
        return int(text)

    def boolean(self, name: str) -> bool:
        """Return True for `true` or `1`, False for `false`, `0` or no parameter, in any case."""
        text = (self.text(name) or "false").lower()
        if text not in ("true", "false", "1", "0"):
            raise invalid(name)
        return text in ("true", "1")

    def one_of(self, name: str, words: tuple[str, ...]) -> str | None:
        """Return one of `words`, or None if the parameter is absent."""
        text = self.text(name)
        if text is not None and text not in words:
            raise invalid(name)
        return text

    def words(self, name: str, words: tuple[str, ...]) -> frozenset[str] | None:
        """Return some of `words`, which commas separate, or None if the parameter is absent."""
        text = self.text(name)
        if text is None:
            return None
        given = frozenset(word.strip() for word in text.split(","))
        if not given <= frozenset(words):
            raise invalid(name)
        return given

    def ids(self, name: str, *, most: int) -> tuple[UUID, ...] | None:
        """Return up to `most` UUIDs, which commas separate, or None if the parameter is absent."""
        text = self.text(name)
        if text is None:
            return None
        found = [parse_id(word.strip()) for word in text.split(",")]
        ids = tuple(dict.fromkeys(one for one in found if one is not None))
        if None in found or len(ids) > most:
            raise invalid(name)
        return ids

    def sequence_ids(self, *, most: int = 500) -> list[int]:
        """Return the V2 ids of `sequence_ids`, which is required: decimals, leading zeros allowed."""
        text = self.text("sequence_ids")
        if text is None:
            raise bad_request("sequence_ids is missing")
        words = [word.strip() for word in text.split(",")]
        if len(words) > most or not all(re.fullmatch(r"[0-9]{1,30}", word) for word in words):
            raise invalid("sequence_ids")
        return [number for word in words if (number := int(word)) < 2**63]

    def moment(self, name: str) -> datetime | None:
        """Return a date-time in any spelling of contract 1.3, in UTC."""
        text = self.text(name)
        if text is None:
            return None
        moment = parse_datetime(text)
        if moment is None:
            raise invalid(name)
        return moment


class Link(msgspec.Struct):
    """The address of something, relative to the host."""

    href: str


class Links(msgspec.Struct):
    """The `_links` of a page."""

    next: Link
