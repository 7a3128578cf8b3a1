"""Make child processes end with their parent, even if the parent was killed with SIGKILL."""

from __future__ import annotations

import os
import signal
import threading
import time


def stop_with_parent() -> None:
    """Send SIGTERM to this process as soon as its parent has ended."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="watch for the parent", daemon=True).start()
