"""Run the supervisor of a cluster: `python -m everlist.ops.embedded`, as `Cluster` calls it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from everlist.ops.embedded.files import Files
from everlist.ops.embedded.supervisor import Supervisor


def _ignore(*_: object) -> None:
    """Handle a signal by doing nothing."""


def _main(data_dir: str, version: str, durable: str, _lock: str, report: str) -> None:
    """Run the supervisor, detached from the process and the terminal that started it.

    `_lock` is the open descriptor of the supervisor's lock: this process holds the lock until it ends.
    """
    if os.fork():
        os._exit(0)
    os.umask(0o077)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # it ends after its last user only
        signal.signal(number, _ignore)
    Supervisor(Files(Path(data_dir)), int(version), durable=durable == "1", report=int(report)).run()


if __name__ == "__main__":
    _main(*sys.argv[1:])
