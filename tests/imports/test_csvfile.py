"""The CSV reader: every encoding and line end, and what cannot be read costs its own row only."""

from __future__ import annotations

import csv
import io
import tracemalloc
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from everlist.core.imports import csvfile
from everlist.core.imports.csvfile import CsvReader, NotCsv, Record

BROKEN = "has a quote that does not close, or text after one that does"


def read(*pieces: bytes, max_line: int = csvfile.MAX_LINE) -> list[Record]:
    reader = CsvReader(max_line=max_line)
    return [record for piece in pieces for record in reader.feed(piece)] + reader.finish()


def rows(data: bytes, **options: int) -> list[tuple[int, list[str] | str | None]]:
    return [(record.line_number, record.cells or record.problem) for record in read(data, **options)]


def test_the_header_comes_first_and_lines_are_counted_from_it():
    reader = CsvReader()
    assert reader.feed(b"email,first_name\na@x.org") == [Record(1, ["email", "first_name"], None)]
    assert reader.header == ["email", "first_name"]
    assert reader.feed(b",Ann\nb@x") == [Record(2, ["a@x.org", "Ann"], None)]
    assert reader.finish() == [Record(3, None, "has 1 cell where the header has 2")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "bom-be", "cp1252"]
)
def test_encodings_delimiters_and_line_ends(encoding: str, delimiter: str, end: str):
    text = f'email,name{end}{end}é@x.org,"Zoë{end}""€"",;\t"{end}b@x.org,{end}'
    text = text.replace(",", delimiter)
    data = b"\xfe\xff" + text.encode("utf-16-be") if encoding == "bom-be" else text.encode(encoding)
    inner = f'Zoë{end}"€",;\t'.replace(",", delimiter)
    assert rows(data) == [(1, ["email", "name"]), (3, ["é@x.org", inner]), (5, ["b@x.org", ""])]


def test_the_delimiter_is_counted_outside_the_quotes_of_the_header():
    assert rows(b'"a,b,c,d";e\n1;2\n') == [(1, ["a,b,c,d", "e"]), (2, ["1", "2"])]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("line", ["sep=;\n", "SEP=;\r\n", '"sep=;"\r'])
def test_a_first_line_that_names_the_delimiter_is_no_header(line: str, encoding: str):
    data = f'{line}a,b,c;é\n1;"2"\n'.encode(encoding)
    assert rows(data) == [(2, ["a,b,c", "é"]), (3, ["1", "2"])]
    assert [record for at in range(len(data)) for record in read(data[:at], data[at:])][:2] == read(data)


def test_a_first_line_may_name_any_delimiter():
    assert rows(b"sep=|\na,b|c;d\n1|2\n") == [(2, ["a,b", "c;d"]), (3, ["1", "2"])]
    assert rows(b"sep=\t\na,b\tc\n") == [(2, ["a,b", "c"])]
    for line in (b"sep=a", b"sep=", b"sep=;;", b"sep=;,x"):
        assert rows(line + b"\n")[0][0] == 1, "such a line is a header"
    assert rows(b"a,b\nsep=;\n")[1] == (2, "has 1 cell where the header has 2")


def test_a_header_may_have_line_ends_inside_quotes():
    assert rows(b'"e\nmail";n\n1;2\n') == [(1, ["e\nmail", "n"]), (3, ["1", "2"])]


def test_the_first_character_that_is_not_ascii_decides_between_utf8_and_windows_1252():
    assert rows(b"a,b\n\xe9,1\n\xc3\xa9,2\n")[1:] == [(2, ["é", "1"]), (3, ["Ã©", "2"])]
    assert rows(b"a,b\n\xc3\xa9,1\n\xe9,2\nx,3\n")[1:] == [
        (2, ["é", "1"]),
        (3, "not valid UTF-8"),
        (4, ["x", "3"]),
    ]
    assert rows(b"a,b\n1,\xe9")[1:] == [(2, ["1", "é"])], "also at the very end"


def test_what_the_encoding_does_not_know_costs_its_row():
    assert rows(b"\xef\xbb\xbfa,b\n\xe9,1\nx,2\n")[1:] == [(2, "not valid UTF-8"), (3, ["x", "2"])]
    assert rows(b"a,b\n\xe9,1\n\x81,2\n")[1:] == [(2, ["é", "1"]), (3, "not valid Windows-1252")]
    utf16 = "\ufeffa,b\n\ud800,1\nx,2\ny,3".encode("utf-16-le", "surrogatepass") + b"x"
    assert rows(utf16)[1:] == [(2, "not valid UTF-16"), (3, ["x", "2"]), (4, "not valid UTF-16")]
    surrogate = "é,1\n\ud800,2\n".encode(errors="surrogatepass")
    assert rows(b"a,b\n" + surrogate)[1:] == [(2, ["é", "1"]), (3, "not valid UTF-8")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_the_whole_lines_at_the_beginning_of_a_file(encoding: str):
    """Some characters have the bytes of a line end, alone or with the next."""
    text = "email,b\r\nx,Ċ\rĊਅĀਅ,ਅĀਅĊ\ny,ഊ\n"
    text = "email,b\r\nx,é\ry,é\n" if encoding == "cp1252" else text
    data = text.encode(encoding)
    ends = [len(text[:end].encode(encoding)) for end in range(1, len(text) + 1) if text[end - 1] in "\r\n"]
    for size in range(len(data) + 1):
        whole = max((end for end in ends if end <= size), default=0)
        assert csvfile.whole_lines(data[:size], data[:4]) == whole


def test_a_nul_costs_its_row():
    data = b'a,b\n1,2\n3,\0\n"5\n\0","6"\n7,8\n'
    assert rows(data)[1:] == [
        (2, ["1", "2"]),
        (3, "has a NUL character"),
        (4, "has a NUL character"),
        (6, ["7", "8"]),
    ]


def test_ragged_rows_cost_themselves_and_empty_cells_at_the_end_do_not_count():
    data = b'a,b,c\n1,2\n1,2,3,4\n1,2,3,,\n"1","2"\n1,"2",3,\n'
    assert rows(data)[1:] == [
        (2, "has 2 cells where the header has 3"),
        (3, "has 4 cells where the header has 3"),
        (4, ["1", "2", "3"]),
        (5, "has 2 cells where the header has 3"),
        (6, ["1", "2", "3"]),
    ]
    assert rows(b"a,b,,\n1,2\n1,2,x\n1\n")[1:] == [
        (2, ["1", "2", "", ""]),
        (3, ["1", "2", "x", ""]),
        (4, "has 1 cell where the header has 4"),
    ], "columns without a name may be left out"


def test_blank_rows_are_left_out_but_counted():
    data = b'\n ,\na,b\n\n,\n \n\t\n"",""\n,,,,\n1,2\n'
    assert rows(data) == [(3, ["a", "b"]), (10, ["1", "2"])]
    assert rows(b"a,b\n ,\t\n1,2\n")[1:] == [(3, ["1", "2"])]
    assert read(b"a,b\n", b" ,\t\n1,2\n")[1:] == [Record(3, ["1", "2"], None)]
    assert rows(b'a,b\n ,\t\n"1",2\n')[1:] == [(3, ["1", "2"])]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (['1,"2', "3,4", "5,6"], [(2, BROKEN), (3, ["3", "4"]), (4, ["5", "6"])]),
        (['1,"2', "3,4", '5,"6"'], [(2, BROKEN), (3, ["3", "4"]), (4, ["5", "6"])]),
        (['1,"2', "3,4", '5,"6', "7,8"], [(2, BROKEN), (3, ["3", "4"]), (4, BROKEN), (5, ["7", "8"])]),
        (['1,"2"x', "3,4"], [(2, BROKEN), (3, ["3", "4"])]),
        (
            ['"1,2', '3",4,5', "6,7"],
            [(2, BROKEN), (3, "has 3 cells where the header has 2"), (4, ["6", "7"])],
        ),
        (['1,"2', '3"', "4,5"], [(2, ["1", "2\n3"]), (4, ["4", "5"])]),
        (
            ['"1', '2",3"', '4,5"', "6,7"],
            [(2, BROKEN), (3, ['2"', '3"']), (4, ["4", '5"']), (5, ["6", "7"])],
        ),
        (['1,12" pipe', "3,4"], [(2, ["1", '12" pipe']), (3, ["3", "4"])]),
        (['1,a "b" c', "3,4"], [(2, ["1", 'a "b" c']), (3, ["3", "4"])]),
        (['1,"2', *["3,4"] * 98, '5"'], [(2, ["1", "2\n" + "3,4\n" * 98 + "5"])]),
        (
            ['1,"2', *["3,4"] * 99, '5"'],
            [
                (2, BROKEN),
                *((n, ["3", "4"]) for n in range(3, 102)),
                (102, "has 1 cell where the header has 2"),
            ],
        ),
        (
            ['1,"2', "3" * 70_000 + ",4", '5"'],
            [(2, BROKEN), (3, ["3" * 70_000, "4"]), (4, "has 1 cell where the header has 2")],
        ),
    ],
)
def test_a_broken_quote_costs_its_line_and_no_other(lines: list[str], expected: list[tuple[int, object]]):
    assert rows("\n".join(["a,b", *lines, ""]).encode())[1:] == expected


@pytest.mark.parametrize("lines", [[b"3,4\n"] * 100, [b"3" * 30_000 + b",4\n"] * 3])
def test_an_open_quote_does_not_wait_for_ever(lines: list[bytes]):
    reader = CsvReader()
    records = [record for piece in (b'a,b\n1,"2\n', *lines) for record in reader.feed(piece)]
    assert [record.line_number for record in records] == [1, 2, *range(3, 3 + len(lines))]


def test_a_line_that_is_too_long_costs_itself():
    data = (
        b'a,b\n1,2\n"x,y\n' + b"3" * 31 + b"\n" + b"4" * 400 + b"\n" + b"5" * 30 + b'\n6,7\n"8\n' + b"9" * 40
    )
    assert rows(data, max_line=30)[1:] == [
        (2, ["1", "2"]),
        (3, BROKEN),
        (4, "is longer than 30 bytes"),
        (5, "is longer than 30 bytes"),
        (6, "has 1 cell where the header has 2"),
        (7, ["6", "7"]),
        (8, BROKEN),
        (9, "is longer than 30 bytes"),
    ]


@pytest.mark.parametrize("filler", [b"x", b'"', b"\0", "é".encode(), b"\xe9"])
def test_memory_does_not_grow_with_a_line(filler: bytes):
    reader = CsvReader()
    reader.feed(b'a,b\n1,"2\n')
    piece = filler * (65536 // len(filler))
    tracemalloc.start()
    try:
        problems = [record.problem for _ in range(256) for record in reader.feed(piece)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * csvfile.MAX_LINE
    assert problems == [BROKEN, f"is longer than {csvfile.MAX_LINE} bytes"]
    assert reader.feed(b"\n3,4\n") == [Record(4, ["3", "4"], None)]


@pytest.mark.parametrize("line", [b'1,"2\n', b'"\n', b'1,2"\n', b'"",",\n'])
def test_many_broken_quotes_take_no_more_than_linear_time(line: bytes):
    assert len(read(b"a,b\n" + line * 50_000)) > 50_000 / csvfile.MAX_RECORD_LINES


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"\n \n", "empty"),
        (b"PK\x03\x04\x14\0\x06\0", "spreadsheet or zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "spreadsheet"),
        (b"\x7fELF\x02\x01\x01\0\0\n", "not text"),
        (b"a,b\0\n1,2\n", "not text"),
        (b"\xef\xbb\xbfa,\xff\n", "not valid UTF-8"),
        (b'a,"b\n1,2\n', "header line has a quote"),
        (b'a,"b"c\n1,2\n', "header line has a quote"),
        (b"a" * (1 << 21), "too long for a header"),
    ],
)
def test_what_is_no_csv_file_says_why(data: bytes, why: str):
    with pytest.raises(NotCsv, match=why):
        read(data)


cell = st.text(st.sampled_from("ab\"',;\t\n\r é€😀\u2028\x85"), max_size=6)
table = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1, max_size=6)
)
END = st.sampled_from(["\n", "\r\n", "\r"])
QUOTING = st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])


@given(
    table,
    END,
    QUOTING,
    st.sampled_from(csvfile.DELIMITERS),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@settings(max_examples=300, deadline=None)
def test_a_well_formed_file_reads_as_the_csv_module_reads_it(
    table: list[list[str]], end: str, quoting: int, delimiter: str, encoding: str
):
    header = [f"name{index}" for index in range(len(table[0]))]
    table = [row for row in table if "".join(row).strip(csvfile._BLANK)]
    text = io.StringIO(newline="")
    # a lone CR or LF inside a cell has to be quoted, which the module does for its own line end only
    quoting = csv.QUOTE_ALL if any("\n" in cell or "\r" in cell for row in table for cell in row) else quoting
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows([header, *table])
    data = text.getvalue().encode(encoding)
    delimiter = delimiter if len(header) > 1 else ","
    if (
        len(header) == 1
        and quoting == csv.QUOTE_MINIMAL
        and any("," in cell for row in table for cell in row)
    ):
        return  # a file of one column says nothing about its delimiter
    read_back = [record.cells for record in read(data)]
    assert read_back == [header, *table]
    assert read_back == list(csv.reader(io.StringIO(text.getvalue(), newline=""), delimiter=delimiter))


HOSTILE = st.lists(
    st.sampled_from(
        [
            b"a",
            b"b,c",
            b",",
            b'"',
            b'""',
            b'","',
            b"\n",
            b"\r",
            b"\r\n",
            b"\0",
            b" ",
            b"x" * 9,
            b"1,2\n",
            b'"1","2"\n',
        ]
        + [
            "é".encode(),
            "😀".encode(),
            b"\xe9",
            b"\xc3",
            b"\xf0\x9f",
            b"\x81",
            b"\xed\xa0\x80",
            b'"1\n2",3\n',
        ]
    ),
    max_size=40,
).map(b"".join)
HEAD = st.sampled_from(
    [b"a,b\n", b"sep=;\na;b\n", b"\xef\xbb\xbfa,b\r\n", b'"a";b\r', "é,b\n".encode(), b"", b'"a\n"\tb\n']
)


def outcome(pieces: list[bytes], max_line: int) -> list[Record] | str:
    try:
        return read(*pieces, max_line=max_line)
    except NotCsv as error:
        return str(error)


@given(
    HEAD, HOSTILE, st.sampled_from(["", "utf-16-le", "utf-16-be"]), st.lists(st.integers(0, 300)), st.data()
)
@example(b"a,b\n", b"1,2\r", "", [5], None)
@settings(max_examples=600, deadline=None)
def test_where_the_pieces_end_makes_no_difference(
    head: bytes, body: bytes, utf16: str, cuts: list[int], data: st.DataObject | None
):
    max_line = data.draw(st.sampled_from([12, 30, 1 << 20])) if data else 1 << 20
    tight = data is not None and data.draw(st.booleans())
    bounds = {"MAX_RECORD_LINES": 3, "MAX_RECORD_SIZE": 20, "_RUN": 2} if tight else {"_RUN": 256}
    whole = head + body
    if utf16:
        whole = whole.decode(errors="surrogateescape").encode(utf16, "surrogatepass")
    edges = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[start:end] for start, end in zip(edges, edges[1:], strict=False)]
    with mock.patch.multiple(csvfile, **bounds):
        expected = outcome([whole], max_line)
        assert outcome(pieces, max_line) == expected
        assert outcome([whole[at : at + 1] for at in range(len(whole))], max_line) == expected


@given(HOSTILE, HOSTILE)
@settings(max_examples=300, deadline=None)
def test_a_sound_line_survives_whatever_comes_before_and_after(before: bytes, after: bytes):
    """Unless a sound quoted cell takes it in, which needs a quote before and one after."""
    before, after = before.replace(b'"', b""), after
    records = read(b"\xef\xbb\xbfemail,b\n" + before + b"\nsound@x.org,2\n" + after)
    assert any(record.cells == ["sound@x.org", "2"] for record in records)
