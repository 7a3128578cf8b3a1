"""The command line: the commands of the server, and those of everlist.commands.

Importing this module does not need the server package: each command imports what it runs.
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
    """Run the command. An EverlistError is printed as one line on standard error; docs/cli.md lists the statuses."""
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


class _SectionedGroup(click.Group):
    """A group whose help lists the commands that call the API apart from those of the server."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the two sections."""
        server = [command for _, command in sorted(self.commands.items()) if command not in commands]
        sections = {
            "Commands that call the API (EVERLIST_URL, EVERLIST_TOKEN)": commands,
            "Commands to run on the server's machine": server,
        }
        for title, members in sections.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(command.name or "", command.get_short_help_str(90)) for command in members]
                )


@click.group(cls=_SectionedGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
def everlist() -> None:
    """Everlist: a self-hosted contact, list and consent server."""


for _command in commands:
    everlist.add_command(_command)


_data_dir = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="The data directory (EVERLIST_DATA_DIR)."
)
_database_url = click.option(
    "--database-url", help="A PostgreSQL to use instead of the embedded one (EVERLIST_DATABASE_URL)."
)


@everlist.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="The port to listen on."
)
@_data_dir
@_database_url
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="The number of web processes."
)
@click.option(
    "--no-worker", is_flag=True, help="Do not run the background worker. Run `everlist worker` instead."
)
@click.option(
    "--demo", is_flag=True, help="Create a demo account with sample data, and print a token for it."
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
@click.option("--with-parent", is_flag=True, hidden=True, help="Exit when the parent process exits.")
def worker(data_dir: Path | None, database_url: str | None, with_parent: bool) -> None:
    """Run only the background worker.

    Example: everlist worker --database-url postgresql://everlist@db.internal/everlist
    """
    config = _settings(data_dir, database_url)
    from everlist.ops import logs
    from everlist.ops.processes import stop_with_parent
    from everlist.serve import database
    from everlist.worker import run as background

    if with_parent:
        stop_with_parent()
    logs.configure(config.log_format)
    with database(config) as dsn:
        asyncio.run(background.run_until_signal(config, dsn))


@everlist.command()
@_data_dir
@_database_url
def migrate(data_dir: Path | None, database_url: str | None) -> None:
    """Update the database schema. `everlist serve` does this when it starts.

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


@everlist.command()
@click.option(
    "--shards",
    default=32,
    show_default=True,
    type=click.IntRange(1, 1024),
    help="The number of pieces that each table is cut into. It cannot be changed later without copying everything.",
)
@_data_dir
@_database_url
def distribute(shards: int, data_dir: Path | None, database_url: str | None) -> None:
    """Spread the database over the nodes of a Citus cluster. Run it again after an upgrade; see the docs on scale.

    Example: everlist distribute --database-url postgresql://everlist@coordinator.internal/everlist
    """
    config = _settings(data_dir, database_url)
    if config.database_url is None:
        raise StartError(
            "the embedded PostgreSQL has no nodes: give the coordinator of a cluster with --database-url"
        )
    from everlist.ops import logs
    from everlist.schema.distribute import distribute
    from everlist.schema.migrate import migrate

    logs.configure(config.log_format)
    asyncio.run(migrate(config.database_url))
    tables = asyncio.run(distribute(config.database_url, shards=shards))
    for table in tables:
        click.echo(f"distributed {table}")
    if not tables:
        click.echo("every table is distributed")
    click.echo(
        "imports and undo of an activity are not supported on a cluster yet: see docs/operating-at-scale.md"
    )


@everlist.group()
def account() -> None:
    """Create and list accounts. Each has its own contacts, lists and tokens."""


@account.command("create")
@click.argument("name")
@click.option(
    "--time-zone",
    default="UTC",
    show_default=True,
    help="The time zone of the account's months, such as Europe/Berlin.",
)
@_data_dir
@_database_url
def account_create(name: str, time_zone: str, data_dir: Path | None, database_url: str | None) -> None:
    """Create an account and print its id.

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

    for known in _with_database(config, accounts.all_accounts):
        click.echo(f"{known.account_id}  {known.time_zone:<20}  {known.name}")


@everlist.group()
def token() -> None:
    """Create, list and revoke bearer tokens."""


@token.command("create")
@click.option(
    "--account", help="The name of the account. Default: the only account, or a new one named `default`."
)
@click.option(
    "--scope", "scopes", multiple=True, help="A permission of the token. Repeatable. Default: all scopes."
)
@click.option("--name", default="", help="A name to recognise it by in `everlist token list`.")
@_data_dir
@_database_url
def token_create(
    account: str | None, scopes: tuple[str, ...], name: str, data_dir: Path | None, database_url: str | None
) -> None:
    """Create a bearer token and print it. Only its hash is stored, so copy the token now.

    Example: everlist token create --account "Harbour Books" --scope contact_data
    """
    config = _settings(data_dir, database_url)
    from everlist.core import accounts, tokens
    from everlist.db import Transaction

    async def operation(tx: Transaction) -> str:
        owner = await _find_account(tx, account)
        if owner is None:
            owner = await accounts.create(tx, accounts.DEFAULT_NAME, now=_now())
        secret, _ = await tokens.create(
            tx, owner.account_id, scopes=scopes or tokens.DEFAULT_SCOPES, name=name, now=_now()
        )
        return secret

    click.echo(_with_database(config, lambda db: db.write(operation)))


@token.command("list")
@click.option("--account", help="The name of the account. Default: the only account.")
@_data_dir
@_database_url
def token_list(account: str | None, data_dir: Path | None, database_url: str | None) -> None:
    """List the tokens of an account: id, creation time, state, scopes, name.

    Example: everlist token list --account default
    """
    config = _settings(data_dir, database_url)
    from everlist.core import tokens

    async def operation(db: Database) -> list[tokens.Token]:
        owner = await _find_account(db, account)
        return await tokens.of_account(db, owner.account_id) if owner else []

    for issued in _with_database(config, operation):
        state = "revoked" if issued.revoked_at else "live"
        created = issued.created_at.strftime("%Y-%m-%d %H:%M")
        scopes = " ".join(sorted(issued.scopes))
        click.echo(f"{issued.token_id}  {created}  {state:<7}  {scopes}  {issued.name}")


@token.command("revoke")
@click.argument("token_id", type=click.UUID)
@click.option("--account", help="The name of the account. Default: the only account.")
@_data_dir
@_database_url
def token_revoke(token_id: Any, account: str | None, data_dir: Path | None, database_url: str | None) -> None:
    """Revoke a token by its id from `everlist token list`. It stops working immediately.

    Example: everlist token revoke 0198c1a2-0000-7000-8000-000000000000
    """
    config = _settings(data_dir, database_url)
    from everlist.core import tokens
    from everlist.db import Transaction

    async def operation(tx: Transaction) -> None:
        owner = await _find_account(tx, account)
        if owner is None:
            raise StartError("there is no account yet: create one with `everlist account create`")
        await tokens.revoke(tx, owner.account_id, token_id, now=_now())

    _with_database(config, lambda db: db.write(operation))
    click.echo(f"revoked {token_id}")


@everlist.group()
def receipt() -> None:
    """Verify the signed receipts of erasures."""


@receipt.command("verify")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--keys",
    help="The server's public keys: a file with the answer of /everlist/v1/keys, or its address. Default: the key of"
    " the installation on this machine.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="The data directory of that installation (EVERLIST_DATA_DIR).",
)
def receipt_verify(file: IO[bytes], keys: str | None, data_dir: Path | None) -> None:
    """Verify receipts and print their contents. FILE is a receipt, or JSON that contains some; - is standard input.

    The exit status is 1 if a receipt is not genuine.

    Example: everlist receipt verify receipt.json --keys keys.json
    """
    if importlib.util.find_spec("joserfc") is None:
        raise StartError('this command needs joserfc: pip install "everlist[receipt]"')
    from everlist.core.privacy import receipt as receipts

    trusted = _receipt_keys(keys, data_dir)
    for token in receipts.tokens(file.read()):
        click.echo(receipts.described(receipts.verify(token, trusted)))
        click.echo("The signature holds.")


def _receipt_keys(keys: str | None, data_dir: Path | None) -> object:
    """Read the JWKS from a file or an address; default: from this machine's installation. Raises StartError."""
    from everlist import settings
    from everlist.core.privacy import receipt as receipts

    if keys is None:
        secret = settings.secret_key_here(data_dir=data_dir)
        if secret is None:
            raise StartError(
                "there is no Everlist on this machine: give the keys of the server that signed with --keys"
            )
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
        raise StartError(f"cannot read the keys at {keys}: {reason}") from error


def _settings(data_dir: Path | None, database_url: str | None) -> Settings:
    """Load the settings. Raises StartError if the server package is not installed."""
    if importlib.util.find_spec("starlette") is None or importlib.util.find_spec("asyncpg") is None:
        raise StartError('this command needs the server package: pip install "everlist[server]"')
    from everlist import settings

    return settings.load(data_dir=data_dir, database_url=database_url)


def _with_database(config: Settings, operation: Callable[[Database], Awaitable[Any]]) -> Any:
    """Migrate the database and run `operation` on it. Works whether or not a server is running."""
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


async def _find_account(db: Any, name: str | None) -> Any:
    """Return the account with that name, or the only one; None if there is no account.

    Raises StartError if the name is unknown, or if it is missing and there are several accounts.
    """
    from everlist.core import accounts

    if name is not None:
        named = await accounts.find(db, name)
        if named is None:
            raise StartError(f"there is no account named {name!r}: create it with `everlist account create`")
        return named
    known = await accounts.all_accounts(db)
    if len(known) > 1:
        names = ", ".join(each.name for each in known)
        raise StartError(f"there are {len(known)} accounts: choose one with --account: {names}")
    return known[0] if known else None


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)
