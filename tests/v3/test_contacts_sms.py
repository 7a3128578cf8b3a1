"""The SMS channel of a contact and its history. V3 contract 3.4."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Api, Clock
from tests.v3.helpers import (
    NOBODY,
    Behind,
    email,
    get_contact,
    new_list,
    post_contact,
    put_contact,
    refused,
    sms,
)

NUMBER = "13095550100"


def history(api: Api, contact_id: str) -> list[Any]:
    reply = api.get(f"/contacts/sms_engagement_history/{contact_id}")
    assert reply.status == 200, reply
    return reply.json


def channel_of(api: Api, contact_id: str) -> Any:
    return get_contact(api, contact_id, "sms_channel")["sms_channel"]


def test_a_channel_is_answered_and_stored_with_its_ledger(alice: Api, behind: Behind) -> None:
    list_id = new_list(alice)
    given = sms(
        NUMBER, consent_medium_details="at the counter", advertised_frequency=4, advertised_interval="monthly"
    )
    ruth = post_contact(alice, sms_channel=given, list_memberships=[list_id])
    now, channel = ruth["created_at"], ruth["sms_channel"]
    assert channel == {
        "sms_channel_id": channel["sms_channel_id"],
        "sms_address": "3095550100",
        "dial_code": "1",
        "country_code": "US",
        "create_source": "Account",
        "sms_channel_consents": [
            {
                "sms_consent_permission": "explicit",
                "consent_type": "promotional_sms",
                "created_at": now,
                "updated_at": now,
                "opt_in_date": now,
                "advertised_frequency": "4",
                "advertised_interval": "monthly",
            }
        ],
    }
    assert channel_of(alice, ruth["contact_id"]) == channel
    row = behind.contact(ruth["contact_id"])
    assert (row["sms_number"], row["sms_permission"]) == (NUMBER, "explicit")
    (event,) = behind.events(channel="sms")
    assert (event["action"], event["permission_before"], event["permission_after"]) == (
        "created",
        None,
        "explicit",
    )
    assert (event["source"], event["operation"]) == ("Account", "POST /v3/contacts")
    details = json.loads(event["details"])
    assert details["consent_medium_details"] == "at the counter"
    assert details["source_sms_number"] == NUMBER
    assert behind.counters() == {
        ("contacts.none", ""): 1,
        ("list.members", list_id): 1,
        ("list.sms", list_id): 1,
    }
    assert behind.events() == []


@pytest.mark.parametrize(
    ("spelling", "country", "national"),
    [
        ("13095550100", "US", "3095550100"),
        ("+1 (309) 555-0100", "US", "3095550100"),
        ("3095550100", "US", "3095550100"),
        ("+1.514.555.0100", "CA", "5145550100"),
        ("+4915123456789", "DE", "15123456789"),
        ("4915123456789", "DE", "15123456789"),
    ],
)
def test_spellings_of_a_number(alice: Api, spelling: str, country: str, national: str) -> None:
    channel = post_contact(alice, sms_channel=sms(spelling))["sms_channel"]
    assert (channel["country_code"], channel["sms_address"]) == (country, national)


def test_a_channel_as_get_shows_it_can_be_sent(alice: Api) -> None:
    channel = {
        "sms_address": "3095550100",
        "dial_code": "+1",
        "country_code": "US",
        "sms_channel_consents": [
            {
                "sms_consent_permission": "explicit",
                "consent_type": "promotional_sms",
                "advertised_frequency": "4",
                "opt_in_date": "2001-01-01T00:00:00Z",
            }
        ],
    }
    answered = post_contact(alice, sms_channel=channel)["sms_channel"]
    assert answered["sms_address"] == "3095550100"
    assert answered["sms_channel_consents"][0]["advertised_frequency"] == "4"
    assert "2001" not in json.dumps(answered)


CONSENT = {"sms_consent_permission": "explicit", "consent_type": "promotional_sms"}


@pytest.mark.parametrize(
    "channel",
    [
        {},
        {"full_sms_address": NUMBER},
        {"sms_channel_consents": [CONSENT]},
        {"sms_address": "3095550100", "sms_channel_consents": [CONSENT]},
        {"full_sms_address": NUMBER, "sms_channel_consents": []},
        {"full_sms_address": NUMBER, "sms_channel_consents": [CONSENT, CONSENT]},
        {"full_sms_address": NUMBER, "sms_channel_consents": CONSENT},
        {"full_sms_address": int(NUMBER), "sms_channel_consents": [CONSENT]},
        sms("5"),
        sms(""),
        sms("1309555010x"),
        sms("+999 309 555 0100"),
        sms("1" * 33),
        sms(NUMBER, "implicit"),
        sms(NUMBER, consent_type="transactional_sms"),
        sms(NUMBER, advertised_frequency=-1),
        sms(NUMBER, advertised_frequency=2**31),
        sms(NUMBER, advertised_frequency="often"),
        sms(NUMBER, advertised_interval="x" * 51),
        sms(NUMBER, consent_medium_type="x" * 256),
        sms(NUMBER, consent_medium_details="x" * 2001),
        sms(NUMBER, consent_medium_url="x" * 2001),
        {"full_sms_address": NUMBER, "sms_channel_consents": [{"consent_type": "promotional_sms"}]},
        {"full_sms_address": NUMBER, "sms_channel_consents": [{"sms_consent_permission": "explicit"}]},
    ],
    ids=lambda channel: json.dumps(channel)[:60],
)
def test_what_is_no_channel(alice: Api, behind: Behind, channel: dict[str, Any]) -> None:
    ruth = post_contact(alice, first_name="Ruth")["contact_id"]
    before = behind.everything()
    refused(alice.post("/contacts", {"create_source": "Account", "sms_channel": channel}), 400)
    refused(alice.put(f"/contacts/{ruth}", {"update_source": "Account", "sms_channel": channel}), 400)
    assert behind.everything() == before


def test_a_number_belongs_to_one_contact(alice: Api, behind: Behind) -> None:
    ruth = post_contact(alice, sms_channel=sms(NUMBER))["contact_id"]
    saul = post_contact(alice, first_name="Saul")["contact_id"]
    before = behind.everything()
    channel = sms("+1 309 555 0100")
    reply = alice.post("/contacts", {"create_source": "Account", "sms_channel": channel})
    refused(reply, 409, "SMS number already exists for contact")
    assert reply.json[0]["error_message"].split()[-1] == ruth
    refused(alice.put(f"/contacts/{saul}", {"update_source": "Account", "sms_channel": channel}), 409, ruth)
    assert behind.everything() == before


def test_an_update_without_a_channel_leaves_it(alice: Api) -> None:
    ruth = post_contact(alice, sms_channel=sms(NUMBER))
    put_contact(alice, ruth["contact_id"])
    assert channel_of(alice, ruth["contact_id"]) == ruth["sms_channel"]
    reply = alice.post("/contacts", {"create_source": "Account", "sms_channel": sms(NUMBER)})
    refused(reply, 409)


def test_another_number_keeps_the_channel(alice: Api, behind: Behind, clock: Clock) -> None:
    ruth = post_contact(alice, sms_channel=sms(NUMBER))
    clock.move(hours=1)
    after = put_contact(alice, ruth["contact_id"], update_source="Contact", sms_channel=sms("13095550199"))
    channel = after["sms_channel"]
    assert channel["sms_channel_id"] == ruth["sms_channel"]["sms_channel_id"]
    assert (channel["sms_address"], channel["update_source"]) == ("3095550199", "Contact")
    assert behind.contact(ruth["contact_id"])["sms_number"] == "13095550199"
    assert [event["action"] for event in behind.events(channel="sms")] == ["created", "changed"]
    assert post_contact(alice, sms_channel=sms(NUMBER))["contact_id"] != ruth["contact_id"]


def test_opting_out_and_in_with_its_history(alice: Api, behind: Behind, clock: Clock) -> None:
    ruth = post_contact(
        alice, sms_channel=sms(NUMBER, advertised_frequency=4, advertised_interval="monthly")
    )["contact_id"]
    assert behind.events(channel="sms")[0]["source"] == "Account"
    clock.move(hours=1)
    put_contact(
        alice,
        ruth,
        update_source="Contact",
        sms_channel=sms(NUMBER, "unsubscribed", consent_medium_type="MD"),
    )
    (out,) = channel_of(alice, ruth)["sms_channel_consents"]
    assert out["sms_consent_permission"] == "unsubscribed"
    assert "opt_out_date" in out
    assert "opt_in_date" not in out
    assert out["advertised_frequency"] == "4"
    clock.move(hours=1)
    put_contact(alice, ruth, update_source="Contact", sms_channel=sms(NUMBER, "explicit"))
    (back,) = channel_of(alice, ruth)["sms_channel_consents"]
    assert "opt_out_date" not in back
    entries = history(alice, ruth)
    channel_id = channel_of(alice, ruth)["sms_channel_id"]
    assert {(entry["contact_id"], entry["sms_channel_id"]) for entry in entries} == {(ruth, channel_id)}
    assert len({entry["sms_channel_history_id"] for entry in entries}) == 3
    details = [entry["history_details"] for entry in entries]
    assert [(one["state"], one["source"], one["consent_action_type"]) for one in details] == [
        ("E", "A", "opt_in"),
        ("O", "C", "opt_out"),
        ("E", "C", "opt_in"),
    ]
    assert details[0]["advertised_frequency"] == 4
    assert details[0]["advertised_interval"] == "monthly"
    assert "consent_medium_type" not in details[0]
    assert details[1]["consent_medium_type"] == "MD"
    assert {one["source_sms_number"] for one in details} == {NUMBER}
    assert details[0]["consent_action_time"] < details[1]["consent_action_time"]
    assert entries[1]["insert_time"] == details[1]["consent_action_time"]


def test_the_same_channel_again_is_no_event(alice: Api) -> None:
    ruth = post_contact(alice, sms_channel=sms(NUMBER))["contact_id"]
    put_contact(alice, ruth, sms_channel=sms("+1 309 555 0100"))
    assert len(history(alice, ruth)) == 1


@pytest.mark.parametrize("permission", ["explicit", "pending_confirmation", "not_set"])
def test_an_account_does_not_lift_the_persons_opt_out(alice: Api, behind: Behind, permission: str) -> None:
    ruth = post_contact(alice, sms_channel=sms(NUMBER))["contact_id"]
    put_contact(alice, ruth, update_source="Contact", sms_channel=sms(NUMBER, "unsubscribed"))
    before = behind.everything()
    for number in (NUMBER, "13095550199"):
        body = {"update_source": "Account", "sms_channel": sms(number, permission)}
        refused(alice.put(f"/contacts/{ruth}", body), 400, "sms_consent_permission")
    assert behind.everything() == before
    # Nor by unsubscribing the number once more.
    put_contact(alice, ruth, sms_channel=sms(NUMBER, "unsubscribed"))
    body = {"update_source": "Account", "sms_channel": sms(NUMBER, permission)}
    refused(alice.put(f"/contacts/{ruth}", body), 400, "sms_consent_permission")


def opted_out_and_moved(alice: Api) -> str:
    """A contact whose person opted out of SMS and that got another number since."""
    ruth = post_contact(alice, sms_channel=sms(NUMBER))["contact_id"]
    put_contact(alice, ruth, update_source="Contact", sms_channel=sms(NUMBER, "unsubscribed"))
    put_contact(alice, ruth, sms_channel=sms("13095550199", "unsubscribed"))
    return ruth


def test_another_number_does_not_launder_an_opt_out(alice: Api, behind: Behind) -> None:
    ruth = opted_out_and_moved(alice)
    (left,) = behind.rows("suppression")
    assert (left["channel"], len(left["address_hmac"])) == ("sms", 32)
    out = channel_of(alice, ruth)["sms_channel_consents"][0]
    back = post_contact(alice, sms_channel=sms(NUMBER, "explicit"))
    (consent,) = back["sms_channel"]["sms_channel_consents"]
    assert consent["sms_consent_permission"] == "unsubscribed"
    assert consent["opt_out_date"] == out["opt_out_date"]
    body = {"update_source": "Account", "sms_channel": sms(NUMBER, "explicit")}
    refused(alice.put(f"/contacts/{back['contact_id']}", body), 400, "only the contact can subscribe again")
    (entry,) = history(alice, back["contact_id"])
    assert entry["history_details"]["state"] == "O"


def test_only_the_person_lifts_the_opt_out_of_a_number_without_a_contact(alice: Api, behind: Behind) -> None:
    opted_out_and_moved(alice)
    back = post_contact(alice, create_source="Contact", sms_channel=sms(NUMBER, "explicit"))
    assert back["sms_channel"]["sms_channel_consents"][0]["sms_consent_permission"] == "explicit"
    assert behind.rows("suppression") == []


def test_a_number_that_opted_out_brings_its_opt_out_to_another_contact(alice: Api) -> None:
    opted_out_and_moved(alice)
    saul = post_contact(alice, sms_channel=sms("13095550166"))["contact_id"]
    put_contact(alice, saul, sms_channel=sms(NUMBER))
    assert channel_of(alice, saul)["sms_channel_consents"][0]["sms_consent_permission"] == "unsubscribed"


def test_an_account_lifts_its_own_opt_out(alice: Api) -> None:
    ruth = post_contact(alice, sms_channel=sms(NUMBER))["contact_id"]
    put_contact(alice, ruth, sms_channel=sms(NUMBER, "unsubscribed"))
    put_contact(alice, ruth, sms_channel=sms(NUMBER, "explicit"))
    assert [entry["history_details"]["source"] for entry in history(alice, ruth)] == ["A", "A", "A"]


@pytest.mark.parametrize(
    ("permission", "state"),
    [("explicit", "E"), ("unsubscribed", "O"), ("pending_confirmation", None), ("not_set", None)],
)
def test_states_in_the_history(alice: Api, permission: str, state: str | None) -> None:
    ruth = post_contact(alice, sms_channel=sms(NUMBER, permission))["contact_id"]
    (entry,) = history(alice, ruth)
    assert entry["history_details"].get("state") == state


def test_no_channel_no_history(alice: Api) -> None:
    ruth = post_contact(alice, email_address=email("r@example.org"))["contact_id"]
    assert history(alice, ruth) == []


@pytest.mark.parametrize("contact_id", [NOBODY, "5", "x"])
def test_the_history_of_nobody_is_not_found(alice: Api, contact_id: str) -> None:
    refused(alice.get(f"/contacts/sms_engagement_history/{contact_id}"), 404)


def test_the_history_stays_when_the_contact_is_deleted(alice: Api, behind: Behind) -> None:
    list_id = new_list(alice)
    ruth = post_contact(alice, sms_channel=sms(NUMBER), list_memberships=[list_id])["contact_id"]
    alice.delete(f"/contacts/{ruth}")
    assert len(history(alice, ruth)) == 1
    assert behind.counters() == {("contacts.deleted", ""): 1}
    refused(alice.post("/contacts", {"create_source": "Account", "sms_channel": sms(NUMBER)}), 409, ruth)
    put_contact(alice, ruth, list_memberships=[list_id])
    assert behind.counters()["list.sms", list_id] == 1
