"""/unsubscribe, /one-click and /preferences: what a contact's link leads to. RFC 8058 for the second."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

from everlist.core.contacts import confirmations
from everlist.core.ids import parse_id
from everlist.errors import NotFound
from everlist.pages.visit import Gone, message, page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from starlette.datastructures import FormData
    from starlette.responses import Response

    from everlist.core.contacts.confirmations import Shown
    from everlist.db import Transaction
    from everlist.pages.visit import Visit


async def show_unsubscribe(visit: Visit) -> Response:
    """GET /unsubscribe/{link} and /one-click/{link}: a button."""
    return page("unsubscribe.html", shown=await _shown(visit), link=visit.link)


async def unsubscribe(visit: Visit) -> Response:
    """POST /unsubscribe/{link}: what the button of the page sends."""
    visit.contact()
    if not _is_one_click(await visit.form()):
        return message("malformed", 400)
    await _unsubscribe(visit)
    return page("unsubscribed.html", shown=await _shown(visit))


async def unsubscribe_at_once(visit: Visit) -> Response:
    """POST /one-click/{link}: what a mail program sends for its user.

    200 whenever nothing is to be mailed any more, so also for whom was erased.
    """
    visit.contact()
    if not _is_one_click(await visit.form()):
        return message("malformed", 400)
    with contextlib.suppress(Gone):
        await _unsubscribe(visit)
    return PlainTextResponse("Unsubscribed.\n", headers={"Cache-Control": "no-store"})


async def show_preferences(visit: Visit) -> Response:
    """GET /preferences/{link}: the contact's lists, and the way out of all."""
    return page("preferences.html", shown=await _shown(visit), saved=False)


async def change_preferences(visit: Visit) -> Response:
    """POST /preferences/{link}: leave the lists of `shown` that are not in `keep`, or everything."""
    account_id, contact_id = visit.contact()
    form = await visit.form()
    if form.get("action") == "unsubscribe":
        await _unsubscribe(visit)
        return page("unsubscribed.html", shown=await _shown(visit))
    if form.get("action") != "save":
        return message("malformed", 400)
    kept = _ids(form, "keep")
    left = [one for one in _ids(form, "shown") if one not in kept]
    act = visit.act

    async def operation(tx: Transaction) -> None:
        await confirmations.leave_lists(tx, account_id, contact_id, left, act=act)

    await _of_somebody(visit, operation)
    return page("preferences.html", shown=await _shown(visit), saved=True)


def _is_one_click(form: FormData) -> bool:
    return form.get("List-Unsubscribe") == "One-Click"


def _ids(form: FormData, name: str) -> list[UUID]:
    found = [parse_id(value) for value in form.getlist(name) if isinstance(value, str)]
    return [one for one in found if one is not None]


async def _unsubscribe(visit: Visit) -> None:
    account_id, contact_id = visit.contact()
    act = visit.act

    async def operation(tx: Transaction) -> None:
        await confirmations.unsubscribe(tx, account_id, contact_id, act=act)

    await _of_somebody(visit, operation)


async def _of_somebody(visit: Visit, operation: Callable[[Transaction], Awaitable[None]]) -> None:
    try:
        await visit.write(operation)
    except NotFound as error:
        raise Gone(str(error)) from error


async def _shown(visit: Visit) -> Shown:
    account_id, contact_id = visit.contact()
    try:
        return await confirmations.shown(visit.db, account_id, contact_id)
    except NotFound as error:
        raise Gone(str(error)) from error
