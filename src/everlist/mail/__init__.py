"""Mail that Everlist sends itself: composed from what waits in the outbox, and handed to the mail server.

Nothing that a visitor typed into a form stands in it, so the form cannot make Everlist carry somebody's text
to a third person.
"""

from everlist.mail.compose import compose
from everlist.mail.postman import Postman

__all__ = ["Postman", "compose"]
