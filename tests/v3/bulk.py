"""Short ways to queue bulk activities, run them, and see what became of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import msgspec

from tests.conftest import Api
from tests.v3.helpers import Behind, email, get_contact, post_contact

Work = Callable[[], None]


def queued(api: Api, kind: str, **body: Any) -> str:
    """The id of a new activity."""
    reply = api.post(f"/activities/{kind}", body)
    assert reply.status == 201, f"201 was expected, but {reply}"
    return reply.json["activity_id"]


def activity(api: Api, activity_id: str) -> Any:
    reply = api.get(f"/activities/{activity_id}")
    assert reply.status == 200, f"200 was expected, but {reply}"
    return reply.json


def ended(api: Api, activity_id: str, state: str = "completed") -> Any:
    """The activity, which has ended in that state."""
    found = activity(api, activity_id)
    assert found["state"] == state, f"Activity {activity_id} should be {state}, but it is {found}"
    return found


def ran(api: Api, work: Work, kind: str, **body: Any) -> Any:
    """The activity after it was queued and run."""
    activity_id = queued(api, kind, **body)
    work()
    return ended(api, activity_id)


def counted(activity: Any) -> dict[str, int]:
    """Its counters, without the `_count` and without those that are zero."""
    return {name.removesuffix("_count"): count for name, count in activity["status"].items() if count}


def many(count: int) -> list[str]:
    """Ids that nothing has."""
    return [str(uuid4()) for _ in range(count)]


def person(api: Api, name: str, permission: str | None = None, **body: Any) -> str:
    """The id of a new contact name@example.org."""
    return post_contact(api, email_address=email(f"{name}@example.org", permission), **body)["contact_id"]


def lists_of(api: Api, contact_id: str) -> set[str]:
    return set(get_contact(api, contact_id, "list_memberships")["list_memberships"])


def tags_of(api: Api, contact_id: str) -> set[str]:
    return set(get_contact(api, contact_id, "taggings")["taggings"])


def images(behind: Behind, activity_id: str) -> list[tuple[set[UUID], list[Any]]]:
    """What an activity keeps of the contacts as they were: (created, changed) of each chunk."""
    return [
        (set(row["created"]), msgspec.json.decode(row["changed"]))
        for row in behind.rows("before_image", "chunk")
        if str(row["activity_id"]) == activity_id and row["definitions"] is None
    ]
