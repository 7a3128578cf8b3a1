"""The fixtures of the tests of mail."""

from __future__ import annotations

from tests.mail.fixtures import a_list, browser, change, confirming, post, steward
from tests.v3.conftest import adds_up, behind

__all__ = ["a_list", "adds_up", "behind", "browser", "change", "confirming", "post", "steward"]
