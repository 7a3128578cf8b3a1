"""The client of threads is what `make client` makes of that of event loops."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from everlist.client import AsyncClient, Client
from tests.client.generate import FOLDERS, ROOT, generated, synchronous


def test_what_is_made_is_up_to_date() -> None:
    made = dict(generated())
    there = {file for folder in FOLDERS for file in (ROOT / folder).parent.joinpath("_sync").glob("*.py")}
    assert there == set(made), "run `make client`"
    for target, text in made.items():
        assert target.read_text(encoding="utf-8") == text, f"{target} is not up to date: run `make client`"


def test_nothing_that_waits_is_left(tmp_path: Path) -> None:
    source = (
        "async def f(x: AsyncClient) -> None:\n"
        '    """Use `await f`, an AsyncClient and aclose."""\n'
        "    async with x as y, z:\n"
        "        return [one async for one in await g(y)] or await x.aclose()\n"
    )
    assert synchronous(source) == (
        "def f(x: Client) -> None:\n"
        '    """Use `f`, an Client and close."""\n'
        "    with x as y, z:\n"
        "        return [one for one in g(y)] or x.close()\n"
    )


@pytest.mark.parametrize("name", ["contacts", "lists", "tags", "custom_fields", "activities", "account"])
def test_both_clients_have_the_same_methods_with_the_same_arguments(name: str) -> None:
    def surface(client: object) -> dict[str, list[str]]:
        part = getattr(client, name)
        return {
            method: list(inspect.signature(getattr(part, method)).parameters)
            for method in dir(part)
            if not method.startswith("_")
        }

    both = surface(Client("http://127.0.0.1:1", "")), surface(AsyncClient("http://127.0.0.1:1", ""))
    assert both[0] == both[1]
    assert both[0]
