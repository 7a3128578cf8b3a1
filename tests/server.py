"""A server in this process on a real port, for tests over real HTTP."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import uvicorn

from everlist.app import EDGES, create_app
from everlist.ops import logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.from_thread import BlockingPortal

    from everlist.settings import Settings
    from everlist.web.edge import Edge


class Server:
    """Everlist on 127.0.0.1, run by the portal's event loop between enter and exit."""

    def __init__(
        self,
        settings: Settings,
        dsn: str,
        portal: BlockingPortal,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        edges: tuple[Edge[Any], ...] = EDGES,
    ) -> None:
        logs.configure("json")
        self.app = create_app(settings, dsn, clock=clock, edges=edges)
        self._uvicorn = uvicorn.Server(uvicorn.Config(self.app, log_config=None, access_log=False))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio alone leaves it off here
        self._portal = portal
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.token = ""

    def __enter__(self) -> Self:
        self._serving = self._portal.start_task_soon(self._uvicorn.serve, [self._socket])
        # The socket listens already: the first connection waits until the server takes it.
        with socket.create_connection(self._socket.getsockname(), timeout=60):
            pass
        return self

    def __exit__(self, *_: object) -> None:
        self._uvicorn.should_exit = True
        self._serving.result(timeout=60)
        self._socket.close()
