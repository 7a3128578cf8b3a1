"""What a person does about mail: sign up, confirm, refuse, unsubscribe, leave lists, be asked to come back.

Confirmed opt-in is applied here and in write.create: both read the setting of the account, leave the permission
pending, and ask the person by mail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from everlist.core import consent, lists
from everlist.core.consent import suppression
from everlist.core.contacts import changes, confirmations, drafts, subresources
from everlist.core.contacts.apply import Change, apply
from everlist.core.contacts.changes import Writer
from everlist.core.contacts.identity import EmailAddress
from everlist.core.contacts.model import MAX_CUSTOM_FIELDS, MAX_LISTS
from everlist.core.contacts.select import locked
from everlist.errors import Conflict, Gone, Invalid, NotFound, NumberTaken, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from everlist.core.act import Act
    from everlist.core.contacts.confirmations import Limits, Question
    from everlist.core.contacts.drafts import ParsedDraft, ParsedEmail
    from everlist.core.contacts.model import Contact, ContactDraft
    from everlist.core.installation import Installation
    from everlist.db import Transaction

REFUSED = "did not sign up"
"""The opt-out reason of a person who says that somebody else signed them up."""


async def sign_up(
    tx: Transaction,
    account_id: UUID,
    draft: ContactDraft,
    *,
    source: str,
    limits: Limits,
    act: Act,
    installation: Installation,
) -> tuple[Contact, bool]:
    """Create or update the contact with the draft's address or, failing that, SMS number; True if created.

    Only add and set: what the draft does not name stays, and a deleted contact comes back. If the person acts, the
    permission becomes explicit. In an account with confirmed opt-in it becomes pending instead, unless the contact
    is mailable already, and the person is asked by mail; an earlier opt-out stays remembered until they confirm.

    Raises Invalid, TooMany, and NumberTaken if the address and the number belong to two contacts or, with confirmed
    opt-in, the number belongs to a contact with another address.
    """
    parsed = drafts.parse(draft)
    writer = Writer(
        tx=tx,
        account_id=account_id,
        source=source,
        must_confirm=await confirmations.must_confirm(tx, account_id, parsed, source),
        act=act,
        installation=installation,
    )
    by_email, by_number = await changes.holders(tx, account_id, parsed)
    contact_id = by_email or by_number
    if contact_id is None:
        change = await changes.new(writer, parsed)
    else:
        if by_email and by_number and by_email != by_number:
            raise NumberTaken(by_number)
        before = await locked(tx, account_id, contact_id)
        if writer.must_confirm and by_email is None and before.email is not None:
            # The sign-up is not confirmed yet, so it must not take the address of a contact away.
            raise NumberTaken(contact_id)
        change = await _addition(writer, before, parsed, has_address=by_email is not None)
    await apply(tx, account_id, [change], act)
    if writer.must_confirm:
        await confirmations.ask_to_confirm(
            tx, account_id, change.after, limits, act=act, installation=installation
        )
    return change.after, contact_id is None


async def _addition(writer: Writer, before: Contact, parsed: ParsedDraft, *, has_address: bool) -> Change:
    """Return the change that adds a sign-up to a contact; `has_address` if it was found by the draft's address."""
    columns: dict[str, Any] = {
        **{name: value for name, value in parsed.properties.items() if value is not None},
        "updated_at": writer.act.now,
        "update_source": writer.source,
        "deleted_at": None,
    }
    if parsed.email is not None:
        columns |= await _signed_up_email(writer, before, parsed.email, has_address=has_address)
    columns |= await _added_subresources(writer, before, parsed.draft)
    joined = await changes.live_lists(writer.tx, writer.account_id, parsed.draft.list_ids or ())
    list_ids = list(dict.fromkeys([*(before.list_ids or ()), *joined]))
    if len(list_ids) > MAX_LISTS:
        raise Invalid(Problem("list_ids", f"at most {MAX_LISTS}"))
    columns["list_ids"] = list_ids
    sms_details = None
    if parsed.sms is not None:
        columns["sms_channel"], sms_details = await changes.sms_channel(writer, before, parsed.sms)
    after = msgspec.structs.replace(before, **columns)
    return Change(before=before, after=after, source=writer.source, sms_details=sms_details)


async def _signed_up_email(
    writer: Writer, before: Contact, email: ParsedEmail, *, has_address: bool
) -> dict[str, Any]:
    """Return the columns of the address and its permission after a sign-up."""
    if not has_address:
        address, permission = email.address, await changes.email_consent(writer, before, email)
    elif before.email is not None and before.email_key is not None and before.consent is not None:
        address, permission = EmailAddress(before.email, before.email_key), before.consent
    else:  # the contact lost its address between the look-up and the lock
        return {}
    if writer.source == consent.BY_CONTACT:
        live = before.deleted_at is None
        permission = await _signed_up(writer, address, permission, live=live)
    return changes.email_columns(before, address, permission, now=writer.act.now)


async def _signed_up(
    writer: Writer, address: EmailAddress, before: consent.EmailConsent, *, live: bool
) -> consent.EmailConsent:
    """Return the permission after the person signed up, and update the suppression list.

    `live` is False for a contact that was deleted before.
    """
    if before.permission == consent.EXPLICIT:
        return before
    after = consent.signed_up(before, confirm=writer.must_confirm, live=live, now=writer.act.now)
    hashed = writer.hmac(suppression.EMAIL, address.key)
    if after.permission == consent.EXPLICIT:
        await suppression.lift(writer.tx, writer.account_id, suppression.EMAIL, hashed)
    elif before.opt_out_source == consent.BY_CONTACT and before.opt_out_at is not None:
        await suppression.add(writer.tx, writer.account_id, suppression.EMAIL, hashed, at=before.opt_out_at)
    return after


async def _added_subresources(writer: Writer, before: Contact, draft: ContactDraft) -> dict[str, Any]:
    """Return the contact's field values, phone numbers and postal addresses with those of the draft added."""
    columns: dict[str, Any] = {}
    if draft.custom_fields:
        values = await changes.field_values(writer, draft)
        filled = {field_id: value for field_id, value in values.items() if value is not None}
        columns["custom_fields"] = {**(before.custom_fields or {}), **filled}
        if len(columns["custom_fields"]) > MAX_CUSTOM_FIELDS:
            raise Invalid(changes.TOO_MANY_FIELDS)
    phones, addresses = before.phone_numbers or (), before.street_addresses or ()
    for phone in draft.phone_numbers or ():
        phones = subresources.with_phone(phones, phone, source=writer.source, now=writer.now_seconds)
    for address in draft.street_addresses or ():
        addresses = subresources.with_street_address(addresses, address, now=writer.now_seconds)
    return {**columns, "phone_numbers": phones, "street_addresses": addresses}


async def request_resubscribe(
    tx: Transaction,
    account_id: UUID,
    contact_id: UUID,
    list_ids: Sequence[UUID],
    *,
    act: Act,
    installation: Installation,
) -> None:
    """Ask an unsubscribed person by mail, once ever, to come back; nothing changes until they confirm.

    Raises NotFound, Invalid (not unsubscribed, unknown list) and Conflict (asked before).
    """
    contact = await locked(tx, account_id, contact_id)
    if not list_ids:
        raise Invalid(Problem("list_ids", missing=True))
    wanted = await changes.live_lists(tx, account_id, list_ids)
    if contact.permission != consent.UNSUBSCRIBED:
        raise Invalid(Problem("contact_id", "the contact is not unsubscribed"))
    added = await tx.value(
        "insert into resubscribe_request (account_id, contact_id, list_ids, requested_at) values ($1, $2, $3, $4)"
        " on conflict do nothing returning contact_id",
        account_id,
        contact_id,
        list(list_ids),
        act.now,
    )
    if added is None:
        raise Conflict(f"A resubscribe mail was requested before for contact {contact_id}")
    await confirmations.ask(
        tx, account_id, contact, confirmations.RESUBSCRIBE, wanted, act=act, installation=installation
    )


async def confirm(
    tx: Transaction, account_id: UUID, token_hash: bytes, *, act: Act, installation: Installation
) -> tuple[Question, bool]:
    """Take the person's yes to a question: make the permission explicit and join the lists that still exist.

    Whatever is remembered of the address is forgotten. Return the question as it is afterwards, and True if this
    was the answer. The question ends unanswered if the contact has another address by now, or was deleted or opted
    out after it was asked. Raises NotFound, and Gone if the contact was erased.
    """
    question, before = await _locked_question(tx, account_id, token_hash, act)
    if question.state != confirmations.OPEN:
        return question, False
    later = [at for at in (before.deleted_at, before.opt_out_at) if at is not None and at > question.asked_at]
    if before.consent is None or later or not _is_of(question, before, installation):
        await confirmations.end(tx, account_id, before.contact_id, act)
        return msgspec.structs.replace(question, state=confirmations.ENDED), False
    await suppression.lift(tx, account_id, suppression.EMAIL, question.address_hmac)
    live = await lists.lock_live(tx, account_id, list(question.list_ids))
    list_ids = [*(before.list_ids or ()), *(list_id for list_id in question.list_ids if list_id in live)]
    after = msgspec.structs.replace(
        _with_consent(before, consent.confirmed(before.consent, now=act.now), act),
        updated_at=act.now,
        update_source=consent.BY_CONTACT,
        deleted_at=None,
        list_ids=list(dict.fromkeys(list_ids))[:MAX_LISTS],
    )
    await apply(tx, account_id, [Change(before=before, after=after, source=consent.BY_CONTACT)], act)
    await confirmations.set_confirmed(tx, account_id, question, act)
    return msgspec.structs.replace(question, state=confirmations.CONFIRMED), True


async def refuse(
    tx: Transaction, account_id: UUID, token_hash: bytes, *, act: Act, installation: Installation
) -> tuple[Question, bool]:
    """Take the person's no to a question, if it is open, and send no question for confirmations.QUIET.

    A person who did not sign up is unsubscribed; a person who does not want to come back stays as they are.
    Return and raise as confirm does.
    """
    question, before = await _locked_question(tx, account_id, token_hash, act)
    if question.state != confirmations.OPEN:
        return question, False
    if question.kind == confirmations.SIGN_UP and _is_of(question, before, installation):
        await _opt_out(tx, account_id, before, reason=REFUSED, act=act)
    await confirmations.set_refused(tx, account_id, question, act)
    await confirmations.end(tx, account_id, before.contact_id, act)
    return msgspec.structs.replace(question, state=confirmations.ENDED), True


async def _locked_question(
    tx: Transaction, account_id: UUID, token_hash: bytes, act: Act
) -> tuple[Question, Contact]:
    """Return the question that a link asks and its contact, which is locked. Raises NotFound and Gone."""
    contact_id = await confirmations.contact_asked(tx, account_id, token_hash)
    try:
        contact = await locked(tx, account_id, contact_id)
        return await confirmations.find(tx, account_id, token_hash, now=act.now), contact
    except NotFound as error:
        raise Gone(str(error)) from error


def _is_of(question: Question, contact: Contact, installation: Installation) -> bool:
    """Return True if the contact still has the address to which the question was sent."""
    if contact.email_key is None:
        return False
    hashed = installation.address_hmac(question.account_id, suppression.EMAIL, contact.email_key)
    return hashed == question.address_hmac


async def unsubscribe(tx: Transaction, account_id: UUID, contact_id: UUID, *, act: Act) -> Contact:
    """Opt the person out of all mail, take them off every list, and end their open questions.

    A deleted contact too; a second time changes nothing. Raises NotFound.
    """
    await _wait_for_lock(tx)
    before = await locked(tx, account_id, contact_id)
    after = await _opt_out(tx, account_id, before, reason=None, act=act)
    await confirmations.end(tx, account_id, contact_id, act)
    return after


async def leave_lists(
    tx: Transaction, account_id: UUID, contact_id: UUID, list_ids: Sequence[UUID], *, act: Act
) -> Contact:
    """Take the person off those of the lists that they are on; the permission stays. Raises NotFound."""
    await _wait_for_lock(tx)
    before = await locked(tx, account_id, contact_id)
    kept = [list_id for list_id in before.list_ids or () if list_id not in set(list_ids)]
    return await _by_link(tx, account_id, before, msgspec.structs.replace(before, list_ids=kept), act)


async def _wait_for_lock(tx: Transaction) -> None:
    """Wait for the contact however long it takes: a bulk activity may hold it for a minute.

    A mail program that unsubscribes its user does not try again.
    """
    await tx.execute("set local statement_timeout = 0")


async def _opt_out(
    tx: Transaction, account_id: UUID, before: Contact, *, reason: str | None, act: Act
) -> Contact:
    after = msgspec.structs.replace(before, list_ids=())
    if before.consent is not None:
        permission = consent.changed(
            before.consent, consent.BY_CONTACT, requested=consent.UNSUBSCRIBED, reason=reason, now=act.now
        )
        after = _with_consent(after, permission, act)
    return await _by_link(tx, account_id, before, after, act)


async def _by_link(tx: Transaction, account_id: UUID, before: Contact, after: Contact, act: Act) -> Contact:
    """Write what the person changed, if anything."""
    if after.consent == before.consent and set(after.list_ids or ()) == set(before.list_ids or ()):
        return before
    after = msgspec.structs.replace(after, updated_at=act.now, update_source=consent.BY_CONTACT)
    await apply(tx, account_id, [Change(before=before, after=after, source=consent.BY_CONTACT)], act)
    return after


def _with_consent(contact: Contact, after: consent.EmailConsent, act: Act) -> Contact:
    if after == contact.consent:
        return contact
    return msgspec.structs.replace(contact, email_updated_at=act.now, **msgspec.structs.asdict(after))
