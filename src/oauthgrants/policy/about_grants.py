"""Rules about grants: the password grant above all (RFC 9700, 2.4)."""

from __future__ import annotations

from collections.abc import Iterator

from oauthgrants.clients import Client
from oauthgrants.grants.password import PasswordGrant
from oauthgrants.policy.findings import Severity
from oauthgrants.policy.rules import of_client, of_server
from oauthgrants.wiring import Wiring

_PASSWORD = "password"


@of_server(
    Severity.ERROR,
    "R9700-2.4-a",
    "D21-10-a",
    advice="Move its clients to the authorization code grant, and switch it off with the last one.",
)
def password_grant(wiring: Wiring) -> Iterator[str]:
    """The password grant is enabled."""
    if _PASSWORD in wiring.grants:
        yield "the password grant is enabled: clients see their users' passwords"


@of_server(
    Severity.ERROR,
    "R6819-4.4.3-a",
    "R9700-2.4-a",
    advice="Leave first_party_only as it is, and mark your own applications as first_party.",
)
def password_for_any_client(wiring: Wiring) -> Iterator[str]:
    """The password grant is open to clients that are not first-party."""
    grant = wiring.find_grant(PasswordGrant)
    if grant is not None and not grant.first_party_only:
        yield "clients need not be first-party to see passwords (first_party_only=False)"


@of_server(
    Severity.WARNING,
    "R6819-4.4.3.6-a",
    advice="Give the password grant a second_factor, such as TotpFactor, and enable MfaOtpGrant.",
)
def password_alone(wiring: Wiring) -> Iterator[str]:
    """A password alone suffices to sign in."""
    grant = wiring.find_grant(PasswordGrant)
    # A verifier of the host's may ask for more itself.
    if grant is not None and grant.second_factor is None and grant.verifier is None:
        yield "a password alone gets tokens: no second factor is asked for"


@of_server(
    Severity.INFO,
    "D21-10-a",
    advice='Give the server profile="oauth2.1", which keeps the password grant out for good.',
)
def profile(wiring: Wiring) -> Iterator[str]:
    """Nothing keeps the server to OAuth 2.1, though it could be."""
    if not wiring.profile.barred and _PASSWORD not in wiring.grants:
        yield f"the profile is {wiring.profile.name}, and no grant stands in the way of oauth2.1"


@of_client(
    Severity.WARNING,
    "R6819-4.4.3-a",
    "R9700-2.4-a",
    advice="Move it to the authorization code grant, and take password out of its grant_types.",
)
def first_party(wiring: Wiring, client: Client) -> Iterator[str]:
    """A client sees its users' passwords."""
    if _PASSWORD in client.grant_types and _PASSWORD in wiring.grants:
        yield "it is registered for the password grant, and sees its users' passwords"


@of_client(
    Severity.WARNING,
    "R6819-4.4.3-a",
    advice="Take the mark away; it is for clients that use the password grant.",
)
def first_party_for_nothing(wiring: Wiring, client: Client) -> Iterator[str]:
    """A client may see passwords, and has no use for it."""
    if client.first_party and not (_PASSWORD in client.grant_types and _PASSWORD in wiring.grants):
        yield "it is marked first_party, and does not use the password grant"


@of_client(
    Severity.WARNING,
    "R9700-2.3-a",
    "R9700-2.4-a",
    advice="Register two clients: one that acts for itself, one that acts for its users.",
)
def both_grants(_: Wiring, client: Client) -> Iterator[str]:
    """A client acts for itself and for users whose passwords it sees."""
    if {_PASSWORD, "client_credentials"} <= {*client.grant_types}:
        yield (
            "it has both client_credentials and password: who takes it over has its own rights "
            "and its users'"
        )


@of_client(
    Severity.WARNING,
    "R6819-4.4.3.6-a",
    advice="Let it authenticate if it can keep a secret; if it cannot, move it away first.",
)
def public_password(wiring: Wiring, client: Client) -> Iterator[str]:
    """A client without credentials may try passwords."""
    if client.is_public and _PASSWORD in client.grant_types and _PASSWORD in wiring.grants:
        yield "anybody can try passwords in its name: it does not authenticate"


@of_client(
    Severity.INFO,
    "R6749-5.2-h",
    advice="Enable the grant, or take it out of the client's grant_types.",
)
def grant_not_enabled(wiring: Wiring, client: Client) -> Iterator[str]:
    """A client is registered for a grant that the server does not have."""
    missing = [each for each in client.grant_types if each not in wiring.grants]
    if missing:
        yield f"it is registered for {', '.join(missing)}, which the server does not have"
