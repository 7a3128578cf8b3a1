"""The erase ledger: a database that comes back from a backup loses again whom it had lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from anyio.from_thread import BlockingPortal

from everlist.core import accounts, tokens
from everlist.core.act import Act
from everlist.core.installation import installation_of
from everlist.core.privacy import erase as erase_core
from everlist.core.privacy import ledger, receipt, repeat
from everlist.core.privacy.ledger import Hashed, Line, Unreadable
from everlist.db import Database, Unavailable, open_database
from everlist.errors import StartError
from everlist.settings import Settings, load
from everlist.worker import run as worker
from everlist.worker.activities import Worker
from tests.cluster import Nodes
from tests.conftest import SECRET_KEY, Api, Sql, _execute
from tests.core.recount import recount
from tests.ext.people import ADDRESS, ERASURES, SUPPRESSIONS, erase, erase_many, found, zenobia
from tests.server import Server
from tests.v3.bulk import Work, counted, ended, person
from tests.v3.helpers import email, post_contact, put_contact, refused, sign_up

KEYS = receipt.public_keys(SECRET_KEY.encode())


class World:
    """An installation with a database, a data directory and a ledger of its own."""

    def __init__(self, portal: BlockingPortal, settings: Settings, cluster_dsn: str, dsn: str) -> None:
        self.portal, self.settings, self.cluster_dsn, self.dsn = portal, settings, cluster_dsn, dsn
        assert settings.erase_ledger is not None
        self.ledger = settings.erase_ledger
        self.account: accounts.Account
        self.token = ""
        with self.database() as db:
            portal.call(self._furnish, db)

    async def _furnish(self, db: Database) -> None:
        now = datetime.now(UTC)
        self.account = await db.write(lambda tx: accounts.create(tx, "ledger", now=now))
        self.token, _ = await db.write(
            lambda tx: tokens.create(tx, self.account.account_id, scopes=["contact_data"], now=now)
        )

    @contextmanager
    def database(self) -> Iterator[Database]:
        db = self.portal.call(
            lambda: open_database(self.dsn, size=2, statement_timeout=30, name="everlist tests")
        )
        try:
            yield db
        finally:
            self.portal.call(db.close)

    @contextmanager
    def serving(self) -> Iterator[tuple[Api, Work]]:
        """The server, and what runs its activities."""
        with self.database() as db, Server(self.settings, self.dsn, self.portal) as server:
            api = Api(server.url, self.token, self.account)
            stop = self.portal.call(__import__("asyncio").Event)
            one = Worker(db, installation_of(self.settings), stop)

            async def all_that_waits() -> None:
                while await one.run_one():
                    pass

            yield api, lambda: self.portal.call(all_that_waits)
            api.http.close()

    def backed_up(self) -> Callable[[], None]:
        """Copy the database now; the answer brings it back as it is now."""
        name = f"backup_{uuid4().hex}"
        own = self.dsn.partition("?")[0].rpartition("/")[2]
        self.portal.call(_execute, self.cluster_dsn, f"create database {name} template {own}")

        def restore() -> None:
            self.portal.call(_execute, self.cluster_dsn, f"drop database {own} with (force)")
            self.portal.call(_execute, self.cluster_dsn, f"alter database {name} rename to {own}")

        return restore

    def started(self) -> int:
        """What a start does before anything else; how many erasures it repeats."""
        return self.portal.call(worker.erase_again, self.settings, self.dsn)

    def rows(self, query: Any, *args: Any) -> list[dict[str, Any]]:
        with self.database() as db:
            return [dict(row) for row in self.portal.call(lambda: db.rows(query, *args))]

    @property
    def sql(self) -> Sql:
        def run(query: Any, *args: Any) -> Any:
            return [tuple(row.values()) for row in self.rows(query, *args)]

        return run

    def adds_up(self) -> None:
        recount(self.sql, self.account.account_id)

    def emails(self) -> list[str]:
        return [row["email"] for row in self.rows("select email from contact order by email")]

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.ledger.read_text().splitlines()]


@pytest.fixture
def world(
    nodes: Nodes | None, portal: BlockingPortal, cluster_dsn: str, own_database: str, tmp_path: Path
) -> World:
    if nodes is not None:
        pytest.skip("the backup of a cluster is no copy of one database")
    settings = Settings(
        data_dir=tmp_path / "data", secret_key=SECRET_KEY, erase_ledger=tmp_path / "erase.jsonl"
    )
    return World(portal, settings, cluster_dsn, own_database)


# The story


def test_a_restored_database_loses_whom_it_had_lost(world: World) -> None:
    with world.serving() as (api, _):
        contact_id = zenobia(api)
        person(api, "stays")
    restore = world.backed_up()
    with world.serving() as (api, _):
        first = erase(api, contact_id, reason="asked by letter")
    restore()
    assert world.emails() == ["stays@example.org", ADDRESS]
    assert world.started() == 1
    assert world.emails() == ["stays@example.org"]
    assert found(world.sql, world.account.account_id) == []
    world.adds_up()
    with world.serving() as (api, _):
        (again_,) = api.get(ERASURES).json["erasures"]
        assert again_["erasure_id"] == first["erasure_id"]
        assert again_["erased_at"] == first["erased_at"]
        told = receipt.verify(again_["receipt"], KEYS)
        assert told.repeated_at is not None
        assert ("contact", 1) in [(one.place, one.count) for one in told.removed]
        body = {"create_source": "Account", "email_address": email(ADDRESS)}
        refused(api.post("/contacts", body), 409, "was erased on")
    assert world.started() == 0
    assert len(world.lines()) == 1


def test_a_start_after_no_restore_changes_nothing(world: World) -> None:
    with world.serving() as (api, _):
        erase(api, zenobia(api))
        assert sign_up(api, email_address=ADDRESS, list_memberships=[]).status in (200, 201, 400)
        post_contact(api, create_source="Contact", email_address=email("back@example.org"))
    before = world.rows("select contact_id::text, updated_at from contact order by 1")
    assert world.started() == 0
    assert world.rows("select contact_id::text, updated_at from contact order by 1") == before


def test_a_bulk_erasure_is_repeated_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeat, "CHUNK", 2)
    monkeypatch.setattr(repeat, "SCANNED", 3)
    with world.serving() as (api, _):
        gone = [person(api, f"p{number}") for number in range(7)]
        moved = person(api, "moved")
        api.delete(f"/contacts/{gone[0]}")
        person(api, "stays")
    restore = world.backed_up()
    with world.serving() as (api, work):
        put_contact(api, moved, email_address=email("moved-away@example.org"))
        activity_id = erase_many(api, contact_ids=gone)
        erase_many(api, email_addresses=["moved@example.org", "never@example.org"])
        work()
        assert counted(ended(api, activity_id))["erased"] == 7
    restore()
    assert world.started() == 9
    assert world.emails() == ["stays@example.org"]
    world.adds_up()
    with world.serving() as (api, _):
        listed = api.get(SUPPRESSIONS, email="never@example.org").json["suppressions"]
        assert [one["reason"] for one in listed] == ["erasure"]
    assert world.started() == 0


def test_an_opt_out_outlives_the_restore(world: World) -> None:
    with world.serving() as (api, _):
        contact_id = person(api, "ann")
    restore = world.backed_up()
    with world.serving() as (api, _):
        out = email("ann@example.org", "unsubscribed")
        put_contact(api, contact_id, update_source="Contact", email_address=out)
        erase(api, contact_id)
    before = world.rows("select channel, reason, created_at from suppression order by 1, 2")
    restore()
    world.started()
    assert world.rows("select channel, reason, created_at from suppression order by 1, 2") == before
    assert [row["reason"] for row in before] == ["erasure", "unsubscribe"]


def test_an_account_that_the_backup_does_not_know_is_passed_over(world: World) -> None:
    ledger.append(world.ledger, [Line(uuid4(), uuid4(), datetime.now(UTC), "x", "key", uuid4(), ())])
    assert world.started() == 0


def test_a_person_who_came_back_is_not_taken_for_the_one_who_was_erased(world: World) -> None:
    """A line whose erasure then failed, and the address on a contact that is younger."""
    with world.serving() as (api, _):
        contact_id = person(api, "ann")
        erase(api, contact_id)
        assert sign_up(api, email_address="ann@example.org", list_memberships=[]).status == 400
        post_contact(api, create_source="Contact", email_address=email("ann@example.org"))
    (line,) = world.lines()
    world.ledger.write_text(
        json.dumps(line | {"erasure_id": str(uuid4()), "contact_id": str(uuid4())}) + "\n"
    )
    assert world.started() == 1
    assert world.emails() == ["ann@example.org"]
    assert world.rows("select * from suppression") == []


def test_lines_of_another_secret_key_count_by_the_id_alone(world: World) -> None:
    with world.serving() as (api, _):
        contact_id, other = person(api, "ann"), person(api, "other")
    restore = world.backed_up()
    with world.serving() as (api, _):
        erase(api, contact_id)
    world.ledger.write_text(world.ledger.read_text().replace(receipt.key_id(SECRET_KEY.encode()), "another"))
    restore()
    assert world.started() == 1
    assert world.emails() == ["other@example.org"]
    assert other


# The file


def test_a_line_has_no_address(world: World) -> None:
    with world.serving() as (api, _):
        contact_id = zenobia(api)
        told = erase(api, contact_id, reason="asked by letter")
    (line,) = world.lines()
    assert sorted(line) == ["account_id", "at", "contact_id", "erasure_id", "hashes", "key_id", "reason"]
    assert (line["erasure_id"], line["contact_id"]) == (told["erasure_id"], contact_id)
    assert [sorted(one) for one in line["hashes"]] == [["channel", "hmac"]] * 2
    assert "zenobia" not in world.ledger.read_text().lower()
    assert world.ledger.stat().st_mode & 0o777 == 0o600


def test_where_the_ledger_cannot_be_written_nobody_is_erased(world: World) -> None:
    with world.serving() as (api, _):
        contact_id = person(api, "ann")
        world.ledger.mkdir()
        reply = api("DELETE", f"/everlist/v1/contacts/{contact_id}")
        assert reply.status == 503
        assert api.get(f"/contacts/{contact_id}").status == 200
        world.ledger.rmdir()
        erase(api, contact_id)
    world.adds_up()
    assert len(world.lines()) == 1


def test_a_request_that_is_refused_leaves_nothing_in_the_ledger(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world.serving() as (api, work):
        monkeypatch.setattr("everlist.core.activities.MAX_QUEUED", 0)
        body = {"email_addresses": ["never@example.org"], "reason": "asked"}
        assert api.post("/everlist/v1/activities/contact_erase", body).status == 429
        assert world.rows("select * from suppression") == []
        work()
    assert not world.ledger.exists()
    assert world.started() == 0
    assert world.rows("select * from suppression") == []


def crash_after_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever writes to the ledger lose the database once it has, before the transaction commits."""
    append = ledger.append

    def append_and_crash(path: Path, lines: Any) -> None:
        append(path, lines)
        monkeypatch.undo()
        message = "the connection was lost"
        raise Unavailable(message)

    monkeypatch.setattr(ledger, "append", append_and_crash)


@pytest.mark.parametrize("how", ["contact_ids", "email_addresses", "nobody"])
def test_an_activity_that_is_killed_between_the_ledger_and_its_commit_is_done_once(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    with world.serving() as (api, work):
        contact_id = person(api, "ann")
        address = "ann@example.org" if how == "email_addresses" else "never@example.org"
        given = {"contact_ids": [contact_id]} if how == "contact_ids" else {"email_addresses": [address]}
        activity_id = erase_many(api, **given)
        crash_after_the_ledger(monkeypatch)
        with pytest.raises(Unavailable, match="was lost"):
            work()
        assert len(world.lines()) == 1
        assert world.rows("select * from erasure") == []
        assert world.emails() == ["ann@example.org"]
        world.rows("update lane set claimed_by = null, beat_at = null returning 1")
        work()
        ended(api, activity_id)
    assert len(world.rows("select * from erasure")) == 1
    assert len({line["erasure_id"] for line in world.lines()}) == 1
    assert world.started() == 0
    world.adds_up()


def test_an_erasure_that_is_killed_between_the_ledger_and_its_commit_is_done_at_the_next_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world.serving() as (api, _):
        contact_id = UUID(person(api, "ann"))
    act = Act("erase", datetime.now(UTC))
    crash_after_the_ledger(monkeypatch)
    with world.database() as db, pytest.raises(Unavailable, match="was lost"):
        world.portal.call(
            lambda: db.write(
                lambda tx: erase_core.erase(
                    tx,
                    world.account.account_id,
                    {contact_id: uuid4()},
                    reason="x",
                    act=act,
                    installation=installation_of(world.settings),
                )
            )
        )
    assert world.emails() == ["ann@example.org"]
    assert world.started() == 1
    assert world.emails() == []
    assert world.started() == 0
    world.adds_up()


def a_line() -> Line:
    return Line(uuid4(), uuid4(), datetime.now(UTC), "x" * 200, "key", None, (Hashed("email", b"x" * 32),))


def test_a_torn_line_is_passed_over_and_the_next_stands_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    first, torn, last = a_line(), a_line(), a_line()
    ledger.append(path, [first, torn])
    path.write_bytes(path.read_bytes()[:-40])
    assert list(ledger.read(path)) == [first, Unreadable(2)]
    ledger.append(path, [last])
    assert list(ledger.read(path)) == [first, Unreadable(2), last]
    path.write_bytes(path.read_bytes() + b"\n\xff\xfe\n[]\n")
    assert list(ledger.read(path)) == [first, Unreadable(2), last, Unreadable(5), Unreadable(6)]


def test_lines_that_could_not_all_be_written_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger"
    first = a_line()
    ledger.append(path, [first])
    write = os.write

    def until_the_disk_is_full(file: int, text: bytes) -> int:
        if text.count(b"\n") < 2:
            raise OSError(28, "No space left on device")
        return write(file, text[: text.index(b"\n") + 20])

    monkeypatch.setattr(os, "write", until_the_disk_is_full)
    with pytest.raises(ledger.Unwritable, match="No space left"):
        ledger.append(path, [a_line(), a_line()])
    assert list(ledger.read(path)) == [first]


def test_no_file_has_no_lines(tmp_path: Path) -> None:
    assert list(ledger.read(tmp_path / "missing")) == []
    ledger.append(tmp_path / "missing", [])
    assert not (tmp_path / "missing").exists()


APPEND = """
import sys, uuid
from datetime import UTC, datetime
from pathlib import Path
from everlist.core.privacy.ledger import Line, append
lines = [Line(uuid.uuid4(), uuid.uuid4(), datetime.now(UTC), "x" * 5000, "key") for _ in range(2)]
for _ in range(25):
    append(Path(sys.argv[1]), lines)
"""


def test_several_processes_append_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    processes = [subprocess.Popen([sys.executable, "-c", APPEND, str(path)]) for _ in range(4)]
    assert [one.wait(60) for one in processes] == [0] * 4
    lines = list(ledger.read(path))
    assert len(lines) == 200
    assert not [line for line in lines if isinstance(line, Unreadable)]


def migrated(world: World, ledger: Path) -> subprocess.CompletedProcess[bytes]:
    environ = {**os.environ, "EVERLIST_SECRET_KEY": SECRET_KEY, "EVERLIST_ERASE_LEDGER": str(ledger)}
    command = [sys.executable, "-m", "everlist", "migrate", "--database-url", world.dsn]
    return subprocess.run(command, capture_output=True, env=environ, timeout=60, check=False)


def test_a_ledger_that_cannot_be_written_stops_the_start(world: World, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for bad, reason in (
        (tmp_path / "missing" / "ledger", "No such file or directory"),
        (tmp_path / "folder", "Is a directory"),
    ):
        done = migrated(world, bad)
        assert done.returncode == 1
        text = (
            f"everlist: the erase ledger {bad} cannot be written: {reason}; EVERLIST_ERASE_LEDGER names it\n"
        )
        assert done.stderr.decode() == text
        with pytest.raises(StartError, match="the erase ledger"):
            world.portal.call(worker.erase_again, replace(world.settings, erase_ledger=bad), world.dsn)


def test_the_command_that_migrates_erases_again(world: World) -> None:
    with world.serving() as (api, _):
        contact_id = person(api, "ann")
    restore = world.backed_up()
    with world.serving() as (api, _):
        erase(api, contact_id)
    restore()
    done = migrated(world, world.ledger)
    assert (done.returncode, done.stdout.decode()) == (
        0,
        "the schema is up to date\nerased again after a restore: 1\n",
    )
    assert world.emails() == []


def test_the_setting_names_a_file_wherever_the_program_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {"EVERLIST_SECRET_KEY": SECRET_KEY, "EVERLIST_DATA_DIR": str(tmp_path)}
    assert load(environ).erase_ledger is None
    assert load({**environ, "EVERLIST_ERASE_LEDGER": "ledger"}).erase_ledger == tmp_path / "ledger"
