"""The erase ledger: a file outside the database with a JSON line for each erasure, without any address.

Restoring a backup brings erased persons back. A server that starts on a restored database erases them again from this
file. A line is on the disk before its erasure commits, so none is missing; a line of an erasure that failed
afterwards does no harm. Several processes of one machine may append to the file.
"""

from __future__ import annotations

import fcntl
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from everlist.errors import EverlistError, StartError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Unwritable(EverlistError):
    """The ledger cannot be written, so nothing may be erased now."""


class Hashed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The HMAC of an address, as in the suppression list."""

    channel: str
    hmac: bytes
    unsubscribed_at: datetime | None = None
    """When the person unsubscribed, if they did."""


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One erasure."""

    erasure_id: UUID
    account_id: UUID
    at: datetime
    reason: str
    key_id: str
    """The id of the secret key that made the HMACs."""
    contact_id: UUID | None = None
    hashes: tuple[Hashed, ...] = ()


class Unreadable(msgspec.Struct, frozen=True):
    """An incomplete line: the machine stopped while writing it."""

    number: int


_decode = msgspec.json.Decoder(Line).decode


def check(path: Path) -> None:
    """Raise StartError unless lines can be appended to the file; create it if it does not exist."""
    try:
        os.close(_open(path))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        text = f"the erase ledger {path} cannot be written: {reason}; EVERLIST_ERASE_LEDGER names it"
        raise StartError(text) from error


def append(path: Path, lines: Iterable[Line]) -> None:
    """Add lines; they are on the disk when this returns. Raises Unwritable, and then the file is as before."""
    text = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    if not text:
        return
    try:
        file = _open(path)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                text = b"\n" + text  # end an incomplete line
            try:
                _write(file, text)
                os.fsync(file)
            except OSError:
                os.ftruncate(file, size)
                raise
        finally:
            os.close(file)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Unwritable(f"the erase ledger cannot be written: {reason}") from error


def read(path: Path) -> Iterator[Line | Unreadable]:
    """Yield every line in order; nothing if there is no file."""
    try:
        with path.open("rb") as file:
            for number, text in enumerate(file, start=1):
                if text.strip():
                    try:
                        yield _decode(text)
                    except (msgspec.MsgspecError, UnicodeDecodeError):
                        yield Unreadable(number)
    except FileNotFoundError:
        return


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        file = os.open(path, flags | os.O_CREAT, 0o600)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)  # else a crash may lose the name of the file
        finally:
            os.close(directory)
        return file


def _write(file: int, text: bytes) -> None:
    while text:
        text = text[os.write(file, text) :]
