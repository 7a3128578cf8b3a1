"""What all models share."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Self

import msgspec
from msgspec import UnsetType, field

from everlist.client._protocol import cursor_in

Text = str | None | UnsetType
Number = int | None | UnsetType


class Model(msgspec.Struct, omit_defaults=True, repr_omit_defaults=True):
    """A value that the API takes or returns."""

    def to_dict(self) -> dict[str, Any]:
        """Return the value as a dictionary without absent properties; dates stay `date` and `datetime`."""
        return msgspec.to_builtins(self, builtin_types=(datetime, date))

    def to_json(self) -> str:
        """Return the value as JSON."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_dict(cls, obj: Any) -> Self:
        """Build the value from a dictionary. Raises msgspec.ValidationError."""
        return msgspec.convert(obj, cls)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Build the value from JSON. Raises msgspec.ValidationError."""
        return msgspec.json.decode(text, type=cls)


class Link(Model, kw_only=True):
    """A path relative to the host."""

    href: str


class NextLink(Model, kw_only=True):
    """The `_links` object of a page."""

    next: Link | None = None


class Page(Model, kw_only=True):
    """The base of every page. Each kind of page adds `items`, its values."""

    links: NextLink | None = field(default=None, name="_links")

    @property
    def next(self) -> str | None:
        """Return the link to the next page; None on the last one."""
        return self.links.next.href if self.links and self.links.next else None

    @property
    def cursor(self) -> str | None:
        """Return the argument for `list(cursor=…)` that starts at the next page; None on the last one."""
        return cursor_in(self.next) if self.next else None

    @property
    def total(self) -> int | None:
        """Return the number of values on all pages; None unless you asked for it with `include_count`."""
        return None


class Xref(Model, kw_only=True):
    """A V2 id and the V3 id that replaces it."""

    sequence_id: str
    contact_id: str | None = None
    list_id: str | None = None


class Xrefs(Model, kw_only=True):
    """The answer of the two xrefs calls."""

    xrefs: list[Xref]
