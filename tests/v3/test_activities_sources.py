"""Which contacts an activity works on, and what it does to each; V3 contract 6.2."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.conftest import Api, Clock
from tests.v3.bulk import (
    Work,
    activity,
    counted,
    ended,
    images,
    lists_of,
    many,
    person,
    queued,
    ran,
    tags_of,
)
from tests.v3.helpers import (
    NOBODY,
    Behind,
    email,
    get_contact,
    new_field,
    new_list,
    new_lists,
    new_tag,
    post_contact,
    refused,
    sms,
)

FOR_CONTACTS = (
    "add_list_memberships",
    "remove_list_memberships",
    "contacts_taggings_add",
    "contacts_taggings_remove",
)
Cast = dict[str, str]


@pytest.fixture
def cast(alice: Api, clock: Clock) -> Cast:
    """Contacts of every kind, two lists and two tags; everything by its name."""
    made = {"news": new_list(alice), "club": new_list(alice), "vip": new_tag(alice), "new": new_tag(alice)}
    on = {"list_memberships": [made["news"]], "taggings": [made["vip"]]}
    clock.move(days=-40)
    made["old"] = person(alice, "old", "explicit", **on)
    clock.move(days=40)
    made["fresh"] = person(alice, "fresh", "implicit", **on)
    made["off"] = person(alice, "off", "explicit")
    made["held"] = person(alice, "held", "temp_hold", **on)
    made["pending"] = person(alice, "pending", "pending_confirmation")
    made["out"] = person(alice, "out", "unsubscribed", taggings=[made["vip"]])
    made["gone"] = person(alice, "gone", "explicit", **on)
    alice.delete(f"/contacts/{made['gone']}")
    made["phone"] = post_contact(alice, sms_channel=sms("13095550100"))["contact_id"]
    return made


PEOPLE = ("old", "fresh", "off", "held", "pending", "out", "gone", "phone")
MAILABLE = {"old", "fresh", "off"}


def named(cast: Cast, value: Any) -> Any:
    """The value with the ids of the cast in place of their names."""
    if isinstance(value, list):
        return [cast.get(one, one) for one in value]
    return {key: named(cast, one) for key, one in value.items()} if isinstance(value, dict) else value


def with_target(cast: Cast, kind: str, body: Any) -> Any:
    """The body with the list `club` or the tag `new`, that contacts join or leave."""
    target = {"list_ids": ["club"]} if kind.endswith("list_memberships") else {"tag_ids": ["new"]}
    return named(cast, {**target, **body})


SOURCES: list[tuple[dict[str, Any], set[str]]] = [
    ({"source": {"contact_ids": ["old", "out", "phone", NOBODY]}}, {"old", "out", "phone"}),
    ({"source": {"contact_ids": ["old", "old"]}}, {"old"}),
    ({"source": {"list_ids": ["news"]}}, {"old", "fresh", "held"}),
    ({"source": {"list_ids": ["news", "club"]}}, {"old", "fresh", "held"}),
    ({"source": {"list_ids": ["news"]}, "exclude": {"contact_ids": ["old", "off"]}}, {"fresh", "held"}),
    ({"source": {"tag_ids": ["vip"]}}, {"old", "fresh", "held", "out"}),
    ({"source": {"all_active_contacts": True}}, MAILABLE),
    ({"source": {"all_active_contacts": True}, "exclude": {"contact_ids": ["old"]}}, {"fresh", "off"}),
    ({"source": {"new_subscriber": True}}, {"fresh", "off"}),
    ({"source": {"engagement_level": "high"}}, set()),
    ({"source": {"engagement_level": "unqualified"}}, set()),
    (
        {"source": {"list_ids": ["news"], "contact_ids": [], "all_active_contacts": False}},
        {"old", "fresh", "held"},
    ),
    ({"source": {"list_ids": ["news"]}, "exclude": {"contact_ids": []}}, {"old", "fresh", "held"}),
]


@pytest.mark.parametrize(("body", "expected"), SOURCES)
def test_every_source_of_list_memberships(
    alice: Api, work: Work, cast: Cast, body: dict[str, Any], expected: set[str]
) -> None:
    added = ran(alice, work, "add_list_memberships", **with_target(cast, "add_list_memberships", body))
    held = expected & {"out"}
    assert {name for name in PEOPLE if cast["club"] in lists_of(alice, cast[name])} == expected - held
    assert added["status"].get("held_back_count", 0) == len(held)
    assert added["status"].get("updated_count", 0) == len(expected - held)
    assert added["status"]["items_total_count"] == added["status"]["items_completed_count"] == len(expected)
    assert added["status"]["list_count"] == 1
    before = {name: lists_of(alice, cast[name]) for name in PEOPLE}
    again = ran(alice, work, "add_list_memberships", **with_target(cast, "add_list_memberships", body))
    assert again["status"].get("updated_count", 0) == 0
    assert {name: lists_of(alice, cast[name]) for name in PEOPLE} == before
    removed = ran(
        alice, work, "remove_list_memberships", **with_target(cast, "remove_list_memberships", body)
    )
    assert removed["status"].get("updated_count", 0) == len(expected - held)
    assert removed["status"].get("unchanged_count", 0) == len(held)
    assert not any(cast["club"] in lists_of(alice, cast[name]) for name in PEOPLE)


@pytest.mark.parametrize(("body", "expected"), SOURCES)
def test_every_source_of_taggings(
    alice: Api, work: Work, cast: Cast, body: dict[str, Any], expected: set[str]
) -> None:
    added = ran(alice, work, "contacts_taggings_add", **with_target(cast, "contacts_taggings_add", body))
    assert {name for name in PEOPLE if cast["new"] in tags_of(alice, cast[name])} == expected
    counts = {"items_total": len(expected), "items_completed": len(expected), "updated": len(expected)}
    assert counted(added) == ({} if not expected else counts)
    again = ran(alice, work, "contacts_taggings_add", **with_target(cast, "contacts_taggings_add", body))
    assert again["status"].get("unchanged_count", 0) == len(expected)
    removed = ran(
        alice, work, "contacts_taggings_remove", **with_target(cast, "contacts_taggings_remove", body)
    )
    assert removed["status"].get("updated_count", 0) == len(expected)
    again = ran(
        alice, work, "contacts_taggings_remove", **with_target(cast, "contacts_taggings_remove", body)
    )
    assert again["status"].get("unchanged_count", 0) == len(expected)
    assert not any(cast["new"] in tags_of(alice, cast[name]) for name in PEOPLE)


ONES: dict[str, Any] = {
    "contact_ids": [NOBODY],
    "list_ids": [NOBODY],
    "tag_ids": [NOBODY],
    "all_active_contacts": True,
    "new_subscriber": True,
    "engagement_level": "low",
    "segment_id": 7,
}


@pytest.mark.parametrize("kind", FOR_CONTACTS)
@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "source"),
        ({"source": {}}, "exactly one source"),
        ({"source": {"contact_ids": []}}, "exactly one source"),
        ({"source": {"all_active_contacts": False}}, "exactly one source"),
        *(
            ({"source": {one: ONES[one], other: ONES[other]}}, "exactly one source")
            for number, one in enumerate(ONES)
            for other in list(ONES)[number + 1 :]
        ),
        ({"source": {"segment_id": 7}}, "segment_id does not have a valid value"),
        ({"source": {"engagement_level": "some"}}, "engagement_level does not have a valid value"),
        ({"source": {"contact_ids": many(501)}}, "contact_ids does not have a valid value: at most 500"),
        ({"source": {"list_ids": many(101)}}, "list_ids does not have a valid value: at most "),
        ({"source": {"tag_ids": many(51)}}, "tag_ids does not have a valid value: at most 50"),
        ({"source": {"list_ids": [NOBODY]}}, f"no list has the id {NOBODY}"),
        ({"source": {"tag_ids": [NOBODY]}}, f"no tag has the id {NOBODY}"),
        ({"source": {"contact_ids": ["x"]}}, "contact_ids"),
        (
            {"source": {"contact_ids": [NOBODY]}, "exclude": {"contact_ids": [NOBODY]}},
            "exclude does not have",
        ),
        ({"source": {"tag_ids": [NOBODY]}, "exclude": {"contact_ids": [NOBODY]}}, "exclude does not have"),
        ({"source": {"new_subscriber": True}, "exclude": {"contact_ids": [NOBODY]}}, "exclude does not have"),
        ({"source": {"all_active_contacts": True}, "exclude": {"contact_ids": many(501)}}, "at most 500"),
    ],
)
def test_sources_that_are_refused(alice: Api, kind: str, body: Any, text: str) -> None:
    target = (
        {"list_ids": [new_list(alice)]}
        if kind.endswith("list_memberships")
        else {"tag_ids": [new_tag(alice)]}
    )
    refused(alice.post(f"/activities/{kind}", {**target, **body}), 400, text)
    assert alice.get("/activities").json["activities"] == []


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("add_list_memberships", {"source": {"list_ids": many(51)}, "list_ids": ["news"]}, "list_ids does not have a valid value: at most 50"),
        ("add_list_memberships", {"source": {"all_active_contacts": True}}, "list_ids is missing"),
        ("add_list_memberships", {"source": {"all_active_contacts": True}, "list_ids": []}, "list_ids is missing"),
        ("add_list_memberships", {"source": {"all_active_contacts": True}, "list_ids": many(51)}, "at most 50"),
        ("add_list_memberships", {"source": {"all_active_contacts": True}, "list_ids": [NOBODY]}, "no list has the id"),
        ("remove_list_memberships", {"source": {"all_active_contacts": True}, "list_ids": many(51)}, "at most 50"),
        ("contacts_taggings_add", {"source": {"all_active_contacts": True}}, "tag_ids is missing"),
        ("contacts_taggings_add", {"source": {"all_active_contacts": True}, "tag_ids": many(51)}, "at most 50"),
        ("contacts_taggings_add", {"source": {"all_active_contacts": True}, "tag_ids": [NOBODY]}, "no tag has the id"),
        ("contacts_taggings_remove", {"source": {"all_active_contacts": True}, "tag_ids": [NOBODY]}, "no tag has the id"),
        ("contact_delete", {}, "exactly one is needed"),
        ("contact_delete", {"contact_ids": [], "list_ids": []}, "exactly one is needed"),
        ("contact_delete", {"contact_ids": [NOBODY], "list_ids": [NOBODY]}, "mutually exclusive"),
        ("contact_delete", {"contact_ids": many(501)}, "contact_ids does not have a valid value: at most 500"),
        ("contact_delete", {"list_ids": many(51)}, "list_ids does not have a valid value: at most 50"),
        ("contact_delete", {"list_ids": [NOBODY]}, "no list has the id"),
        ("list_delete", {}, "list_ids is missing"),
        ("list_delete", {"list_ids": many(101)}, "at most 100"),
        ("list_delete", {"list_ids": [NOBODY]}, "no list has the id"),
        ("contacts_tags_delete", {}, "tag_ids is missing"),
        ("contacts_tags_delete", {"tag_ids": many(501)}, "at most 500"),
        ("contacts_tags_delete", {"tag_ids": [NOBODY]}, "no tag has the id"),
        ("custom_fields_delete", {}, "custom_field_ids is missing"),
        ("custom_fields_delete", {"custom_field_ids": many(101)}, "at most 100"),
        ("custom_fields_delete", {"custom_field_ids": ["x"]}, "custom_field_ids"),
    ],
)  # fmt: skip
def test_bodies_that_are_refused(alice: Api, kind: str, body: Any, text: str) -> None:
    refused(alice.post(f"/activities/{kind}", named({"news": new_list(alice)}, body)), 400, text)
    assert alice.get("/activities").json["activities"] == []


def test_as_many_as_may_be(alice: Api, work: Work) -> None:
    on = new_lists(alice, 60)
    ann = person(alice, "ann", list_memberships=on[:50])
    made = [
        queued(alice, "remove_list_memberships", source={"list_ids": on}, list_ids=on[:50]),
        queued(alice, "contact_delete", contact_ids=[ann, *many(499)]),
        queued(alice, "add_list_memberships", source={"contact_ids": [ann, *many(499)]}, list_ids=on[10:]),
        queued(alice, "contact_delete", list_ids=on[10:]),
        queued(alice, "list_delete", list_ids=on),
        queued(alice, "custom_fields_delete", custom_field_ids=many(100)),
    ]
    work()
    done = [ended(alice, one) for one in made]
    everyone = {"items_total": 1, "items_completed": 1, "updated": 1}
    assert counted(done[0]) == {**everyone, "list": 50}
    assert counted(done[1]) == everyone
    assert counted(done[2]) == {**everyone, "list": 50}
    assert counted(done[3]) == {**everyone, "list": 50}
    assert done[4]["status"] == {"list_count": 60}
    assert "deleted_at" in get_contact(alice, ann)


# What it does to each


def test_deleted_contacts_come_back_by_their_ids_alone(
    alice: Api, behind: Behind, work: Work, cast: Cast
) -> None:
    out_and_gone = person(alice, "both", "unsubscribed")
    alice.delete(f"/contacts/{out_and_gone}")
    for source in ({"list_ids": ["news"]}, {"tag_ids": ["vip"]}, {"all_active_contacts": True}):
        ran(alice, work, "add_list_memberships", source=named(cast, source), list_ids=[cast["club"]])
        assert "deleted_at" in get_contact(alice, cast["gone"])
    contact_ids = [cast["gone"], out_and_gone]
    done = ran(
        alice, work, "add_list_memberships", source={"contact_ids": contact_ids}, list_ids=[cast["club"]]
    )
    assert counted(done) == {"items_total": 2, "items_completed": 2, "updated": 1, "held_back": 1, "list": 1}
    back = get_contact(alice, cast["gone"], "list_memberships")
    assert "deleted_at" not in back
    assert back["list_memberships"] == [cast["club"]]
    assert back["email_address"]["permission_to_send"] == "explicit"
    assert [move[0] for move in behind.moves(cast["gone"])] == ["created", "deleted", "restored"]
    assert behind.events(cast["gone"])[-1]["activity_id"] == UUID(done["activity_id"])
    assert "deleted_at" in get_contact(alice, out_and_gone)


@pytest.mark.parametrize(
    "kind", ["remove_list_memberships", "contacts_taggings_add", "contacts_taggings_remove"]
)
def test_other_kinds_pass_deleted_contacts_over(alice: Api, work: Work, cast: Cast, kind: str) -> None:
    before = get_contact(alice, cast["gone"], "taggings")
    body = with_target(cast, kind, {"source": {"contact_ids": ["gone"]}, "tag_ids": ["vip", "new"]})
    assert counted(ran(alice, work, kind, **body)).get("items_total", 0) == 0
    assert get_contact(alice, cast["gone"], "taggings") == before


def test_the_unsubscribed_are_held_back(alice: Api, behind: Behind, work: Work, cast: Cast) -> None:
    before = behind.contact(cast["out"])
    done = ran(
        alice,
        work,
        "add_list_memberships",
        source={"contact_ids": [cast["out"], cast["off"]]},
        list_ids=[cast["club"]],
    )
    assert counted(done) == {"items_total": 2, "items_completed": 2, "updated": 1, "held_back": 1, "list": 1}
    assert behind.contact(cast["out"]) == before
    (chunk,) = images(behind, done["activity_id"])
    assert [one["contact_id"] for one in chunk[1]] == [cast["off"]]


def test_no_more_than_fifty_lists(alice: Api, work: Work) -> None:
    on = new_lists(alice, 52)
    full = person(alice, "full", list_memberships=on[:49])
    rather = person(alice, "rather", list_memberships=on[:48])
    done = ran(alice, work, "add_list_memberships", source={"contact_ids": [full, rather]}, list_ids=on[50:])
    assert counted(done) == {"items_total": 2, "items_completed": 2, "updated": 1, "rejected": 1, "list": 2}
    assert done["activity_errors"] == [f"{full}: a contact may be on at most 50 lists"]
    assert lists_of(alice, full) == set(on[:49])
    assert len(lists_of(alice, rather)) == 50
    again = ran(alice, work, "add_list_memberships", source={"contact_ids": [rather]}, list_ids=on[50:])
    assert counted(again) == {"items_total": 1, "items_completed": 1, "unchanged": 1, "list": 2}


def test_no_more_than_fifty_tags(alice: Api, work: Work) -> None:
    tags = [new_tag(alice, f"tag {number}") for number in range(52)]
    full = person(alice, "full", taggings=tags[:49])
    rather = person(alice, "rather", taggings=tags[:48])
    done = ran(
        alice, work, "contacts_taggings_add", source={"contact_ids": [full, rather]}, tag_ids=tags[50:]
    )
    assert counted(done) == {"items_total": 2, "items_completed": 2, "updated": 1, "rejected": 1}
    assert done["activity_errors"] == [f"{full}: a contact may carry at most 50 tags"]
    assert tags_of(alice, full) == set(tags[:49])
    assert len(tags_of(alice, rather)) == 50


def test_a_deletion_keeps_what_was(alice: Api, behind: Behind, work: Work, cast: Cast) -> None:
    contact_ids = [cast[name] for name in ("old", "out", "gone", "phone")]
    done = ran(alice, work, "contact_delete", contact_ids=[*contact_ids, NOBODY])
    assert counted(done) == {"items_total": 3, "items_completed": 3, "updated": 3}
    assert "list_count" not in done["status"]
    for name in ("old", "out", "phone"):
        found = get_contact(alice, cast[name], "list_memberships", "taggings")
        assert found["list_memberships"] == []
        assert "deleted_at" in found
        assert found["update_source"] == "Account"
    assert tags_of(alice, cast["old"]) == {cast["vip"]}
    assert get_contact(alice, cast["out"])["email_address"]["permission_to_send"] == "unsubscribed"
    assert [str(one) for one in behind.contact(cast["old"])["deleted_list_ids"]] == [cast["news"]]
    (chunk,) = images(behind, done["activity_id"])
    assert {one["contact_id"] for one in chunk[1]} == {cast["old"], cast["out"], cast["phone"]}
    assert behind.moves(cast["old"])[-1] == ("deleted", "explicit", "explicit", "Account")


def test_a_deletion_by_lists(alice: Api, work: Work, cast: Cast) -> None:
    extra = person(alice, "extra", list_memberships=[cast["club"], cast["news"]])
    done = ran(alice, work, "contact_delete", list_ids=[cast["news"], cast["club"]])
    assert counted(done) == {"items_total": 4, "items_completed": 4, "updated": 4, "list": 2}
    gone = {name for name in PEOPLE if "deleted_at" in get_contact(alice, cast[name])}
    assert gone == {"old", "fresh", "held", "gone"}
    assert "deleted_at" in get_contact(alice, extra)
    assert (
        alice.get(f"/contact_lists/{cast['news']}", include_membership_count="all").json["membership_count"]
        == 0
    )


def test_what_undo_needs_is_kept(alice: Api, behind: Behind, work: Work, cast: Cast) -> None:
    everyone = {"source": {"contact_ids": [cast["old"], cast["gone"], cast["off"]]}}
    joined = ran(alice, work, "add_list_memberships", **everyone, list_ids=[cast["club"], cast["news"]])
    (chunk,) = images(behind, joined["activity_id"])
    by_id = {one["contact_id"]: one for one in chunk[1]}
    assert by_id[cast["old"]]["joined"] == [cast["club"]]
    assert "columns" not in by_id[cast["old"]]
    assert set(by_id[cast["gone"]]["joined"]) == {cast["club"], cast["news"]}
    was, became = by_id[cast["gone"]]["columns"]["deletion"]
    assert was["deleted_at"]
    assert became == {}
    left = ran(alice, work, "remove_list_memberships", **everyone, list_ids=[cast["club"]])
    (chunk,) = images(behind, left["activity_id"])
    assert all(one["left"] == [cast["club"]] for one in chunk[1])
    tagged = ran(alice, work, "contacts_taggings_add", **everyone, tag_ids=[cast["vip"], cast["new"]])
    (chunk,) = images(behind, tagged["activity_id"])
    assert {one["contact_id"]: set(one["tagged"]) for one in chunk[1]} == {
        cast["old"]: {cast["new"]},
        cast["gone"]: {cast["new"]},
        cast["off"]: {cast["vip"], cast["new"]},
    }
    untagged = ran(alice, work, "contacts_taggings_remove", **everyone, tag_ids=[cast["new"]])
    (chunk,) = images(behind, untagged["activity_id"])
    assert all(one["untagged"] == [cast["new"]] for one in chunk[1])
    assert all(created == set() for created, _ in images(behind, untagged["activity_id"]))


def test_lists_go_and_their_members_stay(alice: Api, behind: Behind, work: Work, cast: Cast) -> None:
    done = ran(alice, work, "list_delete", list_ids=[cast["news"], cast["club"]])
    assert done["status"] == {"list_count": 2}
    for name in ("old", "fresh", "held"):
        found = get_contact(alice, cast[name], "list_memberships", "taggings")
        assert "deleted_at" not in found
        assert found["list_memberships"] == []
        assert found["taggings"] == [cast["vip"]]
    assert alice.get("/contact_lists").json["lists"] == []
    (chunk,) = images(behind, done["activity_id"])
    assert {one["contact_id"]: one["left"] for one in chunk[1]} == {
        cast[name]: [cast["news"]] for name in ("old", "fresh", "held")
    }


def test_tags_go_also_from_deleted_contacts(alice: Api, behind: Behind, work: Work, cast: Cast) -> None:
    done = ran(alice, work, "contacts_tags_delete", tag_ids=[cast["vip"], cast["new"]])
    assert done["status"] == {"items_total_count": 2, "items_completed_count": 2}
    assert all(tags_of(alice, cast[name]) == set() for name in PEOPLE)
    assert alice.get("/contact_tags").json["tags"] == []
    (chunk,) = images(behind, done["activity_id"])
    assert {one["contact_id"] for one in chunk[1]} == {
        cast[n] for n in ("old", "fresh", "held", "out", "gone")
    }


def test_fields_go_with_their_values(alice: Api, behind: Behind, work: Work) -> None:
    one, other, stays = (new_field(alice) for _ in range(3))
    values = [{"custom_field_id": each, "value": "x"} for each in (one, other, stays)]
    ann = person(alice, "ann", custom_fields=values)
    bea = person(alice, "bea", custom_fields=values[2:])
    gone = person(alice, "gone", custom_fields=values)
    alice.delete(f"/contacts/{gone}")
    before = behind.contact(bea)
    done = ran(alice, work, "custom_fields_delete", custom_field_ids=[one, other, NOBODY])
    assert "status" not in done
    for contact_id in (ann, gone):
        found = get_contact(alice, contact_id, "custom_fields")["custom_fields"]
        assert found == values[2:]
    assert behind.contact(bea) == before
    assert alice.get(f"/contact_custom_fields/{one}").status == 404
    assert alice.get(f"/contact_custom_fields/{stays}").status == 200
    (chunk,) = images(behind, done["activity_id"])
    assert {row["contact_id"]: row["fields"] for row in chunk[1]} == {
        each: {one: ["x", None], other: ["x", None]} for each in (ann, gone)
    }


def test_a_list_that_went_in_between(alice: Api, work: Work, cast: Cast) -> None:
    """The activities before it have taken one of the lists away: the others count."""
    first = queued(alice, "list_delete", list_ids=[cast["news"]])
    second = queued(
        alice,
        "add_list_memberships",
        source={"contact_ids": [cast["off"]]},
        list_ids=[cast["club"], cast["news"]],
    )
    third = queued(alice, "contacts_tags_delete", tag_ids=[cast["vip"]])
    fourth = queued(alice, "contacts_taggings_add", source={"tag_ids": [cast["vip"]]}, tag_ids=[cast["new"]])
    work()
    ended(alice, first)
    assert ended(alice, second)["activity_errors"] == [f"{cast['news']}: no such id any more"]
    assert lists_of(alice, cast["off"]) == {cast["club"]}
    ended(alice, third)
    assert counted(ended(alice, fourth)) == {}


def test_a_list_that_went_in_between_brings_nobody_back(alice: Api, work: Work, cast: Cast) -> None:
    queued(alice, "list_delete", list_ids=[cast["club"]])
    activity_id = queued(
        alice, "add_list_memberships", source={"contact_ids": [cast["gone"]]}, list_ids=[cast["club"]]
    )
    work()
    assert activity(alice, activity_id)["activity_errors"] == [f"{cast['club']}: no such id any more"]
    assert "deleted_at" in get_contact(alice, cast["gone"])


def test_contacts_of_another_account_stay_as_they_are(alice: Api, charlie: Api, work: Work) -> None:
    cleo = post_contact(charlie, email_address=email("cleo@example.org"))["contact_id"]
    before = get_contact(charlie, cleo, "list_memberships", "taggings")
    made = [
        queued(alice, "contact_delete", contact_ids=[cleo]),
        queued(alice, "add_list_memberships", source={"contact_ids": [cleo]}, list_ids=[new_list(alice)]),
        queued(alice, "contacts_taggings_add", source={"contact_ids": [cleo]}, tag_ids=[new_tag(alice)]),
        queued(alice, "custom_fields_delete", custom_field_ids=[new_field(charlie)]),
    ]
    work()
    for activity_id in made:
        assert "updated_count" not in ended(alice, activity_id).get("status", {})
    assert get_contact(charlie, cleo, "list_memberships", "taggings") == before
    assert len(charlie.get("/contact_custom_fields").json["custom_fields"]) == 1
