"""`everlist contacts`: delete, restore and erase."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import click

from everlist.commands import lookup, output
from everlist.commands.options import contacts_argument, contacts_of_lists
from everlist.commands.session import Session, api_command, confirmed, destructive

if TYPE_CHECKING:
    from everlist.client._sync.activities import Activity


class _Chosen(NamedTuple):
    """The contacts of a command: ids of contacts, or of lists, and the number of contacts."""

    contact_ids: list[str]
    list_ids: list[str]
    contact_count: int


def _choose(session: Session, contacts: tuple[str, ...], list_names: tuple[str, ...]) -> _Chosen:
    """Look up contacts or lists. Raises CommandError unless exactly one of the two is given."""
    lookup.check_either(contacts, list_names, "--list")
    if contacts:
        ids = lookup.find_contact_ids(session, contacts)
        return _Chosen(contact_ids=ids, list_ids=[], contact_count=len(ids))
    return _choose_lists(session, list_names)


def _choose_lists(session: Session, list_names: tuple[str, ...]) -> _Chosen:
    ids = [lookup.find_list(session, name).list_id for name in list_names]
    count = sum(lookup.count_members(session, list_id) for list_id in ids)
    return _Chosen(contact_ids=[], list_ids=ids, contact_count=count)


@click.command("delete")
@contacts_argument
@contacts_of_lists
@destructive
@api_command
def delete_contacts(
    session: Session, contacts: tuple[str, ...], list_names: tuple[str, ...], dry_run: bool, yes: bool
) -> None:
    """Delete contacts. They leave their lists, and `restore` brings them back; - reads them from standard input.

    Example: everlist contacts delete tom@example.org --yes
    """
    chosen = _choose(session, contacts, list_names)
    action = f"delete {output.count_of(chosen.contact_count, 'contact')}"
    if not confirmed(
        session,
        verb="delete",
        action=action,
        count=chosen.contact_count,
        noun="contact",
        dry_run=dry_run,
        yes=yes,
    ):
        return
    delete = session.client.activities.delete_contacts
    starts = [partial(delete, contact_ids=batch) for batch in lookup.batches(chosen.contact_ids)]
    if chosen.list_ids:
        starts.append(partial(delete, list_ids=chosen.list_ids))
    for start in starts:
        activity = session.wait(start(), "Deleting")
        count = output.count_of(_completed_items(activity, chosen.contact_count), "contact")
        restore = f"everlist contacts restore --deleted-by {activity.activity_id}"
        session.report(f"Deleted {count}. To restore: {restore}", activity)


def _completed_items(activity: Activity, default: int) -> int:
    count = activity.status.items_completed_count if activity.status else None
    return default if count is None else count


@click.command("restore")
@contacts_argument
@click.option(
    "--deleted-by",
    metavar="ACTIVITY",
    help="All contacts that this activity deleted: an id, or `last` for the newest activity.",
)
@api_command
def restore_contacts(session: Session, contacts: tuple[str, ...], deleted_by: str | None) -> None:
    """Restore deleted contacts. They get back their lists and tags; - reads the contacts from standard input.

    Example: everlist contacts restore kim@example.org
    """
    lookup.check_either(contacts, deleted_by, "--deleted-by")
    restore = session.client.activities.restore
    starts: list[Callable[[], Activity]]
    if deleted_by:
        activity_id = lookup.find_activity(session, deleted_by).activity_id
        starts = [partial(restore, deleted_by_activity_id=activity_id)]
    else:
        ids = lookup.find_contact_ids(session, contacts)
        starts = [partial(restore, contact_ids=batch) for batch in lookup.batches(ids)]
    for start in starts:
        activity = session.wait(start(), "Restoring")
        count = (activity.status.updated_count if activity.status else None) or 0
        session.report(f"Restored {output.count_of(count, 'contact')}.", activity)
        if not session.as_json:
            _print_errors(activity)


@click.command("erase")
@contacts_argument
@contacts_of_lists
@click.option(
    "--reason", required=True, help="The reason. It is stored permanently, so do not name the person."
)
@destructive
@api_command
def erase_contacts(
    session: Session,
    contacts: tuple[str, ...],
    list_names: tuple[str, ...],
    reason: str,
    dry_run: bool,
    yes: bool,
) -> None:
    """Erase contacts irreversibly. - reads them from standard input.

    You may erase an address that no contact has: the server records it as erased. --json prints the receipts.

    Example: everlist contacts erase old@example.org --reason "asked for it" --yes --json
    """
    people = lookup.with_stdin(contacts)
    lookup.check_either(people, list_names, "--list")
    for text in people:
        lookup.check_contact_argument(text)
    ids = [text for text in people if lookup.is_id(text)]
    emails = [text for text in people if not lookup.is_id(text)]
    lists = _choose_lists(session, list_names)
    count = len(people) + lists.contact_count
    action = f"irreversibly erase {output.count_of(count, 'contact')}"
    if not confirmed(
        session, verb="erase", action=action, count=count, noun="contact", dry_run=dry_run, yes=yes
    ):
        return
    erase = partial(session.client.activities.erase, reason=reason)
    starts = [partial(erase, contact_ids=batch) for batch in lookup.batches(ids)]
    starts += [partial(erase, email_addresses=batch) for batch in lookup.batches(emails)]
    if lists.list_ids:
        starts.append(partial(erase, list_ids=lists.list_ids))
    for start in starts:
        _print_erasures(session, session.wait(start(), "Erasing"))


def _print_erasures(session: Session, activity: Activity) -> None:
    erasures = session.client.account.erasures(activity_id=activity.activity_id, limit=500)
    if session.as_json:
        output.lines(erasures)
        return
    for erasure in erasures:
        click.echo(f"Erased {erasure.contact_id or 'an address'}, receipt {erasure.erasure_id}.")
    if activity.status and activity.status.suppressed_count:
        addresses = output.count_of(activity.status.suppressed_count, "address")
        click.echo(f"Suppressed without a contact: {addresses}.")
    _print_errors(activity)


def _print_errors(activity: Activity) -> None:
    for text in activity.errors:
        click.echo(output.clean(f"  {text}"))
