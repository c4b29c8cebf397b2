"""
The whole life of tokens, by chance, beside a model of it that a page of prose could hold.

What is asked goes in as requests and comes out as responses; the store is whichever is tried. The
model knows no digests, rows or JWTs: tokens end when they expire, are revoked or spent, and all of
a family end together.
"""

from __future__ import annotations

import warnings
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Literal
from urllib.parse import quote_plus, urlencode

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, rule

from oauthgrants import (
    Argon2idHasher,
    AuthorizationServer,
    Client,
    ClientCredentialsGrant,
    HttpRequest,
    Lifetimes,
    PasswordGrant,
    RefreshTokenGrant,
    Scope,
    Secret,
    User,
)
from oauthgrants.grants import Grant
from oauthgrants.jose import SigningKey
from oauthgrants.keys import KeyRing
from oauthgrants.ports import Store

ISSUER = "https://auth.example.com"
HERE, THERE = "https://api.example.com", "https://other.example.com"
_CHEAP = Argon2idHasher(memory_cost=8, time_cost=1, lanes=1)
_PASSWORD = "wonderland"
_HASH = _CHEAP.hash(Secret(_PASSWORD))
_HOUR, _MONTH = timedelta(hours=1), timedelta(days=30)
_SCOPES = frozenset({"read", "write", "profile"})
_EXAMPLES = count()

Format = Literal["opaque", "jwt"]


@attrs.frozen
class Bench:
    """
    A store to be tried, and how its host registers.

    Attributes:
        store: Fills every port.
        add_user: Adds one.
        replace_user: Keeps one in the place of the one with its ``sub``.
    """

    store: Any
    add_user: Callable[[User], None]
    replace_user: Callable[[User], None]

    @classmethod
    def of(cls, store: Any) -> Bench:
        """Return the bench of a store that adds users itself."""
        return cls(store, store.add_user, store.replace_user)


# The model


@attrs.define(eq=False)
class KnownClient:
    """A client, and the secrets that it has had, the newest last, with their ends."""

    name: str
    registered: Client
    secrets: list[tuple[str, datetime | None]]
    active: bool = True

    @property
    def scope(self) -> frozenset[str]:
        return frozenset((self.registered.scope or Scope()).tokens)


@attrs.define(eq=False)
class KnownUser:
    user: User
    active: bool = True

    @property
    def scope(self) -> frozenset[str]:
        return _SCOPES if self.user.scope is None else frozenset(self.user.scope.tokens)


@attrs.define(eq=False)
class Family:
    """All that came from one sign-in."""

    revoked: bool = False


@attrs.define(eq=False, kw_only=True)
class Token:
    """What is known of a token from the answer that brought it."""

    value: str = attrs.field(repr=False)
    kind: Literal["access", "refresh"]
    client: KnownClient = attrs.field(repr=lambda client: client.name)
    user: KnownUser | None = attrs.field(repr=False)
    scope: frozenset[str]
    audience: str
    family: Family | None
    expires_at: datetime
    spent: bool = False
    revoked: bool = False

    def is_there(self, now: datetime) -> bool:
        """Return whether it has neither expired nor been revoked; it may be spent."""
        ended = self.revoked or (self.family is not None and self.family.revoked)
        return not ended and now < self.expires_at


Answer = tuple[int, dict[str, Any]]
Refusal = tuple[int, str]
_UNKNOWN_CLIENT: Refusal = (401, "invalid_client")
_INVALID_GRANT: Refusal = (400, "invalid_grant")
_INVALID_SCOPE: Refusal = (400, "invalid_scope")
_UNAUTHORIZED: Refusal = (400, "unauthorized_client")

CLIENTS = st.sampled_from(["service", "app", "other-app", "browser", "here", "there"])
# Whoever may do it, and now and then somebody else.
SERVICES = st.sampled_from(["service"] * 6 + ["app", "browser"])
APPS = st.sampled_from(["app", "other-app", "browser"] * 2 + ["service"])
MOSTLY = st.sampled_from([True, True, True, False])
USERS = st.sampled_from(["alice", "bob"])
# The newest, or one before it.
WHICH_SECRET = st.sampled_from([0, 0, 0, 1, 2])
ASKED = st.sampled_from([None, None, "read", "read write", "profile", "read profile", "admin"])
HINTS = st.sampled_from([None, "access_token", "refresh_token", "unknown"])
_SECOND, _MINUTES = timedelta(seconds=1), timedelta(minutes=10)
MOVES = st.sampled_from([_SECOND, _SECOND, _MINUTES, _MINUTES, _HOUR, timedelta(days=1), _MONTH])


class LifeCycle(RuleBasedStateMachine):
    """Asks a server, and compares what it answers with what the model says."""

    tokens: Bundle[Token] = Bundle("tokens")
    refresh_tokens: Bundle[Token] = Bundle("refresh_tokens")

    def __init__(self, bench: Bench, access_token_format: Format) -> None:
        super().__init__()
        # Nobody before has had these names, so the store need not be emptied.
        self.number = next(_EXAMPLES)
        self.bench = bench
        # Some stores drop by their own clock what has expired, so ours begins with it.
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.keys = KeyRing(SigningKey.generate("Ed25519"))
        self.issued: list[Token] = []
        self.clients = {
            client.name: client
            for client in (
                self._register(
                    "service",
                    grant_types=["client_credentials"],
                    scope="read write",
                    default_scope="read",
                    resources=[THERE],
                ),
                self._register("app", **_SIGNING_IN),
                self._register("other-app", **_SIGNING_IN),
                self._register("browser", public=True, **_SIGNING_IN),
                self._register("here", introspects=[HERE]),
                self._register("there", introspects=[THERE]),
            )
        }
        self.users = {
            name: self._add_user(name, scope)
            for name, scope in (("alice", None), ("bob", "read write"))
        }
        self.server = self._make_server(bench.store, access_token_format)

    def _make_server(self, store: Store, access_token_format: Format) -> AuthorizationServer:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            grants: list[Grant] = [ClientCredentialsGrant(), PasswordGrant(), RefreshTokenGrant()]
        return AuthorizationServer(
            issuer=ISSUER,
            store=store,
            grants=grants,
            hasher=_CHEAP,
            throttle=None,
            access_token_format=access_token_format,
            signing_keys=self.keys,
            lifetimes=Lifetimes(access_token=_HOUR, refresh_token=_MONTH),
            audience=HERE,
            clock=lambda: self.now,
        )

    def _register(self, name: str, *, public: bool = False, **metadata: Any) -> KnownClient:
        client_id = f"{name}-{self.number}"
        metadata.setdefault("grant_types", [])
        if public:
            known = KnownClient(name, Client.public(client_id, **metadata), [])
        else:
            client, secret = Client.confidential(client_id, **metadata)
            known = KnownClient(name, client, [(secret.reveal(), None)])
        self.bench.store.add_client(known.registered)
        return known

    def _add_user(self, name: str, scope: str | None) -> KnownUser:
        user = User(
            sub=f"sub-{name}-{self.number}",
            username=f"{name}-{self.number}",
            password_hash=_HASH,
            scope=None if scope is None else Scope.parse(scope),
        )
        self.bench.add_user(user)
        return KnownUser(user)

    # What hosts do

    @rule(by=MOVES)
    def let_time_pass(self, by: timedelta) -> None:
        self.now += by

    @rule()
    def rotate_signing_keys(self) -> None:
        self.keys.rotate(SigningKey.generate("Ed25519"))

    @rule(name=CLIENTS, overlap=st.sampled_from([timedelta(), timedelta(minutes=10), _HOUR]))
    def rotate_client_secret(self, name: str, overlap: timedelta) -> None:
        client = self.clients[name]
        if not client.secrets:
            return
        fresh, secret = Client.confidential(client.registered.client_id)
        ends = self.now + overlap
        # What ends sooner keeps its end, and those that have ended are forgotten.
        kept = [
            attrs.evolve(each, expires_at=min(each.expires_at or ends, ends))
            for each in client.registered.secrets
            if each.is_live(self.now)
        ]
        client.registered = attrs.evolve(
            client.registered, secrets=(*reversed(fresh.secrets), *kept)
        )
        client.secrets = [(value, min(end or ends, ends)) for value, end in client.secrets]
        client.secrets.append((secret.reveal(), None))
        self.bench.store.replace_client(client.registered)

    @rule(name=CLIENTS, active=MOSTLY)
    def switch_client(self, name: str, active: bool) -> None:
        client = self.clients[name]
        client.active = active
        client.registered = attrs.evolve(client.registered, active=active)
        self.bench.store.replace_client(client.registered)

    @rule(name=USERS, active=MOSTLY)
    def switch_user(self, name: str, active: bool) -> None:
        known = self.users[name]
        known.active = active
        known.user = attrs.evolve(known.user, active=active)
        self.bench.replace_user(known.user)

    # What clients do

    @initialize(target=tokens)
    def begin_as_a_service(self) -> Any:
        return self.issue_by_client_credentials("service", 0, None, None)

    @initialize(target=refresh_tokens)
    def begin_as_a_user(self) -> Any:
        return self.issue_by_password("app", 0, "alice", True, None)

    @rule(
        target=tokens,
        name=SERVICES,
        which=WHICH_SECRET,
        scope=ASKED,
        resource=st.sampled_from([None, HERE, THERE]),
    )
    def issue_by_client_credentials(
        self, name: str, which: int, scope: str | None, resource: str | None
    ) -> Any:
        client = self.clients[name]
        answer = self._post(
            "/token", client, which, grant_type="client_credentials", scope=scope, resource=resource
        )
        expected = self._expect_client(client, which)
        if expected is None and name != "service":
            expected = _UNAUTHORIZED
        wanted = frozenset((scope or "read").split())
        if expected is None and not wanted <= client.scope:
            expected = _INVALID_SCOPE
        return self._take(answer, expected, client=client, scope=wanted, audience=resource or HERE)

    @rule(
        targets=(tokens, refresh_tokens),
        name=APPS,
        which=WHICH_SECRET,
        username=USERS,
        knows=MOSTLY,
        scope=ASKED,
    )
    def issue_by_password(
        self, name: str, which: int, username: str, knows: bool, scope: str | None
    ) -> Any:
        client, known = self.clients[name], self.users[username]
        answer = self._post(
            "/token",
            client,
            which,
            grant_type="password",
            username=known.user.username,
            password=_PASSWORD if knows else "looking-glass",
            scope=scope,
        )
        expected = self._expect_client(client, which)
        wanted = frozenset(scope.split()) if scope else client.scope
        if expected is None and name not in _SIGN_IN:
            expected = _UNAUTHORIZED
        if expected is None and not wanted <= client.scope:
            expected = _INVALID_SCOPE
        if expected is None and not (knows and known.active):
            expected = _INVALID_GRANT
        if scope is None:
            # By default they get what both may have.
            wanted &= known.scope
        elif expected is None and not wanted <= known.scope:
            expected = _INVALID_SCOPE
        return self._take(
            answer, expected, client=client, user=known, scope=wanted, family=Family()
        )

    @rule(
        targets=(tokens, refresh_tokens),
        token=refresh_tokens,
        name=CLIENTS,
        mine=MOSTLY,
        which=WHICH_SECRET,
        scope=ASKED,
    )
    def refresh(self, token: Token, name: str, mine: bool, which: int, scope: str | None) -> Any:
        client = token.client if mine else self.clients[name]
        answer = self._post(
            "/token",
            client,
            which,
            grant_type="refresh_token",
            refresh_token=token.value,
            scope=scope,
        )
        expected = self._expect_client(client, which)
        if expected is None and client.name not in _SIGN_IN:
            expected = _UNAUTHORIZED
        if expected is None:
            expected = self._expect_refresh(token, client, scope)
        if expected is None:
            token.spent = True
        return self._take(
            answer,
            expected,
            client=client,
            user=token.user,
            scope=frozenset(scope.split()) if scope else token.scope,
            whole=token.scope,
            family=token.family,
        )

    def _expect_refresh(
        self, token: Token, client: KnownClient, scope: str | None
    ) -> Refusal | None:
        is_good = token.kind == "refresh" and token.client is client and token.is_there(self.now)
        if is_good and token.spent:
            assert token.family is not None
            token.family.revoked = True
        if not is_good or token.spent or token.user is None or not token.user.active:
            return _INVALID_GRANT
        if scope is not None and not frozenset(scope.split()) <= token.scope:
            return _INVALID_SCOPE
        return None

    @rule(token=tokens, name=CLIENTS, mine=MOSTLY, which=WHICH_SECRET, hint=HINTS)
    def revoke(self, token: Token, name: str, mine: bool, which: int, hint: str | None) -> None:
        client = token.client if mine else self.clients[name]
        answer = self._post("/revoke", client, which, token=token.value, token_type_hint=hint)
        expected = self._expect_client(client, which)
        if expected is None and token.is_there(self.now):
            if token.client is not client:
                expected = _INVALID_GRANT
            elif token.family is not None and token.kind == "refresh":
                token.family.revoked = True
            else:
                token.revoked = True
        self._compare(answer, expected)
        if expected is None:
            assert answer == (200, {})

    @rule(token=tokens, name=CLIENTS, mine=MOSTLY, which=WHICH_SECRET, hint=HINTS)
    def introspect(self, token: Token, name: str, mine: bool, which: int, hint: str | None) -> None:
        client = token.client if mine else self.clients[name]
        self._introspect(token, client, which, hint)

    def _introspect(
        self, token: Token, client: KnownClient, which: int = 0, hint: str | None = None
    ) -> None:
        answer = self._post("/introspect", client, which, token=token.value, token_type_hint=hint)
        expected = self._expect_client(client, which)
        if client.name == "browser":
            # Nobody introspects without a proof of who they are.
            expected = _UNKNOWN_CLIENT
        self._compare(answer, expected)
        if expected is not None:
            return
        status, members = answer
        is_for_them = token.kind == "access" and token.audience in client.registered.introspects
        if (token.client is client or is_for_them) and token.is_there(self.now) and not token.spent:
            owner = token.client.registered.client_id
            assert members["active"] is True, token
            assert members["client_id"] == owner
            assert members["sub"] == (owner if token.user is None else token.user.user.sub)
            assert frozenset(members.get("scope", "").split()) == token.scope
            assert members["exp"] == int(token.expires_at.timestamp())
            assert members["aud"] == token.audience
        else:
            assert (status, members) == (200, {"active": False}), token

    def teardown(self) -> None:
        """Ask once more about each token, of its owner and of both resource servers."""
        for name in ("service", "app", "other-app", "here", "there"):
            self.switch_client(name, True)
        for token in self.issued:
            for client in {token.client, self.clients["here"], self.clients["there"]}:
                self._introspect(token, client)

    # How they ask, and what holds of any answer

    def _post(self, path: str, client: KnownClient, which: int, **parameters: str | None) -> Answer:
        form = {name: value for name, value in parameters.items() if value is not None}
        headers = [("Content-Type", "application/x-www-form-urlencoded")]
        client_id = client.registered.client_id
        if client.secrets:
            pair = f"{quote_plus(client_id)}:{quote_plus(_choose(client, which)[0])}"
            headers.append(("Authorization", f"Basic {b64encode(pair.encode()).decode()}"))
        else:
            form["client_id"] = client_id
        response = self.server.handle(
            HttpRequest(
                method="POST", url=ISSUER + path, headers=headers, body=urlencode(form).encode()
            )
        )
        return response.status, response.json()

    def _expect_client(self, client: KnownClient, which: int) -> Refusal | None:
        if not client.active:
            return _UNKNOWN_CLIENT
        if not client.secrets:
            return None
        _, end = _choose(client, which)
        return None if end is None or self.now < end else _UNKNOWN_CLIENT

    def _compare(self, answer: Answer, expected: Refusal | None) -> None:
        status, members = answer
        told = None if status == 200 else (status, members["error"])
        assert told == expected, f"{told}, and the model says {expected}"

    def _take(
        self,
        answer: Answer,
        expected: Refusal | None,
        *,
        client: KnownClient,
        scope: frozenset[str],
        user: KnownUser | None = None,
        whole: frozenset[str] | None = None,
        audience: str = HERE,
        family: Family | None = None,
    ) -> Any:
        """Return the tokens in *answer*, if the model has it that there are any."""
        self._compare(answer, expected)
        if expected is not None:
            return multiple(*list[Token]())
        _, members = answer
        assert members["token_type"] == "Bearer"
        assert members["expires_in"] == 3600
        assert frozenset(members["scope"].split()) == scope
        assert ("refresh_token" in members) == (user is not None)
        common: dict[str, Any] = {
            "client": client,
            "user": user,
            "audience": audience,
            "family": family,
        }
        brought = [
            Token(
                value=members["access_token"],
                kind="access",
                scope=scope,
                expires_at=self.now + _HOUR,
                **common,
            )
        ]
        if user is not None:
            brought.append(
                Token(
                    value=members["refresh_token"],
                    kind="refresh",
                    scope=whole or scope,
                    expires_at=self.now + _MONTH,
                    **common,
                )
            )
        self.issued.extend(brought)
        return multiple(*brought)


_SIGN_IN = frozenset({"app", "other-app", "browser"})
_SIGNING_IN: dict[str, Any] = {
    "grant_types": ["password", "refresh_token"],
    "scope": "read write profile",
    "default_scope": "read write profile",
    "first_party": True,
}


def _choose(client: KnownClient, which: int) -> tuple[str, datetime | None]:
    return client.secrets[-1 - min(which, len(client.secrets) - 1)]
