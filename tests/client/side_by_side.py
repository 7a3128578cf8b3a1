"""Makes some data with the vendor's package, or prints what the package sees: `make` or `see`, host, token."""

import json
import sys
from datetime import date, datetime

import constant_contact_api_client as cc

ACTION, HOST, TOKEN = sys.argv[1:]
configuration = cc.Configuration(host=HOST)
configuration.access_token = TOKEN


def shown(value):
    """A model with all its attributes, moments as texts."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list):
        return [shown(one) for one in value]
    if isinstance(value, str | int | bool | None):
        return value
    names = getattr(type(value), "model_fields", None) or value.__struct_fields__
    return {
        name: shown(getattr(value, name))
        for name in names
        if name != "links" and getattr(value, name) is not None
    }


def make(client):
    lists, contacts = cc.ContactListsApi(client), cc.ContactsApi(client)
    tags, fields = cc.ContactTagsApi(client), cc.ContactsCustomFieldsApi(client)
    news = lists.create_list(cc.UpdateListRequest(name="News", description="Weekly", favorite=True))
    lists.create_list(cc.UpdateListRequest(name="Empty"))
    vip = tags.post_tag(cc.PostTagRequest(name="vip", tag_source="Shop"))
    choices = [cc.CreateCustomFieldsRequestChoicesInner(choice_label="Tea", display_order=1)]
    metadata = cc.GetCustomField200ResponseMetadata(display_type="radio")
    drink = fields.create_custom_fields(
        cc.CreateCustomFieldsRequest(label="Drink", type="single_select", metadata=metadata, choices=choices)
    )
    chosen = [str(drink.choices[0].choice_id)]
    for number in range(6):
        contacts.create_contact(
            cc.CreateContactRequest(
                email_address=cc.CreateContactRequestEmailAddress(address=f"p{number}@example.org"),
                create_source=("Account", "Contact")[number % 2],
                first_name=f"Näme {number}",
                birthday_month=2,
                birthday_day=29,
                anniversary="2015-06-07",
                list_memberships=[news.list_id],
                taggings=[vip.tag_id],
                custom_fields=[
                    cc.GetContactById200ResponseCustomFieldsInner(
                        custom_field_id=drink.custom_field_id, choice_ids=chosen
                    )
                ],
                phone_numbers=[cc.UpdateContactRequestPhoneNumbersInner(phone_number="555", kind="home")],
                street_addresses=[cc.UpdateContactRequestStreetAddressesInner(kind="home", city="Ghent")],
                notes=[cc.GetContactById200ResponseNotesInner(content="A note")],
            )
        )
    bare = contacts.create_contact(cc.CreateContactRequest(first_name="Nobody", create_source="Account"))
    contacts.delete_contact(bare.contact_id)


def see(client):
    include = "custom_fields,list_memberships,phone_numbers,street_addresses,taggings,notes,sms_channel"
    contacts, lists = cc.ContactsApi(client), cc.ContactListsApi(client)
    page = contacts.get_all_contacts_with_http_info(
        status="all", include=include, include_count=True, limit=500
    )
    try:
        contacts.get_contact_by_id("nonsense")
    except cc.ApiException as error:
        refused = [error.status, error.reason, json.loads(error.body)]
    return {
        "status": page.status_code,
        "contacts": shown(page.data.contacts),
        "contacts_count": page.data.contacts_count,
        "one": shown(contacts.get_contact_by_id(page.data.contacts[0].contact_id, include=include)),
        "counts": shown(contacts.get_contact_counts(include="new_subscriber")),
        "lists": shown(lists.get_all_lists(include_membership_count="all").lists),
        "tags": shown(cc.ContactTagsApi(client).get_all_tags(include_count=True).tags),
        "fields": shown(cc.ContactsCustomFieldsApi(client).get_all_custom_fields().custom_fields),
        "refused": refused,
    }


with cc.ApiClient(configuration) as api_client:
    if ACTION == "make":
        make(api_client)
    else:
        print(json.dumps(see(api_client)))
