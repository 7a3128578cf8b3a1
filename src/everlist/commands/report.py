"""What an import or a replacement did, and which rows it did not simply take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

import click

from everlist.commands import output
from everlist.commands.session import ROWS_REJECTED, Session

if TYPE_CHECKING:
    from everlist.client._sync.activities import Activity

_EXAMPLES = 3
_SHOWN = 10
_REASONS = 100
_NOT_TAKEN = {"held_back": "Held back", "rejected": "Rejected"}


class _Row(Protocol):
    outcome: str

    @property
    def line(self) -> int | None: ...
    @property
    def email(self) -> str | None: ...
    @property
    def reason(self) -> str | None: ...


def grouped(rows: Iterable[_Row]) -> list[dict[str, Any]]:
    """The rows by outcome and reason, most first: `{outcome, reason, count, examples: [{line, email}]}`."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        key = (row.outcome, row.reason or "")
        if key not in groups and len(groups) >= _REASONS:
            key = (row.outcome, "other reasons")
        group = groups.setdefault(
            key, {"outcome": key[0], "reason": key[1] or "no reason given", "count": 0, "examples": []}
        )
        group["count"] += 1
        if len(group["examples"]) < _EXAMPLES:
            group["examples"].append({"line": row.line, "email": row.email})
    return sorted(groups.values(), key=lambda group: (group["outcome"], -group["count"]))


def not_taken(activity: Activity) -> list[dict[str, Any]]:
    """The rows of an activity that are held back or rejected, grouped."""
    status = activity.status
    if status is None or not (status.held_back_count or status.rejected_count):
        return []
    return grouped(activity.rows(outcome="held_back,rejected"))


def print_not_taken(groups: list[dict[str, Any]], activity_id: str | None = None) -> None:
    """Say which rows were not taken, and why."""
    if not groups:
        return
    for outcome, title in _NOT_TAKEN.items():
        of_outcome = [group for group in groups if group["outcome"] == outcome]
        if not of_outcome:
            continue
        click.echo(f"\n{title}:")
        for group in of_outcome[:_SHOWN]:
            examples = ", ".join(
                f"line {one['line']}" + (f" {one['email']}" if one["email"] else "")
                for one in group["examples"]
            )
            more = ", ..." if group["count"] > len(group["examples"]) else ""
            click.echo(output.clean(f"  {group['count']:,}  {group['reason']}: {examples}{more}"))
        if len(of_outcome) > _SHOWN:
            click.echo(f"  and {len(of_outcome) - _SHOWN} more reasons")
    if activity_id is not None:
        click.echo(
            f"\nEach of these rows: everlist activities rows {activity_id} --outcome rejected,held_back"
        )


def status_of(groups: list[dict[str, Any]]) -> int:
    """The exit status: people who unsubscribed are no fault of a file, but rows that break a rule are."""
    return ROWS_REJECTED if any(group["outcome"] == "rejected" for group in groups) else 0


def imported(session: Session, activity: Activity, names: list[str]) -> int:
    """Print what an import did; the exit status."""
    groups = not_taken(activity)
    if session.as_json:
        output.line({"activity": activity, "not_taken": groups})
        return status_of(groups)
    status = activity.status
    onto = ", ".join(names)
    click.echo(output.clean(f"Imported {activity.source_file_name or 'the file'} onto {onto}."))
    if status is not None:
        output.counts(
            (
                ("created", status.created_count),
                ("updated", status.updated_count),
                ("unchanged", status.unchanged_count),
                ("held back", status.held_back_count),
                ("rejected", status.rejected_count),
            )
        )
    for text in activity.errors[:_SHOWN] if not groups else ():
        click.echo(output.clean(text))
    print_not_taken(groups, activity.activity_id)
    return status_of(groups)
