"""`everlist contacts`: explain and consent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from everlist.commands import lookup, output
from everlist.commands.session import Session, api_command

if TYPE_CHECKING:
    from everlist.client.models import ConsentEvent


@click.command("explain")
@click.argument("email")
@api_command
def explain_contact(session: Session, email: str) -> None:
    """Explain the state of an address. Prints since when, the cause, and the call that would succeed.

    Example: everlist contacts explain ruth@example.org
    """
    explanation = session.client.contacts.explain(email)
    if session.as_json:
        output.line(explanation)
        return
    call = explanation.next_call
    output.pairs(
        (
            ("State", explanation.state.replace("_", " ")),
            ("Since", output.moment(explanation.since)),
            ("By", _author(explanation.by) if explanation.by else ""),
            ("Reason", explanation.reason),
            ("Contact", explanation.contact_id),
            ("Next call", f"{call.method} {call.path}"),
            ("", json.dumps(call.body, ensure_ascii=False) if call.body else ""),
            ("Only if", call.only_if),
        )
    )


def _author(event: ConsentEvent) -> str:
    token = f", token {event.token_name}" if event.token_name else ""
    return f"{event.source}: {event.operation}{token}"


@click.command("consent")
@click.argument("contact_name", metavar="CONTACT")
@click.option(
    "--as-of", metavar="TIME", help="Show the permissions at this time, such as 2026-11-01T00:00:00Z."
)
@api_command
def show_consent(session: Session, contact_name: str, as_of: str | None) -> None:
    """Show the consent ledger of a contact. Prints each change of its permissions with time and author.

    Example: everlist contacts consent ruth@example.org
    """
    contact_id = lookup.find_contact(session, contact_name).contact_id
    if as_of is None:
        _print_ledger(session, contact_id)
    else:
        _print_permissions(session, contact_id, as_of)


def _print_ledger(session: Session, contact_id: str) -> None:
    events = session.client.contacts.consent(contact_id, limit=500)
    if session.as_json:
        output.lines(events)
        return
    rows = (
        (output.moment(event.at), event.channel, event.action, _permission_change(event), _author(event))
        for event in events
    )
    output.table(("When", "Channel", "Action", "Permission", "By"), rows)


def _print_permissions(session: Session, contact_id: str, as_of: str) -> None:
    state = session.client.contacts.consent_as_of(contact_id, as_of)
    if session.as_json:
        output.line(state)
        return
    if not state.exists or state.deleted:
        existence = "was deleted" if state.exists else "did not exist"
        click.echo(f"At {output.moment(state.as_of)} the contact {existence}.")
    rows = (
        (
            name,
            channel.permission,
            "yes" if channel.may_send else "no",
            output.moment(channel.since),
            _author(channel.event) if channel.event else "",
        )
        for name, channel in state.channels.items()
    )
    output.table(("Channel", "Permission", "May send", "Since", "By"), rows)


def _permission_change(event: ConsentEvent) -> str:
    before, after = event.permission_before, event.permission_after
    return f"{before} -> {after}" if before and after and before != after else after or before or ""
