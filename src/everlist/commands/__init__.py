"""The commands that call the API through everlist.client. They do not need the server package.

Importing this package is fast: the client and the tables are imported only when a command runs.
"""

from __future__ import annotations

from everlist.commands.activities import activities
from everlist.commands.completion import completion
from everlist.commands.contacts import contacts
from everlist.commands.fields import fields
from everlist.commands.lists import lists
from everlist.commands.tags import tags
from everlist.commands.transfer import export, import_file
from everlist.commands.usage import usage

commands = (contacts, lists, tags, fields, import_file, export, activities, usage, completion)
