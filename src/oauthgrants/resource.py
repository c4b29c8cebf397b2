"""The resource server, in both colours: sync and async (RFC 6749, 1.1 and 7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from oauthgrants.fetching import Fetcher
from oauthgrants.ports import off_loop, run
from oauthgrants.protected_resource import ProtectedResource
from oauthgrants.scopes import Scope
from oauthgrants.token_checks import Gate
from oauthgrants.tokens import VerifiedToken
from oauthgrants.wire import HttpRequest, HttpResponse

_P = TypeVar("_P")


class ResourceServer(ProtectedResource):
    """
    Checks the tokens of requests on the caller's stack: no loop, no thread.

    >>> from oauthgrants import AuthorizationServer, ClientCredentialsGrant, MemoryStore, OAuthError
    >>> authorization_server = AuthorizationServer(
    ...     issuer="https://auth.example.com",
    ...     store=MemoryStore(),
    ...     grants=[ClientCredentialsGrant()],
    ...     audience="https://api.example.com",
    ... )
    >>> resource_server = ResourceServer(
    ...     resource="https://api.example.com", tokens=authorization_server.lookup
    ... )
    >>> request = HttpRequest(method="GET", url="https://api.example.com/reports")
    >>> try:
    ...     resource_server.require_token(request, scope="reports:read")
    ... except OAuthError as error:
    ...     response = resource_server.render(error)
    >>> response.status
    401
    """

    def require_token(
        self,
        request: HttpRequest,
        *,
        scope: Scope | str | Iterable[str] | None = None,
        any_scope: Scope | str | Iterable[str] | None = None,
    ) -> VerifiedToken:
        """
        Return what the access token of *request* stands for.

        Args:
            request: Asks for something that is protected.
            scope: The scope that the token has to have, all of it.
            any_scope: Scope tokens of which it has to have at least one; empty to ask for none.

        Raises:
            InsufficientScope: The token has less; the challenge names *scope* and *any_scope*.
            InvalidDpopProof: The token is bound to a key, and its proof is missing or wrong.
            InvalidRequest: The token is sent more than once, or in a malformed way.
            InvalidToken: The token is not valid, or not for this resource; or there is none.
            TemporarilyUnavailable: The store or server that knows the token does not answer.
            UseDpopNonce: The proof needs a nonce of this resource server (RFC 9449, 9).
            RuntimeError: A port has to be awaited; use `AsyncResourceServer`.
        """
        return run(self._require_token(request, scope, any_scope))

    def metadata(self) -> Mapping[str, Any]:
        """Return the metadata of the protected resource (RFC 9728, 2)."""
        return self._metadata

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Return the metadata if *request* asks for them, 404 if it asks for something else."""
        return run(self._handle(request))

    def close(self) -> None:
        """Close the connections to other servers, unless the host brought them."""
        if self._own_fetcher is not None:
            self._own_fetcher.close()


class AsyncResourceServer(ProtectedResource):
    """
    `ResourceServer` for asyncio: its methods are coroutines.

    Ports written ``async def`` are awaited. Those written ``def`` run in worker threads, unless
    `never_blocks` marks them.
    """

    def _adapt(self, port: _P) -> _P:
        from asyncio import to_thread

        return off_loop(port, to_thread)

    def _make_gate(self) -> Gate:
        from oauthgrants.gates import TaskGate

        return TaskGate()

    def _make_fetcher(self) -> Fetcher:
        from oauthgrants.fetching import AsyncHttpxFetcher

        return AsyncHttpxFetcher()

    async def require_token(
        self,
        request: HttpRequest,
        *,
        scope: Scope | str | Iterable[str] | None = None,
        any_scope: Scope | str | Iterable[str] | None = None,
    ) -> VerifiedToken:
        """
        Return what the access token of *request* stands for.

        Args:
            request: Asks for something that is protected.
            scope: The scope that the token has to have, all of it.
            any_scope: Scope tokens of which it has to have at least one; empty to ask for none.

        Raises:
            InsufficientScope: The token has less; the challenge names *scope* and *any_scope*.
            InvalidDpopProof: The token is bound to a key, and its proof is missing or wrong.
            InvalidRequest: The token is sent more than once, or in a malformed way.
            InvalidToken: The token is not valid, or not for this resource; or there is none.
            TemporarilyUnavailable: The store or server that knows the token does not answer.
            UseDpopNonce: The proof needs a nonce of this resource server (RFC 9449, 9).
        """
        return await self._require_token(request, scope, any_scope)

    async def metadata(self) -> Mapping[str, Any]:
        """Return the metadata of the protected resource (RFC 9728, 2)."""
        return self._metadata

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Return the metadata if *request* asks for them, 404 if it asks for something else."""
        return await self._handle(request)

    async def close(self) -> None:
        """Close this loop's connections to other servers, unless the host brought them."""
        if self._own_fetcher is not None:
            await self._own_fetcher.close()
