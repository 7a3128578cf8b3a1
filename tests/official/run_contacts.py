"""Drive a server through the vendor's own Python client, and compare what comes back with the contract.

Run it with an interpreter that has requirements.lock installed:

    python tests/official/run_contacts.py BASE_URL TOKEN

BASE_URL is that of the server, with or without /v3; TOKEN is an access token for contacts and lists. The
account may hold data; confirmed opt-in must be off. Everything made here has a name of its own, so it can run
again and again. One line is printed for each step. The first difference ends the run with status 1, a reason
and the last exchange.
"""
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import constant_contact_api_client as cc
from support import (
    ARRAYS,
    CORE,
    RUN,
    Choice,
    Client,
    Consent,
    Contact,
    Field,
    List_,
    Metadata,
    NewChoice,
    NewContact,
    NewEmail,
    NewField,
    Note,
    Phone,
    SignUp,
    Sms,
    Street,
    Value,
    absent,
    address,
    both,
    change,
    is_uuid,
    person,
    raw,
    recent,
    refused,
    same,
    told,
    true,
)

Steps = list[tuple[str, Callable[[Client, SimpleNamespace], None]]]
STEPS: Steps = []


def step(title: str) -> Callable[[Callable[[Client, SimpleNamespace], None]], None]:
    """Add a step; it gets the client, and the namespace in which earlier steps left what they made."""

    def add(function: Callable[[Client, SimpleNamespace], None]) -> None:
        STEPS.append((title, function))

    return add


@step("a wrong token is refused with 401 and a bare object")
def _(client: Client, made: SimpleNamespace) -> None:
    host = client.raw.configuration.host
    stranger = cc.ContactsApi(cc.ApiClient(cc.Configuration(host=host, access_token="no-such-token")))
    refused(401, stranger.get_all_contacts)
    refused(401, stranger.get_contact_by_id, str(uuid4()))
    refused(401, stranger.create_contact, person("stranger"))


# lists


@step("lists: create")
def _(client: Client, made: SimpleNamespace) -> None:
    full = client.lists.create_list_with_http_info(
        List_(name=f"News {RUN}", favorite=True, description="Once a week")
    )
    same("the status", full.status_code, 201)
    made.news = full.data
    is_uuid("list_id", made.news.list_id)
    same("name", made.news.name, f"News {RUN}")
    same("description", made.news.description, "Once a week")
    same("favorite", made.news.favorite, True)
    recent("created_at", made.news.created_at)
    absent(raw(full), "deleted_at", "membership_count")
    made.club = client.lists.create_list(List_(name=f"Club {RUN}"))
    same("favorite by default", made.club.favorite, False)
    made.other = client.lists.create_list(List_(name=f"Other {RUN}"))


@step("lists: a name in use is refused with 409, an empty one with 400")
def _(client: Client, made: SimpleNamespace) -> None:
    refused(409, client.lists.create_list, List_(name=f"News {RUN}"))
    refused(400, client.lists.create_list, List_(name=""))


@step("lists: get one, with membership counts when asked")
def _(client: Client, made: SimpleNamespace) -> None:
    full = both(client.lists, "get_list", made.club.list_id)
    same("list_id", full.data.list_id, made.club.list_id)
    absent(raw(full), "description", "deleted_at", "membership_count")
    for counted in ("all", "active"):
        got = client.lists.get_list(made.club.list_id, include_membership_count=counted)
        same(f"membership_count ({counted})", got.membership_count, 0)
    refused(404, client.lists.get_list, str(uuid4()))
    refused(404, client.lists.get_list, "not-a-uuid")


@step("lists: update replaces all that can be written")
def _(client: Client, made: SimpleNamespace) -> None:
    full = client.lists.update_list_with_http_info(made.news.list_id, List_(name=f"Daily news {RUN}"))
    same("the status", full.status_code, 200)
    same("name", full.data.name, f"Daily news {RUN}")
    same("favorite by default", full.data.favorite, False)
    absent(raw(full), "description")
    same("created_at", full.data.created_at, made.news.created_at)
    again = client.lists.update_list(made.news.list_id, List_(name=f"Daily news {RUN}"))
    same("updated_at after no change", again.updated_at, full.data.updated_at)
    refused(404, client.lists.update_list, str(uuid4()), List_(name=f"Nowhere {RUN}"))
    refused(409, client.lists.update_list, made.news.list_id, List_(name=f"Club {RUN}"))


@step("lists: get all, page by page, with every option")
def _(client: Client, made: SimpleNamespace) -> None:
    first = both(client.lists, "get_all_lists", limit=2, include_count=True, include_membership_count="all")
    same("the first key", next(iter(raw(first))), "lists")
    found = [item for page in client.pages(first, "GetAllLists200Response") for item in page.data.lists]
    same("lists_count", first.data.lists_count, len(found))
    same("lists seen twice", len({item.list_id for item in found}), len(found))
    true(
        "all three are there",
        {made.news.list_id, made.club.list_id, made.other.list_id} <= {i.list_id for i in found},
    )
    true("membership_count is there", all(item.membership_count is not None for item in found))
    named = client.lists.get_all_lists(name=f"Club {RUN}", status="all", channel_type="email")
    same("lists of that name", [item.list_id for item in named.lists], [made.club.list_id])
    same("membership_count when not asked", named.lists[0].membership_count, None)
    active = client.lists.get_all_lists(
        name=f"Club {RUN}", status="active", include_membership_count="active"
    )
    same("active lists", len(active.lists), 1)
    same("deleted lists", client.lists.get_all_lists(name=f"Club {RUN}", status="deleted").lists, [])
    client.lists.get_all_lists(channel_type="sms", include_sms_membership_count=True)
    refused(400, client.lists.get_all_lists, include_membership_count="unsubscribed")
    refused(400, client.get, "/v3/contact_lists?limit=0", "GetAllLists200Response")
    refused(400, client.get, "/v3/contact_lists?cursor=nonsense", "GetAllLists200Response")


@step("lists: cross-references ascend, and leave out what is unknown")
def _(client: Client, made: SimpleNamespace) -> None:
    few = both(client.lists, "get_list_id_xrefs", ",".join(map(str, range(1, 501)))).data.xrefs
    numbers = [int(item.sequence_id) for item in few]
    same("the order", numbers, sorted(numbers))
    for item in few:
        is_uuid("list_id", item.list_id)
    same("xrefs of an unknown id", client.lists.get_list_id_xrefs("999999999999").xrefs, [])
    refused(400, client.lists.get_list_id_xrefs, ",".join(map(str, range(1, 502))))


# tags


@step("tags: create, and refuse a name in use with 409")
def _(client: Client, made: SimpleNamespace) -> None:
    full = client.tags.post_tag_with_http_info(cc.PostTagRequest(name=f"vip {RUN}", tag_source="Shop"))
    same("the status", full.status_code, 201)
    made.vip = full.data
    is_uuid("tag_id", made.vip.tag_id)
    same("name", made.vip.name, f"vip {RUN}")
    same("tag_source", made.vip.tag_source, "Shop")
    absent(raw(full), "contacts_count")
    made.old = client.tags.post_tag(cc.PostTagRequest(name=f"old {RUN}"))
    absent(raw(client.tags.get_tag_with_http_info(made.old.tag_id)), "tag_source", "contacts_count")
    refused(409, client.tags.post_tag, cc.PostTagRequest(name=f"vip {RUN}"))


@step("tags: get one, update it, list them all")
def _(client: Client, made: SimpleNamespace) -> None:
    same(
        "contacts_count",
        both(client.tags, "get_tag", made.vip.tag_id, include_count=True).data.contacts_count,
        0,
    )
    refused(404, client.tags.get_tag, str(uuid4()))
    full = client.tags.put_tag_with_http_info(made.vip.tag_id, cc.PutTagRequest(name=f"gold {RUN}"))
    same("the status", full.status_code, 200)
    same("name", full.data.name, f"gold {RUN}")
    same("tag_source after an update", full.data.tag_source, "Shop")
    same("name", client.tags.put_tag(made.vip.tag_id, cc.PutTagRequest(name=f"vip {RUN}")).name, f"vip {RUN}")
    refused(409, client.tags.put_tag, made.vip.tag_id, cc.PutTagRequest(name=f"old {RUN}"))
    refused(404, client.tags.put_tag, str(uuid4()), cc.PutTagRequest(name=f"new {RUN}"))
    first = both(client.tags, "get_all_tags", limit=1, include_count=True)
    same("the first key", next(iter(raw(first))), "tags")
    found = [item for page in client.pages(first, "GetAllTags200Response") for item in page.data.tags]
    true("both are there", {made.vip.tag_id, made.old.tag_id} <= {item.tag_id for item in found})
    same("tags seen twice", len({item.tag_id for item in found}), len(found))
    true("contacts_count is there", all(item.contacts_count is not None for item in found))


# custom fields


def selectable(display: str, *labels: str) -> dict[str, Any]:
    """What a request for a field with choices needs beside its label and type."""
    choices = [
        NewChoice(choice_label=label, display_order=order) for order, label in enumerate(labels, start=1)
    ]
    return {"metadata": Metadata(display_type=display), "choices": choices}


PLACES = {"integer": False, "decimal_places": 2}
FIELDS: dict[str, dict[str, Any]] = {  # type: what its request has beside label and type
    "string": {},
    "text_area": {},
    "date": {"version": 2},
    "datetime": {},
    "number": {"metadata": Metadata(allow_negative=True, **PLACES)},
    "currency": {"metadata": Metadata(currency_code="USD", **PLACES)},
    "boolean": {},
    "single_select": selectable("radio", "Red", "Green"),
    "multi_select": selectable("checkbox", "Tea", "Coffee", "Milk"),
}
VALUES = {
    "string": "Lotus",
    "text_area": "Two lines\nof text",
    "date": "2026-05-09",
    "datetime": "2026-05-09T10:30:00Z",
    "number": "-12.5",
    "currency": "19.95",
    "boolean": "true",
}


@step("custom fields: create all nine types")
def _(client: Client, made: SimpleNamespace) -> None:
    made.fields = {}
    for kind, more in FIELDS.items():
        request = NewField(label=f"My {kind} {RUN}", type=kind, **more)
        full = client.fields.create_custom_fields_with_http_info(request)
        field = made.fields[kind] = full.data
        same(f"{kind}: the status", full.status_code, 201)
        is_uuid(f"{kind}: custom_field_id", field.custom_field_id)
        same(f"{kind}: label", field.label, f"My {kind} {RUN}")
        same(f"{kind}: name", field.name, f"my_{kind}_{RUN}")
        same(f"{kind}: type", field.type, kind)
        recent(f"{kind}: created_at", field.created_at)
        wanted = more.get("metadata", Metadata()).to_dict()
        got = raw(full).get("metadata", {})
        same(f"{kind}: metadata", {key: got.get(key) for key in wanted}, wanted)
        labels = [(choice.choice_label, choice.display_order) for choice in more.get("choices", [])]
        choices = field.choices or []
        same(f"{kind}: choices", [(item.choice_label, item.display_order) for item in choices], labels)
        true(
            f"{kind}: the choices have ids of their own",
            len({item.choice_id for item in choices}) == len(labels),
        )
    same("version", made.fields["date"].version, 2)
    legacy = client.fields.create_custom_fields(NewField(label=f"My legacy {RUN}", type="date"))
    same("version when left out", legacy.version, 1)
    made.fields["legacy"] = legacy


@step("custom fields: refuse a label in use with 409, what is not valid with 400")
def _(client: Client, made: SimpleNamespace) -> None:
    create = client.fields.create_custom_fields
    refused(409, create, NewField(label=f"My string {RUN}", type="string"))
    refused(400, create, NewField(label=f"My colour {RUN}", type="colour"))
    true("the text names the type", "type" in refused(400, create, NewField(label=f"My nothing {RUN}")))
    true("the text names the label", "label" in refused(400, create, NewField(type="string")))
    refused(400, create, NewField(label=f"My bare {RUN}", type="single_select"))
    refused(400, create, NewField(label=f"My odd {RUN}", type="number", metadata=Metadata(integer=False)))


@step("custom fields: get one, list all page by page")
def _(client: Client, made: SimpleNamespace) -> None:
    for field in made.fields.values():
        same("the field", both(client.fields, "get_custom_field", field.custom_field_id).data, field)
    refused(404, client.fields.get_custom_field, str(uuid4()))
    first = both(client.fields, "get_all_custom_fields", limit=4)
    same("the first key", next(iter(raw(first))), "custom_fields")
    seen = [
        i for page in client.pages(first, "GetAllCustomFields200Response") for i in page.data.custom_fields
    ]
    same("fields seen twice", len({item.custom_field_id for item in seen}), len(seen))
    wanted = {field.custom_field_id for field in made.fields.values()}
    true("all are there", wanted <= {item.custom_field_id for item in seen})


@step("custom fields: update the label, and the choices by their ids")
def _(client: Client, made: SimpleNamespace) -> None:
    text = made.fields["string"]
    full = client.fields.update_custom_field_with_http_info(
        text.custom_field_id, Field(label=f"My Word {RUN}")
    )
    same("the status", full.status_code, 200)
    same("label", full.data.label, f"My Word {RUN}")
    same("name", full.data.name, f"my_word_{RUN}")
    same("type", full.data.type, "string")
    drinks = made.fields["multi_select"]
    tea, coffee, _milk = drinks.choices
    choices = [
        Choice(choice_id=tea.choice_id, choice_label="Green tea", display_order=1),
        Choice(choice_id=coffee.choice_id, choice_label="Coffee", display_order=2),
        Choice(choice_label="Water", display_order=3),
    ]
    request = Field(label=drinks.label, choices=choices)
    drinks = made.fields["multi_select"] = client.fields.update_custom_field(drinks.custom_field_id, request)
    live = [item for item in drinks.choices if item.deleted_at is None]
    same("choices", [item.choice_label for item in live], ["Green tea", "Coffee", "Water"])
    same("the ids of the old ones", [item.choice_id for item in live[:2]], [tea.choice_id, coffee.choice_id])
    refused(404, client.fields.update_custom_field, str(uuid4()), Field(label=f"My own {RUN}"))


# contacts


@step("counts: all five, and new_subscriber only when asked")
def _(client: Client, made: SimpleNamespace) -> None:
    full = both(client.contacts, "get_contact_counts")
    same("the keys", set(raw(full)), {"total", "explicit", "implicit", "pending", "unsubscribed"})
    made.counts = full.data
    made.new = client.contacts.get_contact_counts(include="new_subscriber").new_subscriber
    true("new_subscriber is there", made.new is not None)


@step("create: by the account, implicit; the response has nothing that was not sent")
def _(client: Client, made: SimpleNamespace) -> None:
    full = client.contacts.create_contact_with_http_info(person("ann", first_name="Ann"))
    same("the status", full.status_code, 201)
    made.ann = full.data
    email = made.ann.email_address
    is_uuid("contact_id", made.ann.contact_id)
    same("address", email.address, address("ann"))
    same("permission_to_send", email.permission_to_send, "implicit")
    same("opt_in_source", email.opt_in_source, "Account")
    same("confirm_status", email.confirm_status, "off")
    same("create_source", made.ann.create_source, "Account")
    for name in ("created_at", "updated_at"):
        recent(name, getattr(made.ann, name))
    for name in ("created_at", "updated_at", "opt_in_date"):
        recent(f"email_address.{name}", getattr(email, name))
    absent(raw(full), "update_source", "deleted_at", "last_name", "sms_channel", *ARRAYS)
    absent(raw(full)["email_address"], "opt_out_source", "opt_out_date", "opt_out_reason")


@step("create: by the contact, explicit")
def _(client: Client, made: SimpleNamespace) -> None:
    made.ben = client.contacts.create_contact(person("ben", source="Contact"))
    same("permission_to_send", made.ben.email_address.permission_to_send, "explicit")
    same("opt_in_source", made.ben.email_address.opt_in_source, "Contact")


@step("create: by name alone, and by telephone number alone")
def _(client: Client, made: SimpleNamespace) -> None:
    full = client.contacts.create_contact_with_http_info(
        NewContact(last_name="Only", create_source="Account")
    )
    absent(raw(full), "email_address", "first_name")
    made.nameless = full.data
    digits = f"{secrets.randbelow(10**7):07}"
    consent = Consent(sms_consent_permission="explicit", consent_type="promotional_sms")
    made.sms = Sms(full_sms_address=f"1781{digits}", sms_channel_consents=[consent])
    full = client.contacts.create_contact_with_http_info(
        NewContact(sms_channel=made.sms, create_source="Account")
    )
    absent(raw(full), "email_address", "first_name")
    made.texter = full.data
    channel = made.texter.sms_channel
    is_uuid("sms_channel_id", channel.sms_channel_id)
    same("dial_code", channel.dial_code, "1")
    same("sms_address", channel.sms_address, f"781{digits}")
    same("country_code", channel.country_code, "US")
    same("consent", channel.sms_channel_consents[0].sms_consent_permission, "explicit")
    same("consent_type", channel.sms_channel_consents[0].consent_type, "promotional_sms")


@step("create: with every property and sub-resource")
def _(client: Client, made: SimpleNamespace) -> None:
    fields = made.fields
    values = [
        Value(custom_field_id=fields[kind].custom_field_id, value=text) for kind, text in VALUES.items()
    ]
    for kind in ("single_select", "multi_select"):
        ids = [str(choice.choice_id) for choice in fields[kind].choices if choice.deleted_at is None]
        ids = ids[:1] if kind == "single_select" else ids[:2]
        values.append(Value(custom_field_id=fields[kind].custom_field_id, choice_ids=ids))
    made.values = {value.custom_field_id: (value.value, value.choice_ids) for value in values}
    full = client.contacts.create_contact_with_http_info(
        person(
            "cleo",
            first_name="Cleo",
            last_name="Marsh",
            job_title="Gardener",
            company_name="Fern & Co",
            birthday_month=12,
            birthday_day=31,
            anniversary="11/15/2006",
            custom_fields=values,
            list_memberships=[made.news.list_id, made.club.list_id],
            taggings=[made.vip.tag_id],
            phone_numbers=[
                Phone(phone_number="+1 555 0100", kind="home"),
                Phone(phone_number="555 0101", kind="work"),
            ],
            street_addresses=[
                Street(
                    kind="home",
                    street="1 Elm St",
                    city="Peoria",
                    state="IL",
                    postal_code="61602",
                    country="US",
                )
            ],
            notes=[Note(content="Met at the fair")],
        )
    )
    cleo = made.cleo = full.data
    same("the names", (cleo.first_name, cleo.last_name), ("Cleo", "Marsh"))
    same("the work", (cleo.job_title, cleo.company_name), ("Gardener", "Fern & Co"))
    same("the birthday", (cleo.birthday_month, cleo.birthday_day), (12, 31))
    same("anniversary", cleo.anniversary, "2006-11-15")
    got = {item.custom_field_id: (item.value, item.choice_ids) for item in cleo.custom_fields}
    same("custom_fields", {key: got.get(key) for key in made.values}, made.values)
    same("list_memberships", set(cleo.list_memberships), {made.news.list_id, made.club.list_id})
    same("taggings", cleo.taggings, [made.vip.tag_id])
    phones = {(item.kind, item.phone_number) for item in cleo.phone_numbers}
    same("phone_numbers", phones, {("home", "+1 555 0100"), ("work", "555 0101")})
    is_uuid("phone_number_id", cleo.phone_numbers[0].phone_number_id)
    home = cleo.street_addresses[0]
    is_uuid("street_address_id", home.street_address_id)
    same(
        "the address",
        (home.kind, home.street, home.city, home.postal_code),
        ("home", "1 Elm St", "Peoria", "61602"),
    )
    same("the state and country, by name", (home.state, home.country), ("Illinois", "United States"))
    same("the note", cleo.notes[0].content, "Met at the fair")
    recent("the note's created_at", cleo.notes[0].created_at)
    absent(raw(full), "sms_channel", "update_source")


@step("create: refuse what is missing or not valid with 400")
def _(client: Client, made: SimpleNamespace) -> None:
    create = client.contacts.create_contact
    text = refused(400, create, NewContact(first_name="Nobody"))
    true(f"the text names create_source: {text}", "create_source is missing" in text)
    text = refused(400, create, person("robot", source="Robot"))
    true(f"the text names create_source: {text}", "create_source does not have a valid value" in text)
    refused(400, create, NewContact(create_source="Account"))
    refused(400, create, NewContact(create_source="Account", job_title="Nobody"))
    refused(400, create, NewContact(create_source="Account", email_address=NewEmail(address="nobody")))
    refused(400, create, person("moon", birthday_month=4))
    refused(400, create, person("moon", birthday_month=13, birthday_day=1))
    refused(400, create, person("moon", anniversary="someday"))
    refused(400, create, person("moon", list_memberships=[str(uuid4())]))
    refused(400, create, person("moon", taggings=[str(uuid4())]))
    refused(400, create, person("moon", custom_fields=[Value(custom_field_id=str(uuid4()), value="x")]))
    same("contacts stored by those", client.contacts.get_all_contacts(email=address("moon")).contacts, [])


@step("create: an address in use is refused with 409, and the owner's id ends the text")
def _(client: Client, made: SimpleNamespace) -> None:
    for request in (
        person("ann"),
        NewContact(email_address=NewEmail(address=address("ann").upper()), create_source="Account"),
    ):
        text = refused(409, client.contacts.create_contact, request)
        same("the last word of the text", text.split()[-1], made.ann.contact_id)


@step("get one: core properties alone, or with each sub-resource that is asked for")
def _(client: Client, made: SimpleNamespace) -> None:
    full = both(client.contacts, "get_contact_by_id", made.cleo.contact_id)
    same("the names", (full.data.first_name, full.data.last_name), ("Cleo", "Marsh"))
    absent(raw(full), "sms_channel", *ARRAYS)
    for name in ARRAYS:
        full = client.contacts.get_contact_by_id_with_http_info(made.cleo.contact_id, include=name)
        true(f"{name} is there, and not empty", raw(full).get(name))
        absent(raw(full), *(other for other in (*ARRAYS, "sms_channel") if other != name))
        same(name, getattr(full.data, name), getattr(made.cleo, name))
    full = client.contacts.get_contact_by_id_with_http_info(made.texter.contact_id, include="sms_channel")
    same("sms_channel", full.data.sms_channel, made.texter.sms_channel)
    absent(raw(full), *ARRAYS)
    full = client.contacts.get_contact_by_id_with_http_info(made.ann.contact_id, include=",".join(ARRAYS))
    same("the empty ones", {name: raw(full).get(name) for name in ARRAYS}, {name: [] for name in ARRAYS})
    refused(404, client.contacts.get_contact_by_id, str(uuid4()))
    refused(404, client.contacts.get_contact_by_id, "not-a-uuid")


def found(client: Client, **options: Any) -> set[str]:
    """The ids of the contacts that a search gives, on all its pages."""
    first = client.contacts.get_all_contacts_with_http_info(**options)
    pages = client.pages(first, "GetAllContacts200Response")
    return {contact.contact_id for page in pages for contact in page.data.contacts}


@step("get all: page by page through the links, which keep the options")
def _(client: Client, made: SimpleNamespace) -> None:
    made.crowd = {
        client.contacts.create_contact(person(f"crowd{n}", list_memberships=[made.other.list_id])).contact_id
        for n in range(5)
    }
    options = {"lists": made.other.list_id, "limit": 2, "include": "list_memberships", "include_count": True}
    first = both(client.contacts, "get_all_contacts", **options)
    same("the first key", next(iter(raw(first))), "contacts")
    pages = list(client.pages(first, "GetAllContacts200Response"))
    same("the sizes of the pages", [len(page.data.contacts) for page in pages], [2, 2, 1])
    same(
        "the contacts", sorted(i.contact_id for page in pages for i in page.data.contacts), sorted(made.crowd)
    )
    for page in pages:
        same("contacts_count", page.data.contacts_count, 5)
        for contact in page.data.contacts:
            same("list_memberships", contact.list_memberships, [made.other.list_id])
    href = first.data.links.next.href
    true(f"the link leads to /v3/contacts?cursor=: {href}", href.startswith("/v3/contacts?cursor="))
    again = client.get(f"{href}&limit=2&include=list_memberships", "GetAllContacts200Response")
    same("the next page, asked for with options", again.data.contacts, pages[1].data.contacts)
    plain = client.contacts.get_all_contacts_with_http_info(lists=made.other.list_id)
    absent(raw(plain), "contacts_count", "_links", "status")
    absent(raw(plain)["contacts"][0], "sms_channel", *ARRAYS)


@step("get all: every other option")
def _(client: Client, made: SimpleNamespace) -> None:
    ann, ben, cleo, texter = (item.contact_id for item in (made.ann, made.ben, made.cleo, made.texter))
    same("by address", found(client, email=address("ann")), {ann})
    same("by an address in capitals", found(client, email=address("ann").upper()), {ann})
    same("by an address of nobody", found(client, email=address("nobody")), set())
    same("by one list", found(client, lists=made.news.list_id), {cleo})
    same(
        "by two lists", found(client, lists=f"{made.news.list_id},{made.other.list_id}"), {cleo, *made.crowd}
    )
    same("by tag", found(client, tags=made.vip.tag_id), {cleo})
    same("by two tags", found(client, tags=f"{made.vip.tag_id},{made.old.tag_id}"), {cleo})
    same("by a list and an address", found(client, lists=made.news.list_id, email=address("ann")), set())
    for status in ("active", "all", "active,unsubscribed"):
        same(f"with status {status}", found(client, status=status, email=address("ann")), {ann})
    for status in ("deleted", "not_set", "pending_confirmation", "temp_hold", "unsubscribed"):
        same(f"with status {status}", found(client, status=status, email=address("ann")), set())
    past, future = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)
    for name in ("created", "updated"):
        inside = {f"{name}_after": past, f"{name}_before": future}
        same(f"{name} in the last hour", found(client, email=address("ben"), **inside), {ben})
        same(f"{name} after now", found(client, email=address("ben"), **{f"{name}_after": future}), set())
        same(
            f"{name} before this hour", found(client, email=address("ben"), **{f"{name}_before": past}), set()
        )
    same("opted out", found(client, email=address("ben"), optout_after=past, optout_before=future), set())
    for status in ("explicit", "all", "explicit,unsubscribed"):
        true(f"by sms_status {status}", texter in found(client, sms_status=status, limit=500))
    true("not by another sms_status", texter not in found(client, sms_status="unsubscribed", limit=500))
    page = client.contacts.get_all_contacts_with_http_info(email=address("cleo"), include=",".join(ARRAYS))
    true("every sub-resource is there", all(raw(page)["contacts"][0].get(name) for name in ARRAYS))


@step("get all: refuse options that are not valid with 400")
def _(client: Client, made: SimpleNamespace) -> None:
    for query in (
        "limit=0",
        "limit=501",
        "limit=x",
        "status=gone",
        "cursor=nonsense",
        "created_after=yesterday",
    ):
        refused(400, client.get, f"/v3/contacts?{query}", "GetAllContacts200Response")
    refused(400, client.contacts.get_all_contacts, segment_id="1", email=address("ann"))


@step("update: what is left out of the core is cleared, sub-resources stay")
def _(client: Client, made: SimpleNamespace) -> None:
    contact_id = made.cleo.contact_id
    before = client.contacts.get_contact_by_id(contact_id, include=",".join(ARRAYS))
    full = client.contacts.update_contact_with_http_info(contact_id, change("cleo", first_name="Cleopatra"))
    same("the status", full.status_code, 200)
    same("first_name", full.data.first_name, "Cleopatra")
    same("update_source", full.data.update_source, "Account")
    same("create_source", full.data.create_source, "Account")
    same("permission_to_send when left out", full.data.email_address.permission_to_send, "implicit")
    absent(raw(full), "sms_channel", *ARRAYS, *(name for name in CORE if name != "first_name"))
    after = client.contacts.get_contact_by_id_with_http_info(contact_id, include=",".join(ARRAYS))
    absent(raw(after), *(name for name in CORE if name != "first_name"))
    for name in ARRAYS:
        same(name, getattr(after.data, name), getattr(before, name))


@step("update: a sub-resource that is sent is replaced, and what did not change in it keeps its id")
def _(client: Client, made: SimpleNamespace) -> None:
    contact_id = made.cleo.contact_id
    home = next(item for item in made.cleo.phone_numbers if item.kind == "home")
    phones = [Phone(phone_number="+1 555 0100", kind="home"), Phone(phone_number="555 0199", kind="mobile")]
    request = change("cleo", list_memberships=[made.club.list_id], phone_numbers=phones)
    full = client.contacts.update_contact_with_http_info(contact_id, request)
    same("list_memberships", full.data.list_memberships, [made.club.list_id])
    kept = {item.kind: item for item in full.data.phone_numbers}
    same("the kinds", set(kept), {"home", "mobile"})
    same("the id of the number that stayed", kept["home"].phone_number_id, home.phone_number_id)
    absent(raw(full), "taggings", "notes", "custom_fields", "street_addresses")
    same("on the list that was left out", found(client, lists=made.news.list_id), set())


@step("update: an empty sub-resource clears it")
def _(client: Client, made: SimpleNamespace) -> None:
    for name in ARRAYS:
        nothing: dict[str, Any] = {name: []}
        full = client.contacts.update_contact_with_http_info(made.cleo.contact_id, change("cleo", **nothing))
        same(name, raw(full).get(name), [])
    got = client.contacts.get_contact_by_id_with_http_info(made.cleo.contact_id, include=",".join(ARRAYS))
    same("what is left", {name: raw(got).get(name) for name in ARRAYS}, {name: [] for name in ARRAYS})


@step("update: a contact that was fetched can be sent back")
def _(client: Client, made: SimpleNamespace) -> None:
    contact_id = made.crowd.copy().pop()
    got = client.contacts.get_contact_by_id(contact_id, include=",".join(ARRAYS))
    email = got.email_address.to_dict() | {"opt_in_source": "Account"}
    request = Contact.from_dict(got.to_dict() | {"email_address": email, "update_source": "Account"})
    back = client.contacts.update_contact(contact_id, request)
    same("list_memberships", back.list_memberships, got.list_memberships)
    same("permission_to_send", back.email_address.permission_to_send, "implicit")


@step("update: permission goes up to explicit, and not down again")
def _(client: Client, made: SimpleNamespace) -> None:
    update, contact_id = client.contacts.update_contact, made.ann.contact_id
    got = update(contact_id, change("ann", permission="explicit", first_name="Ann"))
    same("permission_to_send", got.email_address.permission_to_send, "explicit")
    refused(400, update, contact_id, change("ann", permission="implicit"))
    got = update(contact_id, change("ann", first_name="Ann"))
    same("permission_to_send when left out", got.email_address.permission_to_send, "explicit")


@step("update: refused with 400, 404 and 409")
def _(client: Client, made: SimpleNamespace) -> None:
    update = client.contacts.update_contact
    text = refused(400, update, made.ann.contact_id, change("ann", source="Robot"))
    true(f"the text names update_source: {text}", "update_source" in text)
    refused(400, update, made.ann.contact_id, change("ann", list_memberships=[str(uuid4())]))
    refused(404, update, str(uuid4()), change("nobody"))
    text = refused(409, update, made.ann.contact_id, change("ben"))
    same("the last word of the text", text.split()[-1], made.ben.contact_id)


@step("unsubscribe: by the account, which may take it back")
def _(client: Client, made: SimpleNamespace) -> None:
    contact_id = made.ann.contact_id
    out = client.contacts.update_contact(
        contact_id, change("ann", permission="unsubscribed", reason="Moved away")
    )
    same("permission_to_send", out.email_address.permission_to_send, "unsubscribed")
    same("opt_out_source", out.email_address.opt_out_source, "Account")
    same("opt_out_reason", out.email_address.opt_out_reason, "Moved away")
    recent("opt_out_date", out.email_address.opt_out_date)
    past, future = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)
    same(
        "opted out",
        found(client, email=address("ann"), optout_after=past, optout_before=future),
        {contact_id},
    )
    same("opted out later", found(client, email=address("ann"), optout_after=future), set())
    same("in the usual listing", found(client, email=address("ann")), {contact_id})
    same("with status unsubscribed", found(client, email=address("ann"), status="unsubscribed"), {contact_id})
    same("with status active", found(client, email=address("ann"), status="active"), set())
    full = client.contacts.update_contact_with_http_info(contact_id, change("ann", permission="implicit"))
    same("permission_to_send", full.data.email_address.permission_to_send, "implicit")
    absent(raw(full)["email_address"], "opt_out_source", "opt_out_date", "opt_out_reason")


@step("unsubscribe: by the contact, which the account may not take back, but the contact may")
def _(client: Client, made: SimpleNamespace) -> None:
    contact_id = made.ben.contact_id
    out = client.contacts.update_contact(
        contact_id, change("ben", source="Contact", permission="unsubscribed")
    )
    same("opt_out_source", out.email_address.opt_out_source, "Contact")
    refused(400, client.contacts.update_contact, contact_id, change("ben", permission="explicit"))
    full = client.contacts.update_contact_with_http_info(
        contact_id, change("ben", source="Contact", permission="explicit")
    )
    same("permission_to_send", full.data.email_address.permission_to_send, "explicit")
    absent(raw(full)["email_address"], "opt_out_source", "opt_out_date")


@step("resubscribe: once, and it changes nothing until the contact confirms")
def _(client: Client, made: SimpleNamespace) -> None:
    request = cc.ResubscribeContactRequest(list_ids=[made.news.list_id])
    zoe, yan = (client.contacts.create_contact(person(name)).contact_id for name in ("zoe", "yan"))
    for contact_id, name in ((zoe, "zoe"), (yan, "yan")):
        client.contacts.update_contact(contact_id, change(name, source="Contact", permission="unsubscribed"))
    full = client.contacts.resubscribe_contact_with_http_info(zoe, request)
    same("the status", full.status_code, 200)
    same("what the plain form gives", client.contacts.resubscribe_contact(yan, request), None)
    got = client.contacts.get_contact_by_id(zoe)
    same("permission_to_send", got.email_address.permission_to_send, "unsubscribed")
    refused(409, client.contacts.resubscribe_contact, zoe, request)
    refused(404, client.contacts.resubscribe_contact, str(uuid4()), request)


@step("delete: the contact is hidden, and stays")
def _(client: Client, made: SimpleNamespace) -> None:
    request = person("dora", first_name="Dora", list_memberships=[made.news.list_id])
    made.dora = client.contacts.create_contact(request)
    contact_id = made.dora.contact_id
    full = client.contacts.delete_contact_with_http_info(contact_id)
    same("the status", full.status_code, 204)
    same("the body", (full.data, full.raw_data), (None, b""))
    got = client.contacts.get_contact_by_id_with_http_info(contact_id, include="list_memberships")
    day = raw(got)["deleted_at"]
    true(
        f"deleted_at is a date, and today: {day}",
        day in {str((datetime.now(UTC) - timedelta(hours=h)).date()) for h in (0, 1)},
    )
    same("list_memberships", raw(got)["list_memberships"], [])
    same("first_name", got.data.first_name, "Dora")
    same("permission_to_send", got.data.email_address.permission_to_send, "implicit")
    same("in the usual listing", found(client, email=address("dora")), set())
    same("with status active", found(client, email=address("dora"), status="active"), set())
    for status in ("deleted", "all", "active,deleted"):
        same(f"with status {status}", found(client, email=address("dora"), status=status), {contact_id})
    same("on its list", found(client, lists=made.news.list_id), set())
    refused(404, client.contacts.delete_contact, contact_id)
    refused(404, client.contacts.delete_contact, str(uuid4()))


@step("deleted: create is refused with 409 and the id, update with a list revives")
def _(client: Client, made: SimpleNamespace) -> None:
    text = refused(409, client.contacts.create_contact, person("dora"))
    contact_id = text.split()[-1]
    same("the last word of the text", contact_id, made.dora.contact_id)
    full = client.contacts.update_contact_with_http_info(
        contact_id, change("dora", first_name="Dora", list_memberships=[made.news.list_id])
    )
    absent(raw(full), "deleted_at")
    same("list_memberships", full.data.list_memberships, [made.news.list_id])
    same("in the usual listing", found(client, email=address("dora")), {contact_id})
    same("with status deleted", found(client, email=address("dora"), status="deleted"), set())


@step("deleted: an unsubscribed contact comes back unsubscribed")
def _(client: Client, made: SimpleNamespace) -> None:
    contact_id = client.contacts.create_contact(person("emil")).contact_id
    client.contacts.update_contact(contact_id, change("emil", source="Contact", permission="unsubscribed"))
    same("what delete gives", client.contacts.delete_contact(contact_id), None)
    back = client.contacts.update_contact(contact_id, change("emil"))
    same("deleted_at", back.deleted_at, None)
    same("permission_to_send", back.email_address.permission_to_send, "unsubscribed")
    same("opt_out_source", back.email_address.opt_out_source, "Contact")


@step("sign up: 201 for a new contact, 200 for a known one, which keeps what is not sent")
def _(client: Client, made: SimpleNamespace) -> None:
    text, number = made.fields["string"].custom_field_id, made.fields["number"].custom_field_id
    pair = cc.CreateOrUpdateContactRequestCustomFieldsInner
    full = client.contacts.create_or_update_contact_with_http_info(
        SignUp(
            email_address=address("fay"),
            first_name="Fay",
            list_memberships=[made.news.list_id],
            phone_number="555 0144",
            custom_fields=[pair(custom_field_id=text, value="Rose")],
            street_address=cc.CreateOrUpdateContactRequestStreetAddress(kind="home", city="Ghent"),
        )
    )
    same("the status", full.status_code, 201)
    contact_id = full.data.contact_id
    same("the body", raw(full), {"contact_id": contact_id, "action": "created"})
    got = client.contacts.get_contact_by_id(contact_id, include=",".join(ARRAYS))
    same("permission_to_send", got.email_address.permission_to_send, "explicit")
    same("opt_in_source", got.email_address.opt_in_source, "Contact")
    same("create_source", got.create_source, "Contact")
    same(
        "the number and city",
        (got.phone_numbers[0].phone_number, got.street_addresses[0].city),
        ("555 0144", "Ghent"),
    )
    more = SignUp(
        email_address=address("fay").upper(),
        last_name="Lund",
        list_memberships=[made.club.list_id],
        custom_fields=[pair(custom_field_id=number, value="7")],
    )
    full = client.contacts.create_or_update_contact_with_http_info(more)
    same("the status", full.status_code, 200)
    same("the body", raw(full), {"contact_id": contact_id, "action": "updated"})
    got = client.contacts.get_contact_by_id(contact_id, include=",".join(ARRAYS))
    same("the names", (got.first_name, got.last_name), ("Fay", "Lund"))
    same("list_memberships", set(got.list_memberships), {made.news.list_id, made.club.list_id})
    same(
        "custom_fields", {i.custom_field_id: i.value for i in got.custom_fields}, {text: "Rose", number: "7"}
    )
    same("phone_numbers", len(got.phone_numbers), 1)


@step("sign up: makes an implicit or unsubscribed contact explicit, and revives a deleted one")
def _(client: Client, made: SimpleNamespace) -> None:
    def sign_up(name: str) -> Any:
        return client.contacts.create_or_update_contact(
            SignUp(email_address=address(name), list_memberships=[made.club.list_id])
        )

    ids = {name: client.contacts.create_contact(person(name)).contact_id for name in ("gus", "hal", "ida")}
    client.contacts.update_contact(ids["hal"], change("hal", source="Contact", permission="unsubscribed"))
    client.contacts.delete_contact(ids["ida"])
    for name, contact_id in ids.items():
        done = sign_up(name)
        same(f"{name}: the answer", (done.contact_id, done.action), (contact_id, "updated"))
        full = client.contacts.get_contact_by_id_with_http_info(contact_id, include="list_memberships")
        same(f"{name}: permission_to_send", full.data.email_address.permission_to_send, "explicit")
        same(f"{name}: list_memberships", full.data.list_memberships, [made.club.list_id])
        absent(raw(full), "deleted_at")
        absent(raw(full)["email_address"], "opt_out_source", "opt_out_date", "opt_out_reason")


@step("sign up: by telephone number; refused with 400 without any identity or with an unknown list")
def _(client: Client, made: SimpleNamespace) -> None:
    consent = cc.CreateOrUpdateContactRequestSmsChannelSmsChannelConsentsInner(
        sms_consent_permission="explicit",
        consent_type="promotional_sms",
        consent_medium_type="LF",
        consent_medium_url="https://shop.example/join",
        consent_medium_details="Join page",
        advertised_frequency=2,
        advertised_interval="monthly",
    )
    channel = cc.CreateOrUpdateContactRequestSmsChannel(
        sms_address=f"508{secrets.randbelow(10**7):07}",
        dial_code="1",
        country_code="US",
        sms_channel_consents=[consent],
    )
    request = SignUp(sms_channel=channel, list_memberships=[made.club.list_id])
    done = client.contacts.create_or_update_contact(request)
    same("action", done.action, "created")
    again = client.contacts.create_or_update_contact(request)
    same("the second answer", (again.contact_id, again.action), (done.contact_id, "updated"))
    got = client.contacts.get_contact_by_id_with_http_info(done.contact_id, include="sms_channel")
    same("sms_address", got.data.sms_channel.sms_address, channel.sms_address)
    same("consent", got.data.sms_channel.sms_channel_consents[0].sms_consent_permission, "explicit")
    absent(raw(got), "email_address")
    made.joined = done.contact_id
    sign_up = client.contacts.create_or_update_contact
    refused(400, sign_up, SignUp(first_name="Nobody", list_memberships=[made.club.list_id]))
    refused(400, sign_up, SignUp(email_address=address("jan"), list_memberships=[str(uuid4())]))
    same("contacts stored by those", found(client, email=address("jan")), set())


@step("SMS history: the opt-in of each, nothing for a contact without a number")
def _(client: Client, made: SimpleNamespace) -> None:
    for contact_id in (made.texter.contact_id, made.joined):
        history = both(client.contacts, "get_sms_engagement_history", contact_id).data
        true("there is an entry", history)
        same("contact_id", history[0].contact_id, contact_id)
        true("one tells of the opt-in", any(entry.history_details.state == "E" for entry in history))
        recent("insert_time", history[0].insert_time)
    full = client.contacts.get_sms_engagement_history_with_http_info(made.ann.contact_id)
    same("the history of a contact without a number", raw(full), [])
    refused(404, client.contacts.get_sms_engagement_history, str(uuid4()))


@step("contacts: cross-references ascend, and leave out what is unknown")
def _(client: Client, made: SimpleNamespace) -> None:
    few = both(client.contacts, "get_contact_id_xrefs", ",".join(map(str, range(1, 501)))).data.xrefs
    numbers = [int(item.sequence_id) for item in few]
    same("the order", numbers, sorted(numbers))
    for item in few:
        is_uuid("contact_id", item.contact_id)
    same("xrefs of an unknown id", client.contacts.get_contact_id_xrefs("999999999999").xrefs, [])
    refused(400, client.contacts.get_contact_id_xrefs, ",".join(map(str, range(1, 502))))


@step("counts: follow what happens to a contact")
def _(client: Client, made: SimpleNamespace) -> None:
    def counted(**moved: int) -> None:
        nonlocal before
        now = client.contacts.get_contact_counts(include="new_subscriber").to_dict()
        names = ("total", "explicit", "implicit", "pending", "unsubscribed")
        same("what changed", {n: now[n] - before[n] for n in names if now[n] != before[n]}, moved)
        before = now

    true("there are more than at first", client.contacts.get_contact_counts().total > made.counts.total)
    before = client.contacts.get_contact_counts(include="new_subscriber").to_dict()
    true("there are more new subscribers than at first", before["new_subscriber"] > made.new)
    contact_id = client.contacts.create_contact(person("kim")).contact_id
    counted(total=1, implicit=1)
    client.contacts.update_contact(contact_id, change("kim", permission="explicit"))
    counted(explicit=1, implicit=-1)
    client.contacts.update_contact(contact_id, change("kim", permission="unsubscribed"))
    counted(explicit=-1, unsubscribed=1)
    client.contacts.delete_contact(contact_id)
    counted(total=-1, unsubscribed=-1)
    client.contacts.update_contact(contact_id, change("kim"))
    counted(total=1, unsubscribed=1)


@step("counts: of a list's members and of a tag's contacts")
def _(client: Client, made: SimpleNamespace) -> None:
    made.tally = client.lists.create_list(List_(name=f"Tally {RUN}")).list_id
    places: dict[str, Any] = {"list_memberships": [made.tally], "taggings": [made.old.tag_id]}
    lou, may = (client.contacts.create_contact(person(name, **places)).contact_id for name in ("lou", "may"))

    def counted(members: int, active: int, tagged: int) -> None:
        for name, wanted in (("all", members), ("active", active)):
            got = client.lists.get_list(made.tally, include_membership_count=name)
            same(f"membership_count ({name})", got.membership_count, wanted)
        same(
            "contacts_count", client.tags.get_tag(made.old.tag_id, include_count=True).contacts_count, tagged
        )

    counted(2, 2, 2)
    client.contacts.update_contact(lou, change("lou", permission="unsubscribed"))
    same(
        "the active members",
        client.lists.get_list(made.tally, include_membership_count="active").membership_count,
        1,
    )
    client.contacts.delete_contact(may)
    client.contacts.update_contact(lou, change("lou", list_memberships=[], taggings=[]))
    counted(0, 0, 0)


@step("custom fields: delete one, and its values go")
def _(client: Client, made: SimpleNamespace) -> None:
    text, number = made.fields["string"].custom_field_id, made.fields["number"].custom_field_id
    values = [Value(custom_field_id=text, value="Iris"), Value(custom_field_id=number, value="3")]
    contact_id = client.contacts.create_contact(person("noa", custom_fields=values)).contact_id
    full = client.fields.delete_custom_field_with_http_info(text)
    same("the status", full.status_code, 204)
    same("the body", full.raw_data, b"")
    got = client.contacts.get_contact_by_id(contact_id, include="custom_fields")
    same(
        "the values that are left", [(i.custom_field_id, i.value) for i in got.custom_fields], [(number, "3")]
    )
    refused(404, client.fields.get_custom_field, text)
    refused(404, client.fields.delete_custom_field, text)
    for kind, field in made.fields.items():
        if kind != "string":
            same("what delete gives", client.fields.delete_custom_field(field.custom_field_id), None)


@step("every method was called, in both its forms")
def _(client: Client, made: SimpleNamespace) -> None:
    left_out = {"delete_list", "delete_tag"}  # they make a bulk activity
    apis = (cc.ContactsApi, cc.ContactListsApi, cc.ContactsCustomFieldsApi, cc.ContactTagsApi)
    wanted = {
        name
        for api in apis
        for name in vars(api)
        if not name.startswith("_") and not name.endswith("_without_preload_content")
    }
    wanted -= {f"{name}{form}" for name in left_out for form in ("", "_with_http_info")}
    same("the methods not called", wanted - client.called, set())


def main() -> None:
    """Run all steps against the server named on the command line."""
    if len(sys.argv) != 3:
        raise SystemExit(f"usage: {sys.argv[0]} BASE_URL TOKEN")
    client, made = Client(sys.argv[1], sys.argv[2]), SimpleNamespace()
    for title, run in STEPS:
        with told(title, client):
            run(client, made)
    print(f"all {len(STEPS)} steps went as the contract says")


if __name__ == "__main__":
    main()
