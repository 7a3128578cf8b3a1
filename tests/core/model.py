"""What contacts are and become, by the contract: a second reading of V3 contract 3.5 to 3.11.

Everything is held in plain dictionaries and every rule is spelled out where it applies. Confirmed opt-in is
off. Phone numbers, postal addresses and notes are not modelled, nor the times of an SMS consent.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from everlist.errors import Conflict, Invalid, NotFound

if TYPE_CHECKING:
    from datetime import datetime

    from everlist.core.contacts import ContactDraft

CORE_TEXTS = ("first_name", "last_name", "job_title", "company_name")


@dataclass(frozen=True)
class Email:
    """An address on a contact, and the permission that goes with it."""

    shown: str
    created_at: datetime
    updated_at: datetime
    permission: str
    opt_in_source: str | None
    opt_in_at: datetime | None = None
    opt_out_source: str | None = None
    opt_out_at: datetime | None = None
    opt_out_reason: str | None = None

    @property
    def key(self) -> str:
        return _key(self.shown)

    @property
    def mailable(self) -> bool:
        return self.permission in ("explicit", "implicit")

    @property
    def standing(self) -> tuple[str, str | None]:
        """What may be sent, and who said no."""
        return self.permission, self.opt_out_source

    @property
    def person_said_no(self) -> bool:
        return self.standing == ("unsubscribed", "Contact")


@dataclass(frozen=True)
class Sms:
    """A number on a contact, and the permission that goes with it."""

    number: str
    permission: str
    opt_out_source: str | None = None


@dataclass(frozen=True)
class Contact:
    """A contact as a whole."""

    contact_id: UUID
    created_at: datetime
    updated_at: datetime
    create_source: str
    update_source: str | None = None
    deleted_at: datetime | None = None
    texts: dict[str, str] = field(default_factory=dict[str, str])
    email: Email | None = None
    sms: Sms | None = None
    values: dict[UUID, str] = field(default_factory=dict[UUID, str])
    lists: frozenset[UUID] = frozenset()
    tags: frozenset[UUID] = frozenset()
    lists_when_deleted: frozenset[UUID] = frozenset()


MAILABLE = ("explicit", "implicit")


class Event(NamedTuple):
    """One row of the ledger: what may be sent to a person changed, or who may change it."""

    contact_id: UUID
    channel: str
    action: str
    before: str | None
    after: str | None
    opted_out_by: str | None
    source: str


class Model:
    """One account."""

    def __init__(self) -> None:
        self.contacts: dict[UUID, Contact] = {}
        self.lists: set[UUID] = set()
        self.tags: set[UUID] = set()
        self.fields: set[UUID] = set()
        self.said_no: dict[str, datetime] = {}
        """Addresses whose person unsubscribed, and when: on no contact, or on one that waits for the person."""
        self.numbers_said_no: set[str] = set()
        self.ledger: list[Event] = []

    # The operations. Each refuses before it changes anything: what is not there, what is taken, what is wrong.

    def create(self, new_id: UUID, draft: ContactDraft, source: str, now: datetime) -> None:
        if self._with_address(draft) or self._with_number(draft):
            raise Conflict
        self._create(new_id, draft, source, now)

    def replace(self, contact_id: UUID, draft: ContactDraft, source: str, now: datetime) -> None:
        old = self._existing(contact_id)
        if any(owner not in (None, old) for owner in (self._with_address(draft), self._with_number(draft))):
            raise Conflict
        self._refuse_unknown(draft)
        new = replace(old, updated_at=now, update_source=source, texts=_texts(draft))
        if source == "Account" or draft.list_ids:
            new = replace(new, deleted_at=None)
        if draft.email is not None:
            new = replace(new, email=self._email(old.email, draft, source, now))
        if draft.sms_channel is not None:
            new = replace(new, sms=self._sms(old.sms, draft, source))
        if draft.custom_fields is not None:
            new = replace(new, values=_values(draft))
        if draft.list_ids is not None:
            new = replace(new, lists=frozenset(draft.list_ids))
        if draft.tag_ids is not None:
            new = replace(new, tags=frozenset(draft.tag_ids))
        self._store(new, source)

    def sign_up(self, new_id: UUID, draft: ContactDraft, source: str, now: datetime) -> bool:
        """Whether a contact was made."""
        by_address, by_number = self._with_address(draft), self._with_number(draft)
        if by_address and by_number and by_address != by_number:
            raise Conflict
        old = by_address or by_number
        if old is None:
            self._create(new_id, draft, source, now)
            return True
        self._refuse_unknown(draft)
        new = replace(
            old,
            updated_at=now,
            update_source=source,
            deleted_at=None,
            texts=old.texts | _texts(draft),
            values=old.values | _values(draft),
            lists=old.lists | frozenset(draft.list_ids or ()),
        )
        if draft.email is not None:
            # The contact that the number found may have no address, or another one: it gets the draft's.
            email = old.email if by_address else self._email(old.email, draft, source, now)
            if source == "Contact" and email is not None and email.permission != "explicit":
                email = replace(_opted_in(email, "explicit", source, now), updated_at=now)
            new = replace(new, email=email)
        if draft.sms_channel is not None:
            new = replace(new, sms=self._sms(old.sms, draft, source))
        self._store(new, source)
        return False

    def delete(self, contact_id: UUID, source: str, now: datetime) -> None:
        old = self._existing(contact_id)
        if old.deleted_at is not None:
            raise NotFound
        hidden = replace(
            old, deleted_at=now, updated_at=now, lists=frozenset[UUID](), lists_when_deleted=old.lists
        )
        self._store(hidden, source)

    def delete_field(self, field_id: UUID) -> None:
        if field_id not in self.fields:
            raise NotFound
        self.fields.remove(field_id)
        for contact in self.contacts.values():
            left = {key: value for key, value in contact.values.items() if key != field_id}
            self.contacts[contact.contact_id] = replace(contact, values=left)

    # Their parts.

    def _create(self, new_id: UUID, draft: ContactDraft, source: str, now: datetime) -> None:
        self._refuse_unknown(draft)
        email = self._email(None, draft, source, now) if draft.email else None
        made = Contact(
            new_id,
            created_at=now,
            updated_at=now,
            create_source=source,
            texts=_texts(draft),
            email=email,
            sms=self._sms(None, draft, source) if draft.sms_channel else None,
            values=_values(draft),
            lists=frozenset(draft.list_ids or ()),
            tags=frozenset(draft.tag_ids or ()),
        )
        self._store(made, source)

    def _existing(self, contact_id: UUID) -> Contact:
        if contact_id not in self.contacts:
            raise NotFound
        return self.contacts[contact_id]

    def _with_address(self, draft: ContactDraft) -> Contact | None:
        """Who holds the address; deleted contacts hold theirs."""
        if draft.email is None:
            return None
        key = _key(_shown(draft))
        return next((one for one in self.contacts.values() if one.email and one.email.key == key), None)

    def _with_number(self, draft: ContactDraft) -> Contact | None:
        if draft.sms_channel is None:
            return None
        number = draft.sms_channel.full_number
        return next((one for one in self.contacts.values() if one.sms and one.sms.number == number), None)

    def _refuse_unknown(self, draft: ContactDraft) -> None:
        fields = {value.custom_field_id for value in draft.custom_fields or ()}
        if not (
            self.lists.issuperset(draft.list_ids or ())
            and self.tags.issuperset(draft.tag_ids or ())
            and self.fields.issuperset(fields)
        ):
            raise Invalid

    def _email(self, old: Email | None, draft: ContactDraft, source: str, now: datetime) -> Email:
        """The address that the draft gives to a contact; the permission is the draft's, the old one, or a rule's."""
        assert draft.email is not None
        shown, wanted, reason = _shown(draft), draft.email.permission, draft.email.opt_out_reason
        if old is None:
            blank = Email(shown, now, now, permission="not_set", opt_in_source=source)
            by_rule = "explicit" if source == "Contact" else "implicit"
            new = _permitted(blank, wanted or by_rule, reason, source, now)
        else:
            new = replace(old, shown=shown)
            if wanted is not None:
                new = _permitted(new, wanted, reason, source, now)
        if old is not None and old.key == new.key:
            raised = draft.email.permission in MAILABLE and old.permission not in MAILABLE
            if raised and source == "Account" and new.key in self.said_no:
                raise Invalid
            return new if new == replace(old, shown=shown) else replace(new, updated_at=now)
        no_since = self.said_no.get(new.key)
        if no_since is not None and source == "Account":  # an account cannot lift the opt-out of an address
            new = Email(new.shown, now, now, "unsubscribed", source, None, "Contact", no_since)
        return replace(new, created_at=now, updated_at=now)

    def _sms(self, old: Sms | None, draft: ContactDraft, source: str) -> Sms:
        assert draft.sms_channel is not None
        number, (consent,) = draft.sms_channel.full_number, draft.sms_channel.consents
        moved = old is None or old.number != number
        if moved and number in self.numbers_said_no and source == "Account":
            return Sms(number, "unsubscribed", "Contact")
        was_said_by_the_person = old is not None and old.opt_out_source == "Contact"
        if consent.permission == "unsubscribed":
            by_the_person = source == "Contact" or was_said_by_the_person
            return Sms(number, consent.permission, "Contact" if by_the_person else source)
        if was_said_by_the_person and source == "Account":
            raise Invalid
        return Sms(number, consent.permission)

    def _store(self, new: Contact, source: str) -> None:
        old = self.contacts.get(new.contact_id)
        if not (new.email or new.sms or new.texts.get("first_name") or new.texts.get("last_name")):
            raise Invalid
        if new.deleted_at is None:
            new = replace(new, lists_when_deleted=frozenset[UUID]())
        self.contacts[new.contact_id] = new
        old_email = old.email if old else None
        moved = new.email is not None and (old_email is None or old_email.key != new.email.key)
        if (
            new.email
            and new.email.permission in MAILABLE
            and (moved or (old_email is not None and old_email.permission not in MAILABLE))
        ):
            self.said_no.pop(new.email.key, None)  # the person acted
        if new.email and moved:
            if new.email.permission == "unsubscribed":
                self.said_no.pop(new.email.key, None)  # the contact holds it now
            if old_email is not None and old_email.person_said_no:
                assert old_email.opt_out_at is not None
                self.said_no[old_email.key] = old_email.opt_out_at
        old_sms = old.sms if old else None
        if new.sms and (old_sms is None or old_sms.number != new.sms.number):
            self.numbers_said_no.discard(new.sms.number)
            if old_sms is not None and old_sms.opt_out_source == "Contact":
                self.numbers_said_no.add(old_sms.number)
        self._record(old, new, source)

    def _record(self, old: Contact | None, new: Contact, source: str) -> None:
        was, becomes = old.email if old else None, new.email
        was_live, is_live = old is not None and old.deleted_at is None, new.deleted_at is None
        readdressed = (was.key if was else None) != (becomes.key if becomes else None)
        action = None
        if old is None:
            action = "created" if becomes else None
        elif was_live != is_live:
            action = "restored" if is_live else "deleted"
        elif readdressed:
            action = "readdressed"
        elif was and becomes and was.standing != becomes.standing:
            action = "changed"
        if action is not None:
            self.ledger.append(
                Event(
                    new.contact_id,
                    "email",
                    action,
                    was.permission if was else None,
                    becomes.permission if becomes else None,
                    was.opt_out_source if was else None,
                    source,
                )
            )
        before = old.sms if old else None
        if new.sms is not None and new.sms != before:
            self.ledger.append(
                Event(
                    new.contact_id,
                    "sms",
                    "changed" if before else "created",
                    before.permission if before else None,
                    new.sms.permission,
                    before.opt_out_source if before else None,
                    source,
                )
            )


def _permitted(email: Email, wanted: str, reason: str | None, source: str, now: datetime) -> Email:
    """The address once `source` asked for a permission."""
    if wanted == "unsubscribed":
        if email.permission != "unsubscribed" or (email.opt_out_source, source) == ("Account", "Contact"):
            return replace(
                email, permission=wanted, opt_out_source=source, opt_out_at=now, opt_out_reason=reason
            )
        if email.opt_out_source == source and reason is not None:
            return replace(email, opt_out_reason=reason)
        return email
    if email.permission == "unsubscribed":
        if email.opt_out_source == "Contact" and source == "Account":
            raise Invalid
        to = "explicit" if source == "Contact" and wanted in ("explicit", "implicit") else wanted
        return _opted_in(email, to, source, now)
    if email.permission == "explicit" and wanted == "implicit":
        raise Invalid
    changed = replace(email, permission=wanted)
    if changed.mailable and email.opt_in_at is None:
        return replace(changed, opt_in_at=now)
    return changed


def _opted_in(email: Email, permission: str, source: str, now: datetime) -> Email:
    """The address without what told of an opt-out; a permission to mail begins anew."""
    email = replace(email, permission=permission, opt_out_source=None, opt_out_at=None, opt_out_reason=None)
    return replace(email, opt_in_source=source, opt_in_at=now) if email.mailable else email


def _texts(draft: ContactDraft) -> dict[str, str]:
    return {name: text for name in CORE_TEXTS if (text := getattr(draft, name))}


def _values(draft: ContactDraft) -> dict[UUID, str]:
    return {value.custom_field_id: value.value for value in draft.custom_fields or () if value.value}


def _shown(draft: ContactDraft) -> str:
    return draft.email.address.lower() if draft.email else ""


def _key(shown: str) -> str:
    """What makes two addresses the same: all but the case, and how the domain is written."""
    local, _, domain = shown.rpartition("@")
    return f"{local}@{domain.encode('idna').decode()}".lower()
