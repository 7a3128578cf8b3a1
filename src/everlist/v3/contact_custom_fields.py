"""/v3/contact_custom_fields. V3 contract 4.2."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from msgspec import field
from starlette.responses import Response

from everlist.core import contacts, custom_fields
from everlist.rest.errors import bad_request, invalid, json_response, whole_seconds
from everlist.rest.query import Links

if TYPE_CHECKING:
    from everlist.rest.call import Call

_MAX_LABEL = 50
_MAX_CHOICE_LABEL = 255


class ChoiceOut(msgspec.Struct):
    choice_id: int
    choice_label: str
    display_order: int
    custom_field_id: UUID
    created_at: datetime | None
    updated_at: datetime | None


class CustomFieldOut(msgspec.Struct, omit_defaults=True):
    custom_field_id: UUID
    label: str
    name: str
    type: str
    version: int
    created_at: datetime | None
    updated_at: datetime | None
    metadata: dict[str, Any] | None = None
    choices: list[ChoiceOut] | None = None


class CustomFieldsOut(msgspec.Struct, omit_defaults=True):
    custom_fields: list[CustomFieldOut]
    links: Links | None = field(default=None, name="_links")


class MetadataIn(msgspec.Struct):
    display_type: str | None = None
    allow_negative: bool | None = None
    decimal_places: int | None = None
    currency_code: str | None = None
    integer: bool | None = None
    display_format: str | None = None


class ChoiceIn(msgspec.Struct):
    choice_label: str
    display_order: int | None = None
    choice_id: int | None = None


class CustomFieldIn(msgspec.Struct):
    """The body of POST; PUT takes its label and choices."""

    label: str
    type: str | None = None
    metadata: MetadataIn | None = None
    version: int | None = None
    choices: tuple[ChoiceIn, ...] | None = None

    def checked(self) -> CustomFieldIn:
        """Return the body. Raises Failure 400 if a text is empty or too long, or an order does not fit."""
        if not 1 <= len(self.label.strip()) <= len(self.label) <= _MAX_LABEL:
            raise invalid("label")
        if any(not 1 <= len(choice.choice_label) <= _MAX_CHOICE_LABEL for choice in self.choices or ()):
            raise invalid("choices[choice_label]")
        if any(not -(2**31) <= (choice.display_order or 0) < 2**31 for choice in self.choices or ()):
            raise invalid("choices[display_order]")
        if self.metadata is not None and len(self.metadata.display_format or "") > 50:
            raise invalid("metadata[display_format]")
        return self

    def choice_drafts(self) -> tuple[custom_fields.ChoiceDraft, ...]:
        """Return the choices as core takes them."""
        return tuple(
            custom_fields.ChoiceDraft(
                choice_label=choice.choice_label,
                display_order=choice.display_order,
                choice_id=choice.choice_id,
            )
            for choice in self.choices or ()
        )


def _custom_field_out(custom_field: custom_fields.CustomField) -> CustomFieldOut:
    out = CustomFieldOut(
        custom_field_id=custom_field.custom_field_id,
        label=custom_field.label,
        name=custom_field.name,
        type=custom_field.type,
        version=custom_field.version,
        created_at=whole_seconds(custom_field.created_at),
        updated_at=whole_seconds(custom_field.updated_at),
        metadata=custom_field.metadata or None,
    )
    if custom_field.type in custom_fields.SELECTS:
        out.choices = [
            ChoiceOut(
                choice_id=choice.choice_id,
                choice_label=choice.choice_label,
                display_order=choice.display_order,
                custom_field_id=custom_field.custom_field_id,
                created_at=whole_seconds(choice.created_at),
                updated_at=whole_seconds(choice.updated_at),
            )
            for choice in custom_field.live_choices
        ]
    return out


async def post_custom_field(call: Call) -> Response:
    """POST /contact_custom_fields."""
    body = (await call.body(CustomFieldIn)).checked()
    if body.type is None:
        raise bad_request("type is missing, type does not have a valid value")
    custom_field = await call.run(
        custom_fields.create,
        label=body.label,
        kind=body.type,
        metadata=msgspec.structs.asdict(body.metadata) if body.metadata else {},
        version=1 if body.version is None else body.version,
        choices=body.choice_drafts(),
        now=call.now,
    )
    return json_response(_custom_field_out(custom_field), 201)


async def get_custom_field(call: Call) -> Response:
    """GET /contact_custom_fields/{custom_field_id}."""
    custom_field = await custom_fields.get(call.db, call.account_id, call.path_id("custom_field_id"))
    return json_response(_custom_field_out(custom_field))


async def put_custom_field(call: Call) -> Response:
    """PUT /contact_custom_fields/{custom_field_id}: the label and, for selects, the choices."""
    custom_field_id = call.path_id("custom_field_id")
    body = (await call.body(CustomFieldIn)).checked()
    custom_field = await call.run(
        custom_fields.replace,
        custom_field_id,
        label=body.label,
        choices=body.choice_drafts(),
        now=call.now,
    )
    return json_response(_custom_field_out(custom_field))


async def delete_custom_field(call: Call) -> Response:
    """DELETE /contact_custom_fields/{custom_field_id}: its values go with it."""
    await call.run(contacts.delete_custom_field, call.path_id("custom_field_id"))
    return Response(status_code=204)


async def get_all_custom_fields(call: Call) -> Response:
    """GET /contact_custom_fields."""
    query = call.query()
    page = await custom_fields.page(
        call.db,
        call.account_id,
        limit=query.integer("limit", default=50, low=1, high=100),
        from_id=query.from_id,
    )
    out = [_custom_field_out(one) for one in page.items]
    return json_response(CustomFieldsOut(custom_fields=out, links=query.links(page.next_id, "limit")))
