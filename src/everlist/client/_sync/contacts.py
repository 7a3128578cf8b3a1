# Made from src/everlist/client/_async/contacts.py by `make client`: edit that.
"""Contacts: V3 contract section 3, and Everlist's additions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from everlist.client import models
from everlist.client._protocol import delete, get, id_list, path_with, send_json
from everlist.client._sync.paging import Items
from everlist.client._sync.transport import Transport

_Time = datetime | date | str
_Names = str | Iterable[str]
_Ids = str | UUID | Iterable[str | UUID]


class Contacts:
    """The calls of `client.contacts`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        status: _Names | None = None,
        email: str | None = None,
        lists: _Ids | None = None,
        tags: _Ids | None = None,
        segment_id: int | str | None = None,
        updated_after: _Time | None = None,
        updated_before: _Time | None = None,
        created_after: _Time | None = None,
        created_before: _Time | None = None,
        optout_after: _Time | None = None,
        optout_before: _Time | None = None,
        sms_status: _Names | None = None,
        include: _Names | None = None,
        include_count: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Items[models.Contact, models.ContactsPage]:
        """Return the contacts that match all filters; deleted ones only if `status` includes them.

        `limit` is the size of a page; iterating still returns all contacts.
        """
        request = get(
            "/v3/contacts",
            status=status,
            email=email,
            lists=lists,
            tags=tags,
            segment_id=segment_id,
            updated_after=updated_after,
            updated_before=updated_before,
            created_after=created_after,
            created_before=created_before,
            optout_after=optout_after,
            optout_before=optout_before,
            sms_status=sms_status,
            include=include,
            include_count=include_count,
            limit=limit,
            cursor=cursor,
        )
        return Items(self._transport, request, models.ContactsPage)

    def find(self, email: str, *, include: _Names | None = None) -> models.Contact | None:
        """Return the contact with that address, even a deleted one; None if there is none."""
        return self.list(email=email, status="all", include=include, limit=1).first()

    def get(self, contact_id: object, *, include: _Names | None = None) -> models.Contact:
        """Return a contact, even a deleted one. Raises NotFound."""
        return self._transport.call(
            get(path_with("/v3/contacts/{}", contact_id), include=include), models.Contact
        )

    def create(self, contact: models.NewContact | Mapping[str, Any]) -> models.Contact:
        """Create a contact. Raises Conflict if the address or number is taken, even by a deleted contact."""
        return self._transport.call(send_json("POST", "/v3/contacts", contact), models.Contact)

    def update(self, contact_id: object, contact: models.ContactUpdate | Mapping[str, Any]) -> models.Contact:
        """Replace a contact: clears the core properties that the body leaves out. `change` keeps them."""
        return self._transport.call(
            send_json("PUT", path_with("/v3/contacts/{}", contact_id), contact), models.Contact
        )

    def change(self, contact_id: object, *, update_source: str, **changes: Any) -> models.Contact:
        """Change these properties of a contact and keep all others: reads the contact and writes it back.

        A change that another client makes in between is lost: the API has no conditional update.
        Raises TypeError for a name that is no property of a contact.
        """
        contact = self.get(contact_id)
        update = models.ContactUpdate.of(contact, update_source=update_source, **changes)
        return self.update(contact_id, update)

    def sign_up(self, sign_up: models.SignUp | Mapping[str, Any]) -> models.SignedUp:
        """Create or update the contact of a person who submitted a sign-up form."""
        request = send_json("POST", "/v3/contacts/sign_up_form", sign_up, retry_conflict=True)
        return self._transport.call(request, models.SignedUp)

    def delete(self, contact_id: object) -> None:
        """Delete a contact: hides it and removes it from its lists. It can be restored; `erase` is final."""
        self._transport.send(delete(path_with("/v3/contacts/{}", contact_id), not_found_is_success=True))

    def counts(self, *, new_subscriber: bool = False) -> models.Counts:
        """Return the number of contacts by permission."""
        include = "new_subscriber" if new_subscriber else None
        return self._transport.call(get("/v3/contacts/counts", include=include), models.Counts)

    def xrefs(self, sequence_ids: Iterable[object]) -> Sequence[models.Xref]:
        """Look up the contact ids of up to 500 V2 ids."""
        request = get("/v3/contacts/contact_id_xrefs", sequence_ids=id_list(sequence_ids))
        return (self._transport.call(request, models.Xrefs)).xrefs

    def sms_history(self, contact_id: object) -> Sequence[models.SmsHistory]:
        """Return the opt-ins and opt-outs of the contact's SMS number, oldest first."""
        request = get(path_with("/v3/contacts/sms_engagement_history/{}", contact_id))
        return self._transport.call(request, tuple[models.SmsHistory, ...])

    def resubscribe(self, contact_id: object, list_ids: Iterable[object]) -> None:
        """Mail an unsubscribed contact an invitation to resubscribe. Never retried: it is allowed once per contact."""
        path = path_with("/v3/contacts/resubscribe/{}", contact_id)
        self._transport.send(send_json("PUT", path, {"list_ids": id_list(list_ids)}, idempotent=False))

    # Everlist only

    def erase(self, contact_id: object, *, reason: str | None = None) -> models.Erasure:
        """Erase a contact irreversibly, even a deleted one, and return the receipt."""
        request = delete(path_with("/everlist/v1/contacts/{}", contact_id), reason=reason)
        return self._transport.call(request, models.Erasure)

    def explain(self, email: str) -> models.Explanation:
        """Return the state of an address in this account, and the call that would succeed."""
        return self._transport.call(get("/everlist/v1/contacts/explain", email=email), models.Explanation)

    def consent(
        self, contact_id: object, *, limit: int | None = None, cursor: str | None = None
    ) -> Items[models.ConsentEvent, models.ConsentEventsPage]:
        """Return the consent ledger of a contact, oldest entry first."""
        request = get(path_with("/everlist/v1/contacts/{}/consent", contact_id), limit=limit, cursor=cursor)
        return Items(self._transport, request, models.ConsentEventsPage)

    def consent_as_of(self, contact_id: object, moment: _Time) -> models.ConsentState:
        """Return what you were allowed to send to a contact at that time."""
        request = get(path_with("/everlist/v1/contacts/{}/consent", contact_id), as_of=moment)
        return self._transport.call(request, models.ConsentState)

    def record(self, contact_id: object) -> dict[str, Any]:
        """Return all data stored about a contact, to answer an access request."""
        request = get(path_with("/everlist/v1/contacts/{}/record", contact_id))
        return self._transport.call(request, dict[str, Any])

    def links(self, contact_id: object) -> models.ContactLinks:
        """Return the unsubscribe links and headers for a contact's mail."""
        request = get(path_with("/everlist/v1/contacts/{}/links", contact_id))
        return self._transport.call(request, models.ContactLinks)
