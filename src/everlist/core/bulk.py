"""The kinds of activity that change or delete many contacts, lists, tags or fields. V3 contract 6.2.

Each is a function that does one chunk; `core/kinds.py` lists them and says how they run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core import contacts, custom_fields, lists, tags, undo
from everlist.core.activities import (
    CONTACTS,
    ITEMS,
    ITEMS_DONE,
    Job,
    Outcome,
    Progress,
    percent_done,
)
from everlist.core.contacts.edit import DELETED, Edit, edit
from everlist.core.contacts.filters import ContactFilter
from everlist.core.contacts.model import MAX_LISTS, MAX_TAGS
from everlist.core.contacts.select import Chosen, choose

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from everlist.db import Transaction

CHUNK = 5_000
"""How many contacts one chunk changes."""
_NEW_SUBSCRIBER = timedelta(days=30)


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """The contacts that an activity works on: exactly one field is set, besides `except_ids`."""

    contact_ids: tuple[UUID, ...] | None = None
    list_ids: tuple[UUID, ...] | None = None
    tag_ids: tuple[UUID, ...] | None = None
    all_active_contacts: bool = False
    new_subscriber: bool = False
    """Contacts we may mail that opted in within the last 30 days."""
    nobody: bool = False
    """A source that depends on engagement, which we do not record: it selects no contact."""
    except_ids: tuple[UUID, ...] | None = None

    def filter(self, *, now: datetime, with_deleted: bool = False) -> ContactFilter:
        """Return the filter that selects them. `with_deleted` includes deleted contacts named by their ids."""
        mailable = self.all_active_contacts or self.new_subscriber
        statuses = frozenset({"active"} if mailable else {"all"} if with_deleted and self.contact_ids else ())
        return ContactFilter(
            statuses=statuses,
            list_ids=self.list_ids,
            tag_ids=self.tag_ids,
            contact_ids=() if self.nobody else self.contact_ids,
            except_ids=self.except_ids or None,
            opted_in_after=now - _NEW_SUBSCRIBER if self.new_subscriber else None,
        )


class ForContacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """The request of a kind that changes contacts."""

    source: Source
    ids: tuple[UUID, ...] = ()
    """The lists or tags to add them to or remove them from."""


class Whole(msgspec.Struct, frozen=True):
    """The request of a kind that deletes lists, tags or fields."""

    ids: tuple[UUID, ...]


Decide = Callable[[Chosen, frozenset[UUID]], Outcome]
"""Returns what becomes of a contact, given the requested lists or tags that exist."""


async def contact_delete(job: Job) -> Progress:
    """Mark contacts as deleted and remove them from their lists."""
    return await _change_contacts(job, lambda _ids: DELETED, lambda _contact, _ids: "updated")


async def add_list_memberships(job: Job) -> Progress:
    """Add contacts to lists. Unsubscribed ones are held back; deleted ones named by their ids are revived."""

    def decide(contact: Chosen, list_ids: frozenset[UUID]) -> Outcome:
        if contact.permission == "unsubscribed":
            return "held_back"
        if len(list_ids.union(contact.list_ids)) > MAX_LISTS:
            return "rejected"
        comes_back = contact.deleted_at is not None and list_ids
        return "unchanged" if list_ids.issubset(contact.list_ids) and not comes_back else "updated"

    reason = f"a contact may be on at most {MAX_LISTS} lists"
    return await _change_contacts(
        job,
        lambda ids: Edit(revive=True, join=ids),
        decide,
        lock=lists.lock_live,
        with_deleted=True,
        rejected_because=reason,
    )


async def remove_list_memberships(job: Job) -> Progress:
    """Remove contacts from lists."""

    def decide(contact: Chosen, list_ids: frozenset[UUID]) -> Outcome:
        return "unchanged" if list_ids.isdisjoint(contact.list_ids) else "updated"

    return await _change_contacts(job, lambda ids: Edit(leave=ids), decide, lock=lists.lock_live)


async def contacts_taggings_add(job: Job) -> Progress:
    """Add tags to contacts."""

    def decide(contact: Chosen, tag_ids: frozenset[UUID]) -> Outcome:
        if len(tag_ids.union(contact.tag_ids)) > MAX_TAGS:
            return "rejected"
        return "unchanged" if tag_ids.issubset(contact.tag_ids) else "updated"

    reason = f"a contact may carry at most {MAX_TAGS} tags"
    return await _change_contacts(
        job, lambda ids: Edit(tag=ids), decide, lock=tags.lock_existing, rejected_because=reason
    )


async def contacts_taggings_remove(job: Job) -> Progress:
    """Remove tags from contacts."""

    def decide(contact: Chosen, tag_ids: frozenset[UUID]) -> Outcome:
        return "unchanged" if tag_ids.isdisjoint(contact.tag_ids) else "updated"

    return await _change_contacts(job, lambda ids: Edit(untag=ids), decide, lock=tags.lock_existing)


async def _change_contacts(
    job: Job,
    change: Callable[[tuple[UUID, ...]], Edit],
    decide: Decide,
    *,
    lock: Callable[[Transaction, UUID, Sequence[UUID]], Awaitable[set[UUID]]] | None = None,
    with_deleted: bool = False,
    rejected_because: str = "",
) -> Progress:
    """Change the next CHUNK contacts of the source, in the order of their ids.

    `lock` returns the requested lists or tags that exist, and keeps them from being deleted during the chunk.
    """
    tx, activity = job.tx, job.activity
    account_id = activity.account_id
    request = msgspec.convert(activity.request, ForContacts)
    wanted = request.source.filter(now=activity.created_at, with_deleted=with_deleted)
    known_total: int | None = activity.position.get("total")
    total = await contacts.count(tx, account_id, wanted) if known_total is None else known_total
    after = activity.position.get("after")
    existing = frozenset(await lock(tx, account_id, request.ids) if lock else ())
    chunk = await choose(tx, account_id, wanted, after=UUID(after) if after else None, limit=CHUNK)
    by_outcome: dict[Outcome, list[Chosen]] = {}
    for contact in chunk.contacts:
        by_outcome.setdefault(decide(contact, existing), []).append(contact)
    await edit(tx, account_id, by_outcome.get("updated", ()), change(tuple(sorted(existing))), job.act)
    counts: dict[str, int] = {outcome: len(changed) for outcome, changed in by_outcome.items()}
    counts[ITEMS_DONE] = len(chunk.contacts)
    errors = [f"{contact.contact_id}: {rejected_because}" for contact in by_outcome.get("rejected", ())]
    if known_total is None:
        counts[ITEMS] = total
        errors += [f"{gone}: no such id any more" for gone in sorted(set(request.ids) - existing)]
    return Progress(
        {"total": total, "after": str(chunk.last) if chunk.last else None},
        done=not chunk.full,
        percent_done=percent_done(activity.counts.get(ITEMS_DONE, 0) + len(chunk.contacts), total),
        counts=counts,
        errors=errors,
    )


async def list_delete(job: Job) -> Progress:
    """Delete lists: first their memberships, chunk by chunk, then the lists. Contacts stay."""
    ids = msgspec.convert(job.activity.request, Whole).ids
    stripped = Edit(leave=ids)

    async def delete() -> dict[str, int]:
        await undo.keep_definitions(job, "contact_list", ids)
        await lists.mark_deleted(job.tx, job.activity.account_id, ids, now=job.act.now)
        return {}

    return await _delete(job, stripped, ContactFilter(list_ids=ids), delete, lists.lock_for_delete)


async def contacts_tags_delete(job: Job) -> Progress:
    """Delete tags: first from all contacts, deleted ones included, then the tags themselves."""
    ids = msgspec.convert(job.activity.request, Whole).ids
    stripped = Edit(untag=ids)
    wanted = ContactFilter(statuses=frozenset({"all"}), tag_ids=ids)

    async def delete() -> dict[str, int]:
        await undo.keep_definitions(job, "tag", ids)
        deleted = await tags.delete(job.tx, job.activity.account_id, ids)
        return {ITEMS_DONE: deleted}

    return await _delete(job, stripped, wanted, delete, tags.lock_for_delete)


async def custom_fields_delete(job: Job) -> Progress:
    """Delete custom fields: first their values, chunk by chunk, then the definitions."""
    ids = msgspec.convert(job.activity.request, Whole).ids
    stripped = Edit(remove_fields=ids)
    wanted = ContactFilter(statuses=frozenset({"all"}), custom_field_ids=ids)

    async def delete() -> dict[str, int]:
        await undo.keep_definitions(job, "custom_field", ids)
        await custom_fields.delete_definitions(job.tx, job.activity.account_id, ids)
        return {}

    return await _delete(job, stripped, wanted, delete, custom_fields.lock_for_delete)


async def _delete(
    job: Job,
    stripped: Edit,
    wanted: ContactFilter,
    delete: Callable[[], Awaitable[dict[str, int]]],
    lock: Callable[[Transaction, UUID, tuple[UUID, ...]], Awaitable[None]],
) -> Progress:
    """Do one chunk of a deletion of lists, tags or fields.

    The first chunk that is not full announces the last one. That locks the lists, tags or fields, so that no contact
    can be added to them, strips the contacts that are left, and calls `delete`.
    """
    tx, activity = job.tx, job.activity
    ids = msgspec.convert(activity.request, Whole).ids
    total: int = activity.position.get("total", -1)
    if total < 0:
        total = await contacts.count(tx, activity.account_id, wanted)
    final = total <= CHUNK or activity.position.get("final", False)
    if final:
        await lock(tx, activity.account_id, ids)
    chunk = await choose(tx, activity.account_id, wanted, after=None, limit=None if final else CHUNK)
    await edit(tx, activity.account_id, chunk.contacts, stripped, job.act)
    counts = {CONTACTS: len(chunk.contacts)}
    if final:
        counts |= await delete()
    return Progress(
        {"total": total, "final": not chunk.full},
        done=final,
        percent_done=percent_done(activity.counts.get(CONTACTS, 0) + len(chunk.contacts), total),
        counts=counts,
    )
