"""The authorization server, in both colours: assembly, no rules."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import timedelta
from functools import partial
from ipaddress import ip_address
from os import cpu_count, urandom
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import attrs

from oauthgrants.client_auth import CLIENT_PARAMETERS, ClientAuthenticator
from oauthgrants.client_auth.secrets import SecretVerifier
from oauthgrants.clients import AUTH_METHODS
from oauthgrants.endpoints.form_post import FormEndpoint
from oauthgrants.endpoints.token import TokenHandler
from oauthgrants.events import EventSink, LoggingSink, recorder
from oauthgrants.forms import FormParser, Limits
from oauthgrants.granting import ResourceRules, ScopeRules
from oauthgrants.grants import Grant, Services
from oauthgrants.hashing import Argon2idHasher
from oauthgrants.issuing import TokenIssuer
from oauthgrants.ports import (
    ClientStore,
    Clock,
    Hasher,
    ScopePolicy,
    TokenStore,
    UserStore,
    off_loop,
    run,
    utc_now,
)
from oauthgrants.secret import Randomness, SecretFormat
from oauthgrants.token_formats.opaque import OpaqueFormat
from oauthgrants.tokens import Lifetimes
from oauthgrants.wire import HttpRequest, HttpResponse, render

_P = TypeVar("_P")

# grant-name and param-name of RFC 6749, Appendix A.10 and Section 8.2
_NAME = re.compile(r"[A-Za-z0-9._-]+")


class Store(ClientStore, UserStore, TokenStore, Protocol):
    """A store that fills every port."""


@attrs.frozen(kw_only=True)
class Endpoints:
    """
    Where the endpoints are: paths below the issuer, with a query if need be.

    Raises:
        ValueError: One does not begin with ``/``, or has a fragment (RFC 6749, 3.2).
    """

    token: str = "/token"

    def __attrs_post_init__(self) -> None:
        for name, path in attrs.asdict(self).items():
            if not path.startswith("/") or "#" in path:
                raise ValueError(
                    f"the {name} endpoint is {path!r}; it has to begin with '/', without fragment "
                    "(RFC 6749, Section 3.2)"
                )


class _Server:
    """What both colours share."""

    def __init__(
        self,
        *,
        issuer: str,
        grants: Iterable[Grant],
        store: Store | None = None,
        clients: ClientStore | None = None,
        tokens: TokenStore | None = None,
        users: UserStore | None = None,
        hasher: Hasher | None = None,
        scope_policy: ScopePolicy | None = None,
        event_sink: EventSink | None = None,
        lifetimes: Lifetimes = Lifetimes(),
        refresh_grace: timedelta = timedelta(),
        audience: str | Iterable[str] = (),
        client_auth_methods: Collection[str] = AUTH_METHODS,
        secret_methods_equal: bool = False,
        limits: Limits = Limits(),
        endpoints: Endpoints = Endpoints(),
        allow_insecure_transport: bool = False,
        clock: Clock = utc_now,
        random: Randomness = urandom,
    ) -> None:
        """
        Make a server.

        Args:
            issuer: Its identifier, an https URL without query and fragment (RFC 8414, 2).
            grants: Those that are enabled.
            store: Fills each port that is not given by itself.
            clients: The registered clients.
            tokens: The stored tokens.
            users: The resource owners; clients alone need none.
            hasher: How passwords are kept; `Argon2idHasher` by default.
            scope_policy: May grant less than was asked for; by default, too much is refused.
            event_sink: Who hears of events; the logger ``oauthgrants`` by default.
            lifetimes: How long tokens live, where grant and client do not say.
            refresh_grace: For so long may the refresh token that was spent last come again,
                from a client that authenticates (C-20); zero for never.
            audience: Whom tokens are for when the request names no resource (C-26).
            client_auth_methods: The registered names of those that are enabled.
            secret_methods_equal: Whether a secret may come by Basic and by body alike (C-12).
            limits: How much a request may bring.
            endpoints: Where the endpoints are.
            allow_insecure_transport: Whether *issuer* may be plain http, on loopback hosts only.
            clock: Tells the time, aware, in UTC.
            random: Makes tokens.

        Raises:
            ValueError: Something contradicts the specifications, or is missing; says what.
        """
        _require_issuer(issuer, allow_insecure_transport=allow_insecure_transport)
        unknown = sorted(set(client_auth_methods) - AUTH_METHODS)
        if unknown:
            raise ValueError(
                f"client_auth_methods has {', '.join(unknown)}; "
                f"there are {', '.join(sorted(AUTH_METHODS))}"
            )
        client_store = self._adapt(_require(clients or store, "clients"))
        token_store = self._adapt(_require(tokens or store, "tokens"))
        user_store = None if (users or store) is None else self._adapt(users or store)
        password_hasher = self._adapt_slow(hasher or Argon2idHasher())
        record = recorder(event_sink or LoggingSink())
        enabled = _require_grants(grants)

        self.issuer = issuer
        """The issuer identifier."""
        self.limits = limits
        """How much a request may bring; adapters need not read further."""
        services = Services(
            issuer=TokenIssuer(
                tokens=token_store,
                clock=clock,
                record=record,
                lifetimes=lifetimes,
                access_format=OpaqueFormat(token_store, SecretFormat("ogat_", random)),
                refresh_format=SecretFormat("ogrt_", random),
                grace=refresh_grace,
            ),
            scopes=ScopeRules(policy=scope_policy and self._adapt(scope_policy), most=limits.scope),
            resources=ResourceRules((audience,) if isinstance(audience, str) else tuple(audience)),
            tokens=token_store,
            users=user_store,
            hasher=password_hasher,
            clock=clock,
            limits=limits,
            record=record,
            refreshes="refresh_token" in enabled,
            adapt=self._adapt_slow,
        )
        authenticator = ClientAuthenticator(
            clients=client_store,
            secrets=SecretVerifier(clients=client_store, hasher=password_hasher),
            methods=frozenset(client_auth_methods),
            secret_methods_equal=secret_methods_equal,
            limits=limits,
            clock=clock,
        )
        self._token = FormEndpoint(
            parser=FormParser(
                CLIENT_PARAMETERS.union({"grant_type"}, *(g.parameters for g in enabled.values())),
                repeatable=frozenset({"resource"}),
                limits=limits,
            ),
            authenticator=authenticator,
            handler=TokenHandler({name: g.bind(services) for name, g in enabled.items()}),
            clock=clock,
            record=record,
        ).answer
        base = issuer.rstrip("/")
        self.token_endpoint = base + endpoints.token
        """The URL of the token endpoint (RFC 6749, 3.2)."""
        self._by_path = {urlsplit(self.token_endpoint).path: self._token}

    def _adapt(self, port: _P) -> _P:
        """Return *port* as this server calls it."""
        return port

    def _adapt_slow(self, port: _P) -> _P:
        """Return *port*, which computes for long, as this server calls it."""
        return port

    async def _handle(self, request: HttpRequest) -> HttpResponse:
        answer = self._by_path.get(urlsplit(request.url).path)
        if answer is None:
            return render(
                {"error": "invalid_request", "error_description": "there is no such endpoint"},
                status=404,
            )
        return await answer(request)


class AuthorizationServer(_Server):
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
            RuntimeError: A port suspends, and there is no loop to wait on.
        """
        return run(self._token(request))

    def handle(self, request: HttpRequest) -> HttpResponse:
        """
        Return the answer of the endpoint at the path of *request*, 404 if there is none.

        Raises:
            RuntimeError: A port suspends, and there is no loop to wait on.
        """
        return run(self._handle(request))


class AsyncAuthorizationServer(_Server):
    """
    The same for asyncio.

    Ports written ``async def`` are awaited. Those written ``def`` run in worker threads, unless
    `never_blocks` marks them; what hashes passwords has threads of its own, so that a storm of
    sign-ins holds up nothing else.
    """

    def __init__(self, *, password_workers: int | None = None, **settings: Any) -> None:
        """
        Make a server.

        Args:
            password_workers: How many passwords are checked at a time, each with the memory
                that the hasher asks for; by default one a processor.
            **settings: As those of `AuthorizationServer`.
        """
        # Not at the top: a sync server needs neither, and asyncio is long to import.
        import asyncio
        from concurrent.futures import ThreadPoolExecutor
        from contextvars import copy_context

        pool = ThreadPoolExecutor(password_workers or cpu_count(), "oauthgrants-passwords")

        async def in_pool(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            call = partial(copy_context().run, function, *args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(pool, call)

        self._in_thread: Callable[..., Awaitable[Any]] = asyncio.to_thread
        self._in_pool: Callable[..., Awaitable[Any]] = in_pool
        super().__init__(**settings)

    def _adapt(self, port: _P) -> _P:
        return off_loop(port, self._in_thread)

    def _adapt_slow(self, port: _P) -> _P:
        return off_loop(port, self._in_pool)

    async def token(self, request: HttpRequest) -> HttpResponse:
        """Return the answer of the token endpoint (RFC 6749, 3.2)."""
        return await self._token(request)

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Return the answer of the endpoint at the path of *request*, 404 if there is none."""
        return await self._handle(request)


def _require(port: Any, name: str) -> Any:
    if port is None:
        raise ValueError(f"the server has no {name}: give it store=, or {name}=")
    return port


def _require_issuer(issuer: str, *, allow_insecure_transport: bool) -> None:
    url = urlsplit(issuer)
    if not url.hostname or "?" in issuer or "#" in issuer:
        raise ValueError(
            f"issuer {issuer!r} has to be a URL without query and fragment (RFC 8414, Section 2)"
        )
    if url.scheme == "https":
        return
    if url.scheme != "http" or not allow_insecure_transport:
        raise ValueError(
            f"issuer {issuer!r} has to be https (RFC 6749, Section 1.6); for tests on this "
            "machine, allow_insecure_transport=True takes plain http on a loopback host"
        )
    if not _is_loopback(url.hostname):
        raise ValueError(
            f"issuer {issuer!r}: plain http is for loopback hosts only, such as 127.0.0.1"
        )


def _is_loopback(hostname: str) -> bool:
    try:
        return ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost"


def _require_grants(grants: Iterable[Grant]) -> dict[str, Grant]:
    enabled: dict[str, Grant] = {}
    for grant in grants:
        name = grant.grant_type
        if not _NAME.fullmatch(name) and not urlsplit(name).scheme:
            raise ValueError(
                f"grant_type {name!r} has to be a name or an absolute URI (RFC 6749, Section 4.5)"
            )
        if name in enabled:
            raise ValueError(f"grant_type {name!r} is enabled twice")
        for parameter in grant.parameters:
            if not _NAME.fullmatch(parameter):
                raise ValueError(
                    f"parameter {parameter!r} of grant_type {name!r} has to be of letters, "
                    "digits, '-', '.' and '_' (RFC 6749, Section 8.2)"
                )
        enabled[name] = grant
    if not enabled:
        raise ValueError("no grants are enabled: give the server grants=[…]")
    return enabled
