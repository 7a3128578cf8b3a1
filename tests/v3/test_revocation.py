"""A token that was revoked opens nothing, at once and in every process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from time import monotonic

import pytest
from anyio.from_thread import BlockingPortal

from everlist.core import accounts, tokens
from everlist.db import Database
from everlist.settings import Settings
from tests.conftest import Api, NewToken
from tests.server import Server

AT_ONCE = 30.0
"""Seconds that a notification may take on a busy machine; far less than a minute, which memory lasts."""

Revoke = Callable[[accounts.Account, str], None]


@pytest.fixture
def revoke(database: Database, portal: BlockingPortal) -> Revoke:
    """Revokes every token of the account but the one that is kept."""

    def run(account: accounts.Account, kept: str) -> None:
        async def operation() -> None:
            keep = await tokens.Keyring(database).find(kept)
            for token in await tokens.of_account(database, account.account_id):
                if keep is None or token.token_id != keep.token_id:
                    await database.write(
                        lambda tx, token=token: tokens.revoke(
                            tx, account.account_id, token.token_id, now=datetime.now(UTC)
                        )
                    )

        portal.call(operation)

    return run


@pytest.fixture
def doomed(running: Server, alices_account: accounts.Account, new_token: NewToken) -> Iterator[Api]:
    """A second token of alice's account."""
    api = Api(running.url, new_token(alices_account, "contact_data"), alices_account)
    yield api
    api.http.close()


def stops_working(api: Api) -> None:
    deadline = monotonic() + AT_ONCE
    while api.get("/contacts").status != 401:
        assert monotonic() < deadline, "the token still works"
    assert {api.get("/contacts").status for _ in range(10)} == {401}


def test_a_revoked_token_stops_working_at_once(
    alice: Api, doomed: Api, alices_account: accounts.Account, revoke: Revoke
) -> None:
    assert {doomed.get("/contacts").status for _ in range(3)} == {200}
    revoke(alices_account, alice.token or "")
    stops_working(doomed)
    assert doomed.post("/contact_tags", {"name": "x"}).status == 401
    assert alice.get("/contacts").status == 200
    assert alice.get("/contact_tags").json == {"tags": []}


def test_a_revoked_token_stops_working_in_every_process(
    alice: Api,
    doomed: Api,
    alices_account: accounts.Account,
    revoke: Revoke,
    settings: Settings,
    dsn: str,
    portal: BlockingPortal,
) -> None:
    with Server(settings, dsn, portal) as second:
        there = Api(second.url, doomed.token)
        try:
            assert doomed.get("/contacts").status == there.get("/contacts").status == 200
            revoke(alices_account, alice.token or "")
            stops_working(doomed)
            stops_working(there)
        finally:
            there.http.close()


def test_a_token_that_was_never_used_can_be_revoked(
    alice: Api, doomed: Api, alices_account: accounts.Account, revoke: Revoke
) -> None:
    revoke(alices_account, alice.token or "")
    assert doomed.get("/contacts").status == 401


def test_an_unknown_token_is_unauthorized(running: Server) -> None:
    api = Api(running.url, "ev_" + "x" * 43)
    try:
        reply = api.get("/contacts")
        assert (reply.status, reply.json["error_key"]) == (401, "unauthorized")
    finally:
        api.http.close()
