"""`everlist lists`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from everlist.commands import lookup, output, progress, report
from everlist.commands.completion import complete_lists
from everlist.commands.files import open_rewindable
from everlist.commands.options import timeout_option
from everlist.commands.session import (
    CommandError,
    ExitStatus,
    Session,
    api_command,
    confirmed,
    destructive,
)
from everlist.commands.usage import peak_line

if TYPE_CHECKING:
    from everlist.client.models import ActivityStatus, ContactList, Replacement


@click.group()
def lists() -> None:
    """List, create, rename, replace and delete contact lists. A LIST is a name, in any case, or an id."""


@lists.command("list")
@api_command
def list_lists(session: Session) -> None:
    """List all lists with their number of contacts.

    Example: everlist lists list
    """
    all_lists = session.client.lists.list(limit=500, include_membership_count="all")
    if session.as_json:
        output.lines(all_lists)
        return
    rows = (
        (
            contact_list.name,
            output.number(contact_list.membership_count),
            output.moment(contact_list.updated_at),
            contact_list.list_id,
        )
        for contact_list in all_lists
    )
    if not output.table(("Name", ">Contacts", "Updated", "Id"), rows):
        click.echo("There are no lists yet. To create one: everlist lists create NAME")


@lists.command("create")
@click.argument("name")
@click.option("--description", help="A description of up to 100 characters.")
@click.option("--favorite", is_flag=True, help="Mark the list as a favorite.")
@api_command
def create_list(session: Session, name: str, description: str | None, favorite: bool) -> None:
    """Create a list.

    Example: everlist lists create "Summer fair"
    """
    from msgspec import UNSET

    contact_list = session.client.lists.create(
        name, description=description or UNSET, favorite=favorite or UNSET
    )
    session.report(f'Created the list "{contact_list.name}", {contact_list.list_id}.', contact_list)


@lists.command("rename")
@click.argument("list_name", metavar="LIST", shell_complete=complete_lists)
@click.argument("new_name", metavar="NAME")
@api_command
def rename_list(session: Session, list_name: str, new_name: str) -> None:
    """Rename a list.

    Example: everlist lists rename "Spring readers" "Summer readers"
    """
    from msgspec import UNSET

    contact_list = lookup.find_list(session, list_name)
    renamed = session.client.lists.update(
        contact_list.list_id,
        name=new_name,
        description=contact_list.description or UNSET,
        favorite=bool(contact_list.favorite),
    )
    session.report(f'Renamed "{contact_list.name}" to "{renamed.name}".', renamed)


@lists.command("delete")
@click.argument("list_names", metavar="LIST...", shell_complete=complete_lists, nargs=-1, required=True)
@destructive
@api_command
def delete_lists(session: Session, list_names: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Delete lists. Their contacts stay.

    Example: everlist lists delete "Old readers" --dry-run
    """
    chosen = [lookup.find_list(session, name) for name in lookup.with_stdin(list_names)]
    members = sum(lookup.count_members(session, contact_list.list_id) for contact_list in chosen)
    action = f"delete {output.count_of(len(chosen), 'list')} with {output.count_of(members, 'membership')}"
    count = len(chosen)
    if not confirmed(
        session, verb="delete", action=action, count=count, noun="list", dry_run=dry_run, yes=yes
    ):
        return
    ids = [contact_list.list_id for contact_list in chosen]
    activity = session.wait(session.client.activities.delete_lists(ids), "Deleting")
    session.report(f"Deleted {', '.join(contact_list.name for contact_list in chosen)}.", activity)


def _parse_percent(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Parse `20%` or `20`. Raises click.BadParameter."""
    if value is None:
        return None
    try:
        percent = float(value.removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise click.BadParameter(f"{value}: give a percentage from 0 to 100")
    return percent


@lists.command("replace")
@click.argument("list_name", metavar="LIST", shell_complete=complete_lists)
@click.argument("file", type=click.Path(allow_dash=True))
@click.option(
    "--max-removed",
    metavar="PERCENT",
    callback=_parse_percent,
    help="Change nothing if more than this share of the members would leave, such as 20%.",
)
@click.option(
    "--leavers",
    type=click.Choice(["unlist", "delete"]),
    help="Remove members that are not in the file from the list (unlist, the default), or delete them.",
)
@timeout_option
@destructive
@api_command
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
    """Replace the members of a list by the contacts of a CSV file; - is standard input.

    In one step, contacts that are not in the file leave the list and all others join it. With --max-removed the
    command does not ask, which a nightly job needs.

    Example: everlist lists replace "Daily" today.csv --max-removed 20%
    """
    from everlist.client.models import ActivityStatus

    contact_list = lookup.find_list(session, list_name)
    must_ask = max_removed is None and not yes
    if must_ask and not dry_run and not sys.stdin.isatty():
        raise CommandError(
            "there is no terminal to ask on: limit how many members may leave, such as --max-removed 20%,"
            " or allow any number with --yes",
            ExitStatus.USAGE,
        )
    options: dict[str, Any] = {"max_removed_percent": max_removed, "leavers": leavers}
    with open_rewindable(file) as source:
        if dry_run or must_ask:
            with progress.upload_bar("Comparing") as show_progress:
                preview = session.client.lists.preview_replacement(
                    contact_list.list_id, source, **options, progress=show_progress
                )
            if dry_run:
                _print_preview(session, contact_list, preview, leavers)
                return
            _confirm_removals(session, contact_list, preview, leavers)
            source.seek(0)
        with progress.upload_bar("Sending") as show_progress:
            activity = session.client.lists.replace_members(
                contact_list.list_id, source, **options, progress=show_progress
            )
    activity = session.wait(activity, "Replacing", timeout=timeout)
    groups = report.problem_groups(activity)
    usage = session.client.account.usage()
    if session.as_json:
        output.line(
            {"list_id": contact_list.list_id, "activity": activity, "not_taken": groups, "usage": usage}
        )
    else:
        _print_result(contact_list, activity.status or ActivityStatus(), leavers)
        report.print_problems(groups, activity.activity_id)
        click.echo(f"\n{peak_line(usage)}")
    click.get_current_context().exit(report.exit_status(groups))


def _confirm_removals(
    session: Session, contact_list: ContactList, preview: Replacement, leavers: str | None
) -> None:
    """Ask before members leave. Raises CommandError if the answer is no."""
    if not preview.remove:
        return
    verb = "delete" if leavers == "delete" else "remove"
    source = "" if leavers == "delete" else f' from "{contact_list.name}"'
    action = f"{verb} {output.count_of(preview.remove, 'contact')}{source} and add {preview.add:,}"
    confirmed(
        session, verb=verb, action=action, count=preview.remove, noun="contact", dry_run=False, yes=False
    )


def _print_preview(
    session: Session, contact_list: ContactList, preview: Replacement, leavers: str | None
) -> None:
    if session.as_json:
        output.line({"dry_run": True, "list_id": contact_list.list_id, "difference": preview})
        return
    click.echo(output.clean(f'"{contact_list.name}" would change like this:'))
    output.counts(
        (
            ("added", preview.add),
            (_leave_title(leavers), preview.remove),
            ("kept", preview.keep),
            ("updated", preview.update),
            ("held back", preview.held_back),
            ("rejected", preview.rejected),
        )
    )
    report.print_problems(report.group_rows(preview.rows))
    click.echo(
        f"\nPeak of the month: {preview.peak_before or 0:,} before, {preview.peak_after or 0:,} after."
    )


def _print_result(contact_list: ContactList, status: ActivityStatus, leavers: str | None) -> None:
    added, removed = status.added_count or 0, status.removed_count or 0
    kept, created = status.kept_count or 0, status.created_count or 0
    # The server counts contacts that existed and joined the list as updated: here they are only added.
    updated = (status.updated_count or 0) - (added - created)
    has_changed = bool(added or removed or updated)
    if has_changed:
        text = f'"{contact_list.name}" has {output.count_of(kept + added, "contact")} now.'
    else:
        text = f'Nothing changed: "{contact_list.name}" has the same {output.count_of(kept, "contact")}.'
    click.echo(output.clean(text))
    output.counts(
        (
            ("added", added),
            ("  new contacts", created),
            (_leave_title(leavers), removed),
            ("kept", kept if has_changed else 0),
            ("  updated", updated),
            ("held back", status.held_back_count),
            ("rejected", status.rejected_count),
        )
    )


def _leave_title(leavers: str | None) -> str:
    return "deleted" if leavers == "delete" else "removed"
