"""Create the demo account: thousands of invented people on lists, with tags, custom fields and every permission.

People, values and history are the same each time; ids and dates depend on the time of creation. Everything is
created in one transaction, through the same write path as all other changes.
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from everlist.core import accounts, consent, contacts, custom_fields, lists, tags, tokens
from everlist.core.act import Act
from everlist.core.consent.sms import SmsConsent
from everlist.core.contacts.model import Contact, Note, Phone, SmsChannel, StreetAddress
from everlist.core.ids import new_id

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from everlist.core.custom_fields import CustomField, Value
    from everlist.db import Transaction

ACCOUNT_NAME = "demo"
TOKEN_NAME = "serve --demo"  # noqa: S105 - the name of the token
CONTACTS = 4800
_DAYS = 480  # the age of the account
_BATCH = 100

_FIRST = (
    "Ada Aisha Alejandro Amara Anika Arjun Beatriz Benno Camille Carlos Chidi Clara Daniel Diego Elif Emma Farid "
    "Fatima Finn Freya Giulia Grace Hana Hugo Ines Ivan Jamal Jun Kavya Kofi Lars Leila Lena Liam Lucia Mateo Mei "
    "Milan Nadia Noah Nora Olga Omar Paul Priya Quinn Rafael Rosa Ruth Samuel Sofia Tariq Theo Uma Vera Wei Yara Zoe"
).split()
_LAST = (
    "Abebe Andersen Bauer Becker Bianchi Campbell Castillo Chen Costa Dubois Eriksen Fischer Fontaine Garcia Gupta "
    "Haddad Hansen Hoffmann Ibrahim Ito Jansen Johansson Kaya Keller Kim Kowalski Larsen Laurent Lopez Mancini Mbeki "
    "Meyer Moreau Mueller Murphy Nakamura Novak Nwosu Okafor Olsen Park Patel Pereira Petrov Quist Rahman Ricci Rossi "
    "Santos Sato Schmidt Silva Singh Suzuki Tanaka Torres Usman Varga Walsh Weber Wilson Yilmaz Zhang Zimmermann"
).split()
_DOMAINS = ("example.com", "example.org", "example.net", "mail.example.com", "post.example.org")
_COMPANIES = (
    "Harbour Books",
    "Green Acre",
    "Northlight",
    "Café Aroma",
    "Old Mill Bakery",
    "Kite & Sons",
    "Studio Nine",
)
_JOBS = ("Teacher", "Gardener", "Designer", "Nurse", "Engineer", "Florist", "Manager", "Baker", "Librarian")
_PLACES = (
    ("Peoria", "Illinois", "61602", "United States"),
    ("Austin", "Texas", "78701", "United States"),
    ("Portland", "Oregon", "97201", "United States"),
    ("Boston", "Massachusetts", "02108", "United States"),
    ("Toronto", "Ontario", "M5H 2N2", "Canada"),
    ("Bristol", None, "BS1 4DJ", "United Kingdom"),
    ("Leipzig", None, "04109", "Germany"),
    ("Lyon", None, "69001", "France"),
)
_LISTS = (
    ("Newsletter", "The monthly letter to everybody", 0.8),
    ("Customers", "People who have bought something", 0.35),
    ("Events", "Readings, openings, workshops", 0.25),
    ("Volunteers", None, 0.08),
    ("Press", "Journalists and bloggers", 0.03),
    ("Daily offers", "Replaced every morning", 0.3),
)
_TAGS = (
    ("vip", 0.05),
    ("2026 fair", 0.2),
    ("webshop", 0.3),
    ("wholesale", 0.04),
    ("needs a call", 0.03),
    ("donor", 0.1),
)
_REASONS = ("Too many messages", "I never signed up", "Not interested any more", None)


async def make(tx: Transaction, *, now: datetime) -> tuple[accounts.Account, str]:
    """Create the demo account if it does not exist; return it with a new bearer token.

    Revokes the tokens of earlier calls.
    """
    account = await accounts.find(tx, ACCOUNT_NAME)
    if account is None:
        account = await accounts.create(
            tx, ACCOUNT_NAME, time_zone="America/New_York", now=now - timedelta(days=_DAYS + 1)
        )
        await _Maker(tx, account.account_id, now).fill()
    for token in await tokens.of_account(tx, account.account_id):
        if token.name == TOKEN_NAME and token.revoked_at is None:
            await tokens.revoke(tx, account.account_id, token.token_id, now=now)
    secret, _ = await tokens.create(
        tx, account.account_id, scopes=tokens.DEFAULT_SCOPES, name=TOKEN_NAME, now=now
    )
    return account, secret


class _Maker:
    """Fill one account; all random choices come from one generator with a fixed seed."""

    def __init__(self, tx: Transaction, account_id: UUID, now: datetime) -> None:
        self.tx = tx
        self.account_id = account_id
        self.now = now
        self.random = Random(20261122)  # noqa: S311
        self.lists: list[tuple[UUID, float]] = []
        self.tags: list[tuple[UUID, float]] = []
        self.fields: dict[str, CustomField] = {}

    async def fill(self) -> None:
        began = self.now - timedelta(days=_DAYS)
        for name, description, share in _LISTS:
            contact_list = await lists.create(
                self.tx,
                self.account_id,
                lists.ListDraft(name=name, description=description, favorite=name == "Newsletter"),
                now=began,
            )
            self.lists.append((contact_list.list_id, share))
        for name, share in _TAGS:
            tag = await tags.create(self.tx, self.account_id, name, tag_source="Contact", now=began)
            self.tags.append((tag.tag_id, share))
        await self._define_fields(began)
        people = [self._person(number) for number in range(CONTACTS)]
        for start in range(0, CONTACTS, _BATCH):
            at = began + timedelta(days=_DAYS * (start / CONTACTS) ** 0.8, hours=self.random.randrange(9, 17))
            await self._create(people[start : start + _BATCH], min(at, self.now))

    async def _define_fields(self, at: datetime) -> None:
        select = {"display_type": "dropdown"}
        sizes = [custom_fields.ChoiceDraft(label) for label in ("Small", "Medium", "Large")]
        topics = [
            custom_fields.ChoiceDraft(label)
            for label in ("Fiction", "Poetry", "History", "Travel", "Children")
        ]
        definitions: tuple[tuple[str, str, dict[str, Any], list[custom_fields.ChoiceDraft]], ...] = (
            ("Customer number", "string", {}, []),
            ("Member since", "date", {}, []),
            ("Orders", "number", {"integer": True}, []),
            (
                "Last order value",
                "currency",
                {"currency_code": "USD", "integer": False, "decimal_places": 2},
                [],
            ),
            ("Wants catalogue", "boolean", {}, []),
            ("Shirt size", "single_select", select, sizes),
            ("Interests", "multi_select", {"display_type": "checkbox"}, topics),
        )
        for label, kind, metadata, choices in definitions:
            self.fields[label] = await custom_fields.create(
                self.tx,
                self.account_id,
                label=label,
                kind=kind,
                metadata=metadata,
                version=2 if kind == "date" else 1,
                choices=choices,
                now=at,
            )

    def _person(self, number: int) -> tuple[str, str, str]:
        first, last = self.random.choice(_FIRST), self.random.choice(_LAST)
        return first, last, f"{first}.{last}{number}@{self.random.choice(_DOMAINS)}".lower()

    async def _create(self, people: list[tuple[str, str, str]], at: datetime) -> None:
        """Create the people of one day; unsubscribe and delete some of them later."""
        changes = [self._newcomer(first, last, address, at) for first, last, address in people]
        await contacts.apply(self.tx, self.account_id, changes, self._act("demo: signed up", at))
        later = min(at + timedelta(days=self.random.randrange(3, 60)), self.now)
        unsubscribed = [self._opted_out(change, later) for change in changes if self.random.random() < 0.07]
        await contacts.apply(self.tx, self.account_id, unsubscribed, self._act("demo: unsubscribed", later))
        current = {change.after.contact_id: change for change in [*changes, *unsubscribed]}
        deleted = [self._deleted(change, later) for change in current.values() if self.random.random() < 0.04]
        later += timedelta(minutes=5)
        await contacts.apply(self.tx, self.account_id, deleted, self._act("demo: deleted", later))

    def _act(self, operation: str, at: datetime) -> Act:
        return Act(operation=operation, now=at)

    def _newcomer(self, first: str, last: str, address: str, at: datetime) -> contacts.Change:
        roll = self.random.random
        source = "Contact" if roll() < 0.55 else "Account"
        requested = None
        for permission, share in (("not_set", 0.02), ("pending_confirmation", 0.03), ("temp_hold", 0.01)):
            if roll() < share:
                requested = permission
        email = consent.initial(source, requested=requested, now=at) if roll() < 0.99 else None
        at_seconds = at.replace(microsecond=0)
        city, state, postal_code, country = self.random.choice(_PLACES)
        phone = f"+1312555{self.random.randrange(10000):04}"
        street = f"{self.random.randrange(1, 990)} {self.random.choice(_LAST)} Street"
        channel = self._sms(source, at_seconds) if roll() < 0.15 else None
        has_birthday = roll() < 0.3
        contact = Contact(
            contact_id=new_id(),
            created_at=at,
            updated_at=at,
            deleted_at=None,
            create_source=source,
            update_source=None,
            first_name=first,
            last_name=last,
            job_title=self.random.choice(_JOBS) if roll() < 0.3 else None,
            company_name=self.random.choice(_COMPANIES) if roll() < 0.25 else None,
            birthday_month=self.random.randrange(1, 13) if has_birthday else None,
            birthday_day=self.random.randrange(1, 29) if has_birthday else None,
            anniversary=date(self.random.randrange(2015, 2026), self.random.randrange(1, 13), 15)
            if roll() < 0.1
            else None,
            email=address if email else None,
            email_key=address if email else None,
            email_created_at=at if email else None,
            email_updated_at=at if email else None,
            permission=email.permission if email else None,
            opt_in_source=email.opt_in_source if email else None,
            opt_in_at=email.opt_in_at if email else None,
            opt_out_source=None,
            opt_out_at=None,
            opt_out_reason=None,
            confirmed_at=None,
            custom_fields=self._values(),
            phone_numbers=(
                Phone(
                    phone_number_id=new_id(),
                    phone_number=phone,
                    kind="mobile",
                    created_at=at_seconds,
                    updated_at=at_seconds,
                    create_source=source,
                ),
            )
            if roll() < 0.35
            else (),
            street_addresses=(
                StreetAddress(
                    street_address_id=new_id(),
                    kind="home",
                    created_at=at_seconds,
                    updated_at=at_seconds,
                    street=street,
                    city=city,
                    state=state,
                    postal_code=postal_code,
                    country=country,
                ),
            )
            if roll() < 0.4
            else (),
            notes=(Note(note_id=new_id(), created_at=at_seconds, content="Asked for the autumn programme."),)
            if roll() < 0.05
            else (),
            sms_channel=channel,
        )
        list_ids = sorted(list_id for list_id, share in self.lists if roll() < share)
        tag_ids = sorted(tag_id for tag_id, share in self.tags if roll() < share)
        contact = msgspec.structs.replace(contact, list_ids=list_ids, tag_ids=tag_ids)
        details = (
            {"sms_channel_id": str(channel.sms_channel_id), "sms_channel_history_id": str(new_id())}
            if channel
            else None
        )
        return contacts.Change(before=None, after=contact, source=source, sms_details=details)

    def _sms(self, source: str, at: datetime) -> SmsChannel:
        sms_consent = SmsConsent(
            sms_consent_permission="explicit",
            consent_type="promotional_sms",
            created_at=at,
            updated_at=at,
            opt_in_date=at,
        )
        return SmsChannel(
            sms_channel_id=new_id(),
            sms_address=f"312{self.random.randrange(2000000, 9999999)}",
            dial_code="1",
            country_code="US",
            create_source=source,
            sms_channel_consents=(sms_consent,),
        )

    def _values(self) -> dict[str, Value]:
        roll, pick = self.random.random, self.random.choice
        values: dict[str, Value] = {}
        if roll() < 0.5:
            values["Customer number"] = f"C-{self.random.randrange(100000):05}"
            values["Orders"] = str(self.random.randrange(1, 40))
            values["Last order value"] = f"{self.random.randrange(5, 300)}.{self.random.randrange(100):02}"
        if roll() < 0.3:
            values["Member since"] = date(
                self.random.randrange(2018, 2026), self.random.randrange(1, 13), 1
            ).isoformat()
            values["Wants catalogue"] = pick(("true", "false"))
        if roll() < 0.2:
            values["Shirt size"] = [str(pick(self.fields["Shirt size"].choices).choice_id)]
        if roll() < 0.3:
            topics = self.random.sample(self.fields["Interests"].choices, 2)
            values["Interests"] = sorted(str(choice.choice_id) for choice in topics)
        return {str(self.fields[label].custom_field_id): value for label, value in values.items()}

    def _opted_out(self, change: contacts.Change, at: datetime) -> contacts.Change:
        before = change.after
        source = "Contact" if self.random.random() < 0.8 else "Account"
        if before.consent is None:
            return contacts.Change(before=before, after=before, source=source)
        after = consent.changed(
            before.consent,
            source,
            requested=consent.UNSUBSCRIBED,
            reason=self.random.choice(_REASONS),
            now=at,
        )
        unsubscribed = msgspec.structs.replace(
            before, updated_at=at, update_source=source, email_updated_at=at, **msgspec.structs.asdict(after)
        )
        return contacts.Change(before=before, after=unsubscribed, source=source)

    def _deleted(self, change: contacts.Change, at: datetime) -> contacts.Change:
        before = change.after
        after = msgspec.structs.replace(before, updated_at=at, deleted_at=at, list_ids=())
        return contacts.Change(before=before, after=after, source="Account")
