"""What new tokens are bound to: a key, a certificate, or nothing (RFC 8705, 3; RFC 9449, 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from oauthgrants.brief import service
from oauthgrants.clients import VerifiedClient
from oauthgrants.confirmations import KEY
from oauthgrants.errors import InvalidDpopProof
from oauthgrants.ports import Clock, ReplayStore
from oauthgrants.sender_constraints import NOTHING, Confirmed
from oauthgrants.sender_constraints.certificates import CertificateBinding
from oauthgrants.sender_constraints.dpop_rules import DpopRules
from oauthgrants.sender_constraints.proof_checks import ProofChecker
from oauthgrants.wire import HttpRequest


class BindCertificate(Protocol):
    """Looks at the certificate of a client, or raises an `OAuthError`."""

    def __call__(self, request: HttpRequest, client: VerifiedClient) -> Mapping[str, str]:
        """Return what the client's tokens are bound to, as `AccessToken.cnf`; empty for nothing."""
        ...


@service(kw_only=True)
class SenderConstraints:
    """
    What a client shows at the token endpoint; no token is bound twice.

    A proof comes before a certificate, except for clients that are registered for certificates:
    their proofs are ignored.

    Attributes:
        proofs: Checks proofs, None on a server without DPoP: there they are not looked at.
        certificates: Looks at certificates, None on a server without.
    """

    proofs: ProofChecker | None = None
    certificates: BindCertificate | None = None

    @classmethod
    def of(
        cls,
        dpop: DpopRules | None,
        *,
        server: str,
        aliases: Iterable[str],
        replays: ReplayStore | None,
        clock: Clock,
    ) -> SenderConstraints:
        """
        Return what looks at clients of *server*.

        Args:
            dpop: What proofs have to be, None to look at none.
            server: The issuer identifier.
            aliases: Further URLs at which the server is reached.
            replays: Remembers which proofs have been used.
            clock: Tells the time.

        Raises:
            ModuleNotFoundError: joserfc is missing; says what to install.
            ValueError: There is nothing to remember proofs with.
        """
        certificates = CertificateBinding()
        if dpop is None:
            return cls(certificates=certificates)
        if replays is None:
            raise ValueError("dpop has to remember which proofs have been used: give replays=")
        proofs = ProofChecker.of(dpop, server=server, aliases=aliases, replays=replays, clock=clock)
        return cls(proofs=proofs, certificates=certificates)

    async def __call__(self, request: HttpRequest, client: VerifiedClient) -> Confirmed:
        """
        Return what the client's tokens are bound to.

        Raises:
            InvalidDpopProof: The proof is missing where the client or the server wants one, or
                is not what it has to be.
            UseDpopNonce: It lacks the nonce of this server.
            OAuthError: The certificate is missing where the client wants one.
        """
        registered = client.client
        wanted = registered.dpop_bound_access_tokens or (
            self.proofs is not None and self.proofs.rules.required
        )
        if wanted or not registered.tls_client_certificate_bound_access_tokens:
            shown = None if self.proofs is None else await self.proofs.find(request)
            if shown is not None:
                return Confirmed({KEY: shown.jkt}, shown.headers)
            if wanted:
                raise InvalidDpopProof("a DPoP proof is required", reason=self._why())
        cnf = None if self.certificates is None else self.certificates(request, client)
        return Confirmed(cnf) if cnf else NOTHING

    def _why(self) -> str:
        if self.proofs is None:
            return "the client has to bind tokens to a key, and the server has no dpop="
        return "the DPoP proof is missing"
