"""Prints the result of an import or a replacement, with the rows held back or rejected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

import click

from everlist.commands import output
from everlist.commands.session import ExitStatus, Session

if TYPE_CHECKING:
    from everlist.client._sync.activities import Activity

_EXAMPLES = 3
"""The most example rows for one reason."""
_REASONS_PRINTED = 10
_REASONS_KEPT = 100
_TITLES = {"held_back": "Held back", "rejected": "Rejected"}

Group = dict[str, Any]
"""Rows with the same outcome and reason: `{outcome, reason, count, examples: [{line, email}]}`."""


class _Row(Protocol):
    outcome: str

    @property
    def line(self) -> int | None: ...
    @property
    def email(self) -> str | None: ...
    @property
    def reason(self) -> str | None: ...


def group_rows(rows: Iterable[_Row]) -> list[Group]:
    """Group rows by outcome and reason, the most frequent reason first.

    Reasons beyond the hundredth share one group, so a file with a reason of its own in each row takes little memory.
    """
    groups: dict[tuple[str, str], Group] = {}
    for row in rows:
        key = (row.outcome, row.reason or "")
        if key not in groups and len(groups) >= _REASONS_KEPT:
            key = (row.outcome, "other reasons")
        group = groups.setdefault(
            key, {"outcome": key[0], "reason": key[1] or "no reason given", "count": 0, "examples": []}
        )
        group["count"] += 1
        if len(group["examples"]) < _EXAMPLES:
            group["examples"].append({"line": row.line, "email": row.email})
    return sorted(groups.values(), key=lambda group: (group["outcome"], -group["count"]))


def problem_groups(activity: Activity) -> list[Group]:
    """Return the groups of rows that an activity held back or rejected."""
    status = activity.status
    if status is None or not (status.held_back_count or status.rejected_count):
        return []
    return group_rows(activity.rows(outcome="held_back,rejected"))


def print_problems(groups: list[Group], activity_id: str | None = None) -> None:
    """Print the groups, and the command that lists all their rows if the activity is known."""
    if not groups:
        return
    for outcome, title in _TITLES.items():
        of_outcome = [group for group in groups if group["outcome"] == outcome]
        if not of_outcome:
            continue
        click.echo(f"\n{title}:")
        for group in of_outcome[:_REASONS_PRINTED]:
            examples = ", ".join(
                f"line {example['line']}" + (f" {example['email']}" if example["email"] else "")
                for example in group["examples"]
            )
            ellipsis = ", ..." if group["count"] > len(group["examples"]) else ""
            click.echo(output.clean(f"  {group['count']:,}  {group['reason']}: {examples}{ellipsis}"))
        if len(of_outcome) > _REASONS_PRINTED:
            click.echo(f"  and {len(of_outcome) - _REASONS_PRINTED} more reasons")
    if activity_id is not None:
        click.echo(
            f"\nTo list all these rows: everlist activities rows {activity_id} --outcome rejected,held_back"
        )


def exit_status(groups: list[Group]) -> int:
    """Return ROWS_REJECTED if a row is invalid, else 0: a row held back for an unsubscribe is no fault of the file."""
    return ExitStatus.ROWS_REJECTED if any(group["outcome"] == "rejected" for group in groups) else 0


def print_import(session: Session, activity: Activity, list_names: list[str]) -> int:
    """Print the result of an import. Return the exit status."""
    groups = problem_groups(activity)
    if session.as_json:
        output.line({"activity": activity, "not_taken": groups})
        return exit_status(groups)
    file_name = activity.source_file_name or "the file"
    click.echo(output.clean(f"Imported {file_name} to {', '.join(list_names)}."))
    status = activity.status
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
    if not groups:
        for text in activity.errors[:_REASONS_PRINTED]:
            click.echo(output.clean(text))
    print_problems(groups, activity.activity_id)
    return exit_status(groups)
