"""Read a CSV file as it arrives, piece by piece. A row that cannot be read costs no other row.

Pure, with bounded memory: at most one line of MAX_LINE bytes and one record whose quotes are still open are kept.
Lines end with LF, CRLF or CR; cells are quoted as in RFC 4180. A first line `sep=;`, an Excel convention, sets the
delimiter and is not the header.

A broken quote must not swallow the rows after it. A line with an open quote takes the following lines only if together
they make one record that fits the header, within MAX_RECORD_LINES and MAX_RECORD_SIZE. If they do not, that line alone
is the broken row, and reading goes on with the next line.
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
_RUN = 256  # lines that are parsed in one call

_LINE_END = re.compile(rb"\r\n|\r|\n")
_QUOTED = re.compile(r'"[^"]*"')
_UNREADABLE = re.compile(r"[\0\ud800-\udfff]")
_CONTROL = re.compile(r"[\0-\x08\x0e-\x1f]")
_DELIMITER_LINE = re.compile(r'("?)sep=([^\w\s"]|\t)\1[\r\n]*', re.IGNORECASE)

_BLANK = "".join(map(chr, range(1, 33)))  # all characters before the exclamation mark, except NUL
_BROKEN_QUOTE = "has a quote that does not close, or text after one that does"


class Record(msgspec.Struct, gc=False):
    """One row of the file: as many cells as the header has, or the problem that makes it unreadable."""

    line_number: int
    """The line where it begins; the first line of the file is 1."""
    cells: list[str] | None
    problem: str | None


class CsvReader:
    """Takes the bytes of a file in pieces of any size, and returns its rows, the header first.

    The size of the pieces makes no difference to the rows. Empty rows are skipped.
    """

    def __init__(self, *, max_line: int = MAX_LINE) -> None:
        self.header: list[str] | None = None
        """The titles of the columns; None until they are read."""
        self._max_line = max_line
        self._piece = min(_PIECE, max_line // GROWTH)  # a line within a piece is never too long
        self._head = b""  # the first bytes of the file, until its encoding is known
        self._source: Source | None = None
        self._line = 1  # the number of the next line
        self._rest = bytearray()  # the start of an unfinished line
        self._ends_with_cr = False  # a CR follows the rest, perhaps half of a CRLF
        self._skipping = False  # inside a line that is too long
        self._open = ""  # the first lines of an unfinished record
        self._suspicious = False  # the open lines may have characters that are not allowed
        self._separate_by(",")
        self._is_separated = False  # True if a `sep=` line has set the delimiter
        self._width = self._named = 0  # cells of the header: all, and up to the last that has a title

    def feed(self, data: bytes) -> list[Record]:
        """Return the rows that end in these bytes. Raises NotCsv."""
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
        """Return the rows that are left at the end of the file. Raises NotCsv."""
        records: list[Record] = []
        if self._source is None:
            self._source, data = recognised(self._head)
            self._take(self._source.utf8(data), records)
        self._take(self._source.last(), records)
        if self._rest:
            self._take(b"\n", records)
        self._read("", records, last=True)
        if self.header is None:
            raise NotCsv("the file is empty")
        return records

    def _take(self, data: bytes, records: list[Record]) -> None:
        """Read the lines that end in a piece of UTF-8, and keep the rest."""
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
        """Report a line that is too long, and skip to its end."""
        self._read("", records, last=True)
        if self.header is None:
            raise NotCsv("the first line is too long for a header")
        records.append(Record(self._line, None, f"is longer than {self._max_line} bytes"))
        self._rest.clear()
        self._skipping = True

    def _read(self, text: str, records: list[Record], *, last: bool = False) -> None:
        """Read whole lines after the open ones; keep those that need more lines, unless these are the last of the file."""
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
        """Read lines without quotes."""
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        lines = text.split("\n")
        lines.pop()  # the empty text after the last line end
        delimiter, width = self._delimiter, self._width
        for number, line in enumerate(lines, self._line):
            cells = line.split(delimiter)
            if len(cells) == width and cells[0] >= "!":
                records.append(Record(number, cells, None))
            else:
                self._append(number, cells, records)
        self._line += len(lines)

    def _read_run(self, lines: list[str], records: list[Record]) -> int:
        """Read all lines in one call if each is a whole record; return how many were used, all or 0."""
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
        """Read the header and find the delimiter; return how many lines were used, 0 to wait for more."""
        used = _closing(lines, at, last=last)
        if used == 0:
            return 0
        if self._line == 1 and (declared := _DELIMITER_LINE.fullmatch(lines[at])) is not None:
            self._separate_by(declared[2])
            self._is_separated = True
            return 1
        text = "".join(lines[at : at + abs(used)])
        if _CONTROL.search(text):
            raise NotCsv("the file is not text")
        if _UNREADABLE.search(text):
            raise NotCsv(f"the header line is not valid {self._encoding}")
        if not self._is_separated:
            names = _QUOTED.sub("", text)
            self._separate_by(max(DELIMITERS, key=names.count))
        cells = self._parsed(lines[at : at + used])
        if used < 0 or cells is None:
            raise NotCsv(f"the header line {_BROKEN_QUOTE}")
        if any(cell.strip() for cell in cells):
            self.header = cells
            self._width = len(cells)
            self._named = max(count for count, cell in enumerate(cells, 1) if cell.strip())
            records.append(Record(self._line, cells, None))
        return used

    def _read_record(
        self, lines: list[str], at: int, records: list[Record], *, suspicious: bool, last: bool
    ) -> int:
        """Read one record; return how many lines were used, 0 to wait for more."""
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
        """Pad or cut the row to the width of the header; return False if that would lose a value or a titled cell is missing."""
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
        """Return the cells if the lines are one record, else None."""
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
    """Return how many bytes of `data` are whole lines; `head`, the first bytes of the file, shows the encoding. Raises NotCsv."""
    source, _ = recognised(head)
    encoded = next((end for end in (b"\n\0", b"\0\n") if source.utf8(end) == b"\n"), b"\n")
    return max(_end_of_last(data, encoded), _end_of_last(data, encoded.replace(b"\n", b"\r")))


def _end_of_last(data: bytes, character: bytes) -> int:
    """Return where the last such character ends, 0 if there is none. Ignores its bytes across two other characters."""
    size = len(character)
    at = data.rfind(character)
    while at > 0 and at % size:
        at = data.rfind(character, 0, at + size - 1)
    return at + size if at >= 0 else 0


def _closing(lines: list[str], at: int, *, last: bool) -> int:
    """Return after how many lines from `at` the quotes are closed: 0 to wait for more, -1 if they are too many."""
    quotes = size = 0
    for count, line in enumerate(lines[at : at + MAX_RECORD_LINES], 1):
        quotes += line.count('"')
        size += len(line)
        if count > 1 and size > MAX_RECORD_SIZE:
            return -1
        if quotes % 2 == 0:
            return count
    return -1 if last or len(lines) - at >= MAX_RECORD_LINES else 0
