"""The authorization server, in both colours: sync and async (RFC 6749, 1.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cached_property, partial
from os import cpu_count
from typing import TYPE_CHECKING, Any, TypeVar

from oauthgrants.assembly import Assembly
from oauthgrants.client_auth.connections import ON_LOOPS
from oauthgrants.clients import Client
from oauthgrants.ports import off_loop, run
from oauthgrants.users import User
from oauthgrants.wire import HttpRequest, HttpResponse

if TYPE_CHECKING:
    # Only for annotations: the rules are loaded when `check` is first called.
    from oauthgrants.policy import Finding

_P = TypeVar("_P")


class AuthorizationServer(Assembly):
    """
    An authorization server that answers on the caller's stack: no loop, no thread.

    >>> from oauthgrants import Client, ClientCredentialsGrant, MemoryStore
    >>> client, secret = Client.confidential("reports", grant_types=["client_credentials"])
    >>> store = MemoryStore()
    >>> store.add_client(client)
    >>> server = AuthorizationServer(
    ...     issuer="https://auth.example.com", store=store, grants=[ClientCredentialsGrant()]
    ... )
    >>> server.token(HttpRequest(method="GET", url="https://auth.example.com/token")).status
    405
    """

    def token(self, request: HttpRequest) -> HttpResponse:
        """
        Return the answer of the token endpoint (RFC 6749, 3.2).

        Raises:
            RuntimeError: A port has to be awaited; use `AsyncAuthorizationServer`.
        """
        return run(self._token(request))

    def introspect(self, request: HttpRequest) -> HttpResponse:
        """
        Return the answer of the introspection endpoint (RFC 7662).

        Raises:
            RuntimeError: A port has to be awaited; use `AsyncAuthorizationServer`.
        """
        return run(self._introspect(request))

    def revoke(self, request: HttpRequest) -> HttpResponse:
        """
        Return the answer of the revocation endpoint (RFC 7009).

        Raises:
            RuntimeError: A port has to be awaited; use `AsyncAuthorizationServer`.
        """
        return run(self._revoke(request))

    def metadata(self) -> Mapping[str, Any]:
        """Return the server's metadata (RFC 8414, 2)."""
        return self._metadata

    def jwks(self) -> Mapping[str, Any]:
        """Return the JWK Set with the keys that verify, empty without keys (RFC 7517, 5)."""
        return self._jwks()

    def openapi(self) -> Mapping[str, Any]:
        """Return an OpenAPI 3.1 description of the endpoints, for tools and their users."""
        return self._describe()

    def check(
        self, *, clients: Iterable[Client] | None = None, users: Iterable[User] | None = None
    ) -> tuple[Finding, ...]:
        """
        Return where this server falls short of RFC 9700, RFC 6819 and OAuth 2.1, worst first.

        Args:
            clients: The clients to look at; by default all, if their store has
                ``list_clients``, else none.
            users: The users to look at; by default all, if their store has ``list_users``, else
                none.

        Raises:
            RuntimeError: A port has to be awaited; use `AsyncAuthorizationServer`.
        """
        return run(self._examine(clients, users))

    def handle(self, request: HttpRequest) -> HttpResponse:
        """
        Return the answer of the endpoint at the path of *request*, 404 if there is none.

        Raises:
            RuntimeError: A port has to be awaited; use `AsyncAuthorizationServer`.
        """
        return run(self._handle(request))


class AsyncAuthorizationServer(Assembly):
    """
    `AuthorizationServer` for asyncio: its methods are coroutines.

    Ports written ``async def`` are awaited. Those written ``def`` run in worker threads, unless
    `never_blocks` marks them; what hashes passwords has threads of its own, so that a storm of
    sign-ins holds up nothing else.
    """

    _connections = ON_LOOPS

    @cached_property
    def _in_pool(self) -> Callable[..., Awaitable[Any]]:
        # Not at the top: a sync server needs neither, and asyncio takes long to import.
        from asyncio import get_running_loop
        from concurrent.futures import ThreadPoolExecutor
        from contextvars import copy_context

        pool = ThreadPoolExecutor(self._password_workers or cpu_count(), "oauthgrants-passwords")

        async def in_pool(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            call = partial(copy_context().run, function, *args, **kwargs)
            return await get_running_loop().run_in_executor(pool, call)

        return in_pool

    def _adapt(self, port: _P) -> _P:
        from asyncio import to_thread

        return off_loop(port, to_thread)

    def _adapt_slow(self, port: _P) -> _P:
        return off_loop(port, self._in_pool)

    def _sleep(self, seconds: float) -> Awaitable[None]:
        from asyncio import sleep

        return sleep(seconds)

    async def token(self, request: HttpRequest) -> HttpResponse:
        """Return the answer of the token endpoint (RFC 6749, 3.2)."""
        return await self._token(request)

    async def introspect(self, request: HttpRequest) -> HttpResponse:
        """Return the answer of the introspection endpoint (RFC 7662)."""
        return await self._introspect(request)

    async def revoke(self, request: HttpRequest) -> HttpResponse:
        """Return the answer of the revocation endpoint (RFC 7009)."""
        return await self._revoke(request)

    async def metadata(self) -> Mapping[str, Any]:
        """Return the server's metadata (RFC 8414, 2)."""
        return self._metadata

    async def jwks(self) -> Mapping[str, Any]:
        """Return the JWK Set with the keys that verify, empty without keys (RFC 7517, 5)."""
        return self._jwks()

    async def openapi(self) -> Mapping[str, Any]:
        """Return an OpenAPI 3.1 description of the endpoints, for tools and their users."""
        return self._describe()

    async def check(
        self, *, clients: Iterable[Client] | None = None, users: Iterable[User] | None = None
    ) -> tuple[Finding, ...]:
        """
        Return where this server falls short of RFC 9700, RFC 6819 and OAuth 2.1, worst first.

        Args:
            clients: The clients to look at; by default all, if their store has
                ``list_clients``, else none.
            users: The users to look at; by default all, if their store has ``list_users``, else
                none.
        """
        return await self._examine(clients, users)

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Return the answer of the endpoint at the path of *request*, 404 if there is none."""
        return await self._handle(request)
