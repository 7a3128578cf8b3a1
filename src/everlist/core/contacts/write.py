"""Create, replace, sign up, delete: every operation that changes contacts. V3 contract 3.5 to 3.10.

Each works out, under the lock of its contact, what the contact shall be, and hands that to apply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from everlist.core import consent, custom_fields, lists, tags
from everlist.core.act import Act
from everlist.core.consent import suppression
from everlist.core.contacts import subresources
from everlist.core.contacts.apply import Change, apply
from everlist.core.contacts.drafts import check
from everlist.core.contacts.identity import parse_email, parse_sms_number
from everlist.core.contacts.model import (
    MAX_CUSTOM_FIELDS,
    MAX_LISTS,
    Contact,
    ContactDraft,
)
from everlist.core.contacts.read import EVERYTHING, columns, contact_of
from everlist.core.dates import parse_date
from everlist.core.ids import new_id
from everlist.errors import AddressTaken, Conflict, Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from everlist.core.contacts.identity import EmailAddress
    from everlist.core.contacts.model import EmailDraft
    from everlist.core.custom_fields import Value
    from everlist.core.installation import Installation
    from everlist.db import Transaction


async def create(
    tx: Transaction,
    account_id: UUID,
    draft: ContactDraft,
    *,
    source: str,
    confirm: bool = False,
    act: Act,
    installation: Installation,
) -> Contact:
    """Make a contact. `source` is who acts: Contact or Account.

    With `confirm`, a person who would be mailable by their own act waits for a confirmation.

    Raises Invalid, and Conflict where a contact of whatever state, deleted ones included, holds the address
    or the SMS number; the text ends in that contact's id.
    """
    check(draft)
    await _refuse_taken(tx, account_id, draft, except_id=None)
    change = await _new(
        tx, account_id, draft, source=source, confirm=confirm, act=act, installation=installation
    )
    await apply(tx, account_id, [change], act)
    return change.after


async def replace(
    tx: Transaction,
    account_id: UUID,
    contact_id: UUID,
    draft: ContactDraft,
    *,
    source: str,
    act: Act,
    installation: Installation,
) -> Contact:
    """Make the contact what the draft says.

    A core property that is None is cleared; a sub-resource that is None is left alone; the address is kept
    when the draft has none. A deleted contact comes back when an account acts or the draft names a list.
    Raises NotFound, Invalid and Conflict.
    """
    check(draft)
    before = await locked(tx, account_id, contact_id)
    await _refuse_taken(tx, account_id, draft, except_id=contact_id)
    now = act.now
    second = now.replace(microsecond=0)
    after = msgspec.structs.replace(
        before,
        updated_at=now,
        update_source=source,
        **_core_properties(draft),
        deleted_at=None if source == consent.BY_ACCOUNT or draft.list_ids else before.deleted_at,
    )
    if draft.email is not None:
        after = await _with_email(
            tx, account_id, after, draft.email, source=source, act=act, installation=installation
        )
    if draft.custom_fields is not None:
        values = await _checked_values(tx, account_id, draft)
        after = msgspec.structs.replace(
            after, custom_fields={k: v for k, v in values.items() if v is not None}
        )
    if draft.phone_numbers is not None:
        phones = subresources.replaced_phones(
            before.phone_numbers or (), draft.phone_numbers, source=source, now=second
        )
        after = msgspec.structs.replace(after, phone_numbers=phones)
    if draft.street_addresses is not None:
        addresses = subresources.replaced_street_addresses(
            before.street_addresses or (), draft.street_addresses, now=second
        )
        after = msgspec.structs.replace(after, street_addresses=addresses)
    if draft.notes is not None:
        after = msgspec.structs.replace(
            after, notes=subresources.replaced_notes(before.notes or (), draft.notes, now=second)
        )
    lists_after = (
        await _checked_lists(tx, account_id, draft) if draft.list_ids is not None else before.list_ids
    )
    tags_after = await _checked_tags(tx, account_id, draft) if draft.tag_ids is not None else before.tag_ids
    after = msgspec.structs.replace(after, list_ids=lists_after, tag_ids=tags_after)
    after, sms_details = await _with_sms(
        tx, account_id, after, draft, source=source, act=act, installation=installation
    )
    _refuse_nobody(after)
    await apply(tx, account_id, [_change(before, after, source=source, sms_details=sms_details)], act)
    return after


async def sign_up(
    tx: Transaction,
    account_id: UUID,
    draft: ContactDraft,
    *,
    source: str = consent.BY_CONTACT,
    confirm: bool = False,
    act: Act,
    installation: Installation,
) -> tuple[Contact, bool]:
    """Create or update the contact with the draft's address, or else SMS number; True when it was created.

    Only adds and sets: nothing that the draft does not name changes, no list or field goes, and a deleted
    contact comes back. When the person acts, as a rule, the permission becomes explicit; with `confirm` it
    waits for a confirmation, unless it is mailable as it is, and an opt-out that it takes the place of is
    remembered until then.
    Raises Invalid, and Conflict where the address and the number belong to two contacts, or with `confirm` the
    number to one that has another address.
    """
    check(draft)
    by_email, by_sms = await _holders(tx, account_id, draft)
    found = by_email or by_sms
    if found is None:
        change = await _new(
            tx, account_id, draft, source=source, confirm=confirm, act=act, installation=installation
        )
        await apply(tx, account_id, [change], act)
        return change.after, True
    if by_email and by_sms and by_email != by_sms:
        message = f"The SMS number already exists for contact {by_sms}"
        raise Conflict(message)
    before = await locked(tx, account_id, found)
    if confirm and by_email is None and draft.email is not None and before.email is not None:
        # Whoever asks for a confirmation does not let a form take an address away from somebody.
        message = f"The SMS number already exists for contact {by_sms}"
        raise Conflict(message)
    second = act.now.replace(microsecond=0)
    given = {name: value for name, value in _core_properties(draft).items() if value is not None}
    after = msgspec.structs.replace(
        before, updated_at=act.now, update_source=source, deleted_at=None, **given
    )
    if draft.email is not None:
        if by_email is None:  # found by its number: it has no address, or another one
            after = await _with_email(
                tx,
                account_id,
                after,
                draft.email,
                source=source,
                confirm=confirm,
                act=act,
                installation=installation,
            )
        if source == consent.BY_CONTACT:
            live = before.deleted_at is None
            after = await _signed_up(
                tx, account_id, after, confirm=confirm, live=live, act=act, installation=installation
            )
    after = await _with_more(tx, account_id, after, draft, source=source, now=second)
    joined = await _checked_lists(tx, account_id, draft)
    list_ids = list(dict.fromkeys([*(before.list_ids or ()), *joined]))
    if len(list_ids) > MAX_LISTS:
        message = f"list_memberships does not have a valid value: at most {MAX_LISTS}"
        raise Invalid(message)
    after = msgspec.structs.replace(after, list_ids=list_ids)
    after, sms_details = await _with_sms(
        tx, account_id, after, draft, source=source, act=act, installation=installation
    )
    await apply(tx, account_id, [_change(before, after, source=source, sms_details=sms_details)], act)
    return after, False


async def _with_more(
    tx: Transaction, account_id: UUID, after: Contact, draft: ContactDraft, *, source: str, now: datetime
) -> Contact:
    """The contact with the draft's field values, phone number and postal address added to its own."""
    if draft.custom_fields:
        given_values = await _checked_values(tx, account_id, draft)
        merged = {**(after.custom_fields or {}), **{k: v for k, v in given_values.items() if v is not None}}
        if len(merged) > MAX_CUSTOM_FIELDS:
            raise Invalid(_TOO_MANY_FIELDS)
        after = msgspec.structs.replace(after, custom_fields=merged)
    for phone in draft.phone_numbers or ():
        phones = subresources.with_phone(after.phone_numbers or (), phone, source=source, now=now)
        after = msgspec.structs.replace(after, phone_numbers=phones)
    for address in draft.street_addresses or ():
        addresses = subresources.with_street_address(after.street_addresses or (), address, now=now)
        after = msgspec.structs.replace(after, street_addresses=addresses)
    return after


async def confirm(
    tx: Transaction,
    account_id: UUID,
    contact_id: UUID,
    list_ids: Sequence[UUID],
    *,
    address_hmac: bytes,
    asked_at: datetime,
    act: Act,
    installation: Installation,
) -> Contact | None:
    """The person confirms, by the link of a mail, what was asked at `asked_at` of the address with that HMAC.

    The permission becomes explicit, whatever is remembered of the address is forgotten, and the contact
    joins those of the lists that are still there. None, and nothing changes, where the question is not
    valid any more: the contact has another address, or was deleted or opted out after it was asked.
    Raises NotFound.
    """
    before = await locked(tx, account_id, contact_id)
    if before.consent is None or before.email_key is None:
        return None
    hashed = installation.address_hmac(account_id, suppression.EMAIL, before.email_key)
    ended = [one for one in (before.deleted_at, before.opt_out_at) if one is not None and one > asked_at]
    if hashed != address_hmac or ended:
        return None
    await suppression.lift(tx, account_id, suppression.EMAIL, hashed)
    live = await lists.lock_live(tx, account_id, list(list_ids))
    joined = list(dict.fromkeys([*(before.list_ids or ()), *(one for one in list_ids if one in live)]))
    after = msgspec.structs.replace(
        before,
        updated_at=act.now,
        update_source=consent.BY_CONTACT,
        deleted_at=None,
        list_ids=joined[:MAX_LISTS],
    )
    after = _with_consent(after, consent.confirmed(before.consent, now=act.now), now=act.now)
    await apply(tx, account_id, [_change(before, after, source=consent.BY_CONTACT)], act)
    return after


async def unsubscribe(
    tx: Transaction, account_id: UUID, contact_id: UUID, *, reason: str | None = None, act: Act
) -> Contact:
    """The person opts out of all mail and leaves every list; a deleted contact too. Again changes nothing.

    Raises NotFound.
    """
    before = await locked(tx, account_id, contact_id)
    after = msgspec.structs.replace(before, list_ids=())
    if before.consent is not None:
        requested = consent.changed(
            before.consent, consent.BY_CONTACT, requested=consent.UNSUBSCRIBED, reason=reason, now=act.now
        )
        after = _with_consent(after, requested, now=act.now)
    return await _by_link(tx, account_id, before, after, act)


async def leave_lists(
    tx: Transaction, account_id: UUID, contact_id: UUID, list_ids: Sequence[UUID], *, act: Act
) -> Contact:
    """The person leaves some lists; the permission stays. Lists that they are not on are no matter.

    Raises NotFound.
    """
    before = await locked(tx, account_id, contact_id)
    kept = [one for one in before.list_ids or () if one not in set(list_ids)]
    return await _by_link(tx, account_id, before, msgspec.structs.replace(before, list_ids=kept), act)


async def _by_link(tx: Transaction, account_id: UUID, before: Contact, after: Contact, act: Act) -> Contact:
    """Write what the person changed, if that is anything."""
    if after.consent == before.consent and set(after.list_ids or ()) == set(before.list_ids or ()):
        return before
    after = msgspec.structs.replace(after, updated_at=act.now, update_source=consent.BY_CONTACT)
    await apply(tx, account_id, [_change(before, after, source=consent.BY_CONTACT)], act)
    return after


async def delete(
    tx: Transaction, account_id: UUID, contact_id: UUID, *, source: str = consent.BY_ACCOUNT, act: Act
) -> None:
    """Hide the contact and take it off its lists; its permission, tags and history stay.

    Raises NotFound, also for a contact that is deleted already.
    """
    before = await locked(tx, account_id, contact_id)
    if before.deleted_at is not None:
        message = f"no contact has the id {contact_id}"
        raise NotFound(message)
    after = msgspec.structs.replace(before, deleted_at=act.now, updated_at=act.now, list_ids=())
    await apply(tx, account_id, [_change(before, after, source=source)], act)


async def delete_custom_field(tx: Transaction, account_id: UUID, custom_field_id: UUID) -> None:
    """Delete a field, and its value from every contact. Raises NotFound."""
    await custom_fields.delete_definition(tx, account_id, custom_field_id)
    await tx.execute("set local statement_timeout = 0")  # however many contacts hold a value
    await tx.execute(
        "update contact set custom_fields = custom_fields - $2::text where account_id = $1 and custom_fields ? $2::text",
        account_id,
        str(custom_field_id),
    )


async def request_resubscribe(
    tx: Transaction, account_id: UUID, contact_id: UUID, list_ids: Sequence[UUID], *, act: Act
) -> None:
    """Ask that the one resubscribe mail of this contact be sent; nothing else changes until it is confirmed.

    Raises NotFound, Invalid (not unsubscribed, unknown list) and Conflict (asked before).
    """
    contact = await locked(tx, account_id, contact_id)
    if not list_ids:
        message = "list_ids is missing"
        raise Invalid(message)
    await _checked_lists(tx, account_id, ContactDraft(list_ids=tuple(list_ids)), field="list_ids")
    if contact.permission != consent.UNSUBSCRIBED:
        message = "contact_id does not have a valid value: the contact is not unsubscribed"
        raise Invalid(message)
    added = await tx.value(
        "insert into resubscribe_request (account_id, contact_id, list_ids, requested_at) values ($1, $2, $3, $4)"
        " on conflict do nothing returning contact_id",
        account_id,
        contact_id,
        list(list_ids),
        act.now,
    )
    if added is None:
        message = f"A resubscribe mail was requested before for contact {contact_id}"
        raise Conflict(message)


async def locked(tx: Transaction, account_id: UUID, contact_id: UUID) -> Contact:
    """The contact with all of its sub-resources, locked until the transaction ends. Raises NotFound."""
    # Two statements: the second begins after the lock is held, so it sees what the last writer committed.
    lock = "select contact_id from contact where account_id = $1 and contact_id = $2 for no key update"
    row = None
    if await tx.value(lock, account_id, contact_id) is not None:
        row = await tx.row(
            "select " + columns(EVERYTHING) + " from contact c where c.account_id = $1 and c.contact_id = $2",
            account_id,
            contact_id,
        )
    if row is None:
        message = f"no contact has the id {contact_id}"
        raise NotFound(message)
    return contact_of(row)


async def _new(
    tx: Transaction,
    account_id: UUID,
    draft: ContactDraft,
    *,
    source: str,
    confirm: bool,
    act: Act,
    installation: Installation,
) -> Change:
    """The change that makes the contact of the draft."""
    second = act.now.replace(microsecond=0)
    values = await _checked_values(tx, account_id, draft)
    phones = subresources.replaced_phones((), draft.phone_numbers or (), source=source, now=second)
    addresses = subresources.replaced_street_addresses((), draft.street_addresses or (), now=second)
    nobody = Contact(
        contact_id=new_id(),
        created_at=act.now,
        updated_at=act.now,
        deleted_at=None,
        create_source=source,
        update_source=None,
        **_core_properties(draft),
        **dict.fromkeys(_EMAIL_PROPERTIES),
        custom_fields={field_id: value for field_id, value in values.items() if value is not None},
        phone_numbers=phones,
        street_addresses=addresses,
        notes=subresources.replaced_notes((), draft.notes or (), now=second),
        list_ids=(),
        tag_ids=(),
    )
    after = nobody
    if draft.email is not None:
        after = await _with_email(
            tx,
            account_id,
            after,
            draft.email,
            source=source,
            confirm=confirm,
            act=act,
            installation=installation,
        )
    after = msgspec.structs.replace(
        after,
        list_ids=await _checked_lists(tx, account_id, draft),
        tag_ids=await _checked_tags(tx, account_id, draft),
    )
    after, sms_details = await _with_sms(
        tx, account_id, after, draft, source=source, act=act, installation=installation
    )
    _refuse_nobody(after)
    return _change(None, after, source=source, sms_details=sms_details)


_EMAIL_PROPERTIES = (
    *("email", "email_key", "email_created_at", "email_updated_at", "permission", "confirmed_at"),
    *("opt_in_source", "opt_in_at", "opt_out_source", "opt_out_at", "opt_out_reason"),
)
_TOO_MANY_FIELDS = f"custom_fields does not have a valid value: at most {MAX_CUSTOM_FIELDS}"


def _change(
    before: Contact | None, after: Contact, *, source: str, sms_details: dict[str, Any] | None = None
) -> Change:
    return Change(before, after, source, sms_details)


def _core_properties(draft: ContactDraft) -> dict[str, object]:
    """The core properties of a draft as columns; empty texts are none."""
    return {
        "first_name": draft.first_name or None,
        "last_name": draft.last_name or None,
        "job_title": draft.job_title or None,
        "company_name": draft.company_name or None,
        "birthday_month": draft.birthday_month,
        "birthday_day": draft.birthday_day,
        "anniversary": parse_date(draft.anniversary) if draft.anniversary else None,
    }


def _refuse_nobody(contact: Contact) -> None:
    if not (contact.email or contact.first_name or contact.last_name or contact.sms_channel):
        message = "one of first_name, last_name, email_address, sms_channel is missing"
        raise Invalid(message)


async def _signed_up(
    tx: Transaction,
    account_id: UUID,
    contact: Contact,
    *,
    confirm: bool,
    live: bool,
    act: Act,
    installation: Installation,
) -> Contact:
    """The contact with the permission after the person signed up; what is remembered of the address follows.

    `live` is whether it was not deleted before.
    """
    before = contact.consent
    if before is None or contact.email_key is None or before.permission == consent.EXPLICIT:
        return contact
    after = consent.signed_up(before, confirm=confirm, live=live, now=act.now)
    hashed = installation.address_hmac(account_id, suppression.EMAIL, contact.email_key)
    if after.permission == consent.EXPLICIT:
        await suppression.lift(tx, account_id, suppression.EMAIL, hashed)
    elif before.opt_out_source == consent.BY_CONTACT and before.opt_out_at is not None:
        await suppression.add(tx, account_id, suppression.EMAIL, hashed, at=before.opt_out_at)
    return _with_consent(contact, after, now=act.now)


async def _raised(
    tx: Transaction,
    account_id: UUID,
    contact: Contact,
    draft: EmailDraft,
    *,
    source: str,
    installation: Installation,
) -> None:
    """See to what is remembered of the address where an update asks to make its contact mailable.

    While a person who had opted out has not confirmed a new sign-up, the opt-out is remembered beside the
    contact: only the person ends it. Raises Invalid.
    """
    if draft.permission not in consent.MAILABLE or contact.permission in consent.MAILABLE:
        return
    if contact.email_key is None:
        return
    hashed = installation.address_hmac(account_id, suppression.EMAIL, contact.email_key)
    if await suppression.find(tx, account_id, suppression.EMAIL, hashed):
        if source != consent.BY_CONTACT:
            raise Invalid(consent.ONLY_THE_CONTACT)
        await suppression.lift(tx, account_id, suppression.EMAIL, hashed)


async def _with_email(
    tx: Transaction,
    account_id: UUID,
    contact: Contact,
    draft: EmailDraft,
    *,
    source: str,
    confirm: bool = False,
    act: Act,
    installation: Installation,
) -> Contact:
    """The contact with the draft's address and the permission that follows.

    An opt-out stays with the person: the address that a contact gives up is suppressed if its person had
    unsubscribed, and an address that comes to a contact brings its suppression along. Raises Conflict where
    the address was erased and an account acts.
    """
    address = _email_of(draft)
    now = act.now
    if contact.email_key == address.key and contact.consent is not None:
        await _raised(tx, account_id, contact, draft, source=source, installation=installation)
        after = consent.changed(
            contact.consent, source, requested=draft.permission, reason=draft.opt_out_reason, now=now
        )
        return _with_consent(msgspec.structs.replace(contact, email=address.address), after, now=now)
    hashed = installation.address_hmac(account_id, suppression.EMAIL, address.key)
    remembered = await suppression.find(tx, account_id, suppression.EMAIL, hashed)
    if source != consent.BY_CONTACT:
        suppression.refuse_erased(remembered, what="The email address", address=address.address)
    suppressed_at = remembered.unsubscribed_at
    if contact.consent is None or contact.email_key is None:
        after = consent.initial(
            source,
            requested=draft.permission,
            reason=draft.opt_out_reason,
            suppressed_at=suppressed_at,
            confirm=confirm,
            now=now,
        )
    else:
        if contact.opt_out_source == consent.BY_CONTACT and contact.opt_out_at is not None:
            old = installation.address_hmac(account_id, suppression.EMAIL, contact.email_key)
            await suppression.add(tx, account_id, suppression.EMAIL, old, at=contact.opt_out_at)
        after = consent.changed(
            contact.consent, source, requested=draft.permission, reason=draft.opt_out_reason, now=now
        )
        if suppressed_at is not None and source != consent.BY_CONTACT:
            after = consent.initial(source, suppressed_at=suppressed_at, now=now)
        elif confirm and source == consent.BY_CONTACT:  # that was for another address
            after = consent.initial(source, confirm=True, now=now)
    # It is on a contact again, or lifted by the person. Until the person makes the address mailable it stays.
    if remembered and after.permission in (*consent.MAILABLE, consent.UNSUBSCRIBED):
        await suppression.lift(tx, account_id, suppression.EMAIL, hashed)
    moved = msgspec.structs.replace(
        contact, email=address.address, email_key=address.key, email_created_at=now, email_updated_at=now
    )
    return _with_consent(moved, after, now=now)


async def _with_sms(
    tx: Transaction,
    account_id: UUID,
    contact: Contact,
    draft: ContactDraft,
    *,
    source: str,
    act: Act,
    installation: Installation,
) -> tuple[Contact, dict[str, Any] | None]:
    """The contact with the draft's SMS channel, and its details for the ledger; opt-outs as in _with_email."""
    if draft.sms_channel is None:
        return contact, None
    before = contact.sms_channel
    number = parse_sms_number(draft.sms_channel.full_number)
    suppressed_at = None
    if number is not None and (before is None or before.key != number.key):
        hashed = installation.address_hmac(account_id, suppression.SMS, number.key)
        remembered = await suppression.find(tx, account_id, suppression.SMS, hashed)
        if source != consent.BY_CONTACT:
            suppression.refuse_erased(remembered, what="The SMS number")
        suppressed_at = remembered.unsubscribed_at
        if remembered:
            await suppression.lift(tx, account_id, suppression.SMS, hashed)
        opted_out = before.sms_channel_consents[0] if before else None
        if before and opted_out and opted_out.opt_out_source == consent.BY_CONTACT:
            old = installation.address_hmac(account_id, suppression.SMS, before.key)
            at = opted_out.opt_out_date or act.now
            await suppression.add(tx, account_id, suppression.SMS, old, at=at)
    channel, details = subresources.replaced_sms_channel(
        before,
        draft.sms_channel,
        source=source,
        now=act.now.replace(microsecond=0),
        suppressed_at=suppressed_at,
    )
    return msgspec.structs.replace(contact, sms_channel=channel), details


def _with_consent(contact: Contact, after: consent.EmailConsent, *, now: datetime) -> Contact:
    if after == contact.consent:
        return contact
    return msgspec.structs.replace(contact, email_updated_at=now, **msgspec.structs.asdict(after))


def _email_of(draft: EmailDraft) -> EmailAddress:
    address = parse_email(draft.address)
    if address is None:
        message = "Email address is invalid"
        raise Invalid(message)
    return address


async def _holders(tx: Transaction, account_id: UUID, draft: ContactDraft) -> tuple[UUID | None, UUID | None]:
    """The contacts that hold the draft's address and its SMS number."""
    by_email = by_sms = None
    if draft.email is not None:
        by_email = await tx.value(
            "select contact_id from contact where account_id = $1 and email_key = $2",
            account_id,
            _email_of(draft.email).key,
        )
    if draft.sms_channel is not None and (number := parse_sms_number(draft.sms_channel.full_number)):
        by_sms = await tx.value(
            "select contact_id from contact where account_id = $1 and sms_number = $2", account_id, number.key
        )
    return by_email, by_sms


async def _refuse_taken(
    tx: Transaction, account_id: UUID, draft: ContactDraft, *, except_id: UUID | None
) -> None:
    by_email, by_sms = await _holders(tx, account_id, draft)
    if by_email not in (None, except_id) and draft.email is not None:
        message = f"Email already exists for contact {by_email}"
        raise AddressTaken(message, _email_of(draft.email).address)
    if by_sms not in (None, except_id):
        message = f"SMS number already exists for contact {by_sms}"
        raise Conflict(message)


async def _checked_lists(
    tx: Transaction, account_id: UUID, draft: ContactDraft, *, field: str = "list_memberships"
) -> list[UUID]:
    wanted = list(dict.fromkeys(draft.list_ids or ()))
    unknown = set(wanted) - await lists.lock_live(tx, account_id, wanted)
    if unknown:
        raise Invalid(f"{field} does not have a valid value: no list has the id {min(unknown)}")
    return wanted


async def _checked_tags(tx: Transaction, account_id: UUID, draft: ContactDraft) -> list[UUID]:
    wanted = list(dict.fromkeys(draft.tag_ids or ()))
    unknown = set(wanted) - await tags.lock_existing(tx, account_id, wanted)
    if unknown:
        message = f"taggings does not have a valid value: no tag has the id {min(unknown)}"
        raise Invalid(message)
    return wanted


async def _checked_values(tx: Transaction, account_id: UUID, draft: ContactDraft) -> dict[str, Value | None]:
    """The draft's field values by field id; None for one that was sent empty."""
    given = draft.custom_fields or ()
    fields = await custom_fields.lock_existing(tx, account_id, [item.custom_field_id for item in given])
    unknown = [item.custom_field_id for item in given if item.custom_field_id not in fields]
    if unknown:
        message = f"custom_fields does not have a valid value: no custom field has the id {unknown[0]}"
        raise Invalid(message)
    values = {
        str(item.custom_field_id): custom_fields.checked_value(
            fields[item.custom_field_id], item.value, item.choice_ids
        )
        for item in given
    }
    if sum(value is not None for value in values.values()) > MAX_CUSTOM_FIELDS:
        raise Invalid(_TOO_MANY_FIELDS)
    return values
