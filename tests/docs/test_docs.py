"""The docs and the code say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from prometheus_client import REGISTRY

from everlist import ext, v3
from everlist.cli import everlist
from everlist.ops import metrics
from everlist.web import probes
from tests.docs import renew

ROOT = renew.ROOT
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def source(*names: str) -> str:
    return "\n".join(text(f"src/everlist/{name}") for name in names)


def without_code(page: str) -> str:
    return re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)


def code_lines(page: str) -> Iterator[str]:
    """The lines of the blocks of code, without their prompts, and the code within lines."""
    for block in re.findall(r"^```\w*\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL):
        yield from (line.strip().removeprefix("$ ") for line in block.splitlines())
    yield from re.findall(r"`([^`\n]+)`", without_code(page))


@pytest.fixture(params=PAGES, ids=NAMES)
def page(request: pytest.FixtureRequest) -> Path:
    return request.param


# Routes


def test_every_route_of_the_api_is_in_its_reference_and_no_other() -> None:
    there = {f"{route.method} {route.path}" for route in (*v3.edge.routes, *ext.edge.routes)}
    told = set(re.findall(r"`([A-Z]+ /(?:v3|everlist/v1)/[^`?]*)`", text("docs/api.md")))
    assert there - told == set(), "routes that docs/api.md does not have"
    assert told - there == set(), "routes that are not there"


def test_every_probe_is_in_the_operating_guide() -> None:
    paths = [route.path for route in probes.edge.routes]
    missing = [path for path in paths if f"GET {path}`" not in text("docs/operating.md")]
    assert missing == []


def test_every_error_key_is_in_the_api_reference() -> None:
    folders = ("v3", "ext", "rest")
    files = [path for folder in folders for path in (ROOT / "src/everlist" / folder).glob("*.py")]
    code = source(*(str(path.relative_to(ROOT / "src/everlist")) for path in files))
    keys = set(re.findall(r'"(contacts\.api\.[a-z_.]+)"', code))
    keys |= set(re.findall(r'error_response\(\s*\d+,\s*"([a-z_.]+)"', code))
    assert keys
    assert {key for key in keys if f"`{key}`" not in text("docs/api.md")} == set()


# Settings, commands, metrics


def test_every_setting_is_in_the_operating_guide() -> None:
    names = set(re.findall(r'"(EVERLIST_[A-Z_]+)"', source("settings.py")))
    assert names
    assert {name for name in names if f"`{name}`" not in text("docs/operating.md")} == set()


def test_no_page_names_a_setting_that_nothing_reads(page: Path) -> None:
    code = source("settings.py", "commands/session.py") + text("tests/conftest.py")
    code += text("tests/core/test_histories.py")
    told = set(re.findall(r"EVERLIST_[A-Z_]+", page.read_text(encoding="utf-8")))
    assert {name for name in told if name not in code} == set()


def test_the_cli_reference_is_what_the_program_says() -> None:
    assert text("docs/cli.md") == renew.cli_reference(), f"renew it: {renew.RENEW}"


def test_every_command_and_option_is_in_the_cli_reference() -> None:
    reference = text("docs/cli.md")
    for name, command in renew.commands():
        assert f"## `{name}`\n" in reference
        for param in command.params:
            if isinstance(param, click.Option) and not param.hidden:
                assert all(f"`{option}" in reference for option in param.opts)


def test_the_commands_on_a_page_are_commands_of_the_program(page: Path) -> None:
    for line in code_lines(page.read_text(encoding="utf-8")):
        # Variables and a path may stand before the program; what follows are words and options.
        if called := re.match(r"(?:[A-Z_]+=\S+ )*(?:\S*/)?everlist (.+)", line):
            refuse_unknown(line, called[1].split())


def refuse_unknown(line: str, words: list[str]) -> None:
    command: click.Command = everlist
    for word in words:
        if word.startswith("--") and word not in ("--help", "--version"):
            known = {option for param in command.params for option in param.opts}
            assert word in known, f"no such option: {line}"
        elif isinstance(command, click.Group) and re.fullmatch(r"[a-z][a-z-]*", word):
            assert word in command.commands, f"no such command: {line}"
            command = command.commands[word]


def test_every_metric_is_in_the_operating_guide() -> None:
    assert metrics.REQUESTS
    ours = [one for one in REGISTRY.collect() if one.name.startswith("everlist_")]
    names = {one.name + ("_total" if one.type == "counter" else "") for one in ours}
    assert names
    assert {name for name in names if f"`{name}`" not in text("docs/operating.md")} == set()


def test_every_event_of_the_log_is_in_the_operating_guide() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/everlist").rglob("*.py"))
    events = set(re.findall(r'\blog\.(?:info|warning|error)\(\s*"([^"]+)"', code))
    assert events
    assert {event for event in events if f"`{event}`" not in text("docs/operating.md")} == set()


# The pages themselves


def test_every_make_target_on_a_page_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), flags=re.MULTILINE))
    named = {
        word
        for line in code_lines(page.read_text(encoding="utf-8"))
        if re.fullmatch(r"make( [a-z-]+)*", line)
        for word in line.split()[1:]
    }
    assert named - targets == set()


def anchors(page: str) -> set[str]:
    """The anchors of the headings, as they are made where Markdown is shown."""
    headings = re.findall(r"^#+ (.+)$", without_code(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_somewhere(page: Path) -> None:
    broken: list[str] = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text(encoding="utf-8"))):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    assert broken == []


def test_the_layers_in_contributing_are_those_of_the_import_contracts() -> None:
    contributing = text("CONTRIBUTING.md")
    assert renew.layers() in contributing, f"renew it: {renew.RENEW}"


def test_every_difference_has_a_date() -> None:
    lines = [line for line in text("docs/compat.md").splitlines() if line.startswith("- ")]
    assert lines
    assert [line for line in lines if not re.match(r"- \d{4}-\d\d-\d\d\. \S", line)] == []


def test_decisions_are_numbered_dated_and_say_what_else_was_considered() -> None:
    files = sorted((ROOT / "docs/decisions").glob("*.md"))
    numbers = [int(file.name.partition("-")[0]) for file in files]
    assert numbers == sorted(set(numbers))
    for number, file in zip(numbers, files, strict=True):
        decision = file.read_text(encoding="utf-8")
        assert decision.startswith(f"# {number}. "), file
        assert re.search(r"^Date: \d{4}-\d\d-\d\d$", decision, flags=re.MULTILINE), file
        for heading in ("Context", "Decision", "Alternatives considered", "Consequences"):
            assert f"\n## {heading}\n" in decision, f"{file} has no {heading}"
