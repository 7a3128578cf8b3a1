"""Define custom fields, and check the values that contacts hold in them. V3 contract 4.2."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, LiteralString
from uuid import UUID

import msgspec

from everlist.core import accounts
from everlist.core.dates import parse_date, parse_datetime
from everlist.core.ids import new_id
from everlist.core.paging import Page
from everlist.errors import Conflict, Invalid, LimitReached, NotFound, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from everlist.db import Queries, Row, Transaction

MAX_FIELDS = 100
MAX_NAME = 50
MAX_VALUE = 255
TYPES = (
    "string",
    "text_area",
    "date",
    "datetime",
    "number",
    "currency",
    "boolean",
    "single_select",
    "multi_select",
)
SELECTS = ("single_select", "multi_select")
DISPLAY_TYPES = ("dropdown", "checkbox", "radio")
FIRST_CHOICE_ID = 10001

Metadata = dict[str, Any]
"""The settings of a type: display_type, allow_negative, decimal_places, currency_code, integer, display_format."""

Value = str | list[str]
"""A contact's value of a field: a text, or the ids of choices."""


class Choice(msgspec.Struct, frozen=True):
    """One choice of a select field. A removed choice is kept, with the day of its removal."""

    choice_id: int
    choice_label: str
    display_order: int
    created_at: datetime
    updated_at: datetime
    deleted_at: date | None = None


class CustomField(msgspec.Struct, frozen=True):
    """The definition of a field."""

    custom_field_id: UUID
    label: str
    name: str
    type: str
    metadata: Metadata
    version: int
    choices: tuple[Choice, ...]
    created_at: datetime
    updated_at: datetime

    @property
    def live_choices(self) -> tuple[Choice, ...]:
        """Return the choices that were not removed, in display order."""
        live = (choice for choice in self.choices if choice.deleted_at is None)
        return tuple(sorted(live, key=lambda choice: (choice.display_order, choice.choice_id)))


class ChoiceDraft(msgspec.Struct, frozen=True):
    """A choice as a client sends it."""

    choice_label: str
    display_order: int | None = None
    choice_id: int | None = None


_choices = msgspec.json.Decoder(tuple[Choice, ...])


def _custom_field(row: Row) -> CustomField:
    return CustomField(
        custom_field_id=row["custom_field_id"],
        label=row["label"],
        name=row["name"],
        type=row["type"],
        metadata=msgspec.json.decode(row["metadata"]) if row["metadata"] else {},
        version=row["version"],
        choices=_choices.decode(row["choices"]) if row["choices"] else (),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def slug(label: str) -> str:
    """Return the name made from a label: lower case, blanks as underscores, as long as a label at most."""
    return re.sub(r"\s", "_", label.strip()).lower()[:MAX_NAME]


async def create(
    tx: Transaction,
    account_id: UUID,
    *,
    label: str,
    kind: str,
    metadata: Metadata,
    version: int = 1,
    choices: Sequence[ChoiceDraft] = (),
    now: datetime,
) -> CustomField:
    """Define a field. Raises Invalid, Conflict (another field has the name) and LimitReached."""
    if kind not in TYPES:
        raise Invalid(Problem("type"))
    if version not in (1, 2):
        raise Invalid(Problem("version"))
    metadata = _checked_metadata(kind, metadata, version)
    _check_choices(kind, metadata, choices)
    name = slug(label)
    await _refuse_taken_name(tx, account_id, name, except_id=None)
    await accounts.lock(tx, account_id)
    if await tx.value("select count(*) from custom_field where account_id = $1", account_id) >= MAX_FIELDS:
        raise LimitReached(f"an account may have at most {MAX_FIELDS} custom fields")
    field = CustomField(
        custom_field_id=new_id(),
        label=label,
        name=name,
        type=kind,
        metadata=metadata,
        version=version,
        choices=_merged_choices((), choices, now),
        created_at=now,
        updated_at=now,
    )
    await tx.execute(
        "insert into custom_field"
        " (account_id, custom_field_id, label, name, type, metadata, version, choices, created_at, updated_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
        account_id,
        field.custom_field_id,
        label,
        name,
        kind,
        msgspec.json.encode(metadata).decode(),
        version,
        msgspec.json.encode(field.choices).decode(),
        now,
    )
    return field


async def get(db: Queries, account_id: UUID, custom_field_id: UUID) -> CustomField:
    """Return a field. Raises NotFound."""
    row = await db.row(
        "select custom_field_id, label, name, type, metadata, version, choices, created_at, updated_at"
        " from custom_field where account_id = $1 and custom_field_id = $2",
        account_id,
        custom_field_id,
    )
    if row is None:
        raise NotFound(f"no custom field has the id {custom_field_id}")
    return _custom_field(row)


async def replace(
    tx: Transaction,
    account_id: UUID,
    custom_field_id: UUID,
    *,
    label: str,
    choices: Sequence[ChoiceDraft] | None,
    now: datetime,
) -> CustomField:
    """Set the label and, for a select field, the choices; remove the choices that are left out.

    The name follows the label. Raises NotFound, Invalid and Conflict (another field has the name).
    """
    await _wait_for_chunks(tx, account_id)
    row = await tx.row(
        "select custom_field_id, label, name, type, metadata, version, choices, created_at, updated_at"
        " from custom_field where account_id = $1 and custom_field_id = $2 for no key update",
        account_id,
        custom_field_id,
    )
    if row is None:
        raise NotFound(f"no custom field has the id {custom_field_id}")
    before = _custom_field(row)
    _check_choices(before.type, before.metadata, choices or ())
    known = {choice.choice_id for choice in before.choices}
    if any(draft.choice_id is not None and draft.choice_id not in known for draft in choices or ()):
        raise Invalid(Problem("choice_id"))
    name = slug(label)
    if name != before.name:
        await _refuse_taken_name(tx, account_id, name, except_id=custom_field_id)
    merged = _merged_choices(before.choices, choices or (), now)
    if (label, merged) == (before.label, before.choices):
        return before
    await tx.execute(
        "update custom_field set label = $3, name = $4, choices = $5, updated_at = $6"
        " where account_id = $1 and custom_field_id = $2",
        account_id,
        custom_field_id,
        label,
        name,
        msgspec.json.encode(merged).decode(),
        now,
    )
    return msgspec.structs.replace(before, label=label, name=name, choices=merged, updated_at=now)


_LOCK: LiteralString = "hashtextextended('everlist fields ' || $1::uuid::text, 0)"


async def keep(tx: Transaction, account_id: UUID, custom_field_ids: Iterable[UUID]) -> set[UUID]:
    """Return which of the ids are fields; block changes of all fields until this transaction ends.

    For the chunks of an import. A change of a field waits for the running chunks, and later chunks queue behind it.
    A row lock has no such queue: overlapping chunks would share it for as long as the import runs.
    """
    await tx.execute("select pg_advisory_xact_lock_shared(" + _LOCK + ")", account_id)
    rows = await tx.rows(
        "select custom_field_id from custom_field where account_id = $1 and custom_field_id = any($2)",
        account_id,
        list(custom_field_ids),
    )
    return {row["custom_field_id"] for row in rows}


async def _wait_for_chunks(tx: Transaction, account_id: UUID) -> None:
    """Wait for the chunks that hold the shared lock of `keep`; make later ones wait for this transaction."""
    await tx.execute("select pg_advisory_xact_lock(" + _LOCK + ")", account_id)


async def lock_for_delete(tx: Transaction, account_id: UUID, custom_field_ids: tuple[UUID, ...]) -> None:
    """Block other writers of values of these fields until this transaction ends."""
    await tx.rows(
        "select custom_field_id from custom_field where account_id = $1 and custom_field_id = any($2)"
        " order by custom_field_id for update",
        account_id,
        list(custom_field_ids),
    )


async def delete_definitions(tx: Transaction, account_id: UUID, custom_field_ids: tuple[UUID, ...]) -> None:
    """Delete definitions whose values are already deleted; ignore ids that do not exist."""
    await tx.execute(
        "delete from custom_field where account_id = $1 and custom_field_id = any($2)",
        account_id,
        list(custom_field_ids),
    )


async def delete_definition(tx: Transaction, account_id: UUID, custom_field_id: UUID) -> None:
    """Delete the definition; contacts.delete_custom_field deletes the values. Raises NotFound."""
    await _wait_for_chunks(tx, account_id)
    deleted = await tx.value(
        "delete from custom_field where account_id = $1 and custom_field_id = $2 returning custom_field_id",
        account_id,
        custom_field_id,
    )
    if deleted is None:
        raise NotFound(f"no custom field has the id {custom_field_id}")


async def page(
    db: Queries, account_id: UUID, *, limit: int, from_id: UUID | None = None
) -> Page[CustomField]:
    """Return a page of definitions, oldest first."""
    rows = await db.rows(
        "select custom_field_id, label, name, type, metadata, version, choices, created_at, updated_at"
        " from custom_field where account_id = $1 and ($2::uuid is null or custom_field_id >= $2)"
        " order by custom_field_id limit $3",
        account_id,
        from_id,
        limit + 1,
    )
    next_id = rows[limit]["custom_field_id"] if len(rows) > limit else None
    return Page(items=[_custom_field(row) for row in rows[:limit]], next_id=next_id)


async def lock_existing(
    tx: Transaction, account_id: UUID, custom_field_ids: Iterable[UUID]
) -> dict[UUID, CustomField]:
    """Return the fields of those ids that exist; block their change and deletion until this transaction ends."""
    ids = list(custom_field_ids)
    if not ids:
        return {}
    rows = await tx.rows(
        "select custom_field_id, label, name, type, metadata, version, choices, created_at, updated_at"
        " from custom_field where account_id = $1 and custom_field_id = any($2) order by custom_field_id for share",
        account_id,
        ids,
    )
    return {row["custom_field_id"]: _custom_field(row) for row in rows}


def checked_value(field: CustomField, value: str | None, choice_ids: Sequence[str] | None) -> Value | None:
    """Return the value to store for what a client sent; None if that is empty.

    A select field takes `choice_ids`, or in `value` the label or id of one choice. Raises Invalid, which names
    the field by its label.
    """
    if field.type in SELECTS:
        return _checked_choice_ids(field, value, choice_ids)
    if value is None or value == "":
        return None
    checked = _checked_text(field, value)
    if checked is None or len(checked) > MAX_VALUE:
        raise Invalid(Problem(f"custom_fields: {field.label}"))
    return checked


def _checked_choice_ids(
    field: CustomField, value: str | None, choice_ids: Sequence[str] | None
) -> list[str] | None:
    wanted = list(dict.fromkeys(choice_ids or ()))
    if not wanted and value:
        wanted = [
            str(choice.choice_id)
            for choice in field.live_choices
            if value.casefold() == choice.choice_label.casefold() or value == str(choice.choice_id)
        ][:1] or [value]
    # Accept removed choices too: clients send back the contact as they fetched it.
    known = {str(choice.choice_id) for choice in field.choices}
    if any(choice_id not in known for choice_id in wanted) or (
        field.type == "single_select" and len(wanted) > 1
    ):
        raise Invalid(Problem(f"custom_fields: {field.label}"))
    return wanted or None


_NUMBER = re.compile(r"-?\d{1,30}(?:\.(\d{1,10}))?", re.ASCII)


def _checked_text(field: CustomField, value: str) -> str | None:  # noqa: PLR0911 - one for each type
    match field.type:
        case "string" | "text_area":
            return value
        case "boolean":
            return value.lower() if value.lower() in ("true", "false") else None
        case "number" | "currency":
            number = _NUMBER.fullmatch(value)
            if number is None or (value.startswith("-") and not field.metadata.get("allow_negative", False)):
                return None
            decimals = 0 if field.metadata.get("integer") else field.metadata.get("decimal_places", 4)
            return value if len(number[1] or "") <= decimals else None
        case "date" if field.version == 1:  # the old kind of date: any text
            return value
        case "date":
            day = parse_date(value)
            return day.isoformat() if day else None
        case _:  # datetime
            return value if parse_datetime(value) or parse_date(value) else None


_METADATA_OF = {
    "number": ("allow_negative", "decimal_places", "integer"),
    "currency": ("allow_negative", "currency_code", "decimal_places", "integer"),
    "date": ("display_format",),
    "datetime": ("display_format",),
    "single_select": ("display_type",),
    "multi_select": ("display_type",),
}


def _checked_metadata(kind: str, given: Metadata, version: int) -> Metadata:
    """Return the metadata with the defaults of the type; drop keys that the type does not have."""
    metadata = {key: given[key] for key in _METADATA_OF.get(kind, ()) if given.get(key) is not None}
    problems: list[Problem] = []
    if kind in SELECTS and "display_type" not in metadata:
        problems.append(Problem("metadata[display_type]", missing=True))
    elif kind in SELECTS and metadata["display_type"] not in DISPLAY_TYPES:
        problems.append(Problem("metadata[display_type]"))
    if kind in ("number", "currency"):
        metadata.setdefault("allow_negative", False)
        least = 0 if metadata.get("integer", True) else 1
        if not least <= metadata.get("decimal_places", 0) <= 4:
            problems.append(Problem("metadata[decimal_places]"))
    if "currency_code" in metadata and not re.fullmatch(r"[A-Za-z]{3}", metadata["currency_code"], re.ASCII):
        problems.append(Problem("metadata[currency_code]"))
    if kind in ("date", "datetime") and version == 2:
        metadata.setdefault("display_format", "YYYY-MM-DD")
    if problems:
        raise Invalid(*problems)
    return metadata


def _check_choices(kind: str, metadata: Metadata, choices: Sequence[ChoiceDraft]) -> None:
    if kind not in SELECTS:
        if choices:
            raise Invalid(Problem("choices"))
        return
    most = 100 if metadata.get("display_type") == "dropdown" else 20
    labels = [draft.choice_label.casefold() for draft in choices]
    ids = [draft.choice_id for draft in choices if draft.choice_id is not None]
    if not choices:
        raise Invalid(Problem("choices", missing=True))
    if len(choices) > most:
        raise Invalid(Problem("choices", f"at most {most}"))
    if len(set(labels)) != len(labels) or len(set(ids)) != len(ids):
        raise Invalid(Problem("choices", "each may stand there once"))


def _merged_choices(
    before: Sequence[Choice], drafts: Sequence[ChoiceDraft], now: datetime
) -> tuple[Choice, ...]:
    """Return the choices after the drafts: update or bring back known ones, add new ones, mark the others as removed."""
    known = {choice.choice_id: choice for choice in before}
    next_id = max(known, default=FIRST_CHOICE_ID - 1) + 1
    merged: dict[int, Choice] = {}
    for order, draft in enumerate(drafts, start=1):
        display_order = order if draft.display_order is None else draft.display_order
        old = known.get(draft.choice_id) if draft.choice_id is not None else None
        if old is None:
            merged[next_id] = Choice(
                choice_id=next_id,
                choice_label=draft.choice_label,
                display_order=display_order,
                created_at=now,
                updated_at=now,
            )
            next_id += 1
        elif (old.choice_label, old.display_order, old.deleted_at) == (
            draft.choice_label,
            display_order,
            None,
        ):
            merged[old.choice_id] = old
        else:
            merged[old.choice_id] = Choice(
                choice_id=old.choice_id,
                choice_label=draft.choice_label,
                display_order=display_order,
                created_at=old.created_at,
                updated_at=now,
            )
    for choice in before:
        if choice.choice_id not in merged:
            merged[choice.choice_id] = msgspec.structs.replace(
                choice, deleted_at=choice.deleted_at or now.date()
            )
    return tuple(merged[choice_id] for choice_id in sorted(merged))


async def _refuse_taken_name(tx: Transaction, account_id: UUID, name: str, *, except_id: UUID | None) -> None:
    taken_by = await tx.value(
        "select custom_field_id from custom_field"
        " where account_id = $1 and name = $2 and custom_field_id is distinct from $3",
        account_id,
        name,
        except_id,
    )
    if taken_by is not None:
        raise Conflict(f"A custom field with this label already exists: {taken_by}")
