"""`everlist serve` as an operator runs it, in processes that can be killed; and a look at its database."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import asyncpg
import httpx2
import psutil

from everlist.core import accounts, tokens
from everlist.db import open_database
from everlist.ops.embedded import Cluster

LONG = bool(os.environ.get("EVERLIST_LONG"))
UNANSWERED = (httpx2.TransportError, OSError)


def until(what: str, holds: Callable[[], Any], seconds: float = 120, every: float = 0.02) -> Any:
    """What `holds` gives as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise AssertionError(f"This did not hold within {seconds:g} seconds: {what}.")
        time.sleep(every)
    return found


def answered(reply: httpx2.Response) -> str:
    """What was asked and answered, for the message of an assertion."""
    return f"{reply.request.method} {reply.request.url} was answered {reply.status_code} {reply.text[:500]}"


class Installation:
    """One data directory, served; it may lose any of its processes and be started again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.dsn = Cluster(directory).dsn()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._accounts: list[Account] = []

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for account in self._accounts:
            account.http.close()
        for process in self._processes[::-1]:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self._processes[::-1]:
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self) -> None:
        """Serve, and wait until that answers."""
        self.serving = self.run("serve", "--port", str(self.port))
        self.wait()

    def run(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Run a command of everlist on the data directory; what it says goes to a log of its own."""
        command = [sys.executable, "-m", "everlist", *arguments, "--data-dir", str(self.directory)]
        with self.log(len(self._processes)).open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._processes.append(process)
        return process

    def log(self, number: int) -> Path:
        """What the process that was started as that one, from 0, has said."""
        return self.directory / f"process-{number}.log"

    def said(self, text: str) -> int:
        """How often all its processes together have said that."""
        logs = [self.log(number) for number in range(len(self._processes))]
        return sum(log.read_text(errors="replace").count(text) for log in logs)

    def wait(self, seconds: float = 120) -> None:
        """Wait until the web process answers, and its database too."""
        until("the server is ready", self.is_ready, seconds, 0.05)

    def is_ready(self) -> bool:
        with contextlib.suppress(*UNANSWERED):
            return httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200
        return False

    # Its processes

    def worker(self) -> psutil.Process | None:
        """The worker that belongs to the server, if there is one now."""
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.serving.pid).children():
                if "worker" in child.cmdline():
                    return child
        return None

    def kill_worker(self) -> None:
        worker = until("there is a worker", self.worker)
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()

    def kill_postgresql(self) -> None:
        """Kill the main process of PostgreSQL; its children end with it."""

        def killed() -> bool:
            # The file may be of one that was killed before, whose number may be another's by now.
            with contextlib.suppress(OSError, LookupError, ValueError, psutil.NoSuchProcess):
                pid = int((self.directory / "postgresql" / "postmaster.pid").read_text().split()[0])
                process = psutil.Process(pid)
                if process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE:
                    process.kill()
                    return True
            return False

        until("PostgreSQL runs", killed)

    def kill_server(self) -> None:
        """Kill the web process, which is also the one that keeps the others."""
        self.serving.kill()
        self.serving.wait()

    # Its database

    def sql(self, query: str, *args: Any) -> Sequence[asyncpg.Record]:
        async def fetch() -> Sequence[asyncpg.Record]:
            connection = await asyncpg.connect(self.dsn, timeout=60)
            try:
                return await connection.fetch(query, *args)
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def new_account(self, name: str) -> Account:
        async def make() -> tuple[UUID, str]:
            db = await open_database(self.dsn, size=1, statement_timeout=30, name="everlist tests")
            try:
                now = datetime.now(UTC)
                made = await db.write(lambda tx: accounts.create(tx, name, now=now))
                secret, _ = await db.write(
                    lambda tx: tokens.create(tx, made.account_id, scopes=("contact_data",), now=now)
                )
            finally:
                await db.close()
            return made.account_id, secret

        self._accounts.append(Account(self, *asyncio.run(make())))
        return self._accounts[-1]


class Account:
    """A caller with one account, who bears with a server that comes and goes."""

    def __init__(self, installation: Installation, account_id: UUID, token: str) -> None:
        self.installation = installation
        self.account_id = account_id
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx2.Client(base_url=f"{installation.url}/v3", headers=headers, timeout=60)
        self.posted: list[str] = []
        """The ids of its activities, in their order."""

    def get(self, path: str, seconds: float = 120, **params: Any) -> Any:
        """What GET gives, as soon as it gives something."""

        def answer() -> httpx2.Response | None:
            with contextlib.suppress(*UNANSWERED):
                reply = self.http.get(path, params=params)
                if reply.status_code < 500:
                    return reply
            return None

        reply = until(f"GET {path} is answered", answer, seconds, 0.05)
        assert reply.status_code == 200, f"200 was expected, but {answered(reply)}"
        return reply.json()

    def post(self, path: str, **kwargs: Any) -> Any:
        """POST where no answer is expected to fail."""
        reply = self.http.post(path, **kwargs)
        assert reply.status_code == 201, f"201 was expected, but {answered(reply)}"
        return reply.json()

    def activity(self, kind: str, **kwargs: Any) -> str:
        """Make exactly one activity, whatever dies meanwhile; its id."""

        def made() -> str | None:
            with contextlib.suppress(*UNANSWERED):
                reply = self.http.post(f"/activities/{kind}", **kwargs)
                if reply.status_code == 201:
                    return reply.json()["activity_id"]
                assert reply.status_code >= 500, f"201 or 5xx was expected, but {answered(reply)}"
            # Nobody knows whether it was made: the newest one would be it.
            newest = self.get("/activities", limit=1)["activities"]
            if newest and newest[0]["activity_id"] not in self.posted:
                return newest[0]["activity_id"]
            return None

        self.posted.append(until(f"an activity {kind} is made", made, 120, 0.05))
        return self.posted[-1]

    def import_file(self, lines: Sequence[str], *list_ids: str) -> str:
        """Make an activity that imports these lines, the first of which is the header."""
        content = "\n".join(lines).encode()
        files = {"file": ("people.csv", content, "text/csv")}
        return self.activity("contacts_file_import", files=files, data={"list_ids": ",".join(list_ids)})

    def waiting(self) -> int:
        """How many of its activities have not ended."""
        found = self.get("/activities", limit=100)["activities"]
        return sum(one["state"] in ("initialized", "processing") for one in found)

    def ended(self, activity_id: str, seconds: float = 120) -> Any:
        """The activity once it has ended."""

        def end() -> Any:
            found = self.get(f"/activities/{activity_id}")
            return None if found["state"] in ("initialized", "processing") else found

        return until(f"activity {activity_id} has ended", end, seconds, 0.1)

    def percent(self, activity_id: str) -> int:
        return self.get(f"/activities/{activity_id}")["percent_done"]

    def sql(self, query: str, *args: Any) -> Sequence[asyncpg.Record]:
        return self.installation.sql(query, self.account_id, *args)
