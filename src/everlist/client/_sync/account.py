# Made from src/everlist/client/_async/account.py by `make client`: edit that.
"""The account of the token, and what is remembered of people who are gone. Everlist only."""

from __future__ import annotations

from typing import Any

import msgspec

from everlist.client import models
from everlist.client._protocol import delete, get, given, path_of, send
from everlist.client._sync.paging import Items
from everlist.client._sync.transport import Transport

UNSET = msgspec.UNSET


class Account:
    """`client.account`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def usage(self, month: str | None = None) -> models.Usage:
        """The meter of active contacts in a month, `YYYY-MM`: its peak, when it was, and what caused it."""
        request = get("/everlist/v1/usage/active_contacts", month=month)
        return self._transport.call(request, models.Usage)

    def settings(self) -> models.AccountSettings:
        """The settings. The token needs the scope account_read."""
        return self._transport.call(get("/everlist/v1/account/settings"), models.AccountSettings)

    def change_settings(
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
        return self._transport.call(request, models.AccountSettings)

    def erasures(
        self, *, activity_id: object = None, limit: int | None = None, cursor: str | None = None
    ) -> Items[models.Erasure, models.ErasuresPage]:
        """The receipts of the people who were erased, newest first."""
        request = get("/everlist/v1/erasures", activity_id=activity_id, limit=limit, cursor=cursor)
        return Items(self._transport, request, models.ErasuresPage)

    def erasure(self, erasure_id: object) -> models.Erasure:
        """One receipt."""
        return self._transport.call(get(path_of("/everlist/v1/erasures/{}", erasure_id)), models.Erasure)

    def receipt_keys(self) -> dict[str, Any]:
        """The public keys that receipts are checked with, as a JWKS."""
        return self._transport.call(get("/everlist/v1/keys"), dict[str, Any])

    def suppressions(
        self,
        *,
        email: str | None = None,
        sms_number: str | None = None,
        reason: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Items[models.Suppression, models.SuppressionsPage]:
        """What is remembered of addresses that unsubscribed or were erased; with `email`, of that one."""
        request = get(
            "/everlist/v1/suppressions",
            email=email,
            sms_number=sms_number,
            reason=reason,
            limit=limit,
            cursor=cursor,
        )
        return Items(self._transport, request, models.SuppressionsPage)

    def lift_suppression(
        self, *, reason: str, email: str | None = None, sms_number: str | None = None
    ) -> None:
        """Let the account hold an erased address again. The reason is kept."""
        path = "/everlist/v1/suppressions"
        self._transport.send(
            delete(path, gone_is_done=True, email=email, sms_number=sms_number, reason=reason)
        )
