"""What the commands do, and how they end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from typing import Any

import click
import pytest

from everlist.client import Client
from everlist.client.models import Usage, UsageDay
from everlist.commands.usage import chart
from tests.cli.conftest import Program, World, environment
from tests.cli.test_examples import EXAMPLES
from tests.conftest import Api

PEOPLE = b"email,first_name\nann@example.org,Ann\nben@example.org,Ben\n"


def made(client: Client, email: str, **more: Any) -> str:
    body = {"create_source": "Account", "email_address": {"address": email}, **more}
    return client.contacts.create(body).contact_id


def state(client: Client) -> list[str]:
    """Everything of the account, to be compared."""
    return [
        *(
            one.to_json()
            for one in client.contacts.list(status="all", include="list_memberships,taggings,custom_fields")
        ),
        *(one.to_json() for one in client.lists.list()),
        *(one.to_json() for one in client.tags.list()),
        *(one.to_json() for one in client.custom_fields.list()),
        *(one.activity_id for one in client.activities.list()),
    ]


# Where the server is, and who calls


def test_without_a_token_it_says_how_to_make_one(program: Program) -> None:
    ran = Program(program.url, None, program.home)("lists", "list")
    assert ran.status == 2
    assert 'export EVERLIST_TOKEN="$(everlist token create' in ran.err
    assert ran.out == ""


def test_options_go_before_the_environment(program: Program) -> None:
    nowhere = Program("http://127.0.0.1:1", "wrong", program.home)
    ran = nowhere("lists", "list", "--url", program.url, "--token", program.token or "", "--json")
    assert (ran.status, ran.out) == (0, "")


def test_a_token_is_never_printed(program: Program) -> None:
    secret = "ev_secret0123456789"
    wrong = Program(program.url, secret, program.home)
    for ran in (wrong("lists", "list"), wrong("lists", "list", "--json"), wrong("lists", "list", "--help")):
        assert secret not in ran.out + ran.err
    assert wrong("lists", "list").status == 1


def test_the_status_tells_what_went_wrong(program: Program, charlie: Api, bob: Api) -> None:
    hers = charlie.post(
        "/contacts", {"create_source": "Account", "email_address": {"address": "c@example.org"}}
    )
    assert program("contacts", "get", hers.json["contact_id"]).status == 3
    assert program("contacts", "find", "c@example.org").status == 3
    assert program("contacts", "get", "neither").status == 2
    assert program("contacts", "nonsense").status == 2
    assert program("contacts", "create", "nonsense").status == 1
    assert program("activities", "show", "last").status == 3
    assert program("lists", "list", "--url", "example.org").status == 2
    assert Program(bob.url, bob.token, program.home)("lists", "list").status == 1


def test_a_token_that_cannot_be_one_is_refused_here(program: Program) -> None:
    for token in ("n\xf6pe", "two\nlines"):
        ran = program("lists", "list", "--token", token)
        assert ran.status == 2, ran
        assert token not in ran.err


def test_a_server_that_is_not_there_gives_status_4(program: Program) -> None:
    ran = program.on_a_terminal("usage", EVERLIST_URL="http://127.0.0.1:1")
    assert ran.status == 4
    assert "is Everlist running at http://127.0.0.1:1?" in ran.out


# Names


def test_an_unknown_name_gets_those_that_are_near(program: Program, client: Client) -> None:
    for name in ("Newsletter", "Press"):
        client.lists.create(name)
    ran = program("lists", "delete", "newsleter", "--yes")
    assert ran.status == 3
    assert 'there is no list "newsleter"; did you mean "Newsletter"?' in ran.err
    assert len(list(client.lists.list())) == 2


def test_a_name_may_be_in_any_case_or_an_id(program: Program, client: Client, working: None) -> None:
    first, second = client.lists.create("Newsletter"), client.lists.create("Press")
    assert program("lists", "delete", "NEWSLETTER", second.list_id, "--yes").status == 0
    assert list(client.lists.list()) == []
    assert first.name == "Newsletter"


def test_fields_and_tags_are_found_by_name(program: Program, client: Client) -> None:
    assert (
        program(
            "fields", "create", "Shirt size", "--type", "single_select", "--choice", "S", "--choice", "M"
        ).status
        == 0
    )
    client.tags.create("vip")
    ran = program(
        "contacts",
        "create",
        "a@example.org",
        "--field",
        "shirt_size=m",
        "--tag",
        "VIP",
        "--birthday",
        "03-14",
    )
    assert ran.status == 0, ran
    shown = program("contacts", "get", "a@example.org")
    assert all(text in shown.out for text in ("Shirt size", "M", "vip", "03-14")), shown
    wrong = program("contacts", "update", "a@example.org", "--field", "Shirt size=XL")
    assert wrong.status == 3
    assert "it has S, M" in wrong.err


def test_a_name_that_could_be_two_things_is_not_guessed(
    program: Program, client: Client, working: None
) -> None:
    for name in ("Straße", "STRASSE"):
        client.lists.create(name)
    ran = program("lists", "delete", "Strasse", "--yes")
    assert ran.status == 2
    assert '"Straße"' in ran.err
    assert '"STRASSE"' in ran.err
    assert program("lists", "delete", "Straße", "--yes").status == 0
    assert [one.name for one in client.lists.list()] == ["STRASSE"]


# Contacts


def test_an_update_keeps_what_it_does_not_name(program: Program, client: Client) -> None:
    news, press = client.lists.create("News").list_id, client.lists.create("Press").list_id
    contact_id = made(
        client, "ruth@example.org", first_name="Ruth", last_name="Okafor", list_memberships=[news]
    )
    ran = program(
        *("contacts", "update", "ruth@example.org", "--job-title", "Florist", "--clear", "last_name"),
        *("--add-list", "press", "--remove-list", "news"),
    )
    assert ran.status == 0, ran
    now = client.contacts.get(contact_id, include="list_memberships")
    assert (now.first_name, now.last_name, now.job_title) == ("Ruth", None, "Florist")
    assert now.list_memberships == [press]


def test_a_contact_may_be_given_as_json(program: Program, client: Client) -> None:
    body = {"email_address": {"address": "x@example.org"}, "notes": [{"content": "met at the fair"}]}
    ran = program(
        "contacts", "create", "--body", "-", "--first-name", "Xenia", "--json", feed=json.dumps(body)
    )
    assert ran.status == 0, ran
    (line,) = ran.lines
    assert line["first_name"] == "Xenia"
    assert program("contacts", "create", "--body", "-", feed="{").status == 2


def test_a_taken_address_is_answered_with_the_way_on(program: Program, client: Client) -> None:
    made(client, "ruth@example.org")
    ran = program("contacts", "create", "ruth@example.org")
    assert ran.status == 1
    assert "everlist contacts explain ruth@example.org" in ran.err


def test_contacts_come_from_standard_input(program: Program, client: Client, working: None) -> None:
    for name in ("ann", "ben", "cat"):
        made(client, f"{name}@example.org")
    ran = program(
        "contacts", "delete", "-", "--yes", feed="ann@example.org\n\nben@example.org\nann@example.org\n"
    )
    assert "Deleted 2 contacts." in ran.out
    assert [one.email for one in client.contacts.list()] == ["cat@example.org"]
    assert program("contacts", "restore", "--deleted-by", "last").status == 0
    assert len(list(client.contacts.list())) == 3


def test_nobody_is_deleted_where_one_is_unknown(program: Program, client: Client, working: None) -> None:
    made(client, "ann@example.org")
    assert program("contacts", "delete", "ann@example.org", "nobody@example.org", "--yes").status == 3
    assert len(list(client.contacts.list())) == 1


def test_receipts_of_an_erasure_can_be_verified(program: Program, client: Client, working: None) -> None:
    made(client, "ann@example.org")
    erased = program("contacts", "erase", "ann@example.org", "--reason", "asked", "--yes", "--json")
    (program.home / "receipts").write_text(erased.out)
    keys = f"{program.url}/everlist/v1/keys"
    verified = program("receipt", "verify", "receipts", "--keys", keys)
    assert verified.status == 0, verified
    assert "The signature holds." in verified.out


def test_all_contacts_are_listed_for_a_program(program: Program, client: Client) -> None:
    list_id = client.lists.create("News").list_id
    for number in range(4):
        made(client, f"p{number}@example.org", list_memberships=[list_id] if number % 2 else [])
    ran = program("contacts", "list", "--json", "--include", "list_memberships")
    assert len(ran.lines) == 4
    assert len(program("contacts", "list", "--list", "news", "--json").lines) == 2
    assert len(program("contacts", "list", "--limit", "3", "--json").lines) == 3
    assert len(program("contacts", "list").out.splitlines()) == 5


def test_a_table_in_a_pipe_stays_straight_over_all_its_pages(
    program: Program, client: Client, working: None
) -> None:
    list_id = client.lists.create("News").list_id
    made(client, "the.longest.address.of.them.all@mail.example.org", first_name="Maximiliane")
    rows = [{"email": f"p{number}@example.org"} for number in range(520)]
    client.activities.import_rows(rows, list_id).wait(timeout=60)
    head, *lines = program("contacts", "list").out.splitlines()
    assert len(lines) == 521
    assert {line.index("implicit") for line in lines} == {head.index("Permission")}


def test_a_reader_that_stops_early_sees_no_error(program: Program, client: Client) -> None:
    for number in range(3):
        made(client, f"p{number}@example.org")
    ran = program.shell("set +o pipefail; everlist contacts list --json | head -c 1")
    assert (ran.out, ran.err) == ("{", "")


def test_a_name_cannot_speak_to_the_terminal(program: Program, client: Client) -> None:
    list_id = client.lists.create("red \x1b[31m\x9b31m alert").list_id
    shown = program("lists", "list")
    assert list_id in shown.out
    assert not {"\x1b", "\x9b"} & set(shown.out)


# Destroying


def destroying() -> list[str]:
    """The examples of all that has --dry-run, turned into dry runs."""
    lines: list[str] = []
    for name, command in EXAMPLES.items():
        if any(param.name == "dry_run" for param in command.params):
            example = " ".join((command.help or "").partition("Example: ")[2].split())
            lines.append(example.replace(" --yes", "").replace(" --dry-run", "").replace(" --json", ""))
            assert name in example
    return lines


def test_what_destroys_is_known() -> None:
    verbs = {line.split()[1] + " " + line.split()[2] for line in destroying()}
    assert verbs == {
        *("contacts delete", "contacts erase", "lists delete", "lists replace"),
        *("tags delete", "fields delete", "activities undo"),
    }


@pytest.mark.parametrize("line", destroying())
def test_a_dry_run_changes_nothing(
    program: Program, client: Client, world: World, working: None, line: str
) -> None:
    world()
    before = state(client)
    ran = program.shell(f"{line} --dry-run")
    assert ran.status == 0, ran
    assert "would" in ran.out
    ran = program.shell(f"{line} --dry-run --json")
    assert ran.lines[0]["dry_run"] is True
    assert state(client) == before


@pytest.mark.parametrize("line", destroying())
def test_nothing_is_destroyed_where_nobody_can_be_asked(
    program: Program, client: Client, world: World, working: None, line: str
) -> None:
    world()
    before = state(client)
    ran = program.shell(line.replace(" --max-removed 20%", ""))
    assert ran.status == 2, ran
    assert "--yes" in ran.err
    assert state(client) == before


# Files


def test_an_import_says_what_it_did_not_take_and_why(program: Program, client: Client, working: None) -> None:
    made(
        client,
        "tom@example.org",
        email_address={"address": "tom@example.org", "permission_to_send": "unsubscribed"},
    )
    client.lists.create("News")
    held = program("import", "-", "--list", "News", feed=PEOPLE + b"tom@example.org,Tom\n")
    assert held.status == 0, held
    assert "the contact has unsubscribed: line 4 tom@example.org" in held.out
    rejected = program("import", "-", "--list", "News", feed=PEOPLE + b"nonsense,N\n")
    assert rejected.status == 6
    assert "line 4 nonsense" in rejected.out
    (line,) = program("import", "-", "--list", "News", "--json", feed=PEOPLE + b"nonsense,N\n").lines
    assert line["activity"]["status"]["unchanged_count"] == 2
    assert line["not_taken"][0] | {"reason": ""} == {
        "outcome": "rejected",
        "reason": "",
        "count": 1,
        "examples": [{"line": 4, "email": "nonsense"}],
    }


def test_an_import_that_fails_has_a_status_of_its_own(
    program: Program, client: Client, working: None
) -> None:
    client.lists.create("News")
    ran = program("import", "-", "--list", "News", feed="first_name\nAnn\n")
    assert ran.status == 5
    assert ": failed)" in ran.err
    assert program("import", "nowhere.csv", "--list", "News").status == 2


def test_lists_can_be_made_by_an_import(program: Program, client: Client, working: None) -> None:
    assert program("import", "-", "--list", "New one", feed=PEOPLE).status == 3
    assert program("import", "-", "--list", "New one", "--create-list", feed=PEOPLE).status == 0
    there = client.lists.list(include_membership_count="all").first()
    assert there
    assert (there.name, there.membership_count) == ("New one", 2)


def test_an_import_that_nobody_works_on_can_be_left_and_found_again(program: Program, client: Client) -> None:
    client.lists.create("News")
    ran = program("import", "-", "--list", "News", "--no-wait", "--json", feed=PEOPLE)
    (line,) = ran.lines
    assert line["state"] == "initialized"
    waited = program("activities", "watch", "last", "--timeout", "0.2")
    assert waited.status == 5
    assert line["activity_id"] in waited.err
    assert program("activities", "cancel", "last").status == 0
    assert program("activities", "watch", "last").status == 5


def test_an_export_is_the_same_in_a_file_and_in_a_pipe(
    program: Program, client: Client, working: None
) -> None:
    list_id = client.lists.create("News").list_id
    made(client, "ann@example.org", first_name="Ann", list_memberships=[list_id])
    made(client, "ben@example.org")
    words = ("--list", "news", "--fields", "email_address,first_name")
    assert program("export", "out.csv", *words).status == 0
    piped = program("export", *words)
    assert (program.home / "out.csv").read_bytes().decode() == piped.out
    assert "ann@example.org" in piped.out
    assert "ben@example.org" not in piped.out


# Replacing


def members(client: Client) -> set[str | None]:
    list_id = client.lists.list().page().items[0].list_id
    return {one.email for one in client.contacts.list(lists=list_id)}


def test_a_replacement_says_what_changed_and_the_peak(
    program: Program, client: Client, working: None
) -> None:
    client.lists.create("Daily")
    made(
        client,
        "tom@example.org",
        email_address={"address": "tom@example.org", "permission_to_send": "unsubscribed"},
    )
    words = ("lists", "replace", "daily", "-", "--max-removed", "50%")
    first = program(*words, feed=PEOPLE)
    assert '"Daily" has 2 contacts now.' in first.out
    changed = program(
        *words, feed=b"email,first_name\nann@example.org,Anna\ncat@example.org,Cat\ntom@example.org,Tom\n"
    )
    assert changed.status == 0, changed
    counts = dict(
        line.rsplit(maxsplit=1)
        for line in changed.out.splitlines()
        if line.startswith("  ") and ":" not in line
    )
    assert {name.strip(): count for name, count in counts.items()} == {
        "added": "1",
        "new contacts": "1",
        "removed": "1",
        "kept": "1",
        "updated": "1",
        "held back": "1",
    }
    assert "the contact has unsubscribed: line 4 tom@example.org" in changed.out
    assert "active contacts, first reached on" in changed.out
    assert members(client) == {"ann@example.org", "cat@example.org"}


def test_a_replacement_that_would_take_off_too_many_changes_nothing(
    program: Program, client: Client, working: None
) -> None:
    client.lists.create("Daily")
    program("lists", "replace", "Daily", "-", "--yes", feed=PEOPLE)
    for share in ("20%", "20", "49.9"):
        ran = program(
            "lists", "replace", "Daily", "-", "--max-removed", share, feed="email\nann@example.org\n"
        )
        assert ran.status == 5
        assert "1 of 2 contacts would leave the list" in ran.err
    assert program("lists", "replace", "Daily", "-", "--max-removed", "120%", feed=PEOPLE).status == 2
    assert len(members(client)) == 2


def test_leavers_may_be_deleted(program: Program, client: Client, working: None) -> None:
    client.lists.create("Daily")
    program("lists", "replace", "Daily", "-", "--yes", feed=PEOPLE)
    words = ("lists", "replace", "Daily", "-", "--yes", "--leavers", "delete")
    ran = program(*words, feed="email\nann@example.org\n")
    assert "deleted" in ran.out
    assert [one.email for one in client.contacts.list()] == ["ann@example.org"]
    assert program("activities", "undo", "last", "--yes").status == 0
    assert len(list(client.contacts.list())) == 2


# The chart


def month(*highs: int) -> Usage:
    days = [
        UsageDay(day=date(2026, 11, number), high=high, low=0, close=0)
        for number, high in enumerate(highs, 1)
    ]
    return Usage(month="2026-11", time_zone="UTC", peak=max(highs, default=0), days=days)


def test_the_chart_has_the_peak_at_full_height_and_marks_it() -> None:
    *bars, marks, numbers = chart(month(10, 40, 80, 0, 20, 1), blocks=True)
    columns = ["".join(line[4 + 2 * day : 5 + 2 * day] or " " for line in bars) for day in range(6)]
    assert columns[2] == "█" * 8
    assert [column.count("█") for column in columns] == [1, 4, 8, 0, 2, 0]
    assert columns[3].strip() == ""
    assert columns[5].strip() != "", "one is not nothing"
    assert marks.index("▲") == 4 + 2 * 2
    assert numbers.split() == ["1", "6"]
    assert bars[0].startswith("80 ")
    assert bars[-1].startswith(" 0 ")


def test_a_chart_of_little_change_says_where_it_begins() -> None:
    *bars, _, _ = chart(month(1000, 1020, 1040), blocks=True)
    assert bars[-1].startswith("  980 ")
    assert bars[0].startswith("1,040 ")


def test_the_chart_can_be_plain(program: Program, client: Client) -> None:
    made(client, "ann@example.org")
    assert program("usage", "--ascii").out.isascii()
    ran = program("usage", PYTHONIOENCODING="ascii")
    assert ran.status == 0
    assert ran.out.isascii()
    assert "█" in program("usage").out
    assert "UTC" in program("usage", PYTHONTZPATH="").out
    assert chart(month(), blocks=False) == chart(month(0, 0), blocks=False) == ["(no active contacts)"]


# What a shell completes


def completed(program: Program, *words: str, shell: str = "bash") -> list[str]:
    ran = program(
        _EVERLIST_COMPLETE=f"{shell}_complete",
        COMP_WORDS=" ".join(("everlist", *words)),
        COMP_CWORD=str(len(words)),
    )
    assert ran.err == ""
    return [line.partition(",")[2] for line in ran.out.splitlines() if line]


def test_a_shell_completes_commands_options_and_names(program: Program, client: Client) -> None:
    client.lists.create("Daily")
    client.lists.create("Daily offers")
    client.tags.create("vip")
    assert completed(program, "lists", "re") == ["rename", "replace"]
    assert completed(program, "lists", "replace", "dai") == ["Daily", r"Daily\ offers"]
    assert completed(program, "contacts", "list", "--tag", "v") == ["vip"]
    assert completed(program, "contacts", "list", "--upd") == ["--updated-after"]
    nowhere = Program("http://127.0.0.1:1", "x", program.home)
    assert completed(nowhere, "lists", "replace", "dai") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_each_shell(program: Program, shell: str) -> None:
    ran = Program(program.url, None, program.home)("completion", shell)
    assert ran.status == 0, ran
    assert f"_EVERLIST_COMPLETE={shell}_complete" in ran.out
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=ran.out, text=True, check=True)


# Light


def without_server(code: str, program: Program) -> subprocess.CompletedProcess[str]:
    """Run Python where nothing of the server can be imported."""
    blocked = (
        "starlette",
        "uvicorn",
        "asyncpg",
        "structlog",
        "prometheus_client",
        "email_validator",
        "phonenumbers",
    )
    block = f"import sys, importlib.util\nfor name in {blocked}: sys.modules[name] = None\n"
    find = "find = importlib.util.find_spec\nimportlib.util.find_spec = lambda name, *a: sys.modules[name] if sys.modules.get(name, 0) is None else find(name, *a)\n"
    env = environment(program.url, program.token, program.home)
    return subprocess.run(
        [sys.executable, "-c", block + find + code], env=env, capture_output=True, text=True, timeout=60
    )


def test_the_commands_of_the_api_need_nothing_of_the_server(program: Program, client: Client) -> None:
    client.lists.create("News")
    run = "sys.argv = ['everlist', {}]\nfrom everlist.cli import main\nmain()"
    ran = without_server(run.format("'lists', 'list'"), program)
    assert ran.returncode == 0, ran
    assert "News" in ran.stdout
    refused = without_server(run.format("'serve'"), program)
    assert refused.returncode == 1
    assert 'pip install "everlist[server]"' in refused.stderr
    assert without_server(run.format("'--help'"), program).returncode == 0


def test_help_imports_little() -> None:
    code = "import sys, everlist.cli, json; print(json.dumps([*sys.modules]))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=os.environ)
    modules = {name.partition(".")[0] for name in json.loads(ran.stdout)}
    assert not modules & {"rich", "httpx2", "msgspec", "asyncpg", "starlette", "uvicorn"}


def test_each_option_says_what_it_does() -> None:
    for name, command in EXAMPLES.items():
        for param in command.params:
            if isinstance(param, click.Option) and not param.hidden:
                assert param.help, f"{name} {param.name}"
