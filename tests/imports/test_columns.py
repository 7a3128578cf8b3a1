"""Columns and rows of an import: each spelling of a name, each rule of a value, and the line for COPY."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from everlist.core.consent.sms import SmsConsent
from everlist.core.contacts import drafts
from everlist.core.contacts.identity import parse_email
from everlist.core.contacts.model import (
    ContactDraft,
    EmailDraft,
    Phone,
    PhoneDraft,
    SmsChannel,
    StreetAddress,
    StreetAddressDraft,
)
from everlist.core.contacts.subresources import replaced_phones, replaced_street_addresses
from everlist.core.custom_fields import Choice, CustomField, checked_value
from everlist.core.imports.columns import Columns, Rejected, Staged, copy_text
from everlist.core.imports.encodings import NotCsv
from everlist.errors import Invalid

NO_ID = UUID(int=0)
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
ROW = (
    *("row_number", "line_number", "contact_id", "email", "email_key", "sms_number", "sms_channel"),
    *(
        "first_name",
        "last_name",
        "job_title",
        "company_name",
        "birthday_month",
        "birthday_day",
        "anniversary",
    ),
    *("custom_fields", "phone_numbers", "street_addresses", "opted_out"),
)


def field(
    label: str, kind: str = "string", *, choices: str = "", version: int = 1, **metadata: Any
) -> CustomField:
    made = (
        tuple(Choice(10001 + at, name, at, NOW, NOW) for at, name in enumerate(choices.split("|")))
        if choices
        else ()
    )
    name = label.lower().replace(" ", "_")
    return CustomField(uuid5(NO_ID, label), label, name, kind, metadata, version, made, NOW, NOW)


LEVEL = field("T-Shirt Size")
COLOUR = field("Colour", "single_select", choices="Red|Dark, blue")
HOBBIES = field("Hobbies", "multi_select", choices="Chess|Tennis|Music, live")
SINCE = field("Member since", "date", version=2)
POINTS = field("Points", "number", allow_negative=False, decimal_places=2)
CITY = field("City")
FIELDS = (LEVEL, COLOUR, HOBBIES, SINCE, POINTS, CITY)

_UNESCAPED = {r"\\": "\\", r"\t": "\t", r"\n": "\n", r"\r": "\r"}


def cells_of(line: str) -> dict[str, str | None]:
    """What PostgreSQL reads from a line of COPY text."""
    assert not set(line) & set("\n\r\0")
    texts = line.split("\t")
    read = [None if text == r"\N" else re.sub(r"\\.", lambda m: _UNESCAPED[m[0]], text) for text in texts]
    return dict(zip(ROW, read, strict=True))


def stage(header: str | list[str], cells: str | list[str], **options: Any) -> Staged | Rejected:
    header = header.split("|") if isinstance(header, str) else header
    cells = cells.split("|") if isinstance(cells, str) else cells
    columns = Columns.of_header(header, FIELDS, **options)
    return columns.stage(cells, row_number=7, line_number=9, now=NOW)


def staged(header: str | list[str], cells: str | list[str], **options: Any) -> dict[str, Any]:
    """What the row sets."""
    made = stage(header, cells, **options)
    assert isinstance(made, Staged), made
    row = cells_of(made.line)
    assert (row["row_number"], row["line_number"]) == ("7", "9")
    assert (row["email_key"], row["sms_number"]) == (made.email_key, made.sms_number)
    assert row["contact_id"] is not None
    assert UUID(row["contact_id"]).version == 7
    return plainly({key: value for key, value in row.items() if value is not None and key not in ROW[:3]})


def plainly(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its JSON decoded by the model, with what a merge adds: ids and times."""
    if row.get("opted_out") == "f":
        del row["opted_out"]
    added = {"created_at": NOW, "updated_at": NOW}
    if "phone_numbers" in row:
        phone_added = {"phone_number_id": NO_ID, "create_source": "Account", **added}
        row["phone_numbers"] = [
            msgspec.convert(phone_added | one, Phone) for one in decoded(row["phone_numbers"], list[Any])
        ]
    if "street_addresses" in row:
        row["street_addresses"] = [
            msgspec.convert({"street_address_id": NO_ID} | added | one, StreetAddress)
            for one in decoded(row["street_addresses"], list[Any])
        ]
    if "custom_fields" in row:
        row["custom_fields"] = decoded(row["custom_fields"], dict[str, str | list[str]])
    return row


def decoded(text: str, kind: Any) -> Any:
    """The value, which must be spelled as the model's encoder spells it."""
    value = msgspec.json.decode(text, type=kind)
    assert msgspec.json.encode(value).decode() == text
    return value


def rejected(header: str | list[str], cells: str | list[str], **options: Any) -> tuple[str, bool]:
    made = stage(header, cells, **options)
    assert isinstance(made, Rejected), made
    return made.reason, made.correctable


def phone(number: str, kind: str) -> Phone:
    return Phone(NO_ID, number, kind, NOW, NOW, "Account")


def address(kind: str, **parts: str) -> StreetAddress:
    return StreetAddress(NO_ID, kind, NOW, NOW, **parts)


def test_the_columns_of_the_api():
    header = (
        "email|first_name|last_name|phone|job_title|anniversary|birthday_day|birthday_month|company_name"
        "|street|street2|city|state|zip|country|cf:colour"
    )
    row = "A.B@Example.org|Ann|Lee|555-1|Boss|3/12/2005|9|04|Acme|1 Main|Apt 2|Peoria|IL|61602|us|red"
    assert staged(header, row) == {
        "email": "a.b@example.org",
        "email_key": "a.b@example.org",
        "first_name": "Ann",
        "last_name": "Lee",
        "job_title": "Boss",
        "company_name": "Acme",
        "birthday_month": "4",
        "birthday_day": "9",
        "anniversary": "2005-03-12",
        "custom_fields": {str(COLOUR.custom_field_id): ["10001"]},
        "phone_numbers": [phone("555-1", "other")],
        "street_addresses": [
            address(
                "home",
                street="1 Main Apt 2",
                city="Peoria",
                state="Illinois",
                postal_code="61602",
                country="United States",
            )
        ],
    }


def test_empty_cells_set_nothing():
    header = "email|first_name|phone|street|city|cf:colour|cf:points|birthday_day|birthday_month|anniversary"
    assert staged(header, "a@x.org|||||||||") == {"email": "a@x.org", "email_key": "a@x.org"}
    assert staged(header, "a@x.org| |\t|\u00a0|\u3000||||| ") == {"email": "a@x.org", "email_key": "a@x.org"}
    assert staged(header, "a@x.org") == {"email": "a@x.org", "email_key": "a@x.org"}, (
        "also cells that are not there"
    )


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\u00a0", "\u3000"])
def test_blanks_around_a_value_do_not_count(blank: str):
    for text in (f"{blank}Ann", f"Ann{blank}", f"{blank}Ann{blank}"):
        assert staged("first_name|email|last_name", ["x", "a@x.org", text])["last_name"] == "Ann"
        assert staged("first_name|email|last_name", [text, "a@x.org", "x"])["first_name"] == "Ann"
        assert (
            staged("first_name|email|last_name", ["x", text.replace("Ann", "a@x.org"), "x"])["email"]
            == "a@x.org"
        )


@pytest.mark.parametrize(
    ("name", "column"),
    [
        *((name, "first_name") for name in ("First name", "FIRST NAME", " first-name ", "First_Name")),
        ("Job title", "job_title"),
        ("Company", "company_name"),
        ("COMPANY NAME", "company_name"),
        *(
            (name, "phone other")
            for name in ("phone", "Phone number", "phone_number", "other_phone", "Phone - other")
        ),
        *((name, "phone home") for name in ("home_phone", "HOME PHONE", "Phone - home")),
        *((name, "phone work") for name in ("WORK PHONE", "Phone - work")),
        *((name, "phone mobile") for name in ("mobile_phone", "Phone - mobile")),
        *(
            (name, "home street")
            for name in ("street", "home_street", "Street address line 1 - Home", "ADDRESS LINE 1")
        ),
        *(
            (name, "home street")
            for name in ("street2", "home_street2", "ADDRESS LINE 3", "Street address line 2 - Home")
        ),
        *((name, "home city") for name in ("City", "home_city", "City - Home")),
        *((name, "work city") for name in ("work_city", "City - Work")),
        *((name, "home state") for name in ("state", "State/Province - Home")),
        *((name, "other postal_code") for name in ("other_zip", "Zip/Postal Code - Other")),
        *((name, "home postal_code") for name in ("zip", "ZIP/POSTAL CODE", "Postal code")),
        *((name, "home country") for name in ("country", "home country", "Country - Home")),
        *(
            (name, "field")
            for name in ("cf:t-shirt_size", "CF: T-Shirt Size", "T-Shirt Size", "t shirt size")
        ),
    ],
)
def test_every_spelling_of_a_column(name: str, column: str):
    row = staged(["Email address", name], ["a@x.org", "value"])
    del row["email"], row["email_key"]
    kind, _, part = column.partition(" ")
    if column == "field":
        assert row == {"custom_fields": {str(LEVEL.custom_field_id): "value"}}
    elif kind == "phone":
        assert row == {"phone_numbers": [phone("value", part)]}
    elif part:
        assert row == {"street_addresses": [address(kind, **{part: "value"})]}
    else:
        assert row == {column: "value"}


@pytest.mark.parametrize("name", ["email", "EMAIL", "EMAIL ADDRESS", "Email address", "E-mail"])
def test_every_spelling_of_the_address(name: str):
    assert staged([name], ["a@x.org"])["email"] == "a@x.org"


def test_the_standard_columns_come_before_fields_of_that_label():
    row = staged("email|City|cf:city", "a@x.org|Rome|Paris")
    assert row["street_addresses"] == [address("home", city="Rome")]
    assert row["custom_fields"] == {str(CITY.custom_field_id): "Paris"}


def test_a_spelling_that_two_fields_share_means_neither_but_the_exact_one_does():
    one, other = field("T Shirt"), field("T-Shirt")
    columns = Columns.of_header(["email", "cf:t-shirt", "t_ shirt"], [one, other])
    assert columns.ignored == ["t_ shirt"]
    made = columns.stage(["a@x.org", "x", "y"], row_number=1, line_number=2, now=NOW)
    assert isinstance(made, Staged)
    assert str(other.custom_field_id) in (cells_of(made.line)["custom_fields"] or "")


def test_unknown_and_repeated_columns_are_named():
    columns = Columns.of_header(
        ["Tags", "email", "First Name", "first_name", "", " ", "cf:nope", "Created At"], FIELDS
    )
    assert columns.ignored == ["Tags", "first_name", "cf:nope", "Created At"]
    made = columns.stage(
        ["t", "a@x.org", "Ann", "Bea", "", "", "n", "c"], row_number=1, line_number=2, now=NOW
    )
    assert isinstance(made, Staged)
    assert cells_of(made.line)["first_name"] == "Ann"


def test_a_file_needs_a_column_that_says_who():
    with pytest.raises(NotCsv, match="^the file has no email or sms_number column$"):
        Columns.of_header(["first_name", "phone"], FIELDS)
    Columns.of_header(["SMS Number"], FIELDS)


@pytest.mark.parametrize(
    ("name", "value", "reason", "correctable"),
    [
        ("email", "a@", "Invalid email address", True),
        ("email", "", "No email address or SMS number", True),
        ("birthday_day", "4", "Invalid birthday", True),
        ("birthday_month", "4", "Invalid birthday", True),
        ("birthday", "13/1", "Invalid birthday", True),
        ("birthday", "2/30", "Invalid birthday", True),
        ("birthday", "soon", "Invalid birthday", True),
        ("anniversary", "2005-02-30", "Invalid anniversary", True),
        ("anniversary", "someday", "Invalid anniversary", True),
        ("first_name", "x" * 51, "first_name has more than 50 characters", False),
        ("last_name", "x" * 51, "last_name has more than 50 characters", False),
        ("job_title", "x" * 51, "job_title has more than 50 characters", False),
        ("company_name", "x" * 51, "company_name has more than 50 characters", False),
        ("home_phone", "5" * 26, "home_phone has more than 25 characters", False),
        ("street", "x" * 256, "street has more than 255 characters", False),
        ("work_city", "x" * 51, "city has more than 50 characters", False),
        ("state", "x" * 51, "state has more than 50 characters", False),
        ("zip", "x" * 51, "zip has more than 50 characters", False),
        ("country", "x" * 51, "country has more than 50 characters", False),
        ("cf:t-shirt_size", "x" * 256, "T-Shirt Size has more than 255 characters", False),
        ("cf:colour", "green", "Invalid Colour", False),
        ("cf:hobbies", "chess, golf", "Invalid Hobbies", False),
        ("cf:hobbies", ",", "Invalid Hobbies", False),
        ("cf:points", "-1", "Invalid Points", False),
        ("cf:member_since", "x", "Invalid Member since", False),
        ("sms_number", "12", "Invalid sms_number", False),
        ("first_name", "a\0b", "has a NUL character", False),
        ("first_name", "a\ud800b", "not valid Unicode", False),
    ],
)
def test_what_a_row_is_refused_for(name: str, value: str, reason: str, correctable: bool):
    header, cells = (["email"], [value]) if name == "email" else (["email", name], ["a@x.org", value])
    assert rejected(header, cells) == (reason, correctable)
    if reason.endswith("characters"):
        staged(["email", name], ["a@x.org", value[:-1]])


def test_a_rejected_row_says_which_it_was():
    made = stage("first_name|email", "Ann| no at ")
    assert made == Rejected(7, 9, "no at", "Invalid email address", correctable=True)
    assert stage("sms_number", "x") == Rejected(7, 9, "", "Invalid sms_number", correctable=False)
    shown = stage("email", "\0\ud800" + "x" * 300)
    assert isinstance(shown, Rejected)
    assert shown.email == "??" + "x" * 253


@pytest.mark.parametrize(
    ("month", "day", "both", "expected"),
    [
        ("4", "9", "", (4, 9)),
        ("02", "29", "", (2, 29)),
        ("", "", "12/31", (12, 31)),
        ("", "", "1990-07-08", (7, 8)),
        ("4", "9", "1/1", (4, 9)),
        ("", "", "7/8/1990", (7, 8)),
    ],
)
def test_birthdays(month: str, day: str, both: str, expected: tuple[int, int]):
    row = staged("email|birthday_month|birthday_day|Birthday", ["a@x.org", month, day, both])
    assert (int(row["birthday_month"]), int(row["birthday_day"])) == expected


@given(st.integers(-1, 14), st.integers(-1, 33))
@settings(deadline=None)
def test_birthdays_are_those_that_the_contacts_take(month: int, day: int):
    made = stage("email|birthday_month|birthday_day", ["a@x.org", str(month), str(day)])
    try:
        drafts.parse(ContactDraft(birthday_month=month, birthday_day=day))
    except Invalid:
        assert isinstance(made, Rejected)
    else:
        assert isinstance(made, Staged)


def test_custom_fields():
    header = "email|cf:t-shirt_size|Colour|Hobbies|Member since|Points"
    row = staged(header, ["a@x.org", 'L "\\', "Dark, Blue", "tennis, Chess", "7/8/2020", "1.50"])
    assert row["custom_fields"] == {
        str(LEVEL.custom_field_id): 'L "\\',
        str(COLOUR.custom_field_id): ["10002"],
        str(HOBBIES.custom_field_id): ["10002", "10001"],
        str(SINCE.custom_field_id): "2020-07-08",
        str(POINTS.custom_field_id): "1.50",
    }
    row = staged(header, ["a@x.org", "", "10001", "Music, live", "", ""])
    assert row["custom_fields"] == {
        str(COLOUR.custom_field_id): ["10001"],
        str(HOBBIES.custom_field_id): ["10003"],
    }


def test_at_most_25_custom_fields_and_3_phone_numbers():
    fields = [field(f"Field {number}") for number in range(26)]
    columns = Columns.of_header(["email", *(field.label for field in fields)], fields)
    made = [
        columns.stage(["a@x.org", *["v"] * count], row_number=1, line_number=2, now=NOW) for count in (25, 26)
    ]
    assert isinstance(made[0], Staged)
    assert isinstance(made[1], Rejected)
    assert (made[1].reason, made[1].correctable) == ("More than 25 custom fields", False)
    header = "email|phone|home_phone|work_phone|mobile_phone|other_phone"
    assert rejected(header, "a@x.org|1|2||3|4") == ("More than 3 phone numbers", False)
    numbers = staged(header, "a@x.org|1||2||3")["phone_numbers"]
    assert numbers == [phone("1", "other"), phone("2", "work"), phone("3", "other")]


def test_the_ids_of_rows_ascend_and_leave_the_last_digit_free():
    columns = Columns.of_header(["email"], ())
    made = [columns.stage(["a@x.org"], row_number=1, line_number=1, now=NOW) for _ in range(200)]
    ids = [cells_of(one.line)["contact_id"] or "" for one in made if isinstance(one, Staged)]
    assert len(set(ids)) == 200
    assert ids == sorted(ids)
    assert {one[-1] for one in ids} == {"0"}


@pytest.mark.parametrize(
    ("status", "permission", "opted_out"),
    [("Unsubscribed", "", "t"), ("", "UNSUBSCRIBED ", "t"), ("Active", "Express", "f"), ("", "", "f")],
)
def test_who_has_unsubscribed_in_the_words_of_an_export(status: str, permission: str, opted_out: str):
    made = stage("email|Email status|Email permission status", f"a@x.org|{status}|{permission}")
    assert isinstance(made, Staged)
    assert cells_of(made.line)["opted_out"] == opted_out
    assert made.opted_out == (opted_out == "t")


def test_streets_with_a_second_line_have_one_limit():
    assert staged("email|street2", "a@x.org|Apt 2")["street_addresses"] == [address("home", street="Apt 2")]
    reason = "street has more than 255 characters"
    assert rejected("email|street|street2", ["a@x.org", "x" * 250, "12345"]) == (reason, False)


def test_codes_of_places_become_names():
    row = staged("email|state|country|work_state|work_country|other_state", "a@x.org|on|CA|BE|DE|NY")
    assert row["street_addresses"] == [
        address("home", state="Ontario", country="Canada"),
        address("work", state="BE", country="Germany"),
        address("other", state="New York"),
    ]


@pytest.mark.parametrize("number", ["3125550123", "312-555-0123", "+13125550123", "+1 (312) 555-0123"])
def test_sms_numbers(number: str):
    made = stage("sms_number", number)
    assert isinstance(made, Staged)
    assert (made.email_key, made.sms_number) == (None, "13125550123")
    row = cells_of(made.line)
    assert (row["email"], row["email_key"], row["sms_number"]) == (None, None, "13125550123")
    channel = decoded(row["sms_channel"] or "", SmsChannel)
    assert msgspec.structs.replace(channel, sms_channel_id=NO_ID) == SmsChannel(
        NO_ID, "3125550123", "1", "US", "Account", (SmsConsent("not_set", "promotional_sms", NOW, NOW),)
    )


@pytest.mark.parametrize(
    ("permission", "consent_date", "opted_in"),
    [
        ("explicit", "07-03-2024", datetime(2024, 7, 3, tzinfo=UTC)),
        ("explicit", "2024-07-03T10:00:00Z", datetime(2024, 7, 3, 10, tzinfo=UTC)),
        ("explicit", "2026-05-05", NOW),  # where it is tomorrow already
        ("explicit", "2026-05-06", None),
        ("explicit", "", None),
        ("explicit", "soon", None),
        ("not_set", "07-03-2024", None),
        (None, "07-03-2024", None),
    ],
)
def test_sms_consent_needs_its_day(permission: str | None, consent_date: str, opted_in: datetime | None):
    row = staged(
        "email|sms_number|sms_consent_date",
        ["a@x.org", "3125550123", consent_date],
        sms_permission=permission,
    )
    (consent,) = decoded(row["sms_channel"], SmsChannel).sms_channel_consents
    assert consent == SmsConsent(
        "explicit" if opted_in else "not_set", "promotional_sms", NOW, NOW, opt_in_date=opted_in
    )


CHARACTERS = st.text(
    st.one_of(st.sampled_from("ab .'\"\\|\t\n\r\x0b\x1f\x7f\u00a0é€😀{}$"), st.characters()), max_size=60
)


@given(st.lists(CHARACTERS, min_size=10, max_size=10))
@settings(max_examples=400, deadline=None)
@example(["Ann ", " x", "a|b", "\\N", "\\.", "|", " ", "é", "\u3000", "A\\B"])
@example([".", "x" * 50, "c", "\\", "5" * 25, "s", "c", "US", "IL", "é"])
def test_a_row_is_what_the_contacts_would_make_of_it(texts: list[str]):
    """Any text arrives as it stood, but for the blanks around it; and the limits are those of the contacts."""
    names = [
        "first_name",
        "last_name",
        "job_title",
        "cf:t-shirt_size",
        "phone",
        "street",
        "city",
        "country",
        "state",
        "company_name",
    ]
    made = stage(["email", *names], ["A@x.org", *texts])
    first, last, job, custom, number, street, city, country, state, company = (
        text.strip() or None for text in texts
    )
    parts = StreetAddressDraft("home", street, city, state, country=country)
    draft = ContactDraft(
        first_name=first,
        last_name=last,
        job_title=job,
        company_name=company,
        email=EmailDraft("A@x.org"),
        phone_numbers=(PhoneDraft(number),) if number else (),
        street_addresses=(parts,) if street or city or country or state else (),
    )
    try:
        drafts.parse(draft)
        checked_value(LEVEL, custom, None)
        if any("\0" in text or re.search("[\ud800-\udfff]", text) for text in texts):
            raise Invalid("unstorable")
    except Invalid:
        assert isinstance(made, Rejected)
        return
    phones = replaced_phones((), draft.phone_numbers or (), source="Account", now=NOW)
    addresses = replaced_street_addresses((), draft.street_addresses or (), now=NOW)
    expected = {
        "email": "a@x.org",
        "email_key": "a@x.org",
        "first_name": first,
        "last_name": last,
        "job_title": job,
        "company_name": company,
        "custom_fields": {str(LEVEL.custom_field_id): custom} if custom else None,
        "phone_numbers": [msgspec.structs.replace(one, phone_number_id=NO_ID) for one in phones] or None,
        "street_addresses": [msgspec.structs.replace(one, street_address_id=NO_ID) for one in addresses]
        or None,
    }
    assert staged(["email", *names], ["A@x.org", *texts]) == {
        k: v for k, v in expected.items() if v is not None
    }


LOCAL = (
    st.text(st.sampled_from('abAB0.+-_é@ "'), min_size=0, max_size=8) | st.just("a" * 64) | st.just("a" * 65)
)
DOMAIN = st.sampled_from(
    [
        "x.org",
        "X.org",
        "xn--mnchen-3ya.de",
        "münchen.de",
        "x",
        "x..org",
        "-x.org",
        "y.test",
        "y" * 60 + ".org",
    ]
)


@given(st.lists(st.tuples(LOCAL, DOMAIN), min_size=1, max_size=12))
@settings(max_examples=300, deadline=None)
def test_addresses_are_those_of_parse_email_also_when_the_domain_was_seen(addresses: list[tuple[str, str]]):
    columns = Columns.of_header(["email"], ())
    for local, domain in [("a", "x.org"), ("a", "y.test"), ("a", "y" * 60 + ".org"), *addresses]:
        text = f"{local}@{domain}"
        made = columns.stage([text], row_number=1, line_number=1, now=NOW)
        valid = parse_email(text)
        assert isinstance(made, Staged) == (valid is not None)
        if valid is not None and isinstance(made, Staged):
            row = cells_of(made.line)
            assert (row["email"], row["email_key"], made.email_key) == (valid.address, valid.key, valid.key)


def item(value: dict[str, Any], **options: Any) -> dict[str, Any]:
    columns = Columns.of_json(FIELDS, **options)
    made = columns.stage_item(value, row_number=7, line_number=9, now=NOW)
    assert isinstance(made, Staged), made
    return plainly(
        {key: text for key, text in cells_of(made.line).items() if text is not None and key not in ROW[:3]}
    )


def test_items_of_a_json_import():
    value = {
        "email": "a@x.org",
        "first_name": None,
        "birthday_month": 4,
        "birthday_day": 9.0,
        "anniversary": "2005-03-12",
        "home_phone": "555-1",
        "work_street": "1 Main",
        "work_street2": "Apt 2",
        "home country": "US",
        "cf:points": 1.5,
        "cf:colour": "Red",
        "unknown": ["x"],
    }
    assert item(value) == {
        "email": "a@x.org",
        "email_key": "a@x.org",
        "birthday_month": "4",
        "birthday_day": "9",
        "anniversary": date(2005, 3, 12).isoformat(),
        "phone_numbers": [phone("555-1", "home")],
        "street_addresses": [
            address("home", country="United States"),
            address("work", street="1 Main Apt 2"),
        ],
        "custom_fields": {str(POINTS.custom_field_id): "1.5", str(COLOUR.custom_field_id): ["10001"]},
    }
    row = item({"email": "a@x.org", "zip": "", "home_zip": "123", "City": "Rome", "home_city": "Paris"})
    assert row["street_addresses"] == [address("home", city="Rome", postal_code="123")]


def test_items_that_are_refused_and_keys_that_are_ignored():
    columns = Columns.of_json(FIELDS)
    stage_item = columns.stage_item
    assert stage_item({"first_name": "Ann"}, row_number=1, line_number=1, now=NOW) == Rejected(
        1, 1, "", "No email address or SMS number", correctable=True
    )
    assert stage_item(
        {"email": "a@x.org", "city": ["x"], "zip": {}}, row_number=2, line_number=3, now=NOW
    ) == Rejected(2, 3, "a@x.org", "Invalid city", correctable=False)
    for number in range(300):
        stage_item({"email": "a@x.org", f"unknown {number % 150}": 1}, row_number=1, line_number=1, now=NOW)
    assert columns.ignored == [f"unknown {number}" for number in range(100)]


def test_the_text_of_copy_is_always_one_cell():
    assert copy_text("a\tb\\N\nc\rd\0e\ud800é") == r"a\tb\\N\nc\rd?e?" + "é"
