# Made from src/everlist/client/_async/contacts.py by `make client`: edit that.
"""Contacts: V3 contract section 3, and what Everlist adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from everlist.client import models
from everlist.client._protocol import delete, get, ids, path_of, send
from everlist.client._sync.paging import Items
from everlist.client._sync.transport import Transport

_Moment = datetime | date | str
_Words = str | Iterable[str]
_Ids = str | UUID | Iterable[str | UUID]


class Contacts:
    """`client.contacts`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        status: _Words | None = None,
        email: str | None = None,
        lists: _Ids | None = None,
        tags: _Ids | None = None,
        segment_id: int | str | None = None,
        updated_after: _Moment | None = None,
        updated_before: _Moment | None = None,
        created_after: _Moment | None = None,
        created_before: _Moment | None = None,
        optout_after: _Moment | None = None,
        optout_before: _Moment | None = None,
        sms_status: _Words | None = None,
        include: _Words | None = None,
        include_count: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Items[models.Contact, models.ContactsPage]:
        """The contacts for whom all filters hold; without `status`, those that are not deleted.

        `limit` is how many come with each request, not how many there are.
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

    def find(self, email: str, *, include: _Words | None = None) -> models.Contact | None:
        """The contact with that address, a deleted one too; None if nobody has it."""
        return self.list(email=email, status="all", include=include, limit=1).first()

    def get(self, contact_id: object, *, include: _Words | None = None) -> models.Contact:
        """One contact, a deleted one too."""
        return self._transport.call(
            get(path_of("/v3/contacts/{}", contact_id), include=include), models.Contact
        )

    def create(self, contact: models.NewContact | Mapping[str, Any]) -> models.Contact:
        """Make a contact. Raises Conflict where the address or number is taken, by a deleted contact too."""
        return self._transport.call(send("POST", "/v3/contacts", contact), models.Contact)

    def update(self, contact_id: object, contact: models.ContactUpdate | Mapping[str, Any]) -> models.Contact:
        """Make the contact what the body says: a core property that it leaves out is cleared. See `change`."""
        return self._transport.call(
            send("PUT", path_of("/v3/contacts/{}", contact_id), contact), models.Contact
        )

    def change(self, contact_id: object, *, update_source: str, **changes: Any) -> models.Contact:
        """Change these properties of a contact and keep all others: the contact is read, and written back.

        What another changes in between is lost, as with every client of this API.
        """
        there = self.get(contact_id)
        return self.update(contact_id, models.ContactUpdate.of(there, update_source=update_source, **changes))

    def sign_up(self, sign_up: models.SignUp | Mapping[str, Any]) -> models.SignedUp:
        """Make or update the contact of a person who signed up, and asked for it."""
        request = send("POST", "/v3/contacts/sign_up_form", sign_up, conflict_passes=True)
        return self._transport.call(request, models.SignedUp)

    def delete(self, contact_id: object) -> None:
        """Hide a contact and take it off its lists. It can come back; `erase` is for good."""
        self._transport.send(delete(path_of("/v3/contacts/{}", contact_id), gone_is_done=True))

    def counts(self, *, new_subscriber: bool = False) -> models.Counts:
        """How many contacts there are, by permission."""
        include = "new_subscriber" if new_subscriber else None
        return self._transport.call(get("/v3/contacts/counts", include=include), models.Counts)

    def xrefs(self, sequence_ids: Iterable[object]) -> Sequence[models.Xref]:
        """V2 ids to contact ids, up to 500."""
        request = get("/v3/contacts/contact_id_xrefs", sequence_ids=ids(sequence_ids))
        return (self._transport.call(request, models.Xrefs)).xrefs

    def sms_history(self, contact_id: object) -> Sequence[models.SmsHistory]:
        """The opt-ins and opt-outs of the contact's number, oldest first."""
        request = get(path_of("/v3/contacts/sms_engagement_history/{}", contact_id))
        return self._transport.call(request, tuple[models.SmsHistory, ...])

    def resubscribe(self, contact_id: object, list_ids: Iterable[object]) -> None:
        """Ask an unsubscribed contact by mail to come back: once, ever. It is not tried again by itself."""
        path = path_of("/v3/contacts/resubscribe/{}", contact_id)
        self._transport.send(send("PUT", path, {"list_ids": ids(list_ids)}, repeatable=False))

    # Everlist's own

    def erase(self, contact_id: object, *, reason: str | None = None) -> models.Erasure:
        """Erase a person for good, a deleted one too; the receipt. There is no way back."""
        request = delete(path_of("/everlist/v1/contacts/{}", contact_id), reason=reason)
        return self._transport.call(request, models.Erasure)

    def explain(self, email: str) -> models.Explanation:
        """How an address stands in this account, and the call that would succeed."""
        return self._transport.call(get("/everlist/v1/contacts/explain", email=email), models.Explanation)

    def consent(
        self, contact_id: object, *, limit: int | None = None, cursor: str | None = None
    ) -> Items[models.ConsentEvent, models.ConsentEventsPage]:
        """The consent ledger of a contact, oldest first."""
        request = get(path_of("/everlist/v1/contacts/{}/consent", contact_id), limit=limit, cursor=cursor)
        return Items(self._transport, request, models.ConsentEventsPage)

    def consent_as_of(self, contact_id: object, moment: _Moment) -> models.ConsentState:
        """What could be sent to a contact at that moment."""
        request = get(path_of("/everlist/v1/contacts/{}/consent", contact_id), as_of=moment)
        return self._transport.call(request, models.ConsentState)

    def record(self, contact_id: object) -> dict[str, Any]:
        """All that is kept of one person, to be handed to them."""
        request = get(path_of("/everlist/v1/contacts/{}/record", contact_id))
        return self._transport.call(request, dict[str, Any])

    def links(self, contact_id: object) -> models.ContactLinks:
        """What goes into a contact's mail so that the person can unsubscribe."""
        request = get(path_of("/everlist/v1/contacts/{}/links", contact_id))
        return self._transport.call(request, models.ContactLinks)
