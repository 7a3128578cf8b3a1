"""`everlist completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from everlist.commands.session import Failed


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion for a shell, which sources it.

    Example: everlist completion bash > everlist-completion.bash
    """
    found = get_completion_class(shell)
    if found is None:
        raise Failed(f"nothing is known of {shell}")
    click.echo(found(ctx.find_root().command, {}, "everlist", "_EVERLIST_COMPLETE").source())
