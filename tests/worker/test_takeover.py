"""An import whose worker or database dies ends by itself, with every row counted once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from everlist.db import Unavailable, open_database
from tests.core.recount import recount
from tests.worker.installation import LONG, Account, Installation, until

ROWS = 200_000 if LONG else 30_000
BOUND = 300 if LONG else 180
_names = count()


@pytest.fixture
def account(installation: Installation) -> Account:
    installation.wait()
    return installation.new_account(f"takeover {next(_names)}")


class TooLate(Exception):
    """The import was past the moment that a test waited for."""


def begun(installation: Installation, moment: Callable[[Account, str], bool]) -> tuple[Account, str, str]:
    """Import ROWS rows, some rejected and some superseded, until `moment`. (account, activity id, list id)

    An import that was past it, since the machine is busy, is followed by another, of another account.
    """
    rows = [f"p{number}@example.org,N{number}" for number in range(ROWS - 20)]
    rows[100:100] = ["nonsense,X"] * 10
    rows += [f"p{number}@example.org,Last" for number in range(10)]
    installation.wait()
    for _ in range(5):
        account = installation.new_account(f"takeover {next(_names)}")
        list_id = account.post("/contact_lists", json={"name": "News"})["list_id"]
        activity_id = account.import_file(["email,first_name", *rows], list_id)
        with contextlib.suppress(TooLate):
            until(f"{moment.__name__} is seen", lambda: moment(account, activity_id))
            return account, activity_id, list_id
        account.ended(activity_id, BOUND)
    raise AssertionError(f"Five imports were past {moment.__name__} before the test saw it.")


def exactly(account: Account, activity_id: str, list_id: str) -> None:
    """The import has ended, and done what it should, once."""
    done = account.ended(activity_id, BOUND)
    people = ROWS - 20
    assert done["state"] == "completed", done
    assert {name: number for name, number in done["status"].items() if number} == {
        "items_total_count": ROWS + 1,
        "person_count": people,
        "correctable_count": 10,
        "created_count": people,
        "unchanged_count": 10,
        "rejected_count": 10,
    }
    assert done["activity_errors"] == [f"Line {number}: Invalid email address" for number in range(102, 112)]
    until("the lane is given back", lambda: not account.sql("select from lane where account_id = $1"))
    (told,) = account.sql(
        "select (select count(*) from contact where account_id = $1) as contacts,"
        " (select count(*) from list_membership where account_id = $1 and list_id = $2) as members,"
        " (select count(*) from consent_event where account_id = $1) as events,"
        " (select sum(length(outcomes)) from import_outcome where account_id = $1) as outcomes,"
        " (select sum(cardinality(created)) from before_image where account_id = $1) as images,"
        " (select count(*) from import_report where account_id = $1) as reports,"
        " (select count(*) from import_row where account_id = $1) as rows,"
        " (select count(*) from upload_part where account_id = $1) as parts",
        list_id,
    )
    assert dict(told) == {
        "contacts": people,
        "members": people,
        "events": people,
        "outcomes": ROWS,
        "images": people,
        "reports": 20,
        "rows": 0,
        "parts": 0,
    }
    recount(account.installation.sql, account.account_id)


def reading(account: Account, activity_id: str) -> bool:
    found = account.get(f"/activities/{activity_id}")
    if found["percent_done"] >= 5:
        raise TooLate
    return found["state"] == "processing"


def merging(account: Account, activity_id: str) -> bool:
    percent = account.percent(activity_id)
    if percent > 90:
        raise TooLate
    return percent >= 10


def test_the_worker_is_killed_while_it_merges(installation: Installation) -> None:
    account, activity_id, list_id = begun(installation, merging)
    installation.kill_worker()
    assert account.get(f"/activities/{activity_id}")["state"] == "processing"
    exactly(account, activity_id, list_id)


def test_the_worker_is_killed_while_it_reads(installation: Installation) -> None:
    account, activity_id, list_id = begun(installation, reading)
    installation.kill_worker()
    exactly(account, activity_id, list_id)


def test_postgresql_is_killed_while_the_file_is_read(installation: Installation) -> None:
    account, activity_id, list_id = begun(installation, reading)
    installation.kill_postgresql()
    exactly(account, activity_id, list_id)


def test_postgresql_is_killed_while_rows_are_merged(installation: Installation) -> None:
    """The rows that wait are not in PostgreSQL's log, and so are read again."""
    account, activity_id, list_id = begun(installation, merging)
    installation.kill_postgresql()
    exactly(account, activity_id, list_id)


def test_the_server_is_killed_while_rows_are_merged(installation: Installation) -> None:
    account, activity_id, list_id = begun(installation, merging)
    installation.kill_server()
    installation.start()
    exactly(account, activity_id, list_id)


def test_a_killed_server_leaves_no_metrics_in_the_temporary_folder(installation: Installation) -> None:
    worker = until("there is a worker", installation.worker)
    folder = Path(worker.environ()["PROMETHEUS_MULTIPROC_DIR"])
    until("the worker has written its metrics", lambda: list(folder.glob(f"*_{worker.pid}.db")))
    installation.kill_server()
    until(f"{folder} is gone", lambda: not folder.exists())
    installation.start()


def test_a_copy_whose_database_dies_ends(installation: Installation) -> None:
    """Even while the server takes no more for the moment, when asyncpg alone would wait for ever."""
    installation.wait()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 200_000 + b"\n"

    async def copy() -> None:
        db = await open_database(installation.dsn, size=1, statement_timeout=30, name="everlist tests")
        try:
            async with db.transaction() as tx:
                await tx.execute("create temporary table copied (a text) on commit drop")
                copying = asyncio.create_task(tx.copy_in("copied", ["a"], endless()))
                await asyncio.sleep(0.3)  # so that the server falls behind
                installation.kill_postgresql()
                async with asyncio.timeout(60):
                    await copying
        finally:
            await db.close()

    with pytest.raises(Unavailable):
        asyncio.run(copy())


def events(path: Any, event: str) -> int:
    return path.read_text(errors="replace").count(f'"event":"{event}"')


def test_two_workers_share_the_work(installation: Installation, account: Account) -> None:
    installation.run("worker")
    number = len(installation._processes) - 1
    until("the second worker is connected", lambda: workers(installation) >= 2)
    others = [installation.new_account(f"shared {next(_names)}") for _ in range(5)]
    made = [(one, *begun_small(one)) for one in [account, *others]]
    for one, activity_ids, list_id in made:
        for activity_id in activity_ids:
            assert one.ended(activity_id, BOUND)["state"] == "completed"
        (told,) = one.sql(
            "select count(*) as members, (select count(*) from consent_event where account_id = $1) as events"
            " from list_membership where account_id = $1 and list_id = $2",
            list_id,
        )
        assert (told["members"], told["events"]) == (3 * 3000, 3 * 3000)
        recount(installation.sql, one.account_id)
    second = events(installation.log(number), "activity ended")
    assert 0 < second < len(made) * 3
    installation._processes[number].terminate()
    assert installation._processes[number].wait(60) == 0


def workers(installation: Installation) -> int:
    """How many workers listen: for work, and last for mail."""
    ((number,),) = installation.sql(
        "select count(*) from pg_stat_activity where query ilike 'listen%everlist_mail%'"
    )
    return number


def begun_small(account: Account) -> tuple[list[str], str]:
    list_id = account.post("/contact_lists", json={"name": "News"})["list_id"]
    files = [["email", *(f"p{part}.{number}@example.org" for number in range(3000))] for part in range(3)]
    return [account.import_file(lines, list_id) for lines in files], list_id


@pytest.mark.skipif(not LONG, reason="takes a minute: EVERLIST_LONG=1")
def test_a_worker_that_slept_finds_its_activity_taken(installation: Installation) -> None:
    account, activity_id, list_id = begun(installation, merging)
    sleeper = until("there is a worker", installation.worker)
    sleeper.send_signal(signal.SIGSTOP)
    ran_by = "select run_by from activity where account_id = $1 and activity_id = $2"
    ((mine,),) = account.sql(ran_by, activity_id)
    installation.run("worker")
    number = len(installation._processes) - 1
    until("another has taken it", lambda: account.sql(ran_by, activity_id)[0][0] != mine, 120)
    sleeper.send_signal(signal.SIGCONT)
    exactly(account, activity_id, list_id)
    # What it wrote is refused, or the other had finished and taken the upload away.
    noticed = ("another worker took the activity over", "the database does not answer", "activity failed")
    until("it noticed", lambda: any(installation.said(text) for text in noticed), 90)
    assert events(installation.log(number), "activity ended") == 1
    installation._processes[number].terminate()
