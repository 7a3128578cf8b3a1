"""docs/nightly-list-replace.md: all its lines run, in their order, cron's as cron runs it."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from pathlib import Path

from anyio.from_thread import BlockingPortal

from everlist.client import Client
from everlist.settings import Settings
from everlist.worker import run as worker
from tests.cli.conftest import BIN, environment
from tests.docs.test_docs import text
from tests.server import Server

PAGE = "docs/nightly-list-replace.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text(PAGE), flags=re.MULTILINE | re.DOTALL)


def sh(line: str, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", line], cwd=home, env=env, capture_output=True, text=True, timeout=60)


def test_the_page_runs(settings: Settings, own_database: str, portal: BlockingPortal, tmp_path: Path) -> None:
    replace, preview, make_token, keep_token, make_list, undo = blocks("sh")
    (cron,) = blocks("cron")
    with Server(settings, own_database, portal) as server:
        stop = portal.call(asyncio.Event)
        working = portal.start_task_soon(worker.run, settings, own_database, stop)
        try:
            # On the server
            admin = environment(
                server.url,
                None,
                tmp_path,
                EVERLIST_DATABASE_URL=own_database,
                EVERLIST_DATA_DIR=str(tmp_path / "data"),
            )
            assert sh('everlist account create "Harbour Books"', tmp_path, **admin).returncode == 0
            ran = sh(make_token, tmp_path, **admin)
            assert ran.returncode == 0, ran
            ran = sh(keep_token.replace("http://127.0.0.1:8080", server.url), tmp_path, **admin)
            assert ran.returncode == 0, ran
            kept = tmp_path / ".everlist-nightly"
            assert kept.stat().st_mode & 0o077 == 0
            assert not (tmp_path / "nightly.token").exists()
            token = kept.read_text().rpartition("EVERLIST_TOKEN=")[2].strip()
            job = environment(server.url, token, tmp_path)
            assert sh(make_list, tmp_path, **job).returncode == 0

            people = [f"p{number}@example.org" for number in range(10)]
            today = tmp_path / "today.csv"
            today.write_text("email\n" + "".join(f"{one}\n" for one in people))

            # As cron does: sh, a bare environment, HOME, and % for the end of the line
            minutes, hours, days, months, weekdays, line = cron.strip().split(" ", 5)
            assert (minutes, hours, days, months, weekdays) == ("15", "3", "*", "*", "*")
            assert "%" not in line
            line = line.replace("/usr/local/bin/everlist", str(BIN / "everlist")).replace(
                "/srv/shop", str(tmp_path)
            )
            bare = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LOGNAME": os.environ.get("LOGNAME", "x")}
            first = sh(line, tmp_path, **bare)
            assert first.returncode == 0, first
            assert '"Daily" has 10 contacts now.' in first.stdout
            again = sh(line, tmp_path, **bare)
            assert again.returncode == 0, again
            assert 'Nothing changed: "Daily" has the same 10 contacts.' in again.stdout

            # By hand
            today.write_text("email\n" + "".join(f"{one}\n" for one in people[:9]))
            shown = sh(preview, tmp_path, **job)
            assert shown.returncode == 0, shown
            assert re.search(r"removed +1\n", shown.stdout)
            with Client(server.url, token) as client:
                assert (
                    len(list(client.contacts.list(lists=client.lists.list().page().items[0].list_id))) == 10
                )
            today.write_text("email\np0@example.org\n")
            refused = sh(replace, tmp_path, **job)
            assert refused.returncode == 5
            assert "9 of 10 contacts would leave the list" in refused.stderr
            today.write_text("email\n" + "".join(f"{one}\n" for one in people[:9]))
            ran = sh(replace, tmp_path, **job)
            assert ran.returncode == 0, ran
            assert '"Daily" has 9 contacts now.' in ran.stdout
            ran = sh(undo, tmp_path, **job)
            assert ran.returncode == 0, ran
            with Client(server.url, token) as client:
                daily = client.lists.list(include_membership_count="all").first()
            assert daily
            assert daily.membership_count == 10
        finally:
            portal.call(stop.set)
            working.result(timeout=60)


def test_the_statuses_on_the_page_are_those_of_the_reference() -> None:
    on_page = re.findall(r"^\| (\d) \|", text(PAGE), flags=re.MULTILINE)
    reference = re.findall(r"^\| (\d) \|", text("docs/cli.md"), flags=re.MULTILINE)
    assert on_page == reference
