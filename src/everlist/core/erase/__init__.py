"""Erase people: out of every table that holds one, for good.

What stays of a person is the consent ledger without the person, an entry in the suppression list for each
address, and a signed receipt.
"""

from everlist.core.erase.again import repeat_all
from everlist.core.erase.job import KIND, EraseRequest, contact_erase, hashed_addresses, holders, suppress
from everlist.core.erase.people import erase
from everlist.core.erase.places import PLACES

__all__ = [
    "KIND",
    "PLACES",
    "EraseRequest",
    "contact_erase",
    "erase",
    "hashed_addresses",
    "holders",
    "repeat_all",
    "suppress",
]
