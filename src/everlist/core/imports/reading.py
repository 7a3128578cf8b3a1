"""Turn the bytes of an upload into lines of COPY, a piece at a time; the whole is never in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

import msgspec

from everlist.core.activities import MAX_ERRORS, Activity, ActivityFailed
from everlist.core.contacts.identity import keys_in
from everlist.core.imports.columns import Columns, Rejected, Staged, copy_text
from everlist.core.imports.csvfile import CsvReader, NotCsv, whole_lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from everlist.core.custom_fields import CustomField
    from everlist.core.imports.csvfile import Record

COLUMNS: tuple[LiteralString, ...] = (
    *("account_id", "activity_id", "row_number", "line_number", "contact_id", "email", "email_key"),
    *("sms_number", "sms_channel", "first_name", "last_name", "job_title", "company_name"),
    *("birthday_month", "birthday_day", "anniversary", "custom_fields", "phone_numbers", "street_addresses"),
    *("opted_out", "problem", "correctable", "keys"),
)
"""The columns of import_row as they are copied."""
_COPY_SIZE = (
    1 << 16
)  # characters; fits into the socket buffer, so PostgreSQL reads while we prepare the next lines
_NULLS = "\t\\N" * 13 + "\tf"  # email_key to street_addresses, and opted_out
_NO_CONTACT = "00000000-0000-0000-0000-000000000000"
_MAX_NAMES_SHOWN = 50
_MAX_NAME_SHOWN = 80
VENDOR_ROWS = 40_000
"""How many lines of a file the vendor reads, its header included."""
VENDOR_BYTES = 4 * 1024 * 1024


class Reading:
    """Reads one upload, and collects its counts, remarks and errors."""

    def __init__(
        self,
        activity: Activity,
        fields: Sequence[CustomField],
        *,
        is_json: bool,
        sms_permission: str,
        vendor_limits: bool,
        now: datetime,
    ) -> None:
        self._is_json = is_json
        self._prefix = f"{activity.account_id}\t{activity.activity_id}\t"
        self._fields = fields
        self._sms_permission = sms_permission
        self._vendor_limits = vendor_limits
        self._now = now
        self.rows = 0
        self.header_rows = 0
        self.has_numbers = False
        """True if a row has an SMS number."""
        self.has_opt_outs = False
        """True if the file says of any person that they have unsubscribed."""
        self.custom_field_ids: Sequence[UUID] = ()
        """The custom fields that rows may have values of."""
        self.remarks: list[str] = []
        """Remarks on the file: ignored columns, lines that were cut."""
        self.errors: list[str] = []
        """Errors of single rows, up to MAX_ERRORS."""

    async def copy_lines(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield lines for COPY into COLUMNS, many at a time. Raises ActivityFailed."""
        read = self._json_rows if self._is_json else self._csv_rows
        lines: list[str] = []
        size = 0
        async for staged in read(self._limited(pieces)):
            for row in staged:
                line = self._line(row)
                lines.append(line)
                size += len(line)
                if size >= _COPY_SIZE:
                    yield "".join(lines).encode()
                    lines.clear()
                    size = 0
        if lines:
            yield "".join(lines).encode()

    async def _limited(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the pieces; with vendor limits, only up to the last whole line that the vendor reads."""
        left = VENDOR_BYTES
        head = rest = b""
        async for piece in pieces:
            if not self._vendor_limits:
                yield piece
                continue
            head = head or piece[:4]
            lines = rest + piece[:left]
            end = whole_lines(lines, head)
            yield lines[:end]
            rest = lines[end:]
            if len(piece) > left:
                self.remarks.append(
                    "Only the first 4 MB of the file were read, as the vendor does (EVERLIST_VENDOR_IMPORT_LIMITS)"
                )
                return
            left -= len(piece)
        if rest:
            yield rest

    async def _csv_rows(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[Iterator[Staged | Rejected]]:
        reader = CsvReader()
        columns: Columns | None = None
        try:
            async for piece in pieces:
                records = reader.feed(piece)
                if columns is None and records:
                    columns, records = self._columns(records[0]), records[1:]
                if columns is not None:
                    yield self._staged(columns, records)
            records = reader.finish()
        except NotCsv as error:
            raise ActivityFailed(str(error)) from error
        if columns is None and records:
            columns, records = self._columns(records[0]), records[1:]
        if columns is not None:
            yield self._staged(columns, records)

    def _columns(self, header: Record) -> Columns:
        self.header_rows = 1
        if header.cells is None:
            raise ActivityFailed(f"the first line cannot be read: {header.problem}")
        try:
            columns = Columns.of_header(header.cells, self._fields, sms_permission=self._sms_permission)
        except NotCsv as error:
            raise ActivityFailed(str(error)) from error
        self.custom_field_ids = columns.custom_field_ids
        self._remark_on(columns)
        return columns

    def _remark_on(self, columns: Columns) -> None:
        """Report the ignored columns, shortened: every answer that shows the activity repeats them."""
        names = [
            name if len(name) <= _MAX_NAME_SHOWN else name[:_MAX_NAME_SHOWN] + "…" for name in columns.ignored
        ]
        if len(names) > _MAX_NAMES_SHOWN:
            names = [*names[:_MAX_NAMES_SHOWN], f"and {len(names) - _MAX_NAMES_SHOWN:,} more"]
        if names:
            self.remarks.append("Ignored columns: " + ", ".join(names))

    def _staged(self, columns: Columns, records: Sequence[Record]) -> Iterator[Staged | Rejected]:
        for record in records:
            if self._vendor_limits and self.rows + self.header_rows >= VENDOR_ROWS:
                self._cut_rows()
                return
            self.rows += 1
            if record.cells is None:
                yield Rejected(
                    row_number=self.rows,
                    line_number=record.line_number,
                    email="",
                    reason=record.problem or "",
                    correctable=False,
                )
            else:
                yield columns.stage(
                    record.cells, row_number=self.rows, line_number=record.line_number, now=self._now
                )

    def _cut_rows(self) -> None:
        remark = f"Only the first {VENDOR_ROWS:,} lines were read, as the vendor does (EVERLIST_VENDOR_IMPORT_LIMITS)"
        if remark not in self.remarks:
            self.remarks.append(remark)

    async def _json_rows(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[Iterator[Staged | Rejected]]:
        """Yield the rows of an upload that holds one JSON object a line."""
        columns = Columns.of_json(self._fields, sms_permission=self._sms_permission)
        self.custom_field_ids = columns.custom_field_ids
        rest = b""
        async for piece in pieces:
            *lines, rest = (rest + piece).split(b"\n")
            yield self._staged_items(columns, lines)
        if rest:
            yield self._staged_items(columns, [rest])
        self._remark_on(columns)

    def _staged_items(self, columns: Columns, lines: Sequence[bytes]) -> Iterator[Staged | Rejected]:
        for line in lines:
            if self._vendor_limits and self.rows >= VENDOR_ROWS:
                self._cut_rows()
                return
            self.rows += 1
            try:
                item = msgspec.json.decode(line, type=dict[str, object])
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                # The line was checked to be JSON, but may have a number too big to decode, or a text that is not UTF-8.
                why = "not valid UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
                yield Rejected(
                    row_number=self.rows, line_number=self.rows, email="", reason=why, correctable=False
                )
                continue
            yield columns.stage_item(item, row_number=self.rows, line_number=self.rows, now=self._now)

    def _line(self, row: Staged | Rejected) -> str:
        if isinstance(row, Staged):
            if row.sms_number is not None:
                self.has_numbers = True
            if row.opted_out:
                self.has_opt_outs = True
            return f"{self._prefix}{row.line}\t\\N\tf\t\\N\n"
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(f"Line {row.line_number}: {row.reason}")
        keys = "{" + ",".join(f'"{key}"' for key in keys_in(row.email)) + "}"
        return (
            f"{self._prefix}{row.row_number}\t{row.line_number}\t{_NO_CONTACT}\t{copy_text(row.email)}{_NULLS}"
            f"\t{copy_text(row.reason)}\t{'t' if row.correctable else 'f'}\t{copy_text(keys)}\n"
        )
