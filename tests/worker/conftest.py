"""One installation for each module that kills."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.installation import Installation


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    directory = Path(tempfile.mkdtemp(prefix="everlist-worker-"))
    try:
        with Installation(directory) as running:
            yield running
    finally:
        shutil.rmtree(directory, ignore_errors=True)
