"""Contacts: the public operations. Each reads the settings that bind it, so every edge obeys the same rules."""

from everlist.core.contacts.apply import Change, apply
from everlist.core.contacts.confirmations import Limits
from everlist.core.contacts.filters import STATUSES, ContactFilter
from everlist.core.contacts.identity import parse_email
from everlist.core.contacts.model import Contact, ContactDraft
from everlist.core.contacts.read import (
    INCLUDES,
    SmsEvent,
    count,
    count_new_subscribers,
    counts,
    get,
    ids_by_sequence,
    page,
    sms_history,
)
from everlist.core.contacts.select import locked
from everlist.core.contacts.subscribe import (
    confirm,
    leave_lists,
    refuse,
    request_resubscribe,
    sign_up,
    unsubscribe,
)
from everlist.core.contacts.write import create, delete, delete_custom_field, replace

__all__ = [
    "INCLUDES",
    "STATUSES",
    "Change",
    "Contact",
    "ContactDraft",
    "ContactFilter",
    "Limits",
    "SmsEvent",
    "apply",
    "confirm",
    "count",
    "count_new_subscribers",
    "counts",
    "create",
    "delete",
    "delete_custom_field",
    "get",
    "ids_by_sequence",
    "leave_lists",
    "locked",
    "page",
    "parse_email",
    "refuse",
    "replace",
    "request_resubscribe",
    "sign_up",
    "sms_history",
    "unsubscribe",
]
