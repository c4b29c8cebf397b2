"""Rules about tokens: how they travel, how long they live, whom they are for, where they are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from oauthgrants.clients import Client
from oauthgrants.policy.findings import Severity
from oauthgrants.policy.rules import of_client, of_server
from oauthgrants.wiring import Wiring, is_shared

_LONGEST_ACCESS = timedelta(hours=1)
_LONGEST_REFRESH = timedelta(days=90)
_MOST_AUDIENCES = 3


@of_server(
    Severity.ERROR,
    "R6749-1.6-a",
    advice="Serve it by https; plain http is for tests on one machine.",
)
def plain_http(wiring: Wiring) -> Iterator[str]:
    """Tokens and passwords travel in the clear."""
    if wiring.issuer.startswith("http:"):
        yield "the issuer is plain http: tokens and passwords travel in the clear"


@of_server(
    Severity.WARNING,
    "R6750-5.3-a",
    advice="Let access tokens live for an hour at most; clients get new ones easily.",
)
def long_access_tokens(wiring: Wiring) -> Iterator[str]:
    """Access tokens live for more than an hour."""
    for who, lifetime in wiring.access_lifetimes().items():
        if lifetime > _LONGEST_ACCESS:
            yield f"{who} lets access tokens live for {lifetime}"


@of_client(
    Severity.WARNING,
    "R6750-5.3-a",
    advice="Let its access tokens live for an hour at most.",
)
def long_access_tokens_of_a_client(_: Wiring, client: Client) -> Iterator[str]:
    """Access tokens of a client live for more than an hour."""
    lifetime = client.access_token_lifetime
    if lifetime is not None and lifetime > _LONGEST_ACCESS:
        yield f"its access tokens live for {lifetime}"


@of_server(
    Severity.WARNING,
    "R9700-4.14.2-b",
    advice="Let refresh tokens that are not used end after 90 days at most.",
)
def long_refresh_tokens(wiring: Wiring) -> Iterator[str]:
    """Refresh tokens may lie unused for more than 90 days."""
    if "refresh_token" not in wiring.grants:
        return
    for who, lifetime in wiring.refresh_lifetimes().items():
        if lifetime > _LONGEST_REFRESH:
            yield f"{who} lets refresh tokens lie unused for {lifetime}"


@of_client(
    Severity.WARNING,
    "R9700-4.14.2-b",
    advice="Let its refresh tokens end after 90 days without use at most.",
)
def long_refresh_tokens_of_a_client(_: Wiring, client: Client) -> Iterator[str]:
    """Refresh tokens of a client may lie unused for more than 90 days."""
    lifetime = client.refresh_token_lifetime
    if lifetime is not None and lifetime > _LONGEST_REFRESH:
        yield f"its refresh tokens may lie unused for {lifetime}"


@of_server(
    Severity.INFO,
    "R9700-4.14.2-b",
    advice="Give token families a lifetime (Lifetimes(family=…), in a file family_lifetime).",
)
def endless_sign_ins(wiring: Wiring) -> Iterator[str]:
    """Whoever refreshes in time stays signed in for ever."""
    issuer = wiring.services.issuer
    if (
        "refresh_token" in wiring.grants
        and issuer.lifetimes.family is None
        and issuer.lifetime_policy is None
    ):
        yield "a sign-in that is refreshed in time never ends"


@of_server(
    Severity.WARNING,
    "R9700-4.14.2-a",
    advice="Set refresh_grace to zero, and let clients send a request again only if it had no "
    "answer.",
)
def refresh_grace(wiring: Wiring) -> Iterator[str]:
    """A refresh token that was spent may come again."""
    grace = wiring.services.issuer.grace
    if grace:
        yield f"a stolen refresh token that was just spent works for {grace} more"


@of_client(
    Severity.INFO,
    "R9700-2.2.2-a",
    "D21-4.3-a",
    "R6749-10.4-b",
    advice="Bind its tokens to a key or a certificate if it can have one.",
)
def rotation_alone(wiring: Wiring, client: Client) -> Iterator[str]:
    """Nothing but rotation guards the refresh tokens of a public client."""
    is_bound = client.dpop_bound_access_tokens or client.tls_client_certificate_bound_access_tokens
    if client.is_public and not is_bound and wiring.services.may_refresh(client):
        yield "its refresh tokens are rotated, and bound to nothing: a theft shows afterwards"


@of_server(
    Severity.WARNING,
    "R9700-2.3-a",
    "R6750-5.3-a",
    advice="Set audience to the identifier of your API.",
)
def no_audience(wiring: Wiring) -> Iterator[str]:
    """Tokens name by default no resource server that they are for."""
    if not wiring.services.resources.default:
        yield "a token that names no resource is for whoever takes it: there is no audience"


@of_server(
    Severity.WARNING,
    "R9700-2.3-a",
    advice="Name one audience, and let clients ask for others by resource (RFC 8707).",
)
def many_audiences(wiring: Wiring) -> Iterator[str]:
    """Tokens are by default for many resource servers."""
    audiences = wiring.services.resources.default
    if len(audiences) > _MOST_AUDIENCES:
        yield f"each token is by default for {len(audiences)} resource servers"


@of_client(
    Severity.INFO,
    "R9700-2.3-a",
    advice="Give it a smaller default_scope, or none, so that it asks for what it needs.",
)
def all_scope_by_default(_: Wiring, client: Client) -> Iterator[str]:
    """A client that asks for no scope gets all that it may have."""
    if client.scope and len({*client.scope}) > 1 and client.scope == client.default_scope:
        yield "it gets all of its scope when it asks for none"


@of_server(
    Severity.WARNING,
    "R7009-2.1-d",
    "R9700-4.14.2-a",
    advice="Keep tokens in a database, such as PostgreSQL, SQLite or Redis.",
)
def tokens_in_memory(wiring: Wiring) -> Iterator[str]:
    """Tokens are kept in the memory of one process."""
    if not is_shared(wiring.services.tokens):
        yield "tokens end with the process, and no other process knows which are spent or revoked"


@of_server(
    Severity.ERROR,
    "R7009-2.1-d",
    advice="Give the server a deny_list that all processes share, such as the store of its tokens.",
)
def deny_list_in_memory(wiring: Wiring) -> Iterator[str]:
    """Other processes do not learn which JWTs are revoked."""
    services = wiring.services
    denied = services.issuer.deny_list
    if denied is not None and is_shared(services.tokens) and not is_shared(denied):
        yield "a revoked JWT stays valid at other processes, and after a restart"
