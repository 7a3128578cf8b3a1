"""Bodies that are read while they are sent, so that a file of any size takes little memory."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO
from uuid import NAMESPACE_OID, uuid5

import msgspec

CHUNK = 256 * 1024

Progress = Callable[[int, int | None], object]
"""Told how many bytes are sent, and of how many if that is known."""

Source = str | os.PathLike[str] | BinaryIO
"""A file: its path, or it itself, opened for bytes."""


class Upload:
    """Bytes that stand before and after a source of chunks."""

    def __init__(
        self,
        chunks: Callable[[], Iterator[bytes]],
        *,
        before: bytes = b"",
        after: bytes = b"",
        length: int | None = None,
        repeatable: bool = True,
        close: Callable[[], object] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._chunks = chunks
        self._before, self._after = before, after
        self._repeatable = repeatable
        self._started = False
        self._progress = progress
        self.close = close or (lambda: None)
        self.length = None if length is None else len(before) + length + len(after)

    def rewind(self) -> bool:
        """Whether it can be sent (again) from its beginning."""
        return self._repeatable or not self._started

    def __iter__(self) -> Iterator[bytes]:
        self._started = True
        sent = 0
        for part in self._parts():
            yield part
            sent += len(part)
            if self._progress:
                self._progress(sent, self.length)

    def _parts(self) -> Iterator[bytes]:
        if self._before:
            yield self._before
        yield from self._chunks()
        if self._after:
            yield self._after


def file_upload(
    source: Source, *, before: bytes = b"", after: bytes = b"", progress: Progress | None = None
) -> Upload:
    """The bytes of a file from where it stands. A path is opened here; close() closes it."""
    file: BinaryIO = Path(source).open("rb") if isinstance(source, str | os.PathLike) else source  # noqa: SIM115
    start = _position(file)
    length = None if start is None else _size(file) - start

    def chunks() -> Iterator[bytes]:
        if start is not None:
            file.seek(start)
        while chunk := file.read(CHUNK):
            yield chunk

    return Upload(
        chunks,
        before=before,
        after=after,
        length=length,
        repeatable=start is not None,
        close=file.close if file is not source else None,
        progress=progress,
    )


def _position(file: BinaryIO) -> int | None:
    """Where the file stands; None for a pipe, which can only be read once and has no length."""
    try:
        return file.tell() if file.seekable() else None
    except (AttributeError, OSError):
        return None


def _size(file: BinaryIO) -> int:
    here = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(here)
    return end


def multipart(
    source: Source,
    file_name: str,
    fields: Mapping[str, str],
    *,
    key: str | None = None,
    progress: Progress | None = None,
) -> tuple[Upload, str]:
    """A form with these fields and, after them, the file; and its Content-Type.

    With the same `key` the bytes are the same too, so that a server can see that a request is repeated.
    """
    boundary = uuid5(NAMESPACE_OID, key).hex if key else secrets.token_hex(16)
    head = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    quoted = file_name.replace("\\", "\\\\").replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n'
        "Content-Type: text/csv\r\n\r\n"
    )
    body = file_upload(
        source, before="".join(head).encode(), after=f"\r\n--{boundary}--\r\n".encode(), progress=progress
    )
    return body, f"multipart/form-data; boundary={boundary}"


def csv_name(source: Source, given: str | None) -> str:
    """The name under which a file is sent: the one given or its own, ending in .csv as the contract asks."""
    own: object = getattr(source, "name", None) if hasattr(source, "read") else source
    name = given or (Path(own).name if isinstance(own, str | Path) else "") or "contacts.csv"
    return name if name.lower().endswith(".csv") else name + ".csv"


def json_rows(rows: Iterable[Any], *, progress: Progress | None = None) -> Upload:
    """`{"import_data": [rows]}`, encoded as the rows come."""
    encode = msgspec.json.Encoder().encode

    def chunks() -> Iterator[bytes]:
        part = bytearray()
        separator = b""
        for row in rows:
            part += separator + encode(row)
            separator = b","
            if len(part) >= CHUNK:
                yield bytes(part)
                part.clear()
        yield bytes(part)

    again = iter(rows) is not rows
    return Upload(chunks, before=b'{"import_data":[', after=b"]}", repeatable=again, progress=progress)
