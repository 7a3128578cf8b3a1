"""Undo an activity, and restore deleted contacts.

Every activity stores before-images, one row of `before_image` a chunk: the contacts it made, and what it changed of
others:

    {contact_id, columns: {name: [was, became]}, fields: {custom_field_id: [was, became]},
     joined: [list_id], left: [list_id], tagged: [tag_id], untagged: [tag_id]}

Columns that belong together are one pair: `deletion`, `address`, `sms`. Undo goes through the chunks from the last to
the first, and puts each value back that still is what the activity made of it. It keeps and reports what has changed
since, and what the person did since. It writes through CONSEQUENCES as any other change does, so it stores
before-images of its own: an undo can be undone.
"""

from everlist.core.undo.definitions import keep_definitions
from everlist.core.undo.job import UndoRequest, activity_undo, refuse_undo
from everlist.core.undo.restore import RestoreRequest, contact_restore, queue_restore

__all__ = [
    "RestoreRequest",
    "UndoRequest",
    "activity_undo",
    "contact_restore",
    "keep_definitions",
    "queue_restore",
    "refuse_undo",
]
