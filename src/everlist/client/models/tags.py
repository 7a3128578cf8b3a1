"""Tags."""

from __future__ import annotations

from datetime import datetime

from everlist.client.models.base import Model, Page


class Tag(Model, kw_only=True):
    """A tag."""

    tag_id: str
    name: str
    tag_source: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    contacts_count: int | None = None


class TagsPage(Page, kw_only=True):
    """A page of tags."""

    tags: list[Tag]
    tags_count: int | None = None

    @property
    def items(self) -> list[Tag]:
        """Return the tags."""
        return self.tags

    @property
    def total(self) -> int | None:
        """Return the number of tags on all pages."""
        return self.tags_count
