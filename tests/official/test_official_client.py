"""The vendor's own Python client, in its own environment, against a real server: an independent witness."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import NewAccount, NewToken
from tests.server import Server

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".venv-official" / "bin" / "python"


@pytest.mark.parametrize("script", ["run_contacts.py", "run_bulk.py"])
def test_the_official_client_runs_what_the_vendors_contacts_page_has(
    running: Server, working: None, new_account: NewAccount, new_token: NewToken, script: str
) -> None:
    assert PYTHON.exists(), "make setup makes the environment of the official client"
    token = new_token(new_account(), "contact_data")
    ran = subprocess.run(
        [str(PYTHON), str(HERE / script), f"{running.url}/v3", token],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
