"""The arguments and options that several commands share."""

from __future__ import annotations

import click

from everlist.commands.completion import complete_lists, complete_tags

contacts_argument = click.argument("contacts", metavar="[CONTACT]...", nargs=-1)

contacts_of_lists = click.option(
    "--list",
    "list_names",
    shell_complete=complete_lists,
    multiple=True,
    help="All contacts on this list. Repeatable.",
)

list_filter = click.option(
    "--list",
    "list_names",
    shell_complete=complete_lists,
    multiple=True,
    help="Only contacts on this list. Repeatable: on any of them.",
)

tag_filter = click.option(
    "--tag",
    "tag_names",
    shell_complete=complete_tags,
    multiple=True,
    help="Only contacts with this tag. Repeatable: with any of them.",
)

timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    help="Seconds to wait for the end. The activity continues on the server afterwards.",
)
