"""Whether a request shows what its access token is bound to (RFC 8705, 3; RFC 9449, 7)."""

from __future__ import annotations

from hmac import compare_digest
from typing import Any

from oauthgrants.bearer import PresentedToken
from oauthgrants.brief import service
from oauthgrants.certificates import thumbprint
from oauthgrants.confirmations import CERTIFICATE, KEY
from oauthgrants.errors import InvalidDpopProof, InvalidToken
from oauthgrants.ports import Clock, ReplayStore
from oauthgrants.secret import Secret
from oauthgrants.sender_constraints.dpop_rules import DpopRules
from oauthgrants.sender_constraints.proof_checks import ProofChecker
from oauthgrants.tokens import AccessToken
from oauthgrants.wire import HttpRequest

Headers = tuple[tuple[str, str], ...]

_NOT_KEPT = ("Cache-Control", "no-store")


@service(kw_only=True)
class PossessionChecker:
    """
    Checks requests at a resource server.

    Attributes:
        proofs: Checks proofs. None on a resource server without DPoP, which refuses tokens that
            are bound to a key.
        required: Whether every token has to be bound to a key.
    """

    proofs: ProofChecker | None = None
    required: bool = False

    @classmethod
    def of(
        cls, dpop: DpopRules | None, *, server: str, replays: ReplayStore, clock: Clock
    ) -> PossessionChecker:
        """
        Return what checks requests at *server*.

        Args:
            dpop: What proofs have to be, None to take none.
            server: The resource identifier.
            replays: Remembers which proofs have been used.
            clock: Tells the time.

        Raises:
            ModuleNotFoundError: joserfc is missing; says what to install.
        """
        if dpop is None:
            return cls()
        proofs = ProofChecker.of(dpop, server=server, replays=replays, clock=clock)
        return cls(proofs=proofs, required=dpop.required)

    def metadata(self) -> dict[str, Any]:
        """Return what the metadata of the protected resource say of proofs (RFC 9728, 2)."""
        algorithms = () if self.proofs is None else self.proofs.rules.algorithms
        return {
            "dpop_signing_alg_values_supported": list(algorithms),
            "dpop_bound_access_tokens_required": self.required or None,
        }

    async def check(
        self, request: HttpRequest, token: AccessToken, presented: PresentedToken
    ) -> Headers:
        """
        Check that *request* shows all that *token* is bound to.

        Args:
            request: Asks for something that is protected.
            token: What its access token stands for.
            presented: The access token as it came.

        Returns:
            What a successful response has to carry.

        Raises:
            InvalidDpopProof: The proof is missing, or is not what it has to be.
            InvalidToken: The key or certificate is another one, or the scheme is wrong.
            UseDpopNonce: The proof lacks the nonce of this server.
        """
        if CERTIFICATE in token.cnf:
            _require_certificate(request, token.cnf[CERTIFICATE])
        if KEY in token.cnf:
            if not presented.by_dpop:
                raise InvalidToken(
                    "the access token is bound to a key, and was sent without proof of it"
                )
            if request.confirmed == token.cnf:
                return ()
            return await self._require_key(request, presented.value, token.cnf[KEY])
        if presented.by_dpop or self.required:
            raise InvalidToken("the access token is not bound to a key")
        return ()

    async def _require_key(self, request: HttpRequest, value: Secret, jkt: str) -> Headers:
        shown = None if self.proofs is None else await self.proofs.find(request, value)
        if shown is None:
            raise InvalidDpopProof("the DPoP proof is missing")
        if not compare_digest(shown.jkt.encode(), jkt.encode()):
            # In the words of RFC 9449, 7.1.
            raise InvalidToken("Invalid DPoP key binding")
        # What carries a nonce is for this client alone (RFC 9449, Section 8.2).
        return (*shown.headers, _NOT_KEPT) if shown.headers else ()


def _require_certificate(request: HttpRequest, expected: str) -> None:
    certificate = request.client_certificate
    if certificate is None:
        raise InvalidToken("the access token is bound to a certificate, and none was shown")
    if not compare_digest(thumbprint(certificate).encode(), expected.encode()):
        raise InvalidToken("the access token is bound to another certificate")
