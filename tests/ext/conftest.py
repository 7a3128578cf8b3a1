"""The same look behind and the same check after every test as those of V3."""

from __future__ import annotations

import pytest
from anyio.from_thread import BlockingPortal

from everlist.core import usage
from everlist.db import Database
from tests.conftest import Api
from tests.ext.meter import RollUp
from tests.v3.conftest import adds_up, behind, work

__all__ = ["adds_up", "behind", "work"]


@pytest.fixture
def roll_up(alice: Api, database: Database, portal: BlockingPortal) -> RollUp:
    """Roll up what waits of alice's account."""
    return lambda: portal.call(lambda: database.write(lambda tx: usage.roll_up(tx, alice.account_id)))
