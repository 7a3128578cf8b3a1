"""Replacing a list and undoing a deletion over HTTP, and what the meter costs an import.

The replacement is measured against the import that made the list, the undo against the deletion that it undoes,
in three rounds with other people in each. Both are lists of 100,000 rows; the second shares half of its rows with
the first, line for line.

For the meter, merges of an import's chunks take turns: one as it is, with the folding of what it has metered, and
one that adds nothing to the meter. Reading the file is left out on both sides, so a whole import is slowed by less.
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
from everlist.core.imports.job import ANALYZED, CHUNK, analyze, read_rows
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
"""With the meter or without: a table that grows makes each turn a little slower than the one before."""

Round = tuple[float, float]
"""The seconds of what is measured, and those of its reference."""


def measure(directory: Path, number: int) -> list[Line]:
    """Measure with files of so many rows, at most 100,000."""
    number = max(200, min(number, _MOST) // 200 * 200)  # so that the half of a file is like the whole
    with server(directory) as everlist:
        rounds = [_round(everlist, one, number) for one in range(_ROUNDS)]
    replaces, undos, people = zip(*rounds, strict=True)
    return [
        _slower("replace of a list, half of it shared, to its import", number, replaces, 1.5),
        _slower("undo of a delete, to the delete", people[0], undos),
        *_metered(directory, number),
    ]


def _round(everlist: Server, one: int, number: int) -> tuple[Round, Round, int]:
    """Import a list, replace it, delete who is on it and undo that; how many were deleted."""
    api = everlist.api
    start, shared = one * 2 * number, number // 2
    file = write_file(everlist.directory / "people.csv", number, start)
    other = write_file(everlist.directory / "others.csv", number, start + shared)
    list_id = api.new_list(f"Round {one}")

    everlist.value("checkpoint")
    begun = time.perf_counter()
    imported = api.ended(begun, api.upload(file, list_id))
    people = api.members(list_id)

    everlist.value("checkpoint")
    begun = time.perf_counter()
    replaced = api.ended(begun, api.replace(other, list_id))
    counts = [replaced.counts.get(name) for name in ("added", "kept", "removed")]
    _same(counts, [people // 2] * 3)

    everlist.value("checkpoint")
    deleted = api.run("/v3/activities/contact_delete", list_ids=[list_id])
    _same(api.members(list_id), 0)

    everlist.value("checkpoint")
    undone = api.run(f"/everlist/v1/activities/{deleted.activity['activity_id']}/undo")
    _same(api.members(list_id), people)
    note(
        f"import {imported.seconds:.2f} s, replace {replaced.seconds:.2f} s;"
        f" delete {deleted.seconds:.2f} s, undo {undone.seconds:.2f} s"
    )
    return (replaced.seconds, imported.seconds), (undone.seconds, deleted.seconds), people


def _same(found: object, expected: object) -> None:
    """Only what did its work is measured."""
    if found != expected:
        message = f"{found} where {expected} was to be expected"
        raise RuntimeError(message)


def _metered(directory: Path, number: int) -> list[Line]:
    """Measure the meter, on a cluster of its own, without a worker that would fold beside it."""
    chunk = min(CHUNK, number // 10)
    chunks = 1 + _METER_ROUNDS * len(_TURNS)  # one to warm up
    with server(directory, worker=False) as everlist:
        list_id = everlist.api.new_list("Everybody")
        file = write_file(everlist.directory / "people.csv", chunk * chunks)
        activity_id = everlist.api.upload(file, list_id)
        rounds = asyncio.run(_merged(everlist, UUID(activity_id), UUID(list_id), chunk))
    return [_slower(f"merge of {chunk:,} rows, to that without the meter", chunk, rounds, 1.1)]


async def _merged(everlist: Server, activity_id: UUID, list_id: UUID, chunk: int) -> list[Round]:
    """Import as the worker would, a chunk with the meter and a chunk without it."""
    db = await open_database(
        everlist.cluster.dsn(), size=3, statement_timeout=600, name="everlist bench", bulk=True
    )
    try:
        activity = await activities.get(db, everlist.account_id, activity_id)
        act = _act(activity)
        await db.write(lambda tx: read_rows(Job(tx, db, activity, act, _INSTALLATION)))
        await _merge(db, activity, list_id, range(1, chunk + 1), metered=True)
        await db.write(lambda tx: analyze(tx, before=0, created=ANALYZED, done=False))
        first = chunk + 1
        rounds: list[Round] = []
        foldings: list[float] = []
        for number in range(_METER_ROUNDS):
            seconds = {True: 0.0, False: 0.0}
            for turn in _TURNS:
                metered = turn == (number % 2 == 0)
                some = range(first, first + chunk)
                took, folding = await _merge(db, activity, list_id, some, metered=metered)
                seconds[metered] += took + folding
                if metered:
                    foldings.append(folding)
                first += chunk
            rounds.append((seconds[True] / 2, seconds[False] / 2))
    finally:
        await db.close()
    note(
        f"the meter: {len(foldings)} chunks of {chunk:,} rows merged with it and as many without, in turns;"
        f" the folding, which a worker does once a second, after each: {1000 * median(foldings):.1f} ms of"
        f" {1000 * median(one for one, _ in rounds):.1f} ms"
    )
    return rounds


async def _merge(
    db: Database, activity: Activity, list_id: UUID, rows: range, *, metered: bool
) -> tuple[float, float]:
    """The seconds that it takes to merge these rows, and those to fold what was metered."""
    account_id, act = activity.account_id, _act(activity)
    folded = 0
    with _meter(on=metered):
        begun = time.perf_counter()
        await db.write(
            lambda tx: merge(
                tx, account_id, [list_id], first=rows[0], last=rows[-1], act=act, installation=_INSTALLATION
            )
        )
        merged = time.perf_counter()
        for one in await usage.accounts_to_fold(db) if metered else ():
            folded += await db.write(lambda tx, one=one: usage.fold(tx, one))
        ended = time.perf_counter()
    _same((folded, await usage.accounts_to_fold(db)), (int(metered), []))
    return merged - begun, ended - merged


_INSTALLATION = Installation(
    secret_key=serve.SECRET_KEY.encode(), erase_ledger=None, mail_folder=Path("/nonexistent/mail")
)


def _act(activity: Activity) -> Act:
    return Act(
        activity.operation, datetime.now(UTC), activity.request_id, activity.token_id, activity.activity_id
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
    """How many times as long as the reference it takes: the median of the rounds."""
    measured, reference = (pace(number, median(side)) for side in zip(*rounds, strict=True))
    return Line(what, measured, reference, median(one / other for one, other in rounds), bar, at_least=False)
