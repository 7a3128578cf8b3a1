"""Parse e-mail addresses and SMS numbers into the form that is shown and the key by which they are compared.

V3 contract 3.11: addresses are unique in an account whatever their case, and shown in lower case.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec
import phonenumbers
from email_validator import EmailNotValidError, validate_email

MAX_EMAIL = 80

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOT_ATOM = re.compile(rf"({_ATEXT}(?:\.{_ATEXT})*)@([A-Za-z0-9.-]+)", re.ASCII)


class EmailAddress(msgspec.Struct, frozen=True):
    """A valid address."""

    address: str
    """The form that is shown: lower case."""
    key: str
    """The form that is compared: lower case, the domain in ASCII."""


def parse_email(text: str) -> EmailAddress | None:
    """Parse an address by RFC 5321, 6531 and IDNA 2008, without a DNS look-up; return None if it is not valid.

    Plain ASCII addresses take a fast path with the same results as email-validator, which then validates each
    domain only once.
    """
    text = text.strip()
    if len(text) > MAX_EMAIL:
        return None
    if match := _DOT_ATOM.fullmatch(text):
        local, domain = match.groups()
        ascii_domain = _ascii_domain(domain.lower())
        if ascii_domain is None or len(local) > 64:
            return None
        return EmailAddress(address=text.lower(), key=f"{local.lower()}@{ascii_domain}")
    try:
        valid = validate_email(text, check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError:
        return None
    address = valid.normalized.lower()
    if len(address) > MAX_EMAIL:
        return None
    return EmailAddress(address=address, key=f"{valid.local_part.lower()}@{valid.ascii_domain.lower()}")


@lru_cache(maxsize=65536)
def _ascii_domain(domain: str) -> str | None:
    try:
        valid = validate_email(f"x@{domain}", check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError:
        return None
    return valid.ascii_domain.lower()


_BETWEEN = re.compile(r"[\s<>()\[\]:;,\"]+")


def keys_in(text: str) -> list[str]:
    """Return the keys of all addresses in a text; without any, the key of the SMS number that the text may be."""
    found = [parse_email(word.strip(".'")) for word in _BETWEEN.split(text) if "@" in word]
    keys = {email.key for email in found if email is not None}
    if not keys and (number := parse_sms_number(text.strip())) is not None:
        keys = {number.key}
    return sorted(keys)


class SmsNumber(msgspec.Struct, frozen=True):
    """A valid number."""

    key: str
    """E.164 without the plus."""
    national: str
    dial_code: str
    country_code: str
    """ISO 3166-1 alpha-2."""


def parse_sms_number(full: str) -> SmsNumber | None:
    """Parse a number that begins with its dial code, with or without plus and punctuation; None if not valid.

    Ten digits without a plus are first taken as a number of the US or Canada without its dial code.
    """
    if len(full) > 32 or not re.fullmatch(r"\+?[\d\s().-]+", full, re.ASCII):
        return None
    digits = re.sub(r"\D", "", full)
    spellings = ["+" + digits] if full.startswith("+") or len(digits) != 10 else ["+1" + digits, "+" + digits]
    for spelling in spellings:
        try:
            number = phonenumbers.parse(spelling)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(number) and number.country_code and number.national_number:
            national = phonenumbers.national_significant_number(number)
            region = phonenumbers.region_code_for_number(number) or phonenumbers.region_code_for_country_code(
                number.country_code
            )
            return SmsNumber(
                key=f"{number.country_code}{national}",
                national=national,
                dial_code=str(number.country_code),
                country_code=region,
            )
    return None
