"""One installation for all modules that kill: each finds it running, or waits until it is again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.installation import Installation


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    directory = Path(tempfile.mkdtemp(prefix="everlist-worker-"))
    try:
        with Installation(directory) as running:
            yield running
    finally:
        shutil.rmtree(directory, ignore_errors=True)
