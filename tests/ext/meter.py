"""Short ways to read the meter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.conftest import Api, Clock

PATH = "/everlist/v1/usage/active_contacts"
RollUp = Callable[[], int]


def month(api: Api, text: str = "") -> Any:
    reply = api.get(PATH, **({"month": text} if text else {}))
    assert reply.status == 200, reply
    return reply.json


def move_to_the_tenth(clock: Clock) -> None:
    """Of the next month: the days around it are in one month, whenever the tests run."""
    month_after = (clock().replace(day=28) + timedelta(days=4)).replace(day=10, hour=12)
    clock.ahead = month_after - datetime.now(UTC)
