"""Core operations keep the rules by themselves: a new edge cannot leave one out."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import msgspec
import pytest
from anyio.from_thread import BlockingPortal

from everlist.core import accounts, contacts
from everlist.core.act import Act
from everlist.core.contacts import ContactDraft
from everlist.core.contacts.model import EmailDraft
from everlist.core.ids import new_id
from everlist.core.installation import Installation
from everlist.core.privacy import job, ledger
from everlist.core.privacy.erase import erase
from everlist.core.privacy.erasures import checked_reason
from everlist.db import Database, Transaction
from everlist.errors import Invalid
from tests.conftest import SECRET_KEY, Sql

T = TypeVar("T")

ADDRESS = "ann@example.org"
DRAFT = ContactDraft(email=EmailDraft(ADDRESS))
LIMITS = contacts.Limits("the new edge", per_source=10, per_address=3)


class Edge:
    """An edge with the least that compiles: a transaction, an act, and the installation."""

    def __init__(self, portal: BlockingPortal, database: Database, folder: Path) -> None:
        self._portal, self._database = portal, database
        self.erase_ledger = folder / "erase-ledger"
        self.installation = Installation(
            secret_key=SECRET_KEY.encode(), erase_ledger=self.erase_ledger, mail_folder=folder
        )
        self.act = Act("POST /new-edge", datetime.now(UTC))
        account = self.write(lambda tx: accounts.create(tx, f"edge {new_id()}", now=self.act.now))
        self.account_id = account.account_id

    def write(self, operation: Callable[[Transaction], Awaitable[T]]) -> T:
        return self._portal.call(lambda: self._database.write(operation))

    def ask_to_confirm(self) -> None:
        """Switch confirmed opt-in on."""
        change = accounts.SettingsChange(confirmed_opt_in=True, sender_email="news@harbour.example")
        self.write(lambda tx: accounts.change_settings(tx, self.account_id, change))

    def create(self, source: str) -> contacts.Contact:
        return self.write(
            lambda tx: contacts.create(
                tx,
                self.account_id,
                DRAFT,
                source=source,
                limits=LIMITS,
                act=self.act,
                installation=self.installation,
            )
        )

    def sign_up(self, source: str = "Contact") -> contacts.Contact:
        contact, _ = self.write(
            lambda tx: contacts.sign_up(
                tx,
                self.account_id,
                DRAFT,
                source=source,
                limits=LIMITS,
                act=self.act,
                installation=self.installation,
            )
        )
        return contact

    def erased(self) -> list[UUID | None]:
        """Return the contacts in the lines of the erase ledger."""
        lines = list(ledger.read(self.erase_ledger))
        assert all(isinstance(line, ledger.Line) for line in lines), lines
        return [line.contact_id for line in lines if isinstance(line, ledger.Line)]


@pytest.fixture
def edge(portal: BlockingPortal, database: Database, tmp_path: Path) -> Iterator[Edge]:
    return Edge(portal, database, tmp_path)


def queued_mail(edge: Edge, sql: Sql) -> list[UUID]:
    rows = sql("select contact_id from mail where account_id = $1", edge.account_id)
    return [row["contact_id"] for row in rows]


def test_an_erasure_is_written_to_the_erase_ledger(edge: Edge, sql: Sql) -> None:
    contact = edge.create("Account")
    erasure_id = new_id()
    (erasure,) = edge.write(
        lambda tx: erase(
            tx,
            edge.account_id,
            {contact.contact_id: erasure_id},
            reason=checked_reason("asked by letter"),
            act=edge.act,
            installation=edge.installation,
        )
    )
    assert erasure.erasure_id == erasure_id
    assert edge.erased() == [contact.contact_id]
    assert sql("select 1 from contact where account_id = $1", edge.account_id) == []


def test_an_erasure_by_address_keeps_the_address_away_and_names_lists_that_exist(
    edge: Edge, sql: Sql
) -> None:
    def request(**given: list[str] | list[UUID]) -> str:
        activity = edge.write(
            lambda tx: job.request_erasure(
                tx,
                edge.account_id,
                reason=checked_reason("asked by letter"),
                act=edge.act,
                installation=edge.installation,
                **given,  # type: ignore[arg-type]
            )
        )
        return activity.kind

    assert request(email_addresses=[ADDRESS]) == "contact_erase"
    (entry,) = sql("select reason from suppression where account_id = $1", edge.account_id)
    assert entry["reason"] == "erasure"
    with pytest.raises(Invalid, match="list_ids: no list has the id"):
        request(list_ids=[new_id()])
    with pytest.raises(Invalid, match="give exactly one of them"):
        request(list_ids=[new_id()], contact_ids=[new_id()])
    with pytest.raises(Invalid, match="contact_ids: at most 500"):
        request(contact_ids=[new_id() for _ in range(501)])
    with pytest.raises(Invalid, match=r"email_addresses\[1\]"):
        request(email_addresses=[ADDRESS, "nobody"])


@pytest.mark.parametrize("operation", ["create", "sign_up"])
def test_a_sign_up_waits_for_its_confirmation(edge: Edge, sql: Sql, operation: str) -> None:
    edge.ask_to_confirm()
    contact = getattr(edge, operation)("Contact")
    assert contact.permission == "pending_confirmation"
    assert queued_mail(edge, sql) == [contact.contact_id]
    events = sql(
        "select permission_after from consent_event where account_id = $1 order by event_id", edge.account_id
    )
    assert [row["permission_after"] for row in events] == ["pending_confirmation"]


@pytest.mark.parametrize("operation", ["create", "sign_up"])
def test_without_confirmed_opt_in_no_mail_is_sent(edge: Edge, sql: Sql, operation: str) -> None:
    assert getattr(edge, operation)("Contact").permission == "explicit"
    assert queued_mail(edge, sql) == []


def test_no_operation_lets_its_caller_switch_a_rule_off() -> None:
    """No public operation has a parameter that says whether to confirm, and none defaults the installation."""
    for name in ("create", "sign_up", "replace", "confirm", "refuse", "request_resubscribe"):
        parameters = inspect.signature(getattr(contacts, name)).parameters
        assert not {"confirm", "must_confirm"} & set(parameters), name
        assert parameters["installation"].default is inspect.Parameter.empty, name
    for field in msgspec.structs.fields(Installation):
        assert field.required, field.name
