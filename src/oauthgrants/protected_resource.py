"""
How a resource server checks a request, written once for both colours (RFC 6749, 7; RFC 6750).

The order: read the token; find out what it stands for; check what it is bound to, its audience and
its scope. Each step either passes or raises an error that carries its challenge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from oauthgrants.bearer import BearerReader, PresentedToken
from oauthgrants.challenges import Challenges
from oauthgrants.checks import require_issuer, require_resource
from oauthgrants.endpoints.documents import DocumentEndpoint
from oauthgrants.endpoints.metadata import well_known_url
from oauthgrants.endpoints.resource_metadata import (
    ResourceMetadataEndpoint,
    generate_resource_metadata,
)
from oauthgrants.errors import (
    InsufficientScope,
    InvalidToken,
    OAuthError,
    TemporarilyUnavailable,
)
from oauthgrants.events import (
    EventSink,
    Exchange,
    Fault,
    LoggingSink,
    RequestRefused,
    TokenAccepted,
    Watching,
    find_watch,
    recorder,
    token_id,
    wants_each_call,
)
from oauthgrants.fetching import Fetcher
from oauthgrants.forms import Limits
from oauthgrants.ports import Clock, ReplayStore, is_awaitable, utc_now
from oauthgrants.profiles import Profile, ProfileName
from oauthgrants.scopes import Scope
from oauthgrants.sender_constraints.dpop_rules import DpopRules
from oauthgrants.sender_constraints.possession import PossessionChecker
from oauthgrants.sender_constraints.seen_proofs import SeenProofs
from oauthgrants.token_checks import Gate, Services, TokenChecker, TokenFinder
from oauthgrants.tokens import AccessToken, VerifiedToken
from oauthgrants.wire import HttpRequest, HttpResponse, render_error

_P = TypeVar("_P")
_DAY = 24 * 60 * 60
_ENDPOINT = "resource"
_NOTHING = Scope()


class ProtectedResource:
    """What the sync and the async resource server share."""

    def __init__(
        self,
        *,
        resource: str,
        tokens: TokenFinder | TokenChecker,
        audience: str | Iterable[str] | None = None,
        require_audience: bool = True,
        realm: str | None = "resource",
        authorization_servers: Iterable[str] = (),
        scopes_supported: Scope | str | Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        publish_metadata: bool = True,
        allow_body: bool = False,
        allow_query: bool = False,
        dpop: DpopRules | None = None,
        replays: ReplayStore | None = None,
        profile: ProfileName = "oauth2.0",
        limits: Limits = Limits(),
        fetcher: Fetcher | None = None,
        event_sink: EventSink | None = None,
        allow_insecure_transport: bool = False,
        clock: Clock = utc_now,
    ) -> None:
        """
        Make a resource server.

        Args:
            resource: Its identifier, an https URL without fragment (RFC 9728, 1.2).
            tokens: Finds out what a token stands for: the ``lookup`` of an authorization server
                in the same process, `JwtChecker`, `RemoteIntrospection`, or a class like them.
            audience: What a token may name as its audience; by default *resource* alone.
            require_audience: Whether a token has to name an audience. Opaque tokens have none
                where neither the request nor the authorization server names one; False accepts
                these too. A token for another audience is refused in any case.
            realm: The ``realm`` of challenges, None to leave it out.
            authorization_servers: The issuers whose tokens are accepted, for the metadata.
            scopes_supported: The scopes to publish there.
            metadata: Further members of the metadata (RFC 9728, 2).
            publish_metadata: Whether `handle` answers with the metadata and challenges say
                where they are (RFC 9728, 5.1).
            allow_body: Whether the token may come in a form (RFC 6750, 2.2).
            allow_query: Whether the token may come in the URL (RFC 6750, 2.3), which RFC 9700,
                4.3.2 forbids: histories and logs keep URLs. Successful responses then have to
                carry `VerifiedToken.response_headers`.
            profile: The rules that it keeps to; ``oauth2.1`` does not allow *allow_query*.
            dpop: What DPoP proofs have to be (RFC 9449). None: the scheme ``DPoP`` is not known
                here, and a token that is bound to a key is refused.
            replays: Remembers which proofs have been used. By default each process remembers
                those that it has seen; processes that share the URL need one store.
            limits: How long a token may be, and a form that it comes in.
            fetcher: Sends requests for keys and introspection; by default httpx does.
            event_sink: Hears of refusals and faults, and of each call if it wants to; by
                default a `LoggingSink`, which writes to the logger ``oauthgrants``.
            allow_insecure_transport: Whether *resource*, and what is fetched, may be plain
                http, on loopback hosts only.
            clock: Returns the time, aware, in UTC.

        Raises:
            ModuleNotFoundError: An extra is missing; says what to install.
            ValueError: Something contradicts the specifications; says what.
        """
        Profile.named(profile).require_no_query(allow_query=allow_query)
        require_resource(resource, allow_insecure_transport=allow_insecure_transport)
        self.resource = resource
        """The resource identifier."""
        self.metadata_url: str = well_known_url(resource, "oauth-protected-resource")
        """Where the metadata are (RFC 9728, 3.1)."""
        self.limits = limits
        """How large a request may be; adapters need not read further."""
        self._clock = clock
        sink = LoggingSink() if event_sink is None else event_sink
        self._record = recorder(sink)
        self._tells_each_call = wants_each_call(sink)
        self._watch = find_watch(sink)
        # Decided once: a sink that does not watch costs nothing.
        self._require_token = self._check if self._watch is None else self._check_watched
        named = (resource,) if audience is None else audience
        self._audience = frozenset((named,) if isinstance(named, str) else named)
        self._require_audience = require_audience
        self._reader = BearerReader(
            allow_body=allow_body,
            allow_query=allow_query,
            allow_dpop=dpop is not None,
            limits=limits,
        )
        seen = self._adapt(SeenProofs(clock) if replays is None else replays)
        self._possession = PossessionChecker.of(dpop, server=resource, replays=seen, clock=clock)
        self._challenges = Challenges(
            realm=realm,
            resource_metadata=self.metadata_url if publish_metadata else None,
            algorithms=() if dpop is None else dpop.algorithms,
            bearer=not self._possession.required,
        )
        issuers = list(authorization_servers)
        for issuer in issuers:
            require_issuer(issuer, allow_insecure_transport=allow_insecure_transport)
        ways = {"header": True, "body": allow_body, "query": allow_query}
        self._metadata = generate_resource_metadata(
            {
                "resource": resource,
                "authorization_servers": issuers,
                "scopes_supported": list(Scope.of(scopes_supported)),
                "bearer_methods_supported": [way for way, is_open in ways.items() if is_open],
                **self._possession.metadata(),
            },
            added=metadata or {},
        )
        document = DocumentEndpoint(
            name="metadata",
            make=lambda: self._metadata,
            max_age=_DAY,
            clock=clock,
            record=self._record,
        )
        self._handle = ResourceMetadataEndpoint(
            url=self.metadata_url if publish_metadata else None, document=document
        ).answer
        self._given_fetcher = fetcher
        self._own_fetcher: Any = None
        services = Services(
            open_fetcher=self._open_fetcher,
            make_gate=self._make_gate,
            clock=clock,
            record=self._record,
            allow_insecure_transport=allow_insecure_transport,
        )
        finder = tokens.bind(services) if isinstance(tokens, TokenChecker) else tokens
        self._find_access_token = self._adapt(finder).find_access_token

    def render(self, error: OAuthError) -> HttpResponse:
        """
        Return *error* as a response, with the challenges that go with it (RFC 6750, 3).

        It may also be an error that the host raises, such as `InsufficientScope`.
        """
        return render_error(self._challenges.add_to(error))

    def _adapt(self, port: _P) -> _P:
        """Return *port* as this resource server calls it."""
        return port

    def _make_gate(self) -> Gate:
        from oauthgrants.gates import ThreadGate

        return ThreadGate()

    def _make_fetcher(self) -> Fetcher:
        from oauthgrants.fetching import HttpxFetcher

        return HttpxFetcher()

    def _open_fetcher(self) -> Fetcher:
        if self._given_fetcher is not None:
            return self._adapt(self._given_fetcher)
        own: Fetcher = self._own_fetcher or self._make_fetcher()
        self._own_fetcher = own
        return own

    async def _check(
        self,
        request: HttpRequest,
        scope: Scope | str | Iterable[str] | None,
        any_scope: Scope | str | Iterable[str] | None,
    ) -> VerifiedToken:
        every = _NOTHING if scope is None else Scope.of(scope)
        some = _NOTHING if any_scope is None else Scope.of(any_scope)
        presented: PresentedToken | None = None
        token: AccessToken | None = None
        try:
            presented = self._reader.require_token(request)
            found = self._find_access_token(presented.value)
            token = _require_found(await found if is_awaitable(found) else found)
            headers = presented.response_headers
            if token.cnf or presented.by_dpop or self._possession.required:
                # Before the rest of the token is checked: a thief learns nothing about it.
                headers += await self._possession.check(request, token, presented)
            self._check_audience(token)
            _check_scope(token, every, some)
            if self._tells_each_call:
                self._tell_of(token, request)
            return VerifiedToken.of(token, headers)
        except OAuthError as error:
            self._record(
                RequestRefused(
                    at=self._clock(),
                    source=request.source,
                    error=error.code,
                    reason=error.reason,
                    endpoint=_ENDPOINT,
                    client_id=None if token is None else token.client_id,
                    sub=None if token is None else token.sub,
                    token_id=None if token is None else token_id(token),
                )
            )
            by_dpop = None if presented is None else presented.by_dpop
            raise self._challenges.add_to(error, by_dpop=by_dpop) from None
        except Exception as error:
            self._record(
                Fault(at=self._clock(), source=request.source, error=error, endpoint=_ENDPOINT)
            )
            raise TemporarilyUnavailable("try again later") from None

    def _tell_of(self, token: AccessToken, request: HttpRequest) -> None:
        self._record(
            TokenAccepted(
                at=self._clock(),
                source=request.source,
                resource=self.resource,
                client_id=token.client_id,
                sub=token.sub,
                scope=token.scope,
                token_id=token_id(token),
            )
        )

    async def _check_watched(
        self,
        request: HttpRequest,
        scope: Scope | str | Iterable[str] | None,
        any_scope: Scope | str | Iterable[str] | None,
    ) -> VerifiedToken:
        assert self._watch is not None  # noqa: S101  # else nobody comes here
        exchange = Exchange(endpoint=_ENDPOINT, source=request.source)
        with Watching(self._watch, exchange):
            try:
                return await self._check(request, scope, any_scope)
            except OAuthError as error:
                # A refusal is an answer, not a failure: what watches sees only the status.
                exchange.status, refusal = error.status, error
        raise refusal

    def _check_audience(self, token: AccessToken) -> None:
        """Check whom *token* is for (RFC 9068, 4; RFC 9700, 2.3)."""
        if token.audience:
            if self._audience.isdisjoint(token.audience):
                raise InvalidToken(
                    "the access token is for another resource", reason="the audience is foreign"
                )
        elif self._require_audience:
            raise InvalidToken(
                "the access token is for another resource",
                reason="the token has no audience, and require_audience wants one",
            )


def _require_found(token: AccessToken | None) -> AccessToken:
    if token is None:
        raise InvalidToken("the access token is unknown, revoked or expired")
    return token


def _check_scope(token: AccessToken, every: Scope, some: Scope) -> None:
    """Check that *token* has all of *every*, and one of *some* if that is not empty."""
    granted = token.scope.tokens
    if not every.tokens <= granted or (some and granted.isdisjoint(some.tokens)):
        raise InsufficientScope.wanting(str(Scope(every.tokens | some.tokens)))
