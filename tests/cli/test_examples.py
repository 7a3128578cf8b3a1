"""Every example of the help texts runs, and does what it says."""

from __future__ import annotations

import pytest

from everlist.commands import commands
from tests.cli.conftest import Program, World
from tests.docs.renew import commands as walk

SAYS = {
    "activities cancel": "cancelled",
    "activities list": "completed",
    "activities rows": "nonsense",
    "activities show": "completed",
    "activities undo": "completed",
    "activities watch": "completed",
    "completion": "",
    "contacts consent": "created",
    "contacts create": "Created ada@example.org",
    "contacts delete": "Deleted 1 contact.",
    "contacts erase": '"receipt":"',
    "contacts explain": "active",
    "contacts find": '"first_name":"Ruth"',
    "contacts get": "Ruth",
    "contacts list": "ruth@example.org",
    "contacts restore": "Restored 1 contact.",
    "contacts update": "Updated ruth@example.org.",
    "export": "Wrote news.csv",
    "fields create": "cf:shirt_size",
    "fields delete": "would delete 1 custom field",
    "fields list": "cf:shoe_size",
    "import": "created  2",
    "lists create": "Summer fair",
    "lists delete": "would delete 1 list",
    "lists list": "Spring readers",
    "lists rename": "Summer readers",
    "lists replace": '"Daily" has 2 contacts now.',
    "tags add": 'Tagged 1 contact with "poetry".',
    "tags create": "history",
    "tags delete": "Deleted old.",
    "tags list": '"name":"vip"',
    "tags remove": 'Removed "vip" from 3 contacts.',
    "tags rename": "verse",
    "usage": "Peak",
}
"""A part of what each example prints."""

EXAMPLES = {
    name.removeprefix("everlist "): command
    for top in commands
    for name, command in walk(top, f"everlist {top.name}")
    if not hasattr(command, "commands")
}


def test_every_command_has_an_example_that_is_run() -> None:
    assert set(EXAMPLES) == set(SAYS)


@pytest.mark.parametrize("name", sorted(SAYS))
def test_the_example_runs(request: pytest.FixtureRequest, program: Program, world: World, name: str) -> None:
    is_working = name != "activities cancel"
    if is_working:
        request.getfixturevalue("working")
    world(is_working=is_working)
    text, _, example = (EXAMPLES[name].help or "").partition("Example: ")
    assert text.strip(), "it says what it does"
    ran = program.shell(" ".join(example.split()))
    assert ran.status == 0, ran
    assert SAYS[name] in ran.out, ran
