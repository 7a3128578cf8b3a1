"""Change a set of contacts alike: hide them, bring them back, lists, tags, custom fields.

One statement a table over `contact_id = any($ids)`, in this order: before-image, ledger, contact, memberships,
taggings, counters, meter. What follows is derived from the contacts as they were read under their locks
(select.choose), by the same function as for one contact (consequences.py). A statement that has nothing to write
is not sent. An edit never changes a permission.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from everlist.core import counters, usage
from everlist.core.contacts.consequences import Move, State, consequences
from everlist.core.contacts.select import Chosen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from everlist.core.act import Act
    from everlist.db import Transaction


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """What every contact of a set becomes."""

    hide: bool = False
    """Delete them as the vendor does: hidden, and on no list."""
    revive: bool = False
    """Bring back those that are deleted."""
    join: tuple[UUID, ...] = ()
    """Lists that they join."""
    leave: tuple[UUID, ...] = ()
    """Lists that they leave."""
    rejoin: tuple[UUID, ...] = ()
    """Lists that they join again if they were deleted while on them; nobody who is unsubscribed does."""
    tag: tuple[UUID, ...] = ()
    untag: tuple[UUID, ...] = ()
    remove_fields: tuple[UUID, ...] = ()
    """Custom fields whose values they lose."""


DELETED = Edit(hide=True)


async def edit(tx: Transaction, account_id: UUID, chosen: Sequence[Chosen], what: Edit, act: Act) -> None:
    """Make the edit on contacts that the caller has locked and read.

    If `act` belongs to an activity, a before-image is kept for undo.
    """
    if not chosen:
        return
    ids = [contact.contact_id for contact in chosen]
    fields = await _fields(tx, account_id, ids, what.remove_fields)
    effects = [_effect(contact, what) for contact in chosen]
    if act.activity_id is not None:
        images = [
            _image(contact, effect, what, fields.get(contact.contact_id), act.now)
            for contact, effect in zip(chosen, effects, strict=True)
        ]
        await _keep_images(tx, account_id, images, act)
    await _write_ledger(tx, account_id, chosen, what, act)
    await _write_contacts(tx, account_id, ids, what, act)
    await _write_lists(tx, account_id, chosen, effects, act)
    await _write_tags(tx, account_id, chosen, effects, act)
    began = await usage.month_began(tx, account_id, now=act.now) if what.revive else act.now
    groups = Counter(
        (contact.state, effect, contact.last_active_at is None or contact.last_active_at < began)
        for contact, effect in zip(chosen, effects, strict=True)
    )
    total = consequences(_moves(groups, what))
    await counters.add(tx, account_id, total.differences())
    await usage.add(tx, account_id, total.active, first_this_month=total.first_this_month, act=act)


_Ids = tuple[UUID, ...]


class _Effect(msgspec.Struct, frozen=True):
    """What the edit really changes of one contact's lists and tags."""

    joined: _Ids
    left: _Ids
    kept_lists: _Ids
    tagged: _Ids
    untagged: _Ids
    kept_tags: _Ids


def _effect(contact: Chosen, what: Edit) -> _Effect:
    on, tags = contact.list_ids, contact.tag_ids
    wanted = what.join
    if what.rejoin and contact.permission != "unsubscribed":
        wanted += tuple(list_id for list_id in contact.deleted_list_ids if list_id in what.rejoin)
    left = on if what.hide else tuple(list_id for list_id in on if list_id in what.leave)
    untagged = tuple(tag_id for tag_id in tags if tag_id in what.untag)
    return _Effect(
        joined=tuple(list_id for list_id in wanted if list_id not in on),
        left=left,
        kept_lists=tuple(list_id for list_id in on if list_id not in left),
        tagged=tuple(tag_id for tag_id in what.tag if tag_id not in tags),
        untagged=untagged,
        kept_tags=tuple(tag_id for tag_id in tags if tag_id not in untagged),
    )


def _moves(groups: Counter[tuple[State, _Effect, bool]], what: Edit) -> Iterable[Move]:
    """Return the moves of a set: contacts in the same state with the same lists and tags are one move."""
    for (before, effect, fresh), number in groups.items():
        deleted = what.hide or (before.deleted and not what.revive)
        yield Move(
            before,
            State(before.permission, deleted, before.has_sms),
            lists_joined=effect.joined,
            lists_left=effect.left,
            lists_kept=effect.kept_lists,
            tags_added=effect.tagged,
            tags_removed=effect.untagged,
            tags_kept=effect.kept_tags,
            first_this_month=fresh,
            number=number,
        )


async def _fields(
    tx: Transaction, account_id: UUID, contact_ids: Sequence[UUID], field_ids: Sequence[UUID]
) -> dict[UUID, dict[str, msgspec.Raw]]:
    """Return the values that the contacts lose, by contact and field."""
    if not field_ids:
        return {}
    rows = await tx.rows(
        """
        select contact_id, custom_fields from contact
        where account_id = $1 and contact_id = any($2::uuid[]) and custom_fields ?| $3::text[]
        """,
        account_id,
        contact_ids,
        [str(field_id) for field_id in field_ids],
    )
    wanted = {str(field_id) for field_id in field_ids}
    decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    return {
        row["contact_id"]: {
            name: value for name, value in decode(row["custom_fields"]).items() if name in wanted
        }
        for row in rows
    }


def _image(
    contact: Chosen, effect: _Effect, what: Edit, fields: dict[str, msgspec.Raw] | None, now: datetime
) -> dict[str, Any]:
    """Return what undo needs of a contact, in the form that core/undo describes."""
    image: dict[str, Any] = {"contact_id": contact.contact_id}
    deleted = contact.deleted_at is not None
    if what.hide or (what.revive and deleted):
        was: dict[str, Any] = {}
        if contact.deleted_at is not None:
            was = {"deleted_at": contact.deleted_at, "deleted_list_ids": contact.deleted_list_ids}
        image["columns"] = {"deletion": [was, {"deleted_at": now} if what.hide else {}]}
    if fields:
        image["fields"] = {name: (value, None) for name, value in fields.items()}
    moved = {
        "joined": effect.joined,
        "left": effect.left,
        "tagged": effect.tagged,
        "untagged": effect.untagged,
    }
    image |= {key: ids for key, ids in moved.items() if ids}
    return image


async def _keep_images(tx: Transaction, account_id: UUID, images: Sequence[dict[str, Any]], act: Act) -> None:
    await tx.execute(
        """
        insert into before_image (account_id, activity_id, created, changed, made_at, addresses)
        values ($1, $2, '{}', $3, $4, false)
        """,
        account_id,
        act.activity_id,
        msgspec.json.encode(images).decode(),
        act.now,
    )


async def _write_ledger(
    tx: Transaction, account_id: UUID, chosen: Sequence[Chosen], what: Edit, act: Act
) -> None:
    """Append an event for each contact that is hidden or comes back: nothing else of an edit is consent."""
    if what.hide:
        action, moved = "deleted", [contact for contact in chosen if contact.deleted_at is None]
    elif what.revive:
        action, moved = "restored", [contact for contact in chosen if contact.deleted_at is not None]
    else:
        return
    if moved:
        await tx.execute(
            """
            insert into consent_event (account_id, contact_id, at, channel, action, permission_before, permission_after,
                opted_out_by, source, reason, operation, request_id, token_id, activity_id)
            select c.account_id, c.contact_id, $3::timestamptz, 'email', $4::text, c.permission, c.permission,
                c.opt_out_source, 'Account', c.opt_out_reason, $5::text, $6::text, $7::uuid, $8::uuid
            from contact c where c.account_id = $1 and c.contact_id = any($2::uuid[])
            """,
            account_id,
            [contact.contact_id for contact in moved],
            act.now,
            action,
            act.operation,
            act.request_id,
            act.token_id,
            act.activity_id,
        )


# $1 account, $2 contacts, $3 now
_HIDE = """
update contact c set updated_at = $3, update_source = 'Account', deleted_at = $3,
    last_active_at = case
        when deleted_at is null and permission in ('explicit', 'implicit') then $3 else last_active_at end,
    deleted_list_ids = case when deleted_at is null then array(
        select m.list_id from list_membership m
        where m.account_id = $1 and m.contact_id = c.contact_id order by m.list_id) else deleted_list_ids end
where c.account_id = $1 and c.contact_id = any($2::uuid[])
"""
_REVIVE = """
update contact set updated_at = $3, update_source = 'Account', deleted_at = null, deleted_list_ids = null
where account_id = $1 and contact_id = any($2::uuid[])
"""
_TOUCH = """
update contact set updated_at = $3, update_source = 'Account'
where account_id = $1 and contact_id = any($2::uuid[])
"""
_REMOVE_FIELDS = """
update contact set updated_at = $3, update_source = 'Account', custom_fields = custom_fields - $4::text[]
where account_id = $1 and contact_id = any($2::uuid[])
"""


async def _write_contacts(
    tx: Transaction, account_id: UUID, contact_ids: Sequence[UUID], what: Edit, act: Act
) -> None:
    if what.remove_fields:
        names = [str(field_id) for field_id in what.remove_fields]
        await tx.execute(_REMOVE_FIELDS, account_id, contact_ids, act.now, names)
    else:
        sql = _HIDE if what.hide else _REVIVE if what.revive else _TOUCH
        await tx.execute(sql, account_id, contact_ids, act.now)


async def _write_lists(
    tx: Transaction, account_id: UUID, chosen: Sequence[Chosen], effects: Sequence[_Effect], act: Act
) -> None:
    left = {list_id for effect in effects for list_id in effect.left}
    if left:
        await tx.execute(
            """
            delete from list_membership
            where account_id = $1 and contact_id = any($2::uuid[]) and list_id = any($3::uuid[])
            """,
            account_id,
            [contact.contact_id for contact, effect in zip(chosen, effects, strict=True) if effect.left],
            list(left),
        )
    joined = [
        (contact.contact_id, list_id)
        for contact, effect in zip(chosen, effects, strict=True)
        for list_id in effect.joined
    ]
    if joined:
        await tx.execute(
            """
            insert into list_membership (account_id, contact_id, list_id, created_at)
            select $1, contact_id, list_id, $4 from unnest($2::uuid[], $3::uuid[]) joined (contact_id, list_id)
            """,
            account_id,
            [contact_id for contact_id, _ in joined],
            [list_id for _, list_id in joined],
            act.now,
        )


async def _write_tags(
    tx: Transaction, account_id: UUID, chosen: Sequence[Chosen], effects: Sequence[_Effect], act: Act
) -> None:
    untagged = {tag_id for effect in effects for tag_id in effect.untagged}
    if untagged:
        await tx.execute(
            """
            delete from tagging
            where account_id = $1 and contact_id = any($2::uuid[]) and tag_id = any($3::uuid[])
            """,
            account_id,
            [contact.contact_id for contact, effect in zip(chosen, effects, strict=True) if effect.untagged],
            list(untagged),
        )
    tagged = [
        (contact.contact_id, tag_id)
        for contact, effect in zip(chosen, effects, strict=True)
        for tag_id in effect.tagged
    ]
    if tagged:
        await tx.execute(
            """
            insert into tagging (account_id, contact_id, tag_id, created_at)
            select $1, contact_id, tag_id, $4 from unnest($2::uuid[], $3::uuid[]) tagged (contact_id, tag_id)
            """,
            account_id,
            [contact_id for contact_id, _ in tagged],
            [tag_id for _, tag_id in tagged],
            act.now,
        )
