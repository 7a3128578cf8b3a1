"""The program itself, run as people run it, against the server of the tests."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from everlist.client import Client
from tests.conftest import Api

BIN = Path(sys.executable).parent
TERMINAL = {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}


class Ran:
    """What a run of the program printed, and how it ended."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def lines(self) -> list[Any]:
        """The JSON object of each line."""
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self) -> str:
        return f"<{self.status}\n{self.out}\n--\n{self.err}>"


def environment(url: str, token: str | None, home: Path, **more: str) -> dict[str, str]:
    named = {
        "EVERLIST_URL": url,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }
    return named | ({"EVERLIST_TOKEN": token} if token else {}) | more


class Program:
    """`everlist` with the address of the server and a token in its environment."""

    def __init__(self, url: str, token: str | None, home: Path) -> None:
        self.url, self.token, self.home = url, token, home

    def __call__(self, *words: str, feed: str | bytes = "", **env: str) -> Ran:
        return self._run([str(BIN / "everlist"), *words], feed, env)

    def shell(self, line: str, **env: str) -> Ran:
        """A line as it would be typed."""
        return self._run(["bash", "-euo", "pipefail", "-c", line], "", env)

    def _run(self, command: list[str], feed: str | bytes, env: dict[str, str]) -> Ran:
        ran = subprocess.run(
            command,
            input=feed.encode() if isinstance(feed, str) else feed,
            capture_output=True,
            timeout=60,
            cwd=self.home,
            env=environment(self.url, self.token, self.home, **env),
        )
        return Ran(ran.returncode, ran.stdout.decode(), ran.stderr.decode())

    def on_a_terminal(self, *words: str, answers: dict[str, str] | None = None, **env: str) -> Ran:
        """Run on a terminal; when it shows a key of `answers`, its value is typed. All output is in `out`."""
        waiting = dict(answers or {})
        ours, theirs = pty.openpty()
        program = subprocess.Popen(
            [str(BIN / "everlist"), *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=self.home,
            env=environment(self.url, self.token, self.home, **(TERMINAL | env)),
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(theirs)
        shown = b""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if not select.select([ours], [], [], 1)[0]:
                continue
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # how a terminal ends on Linux
                break
            if not chunk:
                break
            shown += chunk
            for prompt in [prompt for prompt in waiting if prompt.encode() in shown]:
                os.write(ours, waiting.pop(prompt).encode())
        status = program.wait(timeout=60)
        os.close(ours)
        return Ran(status, shown.decode().replace("\r\n", "\n"), "")


def _take_terminal() -> None:
    """Let Ctrl-C reach the program: take the terminal, and SIGINT even where the tests were started with it ignored."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def program(alice: Api, tmp_path: Path) -> Program:
    """The program with alice's token, in an empty directory."""
    return Program(alice.url, alice.token, tmp_path)


@pytest.fixture
def client(alice: Api) -> Any:
    with Client(alice.url, alice.token or "") as client:
        yield client


World = Callable[..., None]


@pytest.fixture
def world(client: Client, tmp_path: Path) -> World:
    """Makes what the examples speak of; the last activity ends only where a worker runs."""

    def make(*, is_working: bool = True) -> None:
        lists = {
            name: client.lists.create(name).list_id
            for name in ("News", "Daily", "Old readers", "Spring readers")
        }
        tags = {name: client.tags.create(name).tag_id for name in ("vip", "old", "poetry")}
        for label in ("Size", "Shoe size"):
            client.custom_fields.create(
                label, "single_select", metadata={"display_type": "dropdown"}, choices=["S", "M", "L"]
            )
        people = {}
        for name in ("ruth", "tom", "kim", "old"):
            made = client.contacts.create(
                {
                    "create_source": "Account",
                    "email_address": {"address": f"{name}@example.org"},
                    "first_name": name.title(),
                    "list_memberships": [lists["News"]],
                    "taggings": [tags["vip"]],
                }
            )
            people[name] = made.contact_id
        client.contacts.delete(people["kim"])
        files = {
            "people.csv": ["email,first_name", "ann@example.org,Ann", "ben@example.org,Ben"],
            "today.csv": ["email,first_name", "ruth@example.org,Ruth", "ben@example.org,Ben"],
        }
        for name, lines in files.items():
            (tmp_path / name).write_text("\n".join(lines) + "\n")
        activity = client.activities.import_rows(
            [{"email": "cat@example.org"}, {"email": "nonsense"}], lists["News"]
        )
        if is_working:
            activity.wait(timeout=60)

    return make
