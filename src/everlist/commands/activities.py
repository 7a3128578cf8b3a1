"""`everlist activities`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click

from everlist.commands import names, output
from everlist.commands.session import Session, agreed, api, destroys

if TYPE_CHECKING:
    from everlist.client._sync.activities import Activity
    from everlist.client.models import ActivityStatus


@click.group()
def activities() -> None:
    """Activities: show, watch, cancel and undo them. An ACTIVITY is an id, or `last` for the newest."""


@activities.command("list")
@click.option(
    "--state",
    type=click.Choice(["processing", "completed", "cancelled", "failed", "timed_out"]),
    help="Only these.",
)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@api
def list_activities(session: Session, state: str | None, limit: int) -> None:
    """Show the activities of the last ten days, newest first.

    Example: everlist activities list --state completed
    """
    found = islice(session.client.activities.list(state=state, limit=min(limit, 500)), limit)
    if session.as_json:
        output.lines(found)
        return
    rows = (
        (
            output.moment(one.created_at),
            one.state,
            f"{one.percent_done}%",
            _counts(one.status),
            one.source_file_name,
            one.activity_id,
        )
        for one in found
    )
    if not output.table(("Made", "State", ">Done", "Counts", "File", "Id"), rows):
        click.echo("There are none.")


_TOLD = ("created", "updated", "unchanged", "held back", "rejected", "added", "removed", "erased")


def _counts(status: ActivityStatus | None) -> str:
    counts = dict(_named_counts(status))
    told = [f"{counts[name]:,} {name}" for name in _TOLD if counts.get(name)]
    return ", ".join(told) or (output.count_of(_items(status), "item") if _items(status) else "")


def _named_counts(status: ActivityStatus | None) -> Iterator[tuple[str, int]]:
    if status is not None:
        for name in status.__struct_fields__:
            count = getattr(status, name)
            if count is not None:
                yield name.removesuffix("_count").replace("_", " "), count


@activities.command("show")
@click.argument("activity")
@api
def show_activity(session: Session, activity: str) -> None:
    """Show how an activity stands.

    Example: everlist activities show last
    """
    _show(session, names.activity_of(session, activity))


def _show(session: Session, activity: Activity) -> None:
    if session.as_json:
        output.line(activity)
        return
    output.pairs(
        (
            ("Id", activity.activity_id),
            ("State", f"{activity.state}, {activity.percent_done}%"),
            ("File", activity.source_file_name),
            ("Made", output.moment(activity.created_at)),
            ("Began", output.moment(activity.started_at)),
            ("Ended", output.moment(activity.completed_at)),
            *((name, output.number(count)) for name, count in _named_counts(activity.status)),
        )
    )
    for text in activity.errors:
        click.echo(output.clean(text))


@activities.command("watch")
@click.argument("activity")
@click.option(
    "--timeout", type=click.FloatRange(min=0), help="Seconds to wait for the end; it goes on after that."
)
@api
def watch_activity(session: Session, activity: str, timeout: float | None) -> None:
    """Wait for the end of an activity, with a bar on a terminal.

    The exit status is 5 where it did not end as completed.

    Example: everlist activities watch last --timeout 600
    """
    there = names.activity_of(session, activity)
    _show(session, session.wait(there, "Working", timeout=timeout))


@activities.command("rows")
@click.argument("activity")
@click.option(
    "--outcome", help="Only these: created, updated, unchanged, held_back, rejected; several with commas."
)
@api
def show_rows(session: Session, activity: str, outcome: str | None) -> None:
    """Show what became of each row of an import or a replacement.

    Example: everlist activities rows last --outcome rejected,held_back
    """
    rows = names.activity_of(session, activity).rows(outcome=outcome)
    if session.as_json:
        output.lines(rows)
        return
    if not output.table(
        (">Line", "Outcome", "Contact", "Reason"),
        ((output.number(one.line), one.outcome, one.email or one.contact_id, one.reason) for one in rows),
    ):
        click.echo("There are none.")


@activities.command("undo")
@click.argument("activity")
@destroys
@api
def undo_activity(session: Session, activity: str, dry_run: bool, yes: bool) -> None:
    """Put back what an activity changed, as far as nothing has changed since. An undo can be undone.

    Example: everlist activities undo last --yes
    """
    there = names.activity_of(session, activity)
    made = output.moment(there.created_at)
    count = _items(there.status)
    what = f"undo the activity of {made}" + (
        f", which worked on {output.count_of(count, 'item')}" if count else ""
    )
    if not agreed(session, verb="undo", what=what, count=count, noun="item", dry_run=dry_run, yes=yes):
        return
    done = session.wait(there.undo(), "Undoing")
    _show(session, done)


def _items(status: ActivityStatus | None) -> int:
    if status is None:
        return 0
    return status.person_count or status.items_total_count or status.list_count or 0


@activities.command("cancel")
@click.argument("activity")
@api
def cancel_activity(session: Session, activity: str) -> None:
    """Stop an activity. What was done stays done; `everlist activities undo` puts it back.

    Example: everlist activities cancel last
    """
    cancelled = names.activity_of(session, activity).cancel()
    how = "It stops after the piece that it is at" if cancelled.state == "processing" else "It is cancelled"
    session.done(f"{how}; {cancelled.percent_done}% was done.", cancelled)
