"""The columns of an exported file: their titles and their cells. V3 contract 6.4.

The importer recognises every title, and takes the values in the form in which they are written here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from everlist.core import custom_fields, lists
from everlist.core.contacts import Contact
from everlist.core.contacts.model import ADDRESS_KINDS, MAX_STREET_ADDRESSES, PHONE_KINDS
from everlist.core.imports.columns import column_of
from everlist.core.imports.names import ColumnNames
from everlist.errors import Invalid, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from everlist.core.consent.sms import SmsConsent
    from everlist.core.custom_fields import CustomField
    from everlist.db import Queries

Cell = Callable[[Contact], str | int | None]


class Column(NamedTuple):
    """One column of the file."""

    field: str
    title: str
    cell: Cell
    include: str = ""
    """The sub-resource of the contact that the cell needs."""


_STATUS = {
    "explicit": "Active",
    "implicit": "Active",
    "not_set": "Not set",
    "pending_confirmation": "Awaiting confirmation",
    "temp_hold": "Temporary hold",
    "unsubscribed": "Unsubscribed",
}
_PERMISSION = {
    "explicit": "Explicit",
    "implicit": "Implicit",
    "not_set": "Not set",
    "pending_confirmation": "Pending confirmation",
    "temp_hold": "Temporary hold",
    "unsubscribed": "Unsubscribed",
}


def _status(contact: Contact) -> str:
    return "Removed" if contact.deleted_at else _STATUS.get(contact.permission or "", "")


def _permission(contact: Contact) -> str:
    return _PERMISSION.get(contact.permission or "", "")


def shown_moment(at: datetime | None) -> str:
    """Format a time in whole seconds, as the API does; an empty text for None."""
    return "" if at is None else at.astimezone(UTC).isoformat()[:19] + "Z"


def _moments(attribute: str) -> Cell:
    return lambda contact: shown_moment(getattr(contact, attribute))


def _birthday(contact: Contact) -> str:
    month, day = contact.birthday_month, contact.birthday_day
    return f"{month:02}/{day:02}" if month and day else ""


def _anniversary(contact: Contact) -> str:
    return contact.anniversary.isoformat() if contact.anniversary else ""


def _notes(contact: Contact) -> str:
    return ", ".join([note.content for note in contact.notes or ()])


def _phones(kind: str) -> Cell:
    return lambda contact: ", ".join(
        [phone.phone_number for phone in contact.phone_numbers or () if phone.kind == kind]
    )


def _address(kind: str, part: str, number: int = 1) -> Cell:
    """Return the cell of a part of the `number`th address of a kind."""

    def cell(contact: Contact) -> str:
        addresses = contact.street_addresses
        if not addresses:
            return ""
        if len(addresses) == 1:  # most contacts have one address, and fifteen columns look at it
            (address,) = addresses
            return (getattr(address, part) or "") if number == 1 and address.kind == kind else ""
        parts = [getattr(address, part) for address in addresses if address.kind == kind]
        return (parts[number - 1] or "") if len(parts) >= number else ""

    return cell


def _consent(contact: Contact) -> SmsConsent | None:
    consents = contact.sms_channel.sms_channel_consents if contact.sms_channel else ()
    return consents[0] if consents else None


def _sms_number(contact: Contact) -> str:
    channel = contact.sms_channel
    return f"+{channel.dial_code}{channel.sms_address}" if channel else ""


def _sms_consent_date(contact: Contact) -> str:
    consent = _consent(contact)
    return consent.opt_in_date.date().isoformat() if consent and consent.opt_in_date else ""


def _sms_status(contact: Contact) -> str:
    consent = _consent(contact)
    return _PERMISSION[consent.sms_consent_permission] if consent else ""


def _nothing(_contact: Contact) -> str:
    return ""


_ADDRESS_PARTS = (
    ("street", "street", "Street address line 1"),
    ("city", "city", "City"),
    ("state", "state", "State/Province"),
    ("zip", "postal_code", "Zip/Postal Code"),
    ("country", "country", "Country"),
)
_BEFORE_MEMBERSHIPS = (
    Column("email_address", "Email address", attrgetter("email")),
    Column("email_address", "Email status", _status),
    Column("email_address", "Email permission status", _permission),
    Column("email_optin_source", "Email opt-in source", attrgetter("opt_in_source")),
    Column("email_optin_date", "Email opt-in date", _moments("opt_in_at")),
    Column("email_optout_source", "Email opt-out source", attrgetter("opt_out_source")),
    Column("email_optout_date", "Email opt-out date", _moments("opt_out_at")),
    Column("email_optout_reason", "Email opt-out reason", attrgetter("opt_out_reason")),
    Column("first_name", "First name", attrgetter("first_name")),
    Column("last_name", "Last name", attrgetter("last_name")),
    Column("company_name", "Company", attrgetter("company_name")),
    Column("job_title", "Job title", attrgetter("job_title")),
    *(Column("phone_number", f"Phone - {kind}", _phones(kind), "phone_numbers") for kind in PHONE_KINDS),
    *(
        Column(field, f"{title} - {kind.title()}", _address(kind, part), "street_addresses")
        for kind in ADDRESS_KINDS
        for field, part, title in _ADDRESS_PARTS
    ),
)
_FURTHER_ADDRESSES = {
    (kind, number): tuple(
        Column(field, f"{title} - {kind.title()} {number}", _address(kind, part, number), "street_addresses")
        for field, part, title in _ADDRESS_PARTS
    )
    for kind in ADDRESS_KINDS
    for number in range(2, MAX_STREET_ADDRESSES + 1)
}
"""The columns of a second and a third address of one kind, which few accounts have."""
_AFTER_MEMBERSHIPS = (
    Column("source_name", "Source Name", attrgetter("create_source")),
    Column("created_at", "Created At", _moments("created_at")),
    Column("updated_at", "Updated At", _moments("updated_at")),
    Column("birthday", "Birthday", _birthday),
    Column("birthday_day", "birthday_day", attrgetter("birthday_day")),
    Column("birthday_month", "birthday_month", attrgetter("birthday_month")),
    Column("anniversary", "Anniversary", _anniversary),
    Column("notes", "Notes", _notes, "notes"),
    Column("sms_number", "sms_number", _sms_number, "sms_channel"),
    Column("sms_consent_date", "sms_consent_date", _sms_consent_date, "sms_channel"),
    Column("sms_status", "sms_status", _sms_status, "sms_channel"),
    Column("social_profiles", "Social profiles", _nothing),
    Column("website", "Website", _nothing),
)
_ADDRESS_FIELDS = frozenset(field for field, _, _ in _ADDRESS_PARTS)
_ONLY_BY_NAME = ("social_profiles", "website")  # always empty: we store neither
_WITH_EMAIL = frozenset(
    f"email_{way}_{what}" for way in ("optin", "optout") for what in ("source", "date", "reason")
)
_ALL_CUSTOM = "custom_fields"

FIELDS = frozenset(
    {column.field for column in (*_BEFORE_MEMBERSHIPS, *_AFTER_MEMBERSHIPS)}
    | {"email_lists", "tags", _ALL_CUSTOM}
)
"""The words that ExportRequest.fields may hold, apart from the ids of custom fields."""


def checked_fields(names: Iterable[str], defined: Sequence[CustomField]) -> tuple[str, ...]:
    """Return the fields that `names` mean, for ExportRequest. Raises Invalid.

    A custom field may be given by its name, with or without `cf:` before it, by its label or by its id.
    """
    custom = {field.label.casefold(): str(field.custom_field_id) for field in defined}
    for field in defined:
        field_id = str(field.custom_field_id)
        custom |= {field.name: field_id, f"cf:{field.name}": field_id, field_id: field_id}
    fields: list[str] = []
    for name in names:
        field = name if name in FIELDS else custom.get(name.casefold())
        if field is None:
            raise Invalid(Problem("fields", f"there is no field {name!r}"))
        fields.append(field)
    if "email_address" not in fields:
        for field in fields:
            if field in _WITH_EMAIL:
                raise Invalid(Problem("fields", f"{field} needs email_address"))
    return tuple(dict.fromkeys(fields))


async def chosen_columns(db: Queries, account_id: UUID, fields: tuple[str, ...] | None) -> list[Column]:
    """Return the columns of a file, in the same order whatever the order of `fields`; None means all.

    A second and a third address of a kind get columns only if a contact of the account has them.
    """
    names = [
        Column("tags", "Tags", _names(await _tag_names(db, account_id), "tag_ids"), "tag_ids"),
        Column(
            "email_lists",
            "Email Lists",
            _names(await _list_names(db, account_id), "list_ids"),
            "list_ids",
        ),
    ]
    further: list[Column] = []
    if fields is None or _ADDRESS_FIELDS.intersection(fields):
        held = await _most_addresses(db, account_id)
        for (kind, number), columns in _FURTHER_ADDRESSES.items():
            if held.get(kind, 0) >= number:
                further += columns
    fixed = [*_BEFORE_MEMBERSHIPS, *further, *names, *_AFTER_MEMBERSHIPS]
    defined = (await custom_fields.page(db, account_id, limit=custom_fields.MAX_FIELDS)).items
    titles = {column.title.casefold() for column in fixed}
    known = ColumnNames(defined)
    custom: list[Column] = []
    for field in defined:
        # If the label is also the title or spelling of another column, the importer would mistake it: use the name.
        is_clear = (
            field.label.casefold() not in titles
            and column_of(field.label, known) == f"cf:{field.custom_field_id}"
        )
        title = field.label if is_clear else f"cf:{field.name}"
        custom.append(Column(str(field.custom_field_id), title, _value_of(field), "custom_fields"))
    if fields is None:
        return [*(column for column in fixed if column.field not in _ONLY_BY_NAME), *custom]
    return [
        *(column for column in fixed if column.field in fields),
        *(column for column in custom if column.field in fields or _ALL_CUSTOM in fields),
    ]


def _names(name_of: dict[UUID, str], ids_of: str) -> Cell:
    return lambda contact: ", ".join(
        [name_of[item_id] for item_id in getattr(contact, ids_of) or () if item_id in name_of]
    )


async def _most_addresses(db: Queries, account_id: UUID) -> dict[str, int]:
    """Return the highest number of addresses of one kind on a contact, for the kinds of which any contact has several."""
    rows = await db.rows(
        """
        select kind, max(number) as most from (
            select address ->> 'kind' as kind, count(*) as number
            from contact c cross join jsonb_array_elements(c.street_addresses) address
            where c.account_id = $1 and jsonb_array_length(c.street_addresses) > 1
            group by c.contact_id, address ->> 'kind' having count(*) > 1
        ) several group by kind
        """,
        account_id,
    )
    return {row["kind"]: row["most"] for row in rows}


async def _list_names(db: Queries, account_id: UUID) -> dict[UUID, str]:
    live = await lists.page(db, account_id, limit=lists.MAX_LISTS)
    return {contact_list.list_id: contact_list.name for contact_list in live.items}


async def _tag_names(db: Queries, account_id: UUID) -> dict[UUID, str]:
    rows = await db.rows("select tag_id, name from tag where account_id = $1", account_id)
    return {row["tag_id"]: row["name"] for row in rows}


def _value_of(field: CustomField) -> Cell:
    field_id = str(field.custom_field_id)
    label_of = {str(choice.choice_id): choice.choice_label for choice in field.choices}

    def cell(contact: Contact) -> str:
        value = (contact.custom_fields or {}).get(field_id, "")
        if isinstance(value, str):
            return value
        return ", ".join([label_of.get(choice_id, choice_id) for choice_id in value])

    return cell
