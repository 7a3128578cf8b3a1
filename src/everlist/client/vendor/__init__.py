"""The names of the vendor's own Python package, over this client: code written for it needs another import, no more.

import everlist.client.vendor as constant_contact_api_client
"""

from __future__ import annotations

from msgspec import ValidationError

from everlist.client.vendor import exceptions, models, rest
from everlist.client.vendor._api_client import ApiClient, ApiResponse, Configuration
from everlist.client.vendor.apis import (
    BulkActivitiesApi,
    ContactListsApi,
    ContactsApi,
    ContactsCustomFieldsApi,
    ContactTagsApi,
)
from everlist.client.vendor.exceptions import (
    ApiError,
    ApiException,
    BadRequestException,
    ForbiddenException,
    NotFoundException,
    OpenApiException,
    ServiceException,
    UnauthorizedException,
)
from everlist.client.vendor.models import *  # noqa: F403 - some sixty names, which the generator numbered

__all__ = [
    "ApiClient",
    "ApiError",
    "ApiException",
    "ApiResponse",
    "BadRequestException",
    "BulkActivitiesApi",
    "Configuration",
    "ContactListsApi",
    "ContactTagsApi",
    "ContactsApi",
    "ContactsCustomFieldsApi",
    "ForbiddenException",
    "NotFoundException",
    "OpenApiException",
    "ServiceException",
    "UnauthorizedException",
    "ValidationError",
    "exceptions",
    "models",
    "rest",
]
