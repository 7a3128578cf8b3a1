"""`everlist import` and `everlist export`."""

from __future__ import annotations

import sys
from typing import Any

import click

from everlist.commands import names, output, progress, report
from everlist.commands.lists import opened
from everlist.commands.names import LISTS, TAGS
from everlist.commands.session import NOT_FOUND, Failed, Session, api


@click.command("import")
@click.argument("file", type=click.Path(allow_dash=True))
@click.option(
    "--list",
    "list_names",
    shell_complete=LISTS,
    multiple=True,
    required=True,
    help="Onto this list; several may be given.",
)
@click.option("--create-list", is_flag=True, help="Make the lists that are not there yet.")
@click.option(
    "--no-wait", is_flag=True, help="Only send the file; `everlist activities watch` shows the rest."
)
@click.option(
    "--timeout", type=click.FloatRange(min=0), help="Seconds to wait for the end; it goes on after that."
)
@api
def import_file(
    session: Session,
    file: str,
    list_names: tuple[str, ...],
    create_list: bool,
    no_wait: bool,
    timeout: float | None,
) -> None:
    """Import a CSV file onto lists; - is standard input.

    Says what became of the rows, and which were held back or rejected, and why. Nobody leaves a list:
    `everlist lists replace` does that.

    Example: everlist import people.csv --list "News"
    """
    with opened(file) as source:
        onto = [_list(session, name, create=create_list) for name in list_names]
        with progress.sending("Sending") as told:
            activity = session.client.activities.import_file(
                source,
                [list_id for list_id, _ in onto],
                file_name=None if file != "-" else "standard-input.csv",
                progress=told,
            )
    if no_wait:
        session.done(f"Sent. To see it: everlist activities watch {activity.activity_id}", activity)
        return
    activity = session.wait(activity, "Importing", timeout=timeout)
    click.get_current_context().exit(report.imported(session, activity, [name for _, name in onto]))


def _list(session: Session, name: str, *, create: bool) -> tuple[str, str]:
    try:
        there = names.list_of(session, name)
    except Failed as error:
        if not create or error.exit_code != NOT_FOUND or names.is_id(name):
            raise
        there = session.client.lists.create(name)
    return there.list_id, there.name


@click.command("export")
@click.argument("file", type=click.Path(allow_dash=True), default="-")
@click.option(
    "--list",
    "list_names",
    shell_complete=LISTS,
    multiple=True,
    help="Only who is on this list; several may be given.",
)
@click.option(
    "--tag", "tags", shell_complete=TAGS, multiple=True, help="Only who has this tag; several may be given."
)
@click.option(
    "--status", type=click.Choice(["active", "unsubscribed", "removed"]), help="Only contacts in this state."
)
@click.option("--fields", help="The columns, separated by commas: email_address,first_name …")
@api
def export(
    session: Session,
    file: str,
    list_names: tuple[str, ...],
    tags: tuple[str, ...],
    status: str | None,
    fields: str | None,
) -> None:
    """Export contacts as CSV to a file, or to standard output.

    Example: everlist export news.csv --list "News" --fields email_address,first_name
    """
    body: dict[str, Any] = {}
    if list_names:
        body["list_ids"] = [names.list_of(session, name).list_id for name in list_names]
    if tags:
        body["tag_ids"] = [names.tag_of(session, name).tag_id for name in tags]
    if status:
        body["status"] = status
    if fields:
        body["fields"] = [word.strip() for word in fields.split(",")]
    activity = session.wait(session.client.activities.export(**body), "Exporting")
    if file == "-":
        activity.save(sys.stdout.buffer)
        return
    try:
        size = activity.save(file)
    except OSError as error:
        raise Failed(f"{file}: {error.strerror or error}") from error
    session.done(
        f"Wrote {file}, {output.count_of(size, 'byte')}.", {"file": file, "bytes": size, "activity": activity}
    )
