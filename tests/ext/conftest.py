"""The same look behind and the same check after every test as those of V3."""

from tests.v3.conftest import adds_up, behind, work

__all__ = ["adds_up", "behind", "work"]
