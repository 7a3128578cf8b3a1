"""Opens the input files of commands."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

import click

from everlist.commands.session import CommandError, ExitStatus

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def open_rewindable(file: str) -> Generator[BinaryIO]:
    """Open a file, or `-` for standard input, so that it can be sent twice. Raises CommandError.

    Copies a pipe to a temporary file first: it can be read only once, and a retry sends it again.
    """
    try:
        source = cast("BinaryIO", click.open_file(file, "rb"))
    except OSError as error:
        raise CommandError(f"cannot read {file}: {error.strerror or error}", ExitStatus.USAGE) from error
    with source:
        if source.seekable():
            yield source
            return
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(source, copy)
            copy.seek(0)
            yield copy
