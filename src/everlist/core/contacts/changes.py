"""Work out what a draft makes of a contact: a Change for apply, with the suppressions that follow.

Every function is called with the lock of the existing contact held, and needs the database only for what the draft
refers to: lists, tags, custom fields, and the addresses that are remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from everlist.core import consent, custom_fields, lists, tags
from everlist.core.consent import suppression
from everlist.core.contacts import subresources
from everlist.core.contacts.apply import Change
from everlist.core.contacts.columns import EMAIL, PROPERTIES
from everlist.core.contacts.model import MAX_CUSTOM_FIELDS, Contact
from everlist.core.ids import new_id
from everlist.errors import AddressTaken, Invalid, NumberTaken, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from everlist.core.act import Act
    from everlist.core.contacts.drafts import ParsedDraft, ParsedEmail, ParsedSms
    from everlist.core.contacts.identity import EmailAddress
    from everlist.core.contacts.model import ContactDraft, SmsChannel
    from everlist.core.custom_fields import Value
    from everlist.core.installation import Installation
    from everlist.db import Transaction

TOO_MANY_FIELDS = Problem("custom_fields", f"at most {MAX_CUSTOM_FIELDS}")


class Writer(msgspec.Struct, frozen=True, kw_only=True):
    """Who changes contacts of an account, by which act, in which transaction."""

    tx: Transaction
    account_id: UUID
    source: str
    """consent.BY_CONTACT or consent.BY_ACCOUNT."""
    must_confirm: bool = False
    """True if the person becomes mailable only by confirming the sign-up."""
    act: Act
    installation: Installation

    @property
    def now_seconds(self) -> datetime:
        """Return the time of the act in whole seconds, as sub-resources keep it."""
        return self.act.now.replace(microsecond=0)

    def hmac(self, channel: str, address_key: str) -> bytes:
        """Return the HMAC under which the suppression list knows an address of this account."""
        return self.installation.address_hmac(self.account_id, channel, address_key)


async def new(writer: Writer, parsed: ParsedDraft) -> Change:
    """Return the change that creates the contact of a draft. Raises Invalid and Conflict."""
    draft, now = parsed.draft, writer.now_seconds
    nobody = Contact(
        contact_id=new_id(),
        created_at=writer.act.now,
        updated_at=writer.act.now,
        deleted_at=None,
        create_source=writer.source,
        update_source=None,
        **dict.fromkeys(name for name, _ in (*PROPERTIES, *EMAIL)),
    )
    columns: dict[str, Any] = dict(parsed.properties)
    columns["custom_fields"] = _filled(await field_values(writer, draft))
    columns["phone_numbers"] = subresources.replaced_phones(
        (), draft.phone_numbers or (), source=writer.source, now=now
    )
    columns["street_addresses"] = subresources.replaced_street_addresses(
        (), draft.street_addresses or (), now=now
    )
    columns["notes"] = subresources.replaced_notes((), draft.notes or (), now=now)
    if parsed.email is not None:
        permission = await email_consent(writer, nobody, parsed.email)
        columns |= email_columns(nobody, parsed.email.address, permission, now=writer.act.now)
    columns["list_ids"] = await live_lists(writer.tx, writer.account_id, draft.list_ids or ())
    columns["tag_ids"] = await _existing_tags(writer, draft.tag_ids or ())
    sms_details = None
    if parsed.sms is not None:
        columns["sms_channel"], sms_details = await sms_channel(writer, nobody, parsed.sms)
    after = msgspec.structs.replace(nobody, **columns)
    _refuse_nobody(after)
    return Change(before=None, after=after, source=writer.source, sms_details=sms_details)


async def replacement(writer: Writer, before: Contact, parsed: ParsedDraft) -> Change:
    """Return the change that makes a contact what the draft says. Raises Invalid and Conflict.

    A property that is None is cleared; a sub-resource or address that is None stays.
    """
    draft, source, now = parsed.draft, writer.source, writer.now_seconds
    comes_back = source == consent.BY_ACCOUNT or bool(draft.list_ids)
    columns: dict[str, Any] = {
        **parsed.properties,
        "updated_at": writer.act.now,
        "update_source": source,
        "deleted_at": None if comes_back else before.deleted_at,
    }
    if parsed.email is not None:
        permission = await email_consent(writer, before, parsed.email)
        columns |= email_columns(before, parsed.email.address, permission, now=writer.act.now)
    if draft.custom_fields is not None:
        columns["custom_fields"] = _filled(await field_values(writer, draft))
    if draft.phone_numbers is not None:
        columns["phone_numbers"] = subresources.replaced_phones(
            before.phone_numbers or (), draft.phone_numbers, source=source, now=now
        )
    if draft.street_addresses is not None:
        columns["street_addresses"] = subresources.replaced_street_addresses(
            before.street_addresses or (), draft.street_addresses, now=now
        )
    if draft.notes is not None:
        columns["notes"] = subresources.replaced_notes(before.notes or (), draft.notes, now=now)
    if draft.list_ids is not None:
        columns["list_ids"] = await live_lists(writer.tx, writer.account_id, draft.list_ids)
    if draft.tag_ids is not None:
        columns["tag_ids"] = await _existing_tags(writer, draft.tag_ids)
    sms_details = None
    if parsed.sms is not None:
        columns["sms_channel"], sms_details = await sms_channel(writer, before, parsed.sms)
    after = msgspec.structs.replace(before, **columns)
    _refuse_nobody(after)
    return Change(before=before, after=after, source=source, sms_details=sms_details)


def _refuse_nobody(contact: Contact) -> None:
    if not (contact.email or contact.first_name or contact.last_name or contact.sms_channel):
        raise Invalid(Problem("first_name, last_name, email or sms_channel", missing=True))


def email_columns(
    before: Contact, address: EmailAddress, permission: consent.EmailConsent, *, now: datetime
) -> dict[str, Any]:
    """Return the columns.EMAIL that change when a contact gets an address with its permission."""
    columns: dict[str, Any] = {"email": address.address, "email_key": address.key}
    if before.email_key != address.key or before.consent is None:
        columns |= {"email_created_at": now, "email_updated_at": now}
    elif permission != before.consent:
        columns["email_updated_at"] = now
    return columns | msgspec.structs.asdict(permission)


async def email_consent(writer: Writer, before: Contact, email: ParsedEmail) -> consent.EmailConsent:
    """Return the permission that goes with the draft's address, and update the suppression list.

    An opt-out stays with the person: an address that the contact gives up is suppressed if its person had
    unsubscribed, and an address that the contact gets brings its suppression along. Raises Conflict if the
    address was erased and an account acts.
    """
    if before.consent is not None and before.email_key == email.address.key:
        return await _same_address(writer, before, before.consent, email)
    tx, account_id, source, now = writer.tx, writer.account_id, writer.source, writer.act.now
    hashed = writer.hmac(suppression.EMAIL, email.address.key)
    remembered = await suppression.find(tx, account_id, suppression.EMAIL, hashed)
    if source != consent.BY_CONTACT:
        suppression.refuse_erased_email(remembered, email.address.address)
    suppressed_at = remembered.unsubscribed_at
    if before.consent is None or before.email_key is None:
        after = consent.initial(
            source,
            requested=email.permission,
            reason=email.opt_out_reason,
            suppressed_at=suppressed_at,
            confirm=writer.must_confirm,
            now=now,
        )
    else:
        if before.opt_out_source == consent.BY_CONTACT and before.opt_out_at is not None:
            old_hashed = writer.hmac(suppression.EMAIL, before.email_key)
            await suppression.add(tx, account_id, suppression.EMAIL, old_hashed, at=before.opt_out_at)
        after = consent.changed(
            before.consent, source, requested=email.permission, reason=email.opt_out_reason, now=now
        )
        if suppressed_at is not None and source != consent.BY_CONTACT:
            after = consent.initial(source, suppressed_at=suppressed_at, now=now)
        elif writer.must_confirm:  # the permission so far was for another address
            after = consent.initial(source, confirm=True, now=now)
    # Forget the entry once the contact holds the opt-out, or the person is mailable; keep it until then.
    if remembered and after.permission in (*consent.MAILABLE, consent.UNSUBSCRIBED):
        await suppression.lift(tx, account_id, suppression.EMAIL, hashed)
    return after


async def _same_address(
    writer: Writer, before: Contact, permission: consent.EmailConsent, email: ParsedEmail
) -> consent.EmailConsent:
    """Return the permission after an update that names the address that the contact has. Raises Invalid.

    While a sign-up waits for its confirmation, the suppression list still has an earlier opt-out, which only the
    person ends.
    """
    if email.permission in consent.MAILABLE and before.permission not in consent.MAILABLE:
        hashed = writer.hmac(suppression.EMAIL, email.address.key)
        if await suppression.find(writer.tx, writer.account_id, suppression.EMAIL, hashed):
            if writer.source != consent.BY_CONTACT:
                raise Invalid(consent.ONLY_THE_CONTACT)
            await suppression.lift(writer.tx, writer.account_id, suppression.EMAIL, hashed)
    return consent.changed(
        permission,
        writer.source,
        requested=email.permission,
        reason=email.opt_out_reason,
        now=writer.act.now,
    )


async def sms_channel(
    writer: Writer, before: Contact, parsed: ParsedSms
) -> tuple[SmsChannel, dict[str, Any]]:
    """Return the channel that the draft asks for and its details for the ledger, and update the suppression list.

    Opt-outs stay with the person, as in email_consent. Raises Invalid and Conflict.
    """
    tx, account_id, number = writer.tx, writer.account_id, parsed.number
    channel, suppressed_at = before.sms_channel, None
    if channel is None or channel.key != number.key:
        hashed = writer.hmac(suppression.SMS, number.key)
        remembered = await suppression.find(tx, account_id, suppression.SMS, hashed)
        if writer.source != consent.BY_CONTACT:
            suppression.refuse_erased_number(remembered)
        suppressed_at = remembered.unsubscribed_at
        if remembered:
            await suppression.lift(tx, account_id, suppression.SMS, hashed)
        if channel and channel.sms_channel_consents[0].opt_out_source == consent.BY_CONTACT:
            opted_out_at = channel.sms_channel_consents[0].opt_out_date or writer.act.now
            old_hashed = writer.hmac(suppression.SMS, channel.key)
            await suppression.add(tx, account_id, suppression.SMS, old_hashed, at=opted_out_at)
    return subresources.replaced_sms_channel(
        channel,
        parsed.draft,
        number,
        source=writer.source,
        now=writer.now_seconds,
        suppressed_at=suppressed_at,
    )


async def holders(tx: Transaction, account_id: UUID, parsed: ParsedDraft) -> tuple[UUID | None, UUID | None]:
    """Return the contact that has the draft's address, and the contact that has its SMS number."""
    by_email = by_number = None
    if parsed.email is not None:
        by_email = await tx.value(
            "select contact_id from contact where account_id = $1 and email_key = $2",
            account_id,
            parsed.email.address.key,
        )
    if parsed.sms is not None:
        by_number = await tx.value(
            "select contact_id from contact where account_id = $1 and sms_number = $2",
            account_id,
            parsed.sms.number.key,
        )
    return by_email, by_number


async def refuse_taken(
    tx: Transaction, account_id: UUID, parsed: ParsedDraft, *, except_id: UUID | None = None
) -> None:
    """Raise AddressTaken or NumberTaken if another contact, live or deleted, has the address or number."""
    by_email, by_number = await holders(tx, account_id, parsed)
    if by_email is not None and by_email != except_id and parsed.email is not None:
        raise AddressTaken(by_email, parsed.email.address.address)
    if by_number is not None and by_number != except_id:
        raise NumberTaken(by_number)


async def live_lists(tx: Transaction, account_id: UUID, list_ids: Sequence[UUID]) -> list[UUID]:
    """Return the ids without duplicates; the lists cannot be deleted until the transaction ends.

    Raises Invalid if there is no such list.
    """
    wanted = list(dict.fromkeys(list_ids))
    unknown = set(wanted) - await lists.lock_live(tx, account_id, wanted)
    if unknown:
        raise Invalid(Problem("list_ids", f"no list has the id {min(unknown)}"))
    return wanted


async def _existing_tags(writer: Writer, tag_ids: Sequence[UUID]) -> list[UUID]:
    wanted = list(dict.fromkeys(tag_ids))
    unknown = set(wanted) - await tags.lock_existing(writer.tx, writer.account_id, wanted)
    if unknown:
        raise Invalid(Problem("tag_ids", f"no tag has the id {min(unknown)}"))
    return wanted


async def field_values(writer: Writer, draft: ContactDraft) -> dict[str, Value | None]:
    """Return the draft's custom field values by field id; None for a value that was sent empty. Raises Invalid."""
    given = draft.custom_fields or ()
    fields = await custom_fields.lock_existing(
        writer.tx, writer.account_id, [item.custom_field_id for item in given]
    )
    unknown = [item.custom_field_id for item in given if item.custom_field_id not in fields]
    if unknown:
        raise Invalid(Problem("custom_fields", f"no custom field has the id {unknown[0]}"))
    values = {
        str(item.custom_field_id): custom_fields.checked_value(
            fields[item.custom_field_id], item.value, item.choice_ids
        )
        for item in given
    }
    if len(_filled(values)) > MAX_CUSTOM_FIELDS:
        raise Invalid(TOO_MANY_FIELDS)
    return values


def _filled(values: dict[str, Value | None]) -> dict[str, Value]:
    return {field_id: value for field_id, value in values.items() if value is not None}
