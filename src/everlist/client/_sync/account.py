# Made from src/everlist/client/_async/account.py by `make client`: edit that.
"""The account of the token: usage, settings, erasures and suppressions. Everlist only."""

from __future__ import annotations

from typing import Any

import msgspec

from everlist.client import models
from everlist.client._protocol import delete, get, path_with, send_json, without_unset
from everlist.client._sync.paging import Items
from everlist.client._sync.transport import Transport

UNSET = msgspec.UNSET


class Account:
    """The calls of `client.account`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def usage(self, month: str | None = None) -> models.Usage:
        """Return the active contacts of a month, `YYYY-MM` (default: this one): each day, the peak and its cause."""
        request = get("/everlist/v1/usage/active_contacts", month=month)
        return self._transport.call(request, models.Usage)

    def settings(self) -> models.AccountSettings:
        """Return the settings. The token needs the scope account_read."""
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
        """Change these settings and keep the others; None clears one. The token needs the scope account_update."""
        body = without_unset(
            name=name,
            time_zone=time_zone,
            confirmed_opt_in=confirmed_opt_in,
            sender_name=sender_name,
            sender_email=sender_email,
            postal_address=postal_address,
        )
        request = send_json("PATCH", "/everlist/v1/account/settings", body, idempotent=True)
        return self._transport.call(request, models.AccountSettings)

    def erasures(
        self, *, activity_id: object = None, limit: int | None = None, cursor: str | None = None
    ) -> Items[models.Erasure, models.ErasuresPage]:
        """Return the erasures with their receipts, newest first."""
        request = get("/everlist/v1/erasures", activity_id=activity_id, limit=limit, cursor=cursor)
        return Items(self._transport, request, models.ErasuresPage)

    def erasure(self, erasure_id: object) -> models.Erasure:
        """Return one erasure with its receipt. Raises NotFound."""
        return self._transport.call(get(path_with("/everlist/v1/erasures/{}", erasure_id)), models.Erasure)

    def receipt_keys(self) -> dict[str, Any]:
        """Return the public keys that verify receipts, as a JWKS."""
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
        """Return the suppressions of unsubscribed and erased addresses; `email` selects one address."""
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
        """Allow an erased address to be stored again. The server records the reason."""
        path = "/everlist/v1/suppressions"
        self._transport.send(
            delete(path, not_found_is_success=True, email=email, sms_number=sms_number, reason=reason)
        )
