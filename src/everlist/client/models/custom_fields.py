"""Custom fields."""

from __future__ import annotations

from datetime import date, datetime

from everlist.client.models.base import Model, Page


class Metadata(Model, kw_only=True):
    """The settings that depend on the type of a custom field."""

    display_type: str | None = None
    allow_negative: bool | None = None
    decimal_places: int | None = None
    currency_code: str | None = None
    integer: bool | None = None
    display_format: str | None = None


class Choice(Model, kw_only=True):
    """One choice of a select; the server assigns choice_id."""

    choice_label: str
    display_order: int | None = None
    choice_id: int | None = None
    custom_field_id: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: date | None = None


class CustomField(Model, kw_only=True):
    """A custom field. The server derives `name` from the label; import files use it as `cf:<name>`."""

    custom_field_id: str
    label: str
    name: str | None = None
    type: str | None = None
    version: int | None = None
    metadata: Metadata | None = None
    choices: list[Choice] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class CustomFieldsPage(Page, kw_only=True):
    """A page of custom fields."""

    custom_fields: list[CustomField]

    @property
    def items(self) -> list[CustomField]:
        """Return the custom fields."""
        return self.custom_fields
