"""Custom fields: V3 contract section 4.2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from everlist.client import models
from everlist.client._async.paging import AsyncItems
from everlist.client._async.transport import AsyncTransport
from everlist.client._protocol import delete, get, path_with, send_json, without_unset

UNSET = msgspec.UNSET
_Choices = Sequence[models.Choice | str]


class AsyncCustomFields:
    """The calls of `client.custom_fields`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> AsyncItems[models.CustomField, models.CustomFieldsPage]:
        """Return the custom fields."""
        request = get("/v3/contact_custom_fields", limit=limit, cursor=cursor)
        return AsyncItems(self._transport, request, models.CustomFieldsPage)

    async def find(self, name: str) -> models.CustomField | None:
        """Return the field with that name or label, in any case; None if there is none. Reads all fields."""
        async for custom_field in self.list(limit=100):
            if name.casefold() in ((custom_field.name or "").casefold(), custom_field.label.casefold()):
                return custom_field
        return None

    async def get(self, custom_field_id: object) -> models.CustomField:
        """Return a custom field. Raises NotFound."""
        request = get(path_with("/v3/contact_custom_fields/{}", custom_field_id))
        return await self._transport.call(request, models.CustomField)

    async def create(
        self,
        label: str,
        type: str,  # noqa: A002 - the contract's name
        *,
        metadata: models.Metadata | msgspec.UnsetType = UNSET,
        version: int | msgspec.UnsetType = UNSET,
        choices: _Choices | msgspec.UnsetType = UNSET,
    ) -> models.CustomField:
        """Create a custom field; a choice may be just its label. Raises Conflict if the label is taken."""
        body = without_unset(
            label=label, type=type, metadata=metadata, version=version, choices=_with_order(choices)
        )
        request = send_json("POST", "/v3/contact_custom_fields", body)
        return await self._transport.call(request, models.CustomField)

    async def update(
        self, custom_field_id: object, *, label: str, choices: _Choices | msgspec.UnsetType = UNSET
    ) -> models.CustomField:
        """Set the label and, for a select, the choices. A choice that is absent is removed."""
        body = without_unset(label=label, choices=_with_order(choices))
        request = send_json("PUT", path_with("/v3/contact_custom_fields/{}", custom_field_id), body)
        return await self._transport.call(request, models.CustomField)

    async def delete(self, custom_field_id: object) -> None:
        """Delete a custom field and its values on every contact, immediately."""
        path = path_with("/v3/contact_custom_fields/{}", custom_field_id)
        await self._transport.send(delete(path, not_found_is_success=True))


def _with_order(choices: _Choices | msgspec.UnsetType) -> Any:
    """Turn labels into choices that are displayed in their order."""
    if isinstance(choices, msgspec.UnsetType):
        return UNSET
    return [
        models.Choice(choice_label=choice, display_order=order) if isinstance(choice, str) else choice
        for order, choice in enumerate(choices, start=1)
    ]
