"""Random histories of an account: after each step the contacts are the model's, and everything adds up."""

from __future__ import annotations

import dataclasses
import itertools
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar, cast
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from everlist.core import accounts, contacts, counters, custom_fields, lists, tags, usage
from everlist.core.act import Act
from everlist.core.consent import PERMISSIONS
from everlist.core.consent.sms import SMS_PERMISSIONS
from everlist.core.contacts import read
from everlist.core.contacts.model import CustomFieldDraft, EmailDraft, SmsConsentDraft, SmsDraft
from everlist.errors import Conflict, EverlistError, Invalid, NotFound
from tests.conftest import INSTALLATION
from tests.core import model
from tests.core.recount import recount

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from anyio.from_thread import BlockingPortal

    from everlist.db import Database, Transaction
    from tests.conftest import Sql

T = TypeVar("T")

LONG = os.environ.get("EVERLIST_LONG") == "1"
PROFILE = settings(
    max_examples=3000 if LONG else 50,
    stateful_step_count=80 if LONG else 40,
    deadline=None,
    database=None,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)

# Five people in eight spellings, three numbers, and two of everything else: what can collide does.
ADDRESSES = (
    *("ann@example.org", "Ann@Example.ORG"),
    *("bob@example.org", "BOB@EXAMPLE.ORG"),
    *("carl@bücher.example", "Carl@XN--BCHER-kva.example"),
    *("dora@example.org", "emil@example.org"),
)
LIMITS = contacts.Limits("histories", per_source=1000, per_address=1000)
ENOUGH = 3  # contacts; beyond them no address would be free to move to
NUMBERS = ("12025550101", "12025550102", "12025550103")
NOTHING = UUID("00000000-0000-7000-8000-000000000000")
FEW = 2
MISSING = FEW  # the index of a list, tag, field or contact that does not exist
_account_numbers = itertools.count(1)


class Wish(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """A draft with indices in place of ids, so that it reads the same in every account."""

    email: str | None = None
    permission: str | None = None
    reason: str | None = None
    first_name: str | None = None
    company_name: str | None = None
    number: str | None = None
    sms_permission: str = "explicit"
    lists: tuple[int, ...] | None = None
    tags: tuple[int, ...] | None = None
    values: dict[int, str] | None = None


def _rarely(index: int) -> st.SearchStrategy[int]:
    """An index that exists, and rarely the one that does not."""
    return st.integers(0, 40).map(lambda drawn: index if drawn == 40 else drawn % FEW)


_INDICES = st.lists(_rarely(MISSING), max_size=3).map(tuple)
_PERMISSIONS = st.none() | st.sampled_from(["unsubscribed", "explicit"]) | st.sampled_from(PERMISSIONS)


def _wishes(*, permission: bool, tagged: bool) -> st.SearchStrategy[Wish]:
    nothing = st.none()
    return st.builds(
        Wish,
        email=st.sampled_from(ADDRESSES) | nothing,
        permission=_PERMISSIONS if permission else nothing,
        reason=st.sampled_from([None, "too many mails", "moved"]) if permission else nothing,
        first_name=st.sampled_from([None, "", "Ann", "Bob"]),
        company_name=st.sampled_from([None, "Acme"]),
        number=nothing | nothing | nothing | st.sampled_from(NUMBERS),
        sms_permission=st.sampled_from(SMS_PERMISSIONS),
        lists=nothing | _INDICES,
        tags=(nothing | _INDICES) if tagged else nothing,
        values=nothing | st.dictionaries(_rarely(MISSING), st.sampled_from(["", "x", "y"]), max_size=2),
    )


WISHES = _wishes(permission=True, tagged=True)
FORMS = _wishes(permission=False, tagged=False).filter(lambda wish: wish.email or wish.number)
SOURCES = st.sampled_from(["Account", "Contact"])
WHICH = st.integers(0, 30)


class Histories(RuleBasedStateMachine):
    """One account, as the core holds it and as the model does."""

    def __init__(self, database: Database, portal: BlockingPortal, sql: Sql) -> None:
        super().__init__()
        self.database, self.portal, self.sql = database, portal, sql
        # Five seconds before February in Auckland; UTC has its own thirteen hours later.
        self.now = datetime(2031, 1, 31, 10, 59, 55, 123456, tzinfo=UTC)
        self.model = model.Model()
        self.silent: set[str] = set()
        """The addresses and numbers whose person unsubscribed and did nothing since."""
        name = f"histories {os.getpid()} {next(_account_numbers)}"
        zone = "Pacific/Auckland"
        account = self._write(lambda tx: accounts.create(tx, name, now=self.now, time_zone=zone))
        self.account_id = account.account_id
        self.lists = [self._new_list(f"list {n}") for n in range(FEW)] + [NOTHING]
        self.tags = [self._new_tag(f"tag {n}") for n in range(FEW)] + [NOTHING]
        self.fields = [self._new_field(f"field {n}") for n in range(FEW)] + [NOTHING]
        self.model.lists.update(self.lists[:FEW])
        self.model.tags.update(self.tags[:FEW])
        self.model.fields.update(self.fields[:FEW])

    # What happens.

    @initialize(wish=WISHES, source=SOURCES)
    def begin(self, wish: Wish, source: str) -> None:
        self._create(wish, source)

    @precondition(lambda self: len(self.model.contacts) < ENOUGH)
    @rule(wish=WISHES, source=SOURCES)
    def create(self, wish: Wish, source: str) -> None:
        self._create(wish, source)

    def _create(self, wish: Wish, source: str) -> None:
        draft = self._draft(wish)

        async def operation(tx: Transaction) -> UUID:
            made = await contacts.create(
                tx,
                self.account_id,
                draft,
                source=source,
                limits=LIMITS,
                act=self._act("create"),
                installation=INSTALLATION,
            )
            return made.contact_id

        self._both(operation, lambda made: self.model.create(made or NOTHING, draft, source, self.now))
        self._acted(source, self._holder(wish))

    @rule(which=WHICH, wish=WISHES, source=SOURCES)
    def replace(self, which: int, wish: Wish, source: str) -> None:
        self._replace(self._contact(which), wish, source)

    @rule(which=WHICH, address=st.none() | st.sampled_from(ADDRESSES), wanted=_PERMISSIONS, source=SOURCES)
    def change_email(self, which: int, address: str | None, wanted: str | None, source: str) -> None:
        """Another address, another permission, or both."""
        contact_id = self._contact(which)
        contact = self.model.contacts.get(contact_id)
        shown = address or (contact.email.shown if contact and contact.email else None)
        self._replace(contact_id, Wish(shown, wanted if shown else None, first_name="Ann"), source)

    def _replace(self, contact_id: UUID, wish: Wish, source: str) -> None:
        draft = self._draft(wish)

        async def operation(tx: Transaction) -> None:
            act = self._act("replace")
            await contacts.replace(
                tx, self.account_id, contact_id, draft, source=source, act=act, installation=INSTALLATION
            )

        refused = self._both(operation, lambda _: self.model.replace(contact_id, draft, source, self.now))
        self._acted(source, None if refused else contact_id)

    @rule(form=FORMS, source=st.sampled_from(["Contact", "Contact", "Account"]))
    def sign_up(self, form: Wish, source: str) -> None:
        draft = self._draft(form)

        async def operation(tx: Transaction) -> tuple[UUID, bool]:
            act = self._act("sign up")
            signed, created = await contacts.sign_up(
                tx,
                self.account_id,
                draft,
                source=source,
                limits=LIMITS,
                act=act,
                installation=INSTALLATION,
            )
            return signed.contact_id, created

        def by_the_model(answer: tuple[UUID, bool] | None) -> None:
            contact_id, created = answer or (NOTHING, None)
            assert self.model.sign_up(contact_id, draft, source, self.now) == created or answer is None

        refused = self._both(operation, by_the_model)
        self._acted(source, None if refused else self._holder(form))

    @rule(which=WHICH, source=SOURCES)
    def delete(self, which: int, source: str) -> None:
        contact_id = self._contact(which)

        async def operation(tx: Transaction) -> None:
            await contacts.delete(tx, self.account_id, contact_id, source=source, act=self._act("delete"))

        self._both(operation, lambda _: self.model.delete(contact_id, source, self.now))
        self._acted("Account", None)

    @rule(
        days=st.sampled_from([0, 0.3, 12, 31]),
        most=st.sampled_from([0, 1, 3, 50_000]),
        field=st.none() | _rarely(MISSING),
    )
    def time_passes(self, days: float, most: int, field: int | None) -> None:
        """The worker rolls up some counters and some of the meter, and a custom field goes."""
        self.now += timedelta(days=days)
        self._write(lambda tx: counters.roll_up(tx, self.account_id, most=most))
        self._write(lambda tx: usage.roll_up(tx, self.account_id, most=most))
        if field is not None:
            field_id = self.fields[field]
            self._both(
                lambda tx: contacts.delete_custom_field(tx, self.account_id, field_id),
                lambda _: self.model.delete_field(field_id),
            )
        for index in range(FEW):
            if index != field and self.fields[index] not in self.model.fields:
                self.fields[index] = self._new_field(f"field {index}")
                self.model.fields.add(self.fields[index])

    # What holds after each step.

    @invariant()
    def everything_adds_up(self) -> None:
        recount(self.sql, self.account_id)

    @invariant()
    def all_is_as_in_the_model(self) -> None:
        everyone = contacts.ContactFilter(statuses=frozenset({"all"}))
        everything = frozenset(contacts.INCLUDES)
        account_id, database = self.account_id, self.database

        async def compare() -> None:
            page = await contacts.page(database, account_id, everyone, limit=500, include=everything)
            rows = await database.rows(
                "select contact_id, deleted_list_ids from contact where account_id = $1", account_id
            )
            events = await database.rows(
                "select contact_id, channel, action, permission_before, permission_after, opted_out_by, source"
                " from consent_event where account_id = $1 order by event_id",
                account_id,
            )
            self._compare_contacts(page.items, {row[0]: frozenset[UUID](row[1] or ()) for row in rows})
            assert [model.Event(*row) for row in events] == self.model.ledger
            no = await database.rows(
                "select channel, created_at from suppression where account_id = $1", account_id
            )
            assert sorted(row[1] for row in no if row[0] == "email") == sorted(self.model.said_no.values())
            assert sum(row[0] == "sms" for row in no) == len(self.model.numbers_said_no)
            self._compare_counts(
                await contacts.counts(database, account_id),
                await lists.membership_counts(database, account_id, self.lists, "all"),
                await lists.membership_counts(database, account_id, self.lists, "active"),
                await tags.contacts_counts(database, account_id, self.tags),
            )

        self.portal.call(compare)

    def _compare_contacts(
        self, there: Sequence[contacts.Contact], lists_when_deleted: dict[UUID, frozenset[UUID]]
    ) -> None:
        seen = {one.contact_id: _seen(one, lists_when_deleted[one.contact_id]) for one in there}
        for contact_id in {**seen, **self.model.contacts}:
            one, expected = seen.get(contact_id), self.model.contacts.get(contact_id)
            assert one == expected, _difference(one, expected)

    def _compare_counts(
        self, counts: read.Counts, members: dict[UUID, int], active: dict[UUID, int], tagged: dict[UUID, int]
    ) -> None:
        live = [one for one in self.model.contacts.values() if one.deleted_at is None]
        mailable = [one for one in live if one.email and one.email.mailable]
        permissions = [one.email.permission if one.email else None for one in live]
        assert counts.total == len(live)
        assert counts.explicit == permissions.count("explicit")
        assert counts.implicit == permissions.count("implicit")
        assert counts.pending == permissions.count("pending_confirmation")
        assert counts.unsubscribed == permissions.count("unsubscribed")
        assert members == {key: sum(key in one.lists for one in live) for key in self.lists}
        assert active == {key: sum(key in one.lists for one in mailable) for key in self.lists}
        assert tagged == {key: sum(key in one.tags for one in live) for key in self.tags}

    def _acted(self, source: str, contact_id: UUID | None) -> None:
        """Consent only rises by the person, read from the tables alone.

        `contact_id` is the contact that the step changed; only its person may have broken their silence.
        """
        rows = self.sql(
            "select contact_id, email_key as held, permission, opt_out_source from contact"
            " where account_id = $1 and email_key is not null"
            " union all select contact_id, sms_number, sms_permission,"
            " sms_channel #>> '{sms_channel_consents,0,opt_out_source}' from contact"
            " where account_id = $1 and sms_number is not null",
            self.account_id,
        )
        if source == "Contact":
            self.silent -= {row["held"] for row in rows if row["contact_id"] == contact_id}
        mailable = {row["held"] for row in rows if row["permission"] in ("explicit", "implicit")}
        assert not self.silent & mailable, "mailable again, and not by an act of the person"
        self.silent |= {row["held"] for row in rows if row["opt_out_source"] == "Contact"}

    # How it is done.

    def _both(
        self, operation: Callable[[Transaction], Awaitable[T]], by_the_model: Callable[[T | None], None]
    ) -> bool:
        """Do it in the core and in the model; both do it, or both refuse it for a reason of the same kind."""
        self.now += timedelta(seconds=1)
        answer, refusal = None, None
        try:
            answer = self._write(operation)
        except (Invalid, NotFound, Conflict) as error:
            refusal = error
        try:
            by_the_model(answer)
        except EverlistError as expected:
            assert isinstance(refusal, type(expected)), f"refused with {refusal!r}, not {expected!r}"
        else:
            assert refusal is None, f"refused with {refusal!r}"
        return refusal is not None

    def _write(self, operation: Callable[[Transaction], Awaitable[T]]) -> T:
        return self.portal.call(self.database.write, operation)

    def _act(self, operation: str) -> Act:
        return Act(operation, self.now)

    def _contact(self, which: int) -> UUID:
        known = list(self.model.contacts)
        return known[which % len(known)] if known and which != 30 else NOTHING

    def _holder(self, wish: Wish) -> UUID | None:
        """The contact that has the address of the wish by now, or else the number."""
        draft = self._draft(wish)
        for row in self.sql(
            "select contact_id from contact where account_id = $1 and (email_key = $2 or sms_number = $3)"
            " order by email_key = $2 desc nulls last limit 1",
            self.account_id,
            (address := contacts.parse_email(draft.email.address)) and address.key if draft.email else None,
            wish.number,
        ):
            return row["contact_id"]
        return None

    def _draft(self, wish: Wish) -> contacts.ContactDraft:
        """The wish in this account's ids. The core's words for a client's draft are the contract's."""
        sms_consent = SmsConsentDraft(wish.sms_permission, "promotional_sms")
        return contacts.ContactDraft(
            first_name=wish.first_name,
            company_name=wish.company_name,
            email=EmailDraft(wish.email, wish.permission, wish.reason) if wish.email else None,
            sms_channel=SmsDraft(wish.number, (sms_consent,)) if wish.number else None,
            list_ids=None if wish.lists is None else tuple(self.lists[index] for index in wish.lists),
            tag_ids=None if wish.tags is None else tuple(self.tags[index] for index in wish.tags),
            custom_fields=None
            if wish.values is None
            else tuple(CustomFieldDraft(self.fields[index], value) for index, value in wish.values.items()),
        )

    def _new_list(self, name: str) -> UUID:
        draft = lists.ListDraft(name, None, favorite=False)
        return self._write(lambda tx: lists.create(tx, self.account_id, draft, now=self.now)).list_id

    def _new_tag(self, name: str) -> UUID:
        return self._write(lambda tx: tags.create(tx, self.account_id, name, now=self.now)).tag_id

    def _new_field(self, label: str) -> UUID:
        made = self._write(
            lambda tx: custom_fields.create(
                tx, self.account_id, label=label, kind="string", metadata={}, now=self.now
            )
        )
        return made.custom_field_id


def _seen(contact: contacts.Contact, lists_when_deleted: frozenset[UUID]) -> model.Contact:
    """The core's contact in the model's words."""
    email = sms = None
    if contact.email is not None:
        assert contact.email_created_at is not None
        assert contact.email_updated_at is not None
        assert contact.permission is not None
        email = model.Email(
            contact.email,
            contact.email_created_at,
            contact.email_updated_at,
            contact.permission,
            contact.opt_in_source,
            contact.opt_in_at,
            contact.opt_out_source,
            contact.opt_out_at,
            contact.opt_out_reason,
        )
    if contact.sms_channel is not None:
        channel, (consent,) = contact.sms_channel, contact.sms_channel.sms_channel_consents
        number = channel.dial_code + channel.sms_address
        sms = model.Sms(number, consent.sms_consent_permission, consent.opt_out_source)
    return model.Contact(
        contact.contact_id,
        contact.created_at,
        contact.updated_at,
        contact.create_source,
        contact.update_source,
        contact.deleted_at,
        {name: text for name in model.CORE_TEXTS if (text := getattr(contact, name)) is not None},
        email,
        sms,
        {UUID(key): str(value) for key, value in (contact.custom_fields or {}).items()},
        frozenset(contact.list_ids or ()),
        frozenset(contact.tag_ids or ()),
        lists_when_deleted,
    )


def _difference(there: model.Contact | None, expected: model.Contact | None) -> str:
    if there is None or expected is None:
        return f"there is {there}, expected was {expected}"
    names = [each.name for each in dataclasses.fields(there)]
    differing: list[str] = []
    for name in names:
        one, other = getattr(there, name), getattr(expected, name)
        if one != other:
            differing.append(f"{name} is {one!r}, expected was {other!r}")
    return "; ".join(differing)


def test_histories(database: Database, portal: BlockingPortal, sql: Sql) -> None:
    """EVERLIST_LONG=1 makes it hours of the same."""

    def machine() -> RuleBasedStateMachine:
        return Histories(database, portal, sql)

    run_state_machine_as_test(cast("type[RuleBasedStateMachine]", machine), settings=PROFILE)


ANN, BOB = "ann@example.org", "bob@example.org"
ALL = Wish(ANN, company_name="Acme", lists=(0,), tags=(0,), values={0: "x", 1: "x"})
NO_MORE = Wish(ANN, "unsubscribed", number=NUMBERS[0], sms_permission="unsubscribed")
STORIES: dict[str, list[Callable[[Histories], None]]] = {
    "signed up with a known number and a new address": [
        lambda it: it.create(Wish(ANN, "unsubscribed", number=NUMBERS[0]), "Contact"),
        lambda it: it.sign_up(Wish(BOB, number=NUMBERS[0]), "Contact"),
        lambda it: it.create(Wish(ANN, "explicit"), "Account"),
    ],
    "nobody is left": [
        lambda it: it.create(Wish(first_name="Ann"), "Account"),
        lambda it: it.replace(0, Wish(first_name="", company_name="Acme"), "Account"),
    ],
    "nothing but a number is left": [
        lambda it: it.create(Wish(first_name="Ann"), "Account"),
        lambda it: it.replace(0, Wish(number=NUMBERS[0]), "Account"),
        lambda it: it.replace(0, Wish(), "Account"),
    ],
    "unsubscribed by the account, then by the person": [
        lambda it: it.create(Wish(ANN, number=NUMBERS[0]), "Account"),
        lambda it: it.replace(0, NO_MORE, "Account"),
        lambda it: it.replace(0, NO_MORE, "Contact"),
        lambda it: it.replace(0, Wish(ANN, "explicit"), "Account"),
        lambda it: it.replace(0, Wish(number=NUMBERS[0]), "Account"),
    ],
    "an opt-out ends in no permission": [
        lambda it: it.create(Wish(ANN, "unsubscribed"), "Account"),
        lambda it: it.replace(0, Wish(ANN, "not_set"), "Contact"),
    ],
    "an opt-out moves away and comes back": [
        lambda it: it.create(Wish(ANN, "unsubscribed", "too many mails"), "Contact"),
        lambda it: it.replace(0, Wish(BOB), "Account"),
        lambda it: it.create(Wish("Ann@Example.ORG", "explicit"), "Account"),
        lambda it: it.delete(1, "Account"),
        lambda it: it.replace(1, Wish(ANN, "implicit"), "Account"),
        lambda it: it.replace(1, Wish(ANN), "Account"),
        lambda it: it.sign_up(Wish(ANN, lists=(0,)), "Contact"),
    ],
    "a number that said no moves away and comes back": [
        lambda it: it.create(Wish(ANN, number=NUMBERS[0], sms_permission="unsubscribed"), "Contact"),
        lambda it: it.replace(0, Wish(ANN, number=NUMBERS[1], sms_permission="unsubscribed"), "Account"),
        lambda it: it.create(Wish(BOB, number=NUMBERS[0]), "Account"),
        lambda it: it.replace(1, Wish(BOB, number=NUMBERS[0]), "Account"),
        lambda it: it.sign_up(Wish(BOB, number=NUMBERS[0]), "Contact"),
    ],
    "back with other tags": [
        lambda it: it.create(Wish(ANN, tags=(0, 1), lists=(0,)), "Account"),
        lambda it: it.delete(0, "Account"),
        lambda it: it.replace(0, Wish(ANN, tags=(1,), lists=(1,)), "Account"),
    ],
    "a form adds": [
        lambda it: it.create(ALL, "Account"),
        lambda it: it.sign_up(Wish(ANN, lists=(1,), values={1: "y"}, first_name="Ann"), "Contact"),
        lambda it: it.delete(0, "Contact"),
        lambda it: it.replace(0, Wish(ANN, company_name="Acme"), "Contact"),
        lambda it: it.sign_up(Wish(ANN), "Contact"),
    ],
}


@pytest.mark.parametrize("story", STORIES)
def test_stories(story: str, database: Database, portal: BlockingPortal, sql: Sql) -> None:
    """Histories that went wrong once, or that matter most."""
    history = Histories(database, portal, sql)
    for step in STORIES[story]:
        step(history)
        history.everything_adds_up()
        history.all_is_as_in_the_model()
