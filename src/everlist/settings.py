"""Settings: one frozen value, read from the environment once, at the start of the program.

The `EVERLIST_` variables and the flags of `everlist serve` are described in docs/operating.md.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from everlist.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BODY_BYTES = 4 * 1024 * 1024
_KEY_LENGTH = 32
MAX_UPLOAD_BYTES = 2 * 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process of Everlist needs to know before it starts."""

    data_dir: Path
    database_url: str | None = None
    """A PostgreSQL DSN; None for the embedded server in the data directory."""
    secret_key: str = ""
    """Signs cursors and keys the suppression hashes; kept outside the database."""
    pool_size: int = 10
    """Connections of one web process."""
    statement_timeout_seconds: int = 30
    max_body_bytes: int = MAX_BODY_BYTES
    max_upload_bytes: int = MAX_UPLOAD_BYTES
    """The body of an import; other bodies are limited by max_body_bytes."""
    vendor_import_limits: bool = False
    """Cut imports at 40,000 rows or 4 MB, as the vendor does; the activity says so."""
    log_format: str = "json"
    """`json` or `console`."""


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """Where data lives unless told: /var/lib/everlist for root, the XDG data folder for others."""
    if os.geteuid() == 0:
        return Path("/var/lib/everlist")
    home = environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home) / "everlist"


def load(
    environ: Mapping[str, str] = os.environ,
    *,
    data_dir: Path | None = None,
    database_url: str | None = None,
) -> Settings:
    """Read the settings; the arguments, from flags, come before the environment.

    Raises StartError where a value has the wrong form or the data directory cannot be written.
    """
    directory = data_dir or Path(environ.get("EVERLIST_DATA_DIR") or default_data_dir(environ))
    directory = directory.expanduser().absolute()
    return Settings(
        data_dir=directory,
        database_url=database_url or environ.get("EVERLIST_DATABASE_URL") or None,
        secret_key=_given_secret_key(environ) or _kept_secret_key(directory),
        pool_size=_integer(environ, "EVERLIST_POOL_SIZE", default=10, low=1, high=500),
        statement_timeout_seconds=_integer(
            environ, "EVERLIST_STATEMENT_TIMEOUT", default=30, low=1, high=3600
        ),
        max_body_bytes=_integer(
            environ, "EVERLIST_MAX_BODY_BYTES", default=MAX_BODY_BYTES, low=1024, high=1 << 30
        ),
        max_upload_bytes=_integer(
            environ, "EVERLIST_MAX_UPLOAD_BYTES", default=MAX_UPLOAD_BYTES, low=1024, high=1 << 40
        ),
        vendor_import_limits=_choice(environ, "EVERLIST_VENDOR_IMPORT_LIMITS", ("off", "on")) == "on",
        log_format=_choice(environ, "EVERLIST_LOG_FORMAT", ("json", "console")),
    )


def _given_secret_key(environ: Mapping[str, str]) -> str:
    key = environ.get("EVERLIST_SECRET_KEY", "").strip()
    if key and len(key) < _KEY_LENGTH:
        message = f"EVERLIST_SECRET_KEY must have at least {_KEY_LENGTH} characters"
        raise StartError(message)
    return key


def _kept_secret_key(directory: Path) -> str:
    """The key kept in the data directory; made there, readable by its owner only, the first time."""
    path = directory / "secret_key"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = directory / f"secret_key.{os.getpid()}.{secrets.token_hex(4)}"
        if not path.exists():
            made.touch(mode=0o600)
            made.write_text(secrets.token_hex(32))
            try:
                os.link(made, path)  # fails if another process was first: then its key is the key
            except FileExistsError:
                pass
            finally:
                made.unlink()
        key = path.read_text().strip()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        message = f"the data directory {directory} cannot be used: {reason}; choose another with --data-dir"
        raise StartError(message) from error
    if len(key) < _KEY_LENGTH:
        message = f"{path} does not hold a key of at least {_KEY_LENGTH} characters"
        raise StartError(message)
    return key


def _integer(environ: Mapping[str, str], name: str, *, default: int, low: int, high: int) -> int:
    value = environ.get(name) or str(default)
    if value.isdecimal() and low <= int(value) <= high:
        return int(value)
    message = f"{name} must be a whole number from {low} to {high}, not {value!r}"
    raise StartError(message)


def _choice(environ: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    value = environ.get(name) or choices[0]
    if value in choices:
        return value
    message = f"{name} must be one of {', '.join(choices)}, not {value!r}"
    raise StartError(message)
