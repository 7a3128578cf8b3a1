"""Processes that belong to one another: no child outlives `everlist serve`, however that ends."""

from __future__ import annotations

import os
import signal
import threading
import time


def stop_with_parent() -> None:
    """Send SIGTERM to this process once its parent is gone, also when the parent was killed outright."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="watch for the parent", daemon=True).start()
