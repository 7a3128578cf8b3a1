"""The account of the token, and what is remembered of people who are gone. Everlist only."""

from __future__ import annotations

from typing import Any

import msgspec

from everlist.client import models
from everlist.client._async.paging import AsyncItems
from everlist.client._async.transport import AsyncTransport
from everlist.client._protocol import delete, get, given, path_of, send

UNSET = msgspec.UNSET


class AsyncAccount:
    """`client.account`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def usage(self, month: str | None = None) -> models.Usage:
        """The meter of active contacts in a month, `YYYY-MM`: its peak, when it was, and what caused it."""
        request = get("/everlist/v1/usage/active_contacts", month=month)
        return await self._transport.call(request, models.Usage)

    async def settings(self) -> models.AccountSettings:
        """The settings. The token needs the scope account_read."""
        return await self._transport.call(get("/everlist/v1/account/settings"), models.AccountSettings)

    async def change_settings(
        self,
        *,
        name: str | msgspec.UnsetType = UNSET,
        time_zone: str | msgspec.UnsetType = UNSET,
        confirmed_opt_in: bool | msgspec.UnsetType = UNSET,
        sender_name: models.Text = UNSET,
        sender_email: models.Text = UNSET,
        postal_address: models.Text = UNSET,
    ) -> models.AccountSettings:
        """Change these, and keep the others; None takes one away. The token needs the scope account_update."""
        body = given(
            name=name,
            time_zone=time_zone,
            confirmed_opt_in=confirmed_opt_in,
            sender_name=sender_name,
            sender_email=sender_email,
            postal_address=postal_address,
        )
        request = send("PATCH", "/everlist/v1/account/settings", body, repeatable=True)
        return await self._transport.call(request, models.AccountSettings)

    def erasures(
        self, *, activity_id: object = None, limit: int | None = None, cursor: str | None = None
    ) -> AsyncItems[models.Erasure, models.ErasuresPage]:
        """The receipts of the people who were erased, newest first."""
        request = get("/everlist/v1/erasures", activity_id=activity_id, limit=limit, cursor=cursor)
        return AsyncItems(self._transport, request, models.ErasuresPage)

    async def erasure(self, erasure_id: object) -> models.Erasure:
        """One receipt."""
        return await self._transport.call(
            get(path_of("/everlist/v1/erasures/{}", erasure_id)), models.Erasure
        )

    async def receipt_keys(self) -> dict[str, Any]:
        """The public keys that receipts are checked with, as a JWKS."""
        return await self._transport.call(get("/everlist/v1/keys"), dict[str, Any])

    def suppressions(
        self,
        *,
        email: str | None = None,
        sms_number: str | None = None,
        reason: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> AsyncItems[models.Suppression, models.SuppressionsPage]:
        """What is remembered of addresses that unsubscribed or were erased; with `email`, of that one."""
        request = get(
            "/everlist/v1/suppressions",
            email=email,
            sms_number=sms_number,
            reason=reason,
            limit=limit,
            cursor=cursor,
        )
        return AsyncItems(self._transport, request, models.SuppressionsPage)

    async def lift_suppression(
        self, *, reason: str, email: str | None = None, sms_number: str | None = None
    ) -> None:
        """Let the account hold an erased address again. The reason is kept."""
        path = "/everlist/v1/suppressions"
        await self._transport.send(
            delete(path, gone_is_done=True, email=email, sms_number=sms_number, reason=reason)
        )
