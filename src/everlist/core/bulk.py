"""What each kind of activity does, a chunk at a time. V3 contract 6.2.

A kind is one function: given the activity, whose `position` says where to begin, it does one chunk of work
in the caller's transaction and tells how far that got. It is called again until it is done. Whatever it
writes commits together with its new position, so a worker that is killed loses at most the chunk it was
in, and nothing is ever done twice. To add a kind, write that function and name it in KINDS.

A kind in STRANDS has chunks that do not touch each other, of which several run at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.core import contacts, custom_fields, lists, tags, undo
from everlist.core.activities import Activity, Job, Progress
from everlist.core.contacts.edit import DELETED, Edit, edit
from everlist.core.contacts.filters import ContactFilter
from everlist.core.contacts.model import MAX_LISTS, MAX_TAGS
from everlist.core.contacts.select import Chosen, choose
from everlist.core.exports import contact_exports
from everlist.core.imports import replace
from everlist.core.imports.job import contacts_import, strands
from everlist.core.privacy.job import contact_erase

if TYPE_CHECKING:
    from datetime import datetime

    from everlist.db import Transaction

CHUNK = 5_000


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which contacts an activity works on: one of these is set."""

    contact_ids: tuple[UUID, ...] | None = None
    list_ids: tuple[UUID, ...] | None = None
    tag_ids: tuple[UUID, ...] | None = None
    all_active_contacts: bool = False
    new_subscriber: bool = False
    """Mailable contacts that opted in within the last 30 days."""
    nobody: bool = False
    """A source that depends on engagement, of which there is none."""
    except_ids: tuple[UUID, ...] | None = None

    def filter(self, *, now: datetime, with_deleted: bool = False) -> ContactFilter:
        """The contacts as a filter. `with_deleted` lets named contacts be deleted ones."""
        mailable = self.all_active_contacts or self.new_subscriber
        statuses = frozenset({"active"} if mailable else {"all"} if with_deleted and self.contact_ids else ())
        return ContactFilter(
            statuses=statuses,
            list_ids=self.list_ids,
            tag_ids=self.tag_ids,
            contact_ids=() if self.nobody else self.contact_ids,
            except_ids=self.except_ids or None,
            opted_in_after=now - timedelta(days=30) if self.new_subscriber else None,
        )


class ForContacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """The request of a kind that does one thing to many contacts."""

    source: Source
    ids: tuple[UUID, ...] = ()
    """The lists or tags that they join or leave."""


class Whole(msgspec.Struct, frozen=True):
    """The request of a kind that deletes lists, tags or fields."""

    ids: tuple[UUID, ...]


Run = Callable[[Job], Awaitable[Progress]]


async def contact_delete(job: Job) -> Progress:
    """Hide contacts and take them off their lists."""
    return await _for_contacts(job, lambda _ids: DELETED, lambda _contact, _ids: "updated")


async def add_list_memberships(job: Job) -> Progress:
    """Put contacts on lists. Unsubscribed ones are held back; named ones that are deleted come back."""

    def outcome(contact: Chosen, list_ids: frozenset[UUID]) -> str:
        if contact.permission == "unsubscribed":
            return "held_back"
        if len(list_ids.union(contact.list_ids)) > MAX_LISTS:
            return "rejected"
        comes_back = contact.deleted_at is not None and list_ids
        return "unchanged" if list_ids.issubset(contact.list_ids) and not comes_back else "updated"

    return await _for_contacts(job, lambda ids: Edit(revive=True, join=ids), outcome, with_deleted=True)


async def remove_list_memberships(job: Job) -> Progress:
    """Take contacts off lists."""
    return await _for_contacts(
        job,
        lambda ids: Edit(leave=ids),
        lambda contact, ids: "unchanged" if ids.isdisjoint(contact.list_ids) else "updated",
    )


async def contacts_taggings_add(job: Job) -> Progress:
    """Tag contacts."""

    def outcome(contact: Chosen, tag_ids: frozenset[UUID]) -> str:
        if len(tag_ids.union(contact.tag_ids)) > MAX_TAGS:
            return "rejected"
        return "unchanged" if tag_ids.issubset(contact.tag_ids) else "updated"

    return await _for_contacts(job, lambda ids: Edit(tag=ids), outcome)


async def contacts_taggings_remove(job: Job) -> Progress:
    """Take tags off contacts."""
    return await _for_contacts(
        job,
        lambda ids: Edit(untag=ids),
        lambda contact, ids: "unchanged" if ids.isdisjoint(contact.tag_ids) else "updated",
    )


_REJECTED = {
    "add_list_memberships": f"a contact may be on at most {MAX_LISTS} lists",
    "contacts_taggings_add": f"a contact may carry at most {MAX_TAGS} tags",
}


async def _for_contacts(
    job: Job,
    what: Callable[[tuple[UUID, ...]], Edit],
    outcome: Callable[[Chosen, frozenset[UUID]], str],
    *,
    with_deleted: bool = False,
) -> Progress:
    """One chunk of a kind that does one thing to the contacts of its source, in the order of their ids."""
    tx, activity = job.tx, job.activity
    request = msgspec.convert(activity.request, ForContacts)
    wanted = request.source.filter(now=activity.created_at, with_deleted=with_deleted)
    begun: int | None = activity.position.get("total")
    total = await contacts.count(tx, activity.account_id, wanted) if begun is None else begun
    after = activity.position.get("after")
    live = await _live_ids(tx, activity, request.ids)
    chunk = await choose(tx, activity.account_id, wanted, after=UUID(after) if after else None, limit=CHUNK)
    chosen = chunk.contacts
    by_outcome: dict[str, list[Chosen]] = {}
    for contact in chosen:
        by_outcome.setdefault(outcome(contact, live), []).append(contact)
    await edit(tx, activity.account_id, by_outcome.get("updated", ()), what(tuple(sorted(live))), job.act)
    seen = activity.counts.get("items_completed_count", 0) + len(chosen)
    counts = {name: len(found) for name, found in by_outcome.items()}
    counts["items_completed_count"] = len(chosen)
    if begun is None:
        counts["items_total_count"] = total
    reason = _REJECTED.get(activity.kind, "")
    errors = [f"{contact.contact_id}: {reason}" for contact in by_outcome.get("rejected", ())]
    if begun is None:
        errors += [f"{gone}: no such id any more" for gone in sorted(set(request.ids) - live)]
    return Progress(
        {"total": total, "after": str(chunk.last) if chunk.last else None},
        done=not chunk.full,
        percent_done=100 * seen // max(total, seen, 1),
        counts=counts,
        errors=errors,
    )


async def _live_ids(tx: Transaction, activity: Activity, ids: tuple[UUID, ...]) -> frozenset[UUID]:
    """Those of the request's lists or tags that still exist; they cannot go while the chunk runs."""
    if activity.kind.endswith("list_memberships"):
        return frozenset(await lists.lock_live(tx, activity.account_id, ids))
    return frozenset(await tags.lock_existing(tx, activity.account_id, ids))


async def list_delete(job: Job) -> Progress:
    """Delete lists: first their memberships, chunk by chunk, at last the lists. No contact is deleted."""
    ids = msgspec.convert(job.activity.request, Whole).ids
    stripped = Edit(leave=ids)

    async def last() -> dict[str, int]:
        await undo.keep_definitions(job, "contact_list", ids)
        await lists.mark_deleted(job.tx, job.activity.account_id, ids, now=job.act.now)
        return {}

    return await _strip(job, stripped, ContactFilter(list_ids=ids), last, lists.lock_for_delete)


async def contacts_tags_delete(job: Job) -> Progress:
    """Delete tags: first from the contacts, deleted ones included, at last the tags themselves."""
    ids = msgspec.convert(job.activity.request, Whole).ids
    stripped = Edit(untag=ids)
    wanted = ContactFilter(frozenset({"all"}), tag_ids=ids)

    async def last() -> dict[str, int]:
        await undo.keep_definitions(job, "tag", ids)
        gone = await tags.delete(job.tx, job.activity.account_id, ids)
        return {"items_completed_count": gone}

    return await _strip(job, stripped, wanted, last, tags.lock_for_delete)


async def custom_fields_delete(job: Job) -> Progress:
    """Delete custom fields: first their values, chunk by chunk, at last the definitions."""
    ids = msgspec.convert(job.activity.request, Whole).ids
    stripped = Edit(remove_fields=ids)
    wanted = ContactFilter(frozenset({"all"}), custom_field_ids=ids)

    async def last() -> dict[str, int]:
        await undo.keep_definitions(job, "custom_field", ids)
        await custom_fields.delete_definitions(job.tx, job.activity.account_id, ids)
        return {}

    return await _strip(job, stripped, wanted, last, custom_fields.lock_for_delete)


async def _strip(
    job: Job,
    what: Edit,
    wanted: ContactFilter,
    last: Callable[[], Awaitable[dict[str, int]]],
    lock: Callable[[Transaction, UUID, tuple[UUID, ...]], Awaitable[None]],
) -> Progress:
    """One chunk of a deletion of lists, tags or fields.

    What is left when a chunk is not full is taken in one go with the lists, tags or fields themselves,
    which are locked first, so that nobody can join in between.
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
    chosen = chunk.contacts
    await edit(tx, activity.account_id, chosen, what, job.act)
    counts = {"contacts_count": len(chosen)}
    if final:
        counts |= await last()
    seen = activity.counts.get("contacts_count", 0) + len(chosen)
    return Progress(
        {"total": total, "final": not chunk.full},
        done=final,
        percent_done=100 * seen // max(total, seen, 1),
        counts=counts,
    )


KINDS: dict[str, Run] = {
    "contacts_file_import": contacts_import,
    "contacts_json_import": contacts_import,
    "contact_exports": contact_exports,
    "contact_delete": contact_delete,
    "contact_erase": contact_erase,
    "contact_restore": undo.contact_restore,
    undo.KIND: undo.activity_undo,
    replace.KIND: replace.list_replace,
    "add_list_memberships": add_list_memberships,
    "remove_list_memberships": remove_list_memberships,
    "list_delete": list_delete,
    "contacts_taggings_add": contacts_taggings_add,
    "contacts_taggings_remove": contacts_taggings_remove,
    "contacts_tags_delete": contacts_tags_delete,
    "custom_fields_delete": custom_fields_delete,
}

STRANDS: dict[str, Callable[[Activity], Sequence[int]]] = {
    "contacts_file_import": strands,
    "contacts_json_import": strands,
}
"""Tells which strands of an activity have chunks left. A chunk is the next of its strand, which no other strand touches.
The chunk of no strand comes whenever a worker begins or goes on, and when fewer than two strands are left: it takes what
is next of any."""
