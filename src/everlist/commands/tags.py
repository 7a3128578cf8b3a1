"""`everlist tags`."""

from __future__ import annotations

import click

from everlist.commands import lookup, output
from everlist.commands.completion import complete_tags
from everlist.commands.options import contacts_argument, contacts_of_lists
from everlist.commands.session import Session, api_command, confirmed, destructive


@click.group()
def tags() -> None:
    """List, create, rename and delete tags, and tag contacts. A TAG is a name, in any case, or an id."""


@tags.command("list")
@api_command
def list_tags(session: Session) -> None:
    """List all tags with their number of contacts.

    Example: everlist tags list --json
    """
    all_tags = session.client.tags.list(limit=500, include_count=True)
    if session.as_json:
        output.lines(all_tags)
        return
    rows = (
        (tag.name, output.number(tag.contacts_count), output.moment(tag.created_at), tag.tag_id)
        for tag in all_tags
    )
    if not output.table(("Name", ">Contacts", "Created", "Id"), rows):
        click.echo("There are no tags yet. To create one: everlist tags create NAME")


@tags.command("create")
@click.argument("name")
@api_command
def create_tag(session: Session, name: str) -> None:
    """Create a tag.

    Example: everlist tags create "history"
    """
    tag = session.client.tags.create(name)
    session.report(f'Created the tag "{tag.name}", {tag.tag_id}.', tag)


@tags.command("rename")
@click.argument("tag_name", metavar="TAG", shell_complete=complete_tags)
@click.argument("new_name", metavar="NAME")
@api_command
def rename_tag(session: Session, tag_name: str, new_name: str) -> None:
    """Rename a tag.

    Example: everlist tags rename "poetry" "verse"
    """
    tag = lookup.find_tag(session, tag_name)
    renamed = session.client.tags.update(tag.tag_id, name=new_name)
    session.report(f'Renamed "{tag.name}" to "{renamed.name}".', renamed)


@tags.command("delete")
@click.argument("tag_names", metavar="TAG...", shell_complete=complete_tags, nargs=-1, required=True)
@destructive
@api_command
def delete_tags(session: Session, tag_names: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Delete tags and remove them from every contact.

    Example: everlist tags delete "old" --yes
    """
    chosen = [lookup.find_tag(session, name) for name in lookup.with_stdin(tag_names)]
    uses = sum(session.client.tags.get(tag.tag_id, include_count=True).contacts_count or 0 for tag in chosen)
    action = f"delete {output.count_of(len(chosen), 'tag')}, used {output.count_of(uses, 'time')}"
    count = len(chosen)
    if not confirmed(
        session, verb="delete", action=action, count=count, noun="tag", dry_run=dry_run, yes=yes
    ):
        return
    activity = session.wait(session.client.activities.delete_tags(tag.tag_id for tag in chosen), "Deleting")
    session.report(f"Deleted {', '.join(tag.name for tag in chosen)}.", activity)


@tags.command("add")
@click.argument("tag_name", metavar="TAG", shell_complete=complete_tags)
@contacts_argument
@contacts_of_lists
@api_command
def add_tag(session: Session, tag_name: str, contacts: tuple[str, ...], list_names: tuple[str, ...]) -> None:
    """Add a tag to contacts, or to all contacts on lists; - reads the contacts from standard input.

    Example: everlist tags add "poetry" ruth@example.org
    """
    _change_taggings(session, tag_name, contacts, list_names, add=True)


@tags.command("remove")
@click.argument("tag_name", metavar="TAG", shell_complete=complete_tags)
@contacts_argument
@contacts_of_lists
@api_command
def remove_tag(
    session: Session, tag_name: str, contacts: tuple[str, ...], list_names: tuple[str, ...]
) -> None:
    """Remove a tag from contacts, or from all contacts on lists; - reads the contacts from standard input.

    Example: everlist tags remove "vip" --list "News"
    """
    _change_taggings(session, tag_name, contacts, list_names, add=False)


def _change_taggings(
    session: Session, tag_name: str, contacts: tuple[str, ...], list_names: tuple[str, ...], *, add: bool
) -> None:
    tag = lookup.find_tag(session, tag_name)
    activities = session.client.activities
    start, title = (activities.add_tags, "Tagging") if add else (activities.remove_tags, "Untagging")
    changed = 0
    for selection in lookup.find_selections(session, contacts, list_names):
        activity = session.wait(start(selection, tag.tag_id), title)
        if session.as_json:
            output.line(activity)
        changed += (activity.status.updated_count or 0) if activity.status else 0
    if not session.as_json:
        count = output.count_of(changed, "contact")
        text = f'Tagged {count} with "{tag.name}".' if add else f'Removed "{tag.name}" from {count}.'
        click.echo(output.clean(text))
