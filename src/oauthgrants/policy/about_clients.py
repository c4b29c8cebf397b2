"""Rules about clients: their secrets, and how else they could authenticate (RFC 9700, 2.5)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from oauthgrants.client_secrets import SECRET_METHODS
from oauthgrants.clients import Client
from oauthgrants.hashing import is_fast_digest
from oauthgrants.policy.findings import Severity
from oauthgrants.policy.rules import of_client, of_server
from oauthgrants.sealed import is_sealed
from oauthgrants.wiring import Wiring, is_shared

_SOON = timedelta(days=30)
_MOST_SECRETS = 2
_SHARED_SECRETS = SECRET_METHODS | {"client_secret_jwt"}


@of_server(
    Severity.ERROR,
    "D7523-4-a",
    advice="Set accept_endpoint_audience to false once no client depends on it.",
)
def endpoint_audience(wiring: Wiring) -> Iterator[str]:
    """Another server that gets a client's assertion can use it here."""
    if wiring.assertions.accept_endpoint_audience:
        yield "assertions may name an endpoint as their audience (accept_endpoint_audience)"


@of_server(
    Severity.WARNING,
    "R7523-3-d",
    "R9449-11.1-a",
    advice="Give the server replays, such as the store of its tokens.",
)
def no_replay_store(wiring: Wiring) -> Iterator[str]:
    """The server remembers nothing that may be used once."""
    if wiring.services.replays is None:
        yield "there is no store of replays: nobody can authenticate by keys, or by codes"


@of_server(
    Severity.ERROR,
    "R7523-3-d",
    "R9449-11.1-a",
    advice="Give the server replays that all processes share, such as the store of its tokens.",
)
def replays_in_memory(wiring: Wiring) -> Iterator[str]:
    """What may be used once can be used once in each process."""
    services = wiring.services
    if (
        services.replays is not None
        and is_shared(services.tokens)
        and not is_shared(services.replays)
    ):
        yield "assertions, proofs and codes that were used here are new to other processes"


@of_server(
    Severity.WARNING,
    "R7591-2-a",
    advice="Leave private addresses out of reach, or give such clients jwks instead of jwks_uri.",
)
def private_addresses(wiring: Wiring) -> Iterator[str]:
    """Whoever registers clients reaches into the server's network."""
    if wiring.assertions.allow_private_addresses:
        yield "keys are fetched from private addresses too (allow_private_addresses)"


@of_server(
    Severity.INFO,
    "R7591-2-a",
    advice="Set it for the clients that need it, or use profile oauth2.1, which asks for it.",
)
def equal_secret_methods(wiring: Wiring) -> Iterator[str]:
    """A secret may come by another method than the registered one."""
    if wiring.authenticator.secret_methods_equal and not wiring.profile.secret_methods_equal:
        yield "a secret may come by Basic and by body, whatever a client is registered for"


@of_client(
    Severity.ERROR,
    "R9700-4.15.1-a",
    advice="Give the client another client_id: a token of one is taken for a token of the other.",
)
def client_is_user(wiring: Wiring, client: Client) -> Iterator[str]:
    """A client_id is a user's subject identifier."""
    if client.client_id in wiring.subs:
        yield "its client_id is the sub of a user"


@of_client(
    Severity.WARNING,
    "R6749-10.10-a",
    advice="Give it a secret that was made here: oauthgrants client prints one.",
)
def chosen_secret(_: Wiring, client: Client) -> Iterator[str]:
    """A person may have chosen a client's secret."""
    chosen = [
        kept.id
        for kept in client.secrets
        if not (is_fast_digest(kept.hash) or is_sealed(kept.hash))
    ]
    if chosen:
        yield "it has a secret that no machine is known to have made, which can be guessed"


@of_client(
    Severity.WARNING,
    "R7591-3.2.1-a",
    advice="Give it a new secret, or switch it off.",
)
def expired_secrets(wiring: Wiring, client: Client) -> Iterator[str]:
    """A client has no secret left that works."""
    if client.secrets and not any(kept.is_live(wiring.now) for kept in client.secrets):
        yield "all of its secrets have expired"


@of_client(
    Severity.WARNING,
    "R7591-3.2.1-a",
    advice="Give it a further secret now; both work until the old one expires.",
)
def expiring_secrets(wiring: Wiring, client: Client) -> Iterator[str]:
    """The last secret of a client expires within 30 days."""
    live = [kept.expires_at for kept in client.secrets if kept.is_live(wiring.now)]
    ends = [end for end in live if end is not None]
    if live and len(ends) == len(live) and max(ends) < wiring.now + _SOON:
        yield f"its last secret expires at {max(ends).isoformat()}"


@of_client(
    Severity.INFO,
    "R7591-3.2.1-a",
    "R6819-5.2.3.6-a",
    advice="Give secrets an end, so that one that leaked does not work for ever.",
)
def endless_secrets(_: Wiring, client: Client) -> Iterator[str]:
    """A secret of a client never expires."""
    if any(kept.expires_at is None for kept in client.secrets):
        yield "it has a secret that never expires"


@of_client(
    Severity.INFO,
    "R6819-5.2.3.6-a",
    advice="Withdraw those that are no longer used; events name the one that was shown.",
)
def many_secrets(wiring: Wiring, client: Client) -> Iterator[str]:
    """A client has more secrets than a change takes."""
    live = sum(kept.is_live(wiring.now) for kept in client.secrets)
    if live > _MOST_SECRETS:
        yield f"{live} of its secrets work, and a change of secrets takes two"


@of_client(
    Severity.INFO,
    "R9700-2.5-a",
    advice="Register a public key for it (private_key_jwt) or a certificate (mutual TLS).",
)
def shared_secret(_: Wiring, client: Client) -> Iterator[str]:
    """A client shares its secret with the server."""
    method = client.token_endpoint_auth_method
    if method in _SHARED_SECRETS:
        yield f"it authenticates by {method}, a secret that server and network could leak"
