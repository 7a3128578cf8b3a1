"""The vendor's exceptions, by the names of its Python and of its Ruby package."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any


class OpenApiException(Exception):
    """The base of them all."""


class ApiException(OpenApiException):
    """The server answered something other than success, or nothing (`status` 0)."""

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
        """The same as `status`."""
        return self.status

    @property
    def response_body(self) -> str | None:
        """The same as `body`."""
        return self.body

    @property
    def response_headers(self) -> dict[str, str] | None:
        """The same as `headers`."""
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
    """400."""


class UnauthorizedException(ApiException):
    """401."""


class ForbiddenException(ApiException):
    """403."""


class NotFoundException(ApiException):
    """404."""


class ServiceException(ApiException):
    """500 and above."""


_KINDS = {
    400: BadRequestException,
    401: UnauthorizedException,
    403: ForbiddenException,
    404: NotFoundException,
}


def exception_of(status: int, body: bytes, headers: dict[str, str]) -> ApiException:
    """The exception for an answer."""
    kind = _KINDS.get(
        status, ServiceException if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ApiException
    )
    return kind(status, reason(status), body=body.decode("utf-8", "replace"), headers=headers)


def reason(status: int) -> str:
    """The words that go with a status."""
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
