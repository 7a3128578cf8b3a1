# Made from src/everlist/client/_async/paging.py by `make client`: edit that.
"""Collections that are fetched page by page while you iterate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from everlist.client._errors import UnexpectedReply
from everlist.client._protocol import next_page

if TYPE_CHECKING:
    from everlist.client._protocol import Request
    from everlist.client._sync.transport import Transport

T = TypeVar("T")


class AnyPage(Protocol):
    """The properties that every page has."""

    @property
    def items(self) -> Sequence[Any]:
        """Return the values of the page."""
        ...

    @property
    def next(self) -> str | None:
        """Return the link to the next page."""
        ...


P = TypeVar("P", bound=AnyPage)


class Items(Generic[T, P]):
    """The values of a collection, in order. Each iteration fetches them again from the first page."""

    def __init__(
        self,
        transport: Transport,
        request: Request,
        kind: type[P],
        prepare: Callable[[Any], object] | None = None,
    ) -> None:
        """Set the request for the first page, and its type; `prepare` is called with each value received."""
        self._transport = transport
        self._request = request
        self._kind = kind
        self._prepare = prepare

    def pages(self) -> Iterator[P]:
        """Yield the pages as they are received."""
        request = self._request
        while True:
            page = self._fetch(request)
            yield page
            if page.next is None:
                return
            following = next_page(request, page.next)
            if following == request:
                raise UnexpectedReply(
                    f"GET {request.path}: the page links to itself as the next: {page.next}"
                )
            request = following

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            for item in page.items:
                yield item

    def first(self) -> T | None:
        """Return the first value; None if there is none."""
        for item in self:
            return item
        return None

    def page(self) -> P:
        """Return the first page."""
        return self._fetch(self._request)

    def _fetch(self, request: Request) -> P:
        page = self._transport.call(request, self._kind)
        if self._prepare:
            for item in page.items:
                self._prepare(item)
        return page
