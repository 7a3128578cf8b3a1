"""Erasing people: nothing is left, everything adds up, and what remains keeps them away."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from everlist.core.exports.file import File
from everlist.core.privacy.places import PLACES
from everlist.settings import Settings
from tests.conftest import Api, Sql
from tests.ext.people import (
    ADDRESS,
    ERASURES,
    SUPPRESSIONS,
    erase,
    erase_many,
    everywhere,
    found,
    places,
    read,
    zenobia,
)
from tests.v3.bulk import Work, counted, ended, images, person, queued
from tests.v3.helpers import (
    NOBODY,
    Behind,
    email,
    get_contact,
    new_list,
    post_contact,
    put_contact,
    refused,
)

# Nothing is left


def test_after_an_erasure_nothing_of_the_person_stands_in_any_table(alice: Api, work: Work, sql: Sql) -> None:
    contact_id = everywhere(alice, work)
    before = {place.rpartition(" ")[2] for place in found(sql, alice.account_id)}
    assert before >= {"contact", "import_report", "activity", "export_part", "before_image", "consent_event"}
    erase(alice, contact_id)
    assert found(sql, alice.account_id) == []


def test_a_bulk_erasure_leaves_nothing_either(alice: Api, work: Work, sql: Sql) -> None:
    everywhere(alice, work)
    activity_id = erase_many(alice, email_addresses=[" Zenobia@Quillfeather.example.ORG "])
    assert not [place for place in found(sql, alice.account_id) if "{" + ADDRESS in place]
    work()
    ended(alice, activity_id)
    assert found(sql, alice.account_id) == []


@pytest.mark.parametrize("how", ["contact_ids", "email_addresses"])
def test_the_job_never_holds_the_address(alice: Api, sql: Sql, how: str) -> None:
    contact_id = zenobia(alice)
    given = {"contact_ids": [contact_id], "email_addresses": [ADDRESS]}[how]
    activity_id = erase_many(alice, **{how: given})
    ((request,),) = sql(
        "select request::text from activity where account_id = $1 and activity_id = $2",
        alice.account_id,
        UUID(activity_id),
    )
    assert "zenobia" not in request


def test_what_is_others_stays(alice: Api, work: Work, behind: Behind) -> None:
    other = person(alice, "other", first_name="Otto", list_memberships=[new_list(alice)])
    lists = [new_list(alice)]
    contact_id = zenobia(alice)
    added = queued(alice, "add_list_memberships", source={"contact_ids": [other, contact_id]}, list_ids=lists)
    rows = f"email,first_name\n{ADDRESS},Z\nother@example.org,Olga\nnew@example.org,Nele\nbroken,x\n"
    files = {"file": ("people.csv", rows.encode(), "text/csv")}
    imported = alice(
        "POST", "/activities/contacts_file_import", data={"list_ids": lists[0]}, files=files
    ).json["activity_id"]
    work()
    before = get_contact(alice, other, "list_memberships")
    outcome = alice.get(f"/everlist/v1/activities/{imported}/rows").body.decode().splitlines()
    erase(alice, contact_id)
    assert get_contact(alice, other, "list_memberships") == before
    assert [one["contact_id"] for _, changed in images(behind, added) for one in changed] == [other]
    (image,) = images(behind, imported)
    assert [one["contact_id"] for one in image[1]] == [other]
    assert len(image[0]) == 1
    after = alice.get(f"/everlist/v1/activities/{imported}/rows").body.decode().splitlines()
    assert after[1] == outcome[1].replace(contact_id, "")
    assert after[2:] == outcome[2:]


def test_counts_and_meter_stand_as_after_a_deletion(alice: Api, behind: Behind) -> None:
    """The recount after every test sees to the rest."""
    contact_id = zenobia(alice)
    assert behind.active()[-1][0] == 1
    erase(alice, contact_id)
    assert behind.counters() == {}
    assert behind.active()[-1][0] == -1
    assert alice.get("/contacts", status="all", include_count="true").json["contacts_count"] == 0


def test_a_deleted_contact_is_erased_as_well(alice: Api, behind: Behind, sql: Sql) -> None:
    contact_id = zenobia(alice)
    alice.delete(f"/contacts/{contact_id}")
    assert behind.counters() == {("contacts.deleted", ""): 1}
    erase(alice, contact_id)
    assert behind.counters() == {}
    assert found(sql, alice.account_id) == []


def test_a_contact_without_an_address_is_erased(alice: Api, behind: Behind) -> None:
    contact_id = post_contact(alice, first_name="Zenobia")["contact_id"]
    erasure = read(erase(alice, contact_id))
    assert behind.rows("suppression") == []
    assert places(erasure.removed) == {"contact": 1}


def test_the_ledger_stays_without_the_person(alice: Api, behind: Behind) -> None:
    contact_id = zenobia(alice)
    out = email(ADDRESS, "unsubscribed", opt_out_reason="Zenobia said so")
    put_contact(alice, contact_id, update_source="Contact", email_address=out)
    moves = behind.moves(contact_id)
    erase(alice, contact_id)
    assert behind.moves(contact_id) == [*moves, ("deleted", "unsubscribed", "unsubscribed", "Account")]
    for event in behind.rows("consent_event"):
        assert [event[name] for name in ("reason", "details", "request_id", "row_number")] == [None] * 4
        assert event["operation"]
        assert event["token_id"]


def test_an_export_that_was_made_before_is_gone_and_says_why(alice: Api, work: Work) -> None:
    contact_id = zenobia(alice)
    exported = queued(alice, "contact_exports")
    work()
    assert alice.get(f"/contact_exports/{exported}").status == 200
    erase(alice, contact_id)
    refused(alice.get(f"/contact_exports/{exported}"), 404, "a person was erased")
    later = queued(alice, "contact_exports")
    work()
    assert alice.get(f"/contact_exports/{later}").status == 200


def test_an_upload_that_was_cancelled_goes_with_the_person(alice: Api, sql: Sql) -> None:
    contact_id = zenobia(alice)
    files = {"file": ("x.csv", f"email\n{ADDRESS}\n".encode(), "text/csv")}
    data = {"list_ids": new_list(alice)}
    imported = alice("POST", "/activities/contacts_file_import", data=data, files=files).json["activity_id"]
    assert alice.post(f"/everlist/v1/activities/{imported}/cancel", None).status == 200
    assert any("upload_part" in place for place in found(sql, alice.account_id))
    erase(alice, contact_id)
    assert found(sql, alice.account_id) == []


# Who may, and who cannot


def test_a_second_erasure_and_an_unknown_contact_get_404(alice: Api, charlie: Api, behind: Behind) -> None:
    contact_id = zenobia(alice)
    refused(charlie("DELETE", f"/everlist/v1/contacts/{contact_id}"), 404, "no contact has the id")
    assert get_contact(alice, contact_id)
    erase(alice, contact_id)
    refused(alice("DELETE", f"/everlist/v1/contacts/{contact_id}"), 404, "no contact has the id")
    refused(alice("DELETE", f"/everlist/v1/contacts/{NOBODY}"), 404, "no contact has the id")
    assert len(behind.rows("erasure")) == 1


def test_no_token_and_no_scope(bob: Api, anonymous: Api) -> None:
    for api, status in ((anonymous, 401), (bob, 403)):
        for method, path in (
            ("DELETE", f"/everlist/v1/contacts/{NOBODY}"),
            ("POST", "/everlist/v1/activities/contact_erase"),
            ("GET", ERASURES),
            ("GET", f"{ERASURES}/{NOBODY}"),
            ("GET", SUPPRESSIONS),
            ("DELETE", SUPPRESSIONS),
        ):
            assert api(method, path).status == status, path


def test_two_who_erase_one_contact_at_once(alice: Api, behind: Behind) -> None:
    contact_id = zenobia(alice)
    with ThreadPoolExecutor(8) as pool:
        statuses = list(
            pool.map(lambda _: alice("DELETE", f"/everlist/v1/contacts/{contact_id}").status, range(8))
        )
    assert sorted(statuses) == [200] + [404] * 7
    assert len(behind.rows("erasure")) == 1


def test_an_erasure_amid_writes_of_the_same_contact(alice: Api, sql: Sql) -> None:
    contact_id = zenobia(alice)

    def write(number: int) -> int:
        body = {"update_source": "Account", "first_name": "Zenobia", "job_title": str(number)}
        return alice.put(f"/contacts/{contact_id}", body).status

    with ThreadPoolExecutor(8) as pool:
        writes = [pool.submit(write, number) for number in range(12)]
        erased = pool.submit(erase, alice, contact_id)
        writes += [pool.submit(write, number) for number in range(12)]
        assert {one.result() for one in writes} <= {200, 404}
        assert erased.result()["contact_id"] == contact_id
    assert found(sql, alice.account_id) == []


# In bulk


def test_a_bulk_erasure_by_ids(alice: Api, work: Work, behind: Behind) -> None:
    kept, *gone = (person(alice, f"p{number}") for number in range(4))
    alice.delete(f"/contacts/{gone[0]}")
    activity_id = erase_many(alice, contact_ids=[*gone, NOBODY], reason="left the club")
    work()
    activity = ended(alice, activity_id)
    assert counted(activity) == {"items_total": 3, "items_completed": 3, "erased": 3}
    assert [str(row["contact_id"]) for row in behind.rows("contact")] == [kept]
    page = alice.get(ERASURES, activity_id=activity_id).json["erasures"]
    assert {one["contact_id"] for one in page} == set(gone)
    assert {(one["activity_id"], one["reason"]) for one in page} == {(activity_id, "left the club")}
    assert {str(read(one).contact_id) for one in page} == set(gone)
    assert images(behind, activity_id) == []


def test_a_bulk_erasure_of_lists(alice: Api, work: Work, behind: Behind) -> None:
    one, other = new_list(alice), new_list(alice)
    person(alice, "a", list_memberships=[one])
    person(alice, "b", list_memberships=[one, other])
    kept = person(alice, "c", list_memberships=[other])
    erase_many(alice, list_ids=[one])
    work()
    assert [str(row["contact_id"]) for row in behind.rows("contact")] == [kept]


def test_a_bulk_erasure_in_several_chunks(
    alice: Api, work: Work, behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everlist.core.privacy.job.CHUNK", 2)
    list_id = new_list(alice)
    for number in range(5):
        person(alice, f"p{number}", list_memberships=[list_id])
    activity_id = erase_many(alice, list_ids=[list_id])
    work()
    assert counted(ended(alice, activity_id)) == {"items_total": 5, "items_completed": 5, "erased": 5}
    assert behind.rows("contact") == []
    assert len(behind.rows("erasure")) == 5


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"reason": "x"}, "exactly one is needed"),
        ({"contact_ids": [NOBODY], "list_ids": [NOBODY], "reason": "x"}, "exactly one is needed"),
        ({"contact_ids": [NOBODY]}, "reason is missing"),
        ({"contact_ids": [NOBODY], "reason": " "}, "reason is missing"),
        ({"contact_ids": [NOBODY], "reason": "x" * 256}, "at most 255"),
        ({"contact_ids": [NOBODY], "reason": "ann@example.org asked"}, "must hold no address"),
        ({"email_addresses": ["ann@example.org", "nonsense"], "reason": "x"}, "email_addresses[1]"),
        ({"list_ids": [NOBODY], "reason": "x"}, "no list has the id"),
        ({"contact_ids": [str(uuid4()) for _ in range(501)], "reason": "x"}, "at most 500"),
        ({"email_addresses": [f"{n}@example.org" for n in range(501)], "reason": "x"}, "at most 500"),
        ({"list_ids": [str(uuid4()) for _ in range(51)], "reason": "x"}, "at most 50"),
    ],
)
def test_a_bad_bulk_request(alice: Api, body: dict[str, Any], text: str) -> None:
    refused(alice.post("/everlist/v1/activities/contact_erase", body), 400, text)


# The places


NO_PERSON = {
    **{
        table: {"*"}
        for table in (
            *("account", "api_token", "schema_migration", "lane", "counter", "counter_delta", "active_delta"),
            *("active_head", "active_day", "active_month", "contact_list", "tag", "custom_field"),
            *("suppression", "suppression_removal", "erasure", "sign_up_count"),
        )
    },
    "activity": {
        *("activity_id", "kind", "state", "request", "position", "counts", "run_by", "operation"),
        *("request_id", "token_id"),
    },
    "consent_event": {
        *(
            "contact_id",
            "channel",
            "action",
            "permission_before",
            "permission_after",
            "opted_out_by",
            "source",
        ),
        *("operation", "token_id", "activity_id"),
    },
    "before_image": {"activity_id", "definitions"},
    "import_outcome": {"activity_id", "outcomes", "line_numbers"},
    "import_report": {"activity_id", "reason"},
    "export_part": {"activity_id"},
    "idempotency_key": {"key_hash", "request_hash"},
    "mail_due": {"claimed_by"},
}
"""Columns that hold no person, and why it is so: ids, states, texts of ours, what an account calls its own
things, keyed hashes, and the ledgers of erasures, whose free texts refuse addresses."""
WHOLE_ROWS = {
    "contact",
    "list_membership",
    "tagging",
    "resubscribe_request",
    "mail",
    "mail_due",
    "confirmation",
}
"""Tables whose rows of the person go."""
WITH_THE_IMPORT = {"upload_part", "import_row", "import_change"}
"""Whose rows go when their import has ended; what waits there of a person is held back."""
EMPTIED = {
    "consent_event": {"reason", "details", "request_id"},
    "before_image": {"created", "changed"},
    "import_outcome": {"contact_ids"},
    "import_report": {"email", "keys"},
    "activity": {"errors", "source_file_name"},
    "export_part": {"data"},
    "idempotency_key": {"body", "headers", "contact_id"},
}
"""Columns that lose the person while the row stays, or that make the row go."""


def test_every_column_that_can_hold_a_person_is_covered(sql: Sql) -> None:
    """A new table or column fails here until an erasure reaches it, or it is said that it holds nobody."""
    columns = sql(
        "select c.table_name, c.column_name from information_schema.columns c"
        " join information_schema.tables t using (table_schema, table_name)"
        " where c.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.column_name <> 'account_id'"
        " and c.data_type in ('text', 'character varying', 'json', 'jsonb', 'bytea', 'uuid', 'ARRAY', 'inet', 'xml')"
    )
    assert len(columns) > 100
    reached = {place.table for place in PLACES} | {"list_membership"}
    assert WHOLE_ROWS | set(EMPTIED) == reached
    uncovered = [
        f"{table}.{column}"
        for table, column in columns
        if table not in WHOLE_ROWS | WITH_THE_IMPORT
        and column not in EMPTIED.get(table, ())
        and not NO_PERSON.get(table, set()) & {"*", column}
    ]
    assert uncovered == []
    there = {table for table, _ in columns}
    assert (set(NO_PERSON) | WHOLE_ROWS | WITH_THE_IMPORT | set(EMPTIED)) - there <= {
        *("counter", "lane", "schema_migration", "counter_delta", "active_head", "active_month"),
    }


def test_every_place_is_reached_of_one_who_is_everywhere(alice: Api, work: Work) -> None:
    contact_id = everywhere(alice, work)
    told = read(erase(alice, contact_id, reason="art. 17"))
    assert told.reason == "art. 17"
    removed = places(told.removed)
    assert removed["list_membership"] >= 2
    assert set(removed) >= {
        *("contact", "list_membership", "tagging", "resubscribe_request", "before_image", "import_outcome"),
        *("import_report", "activity", "export_part"),
    }
    kept = places(told.kept)
    assert kept["consent_event"] >= 3
    assert kept["suppression"] == 1


def test_an_export_that_runs_while_a_person_is_erased_has_nobody_of_that_name(
    alice: Api, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact_id = zenobia(alice)
    person(alice, "stays")
    finish = File.finish
    finished: list[int] = []

    async def finish_late(file: File) -> None:
        await finish(file)
        finished.append(1)
        if len(finished) == 1:  # the file is written and not yet committed
            await asyncio.to_thread(erase, alice, contact_id)

    monkeypatch.setattr(File, "finish", finish_late)
    exported = queued(alice, "contact_exports")
    work()
    assert len(finished) == 2
    assert counted(ended(alice, exported)) == {"items_total": 1, "items_completed": 1}
    file = alice.get(f"/contact_exports/{exported}").body.decode()
    assert "stays@example.org" in file
    assert "zenobia" not in file.lower()


def test_an_export_gives_up_after_erasures_without_end(
    alice: Api, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everlist.core.exports.job.ATTEMPTS", 2)
    people = [person(alice, f"p{number}") for number in range(4)]
    finish = File.finish

    async def finish_late(file: File) -> None:
        await finish(file)
        await asyncio.to_thread(erase, alice, people.pop())

    monkeypatch.setattr(File, "finish", finish_late)
    exported = queued(alice, "contact_exports")
    work()
    assert "people were erased again and again" in ended(alice, exported, "failed")["activity_errors"][0]
    refused(alice.get(f"/contact_exports/{exported}"), 404, "it is failed")


def test_mail_that_waits_and_mail_that_is_kept_as_files_goes(
    alice: Api, sql: Sql, settings: Settings
) -> None:
    contact_id, other = zenobia(alice), person(alice, "other")
    for one, name in ((contact_id, ADDRESS), (other, "other@example.org")):
        confirmation_id, mail_id = uuid4(), uuid4()
        sql(
            "insert into confirmation (account_id, contact_id, confirmation_id, kind, token_hash, address_hmac,"
            " list_ids, asked_at, expires_at, operation, message_id)"
            " values ($1, $2, $3, 'sign_up', $4, 'x', '{}', now(), now(), 'x', 'x')",
            alice.account_id,
            UUID(one),
            confirmation_id,
            confirmation_id.bytes,
        )
        sql(
            "insert into mail (account_id, mail_id, contact_id, confirmation_id, state, address, link_token, queued_at)"
            " values ($1, $2, $3, $4, 'waiting', $5, 'x', now())",
            alice.account_id,
            mail_id,
            UUID(one),
            confirmation_id,
            name,
        )
        sql(
            "insert into mail_due (account_id, mail_id, due_at) values ($1, $2, now() + interval '1 year')",
            alice.account_id,
            mail_id,
        )
        settings.mail_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for prefix in ("", "."):
            (settings.mail_folder / f"{prefix}{one}.{mail_id}.eml").write_text(f"To: {name}")
    told = places(read(erase(alice, contact_id)).removed)
    assert {name: told[name] for name in ("mail", "mail_due", "confirmation", "files")} == {
        "mail": 1,
        "mail_due": 1,
        "confirmation": 1,
        "files": 2,
    }
    assert found(sql, alice.account_id, folder=settings.data_dir) == []
    left = sql("select count(*) from mail natural join mail_due where account_id = $1", alice.account_id)
    assert left[0][0] == 1
    assert len(list(settings.mail_folder.glob(f"{other}.*"))) == 1
    sql("delete from mail_due where account_id = $1 returning 1", alice.account_id)


def test_an_answer_that_was_kept_for_a_repeated_request_goes(alice: Api, sql: Sql) -> None:
    body = {"create_source": "Account", "email_address": email(ADDRESS), "first_name": "Zenobia"}
    key = {"Idempotency-Key": str(uuid4())}
    made = alice("POST", "/contacts", json=body, headers=key)
    assert alice("POST", "/contacts", json=body, headers=key).body == made.body
    erase(alice, made.json["contact_id"])
    assert found(sql, alice.account_id) == []
    refused(alice("POST", "/contacts", json=body, headers=key), 409, "was done before")
