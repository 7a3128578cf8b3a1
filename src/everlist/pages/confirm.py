"""/confirm: the page that a mail with a question leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everlist.core.contacts import confirmations
from everlist.errors import NotFound
from everlist.pages.visit import Gone, message, page

if TYPE_CHECKING:
    from starlette.responses import Response

    from everlist.core.contacts.confirmations import Question, Shown
    from everlist.db import Transaction
    from everlist.pages.visit import Visit


async def show_question(visit: Visit) -> Response:
    """GET /confirm/{link}: the question, with a button for each answer."""
    account_id, token_hash = visit.question()
    asked = await confirmations.find(visit.db, account_id, token_hash, now=visit.now)
    if asked.state != confirmations.OPEN:
        return _ended(asked, await _shown(visit, asked))
    return page("question.html", kind=asked.kind, shown=await _shown(visit, asked))


async def answer_question(visit: Visit) -> Response:
    """POST /confirm/{link}: `answer` is `yes` or `no`. A question is answered once."""
    account_id, token_hash = visit.question()
    answer = (await visit.form()).get("answer")
    if answer not in ("yes", "no"):
        return message("malformed", 400)
    change = confirmations.confirm if answer == "yes" else confirmations.refuse
    act = visit.act

    async def operation(tx: Transaction) -> tuple[Question, bool]:
        await confirmations.find(tx, account_id, token_hash, now=visit.now)
        try:
            return await change(tx, account_id, token_hash, act=act, installation=visit.installation)
        except NotFound as error:
            raise Gone(str(error)) from error

    asked, answered = await visit.write(operation)
    shown = await _shown(visit, asked)
    if answered and answer == "no":
        return page("refused.html", kind=asked.kind, shown=shown)
    if asked.state == confirmations.CONFIRMED:
        return page("confirmed.html", again=not answered, shown=shown)
    return _ended(asked, shown)


def _ended(asked: Question, shown: Shown) -> Response:
    if asked.state == confirmations.CONFIRMED:
        return page("confirmed.html", again=True, shown=shown)
    return page("ended.html", 410, kind=asked.kind, shown=shown)


async def _shown(visit: Visit, asked: Question) -> Shown:
    try:
        return await confirmations.shown(visit.db, asked.account_id, asked.contact_id, asked.list_ids)
    except NotFound as error:
        raise Gone(str(error)) from error
