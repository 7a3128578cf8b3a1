"""Two accounts at every route: neither sees nor changes what is the other's.

REQUESTS says, for every route, what a caller may try with ids and texts of somebody else's. Each request
is made twice: with what is the other account's, and with what is nobody's. The answers must be the same.
A route that is not in REQUESTS fails: write its requests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from everlist import ext, v3
from tests.conftest import Api, NewAccount, NewToken, Reply, Sql
from tests.core.recount import recount
from tests.server import Server
from tests.v3.helpers import (
    Behind,
    email,
    found,
    new_field,
    new_list,
    new_tag,
    post_contact,
    put_contact,
    sms,
)

ROUTES = [f"{route.method} {route.path.removeprefix('/v3')}" for route in (*v3.edge.routes, *ext.edge.routes)]
OWN_WORD = "known to {} alone"
"""Stands in an account in every place that has a text; nobody else ever sends it."""
COLLECTIONS = ("/contacts", "/contact_lists", "/contact_tags", "/contact_custom_fields", "/activities")


class Things(NamedTuple):
    """Ids and texts of one account, or of none."""

    contact_id: str
    deleted_id: str
    unsubscribed_id: str
    list_id: str
    tag_id: str
    field_id: str
    choice_id: str
    select_id: str
    activity_id: str
    export_id: str
    erasure_id: str
    note_id: str
    address: str
    sms_number: str
    name: str
    contact_number: str
    list_number: str
    cursors: dict[str, str]


class World(NamedTuple):
    """An account with something of everything."""

    api: Api
    behind: Behind
    things: Things


def cursor_of(api: Api, path: str) -> str:
    return api.get(path, limit=1).json["_links"]["next"]["href"].partition("cursor=")[2]


def furnished(api: Api, sql: Sql, name: str, sms_number: str) -> World:
    """What both have has the same names in both: nothing is unique beyond its account."""
    behind = Behind(sql, api.account_id)
    address = f"{name}@example.org"
    list_id, tag_id, field_id = new_list(api, name), new_tag(api, name), new_field(api, name)
    choices = [{"choice_label": "red"}, {"choice_label": "green"}]
    select = new_field(api, "Colour", "single_select", metadata={"display_type": "radio"}, choices=choices)
    choice_id = str(api.get(f"/contact_custom_fields/{select}").json["choices"][0]["choice_id"])
    new_list(api, "News")
    new_tag(api, "VIP")
    api.delete(f"/contact_tags/{new_tag(api, 'gone')}")
    activity_id = api.delete(f"/contact_lists/{new_list(api, 'gone')}").json["activity_id"]
    memberships: dict[str, Any] = {"list_memberships": [list_id], "taggings": [tag_id]}
    contact = post_contact(
        api,
        email_address=email(address, "explicit"),
        first_name=name,
        last_name=OWN_WORD.format(name),
        custom_fields=[
            {"custom_field_id": field_id, "value": name},
            {"custom_field_id": select, "choice_ids": [choice_id]},
        ],
        notes=[{"content": OWN_WORD.format(name)}],
        phone_numbers=[{"phone_number": "309 555 0100", "kind": "home"}],
        sms_channel=sms(sms_number),
        **memberships,
    )
    shared = post_contact(
        api,
        email_address=email("shared@example.org"),
        last_name=OWN_WORD.format(name),
        sms_channel=sms("13095550100"),
    )
    deleted = post_contact(api, email_address=email(f"gone-{address}"), first_name=name, **memberships)
    api.delete(f"/contacts/{deleted['contact_id']}")
    unsubscribed = post_contact(api, email_address=email(f"out-{address}", "explicit"), **memberships)
    out = email(f"out-{address}", "unsubscribed", opt_out_reason=name)
    put_contact(api, unsubscribed["contact_id"], update_source="Contact", email_address=out)
    assert {row["contact_id"] for row in api.get("/contacts").json["contacts"]} >= {shared["contact_id"]}
    gone = post_contact(api, first_name=name)["contact_id"]
    erasure = api("DELETE", f"/everlist/v1/contacts/{gone}").json
    things = Things(
        contact["contact_id"],
        deleted["contact_id"],
        unsubscribed["contact_id"],
        list_id,
        tag_id,
        field_id,
        choice_id,
        select,
        activity_id,
        api.post("/activities/contact_exports", {}).json["activity_id"],
        erasure["erasure_id"],
        contact["notes"][0]["note_id"],
        address,
        sms_number,
        name,
        str(behind.contact(contact["contact_id"])["sequence_id"]),
        str(
            next(row["sequence_id"] for row in behind.rows("contact_list") if str(row["list_id"]) == list_id)
        ),
        {path: cursor_of(api, path) for path in COLLECTIONS},
    )
    return World(api, behind, things)


NOBODYS = Things(
    *(str(uuid4()) for _ in range(6)),
    choice_id="777",
    select_id=str(uuid4()),
    activity_id=str(uuid4()),
    export_id=str(uuid4()),
    erasure_id=str(uuid4()),
    note_id=str(uuid4()),
    address="nobody@example.org",
    sms_number="13095550166",
    name="nobody",
    contact_number="999999999999",
    list_number="999999999998",
    cursors=dict.fromkeys(COLLECTIONS, "bm9ib2R5"),
)


@pytest.fixture(scope="module")
def worlds(
    running: Server, new_account: NewAccount, new_token: NewToken, sql: Sql
) -> Iterator[tuple[World, World]]:
    """Ann and Ben."""
    made: list[World] = []
    for name, number in (("annabel", "13095550101"), ("benjamin", "13095550102")):
        account = new_account()
        api = Api(running.url, new_token(account, "contact_data", "account_read", "account_update"), account)
        made.append(furnished(api, sql, name, number))
    yield made[0], made[1]
    for world in made:
        recount(sql, world.api.account_id)
        world.api.http.close()


class Request(NamedTuple):
    method: str
    path: str
    params: dict[str, str] | None = None
    body: Any = None
    csv: bytes | None = None
    """The file of a form; its other fields are the body."""

    def sent_by(self, api: Api) -> Reply:
        if self.csv is not None:
            files = {"file": ("contacts.csv", self.csv, "text/csv")}
            return api(self.method, self.path, data=self.body, files=files)
        return api(
            self.method, self.path, params=self.params, **({} if self.body is None else {"json": self.body})
        )


def get(path: str, **params: str) -> Request:
    return Request("GET", path, params)


def post(path: str, body: Any) -> Request:
    return Request("POST", path, {}, body)


def put(path: str, body: Any) -> Request:
    return Request("PUT", path, {}, body)


def delete(path: str) -> Request:
    return Request("DELETE", path)


def references(x: Things) -> list[dict[str, Any]]:
    """Everything that the body of a contact may name."""
    return [
        {"list_memberships": [x.list_id]},
        {"taggings": [x.tag_id]},
        {"custom_fields": [{"custom_field_id": x.field_id, "value": "x"}]},
        {"custom_fields": [{"custom_field_id": x.select_id, "choice_ids": [x.choice_id]}]},
        {"notes": [{"note_id": x.note_id, "content": "x"}], "first_name": "x"},
        {"email_address": email(x.address)},
        {"sms_channel": sms(x.sms_number)},
    ]


def sources(x: Things) -> list[dict[str, Any]]:
    """Everything that a bulk activity may take its contacts from."""
    return [{"contact_ids": [x.contact_id]}, {"list_ids": [x.list_id]}, {"tag_ids": [x.tag_id]}]


def for_contacts(
    path: str, name: str, ids: Callable[[Things], str]
) -> Callable[[Things, Things], list[Request]]:
    """What puts contacts on lists or tags them: with lists or tags of the other's, and with their contacts."""

    def requests(me: Things, x: Things) -> list[Request]:
        return [
            post(path, {"source": {"contact_ids": [me.contact_id]}, name: [ids(x)]}),
            *(post(path, {"source": source, name: [ids(me)]}) for source in sources(x)),
            post(
                path,
                {
                    "source": {"list_ids": [me.list_id]},
                    name: [ids(me)],
                    "exclude": {"contact_ids": [x.contact_id]},
                },
            ),
        ]

    return requests


# me: what is the caller's own; x: what is not.
REQUESTS: dict[str, Callable[[Things, Things], list[Request]]] = {
    "GET /contacts": lambda _, x: [
        get("/contacts", status="all", include="list_memberships,taggings,custom_fields,notes,sms_channel"),
        get("/contacts", include_count="true"),
        get("/contacts", lists=x.list_id, include_count="true"),
        get("/contacts", tags=x.tag_id, include_count="true"),
        get("/contacts", email=x.address, include_count="true"),
        get("/contacts", email=x.address, status="all"),
        get("/contacts", cursor=x.cursors["/contacts"]),
    ],
    "POST /contacts": lambda _, x: [
        post("/contacts", {"create_source": "Account", **reference}) for reference in references(x)
    ],
    "POST /contacts/sign_up_form": lambda me, x: [
        post("/contacts/sign_up_form", {"email_address": "s@example.org", "list_memberships": [x.list_id]}),
        post(
            "/contacts/sign_up_form", {"email_address": "form-" + x.address, "list_memberships": [me.list_id]}
        ),
        post(
            "/contacts/sign_up_form",
            {
                "email_address": "s@example.org",
                "list_memberships": [me.list_id],
                "custom_fields": [{"custom_field_id": x.field_id, "value": "x"}],
            },
        ),
    ],
    "GET /contacts/counts": lambda _, __: [
        get("/contacts/counts"),
        get("/contacts/counts", include="new_subscriber"),
    ],
    "GET /contacts/contact_id_xrefs": lambda _, x: [
        get("/contacts/contact_id_xrefs", sequence_ids=x.contact_number)
    ],
    "GET /contacts/sms_engagement_history/{contact_id}": lambda _, x: [
        get(f"/contacts/sms_engagement_history/{x.contact_id}")
    ],
    "PUT /contacts/resubscribe/{contact_id}": lambda me, x: [
        put(f"/contacts/resubscribe/{x.unsubscribed_id}", {"list_ids": [me.list_id]}),
        put(f"/contacts/resubscribe/{x.unsubscribed_id}", {"list_ids": [x.list_id]}),
        put(f"/contacts/resubscribe/{me.unsubscribed_id}", {"list_ids": [x.list_id]}),
    ],
    "GET /contacts/{contact_id}": lambda _, x: [
        get(f"/contacts/{x.contact_id}"),
        get(f"/contacts/{x.deleted_id}", include="list_memberships"),
    ],
    "PUT /contacts/{contact_id}": lambda me, x: [
        put(f"/contacts/{x.contact_id}", {"update_source": "Account", "first_name": "stolen"}),
        put(f"/contacts/{x.deleted_id}", {"update_source": "Account", "list_memberships": [me.list_id]}),
        *(
            put(f"/contacts/{me.contact_id}", {"update_source": "Account", **reference})
            for reference in references(x)
        ),
    ],
    "DELETE /contacts/{contact_id}": lambda _, x: [
        delete(f"/contacts/{x.contact_id}"),
        delete(f"/contacts/{x.deleted_id}"),
    ],
    "GET /contact_lists": lambda _, x: [
        get("/contact_lists", status="all", include_count="true", include_membership_count="all"),
        get("/contact_lists", name=x.name, include_count="true"),
        get("/contact_lists", cursor=x.cursors["/contact_lists"]),
    ],
    "POST /contact_lists": lambda _, x: [post("/contact_lists", {"name": x.name, "list_id": x.list_id})],
    "GET /contact_lists/list_id_xrefs": lambda _, x: [
        get("/contact_lists/list_id_xrefs", sequence_ids=x.list_number)
    ],
    "GET /contact_lists/{list_id}": lambda _, x: [
        get(f"/contact_lists/{x.list_id}"),
        get(f"/contact_lists/{x.list_id}", include_membership_count="all"),
    ],
    "PUT /contact_lists/{list_id}": lambda me, x: [
        put(f"/contact_lists/{x.list_id}", {"name": "stolen"}),
        put(f"/contact_lists/{me.list_id}", {"name": "put " + x.name, "list_id": x.list_id}),
    ],
    "DELETE /contact_lists/{list_id}": lambda _, x: [delete(f"/contact_lists/{x.list_id}")],
    "GET /contact_custom_fields": lambda _, x: [
        get("/contact_custom_fields"),
        get("/contact_custom_fields", cursor=x.cursors["/contact_custom_fields"]),
    ],
    "POST /contact_custom_fields": lambda _, x: [
        post("/contact_custom_fields", {"label": x.name, "type": "string", "custom_field_id": x.field_id})
    ],
    "GET /contact_custom_fields/{custom_field_id}": lambda _, x: [
        get(f"/contact_custom_fields/{x.field_id}")
    ],
    "PUT /contact_custom_fields/{custom_field_id}": lambda me, x: [
        put(f"/contact_custom_fields/{x.field_id}", {"label": "stolen"}),
        put(f"/contact_custom_fields/{me.field_id}", {"label": "put " + x.name}),
    ],
    "DELETE /contact_custom_fields/{custom_field_id}": lambda _, x: [
        delete(f"/contact_custom_fields/{x.field_id}")
    ],
    "GET /contact_tags": lambda _, x: [
        get("/contact_tags", include_count="true"),
        get("/contact_tags", cursor=x.cursors["/contact_tags"]),
    ],
    "POST /contact_tags": lambda _, x: [post("/contact_tags", {"name": x.name, "tag_id": x.tag_id})],
    "GET /contact_tags/{tag_id}": lambda _, x: [get(f"/contact_tags/{x.tag_id}", include_count="true")],
    "PUT /contact_tags/{tag_id}": lambda me, x: [
        put(f"/contact_tags/{x.tag_id}", {"name": "stolen"}),
        put(f"/contact_tags/{me.tag_id}", {"name": "put " + x.name}),
    ],
    "DELETE /contact_tags/{tag_id}": lambda _, x: [delete(f"/contact_tags/{x.tag_id}")],
    "GET /activities": lambda _, x: [
        get("/activities"),
        get("/activities", cursor=x.cursors["/activities"]),
    ],
    "GET /activities/{activity_id}": lambda _, x: [get(f"/activities/{x.activity_id}")],
    "POST /activities/contact_exports": lambda _, x: [
        *(post("/activities/contact_exports", source) for source in sources(x)),
        post("/activities/contact_exports", {"exclude": {"contact_ids": [x.contact_id]}}),
        post("/activities/contact_exports", {"fields": [x.field_id]}),
        post("/activities/contact_exports", {"fields": [f"cf:{x.name}"]}),
        post("/activities/contact_exports", {}),
    ],
    "GET /contact_exports/{file_export_id}": lambda _, x: [get(f"/contact_exports/{x.export_id}")],
    "POST /activities/contacts_json_import": lambda me, x: [
        post("/activities/contacts_json_import", {"import_data": rows, "list_ids": [list_id]})
        for rows, list_id in (
            ([{"email": "i@example.org"}], x.list_id),
            ([{"email": "json-" + x.address, "first_name": "x"}], me.list_id),
            ([{"email": x.address, "sms_number": x.sms_number, f"cf:{x.name}": "x"}], me.list_id),
        )
    ],
    "POST /activities/contacts_file_import": lambda me, x: [
        Request("POST", "/activities/contacts_file_import", {}, {"list_ids": list_id}, csv.encode())
        for csv, list_id in (
            ("email\ni@example.org\n", x.list_id),
            (f"email,first_name\nfile-{x.address},x\n", me.list_id),
            (f"email,cf:{x.name}\n{x.address},x\n", me.list_id),
        )
    ],
    "POST /activities/contact_delete": lambda _, x: [
        post("/activities/contact_delete", {"contact_ids": [x.contact_id]}),
        post("/activities/contact_delete", {"list_ids": [x.list_id]}),
    ],
    "POST /activities/add_list_memberships": for_contacts(
        "/activities/add_list_memberships", "list_ids", lambda x: x.list_id
    ),
    "POST /activities/remove_list_memberships": for_contacts(
        "/activities/remove_list_memberships", "list_ids", lambda x: x.list_id
    ),
    "POST /activities/list_delete": lambda _, x: [post("/activities/list_delete", {"list_ids": [x.list_id]})],
    "POST /activities/contacts_taggings_add": for_contacts(
        "/activities/contacts_taggings_add", "tag_ids", lambda x: x.tag_id
    ),
    "POST /activities/contacts_taggings_remove": for_contacts(
        "/activities/contacts_taggings_remove", "tag_ids", lambda x: x.tag_id
    ),
    "POST /activities/contacts_tags_delete": lambda _, x: [
        post("/activities/contacts_tags_delete", {"tag_ids": [x.tag_id]})
    ],
    "POST /activities/custom_fields_delete": lambda _, x: [
        post("/activities/custom_fields_delete", {"custom_field_ids": [x.field_id]})
    ],
    "POST /everlist/v1/activities/{activity_id}/cancel": lambda _, x: [
        Request("POST", f"/everlist/v1/activities/{x.activity_id}/cancel")
    ],
    "GET /everlist/v1/activities/{activity_id}/rows": lambda _, x: [
        get(f"/everlist/v1/activities/{x.activity_id}/rows")
    ],
    "POST /everlist/v1/activities/{activity_id}/undo": lambda _, x: [
        Request("POST", f"/everlist/v1/activities/{x.activity_id}/undo")
    ],
    "POST /everlist/v1/activities/contact_restore": lambda _, x: [
        post("/everlist/v1/activities/contact_restore", {"contact_ids": [x.deleted_id, x.contact_id]}),
        post("/everlist/v1/activities/contact_restore", {"deleted_by_activity_id": x.activity_id}),
    ],
    "PUT /everlist/v1/contact_lists/{list_id}/members": lambda me, x: [
        Request("PUT", f"/everlist/v1/contact_lists/{list_id}/members", params, {"import_data": rows})
        for params in ({}, {"dry_run": "true"})
        for list_id, rows in (
            (x.list_id, [{"email": "i@example.org"}]),
            (me.list_id, [{"email": f"replaced-{x.address}"}]),
        )
    ],
    "DELETE /everlist/v1/contacts/{contact_id}": lambda _, x: [
        delete(f"/everlist/v1/contacts/{x.contact_id}"),
        delete(f"/everlist/v1/contacts/{x.deleted_id}"),
    ],
    "POST /everlist/v1/activities/contact_erase": lambda _, x: [
        post("/everlist/v1/activities/contact_erase", {"reason": "x", **named})
        for named in (
            {"contact_ids": [x.contact_id, x.deleted_id]},
            {"email_addresses": [x.address]},
            {"list_ids": [x.list_id]},
        )
    ],
    "GET /everlist/v1/erasures": lambda _, x: [
        get("/everlist/v1/erasures"),
        get("/everlist/v1/erasures", activity_id=x.activity_id),
    ],
    "GET /everlist/v1/erasures/{erasure_id}": lambda _, x: [get(f"/everlist/v1/erasures/{x.erasure_id}")],
    "GET /everlist/v1/keys": lambda _, __: [get("/everlist/v1/keys")],
    "GET /everlist/v1/suppressions": lambda _, x: [
        get("/everlist/v1/suppressions"),
        get("/everlist/v1/suppressions", email=x.address),
        get("/everlist/v1/suppressions", sms_number=x.sms_number),
    ],
    "DELETE /everlist/v1/suppressions": lambda _, x: [
        Request("DELETE", "/everlist/v1/suppressions", {"email": one, "reason": "x"})
        for one in (x.address, "other-" + x.address)
    ],
    "GET /everlist/v1/contacts/explain": lambda _, x: [
        get("/everlist/v1/contacts/explain", email=address + x.address) for address in ("", "gone-", "out-")
    ],
    "GET /everlist/v1/contacts/{contact_id}/consent": lambda me, x: [
        get(f"/everlist/v1/contacts/{x.contact_id}/consent"),
        get(f"/everlist/v1/contacts/{x.deleted_id}/consent", as_of="2999-01-01"),
        get(f"/everlist/v1/contacts/{me.contact_id}/consent"),
    ],
    "GET /everlist/v1/contacts/{contact_id}/record": lambda _, x: [
        get(f"/everlist/v1/contacts/{x.contact_id}/record"),
        get(f"/everlist/v1/contacts/{x.deleted_id}/record"),
    ],
    "GET /everlist/v1/contacts/{contact_id}/links": lambda _, x: [
        get(f"/everlist/v1/contacts/{x.contact_id}/links"),
        get(f"/everlist/v1/contacts/{x.deleted_id}/links"),
    ],
    "GET /everlist/v1/account/settings": lambda _, x: [
        get("/everlist/v1/account/settings", account_id=x.contact_id)
    ],
    "PATCH /everlist/v1/account/settings": lambda _, x: [
        Request(
            "PATCH", "/everlist/v1/account/settings", {}, {"sender_name": x.name, "account_id": x.contact_id}
        )
    ],
    "GET /everlist/v1/usage/active_contacts": lambda _, __: [get("/everlist/v1/usage/active_contacts")],
}

UUID_FORM = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def blurred(body: bytes, x: Things) -> str:
    """The answer without what must differ: ids, times, and what the request named."""
    text = UUID_FORM.sub("*", body.decode())
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)", "*", text)
    text = re.sub(r'"event_id":\d+', "*", text)
    for thing in (x.name, x.sms_number[1:]):
        text = text.replace(thing, "*")
    return text


def said(request: Request) -> str:
    return request.path + json.dumps(request.params) + json.dumps(request.body) + str(request.csv)


@pytest.mark.parametrize("route", ROUTES)
def test_no_route_leads_to_another_account(
    worlds: tuple[World, World], work: Callable[[], None], route: str
) -> None:
    assert route in REQUESTS, f"{route} has no requests here: write them"
    work()  # what the accounts were furnished with
    for me, other in (worlds, worlds[::-1]):
        theirs = other.behind.everything()
        secrets = {one for rows in theirs.values() for row in rows for one in UUID_FORM.findall(row)}
        secrets |= {other.things.address, other.things.name, *other.things.cursors.values()}
        secrets.add(OWN_WORD.format(other.things.name))
        made = REQUESTS[route](me.things, other.things)
        assert made, route
        for request, same_of_nobody in zip(made, REQUESTS[route](me.things, NOBODYS), strict=True):
            assert f"{request.method} " == route[: len(request.method) + 1]
            reply, expected = (one.sent_by(me.api) for one in (request, same_of_nobody))
            assert reply.status == expected.status, (request, reply, expected)
            assert blurred(reply.body, other.things) == blurred(expected.body, NOBODYS), request
            told = {one for one in secrets if one in reply.body.decode() and one not in said(request)}
            assert not told, (request, reply)
        work()
        assert other.behind.everything() == theirs
        known_to_me = "".join(text for rows in me.behind.everything().values() for text in rows)
        assert OWN_WORD.format(me.things.name) in known_to_me
        assert OWN_WORD.format(other.things.name) not in known_to_me


def test_every_request_is_of_a_route() -> None:
    assert set(REQUESTS) == set(ROUTES)


def test_the_same_names_and_addresses_are_in_both(worlds: tuple[World, World]) -> None:
    """Else nothing above would show that uniqueness ends with the account."""
    shared = [found(world.api, email="shared@example.org") for world in worlds]
    assert [len(one) for one in shared] == [1, 1]
    assert shared[0] != shared[1]
    for path, key, name in (("/contact_lists", "lists", "News"), ("/contact_tags", "tags", "VIP")):
        pages = [world.api.get(path).json[key] for world in worlds]
        assert all(name in [one["name"] for one in page] for page in pages)


def test_an_opt_out_in_one_account_is_none_in_the_other(worlds: tuple[World, World]) -> None:
    ann, ben = worlds
    address = f"{uuid4()}@example.org"
    out = post_contact(ann.api, create_source="Contact", email_address=email(address, "unsubscribed"))
    put_contact(ann.api, out["contact_id"], email_address=email("moved-" + address))
    there = post_contact(ben.api, email_address=email(address))
    here = post_contact(ann.api, email_address=email(address))
    assert there["email_address"]["permission_to_send"] == "implicit"
    assert here["email_address"]["permission_to_send"] == "unsubscribed"


def test_an_export_has_nothing_of_another_account(
    worlds: tuple[World, World], work: Callable[[], None]
) -> None:
    for me, other in (worlds, worlds[::-1]):
        mine, theirs = OWN_WORD.format(me.things.name), OWN_WORD.format(other.things.name)
        for body, has_mine in (({}, True), ({"contact_ids": [other.things.contact_id]}, False)):
            made = me.api.post("/activities/contact_exports", body).json
            work()
            file = me.api.get(f"/contact_exports/{made['activity_id']}").body.decode()
            assert (mine in file) == has_mine
            assert theirs not in file
