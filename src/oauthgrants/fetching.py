"""Requests of our own, for keys and for answers about tokens, by httpx (extra ``resource``)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary

from oauthgrants.ports import MaybeAwaitable, resolve
from oauthgrants.strict_json import parse_object
from oauthgrants.wire import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from types import ModuleType

    import httpx

T = TypeVar("T")

_OK = 200
_TIMEOUT = timedelta(seconds=5)
_MOST = 256 * 1024
# What is compressed could unfold to more than is read.
_PLAIN = ("Accept-Encoding", "identity")


class UnusableAnswer(Exception):
    """The other side did not answer as it has to; the message says what, without its content."""


class Fetcher(Protocol):
    """Sends requests to other servers."""

    def fetch(self, request: HttpRequest) -> MaybeAwaitable[HttpResponse]:
        """
        Return the response to *request*, whatever its status; redirects are not followed.

        Answer within a bounded time and read no more than a bounded number of octets; what is
        raised otherwise counts as a fault.
        """
        ...


async def fetch_object(
    fetcher: Fetcher, request: HttpRequest, name: str
) -> tuple[dict[str, Any], HttpResponse]:
    """
    Return the JSON object that answers *request*, and the response.

    Args:
        fetcher: Sends it.
        request: Where to ask.
        name: What is asked for, for the message.

    Raises:
        UnusableAnswer: The status is not 200, or the body no such object.
    """
    response = await resolve(fetcher.fetch(request))
    if response.status != _OK:
        raise UnusableAnswer(f"{name}: the status is {response.status}")
    try:
        return parse_object(response.body), response
    except ValueError:
        raise UnusableAnswer(f"{name}: the body is not a JSON object") from None


class HttpxFetcher:
    """
    Fetches on the caller's stack; safe under threads.

    Args:
        client: Such as one with a proxy or with a client certificate. One with connections
            that are kept is made where none is given.
        timeout: For the answer as a whole, and for each step to it.
        most: Octets of a body.

    Raises:
        ModuleNotFoundError: httpx is missing; says what to install.
    """

    def __init__(
        self,
        client: httpx.Client | None = None,
        *,
        timeout: timedelta = _TIMEOUT,
        most: int = _MOST,
    ) -> None:
        self._timeout = timeout.total_seconds()
        self._most = most
        self._client = client or _import_httpx().Client()

    def fetch(self, request: HttpRequest) -> HttpResponse:
        """
        Return the response to *request*.

        Raises:
            UnusableAnswer: It is too long, or takes too long.
        """
        deadline = monotonic() + self._timeout
        body = bytearray()
        with self._client.stream(
            request.method,
            request.url,
            headers=[*request.headers, _PLAIN],
            content=request.body,
            timeout=self._timeout,
            follow_redirects=False,
        ) as response:
            for chunk in response.iter_raw():
                body += chunk
                if monotonic() > deadline:
                    raise UnusableAnswer("the answer takes too long")
                _require_short(body, self._most)
        return _to_response(response, body)

    def close(self) -> None:
        """Close the connections that are kept."""
        self._client.close()


class AsyncHttpxFetcher:
    """
    Fetches on an event loop, or on several: each has connections of its own.

    Args:
        make_client: Makes the clients; by default one with connections that are kept.
        timeout: For the answer as a whole.
        most: Octets of a body.

    Raises:
        ModuleNotFoundError: httpx is missing; says what to install.
    """

    def __init__(
        self,
        make_client: Callable[[], httpx.AsyncClient] | None = None,
        *,
        timeout: timedelta = _TIMEOUT,
        most: int = _MOST,
    ) -> None:
        self._timeout = timeout.total_seconds()
        self._most = most
        self._clients = PerLoop(make_client or _import_httpx().AsyncClient)

    async def fetch(self, request: HttpRequest) -> HttpResponse:
        """
        Return the response to *request*.

        Raises:
            TimeoutError: It takes too long.
            UnusableAnswer: It is too long.
        """
        from asyncio import timeout

        body = bytearray()
        async with (
            timeout(self._timeout),
            self._clients.get().stream(
                request.method,
                request.url,
                headers=[*request.headers, _PLAIN],
                content=request.body,
                timeout=self._timeout,
                follow_redirects=False,
            ) as response,
        ):
            async for chunk in response.aiter_raw():
                body += chunk
                _require_short(body, self._most)
        return _to_response(response, body)

    async def close(self) -> None:
        """Close the connections that this loop keeps."""
        client = self._clients.pop()
        if client is not None:
            await client.aclose()


class PerLoop(Generic[T]):
    """
    One value for each event loop, since what waits belongs to one.

    Args:
        make: Makes the values.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: WeakKeyDictionary[AbstractEventLoop, T] = WeakKeyDictionary()

    def get(self) -> T:
        """Return the value of the running loop."""
        from asyncio import get_running_loop

        loop = get_running_loop()
        value = self._values.get(loop)
        if value is None:
            value = self._values[loop] = self._make()
        return value

    def pop(self) -> T | None:
        """Return the value of the running loop and forget it, None without."""
        from asyncio import get_running_loop

        return self._values.pop(get_running_loop(), None)


def _import_httpx() -> ModuleType:
    try:
        import httpx
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            "to fetch keys, and to introspect at another server, needs httpx: "
            "pip install 'oauthgrants[resource]'",
            name=missing.name,
        ) from missing
    return httpx


def _require_short(body: bytearray, most: int) -> None:
    if len(body) > most:
        raise UnusableAnswer("the answer is too long")


def _to_response(response: httpx.Response, body: bytearray) -> HttpResponse:
    return HttpResponse(
        status=response.status_code,
        headers=tuple(response.headers.multi_items()),
        body=bytes(body),
    )
