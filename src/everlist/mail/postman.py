"""Send the mail in the outbox by SMTP; without a mail server, save it as files."""

from __future__ import annotations

import asyncio
import contextlib
import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import aiosmtplib
import structlog

from everlist.core import accounts, outbox
from everlist.mail.compose import compose
from everlist.ops import logs, metrics

if TYPE_CHECKING:
    from pathlib import Path

    from everlist.core.accounts import AccountSettings
    from everlist.core.outbox import Claimed, Mail
    from everlist.db import Database, Transaction
    from everlist.settings import Settings, Smtp

log = structlog.get_logger()

_TIMEOUT = 30.0
_FILES_KEPT = timedelta(days=30)


class _Refused(Exception):
    """The server refused this mail permanently; the argument is its reply code."""


class _NotAccepted(Exception):
    """The mail was not accepted, and may be retried; the argument is the type of the error or the reply code."""


class _Unknown(Exception):
    """The connection broke while the text was sent: the server may or may not have accepted the mail."""


class _ClaimLost(Exception):
    """Another worker has the claim, or the mail was deleted."""


class Postman:
    """Sends mail for one worker, over a connection that stays open while there is mail."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._smtp = settings.smtp
        self._public_url = settings.base_url
        self._folder = settings.mail_folder
        self._client: aiosmtplib.SMTP | None = None

    async def deliver(self, *, now: datetime) -> bool:
        """Try to send the mail that has been due longest; return False if none is due."""
        claimed = await self._db.write(lambda tx: outbox.claim(tx, now=now))
        if claimed is None:
            return False
        mail = await self._db.write(lambda tx: outbox.take(tx, claimed, now=now))
        if mail is None:
            return True
        account = await accounts.settings(self._db, claimed.account_id)
        try:
            sender, message = _composed(mail, account, self._public_url, now)
            if self._smtp is None:
                await self._keep(claimed, mail, message, now)
            else:
                await self._send(self._smtp, claimed, mail, sender, message)
                await self._db.write(lambda tx: outbox.sent(tx, mail, now=now))
        except _Refused as error:
            reason = str(error)
            await self._db.write(lambda tx: outbox.give_up(tx, claimed, reason))
            _report(mail, "given_up", reason)
        except _Unknown:
            await self._db.write(lambda tx: outbox.give_up(tx, claimed, outbox.UNKNOWN))
            _report(mail, "given_up", outbox.UNKNOWN)
        except _NotAccepted as error:
            reason = str(error)
            waits = await self._db.write(lambda tx: outbox.try_later(tx, claimed, mail, reason, now=now))
            _report(mail, "failed" if waits else "given_up", reason)
        except _ClaimLost:
            pass
        else:
            _report(mail, "sent")
        return True

    async def _send(self, smtp: Smtp, claimed: Claimed, mail: Mail, sender: str, message: bytes) -> None:
        """Send the mail. An error before `mark_sending` means that certainly nothing was sent."""
        try:
            client = self._client = await self._connected(smtp)
            utf8 = not mail.address.isascii()
            if utf8 and not client.supports_extension("smtputf8"):
                raise _Refused("SMTPUTF8")
            encoding = "utf-8" if utf8 else "ascii"
            await client.mail(sender, options=["SMTPUTF8"] if utf8 else [], encoding=encoding)
            try:
                await client.rcpt(mail.address, encoding=encoding)
            except aiosmtplib.SMTPRecipientRefused as error:
                raise _by_code(error) from error
        except aiosmtplib.SMTPResponseException as error:
            await self.close()
            raise _NotAccepted(str(error.code)) from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            await self.close()
            raise _NotAccepted(type(error).__name__) from error
        except (_Refused, _NotAccepted):
            await self.close()
            raise
        if not await self._db.write(lambda tx: outbox.mark_sending(tx, claimed)):
            await self.close()
            raise _ClaimLost
        try:
            await client.data(message)
        except aiosmtplib.SMTPResponseException as error:
            await self.close()
            raise _by_code(error) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            await self.close()
            raise _Unknown from error

    async def _connected(self, smtp: Smtp) -> aiosmtplib.SMTP:
        if self._client is not None and self._client.is_connected:
            return self._client
        client = aiosmtplib.SMTP(
            hostname=smtp.host,
            port=smtp.port,
            username=smtp.username,
            password=smtp.password,
            use_tls=smtp.security == "tls",
            start_tls=smtp.security == "starttls",
            timeout=_TIMEOUT,
        )
        await client.connect()
        await client.ehlo()
        return client

    async def close(self) -> None:
        """Close the connection to the mail server."""
        client, self._client = self._client, None
        if client is not None and client.is_connected:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=2)
        if client is not None:
            client.close()

    async def _keep(self, claimed: Claimed, mail: Mail, message: bytes, now: datetime) -> None:
        """Save the mail as a file, under a lock: an erasure either prevents the file or finds and deletes it."""
        if not await self._db.write(lambda tx: outbox.mark_sending(tx, claimed)):
            raise _ClaimLost

        async def write(tx: Transaction) -> None:
            if not await outbox.hold(tx, claimed):
                raise _ClaimLost
            try:
                await asyncio.to_thread(_write, self._folder, outbox.file_name(mail), message)
            except OSError as error:
                raise _NotAccepted(type(error).__name__) from error
            await outbox.sent(tx, mail, now=now)

        await self._db.write(write)

    async def sweep(self, *, now: datetime) -> None:
        """Delete mail files that are older than 30 days."""
        await asyncio.to_thread(_sweep, self._folder, (now - _FILES_KEPT).timestamp())


def _composed(mail: Mail, account: AccountSettings, public_url: str, now: datetime) -> tuple[str, bytes]:
    try:
        return compose(mail, account, public_url=public_url, now=now)
    except Exception as error:  # one bad mail must not stop the others
        log.error("mail cannot be composed", error=type(error).__name__, at=logs.places(error))
        raise _NotAccepted(type(error).__name__) from error


def _by_code(error: aiosmtplib.SMTPResponseException) -> Exception:
    return _Refused(str(error.code)) if 500 <= error.code < 600 else _NotAccepted(str(error.code))


def _report(mail: Mail, outcome: str, error: str | None = None) -> None:
    metrics.MAIL.labels(outcome).inc()
    values = {"account_id": str(mail.account_id), "mail_id": str(mail.mail_id)}
    if error is None:
        log.info("mail sent", **values)
    elif outcome == "failed":
        log.warning("mail not sent", **values, error=error, attempts=mail.attempts + 1)
    else:
        log.error("mail given up", **values, error=error)


def _write(folder: Path, name: str, message: bytes) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = folder / f".{name}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(message)
    temporary.replace(folder / name)


def _sweep(folder: Path, before: float) -> None:
    for file in folder.glob("*.eml"):
        with contextlib.suppress(OSError):
            if file.stat().st_mtime < before:
                file.unlink()
