"""/unsubscribe, /one-click (RFC 8058) and /preferences: the pages behind the links of a contact."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

from everlist.core import contacts
from everlist.core.contacts import confirmations
from everlist.core.ids import parse_id
from everlist.errors import Gone, NotFound
from everlist.pages.visit import message, page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from starlette.datastructures import FormData
    from starlette.responses import Response

    from everlist.core.contacts.confirmations import Shown
    from everlist.db import Transaction
    from everlist.pages.visit import Visit


async def show_unsubscribe(visit: Visit) -> Response:
    """GET /unsubscribe/{link} and /one-click/{link}: show a button."""
    return page("unsubscribe.html", shown=await _shown(visit), link=visit.link)


async def unsubscribe(visit: Visit) -> Response:
    """POST /unsubscribe/{link}: unsubscribe by the button of the page."""
    visit.contact()
    if not _is_one_click(await visit.form()):
        return message("malformed", 400)
    await _unsubscribe(visit)
    return page("unsubscribed.html", shown=await _shown(visit))


async def unsubscribe_at_once(visit: Visit) -> Response:
    """POST /one-click/{link}: unsubscribe at the request of a mail program.

    Return 200 even if the contact was erased: nothing will be mailed.
    """
    visit.contact()
    if not _is_one_click(await visit.form()):
        return message("malformed", 400)
    with contextlib.suppress(Gone):
        await _unsubscribe(visit)
    return PlainTextResponse("Unsubscribed.\n", headers={"Cache-Control": "no-store"})


async def show_preferences(visit: Visit) -> Response:
    """GET /preferences/{link}: show the contact's lists, and a button to unsubscribe from all."""
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
    left = [list_id for list_id in _ids(form, "shown") if list_id not in kept]
    act = visit.act

    async def operation(tx: Transaction) -> None:
        await contacts.leave_lists(tx, account_id, contact_id, left, act=act)

    await _write_or_gone(visit, operation)
    return page("preferences.html", shown=await _shown(visit), saved=True)


def _is_one_click(form: FormData) -> bool:
    return form.get("List-Unsubscribe") == "One-Click"


def _ids(form: FormData, name: str) -> list[UUID]:
    parsed = [parse_id(value) for value in form.getlist(name) if isinstance(value, str)]
    return [list_id for list_id in parsed if list_id is not None]


async def _unsubscribe(visit: Visit) -> None:
    account_id, contact_id = visit.contact()
    act = visit.act

    async def operation(tx: Transaction) -> None:
        await contacts.unsubscribe(tx, account_id, contact_id, act=act)

    await _write_or_gone(visit, operation)


async def _write_or_gone(visit: Visit, operation: Callable[[Transaction], Awaitable[None]]) -> None:
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
