"""E-mail addresses and SMS numbers."""

from __future__ import annotations

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given, settings
from hypothesis import strategies as st

from everlist.core.contacts.identity import MAX_EMAIL, parse_email, parse_sms_number

quick = settings(max_examples=300, deadline=None, database=None)


def as_email_validator_says(text: str) -> tuple[str, str] | None:
    """(shown, key) by the library alone, with no path of our own."""
    text = text.strip()
    if len(text) > MAX_EMAIL:
        return None
    try:
        valid = validate_email(text, check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError:
        return None
    shown = valid.normalized.lower()
    key = f"{valid.local_part.lower()}@{valid.ascii_domain.lower()}"
    return (shown, key) if len(shown) <= MAX_EMAIL else None


locals_ = st.text("aZ09.!#$%&'*+-/=?^_`{|}~\"\\ ,:;<>()[]@é\u00df\u0130", max_size=12) | st.from_regex(
    r"[A-Za-z0-9._+-]{1,66}", fullmatch=True
)
labels = st.text("aZ09-", min_size=1, max_size=8) | st.sampled_from(
    [
        "xn--bcher-kva",
        "xn--",
        "xn--a",
        "xn--99999999",
        "bücher",
        "straße",
        "a_b",
        "-a",
        "a-",
        "a" * 63,
        "a" * 64,
        "ab--cd",
        "",
    ]
)
tops = st.sampled_from(
    [
        "org",
        "ORG",
        "museum",
        "test",
        "local",
        "localhost",
        "invalid",
        "example",
        "arpa",
        "onion",
        "c",
        "1",
        "xn--p1ai",
    ]
)
domains = st.builds(lambda head, top: ".".join([*head, top]), st.lists(labels, max_size=3), tops)
near_misses = st.builds("{}@{}".format, locals_, domains) | st.text('a@.-+ "\\é', max_size=12)


@quick
@given(near_misses)
@example("r.okafor@example.org")
@example("R.Okafor+news@Example.ORG")
@example(" r@example.org ")
@example("r@example.org\n")
@example("r..o@example.org")
@example(".r@example.org")
@example("r.@example.org")
@example("r@example..org")
@example("r@example.org.")
@example("r@.example.org")
@example("r@example")
@example("r@localhost")
@example("r@127.0.0.1")
@example("r@[127.0.0.1]")
@example('"r o"@example.org')
@example("r@xn--bcher-kva.example")
@example("r@bücher.example")
@example("röt@example.org")
@example("a" * 64 + "@example.org")
@example("a" * 65 + "@example.org")
@example("r@" + "a" * 63 + ".org")
@example("r@" + "a" * 64 + ".org")
@example("r@" + "a." * 38 + "org")
@example("Ruth <r@example.org>")
@example("\u212a@example.org")
@example("r\u00ad@example.org")
def test_an_address_is_what_email_validator_says(text: str) -> None:
    found, expected = parse_email(text), as_email_validator_says(text)
    if expected is None:
        assert found is None
        return
    assert found is not None
    shown, key = expected
    assert found.key == key
    # An address that is all ASCII is shown as it was sent, also where its domain has another form.
    assert found.address == (text.strip().lower() if text.isascii() else shown)


@quick
@given(st.text(max_size=100))
def test_no_text_is_too_odd(text: str) -> None:
    found = parse_email(text)
    assert found is None or "@" in found.key


@quick
@given(near_misses)
def test_what_is_shown_is_the_same_address(text: str) -> None:
    found = parse_email(text)
    if found is not None:
        again = parse_email(found.address)
        assert again is not None
        assert (again.address, again.key) == (found.address, found.key)
        assert len(found.address) <= MAX_EMAIL
        assert found.address == found.address.lower()


def test_two_spellings_of_one_domain_have_one_key() -> None:
    ascii_form, unicode_form = parse_email("r@xn--bcher-kva.example"), parse_email("R@Bücher.example")
    assert ascii_form is not None
    assert unicode_form is not None
    assert ascii_form.key == unicode_form.key == "r@xn--bcher-kva.example"


# --- SMS numbers

regions = st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS))
punctuation = st.lists(st.sampled_from([" ", "-", ".", "(", ")"]), min_size=15, max_size=15)


@quick
@given(regions, punctuation, st.booleans())
def test_an_example_number_of_each_region(region: str, marks: list[str], plus: bool) -> None:
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    if number is None:
        return
    digits = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")
    found = parse_sms_number("+" + digits)
    assert found is not None
    assert found.key == digits == found.dial_code + found.national
    assert found.dial_code == str(number.country_code)
    assert phonenumbers.country_code_for_region(found.country_code) == number.country_code
    spelled = "".join(
        digit + (mark if index % 3 == 0 else "")
        for index, (digit, mark) in enumerate(zip(digits, marks, strict=False))
    )
    if len(digits) <= 15 and (plus or len(digits) != 10):
        assert parse_sms_number(("+" if plus else "") + spelled) == found


@pytest.mark.parametrize(
    "text",
    [
        "3095550100",
        "(309) 555-0100",
        "309.555.0100",
        "13095550100",
        "1-309-555-0100",
        "+13095550100",
        "+1 (309) 555 0100",
    ],
)
def test_a_number_of_the_us_in_its_spellings(text: str) -> None:
    found = parse_sms_number(text)
    assert found is not None
    assert (found.key, found.national, found.dial_code, found.country_code) == (
        "13095550100",
        "3095550100",
        "1",
        "US",
    )


def test_a_leading_zero_that_belongs_to_the_number_stays() -> None:
    found = parse_sms_number("+39 06 698 12345")
    assert found is not None
    assert (found.key, found.national) == ("390669812345", "0669812345")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "0",
        "911",
        "+0 309 555 0100",
        "+999 309 555 0100",
        "309555010",
        "30955501000000000",
        "1309555010x",
    ]
    + ["+1309555٠١٠٠", "1" * 33, "13095550100;ext=5", "+1 309 555 0100 x5", "tel:+13095550100", "\x00"],
)
def test_what_is_no_number(text: str) -> None:
    assert parse_sms_number(text) is None


@quick
@given(st.text("0123456789+-() .", max_size=34) | st.text(max_size=34))
def test_whatever_is_taken_is_digits(text: str) -> None:
    found = parse_sms_number(text)
    if found is not None:
        assert found.key == found.dial_code + found.national
        assert found.key.isascii()
        assert found.key.isdecimal()
        assert parse_sms_number("+" + found.key) == found
