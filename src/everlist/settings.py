"""Read the settings from the environment into one frozen value, once, when the program starts.

docs/operating.md describes the `EVERLIST_` variables and the options of `everlist serve`.
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from everlist.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_UPLOAD_BYTES = 2 * 1024 * 1024 * 1024
_KEY_LENGTH = 32

DEFAULT_URL = "http://127.0.0.1:8080"


@dataclass(frozen=True, slots=True)
class Smtp:
    """A mail server."""

    host: str
    port: int
    security: str = "none"
    """`none`, `starttls`, or `tls` from the first byte."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a process of Everlist."""

    data_dir: Path
    database_url: str | None = None
    """A PostgreSQL DSN; None for the embedded PostgreSQL in the data directory."""
    secret_key: str = ""
    """Signs cursors, links and receipts, and keys the suppression hashes; never stored in the database."""
    pool_size: int = 10
    """Database connections of one web process."""
    statement_timeout_seconds: int = 30
    max_body_bytes: int = MAX_BODY_BYTES
    max_upload_bytes: int = MAX_UPLOAD_BYTES
    """The limit for the body of an import; max_body_bytes is the limit for other bodies."""
    vendor_import_limits: bool = False
    """Cut imports at 40,000 rows or 4 MB, as the vendor does, and say so in the activity."""
    rate_limit: tuple[int, int | None] | None = None
    """Requests per second, and per day, of an account in each web process; None for no limit."""
    public_url: str | None = None
    """The address that links in mail begin with, without a slash at its end."""
    smtp: Smtp | None = None
    """The mail server; None keeps mail as files in the data directory."""
    confirmations_per_address: int = 3
    """Mails that ask an address for confirmation, within 24 hours."""
    sign_ups_per_visitor: int = 20
    """Sign-ups that lead to a mail, per visitor that the caller names and hour."""
    sign_ups_per_caller: int = 1000
    """Sign-ups that lead to a mail, per token, calling address and hour, if the caller names no visitor."""
    erase_ledger: Path | None = None
    """A file outside the database that gets a line for each erasure; None for no such file."""
    log_format: str = "json"
    """`json` or `console`."""

    @property
    def mail_folder(self) -> Path:
        """The folder that keeps mail if there is no mail server."""
        return self.data_dir / "mail"

    @property
    def base_url(self) -> str:
        """The public address, or else the default address of `everlist serve`."""
        return self.public_url or DEFAULT_URL


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """Return the default data directory: /var/lib/everlist for root, the XDG data folder for other users."""
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
    """Read the settings; the arguments, which come from command line options, override the environment.

    Raises StartError if a value is wrong or the data directory cannot be written.
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
        rate_limit=_rate_limit(environ),
        public_url=_public_url(environ),
        smtp=_smtp(environ),
        confirmations_per_address=_integer(
            environ, "EVERLIST_CONFIRMATIONS_PER_ADDRESS", default=3, low=1, high=100
        ),
        sign_ups_per_visitor=_integer(
            environ, "EVERLIST_SIGN_UPS_PER_VISITOR", default=20, low=1, high=1_000_000
        ),
        sign_ups_per_caller=_integer(
            environ, "EVERLIST_SIGN_UPS_PER_CALLER", default=1000, low=1, high=1_000_000
        ),
        erase_ledger=Path(ledger).expanduser().absolute()
        if (ledger := environ.get("EVERLIST_ERASE_LEDGER"))
        else None,
        log_format=_choice(environ, "EVERLIST_LOG_FORMAT", ("json", "console")),
    )


def environment(settings: Settings, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a child process that is to run with these settings.

    Settings that options can override are replaced; the child inherits the others.
    """
    overrides = {
        "EVERLIST_DATA_DIR": str(settings.data_dir),
        "EVERLIST_DATABASE_URL": settings.database_url,
        "EVERLIST_SECRET_KEY": settings.secret_key,
        "EVERLIST_PUBLIC_URL": settings.public_url,
    }
    return {**environ, **{name: value for name, value in overrides.items() if value is not None}}


def secret_key_here(environ: Mapping[str, str] = os.environ, *, data_dir: Path | None = None) -> str | None:
    """Return the secret key of the installation on this machine, or None; never create a key."""
    if given := _given_secret_key(environ):
        return given
    directory = data_dir or Path(environ.get("EVERLIST_DATA_DIR") or default_data_dir(environ))
    try:
        return (directory.expanduser() / "secret_key").read_text().strip()
    except OSError:
        return None


def _given_secret_key(environ: Mapping[str, str]) -> str:
    key = environ.get("EVERLIST_SECRET_KEY", "").strip()
    if key and len(key) < _KEY_LENGTH:
        raise StartError(
            f"EVERLIST_SECRET_KEY must have at least {_KEY_LENGTH} characters: set a longer one, or unset it"
        )
    return key


def _kept_secret_key(directory: Path) -> str:
    """Return the key in the data directory; the first time, create it there, readable by its owner only."""
    path = directory / "secret_key"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = directory / f"secret_key.{os.getpid()}.{secrets.token_hex(4)}"
        if not path.exists():
            new.touch(mode=0o600)
            new.write_text(secrets.token_hex(32))
            try:
                os.link(new, path)  # atomic: if another process was first, its key counts
            except FileExistsError:
                pass
            finally:
                new.unlink()
        key = path.read_text().strip()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StartError(
            f"the data directory {directory} cannot be used: {reason}; choose another with --data-dir"
        ) from error
    if len(key) < _KEY_LENGTH:
        raise StartError(
            f"{path} does not hold a key of at least {_KEY_LENGTH} characters: restore it from a backup"
        )
    return key


def _public_url(environ: Mapping[str, str]) -> str | None:
    value = environ.get("EVERLIST_PUBLIC_URL", "").strip().rstrip("/")
    if not value:
        return None
    try:
        parts = urlsplit(value)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fits = False
    else:
        fits = fits and not (parts.query or parts.fragment or parts.username or parts.password)
    if not fits or not re.fullmatch(r"[!-~]+", value):
        raise StartError(
            f"EVERLIST_PUBLIC_URL must be an address such as https://mail.example.org, not {value!r}"
        )
    return value


_SMTP_SECURITY = {"smtp": ("none", 25), "starttls": ("starttls", 587), "smtps": ("tls", 465)}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _smtp(environ: Mapping[str, str]) -> Smtp | None:
    """Parse EVERLIST_SMTP_URL; keep its value out of every message, because it may contain a password."""
    value = environ.get("EVERLIST_SMTP_URL", "").strip()
    if not value:
        return None
    server = _server(value)
    if server is None:
        raise StartError(
            "EVERLIST_SMTP_URL must have the form smtp://host, starttls://user:password@host or"
            " smtps://user:password@host:port"
        )
    if server.username is not None and server.security == "none" and server.host not in _LOOPBACK:
        raise StartError("EVERLIST_SMTP_URL would send the password unencrypted: use starttls:// or smtps://")
    return server


def _server(url: str) -> Smtp | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    security, usual_port = _SMTP_SECURITY.get(parts.scheme, ("", 0))
    if (
        not security
        or not parts.hostname
        or port == 0
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
    ):
        return None
    if not parts.username and not parts.password:
        return Smtp(parts.hostname, port or usual_port, security)
    if not parts.username or not parts.password:
        return None
    return Smtp(
        parts.hostname, port or usual_port, security, unquote(parts.username), unquote(parts.password)
    )


def _integer(environ: Mapping[str, str], name: str, *, default: int, low: int, high: int) -> int:
    value = environ.get(name) or str(default)
    if value.isdecimal() and low <= int(value) <= high:
        return int(value)
    raise StartError(f"{name} must be a whole number from {low} to {high}, not {value!r}")


_VENDOR_RATE_LIMIT = (4, 10_000)


def _rate_limit(environ: Mapping[str, str]) -> tuple[int, int | None] | None:
    value = environ.get("EVERLIST_RATE_LIMIT") or "off"
    if value in ("off", "vendor"):
        return _VENDOR_RATE_LIMIT if value == "vendor" else None
    numbers = value.split(",")
    if len(numbers) <= 2 and all(
        number.isascii() and number.isdecimal() and 0 < int(number) < 10**9 for number in numbers
    ):
        return int(numbers[0]), int(numbers[1]) if len(numbers) == 2 else None
    raise StartError(
        "EVERLIST_RATE_LIMIT must be off, vendor, a number of requests a second such as 50,"
        f" or requests a second and a day such as 50,100000, not {value!r}"
    )


def _choice(environ: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    value = environ.get(name) or choices[0]
    if value in choices:
        return value
    raise StartError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
