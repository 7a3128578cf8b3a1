"""Every kind of activity has its line wherever kinds are listed."""

from __future__ import annotations

from typing import get_args

from everlist.core.activities import ActivityKind
from everlist.core.kinds import KINDS
from everlist.rest.activities import _STATUS


def test_every_kind_runs_and_has_its_counters() -> None:
    names = set(get_args(ActivityKind))
    assert KINDS.keys() == names
    assert _STATUS.keys() == names
