"""Phone numbers, addresses, notes and the SMS channel: what they become when they are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from everlist.core.contacts.drafts import parse
from everlist.core.contacts.identity import SmsNumber, parse_sms_number
from everlist.core.contacts.model import (
    ContactDraft,
    NoteDraft,
    Phone,
    PhoneDraft,
    SmsChannel,
    SmsConsentDraft,
    SmsDraft,
    StreetAddress,
    StreetAddressDraft,
)
from everlist.core.contacts.subresources import (
    replaced_notes,
    replaced_phones,
    replaced_sms_channel,
    replaced_street_addresses,
    with_phone,
    with_street_address,
)
from everlist.errors import Invalid

EARLIER = datetime(2026, 1, 1, tzinfo=UTC)
NOW = EARLIER + timedelta(days=1)


# --- phone numbers


def phones(*pairs: tuple[str, str]) -> tuple[Phone, ...]:
    drafts = [PhoneDraft(number, kind) for kind, number in pairs]
    return replaced_phones((), drafts, source="Account", now=EARLIER)


def replaced(before: tuple[Phone, ...], *pairs: tuple[str, str]) -> tuple[Phone, ...]:
    drafts = [PhoneDraft(number, kind) for kind, number in pairs]
    return replaced_phones(before, drafts, source="Contact", now=NOW)


def test_new_phone_numbers() -> None:
    (phone,) = phones(("home", "1"))
    assert (phone.kind, phone.phone_number, phone.create_source, phone.update_source) == (
        "home",
        "1",
        "Account",
        None,
    )
    assert phone.created_at == phone.updated_at == EARLIER


def test_the_same_phone_numbers_in_another_order_are_the_same() -> None:
    before = phones(("home", "1"), ("work", "2"), ("home", "3"))
    assert replaced(before, ("home", "3"), ("work", "2"), ("home", "1")) == before[::-1]


def test_a_number_of_its_kind_is_changed() -> None:
    before = phones(("home", "1"), ("work", "2"))
    home, work = replaced(before, ("home", "9"), ("work", "2"))
    assert work == before[1]
    assert (home.phone_number_id, home.created_at, home.create_source) == (
        before[0].phone_number_id,
        EARLIER,
        "Account",
    )
    assert (home.phone_number, home.updated_at, home.update_source) == ("9", NOW, "Contact")


def test_an_exact_match_comes_before_one_of_the_kind() -> None:
    """home 2 is there already, so home 9 takes the place of home 1, wherever it stands."""
    before = phones(("home", "1"), ("home", "2"))
    new, same = replaced(before, ("home", "9"), ("home", "2"))
    assert same == before[1]
    assert new.phone_number_id == before[0].phone_number_id


def test_another_kind_is_another_number() -> None:
    before = phones(("home", "1"))
    (work,) = replaced(before, ("work", "1"))
    assert work.phone_number_id != before[0].phone_number_id
    assert (work.create_source, work.update_source) == ("Contact", None)


def test_the_same_number_twice_takes_one_id_each() -> None:
    before = phones(("home", "1"))
    first, second = replaced(before, ("home", "1"), ("home", "1"))
    assert first == before[0]
    assert second.phone_number_id != first.phone_number_id


def test_with_phone_keeps_a_number_that_is_there() -> None:
    before = phones(("home", "1"), ("other", "2"))
    assert with_phone(before, PhoneDraft("1"), source="Contact", now=NOW) == before


def test_with_phone_takes_the_place_of_its_kind_or_is_added() -> None:
    before = phones(("home", "1"), ("other", "2"))
    home, other = with_phone(before, PhoneDraft("9"), source="Contact", now=NOW)
    assert home == before[0]
    assert (other.phone_number_id, other.phone_number) == (before[1].phone_number_id, "9")
    *kept, added = with_phone(before, PhoneDraft("9", "work"), source="Contact", now=NOW)
    assert tuple(kept) == before
    assert added.kind == "work"


def test_with_phone_is_refused_where_there_are_three() -> None:
    before = phones(("home", "1"), ("work", "2"), ("mobile", "3"))
    with pytest.raises(Invalid, match="phone_numbers"):
        with_phone(before, PhoneDraft("9"), source="Contact", now=NOW)


# --- addresses


def addresses(*drafts: StreetAddressDraft) -> tuple[StreetAddress, ...]:
    return replaced_street_addresses((), drafts, now=EARLIER)


def test_addresses_are_matched_by_kind_one_after_the_other() -> None:
    before = addresses(*(StreetAddressDraft("home", city=city) for city in ("Peoria", "Canton")))
    draft = [StreetAddressDraft("home", city="Peoria"), StreetAddressDraft("work", city="Pekin")]
    same, new = replaced_street_addresses(before, draft, now=NOW)
    assert same == before[0]
    assert new.street_address_id not in {address.street_address_id for address in before}
    changed, second = replaced_street_addresses(before, [StreetAddressDraft("home", city="X")] * 2, now=NOW)
    assert (changed.street_address_id, changed.created_at) == (before[0].street_address_id, EARLIER)
    assert changed.updated_at == second.updated_at == NOW


def test_empty_parts_are_none_and_codes_are_names() -> None:
    (address,) = addresses(StreetAddressDraft("home", "", "", "on", "", "ca"))
    assert (address.street, address.city, address.postal_code) == (None, None, None)
    assert (address.state, address.country) == ("Ontario", "Canada")


def test_with_street_address_sets_the_parts_that_are_named() -> None:
    before = addresses(
        StreetAddressDraft("home", "1 Main St", "Peoria", "IL", "61602", "US"), StreetAddressDraft("work")
    )
    home, work = with_street_address(before, StreetAddressDraft("home", city="Canton", street=""), now=NOW)
    assert work == before[1]
    assert (home.street, home.city, home.state, home.country) == (
        "1 Main St",
        "Canton",
        "Illinois",
        "United States",
    )
    assert (home.street_address_id, home.created_at, home.updated_at) == (
        before[0].street_address_id,
        EARLIER,
        NOW,
    )
    assert with_street_address(before, StreetAddressDraft("home", city="Peoria"), now=NOW) == before


def test_with_street_address_is_refused_where_there_are_three() -> None:
    before = addresses(*[StreetAddressDraft("home")] * 3)
    with pytest.raises(Invalid, match="street_addresses"):
        with_street_address(before, StreetAddressDraft("work"), now=NOW)


# --- notes


def test_notes_are_matched_by_id_then_by_content() -> None:
    before = replaced_notes((), [NoteDraft("a"), NoteDraft("b")], now=EARLIER)
    by_content = {note.content: note for note in before}
    drafts = [NoteDraft("new"), NoteDraft("a"), NoteDraft("B", by_content["b"].note_id)]
    new, *kept = replaced_notes(before, drafts, now=NOW)
    assert (new.content, new.created_at) == ("new", NOW)
    assert {note.content: note.note_id for note in kept} == {
        "a": by_content["a"].note_id,
        "B": by_content["b"].note_id,
    }
    assert {note.created_at for note in kept} == {EARLIER}


def test_a_note_with_the_id_of_another_contact_is_a_new_one() -> None:
    (foreign,) = replaced_notes((), [NoteDraft("x")], now=EARLIER)
    (note,) = replaced_notes((), [NoteDraft("x", foreign.note_id)], now=NOW)
    assert note.note_id != foreign.note_id


def test_notes_of_one_moment_stay_in_their_order() -> None:
    contents = [str(number) for number in range(20)]
    notes = replaced_notes((), [NoteDraft(content) for content in contents], now=NOW)
    assert [note.content for note in notes] == contents


# --- the SMS channel


def parsed_number(text: str) -> SmsNumber:
    number = parse_sms_number(text)
    assert number is not None
    return number


def channel(
    before: SmsChannel | None,
    permission: str,
    source: str = "Account",
    number: str = "13095550100",
    now: datetime = NOW,
) -> SmsChannel:
    draft = SmsDraft(number, (SmsConsentDraft(permission, "promotional_sms"),))
    made, details = replaced_sms_channel(before, draft, parsed_number(number), source=source, now=now)
    assert details["source_sms_number"] == made.key == made.dial_code + made.sms_address
    return made


def test_a_new_channel() -> None:
    made = channel(None, "explicit")
    (consent,) = made.sms_channel_consents
    assert (made.sms_address, made.dial_code, made.country_code) == ("3095550100", "1", "US")
    assert (made.create_source, made.update_source) == ("Account", None)
    assert consent.opt_in_date == consent.created_at == NOW
    assert consent.opt_out_date is consent.opt_out_source is None


def test_an_opt_out_and_back() -> None:
    before = channel(None, "explicit", now=EARLIER)
    out = channel(before, "unsubscribed", "Contact")
    (consent,) = out.sms_channel_consents
    assert (consent.opt_in_date, consent.opt_out_date, consent.opt_out_source) == (None, NOW, "Contact")
    assert (out.sms_channel_id, consent.created_at) == (before.sms_channel_id, EARLIER)
    (back,) = channel(out, "explicit", "Contact").sms_channel_consents
    assert (back.opt_in_date, back.opt_out_date, back.opt_out_source) == (NOW, None, None)


def test_the_same_consent_keeps_its_times() -> None:
    before = channel(None, "explicit", now=EARLIER)
    assert channel(before, "explicit").sms_channel_consents == before.sms_channel_consents


@pytest.mark.parametrize("permission", ["explicit", "pending_confirmation", "not_set"])
@pytest.mark.parametrize("number", ["13095550100", "13095550199"])
def test_an_account_does_not_lift_the_persons_opt_out(permission: str, number: str) -> None:
    out = channel(channel(None, "explicit"), "unsubscribed", "Contact")
    with pytest.raises(Invalid, match="only the contact can subscribe again"):
        channel(out, permission, "Account", number)
    again = channel(out, "unsubscribed", "Account")
    assert again.sms_channel_consents[0].opt_out_source == "Contact"


def test_an_account_lifts_its_own_opt_out() -> None:
    out = channel(channel(None, "explicit"), "unsubscribed", "Account")
    assert channel(out, "explicit", "Account").sms_channel_consents[0].sms_consent_permission == "explicit"


def test_what_is_not_sent_of_the_terms_stays() -> None:
    terms = SmsConsentDraft(
        "explicit", "promotional_sms", advertised_frequency=4, advertised_interval="monthly"
    )
    draft = SmsDraft("13095550100", (terms,))
    before, _ = replaced_sms_channel(None, draft, parsed_number("13095550100"), source="Account", now=EARLIER)
    (consent,) = channel(before, "explicit").sms_channel_consents
    assert (consent.advertised_frequency, consent.advertised_interval) == ("4", "monthly")


def test_a_suppressed_number_comes_opted_out_by_its_person() -> None:
    draft = SmsDraft("13095550100", (SmsConsentDraft("explicit", "promotional_sms"),))
    number = parsed_number("13095550100")
    made, _ = replaced_sms_channel(None, draft, number, source="Account", now=NOW, suppressed_at=EARLIER)
    (consent,) = made.sms_channel_consents
    assert (consent.sms_consent_permission, consent.opt_out_source) == ("unsubscribed", "Contact")
    assert (consent.opt_in_date, consent.opt_out_date) == (None, EARLIER)
    lifted, _ = replaced_sms_channel(None, draft, number, source="Contact", now=NOW, suppressed_at=EARLIER)
    assert lifted.sms_channel_consents[0].sms_consent_permission == "explicit"


def test_what_is_no_number_or_no_consent_is_refused() -> None:
    consent = SmsConsentDraft("explicit", "promotional_sms")
    for sms_draft in (SmsDraft("5", (consent,)), SmsDraft("13095550100", ())):
        with pytest.raises(Invalid, match="sms_channel"):
            parse(ContactDraft(sms_channel=sms_draft))
