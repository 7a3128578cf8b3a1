"""Create, replace and delete a contact. V3 contract 3.5, 3.6 and 3.10.

Each operation works out, under the lock of its contact, what the contact becomes, and hands that to apply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from everlist.core import consent, custom_fields
from everlist.core.contacts import changes, confirmations, drafts
from everlist.core.contacts.apply import Change, apply
from everlist.core.contacts.changes import Writer
from everlist.core.contacts.select import locked
from everlist.errors import NotFound

if TYPE_CHECKING:
    from uuid import UUID

    from everlist.core.act import Act
    from everlist.core.contacts.confirmations import Limits
    from everlist.core.contacts.model import Contact, ContactDraft
    from everlist.core.installation import Installation
    from everlist.db import Transaction


async def create(
    tx: Transaction,
    account_id: UUID,
    draft: ContactDraft,
    *,
    source: str,
    limits: Limits,
    act: Act,
    installation: Installation,
) -> Contact:
    """Create a contact. `source` says who acts: consent.BY_CONTACT or BY_ACCOUNT.

    If the person acts in an account with confirmed opt-in, the permission is pending and they are asked by mail.
    Raises Invalid, TooMany, and AddressTaken or NumberTaken if another contact, live or deleted, has the address or
    the SMS number.
    """
    parsed = drafts.parse(draft)
    await changes.refuse_taken(tx, account_id, parsed)
    writer = Writer(
        tx=tx,
        account_id=account_id,
        source=source,
        must_confirm=await confirmations.must_confirm(tx, account_id, parsed, source),
        act=act,
        installation=installation,
    )
    change = await changes.new(writer, parsed)
    await apply(tx, account_id, [change], act)
    if writer.must_confirm:
        await confirmations.ask_to_confirm(
            tx, account_id, change.after, limits, act=act, installation=installation
        )
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

    A property that is None is cleared; a sub-resource or address that is None stays. A deleted contact comes back
    if an account acts or the draft names a list. Raises NotFound, Invalid, AddressTaken and NumberTaken.
    """
    parsed = drafts.parse(draft)
    before = await locked(tx, account_id, contact_id)
    await changes.refuse_taken(tx, account_id, parsed, except_id=contact_id)
    writer = Writer(tx=tx, account_id=account_id, source=source, act=act, installation=installation)
    change = await changes.replacement(writer, before, parsed)
    await apply(tx, account_id, [change], act)
    return change.after


async def delete(
    tx: Transaction, account_id: UUID, contact_id: UUID, *, source: str = consent.BY_ACCOUNT, act: Act
) -> None:
    """Hide the contact and take it off its lists; its permission, tags and history stay.

    Raises NotFound, also for a contact that is deleted already.
    """
    before = await locked(tx, account_id, contact_id)
    if before.deleted_at is not None:
        raise NotFound(f"no contact has the id {contact_id}")
    after = msgspec.structs.replace(before, deleted_at=act.now, updated_at=act.now, list_ids=())
    await apply(tx, account_id, [Change(before=before, after=after, source=source)], act)


async def delete_custom_field(tx: Transaction, account_id: UUID, custom_field_id: UUID) -> None:
    """Delete a field, and its value from every contact. Raises NotFound."""
    await custom_fields.delete_definition(tx, account_id, custom_field_id)
    await tx.execute("set local statement_timeout = 0")  # many contacts may have a value
    await tx.execute(
        "update contact set custom_fields = custom_fields - $2::text where account_id = $1 and custom_fields ? $2::text",
        account_id,
        str(custom_field_id),
    )
