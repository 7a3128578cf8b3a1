"""The columns of an import, with all spellings of their titles. V3 contract 6.3 and 6.4, V2 contract 4.2."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everlist.core.custom_fields import CustomField

CUSTOM = "cf:"
NAMES = ("first_name", "last_name", "job_title", "company_name")
CORE = (
    *("email", "sms_number", "sms_consent_date", *NAMES),
    *("birthday_month", "birthday_day", "birthday", "anniversary"),
)
STATUSES = ("email_status", "email_permission_status")
"""The columns in which an export shows that a contact has unsubscribed."""
PHONES = {
    "phone": "other",
    "home_phone": "home",
    "work_phone": "work",
    "mobile_phone": "mobile",
    "other_phone": "other",
}
"""The columns of phone numbers, and the kind of each."""
ADDRESSES = ("home", "work", "other")
ADDRESS_PARTS = ("street", "street2", "street3", "city", "state", "zip", "country")

_SPELLINGS = {
    "email": ("email", "email address", "e-mail", "e-mail address"),
    "sms_number": ("sms number",),
    "sms_consent_date": ("sms consent date",),
    "first_name": ("first name",),
    "last_name": ("last name",),
    "job_title": ("job title",),
    "company_name": ("company name", "company"),
    "birthday_month": ("birthday month",),
    "birthday_day": ("birthday day",),
    "birthday": ("birthday",),
    "anniversary": ("anniversary",),
    "email_status": ("email status",),
    "email_permission_status": ("email permission status",),
}
_PART_SPELLINGS = {
    "street": ("street", "street address", "street address line 1", "address line 1"),
    "street2": ("street2", "street 2", "street address line 2", "address line 2"),
    "street3": ("street3", "street 3", "street address line 3", "address line 3"),
    "city": ("city",),
    "state": ("state", "state/province"),
    "zip": ("zip", "zip code", "postal code", "zip/postal code"),
    "country": ("country",),
}


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def _standard() -> Iterable[tuple[str, str]]:
    for column, spellings in _SPELLINGS.items():
        yield from ((spelling, column) for spelling in spellings)
    for column, kind in PHONES.items():
        yield column, column
        for spelling in ("phone", "phone number"):
            if column == "phone":
                yield spelling, column
            else:
                yield from ((f"{kind} {spelling}", column), (f"{spelling} {kind}", column))
    for part, spellings in _PART_SPELLINGS.items():
        for spelling in spellings:
            yield spelling, f"home_{part}"
            for kind in ADDRESSES:
                yield from (
                    (f"{kind} {spelling}", f"{kind}_{part}"),
                    (f"{spelling} {kind}", f"{kind}_{part}"),
                )


_STANDARD = {_folded(spelling): column for spelling, column in _standard()}


class ColumnNames:
    """Finds the column that a title means: one of the API's, or `cf:` and the id of a custom field."""

    def __init__(self, fields: Iterable[CustomField]) -> None:
        self.fields: dict[str, CustomField] = {}
        """The custom fields by their columns."""
        self._exact: dict[str, str] = {}
        self._folded: dict[str, str | None] = {}
        for field in fields:
            column = f"{CUSTOM}{field.custom_field_id}"
            self.fields[column] = field
            for name in dict.fromkeys((field.name, field.label)):
                self._exact.setdefault(name.strip().casefold(), column)
                other = self._folded.setdefault(_folded(name), column)
                if other != column:
                    self._folded[_folded(name)] = None  # two fields have this title, so it means neither

    def column(self, name: str) -> str | None:
        """Return the column of that title, or None."""
        name = name.strip()
        folded = _folded(name)
        if folded in _STANDARD:
            return _STANDARD[folded]
        if folded.startswith(CUSTOM):
            name = name[len(CUSTOM) :].strip()
            folded = _folded(name)
        return self._exact.get(name.casefold()) or self._folded.get(folded)

    @property
    def all(self) -> list[str]:
        """Return all columns."""
        return list(dict.fromkeys((*_STANDARD.values(), *self.fields)))
