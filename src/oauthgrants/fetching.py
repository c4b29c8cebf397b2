"""Requests of our own, for keys and for answers about tokens, by httpx (extra ``resource``)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import attrs

from oauthgrants.addresses import is_public
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
        timeout: For the answer as a whole, and for each step to it. Over a connection that was
            kept from before, a head that comes octet by octet has the limit of each step alone.
        most: Octets of a body.
        public_only: Whether private, link-local and loopback addresses are refused. The
            address is looked up once, checked and connected to, so a name cannot change
            between. That does not go through a proxy.
        keep_alive: Whether connections are kept for the next request; without, there is
            nothing to close.

    Raises:
        ModuleNotFoundError: httpx is missing; says what to install.
    """

    def __init__(
        self,
        client: httpx.Client | None = None,
        *,
        timeout: timedelta = _TIMEOUT,
        most: int = _MOST,
        public_only: bool = False,
        keep_alive: bool = True,
    ) -> None:
        self._timeout = timeout.total_seconds()
        self._most = most
        self._public_only = public_only
        self._client = client or _make_client("Client", keep_alive)

    def fetch(self, request: HttpRequest) -> HttpResponse:
        """
        Return the response to *request*.

        Raises:
            UnusableAnswer: It is too long, or takes too long, or has no public address.
        """
        # Not at the top: a server imports this for its settings, and may never fetch anything.
        from socket import AI_ADDRCONFIG, SOCK_STREAM, getaddrinfo

        deadline = monotonic() + self._timeout
        target = _Target(request.url)
        if self._public_only:
            target = target.at(getaddrinfo(*target.place, type=SOCK_STREAM, flags=AI_ADDRCONFIG))
        body = bytearray()
        with (
            _shut_down_after(self._timeout) as trace,
            self._client.stream(
                request.method,
                target.url,
                headers=[*request.headers, *target.headers, _PLAIN],
                content=request.body,
                timeout=self._timeout,
                follow_redirects=False,
                extensions=target.extensions | {"trace": trace},
            ) as response,
        ):
            for chunk in response.iter_raw():
                body += chunk
                if monotonic() > deadline:
                    raise UnusableAnswer("the answer takes too long")
                _require_short(body, self._most)
        return _to_response(response, body)

    def close(self) -> None:
        """Close the connections that are kept."""
        self._client.close()


@contextmanager
def _shut_down_after(seconds: float) -> Generator[Callable[[str, Mapping[str, Any]], None]]:
    """
    Shut down, when the time is over, the connections that are made until then.

    httpx limits each step by itself, and a head may come octet by octet.

    Yields:
        What httpx has to tell of its steps, its extension ``trace``.

    Raises:
        UnusableAnswer: The time was over.
    """
    from socket import SHUT_RDWR, socket
    from threading import Event, Timer

    made: list[socket] = []
    is_over = Event()

    def shut_down() -> None:
        is_over.set()
        for connection in made:
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)

    def trace(step: str, told: Mapping[str, Any]) -> None:
        if step.endswith("connect_tcp.complete"):
            # One of our own: TLS closes the first when it takes over.
            made.append(told["return_value"].get_extra_info("socket").dup())

    timer = Timer(seconds, shut_down)
    timer.daemon = True
    timer.start()
    try:
        yield trace
    except Exception:
        if is_over.is_set():
            raise UnusableAnswer("the answer takes too long") from None
        raise
    finally:
        timer.cancel()
        for connection in made:
            connection.close()


class AsyncHttpxFetcher:
    """
    Fetches on an event loop, or on several: each has connections of its own.

    Args:
        make_client: Makes the clients; by default one with connections that are kept.
        timeout: For the answer as a whole.
        most: Octets of a body.
        public_only: Whether private, link-local and loopback addresses are refused, as by
            `HttpxFetcher`.
        keep_alive: Whether connections are kept for the next request.

    Raises:
        ModuleNotFoundError: httpx is missing; says what to install.
    """

    def __init__(
        self,
        make_client: Callable[[], httpx.AsyncClient] | None = None,
        *,
        timeout: timedelta = _TIMEOUT,
        most: int = _MOST,
        public_only: bool = False,
        keep_alive: bool = True,
    ) -> None:
        self._timeout = timeout.total_seconds()
        self._most = most
        self._public_only = public_only
        _import_httpx()
        make_own = partial(_make_client, "AsyncClient", keep_alive)
        self._clients: PerLoop[httpx.AsyncClient] = PerLoop(make_client or make_own)

    async def fetch(self, request: HttpRequest) -> HttpResponse:
        """
        Return the response to *request*.

        Raises:
            TimeoutError: It takes too long.
            UnusableAnswer: It is too long, or has no public address.
        """
        from asyncio import get_running_loop, timeout
        from socket import AI_ADDRCONFIG, SOCK_STREAM

        body = bytearray()
        async with timeout(self._timeout):
            target = _Target(request.url)
            if self._public_only:
                look_up = get_running_loop().getaddrinfo
                target = target.at(
                    await look_up(*target.place, type=SOCK_STREAM, flags=AI_ADDRCONFIG)
                )
            async with self._clients.get().stream(
                request.method,
                target.url,
                headers=[*request.headers, *target.headers, _PLAIN],
                content=request.body,
                timeout=self._timeout,
                follow_redirects=False,
                extensions=target.extensions,
            ) as response:
                async for chunk in response.aiter_raw():
                    body += chunk
                    _require_short(body, self._most)
        return _to_response(response, body)

    async def close(self) -> None:
        """Close the connections that this loop keeps."""
        client = self._clients.pop()
        if client is not None:
            await client.aclose()


@attrs.frozen
class _Target:
    """
    Where a request goes.

    Attributes:
        url: What is connected to.
        headers: What says whom it is for, if *url* does not.
        extensions: The name that the certificate has to bear, if *url* does not have it.
    """

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    extensions: dict[str, Any] = attrs.field(factory=dict[str, Any])

    @property
    def place(self) -> tuple[str, int]:
        """The host and the port."""
        parts = urlsplit(self.url)
        return str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)

    def at(self, found: Sequence[Any]) -> _Target:
        """
        Return the same at the address that was *found* by ``getaddrinfo``.

        Raises:
            UnusableAnswer: One of the addresses is not public.
        """
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses or not all(map(is_public, addresses)):
            raise UnusableAnswer("the address is not public")
        parts = urlsplit(self.url)
        address = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
        pinned = parts._replace(netloc=f"{address}:{self.place[1]}").geturl()
        return _Target(pinned, (("Host", parts.netloc),), {"sni_hostname": parts.hostname})


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


def _make_client(kind: str, keep_alive: bool) -> Any:
    httpx = _import_httpx()
    limits = {} if keep_alive else {"limits": httpx.Limits(max_keepalive_connections=0)}
    return getattr(httpx, kind)(**limits)


def _require_short(body: bytearray, most: int) -> None:
    if len(body) > most:
        raise UnusableAnswer("the answer is too long")


def _to_response(response: httpx.Response, body: bytearray) -> HttpResponse:
    return HttpResponse(
        status=response.status_code,
        headers=tuple(response.headers.multi_items()),
        body=bytes(body),
    )
