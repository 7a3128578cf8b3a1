"""/unsubscribe, /one-click and /preferences: leaving, by the links that Everlist makes. RFC 8058."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx2
import pytest
from anyio.from_thread import BlockingPortal

from everlist.core import contacts, links
from everlist.db import Database
from everlist.settings import Settings
from tests.conftest import SECRET_KEY, Api, Clock
from tests.server import Server
from tests.v3.helpers import NOBODY, Behind, email, get_contact, new_list, post_contact, refused

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
ADDRESS = "ruth@example.org"


@pytest.fixture
def lists(alice: Api) -> list[str]:
    return [new_list(alice, name) for name in ("Events", "News", "Reading circle")]


@pytest.fixture
def ruth(alice: Api, lists: list[str]) -> str:
    person = {"email_address": email(ADDRESS, "explicit"), "first_name": "Ruth", "list_memberships": lists}
    return post_contact(alice, **person)["contact_id"]


def paths(api: Api, contact_id: str) -> dict[str, str]:
    """The paths of a contact's pages: unsubscribe, one_click, preferences."""
    reply = api("GET", f"/everlist/v1/contacts/{contact_id}/links")
    assert reply.status == 200, reply
    return {
        name.removesuffix("_url"): urlsplit(value).path
        for name, value in reply.json.items()
        if name != "headers"
    }


@pytest.fixture
def links_of_ruth(alice: Api, ruth: str) -> dict[str, str]:
    return paths(alice, ruth)


def permission(alice: Api, contact_id: str) -> str:
    return get_contact(alice, contact_id)["email_address"]["permission_to_send"]


def test_the_links(alice: Api, ruth: str, clock: Clock) -> None:
    made = alice("GET", f"/everlist/v1/contacts/{ruth}/links").json
    assert set(made) == {"unsubscribe_url", "one_click_url", "preferences_url", "headers"}
    assert made["headers"] == {
        "List-Unsubscribe": f"<{made['one_click_url']}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert made["one_click_url"].startswith("http://127.0.0.1:8080/one-click/")
    assert all(len(url) < 110 and ruth not in url for url in made.values() if isinstance(url, str))
    clock.move(days=400)
    assert alice("GET", f"/everlist/v1/contacts/{ruth}/links").json == made


def test_who_gets_links(alice: Api, bob: Api, charlie: Api, anonymous: Api, ruth: str) -> None:
    path = f"/everlist/v1/contacts/{ruth}/links"
    assert [api("GET", path).status for api in (bob, anonymous)] == [403, 401]
    refused(charlie("GET", path), 404)
    refused(alice("GET", f"/everlist/v1/contacts/{NOBODY}/links"), 404)


@pytest.mark.parametrize("page", ["unsubscribe", "one_click", "preferences"])
def test_looking_changes_nothing(
    behind: Behind, links_of_ruth: dict[str, str], browser: httpx2.Client, page: str
) -> None:
    before = behind.everything()
    reply = browser.get(links_of_ruth[page])
    assert reply.status_code == 200
    assert browser.head(links_of_ruth[page]).status_code == 200
    assert browser.get(links_of_ruth[page], params=ONE_CLICK).status_code == 200
    assert behind.everything() == before
    assert "Ruth" not in reply.text
    assert ADDRESS not in reply.text


@pytest.mark.parametrize("form", [{"data": ONE_CLICK}, {"files": {"List-Unsubscribe": (None, "One-Click")}}])
def test_one_click(
    alice: Api,
    behind: Behind,
    ruth: str,
    links_of_ruth: dict[str, str],
    browser: httpx2.Client,
    form: dict[str, Any],
) -> None:
    """In both encodings that RFC 8058 allows; it follows no redirect and keeps no cookie."""
    reply = browser.post(links_of_ruth["one_click"], **form)
    assert reply.status_code == 200
    assert "set-cookie" not in reply.headers
    found = get_contact(alice, ruth, "list_memberships")
    assert found["email_address"]["permission_to_send"] == "unsubscribed"
    assert found["email_address"]["opt_out_source"] == "Contact"
    assert found["update_source"] == "Contact"
    assert found["list_memberships"] == []
    event = behind.events(ruth)[-1]
    assert (event["operation"], event["source"]) == ("POST /one-click/{link}", "Contact")
    before = behind.everything()
    assert browser.post(links_of_ruth["one_click"], **form).status_code == 200
    assert behind.everything() == before


def test_one_click_is_not_asked_for_a_token_or_an_origin(
    alice: Api, ruth: str, links_of_ruth: dict[str, str], browser: httpx2.Client
) -> None:
    headers = {"Origin": "https://mail.example", "Sec-Fetch-Site": "cross-site", "Authorization": "Bearer x"}
    assert browser.post(links_of_ruth["one_click"], data=ONE_CLICK, headers=headers).status_code == 200
    assert permission(alice, ruth) == "unsubscribed"


@pytest.mark.parametrize("page", ["unsubscribe", "one_click", "preferences"])
@pytest.mark.parametrize(
    "form", [{}, {"data": {"List-Unsubscribe": "no"}}, {"data": {"answer": "yes"}}, {"json": ONE_CLICK}]
)
def test_another_post_changes_nothing(
    behind: Behind, links_of_ruth: dict[str, str], browser: httpx2.Client, page: str, form: dict[str, Any]
) -> None:
    before = behind.everything()
    assert browser.post(links_of_ruth[page], **form).status_code == 400
    assert behind.everything() == before


def test_a_broken_form_is_a_page(links_of_ruth: dict[str, str], browser: httpx2.Client) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    reply = browser.post(links_of_ruth["unsubscribe"], content=b"--x\r\nnonsense", headers=headers)
    assert reply.status_code == 400
    assert reply.headers["content-type"].startswith("text/html")
    reply = browser.post(links_of_ruth["unsubscribe"], content=b"x" * 5_000_000, headers=headers)
    assert reply.status_code == 413


def test_the_button(
    alice: Api, behind: Behind, ruth: str, links_of_ruth: dict[str, str], browser: httpx2.Client
) -> None:
    page = browser.get(links_of_ruth["unsubscribe"]).text
    assert 'name="List-Unsubscribe" value="One-Click"' in page
    reply = browser.post(links_of_ruth["unsubscribe"], data=ONE_CLICK)
    assert reply.status_code == 200
    assert "You are unsubscribed" in reply.text
    assert behind.events(ruth)[-1]["operation"] == "POST /unsubscribe/{link}"
    assert "You are unsubscribed" in browser.get(links_of_ruth["unsubscribe"]).text
    assert permission(alice, ruth) == "unsubscribed"


def test_an_account_cannot_lift_it(
    alice: Api, ruth: str, links_of_ruth: dict[str, str], browser: httpx2.Client
) -> None:
    browser.post(links_of_ruth["one_click"], data=ONE_CLICK)
    body = {"update_source": "Account", "email_address": email(ADDRESS, "explicit")}
    refused(alice.put(f"/contacts/{ruth}", body), 400, "only the contact")


def test_an_opt_out_by_the_account_becomes_the_persons(
    alice: Api, ruth: str, links_of_ruth: dict[str, str], browser: httpx2.Client
) -> None:
    alice.put(
        f"/contacts/{ruth}", {"update_source": "Account", "email_address": email(ADDRESS, "unsubscribed")}
    )
    browser.post(links_of_ruth["one_click"], data=ONE_CLICK)
    assert get_contact(alice, ruth)["email_address"]["opt_out_source"] == "Contact"


def test_a_deleted_contact_can_still_leave(
    alice: Api, ruth: str, links_of_ruth: dict[str, str], browser: httpx2.Client
) -> None:
    alice.delete(f"/contacts/{ruth}")
    assert browser.post(links_of_ruth["one_click"], data=ONE_CLICK).status_code == 200
    found = get_contact(alice, ruth)
    assert "deleted_at" in found
    assert found["email_address"]["permission_to_send"] == "unsubscribed"
    again = alice.put(f"/contacts/{ruth}", {"update_source": "Account", "first_name": "Ruth"})
    assert again.json.get("email_address", found["email_address"])["permission_to_send"] == "unsubscribed"


def test_many_clicks_at_once(
    alice: Api, behind: Behind, ruth: str, links_of_ruth: dict[str, str], browser: httpx2.Client
) -> None:
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: browser.post(links_of_ruth["one_click"], data=ONE_CLICK), range(8)))
    assert [reply.status_code for reply in replies] == [200] * 8
    assert [move[2] for move in behind.moves(ruth)] == ["explicit", "unsubscribed"]


def test_a_contact_without_an_address_leaves_its_lists(
    alice: Api, lists: list[str], browser: httpx2.Client
) -> None:
    nobody = post_contact(alice, first_name="Ruth", list_memberships=lists)["contact_id"]
    assert browser.post(paths(alice, nobody)["one_click"], data=ONE_CLICK).status_code == 200
    assert get_contact(alice, nobody, "list_memberships")["list_memberships"] == []


def test_preferences(
    alice: Api,
    behind: Behind,
    ruth: str,
    lists: list[str],
    links_of_ruth: dict[str, str],
    browser: httpx2.Client,
) -> None:
    new_list(alice, "Secret plans")
    page = browser.get(links_of_ruth["preferences"]).text
    assert [name in page for name in ("Events", "News", "Reading circle", "Secret plans")] == [True] * 3 + [
        False
    ]
    events = behind.moves()
    form = {"action": "save", "shown": lists, "keep": lists[:1]}
    reply = browser.post(links_of_ruth["preferences"], data=form)
    assert reply.status_code == 200
    assert "Saved" in reply.text
    assert "News" not in reply.text
    assert get_contact(alice, ruth, "list_memberships")["list_memberships"] == lists[:1]
    assert permission(alice, ruth) == "explicit"
    assert behind.moves() == events
    before = behind.everything()
    assert browser.post(links_of_ruth["preferences"], data=form).status_code == 200
    assert behind.everything() == before


def test_a_list_that_was_not_shown_stays(
    alice: Api, ruth: str, lists: list[str], links_of_ruth: dict[str, str], browser: httpx2.Client
) -> None:
    """The contact joined it while the page was open."""
    form = {"action": "save", "shown": lists[:2], "keep": lists[:1]}
    browser.post(links_of_ruth["preferences"], data=form)
    found = get_contact(alice, ruth, "list_memberships")["list_memberships"]
    assert sorted(found) == sorted([lists[0], lists[2]])


def test_nobody_joins_a_list_by_the_page(
    alice: Api, charlie: Api, ruth: str, lists: list[str], links_of_ruth: dict[str, str], browser: Any
) -> None:
    other, foreign = new_list(alice, "Secret plans"), new_list(charlie, "Elsewhere")
    odd = {"action": "save", "shown": [*lists, other, foreign, "x"], "keep": [*lists, other, foreign, "x"]}
    assert browser.post(links_of_ruth["preferences"], data=odd).status_code == 200
    assert sorted(get_contact(alice, ruth, "list_memberships")["list_memberships"]) == sorted(lists)


def test_unsubscribing_on_the_page_of_preferences(
    alice: Api, behind: Behind, ruth: str, links_of_ruth: dict[str, str], browser: httpx2.Client
) -> None:
    reply = browser.post(links_of_ruth["preferences"], data={"action": "unsubscribe"})
    assert "You are unsubscribed" in reply.text
    assert permission(alice, ruth) == "unsubscribed"
    assert behind.events(ruth)[-1]["operation"] == "POST /preferences/{link}"
    assert "You are unsubscribed" in browser.get(links_of_ruth["preferences"]).text


def forged(link: str, account_id: UUID) -> list[str]:
    data = base64.urlsafe_b64decode(link)
    key = SECRET_KEY.encode()
    made = [
        data[:32] + bytes(16),
        data[:31] + bytes([data[31] ^ 1]) + data[32:],
        bytes([data[0] ^ 1]) + data[1:],
        data[:-1] + bytes([data[-1] ^ 128]),
        data[:47],
        data + b"x",
        b"",
    ]
    other_key = links.link(b"another key", account_id, uuid4())
    swapped = base64.urlsafe_b64decode(links.link(key, uuid4(), UUID(bytes=data[16:32])))
    crossed = data[:32] + swapped[32:]
    return [base64.urlsafe_b64encode(one).decode() for one in (*made, crossed)] + [other_key, "ü", "%00"]


@pytest.mark.parametrize("page", ["unsubscribe", "one-click", "preferences"])
def test_a_forged_link_is_a_page_that_says_nothing(
    alice: Api, behind: Behind, links_of_ruth: dict[str, str], browser: httpx2.Client, page: str
) -> None:
    before = behind.everything()
    told: set[str] = set()
    for link in forged(links_of_ruth["unsubscribe"].rpartition("/")[2], alice.account_id):
        if not link:
            continue
        form = {**ONE_CLICK, "action": "unsubscribe"}
        replies = [browser.get(f"/{page}/{link}"), browser.post(f"/{page}/{link}", data=form)]
        assert [reply.status_code for reply in replies] == [404, 404], link
        told |= {reply.text for reply in replies}
    assert len(told) == 1
    assert behind.everything() == before


def test_of_somebody_who_is_not_there_any_more(alice: Api, browser: httpx2.Client) -> None:
    """Signed by us, so the contact was there: a page says so, and a mail program is told that all is well."""
    link = links.link(SECRET_KEY.encode(), alice.account_id, uuid4())
    assert browser.get(f"/unsubscribe/{link}").status_code == 410
    assert browser.get(f"/preferences/{link}").status_code == 410
    assert browser.post(f"/unsubscribe/{link}", data=ONE_CLICK).status_code == 410
    assert browser.post(f"/preferences/{link}", data={"action": "save"}).status_code == 410
    assert browser.post(f"/one-click/{link}", data=ONE_CLICK).status_code == 200


def test_the_log_has_no_links(
    links_of_ruth: dict[str, str], browser: httpx2.Client, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    browser.get(links_of_ruth["unsubscribe"])
    browser.post(links_of_ruth["one_click"], data=ONE_CLICK)
    browser.get("/healthz")
    told = capfdbinary.readouterr()
    assert links_of_ruth["unsubscribe"].rpartition("/")[2].encode() not in told.out + told.err


def test_the_page_works_below_a_path(links_of_ruth: dict[str, str], browser: httpx2.Client) -> None:
    """Forms post to their own address, and the one link between pages is relative."""
    for page in links_of_ruth.values():
        html = browser.get(page).text
        assert "action=" not in html.replace('name="action"', "")
        assert 'href="/' not in html


def test_an_opt_out_waits_for_its_contact_however_long_even_if_the_mail_program_does_not(
    alice: Api,
    ruth: str,
    links_of_ruth: dict[str, str],
    settings: Settings,
    dsn: str,
    database: Database,
    portal: BlockingPortal,
) -> None:
    """Such as while a list of many is replaced, which holds everybody on it."""
    impatient = dataclasses.replace(settings, statement_timeout_seconds=1)

    def one_click(url: str) -> bool:
        """Whether there was an answer."""
        with httpx2.Client(verify=False, timeout=httpx2.Timeout(60, read=0.5)) as http:
            try:
                return http.post(url + links_of_ruth["one_click"], data=ONE_CLICK).status_code == 200
            except httpx2.TimeoutException:
                return False

    async def held(url: str) -> bool:
        waits = (
            "select extract(epoch from now() - min(query_start))::float from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock'"
        )
        async with database.transaction() as tx:
            await contacts.locked(tx, alice.account_id, UUID(ruth))
            answered = await asyncio.to_thread(one_click, url)
            waited = None
            async with asyncio.timeout(60):
                while waited is None:
                    waited = await database.value(waits)
            while waited < 1.5:
                waited = await database.value(waits)
                assert waited is not None, "it waits no longer"
        return answered

    with Server(impatient, dsn, portal) as server:
        assert portal.call(held, server.url) is False
    assert permission(alice, ruth) == "unsubscribed"
