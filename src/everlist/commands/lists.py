"""`everlist lists`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import click

from everlist.commands import names, output, progress, report
from everlist.commands.names import LISTS
from everlist.commands.session import USAGE, Failed, Session, agreed, api, destroys
from everlist.commands.usage import peak_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from everlist.client.models import ActivityStatus, ContactList, Replacement


@click.group()
def lists() -> None:
    """Lists: show, make, replace and delete them. A LIST is a name, in any case, or an id."""


@lists.command("list")
@api
def list_lists(session: Session) -> None:
    """Show all lists, and how many contacts are on each.

    Example: everlist lists list
    """
    all_lists = session.client.lists.list(limit=500, include_membership_count="all")
    if session.as_json:
        output.lines(all_lists)
        return
    titles = ("Name", ">Contacts", "Updated", "Id")
    rows = (
        (one.name, output.number(one.membership_count), output.moment(one.updated_at), one.list_id)
        for one in all_lists
    )
    if not output.table(titles, rows):
        click.echo("There are no lists yet. To make one: everlist lists create NAME")


@lists.command("create")
@click.argument("name")
@click.option("--description", help="What it is for, up to 100 characters.")
@click.option("--favorite", is_flag=True, help="Mark it as a favourite.")
@api
def create_list(session: Session, name: str, description: str | None, favorite: bool) -> None:
    """Make a list.

    Example: everlist lists create "Summer fair"
    """
    from msgspec import UNSET

    made = session.client.lists.create(name, description=description or UNSET, favorite=favorite or UNSET)
    session.done(f'Made the list "{made.name}", {made.list_id}.', made)


@lists.command("rename")
@click.argument("list_name", metavar="LIST", shell_complete=LISTS)
@click.argument("name")
@api
def rename_list(session: Session, list_name: str, name: str) -> None:
    """Give a list another name.

    Example: everlist lists rename "Spring readers" "Summer readers"
    """
    from msgspec import UNSET

    there = names.list_of(session, list_name)
    renamed = session.client.lists.update(
        there.list_id, name=name, description=there.description or UNSET, favorite=bool(there.favorite)
    )
    session.done(f'"{there.name}" is "{renamed.name}" now.', renamed)


@lists.command("delete")
@click.argument("list_names", metavar="LIST...", shell_complete=LISTS, nargs=-1, required=True)
@destroys
@api
def delete_lists(session: Session, list_names: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Delete lists. The contacts on them stay.

    Example: everlist lists delete "Old readers" --dry-run
    """
    there = [names.list_of(session, name) for name in names.given(list_names)]
    members = sum(_members(session, one) for one in there)
    what = f"delete {output.count_of(len(there), 'list')} with {output.count_of(members, 'membership')}"
    if not agreed(session, verb="delete", what=what, count=len(there), noun="list", dry_run=dry_run, yes=yes):
        return
    activity = session.wait(session.client.activities.delete_lists(one.list_id for one in there), "Deleting")
    session.done(f"Deleted {', '.join(one.name for one in there)}.", activity)


def _members(session: Session, one: ContactList) -> int:
    counted = session.client.lists.get(one.list_id, include_membership_count="all")
    return counted.membership_count or 0


def _percent(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """The number of `20%` or `20`."""
    if value is None:
        return None
    try:
        percent = float(value.removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise click.BadParameter(f"{value} is no share from 0% to 100%")
    return percent


@lists.command("replace")
@click.argument("list_name", metavar="LIST", shell_complete=LISTS)
@click.argument("file", type=click.Path(allow_dash=True))
@click.option(
    "--max-removed",
    metavar="PERCENT",
    callback=_percent,
    help="Change nothing if more of the list than this would leave, such as 20%.",
)
@click.option(
    "--leavers",
    type=click.Choice(["unlist", "delete"]),
    help="What becomes of who is not in the file any more: taken off this list, which is the default, or deleted.",
)
@click.option(
    "--timeout", type=click.FloatRange(min=0), help="Seconds to wait for the end; it goes on after that."
)
@destroys
@api
def replace_list(
    session: Session,
    list_name: str,
    file: str,
    max_removed: float | None,
    leavers: str | None,
    timeout: float | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Make a list exactly what a CSV file says; - is standard input.

    Contacts that are not in the file leave the list, and all others are on it afterwards, in one step. With
    --max-removed nobody is asked: it is what a nightly job needs.

    Example: everlist lists replace "Daily" today.csv --max-removed 20%
    """
    from everlist.client.models import ActivityStatus

    there = names.list_of(session, list_name)
    if max_removed is None and not (yes or dry_run) and not sys.stdin.isatty():
        message = (
            "say how many may leave the list at most, such as --max-removed 20%; or --yes, if all of them may"
        )
        raise Failed(message, USAGE)
    options: dict[str, Any] = {"max_removed_percent": max_removed, "leavers": leavers}
    with opened(file) as source:
        if dry_run or not (yes or max_removed is not None):
            with progress.sending("Comparing") as told:
                preview = session.client.lists.preview_replacement(
                    there.list_id, source, **options, progress=told
                )
            if dry_run:
                _previewed(session, there, preview, leavers)
                return
            _ask(session, there, preview, leavers)
            source.seek(0)
        with progress.sending("Sending") as told:
            activity = session.client.lists.replace_members(there.list_id, source, **options, progress=told)
    activity = session.wait(activity, "Replacing", timeout=timeout)
    groups = report.not_taken(activity)
    usage = session.client.account.usage()
    if session.as_json:
        output.line({"list_id": there.list_id, "activity": activity, "not_taken": groups, "usage": usage})
    else:
        _replaced(there, activity.status or ActivityStatus(), leavers)
        report.print_not_taken(groups, activity.activity_id)
        click.echo(f"\n{peak_of(usage)}")
    click.get_current_context().exit(report.status_of(groups))


@contextmanager
def opened(file: str) -> Generator[BinaryIO]:
    """The file; what can be read only once is kept in a file first, since it may be sent twice. Raises Failed."""
    try:
        source = cast("BinaryIO", click.open_file(file, "rb"))
    except OSError as error:
        raise Failed(f"{file}: {error.strerror or error}", USAGE) from error
    with source:
        if source.seekable():
            yield source
            return
        with tempfile.TemporaryFile() as kept:
            shutil.copyfileobj(source, kept)
            kept.seek(0)
            yield kept


def _ask(session: Session, there: ContactList, preview: Replacement, leavers: str | None) -> None:
    if preview.remove:
        verb = "delete" if leavers == "delete" else "take"
        off = "" if leavers == "delete" else f' off "{there.name}"'
        what = f"{verb} {output.count_of(preview.remove, 'contact')}{off} and add {preview.add:,}"
        agreed(session, verb=verb, what=what, count=preview.remove, noun="contact", dry_run=False, yes=False)


def _previewed(session: Session, there: ContactList, preview: Replacement, leavers: str | None) -> None:
    if session.as_json:
        output.line({"dry_run": True, "list_id": there.list_id, "difference": preview})
        return
    click.echo(output.clean(f'"{there.name}" would change like this:'))
    leave = "deleted" if leavers == "delete" else "taken off"
    output.counts(
        (
            ("added", preview.add),
            (leave, preview.remove),
            ("staying", preview.keep),
            ("updated", preview.update),
            ("held back", preview.held_back),
            ("rejected", preview.rejected),
        )
    )
    report.print_not_taken(report.grouped(preview.rows))
    click.echo(
        f"\nPeak of the month: {preview.peak_before or 0:,} before, {preview.peak_after or 0:,} after."
    )


def _replaced(there: ContactList, status: ActivityStatus, leavers: str | None) -> None:
    added, removed = status.added_count or 0, status.removed_count or 0
    kept, new = status.kept_count or 0, status.created_count or 0
    updated = (status.updated_count or 0) - (added - new)
    if added or removed or updated:
        click.echo(output.clean(f'"{there.name}" has {output.count_of(kept + added, "contact")} now.'))
    else:
        same = output.count_of(kept, "contact")
        click.echo(output.clean(f'Nothing changed: "{there.name}" has the same {same}.'))
    output.counts(
        (
            ("added", added),
            ("  new here", new),
            ("deleted" if leavers == "delete" else "taken off", removed),
            ("stayed", kept if added or removed or updated else 0),
            ("  updated", updated),
            ("held back", status.held_back_count),
            ("rejected", status.rejected_count),
        )
    )
