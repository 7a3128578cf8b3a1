"""Request bodies that are read while they are sent, so memory use does not depend on the size of a file."""

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
"""Called with the bytes sent and the total, None if the total is unknown."""

Source = str | os.PathLike[str] | BinaryIO
"""A file: a path, or a file object opened in binary mode."""


class Upload:
    """A body that consists of a prefix, chunks and a suffix."""

    def __init__(
        self,
        chunks: Callable[[], Iterator[bytes]],
        *,
        prefix: bytes = b"",
        suffix: bytes = b"",
        length: int | None = None,
        replayable: bool = True,
        close: Callable[[], object] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Prepare a body; `length` is that of the chunks, `replayable` says that `chunks` can be called twice."""
        self._chunks = chunks
        self._prefix, self._suffix = prefix, suffix
        self._replayable = replayable
        self._started = False
        self._progress = progress
        self.close = close or (lambda: None)
        self.length = None if length is None else len(prefix) + length + len(suffix)

    def can_send(self) -> bool:
        """Return True if the body can be sent from its beginning."""
        return self._replayable or not self._started

    def __iter__(self) -> Iterator[bytes]:
        self._started = True
        sent = 0
        for part in self._parts():
            yield part
            sent += len(part)
            if self._progress:
                self._progress(sent, self.length)

    def _parts(self) -> Iterator[bytes]:
        if self._prefix:
            yield self._prefix
        yield from self._chunks()
        if self._suffix:
            yield self._suffix


def file_upload(
    source: Source, *, prefix: bytes = b"", suffix: bytes = b"", progress: Progress | None = None
) -> Upload:
    """Return a body with a file from its current position. Opens a path; `close()` of the body closes it."""
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
        prefix=prefix,
        suffix=suffix,
        length=length,
        replayable=start is not None,
        close=file.close if file is not source else None,
        progress=progress,
    )


def _position(file: BinaryIO) -> int | None:
    """Return the position in the file; None for a pipe, which has no length and can be read only once."""
    try:
        return file.tell() if file.seekable() else None
    except (AttributeError, OSError):
        return None


def _size(file: BinaryIO) -> int:
    position = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(position)
    return end


def multipart(
    source: Source,
    file_name: str,
    fields: Mapping[str, str],
    *,
    key: str | None = None,
    progress: Progress | None = None,
) -> tuple[Upload, str]:
    """Return a form with these fields and the file, and its Content-Type.

    The boundary is derived from `key`: a repeated request has the same bytes, which an idempotency key requires.
    """
    boundary = uuid5(NAMESPACE_OID, key).hex if key else secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    quoted = file_name.replace("\\", "\\\\").replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n'
        "Content-Type: text/csv\r\n\r\n"
    )
    body = file_upload(
        source, prefix="".join(parts).encode(), suffix=f"\r\n--{boundary}--\r\n".encode(), progress=progress
    )
    return body, f"multipart/form-data; boundary={boundary}"


def csv_name(source: Source, file_name: str | None) -> str:
    """Return the file name to send: `file_name` or that of the source, with the .csv that the contract requires."""
    own: object = getattr(source, "name", None) if hasattr(source, "read") else source
    name = file_name or (Path(own).name if isinstance(own, str | Path) else "") or "contacts.csv"
    return name if name.lower().endswith(".csv") else name + ".csv"


def json_rows(rows: Iterable[Any], *, progress: Progress | None = None) -> Upload:
    """Return the body `{"import_data": [rows]}`; encodes each row as it is sent."""
    encode = msgspec.json.Encoder().encode

    def chunks() -> Iterator[bytes]:
        chunk = bytearray()
        separator = b""
        for row in rows:
            chunk += separator + encode(row)
            separator = b","
            if len(chunk) >= CHUNK:
                yield bytes(chunk)
                chunk.clear()
        yield bytes(chunk)

    # An iterator returns itself and can be read only once; a list returns a new iterator each time.
    replayable = iter(rows) is not rows
    return Upload(chunks, prefix=b'{"import_data":[', suffix=b"]}", replayable=replayable, progress=progress)
