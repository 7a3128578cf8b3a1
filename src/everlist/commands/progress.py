"""Progress bars with rate and remaining time on standard error, if that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from everlist.commands.output import console, is_styled

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

    from everlist.client._sync.activities import Activity

ShowBytes = Callable[[int, int | None], object]
"""Called with the bytes sent and the total, None if the total is unknown."""

_QUEUED = "queued"


@contextmanager
def upload_bar(title: str) -> Generator[ShowBytes | None]:
    """Show a bar for an upload. Yields the client's `progress` argument; None without a terminal."""
    if not is_styled(sys.stderr):
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with _bar(*columns) as bar:
        task = bar.add_task(title, total=None)

        def show_bytes(sent: int, total: int | None) -> None:
            bar.update(task, completed=sent, total=total)

        yield show_bytes


@contextmanager
def activity_bar(title: str) -> Generator[Callable[[Activity], object] | None]:
    """Show a bar for an activity. Yields the `progress` argument of its `wait`; None without a terminal."""
    if not is_styled(sys.stderr):
        yield None
        return
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    percent = TextColumn("{task.percentage:>3.0f}%  {task.fields[details]}", markup=False)
    with _bar(BarColumn(), percent, TimeRemainingColumn()) as bar:
        task = bar.add_task(title, total=100, details=_QUEUED)

        def show_activity(activity: Activity) -> None:
            # Two updates: the first one computes the speed that the second one shows.
            bar.update(task, completed=activity.percent_done)
            bar.update(task, details=_details(activity, bar.tasks[0].speed))

        yield show_activity


def _bar(*columns: ProgressColumn) -> Progress:
    from rich.progress import Progress, TextColumn

    title = TextColumn("{task.description}", markup=False)
    return Progress(title, *columns, console=console(sys.stderr), transient=True)


def _details(activity: Activity, percent_per_second: Any) -> str:
    """Return the number of items and the rate; `queued` if the activity has not started."""
    if activity.started_at is None and activity.percent_done == 0 and activity.state == "initialized":
        return _QUEUED
    status = activity.status
    total = (status.items_total_count or status.person_count) if status else None
    if not total:
        return ""
    rate = f"  {percent_per_second / 100 * total:,.0f}/s" if percent_per_second else ""
    return f"of {total:,}{rate}"
