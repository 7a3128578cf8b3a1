"""Detect the encoding of a CSV file by its first bytes: UTF-8, UTF-16 or Windows-1252. Pure."""

from __future__ import annotations

import codecs
import re
from typing import Protocol

GROWTH = 3
"""One byte of any encoding becomes at most so many bytes of UTF-8."""

_NOT_ASCII = re.compile(rb"[\x80-\xff]")


class NotCsv(Exception):
    """No row of the file can be read; the message says why."""


class Source(Protocol):
    """Converts the bytes of a file to UTF-8. Bytes that are invalid in the file stay invalid."""

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
    """UTF-8, unless the first character beyond ASCII is not valid in it: then Windows-1252."""

    encoding = "UTF-8"

    def __init__(self) -> None:
        self._decided = False
        self._held: bytes = b""  # the first bytes of that character

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
    """Return True if the bytes begin with a character of UTF-8; None if more bytes are needed to tell."""
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
    """Return the encoding of a file by its first bytes, and these without the byte order mark. Raises NotCsv."""
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise NotCsv("the file is a spreadsheet or zip, not CSV: save it as CSV first")
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
