"""Importing the client brings nothing of the server with it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SERVERS = {
    "starlette",
    "uvicorn",
    "asyncpg",
    "structlog",
    "prometheus_client",
    "email_validator",
    "phonenumbers",
}


def imported(code: str) -> set[str]:
    ran = subprocess.run(
        [sys.executable, "-I", "-c", f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        check=True,
        text=True,
    )
    return set(json.loads(ran.stdout))


@pytest.mark.parametrize(
    "code",
    [
        "from everlist.client import Client; Client('http://127.0.0.1:1', '')",
        "from everlist.client import AsyncClient; AsyncClient('http://127.0.0.1:1', '')",
        "import everlist.client.vendor",
    ],
)
def test_the_client_brings_nothing_of_the_server(code: str) -> None:
    modules = imported(code)
    assert not {name.partition(".")[0] for name in modules} & SERVERS
    ours = {
        name for name in modules if name.startswith("everlist.") and not name.startswith("everlist.client")
    }
    assert ours == set()


def test_models_and_errors_come_without_the_http_library() -> None:
    modules = imported("from everlist.client import models, NotFound, NewContact")
    assert "httpx2" not in modules
    assert "ssl" not in modules


def test_the_one_colour_does_not_bring_the_other() -> None:
    assert "everlist.client._async" not in imported("from everlist.client import Client")
    assert "everlist.client._sync" not in imported("from everlist.client import AsyncClient")
