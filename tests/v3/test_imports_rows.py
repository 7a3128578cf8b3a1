"""Imports: what becomes of each row; V3 contract 6.3."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from anyio.from_thread import BlockingPortal

from everlist.core import activities, contacts
from everlist.core.act import Act
from everlist.core.imports import job
from everlist.db import Database
from everlist.worker.activities import Worker
from tests.conftest import INSTALLATION, Api, Clock, Sql
from tests.core.recount import recount
from tests.v3.bulk import Work, counted, ended, images, lists_of, person
from tests.v3.helpers import (
    Behind,
    email,
    found,
    get_contact,
    new_field,
    new_list,
    new_lists,
    post_contact,
    put_contact,
    sign_up,
)
from tests.v3.imports import Rows, by_address, imported, made, post_file

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def test_of_rows_for_one_address_the_last_counts(alice: Api, work: Work, rows: Rows) -> None:
    text = "email,first_name\nann@example.org,One\nbea@example.org,Bea\nANN@Example.org,Two\nann@example.org,Three\n"
    done = imported(alice, work, text)
    assert counted(done) == {"items_total": 5, "person": 2, "created": 2, "unchanged": 2}
    assert by_address(alice, "ann@example.org")["first_name"] == "Three"
    assert [(row.outcome, row.email, row.reason) for row in rows(done)] == [
        ("unchanged", "ann@example.org", "superseded by line 5"),
        ("created", "", ""),
        ("unchanged", "ann@example.org", "superseded by line 5"),
        ("created", "", ""),
    ]
    assert done["activity_errors"] == []


def test_a_rejected_row_supersedes_nothing(alice: Api, work: Work, rows: Rows) -> None:
    done = imported(alice, work, f"email,first_name\nann@example.org,Ann\nann@example.org,{'x' * 51}\n")
    assert [row.outcome for row in rows(done)] == ["created", "rejected"]
    assert by_address(alice, "ann@example.org")["first_name"] == "Ann"


def test_only_the_columns_that_are_there_change(alice: Api, work: Work, rows: Rows, clock: Clock) -> None:
    field = new_field(alice, "Size")
    other = new_field(alice, "Other")
    news, club = new_lists(alice, 2)
    clock.move(days=-1)
    before = post_contact(
        alice,
        email_address=email("ann@example.org", "explicit"),
        first_name="Ann",
        last_name="Ace",
        job_title="Baker",
        company_name="Mill",
        birthday_month=2,
        birthday_day=29,
        anniversary="2015-06-07",
        list_memberships=[news],
        custom_fields=[{"custom_field_id": field, "value": "44"}, {"custom_field_id": other, "value": "x"}],
        notes=[{"content": "called"}],
    )
    done = imported(alice, work, "email,last_name,job_title,cf:Size\nann@example.org,Pace,,45\n", club)
    assert counted(done) == {"items_total": 2, "person": 1, "updated": 1}
    after = by_address(alice, "ann@example.org", "list_memberships", "custom_fields", "notes")
    same = "first_name job_title company_name birthday_month birthday_day anniversary create_source created_at".split()
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert after["last_name"] == "Pace"
    assert set(after["list_memberships"]) == {news, club}
    assert {one["custom_field_id"]: one["value"] for one in after["custom_fields"]} == {
        field: "45",
        other: "x",
    }
    assert after["notes"] == before["notes"]
    assert after["update_source"] == "Account"
    assert after["updated_at"] > before["updated_at"]
    (row,) = rows(done)
    assert row.contact_id == after["contact_id"]


@pytest.mark.parametrize(
    "permission", ["explicit", "implicit", "not_set", "pending_confirmation", "temp_hold"]
)
def test_permission_stays_what_it_was(alice: Api, behind: Behind, work: Work, permission: str) -> None:
    contact_id = person(alice, "ann", permission)
    before = get_contact(alice, contact_id)["email_address"]
    list_id = new_list(alice)
    imported(alice, work, "email,first_name\nann@example.org,Ann\n", list_id)
    after = get_contact(alice, contact_id, "list_memberships")
    assert after["email_address"] == before
    assert after["list_memberships"] == [list_id]
    assert [move[0] for move in behind.moves(contact_id)] == ["created"]


@pytest.mark.parametrize("by", ["Account", "Contact"])
@pytest.mark.parametrize("deleted", [False, True])
def test_the_unsubscribed_are_held_back_but_updated(
    alice: Api, work: Work, rows: Rows, by: str, deleted: bool
) -> None:
    contact_id = person(alice, "ann", first_name="Ann")
    put_contact(
        alice,
        contact_id,
        email_address=email("ann@example.org", "unsubscribed"),
        update_source=by,
        first_name="Ann",
    )
    if deleted:
        alice.delete(f"/contacts/{contact_id}")
    before = get_contact(alice, contact_id)
    text = "email,first_name,last_name\nann@example.org,Ann,Ace\n"
    done = imported(alice, work, text)
    assert counted(done) == {"items_total": 2, "person": 1, "cannot_add_to_list": 1, "held_back": 1}
    after = get_contact(alice, contact_id, "list_memberships")
    assert after["last_name"] == "Ace"
    assert after["list_memberships"] == []
    assert after["email_address"] == before["email_address"]
    assert after.get("deleted_at") == before.get("deleted_at")
    (row,) = rows(done)
    assert row[2:] == ("held_back", contact_id, "ann@example.org", "the contact has unsubscribed")


def test_the_deleted_come_back(alice: Api, behind: Behind, work: Work) -> None:
    old, new = new_lists(alice, 2)
    contact_id = person(alice, "ann", "explicit", list_memberships=[old])
    alice.delete(f"/contacts/{contact_id}")
    done = imported(alice, work, "email\nann@example.org\n", new)
    assert counted(done) == {"items_total": 2, "person": 1, "updated": 1}
    after = get_contact(alice, contact_id, "list_memberships")
    assert "deleted_at" not in after
    assert after["list_memberships"] == [new]
    assert after["email_address"]["permission_to_send"] == "explicit"
    event = behind.events(contact_id)[-1]
    assert (event["action"], event["activity_id"], event["row_number"]) == (
        "restored",
        UUID(done["activity_id"]),
        1,
    )
    assert event["operation"] == "POST /v3/activities/contacts_file_import"


def test_suppressed_addresses_are_held_back(alice: Api, work: Work, rows: Rows, behind: Behind) -> None:
    """Their persons unsubscribed on contacts that have other addresses now."""
    contact_id = person(alice, "ann")
    put_contact(
        alice, contact_id, email_address=email("ann@example.org", "unsubscribed"), update_source="Contact"
    )
    put_contact(alice, contact_id, email_address=email("new@example.org"))
    assert len(behind.rows("suppression")) == 1
    done = imported(alice, work, "email\nann@example.org\nbea@example.org\n")
    assert counted(done) == {
        "items_total": 3,
        "person": 2,
        "cannot_add_to_list": 1,
        "held_back": 1,
        "created": 1,
    }
    assert by_address(alice, "ann@example.org") is None
    row = rows(done, "held_back")[0]
    assert row[3:] == ("", "ann@example.org", "the address is suppressed: its person unsubscribed")
    assert len(behind.rows("suppression")) == 1


def test_rows_that_change_nothing_write_nothing(alice: Api, work: Work, rows: Rows, sql: Sql) -> None:
    new_field(alice, "Size")
    list_id = new_list(alice)
    text = (
        "email,first_name,phone,street,city,country,birthday,anniversary,cf:Size,sms_number\n"
        "ann@example.org,Ann,123,1 High St,Peoria,US,2/29,6/7/2015,44,3095550100\n"
        "bea@example.org,Bea,,,,,,,,\n"
    )
    imported(alice, work, text, list_id)

    def state() -> Any:
        return [
            sql(
                f"select xmin::text, ctid::text from {table} where account_id = $1 order by 2",
                alice.account_id,
            )
            for table in ("contact", "list_membership", "consent_event", "active_delta")
        ]

    before = state()
    for again in (text, text.replace("Bea", "").replace("6/7/2015", "2015-06-07").replace("ann@", "ANN@")):
        done = imported(alice, work, again, list_id)
        assert counted(done) == {"items_total": 3, "person": 2, "unchanged": 2}
        assert {row.outcome for row in rows(done)} == {"unchanged"}
        assert all(row.contact_id and not row.reason for row in rows(done))
    assert state() == before


def kinds(items: Any, *names: str) -> dict[str, tuple[str | None, ...]]:
    return {item["kind"]: tuple(item.get(name) for name in names) for item in items}


def test_phones_and_addresses_are_merged_by_their_kind(alice: Api, work: Work) -> None:
    contact_id = person(
        alice,
        "ann",
        phone_numbers=[{"phone_number": "1", "kind": "home"}, {"phone_number": "2", "kind": "work"}],
        street_addresses=[
            {"kind": "home", "street": "1 High St", "city": "Peoria", "postal_code": "61602"},
            {"kind": "work", "street": "2 Low St"},
        ],
    )
    before = get_contact(alice, contact_id, "phone_numbers", "street_addresses")
    imported(
        alice, work, "email,home_phone,mobile_phone,city,other_street\nann@example.org,9,3,Chicago,3 Old St\n"
    )
    after = get_contact(alice, contact_id, "phone_numbers", "street_addresses")
    assert kinds(after["phone_numbers"], "phone_number") == {"home": ("9",), "work": ("2",), "mobile": ("3",)}
    assert kinds(after["street_addresses"], "street", "city", "postal_code") == {
        "home": ("1 High St", "Chicago", "61602"),
        "work": ("2 Low St", None, None),
        "other": ("3 Old St", None, None),
    }

    def one(contact: Any, what: str, kind: str) -> Any:
        return next(item for item in contact[what] if item["kind"] == kind)

    assert one(after, "phone_numbers", "work") == one(before, "phone_numbers", "work")
    assert one(after, "street_addresses", "work") == one(before, "street_addresses", "work")
    home = one(after, "street_addresses", "home")
    assert home["street_address_id"] == one(before, "street_addresses", "home")["street_address_id"]


def test_what_is_new_of_phones_and_addresses_has_an_id_and_a_time_of_its_own(alice: Api, work: Work) -> None:
    imported(
        alice,
        work,
        "email,home_phone,work_phone,mobile_phone,city,work_city,other_city\n"
        "ann@example.org,1,2,3,Rome,Bonn,Kiel\nben@example.org,1,,,Rome,,\n",
    )
    ids = [by_address(alice, f"{name}@example.org")["contact_id"] for name in ("ann", "ben")]
    for name in ("ann", "ben"):
        found = by_address(alice, f"{name}@example.org", "phone_numbers", "street_addresses")
        for item in (*found["phone_numbers"], *found["street_addresses"]):
            assert item["created_at"] == item["updated_at"] == found["created_at"]
            ids.append(item.get("phone_number_id") or item["street_address_id"])
        assert {phone["create_source"] for phone in found["phone_numbers"]} == {"Account"}
    assert len(set(ids)) == len(ids) == 10
    assert {UUID(one).version for one in ids} == {7}


def test_limits_of_what_a_contact_has(alice: Api, work: Work, rows: Rows) -> None:
    fields = [new_field(alice, f"F{number}") for number in range(26)]
    person(
        alice,
        "ann",
        phone_numbers=[
            {"phone_number": str(n), "kind": kind} for n, kind in enumerate(("home", "work", "mobile"))
        ],
        custom_fields=[{"custom_field_id": field, "value": "x"} for field in fields[:25]],
    )
    person(alice, "bea", custom_fields=[{"custom_field_id": fields[25], "value": "x"}])
    done = imported(
        alice,
        work,
        "email,other_phone,cf:f25,cf:f0\n"
        "ann@example.org,4,,\n"  # and the fields she has
        "bea@example.org,4,y,y\n",
    )
    assert [(row.outcome, row.reason) for row in rows(done)] == [
        ("rejected", "more than 3 phone numbers"),
        ("updated", ""),
    ]
    assert counted(done) == {"items_total": 3, "person": 1, "error": 1, "rejected": 1, "updated": 1}
    done = imported(alice, work, "email,cf:f25,cf:f0\nann@example.org,y,y\n")
    assert [row.reason for row in rows(done)] == ["more than 25 custom fields"]
    header = ",".join(["email", *(f"cf:f{number}" for number in range(26))])
    done = imported(alice, work, f"{header}\ncid@example.org{',x' * 26}\ndan@example.org{',x' * 25},\n")
    assert [row.reason for row in rows(done)] == ["More than 25 custom fields", ""]


def test_no_more_than_fifty_lists(alice: Api, work: Work, rows: Rows) -> None:
    on = new_lists(alice, 52)
    full = person(alice, "full", list_memberships=on[:49])
    rather = person(alice, "rather", list_memberships=on[:48])
    done = imported(alice, work, "email\nfull@example.org\nrather@example.org\nnew@example.org\n", *on[50:])
    assert [(row.outcome, row.reason) for row in rows(done)] == [
        ("rejected", "on more than 50 lists"),
        ("updated", ""),
        ("created", ""),
    ]
    assert len(lists_of(alice, full)) == 49
    assert len(lists_of(alice, rather)) == 50


def test_before_images(alice: Api, work: Work, behind: Behind) -> None:
    list_id = new_list(alice)
    ann = person(alice, "ann", first_name="Ann")
    same = person(alice, "same", list_memberships=[list_id])
    done = imported(
        alice,
        work,
        "email,first_name\nann@example.org,Anna\nnew@example.org,New\nsame@example.org,\n",
        list_id,
    )
    ((created, changed),) = images(behind, done["activity_id"])
    assert [str(one) for one in created] == [by_address(alice, "new@example.org")["contact_id"]]
    (image,) = changed
    assert image["contact_id"] == ann
    assert image["columns"] == {"first_name": ["Ann", "Anna"]}
    assert image["joined"] == [list_id]
    assert str(same) not in str(changed)


def test_another_account_has_the_same_addresses(alice: Api, charlie: Api, work: Work) -> None:
    theirs = post_contact(charlie, email_address=email("ann@example.org", "unsubscribed"))["contact_id"]
    before = get_contact(charlie, theirs)
    done = imported(alice, work, "email,first_name\nann@example.org,Ann\n")
    assert counted(done) == {"items_total": 2, "person": 1, "created": 1}
    assert get_contact(charlie, theirs) == before


def test_chunks_make_no_difference(
    alice: Api, work: Work, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "CHUNK", 2)
    person(alice, "p3", "unsubscribed")
    gone = person(alice, "p4")
    alice.delete(f"/contacts/{gone}")
    lines = ["email,first_name", *(f"p{n}@example.org,N{n}" for n in range(7)), "x,", "p0@example.org,Last"]
    done = imported(alice, work, "\n".join(lines))
    expected = [
        "unchanged",
        "created",
        "created",
        "held_back",
        "updated",
        "created",
        "created",
        "rejected",
        "created",
    ]
    assert [row.outcome for row in rows(done)] == expected
    assert [row.row for row in rows(done)] == list(range(1, 10))
    assert counted(done) == {
        "items_total": 10,
        "person": 7,
        "correctable": 1,
        "cannot_add_to_list": 1,
        "created": 5,
        "updated": 1,
        "unchanged": 1,
        "held_back": 1,
        "rejected": 1,
    }
    assert by_address(alice, "p0@example.org")["first_name"] == "Last"


def test_imports_that_are_cancelled(
    alice: Api,
    work: Work,
    behind: Behind,
    database: Database,
    portal: BlockingPortal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While it waits nothing happens; while it runs, what was merged stays. Its upload is gone either way."""

    async def cancel(activity_id: str) -> None:
        now = datetime.now(UTC)
        await database.write(lambda tx: activities.cancel(tx, alice.account_id, UUID(activity_id), now=now))

    waiting = made(post_file(alice, "email\nann@example.org\n", new_list(alice)))
    portal.call(cancel, waiting)
    work()
    ended(alice, waiting, "cancelled")
    assert found(alice) == []

    original = job.merge

    async def then_cancel(*args: Any, **named: Any) -> dict[str, int]:
        await cancel(running)
        return await original(*args, **named)

    monkeypatch.setattr(job, "merge", then_cancel)
    monkeypatch.setattr(job, "CHUNK", 2)
    running = made(
        post_file(alice, "email\n" + "".join(f"p{n}@example.org\n" for n in range(5)), new_list(alice))
    )
    work()
    done = ended(alice, running, "cancelled")
    assert counted(done) == {"items_total": 6, "person": 2, "created": 2}
    assert len(found(alice)) == 2
    assert behind.rows("before_image", "chunk")


def test_sign_ups_while_an_import_waits(alice: Api, work: Work, rows: Rows) -> None:
    """What a person did after the upload stands."""
    list_id = new_list(alice)
    activity_id = made(post_file(alice, "email,first_name\nann@example.org,Import\n", list_id))
    other = new_list(alice)
    assert sign_up(alice, email_address="ann@example.org", list_memberships=[other]).status == 201
    work()
    done = ended(alice, activity_id)
    assert counted(done) == {"items_total": 2, "person": 1, "updated": 1}
    ann = by_address(alice, "ann@example.org", "list_memberships")
    assert ann["email_address"]["permission_to_send"] == "explicit"
    assert set(ann["list_memberships"]) == {list_id, other}


def test_a_file_that_begins_with_new_people_goes_on_with_others(
    alice: Api, work: Work, rows: Rows, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a chunk of new people the next is first merged as if it were of new people too."""
    monkeypatch.setattr(job, "CHUNK", 2)
    a_list = new_list(alice)
    left = person(alice, "left", "unsubscribed")
    person(alice, "same", first_name="Same", list_memberships=[a_list])
    hidden = person(alice, "hidden")
    alice.delete(f"/contacts/{hidden}")
    names = ("a", "b", "left", "c", "d", "e", "same", "hidden", "f")
    file = "email,first_name\n" + "".join(f"{name}@example.org,{name.title()}\n" for name in names)
    done = imported(alice, work, file, a_list)
    assert [row.outcome for row in rows(done)] == [
        *("created", "created", "held_back", "created", "created", "created"),
        *("unchanged", "updated", "created"),
    ]
    assert counted(done)["created"] == 6
    assert get_contact(alice, left)["first_name"] == "Left"
    assert lists_of(alice, left) == set()
    assert lists_of(alice, hidden) == {a_list}
    recount(sql, alice.account_id)


def test_who_unsubscribes_while_a_chunk_is_merged_as_new_people_is_held_back(
    alice: Api, database: Database, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch, sql: Sql
) -> None:
    monkeypatch.setattr(job, "CHUNK", 2)
    ann = UUID(person(alice, "ann", "explicit"))
    a_list = new_list(alice)
    names = "".join(f"{name}@example.org\n" for name in ("new", "newer", "ann", "newest"))
    activity_id = made(post_file(alice, f"email\n{names}", a_list))
    merge = job.merge
    chunks: list[bool] = []

    async def unsubscribing(*args: Any, **named: Any) -> dict[str, int]:
        chunks.append(named["expect_new"])
        if named["first"] == 1:
            return await merge(*args, **named)
        act = Act("one click", datetime.now(UTC))
        waits = (
            "select exists (select from pg_stat_activity where datname = current_database()"
            " and wait_event_type = 'Lock')"
        )
        async with database.transaction() as tx:
            await contacts.unsubscribe(tx, alice.account_id, ann, act=act)
            merging = asyncio.create_task(merge(*args, **named))
            while not await database.value(waits):
                assert not merging.done()
        return await merging

    monkeypatch.setattr(job, "merge", unsubscribing)
    portal.call(Worker(database, INSTALLATION, asyncio.Event()).run_one)
    assert chunks == [False, True]
    assert counted(ended(alice, activity_id))["held_back"] == 1
    contact = get_contact(alice, str(ann), "list_memberships")
    assert contact["email_address"]["permission_to_send"] == "unsubscribed"
    assert contact["list_memberships"] == []
    recount(sql, alice.account_id)


def test_fewer_choices_of_a_field_are_a_change(alice: Api, work: Work, rows: Rows) -> None:
    labels = [
        {"choice_label": label, "display_order": order} for order, label in enumerate(("Red", "Blue"), 1)
    ]
    shown = {"display_type": "checkbox"}
    field = new_field(alice, "Colours", "multi_select", choices=labels, metadata=shown)
    a_list = new_list(alice)
    outcomes = []
    for cell in ('"Red,Blue"', "Red", "Red"):
        done = imported(alice, work, f"email,cf:colours\nann@example.org,{cell}\n", a_list)
        outcomes += [row.outcome for row in rows(done)]
    assert outcomes == ["created", "updated", "unchanged"]
    (value,) = by_address(alice, "ann@example.org", "custom_fields")["custom_fields"]
    assert (value["custom_field_id"], len(value["choice_ids"])) == (field, 1)
