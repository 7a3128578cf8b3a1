"""V3's names for what core calls otherwise, and its sentences about what is wrong with a contact."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from everlist.errors import Invalid, NumberTaken, Problem
from everlist.rest import errors
from everlist.rest.errors import CONFLICT, VALIDATION, Failure

SUBRESOURCES = {
    "custom_fields": "custom_fields",
    "phone_numbers": "phone_numbers",
    "street_addresses": "street_addresses",
    "notes": "notes",
    "sms_channel": "sms_channel",
    "list_memberships": "list_ids",
    "taggings": "tag_ids",
}
"""V3's names of the sub-resources of a contact, and core's."""

_FIELDS = {
    "first_name, last_name, email or sms_channel": "one of first_name, last_name, email_address, sms_channel",
    "list_ids": "list_memberships",
    "tag_ids": "taggings",
    "permission": "permission_to_send",
    "sms_channel[full_number]": "sms_channel[sms_address]",
    "sms_channel[consents]": "sms_channel_consents",
    "sms_channel[consents][medium_type]": "sms_channel_consents[consent_medium_type]",
    "sms_channel[consents][medium_url]": "sms_channel_consents[consent_medium_url]",
    "sms_channel[consents][medium_details]": "sms_channel_consents[consent_medium_details]",
    "sms_channel[consents][advertised_interval]": "sms_channel_consents[advertised_interval]",
}
"""Core's names of the properties of a contact, and V3's, where they differ."""
_SENTENCES = {"email": "Email address is invalid"}
"""V3's whole sentences, by core's name of the property."""


def worded(problem: Problem | str) -> str:
    """Return V3's sentence for a problem with a contact."""
    if isinstance(problem, str):
        return problem
    if problem.field in _SENTENCES:
        return _SENTENCES[problem.field]
    return errors.worded(problem._replace(field=_FIELDS.get(problem.field, problem.field)))


@contextmanager
def of_contact() -> Generator[None]:
    """Answer in V3's words when core refuses a contact."""
    try:
        yield
    except Invalid as error:
        raise Failure(400, VALIDATION, ", ".join(map(worded, error.problems))) from error


@contextmanager
def of_sign_up() -> Generator[None]:
    """Answer in V3's words when core refuses a sign-up."""
    try:
        with of_contact():
            yield
    except NumberTaken as error:
        text = f"The SMS number already exists for contact {error.contact_id}"
        raise Failure(409, CONFLICT, text) from error
