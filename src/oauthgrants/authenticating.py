"""Makes what authenticates the clients of a server, once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from typing import TYPE_CHECKING, Any

from oauthgrants.client_auth import ClientAuthenticator
from oauthgrants.client_auth.assertion_rules import AssertionRules
from oauthgrants.client_auth.connections import Connections
from oauthgrants.client_auth.guesses import limit_secrets
from oauthgrants.client_auth.keys import ClientKeys
from oauthgrants.client_auth.mutual_tls import CertificateVerifier, MutualTls
from oauthgrants.client_auth.secrets import SecretVerifier
from oauthgrants.client_certificates import certificates_of, registered_certificates
from oauthgrants.client_keys import ASSERTION_METHODS
from oauthgrants.endpoints import Endpoints
from oauthgrants.grants import Services
from oauthgrants.ports import ClientStore

if TYPE_CHECKING:
    # Only for annotations: servers without clients that sign never load joserfc.
    from oauthgrants.client_auth.assertions import AssertionVerifier


def make_authenticator(
    services: Services,
    *,
    issuer: str,
    endpoints: Endpoints,
    clients: ClientStore,
    methods: Collection[str] | None,
    secret_methods_equal: bool,
    rules: AssertionRules,
    mutual_tls: MutualTls | None,
    connections: Connections,
) -> ClientAuthenticator:
    """
    Return what authenticates clients.

    Args:
        services: What the server lends its grants.
        issuer: Its identifier; only a server for tests has one in plain http.
        endpoints: Where its endpoints are.
        clients: The registered ones.
        methods: The registered names of the methods, None for all that can work.
        secret_methods_equal: Whether a secret may come by Basic or in the body, whichever of the
            two is registered (C-12).
        rules: What assertions have to be.
        mutual_tls: Says that clients can show certificates, as *methods* with one of mutual TLS
            does too; None otherwise.
        connections: How keys are fetched.

    Raises:
        ModuleNotFoundError: joserfc is missing; says what to install.
        ValueError: A method is unknown, or lacks what it takes.
    """
    enabled = rules.enabled_methods(methods, services.replays, certificates=mutual_tls is not None)
    secrets = SecretVerifier(clients=clients, hasher=services.hasher)
    paths = (endpoints.token, endpoints.introspection, endpoints.revocation)

    connecting: dict[str, Any] = {
        "rules": rules,
        "connections": connections,
        "allow_insecure_transport": issuer.startswith("http:"),
        "clock": services.clock,
        "record": services.record,
    }

    @cache
    def make_verifier() -> AssertionVerifier:
        from oauthgrants.client_auth.assertions import AssertionVerifier
        from oauthgrants.jwk_sets import registered_keys, usable_keys

        # No method with assertions is enabled without.
        assert services.replays is not None  # noqa: S101
        return AssertionVerifier(
            rules=rules,
            issuer=issuer,
            endpoints=[issuer.rstrip("/") + path for path in paths],
            keys=ClientKeys(read_registered=registered_keys, read=usable_keys, **connecting),
            replays=services.replays,
            clock=services.clock,
        )

    # Made when the first assertion comes.
    verifier: Callable[[], AssertionVerifier] | None = (
        make_verifier if enabled & ASSERTION_METHODS else None
    )
    return ClientAuthenticator(
        clients=clients,
        secrets=secrets,
        limited=limit_secrets(
            secrets, None if services.limited is None else services.limited.limiter
        ),
        assertions=verifier,
        certificates=CertificateVerifier(
            keys=ClientKeys(
                read_registered=registered_certificates, read=certificates_of, **connecting
            ),
            clock=services.clock,
        ),
        methods=enabled,
        secret_methods_equal=secret_methods_equal or services.profile.secret_methods_equal,
        limits=services.limits,
        clock=services.clock,
    )
