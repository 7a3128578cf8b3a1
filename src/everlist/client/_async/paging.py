"""Collections, fetched page by page as they are walked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from everlist.client._errors import UnexpectedReply
from everlist.client._protocol import following

if TYPE_CHECKING:
    from everlist.client._async.transport import AsyncTransport
    from everlist.client._protocol import Request

T = TypeVar("T")


class AnyPage(Protocol):
    """What a page must have."""

    @property
    def items(self) -> Sequence[Any]:
        """Its values."""
        ...

    @property
    def next(self) -> str | None:
        """The link to the page after it."""
        ...


P = TypeVar("P", bound=AnyPage)


class AsyncItems(Generic[T, P]):
    """The values of a collection, in order. Each walk over it begins anew and asks the server anew."""

    def __init__(
        self,
        transport: AsyncTransport,
        request: Request,
        kind: type[P],
        prepare: Callable[[Any], object] | None = None,
    ) -> None:
        """`prepare` is called with each value once it has come."""
        self._transport = transport
        self._request = request
        self._kind = kind
        self._prepare = prepare

    async def pages(self) -> AsyncIterator[P]:
        """The pages, as they came."""
        request = self._request
        while True:
            page = await self._page(request)
            yield page
            if page.next is None:
                return
            further = following(request, page.next)
            if further == request:
                message = f"GET {request.path} leads from a page to itself: {page.next}"
                raise UnexpectedReply(message)
            request = further

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.items:
                yield item

    async def first(self) -> T | None:
        """The first value; None if there is none."""
        async for item in self:
            return item
        return None

    async def page(self) -> P:
        """The first page alone."""
        return await self._page(self._request)

    async def _page(self, request: Request) -> P:
        page = await self._transport.call(request, self._kind)
        if self._prepare:
            for item in page.items:
                self._prepare(item)
        return page
