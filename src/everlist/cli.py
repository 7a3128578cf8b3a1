"""The command line: the commands of the server, and beside them those of everlist.commands.

Importing this module needs nothing of the server; each command imports what it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from everlist import __version__
from everlist.commands import commands
from everlist.errors import EverlistError, StartError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import IO

    from everlist.db import Database
    from everlist.settings import Settings


def main() -> None:
    """Run the command; an error of ours is one line on standard error and a status that docs/cli.md tells."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        sys.exit(everlist.main(prog_name="everlist", standalone_mode=False))
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except EverlistError as error:
        click.echo(f"everlist: {error}", err=True)
        sys.exit(1)


class _Sections(click.Group):
    """Tells apart in its help the commands of the server and those that call it."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The two sections."""
        calling = {command.name for command in commands}
        server = [(name, one) for name, one in sorted(self.commands.items()) if name not in calling]
        sections = {
            "Commands that call a server (EVERLIST_URL, EVERLIST_TOKEN)": [
                (one.name or "", one) for one in commands
            ],
            "Commands of the server, on its own machine": server,
        }
        for title, below in sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, one.get_short_help_str(90)) for name, one in below])


@click.group(cls=_Sections, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
def everlist() -> None:
    """Everlist: a self-hosted contact, list and consent server."""


for _command in commands:
    everlist.add_command(_command)


_data_dir = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Where the data lives (EVERLIST_DATA_DIR)."
)
_database_url = click.option(
    "--database-url", help="A PostgreSQL to use in place of the embedded one (EVERLIST_DATABASE_URL)."
)


@everlist.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="The port to listen on."
)
@_data_dir
@_database_url
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Web processes.")
@click.option("--no-worker", is_flag=True, help="Leave the background worker to `everlist worker`.")
@click.option(
    "--demo", is_flag=True, help="Make the demo account with sample data, and print a token for it."
)
def serve(
    host: str,
    port: int,
    data_dir: Path | None,
    database_url: str | None,
    workers: int,
    no_worker: bool,
    demo: bool,
) -> None:
    """Run the API and the background worker.

    Example: everlist serve --port 8080 --demo
    """
    config = _settings(data_dir, database_url)
    from everlist.serve import run

    run(config, host=host, port=port, workers=workers, worker=not no_worker, demo_account=demo)


@everlist.command()
@_data_dir
@_database_url
@click.option(
    "--with-parent", is_flag=True, hidden=True, help="End when the process that started this one ends."
)
def worker(data_dir: Path | None, database_url: str | None, with_parent: bool) -> None:
    """Run the background worker alone.

    Example: everlist worker --database-url postgresql://everlist@db.internal/everlist
    """
    config = _settings(data_dir, database_url)
    from everlist.ops import logs
    from everlist.ops.processes import stop_with_parent
    from everlist.serve import database
    from everlist.worker import run as worker

    if with_parent:
        stop_with_parent()
    logs.configure(config.log_format)
    with database(config) as dsn:
        asyncio.run(worker.run_until_signal(config, dsn))


@everlist.command()
@_data_dir
@_database_url
def migrate(data_dir: Path | None, database_url: str | None) -> None:
    """Bring the database schema up to date. `everlist serve` does so by itself.

    Example: everlist migrate
    """
    config = _settings(data_dir, database_url)
    from everlist.ops import logs
    from everlist.schema.migrate import migrate
    from everlist.serve import database
    from everlist.worker.run import erase_again

    logs.configure(config.log_format)
    with database(config) as dsn:
        applied = asyncio.run(migrate(dsn))
        erased = asyncio.run(erase_again(config, dsn))
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("the schema is up to date")
    if erased:
        click.echo(f"erased again after a restore: {erased}")


@everlist.group()
def account() -> None:
    """Accounts: each has contacts, lists and tokens of its own."""


@account.command("create")
@click.argument("name")
@click.option(
    "--time-zone", default="UTC", show_default=True, help="Where its months begin, such as Europe/Berlin."
)
@_data_dir
@_database_url
def account_create(name: str, time_zone: str, data_dir: Path | None, database_url: str | None) -> None:
    """Make an account; prints its id.

    Example: everlist account create "Harbour Books" --time-zone America/New_York
    """
    config = _settings(data_dir, database_url)
    from everlist.core import accounts

    async def operation(db: Database) -> accounts.Account:
        return await db.write(lambda tx: accounts.create(tx, name, time_zone=time_zone, now=_now()))

    click.echo(_with_database(config, operation).account_id)


@account.command("list")
@_data_dir
@_database_url
def account_list(data_dir: Path | None, database_url: str | None) -> None:
    """List the accounts: id, time zone, name.

    Example: everlist account list
    """
    config = _settings(data_dir, database_url)
    from everlist.core import accounts

    for one in _with_database(config, accounts.all_accounts):
        click.echo(f"{one.account_id}  {one.time_zone:<20}  {one.name}")


@everlist.group()
def token() -> None:
    """Bearer tokens: who may call the API, and for what."""


@token.command("create")
@click.option("--account", help="The account's name; without it the only account, or `default`.")
@click.option(
    "--scope", "scopes", multiple=True, help="What it may do; several may be given. Default: everything."
)
@click.option("--name", default="", help="A word to know it by in `everlist token list`.")
@_data_dir
@_database_url
def token_create(
    account: str | None, scopes: tuple[str, ...], name: str, data_dir: Path | None, database_url: str | None
) -> None:
    """Print a new bearer token, alone. It is kept as a hash, so this is the only time it is seen.

    Example: everlist token create --account "Harbour Books" --scope contact_data
    """
    config = _settings(data_dir, database_url)
    from everlist.core import accounts, tokens
    from everlist.db import Transaction

    async def operation(tx: Transaction) -> str:
        found = await _account(tx, account)
        if found is None:
            found = await accounts.create(tx, accounts.DEFAULT_NAME, now=_now())
        secret, _ = await tokens.create(
            tx, found.account_id, scopes=scopes or tokens.DEFAULT_SCOPES, name=name, now=_now()
        )
        return secret

    click.echo(_with_database(config, lambda db: db.write(operation)))


@token.command("list")
@click.option("--account", help="The account's name; without it the only account.")
@_data_dir
@_database_url
def token_list(account: str | None, data_dir: Path | None, database_url: str | None) -> None:
    """List the tokens of an account: id, when it was made, state, scopes, name.

    Example: everlist token list --account default
    """
    config = _settings(data_dir, database_url)
    from everlist.core import tokens

    async def operation(db: Database) -> list[tokens.Token]:
        found = await _account(db, account)
        return await tokens.of_account(db, found.account_id) if found else []

    for one in _with_database(config, operation):
        state = "revoked" if one.revoked_at else "live"
        made = one.created_at.strftime("%Y-%m-%d %H:%M")
        click.echo(f"{one.token_id}  {made}  {state:<7}  {' '.join(sorted(one.scopes))}  {one.name}")


@token.command("revoke")
@click.argument("token_id", type=click.UUID)
@click.option("--account", help="The account's name; without it the only account.")
@_data_dir
@_database_url
def token_revoke(token_id: Any, account: str | None, data_dir: Path | None, database_url: str | None) -> None:
    """End a token, by its id in `everlist token list`. It stops working at once.

    Example: everlist token revoke 0198c1a2-0000-7000-8000-000000000000
    """
    config = _settings(data_dir, database_url)
    from everlist.core import tokens
    from everlist.db import Transaction

    async def operation(tx: Transaction) -> None:
        found = await _account(tx, account)
        if found is None:
            message = "there is no account yet"
            raise StartError(message)
        await tokens.revoke(tx, found.account_id, token_id, now=_now())

    _with_database(config, lambda db: db.write(operation))
    click.echo(f"revoked {token_id}")


@everlist.group()
def receipt() -> None:
    """Receipts of erasures: what was removed of a person, signed by the server."""


@receipt.command("verify")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--keys",
    help="The server's keys: a file with the answer of /everlist/v1/keys, or its address. Default: the key of this"
    " machine's own installation.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Where that installation has its data (EVERLIST_DATA_DIR).",
)
def receipt_verify(file: IO[bytes], keys: str | None, data_dir: Path | None) -> None:
    """Check receipts and print what they say. FILE is a receipt, or an answer with some as JSON; - is standard input.

    The exit status is 1 where one of them is not genuine.

    Example: everlist receipt verify receipt.json --keys keys.json
    """
    if importlib.util.find_spec("joserfc") is None:
        message = 'this command needs joserfc: pip install "everlist[receipt]"'
        raise StartError(message)
    from everlist.core.privacy import receipt as receipts

    trusted = _receipt_keys(keys, data_dir)
    for token in receipts.tokens(file.read()):
        click.echo(receipts.described(receipts.verify(token, trusted)))
        click.echo("The signature holds.")


def _receipt_keys(keys: str | None, data_dir: Path | None) -> object:
    """The JWKS of a file or an address, or of the installation of this machine. Raises StartError."""
    from everlist import settings
    from everlist.core.privacy import receipt as receipts

    if keys is None:
        secret = settings.secret_key_here(data_dir=data_dir)
        if secret is None:
            message = "say with --keys whose receipts to trust: there is no Everlist on this machine"
            raise StartError(message)
        return receipts.public_keys(secret.encode())
    try:
        if keys.startswith(("http://", "https://")):
            import httpx2

            answer = httpx2.get(keys, timeout=30, follow_redirects=True)
            answer.raise_for_status()
            return answer.json()
        return json.loads(Path(keys).read_bytes())
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        message = f"the keys at {keys} cannot be read: {reason}"
        raise StartError(message) from error


def _settings(data_dir: Path | None, database_url: str | None) -> Settings:
    if importlib.util.find_spec("starlette") is None or importlib.util.find_spec("asyncpg") is None:
        message = 'this command needs the server: pip install "everlist[server]"'
        raise StartError(message)
    from everlist import settings

    return settings.load(data_dir=data_dir, database_url=database_url)


def _with_database(config: Settings, operation: Callable[[Database], Awaitable[Any]]) -> Any:
    """Run `operation` on the migrated database, beside a running server or without one."""
    from everlist.db import open_database
    from everlist.schema.migrate import migrate
    from everlist.serve import database

    async def run(dsn: str) -> Any:
        await migrate(dsn)
        async with contextlib.AsyncExitStack() as stack:
            db = await open_database(dsn, size=1, statement_timeout=30, name="everlist command")
            stack.push_async_callback(db.close)
            return await operation(db)

    with database(config) as dsn:
        return asyncio.run(run(dsn))


async def _account(db: Any, name: str | None) -> Any:
    """The account of that name, or the only one; None where there is none at all. Raises StartError."""
    from everlist.core import accounts

    if name is not None:
        found = await accounts.find(db, name)
        if found is None:
            message = f"there is no account named {name!r}: make it with `everlist account create`"
            raise StartError(message)
        return found
    known = await accounts.all_accounts(db)
    if len(known) > 1:
        message = f"there are {len(known)} accounts: say which with --account, one of {', '.join(a.name for a in known)}"
        raise StartError(message)
    return known[0] if known else None


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)
