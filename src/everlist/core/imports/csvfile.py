"""Reading a CSV file as it arrives, piece by piece: what cannot be read costs its own row and no other.

Pure and bounded: whatever the file holds, no more is kept than one line of at most MAX_LINE bytes and one
record whose quotes are still open. Lines end with LF, CRLF or CR; cells are quoted as in RFC 4180. A first line
`sep=;`, as Excel knows it, tells the delimiter and is no header.

A broken quote must not swallow the rows after it. So a line whose quotes do not close takes the lines after it
only as far as they make one record that fits the header, within MAX_RECORD_LINES and MAX_RECORD_SIZE. If they do
not, that one line is the broken row, and reading goes on with the line after it.
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import msgspec

from everlist.core.imports.encodings import GROWTH, NotCsv, recognised

if TYPE_CHECKING:
    from everlist.core.imports.encodings import Source

MAX_LINE = 1 << 20
"""The longest line, in bytes of UTF-8."""
MAX_RECORD_LINES = 100
MAX_RECORD_SIZE = 1 << 16
"""The longest record of several lines, in characters."""
DELIMITERS = ",;\t"

_PIECE = 1 << 18
_RUN = 256  # lines that are tried at once

_LINE_END = re.compile(rb"\r\n|\r|\n")
_QUOTED = re.compile(r'"[^"]*"')
_UNREADABLE = re.compile(r"[\0\ud800-\udfff]")
_CONTROL = re.compile(r"[\0-\x08\x0e-\x1f]")
_DELIMITER_LINE = re.compile(r'("?)sep=([^\w\s"]|\t)\1[\r\n]*', re.IGNORECASE)

_BLANK = "".join(map(chr, range(1, 33)))  # all that comes before the exclamation mark, but NUL
_BROKEN_QUOTE = "has a quote that does not close, or text after one that does"


class Record(msgspec.Struct, gc=False):
    """One row of the file: its cells, as many as the header has, or the problem that makes it unreadable."""

    line_number: int
    """The line where it begins; the first line of the file is 1."""
    cells: list[str] | None
    problem: str | None


class CsvReader:
    """Takes the bytes of a file in pieces of any size and gives its rows, the header first.

    Where a piece ends makes no difference. Rows in which nothing stands are left out.
    """

    def __init__(self, *, max_line: int = MAX_LINE) -> None:
        self.header: list[str] | None = None
        """The names of the columns, once they are read."""
        self._max_line = max_line
        self._piece = min(_PIECE, max_line // GROWTH)  # so no line that lies within a piece is too long
        self._head = b""  # of the file, until its encoding is known
        self._source: Source | None = None
        self._line = 1  # the number of the line that is read next
        self._rest = bytearray()  # the beginning of a line
        self._ends_with_cr = False  # what follows the rest is a CR, which may be half of a line end
        self._skipping = False  # inside a line that is too long
        self._open = ""  # the first lines of a record
        self._suspicious = False  # what is open may have characters that no row may have
        self._separate_by(",")
        self._is_separated = False  # the first line has told by what
        self._width = self._named = 0  # of the header: all cells, and those up to the last that has a name

    def feed(self, data: bytes) -> list[Record]:
        """The rows that end in these bytes. Raises NotCsv."""
        records: list[Record] = []
        if self._source is None:
            self._head += data
            if len(self._head) < 4:
                return records
            self._source, data = recognised(self._head)
        for start in range(0, len(data), self._piece):
            self._take(self._source.utf8(data[start : start + self._piece]), records)
        return records

    def finish(self) -> list[Record]:
        """The rows that were left when the file ended. Raises NotCsv."""
        records: list[Record] = []
        if self._source is None:
            self._source, data = recognised(self._head)
            self._take(self._source.utf8(data), records)
        self._take(self._source.last(), records)
        if self._rest:
            self._take(b"\n", records)
        self._read("", records, last=True)
        if self.header is None:
            message = "the file is empty"
            raise NotCsv(message)
        return records

    def _take(self, data: bytes, records: list[Record]) -> None:
        """Read the lines that end in a piece of UTF-8, and keep what follows them."""
        if self._ends_with_cr:
            data = b"\r" + data
        self._ends_with_cr = data.endswith(b"\r")
        if self._ends_with_cr:
            data = data[:-1]
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if end:
            self._take_lines(data[:end], records)
            data = data[end:]
        if not self._skipping:
            self._rest += data
            if len(self._rest) > self._max_line:
                self._skip(records)

    def _take_lines(self, lines: bytes, records: list[Record]) -> None:
        if (self._rest or self._skipping) and (end := _LINE_END.search(lines)) is not None:
            if len(self._rest) + end.start() > self._max_line:
                self._skip(records)
            if self._skipping:
                lines = lines[end.end() :]
                self._skipping = False
                self._line += 1
            else:
                lines = bytes(self._rest) + lines
                self._rest.clear()
        try:
            text = lines.decode()
        except UnicodeDecodeError:
            text = lines.decode(errors="surrogateescape")
            self._suspicious = True
        self._read(text, records)

    def _skip(self, records: list[Record]) -> None:
        """Let go of the line that is too long, and of what follows until it ends."""
        self._read("", records, last=True)
        if self.header is None:
            message = "the first line is too long for a header"
            raise NotCsv(message)
        records.append(Record(self._line, None, f"is longer than {self._max_line} bytes"))
        self._rest.clear()
        self._skipping = True

    def _read(self, text: str, records: list[Record], *, last: bool = False) -> None:
        """Read whole lines, those that are open before them; keep those that need more, unless these are the last."""
        text = self._open + text
        suspicious = self._suspicious or "\0" in text
        if self.header is not None and not suspicious and '"' not in text:
            self._read_plain(text, records)
            return
        lines = list(io.StringIO(text, newline=""))
        at = one_by_one = 0
        while at < len(lines):
            if at >= one_by_one and self.header is not None and not suspicious:
                one_by_one = at + _RUN
                used = self._read_run(lines[at:one_by_one], records)
                if used > 0:
                    at += used
                    continue
            if self.header is None:
                used = self._read_header(lines, at, records, last=last)
            else:
                used = self._read_record(lines, at, records, suspicious=suspicious, last=last)
            if used == 0:
                break
            at += used
            self._line += used
        self._open = "".join(lines[at:])
        self._suspicious = suspicious and bool(self._open)

    def _read_plain(self, text: str, records: list[Record]) -> None:
        """Read lines that have no quotes."""
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        lines = text.split("\n")
        lines.pop()  # what follows the last line end: nothing
        delimiter, width = self._delimiter, self._width
        for number, line in enumerate(lines, self._line):
            cells = line.split(delimiter)
            if len(cells) == width and cells[0] >= "!":
                records.append(Record(number, cells, None))
            else:
                self._append(number, cells, records)
        self._line += len(lines)

    def _read_run(self, lines: list[str], records: list[Record]) -> int:
        """Read lines at once if each is one whole record; the number of lines that were used, all or none."""
        try:
            rows = list(csv.reader(lines, self._dialect))
        except csv.Error:
            return 0
        if len(rows) < len(lines):
            return 0
        width = self._width
        for number, cells in enumerate(rows, self._line):
            if len(cells) == width and cells[0] >= "!":
                records.append(Record(number, cells, None))
            else:
                self._append(number, cells, records)
        self._line += len(lines)
        return len(lines)

    def _read_header(self, lines: list[str], at: int, records: list[Record], *, last: bool) -> int:
        """Read the names and learn the delimiter; the number of lines that were used, 0 to wait for more."""
        used = _closing(lines, at, last=last)
        if used == 0:
            return 0
        if self._line == 1 and (told := _DELIMITER_LINE.fullmatch(lines[at])) is not None:
            self._separate_by(told[2])
            self._is_separated = True
            return 1
        text = "".join(lines[at : at + abs(used)])
        if _CONTROL.search(text):
            message = "the file is not text"
            raise NotCsv(message)
        if _UNREADABLE.search(text):
            message = f"the header line is not valid {self._encoding}"
            raise NotCsv(message)
        if not self._is_separated:
            names = _QUOTED.sub("", text)
            self._separate_by(max(DELIMITERS, key=names.count))
        cells = self._parsed(lines[at : at + used])
        if used < 0 or cells is None:
            message = f"the header line {_BROKEN_QUOTE}"
            raise NotCsv(message)
        if any(cell.strip() for cell in cells):
            self.header = cells
            self._width = len(cells)
            self._named = max(count for count, cell in enumerate(cells, 1) if cell.strip())
            records.append(Record(self._line, cells, None))
        return used

    def _read_record(
        self, lines: list[str], at: int, records: list[Record], *, suspicious: bool, last: bool
    ) -> int:
        """Read one record; the number of lines that were used, 0 to wait for more."""
        line = lines[at]
        used = 1
        if '"' not in line:
            cells = line.rstrip("\r\n").split(self._delimiter)
        else:
            cells = self._parsed_line(line)
            if cells is None and line.count('"') % 2:
                used = _closing(lines, at, last=last)
                if used == 0:
                    return 0
                cells = self._parsed(lines[at : at + used]) if used > 0 else None
                if cells is None or not self._fit(cells):
                    cells, used = None, 1
        if suspicious and (bad := _UNREADABLE.search("".join(lines[at : at + used]))):
            problem = "has a NUL character" if bad[0] == "\0" else f"not valid {self._encoding}"
            records.append(Record(self._line, None, problem))
        elif cells is None:
            records.append(Record(self._line, None, _BROKEN_QUOTE))
        else:
            self._append(self._line, cells, records)
        return used

    def _append(self, number: int, cells: list[str], records: list[Record]) -> None:
        if not "".join(cells).strip(_BLANK):
            return
        if self._fit(cells):
            records.append(Record(number, cells, None))
            return
        count = f"{len(cells)} cell{'s' if len(cells) > 1 else ''}"
        records.append(Record(number, None, f"has {count} where the header has {self._width}"))

    def _fit(self, cells: list[str]) -> bool:
        """Give the row as many cells as the header has, if only empty ones are there more or less."""
        while len(cells) > self._width and not cells[-1]:
            cells.pop()
        if not self._named <= len(cells) <= self._width:
            return False
        cells += [""] * (self._width - len(cells))
        return True

    def _parsed_line(self, line: str) -> list[str] | None:
        bare = line.rstrip("\r\n")
        if bare[0] == '"' == bare[-1]:
            cells = bare[1:-1].split(self._between_quotes)
            if bare.count('"') == 2 * len(cells):  # every cell is quoted, and there are no other quotes
                return cells
        return self._parsed([line])

    def _parsed(self, lines: list[str]) -> list[str] | None:
        """The cells of the one record that the lines are, or None if they are not one."""
        reader = csv.reader(lines, self._dialect)
        try:
            cells = next(reader, None)
        except csv.Error:
            return None
        return cells if reader.line_num == len(lines) else None

    def _separate_by(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._between_quotes = f'"{delimiter}"'
        self._dialect = csv.reader((), delimiter=delimiter, strict=True).dialect

    @property
    def _encoding(self) -> str:
        return self._source.encoding if self._source is not None else ""


def whole_lines(data: bytes, head: bytes) -> int:
    """How many of the first bytes of a file are whole lines. The encoding is known by its head. Raises NotCsv."""
    source, _ = recognised(head)
    encoded = next((end for end in (b"\n\0", b"\0\n") if source.utf8(end) == b"\n"), b"\n")
    return max(_end_of_last(data, encoded), _end_of_last(data, encoded.replace(b"\n", b"\r")))


def _end_of_last(data: bytes, character: bytes) -> int:
    """Where the last such character ends, 0 if there is none; its bytes across two others do not count."""
    size = len(character)
    at = data.rfind(character)
    while at > 0 and at % size:
        at = data.rfind(character, 0, at + size - 1)
    return at + size if at >= 0 else 0


def _closing(lines: list[str], at: int, *, last: bool) -> int:
    """How many lines from `at` on it takes until the quotes are even: 0 if more must come, -1 if too many."""
    quotes = size = 0
    for count, line in enumerate(lines[at : at + MAX_RECORD_LINES], 1):
        quotes += line.count('"')
        size += len(line)
        if count > 1 and size > MAX_RECORD_SIZE:
            return -1
        if quotes % 2 == 0:
            return count
    return -1 if last or len(lines) - at >= MAX_RECORD_LINES else 0
