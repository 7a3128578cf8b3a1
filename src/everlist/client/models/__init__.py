"""The values that the client sends and receives, with the names of the contract.

In an answer, an absent property is None. In a request, msgspec.UNSET (the default) leaves a property out, None sends
null, and "" or [] are sent as they are. Enumerations of the contract are plain `str`, and unknown properties are
ignored, so a newer server does not break this client.
"""

from __future__ import annotations

from everlist.client.models.account import (
    AccountSettings,
    Erasure,
    ErasuresPage,
    PeakCause,
    Suppression,
    SuppressionsPage,
    Usage,
    UsageDay,
)
from everlist.client.models.activities import (
    ENDED,
    ActivitiesPage,
    ActivityError,
    ActivityLinks,
    ActivityState,
    ActivityStatus,
    Cancelled,
    Row,
    Selection,
)
from everlist.client.models.base import Link, Model, NextLink, Number, Page, Text, Xref, Xrefs
from everlist.client.models.consent import (
    ChannelState,
    ConsentEvent,
    ConsentEventsPage,
    ConsentState,
    ContactLinks,
    Explanation,
    NextCall,
)
from everlist.client.models.contacts import (
    CORE,
    Contact,
    ContactsPage,
    ContactUpdate,
    Counts,
    CustomFieldValue,
    EmailAddress,
    NewContact,
    Note,
    PhoneNumber,
    SignedUp,
    SignUp,
    SmsChannel,
    SmsConsent,
    SmsHistory,
    SmsHistoryDetails,
    StreetAddress,
)
from everlist.client.models.custom_fields import Choice, CustomField, CustomFieldsPage, Metadata
from everlist.client.models.lists import ContactList, ListsPage, ReplacedRow, Replacement
from everlist.client.models.tags import Tag, TagsPage

__all__ = [
    "CORE",
    "ENDED",
    "AccountSettings",
    "ActivitiesPage",
    "ActivityError",
    "ActivityLinks",
    "ActivityState",
    "ActivityStatus",
    "Cancelled",
    "ChannelState",
    "Choice",
    "ConsentEvent",
    "ConsentEventsPage",
    "ConsentState",
    "Contact",
    "ContactLinks",
    "ContactList",
    "ContactUpdate",
    "ContactsPage",
    "Counts",
    "CustomField",
    "CustomFieldValue",
    "CustomFieldsPage",
    "EmailAddress",
    "Erasure",
    "ErasuresPage",
    "Explanation",
    "Link",
    "ListsPage",
    "Metadata",
    "Model",
    "NewContact",
    "NextCall",
    "NextLink",
    "Note",
    "Number",
    "Page",
    "PeakCause",
    "PhoneNumber",
    "ReplacedRow",
    "Replacement",
    "Row",
    "Selection",
    "SignUp",
    "SignedUp",
    "SmsChannel",
    "SmsConsent",
    "SmsHistory",
    "SmsHistoryDetails",
    "StreetAddress",
    "Suppression",
    "SuppressionsPage",
    "Tag",
    "TagsPage",
    "Text",
    "Usage",
    "UsageDay",
    "Xref",
    "Xrefs",
]
