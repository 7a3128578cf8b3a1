"""Some accounts at work while the worker, the server and PostgreSQL are killed at random moments.

Afterwards each account must be what a plain model makes of the same operations, row by row, and every
counter, outcome and ledger must tell of each operation exactly once. `EVERLIST_LONG=1` takes more of all;
`EVERLIST_SEED` chooses another run.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from threading import Event
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.core.recount import recount
from tests.worker.installation import LONG, Account, Installation, until

SEED = int(os.environ.get("EVERLIST_SEED", "7"))
ACCOUNTS = 6
"""More than a worker has lanes: while those wait whose worker died, the next one finds others."""
KILLS = 300 if LONG else 15
BASE = 5_000 if LONG else 1_000
MOST_ROWS = 60_000 if LONG else 12_000
NAMES = 100_000 if LONG else 20_000
QUEUED = 5
FINISH = 600 if LONG else 300


# A second reading of what the operations do


@dataclass
class Contact:
    permission: str = "implicit"
    deleted: bool = False
    first: str = ""
    lists: set[str] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)
    history: list[str] = field(default_factory=lambda: ["created"])

    def hide(self) -> None:
        self.deleted = True
        self.lists = set()
        self.history.append("deleted")

    def bring_back(self) -> None:
        if self.deleted:
            self.deleted = False
            self.history.append("restored")


Outcomes = Counter[str]
Contacts = dict[str, Contact]


def imports(contacts: Contacts, names: Iterable[str], first: str, lists: set[str], broken: int) -> Outcomes:
    outcomes: Outcomes = Counter({"rejected": broken} if broken else {})
    for name in names:
        contact = contacts.get(name)
        if contact is None:
            contacts[name] = Contact(first=first, lists=set(lists))
            outcomes["created"] += 1
        elif contact.permission == "unsubscribed":
            contact.first = first
            outcomes["held_back"] += 1
        elif contact.first == first and not contact.deleted and lists <= contact.lists:
            outcomes["unchanged"] += 1
        else:
            contact.first = first
            contact.lists |= lists
            contact.bring_back()
            outcomes["updated"] += 1
    return outcomes


def deletes(contacts: Contacts, chosen: Callable[[str, Contact], bool]) -> Outcomes:
    gone = [one for name, one in contacts.items() if not one.deleted and chosen(name, one)]
    for one in gone:
        one.hide()
    return Counter(updated=len(gone))


def joins(
    contacts: Contacts, chosen: Callable[[str, Contact], bool], lists: set[str], *, with_deleted: bool
) -> Outcomes:
    outcomes: Outcomes = Counter()
    for name, one in contacts.items():
        if not chosen(name, one) or (one.deleted and not with_deleted):
            continue
        if one.permission == "unsubscribed":
            outcomes["held_back"] += 1
        elif lists <= one.lists and not one.deleted:
            outcomes["unchanged"] += 1
        else:
            one.bring_back()
            one.lists |= lists
            outcomes["updated"] += 1
    return outcomes


def alters(
    contacts: Contacts, chosen: Callable[[str, Contact], bool], what: str, ids: set[str], *, add: bool
) -> Outcomes:
    """Leaves lists, or joins or leaves tags."""
    outcomes: Outcomes = Counter()
    for name, one in contacts.items():
        if one.deleted or not chosen(name, one):
            continue
        before: set[str] = getattr(one, what)
        after = before | ids if add else before - ids
        outcomes["updated" if after != before else "unchanged"] += 1
        setattr(one, what, after)
    return outcomes


# Making operations


class Driver:
    """Keeps the queue of one account filled, and knows what it put there."""

    def __init__(self, account: Account, seed: int) -> None:
        self.account = account
        self.random = Random(seed)
        self.lists = [account.post("/contact_lists", json={"name": f"L{n}"})["list_id"] for n in range(5)]
        self.tags = [account.post("/contact_tags", json={"name": f"T{n}"})["tag_id"] for n in range(3)]
        self.made: list[tuple[str, str, Callable[[Contacts], Outcomes]]] = []
        """(activity id, kind, what it does to the model) in their order."""
        self.start: Contacts = {}

    def prepare(self) -> None:
        """The contacts that there are before anything is killed; some of them unsubscribed."""
        names = [f"b{number}" for number in range(BASE)]
        self.imports(names, 0)
        self.account.ended(self.made[-1][0])
        rows = self.account.sql("select contact_id, email from contact where account_id = $1")
        self.ids = {row["email"].partition("@")[0]: str(row["contact_id"]) for row in rows}
        self.out = self.random.sample(names, 40)
        for name in self.out:
            body = {
                "email_address": {"address": f"{name}@example.org", "permission_to_send": "unsubscribed"},
                "first_name": "v0",
                "update_source": "Account",
            }
            reply = self.account.http.put(f"/contacts/{self.ids[name]}", json=body)
            assert reply.status_code == 200, reply.text

    def run(self, stop: Event) -> None:
        while not stop.is_set():
            if self.account.waiting() < QUEUED:
                self.random.choice(self.operations)()
            else:
                stop.wait(0.2)

    @property
    def operations(self) -> list[Callable[[], None]]:
        return [
            self.any_import,
            self.any_import,
            self.items,
            self.delete,
            self.join,
            self.leave,
            self.tag,
            self.untag,
        ]

    def some(self, things: list[str]) -> list[str]:
        return sorted(self.random.sample(things, self.random.randint(1, len(things) - 1)))

    def add(self, kind: str, does: Callable[[Contacts], Outcomes], **kwargs: Any) -> None:
        self.made.append((self.account.activity(kind, **kwargs), kind, does))

    # Each puts one activity in the queue

    def imports(self, names: list[str], broken: int) -> None:
        serial = len(self.made)
        lists = self.some(self.lists)
        lines = [f"{name}@example.org,v{serial}" for name in names] + [f"broken{n},x" for n in range(broken)]
        self.random.shuffle(lines)
        activity_id = self.account.import_file(["email,first_name", *lines], *lists)
        self.made.append(
            (
                activity_id,
                "contacts_file_import",
                lambda model: imports(model, names, f"v{serial}", set(lists), broken),
            )
        )

    def any_import(self) -> None:
        count = int(MOST_ROWS ** self.random.uniform(0.6, 1))
        base = self.random.sample(range(BASE), min(count // 2, BASE))
        new = self.random.sample(range(NAMES), min(count - len(base), NAMES))
        self.imports(
            [f"b{number}" for number in base] + [f"n{number}" for number in new], self.random.randint(0, 50)
        )

    def items(self) -> None:
        serial = len(self.made)
        names = [f"n{number}" for number in self.random.sample(range(NAMES), self.random.randint(1, 300))]
        lists = self.some(self.lists)
        items = [{"email": f"{name}@example.org", "first_name": f"v{serial}"} for name in names]
        self.add(
            "contacts_json_import",
            lambda model: imports(model, names, f"v{serial}", set(lists), 0),
            json={"import_data": items, "list_ids": lists},
        )

    def source(self) -> tuple[dict[str, Any], Callable[[str, Contact], bool]]:
        kind = self.random.choice(["contact_ids", "list_ids", "tag_ids", "all_active_contacts"])
        if kind == "contact_ids":
            names = set(self.random.sample(sorted(self.ids), 300))
            return {kind: [self.ids[name] for name in sorted(names)]}, lambda name, _one: name in names
        if kind == "all_active_contacts":
            return {kind: True}, lambda _name, one: one.permission != "unsubscribed"
        ids = set(self.some(self.lists if kind == "list_ids" else self.tags))
        if kind == "list_ids":
            return {kind: sorted(ids)}, lambda _name, one: bool(one.lists & ids)
        return {kind: sorted(ids)}, lambda _name, one: bool(one.tags & ids)

    def delete(self) -> None:
        body, chosen = self.source()
        if "contact_ids" not in body:
            one_list = self.random.choice(self.lists)
            body, chosen = {"list_ids": [one_list]}, lambda _name, one: one_list in one.lists
        self.add("contact_delete", lambda model: deletes(model, chosen), json=body)

    def join(self) -> None:
        (body, chosen), lists = self.source(), self.some(self.lists)
        with_deleted = "contact_ids" in body
        self.add(
            "add_list_memberships",
            lambda model: joins(model, chosen, set(lists), with_deleted=with_deleted),
            json={"source": body, "list_ids": lists},
        )

    def leave(self) -> None:
        self.alter("remove_list_memberships", "lists", self.lists, add=False)

    def tag(self) -> None:
        self.alter("contacts_taggings_add", "tags", self.tags, add=True)

    def untag(self) -> None:
        self.alter("contacts_taggings_remove", "tags", self.tags, add=False)

    def alter(self, kind: str, what: str, things: list[str], *, add: bool) -> None:
        (body, chosen), ids = self.source(), self.some(things)
        self.add(
            kind,
            lambda model: alters(model, chosen, what, set(ids), add=add),
            json={"source": body, f"{what[:-1]}_ids": ids},
        )

    # Afterwards

    def check(self) -> int:
        """Everything is as the model says, and was done once; how many contacts were compared."""
        model: Contacts = {}
        for number, (activity_id, kind, does) in enumerate(self.made):
            done = self.account.ended(activity_id, FINISH)
            assert done["state"] == "completed", (number, kind, done)
            expected = {f"{outcome}_count": count for outcome, count in does(model).items() if count}
            got = {name: count for name, count in done["status"].items() if count and name in OUTCOMES}
            assert got == expected, (number, kind, done)
            if number == 0:
                for name in self.out:
                    model[name].permission = "unsubscribed"
                    model[name].history.append("changed")
        self.same_contacts(model)
        self.same_records()
        recount(self.account.installation.sql, self.account.account_id)
        return len(model)

    def same_contacts(self, model: Contacts) -> None:
        rows = self.account.sql(
            "select split_part(email, '@', 1) as name, permission, deleted_at is not null as deleted, first_name,"
            " array(select list_id from list_membership m where m.account_id = $1 and m.contact_id = c.contact_id)"
            " as lists,"
            " array(select tag_id from tagging t where t.account_id = $1 and t.contact_id = c.contact_id) as tags,"
            " array(select action from consent_event e where e.account_id = $1 and e.contact_id = c.contact_id"
            " order by event_id) as history"
            " from contact c where account_id = $1"
        )
        found = {
            row["name"]: Contact(
                row["permission"],
                row["deleted"],
                row["first_name"],
                set(map(str, row["lists"])),
                set(map(str, row["tags"])),
                list(row["history"]),
            )
            for row in rows
        }
        assert len(found) == len(rows)
        different = {name for name in found.keys() | model.keys() if found.get(name) != model.get(name)}
        shown = [(name, found.get(name), model.get(name)) for name in sorted(different)[:3]]
        assert not different, (len(different), shown)

    def same_records(self) -> None:
        """No activity but ours, each in its order, and nothing of any is left over or doubled."""
        lane = "select from lane where account_id = $1"
        until("the lane is given back", lambda: not self.account.sql(lane))
        rows = self.account.sql(
            "select activity_id, state, started_at, completed_at, counts,"
            " (select coalesce(sum(length(outcomes)), 0) from import_outcome o where o.account_id = $1"
            "  and o.activity_id = a.activity_id) as rows,"
            " (select coalesce(sum(cardinality(created)), 0) from before_image i where i.account_id = $1"
            "  and i.activity_id = a.activity_id) as created,"
            " (select coalesce(sum(jsonb_array_length(changed)), 0) from before_image i where i.account_id = $1"
            "  and i.activity_id = a.activity_id) as changed"
            " from activity a where account_id = $1 order by activity_id"
        )
        assert [str(row["activity_id"]) for row in rows] == [activity_id for activity_id, _, _ in self.made]
        for before, after in zip(rows, rows[1:], strict=False):
            assert before["completed_at"] <= after["started_at"], "they ran side by side"
        for row, (_, kind, _) in zip(rows, self.made, strict=True):
            status = self.account.get(f"/activities/{row['activity_id']}")["status"]
            outcomes = {name: status.get(name, 0) for name in OUTCOMES}
            assert row["created"] == outcomes["created_count"]
            assert row["changed"] - outcomes["updated_count"] in range(outcomes["held_back_count"] + 1)
            if kind.endswith("import"):
                assert row["rows"] == sum(outcomes.values())
        assert not self.account.sql("select from import_row where account_id = $1")
        ours = [UUID(activity_id) for activity_id, _, _ in self.made]
        assert not self.account.sql(
            "select from upload_part where account_id = $1 and activity_id = any($2)", ours
        )


OUTCOMES = tuple(f"{name}_count" for name in ("created", "updated", "unchanged", "held_back", "rejected"))


def test_whatever_is_killed_everything_is_done_once(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.wait()
    began = time.monotonic()
    begun_before = installation.said('"event":"activity started"')
    drivers = [
        Driver(installation.new_account(f"chaos {number}"), SEED + number) for number in range(ACCOUNTS)
    ]
    for driver in drivers:
        driver.prepare()
    random = Random(SEED)
    stop = Event()
    killed: Counter[str] = Counter()
    with ThreadPoolExecutor(len(drivers)) as pool:
        running = [pool.submit(driver.run, stop) for driver in drivers]
        try:
            for victim in victims(random):
                if random.random() < 0.6:  # else what is killed may only just have come back
                    wait_for_work(installation)
                time.sleep(random.uniform(0, 0.7))  # the moment of the kill is what is random here
                if any(one.done() for one in running):
                    break
                kill(installation, victim)
                killed[victim] += 1
        finally:
            stop.set()
        for one in running:
            one.result(FINISH)
    installation.wait()
    last_kill = time.monotonic() - began
    compared = sum(driver.check() for driver in drivers)
    kinds = Counter(kind for driver in drivers for _, kind, _ in driver.made)
    interrupted = installation.said('"event":"activity started"') - begun_before - kinds.total()
    with capsys.disabled():
        print(
            f"\nseed {SEED}: kills: {told(killed)}; activities: {told(kinds)}, interrupted {interrupted} times;"
        )
        print(f"{compared:,} contacts compared with the model;", end=" ")
        print(f"{last_kill:.0f} seconds to the last kill, {time.monotonic() - began:.0f} in all")
    assert killed.total() == KILLS
    assert interrupted > KILLS / 4, "the kills hit nothing"


def told(counts: Counter[str]) -> str:
    return f"{counts.total()} ({', '.join(f'{name} {count}' for name, count in sorted(counts.items()))})"


def wait_for_work(installation: Installation) -> None:
    """Wait until a worker works; not for long, since none may be alive."""
    deadline = time.monotonic() + 6
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            if installation.sql(
                "select from lane where claimed_by is not null and beat_at > now() - interval '1 s'"
            ):
                return
        time.sleep(0.02)


def victims(random: Random) -> list[str]:
    chosen = ["worker", "postgresql", "server"] * (KILLS // 3)
    random.shuffle(chosen)
    return chosen


def kill(installation: Installation, victim: str) -> None:
    if victim == "worker":
        installation.kill_worker()
    elif victim == "postgresql":
        installation.kill_postgresql()
    else:
        installation.kill_server()
        installation.start()
