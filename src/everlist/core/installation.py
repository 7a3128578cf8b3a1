"""What an installation keeps outside its database, and what is made with its secret key."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from uuid import UUID

    from everlist.settings import Settings


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """The secret key, the erase ledger and the mail folder.

    Required wherever an address is remembered or a person is erased: no field has a default, so that an
    erasure without a line in the erase ledger cannot be written by leaving something out.
    """

    secret_key: bytes
    """The key of the address hashes, of links and of receipts (settings.secret_key)."""
    erase_ledger: Path | None
    """The file that lists every erasure (settings.erase_ledger); None if the operator configured none."""
    mail_folder: Path
    """The folder of mail that is kept as files (settings.mail_folder); an erasure deletes from it."""

    def address_hmac(self, account_id: UUID, channel: str, address_key: str) -> bytes:
        """Return the 32 bytes that stand for an address in the suppression list.

        `channel` is suppression.EMAIL or suppression.SMS; `address_key` is the normalised form in which addresses are compared.
        """
        parts = (b"everlist suppression 1", account_id.bytes, channel.encode(), address_key.encode())
        return hmac.digest(self.secret_key, b"\x00".join(parts), hashlib.sha256)


def installation_of(settings: Settings) -> Installation:
    """Return what the settings say of this installation."""
    return Installation(
        secret_key=settings.secret_key.encode(),
        erase_ledger=settings.erase_ledger,
        mail_folder=settings.mail_folder,
    )
