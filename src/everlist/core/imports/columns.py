"""Turn the cells of a row, or an item of a JSON import, into a line of COPY for the table import_row. Pure.

The rules are those of contacts.drafts and custom_fields. They are repeated here for speed: a file may have a million
rows. A row in which nothing has to be escaped, as in nearly all, is assembled without escaping each value.

An export also holds tags, lists, notes, states and times. They are not imported: their columns are reported as ignored,
like unknown ones.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec
from uuid_utils import uuid7  # core.ids makes the same, of a class whose text takes longer

from everlist.core.consent import EXPLICIT
from everlist.core.contacts.identity import MAX_EMAIL, parse_email
from everlist.core.contacts.model import MAX_CUSTOM_FIELDS, MAX_NAME, MAX_PHONES, MAX_STREET_ADDRESSES
from everlist.core.custom_fields import MAX_VALUE
from everlist.core.imports import values
from everlist.core.imports.encodings import NotCsv
from everlist.core.imports.names import ADDRESS_PARTS, ADDRESSES, CORE, NAMES, PHONES, STATUSES, ColumnNames
from everlist.core.imports.values import NULL, FieldColumn, Refused
from everlist.core.places import country_name, state_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from everlist.core.custom_fields import CustomField

    _Getter = Callable[[Sequence[str]], tuple[str, ...]]

_MAX_STREET = 255
_MAX_PLACE = 50
_MAX_PHONE = 25
_MAX_SHOWN = 255
_MAX_IGNORED = 100
_MAX_KNOWN = 4096
_MAX_LOCAL = 64
_MAX_DOMAINS = 1 << 16
_UNSUBSCRIBED = "unsubscribed"
_NO_BIRTHDAY = f"{NULL}\t{NULL}"
_NUMBER = re.compile(r"[+(]*\d[\d ()./+-]*(?:(?:x|ext\.?) *\d+)?", re.ASCII | re.IGNORECASE)
_MIN_DIGITS = 3
_FURTHER = re.compile(rf"(.+ - (?:{'|'.join(ADDRESSES)})) ([2-{MAX_STREET_ADDRESSES}])", re.IGNORECASE)
_ADDRESS_COLUMNS = frozenset(f"{kind}_{part}" for kind in ADDRESSES for part in ADDRESS_PARTS)
_SIMPLE_LOCAL = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@")

_encode = msgspec.json.Encoder().encode
_country = lru_cache(_MAX_KNOWN)(country_name)
_state = lru_cache(_MAX_KNOWN)(state_name)


class Staged(msgspec.Struct, gc=False):
    """A valid row."""

    row_number: int
    line_number: int
    email_key: str | None
    sms_number: str | None
    line: str
    """Its line of COPY text, from row_number to opted_out, without the line end."""
    opted_out: bool = False
    """True if the file says that the person has unsubscribed."""


class Rejected(msgspec.Struct, gc=False):
    """A row that is not imported."""

    row_number: int
    line_number: int
    email: str
    """The email cell of the file, cut at 255 characters."""
    reason: str
    correctable: bool


def column_of(title: str, names: ColumnNames) -> str | None:
    """Return the column that a title means, or None.

    Knows the columns of `names`, and those that an export has for further addresses of a kind: `City - Home 2` means
    `home_city 2`.
    """
    title = title.strip()
    if (further := _FURTHER.fullmatch(title)) and (first := names.column(further[1])) in _ADDRESS_COLUMNS:
        return f"{first} {further[2]}"
    return names.column(title)


def copy_text(text: str) -> str:
    """Escape a text for COPY, with a question mark for each character that PostgreSQL cannot store."""
    return values.copied(values.storable(text))


class Columns:
    """The columns of a file: turns each row into a line of COPY."""

    def __init__(self, at: Mapping[str, int], names: ColumnNames, sms_permission: str | None) -> None:
        self.ignored: list[str] = []
        """Titles that mean no column, or a column that an earlier title means."""
        self._columns = names
        self._at = at
        self._at_key: dict[str, int] = {}
        self._explicit = sms_permission == EXPLICIT
        self._width = max(at.values()) + 1
        # A missing column is at -1: `stage` appends an empty cell.
        self._email = at.get("email", -1)
        self._core = _getter(at, CORE)
        fields = {name: field for name, field in names.fields.items() if name in at}
        self.custom_field_ids = [field.custom_field_id for field in fields.values()]
        """The custom fields that have a column."""
        self._fields = [FieldColumn(at[name], field) for name, field in fields.items()]
        self._statuses = [at[name] for name in STATUSES if name in at]
        self._simple_domains: set[str] = set()
        self._phones = [
            (at[name], name, f'","kind":"{kind}"}}') for name, kind in PHONES.items() if name in at
        ]
        self._addresses = [
            (_getter(at, columns), f'{{"kind":"{kind}"')
            for kind in ADDRESSES
            for number in ("", *(f" {number}" for number in range(2, MAX_STREET_ADDRESSES + 1)))
            if not at.keys().isdisjoint(columns := [f"{kind}_{part}{number}" for part in ADDRESS_PARTS])
        ]

    @classmethod
    def of_header(
        cls, cells: Sequence[str], fields: Sequence[CustomField], *, sms_permission: str | None = None
    ) -> Columns:
        """Return the columns of a file. Raises NotCsv if no column identifies the contact."""
        names = ColumnNames(fields)
        at: dict[str, int] = {}
        ignored: list[str] = []
        for place, cell in enumerate(cells):
            column = column_of(cell, names)
            if column is not None and column not in at:
                at[column] = place
            elif cell.strip():
                ignored.append(cell.strip())
        if "email" not in at and "sms_number" not in at:
            raise NotCsv("the file has no email or sms_number column")
        columns = cls(at, names, sms_permission)
        columns.ignored = ignored
        return columns

    @classmethod
    def of_json(cls, fields: Sequence[CustomField], *, sms_permission: str | None = None) -> Columns:
        """Return all columns, for the items of a JSON import."""
        names = ColumnNames(fields)
        return cls({name: place for place, name in enumerate(names.all)}, names, sms_permission)

    def stage_item(
        self, item: Mapping[str, object], *, row_number: int, line_number: int, now: datetime
    ) -> Staged | Rejected:
        """Do what `stage` does, for an item of a JSON import. Null counts as empty; of two keys for a column the first counts."""
        cells = [""] * self._width
        bad = ""
        for key, value in item.items():
            place = self._place(key)
            if place < 0 or cells[place]:
                continue
            text = _text(value)
            if text is None:
                bad = bad or key
            else:
                cells[place] = text
        if bad:
            email = _shown(cells[self._email])
            return Rejected(
                row_number=row_number,
                line_number=line_number,
                email=email,
                reason=f"Invalid {bad}",
                correctable=False,
            )
        return self.stage(cells, row_number=row_number, line_number=line_number, now=now)

    def _place(self, key: str) -> int:
        place = self._at_key.get(key)
        if place is None:
            column = self._columns.column(key)
            place = -1 if column is None else self._at[column]
            if column is None and len(self.ignored) < _MAX_IGNORED and key not in self.ignored:
                self.ignored.append(key)
            if len(self._at_key) < _MAX_KNOWN:
                self._at_key[key] = place
        return place

    def stage(
        self, cells: Sequence[str], *, row_number: int, line_number: int, now: datetime
    ) -> Staged | Rejected:
        """Return the row as a line of COPY, or the reason why it is rejected. An empty cell sets nothing."""
        cells = [*map(str.strip, cells), *[""] * (self._width + 1 - len(cells)), ""]
        plain = _is_plain(cells)
        try:
            if not plain and (problem := values.unstorable("".join(cells))):
                raise Refused(problem)
            return self._staged(cells, row_number, line_number, now, plain=plain)
        except Refused as refused:
            email = _shown(cells[self._email])
            return Rejected(
                row_number=row_number,
                line_number=line_number,
                email=email,
                reason=refused.reason,
                correctable=refused.correctable,
            )

    def _staged(
        self, cells: list[str], row_number: int, line_number: int, now: datetime, *, plain: bool
    ) -> Staged:
        """Return the valid row; `plain` is True if no cell has to be escaped. Raises Refused."""
        email, sms, consent_date, first, last, job, company, month, day, birthday, anniversary = self._core(
            cells
        )
        email_key = email
        if email:
            if not self._is_simple(email):
                email, email_key = self._parsed_email(email)
        elif not sms:
            raise Refused("No email address or SMS number", correctable=True)
        birthday = values.birthday(month, day, birthday) if month or day or birthday else _NO_BIRTHDAY
        if anniversary:
            anniversary = values.anniversary(anniversary)
        channel = NULL
        if sms:
            sms, channel = values.sms_channel(sms, consent_date, now, explicit=self._explicit)
        if len(first) > MAX_NAME or len(last) > MAX_NAME or len(job) > MAX_NAME or len(company) > MAX_NAME:
            names = zip(NAMES, (first, last, job, company), strict=True)
            raise _too_long(next(name for name, text in names if len(text) > MAX_NAME), MAX_NAME)
        if not plain:
            first, last, job, company = (values.copied(text) for text in (first, last, job, company))
        custom_fields = self._custom_fields(cells, plain=plain) if self._fields else NULL
        phones = self._phone_numbers(cells, plain=plain) if self._phones else NULL
        addresses = self._street_addresses(cells, plain=plain) if self._addresses else NULL
        opted_out = any(cells[place].casefold() == _UNSUBSCRIBED for place in self._statuses)
        # The ids of its phone numbers and addresses are this id with another last digit, so the contact's ends with 0.
        line = (
            f"{row_number}\t{line_number}\t{str(uuid7())[:-1]}0\t{email or NULL}\t{email_key or NULL}\t{sms or NULL}\t{channel}"
            f"\t{first or NULL}\t{last or NULL}\t{job or NULL}\t{company or NULL}\t{birthday}\t{anniversary or NULL}"
            f"\t{custom_fields}\t{phones}\t{addresses}\t{'t' if opted_out else 'f'}"
        )
        return Staged(
            row_number=row_number,
            line_number=line_number,
            email_key=email_key or None,
            sms_number=sms or None,
            line=line,
            opted_out=opted_out,
        )

    def _is_simple(self, email: str) -> bool:
        """Return True if the address needs no normalising: simple local part, domain already seen."""
        local = _SIMPLE_LOCAL.match(email)
        return (
            local is not None
            and email[local.end() :] in self._simple_domains
            and local.end() <= _MAX_LOCAL + 1
            and len(email) <= MAX_EMAIL
        )

    def _parsed_email(self, text: str) -> tuple[str, str]:
        email = parse_email(text)
        if email is None:
            raise Refused("Invalid email address", correctable=True)
        if email.address == email.key == text and len(self._simple_domains) < _MAX_DOMAINS:
            self._simple_domains.add(text.rpartition("@")[2])
        return email.address, email.key

    def _custom_fields(self, cells: list[str], *, plain: bool) -> str:
        made: list[str] = []
        for field in self._fields:
            if text := cells[field.place]:
                if plain and field.is_text and len(text) <= MAX_VALUE:
                    made.append(f'{field.key}"{text}"')
                else:
                    made.append(field.key + field.json(text))
        if len(made) > MAX_CUSTOM_FIELDS:
            raise Refused(f"More than {MAX_CUSTOM_FIELDS} custom fields")
        return "{" + ",".join(made) + "}" if made else NULL

    def _phone_numbers(self, cells: list[str], *, plain: bool) -> str:
        made: list[str] = []
        for place, name, end in self._phones:
            if text := cells[place]:
                if ", " in text and len(numbers := _numbers(text)) > 1:
                    made += [f'{{"phone_number":"{number}{end}' for number in numbers]
                    continue
                if len(text) > _MAX_PHONE:
                    raise _too_long(name, _MAX_PHONE)
                if not plain:
                    text = values.quoted(text)
                made.append(f'{{"phone_number":"{text}{end}')
        if len(made) > 1:
            made = list(dict.fromkeys(made))
            if len(made) > MAX_PHONES:
                raise Refused(f"More than {MAX_PHONES} phone numbers")
        return f"[{','.join(made)}]" if made else NULL

    def _street_addresses(self, cells: list[str], *, plain: bool) -> str:
        made: list[str] = []
        for cells_of, head in self._addresses:
            street, street2, street3, city, state, postal_code, country = cells_of(cells)
            if street2 or street3:
                street = " ".join(filter(None, (street, street2, street3)))
            if (
                len(street) > _MAX_STREET
                or len(city) > _MAX_PLACE
                or len(state) > _MAX_PLACE
                or len(postal_code) > _MAX_PLACE
                or len(country) > _MAX_PLACE
            ):
                raise _longest(street, city, state, postal_code, country)
            if country:
                country = _country(country)
            if state:
                state = _state(state, country or None)
            if not plain:
                street, city, state = values.quoted(street), values.quoted(city), values.quoted(state)
                postal_code, country = values.quoted(postal_code), values.quoted(country)
            parts = (
                (f',"street":"{street}"' if street else "")
                + (f',"city":"{city}"' if city else "")
                + (f',"state":"{state}"' if state else "")
                + (f',"postal_code":"{postal_code}"' if postal_code else "")
                + (f',"country":"{country}"' if country else "")
            )
            if parts:
                made.append(f"{head}{parts}}}")
        if len(made) > MAX_STREET_ADDRESSES:
            raise Refused(f"More than {MAX_STREET_ADDRESSES} street addresses")
        return f"[{','.join(made)}]" if made else NULL


def _getter(at: Mapping[str, int], columns: Iterable[str]) -> _Getter:
    return itemgetter(*(at.get(column, -1) for column in columns))


def _numbers(text: str) -> Sequence[str]:
    """Return the numbers of a cell that holds several, as an export writes them; none if a part is not a number."""
    numbers = [*map(str.strip, text.split(", "))]
    return numbers if all(map(_can_be_number, numbers)) else ()


def _can_be_number(text: str) -> bool:
    return (
        len(text) <= _MAX_PHONE
        and _NUMBER.fullmatch(text) is not None
        and sum(map(str.isdigit, text)) >= _MIN_DIGITS
    )


def _is_plain(cells: Sequence[str]) -> bool:
    """Return True if neither COPY nor JSON has to escape anything: then the JSON has no backslash."""
    try:
        return _encode(cells).find(b"\\") < 0
    except UnicodeEncodeError:
        return False


def _longest(street: str, city: str, state: str, postal_code: str, country: str) -> Refused:
    """Return the refusal of the first part of an address that is too long."""
    if len(street) > _MAX_STREET:
        return _too_long("street", _MAX_STREET)
    places = {"city": city, "state": state, "zip": postal_code, "country": country}
    return _too_long(next(name for name, text in places.items() if len(text) > _MAX_PLACE), _MAX_PLACE)


def _too_long(name: str, most: int) -> Refused:
    return Refused(f"{name} has more than {most} characters")


def _shown(email: str) -> str:
    return values.storable(email[:_MAX_SHOWN])


def _text(value: object) -> str | None:
    """Return the value of a JSON item as a cell; None for arrays and objects."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else str(value)
    return str(value) if isinstance(value, int) else None
