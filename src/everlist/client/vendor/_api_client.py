"""Configuration, ApiClient and ApiResponse, as the vendor's package has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar, overload
from urllib.parse import urlencode

import msgspec

from everlist.client import models as ours
from everlist.client._protocol import params, segment
from everlist.client._sync.client import CONSTANT_CONTACT, Client
from everlist.client.vendor import models
from everlist.client.vendor.exceptions import exception_of
from everlist.client.vendor.rest import RESTClientObject, RESTResponse

T = TypeVar("T")


class Configuration:
    """Where the server is and which token it takes: a text, or a function that gives one."""

    _default: ClassVar[Configuration | None] = None

    def __init__(
        self, host: str | None = None, access_token: str | Callable[[], str] | None = None, **_: Any
    ) -> None:
        self.host = host or CONSTANT_CONTACT
        self.access_token: str | Callable[[], str] = access_token or ""

    @classmethod
    def get_default(cls) -> Configuration:
        """The configuration of clients that are given none."""
        if cls._default is None:
            cls._default = Configuration()
        return cls._default

    @classmethod
    def set_default(cls, default: Configuration) -> None:
        """Make it the configuration of clients that are given none."""
        cls._default = default

    @property
    def is_constant_contact(self) -> bool:
        """Whether it is the vendor's own service, which takes four requests a second and knows no keys."""
        return self.host.rstrip("/") == CONSTANT_CONTACT

    def token(self) -> str:
        """The token now: it may be set anew at any time."""
        return self.access_token if isinstance(self.access_token, str) else self.access_token()


class ApiResponse(msgspec.Struct, Generic[T]):
    """What the `_with_http_info` forms give."""

    status_code: int
    headers: dict[str, str]
    data: T
    raw_data: bytes


_Sent = tuple[str, str, dict[str, str], Any, "Sequence[tuple[str, Any]] | None"]


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
        """`client` brings a client of your own, with its retries, its time limits and its pace."""
        self.configuration = configuration or Configuration.get_default()
        self.default_headers = {header_name: header_value} if header_name else {}
        vendors = self.configuration.is_constant_contact
        self.client = client or Client(
            self.configuration.host,
            self.configuration.token,
            per_second=4 if vendors else None,
            idempotency_keys=not vendors,
        )
        self.rest_client = RESTClientObject(self.client)

    @classmethod
    def get_default(cls) -> ApiClient:
        """The client of API classes that are given none."""
        if cls._default is None:
            cls._default = ApiClient()
        return cls._default

    @classmethod
    def set_default(cls, default: ApiClient) -> None:
        """Make it the client of API classes that are given none."""
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
    ) -> _Sent:
        """What `call_api` takes."""
        for name, value in (path_params or {}).items():
            resource_path = resource_path.replace(f"{{{name}}}", segment(value))
        url = self.configuration.host.rstrip("/") + resource_path
        query = params(**dict(query_params or ()))
        if query:
            url += "?" + urlencode(query)
        return method, url, {**self.default_headers, **(header_params or {})}, models.plain(body), post_params

    def call_api(
        self,
        method: str,
        url: str,
        header_params: dict[str, str] | None = None,
        body: Any = None,
        post_params: Sequence[tuple[str, Any]] | None = None,
        _request_timeout: float | tuple[float, float] | None = None,
    ) -> RESTResponse:
        """Send it; any answer is returned."""
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
        """The answer as the model that the map names for its status. Raises ApiException."""
        status, body, headers = response_data.status, response_data.data, response_data.getheaders()
        if not 200 <= status <= 299:
            raise exception_of(status, body, headers)
        kind = response_types_map.get(str(status)) or response_types_map.get("2XX")
        return ApiResponse(status, headers, _decoded(body, kind), body)


_LIST = re.compile(r"List\[(\w+)\]")


def _decoded(body: bytes, kind: Any) -> Any:
    """The body as a class of models, the name of one, or `str`."""
    if kind is None or not body:
        return None
    if kind in (str, "str"):
        return body.decode("utf-8")
    if isinstance(kind, str):
        inner = _LIST.fullmatch(kind)
        kind = list[getattr(models, inner[1])] if inner else getattr(models, kind)
    return msgspec.json.decode(body, type=kind)


class Api:
    """What the API classes have in common."""

    def __init__(self, api_client: ApiClient | None = None) -> None:
        self.api_client = api_client or ApiClient.get_default()


class Operation(Generic[T]):
    """A method of an API class: its arguments go into the path, the query, the body or a form, by their names."""

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
        """The form that gives status and headers too."""
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
        """Make the call. Raises TypeError for arguments that the method does not have."""
        timeout = kwargs.pop("_request_timeout", None)
        headers = kwargs.pop("_headers", None)
        given = dict(zip(self.arguments, args, strict=False))
        unknown = (kwargs.keys() - set(self.arguments)) | (kwargs.keys() & given.keys())
        if len(args) > len(self.arguments) or unknown:
            message = f"{self.method} {self.path} takes {', '.join(self.arguments) or 'no arguments'}"
            raise TypeError(message)
        given |= kwargs
        required = [*self.in_path, *([self.body] if self.body else [])]
        if missing := [name for name in required if given.get(name) is None]:
            message = f"{self.method} {self.path} needs {', '.join(missing)}"
            raise TypeError(message)
        client = api.api_client
        sent = client.param_serialize(
            self.method,
            self.path,
            path_params={name: given[name] for name in self.in_path},
            query_params=[(name, given[name]) for name in self.in_query if given.get(name) is not None],
            header_params={"Accept": self.accept, **(headers or {})},
            body=given.get(self.body) if self.body else None,
            post_params=[(name, given[name]) for name in self.in_form if given.get(name) is not None],
        )
        response = client.call_api(*sent, _request_timeout=timeout)
        return client.response_deserialize(response, {"2XX": self.kind} if self.kind else {})


class WithHttpInfo(Generic[T]):
    """The same method, giving an ApiResponse."""

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


def nothing(method: str, path: str, *, body: str | None = None) -> Operation[None]:
    """A method that gives nothing."""
    return Operation[None](method, path, None, body=body)


Activity = ours.ActivityState
