"""Erasing addresses that no contact has: what stands of them in files, reports and answers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from everlist.core.privacy import traces
from everlist.core.privacy.places import PLACES
from tests.conftest import Api, Sql
from tests.ext.people import ADDRESS, ERASURES, erase_many, found, places, read, zenobia
from tests.v3.bulk import Work, counted, ended, person, queued
from tests.v3.helpers import (
    Behind,
    email,
    new_list,
    put_contact,
    refused,
    sign_up,
)


def test_a_post_amid_an_erasure_of_nobodys_address_ends_with_one_of_them(
    alice: Api, work: Work, behind: Behind
) -> None:
    for round_ in range(5):
        address = f"race-{round_}@example.org"
        with ThreadPoolExecutor(2) as pool:
            posted = pool.submit(
                alice.post, "/contacts", {"create_source": "Account", "email_address": {"address": address}}
            )
            erased = pool.submit(erase_many, alice, email_addresses=[address])
            assert posted.result().status in (201, 409)
            erased.result()
        work()
    assert behind.rows("contact") == []


def test_addresses_of_nobody_are_suppressed_and_counted(alice: Api, work: Work, behind: Behind) -> None:
    contact_id = person(alice, "ann")
    activity_id = erase_many(alice, email_addresses=["ann@example.org", "NOBODY@example.org"])
    assert len(behind.rows("suppression")) == 1, "that of nobody does not wait"
    work()
    assert counted(ended(alice, activity_id)) == {
        "items_total": 1,
        "items_completed": 1,
        "erased": 1,
        "suppressed": 1,
    }
    for address in ("ann@example.org", "nobody@example.org"):
        refused(
            alice.post("/contacts", {"create_source": "Account", "email_address": email(address)}),
            409,
            "was erased on",
        )
    erasures = alice.get(ERASURES).json["erasures"]
    assert {one.get("contact_id") for one in erasures} == {contact_id, None}


def test_an_address_that_moves_before_the_job_runs_is_found(alice: Api, work: Work, behind: Behind) -> None:
    first = person(alice, "ann")
    erase_many(alice, email_addresses=["ann@example.org"])
    put_contact(alice, first, email_address=email("other@example.org"))
    person(alice, "ann")
    work()
    assert behind.rows("contact") == []


def test_a_person_who_signs_up_after_the_erasure_of_nobody_stays(
    alice: Api, work: Work, behind: Behind
) -> None:
    activity_id = erase_many(alice, email_addresses=["ann@example.org"])
    assert sign_up(alice, email_address="ann@example.org", list_memberships=[new_list(alice)]).status == 201
    work()
    ended(alice, activity_id)
    assert len(behind.rows("contact")) == 1
    assert behind.rows("suppression") == []


def test_nobodys_address_goes_from_reports_and_exports(alice: Api, work: Work, sql: Sql) -> None:
    rows = f"email,anniversary\n{ADDRESS},not a date\n"
    files = {"file": ("x.csv", rows.encode(), "text/csv")}
    alice("POST", "/activities/contacts_file_import", data={"list_ids": new_list(alice)}, files=files)
    moved = person(alice, "moved")
    put_contact(alice, moved, email_address=email(ADDRESS))
    exported, kept = queued(alice, "contact_exports"), queued(alice, "contact_exports", fields=["first_name"])
    work()
    put_contact(alice, moved, email_address=email("moved-again@example.org"))
    assert {place.rpartition(" ")[2] for place in found(sql, alice.account_id)} == {
        "import_report",
        "export_part",
    }
    activity_id = erase_many(alice, email_addresses=[ADDRESS])
    work()
    assert found(sql, alice.account_id) == []
    assert alice.get(f"/contact_exports/{exported}").status == 404
    assert alice.get(f"/contact_exports/{kept}").status == 200
    (erasure,) = alice.get(ERASURES, activity_id=activity_id).json["erasures"]
    assert places(read(erasure).removed) == {"import_report": 1, "export_part": 1}
    assert places(read(erasure).kept) == {"suppression": 1}


@pytest.mark.parametrize(
    "text",
    [
        ADDRESS,
        "Zenobia@QuillFeather.example.org",
        f"mailto:{ADDRESS}",
        f'Z. Quill <{ADDRESS}>, "{ADDRESS.upper()}"',
        f"about={ADDRESS}&x=1",
        f"write to {ADDRESS}. Soon",
        f"a@{ADDRESS}",
    ],
)
def test_nobodys_address_is_found_however_it_stands_in_a_text(
    alice: Api, work: Work, sql: Sql, text: str
) -> None:
    field = alice.post("/contact_custom_fields", {"label": "About", "type": "string"}).json["custom_field_id"]
    other = person(alice, "other", custom_fields=[{"custom_field_id": field, "value": text}])
    lists = new_list(alice)
    files = {"file": (text.replace('"', "") + ".csv", b"email\nnew@example.org\n", "text/csv")}
    alice("POST", "/activities/contacts_file_import", data={"list_ids": lists}, files=files)
    exported = queued(alice, "contact_exports")
    work()
    put_contact(alice, other, custom_fields=[])
    assert {place.rpartition(" ")[2] for place in found(sql, alice.account_id)} >= {"activity", "export_part"}
    erase_many(alice, email_addresses=[ADDRESS])
    work()
    assert found(sql, alice.account_id) == []
    assert alice.get(f"/contact_exports/{exported}").status == 404


def test_nobodys_address_is_found_in_the_letters_of_its_domain(
    alice: Api, work: Work, behind: Behind
) -> None:
    files = {"file": ("x.csv", "email,anniversary\nAnn@BÜCHER.example,no date\n".encode(), "text/csv")}
    alice("POST", "/activities/contacts_file_import", data={"list_ids": new_list(alice)}, files=files)
    work()
    erase_many(alice, email_addresses=["ann@xn--bcher-kva.example"])
    work()
    assert [row["email"] for row in behind.rows("import_report")] == [None]


def test_an_address_is_found_where_two_parts_of_a_file_meet(
    alice: Api, work: Work, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everlist.core.privacy.traces.READ", 2)
    moved = zenobia(alice)
    exported = queued(alice, "contact_exports")
    work()
    position = alice.get(f"/contact_exports/{exported}").body.index(ADDRESS.encode())
    monkeypatch.setattr("everlist.core.exports.file.PART_BYTES", position + 10)
    cut = queued(alice, "contact_exports")
    rows = "email,anniversary\n" + "".join(f"p{n}@example.org,no date\n" for n in range(4))
    files = {"file": ("x.csv", f"{rows}{ADDRESS},no date\n".encode(), "text/csv")}
    alice("POST", "/activities/contacts_file_import", data={"list_ids": new_list(alice)}, files=files)
    work()
    put_contact(alice, moved, email_address=email("moved@example.org"))
    whole = (
        "select activity_id::text from export_part where account_id = $1 and position($2::bytea in data) > 0"
    )
    assert [row[0] for row in sql(whole, alice.account_id, ADDRESS.encode())] == [exported]
    assert alice.get(f"/contact_exports/{cut}").status == 200
    erase_many(alice, email_addresses=[ADDRESS])
    work()
    assert sql("select count(*) from export_part where account_id = $1", alice.account_id)[0][0] == 0
    reports = "select array_agg(email order by row_number) from import_report where account_id = $1"
    assert sql(reports, alice.account_id)[0][0] == [*(f"p{n}@example.org" for n in range(4)), None]


def test_what_there_was_of_a_person_who_came_back_goes_and_the_person_stays(
    alice: Api, work: Work, behind: Behind
) -> None:
    files = {"file": ("x.csv", f"email,anniversary\n{ADDRESS},no date\n".encode(), "text/csv")}
    alice("POST", "/activities/contacts_file_import", data={"list_ids": new_list(alice)}, files=files)
    work()
    activity_id = erase_many(alice, email_addresses=[ADDRESS])
    assert sign_up(alice, email_address=ADDRESS, list_memberships=[new_list(alice)]).status == 201
    work()
    ended(alice, activity_id)
    assert [row["email"] for row in behind.rows("contact")] == [ADDRESS]
    assert [row["email"] for row in behind.rows("import_report")] == [None]
    assert behind.rows("suppression") == []
    (erasure,) = alice.get(ERASURES).json["erasures"]
    assert places(read(erasure).kept) == {}


def test_the_request_looks_at_nothing_that_is_stored(
    alice: Api, work: Work, behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many exports there are: what takes long is the activity's."""
    looked: list[int] = []
    texts = traces._texts

    def watched(*args: Any) -> Any:
        looked.append(1)
        return texts(*args)

    monkeypatch.setattr(traces, "_texts", watched)
    erase_many(alice, email_addresses=[ADDRESS])
    assert (looked, behind.rows("erasure")) == ([], [])
    refused(
        alice.post("/contacts", {"create_source": "Account", "email_address": email(ADDRESS)}),
        409,
        "was erased on",
    )
    work()
    assert (looked, len(behind.rows("erasure"))) == ([1], 1)


def test_traces_are_looked_for_wherever_an_erasure_empties_by_address() -> None:
    by_address = {place.table for place in PLACES if place.by == "address"}
    # A consent event has details of numbers alone; the turn of a mail has no address.
    assert by_address - {"consent_event", "mail_due"} == traces.TABLES
