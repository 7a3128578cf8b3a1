"""The pages about the client: their examples run, and they name all that it has."""

from __future__ import annotations

import inspect
import io
import re
import subprocess
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from everlist import ext, v3
from everlist.client import Client, models
from tests.conftest import NewAccount, NewToken
from tests.docs.test_docs import ROOT, text
from tests.official.test_official_client import PYTHON as OFFICIAL_PYTHON
from tests.server import Server

PAGES = ("docs/client.md", "docs/moving-from-the-official-client.md")
PARTS = ("contacts", "lists", "tags", "custom_fields", "activities", "account")


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text(page), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_every_example_runs(
    running: Server,
    working: None,
    new_account: NewAccount,
    new_token: NewToken,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    page: str,
) -> None:
    token = new_token(new_account(), "contact_data")
    monkeypatch.chdir(tmp_path)
    Path("people.csv").write_text("email,first_name\nann@example.org,Ann\nnonsense,N\n")
    Path("token.txt").write_text(token + "\n")
    names: dict[str, object] = {"__name__": "example"}
    # capsys would also replace standard error, which the server's log keeps open after this test.
    printed = io.StringIO()
    for block in blocks(page):
        code = block.replace("http://127.0.0.1:8080", running.url).replace('"ev_…"', repr(token))
        if "import constant_contact_api_client\n" in code:
            subprocess.run([str(OFFICIAL_PYTHON), "-c", code], check=True, capture_output=True, timeout=60)
        else:
            with redirect_stdout(printed):
                exec(compile(code, page, "exec"), names)
    for value in names.values():
        client = getattr(getattr(value, "api_client", None), "client", value)
        if isinstance(client, Client):
            client.close()
    assert printed.getvalue()


def test_the_guide_names_every_method() -> None:
    guide = text("docs/client.md")
    client = Client("http://127.0.0.1:1", "")
    for part in PARTS:
        for name in dir(getattr(client, part)):
            if not name.startswith("_") and name != "call":
                assert f"`{part}.{name}(" in guide, f"{part}.{name}"


def test_the_guide_names_every_error() -> None:
    guide = text("docs/client.md")
    for name, error in inspect.getmembers(__import__("everlist.client", fromlist=["client"])):
        if inspect.isclass(error) and issubclass(error, Exception):
            assert f"`{name}`" in guide, name


def test_every_route_of_everlist_can_be_called() -> None:
    folder = ROOT / "src/everlist/client/_async"
    code = "\n".join(file.read_text(encoding="utf-8") for file in folder.glob("*.py"))
    for route in (*v3.edge.routes, *ext.edge.routes):
        path = re.sub(r"\{\w+\}", "{}", route.path)
        if route.method == "POST" and re.match(r"/(v3|everlist/v1)/activities/", path):
            path = path.rpartition("/activities/")[2].removesuffix("/cancel") + (
                "/cancel" if "cancel" in path else ""
            )
        assert f'{path}"' in code, route.path


def test_every_model_says_what_it_is() -> None:
    for name, model in vars(models).items():
        if inspect.isclass(model) and issubclass(model, models.Model) and not name.startswith("_"):
            assert model.__doc__, name
