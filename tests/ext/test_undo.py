"""POST /everlist/v1/activities/{id}/undo, and contact_restore. Design section 5."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import httpx2
import pytest

from everlist.core import custom_fields
from everlist.core import lists as core_lists
from tests.conftest import Api, Clock, Sql
from tests.ext.people import erase
from tests.v3.bulk import Work, ended, lists_of, person, queued, ran
from tests.v3.helpers import (
    INCLUDES,
    NOBODY,
    email,
    get_contact,
    new_field,
    new_list,
    new_tag,
    post_contact,
    put_contact,
    sign_up,
    sms,
)
from tests.v3.imports import imported

ACTIVITIES = "/everlist/v1/activities"
NUMBER, ANOTHER = "13095550142", "13095550199"


def undo(api: Api, activity_id: str) -> str:
    reply = api.post(f"{ACTIVITIES}/{activity_id}/undo", None)
    assert reply.status == 201, reply
    return reply.json["activity_id"]


def undone(api: Api, work: Work, activity: Any) -> Any:
    """The activity that undid one."""
    activity_id = undo(api, activity["activity_id"])
    work()
    return ended(api, activity_id)


def reported(api: Api, activity: Any, *outcomes: str) -> list[tuple[str, str, str]]:
    """(contact id, outcome, reason) of each row that an activity reports."""
    reply = api.get(
        f"{ACTIVITIES}/{activity['activity_id']}/rows",
        **({"outcome": ",".join(outcomes)} if outcomes else {}),
    )
    assert reply.status == 200, reply
    rows = csv.DictReader(io.StringIO(reply.body.decode()))
    return [(row["contact_id"], row["outcome"], row["reason"]) for row in rows]


def everything(api: Api) -> dict[str, Any]:
    """All that clients see of an account, but for when and by whom contacts were last written."""
    contacts: dict[str, Any] = {}
    include = ",".join(name for name in INCLUDES if name != "sms_channel")
    for page in api.pages("/contacts", status="all", limit=50, include=include):
        for contact in page.json["contacts"]:
            for name in ("updated_at", "update_source"):
                contact.pop(name, None)
            for name in ("list_memberships", "taggings"):
                contact[name] = sorted(contact.get(name, ()))
            contact["custom_fields"] = sorted(contact.get("custom_fields", ()), key=str)
            contacts[contact["contact_id"]] = contact
    lists = api.get("/contact_lists", limit=1000, include_count="true").json["lists"]
    tags = api.get("/contact_tags", limit=500).json["tags"]
    fields = api.get("/contact_custom_fields", limit=100).json["custom_fields"]
    return {
        "contacts": contacts,
        "lists": {one["list_id"]: (one["name"], one.get("membership_count")) for one in lists},
        "tags": {one["tag_id"]: one["name"] for one in tags},
        "fields": {one["custom_field_id"]: one for one in fields},
    }


class World(NamedTuple):
    """An account with some of everything."""

    lists: list[str]
    tags: list[str]
    fields: list[str]
    people: list[str]
    file_list: str


@pytest.fixture
def world(alice: Api) -> World:
    lists = [new_list(alice, f"list {number}") for number in range(3)]
    tags = [new_tag(alice, f"tag {number}") for number in range(2)]
    fields = [new_field(alice, "Shop"), new_field(alice, "Since", "date")]
    people = [
        post_contact(
            alice,
            email_address=email(f"person{number}@example.org", ("implicit", "explicit")[number % 2]),
            first_name=f"First{number}",
            list_memberships=[one for place, one in enumerate(lists) if number & 1 << place],
            taggings=[one for place, one in enumerate(tags) if number + 1 & 1 << place],
            custom_fields=[{"custom_field_id": fields[0], "value": f"Shop {number}"}],
            phone_numbers=[{"phone_number": f"555 000{number}", "kind": "home"}],
        )["contact_id"]
        for number in range(8)
    ]
    put_contact(
        alice,
        people[6],
        update_source="Contact",
        email_address=email("person6@example.org", "unsubscribed"),
        list_memberships=[lists[1]],
    )
    assert alice.delete(f"/contacts/{people[7]}").status == 204
    return World(lists, tags, fields, people, new_list(alice, "from the file"))


FILE = """email,first name,company name,home phone,home city,cf:shop,anniversary
PERSON0@example.org,Zero,Acme,555 0000,,Shop 0,
person1@example.org,First1,,555 9999,Peoria,Another shop,4/9/2020
person6@example.org,Six,,,,,
person7@example.org,Seven,,,,,
new1@example.org,New,,555 1234,Chicago,New shop,
new2@example.org,,,,,,
"""


def _import(api: Api, _: World, work: Work, *list_ids: str) -> Any:
    files = {"file": ("people.csv", FILE.encode(), "text/csv")}
    reply = api(
        "POST", "/activities/contacts_file_import", data={"list_ids": ",".join(list_ids)}, files=files
    )
    work()
    return ended(api, reply.json["activity_id"])


ACTS: dict[str, Callable[[Api, World, Work], Any]] = {
    "import": lambda api, world, work: _import(api, world, work, world.lists[0], world.file_list),
    "delete": lambda api, world, work: ran(api, work, "contact_delete", list_ids=world.lists[:2]),
    "add": lambda api, world, work: ran(
        api, work, "add_list_memberships", source={"contact_ids": world.people}, list_ids=[world.lists[2]]
    ),
    "remove": lambda api, world, work: ran(
        api, work, "remove_list_memberships", source={"list_ids": [world.lists[0]]}, list_ids=world.lists[:2]
    ),
    "tag": lambda api, world, work: ran(
        api, work, "contacts_taggings_add", source={"contact_ids": world.people}, tag_ids=world.tags
    ),
    "untag": lambda api, world, work: ran(
        api, work, "contacts_taggings_remove", source={"tag_ids": [world.tags[0]]}, tag_ids=world.tags
    ),
    "list_delete": lambda api, world, work: ran(api, work, "list_delete", list_ids=world.lists[:2]),
    "tags_delete": lambda api, world, work: ran(api, work, "contacts_tags_delete", tag_ids=[world.tags[1]]),
    "fields_delete": lambda api, world, work: ran(
        api, work, "custom_fields_delete", custom_field_ids=world.fields
    ),
}


@pytest.mark.parametrize("act", ACTS)
def test_an_undo_puts_everything_back_and_its_undo_takes_it_away_again(
    alice: Api, world: World, work: Work, act: str
) -> None:
    before = everything(alice)
    activity = ACTS[act](alice, world, work)
    after = everything(alice)
    assert after != before

    first = undone(alice, work, activity)
    back = everything(alice)
    made = set(after["contacts"]) - set(before["contacts"])
    for contact_id in made:  # what an activity made is deleted, as an account deletes
        hidden = back["contacts"].pop(contact_id)
        assert hidden["deleted_at"]
        assert hidden["list_memberships"] == []
    assert back == before
    assert first["activity_errors"] == []
    assert reported(alice, first, "held_back", "rejected") == []

    undone(alice, work, first)
    assert everything(alice) == after

    undone(alice, work, activity)  # which is not undone any more
    back = everything(alice)
    for contact_id in made:
        del back["contacts"][contact_id]
    assert back == before


def test_an_account_deleted_by_accident_is_back_by_one_undo_list_by_list(alice: Api, work: Work) -> None:
    """The person of the forum who pressed delete: everybody is back on the lists they were on."""
    lists = [new_list(alice, f"list {number}") for number in range(3)]
    people = [
        person(alice, f"p{number}", list_memberships=[lists[number % 3], lists[(number + 1) % 3]])
        for number in range(12)
    ]
    were_on = {one: lists_of(alice, one) for one in people}
    accident = ran(alice, work, "contact_delete", list_ids=lists)
    assert alice.get("/contacts").json["contacts"] == []
    undone(alice, work, accident)
    assert {one: lists_of(alice, one) for one in people} == were_on


def test_an_unsubscribe_after_the_activity_stays(alice: Api, world: World, work: Work) -> None:
    accident = ran(alice, work, "contact_delete", list_ids=world.lists)
    address = "person1@example.org"
    put_contact(
        alice,
        world.people[1],
        update_source="Contact",
        email_address=email(address, "unsubscribed"),
        list_memberships=[world.lists[0]],
    )
    undone(alice, work, accident)
    contact = get_contact(alice, world.people[1])
    assert contact["email_address"]["permission_to_send"] == "unsubscribed"
    assert "deleted_at" not in contact


def test_what_was_changed_since_is_kept_and_reported(alice: Api, world: World, work: Work) -> None:
    activity = _import(alice, world, work, world.lists[0])
    changed = get_contact(alice, world.people[0], "phone_numbers", "list_memberships", "custom_fields")
    changed.update(first_name="Later", email_address=email("person0@example.org"))
    for name in ("created_at", "updated_at", "contact_id", "create_source", "deleted_at"):
        changed.pop(name, None)
    put_contact(alice, world.people[0], **{**changed, "update_source": "Account"})
    undo_of_it = undone(alice, work, activity)
    contact = get_contact(alice, world.people[0])
    assert contact["first_name"] == "Later"
    assert "company_name" not in contact  # which nobody changed since
    assert (world.people[0], "updated", "kept, changed since: first_name") in reported(alice, undo_of_it)


def test_a_contact_that_was_made_and_changed_since_is_kept(alice: Api, world: World, work: Work) -> None:
    activity = _import(alice, world, work, world.lists[0])
    made = alice.get("/contacts", email="new1@example.org").json["contacts"][0]["contact_id"]
    put_contact(
        alice,
        made,
        first_name="Later",
        email_address=email("new1@example.org"),
        list_memberships=[world.lists[0]],
    )
    undo_of_it = undone(alice, work, activity)
    assert get_contact(alice, made)["first_name"] == "Later"
    assert (made, "rejected", "kept, changed since: contact") in reported(alice, undo_of_it)


def test_a_revived_contact_whose_person_signed_up_since_stays(alice: Api, world: World, work: Work) -> None:
    activity = ran(
        alice,
        work,
        "add_list_memberships",
        source={"contact_ids": [world.people[7]]},
        list_ids=[world.lists[0]],
    )
    reply = sign_up(alice, email_address="person7@example.org", list_memberships=[world.lists[1]])
    assert reply.status == 200, reply
    undo_of_it = undone(alice, work, activity)
    contact = get_contact(alice, world.people[7], "list_memberships")
    assert contact["list_memberships"] == [world.lists[1]]
    ((_, outcome, reason),) = reported(alice, undo_of_it)
    assert outcome == "updated"
    assert reason == "kept, the person has acted since: contact"


def test_a_name_that_is_taken_again_keeps_a_deleted_list_away(alice: Api, world: World, work: Work) -> None:
    activity = ran(alice, work, "list_delete", list_ids=[world.lists[0], world.lists[1]])
    new_list(alice, "List 0")
    undo_of_it = undone(alice, work, activity)
    assert undo_of_it["activity_errors"] == ["list 0 was not brought back: another has its name or its id"]
    assert lists_of(alice, world.people[3]) == {world.lists[1]}


def test_an_undo_gives_no_account_more_fields_or_lists_than_it_may_have(
    alice: Api, world: World, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = ran(alice, work, "custom_fields_delete", custom_field_ids=world.fields)
    lists = ran(alice, work, "list_delete", list_ids=world.lists)
    new_field(alice, "since")  # the name of one that was deleted
    monkeypatch.setattr(custom_fields, "MAX_FIELDS", 1)
    monkeypatch.setattr(core_lists, "MAX_LISTS", 3)  # one is left
    full = "an account may have at most"
    assert sorted(undone(alice, work, fields)["activity_errors"]) == [
        f"shop was not brought back: {full} 1 custom fields",
        "since was not brought back: another has its name or its id",
    ]
    assert undone(alice, work, lists)["activity_errors"] == [f"list 2 was not brought back: {full} 3 lists"]
    left = alice.get("/contact_custom_fields").json["custom_fields"]
    assert [one["label"] for one in left] == ["since"]
    assert lists_of(alice, world.people[5]) == {world.lists[0]}


def test_the_undo_of_a_restored_list_keeps_it_while_it_is_used(alice: Api, world: World, work: Work) -> None:
    first = undone(alice, work, ran(alice, work, "list_delete", list_ids=[world.lists[0]]))
    later = person(alice, "later", list_memberships=[world.lists[0]])
    second = undone(alice, work, first)
    assert second["activity_errors"] == [f"{world.lists[0]} was kept: it is used"]
    assert lists_of(alice, later) == {world.lists[0]}


def test_only_once_unless_it_was_undone(alice: Api, world: World, work: Work) -> None:
    activity = ACTS["tag"](alice, world, work)
    first = undone(alice, work, activity)
    again = alice.post(f"{ACTIVITIES}/{activity['activity_id']}/undo", None)
    assert (again.status, again.json[0]["error_message"]) == (409, "the activity has been undone already")
    undone(alice, work, first)
    undone(alice, work, activity)


def test_only_once_when_many_ask_at_once(alice: Api, world: World, work: Work) -> None:
    activity = ACTS["tag"](alice, world, work)
    with ThreadPoolExecutor(8) as threads:
        undo = f"{ACTIVITIES}/{activity['activity_id']}/undo"
        statuses = [reply.status for reply in threads.map(lambda _: alice.post(undo, None), range(8))]
    assert sorted(statuses) == [201, *[409] * 7]


def test_what_cannot_be_undone(alice: Api, charlie: Api, world: World, work: Work, clock: Clock) -> None:
    def refused(activity_id: str, api: Api = alice) -> tuple[int, str]:
        reply = api.post(f"{ACTIVITIES}/{activity_id}/undo", None)
        return reply.status, reply.json[0]["error_message"]

    assert refused(NOBODY)[0] == 404
    waiting = queued(alice, "contact_delete", list_ids=[world.lists[0]])
    assert refused(waiting) == (409, "the activity has not ended: it is initialized")
    assert refused(waiting, charlie)[0] == 404
    work()
    export = ran(alice, work, "contact_exports")
    assert refused(export["activity_id"]) == (409, "the activity changed nothing")
    reply = alice.post(f"{ACTIVITIES}/contact_erase", {"contact_ids": [world.people[0]], "reason": "asked"})
    work()
    assert refused(reply.json["activity_id"]) == (409, "an erasure cannot be undone")
    clock.move(days=30, minutes=1)
    status, text = refused(waiting)
    assert status == 409
    assert text.startswith("the activity ended more than 30 days ago")


def test_an_erased_contact_does_not_come_back(alice: Api, world: World, work: Work) -> None:
    accident = ran(alice, work, "contact_delete", list_ids=world.lists)
    assert alice.delete(f"/everlist/v1/contacts/{world.people[1]}").status == 200
    undo_of_it = undone(alice, work, accident)
    assert alice.get(f"/contacts/{world.people[1]}").status == 404
    assert world.people[1] not in {one for one, _, _ in reported(alice, undo_of_it, "updated")}


def test_many_chunks_are_undone_from_the_last_to_the_first(
    alice: Api, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rows of one file, in two chunks, change one contact: both changes go."""
    monkeypatch.setattr("everlist.core.imports.job.CHUNK", 1)
    number = "13095550142"
    contact_id = person(alice, "both", sms_channel=None, first_name="Old")
    file = (
        f"email,first name,sms_number\nboth@example.org,First,{number}\nx@example.org,X,\n,Second,{number}\n"
    )
    files = {"file": ("people.csv", file.encode(), "text/csv")}
    reply = alice("POST", "/activities/contacts_file_import", data={"list_ids": new_list(alice)}, files=files)
    work()
    activity = ended(alice, reply.json["activity_id"])
    undone(alice, work, activity)
    assert get_contact(alice, contact_id)["first_name"] == "Old"


def test_deleted_contacts_come_back_with_the_lists_and_tags_they_had(
    alice: Api, world: World, work: Work
) -> None:
    before = everything(alice)
    chosen = world.people[:4]
    ran(alice, work, "contact_delete", contact_ids=chosen)
    restored = alice.post(
        f"{ACTIVITIES}/contact_restore", {"contact_ids": [*chosen, world.people[4], NOBODY]}
    )
    assert restored.status == 201, restored
    work()
    status = ended(alice, restored.json["activity_id"])["status"]
    assert everything(alice) == before
    assert (status["updated_count"], status["unchanged_count"]) == (4, 2)


def test_restore_by_the_activity_that_deleted_leaves_out_lists_that_are_gone(
    alice: Api, world: World, work: Work
) -> None:
    accident = ran(alice, work, "contact_delete", list_ids=world.lists)
    ran(alice, work, "list_delete", list_ids=[world.lists[0]])
    body = {"deleted_by_activity_id": accident["activity_id"]}
    restored = alice.post(f"{ACTIVITIES}/contact_restore", body)
    work()
    ended(alice, restored.json["activity_id"])
    assert lists_of(alice, world.people[3]) == {world.lists[1]}
    assert lists_of(alice, world.people[1]) == set()
    assert "deleted_at" in get_contact(alice, world.people[7])  # whom another act had deleted
    unsubscribed = get_contact(alice, world.people[6])["email_address"]
    assert unsubscribed["permission_to_send"] == "unsubscribed"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"contact_ids": []},
        {"contact_ids": [NOBODY], "deleted_by_activity_id": NOBODY},
        {"contact_ids": ["x"]},
    ],
)
def test_a_restore_names_one_source(alice: Api, body: dict[str, Any]) -> None:
    assert alice.post(f"{ACTIVITIES}/contact_restore", body).status == 400


def test_a_restore_of_an_unknown_activity(alice: Api) -> None:
    reply = alice.post(f"{ACTIVITIES}/contact_restore", {"deleted_by_activity_id": NOBODY})
    assert reply.status == 404


def test_an_undo_raises_no_consent(alice: Api, sql: Sql, world: World, work: Work) -> None:
    """Whatever undo writes, it writes in the account's name: the ledger has no act of a person from it."""
    first = undone(alice, work, ACTS["import"](alice, world, work))
    rows = sql("select source from consent_event where activity_id = $1", first["activity_id"])
    assert rows
    assert {row["source"] for row in rows} == {"Account"}


# Numbers, opt-outs and limits


def leave(api: Api, contact_id: str) -> None:
    """The person's one click."""
    link = api.get(f"/everlist/v1/contacts/{contact_id}/links").json["one_click_url"].rpartition("/")[2]
    reply = httpx2.post(f"{api.url}/one-click/{link}", data={"List-Unsubscribe": "One-Click"}, verify=False)
    assert reply.status_code == 200


def _number_gone(api: Api, work: Work) -> tuple[str, Any]:
    """A contact that an import had given a number, and the undo that took it away again."""
    who = person(api, "a")
    activity = imported(api, work, f"email,sms_number\na@example.org,{NUMBER}\n", new_list(api))
    return who, undone(api, work, activity)


def test_an_undo_that_would_bring_a_number_that_is_taken_reports_its_contact(
    alice: Api, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everlist.worker.activities.MAX_CONFLICTS", 1)
    _, undo = _number_gone(alice, work)
    post_contact(alice, email_address=email("b@example.org"), sms_channel=sms(NUMBER))
    undone(alice, work, undo)


def test_an_undo_brings_no_number_back_whose_person_was_erased(alice: Api, work: Work) -> None:
    who, undo = _number_gone(alice, work)
    erase(
        alice,
        post_contact(alice, email_address=email("b@example.org"), sms_channel=sms(NUMBER))["contact_id"],
    )
    undone(alice, work, undo)
    assert "sms_channel" not in get_contact(alice, who, "sms_channel")


def test_an_undo_does_not_let_an_account_lift_the_opt_out_of_a_number(alice: Api, work: Work) -> None:
    who, undo = _number_gone(alice, work)
    ben = post_contact(
        alice, email_address=email("b@example.org"), sms_channel=sms(NUMBER), create_source="Contact"
    )["contact_id"]
    for channel in (sms(NUMBER, "unsubscribed"), sms(ANOTHER)):
        put_contact(
            alice, ben, update_source="Contact", email_address=email("b@example.org"), sms_channel=channel
        )
    undone(alice, work, undo)
    body = {"update_source": "Account", "email_address": email("a@example.org"), "sms_channel": sms(NUMBER)}
    alice.put(f"/contacts/{who}", body)
    channel = get_contact(alice, who, "sms_channel").get("sms_channel")
    assert channel is None or channel["sms_channel_consents"][0]["sms_consent_permission"] == "unsubscribed"


@pytest.mark.parametrize("how", ["undo", "restore"])
def test_who_left_all_lists_by_the_link_is_not_put_on_them_again(alice: Api, work: Work, how: str) -> None:
    a_list = new_list(alice)
    who = person(alice, "a", list_memberships=[a_list])
    activity = ran(alice, work, "contact_delete", contact_ids=[who])
    leave(alice, who)
    if how == "undo":
        undone(alice, work, activity)
    else:
        assert alice.post("/everlist/v1/activities/contact_restore", {"contact_ids": [who]}).status == 201
        work()
    assert lists_of(alice, who) == set()


def test_an_undo_gives_no_contact_more_fields_than_the_contract_allows(alice: Api, work: Work) -> None:
    fields = [new_field(alice) for _ in range(30)]
    values = [{"custom_field_id": one, "value": "x"} for one in fields]
    who = person(alice, "a", custom_fields=values[:25])
    activity = ran(alice, work, "custom_fields_delete", custom_field_ids=fields[:5])
    put_contact(alice, who, email_address=email("a@example.org"), custom_fields=values[5:])
    undone(alice, work, activity)
    get_contact(alice, who, "custom_fields")  # is checked against the contract


def test_a_restore_by_an_activity_leaves_out_whom_another_act_deleted_since(alice: Api, work: Work) -> None:
    who = person(alice, "a", list_memberships=[new_list(alice)])
    activity = ran(alice, work, "contact_delete", contact_ids=[who])
    put_contact(alice, who, email_address=email("a@example.org"))
    assert alice.delete(f"/contacts/{who}").status == 204
    body = {"deleted_by_activity_id": activity["activity_id"]}
    assert alice.post("/everlist/v1/activities/contact_restore", body).status == 201
    work()
    assert "deleted_at" in get_contact(alice, who)
