"""Check the values of single cells of an import and format them for COPY. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from everlist.core.consent import BY_ACCOUNT, EXPLICIT, NOT_SET
from everlist.core.consent.sms import SmsConsent
from everlist.core.contacts.identity import parse_sms_number
from everlist.core.contacts.model import SmsChannel
from everlist.core.custom_fields import MAX_VALUE, SELECTS, checked_value
from everlist.core.dates import parse_date, parse_datetime
from everlist.core.ids import new_id
from everlist.errors import Invalid

if TYPE_CHECKING:
    from everlist.core.custom_fields import CustomField, Value

NULL = "\\N"
_MAX_KNOWN = 4096

_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MONTH_AND_DAY = re.compile(r"(\d{1,2})[/-](\d{1,2})", re.ASCII)
_UNSTORABLE = re.compile(r"[\0\ud800-\udfff]")
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


class Refused(Exception):
    """The value is not valid: its row is rejected."""

    def __init__(self, reason: str, *, correctable: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.correctable = correctable


def copied(text: str) -> str:
    """Escape a text for COPY."""
    return text.translate(_ESCAPES)


def quoted(text: str) -> str:
    """Escape a text for JSON, without the quotes, and that for COPY."""
    return msgspec.json.encode(text).decode()[1:-1].replace("\\", "\\\\")


def copied_json(value: object) -> str:
    """Encode a value as JSON, and escape that for COPY."""
    return msgspec.json.encode(value).decode().replace("\\", "\\\\")


def storable(text: str) -> str:
    """Replace each character that PostgreSQL cannot store by a question mark."""
    return _UNSTORABLE.sub("?", text)


def unstorable(text: str) -> str | None:
    """Return the reason why PostgreSQL cannot store a text, or None."""
    bad = _UNSTORABLE.search(text)
    if bad is None:
        return None
    return "has a NUL character" if bad[0] == "\0" else "not valid Unicode"


def birthday(month: str, day: str, both: str) -> str:
    """Return month and day for COPY, from two cells or from one: `4/9`, or a date. Raises Refused."""
    if not month and not day:
        if not both:
            return f"{NULL}\t{NULL}"
        if match := _MONTH_AND_DAY.fullmatch(both):
            month, day = match.groups()
        elif date := parse_date(both):
            return f"{date.month}\t{date.day}"
    month_number, day_number = _small_number(month), _small_number(day)
    if not 1 <= month_number <= 12 or not 1 <= day_number <= _MONTH_DAYS[month_number - 1]:
        raise Refused("Invalid birthday", correctable=True)
    return f"{month_number}\t{day_number}"


def _small_number(text: str) -> int:
    return int(text) if len(text) <= 2 and text.isascii() and text.isdigit() else 0


@lru_cache(_MAX_KNOWN)
def anniversary(text: str) -> str:
    """Return a date for COPY, NULL for an empty text. Raises Refused."""
    if not text:
        return NULL
    date = parse_date(text)
    if date is None:
        raise Refused("Invalid anniversary", correctable=True)
    return date.isoformat()


def sms_channel(number: str, consent_date: str, now: datetime, *, explicit: bool) -> tuple[str, str]:
    """Return the key of a number, and its channel as JSON for COPY. Raises Refused.

    Without a date of consent the permission is not explicit (V3 contract 6.3).
    """
    parsed = parse_sms_number(number)
    if parsed is None:
        raise Refused("Invalid sms_number")
    opt_in_date = _consented_at(consent_date, now) if explicit else None
    consent = SmsConsent(
        sms_consent_permission=EXPLICIT if opt_in_date else NOT_SET,
        consent_type="promotional_sms",
        created_at=now,
        updated_at=now,
        opt_in_date=opt_in_date,
    )
    channel = SmsChannel(
        sms_channel_id=new_id(),
        sms_address=parsed.national,
        dial_code=parsed.dial_code,
        country_code=parsed.country_code,
        create_source=BY_ACCOUNT,
        sms_channel_consents=(consent,),
    )
    return parsed.key, copied_json(channel)


def _consented_at(text: str, now: datetime) -> datetime | None:
    """Return the date of consent, or None if it is invalid or in the future. Allows a day for time zones ahead of UTC."""
    date = parse_date(text)
    moment = datetime(date.year, date.month, date.day, tzinfo=UTC) if date else parse_datetime(text)
    if moment is None or moment > now + timedelta(days=1):
        return None
    return min(moment, now)


class FieldColumn:
    """A column of a custom field."""

    def __init__(self, place: int, field: CustomField) -> None:
        self.place = place
        self.key = f'"{field.custom_field_id}":'
        self._field = field
        self.is_text = field.type in ("string", "text_area")
        self._known: dict[str, str] = {}
        self._choices = {"": ""}
        for choice in (*field.live_choices, *field.choices):
            self._choices.setdefault(choice.choice_label.casefold(), str(choice.choice_id))
        for choice in field.choices:
            self._choices.setdefault(str(choice.choice_id), str(choice.choice_id))
        self._most_parts = max(label.count(",") for label in self._choices) + 1

    def json(self, text: str) -> str:
        """Return the value of a cell as JSON for COPY. Raises Refused."""
        if self.is_text:
            if len(text) > MAX_VALUE:
                raise Refused(f"{self._field.label} has more than {MAX_VALUE} characters")
            return copied_json(text)
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            known = self._known[text] = copied_json(self._value(text))
        return known

    def _value(self, text: str) -> Value | None:
        try:
            return checked_value(self._field, text, None)
        except Invalid:
            parts = text.split(",") if self._field.type == "multi_select" else [text]
            chosen = self._chosen(parts) if self._field.type in SELECTS else []
        if not chosen:
            raise Refused(f"Invalid {self._field.label}")
        return chosen

    def _chosen(self, parts: list[str]) -> list[str]:
        """Return the ids of the choices in a cell that was split at its commas; none if any part is not a choice.

        A label may contain commas, so the longest is tried first. A deleted choice still counts, after the others.
        """
        ends: list[int | None] = [None] * len(parts) + [len(parts)]
        ids = [""] * len(parts)
        for begin in reversed(range(len(parts))):
            for end in range(min(begin + self._most_parts, len(parts)), begin, -1):
                choice_id = self._choices.get(",".join(parts[begin:end]).strip().casefold())
                if choice_id is not None and ends[end] is not None:
                    ids[begin], ends[begin] = choice_id, end
                    break
        chosen: dict[str, None] = {}
        begin = 0
        while begin < len(parts):
            end = ends[begin]
            if end is None:
                return []
            chosen[ids[begin]] = None
            begin = end
        return [choice_id for choice_id in chosen if choice_id]
