"""Bearer tokens: who calls, how often, and what the token allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from everlist.core.tokens import Token, TokenScope
    from everlist.web.request import Request


async def authorize(request: Request, scope: TokenScope) -> Token:
    """Return the token of the Authorization header.

    Raises HTTPException: 401 if it is not a live token, 429 if its account has made too many requests (the
    detail is the limit of web/rate.py), 403 if the token lacks the scope.
    """
    kind, _, secret = request.header(b"authorization").partition(" ")
    token: Token | None = None
    if kind.lower() == "bearer" and secret:
        keyring = request.state.keyring
        token = keyring.known(secret) or await keyring.find(secret)
    if token is None:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    request.belongs_to(token.account_id)
    limiter = request.state.limiter
    if limiter is not None:
        refused = limiter.refuses(token.account_id, request.now)
        if refused is not None:
            limit, seconds = refused
            raise HTTPException(429, limit, {"Retry-After": str(seconds)})
    if scope not in token.scopes:
        raise HTTPException(403)
    return token
