"""Progress bars with rate and time left, on standard error, and only where it is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from everlist.commands.output import console, is_styled

if TYPE_CHECKING:
    from everlist.client._sync.activities import Activity

Sent = Callable[[int, int | None], object]
"""Told how many bytes are sent, and of how many."""


@contextmanager
def sending(title: str) -> Generator[Sent | None]:
    """A bar for an upload; what the client's `progress=` takes, None where no bar is shown."""
    if not is_styled(sys.stderr):
        yield None
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console(sys.stderr),
        transient=True,
    ) as bars:
        task = bars.add_task(title, total=None)

        def sent(so_far: int, total: int | None) -> None:
            bars.update(task, completed=so_far, total=total)

        yield sent


@contextmanager
def working(title: str) -> Generator[Callable[[Activity], object] | None]:
    """A bar for an activity; what `wait` of the client takes, None where no bar is shown."""
    if not is_styled(sys.stderr):
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%  {task.fields[told]}", markup=False),
        TimeRemainingColumn(),
        console=console(sys.stderr),
        transient=True,
    ) as bars:
        task = bars.add_task(title, total=100, told="waiting for its turn")

        def told(activity: Activity) -> None:
            bars.update(task, completed=activity.percent_done)
            bars.update(task, told=_told(activity, bars.tasks[0].speed))

        yield told


def _told(activity: Activity, percent_per_second: Any) -> str:
    status = activity.status
    if activity.started_at is None and activity.percent_done == 0 and activity.state == "initialized":
        return "waiting for its turn"
    total = (status.items_total_count or status.person_count) if status else None
    if not total:
        return ""
    rate = f"  {percent_per_second / 100 * total:,.0f}/s" if percent_per_second else ""
    return f"of {total:,}{rate}"
