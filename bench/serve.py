"""Start the measured servers as processes: `everlist serve`, and the bare application."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET_KEY = "a key that only benchmarks use, of more than 32 characters"


@contextmanager
def everlist(dsn: str, directory: Path, *, worker: bool = False) -> Iterator[tuple[int, int]]:
    """Run Everlist on a database, with or without its worker; yield its port and process id."""
    options = ["--port", "0", "--data-dir", str(directory), "--database-url", dsn]
    if not worker:
        options.append("--no-worker")
    with _running(directory / "everlist.log", "-m", "everlist", "serve", *options) as running:
        yield running


@contextmanager
def reference(dsn: str, directory: Path) -> Iterator[int]:
    """Run the bare application on a database; yield its port."""
    with _running(directory / "reference.log", "-m", "bench.reference", dsn) as (port, _):
        yield port


@contextmanager
def _running(log: Path, *command: str) -> Iterator[tuple[int, int]]:
    environment = {**os.environ, "EVERLIST_SECRET_KEY": SECRET_KEY}
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        )
    assert process.stdout is not None
    try:
        output = ""
        for (
            line
        ) in process.stdout:  # both print their address, and then nothing for which this would have to wait
            output += line
            if port := re.search(r"http://127\.0\.0\.1:([0-9]+)", line):
                yield int(port[1]), process.pid
                return
        raise RuntimeError(f"{' '.join(command)} did not start: {output}{log.read_text()}")
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()
