"""`everlist contacts`: delete, restore and erase."""

from __future__ import annotations

import functools
from typing import Any

import click

from everlist.commands import names, output
from everlist.commands.names import LISTS
from everlist.commands.session import USAGE, Failed, Session, agreed, api, destroys


@click.command("delete")
@click.argument("who", metavar="[CONTACT]...", nargs=-1)
@click.option(
    "--list",
    "list_names",
    shell_complete=LISTS,
    multiple=True,
    help="Everybody on this list; several may be given.",
)
@destroys
@api
def delete_contacts(
    session: Session, who: tuple[str, ...], list_names: tuple[str, ...], dry_run: bool, yes: bool
) -> None:
    """Hide contacts and take them off their lists. They can be restored; - reads them from standard input.

    Example: everlist contacts delete tom@example.org --yes
    """
    ids, lists, count = _chosen(session, who, list_names)
    what = f"delete {output.count_of(count, 'contact')}"
    if not agreed(session, verb="delete", what=what, count=count, noun="contact", dry_run=dry_run, yes=yes):
        return
    activities = session.client.activities
    begun = [functools.partial(activities.delete_contacts, contact_ids=some) for some in names.batches(ids)]
    if lists:
        begun.append(functools.partial(activities.delete_contacts, list_ids=lists))
    for begin in begun:
        done = session.wait(begin(), "Deleting")
        again = f"everlist contacts restore --deleted-by {done.activity_id}"
        session.done(
            f"Deleted {output.count_of(_items(done, count), 'contact')}. To bring them back: {again}", done
        )


def _chosen(
    session: Session, who: tuple[str, ...], list_names: tuple[str, ...]
) -> tuple[list[str], list[str], int]:
    """The ids of contacts or of lists, one of the two, and how many contacts that is."""
    if bool(who) == bool(list_names):
        raise Failed("name contacts, or lists with --list: one of the two", USAGE)
    if who:
        ids = names.contact_ids(session, who)
        return ids, [], len(ids)
    lists = [names.list_of(session, name).list_id for name in list_names]
    counted = [session.client.lists.get(one, include_membership_count="all") for one in lists]
    return [], lists, sum(one.membership_count or 0 for one in counted)


def _items(activity: Any, otherwise: int) -> int:
    counted = activity.status.items_completed_count if activity.status else None
    return otherwise if counted is None else counted


@click.command("restore")
@click.argument("who", metavar="[CONTACT]...", nargs=-1)
@click.option(
    "--deleted-by", metavar="ACTIVITY", help="All that this activity deleted; `last` is the newest activity."
)
@api
def restore_contacts(session: Session, who: tuple[str, ...], deleted_by: str | None) -> None:
    """Bring deleted contacts back. With the lists and tags that they had; - reads them from standard input.

    Example: everlist contacts restore kim@example.org
    """
    if bool(who) == bool(deleted_by):
        raise Failed("name contacts, or an activity with --deleted-by: one of the two", USAGE)
    restore = session.client.activities.restore
    if deleted_by:
        begun = [
            functools.partial(
                restore, deleted_by_activity_id=names.activity_of(session, deleted_by).activity_id
            )
        ]
    else:
        ids = names.contact_ids(session, who)
        begun = [functools.partial(restore, contact_ids=some) for some in names.batches(ids)]
    for begin in begun:
        done = session.wait(begin(), "Restoring")
        status = done.status
        changed = (status.updated_count if status else None) or 0
        session.done(f"Brought back {output.count_of(changed, 'contact')}.", done)
        if not session.as_json:
            for text in done.errors:
                click.echo(output.clean(f"  {text}"))


@click.command("erase")
@click.argument("who", metavar="[CONTACT]...", nargs=-1)
@click.option(
    "--list",
    "list_names",
    shell_complete=LISTS,
    multiple=True,
    help="Everybody on this list; several may be given.",
)
@click.option("--reason", required=True, help="Why; it is kept, so it must name nobody.")
@destroys
@api
def erase_contacts(
    session: Session, who: tuple[str, ...], list_names: tuple[str, ...], reason: str, dry_run: bool, yes: bool
) -> None:
    """Erase people for good. There is no way back; - reads them from standard input.

    An address may be erased that no contact has: it is remembered as erased. With --json the receipts are printed.

    Example: everlist contacts erase old@example.org --reason "asked for it" --yes --json
    """
    words = names.given(who)
    emails = [word for word in words if not names.is_id(word)]
    if unknown := [word for word in emails if "@" not in word]:
        raise Failed(f'"{unknown[0]}" is neither the address nor the id of a contact', USAGE)
    ids, lists, count = [word for word in words if names.is_id(word)], list[str](), len(words)
    if list_names or not words:
        _, lists, count = _chosen(session, tuple(words), list_names)
    what = f"erase {output.count_of(count, 'contact')} for good"
    if not agreed(session, verb="erase", what=what, count=count, noun="contact", dry_run=dry_run, yes=yes):
        return
    erase = functools.partial(session.client.activities.erase, reason=reason)
    begun = [functools.partial(erase, contact_ids=some) for some in names.batches(ids)]
    begun += [functools.partial(erase, email_addresses=some) for some in names.batches(emails)]
    begun += [functools.partial(erase, list_ids=lists)] if lists else []
    for begin in begun:
        done = session.wait(begin(), "Erasing")
        receipts = session.client.account.erasures(activity_id=done.activity_id, limit=500)
        if session.as_json:
            output.lines(receipts)
            continue
        for one in receipts:
            click.echo(f"Erased {one.contact_id or 'an address'}, receipt {one.erasure_id}.")
        if done.status and done.status.suppressed_count:
            addresses = output.count_of(done.status.suppressed_count, "address")
            click.echo(f"Remembered as erased, with no contact: {addresses}.")
        for text in done.errors:
            click.echo(output.clean(f"  {text}"))
