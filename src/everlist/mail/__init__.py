"""Compose the mail that waits in the outbox, and send it.

A mail contains no text that a visitor typed into a form. Otherwise the form could be used to send spam to others.
"""

from everlist.mail.compose import compose
from everlist.mail.postman import Postman

__all__ = ["Postman", "compose"]
