"""Contacts: the public operations."""

from everlist.core.contacts.apply import Change, apply
from everlist.core.contacts.filters import STATUSES, ContactFilter
from everlist.core.contacts.identity import parse_email
from everlist.core.contacts.model import SMS_PERMISSIONS, Contact, ContactDraft
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
from everlist.core.contacts.write import (
    confirm,
    create,
    delete,
    delete_custom_field,
    leave_lists,
    locked,
    replace,
    request_resubscribe,
    sign_up,
    unsubscribe,
)

__all__ = [
    "INCLUDES",
    "SMS_PERMISSIONS",
    "STATUSES",
    "Change",
    "Contact",
    "ContactDraft",
    "ContactFilter",
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
    "replace",
    "request_resubscribe",
    "sign_up",
    "sms_history",
    "unsubscribe",
]
