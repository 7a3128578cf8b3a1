"""`everlist completion`, and the completion of names from the server."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Literal

import click
from click.shell_completion import get_completion_class

from everlist.commands.session import DEFAULT_URL, CommandError

_Collection = Literal["lists", "tags", "custom_fields"]
_NEEDS_ESCAPE = re.compile(r"[^\w@%+=:,./-]")


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell to source.

    Example: everlist completion bash > everlist-completion.bash
    """
    completion_class = get_completion_class(shell)
    if completion_class is None:
        raise CommandError(f"{shell}: no completion for this shell; use bash, zsh or fish")
    click.echo(completion_class(ctx.find_root().command, {}, "everlist", "_EVERLIST_COMPLETE").source())


def _completer(collection: _Collection) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Return a completer for the names in a collection; it returns [] if the server does not answer at once."""

    def complete(ctx: click.Context, _param: click.Parameter, prefix: str) -> list[str]:
        try:
            names = [
                name for name in _names(ctx, collection) if name.casefold().startswith(prefix.casefold())
            ]
        except Exception:  # noqa: BLE001 - an error text would land in the line being typed
            return []
        # bash alone leaves escaping of blanks to the program.
        is_bash = os.environ.get("_EVERLIST_COMPLETE") == "bash_complete"
        return [_NEEDS_ESCAPE.sub(r"\\\g<0>", name) for name in names] if is_bash else names

    return complete


def _names(ctx: click.Context, collection: _Collection) -> list[str]:
    from everlist.client import NEVER, Client, Timeouts

    url = ctx.params.get("url") or os.environ.get("EVERLIST_URL") or DEFAULT_URL
    token = ctx.params.get("token") or os.environ["EVERLIST_TOKEN"]
    with Client(url, token, retry=NEVER, timeouts=Timeouts(connect=1, read=2, write=2)) as client:
        if collection == "custom_fields":
            return [field.label for field in client.custom_fields.list()]
        items = client.lists.list() if collection == "lists" else client.tags.list()
        return [item.name for item in items]


complete_lists = _completer("lists")
complete_tags = _completer("tags")
complete_fields = _completer("custom_fields")
