"""`everlist activities`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click

from everlist.commands import lookup, output
from everlist.commands.options import timeout_option
from everlist.commands.session import Session, api_command, confirmed, destructive

if TYPE_CHECKING:
    from everlist.client._sync.activities import Activity
    from everlist.client.models import ActivityStatus

_TABLE_COUNTS = ("created", "updated", "unchanged", "held back", "rejected", "added", "removed", "erased")
"""The counts that the table of activities shows."""


@click.group()
def activities() -> None:
    """List, watch, cancel and undo activities. An ACTIVITY is an id, or `last` for the newest."""


@activities.command("list")
@click.option(
    "--state",
    type=click.Choice(["processing", "completed", "cancelled", "failed", "timed_out"]),
    help="Only activities in this state.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="The most activities to list.",
)
@api_command
def list_activities(session: Session, state: str | None, limit: int) -> None:
    """List the activities of the last ten days, newest first.

    Example: everlist activities list --state completed
    """
    newest = islice(session.client.activities.list(state=state, limit=min(limit, 500)), limit)
    if session.as_json:
        output.lines(newest)
        return
    rows = (
        (
            output.moment(activity.created_at),
            activity.state,
            f"{activity.percent_done}%",
            _summary(activity.status),
            activity.source_file_name,
            activity.activity_id,
        )
        for activity in newest
    )
    if not output.table(("Created", "State", ">Done", "Counts", "File", "Id"), rows):
        click.echo("No activity of the last ten days matches.")


def _summary(status: ActivityStatus | None) -> str:
    counts = dict(_counts(status))
    parts = [f"{counts[name]:,} {name}" for name in _TABLE_COUNTS if counts.get(name)]
    items = _count_items(status)
    return ", ".join(parts) or (output.count_of(items, "item") if items else "")


def _counts(status: ActivityStatus | None) -> Iterator[tuple[str, int]]:
    """Yield the name and value of each counter that is set."""
    if status is not None:
        for field in status.__struct_fields__:
            count = getattr(status, field)
            if count is not None:
                yield field.removesuffix("_count").replace("_", " "), count


@activities.command("show")
@click.argument("activity_id", metavar="ACTIVITY")
@api_command
def show_activity(session: Session, activity_id: str) -> None:
    """Show the state and the counts of an activity.

    Example: everlist activities show last
    """
    _print_activity(session, lookup.find_activity(session, activity_id))


def _print_activity(session: Session, activity: Activity) -> None:
    if session.as_json:
        output.line(activity)
        return
    output.pairs(
        (
            ("Id", activity.activity_id),
            ("State", f"{activity.state}, {activity.percent_done}%"),
            ("File", activity.source_file_name),
            ("Created", output.moment(activity.created_at)),
            ("Started", output.moment(activity.started_at)),
            ("Ended", output.moment(activity.completed_at)),
            *((name, output.number(count)) for name, count in _counts(activity.status)),
        )
    )
    for text in activity.errors:
        click.echo(output.clean(text))


@activities.command("watch")
@click.argument("activity_id", metavar="ACTIVITY")
@timeout_option
@api_command
def watch_activity(session: Session, activity_id: str, timeout: float | None) -> None:
    """Wait until an activity ends, with a progress bar on a terminal.

    The exit status is 5 if it ends in a state other than completed.

    Example: everlist activities watch last --timeout 600
    """
    activity = lookup.find_activity(session, activity_id)
    _print_activity(session, session.wait(activity, "Working", timeout=timeout))


@activities.command("rows")
@click.argument("activity_id", metavar="ACTIVITY")
@click.option(
    "--outcome",
    help="Only these outcomes, separated by commas: created, updated, unchanged, held_back, rejected.",
)
@api_command
def show_rows(session: Session, activity_id: str, outcome: str | None) -> None:
    """Show the outcome of each row of an import or a replacement.

    Example: everlist activities rows last --outcome rejected,held_back
    """
    rows = lookup.find_activity(session, activity_id).rows(outcome=outcome)
    if session.as_json:
        output.lines(rows)
        return
    cells = ((output.number(row.line), row.outcome, row.email or row.contact_id, row.reason) for row in rows)
    if not output.table((">Line", "Outcome", "Contact", "Reason"), cells):
        click.echo("There are no such rows.")


@activities.command("undo")
@click.argument("activity_id", metavar="ACTIVITY")
@destructive
@api_command
def undo_activity(session: Session, activity_id: str, dry_run: bool, yes: bool) -> None:
    """Revert what an activity changed, except what has changed again since. An undo can be undone.

    Example: everlist activities undo last --yes
    """
    activity = lookup.find_activity(session, activity_id)
    count = _count_items(activity.status)
    scope = f", which changed up to {output.count_of(count, 'item')}" if count else ""
    action = f"undo the activity of {output.moment(activity.created_at)}{scope}"
    if not confirmed(session, verb="undo", action=action, count=count, noun="item", dry_run=dry_run, yes=yes):
        return
    _print_activity(session, session.wait(activity.undo(), "Undoing"))


def _count_items(status: ActivityStatus | None) -> int:
    if status is None:
        return 0
    return status.person_count or status.items_total_count or status.list_count or 0


@activities.command("cancel")
@click.argument("activity_id", metavar="ACTIVITY")
@api_command
def cancel_activity(session: Session, activity_id: str) -> None:
    """Cancel an activity. The changes made so far stay; `everlist activities undo` reverts them.

    Example: everlist activities cancel last
    """
    cancelled = lookup.find_activity(session, activity_id).cancel()
    # A worker that is busy with the activity checks for the request only between two chunks.
    text = "It will stop after the current chunk" if cancelled.state == "processing" else "It is cancelled"
    session.report(f"{text}; {cancelled.percent_done}% was done.", cancelled)
