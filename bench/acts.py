"""Measure the replacement of a list and the undo of a deletion over HTTP, and the cost of the meter in an import.

The replacement is compared with the import that filled the list, the undo with the deletion that it undoes, in three
rounds with different people. Both files have 100,000 rows, and half of the rows are in both files.

For the meter, chunks of an import are merged in turns: with the meter and the roll-up of its changes, and without
adding to the meter. Reading the file is not measured on either side, so the meter slows a whole import by less.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from uuid import UUID

from bench import serve
from bench.activity import Server, pace, server, write_file
from bench.report import Line, note
from everlist.core import activities, usage
from everlist.core.act import Act
from everlist.core.activities import Job
from everlist.core.imports.job import ANALYZE_CONTACTS, CHUNK, analyze, read_rows
from everlist.core.imports.merge import merge
from everlist.core.installation import Installation
from everlist.db import open_database

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from everlist.core.activities import Activity
    from everlist.db import Database

_MOST = 100_000
_ROUNDS = 3
_METER_ROUNDS = 6
_TURNS = (True, False, False, True)
"""With the meter or without it, in an order that cancels out the slowing of a growing table."""

Round = tuple[float, float]
"""The seconds of the measured activity, and those of its reference."""


def measure(directory: Path, number: int) -> list[Line]:
    """Measure with files of `number` rows, at most 100,000."""
    number = max(
        200, min(number, _MOST) // 200 * 200
    )  # the pattern of rows repeats every 100 rows: keep both halves alike
    with server(directory) as everlist:
        rounds = [_round(everlist, round_number, number) for round_number in range(_ROUNDS)]
    replaces, undos, people = zip(*rounds, strict=True)
    return [
        _slower("replace of a list, half of it shared, to its import", number, replaces, 1.5),
        _slower("undo of a delete, to the delete", people[0], undos),
        *_metered(directory, number),
    ]


def _round(everlist: Server, round_number: int, number: int) -> tuple[Round, Round, int]:
    """Import a list, replace it, delete its members and undo that; return the times, and how many were deleted."""
    api = everlist.api
    start, shared = round_number * 2 * number, number // 2
    file = write_file(everlist.directory / "people.csv", number, start)
    other = write_file(everlist.directory / "others.csv", number, start + shared)
    list_id = api.new_list(f"Round {round_number}")

    everlist.value("checkpoint")
    begun = time.perf_counter()
    imported = api.ended(begun, api.upload(file, list_id))
    people = api.members(list_id)

    everlist.value("checkpoint")
    begun = time.perf_counter()
    replaced = api.ended(begun, api.replace(other, list_id))
    counts = [replaced.counts.get(name) for name in ("added", "kept", "removed")]
    _expect(counts, [people // 2] * 3)

    everlist.value("checkpoint")
    deleted = api.run("/v3/activities/contact_delete", list_ids=[list_id])
    _expect(api.members(list_id), 0)

    everlist.value("checkpoint")
    undone = api.run(f"/everlist/v1/activities/{deleted.activity['activity_id']}/undo")
    _expect(api.members(list_id), people)
    note(
        f"import {imported.seconds:.2f} s, replace {replaced.seconds:.2f} s;"
        f" delete {deleted.seconds:.2f} s, undo {undone.seconds:.2f} s"
    )
    return (replaced.seconds, imported.seconds), (undone.seconds, deleted.seconds), people


def _expect(found: object, expected: object) -> None:
    """Raise an error unless the measured activity did its work."""
    if found != expected:
        raise RuntimeError(f"got {found}, expected {expected}")


def _metered(directory: Path, number: int) -> list[Line]:
    """Measure the meter, on a cluster of its own and without a worker, which would roll up at the same time."""
    chunk = min(CHUNK, number // 10)
    chunks = 1 + _METER_ROUNDS * len(_TURNS)  # the first chunk warms up
    with server(directory, worker=False) as everlist:
        list_id = everlist.api.new_list("Everybody")
        file = write_file(everlist.directory / "people.csv", chunk * chunks)
        activity_id = everlist.api.upload(file, list_id)
        rounds = asyncio.run(_merged(everlist, UUID(activity_id), UUID(list_id), chunk))
    return [_slower(f"merge of {chunk:,} rows, to that without the meter", chunk, rounds, 1.1)]


async def _merged(everlist: Server, activity_id: UUID, list_id: UUID, chunk: int) -> list[Round]:
    """Import as the worker would, with and without the meter in turns."""
    db = await open_database(
        everlist.cluster.dsn(), size=3, statement_timeout=600, name="everlist bench", bulk=True
    )
    try:
        activity = await activities.get(db, everlist.account_id, activity_id)
        act = _act(activity)
        await db.write(
            lambda tx: read_rows(Job(tx=tx, db=db, activity=activity, act=act, installation=_INSTALLATION))
        )
        await _merge(db, activity, list_id, range(1, chunk + 1), metered=True)
        await db.write(lambda tx: analyze(tx, before=0, created=ANALYZE_CONTACTS, done=False))
        first = chunk + 1
        rounds: list[Round] = []
        roll_ups: list[float] = []
        for number in range(_METER_ROUNDS):
            seconds = {True: 0.0, False: 0.0}
            for turn in _TURNS:
                metered = turn == (number % 2 == 0)
                some = range(first, first + chunk)
                took, rolling_up = await _merge(db, activity, list_id, some, metered=metered)
                seconds[metered] += took + rolling_up
                if metered:
                    roll_ups.append(rolling_up)
                first += chunk
            rounds.append((seconds[True] / 2, seconds[False] / 2))
    finally:
        await db.close()
    note(
        f"the meter: {len(roll_ups)} chunks of {chunk:,} rows merged with it and as many without, in turns;"
        f" the roll-up, which a worker does once a second, after each: {1000 * median(roll_ups):.1f} ms of"
        f" {1000 * median(with_meter for with_meter, _ in rounds):.1f} ms"
    )
    return rounds


async def _merge(
    db: Database, activity: Activity, list_id: UUID, rows: range, *, metered: bool
) -> tuple[float, float]:
    """Return the seconds to merge these rows, and the seconds to roll up their changes of the meter."""
    account_id, act = activity.account_id, _act(activity)
    rolled_up = 0
    with _meter(on=metered):
        begun = time.perf_counter()
        await db.write(
            lambda tx: merge(
                tx, account_id, [list_id], first=rows[0], last=rows[-1], act=act, installation=_INSTALLATION
            )
        )
        merged = time.perf_counter()
        if metered:
            rolled_up = await db.write(lambda tx: usage.roll_up(tx, account_id))
        ended = time.perf_counter()
    _expect((rolled_up, await usage.accounts_to_roll_up(db)), (int(metered), []))
    return merged - begun, ended - merged


_INSTALLATION = Installation(
    secret_key=serve.SECRET_KEY.encode(), erase_ledger=None, mail_folder=Path("/nonexistent/mail")
)


def _act(activity: Activity) -> Act:
    return Act(
        operation=activity.operation,
        now=datetime.now(UTC),
        request_id=activity.request_id,
        token_id=activity.token_id,
        activity_id=activity.activity_id,
    )


@contextmanager
def _meter(*, on: bool) -> Iterator[None]:
    """Let merges add to the meter, or to nothing."""
    add = usage.add
    if not on:
        usage.add = _add_nothing
    try:
        yield
    finally:
        usage.add = add


async def _add_nothing(*_args: object, **_named: object) -> None:
    """Stand in for usage.add."""


def _slower(what: str, number: int, rounds: Sequence[Round], bar: float | None = None) -> Line:
    """Return the line of a ratio of times, the median of the rounds; higher is slower."""
    measured, reference = (pace(number, median(side)) for side in zip(*rounds, strict=True))
    ratio = median(seconds / reference_seconds for seconds, reference_seconds in rounds)
    return Line(what=what, measured=measured, reference=reference, ratio=ratio, bar=bar, at_least=False)
