"""On a terminal: tables with bold titles, questions, bars. Nothing of it elsewhere."""

from __future__ import annotations

import re

import pytest

from everlist.client import Client
from tests.cli.conftest import Program
from tests.cli.test_commands import PEOPLE, made

ESCAPE = "\x1b"


def test_a_table_has_bold_titles_on_a_terminal_alone(program: Program, client: Client) -> None:
    client.lists.create("News")
    assert ESCAPE + "[1mName" in program.on_a_terminal("lists", "list").out
    plain = program("lists", "list")
    assert ESCAPE not in plain.out
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert ESCAPE not in program.on_a_terminal("lists", "list", **env).out
    assert ESCAPE not in program("lists", "list", FORCE_COLOR="1", CLICOLOR_FORCE="1").out


def test_a_narrow_terminal_folds_what_does_not_fit(program: Program, client: Client) -> None:
    made(client, "a.very.long.address.of.somebody@with-a-long-name.example.org", first_name="Wilhelmina")
    shown = program.on_a_terminal("contacts", "list", COLUMNS="40", NO_COLOR="1").out
    letters = re.sub(r"\s", "", shown)
    assert max(len(line) for line in shown.splitlines()) <= 40
    assert "Wilhel" in letters
    for part in ("a.very.long", "somebody"):
        assert part[:4] in letters


def test_a_long_list_is_cut_on_a_terminal_and_says_so(
    program: Program, client: Client, working: None
) -> None:
    list_id = client.lists.create("News").list_id
    rows = [{"email": f"p{number}@example.org"} for number in range(60)]
    client.activities.import_rows(rows, list_id).wait(timeout=60)
    shown = program.on_a_terminal("contacts", "list").out
    assert shown.count("@example.org") == 50
    assert "the first 50" in shown
    assert program.on_a_terminal("contacts", "list", "--limit", "55").out.count("@example.org") == 55


@pytest.mark.parametrize(
    ("answer", "status", "left"), [("y\n", 0, 0), ("n\n", 1, 2), ("\n", 1, 2), ("\x03", 130, 2)]
)
def test_it_asks_and_says_how_many(
    program: Program, client: Client, working: None, answer: str, status: int, left: int
) -> None:
    made(client, "ann@example.org")
    made(client, "ben@example.org")
    words = ("contacts", "delete", "ann@example.org", "ben@example.org")
    ran = program.on_a_terminal(*words, answers={"Continue? [y/N]": answer})
    assert "This will delete 2 contacts." in ran.out
    assert ran.status == status, ran
    assert len(list(client.contacts.list())) == left


def test_a_replacement_without_a_limit_shows_first_how_many_leave(
    program: Program, client: Client, working: None
) -> None:
    client.lists.create("Daily")
    program("lists", "replace", "Daily", "-", "--yes", feed=PEOPLE)
    (program.home / "today.csv").write_text("email\ncat@example.org\n")
    words = ("lists", "replace", "Daily", "today.csv")
    no = program.on_a_terminal(*words, answers={"Continue?": "n\n"})
    assert 'remove 2 contacts from "Daily" and add 1' in no.out
    assert no.status == 1
    assert len(list(client.contacts.list())) == 2
    yes = program.on_a_terminal(*words, answers={"Continue?": "y\n"})
    assert yes.status == 0, yes
    assert len(list(client.contacts.list())) == 3
    assert program.on_a_terminal(*words).status == 0, "nobody leaves, so nobody is asked"


def test_bars_are_on_a_terminal_alone(program: Program, client: Client, working: None) -> None:
    client.lists.create("News")
    (program.home / "people.csv").write_bytes(PEOPLE)
    words = ("import", "people.csv", "--list", "News")
    shown = program.on_a_terminal(*words)
    assert shown.status == 0, shown
    assert "Sending" in shown.out
    assert "Importing" in shown.out
    for quiet in (program(*words).err, program.on_a_terminal(*words, NO_COLOR="1").out):
        assert "Sending" not in quiet
        assert ESCAPE not in quiet


def test_ctrl_c_leaves_the_activity_and_says_how_to_see_it(program: Program, client: Client) -> None:
    client.lists.create("News")
    (program.home / "people.csv").write_bytes(PEOPLE)
    ran = program.on_a_terminal("import", "people.csv", "--list", "News", answers={"queued": "\x03"})
    assert ran.status == 130, ran
    newest = client.activities.list().first()
    assert newest
    assert f"everlist activities watch {newest.activity_id}" in ran.out
    assert newest.state == "initialized"
