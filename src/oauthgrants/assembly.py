"""Puts a server together: which port serves which endpoint, decided once."""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Iterable, Mapping
from datetime import timedelta
from os import urandom
from time import sleep
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from oauthgrants.authenticating import make_authenticator
from oauthgrants.checks import (
    filling,
    require_audience,
    require_grants,
    require_issuer,
    require_parameters,
    require_port,
    require_settings,
)
from oauthgrants.client_auth.assertion_rules import AssertionRules
from oauthgrants.client_auth.connections import IN_THREADS
from oauthgrants.client_auth.mutual_tls import MutualTls, mutual_tls_members
from oauthgrants.clients import Client
from oauthgrants.endpoints import Endpoints as Endpoints  # noqa: PLC0414  # public here too
from oauthgrants.endpoints.metadata import generate_metadata
from oauthgrants.events import EventSink, LoggingSink, find_watch, recorder
from oauthgrants.forms import Limits
from oauthgrants.granting import ResourceRules, ScopeRules
from oauthgrants.grants import Grant, Services
from oauthgrants.hashing import Argon2idHasher
from oauthgrants.issuing import TokenIssuer
from oauthgrants.lookup import TokenLookup
from oauthgrants.mfa import keep_waiting
from oauthgrants.ports import (
    AttemptStore,
    ClientStore,
    Clock,
    DenyList,
    ExtraClaims,
    Hasher,
    KnownSources,
    LifetimePolicy,
    MaybeAwaitable,
    MfaTokenStore,
    ReplayStore,
    ScopePolicy,
    TokenStore,
    UserStore,
    utc_now,
)
from oauthgrants.ports import Store as Store  # noqa: PLC0414  # public here too
from oauthgrants.profiles import Profile, ProfileName
from oauthgrants.routing import EndpointUrls, make_form_endpoints, make_routes
from oauthgrants.scopes import Scope
from oauthgrants.secret import Randomness, SecretFormat
from oauthgrants.sender_constraints.constraints import SenderConstraints
from oauthgrants.sender_constraints.dpop_rules import DpopRules
from oauthgrants.signing import make_jwks, make_jwt_format, require_signing_keys, to_key_source
from oauthgrants.throttling import Throttle
from oauthgrants.throttling.limited import limit_guesses
from oauthgrants.throttling.limiter import make_limiter
from oauthgrants.token_formats import AccessTokenFormat
from oauthgrants.token_formats.opaque import OpaqueFormat
from oauthgrants.tokens import Lifetimes
from oauthgrants.users import User
from oauthgrants.wiring import Wiring

if TYPE_CHECKING:
    # Only for annotations: without JWTs, joserfc is neither needed nor loaded.
    from oauthgrants.jose import SigningKey
    from oauthgrants.keys import KeySource
    from oauthgrants.policy import Finding

_P = TypeVar("_P")


class Assembly:
    """What the sync and the async server share: the settings, and the parts made of them."""

    _connections = IN_THREADS

    def __init__(
        self,
        *,
        issuer: str,
        grants: Iterable[Grant],
        profile: ProfileName = "oauth2.0",
        store: Store | None = None,
        clients: ClientStore | None = None,
        tokens: TokenStore | None = None,
        users: UserStore | None = None,
        deny_list: DenyList | None = None,
        attempts: AttemptStore | None = None,
        known_sources: KnownSources | None = None,
        replays: ReplayStore | None = None,
        mfa_tokens: MfaTokenStore | None = None,
        throttle: Throttle | None = Throttle(),
        hasher: Hasher | None = None,
        scope_policy: ScopePolicy | None = None,
        lifetime_policy: LifetimePolicy | None = None,
        extra_claims: ExtraClaims | None = None,
        event_sink: EventSink | None = None,
        access_token_format: Literal["opaque", "jwt"] = "opaque",
        signing_keys: KeySource | SigningKey | None = None,
        introspection_jwt: bool = False,
        lifetimes: Lifetimes = Lifetimes(),
        refresh_grace: timedelta = timedelta(),
        audience: str | Iterable[str] = (),
        client_auth_methods: Collection[str] | None = None,
        secret_methods_equal: bool = False,
        assertions: AssertionRules = AssertionRules(),
        mutual_tls: MutualTls | None = None,
        dpop: DpopRules | None = None,
        limits: Limits = Limits(),
        endpoints: Endpoints = Endpoints(),
        metadata: Mapping[str, Any] | None = None,
        scopes_supported: Scope | str | None = None,
        publish_response_types: bool = True,
        allow_insecure_transport: bool = False,
        password_workers: int | None = None,
        clock: Clock = utc_now,
        random: Randomness = urandom,
    ) -> None:
        """
        Make a server.

        Args:
            issuer: Its identifier, an https URL without query and fragment (RFC 8414, 2).
            grants: The grants that are enabled, one or more.
            profile: The rules that it keeps to; ``oauth2.1`` has no password grant.
            store: Serves as each port below that is not given by itself.
            clients: The registered clients.
            tokens: The stored tokens.
            users: The resource owners; the client credentials grant needs none.
            deny_list: Remembers which JWTs are revoked; opaque tokens need none.
            attempts: Counts wrong passwords, secrets and codes.
            known_sources: Remembers from where users have signed in, so that strangers who
                guess cannot lock them out.
            replays: Remembers what may be used once: client assertions, DPoP proofs, codes.
            mfa_tokens: Keeps sign-ins that wait for a second factor.
            throttle: How many wrong guesses are let through; None for no limit.
            hasher: Hashes passwords; `Argon2idHasher` by default.
            scope_policy: May grant less than was asked for; by default, a request for too much
                is refused (C-09).
            lifetime_policy: Has the last word on how long tokens live.
            extra_claims: Adds claims of the host's own to access tokens.
            event_sink: Hears of events; by default a `LoggingSink`, which writes them to the
                logger ``oauthgrants``.
            access_token_format: ``opaque``, or ``jwt`` (RFC 9068), which takes *signing_keys*
                and an *audience*.
            signing_keys: A `SigningKey`, or a `KeySource`, whose keys can change without a
                restart.
            introspection_jwt: Whether introspection answers are signed for callers that accept
                it (RFC 9701); takes *signing_keys*.
            lifetimes: How long tokens live, where grant and client do not say.
            refresh_grace: How long the refresh token that was spent last is accepted again,
                from a client that proves who it is (C-20); zero for never.
            audience: The ``aud`` of tokens when the request names no resource (C-26).
            client_auth_methods: The registered names of the client authentication methods that
                are enabled; by default all that can work.
            secret_methods_equal: Whether a secret may come by Basic or in the body, whichever of
                the two a client is registered for (C-12).
            assertions: What client assertions have to be, the JWTs by which clients authenticate
                (RFC 7523).
            mutual_tls: Says that clients can show certificates here (RFC 8705); None if the web
                server hands none over.
            dpop: What the proofs have to be that bind tokens to a key (RFC 9449); None to ignore
                them.
            limits: How large a request and its parts may be.
            endpoints: The paths of the endpoints.
            metadata: Further members of the metadata (C-25).
            scopes_supported: The scopes to publish in the metadata.
            publish_response_types: Whether the metadata have an empty
                ``response_types_supported`` (C-17).
            allow_insecure_transport: Whether *issuer* may be plain http, on loopback hosts only.
            password_workers: How many passwords `AsyncAuthorizationServer` checks at a time,
                each with the memory that the hasher asks for; by default one for each processor.
            clock: Returns the time, aware, in UTC.
            random: Returns random octets, of which tokens are made.

        Raises:
            ModuleNotFoundError: A setting needs an extra that is missing; says what to install.
            ValueError: Something contradicts the specifications, or is missing; says what.
        """
        require_issuer(issuer, allow_insecure_transport=allow_insecure_transport)
        require_settings(
            access_token_format=access_token_format, refresh_grace=refresh_grace, clock=clock
        )
        self.issuer = issuer
        """The issuer identifier."""
        self.limits = limits
        """How large a request may be; adapters need not read further."""
        self._password_workers = password_workers
        self._clock = clock
        self._random = random
        sink = LoggingSink() if event_sink is None else event_sink
        self._record, watch = recorder(sink), find_watch(sink)
        self._keys = None if signing_keys is None else to_key_source(signing_keys)
        default_audience = require_audience(audience)
        enabled = require_grants(grants)
        kept_rules = Profile.named(profile)
        kept_rules.require(enabled, client_auth_methods, assertions)

        # Compared with None, not by truth: a port may be a collection that is still empty.
        client_store = self._adapt(require_port(store if clients is None else clients, "clients"))
        token_store = self._adapt(require_port(store if tokens is None else tokens, "tokens"))
        user_store = store if users is None else users
        denied = store if deny_list is None else deny_list
        password_hasher = self._adapt_slow(Argon2idHasher() if hasher is None else hasher)
        limiter = make_limiter(
            self._adapt(store if attempts is None else attempts),
            self._adapt(store if known_sources is None else known_sources),
            throttle,
            sleep=self._sleep,
            clock=clock,
            record=self._record,
        )
        self._deny_list = None if denied is None else self._adapt(denied)
        refresh_format = SecretFormat("ogrt_", random)
        formats: tuple[AccessTokenFormat, ...] = (
            OpaqueFormat(token_store, SecretFormat("ogat_", random)),
        )
        if access_token_format == "jwt":
            # Opaque tokens from before a change of format stay valid.
            jwts = make_jwt_format(
                issuer=issuer,
                keys=self._keys,
                deny_list=self._deny_list,
                audience=default_audience,
                clock=clock,
                random=random,
            )
            formats = (jwts, *formats)
        issuing = TokenIssuer(
            tokens=token_store,
            access_format=formats[0],
            refresh_format=refresh_format,
            deny_list=None if formats[0].is_stored else self._deny_list,
            clock=clock,
            record=self._record,
            lifetimes=lifetimes,
            lifetime_policy=None if lifetime_policy is None else self._adapt(lifetime_policy),
            extra_claims=None if extra_claims is None else self._adapt(extra_claims),
            grace=refresh_grace,
        )
        services = Services(
            issuer=issuing,
            scopes=ScopeRules(
                policy=None if scope_policy is None else self._adapt(scope_policy),
                most=limits.scope,
            ),
            resources=ResourceRules(default_audience),
            tokens=token_store,
            users=None if user_store is None else self._adapt(user_store),
            hasher=password_hasher,
            clock=clock,
            limits=limits,
            record=self._record,
            grant_types=frozenset(enabled),
            profile=kept_rules,
            waiting=keep_waiting(
                self._adapt(filling(store if mfa_tokens is None else mfa_tokens, "save_mfa_token")),
                SecretFormat("ogmt_", random),
                clock=clock,
                record=self._record,
            ),
            replays=self._adapt(filling(store if replays is None else replays, "add_if_absent")),
            limited=limit_guesses(limiter),
            adapt=self._adapt_slow,
        )
        self.lookup: TokenLookup = TokenLookup(
            tokens=token_store, access_formats=formats, refresh_format=refresh_format, clock=clock
        )
        """Finds this server's tokens, for resource servers in the same process."""
        authenticator = make_authenticator(
            services,
            issuer=issuer,
            endpoints=endpoints,
            clients=client_store,
            methods=client_auth_methods,
            secret_methods_equal=secret_methods_equal,
            rules=assertions,
            mutual_tls=mutual_tls,
            connections=self._connections,
        )
        self._wiring = Wiring(
            issuer=issuer,
            grants=enabled,
            services=services,
            authenticator=authenticator,
            assertions=assertions,
        )
        urls = EndpointUrls.of(issuer, endpoints, has_keys=self._keys is not None)
        self.token_endpoint: str = urls.token
        """The URL of the token endpoint (RFC 6749, 3.2)."""
        self.introspection_endpoint: str = urls.introspection
        """The URL of the introspection endpoint (RFC 7662, 2)."""
        self.revocation_endpoint: str = urls.revocation
        """The URL of the revocation endpoint (RFC 7009, 2)."""
        self.jwks_uri: str | None = urls.jwks
        """The URL of the JWK Set, None on a server that signs nothing."""
        introspection_keys = require_signing_keys(self._keys) if introspection_jwt else None
        self._metadata = generate_metadata(
            {
                "issuer": issuer,
                **urls.members(),
                "scopes_supported": list(Scope.of(scopes_supported or Scope())),
                "grant_types_supported": sorted(enabled),
                **mutual_tls_members(mutual_tls, authenticator.methods),
                "dpop_signing_alg_values_supported": [] if dpop is None else [*dpop.algorithms],
            },
            auth_methods=authenticator.methods,
            introspection_algorithm=None
            if introspection_keys is None
            else introspection_keys.signing_key().algorithm,
            publish_response_types=publish_response_types,
            added=metadata or {},
        )
        forms = make_form_endpoints(
            services,
            issuer=issuer,
            grants=enabled,
            further_parameters=()
            if extra_claims is None
            else require_parameters(extra_claims.parameters, "extra_claims"),
            authenticator=authenticator,
            confirm=SenderConstraints.of(
                dpop,
                server=issuer,
                aliases=() if mutual_tls is None else mutual_tls.endpoint_aliases.values(),
                replays=services.replays,
                clock=clock,
            ),
            lookup=self.lookup,
            introspection_keys=introspection_keys,
            watch=watch,
        )
        self._token, self._introspect = forms.token, forms.introspection
        self._revoke = forms.revocation
        self._handle = make_routes(
            services, urls, forms, metadata=self._metadata, jwks=self._jwks, watch=watch
        )

    def _jwks(self) -> Mapping[str, Any]:
        return make_jwks(self._keys, self._clock())

    def _describe(self) -> Mapping[str, Any]:
        # Imported here, so that it is loaded only where somebody asks for it.
        from oauthgrants.openapi import describe_api

        return describe_api(self._metadata, self._wiring)

    def _examine(
        self, clients: Iterable[Client] | None, users: Iterable[User] | None
    ) -> Coroutine[Any, Any, tuple[Finding, ...]]:
        # Imported here, so that the rules are loaded only where somebody checks.
        from oauthgrants.policy import examine

        return examine(self._wiring, clients, users)

    def _adapt(self, port: _P) -> _P:
        """Return *port* as this server calls it."""
        return port

    def _sleep(self, seconds: float) -> MaybeAwaitable[None]:
        """Wait, as this server can."""
        return sleep(seconds)  # type: ignore[func-returns-value]  # it is as good as None

    def _adapt_slow(self, port: _P) -> _P:
        """Return *port*, which computes for long, as this server calls it."""
        return port
