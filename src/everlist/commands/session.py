"""Connects a command to the server, turns the client's errors into exit statuses, and asks before destroying."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from everlist.commands import output, progress

if TYPE_CHECKING:
    from everlist.client import Client
    from everlist.client._errors import ApiError
    from everlist.client._sync.activities import Activity

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_URL = "http://127.0.0.1:8080"
_HOW_TO_SIGN_IN = """\
no token: set EVERLIST_TOKEN. On the server's machine, this creates a token and sets it:
  export EVERLIST_TOKEN="$(everlist token create --name command-line)\""""


class ExitStatus(IntEnum):
    """The exit statuses other than 0; docs/cli.md documents them."""

    REFUSED = 1
    USAGE = 2
    NOT_FOUND = 3
    NO_ANSWER = 4
    NOT_COMPLETED = 5
    ROWS_REJECTED = 6


class CommandError(click.ClickException):
    """Ends the command with a message on standard error and an exit status."""

    def __init__(self, message: str, status: ExitStatus = ExitStatus.REFUSED) -> None:
        super().__init__(message)
        self.exit_code = status  # pyright: ignore[reportAttributeAccessIssue] - a class variable in click

    def show(self, file: Any = None) -> None:
        """Print the message after `everlist: `, without control characters."""
        first, *more = self.message.splitlines()
        for text in (f"everlist: {first}", *more):
            click.echo(output.clean(text), file=file, err=True)


class Session:
    """A client, and whether to print JSON."""

    def __init__(self, client: Client, *, as_json: bool) -> None:
        self.client = client
        self.as_json = as_json

    def wait(self, activity: Activity, title: str, *, timeout: float | None = None) -> Activity:
        """Wait until an activity is completed, and show a progress bar. Raises ActivityFailed, WaitTimedOut."""
        try:
            with progress.activity_bar(title) as show_progress:
                return activity.wait(progress=show_progress, timeout=timeout)
        except KeyboardInterrupt:
            click.echo(
                f"The activity continues on the server. To follow it:"
                f" everlist activities watch {activity.activity_id}",
                err=True,
            )
            raise

    def report(self, text: str, value: object) -> None:
        """Print the result: `value` with --json, else `text`."""
        if self.as_json:
            output.line(value)
        else:
            click.echo(output.clean(text))


def api_command(command: F) -> F:
    """Add --url, --token and --json to a command, and pass it the session as its first argument."""

    @click.option(
        "--url",
        envvar="EVERLIST_URL",
        default=DEFAULT_URL,
        show_default=True,
        help="The server's address (EVERLIST_URL).",
    )
    @click.option(
        "--token",
        envvar="EVERLIST_TOKEN",
        help="The token. Prefer EVERLIST_TOKEN: other users of the machine can see options.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
    @functools.wraps(command)
    def with_session(*args: Any, url: str, token: str | None, as_json: bool, **kwargs: Any) -> Any:
        with open_session(url, token, as_json=as_json) as session:
            return command(session, *args, **kwargs)

    return with_session  # pyright: ignore[reportReturnType] - click passes the arguments by name


@contextmanager
def open_session(url: str, token: str | None, *, as_json: bool = False) -> Generator[Session]:
    """Open a session for one command. Raises CommandError for a wrong token or address, and for client errors."""
    token = (token or "").strip()
    if not token:
        raise CommandError(_HOW_TO_SIGN_IN, ExitStatus.USAGE)
    if not (token.isascii() and token.isprintable()):
        raise CommandError("the token contains invalid characters: copy it again", ExitStatus.USAGE)
    from everlist.client import Client, ClientError, Retry, Timeouts

    # Somebody at a terminal wants an error soon; a nightly job prefers to retry for a minute.
    retry = Retry(tries=4) if sys.stderr.isatty() else Retry()
    try:
        client = Client(url, token, retry=retry, timeouts=Timeouts(connect=5, read=300, write=300))
    except ValueError as error:
        raise CommandError(str(error), ExitStatus.USAGE) from error
    try:
        with client:
            yield Session(client, as_json=as_json)
    except ClientError as error:
        _raise_command_error(error, url)


def _raise_command_error(error: Exception, url: str) -> NoReturn:
    from everlist import client

    if isinstance(error, client.ApiError):
        raise CommandError(_refusal(error), _status(error)) from error
    if isinstance(error, client.ActivityFailed):
        activity = error.activity
        reasons = "; ".join(activity.errors) or f"the activity ended as {activity.state} without a reason"
        raise CommandError(
            f"{reasons}\n(activity {activity.activity_id}: {activity.state})", ExitStatus.NOT_COMPLETED
        ) from error
    if isinstance(error, client.WaitTimedOut):
        watch = f"to follow it: everlist activities watch {error.activity.activity_id}"
        raise CommandError(f"{error}\n{watch}", ExitStatus.NOT_COMPLETED) from error
    raise CommandError(
        f"no answer: {error}\nis Everlist running at {url}? Set another address with EVERLIST_URL or --url",
        ExitStatus.NO_ANSWER,
    ) from error


def _status(error: ApiError) -> ExitStatus:
    if error.status == 404:
        return ExitStatus.NOT_FOUND
    return ExitStatus.NO_ANSWER if error.status == 429 or error.status >= 500 else ExitStatus.REFUSED


def _refusal(error: ApiError) -> str:
    trace = f" (request {error.request_id})" if error.request_id else ""
    if error.status == 401:
        return (
            f"the server does not accept the token: it is unknown or revoked{trace}\n"
            'to create a new one on the server\'s machine: export EVERLIST_TOKEN="$(everlist token create)"'
        )
    messages = "; ".join(message for _, message in error.errors)
    return (messages or f"{error.method} {error.path}: the server answered {error.status}") + trace


# Before something is destroyed


def destructive(command: F) -> F:
    """Add --dry-run and --yes to a command."""
    command = click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")(command)
    return click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")(
        command
    )


def confirmed(
    session: Session, *, verb: str, action: str, count: int, noun: str, dry_run: bool, yes: bool
) -> bool:
    """Return True to go on, False after --dry-run; `action` is the whole phrase, such as `delete 3 contacts`.

    Raises CommandError if the answer is no, or if there is no terminal to ask on.
    """
    if dry_run:
        session.report(f"This would {action}.", {"dry_run": True, "action": verb, noun + "s": count})
        return False
    if yes:
        return True
    if not sys.stdin.isatty():
        raise CommandError(
            f"this would {action}, and there is no terminal to ask on:"
            " add --yes to do it, or --dry-run to see what would change",
            ExitStatus.USAGE,
        )
    if not click.confirm(output.clean(f"This will {action}. Continue?"), err=True):
        raise CommandError("cancelled: nothing was changed")
    return True
