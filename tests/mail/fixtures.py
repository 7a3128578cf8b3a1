"""An account that confirms by mail, a mail server that can fail, and a postman who walks when told to."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import httpx2
import pytest
from aiosmtpd.smtp import SMTP as Session
from aiosmtpd.smtp import Envelope
from anyio.from_thread import BlockingPortal

from everlist.core import accounts
from everlist.db import Database
from everlist.mail import Postman
from everlist.settings import Settings, Smtp
from tests.conftest import Api, NewToken, Sql
from tests.server import Server
from tests.v3.helpers import new_list

SENDER = "news@harbour.example"


class MailServer:
    """Takes mail, or fails as told. It keeps the bytes of every mail that it took."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.rcpt = self.data = ""
        """What it says instead of 250, once `drop` is false; empty for 250."""
        self.drop = False
        """Whether it ends the connection after the text of a mail, without a word."""

    async def handle_RCPT(
        self, session: Session, _: Any, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.rcpt:
            return self.rcpt
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: Session, _: Any, envelope: Envelope) -> str:
        if self.drop:
            assert server.transport is not None
            server.transport.abort()
            return "451 never heard"
        if self.data:
            return self.data
        self.taken.append(envelope)
        return "250 OK"

    def raw(self) -> bytes:
        """The bytes of the one mail that was taken, as they came over the wire."""
        (envelope,) = self.taken
        assert isinstance(envelope.original_content, bytes)
        return envelope.original_content


class Post:
    """The outbox of alice's account, and the way from it."""

    def __init__(
        self, database: Database, settings: Settings, portal: BlockingPortal, sql: Sql, account_id: Any
    ) -> None:
        self.server = MailServer()
        self._listening: asyncio.Server | None = None
        self._sessions: list[Session] = []
        self._database, self._settings, self._portal, self._sql = database, settings, portal, sql
        self.account_id = account_id
        self.port = 1  # nobody listens there

    def open(self, **options: Any) -> None:
        """Let the mail server listen."""
        self._portal.call(self._open, options)

    async def _open(self, options: dict[str, Any]) -> None:
        implicit = options.pop("implicit_tls", None)
        loop = asyncio.get_running_loop()

        def session() -> Session:
            made = Session(self.server, enable_SMTPUTF8=True, hostname="mail.example", loop=loop, **options)
            self._sessions.append(made)
            return made

        self._listening = await loop.create_server(session, "127.0.0.1", 0, ssl=implicit)
        self.port = self._listening.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Let nobody listen any more; who is connected is cut off."""
        self._portal.call(self._close)

    async def _close(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        for session in self._sessions:
            if session.transport is not None:
                session.transport.abort()
        await asyncio.sleep(0)

    def deliver(self, *, after: timedelta = timedelta(), **smtp: Any) -> None:
        """Send all mail that is due, as a worker would at that time from now."""
        self._portal.call(
            self._deliver, replace(self._settings, smtp=Smtp("127.0.0.1", self.port, **smtp)), after
        )

    def keep(self) -> None:
        """The same, without a mail server."""
        self._portal.call(self._deliver, self._settings, timedelta())

    async def _deliver(self, settings: Settings, after: timedelta) -> None:
        postman = Postman(self._database, settings)
        try:
            while await postman.deliver(now=datetime.now(UTC) + timedelta(seconds=1) + after):
                pass
        finally:
            await postman.close()

    def rows(self, table: str = "mail") -> list[dict[str, Any]]:
        query = f"select * from {table} where account_id = $1 order by 2, 3"
        return [dict(row) for row in self._sql(query, self.account_id)]

    def messages(self) -> list[EmailMessage]:
        """The mails that the server took, parsed."""
        return [
            email.message_from_bytes(one.original_content or b"", policy=email.policy.default)
            for one in self.server.taken
        ]

    def link(self, number: int = -1) -> str:
        """The path of the link in one of the mails that were taken."""
        return link_of(self.messages()[number])


def link_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    found = re.search(r"^http://127\.0\.0\.1:8080(/confirm/\S+)\s*$", body.get_content(), re.MULTILINE)
    assert found, body.get_content()
    return found[1]


@pytest.fixture
def post(
    database: Database, settings: Settings, portal: BlockingPortal, sql: Sql, alices_account: accounts.Account
) -> Iterator[Post]:
    """An open mail server, and no mail of other tests."""
    sql("delete from mail_due")
    made = Post(database, settings, portal, sql, alices_account.account_id)
    made.open()
    yield made
    made.close()


@pytest.fixture
def steward(running: Server, alices_account: accounts.Account, new_token: NewToken) -> Iterator[Api]:
    """May change the settings of alice's account, and nothing else."""
    api = Api(running.url, new_token(alices_account, "account_read", "account_update"), alices_account)
    yield api
    api.http.close()


Change = Callable[..., Any]


@pytest.fixture
def change(steward: Api) -> Change:
    """Changes settings of alice's account: change(confirmed_opt_in=True)."""

    def run(**settings: Any) -> Any:
        reply = steward("PATCH", "/everlist/v1/account/settings", json=settings)
        assert reply.status == 200, reply
        return reply.json

    return run


@pytest.fixture
def confirming(change: Change) -> None:
    """Alice's account asks by mail whoever signs up."""
    change(
        name=f"Harbour Books {datetime.now(UTC).timestamp()}",
        confirmed_opt_in=True,
        sender_email=SENDER,
        sender_name="Zoë of Harbour Books",
        postal_address="1 Quay Street\nPeoria, IL 61602",
    )


@pytest.fixture
def a_list(alice: Api) -> str:
    return new_list(alice, "Reading circle")


@pytest.fixture
def browser(running: Server) -> Iterator[httpx2.Client]:
    """Somebody who was sent a link: no token, no cookie."""
    with httpx2.Client(base_url=running.url, timeout=30, verify=False, follow_redirects=False) as client:
        yield client
