"""The exceptions of the vendor's Python package, with the attributes of its Ruby package as well."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any


class OpenApiException(Exception):
    """The base of all exceptions of the package."""


class ApiException(OpenApiException):
    """The server answered with an error, or not at all (`status` 0)."""

    def __init__(
        self,
        status: int = 0,
        reason: str | None = None,
        *,
        body: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status = status
        self.reason = reason
        self.body = body
        self.headers = headers
        self.data: Any = None
        super().__init__(status, reason)

    @property
    def code(self) -> int:
        """Return `status`, under its Ruby name."""
        return self.status

    @property
    def response_body(self) -> str | None:
        """Return `body`, under its Ruby name."""
        return self.body

    @property
    def response_headers(self) -> dict[str, str] | None:
        """Return `headers`, under their Ruby name."""
        return self.headers

    def __str__(self) -> str:
        text = f"({self.status})\nReason: {self.reason}\n"
        if self.headers:
            text += f"HTTP response headers: {self.headers}\n"
        if self.body:
            text += f"HTTP response body: {self.body}\n"
        return text


ApiError = ApiException


class BadRequestException(ApiException):
    """400: a value is missing or invalid."""


class UnauthorizedException(ApiException):
    """401: the token is missing or invalid."""


class ForbiddenException(ApiException):
    """403: the token lacks a scope."""


class NotFoundException(ApiException):
    """404: the account has nothing with that id."""


class ServiceException(ApiException):
    """500 and above: the server failed."""


_BY_STATUS = {
    400: BadRequestException,
    401: UnauthorizedException,
    403: ForbiddenException,
    404: NotFoundException,
}


def exception_of(status: int, body: bytes, headers: dict[str, str]) -> ApiException:
    """Build the exception for an error answer."""
    exception_class = _BY_STATUS.get(
        status, ServiceException if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ApiException
    )
    return exception_class(status, reason(status), body=body.decode("utf-8", "replace"), headers=headers)


def reason(status: int) -> str:
    """Return the standard phrase of a status; empty if it has none."""
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
