"""`everlist contacts`."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from everlist.commands import names, output
from everlist.commands.names import LISTS, TAGS
from everlist.commands.session import NOT_FOUND, REFUSED, USAGE, Failed, Session, agreed, api, destroys

if TYPE_CHECKING:
    from everlist.client.models import ConsentEvent, Contact, CustomFieldValue

F = TypeVar("F", bound=Callable[..., Any])

_INCLUDE = "custom_fields,list_memberships,taggings,phone_numbers,street_addresses,notes,sms_channel"
_TEXTS = ("first_name", "last_name", "job_title", "company_name", "anniversary")
_ON_A_TERMINAL = 50


@click.group()
def contacts() -> None:
    """Contacts: find, change, delete, restore, erase and explain them. A CONTACT is an address or an id."""


# Reading


@contacts.command("get")
@click.argument("who", metavar="CONTACT")
@api
def get_contact(session: Session, who: str) -> None:
    """Show a contact with everything on it, a deleted one too.

    Example: everlist contacts get ruth@example.org
    """
    _show(session, names.contact_of(session, who, include=_INCLUDE))


@contacts.command("find")
@click.argument("email")
@api
def find_contact(session: Session, email: str) -> None:
    """Show the contact with an address. The exit status is 3 where there is none.

    Example: everlist contacts find ruth@example.org --json
    """
    found = session.client.contacts.find(email, include=_INCLUDE)
    if found is None:
        raise Failed(f"no contact has the address {email}", NOT_FOUND)
    _show(session, found)


@contacts.command("list")
@click.option(
    "--list",
    "list_names",
    shell_complete=LISTS,
    multiple=True,
    help="Only who is on this list; several: on any of them.",
)
@click.option(
    "--tag", "tags", shell_complete=TAGS, multiple=True, help="Only who has this tag; several: any of them."
)
@click.option(
    "--status",
    help="active, deleted, unsubscribed, pending_confirmation, not_set or all; several with commas.",
)
@click.option(
    "--updated-after", metavar="TIME", help="Only who was changed after it, such as 2026-11-01T00:00:00Z."
)
@click.option("--created-after", metavar="TIME", help="Only who was made after it.")
@click.option("--include", help="For --json, such as list_memberships,taggings,custom_fields.")
@click.option(
    "--limit", type=click.IntRange(min=1), help="At most so many. Default: 50 on a terminal, else all."
)
@api
def list_contacts(
    session: Session,
    list_names: tuple[str, ...],
    tags: tuple[str, ...],
    status: str | None,
    updated_after: str | None,
    created_after: str | None,
    include: str | None,
    limit: int | None,
) -> None:
    """Show contacts, all that the options fit.

    Example: everlist contacts list --list "News" --status active --json
    """
    import sys
    from itertools import islice

    shown = limit or (_ON_A_TERMINAL if sys.stdout.isatty() and not session.as_json else None)
    found = session.client.contacts.list(
        lists=[names.list_of(session, name).list_id for name in list_names] or None,
        tags=[names.tag_of(session, name).tag_id for name in tags] or None,
        status=status,
        updated_after=updated_after,
        created_after=created_after,
        include=include,
        limit=min(shown, 500) if shown else 500,
    )
    some = islice(found, shown)
    if session.as_json:
        output.lines(some)
        return
    rows = (
        (_reference(one), _full_name(one), _permission(one), output.moment(one.created_at)) for one in some
    )
    total = output.table(("Contact", "Name", "Permission", "Made"), rows)
    if not total:
        click.echo("No contact fits.")
    elif limit is None and total == shown:
        click.echo(f"These are the first {shown}: --limit shows more, --json all of them.", err=True)


def _reference(contact: Contact) -> str:
    return contact.email or contact.contact_id


def _full_name(contact: Contact) -> str:
    return " ".join(filter(None, (contact.first_name, contact.last_name))) or contact.company_name or ""


def _permission(contact: Contact) -> str:
    permission = (contact.email_address.permission_to_send if contact.email_address else None) or ""
    return f"{permission} (deleted)".strip() if contact.deleted_at else permission


def _show(session: Session, contact: Contact) -> None:
    if session.as_json:
        output.line(contact)
        return
    client = session.client
    lists = (
        {one.list_id: one.name for one in client.lists.list(limit=1000)} if contact.list_memberships else {}
    )
    tags = {one.tag_id: one.name for one in client.tags.list(limit=500)} if contact.taggings else {}
    email = contact.email_address
    rows: list[tuple[str, object]] = [
        ("Address", contact.email),
        ("Permission", _permission(contact)),
        ("Since", output.moment(email.opt_out_date or email.opt_in_date) if email else ""),
        ("Name", " ".join(filter(None, (contact.first_name, contact.last_name)))),
        ("Company", contact.company_name),
        ("Job", contact.job_title),
        (
            "Birthday",
            f"{contact.birthday_month:02}-{contact.birthday_day:02}"
            if contact.birthday_month and contact.birthday_day
            else "",
        ),
        ("Anniversary", contact.anniversary),
        ("Lists", ", ".join(lists.get(one, one) for one in contact.list_memberships or ())),
        ("Tags", ", ".join(tags.get(one, one) for one in contact.taggings or ())),
        *_field_rows(session, contact),
        *((f"Phone, {one.kind}", one.phone_number) for one in contact.phone_numbers or ()),
        *(
            (
                f"Address, {one.kind}",
                ", ".join(filter(None, (one.street, one.postal_code, one.city, one.state, one.country))),
            )
            for one in contact.street_addresses or ()
        ),
        *(("Note", one.content) for one in contact.notes or ()),
        ("Made", output.moment(contact.created_at)),
        ("Changed", output.moment(contact.updated_at)),
        ("Deleted", contact.deleted_at),
        ("Id", contact.contact_id),
    ]
    output.pairs(rows)


def _field_rows(session: Session, contact: Contact) -> list[tuple[str, object]]:
    if not contact.custom_fields:
        return []
    there = {one.custom_field_id: one for one in session.client.custom_fields.list(limit=100)}
    rows: list[tuple[str, object]] = []
    for value in contact.custom_fields:
        field = there.get(value.custom_field_id)
        labels = {str(one.choice_id): one.choice_label for one in (field.choices if field else None) or ()}
        chosen = ", ".join(labels.get(one, one) for one in value.choice_ids or ())
        rows.append((field.label if field else value.custom_field_id, value.value or chosen))
    return rows


# Making and changing


def properties(command: F) -> F:
    """Gives a command the options of a contact's properties, as one dictionary, `given`."""
    permissions = click.Choice(["explicit", "implicit", "unsubscribed", "pending_confirmation", "not_set"])

    @click.option("--first-name", help="Up to 50 characters, as all names.")
    @click.option("--last-name")
    @click.option("--job-title")
    @click.option("--company-name")
    @click.option("--birthday", metavar="MM-DD", help="Month and day, such as 03-14.")
    @click.option("--anniversary", metavar="DATE", help="A date, such as 2019-06-01.")
    @click.option("--permission", type=permissions, help="What may be sent.")
    @click.option(
        "--field", "fields", metavar="NAME=VALUE", multiple=True, help="A custom field; choices with commas."
    )
    @click.option(
        "--body", type=click.File("rb"), help="Properties as JSON, as the API has them; - is standard input."
    )
    @click.option(
        "--source",
        type=click.Choice(["Account", "Contact"]),
        default="Account",
        show_default=True,
        help="Who acts.",
    )
    @functools.wraps(command)
    def with_properties(
        *args: Any,
        birthday: str | None,
        permission: str | None,
        fields: tuple[str, ...],
        body: IO[bytes] | None,
        source: str,
        **kwargs: Any,
    ) -> Any:
        given = _body(body)
        given |= {name: value for name in _TEXTS if (value := kwargs.pop(name)) is not None}
        if birthday is not None:
            given |= _birthday(birthday)
        return command(*args, given=given, permission=permission, fields=fields, source=source, **kwargs)

    return with_properties  # pyright: ignore[reportReturnType] - click passes the arguments by name


def _body(file: IO[bytes] | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        read = json.load(file)
    except ValueError as error:
        raise Failed(f"--body is no JSON: {error}", USAGE) from error
    if not isinstance(read, dict):
        raise Failed("--body is no JSON object", USAGE)
    return {str(name): value for name, value in read.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _birthday(text: str) -> dict[str, Any]:
    month, _, day = text.partition("-")
    if not (month.isdecimal() and day.isdecimal()):
        raise Failed(f"--birthday is a month and a day, such as 03-14, not {text}", USAGE)
    return {"birthday_month": int(month), "birthday_day": int(day)}


def _field_value(session: Session, text: str) -> CustomFieldValue:
    from everlist.client import CustomFieldValue

    name, equals, value = text.partition("=")
    if not equals:
        raise Failed(f"--field is a name and a value, such as Size=M, not {text}", USAGE)
    field = names.field_of(session, name.strip())
    if field.choices is None:
        return CustomFieldValue(custom_field_id=field.custom_field_id, value=value)
    chosen: list[str] = []
    for label in filter(None, (part.strip() for part in value.split(","))):
        known = {one.choice_label.casefold(): one for one in field.choices}
        if label.casefold() not in known:
            there = ", ".join(one.choice_label for one in field.choices)
            raise Failed(f'"{field.label}" has no choice "{label}": it has {there}', NOT_FOUND)
        chosen.append(str(known[label.casefold()].choice_id))
    return CustomFieldValue(custom_field_id=field.custom_field_id, choice_ids=chosen)


@contacts.command("create")
@click.argument("email", required=False)
@click.option(
    "--list", "list_names", shell_complete=LISTS, multiple=True, help="Onto this list; several may be given."
)
@click.option(
    "--tag", "tags", shell_complete=TAGS, multiple=True, help="With this tag; several may be given."
)
@properties
@api
def create_contact(
    session: Session,
    email: str | None,
    list_names: tuple[str, ...],
    tags: tuple[str, ...],
    given: dict[str, Any],
    permission: str | None,
    fields: tuple[str, ...],
    source: str,
) -> None:
    """Make a contact. --source Contact where the person asked for it.

    Example: everlist contacts create ada@example.org --first-name Ada --list "News" --field Size=M
    """
    from everlist.client import Conflict

    body: dict[str, Any] = {"create_source": source, **given}
    if email is not None:
        body["email_address"] = {"address": email}
    if permission is not None:
        body.setdefault("email_address", {})["permission_to_send"] = permission
    if list_names:
        body["list_memberships"] = [names.list_of(session, name).list_id for name in list_names]
    if tags:
        body["taggings"] = [names.tag_of(session, name).tag_id for name in tags]
    if fields:
        body["custom_fields"] = [_field_value(session, text) for text in fields]
    try:
        made = session.client.contacts.create(body)
    except Conflict as error:
        tip = f"everlist contacts explain {email} tells what can be done" if email else ""
        raise Failed(f"{error.message}\n{tip}".strip(), REFUSED) from error
    session.done(f"Made {_reference(made)}, {made.contact_id}.", made)


@contacts.command("update")
@click.argument("who", metavar="CONTACT")
@click.option("--email", help="The new address.")
@click.option(
    "--clear", "cleared", multiple=True, type=click.Choice([*_TEXTS, "birthday"]), help="Take this away."
)
@click.option(
    "--add-list", "on", shell_complete=LISTS, multiple=True, metavar="LIST", help="Put it on this list."
)
@click.option(
    "--remove-list", "off", shell_complete=LISTS, multiple=True, metavar="LIST", help="Take it off this list."
)
@click.option(
    "--add-tag", "tagged", shell_complete=TAGS, multiple=True, metavar="TAG", help="Give it this tag."
)
@click.option(
    "--remove-tag",
    "untagged",
    shell_complete=TAGS,
    multiple=True,
    metavar="TAG",
    help="Take this tag off it.",
)
@properties
@api
def update_contact(
    session: Session,
    who: str,
    email: str | None,
    cleared: tuple[str, ...],
    on: tuple[str, ...],
    off: tuple[str, ...],
    tagged: tuple[str, ...],
    untagged: tuple[str, ...],
    given: dict[str, Any],
    permission: str | None,
    fields: tuple[str, ...],
    source: str,
) -> None:
    """Change what the options name, and keep all else.

    Example: everlist contacts update ruth@example.org --job-title Florist --add-tag "vip"
    """
    from everlist.client import EmailAddress

    there = names.contact_of(session, who, include="custom_fields,list_memberships,taggings")
    changes = dict(given)
    for name in cleared:
        changes |= dict.fromkeys(("birthday_month", "birthday_day") if name == "birthday" else (name,))
    if email is not None or permission is not None:
        address = email or there.email
        if address is None:
            raise Failed("the contact has no address: give one with --email", USAGE)
        changes["email_address"] = EmailAddress(address=address, permission_to_send=permission)
    if on or off:
        ids = [names.list_of(session, name).list_id for name in (*on, *off)]
        changes["list_memberships"] = _moved(there.list_memberships, ids[: len(on)], ids[len(on) :])
    if tagged or untagged:
        ids = [names.tag_of(session, name).tag_id for name in (*tagged, *untagged)]
        changes["taggings"] = _moved(there.taggings, ids[: len(tagged)], ids[len(tagged) :])
    if fields:
        values = {one.custom_field_id: one for one in there.custom_fields or ()}
        values |= {one.custom_field_id: one for one in (_field_value(session, text) for text in fields)}
        changes["custom_fields"] = [one for one in values.values() if one.value or one.choice_ids]
    if not changes:
        raise Failed("say what to change: everlist contacts update --help has the options", USAGE)
    try:
        changed = session.client.contacts.change(there.contact_id, update_source=source, **changes)
    except TypeError as error:
        raise Failed(str(error), USAGE) from error
    session.done(f"Changed {_reference(changed)}.", changed)


def _moved(there: list[str] | None, add: list[str], remove: list[str]) -> list[str]:
    return [one for one in dict.fromkeys([*(there or ()), *add]) if one not in remove]


# Deleting, and bringing back


@contacts.command("delete")
@click.argument("who", metavar="[CONTACT]...", nargs=-1)
@click.option(
    "--list",
    "list_names",
    shell_complete=LISTS,
    multiple=True,
    help="Everybody on this list; several may be given.",
)
@destroys
@api
def delete_contacts(
    session: Session, who: tuple[str, ...], list_names: tuple[str, ...], dry_run: bool, yes: bool
) -> None:
    """Hide contacts and take them off their lists. They can be restored; - reads them from standard input.

    Example: everlist contacts delete tom@example.org --yes
    """
    ids, lists, count = _chosen(session, who, list_names)
    what = f"delete {output.count_of(count, 'contact')}"
    if not agreed(session, verb="delete", what=what, count=count, noun="contact", dry_run=dry_run, yes=yes):
        return
    activities = session.client.activities
    begun = [functools.partial(activities.delete_contacts, contact_ids=some) for some in names.batches(ids)]
    if lists:
        begun.append(functools.partial(activities.delete_contacts, list_ids=lists))
    for begin in begun:
        done = session.wait(begin(), "Deleting")
        again = f"everlist contacts restore --deleted-by {done.activity_id}"
        session.done(
            f"Deleted {output.count_of(_items(done, count), 'contact')}. To bring them back: {again}", done
        )


def _chosen(
    session: Session, who: tuple[str, ...], list_names: tuple[str, ...]
) -> tuple[list[str], list[str], int]:
    """The ids of contacts or of lists, one of the two, and how many contacts that is."""
    if bool(who) == bool(list_names):
        raise Failed("name contacts, or lists with --list: one of the two", USAGE)
    if who:
        ids = names.contact_ids(session, who)
        return ids, [], len(ids)
    lists = [names.list_of(session, name).list_id for name in list_names]
    counted = [session.client.lists.get(one, include_membership_count="all") for one in lists]
    return [], lists, sum(one.membership_count or 0 for one in counted)


def _items(activity: Any, otherwise: int) -> int:
    counted = activity.status.items_completed_count if activity.status else None
    return otherwise if counted is None else counted


@contacts.command("restore")
@click.argument("who", metavar="[CONTACT]...", nargs=-1)
@click.option(
    "--deleted-by", metavar="ACTIVITY", help="All that this activity deleted; `last` is the newest activity."
)
@api
def restore_contacts(session: Session, who: tuple[str, ...], deleted_by: str | None) -> None:
    """Bring deleted contacts back. With the lists and tags that they had; - reads them from standard input.

    Example: everlist contacts restore kim@example.org
    """
    if bool(who) == bool(deleted_by):
        raise Failed("name contacts, or an activity with --deleted-by: one of the two", USAGE)
    restore = session.client.activities.restore
    if deleted_by:
        begun = [
            functools.partial(
                restore, deleted_by_activity_id=names.activity_of(session, deleted_by).activity_id
            )
        ]
    else:
        ids = names.contact_ids(session, who)
        begun = [functools.partial(restore, contact_ids=some) for some in names.batches(ids)]
    for begin in begun:
        done = session.wait(begin(), "Restoring")
        status = done.status
        changed = (status.updated_count if status else None) or 0
        session.done(f"Brought back {output.count_of(changed, 'contact')}.", done)
        if not session.as_json:
            for text in done.errors:
                click.echo(output.clean(f"  {text}"))


@contacts.command("erase")
@click.argument("who", metavar="[CONTACT]...", nargs=-1)
@click.option(
    "--list",
    "list_names",
    shell_complete=LISTS,
    multiple=True,
    help="Everybody on this list; several may be given.",
)
@click.option("--reason", required=True, help="Why; it is kept, so it must name nobody.")
@destroys
@api
def erase_contacts(
    session: Session, who: tuple[str, ...], list_names: tuple[str, ...], reason: str, dry_run: bool, yes: bool
) -> None:
    """Erase people for good. There is no way back; - reads them from standard input.

    An address may be erased that no contact has: it is remembered as erased. With --json the receipts are printed.

    Example: everlist contacts erase old@example.org --reason "asked for it" --yes --json
    """
    words = names.given(who)
    emails = [word for word in words if not names.is_id(word)]
    if unknown := [word for word in emails if "@" not in word]:
        raise Failed(f'"{unknown[0]}" is neither the address nor the id of a contact', USAGE)
    ids, lists, count = [word for word in words if names.is_id(word)], list[str](), len(words)
    if list_names or not words:
        _, lists, count = _chosen(session, tuple(words), list_names)
    what = f"erase {output.count_of(count, 'contact')} for good"
    if not agreed(session, verb="erase", what=what, count=count, noun="contact", dry_run=dry_run, yes=yes):
        return
    erase = functools.partial(session.client.activities.erase, reason=reason)
    begun = [functools.partial(erase, contact_ids=some) for some in names.batches(ids)]
    begun += [functools.partial(erase, email_addresses=some) for some in names.batches(emails)]
    begun += [functools.partial(erase, list_ids=lists)] if lists else []
    for begin in begun:
        done = session.wait(begin(), "Erasing")
        receipts = session.client.account.erasures(activity_id=done.activity_id, limit=500)
        if session.as_json:
            output.lines(receipts)
            continue
        for one in receipts:
            click.echo(f"Erased {one.contact_id or 'an address'}, receipt {one.erasure_id}.")
        if done.status and done.status.suppressed_count:
            addresses = output.count_of(done.status.suppressed_count, "address")
            click.echo(f"Remembered as erased, with no contact: {addresses}.")
        for text in done.errors:
            click.echo(output.clean(f"  {text}"))


# Explaining


@contacts.command("explain")
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


@contacts.command("consent")
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
