"""The API of the vendor's Python package on top of this client.

Code written for that package changes only its import:

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
from everlist.client.vendor.models import *  # noqa: F403 - about sixty names of generated models

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
