"""The parts of the docs that are made from the code: `python -m tests.docs.renew` writes them again."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from everlist.cli import everlist

ROOT = Path(__file__).parents[2]
CLI = ROOT / "docs" / "cli.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
RENEW = ".venv/bin/python -m tests.docs.renew"

_LAYERS = re.compile(r"(?<=\n)<!-- layers:.*?<!-- end of layers -->", re.DOTALL)
_CLI_HEADER = f"""\
# The command line

All commands with their arguments and options, as `everlist COMMAND --help` prints them. `{RENEW}`
generates this page from the program.

Commands that call the API read the server's address from `EVERLIST_URL` or `--url`, and the token from
`EVERLIST_TOKEN` or `--token`. Give lists, tags and fields by name, in any case, or by id; contacts by address or id;
activities by id, or `last` for the newest. `-` is standard input.

On a terminal the commands print tables and progress bars; elsewhere, and with `NO_COLOR`, tables without control
sequences and no bars. `--json` prints one JSON object per line with the names of the [API](api.md). Tables show the time
of this machine, JSON shows UTC.

A command that destroys something first asks, and says how many contacts, lists or tags it affects. `--yes` skips the
question, and `--dry-run` shows what would change. Without a terminal to ask on and without either option, the command
ends with status 2.

Errors go to standard error. The exit status says what happened:

| Status | Meaning |
|---|---|
| 0 | success |
| 1 | refused: the message says why. Or you answered no |
| 2 | the command line is wrong, or there is no token |
| 3 | no contact, list, tag, field or activity has that name or id |
| 4 | no answer, a server error, or too many requests: try the same command later |
| 5 | an activity did not complete, or not within `--timeout` |
| 6 | an import or a replacement completed, but some rows were rejected |
| 130 | stopped with Ctrl-C; an activity continues on the server |

Complete commands, options and names in bash:

```
source <(everlist completion bash)
```
"""


def commands(
    command: click.Command = everlist, name: str = "everlist"
) -> Iterator[tuple[str, click.Command]]:
    """Every command that is not hidden, as (its words, the command); a group comes before its commands."""
    yield name, command
    if isinstance(command, click.Group):
        for word, below in sorted(command.commands.items()):
            if not below.hidden:
                yield from commands(below, f"{name} {word}")


def options(command: click.Command, name: str) -> list[tuple[str, str]]:
    """The options that are not hidden, as (how it is written, what it does)."""
    context = click.Context(command, info_name=name)
    records = [param.get_help_record(context) for param in command.params if isinstance(param, click.Option)]
    return [record for record in records if record is not None]


def cli_reference() -> str:
    """What docs/cli.md shall be."""
    return "\n".join([_CLI_HEADER, *(_command(name, command) for name, command in commands())])


def _command(name: str, command: click.Command) -> str:
    usage = " ".join([name, *command.collect_usage_pieces(click.Context(command, info_name=name))])
    text, _, example = (command.help or "").partition("Example: ")
    lines = [f"## `{name}`", "", " ".join(text.split()), "", "```", usage, "```", ""]
    if example:
        lines += ["For example:", "", "```", " ".join(example.split()), "```", ""]
    if told := options(command, name):
        lines += ["| Option | |", "|---|---|", *(f"| `{how}` | {what} |" for how, what in told), ""]
    return "\n".join(lines)


def layers() -> str:
    """What stands between the marks in CONTRIBUTING.md: the import contracts of pyproject.toml, top to bottom."""
    pyproject: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = [one for one in pyproject["tool"]["importlinter"]["contracts"] if one["type"] == "layers"]
    by_container: dict[str, list[str]] = {one["containers"][0]: one["layers"] for one in contracts}
    lines = [
        f"<!-- layers: `{RENEW}` writes this from pyproject.toml -->",
        "```",
        *_drawn("everlist", by_container, 0),
        "```",
    ]
    return "\n".join([*lines, "<!-- end of layers -->"])


def _drawn(container: str, by_container: dict[str, list[str]], depth: int) -> Iterator[str]:
    for layer in by_container[container]:
        yield "    " * depth + layer
        if (below := f"{container}.{layer}") in by_container:
            yield from _drawn(below, by_container, depth + 1)


def with_layers(contributing: str) -> str:
    """The text of CONTRIBUTING.md with the layers as they are."""
    return _LAYERS.sub(lambda _: layers(), contributing)


if __name__ == "__main__":
    CLI.write_text(cli_reference(), encoding="utf-8")
    CONTRIBUTING.write_text(with_layers(CONTRIBUTING.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote {CLI} and the layers in {CONTRIBUTING}")
