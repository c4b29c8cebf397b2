"""Checks access tokens before views."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from oauthgrants import wire
from oauthgrants.adapters.django.requests import DjangoRequests, respond
from oauthgrants.adapters.places import (
    TOKEN_KEY,
    find_ways,
    has_form,
    note_earlier,
    require_async,
    require_sync,
)
from oauthgrants.adapters.proxies import Proxies
from oauthgrants.errors import InvalidRequest, OAuthError
from oauthgrants.resource import AsyncResourceServer, ResourceServer
from oauthgrants.scopes import Scope
from oauthgrants.tokens import VerifiedToken

View = TypeVar("View", bound=Callable[..., Any])
Wanted = Scope | str | Iterable[str] | None


class _Guard(ABC):
    """What both colours share."""

    def __init__(self, resource_server: Any, trusted_proxies: Proxies) -> None:
        self._requests = DjangoRequests(trusted_proxies)
        self._reads_body = "body" in find_ways(resource_server)

    def require_token(
        self, *, scope: Wanted = None, any_scope: Wanted = None
    ) -> Callable[[View], View]:
        """
        Return a decorator for views, which find the token in ``request.oauth_token``.

        Args:
            scope: The scope that the token has to have, all of it.
            any_scope: Scope tokens of which it has to have at least one.
        """
        return lambda view: self._guard(view, scope, any_scope)

    @abstractmethod
    def _guard(self, view: Any, scope: Wanted, any_scope: Wanted) -> Any: ...

    def _see(self, request: HttpRequest) -> wire.HttpRequest:
        """
        Return what the resource server has to see.

        Raises:
            InvalidRequest: The form is longer than Django takes.
        """
        body = b""
        if self._reads_body and has_form([request.META.get("CONTENT_TYPE", "")]):
            try:
                body = request.body  # which Django keeps for the view
            except RequestDataTooBig:
                raise InvalidRequest("the body is too large") from None
        return note_earlier(self._requests.see(request, body), getattr(request, TOKEN_KEY, None))


class DjangoGuard(_Guard):
    """
    Guards sync views: only requests with a valid access token get through.

    >>> from django.http import HttpResponse
    >>> from oauthgrants import AuthorizationServer, ClientCredentialsGrant, MemoryStore
    >>> server = AuthorizationServer(
    ...     issuer="https://auth.example.com",
    ...     store=MemoryStore(),
    ...     grants=[ClientCredentialsGrant()],
    ... )
    >>> guard = DjangoGuard(
    ...     ResourceServer(resource="https://api.example.com", tokens=server.lookup)
    ... )
    >>> @guard.require_token(scope="reports:read")
    ... def list_reports(request):
    ...     return HttpResponse(request.oauth_token.client_id)
    """

    def __init__(self, resource_server: ResourceServer, *, trusted_proxies: Proxies = ()) -> None:
        """
        Make a guard.

        Args:
            resource_server: Checks the tokens.
            trusted_proxies: As for `DjangoRequests`.

        Raises:
            TypeError: *resource_server* is for asyncio.
            ValueError: *trusted_proxies* has an entry that is no address or network.
        """
        require_sync(resource_server)
        super().__init__(resource_server, trusted_proxies)
        self.resource_server = resource_server
        """Checks the tokens."""

    def verify(
        self, request: HttpRequest, *, scope: Wanted = None, any_scope: Wanted = None
    ) -> VerifiedToken:
        """
        Return what the token of *request* stands for, and put it into ``request.oauth_token``.

        Args:
            request: Asks for something that is protected.
            scope: The scope that the token has to have, all of it.
            any_scope: Scope tokens of which it has to have at least one.

        Raises:
            OAuthError: As `ResourceServer.require_token` raises it.
        """
        token = self.resource_server.require_token(
            self._see(request), scope=scope, any_scope=any_scope
        )
        setattr(request, TOKEN_KEY, token)
        return token

    def _guard(self, view: Any, scope: Wanted, any_scope: Wanted) -> Any:
        return _guard_sync(view, lambda: self, scope, any_scope)


class AsyncDjangoGuard(_Guard):
    """Guards async views: only requests with a valid access token get through."""

    def __init__(
        self, resource_server: AsyncResourceServer, *, trusted_proxies: Proxies = ()
    ) -> None:
        """
        Make a guard.

        Args:
            resource_server: Checks the tokens.
            trusted_proxies: As for `DjangoRequests`.

        Raises:
            TypeError: *resource_server* is not for asyncio.
            ValueError: *trusted_proxies* has an entry that is no address or network.
        """
        require_async(resource_server)
        super().__init__(resource_server, trusted_proxies)
        self.resource_server = resource_server
        """Checks the tokens."""

    async def verify(
        self, request: HttpRequest, *, scope: Wanted = None, any_scope: Wanted = None
    ) -> VerifiedToken:
        """
        Return what the token of *request* stands for, and put it into ``request.oauth_token``.

        Args:
            request: Asks for something that is protected.
            scope: The scope that the token has to have, all of it.
            any_scope: Scope tokens of which it has to have at least one.

        Raises:
            OAuthError: As `AsyncResourceServer.require_token` raises it.
        """
        token = await self.resource_server.require_token(
            self._see(request), scope=scope, any_scope=any_scope
        )
        setattr(request, TOKEN_KEY, token)
        return token

    def _guard(self, view: Any, scope: Wanted, any_scope: Wanted) -> Any:
        return _guard_async(view, lambda: self, scope, any_scope)


def require_token(*, scope: Wanted = None, any_scope: Wanted = None) -> Callable[[View], View]:
    """
    Return a decorator for views, sync or async, by the setting ``OAUTHGRANTS``.

    They find the token in ``request.oauth_token``, and are exempt from CSRF checks: no browser
    sends a token by itself.

    Args:
        scope: The scope that the token has to have, all of it.
        any_scope: Scope tokens of which it has to have at least one.
    """
    from oauthgrants.adapters.django.servers import servers

    def decorate(view: Any) -> Any:
        # Not that of the standard library: class-based views are marked in a way of Django's.
        if iscoroutinefunction(view):  # pyright: ignore[reportDeprecated]
            return _guard_async(view, lambda: servers().async_guard, scope, any_scope)
        return _guard_sync(view, lambda: servers().guard, scope, any_scope)

    return decorate


class RequireTokenMixin:
    """
    Guards a class-based view; name it before ``View`` among the bases.

    Attributes:
        required_scope: The scope that the token has to have, all of it.
        required_any_scope: Scope tokens of which it has to have at least one.
    """

    required_scope: Wanted = None
    required_any_scope: Wanted = None

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view; *initkwargs* may have the scopes too."""
        beside: Any = super()  # the class that this one is mixed into
        return require_token(
            scope=initkwargs.get("required_scope", cls.required_scope),
            any_scope=initkwargs.get("required_any_scope", cls.required_any_scope),
        )(beside.as_view(**initkwargs))


def _guard_sync(
    view: Any, find_guard: Callable[[], DjangoGuard], scope: Wanted, any_scope: Wanted
) -> Any:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        guard = find_guard()
        try:
            token = guard.verify(request, scope=scope, any_scope=any_scope)
        except OAuthError as error:
            return refuse(guard, error, request)
        return add_headers(token, view(request, *args, **kwargs))

    return _exempt(guarded)


def _guard_async(
    view: Any, find_guard: Callable[[], AsyncDjangoGuard], scope: Wanted, any_scope: Wanted
) -> Any:
    @wraps(view)
    async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        guard = find_guard()
        try:
            token = await guard.verify(request, scope=scope, any_scope=any_scope)
        except OAuthError as error:
            return refuse(guard, error, request)
        return add_headers(token, await view(request, *args, **kwargs))

    return _exempt(guarded)


def refuse(
    guard: DjangoGuard | AsyncDjangoGuard, error: OAuthError, request: HttpRequest
) -> HttpResponseBase:
    """Return *error* as a response, for views that raise one of their own too."""
    return respond(guard.resource_server.render(error), request)


def add_headers(token: VerifiedToken, response: HttpResponseBase) -> HttpResponseBase:
    """Return *response* as one that no cache gives to somebody else."""
    patch_vary_headers(response, ["Authorization"])
    for name, value in token.response_headers:
        response[name] = f"{response[name]}, {value}" if name in response else value
    return response


def _exempt(view: Any) -> Any:
    view.csrf_exempt = True
    return view
