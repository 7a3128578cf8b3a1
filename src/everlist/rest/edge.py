"""Runs a handler: bearer token, rate limit, scope, and errors as answers. V3 contract 1.1 to 1.5."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from everlist import errors
from everlist.core import idempotency
from everlist.rest.call import Call
from everlist.rest.errors import VALIDATION, Failure, answer, error_response
from everlist.rest.idempotent import KEY, answer_of, key_of
from everlist.web.request import header

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from everlist.core.tokens import Token
    from everlist.web.rate import Limiter


Handler = Callable[[Call], Awaitable[Response]]


_UNAUTHORIZED = error_response(401, "unauthorized", "Unauthorized", {"WWW-Authenticate": "Bearer"})


_FORBIDDEN = error_response(403, "access_denied", "Request forbidden due to insufficient user privileges.")


_TOO_MANY = {"throttled": "Too Many Requests", "quota_exceeded": "Limit Exceeded"}


class Endpoint:
    """Runs `handler` at `path` for callers with a live token that has the scope.

    It is plain ASGI, which spares every request the wrappings of an endpoint that is a function.
    """

    def __init__(self, handler: Handler, path: str, needed_scope: str) -> None:
        self._handler = handler
        self._path = path
        self._needed_scope = needed_scope

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state: Any = scope["app"].state
        scope["route_path"] = self._path  # for the ledger, the log and the metrics
        try:
            kind, _, secret = header(scope, b"authorization").partition(" ")
            token: Token | None = None
            if kind.lower() == "bearer" and secret:
                token = state.keyring.known(secret) or await state.keyring.find(secret)
            if token is None:
                response = _UNAUTHORIZED
            else:
                scope["account_id"] = token.account_id
                if state.limiter is not None:
                    _limit(state.limiter, token.account_id, state.clock())
                if self._needed_scope not in token.scopes:
                    response = _FORBIDDEN
                else:
                    call = Call(Request(scope, receive), token, state.clock())
                    key = key_of(scope) if scope["method"] == "POST" else None
                    response = await (self._handler(call) if key is None else self._once(call, key))
        except Failure as failure:
            response = failure.response
        except errors.EverlistError as error:
            response = answer(error)
            if response is None:
                raise
        await response(scope, receive, send)

    async def _once(self, call: Call, key: bytes) -> Response:
        """The answer to a request with an Idempotency-Key, which is stored with what the request did."""
        if not KEY.fullmatch(key):
            text = f"Idempotency-Key does not have a valid value: 1 to {idempotency.MAX_KEY} visible ASCII characters"
            raise Failure(400, VALIDATION, text)
        once = call.once(key.decode("ascii"))
        try:
            response = await self._handler(call)
            await once.finish(answer_of(response))
        finally:
            await once.give_up()
        return response


def _limit(limiter: Limiter, account_id: UUID, now: datetime) -> None:
    refused = limiter.refuses(account_id, now)
    if refused is not None:
        kind, seconds = refused
        raise Failure(429, kind, _TOO_MANY[kind], {"Retry-After": str(seconds)})
