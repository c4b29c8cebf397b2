"""
An authorization server in memory for the tests of a host, and tokens by one call.

`OAuth` has a server of the sync colour, `AsyncOAuth` one of the other. All that happens goes
through the endpoints: tests get the tokens that clients would get.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from oauthgrants import (
    Argon2idHasher,
    AsyncAuthorizationServer,
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    HttpResponse,
    MemoryStore,
    RefreshTokenGrant,
    Scope,
    Secret,
    User,
)
from oauthgrants.events import Event
from oauthgrants.grants.password import PasswordGrant, PasswordGrantWarning
from oauthgrants.testing.actors import IssuedTokens, TestClient, TestUser
from oauthgrants.testing.clock import MovableClock, SeededRandomness

S = TypeVar("S", AuthorizationServer, AsyncAuthorizationServer)

CHEAP_HASHER = Argon2idHasher(memory_cost=8, time_cost=1, lanes=1)
"""Hashes in microseconds: for tests, in which no password is worth anything."""

_FORM = ("Content-Type", "application/x-www-form-urlencoded")


class _Recorded:
    """An event sink that tests look into."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, event: Event) -> None:
        self.events.append(event)


class _Stage(Generic[S]):
    """What both colours share."""

    _kind: type[S]

    def __init__(
        self,
        *,
        issuer: str = "https://auth.example.com",
        seed: str = "oauthgrants",
        **settings: Any,
    ) -> None:
        """
        Make a server in memory.

        Args:
            issuer: Its identifier.
            seed: What tokens are made from: the same in each run.
            **settings: What else `AuthorizationServer` takes; *store* has to be a `MemoryStore`.
        """
        self.clock: MovableClock = settings.pop("clock", None) or MovableClock()
        """Says what time it is; ``clock.move(hours=2)``."""
        self.store: MemoryStore = settings.pop("store", None) or MemoryStore(clock=self.clock)
        """Clients, users and tokens."""
        self._recorded = _Recorded()
        usual: dict[str, Any] = {
            "issuer": issuer,
            "store": self.store,
            "grants": [ClientCredentialsGrant(), _password_grant(), RefreshTokenGrant()],
            "hasher": CHEAP_HASHER,
            "clock": self.clock,
            "random": SeededRandomness(seed),
            "event_sink": self._recorded,
        }
        self.server: S = self._kind(**usual | settings)
        """The server."""
        self._users: dict[str, TestUser] = {}

    @property
    def events(self) -> list[Event]:
        """What has happened, the latest last."""
        return self._recorded.events

    def add_client(
        self,
        client_id: str | None = None,
        *,
        scope: Scope | str | Iterable[str] | None = None,
        grant_types: Iterable[str] = ("client_credentials",),
        public: bool = False,
        **metadata: Any,
    ) -> TestClient:
        """
        Register a client.

        Args:
            client_id: Made up if left out.
            scope: All that it may have, and what it gets if it asks for none.
            grant_types: With ``password``, it is first-party.
            public: Whether it has no secret.
            **metadata: Any other attribute of `Client`.

        Raises:
            ValueError: It exists already, or the metadata contradict one another.
        """
        grants = tuple(grant_types)
        if scope:
            metadata.setdefault("default_scope", scope)
        if "password" in grants:
            metadata.setdefault("first_party", True)
        metadata |= {"scope": scope, "grant_types": grants}
        secret: Secret | None = None
        if public:
            client = Client.public(client_id, **metadata)
        else:
            client, secret = Client.confidential(client_id, **metadata)
        self.store.add_client(client)
        return TestClient(client_id=client.client_id, secret=secret)

    def add_user(
        self,
        username: str = "alice",
        *,
        password: str = "wonderland",
        sub: str | None = None,
        scope: Scope | str | None = None,
        **attributes: Any,
    ) -> TestUser:
        """
        Add a user, who can sign in with *password*.

        Args:
            username: What is typed.
            password: In the clear; hashed cheaply.
            sub: What tokens carry; ``user-`` and the *username* if left out.
            scope: All that clients may have in the user's name, None for any.
            **attributes: Any other attribute of `User`.

        Raises:
            ValueError: The user exists already.
        """
        user = TestUser(username=username, sub=sub or f"user-{username}", password=Secret(password))
        self.store.add_user(
            User(
                sub=user.sub,
                username=username,
                password_hash=CHEAP_HASHER.hash(user.password),
                scope=None if scope is None else Scope.of(scope),
                **attributes,
            )
        )
        self._users[username] = user
        return user

    def _form(
        self, path: str, parameters: Mapping[str, str | Iterable[str]], client: TestClient | None
    ) -> HttpRequest:
        """Return the request that brings *parameters* to the endpoint at *path*."""
        pairs = dict(parameters)
        headers: list[tuple[str, str]] = [_FORM]
        if client is not None and client.secret is None:
            pairs["client_id"] = client.client_id
        elif client is not None:
            headers.append(client.authorization)
        return HttpRequest(
            method="POST",
            url=self.server.issuer.rstrip("/") + path,
            headers=headers,
            body=urlencode(pairs, doseq=True).encode(),
            source="192.0.2.1",
        )

    def _token_request(
        self,
        scope: Scope | str | None,
        client: TestClient | None,
        user: TestUser | str | None,
        resource: str | Iterable[str] | None,
        lifetime: timedelta | None,
    ) -> HttpRequest:
        """Return a request for tokens; who asks is registered if a test names nobody."""
        spelt = str(Scope.of(scope or ""))
        parameters: dict[str, str | Iterable[str]] = {"scope": spelt} if spelt else {}
        if resource is not None:
            parameters["resource"] = resource
        if client is None:
            resources = (resource,) if isinstance(resource, str) else tuple(resource or ())
            client = self.add_client(
                scope=spelt or None,
                grant_types=(
                    ["client_credentials"] if user is None else ["password", "refresh_token"]
                ),
                resources=resources,
                access_token_lifetime=lifetime,
            )
        elif lifetime is not None:
            raise ValueError("lifetime goes with the client that is made up, not with a given one")
        if user is None:
            return self._form("/token", {"grant_type": "client_credentials", **parameters}, client)
        if isinstance(user, str):
            user = self._users.get(user) or self.add_user(user)
        parameters["username"] = user.username
        parameters["password"] = user.password.reveal()
        return self._form("/token", {"grant_type": "password", **parameters}, client)


class OAuth(_Stage[AuthorizationServer]):
    """
    An authorization server in memory, for tests.

    >>> oauth = OAuth()
    >>> token = oauth.issue_token(scope="reports:read")
    >>> token.scope
    Scope('reports:read')
    >>> oauth.issue_token(scope="profile", user="alice").refresh_token is None
    False
    """

    _kind = AuthorizationServer

    def issue_token(
        self,
        *,
        scope: Scope | str | None = None,
        client: TestClient | None = None,
        user: TestUser | str | None = None,
        resource: str | Iterable[str] | None = None,
        lifetime: timedelta | None = None,
    ) -> IssuedTokens:
        """
        Return new tokens, from the token endpoint.

        Args:
            scope: What to ask for.
            client: Who asks; made up if left out, with all that the request takes.
            user: On whose behalf, by the password grant; a username that is new is added. None
                for a client that acts for itself.
            resource: Whom the token is for (RFC 8707), None for the server's audience.
            lifetime: Of the access token, in whole seconds; for a made-up *client*.

        Raises:
            AssertionError: The endpoint refuses; says why.
            ValueError: There is a *lifetime* and a *client*.
        """
        request = self._token_request(scope, client, user, resource, lifetime)
        return IssuedTokens.of(self.server.token(request))

    def post(
        self, path: str, *, client: TestClient | None = None, **parameters: str
    ) -> HttpResponse:
        """
        Return the answer to a form.

        Args:
            path: Of the endpoint below the issuer, such as ``/introspect``.
            client: Who authenticates, None for nobody.
            **parameters: What the form has.
        """
        return self.server.handle(self._form(path, parameters, client))


class AsyncOAuth(_Stage[AsyncAuthorizationServer]):
    """The same for asyncio: what asks the server is a coroutine."""

    _kind = AsyncAuthorizationServer

    async def issue_token(
        self,
        *,
        scope: Scope | str | None = None,
        client: TestClient | None = None,
        user: TestUser | str | None = None,
        resource: str | Iterable[str] | None = None,
        lifetime: timedelta | None = None,
    ) -> IssuedTokens:
        """Return new tokens, as `OAuth.issue_token` does."""
        request = self._token_request(scope, client, user, resource, lifetime)
        return IssuedTokens.of(await self.server.token(request))

    async def post(
        self, path: str, *, client: TestClient | None = None, **parameters: str
    ) -> HttpResponse:
        """Return the answer to a form, as `OAuth.post` does."""
        return await self.server.handle(self._form(path, parameters, client))


def _password_grant() -> PasswordGrant:
    """Return the grant without its warning: in tests nobody's password is at stake."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PasswordGrantWarning)
        return PasswordGrant()
