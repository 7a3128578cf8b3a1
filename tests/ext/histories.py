"""Random histories of one account, over HTTP, and a small model of its people.

The model keeps three things: which addresses' persons said no and did not take it back, whom the account erased
and who did not come back, and which activities are undone. All else is compared with the account itself.
"""

from __future__ import annotations

import csv
import email
import email.policy
import io
import itertools
from collections import Counter, defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from hypothesis import strategies as st

from everlist.core import counters, usage
from tests.core.recount import recount
from tests.ext.test_replace import put_members
from tests.mail.fixtures import SENDER, link_of
from tests.v3.helpers import email as address_of
from tests.v3.helpers import new_field, new_list, new_tag, sms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import httpx2
    from anyio.from_thread import BlockingPortal

    from everlist.db import Database
    from tests.conftest import Api, Reply, Sql
    from tests.v3.bulk import Work

V1 = "/everlist/v1"
NAMES = ("ann", "bob", "carl")
NUMBERS = ("12025550101", "12025550102")
MAILABLE = ("explicit", "implicit")
RANK = {"explicit": 2, "implicit": 1}
NEVER_UNDONE = ("contact_exports", "contact_erase")
OUTCOMES = ("created", "updated", "unchanged", "held_back", "rejected")
_example = itertools.count(1)


class Deps(NamedTuple):
    """What the machine works with."""

    api: Api
    """Of an account of its own, with the scopes for contacts and settings."""
    browser: httpx2.Client
    database: Database
    portal: BlockingPortal
    sql: Sql
    work: Work
    post: Callable[[], None]
    """Keeps all mail that is due as files."""
    folder: Path
    """All files of the server."""


Step = tuple[str, dict[str, Any]]
"""The name of a method of History, and its arguments."""


class Row(NamedTuple):
    """A row of a file: an index of NAMES or None, an index of NUMBERS or None, and cells."""

    name: int | None
    number: int | None = None
    first_name: str = ""
    anniversary: str = ""
    shop: str = ""


_names = st.integers(0, len(NAMES) - 1)
_which = st.integers(0, 11)
_rarely = st.sampled_from([False, False, False, True])
_sources = st.sampled_from(["Account", "Contact"])
_permissions = st.sampled_from(
    [None, None, "explicit", "implicit", "unsubscribed", "unsubscribed", "not_set"]
)
_numbers = st.sampled_from([None, None, None, 0, 1])
_rows = st.lists(
    st.builds(
        Row,
        name=st.sampled_from([*range(len(NAMES)), *range(len(NAMES)), None]),
        number=_numbers,
        first_name=st.sampled_from(["", "Al", "Bo"]),
        anniversary=st.sampled_from(["", "", "", "4/9/2020", "no date"]),
        shop=st.sampled_from(["", "", "North", "South"]),
    ),
    min_size=1,
    max_size=6,
)


class History:
    """One account; each step is a call of its owner or an act of a person."""

    def __init__(self, deps: Deps, *, strict: bool = True) -> None:
        self.api, self.browser, self.sql, self.work = deps.api, deps.browser, deps.sql, deps.work
        self.deps, self.account_id = deps, deps.api.account_id
        self.domain = f"h{next(_example)}.histories.example"
        self.confirming = False
        self.said_no: set[str] = set()
        """Addresses whose person said no, and has not said yes since."""
        self.erased: set[str] = set()
        """Addresses and numbers that were erased, and whose person did not come back."""
        self.strict = strict
        """Whether to look for erased addresses, too, that another contact had before, and to spell them in many ways."""
        self.holders: defaultdict[str, set[str]] = defaultdict(set)
        """Which contacts had an address or number."""
        self.contact_ids: list[str] = []
        self.activities: dict[str, tuple[str, str | None]] = {}
        """(kind, which it undoes) by id, in order."""
        self.links: dict[str, dict[str, str]] = {}
        self.mailbox: dict[str, tuple[str, str]] = {}
        """(address, path of the link) by file: the people keep their mail."""
        self.before = self._contacts()
        self.last_event = UUID(int=0)
        self.person_acts = self.asks = False
        self.latest: tuple[str, Any] | None = None
        """The activity of this step, and how the account was before it."""
        self.previous = self.latest
        """The same of the step before."""
        self.peak = self.steps = 0
        self._settings(sender_email=SENDER)
        for _ in range(2):
            new_list(self.api)
        new_tag(self.api)
        new_field(self.api, "shop")
        self.play(("create", {"name": 0, "source": "Account", "wanted": None, "number": None, "lists": 3}))

    def play(self, step: Step) -> None:
        """Take one step, and see whether all holds that has to."""
        self.previous, self.latest = self.latest, None
        self.person_acts = self.asks = False
        self.steps += 1
        name, arguments = step
        getattr(self, name)(**arguments)
        self._everything_holds()

    # The people, one by one.

    def create(self, name: int, source: str, wanted: str | None, number: int | None, lists: int) -> None:
        address = self._address(name)
        body = {"create_source": source, **self._body(address, wanted, number, lists)}
        key = {"Idempotency-Key": f"{self.domain}-{self.steps}"}
        if self._done(self.api("POST", "/contacts", json=body, headers=key), 201, 409, 400) is None:
            return
        self.asks = wanted is not None
        if source == "Contact":
            self._came_back(address, number)
            if wanted == "unsubscribed":
                self.said_no.add(address)
            elif not self.confirming and wanted != "not_set":
                self.said_no.discard(address)

    def sign_up(self, name: int, source: str, lists: int) -> None:
        address = self._address(name)
        body: dict[str, Any] = {"email_address": address}
        body |= {"list_memberships": self._some_lists(lists)} if source == "Contact" else {"source": source}
        if self._done(self.api.post("/contacts/sign_up_form", body), 200, 201, 409) is None:
            return
        if source == "Contact":
            self._came_back(address, None)
            if not self.confirming:
                self.said_no.discard(address)

    def put(
        self, which: int, name: int | None, source: str, wanted: str | None, number: int | None, lists: int
    ) -> None:
        contact_id = self._contact(which)
        was = self.before.get(contact_id)
        held = was["email_key"] if was else None
        address = held if name is None else self._address(name)
        body = {"update_source": source, **self._body(address, wanted, number, lists)}
        if self._done(self.api.put(f"/contacts/{contact_id}", body), 200, 400, 404, 409) is None:
            return
        self.asks = wanted is not None and address is not None
        if source == "Contact":
            self._came_back(address, number)
        if address is None:
            return
        now = self._contacts()[contact_id]
        moved, opted_out = address != held, now["permission"] == "unsubscribed"
        if source == "Contact" and wanted == "unsubscribed":
            self.said_no.add(address)
        elif moved and opted_out and now["opt_out_source"] == "Contact":
            self.said_no.add(address)  # it goes along with the contact
        elif source == "Contact" and (wanted is not None or moved):
            self.said_no.discard(address)

    def delete(self, which: int) -> None:
        self._done(self.api.delete(f"/contacts/{self._contact(which)}"), 204, 404)

    def leave(self, which: int, page: str) -> None:
        """By the link in a mail that somebody else has sent, perhaps long ago."""
        contact_id = self._contact(which)
        if contact_id not in self.links:
            reply = self.api.get(f"{V1}/contacts/{contact_id}/links")
            if self._done(reply, 200, 404) is None:
                return
            names = ("one_click", "unsubscribe")
            self.links[contact_id] = {one: urlsplit(reply.json[f"{one}_url"]).path for one in names}
        reply = self.browser.post(self.links[contact_id][page], data={"List-Unsubscribe": "One-Click"})
        was = self.before.get(contact_id)
        assert reply.status_code == 200 or (was is None and reply.status_code == 410), reply
        if was:
            self.person_acts = True
            if was["email_key"]:
                self.said_no.add(was["email_key"])

    def ask_again(self, which: int, lists: int) -> None:
        body = {"list_ids": self._some_lists(lists)}
        self._done(
            self.api.put(f"/contacts/resubscribe/{self._contact(which)}", body), 200, 202, 400, 404, 409
        )

    def answer(self, which: int, yes: bool) -> None:
        """By the link of a mail that the server has kept; mail outlives whoever is erased."""
        if not self.mailbox:
            return
        address, path = list(self.mailbox.values())[-1 - which % len(self.mailbox)]
        reply = self.browser.post(path, data={"answer": "yes" if yes else "no"})
        assert reply.status_code in (200, 404, 410), reply
        self.person_acts = True
        if yes and "Thank you" in reply.text:
            self.said_no.discard(address)
        elif not yes:
            for one in self._contacts().values():
                if one["email_key"] == address and one["opt_out_source"] == "Contact":
                    self.said_no.add(address)

    def set_confirming(self, confirming: bool) -> None:
        self._settings(confirmed_opt_in=confirming)
        self.confirming = confirming

    # The account, in bulk.

    def import_file(self, rows: list[Row], lists: int) -> None:
        data = {"list_ids": ",".join(self._some_lists(lists) or self._lists()[:1])}
        files = {"file": ("people.csv", self._csv(rows).encode(), "text/csv")}
        activity = self._run(
            "import", self.api("POST", "/activities/contacts_file_import", data=data, files=files)
        )
        self._accounted(activity, len(rows))

    def replace(
        self, rows: list[Row], which: int, leavers: str, guard: str | None, looks_first: bool
    ) -> None:
        lists = self._lists()
        list_id, content = lists[which % len(lists)], self._csv(rows)
        params = {"leavers": leavers, **({"max_removed_percent": guard} if guard else {})}
        said: Any = None
        if looks_first:
            was = self._state()
            reply = put_members(self.api, list_id, content, dry_run="true", **params)
            said = self._done(reply, 200, 400) and reply.json
            assert self._state() == was, "a dry run changed something"
        activity = self._run("replace", put_members(self.api, list_id, content, **params))
        if activity["state"] == "failed":
            assert guard, activity
            assert said is None, (said, activity)
            assert not looks_first or reply.json[0]["error_message"].endswith(activity["activity_errors"][0])
            return
        assert said is not None or not looks_first, (reply, activity)
        outcomes = self._accounted(activity, len(rows))
        status = activity["status"]
        if said is not None:
            for name, count in (("add", "added"), ("keep", "kept"), ("remove", "removed")):
                assert said[name] == status[f"{count}_count"], (said, status)
            assert said["held_back"] == outcomes["held_back"], (said, status)
            assert said["rejected"] == outcomes["rejected"], (said, status)
            assert said["peak_after"] == self.api.get(f"{V1}/usage/active_contacts").json["peak"]
        members = self.sql(
            "select c.email_key, c.sms_number from list_membership m join contact c using (account_id, contact_id)"
            " where m.account_id = $1 and m.list_id = $2",
            self.account_id,
            UUID(list_id),
        )
        assert len(members) == status["kept_count"] + status["added_count"], (members, status)
        named = {self._address(row.name) for row in rows if row.name is not None}
        named |= {NUMBERS[row.number] for row in rows if row.number is not None}
        assert all(named & {one["email_key"], one["sms_number"]} for one in members), (
            "somebody else is on the list"
        )

    def delete_many(self, which: int, by_list: bool) -> None:
        source = self._source(which, by_list=by_list)
        self._bulk("contact_delete", **source)

    def enlist(self, kind: str, which: int, list_: int) -> None:
        lists = self._lists()
        source = {"contact_ids": self._some_contacts(which)}
        self._bulk(kind, source=source, list_ids=[lists[list_ % len(lists)]])

    def tag(self, kind: str, which: int) -> None:
        if not (tags := self._ids("tag")):
            tags = [new_tag(self.api)]
        self._bulk(kind, source={"contact_ids": self._some_contacts(which)}, tag_ids=tags[-1:])

    def drop(self, what: str, which: int) -> None:
        """A list, a tag or a custom field goes, and what hung on it."""
        kind, key = {
            "list": ("list_delete", "list_ids"),
            "tag": ("contacts_tags_delete", "tag_ids"),
            "field": ("custom_fields_delete", "custom_field_ids"),
        }[what]
        some = self._lists() if what == "list" else self._ids("tag" if what == "tag" else "custom_field")
        if some:
            self._bulk(kind, **{key: [some[which % len(some)]]})

    def export(self) -> None:
        self._bulk("contact_exports")

    def undo(self, which: int) -> None:
        """Whichever activity: an undo too, or one that cannot be."""
        if self.activities:
            self._undo(list(self.activities)[-1 - which % len(self.activities)])

    def undo_at_once(self) -> None:
        """Nothing came between: all is as before, but that who was made is a deleted contact."""
        if self.previous is None:
            return
        activity_id, was = self.previous
        if not self._undo(activity_id):
            return
        now = self._state()
        for contact_id in set(now["contacts"]) - set(was["contacts"]):
            made = now["contacts"].pop(contact_id)
            assert made["deleted_at"], made
            assert not made["lists"], made
        for name, there in was.items():
            assert now[name] == there, f"{name} did not come back as they were"

    def _undo(self, activity_id: str) -> bool:
        kind, _ = self.activities[activity_id]
        expected = 409 if kind in NEVER_UNDONE or self._is_undone(activity_id) else 201
        (rows,) = self.sql(
            "select coalesce(sum(cardinality(created) + jsonb_array_length(changed)), 0)::int from before_image"
            " where account_id = $1 and activity_id = $2",
            self.account_id,
            UUID(activity_id),
        )[0]
        reply = self.api.post(f"{V1}/activities/{activity_id}/undo", None)
        assert reply.status == expected, (kind, reply)
        if expected == 409:
            return False
        self._accounted(self._run("undo", reply, undoes=activity_id), rows)
        return True

    def _is_undone(self, activity_id: str) -> bool:
        return any(
            undoes == activity_id and not self._is_undone(one) for one, (_, undoes) in self.activities.items()
        )

    def restore(self, which: int, by_activity: bool) -> None:
        deletions = [
            one for one, (kind, _) in self.activities.items() if kind in ("contact_delete", "replace")
        ]
        ids = self._some_contacts(which)
        body: dict[str, Any] = {"contact_ids": ids}
        if by_activity and deletions:
            body = {"deleted_by_activity_id": deletions[-1 - which % len(deletions)]}
        activity = self._run("restore", self.api.post(f"{V1}/activities/contact_restore", body))
        if "contact_ids" in body:
            deleted = {one for one, row in self.before.items() if row["deleted_at"]}
            assert activity["status"]["updated_count"] == len(deleted & set(ids)), activity
            assert activity["status"]["unchanged_count"] == len(set(ids) - deleted), activity
        now = self._contacts()
        assert not [one for one in ids if now.get(one, {}).get("deleted_at")] or "contact_ids" not in body

    # Erasing.

    def erase(self, which: int) -> None:
        contact_id = self._contact(which)
        reply = self.api.delete(f"{V1}/contacts/{contact_id}")
        assert reply.status == (200 if contact_id in self.before else 404), reply
        self._gone([contact_id])

    def erase_many(self, which: int, how: str) -> None:
        lists = self._lists()
        chosen, address = self._some_contacts(which), self._address(which % len(NAMES))
        given = {
            "contact_ids": chosen,
            "email_addresses": [address],
            "list_ids": [lists[which % len(lists)]],
        }[how]
        body = {"reason": "asked for by the person", how: given}
        ids = {
            "contact_ids": chosen,
            "email_addresses": [one for one, row in self.before.items() if row["email_key"] == address],
            "list_ids": [
                str(row["contact_id"])
                for row in self.sql(
                    "select contact_id from list_membership where account_id = $1 and list_id = $2",
                    self.account_id,
                    UUID(lists[which % len(lists)]),
                )
            ],
        }[how]
        self._run("contact_erase", self.api.post(f"{V1}/activities/contact_erase", body))
        self._gone(ids)
        if how == "email_addresses":
            self._look_for(address, self._contacts())

    def _gone(self, contact_ids: Iterable[str]) -> None:
        now = self._contacts()
        for one in contact_ids:
            assert one not in now, "an erased contact is there"
        for one in set(self.before) - set(now):
            assert one in contact_ids, "somebody else was erased"
            for needle in {self.before[one][name] for name in ("email_key", "sms_number")} - {None}:
                self._look_for(needle, now)

    def _look_for(self, needle: str, now: dict[str, Any]) -> None:
        if self.strict or not self.holders[needle] & set(now):
            self.erased.add(needle)

    def take_back_an_erasure(self, name: int) -> None:
        """The account may import or write the address again; an opt-out stays."""
        address = self._address(name)
        params = {"email": address, "reason": "a mistake"}
        if self._done(self.api("DELETE", f"{V1}/suppressions", params=params), 204, 404, 409) is not None:
            self.erased.discard(address)

    def roll_up(self, most: int) -> None:
        """The worker's other task; it changes nothing that anybody sees."""
        for part in (counters, usage):
            self.deps.portal.call(
                self.deps.database.write, lambda tx, part=part: part.roll_up(tx, self.account_id, most=most)
            )
        self.latest = self.previous

    # What holds after each step.

    def _everything_holds(self) -> None:
        self._read_mail()
        now = self._contacts()
        self._consent(now)
        recount(self.sql, self.account_id)
        self._meter(now)
        places = self._places()
        assert places == [], f"erased, and still there: {places}"
        self.contact_ids += [one for one in now if one not in self.contact_ids]
        for one, row in now.items():
            for needle in {row["email_key"], row["sms_number"]} - {None}:
                self.holders[needle].add(one)
        self.before = now

    def _consent(self, now: dict[str, Any]) -> None:
        for contact_id, one in now.items():
            if one["permission"] in MAILABLE:
                assert one["email_key"] not in self.said_no, f"mailable, though the person said no: {one}"
            was = self.before.get(contact_id)
            if was and was["permission"] and not (self.asks or self.person_acts):
                rose = RANK.get(one["permission"], 0) > RANK.get(was["permission"], 0)
                assert not rose, f"{was['permission']} rose to {one['permission']}: nobody asked for it"
        events = self.sql(
            "select event_id, source, permission_before, permission_after, operation from consent_event"
            " where account_id = $1 and event_id > $2 and channel = 'email' order by event_id",
            self.account_id,
            self.last_event,
        )
        for event in events:
            assert event["source"] != "Contact" or self.person_acts, f"no person did this: {event}"
            self.last_event = event["event_id"]

    def _meter(self, now: dict[str, Any]) -> None:
        told = self.api.get(f"{V1}/usage/active_contacts").json
        active = sum(one["deleted_at"] is None and one["permission"] in MAILABLE for one in now.values())
        assert told["current"] == active, told
        self.peak = max(self.peak, active)
        assert told["peak"] == self.peak, f"{told}: there were {self.peak} after one of the steps"

    def _places(self) -> list[str]:
        """Where an erased address or number stands, in any table or file."""
        if not self.erased:
            return []
        (row,) = self.sql(_search(self.sql), self.account_id, sorted(self.erased))
        places = list(row[0] or ())
        for file in self.deps.folder.rglob("*"):
            if file.is_file():
                data = file.read_bytes().lower()
                places += [f"{file.name}" for one in self.erased if one.encode() in data]
        return places

    # How it is done.

    def _done(self, reply: Reply, *statuses: int) -> Reply | None:
        """The reply, or None where it is a refusal. The first statuses are the successful ones."""
        assert reply.status in statuses, reply
        return reply if reply.status < 400 else None

    def _came_back(self, address: str | None, number: int | None) -> None:
        self.person_acts = True
        self.erased -= {address, NUMBERS[number] if number is not None else None}

    def _bulk(self, kind: str, **body: Any) -> Any:
        activity = self._run(kind, self.api.post(f"/activities/{kind}", body))
        status = activity["status"] if "status" in activity else {}
        if any(f"{name}_count" in status for name in OUTCOMES):
            counted = sum(status.get(f"{name}_count", 0) for name in OUTCOMES)
            assert counted == status["items_completed_count"] == status["items_total_count"], activity
        return activity

    def _run(self, kind: str, reply: Reply, undoes: str | None = None) -> Any:
        """The activity when it has ended."""
        assert reply.status == 201, reply
        was = self._state()
        self.work()
        activity = self.api.get(f"/activities/{reply.json['activity_id']}").json
        assert activity["state"] == "completed" or (kind == "replace" and activity["state"] == "failed"), (
            activity
        )
        self.activities[activity["activity_id"]] = (kind, undoes)
        self.latest = activity["activity_id"], was
        return activity

    def _accounted(self, activity: Any, rows: int) -> Counter[str]:
        """How many rows had which outcome; each had one, and the two ways to ask agree."""
        status = activity["status"]
        told = Counter({name: status.get(f"{name}_count", 0) for name in OUTCOMES})
        assert told.total() == rows, f"{rows} rows, but {activity}"
        reply = self.api.get(f"{V1}/activities/{activity['activity_id']}/rows")
        listed = Counter(row["outcome"] for row in csv.DictReader(io.StringIO(reply.body.decode())))
        assert listed == +told, (listed, told)
        return told

    def _body(
        self, address: str | None, wanted: str | None, number: int | None, lists: int
    ) -> dict[str, Any]:
        body: dict[str, Any] = {"list_memberships": self._some_lists(lists)}
        if address is not None:
            body["email_address"] = address_of(address.title(), wanted)
        if number is not None:
            body["sms_channel"] = sms(NUMBERS[number])
        return body if number is not None or address is not None else {**body, "first_name": "Nobody"}

    def _csv(self, rows: Sequence[Row]) -> str:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["email", "sms_number", "first name", "anniversary", "cf:shop", "company name"])
        for row in rows:
            address = "nobody" if row.name is None and row.number is None else ""
            if row.name is not None:
                address = self._address(row.name)
                address = address.upper() if self.strict else address
            number = "" if row.number is None else NUMBERS[row.number]
            writer.writerow([address, number, row.first_name, row.anniversary, row.shop, "Acme"])
        return text.getvalue()

    def _address(self, name: int) -> str:
        return f"{NAMES[name]}@{self.domain}"

    def _contact(self, which: int) -> str:
        """One of those that are there, rather a late one; for 11 one that perhaps was erased."""
        some = self.contact_ids if which == 11 else list(self.before) or self.contact_ids
        return some[-1 - which % len(some)]

    def _some_contacts(self, which: int) -> list[str]:
        return sorted({self._contact(which), self._contact(which // 3)})

    def _source(self, which: int, *, by_list: bool) -> dict[str, Any]:
        return {"list_ids": self._some_lists(1)} if by_list else {"contact_ids": self._some_contacts(which)}

    def _some_lists(self, lists: int) -> list[str]:
        """The lists whose bits are set."""
        return [
            one for place, one in enumerate(self._lists()[:2]) if (lists & 3) >> place & 1
        ] or self._lists()[:1]

    def _lists(self) -> list[str]:
        rows = self.sql(
            "select list_id from contact_list where account_id = $1 and deleted_at is null order by list_id",
            self.account_id,
        )
        return [str(row["list_id"]) for row in rows] or [new_list(self.api)]

    def _ids(self, table: str) -> list[str]:
        rows = self.sql(f"select {table}_id from {table} where account_id = $1 order by 1", self.account_id)
        return [str(row[0]) for row in rows]

    def _contacts(self) -> dict[str, Any]:
        rows = self.sql(
            "select contact_id::text, email_key, permission, opt_out_source, sms_number, deleted_at from contact"
            " where account_id = $1 order by contact_id",
            self.account_id,
        )
        return {row["contact_id"]: row for row in rows}

    def _state(self) -> dict[str, Any]:
        """All that clients see of the account, but for when and by whom contacts were last written."""
        contacts = self.sql(
            "select contact_id, email, email_key, permission, opt_in_source, opt_in_at, opt_out_source, opt_out_at,"
            " first_name, company_name, anniversary, sms_number, sms_permission, custom_fields, deleted_at,"
            " array(select list_id from list_membership m where m.account_id = $1 and m.contact_id = c.contact_id"
            " order by 1) as lists,"
            " array(select tag_id from tagging t where t.account_id = $1 and t.contact_id = c.contact_id order by 1)"
            " as tags from contact c where account_id = $1",
            self.account_id,
        )
        return {
            "contacts": {row["contact_id"]: dict(row) for row in contacts},
            "lists": self._lists(),
            "tags": self._ids("tag"),
            "fields": self._ids("custom_field"),
        }

    def _settings(self, **change: Any) -> None:
        reply = self.api("PATCH", f"{V1}/account/settings", json=change)
        assert reply.status == 200, reply

    def _read_mail(self) -> None:
        self.deps.post()
        for file in (self.deps.folder / "mail").glob("*.eml"):
            if file.name not in self.mailbox:
                with suppress(AssertionError):
                    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
                    if str(message["To"]).endswith(self.domain):
                        self.mailbox[file.name] = (str(message["To"]), link_of(message))


_searches: list[str] = []


def _search(sql: Sql) -> str:
    """One statement that looks for texts in every column of every table, in text and in bytes."""
    if not _searches:
        tables = sql(
            "select c.table_name, array_agg(c.column_name::text) filter (where c.data_type = 'bytea') as bytes,"
            " bool_or(c.column_name = 'account_id') as of_account from information_schema.columns c"
            " join information_schema.tables t using (table_schema, table_name)"
            " where c.table_schema = 'public' and t.table_type = 'BASE TABLE' group by c.table_name order by 1"
        )
        parts: list[str] = []
        for table, columns, of_account in tables:
            text = "lower(t::text)" + "".join(
                f" || lower(coalesce(encode(t.{one}, 'escape'), ''))" for one in columns or ()
            )
            here = f"select '{table}' as place, {text} as text from {table} t"
            parts.append(here + (" where account_id = $1" if of_account else ""))
        _searches.append(
            "select array_agg(distinct place || ': ' || needle) from ("
            + " union all ".join(parts)
            + ") everything"
            " join unnest($2::text[]) needle on position(needle in text) > 0"
            " or position(encode(needle::bytea, 'hex') in text) > 0"
        )
    return _searches[0]


def _step(name: str, times: int = 1, /, **arguments: st.SearchStrategy[Any]) -> list[st.SearchStrategy[Any]]:
    return [st.tuples(st.just(name), st.fixed_dictionaries(arguments))] * times


STEPS = st.one_of(
    *_step("roll_up", most=st.sampled_from([1, 3, 50_000])),
    *_step("create", 2, name=_names, source=_sources, wanted=_permissions, number=_numbers, lists=_which),
    *_step(
        "sign_up", 2, name=_names, source=st.sampled_from(["Contact", "Contact", "Account"]), lists=_which
    ),
    *_step(
        *("put", 4),
        which=_which,
        name=st.none() | _names,
        source=_sources,
        wanted=_permissions,
        number=_numbers,
        lists=_which,
    ),
    *_step("delete", which=_which),
    *_step("leave", 2, which=_which, page=st.sampled_from(["one_click", "unsubscribe"])),
    *_step("ask_again", which=_which, lists=_which),
    *_step("answer", 2, which=_which, yes=st.sampled_from([True, True, False])),
    *_step("set_confirming", confirming=st.booleans()),
    *_step("import_file", 3, rows=_rows, lists=_which),
    *_step(
        *("replace", 3),
        rows=_rows,
        which=_which,
        leavers=st.sampled_from(["unlist", "delete"]),
        guard=st.sampled_from([None, None, "50"]),
        looks_first=st.booleans(),
    ),
    *_step("delete_many", 2, which=_which, by_list=_rarely),
    *_step(
        "enlist",
        kind=st.sampled_from(["add_list_memberships", "remove_list_memberships"]),
        which=_which,
        list_=_which,
    ),
    *_step("tag", kind=st.sampled_from(["contacts_taggings_add", "contacts_taggings_remove"]), which=_which),
    *_step("drop", what=st.sampled_from(["list", "tag", "field"]), which=_which),
    *_step("export"),
    *_step("undo", 4, which=_which),
    *_step("undo_at_once", 6),
    *_step("restore", 2, which=_which, by_activity=st.booleans()),
    *_step("erase", which=_which),
    *_step(
        "erase_many", 2, which=_which, how=st.sampled_from(["contact_ids", "email_addresses", "list_ids"])
    ),
    *_step("take_back_an_erasure", 2, name=_names),
)
"""What matters most comes most often."""
