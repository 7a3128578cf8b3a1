"""`everlist tags`."""

from __future__ import annotations

import click

from everlist.commands import names, output
from everlist.commands.names import LISTS, TAGS
from everlist.commands.session import Session, agreed, api, destroys


@click.group()
def tags() -> None:
    """Tags: show, make and delete them, and tag contacts. A TAG is a name, in any case, or an id."""


@tags.command("list")
@api
def list_tags(session: Session) -> None:
    """Show all tags, and how many contacts have each.

    Example: everlist tags list --json
    """
    all_tags = session.client.tags.list(limit=500, include_count=True)
    if session.as_json:
        output.lines(all_tags)
        return
    rows = (
        (one.name, output.number(one.contacts_count), output.moment(one.created_at), one.tag_id)
        for one in all_tags
    )
    if not output.table(("Name", ">Contacts", "Made", "Id"), rows):
        click.echo("There are no tags yet. To make one: everlist tags create NAME")


@tags.command("create")
@click.argument("name")
@api
def create_tag(session: Session, name: str) -> None:
    """Make a tag.

    Example: everlist tags create "history"
    """
    made = session.client.tags.create(name)
    session.done(f'Made the tag "{made.name}", {made.tag_id}.', made)


@tags.command("rename")
@click.argument("tag", shell_complete=TAGS)
@click.argument("name")
@api
def rename_tag(session: Session, tag: str, name: str) -> None:
    """Give a tag another name.

    Example: everlist tags rename "poetry" "verse"
    """
    there = names.tag_of(session, tag)
    renamed = session.client.tags.update(there.tag_id, name=name)
    session.done(f'"{there.name}" is "{renamed.name}" now.', renamed)


@tags.command("delete")
@click.argument("tags", metavar="TAG...", shell_complete=TAGS, nargs=-1, required=True)
@destroys
@api
def delete_tags(session: Session, tags: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Delete tags, and take them off every contact.

    Example: everlist tags delete "old" --yes
    """
    there = [names.tag_of(session, name) for name in names.given(tags)]
    tagged = sum(session.client.tags.get(one.tag_id, include_count=True).contacts_count or 0 for one in there)
    what = f"delete {output.count_of(len(there), 'tag')}, used {output.count_of(tagged, 'time')}"
    if not agreed(session, verb="delete", what=what, count=len(there), noun="tag", dry_run=dry_run, yes=yes):
        return
    activity = session.wait(session.client.activities.delete_tags(one.tag_id for one in there), "Deleting")
    session.done(f"Deleted {', '.join(one.name for one in there)}.", activity)


@tags.command("add")
@click.argument("tag", shell_complete=TAGS)
@click.argument("who", metavar="[CONTACT]...", nargs=-1)
@click.option(
    "--list",
    "list_names",
    shell_complete=LISTS,
    multiple=True,
    help="Everybody on this list; several may be given.",
)
@api
def add_tag(session: Session, tag: str, who: tuple[str, ...], list_names: tuple[str, ...]) -> None:
    """Tag contacts, by address or id, or everybody on lists; - reads the contacts from standard input.

    Example: everlist tags add "poetry" ruth@example.org
    """
    _change(session, tag, who, list_names, add=True)


@tags.command("remove")
@click.argument("tag", shell_complete=TAGS)
@click.argument("who", metavar="[CONTACT]...", nargs=-1)
@click.option(
    "--list",
    "list_names",
    shell_complete=LISTS,
    multiple=True,
    help="Everybody on this list; several may be given.",
)
@api
def remove_tag(session: Session, tag: str, who: tuple[str, ...], list_names: tuple[str, ...]) -> None:
    """Take a tag off contacts, by address or id, or off everybody on lists.

    Example: everlist tags remove "vip" --list "News"
    """
    _change(session, tag, who, list_names, add=False)


def _change(
    session: Session, tag: str, who: tuple[str, ...], list_names: tuple[str, ...], *, add: bool
) -> None:
    there = names.tag_of(session, tag)
    activities = session.client.activities
    begin = activities.add_tags if add else activities.remove_tags
    changed = 0
    for selection in names.selections(session, who, list_names):
        done = session.wait(begin(selection, there.tag_id), "Tagging" if add else "Untagging")
        if session.as_json:
            output.line(done)
        changed += (done.status.updated_count or 0) if done.status else 0
    if not session.as_json:
        people = output.count_of(changed, "contact")
        click.echo(
            output.clean(
                f'Tagged {people} with "{there.name}".' if add else f'Took "{there.name}" off {people}.'
            )
        )
