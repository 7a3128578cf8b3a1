"""The encodings of CSV files: UTF-8, UTF-16 and Windows-1252, told apart by how the file begins. Pure."""

from __future__ import annotations

import codecs
import re
from typing import Protocol

GROWTH = 3
"""A byte of any of them becomes at most so many bytes of UTF-8."""

_NOT_ASCII = re.compile(rb"[\x80-\xff]")


class NotCsv(Exception):
    """The file cannot be read as a whole; the message says why."""


class Source(Protocol):
    """Turns the bytes of a file into UTF-8; what is not valid in the file is not valid there."""

    encoding: str

    def utf8(self, data: bytes) -> bytes: ...

    def last(self) -> bytes: ...


class _Utf8:
    encoding = "UTF-8"

    def utf8(self, data: bytes) -> bytes:
        return data

    def last(self) -> bytes:
        return b""


class _Utf8OrWindows1252:
    """UTF-8, unless the first character that is not ASCII shows that it is not."""

    encoding = "UTF-8"

    def __init__(self) -> None:
        self._decided = False
        self._held: bytes = b""  # that character, as far as it came

    def utf8(self, data: bytes) -> bytes:
        if not self._decided:
            data = self._held + data
            self._held = b""
            if (found := _NOT_ASCII.search(data)) is None:
                return data
            at = found.start()
            is_utf8 = _begins_in_utf8(data[at : at + 4])
            if is_utf8 is None:
                self._held = data[at:]
                return data[:at]
            self._decided = True
            if not is_utf8:
                self.encoding = "Windows-1252"
        return data if self.encoding == "UTF-8" else _from_windows_1252(data)

    def last(self) -> bytes:
        return _from_windows_1252(self._held)


class _Utf16:
    encoding = "UTF-16"

    def __init__(self, codec: str) -> None:
        self._decoder = codecs.getincrementaldecoder(codec)(errors="surrogatepass")

    def utf8(self, data: bytes) -> bytes:
        return self._decoder.decode(data).encode(errors="surrogatepass")

    def last(self) -> bytes:
        try:
            return self._decoder.decode(b"", final=True).encode(errors="surrogatepass")
        except UnicodeDecodeError:  # half a character
            return b"\xff"


def _from_windows_1252(data: bytes) -> bytes:
    return data.decode("cp1252", "surrogateescape").encode(errors="surrogatepass")


def _begins_in_utf8(data: bytes) -> bool | None:
    """Whether the bytes begin with a character of UTF-8; None where that hangs on what follows."""
    for size in (2, 3, 4):
        try:
            data[:size].decode()
        except UnicodeDecodeError:
            continue
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return None


def recognised(head: bytes) -> tuple[Source, bytes]:
    """The encoding of a file that begins so, and its bytes without the byte order mark. Raises NotCsv."""
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        message = "the file is a spreadsheet or zip, not CSV: save it as CSV first"
        raise NotCsv(message)
    if head.startswith(codecs.BOM_UTF8):
        return _Utf8(), head[3:]
    if head.startswith(codecs.BOM_UTF16_LE):
        return _Utf16("utf-16-le"), head[2:]
    if head.startswith(codecs.BOM_UTF16_BE):
        return _Utf16("utf-16-be"), head[2:]
    even, odd = head[0:4:2], head[1:4:2]
    if odd and all(even) and not any(odd):
        return _Utf16("utf-16-le"), head
    if odd and all(odd) and not any(even):
        return _Utf16("utf-16-be"), head
    return _Utf8OrWindows1252(), head
