"""Imports of random small files against a plain second reading of the rules; V3 contract 6.3."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch
from uuid import UUID

from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everlist.core.imports import job, outcomes
from everlist.db import Database
from tests.conftest import Api, Sql
from tests.v3.bulk import Work, ended
from tests.v3.helpers import email, new_list, post_contact, sms

PEOPLE = ("ann", "bea", "cid")
NUMBERS = ("one", "two")
FIRST = ("", "Ann", "Bea", "x" * 51)
LAST = ("", "Ace", "B'ee")


@dataclass(frozen=True)
class Contact:
    """What a contact is, as far as these files can tell. Names stand for addresses and numbers."""

    person: str | None
    number: str | None
    permission: str | None
    deleted: bool = False
    first: str = ""
    last: str = ""
    listed: bool = False


@dataclass(frozen=True)
class Row:
    person: str = ""
    number: str = ""
    first: str = ""
    last: str = ""
    cells: int = 4
    """Fewer or more than the four of the header make a ragged row."""


@dataclass
class Model:
    """The account; `merge` gives the outcome of each row."""

    contacts: list[Contact]
    outcomes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def merge(self, rows: list[Row], chunk: int) -> None:
        decided: dict[int, str] = {}
        for place, row in enumerate(rows):
            if row.cells != 4:
                decided[place] = self.rejected(correctable=False)
            elif row.person == "nonsense" or not (row.person or row.number):
                decided[place] = self.rejected(correctable=True)
            elif row.number == "nonsense" or len(row.first) > 50:
                decided[place] = self.rejected(correctable=False)
        last = {row.person: place for place, row in enumerate(rows) if place not in decided}
        for place, row in enumerate(rows):
            if place not in decided and row.person and last[row.person] != place:
                decided[place] = "unchanged"
        left = [(place, row) for place, row in enumerate(rows) if place not in decided and not row.person]
        last = {row.number: place for place, row in left}
        decided |= {place: "unchanged" for place, row in left if last[row.number] != place}
        for first in range(0, len(rows), chunk):
            places = range(first, min(first + chunk, len(rows)))
            decided |= self.chunk([(place, rows[place]) for place in places if place not in decided])
        self.outcomes = [decided[place] for place in range(len(rows))]
        self.counts.update(f"{outcome}_count" for outcome in self.outcomes)

    def rejected(self, *, correctable: bool) -> str:
        self.counts["correctable_count" if correctable else "error_count"] += 1
        return "rejected"

    def chunk(self, rows: list[tuple[int, Row]]) -> dict[int, str]:
        decided: dict[int, str] = {}
        before = list(self.contacts)
        claimed: dict[int, int] = {}  # a contact that exists: the last row about it
        found: dict[int, int | None] = {}
        claims: dict[
            str, list[tuple[bool, int]]
        ] = {}  # rows that may get a number, those with an address first
        no_number: set[int] = set()
        for place, row in rows:
            key = "person" if row.person else "number"
            at = next((n for n, one in enumerate(before) if getattr(one, key) == getattr(row, key)), None)
            other = next((n for n, one in enumerate(before) if row.number and one.number == row.number), None)
            number = before[at].number if at is not None else None
            if other not in (None, at) or (row.number and number and number != row.number):
                no_number.add(place)
            elif row.number and not number:
                claims.setdefault(row.number, []).append((row.person == "", place))
            found[place] = at
            if at is not None:
                claimed[at] = place
        for claimants in claims.values():
            for without_address, place in sorted(claimants)[1:]:
                if without_address:
                    decided[place] = "unchanged"
                no_number.add(place)
        for place, row in rows:
            if place not in decided:
                at = found[place]
                taken = replace(row, number="") if place in no_number else row
                decided[place] = (
                    "unchanged" if at is not None and claimed[at] != place else self.take(at, taken)
                )
        self.counts["person_count"] += sum(outcome != "rejected" for outcome in decided.values())
        self.counts["cannot_add_to_list_count"] += sum(outcome == "held_back" for outcome in decided.values())
        return decided

    def take(self, at: int | None, row: Row) -> str:
        if at is None:
            permission = "implicit" if row.person else None
            new = Contact(
                row.person or None, row.number or None, permission, False, row.first, row.last, True
            )
            self.contacts.append(new)
            return "created"
        was = self.contacts[at]
        now = replace(
            was,
            number=was.number or row.number or None,
            first=row.first or was.first,
            last=row.last or was.last,
        )
        if was.permission == "unsubscribed":
            self.contacts[at] = now
            return "held_back"
        self.contacts[at] = replace(now, deleted=False, listed=True)
        return "updated" if self.contacts[at] != was else "unchanged"


permissions = st.sampled_from(["explicit", "implicit", "not_set", "temp_hold", "unsubscribed"])


@st.composite
def accounts(draw: st.DrawFn) -> list[Contact]:
    made = []
    numbers = draw(st.permutations([*NUMBERS, None, None, None]))
    for person, number in zip((*PEOPLE[:2], None), numbers, strict=False):
        if person is None and number is None:
            continue
        if draw(st.booleans()):
            continue
        permission = draw(permissions) if person else None
        listed = draw(st.booleans()) and permission != "unsubscribed"
        deleted = draw(st.booleans())
        made.append(
            Contact(
                person,
                number,
                permission,
                deleted,
                draw(st.sampled_from(FIRST[:3])),
                "",
                listed and not deleted,
            )
        )
    return made


rows_of_files = st.lists(
    st.builds(
        Row,
        st.sampled_from([*PEOPLE * 3, "nonsense", ""]),
        st.sampled_from(["", "", "", *NUMBERS, "nonsense"]),
        st.sampled_from([*FIRST[:3] * 3, FIRST[3]]),
        st.sampled_from(LAST),
        st.sampled_from([4] * 9 + [3, 5]),
    ),
    min_size=1,
    max_size=9,
)
serials = itertools.count()
OUTCOMES = ("created", "updated", "unchanged", "held_back", "rejected")


class Names:
    """What the names of one example stand for; no two examples share an address or a number."""

    def __init__(self) -> None:
        self.serial = next(serials)

    def address(self, person: str) -> str:
        return (
            "no address" if person == "nonsense" else f"{person}.{self.serial}@example.org" if person else ""
        )

    def number(self, number: str) -> str:
        if number not in NUMBERS:
            return "call me" if number else ""
        return f"1309{2_000_000 + 2 * self.serial + NUMBERS.index(number)}"

    def line(self, row: Row, upper: bool) -> str:
        address = self.address(row.person)
        cells = [address.upper() if upper else address, self.number(row.number), row.first, row.last or "Q"]
        if row.cells == 4:
            cells[3] = row.last
        return ",".join([*cells, "more"][: row.cells])


def make(api: Api, contact: Contact, names: Names, list_id: str) -> None:
    body: dict[str, Any] = {"first_name": contact.first} if contact.first else {}
    if contact.person:
        body["email_address"] = email(names.address(contact.person), contact.permission)
    if contact.number:
        body["sms_channel"] = sms(names.number(contact.number))
    made = post_contact(api, **body, list_memberships=[list_id] if contact.listed else [])
    if contact.deleted:
        api.delete(f"/contacts/{made['contact_id']}")


def test_random_files(alice: Api, work: Work, sql: Sql, database: Database, portal: BlockingPortal) -> None:
    async def told(activity_id: str) -> list[str]:
        chunks = outcomes.read(database, alice.account_id, UUID(activity_id), None)
        return [line[2] async for chunk in chunks for line in chunk]

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(accounts(), rows_of_files, st.sampled_from([1, 2, 10_000]), st.booleans())
    def run(contacts: list[Contact], rows: list[Row], chunk: int, upper: bool) -> None:
        names = Names()
        list_id = new_list(alice)
        for contact in contacts:
            make(alice, contact, names, list_id)
        rows = [replace(row, cells=4) if not (row.person or row.number) else row for row in rows]
        if not any(row.person or row.number or row.first or row.last for row in rows):
            rows = [*rows, Row("ann")]
        # A row in which nothing stands is no row.
        rows = [row for row in rows if row.person or row.number or row.first or row.last]
        lines = ["email,sms_number,first_name,last_name", *(names.line(row, upper) for row in rows)]
        with patch.object(job, "CHUNK", chunk):
            reply = alice(
                "POST",
                "/activities/contacts_file_import",
                files={"file": ("a.csv", "\n".join(lines).encode(), "text/csv")},
                data={"list_ids": list_id},
            )
            assert reply.status == 201
            work()
        done = ended(alice, reply.json["activity_id"])
        model = Model(list(contacts))
        model.merge(rows, chunk)
        assert portal.call(told, done["activity_id"]) == model.outcomes
        status = {name: count for name, count in done["status"].items() if count}
        assert status == {name: count for name, count in model.counts.items() if count} | {
            "items_total_count": len(rows) + 1
        }
        assert sum(status.get(f"{outcome}_count", 0) for outcome in OUTCOMES) == len(rows)
        assert state(list_id, names) == sorted(map(str, model.contacts))

    def state(list_id: str, names: Names) -> list[str]:
        """The contacts of this example, as the database has them."""
        back = {names.address(person): person for person in PEOPLE}
        numbers = {names.number(number): number for number in NUMBERS}
        found = sql(
            "select email, sms_number, permission, deleted_at is not null as deleted, first_name, last_name,"
            " exists (select from list_membership m where m.account_id = c.account_id and m.list_id = $4"
            " and m.contact_id = c.contact_id) as listed"
            " from contact c where account_id = $1 and (email = any($2) or sms_number = any($3))",
            alice.account_id,
            list(back),
            list(numbers),
            UUID(list_id),
        )
        return sorted(
            str(
                Contact(
                    back.get(row["email"]),
                    numbers.get(row["sms_number"]),
                    row["permission"],
                    row["deleted"],
                    row["first_name"] or "",
                    row["last_name"] or "",
                    row["listed"],
                )
            )
            for row in found
        )

    run()
