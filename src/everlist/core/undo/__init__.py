"""Undo an activity, and bring deleted contacts back. Design section 5.

An activity keeps, chunk by chunk in `before_image`, which contacts it made and what it changed of the others:

    {contact_id, columns: {name: [was, became]}, fields: {custom_field_id: [was, became]},
     joined: [list_id], left: [list_id], tagged: [tag_id], untagged: [tag_id]}

Columns that go together are one pair: `deletion`, `address`, `sms`. Undo goes through the chunks from the last to
the first, and puts back each thing that still is what the activity made of it. What has changed since is
kept and reported, and so is what the person did since. It writes by the same statement as any other change, and
so keeps before-images of its own: an undo can be undone.
"""

from everlist.core.undo.definitions import keep_definitions
from everlist.core.undo.job import KIND, UndoRequest, activity_undo, queue_undo
from everlist.core.undo.restore import RestoreRequest, contact_restore, queue_restore

__all__ = [
    "KIND",
    "RestoreRequest",
    "UndoRequest",
    "activity_undo",
    "contact_restore",
    "keep_definitions",
    "queue_restore",
    "queue_undo",
]
