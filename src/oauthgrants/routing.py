"""Where a server's endpoints are, and what answers there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs

from oauthgrants.brief import service
from oauthgrants.client_auth import CLIENT_PARAMETERS, ClientAuthenticator
from oauthgrants.endpoints import Endpoints
from oauthgrants.endpoints.documents import DocumentEndpoint
from oauthgrants.endpoints.form_post import FormEndpoint, FormHandler
from oauthgrants.endpoints.introspection import PARAMETERS, IntrospectionHandler
from oauthgrants.endpoints.metadata import well_known_url
from oauthgrants.endpoints.revocation import RevocationHandler
from oauthgrants.endpoints.token import TokenHandler
from oauthgrants.events import Answer, Watch, watched
from oauthgrants.forms import FormParser
from oauthgrants.grants import Grant, Services
from oauthgrants.lookup import TokenLookup
from oauthgrants.sender_constraints import Confirm
from oauthgrants.signing import make_signer
from oauthgrants.wire import HttpRequest, HttpResponse, render

if TYPE_CHECKING:
    # Only for annotations: without JWTs, joserfc is neither needed nor loaded.
    from oauthgrants.keys import KeySource

_DAY = 24 * 60 * 60
_FIVE_MINUTES = 5 * 60


@service(kw_only=True)
class EndpointUrls:
    """
    Where the endpoints are.

    Attributes:
        token: RFC 6749, 3.2.
        introspection: RFC 7662, 2.
        revocation: RFC 7009, 2.
        jwks: The JWK Set, None on a server that signs nothing.
        metadata: RFC 8414, 3.
    """

    token: str
    introspection: str
    revocation: str
    jwks: str | None
    metadata: str

    @classmethod
    def of(cls, issuer: str, endpoints: Endpoints, *, has_keys: bool) -> EndpointUrls:
        """Return where they are below *issuer*."""
        base = issuer.rstrip("/")
        return cls(
            token=base + endpoints.token,
            introspection=base + endpoints.introspection,
            revocation=base + endpoints.revocation,
            jwks=base + endpoints.jwks if has_keys else None,
            metadata=well_known_url(issuer, "oauth-authorization-server"),
        )

    def members(self) -> dict[str, str | None]:
        """Return what the metadata say of them (RFC 8414, 2)."""
        return {
            "token_endpoint": self.token,
            "introspection_endpoint": self.introspection,
            "revocation_endpoint": self.revocation,
            "jwks_uri": self.jwks,
        }


@service(kw_only=True)
class FormEndpoints:
    """
    What answers the forms of clients.

    Attributes:
        token: The token endpoint.
        introspection: The introspection endpoint.
        revocation: The revocation endpoint.
    """

    token: Answer
    introspection: Answer
    revocation: Answer


def make_form_endpoints(
    services: Services,
    *,
    issuer: str,
    grants: Mapping[str, Grant],
    further_parameters: Iterable[str],
    authenticator: ClientAuthenticator,
    confirm: Confirm | None,
    lookup: TokenLookup,
    introspection_keys: KeySource | None,
    watch: Watch | None = None,
) -> FormEndpoints:
    """
    Return the endpoints that take forms.

    Args:
        services: What the server lends its grants.
        issuer: Its identifier.
        grants: Those that are enabled, by their ``grant_type``.
        further_parameters: What the token endpoint reads beside the parameters of its grants.
        authenticator: Authenticates clients.
        confirm: Says what tokens are to be bound to, None for nothing.
        lookup: Finds tokens.
        introspection_keys: Sign introspection answers, None to send them as JSON alone.
        watch: How the event sink watches requests, None if it does not.

    Raises:
        ValueError: The server lacks what a grant needs.
    """

    def form_endpoint(
        name: str, known: Iterable[str], handler: FormHandler, authenticator: ClientAuthenticator
    ) -> Answer:
        names = CLIENT_PARAMETERS.union(known)
        endpoint = FormEndpoint(
            name=name,
            parser=FormParser(names, frozenset({"resource"}), services.limits),
            authenticator=authenticator,
            handler=handler,
            clock=services.clock,
            record=services.record,
        )
        return watched(endpoint.answer, name, watch)

    handlers = {name: grant.bind(services) for name, grant in grants.items()}
    known = {"grant_type"}.union(*(grant.parameters for grant in grants.values()))
    introspection = IntrospectionHandler(
        issuer=issuer,
        lookup=lookup,
        sign=None if introspection_keys is None else make_signer(introspection_keys),
        clock=services.clock,
        record=services.record,
    )
    revocation = RevocationHandler(
        lookup=lookup, issuer=services.issuer, clock=services.clock, record=services.record
    )
    return FormEndpoints(
        token=form_endpoint(
            "token",
            known.union(further_parameters),
            TokenHandler(handlers, confirm),
            authenticator,
        ),
        introspection=form_endpoint(
            "introspection",
            PARAMETERS,
            introspection,
            # Callers prove who they are (RFC 7662, 2.1). Where answers are signed, nobody is
            # asked for Basic (RFC 9701, 5; C-16).
            attrs.evolve(
                authenticator,
                methods=authenticator.methods - {"none"},
                challenges=introspection_keys is None,
            ),
        ),
        revocation=form_endpoint("revocation", PARAMETERS, revocation, authenticator),
    )


def make_routes(
    services: Services,
    urls: EndpointUrls,
    forms: FormEndpoints,
    *,
    metadata: Mapping[str, Any],
    jwks: Callable[[], Mapping[str, Any]],
    watch: Watch | None = None,
) -> Answer:
    """
    Return what hands each request to the endpoint at its path, and answers 404 elsewhere.

    Args:
        services: What the server lends its grants.
        urls: Where the endpoints are.
        forms: Those that take forms.
        metadata: The server's.
        jwks: Returns its JWK Set as it is now.
        watch: How the event sink watches requests, None if it does not.
    """

    def document(name: str, make: Callable[[], Mapping[str, Any]], max_age: int) -> Answer:
        endpoint = DocumentEndpoint(
            name=name, make=make, max_age=max_age, clock=services.clock, record=services.record
        )
        return watched(endpoint.answer, name, watch)

    routes = {
        urls.token: forms.token,
        urls.introspection: forms.introspection,
        urls.revocation: forms.revocation,
        urls.metadata: document("metadata", lambda: metadata, _DAY),
    }
    if urls.jwks is not None:
        routes[urls.jwks] = document("jwks", jwks, _FIVE_MINUTES)
    by_path: dict[str, Answer] = {urlsplit(url).path: answer for url, answer in routes.items()}

    async def answer(request: HttpRequest) -> HttpResponse:
        endpoint = by_path.get(request.path)
        if endpoint is None:
            return render(
                {"error": "invalid_request", "error_description": "there is no such endpoint"},
                status=404,
            )
        return await endpoint(request)

    return answer
