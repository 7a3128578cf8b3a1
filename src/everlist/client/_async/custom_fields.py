"""Custom fields: V3 contract section 4.2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from everlist.client import models
from everlist.client._async.paging import AsyncItems
from everlist.client._async.transport import AsyncTransport
from everlist.client._protocol import delete, get, given, path_of, send

UNSET = msgspec.UNSET
_Choices = Sequence[models.Choice | str]


class AsyncCustomFields:
    """`client.custom_fields`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> AsyncItems[models.CustomField, models.CustomFieldsPage]:
        """The fields."""
        request = get("/v3/contact_custom_fields", limit=limit, cursor=cursor)
        return AsyncItems(self._transport, request, models.CustomFieldsPage)

    async def find(self, name: str) -> models.CustomField | None:
        """The field with that name or label, in any case; None if there is none."""
        async for one in self.list(limit=100):
            if name.casefold() in ((one.name or "").casefold(), one.label.casefold()):
                return one
        return None

    async def get(self, custom_field_id: object) -> models.CustomField:
        """One field."""
        request = get(path_of("/v3/contact_custom_fields/{}", custom_field_id))
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
        """Define a field; choices may be their labels alone. Raises Conflict where the label is taken."""
        body = given(label=label, type=type, metadata=metadata, version=version, choices=_choices(choices))
        return await self._transport.call(send("POST", "/v3/contact_custom_fields", body), models.CustomField)

    async def update(
        self, custom_field_id: object, *, label: str, choices: _Choices | msgspec.UnsetType = UNSET
    ) -> models.CustomField:
        """Set the label and, for a select, the choices. A choice that is left out is taken out."""
        body = given(label=label, choices=_choices(choices))
        request = send("PUT", path_of("/v3/contact_custom_fields/{}", custom_field_id), body)
        return await self._transport.call(request, models.CustomField)

    async def delete(self, custom_field_id: object) -> None:
        """Delete a field, and its value on every contact, at once."""
        path = path_of("/v3/contact_custom_fields/{}", custom_field_id)
        await self._transport.send(delete(path, gone_is_done=True))


def _choices(choices: _Choices | msgspec.UnsetType) -> Any:
    if isinstance(choices, msgspec.UnsetType):
        return UNSET
    return [
        models.Choice(choice_label=choice, display_order=order) if isinstance(choice, str) else choice
        for order, choice in enumerate(choices, start=1)
    ]
