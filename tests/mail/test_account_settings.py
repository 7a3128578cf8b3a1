"""GET and PATCH /everlist/v1/account/settings, and the settings of the server that mail needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from everlist import settings
from everlist.errors import StartError
from everlist.settings import Smtp
from tests.conftest import Api, NewToken, Sql
from tests.mail.fixtures import Change
from tests.v3.helpers import refused

PATH = "/everlist/v1/account/settings"


def test_what_an_account_begins_with(steward: Api) -> None:
    found = steward("GET", PATH).json
    assert found == {
        "name": found["name"],
        "time_zone": "UTC",
        "confirmed_opt_in": False,
        "sender_name": None,
        "sender_email": None,
        "postal_address": None,
    }


def test_what_is_left_out_stays_and_null_takes_away(steward: Api, change: Change) -> None:
    change(time_zone="America/Chicago", sender_name=" Zoë ", sender_email="a@harbour.example")
    assert change(confirmed_opt_in=True, sender_name=None)["sender_name"] is None
    found = steward("GET", PATH).json
    assert (found["time_zone"], found["sender_email"]) == ("America/Chicago", "a@harbour.example")
    assert found["confirmed_opt_in"] is True
    assert change()["confirmed_opt_in"] is True


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": "a\r\nBcc: x@example.org"}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"time_zone": None}, "time_zone"),
        ({"confirmed_opt_in": "yes"}, "confirmed_opt_in"),
        ({"confirmed_opt_in": True}, "sender_email"),
        ({"sender_name": "a\nb"}, "sender_name"),
        ({"sender_name": "x" * 101}, "sender_name"),
        ({"sender_email": "nobody"}, "sender_email"),
        ({"sender_email": "a@harbour.example\r\nBcc: x@example.org"}, "sender_email"),
        ({"sender_email": "zoë@harbour.example"}, "sender_email"),
        ({"postal_address": "x" * 501}, "postal_address"),
        ({"postal_address": "a\x07b"}, "postal_address"),
    ],
)
def test_what_is_refused(steward: Api, body: dict[str, Any], field: str) -> None:
    before = steward("GET", PATH).json
    refused(steward("PATCH", PATH, json=body), 400, field)
    assert steward("GET", PATH).json == before


def test_the_sender_stays_while_it_is_needed(steward: Api, change: Change) -> None:
    change(confirmed_opt_in=True, sender_email="a@harbour.example")
    refused(steward("PATCH", PATH, json={"sender_email": None}), 400, "confirmed_opt_in")


def test_a_name_that_another_account_has(steward: Api, charlie: Api, sql: Sql) -> None:
    (row,) = sql("select name from account where account_id = $1", charlie.account_id)
    refused(steward("PATCH", PATH, json={"name": row["name"].upper()}), 409)


def test_the_scopes(
    alice: Api, anonymous: Api, running: Any, alices_account: Any, new_token: NewToken
) -> None:
    """A token for contacts cannot switch the confirmation off."""
    reader = Api(running.url, new_token(alices_account, "account_read"), alices_account)
    assert [alice(method, PATH, json={}).status for method in ("GET", "PATCH")] == [403, 403]
    assert [reader(method, PATH, json={}).status for method in ("GET", "PATCH")] == [200, 403]
    assert [anonymous(method, PATH, json={}).status for method in ("GET", "PATCH")] == [401, 401]
    reader.http.close()


def loaded(directory: Path, **environ: str) -> settings.Settings:
    return settings.load({f"EVERLIST_{name}": value for name, value in environ.items()}, data_dir=directory)


@pytest.mark.parametrize(
    ("url", "smtp"),
    [
        ("smtp://mail.example", Smtp("mail.example", 25)),
        ("smtp://mail.example:2525/", Smtp("mail.example", 2525)),
        ("smtp://a:b@127.0.0.1:2525", Smtp("127.0.0.1", 2525, "none", "a", "b")),
        ("starttls://a%40b:p%3A%2F@mail.example", Smtp("mail.example", 587, "starttls", "a@b", "p:/")),
        ("smtps://a:b@mail.example", Smtp("mail.example", 465, "tls", "a", "b")),
        ("smtps://[2001:db8::1]:466", Smtp("2001:db8::1", 466, "tls")),
    ],
)
def test_mail_servers(tmp_path: Path, url: str, smtp: Smtp) -> None:
    assert loaded(tmp_path, SMTP_URL=url).smtp == smtp


@pytest.mark.parametrize(
    "url",
    [
        *("mail.example", "http://mail.example", "smtp://", "smtp://mail.example/inbox"),
        *("smtp://mail.example:0", "smtp://mail.example:99999", "smtp://secret@mail.example"),
        *("smtp://a:secret@mail.example", "smtps://mail.example?secret=1", "smtp://[::1"),
    ],
)
def test_what_is_no_mail_server(tmp_path: Path, url: str) -> None:
    with pytest.raises(StartError) as error:
        loaded(tmp_path, SMTP_URL=url)
    assert "EVERLIST_SMTP_URL" in str(error.value)
    assert "secret" not in str(error.value)


def test_a_password_is_not_shown(tmp_path: Path) -> None:
    assert "hunter2" not in repr(loaded(tmp_path, SMTP_URL="smtps://a:hunter2@mail.example"))


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("", "http://127.0.0.1:8080"),
        ("https://mail.example.org/", "https://mail.example.org"),
        ("https://example.org:8443/lists", "https://example.org:8443/lists"),
    ],
)
def test_public_addresses(tmp_path: Path, url: str, base: str) -> None:
    assert loaded(tmp_path, PUBLIC_URL=url).base_url == base


@pytest.mark.parametrize(
    "url",
    [
        *(
            "mail.example.org",
            "ftp://mail.example.org",
            "https://",
            "https://a b.example",
            "https://x.example?a=1",
        ),
        *(
            "https://x.example#a",
            "https://user:pass@x.example",
            "https://x.example:port",
            "https://x.example\r\nA: b",
        ),
    ],
)
def test_what_is_no_public_address(tmp_path: Path, url: str) -> None:
    with pytest.raises(StartError, match="EVERLIST_PUBLIC_URL"):
        loaded(tmp_path, PUBLIC_URL=url)
