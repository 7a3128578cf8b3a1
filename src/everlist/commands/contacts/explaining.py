"""`everlist contacts`: explain and consent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from everlist.commands import names, output
from everlist.commands.session import Session, api

if TYPE_CHECKING:
    from everlist.client.models import ConsentEvent


@click.command("explain")
@click.argument("email")
@api
def explain_contact(session: Session, email: str) -> None:
    """Tell how an address stands. Since when, by whom, and which call would succeed.

    Example: everlist contacts explain ruth@example.org
    """
    explained = session.client.contacts.explain(email)
    if session.as_json:
        output.line(explained)
        return
    call = explained.next_call
    output.pairs(
        (
            ("State", explained.state.replace("_", " ")),
            ("Since", output.moment(explained.since)),
            ("By", _by(explained.by) if explained.by else ""),
            ("Reason", explained.reason),
            ("Contact", explained.contact_id),
            ("Next", f"{call.method} {call.path}"),
            ("", json.dumps(call.body, ensure_ascii=False) if call.body else ""),
            ("Only if", call.only_if),
        )
    )


def _by(event: ConsentEvent) -> str:
    token = f", token {event.token_name}" if event.token_name else ""
    return f"{event.source}: {event.operation}{token}"


@click.command("consent")
@click.argument("who", metavar="CONTACT")
@click.option("--as-of", metavar="TIME", help="What could be sent then, such as 2026-11-01T00:00:00Z.")
@api
def show_consent(session: Session, who: str, as_of: str | None) -> None:
    """Show the consent ledger of a contact. Each change of what may be sent, when it was and who made it.

    Example: everlist contacts consent ruth@example.org
    """
    contact_id = names.contact_of(session, who).contact_id
    if as_of is None:
        events = session.client.contacts.consent(contact_id, limit=500)
        if session.as_json:
            output.lines(events)
            return
        rows = ((output.moment(one.at), one.channel, one.action, _change(one), _by(one)) for one in events)
        output.table(("When", "Channel", "What", "Permission", "By"), rows)
        return
    state = session.client.contacts.consent_as_of(contact_id, as_of)
    if session.as_json:
        output.line(state)
        return
    if not state.exists or state.deleted:
        click.echo(
            f"At {output.moment(state.as_of)} the contact {'was deleted' if state.exists else 'was not there'}."
        )
    titles = ("Channel", "Permission", "May send", "Since", "By")
    channels = (
        (
            name,
            one.permission,
            "yes" if one.may_send else "no",
            output.moment(one.since),
            _by(one.event) if one.event else "",
        )
        for name, one in state.channels.items()
    )
    output.table(titles, channels)


def _change(event: ConsentEvent) -> str:
    before, after = event.permission_before, event.permission_after
    return f"{before} -> {after}" if before and after and before != after else after or before or ""
