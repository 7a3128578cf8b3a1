"""Random histories with confirmations: what a person ended, only that person begins again."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everlist.core import accounts, contacts, links, lists
from everlist.core.act import Act
from everlist.core.consent import MAILABLE, PERMISSIONS
from everlist.core.contacts import Contact, ContactDraft
from everlist.core.contacts.model import EmailDraft
from everlist.db import Database, Transaction
from everlist.errors import Conflict, Invalid
from tests.conftest import INSTALLATION, Sql
from tests.core.recount import recount

ADDRESSES = ("ann@example.org", "bob@example.org")
LIMITS = contacts.Limits("histories", per_source=1000, per_address=1000)
_addresses = st.sampled_from(ADDRESSES)
_permissions = st.sampled_from((None, *PERMISSIONS, "explicit", "explicit", "unsubscribed"))
_sources = st.sampled_from(("Contact", "Account", "Account"))
_contacts = st.integers(0, 1)
_moves = st.sampled_from((None, None, None, *ADDRESSES))
_questions = st.integers(0, 2)
# What matters most comes most often: else the long ways round an opt-out would hardly ever be gone.
STEPS = st.one_of(
    st.tuples(st.just("sign_up"), _addresses),
    st.tuples(st.just("sign_up"), _addresses),
    st.tuples(st.just("create"), _addresses, _permissions, _sources),
    st.tuples(st.just("put"), _contacts, _moves, _permissions, _sources),
    st.tuples(st.just("put"), _contacts, _moves, _permissions, _sources),
    st.tuples(st.just("put"), _contacts, _moves, _permissions, _sources),
    st.tuples(st.just("delete"), _contacts),
    st.tuples(st.just("confirm"), _questions),
    st.tuples(st.just("refuse"), _questions),
    st.tuples(st.just("unsubscribe"), _contacts),
    st.tuples(st.just("unsubscribe"), _contacts),
    st.tuples(st.just("resubscribe"), _contacts),
    st.tuples(st.just("setting"), st.sampled_from((True, True, False))),
)


class History:
    """One account; `opted_out` has the addresses whose person ended it and has not begun again."""

    def __init__(self, tx: Transaction, account_id: UUID, list_id: UUID) -> None:
        self.tx, self.account_id, self.list_id = tx, account_id, list_id
        self.now = datetime(2031, 1, 1, tzinfo=UTC)
        self.confirming = True
        self.ids: list[UUID] = []
        self.opted_out: set[str] = set()

    @property
    def act(self) -> Act:
        self.now += timedelta(minutes=1)
        return Act("history", self.now)

    async def play(self, step: tuple[Any, ...]) -> None:
        name, *args = step
        try:
            async with self.tx._connection.transaction():  # as a request: all or nothing
                await getattr(self, name)(*args)
        except (Invalid, Conflict):  # refused, as it may be
            pass

    def told(self, address: str, permission: str | None) -> None:
        """The person acted on that address, and this came of it."""
        if permission == "unsubscribed":
            self.opted_out.add(address)
        elif permission in MAILABLE:
            self.opted_out.discard(address)

    async def sign_up(self, address: str) -> None:
        draft = ContactDraft(email=EmailDraft(address), list_ids=(self.list_id,))
        made, created = await contacts.sign_up(
            self.tx,
            self.account_id,
            draft,
            source="Contact",
            limits=LIMITS,
            act=self.act,
            installation=INSTALLATION,
        )
        if created:
            self.ids.append(made.contact_id)
        if not self.confirming:
            self.told(address, "explicit")

    async def create(self, address: str, permission: str | None, source: str) -> None:
        draft = ContactDraft(email=EmailDraft(address, permission))
        made = await contacts.create(
            self.tx,
            self.account_id,
            draft,
            source=source,
            limits=LIMITS,
            act=self.act,
            installation=INSTALLATION,
        )
        self.ids.append(made.contact_id)
        if source == "Contact" and (made.permission == "unsubscribed" or not self.confirming):
            self.told(address, made.permission)

    async def put(self, number: int, address: str | None, permission: str | None, source: str) -> None:
        if (contact := await self.contact(number)) is None:
            return
        address = address or contact.email or ""
        draft = ContactDraft(email=EmailDraft(address, permission), list_ids=(self.list_id,))
        after = await contacts.replace(
            self.tx,
            self.account_id,
            contact.contact_id,
            draft,
            source=source,
            act=self.act,
            installation=INSTALLATION,
        )
        if after.permission == "unsubscribed" and after.opt_out_source == "Contact":
            self.opted_out.add(address)  # it goes along with the contact
        elif source == "Contact":
            self.opted_out.discard(address)

    async def delete(self, number: int) -> None:
        contact = await self.contact(number)
        if contact is not None and contact.deleted_at is None:
            await contacts.delete(self.tx, self.account_id, contact.contact_id, act=self.act)

    async def question(self, number: int) -> tuple[str, UUID] | None:
        rows = await self.tx.rows(
            "select link_token, contact_id from mail where account_id = $1 order by mail_id desc",
            self.account_id,
        )
        return (rows[number]["link_token"], rows[number]["contact_id"]) if number < len(rows) else None

    async def confirm(self, number: int) -> None:
        if (asked := await self.question(number)) is None:
            return
        token = links.read_token(asked[0])
        assert token is not None
        _, answered = await contacts.confirm(self.tx, *token, act=self.act, installation=INSTALLATION)
        contact = await contacts.get(self.tx, self.account_id, asked[1])
        if answered:
            assert (contact.permission, contact.deleted_at) == ("explicit", None)
            self.told(contact.email or "", "explicit")

    async def refuse(self, number: int) -> None:
        if (asked := await self.question(number)) is None:
            return
        token = links.read_token(asked[0])
        assert token is not None
        told, answered = await contacts.refuse(self.tx, *token, act=self.act, installation=INSTALLATION)
        contact = await contacts.get(self.tx, self.account_id, asked[1])
        if answered and told.kind == "sign_up" and contact.permission == "unsubscribed":
            self.told(contact.email or "", "unsubscribed")

    async def unsubscribe(self, number: int) -> None:
        if (contact := await self.contact(number)) is not None:
            await contacts.unsubscribe(self.tx, self.account_id, contact.contact_id, act=self.act)
            self.told(contact.email or "", "unsubscribed")

    async def resubscribe(self, number: int) -> None:
        if (contact := await self.contact(number)) is not None:
            await contacts.request_resubscribe(
                self.tx,
                self.account_id,
                contact.contact_id,
                [self.list_id],
                act=self.act,
                installation=INSTALLATION,
            )

    async def setting(self, confirming: bool) -> None:
        change = accounts.SettingsChange(confirmed_opt_in=confirming)
        await accounts.change_settings(self.tx, self.account_id, change)
        self.confirming = confirming

    async def contact(self, number: int) -> Contact | None:
        if number >= len(self.ids):
            return None
        return await contacts.get(self.tx, self.account_id, self.ids[number])

    async def check(self) -> None:
        for contact_id in self.ids:
            contact = await contacts.get(self.tx, self.account_id, contact_id)
            if contact.permission in MAILABLE:
                assert contact.email not in self.opted_out, msgspec.structs.asdict(contact)
        twice = await self.tx.value(
            "select count(*) from (select contact_id, kind from confirmation where account_id = $1 and replaced_at is null"
            " and confirmed_at is null and refused_at is null group by 1, 2 having count(*) > 1) open",
            self.account_id,
        )
        assert twice == 0


@settings(
    max_examples=2000 if os.environ.get("EVERLIST_LONG") == "1" else 100,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=20, max_size=40))
def test_what_the_person_ended_only_the_person_begins(
    portal: BlockingPortal, database: Database, sql: Sql, steps: list[tuple[Any, ...]]
) -> None:
    async def play() -> UUID:
        async with database.transaction() as tx:
            now = datetime.now(UTC)
            account = await accounts.create(tx, f"history {uuid4()}", now=now)
            change = accounts.SettingsChange(sender_email="a@harbour.example", confirmed_opt_in=True)
            await accounts.change_settings(tx, account.account_id, change)
            draft = lists.ListDraft("News", None, favorite=False)
            made = await lists.create(tx, account.account_id, draft, now=now)
            history = History(tx, account.account_id, made.list_id)
            for step in steps:
                await history.play(step)
                await history.check()
        return account.account_id

    account_id = portal.call(play)
    recount(sql, account_id)
    sql("delete from mail_due where account_id = $1", account_id)
