"""/confirm: the page behind the link in a mail that asks a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everlist.core import contacts
from everlist.core.contacts import confirmations
from everlist.errors import Gone, NotFound
from everlist.pages.visit import message, page

if TYPE_CHECKING:
    from starlette.responses import Response

    from everlist.core.contacts.confirmations import Question, Shown
    from everlist.db import Transaction
    from everlist.pages.visit import Visit


async def show_question(visit: Visit) -> Response:
    """GET /confirm/{link}: show the question, with a button for each answer."""
    account_id, token_hash = visit.question()
    question = await confirmations.find(visit.db, account_id, token_hash, now=visit.now)
    shown = await _shown(visit, question)
    if question.state != confirmations.OPEN:
        return _ended(question, shown)
    return page("question.html", kind=question.kind, shown=shown)


async def answer_question(visit: Visit) -> Response:
    """POST /confirm/{link}: take the answer, `yes` or `no`. A question is answered once."""
    account_id, token_hash = visit.question()
    answer = (await visit.form()).get("answer")
    if answer not in ("yes", "no"):
        return message("malformed", 400)
    reply = contacts.confirm if answer == "yes" else contacts.refuse
    act = visit.act

    async def operation(tx: Transaction) -> tuple[Question, bool]:
        return await reply(tx, account_id, token_hash, act=act, installation=visit.installation)

    question, answered = await visit.write(operation)
    shown = await _shown(visit, question)
    if answered and answer == "no":
        return page("refused.html", kind=question.kind, shown=shown)
    if question.state == confirmations.CONFIRMED:
        return page("confirmed.html", again=not answered, shown=shown)
    return _ended(question, shown)


def _ended(question: Question, shown: Shown) -> Response:
    if question.state == confirmations.CONFIRMED:
        return page("confirmed.html", again=True, shown=shown)
    return page("ended.html", 410, kind=question.kind, shown=shown)


async def _shown(visit: Visit, question: Question) -> Shown:
    try:
        return await confirmations.shown(
            visit.db, question.account_id, question.contact_id, question.list_ids
        )
    except NotFound as error:
        raise Gone(str(error)) from error
