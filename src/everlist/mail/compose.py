"""Compose a mail as bytes. RFC 5322, 2045 and, for Auto-Submitted, 3834."""

from __future__ import annotations

import unicodedata
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import jinja2

if TYPE_CHECKING:
    from datetime import datetime

    from everlist.core.accounts import AccountSettings
    from everlist.core.outbox import Mail

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("everlist.mail"),
    autoescape=jinja2.select_autoescape(("html",)),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_SUBJECTS = {
    "sign_up": "Please confirm your subscription to {}",
    "resubscribe": "Would you like to hear from {} again?",
}


def compose(mail: Mail, account: AccountSettings, *, public_url: str, now: datetime) -> tuple[str, bytes]:
    """Return (envelope sender, message). The Message-ID was chosen when the mail was queued."""
    name = _one_line(account.name)
    sender = account.sender_email or f"no-reply@{urlsplit(public_url).hostname or 'localhost'}"
    values = {
        "kind": mail.kind,
        "name": name,
        "lists": [_one_line(list_name) for list_name in mail.list_names],
        "url": f"{public_url}/confirm/{mail.link_token}",
        "until": mail.expires_at,
        "postal_address": account.postal_address,
    }
    message = EmailMessage(SMTP if mail.address.isascii() else SMTPUTF8)
    message["From"] = Address(_one_line(account.sender_name or name), addr_spec=sender)
    local, _, domain = mail.address.rpartition("@")
    message["To"] = Address(username=local, domain=domain)  # addr_spec accepts ASCII only
    message["Subject"] = _SUBJECTS[mail.kind].format(name)
    message["Date"] = now
    message["Message-ID"] = mail.message_id
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_TEMPLATES.get_template("question.txt").render(values), cte="quoted-printable")
    message.add_alternative(
        _TEMPLATES.get_template("question.html").render(values), "html", cte="quoted-printable"
    )
    return sender, bytes(message)


def _one_line(text: str) -> str:
    """Replace control characters and line ends, which headers must not contain, by blanks."""
    return " ".join("".join(" " if unicodedata.category(char)[0] == "C" else char for char in text).split())
