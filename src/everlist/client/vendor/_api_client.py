"""Configuration, ApiClient and ApiResponse of the vendor's package, and the base of its API classes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar, overload
from urllib.parse import urlencode

import msgspec

from everlist.client import models as ours
from everlist.client._protocol import path_segment
from everlist.client._protocol import query_params as encoded_query
from everlist.client._sync.client import CONSTANT_CONTACT, Client
from everlist.client.vendor import models
from everlist.client.vendor.exceptions import exception_of
from everlist.client.vendor.rest import RESTClientObject, RESTResponse

T = TypeVar("T")


class Configuration:
    """The address of the server, and the token: a text, or a function that returns one."""

    _default: ClassVar[Configuration | None] = None

    def __init__(
        self, host: str | None = None, access_token: str | Callable[[], str] | None = None, **_: Any
    ) -> None:
        self.host = host or CONSTANT_CONTACT
        self.access_token: str | Callable[[], str] = access_token or ""

    @classmethod
    def get_default(cls) -> Configuration:
        """Return the configuration that clients use by default."""
        if cls._default is None:
            cls._default = Configuration()
        return cls._default

    @classmethod
    def set_default(cls, default: Configuration) -> None:
        """Set the configuration that clients use by default."""
        cls._default = default

    @property
    def is_constant_contact(self) -> bool:
        """Return True for the vendor's service: four requests per second, no idempotency keys."""
        return self.host.rstrip("/") == CONSTANT_CONTACT

    def token(self) -> str:
        """Return the current token; `access_token` may change at any time."""
        return self.access_token if isinstance(self.access_token, str) else self.access_token()


class ApiResponse(msgspec.Struct, Generic[T]):
    """The result of the `_with_http_info` methods."""

    status_code: int
    headers: dict[str, str]
    data: T
    raw_data: bytes


_Arguments = tuple[str, str, dict[str, str], Any, "Sequence[tuple[str, Any]] | None"]


class ApiClient:
    """Turns the calls of the API classes into requests."""

    _default: ClassVar[ApiClient | None] = None

    def __init__(
        self,
        configuration: Configuration | None = None,
        header_name: str | None = None,
        header_value: str = "",
        *,
        client: Client | None = None,
    ) -> None:
        """Create a client; `client` is your own, with its retries, timeouts and pace."""
        self.configuration = configuration or Configuration.get_default()
        self.default_headers = {header_name: header_value} if header_name else {}
        is_vendor = self.configuration.is_constant_contact
        self.client = client or Client(
            self.configuration.host,
            self.configuration.token,
            per_second=4 if is_vendor else None,
            idempotency_keys=not is_vendor,
        )
        self.rest_client = RESTClientObject(self.client)

    @classmethod
    def get_default(cls) -> ApiClient:
        """Return the client that API classes use by default."""
        if cls._default is None:
            cls._default = ApiClient()
        return cls._default

    @classmethod
    def set_default(cls, default: ApiClient) -> None:
        """Set the client that API classes use by default."""
        cls._default = default

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def param_serialize(
        self,
        method: str,
        resource_path: str,
        *,
        path_params: Mapping[str, Any] | None = None,
        query_params: Sequence[tuple[str, Any]] | None = None,
        header_params: Mapping[str, str] | None = None,
        body: Any = None,
        post_params: Sequence[tuple[str, Any]] | None = None,
        **_: Any,
    ) -> _Arguments:
        """Return the arguments for `call_api`."""
        for name, value in (path_params or {}).items():
            resource_path = resource_path.replace(f"{{{name}}}", path_segment(value))
        url = self.configuration.host.rstrip("/") + resource_path
        query = encoded_query(**dict(query_params or ()))
        if query:
            url += "?" + urlencode(query)
        headers = {**self.default_headers, **(header_params or {})}
        return method, url, headers, models.plain(body), post_params

    def call_api(
        self,
        method: str,
        url: str,
        header_params: dict[str, str] | None = None,
        body: Any = None,
        post_params: Sequence[tuple[str, Any]] | None = None,
        _request_timeout: float | tuple[float, float] | None = None,
    ) -> RESTResponse:
        """Send a request and return the answer whatever its status. Raises ApiException if there is none."""
        return self.rest_client.request(
            method,
            url,
            headers=header_params,
            body=body,
            post_params=post_params,
            _request_timeout=_request_timeout,
        )

    def response_deserialize(
        self, response_data: RESTResponse, response_types_map: Mapping[str, Any]
    ) -> ApiResponse[Any]:
        """Decode an answer as the type that the map has for its status. Raises ApiException for an error."""
        status, body, headers = response_data.status, response_data.data, response_data.getheaders()
        if not 200 <= status <= 299:
            raise exception_of(status, body, headers)
        kind = response_types_map.get(str(status)) or response_types_map.get("2XX")
        return ApiResponse(status_code=status, headers=headers, data=_decode(body, kind), raw_data=body)


_LIST = re.compile(r"List\[(\w+)\]")


def _decode(body: bytes, kind: Any) -> Any:
    """Decode a body as a model class, the name of one, or `str`."""
    if kind is None or not body:
        return None
    if kind in (str, "str"):
        return body.decode("utf-8")
    if isinstance(kind, str):
        item = _LIST.fullmatch(kind)
        kind = list[getattr(models, item[1])] if item else getattr(models, kind)
    return msgspec.json.decode(body, type=kind)


class Api:
    """The base of the API classes."""

    def __init__(self, api_client: ApiClient | None = None) -> None:
        self.api_client = api_client or ApiClient.get_default()


class Operation(Generic[T]):
    """A method of an API class. The name of an argument says if it goes into path, query, body or form."""

    def __init__(
        self,
        method: str,
        path: str,
        kind: type[T] | None,
        *,
        query: str = "",
        body: str | None = None,
        form: str = "",
        accept: str = "application/json",
    ) -> None:
        self.method, self.path, self.kind, self.accept = method, path, kind, accept
        self.in_path = re.findall(r"\{(\w+)\}", path)
        self.in_query, self.body, self.in_form = query.split(), body, form.split()
        self.arguments = [*self.in_path, *([body] if body else []), *self.in_form, *self.in_query]

    @property
    def with_http_info(self) -> WithHttpInfo[T]:
        """Return the variant of the method that returns an ApiResponse."""
        return WithHttpInfo(self)

    @overload
    def __get__(self, api: None, owner: type) -> Self: ...
    @overload
    def __get__(self, api: Api, owner: type) -> Callable[..., T]: ...
    def __get__(self, api: Api | None, owner: type) -> Self | Callable[..., T]:
        if api is None:
            return self
        return lambda *args, **kwargs: self.call(api, args, kwargs).data

    def call(self, api: Api, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ApiResponse[T]:
        """Make the call. Raises ApiException, and TypeError for a wrong or missing argument."""
        timeout = kwargs.pop("_request_timeout", None)
        headers = kwargs.pop("_headers", None)
        values = dict(zip(self.arguments, args, strict=False))
        unknown = (kwargs.keys() - set(self.arguments)) | (kwargs.keys() & values.keys())
        if len(args) > len(self.arguments) or unknown:
            accepted = ", ".join(self.arguments) or "no arguments"
            raise TypeError(f"{self.method} {self.path} accepts only: {accepted}")
        values |= kwargs
        required = [*self.in_path, *([self.body] if self.body else [])]
        if missing := [name for name in required if values.get(name) is None]:
            raise TypeError(f"{self.method} {self.path}: missing {', '.join(missing)}")
        client = api.api_client
        arguments = client.param_serialize(
            self.method,
            self.path,
            path_params={name: values[name] for name in self.in_path},
            query_params=[(name, values[name]) for name in self.in_query if values.get(name) is not None],
            header_params={"Accept": self.accept, **(headers or {})},
            body=values.get(self.body) if self.body else None,
            post_params=[(name, values[name]) for name in self.in_form if values.get(name) is not None],
        )
        response = client.call_api(*arguments, _request_timeout=timeout)
        return client.response_deserialize(response, {"2XX": self.kind} if self.kind else {})


class WithHttpInfo(Generic[T]):
    """The variant of an operation that returns an ApiResponse."""

    def __init__(self, operation: Operation[T]) -> None:
        self.operation = operation

    @overload
    def __get__(self, api: None, owner: type) -> Self: ...
    @overload
    def __get__(self, api: Api, owner: type) -> Callable[..., ApiResponse[T]]: ...
    def __get__(self, api: Api | None, owner: type) -> Self | Callable[..., ApiResponse[T]]:
        if api is None:
            return self
        return lambda *args, **kwargs: self.operation.call(api, args, kwargs)


def no_result(method: str, path: str, *, body: str | None = None) -> Operation[None]:
    """Return an operation whose answer has no body."""
    return Operation[None](method, path, None, body=body)


Activity = ours.ActivityState
