"""Random histories of an account: consent rises only by the person, everything adds up, the erased are gone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, given, note
from hypothesis import settings as profile
from hypothesis import strategies as st

from everlist.core.installation import installation_of
from everlist.db import Database
from everlist.mail import Postman
from everlist.settings import Settings
from everlist.worker.activities import Worker
from tests.conftest import Api, NewAccount, NewToken, Sql
from tests.ext.histories import STEPS, Deps, History, Row, Step
from tests.server import Server

LONG = os.environ.get("EVERLIST_LONG") == "1"


@pytest.fixture
def history(
    running: Server,
    settings: Settings,
    database: Database,
    portal: BlockingPortal,
    sql: Sql,
    new_account: NewAccount,
    new_token: NewToken,
) -> Iterator[Callable[..., History]]:
    """Begins histories, each in an account of its own."""
    sql("delete from mail_due")
    apis: list[Api] = []
    browser = httpx2.Client(base_url=running.url, timeout=30, verify=False)

    async def all_that_waits() -> None:
        worker = Worker(database, installation_of(settings), asyncio.Event())
        while await worker.run_one():
            pass

    async def keep_mail() -> None:
        postman = Postman(database, settings)
        while await postman.deliver(now=datetime.now(UTC) + timedelta(seconds=1)):
            pass

    def begin(*, strict: bool = True) -> History:
        account = new_account()
        token = new_token(account, "contact_data", "account_read", "account_update")
        apis.append(Api(running.url, token, account))
        return History(
            Deps(
                apis[-1],
                browser,
                database,
                portal,
                sql,
                lambda: portal.call(all_that_waits),
                lambda: portal.call(keep_mail),
                settings.data_dir,
            ),
            strict=strict,
        )

    yield begin
    browser.close()
    for api in apis:
        api.http.close()


@profile(
    max_examples=2000 if LONG else 30,
    deadline=None,
    database=None,
    derandomize=not LONG,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
@given(steps=st.lists(STEPS, min_size=25, max_size=60 if LONG else 35))
def test_what_holds_after_every_step(history: Callable[..., History], steps: list[Step]) -> None:
    """EVERLIST_LONG=1 makes it hours of the same."""
    it = history(strict=False)
    for step in steps:
        note(str(step))
        it.play(step)


def _put(which: int, **arguments: Any) -> Step:
    given = {"name": None, "source": "Account", "wanted": None, "number": None, "lists": 3}
    return "put", {"which": which, **given, **arguments}


def _create(name: int, **arguments: Any) -> Step:
    given = {"source": "Account", "wanted": None, "number": None, "lists": 3}
    return "create", {"name": name, **given, **arguments}


def _signed_up(name: int) -> Step:
    return "sign_up", {"name": name, "source": "Contact", "lists": 3}


def _left(which: int) -> Step:
    return "leave", {"which": which, "page": "one_click"}


def _imported(*rows: Row) -> Step:
    return "import_file", {"rows": list(rows), "lists": 3}


def _erased(name: int) -> Step:
    return "erase_many", {"which": name, "how": "email_addresses"}


LATEST: Step = "erase", {"which": 0}
CONFIRMING: Step = "set_confirming", {"confirming": True}
STORIES: dict[str, list[Step]] = {
    "an opt-out outlives the erasure and its taking back": [
        *(
            _left(0),
            _erased(0),
            ("take_back_an_erasure", {"name": 0}),
            _imported(Row(0)),
            _put(0, wanted="explicit"),
        ),
        *(("undo", {"which": 0}), ("undo", {"which": 0}), ("restore", {"which": 0, "by_activity": False})),
    ],
    "an opt-out goes along with the contact, and stays behind too": [
        *(_left(0), _put(0, name=1), _create(0), _imported(Row(0), Row(1)), ("undo_at_once", {})),
    ],
    "a deletion by the list, undone, and undone again after the person left": [
        *(
            ("delete_many", {"which": 0, "by_list": True}),
            ("undo_at_once", {}),
            _left(0),
            ("undo", {"which": 0}),
        ),
        *(("undo", {"which": 0}), ("undo", {"which": 2}), _put(0, wanted="explicit")),
    ],
    "a confirmation after an opt-out, twice, and after the erasure": [
        *(_left(0), CONFIRMING, _signed_up(0), _put(0, wanted="explicit"), _imported(Row(0))),
        *(("answer", {"which": 0, "yes": True}), _left(0), ("answer", {"which": 0, "yes": True})),
        *(_erased(0), ("answer", {"which": 0, "yes": True}), _imported(Row(0))),
    ],
    "who moved is in an export": [("export", {}), _put(0, name=1), _imported(Row(0)), _erased(0)],
    "what a file said of the person, before and after the erasure": [
        *(_imported(Row(0, 0, anniversary="no date"), Row(0, 0), Row(0, 0)), _erased(0)),
        *(
            _imported(Row(0, anniversary="no date"), Row(0), Row(0, 0)),
            _imported(Row(None, 0)),
            _signed_up(0),
        ),
    ],
}


@pytest.mark.parametrize("story", STORIES)
def test_stories(history: Callable[..., History], story: str) -> None:
    """Those that matter most."""
    it = history(strict=False)
    for step in STORIES[story]:
        it.play(step)


MOVED: dict[str, list[Step]] = {
    "an answer that is kept for an Idempotency-Key": [_put(0, name=1), _erased(0)],
    "the same, and the address is on another contact": [_put(0, name=1), _imported(Row(0)), LATEST],
    "a mail that is kept as a file": [CONFIRMING, _signed_up(2), _put(0, name=1), _erased(2)],
    "a number in the image for undo": [_imported(Row(0, 0)), _put(0, number=1), _create(1, number=0), LATEST],
}


@pytest.mark.parametrize("place", MOVED)
def test_an_erased_address_that_another_contact_had_before(
    history: Callable[..., History], place: str
) -> None:
    it = history()
    for step in MOVED[place]:
        it.play(step)


def test_an_erased_address_in_two_spellings_in_a_file(history: Callable[..., History]) -> None:
    it = history()
    for step in (_erased(0), _imported(Row(0, anniversary="no date"), Row(0), Row(0, first_name="Al"))):
        it.play(step)
