"""A log that cannot be written, since its disk is full, stops nothing."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.worker.installation import Installation, until


class Mute(Installation):
    """An installation whose processes log to a full disk."""

    def run(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "everlist", *arguments, "--data-dir", str(self.directory)]
        with Path("/dev/full").open("wb") as full:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=full)
        self._processes.append(process)
        return process


def test_everything_goes_on_without_a_log() -> None:
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory,
        Mute(Path(directory)) as installation,
    ):
        account = installation.new_account("mute")
        list_id = account.post("/contact_lists", json={"name": "News"})["list_id"]
        before = until("there is a worker", installation.worker)
        before.kill()  # which the server tells of, in a thread that must not end of it
        until("there is another worker", lambda: installation.worker() not in (None, before))
        done = account.ended(account.import_file(["email", "a@example.org"], list_id))
        assert done["state"] == "completed", done
        installation.kill_postgresql()
        done = account.ended(account.import_file(["email", "b@example.org"], list_id))
        assert done["state"] == "completed", done
