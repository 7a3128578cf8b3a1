"""`everlist import` and `everlist export`."""

from __future__ import annotations

import sys
from typing import Any

import click

from everlist.commands import lookup, output, progress, report
from everlist.commands.completion import complete_lists
from everlist.commands.files import open_rewindable
from everlist.commands.options import list_filter, tag_filter, timeout_option
from everlist.commands.session import CommandError, ExitStatus, Session, api_command


@click.command("import")
@click.argument("file", type=click.Path(allow_dash=True))
@click.option(
    "--list",
    "list_names",
    shell_complete=complete_lists,
    multiple=True,
    required=True,
    help="Add the contacts to this list. Repeatable.",
)
@click.option("--create-list", is_flag=True, help="Create the lists that do not exist yet.")
@click.option(
    "--no-wait", is_flag=True, help="Return once the file is sent. `everlist activities watch` follows it."
)
@timeout_option
@api_command
def import_file(
    session: Session,
    file: str,
    list_names: tuple[str, ...],
    create_list: bool,
    no_wait: bool,
    timeout: float | None,
) -> None:
    """Import a CSV file to lists; - is standard input.

    Prints how many rows were created, updated, held back or rejected, and why. An import removes nobody from a list:
    `everlist lists replace` does that.

    Example: everlist import people.csv --list "News"
    """
    with open_rewindable(file) as source:
        targets = [_find_or_create_list(session, name, create=create_list) for name in list_names]
        with progress.upload_bar("Sending") as show_progress:
            activity = session.client.activities.import_file(
                source,
                [list_id for list_id, _ in targets],
                file_name=None if file != "-" else "standard-input.csv",
                progress=show_progress,
            )
    if no_wait:
        session.report(f"Sent. To follow it: everlist activities watch {activity.activity_id}", activity)
        return
    activity = session.wait(activity, "Importing", timeout=timeout)
    status = report.print_import(session, activity, [name for _, name in targets])
    click.get_current_context().exit(status)


def _find_or_create_list(session: Session, name: str, *, create: bool) -> tuple[str, str]:
    """Return the id and name of a list. Raises CommandError if it does not exist, unless `create`."""
    try:
        contact_list = lookup.find_list(session, name)
    except CommandError as error:
        if not create or error.exit_code != ExitStatus.NOT_FOUND or lookup.is_id(name):
            raise
        contact_list = session.client.lists.create(name)
    return contact_list.list_id, contact_list.name


@click.command("export")
@click.argument("file", type=click.Path(allow_dash=True), default="-")
@list_filter
@tag_filter
@click.option(
    "--status",
    type=click.Choice(["active", "unsubscribed", "removed"]),
    help="Only contacts with this status.",
)
@click.option("--fields", help="The columns, separated by commas: email_address,first_name …")
@api_command
def export(
    session: Session,
    file: str,
    list_names: tuple[str, ...],
    tag_names: tuple[str, ...],
    status: str | None,
    fields: str | None,
) -> None:
    """Export contacts as CSV to a file, or to standard output.

    Example: everlist export news.csv --list "News" --fields email_address,first_name
    """
    body: dict[str, Any] = {}
    if list_names:
        body["list_ids"] = [lookup.find_list(session, name).list_id for name in list_names]
    if tag_names:
        body["tag_ids"] = [lookup.find_tag(session, name).tag_id for name in tag_names]
    if status:
        body["status"] = status
    if fields:
        body["fields"] = [column.strip() for column in fields.split(",")]
    activity = session.wait(session.client.activities.export(**body), "Exporting")
    if file == "-":
        activity.save(sys.stdout.buffer)
        return
    try:
        size = activity.save(file)
    except OSError as error:
        raise CommandError(f"cannot write {file}: {error.strerror or error}") from error
    session.report(
        f"Wrote {file}, {output.count_of(size, 'byte')}.", {"file": file, "bytes": size, "activity": activity}
    )
