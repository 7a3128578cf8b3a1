"""Drive a server's bulk activities through the vendor's own Python client.

Run it as run_contacts.py is run, against a server whose worker runs:

    python tests/official/run_bulk.py BASE_URL TOKEN

The account may hold data, but no other activity may be under way in it.
"""
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import constant_contact_api_client as cc
from support import (
    RUN,
    Calls,
    Client,
    List_,
    NewField,
    Value,
    absent,
    address,
    change,
    is_uuid,
    raw,
    recent,
    refused,
    same,
    told,
    true,
)

Add = cc.CreateListAddActivityRequest
AddSource = cc.CreateListAddActivityRequestSource
Remove = cc.CreateListRemoveActivityRequest
RemoveSource = cc.CreateListRemoveActivityRequestSource
Tagging = cc.CreateTagRemoveActivityRequest  # of both kinds
TaggingSource = cc.CreateTagRemoveActivityRequestSource
Exclude = cc.CreateListAddActivityRequestExclude
Delete = cc.CreateDeleteActivityRequest
Items = cc.CreateImportJSONActivityRequest
Item = cc.CreateImportJSONActivityRequestImportDataInner

Steps = list[tuple[str, Callable[["Bulk", SimpleNamespace], None]]]
STEPS: Steps = []


def step(title: str) -> Callable[[Callable[[Bulk, SimpleNamespace], None]], None]:
    """Add a step; it gets the client, and the namespace in which earlier steps left what they made."""

    def add(function: Callable[[Bulk, SimpleNamespace], None]) -> None:
        STEPS.append((title, function))

    return add


class Bulk(Client):
    """The client with its class for activities."""

    def __init__(self, base_url: str, token: str) -> None:
        super().__init__(base_url, token)
        self.bulk = Calls(cc.BulkActivitiesApi(self.raw), self.called)
        self.folder = tempfile.TemporaryDirectory()

    def file(self, name: str, content: bytes) -> str:
        """The path of a file, which is all that the client takes."""
        path = Path(self.folder.name) / name
        path.write_bytes(content)
        return str(path)

    def queued(self, method: str, *args: Any, **kwargs: Any) -> str:
        """Make an activity; its id."""
        full = getattr(self.bulk, f"{method}_with_http_info")(*args, **kwargs)
        same("the status", full.status_code, 201)
        activity = raw(full)
        is_uuid("activity_id", activity["activity_id"])
        same("the state", activity["state"], "initialized")
        same("percent_done", activity["percent_done"], 1)
        same("activity_errors", activity["activity_errors"], [])
        same("its link", activity["_links"]["self"]["href"], f"/v3/activities/{activity['activity_id']}")
        absent(activity, "started_at", "completed_at")
        same("activity_id in the model", full.data.activity_id, activity["activity_id"])
        return activity["activity_id"]

    def ended(self, activity_id: str, state: str = "completed") -> Any:
        """The activity once it has ended, as that state."""
        deadline = time.monotonic() + 120
        while (found := self.bulk.get_activity_by_id(activity_id)).state in ("initialized", "processing"):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        same("the state", found.state, state)
        return found

    def ran(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Make an activity and wait for its end."""
        return self.ended(self.queued(method, *args, **kwargs))

    def lists_of(self, contact_id: str) -> set[str]:
        return set(self.contacts.get_contact_by_id(contact_id, include="list_memberships").list_memberships)

    def tags_of(self, contact_id: str) -> set[str]:
        return set(self.contacts.get_contact_by_id(contact_id, include="taggings").taggings)

    def members(self, list_id: str) -> dict[str, Any]:
        """The contacts of a list, by the names in their addresses."""
        found = self.contacts.get_all_contacts(lists=list_id, limit=500).contacts
        return {contact.email_address.address.partition(".")[0]: contact for contact in found}


def counts(activity: Any, **wanted: int) -> None:
    """The activity's counters of these names must be these."""
    got = {name: getattr(activity.status, f"{name}_count") for name in wanted}
    same("status", got, wanted)


def remove(*list_ids: str, **source: Any) -> Any:
    """A request that takes contacts off lists.

    Its models allow no ids at all (maxItems is 0 in the vendor's file), so they are made without their checks.
    """
    return Remove.model_construct(source=RemoveSource.model_construct(**source), list_ids=list(list_ids))


def clear(list_id: str) -> Any:
    """The request that takes everybody off a list."""
    return remove(list_id, list_ids=[list_id])


def csv(*names: str, **columns: str) -> bytes:
    """A file with these people and the same other columns for each."""
    rows = [",".join(["email", *columns])]
    rows += [",".join([address(name), *columns.values()]) for name in names]
    return "\n".join(rows).encode()


@step("what the other steps need")
def _(client: Bulk, made: SimpleNamespace) -> None:
    made.news, made.club = (
        client.lists.create_list(List_(name=f"{name} {RUN}")).list_id for name in ("Bulk news", "Bulk club")
    )
    made.vip = client.tags.post_tag(cc.PostTagRequest(name=f"bulk vip {RUN}")).tag_id
    made.field = client.fields.create_custom_fields(NewField(label=f"Size {RUN}", type="string"))
    made.before = len(client.bulk.get_all_activities(limit=500).activities)


@step("import a file, and another that changes what is in it")
def _(client: Bulk, made: SimpleNamespace) -> None:
    name = f"people {RUN}.csv"
    content = csv("ann", "bea", first_name="First") + b"\nnonsense,X\n"
    done = client.ran("create_csv_import_activity", client.file(name, content), f"{made.news},{made.club}")
    same("source_file_name", done.source_file_name, name)
    counts(done, items_total=4, person=2, error=0, correctable=1, cannot_add_to_list=0)
    same("activity_errors", done.activity_errors, ["Line 4: Invalid email address"])
    for moment in ("created_at", "updated_at", "started_at", "completed_at"):
        recent(moment, getattr(done, moment))
    same("percent_done", done.percent_done, 100)
    same("the members", set(client.members(made.news)), {"ann", "bea"})
    made.ann, made.bea = (client.members(made.club)[one].contact_id for one in ("ann", "bea"))
    more = client.file("more.csv", csv("ann", "cid", last_name="Last"))
    done = client.ran("create_csv_import_activity", more, made.news)
    same("source_file_name", done.source_file_name, "more.csv")
    counts(done, items_total=3, person=2)
    ann = client.contacts.get_contact_by_id(made.ann)
    same("Ann", (ann.first_name, ann.last_name), ("First", "Last"))
    same("her permission", ann.email_address.permission_to_send, "implicit")
    made.cid = client.members(made.news)["cid"].contact_id


@step("import items, with every kind of column")
def _(client: Bulk, made: SimpleNamespace) -> None:
    full = Item(
        email=address("dan"),
        first_name="Dan",
        birthday_month=2,
        birthday_day=29,
        anniversary="2015-06-07",
        phone="1",
        home_phone="2",
        street="1 High St",
        home_country="United States",
        work_city="Peoria",
    )
    items = [full, Item(email=address("eve")), Item(email="nonsense"), Item(first_name="Nobody")]
    done = client.ran("create_import_json_activity", Items(import_data=items, list_ids=[made.news]))
    counts(done, items_total=4, person=2, error=0, correctable=2)
    dan = client.members(made.news)["dan"]
    dan = client.contacts.get_contact_by_id(dan.contact_id, include="phone_numbers,street_addresses")
    same("the phones", {one.kind: one.phone_number for one in dan.phone_numbers}, {"other": "1", "home": "2"})
    same("the addresses", {one.kind for one in dan.street_addresses}, {"home", "work"})
    made.dan, made.eve = dan.contact_id, client.members(made.news)["eve"].contact_id


@step("imports that are refused")
def _(client: Bulk, made: SimpleNamespace) -> None:
    refused(400, client.bulk.create_csv_import_activity, client.file("a.csv", b""), made.news)
    ann = client.file("ann.csv", csv("ann"))
    refused(400, client.bulk.create_csv_import_activity, ann, str(uuid4()))
    refused(
        400, client.bulk.create_import_json_activity, Items(import_data=[Item()], list_ids=[str(uuid4())])
    )
    failed = client.queued("create_csv_import_activity", client.file("b.csv", b"name\nAnn\n"), made.news)
    same("activity_errors", len(client.ended(failed, "failed").activity_errors), 1)


@step("put contacts on lists")
def _(client: Bulk, made: SimpleNamespace) -> None:
    client.contacts.update_contact(made.eve, change("eve", permission="unsubscribed"))
    source = AddSource(contact_ids=[made.dan, made.eve])
    done = client.ran("create_list_add_activity", Add(source=source, list_ids=[made.club]))
    counts(done, items_total=2, items_completed=2, list=1)
    same("the members", set(client.members(made.club)), {"ann", "bea", "dan"})
    exclude = Exclude(contact_ids=[made.ann])
    source = AddSource(list_ids=[made.news])
    client.ran("create_list_add_activity", Add(source=source, exclude=exclude, list_ids=[made.club]))
    same("the members", set(client.members(made.club)), {"ann", "bea", "cid", "dan"})
    refused(400, client.bulk.create_list_add_activity, Add(source=AddSource(), list_ids=[made.club]))
    refused(
        400, client.bulk.create_list_add_activity, Add(source=AddSource(segment_id=1), list_ids=[made.club])
    )


@step("take contacts off lists")
def _(client: Bulk, made: SimpleNamespace) -> None:
    done = client.ran("create_list_remove_activity", clear(made.club))
    counts(done, items_total=4, items_completed=4, list=1)
    same("the members", client.members(made.club), {})
    client.ran("create_list_remove_activity", remove(made.club, all_active_contacts=True))
    client.ran("create_list_remove_activity", remove(made.news, engagement_level="high"))
    same("the others", set(client.members(made.news)), {"ann", "bea", "cid", "dan", "eve"})


@step("tag and untag contacts")
def _(client: Bulk, made: SimpleNamespace) -> None:
    source = TaggingSource(contact_ids=[made.ann, made.eve])
    done = client.ran("create_tag_add_contact_activity", Tagging(source=source, tag_ids=[made.vip]))
    counts(done, items_total=2, items_completed=2)
    same("Ann's tags", client.tags_of(made.ann), {made.vip})
    source = TaggingSource(tag_ids=[made.vip])
    done = client.ran("create_tag_remove_activity", Tagging(source=source, tag_ids=[made.vip]))
    counts(done, items_total=2, items_completed=2)
    same("Ann's tags", client.tags_of(made.ann), set())


@step("export contacts")
def _(client: Bulk, made: SimpleNamespace) -> None:
    request = cc.CreateExportActivityRequest(
        contact_ids=[made.ann, made.bea], fields=["email_address", "first_name"]
    )
    done = client.ran("create_export_activity", request)
    counts(done, items_total=2, items_completed=2)
    same("its link", done.links.results.href, f"/v3/contact_exports/{done.activity_id}")
    full = client.bulk.get_csv_export_file_with_http_info(done.activity_id)
    same("the status", full.status_code, 200)
    lines = full.raw_data.decode().splitlines()
    same("the lines", len(lines), 3)
    true("Ann is in the file", any(line.startswith(address("ann")) for line in lines))
    refused(404, client.bulk.get_csv_export_file, str(uuid4()))


@step("delete tags, fields and lists")
def _(client: Bulk, made: SimpleNamespace) -> None:
    client.contacts.update_contact(
        made.bea,
        change(
            "bea",
            taggings=[made.vip],
            list_memberships=[made.club, made.news],
            custom_fields=[Value(custom_field_id=made.field.custom_field_id, value="44")],
        ),
    )
    client.ran("create_tag_delete_activity", cc.CreateTagDeleteActivityRequest(tag_ids=[made.vip]))
    ids = [made.field.custom_field_id]
    request = cc.PostCustomFieldDeleteRequest.model_construct(custom_field_ids=ids)  # as with remove()
    client.ran("post_custom_field_delete", request)
    done = client.ran("create_list_delete_activity", cc.CreateListDeleteActivityRequest(list_ids=[made.club]))
    counts(done, list=1)
    bea = client.contacts.get_contact_by_id(made.bea, include="taggings,list_memberships,custom_fields")
    same("what she has", (bea.taggings, bea.list_memberships, bea.custom_fields), ([], [made.news], []))
    refused(404, client.tags.get_tag, made.vip)
    refused(404, client.fields.get_custom_field, made.field.custom_field_id)


@step("delete one list and one tag, which are activities too")
def _(client: Bulk, made: SimpleNamespace) -> None:
    one_list = client.lists.create_list(List_(name=f"Bulk once {RUN}")).list_id
    one_tag = client.tags.post_tag(cc.PostTagRequest(name=f"bulk once {RUN}")).tag_id
    for full in (
        client.lists.delete_list_with_http_info(one_list),
        client.tags.delete_tag_with_http_info(one_tag),
    ):
        same("the status", full.status_code, 202)
        client.ended(raw(full)["activity_id"])
    refused(404, client.tags.get_tag, one_tag)
    refused(404, client.lists.delete_list, one_list)


@step("delete contacts")
def _(client: Bulk, made: SimpleNamespace) -> None:
    done = client.ran("create_delete_activity", Delete(contact_ids=[made.eve, str(uuid4())]))
    counts(done, items_total=1, items_completed=1)
    true("Eve is deleted", client.contacts.get_contact_by_id(made.eve).deleted_at is not None)
    done = client.ran("create_delete_activity", Delete(list_ids=[made.news]))
    counts(done, items_total=4, items_completed=4, list=1)
    refused(400, client.bulk.create_delete_activity, Delete())
    made.news = client.lists.create_list(List_(name=f"Daily {RUN}")).list_id
    source = AddSource(contact_ids=[made.ann])
    client.ran("create_list_add_activity", Add(source=source, list_ids=[made.news]))
    same("Ann came back", client.contacts.get_contact_by_id(made.ann).deleted_at, None)


@step("a daily list: clear it and import it in parts, all queued at once, each after the one before")
def _(client: Bulk, made: SimpleNamespace) -> None:
    """What an owner of lists was told to do: https://community.constantcontact.com, and contract 6.1."""
    yesterday = client.file("yesterday.csv", csv(*(f"y{number}" for number in range(50))))
    queued = [client.queued("create_csv_import_activity", yesterday, made.news)]
    queued.append(client.queued("create_list_remove_activity", clear(made.news)))
    for part in range(4):  # each renames a person of the part before it
        names = [f"t{number}" for number in range(part * 20, part * 20 + 21)]
        content = client.file(f"{part}.csv", csv(*names, first_name=f"Part{part}"))
        queued.append(client.queued("create_csv_import_activity", content, made.news))
    items = [Item(email=address(f"t{number}"), last_name="Item") for number in range(5)]
    request = Items(import_data=items, list_ids=[made.news])
    queued.append(client.queued("create_import_json_activity", request))
    done = [client.ended(activity_id) for activity_id in queued]
    for before, after in zip(done, done[1:], strict=False):
        true("each began after the one before had ended", after.started_at >= before.completed_at)
    counts(done[1], items_total=51, items_completed=51)
    members = client.members(made.news)
    same("the members", set(members), {f"t{number}" for number in range(81)})
    for part in range(4):
        same("the first of a part", members[f"t{part * 20}"].first_name, f"Part{part}")
        same("the second of a part", members[f"t{part * 20 + 1}"].first_name, f"Part{part}")
    same("the last of all", members["t80"].first_name, "Part3")
    same("the items", {members[f"t{number}"].last_name for number in range(5)}, {"Item"})
    left = client.contacts.get_all_contacts(email=address("y0")).contacts[0]
    same("who left stays a contact", client.lists_of(left.contact_id), set())
    made.queued = queued


@step("activities: list them newest first, by state, page by page")
def _(client: Bulk, made: SimpleNamespace) -> None:
    first = client.bulk.get_all_activities_with_http_info(limit=3)
    same("the first key", next(iter(raw(first))), "activities")
    newest = [one.activity_id for one in first.data.activities]
    same("the newest", newest, made.queued[::-1][:3])
    found = [
        one.activity_id
        for page in client.pages(first, "GetAllActivities200Response")
        for one in page.data.activities
    ]
    same("seen twice", len(set(found)), len(found))
    true("all are there", set(made.queued) <= set(found) and len(found) > made.before)
    failed = client.bulk.get_all_activities(state="failed", limit=500).activities
    same("their states", {one.state for one in failed}, {"failed"})
    completed = client.bulk.get_all_activities(state="completed", limit=500).activities
    same("together", len(failed) + len(completed), len(found))
    refused(400, client.bulk.get_all_activities, state="initialized")
    refused(400, client.get, "/v3/activities?limit=501", "GetAllActivities200Response")
    refused(404, client.bulk.get_activity_by_id, str(uuid4()))


@step("every method was called")
def _(client: Bulk, made: SimpleNamespace) -> None:
    plain = {
        name.removesuffix("_with_http_info")
        for name in vars(cc.BulkActivitiesApi)
        if not name.startswith("_") and not name.endswith("_without_preload_content")
    }
    called = {name.removesuffix("_with_http_info") for name in client.called}
    same("the methods not called", plain - called, set())


def main() -> None:
    """Run all steps against the server named on the command line."""
    if len(sys.argv) != 3:
        raise SystemExit(f"usage: {sys.argv[0]} BASE_URL TOKEN")
    client, made = Bulk(sys.argv[1], sys.argv[2]), SimpleNamespace()
    for title, run in STEPS:
        with told(title, client):
            run(client, made)
    print(f"all {len(STEPS)} steps went as the contract says")


if __name__ == "__main__":
    main()
