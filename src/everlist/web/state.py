"""What a web process holds for all of its requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import msgspec

from everlist.core.installation import Installation
from everlist.core.tokens import Keyring
from everlist.db import Database
from everlist.settings import Settings
from everlist.web.rate import Limiter
from everlist.web.request_log import RequestLog


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one web process, made when it starts and handed to each request."""

    db: Database
    keyring: Keyring
    settings: Settings
    installation: Installation
    clock: Callable[[], datetime]
    """Returns the time in UTC."""
    limiter: Limiter | None
    """Counts the requests of each account; None without a limit."""
    dry_runs: asyncio.Semaphore
    """Limits dry runs at one time: each holds two connections of the pool for as long as it takes."""
    request_log: RequestLog
    nodes_away: set[str]
    """The nodes of a distributed database, as `host:port`, that did not answer a few seconds ago."""
