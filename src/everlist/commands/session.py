"""What all commands of the API share: where the server is, who calls, how errors end, what asks before it destroys."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from everlist.commands import output, progress

if TYPE_CHECKING:
    from everlist.client import Client
    from everlist.client._errors import ApiError
    from everlist.client._sync.activities import Activity

F = TypeVar("F", bound=Callable[..., Any])

REFUSED, USAGE, NOT_FOUND, NO_ANSWER, NOT_COMPLETED, ROWS_REJECTED = 1, 2, 3, 4, 5, 6
"""The exit statuses beside 0, as docs/cli.md tells them."""

DEFAULT_URL = "http://127.0.0.1:8080"
_MAKE_ONE = """\
no token: give one with EVERLIST_TOKEN. On the machine of the server this makes one and sets it:
  export EVERLIST_TOKEN="$(everlist token create --name command-line)\""""


class Failed(click.ClickException):
    """Ends the command with a message on standard error and an exit status."""

    def __init__(self, message: str, status: int = REFUSED) -> None:
        super().__init__(message)
        self.exit_code = status  # pyright: ignore[reportAttributeAccessIssue] - one class for all statuses

    def show(self, file: Any = None) -> None:
        """Print it as all errors of Everlist are."""
        first, *more = self.message.splitlines()
        for text in (f"everlist: {first}", *more):
            click.echo(output.clean(text), file=file, err=True)


class Session:
    """A server, a token, and whether a person or a program reads what is printed."""

    def __init__(self, client: Client, *, as_json: bool) -> None:
        self.client = client
        self.as_json = as_json

    def wait(self, activity: Activity, title: str, *, timeout: float | None = None) -> Activity:
        """The activity once it is completed, with a bar meanwhile. Raises ActivityFailed, WaitTimedOut."""
        try:
            with progress.working(title) as told:
                return activity.wait(progress=told, timeout=timeout)
        except KeyboardInterrupt:
            click.echo(
                f"The activity goes on. To see it: everlist activities watch {activity.activity_id}", err=True
            )
            raise

    def done(self, text: str, value: object) -> None:
        """Say what was done: the text to a person, the value to a program."""
        if self.as_json:
            output.line(value)
        else:
            click.echo(output.clean(text))


def api(command: F) -> F:
    """Gives a command --url, --token and --json, and the session that they make as its first argument."""

    @click.option(
        "--url",
        envvar="EVERLIST_URL",
        default=DEFAULT_URL,
        show_default=True,
        help="The server (EVERLIST_URL).",
    )
    @click.option(
        "--token",
        envvar="EVERLIST_TOKEN",
        help="The token; better in EVERLIST_TOKEN, which others cannot see.",
    )
    @click.option("--json", "as_json", is_flag=True, help="One JSON object on each line.")
    @functools.wraps(command)
    def with_session(*args: Any, url: str, token: str | None, as_json: bool, **kwargs: Any) -> Any:
        with session(url, token, as_json=as_json) as made:
            return command(made, *args, **kwargs)

    return with_session  # pyright: ignore[reportReturnType] - click passes the arguments by name


@contextmanager
def session(url: str, token: str | None, *, as_json: bool = False) -> Generator[Session]:
    """A session for the length of a command; errors of the client become Failed."""
    token = (token or "").strip()
    if not token:
        raise Failed(_MAKE_ONE, USAGE)
    if not (token.isascii() and token.isprintable()):
        raise Failed("the token has characters that no token has", USAGE)
    from everlist.client import Client, ClientError, Retry, Timeouts

    # A job of the night is patient; a person wants to know.
    retry = Retry(tries=4) if sys.stderr.isatty() else Retry()
    try:
        client = Client(url, token, retry=retry, timeouts=Timeouts(connect=5, read=300, write=300))
    except ValueError as error:
        raise Failed(str(error), USAGE) from error
    try:
        with client:
            yield Session(client, as_json=as_json)
    except ClientError as error:
        _failed(error, url)


def _failed(error: Exception, url: str) -> NoReturn:
    from everlist import client

    if isinstance(error, client.ApiError):
        raise Failed(_refusal(error), _status(error)) from error
    if isinstance(error, client.ActivityFailed):
        why = "; ".join(error.activity.errors) or f"it ended as {error.activity.state} and gives no reason"
        raise Failed(
            f"{why}\n(activity {error.activity.activity_id}: {error.activity.state})", NOT_COMPLETED
        ) from error
    if isinstance(error, client.WaitTimedOut):
        raise Failed(str(error), NOT_COMPLETED) from error
    where = f"is Everlist running at {url}? EVERLIST_URL or --url says where it is"
    raise Failed(f"no answer: {error}\n{where}", NO_ANSWER) from error


def _status(error: ApiError) -> int:
    if error.status == 404:
        return NOT_FOUND
    return NO_ANSWER if error.status == 429 or error.status >= 500 else REFUSED


def _refusal(error: ApiError) -> str:
    said = (
        "; ".join(message for _, message in error.errors) or f"{error.method} {error.path} got {error.status}"
    )
    trace = f" (request {error.request_id})" if error.request_id else ""
    if error.status == 401:
        return f'the token is not valid{trace}\na new one: export EVERLIST_TOKEN="$(everlist token create)"'
    return said + trace


# Before something is destroyed


def destroys(command: F) -> F:
    """Gives a command --dry-run and --yes."""
    command = click.option("--yes", "-y", is_flag=True, help="Do not ask.")(command)
    return click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")(command)


def agreed(
    session: Session, *, verb: str, what: str, count: int, noun: str, dry_run: bool, yes: bool
) -> bool:
    """Whether to go on; `what` says it whole, such as `delete 3 contacts`. False after --dry-run.

    Raises Failed where nobody can be asked or the answer is no.
    """
    if dry_run:
        session.done(f"This would {what}.", {"dry_run": True, "action": verb, noun + "s": count})
        return False
    if yes:
        return True
    if not sys.stdin.isatty():
        raise Failed(f"this would {what}: --yes does it without asking, --dry-run shows it", USAGE)
    if not click.confirm(output.clean(f"This will {what}. Go on?"), err=True):
        raise Failed("nothing was changed")
    return True
