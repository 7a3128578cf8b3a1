"""Short ways to import contacts and see what became of each row."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from anyio.from_thread import BlockingPortal

from everlist.core.imports import outcomes
from everlist.db import Database
from tests.conftest import Api, Reply
from tests.v3.bulk import Work, ended
from tests.v3.helpers import get_contact, new_list


def post_file(
    api: Api, content: str | bytes, *list_ids: str, name: str = "people.csv", **fields: str
) -> Reply:
    data = content.encode() if isinstance(content, str) else content
    return api(
        "POST",
        "/activities/contacts_file_import",
        files={"file": (name, data, "text/csv")},
        data={"list_ids": ",".join(list_ids), **fields},
    )


def post_items(api: Api, items: Any, *list_ids: str, **more: Any) -> Reply:
    return api.post("/activities/contacts_json_import", {"import_data": items, "list_ids": list_ids, **more})


def made(reply: Reply) -> str:
    assert reply.status == 201, f"201 was expected, but {reply}"
    return reply.json["activity_id"]


def imported(api: Api, work: Work, content: str | bytes, *list_ids: str, **more: Any) -> Any:
    """The activity that imported a file."""
    activity_id = made(post_file(api, content, *(list_ids or [new_list(api)]), **more))
    work()
    return ended(api, activity_id)


def imported_items(api: Api, work: Work, items: Any, *list_ids: str, **more: Any) -> Any:
    activity_id = made(post_items(api, items, *(list_ids or [new_list(api)]), **more))
    work()
    return ended(api, activity_id)


def failed(api: Api, work: Work, content: str | bytes) -> list[str]:
    """Why a file could not be imported."""
    activity_id = made(post_file(api, content, new_list(api)))
    work()
    return ended(api, activity_id, "failed")["activity_errors"]


def by_address(api: Api, address: str, *include: str) -> Any:
    contacts = api.get("/contacts", email=address, status="all").json["contacts"]
    return get_contact(api, contacts[0]["contact_id"], *include) if contacts else None


class Row(NamedTuple):
    row: int
    line: int
    outcome: str
    contact_id: str
    email: str
    reason: str


class Rows:
    """Reads what became of each row."""

    def __init__(self, api: Api, database: Database, portal: BlockingPortal) -> None:
        self.api, self.database, self.portal = api, database, portal

    def __call__(self, activity: Any, *wanted: str) -> list[Row]:
        async def read() -> list[Row]:
            chosen = frozenset(wanted) or None
            activity_id = UUID(activity["activity_id"])
            chunks = outcomes.read(self.database, self.api.account_id, activity_id, chosen)
            return [Row(*line) async for chunk in chunks for line in chunk]

        return self.portal.call(read)
