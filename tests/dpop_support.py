"""A client with a key, which makes DPoP proofs, good ones and others."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import Any

import attrs

from oauthgrants import HttpResponse, Secret
from oauthgrants.jose import SigningKey, encode
from oauthgrants.sender_constraints.dpop_rules import DpopRules
from oauthgrants.sender_constraints.proof_checks import hash_of
from oauthgrants.testing.clock import MovableClock
from resource_support import API, jws, key
from support import ISSUER

NONCE_KEY = bytes(range(32))
TOKEN_URL = f"{ISSUER}/token"
REPORTS = f"{API}/reports"
_numbers = count()

# The key, proofs and token that RFC 9449 prints, in Sections 4.1, 5 and 7.1.
PRINTED_JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
PRINTED_TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
PRINTED_ATH = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
_PRINTED_HEADER = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNo"
    "UklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERW"
    "clUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
)
PRINTED_PROOFS = {
    1: f"{_PRINTED_HEADER}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8v"
    "c2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igi"
    "MLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg",
    2: f"{_PRINTED_HEADER}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8v"
    "c2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjY1Mjk2fQ.pAqut2IRDm_De6PR93SYmGBPXpwrAk90e"
    "8cP2hjiaG5QsGSuKDYW7_X620BxqhvYC8ynrrvZLTk41mSRroapUA",
    3: f"{_PRINTED_HEADER}.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9y"
    "ZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8y"
    "cjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1"
    "plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
}


def rules(**settings: Any) -> DpopRules:
    settings.setdefault("nonce_key", NONCE_KEY)
    return DpopRules(**settings)


def public_jwk(signer: SigningKey) -> dict[str, Any]:
    """Return what a client puts into its proofs."""
    members = signer.public.as_dict()
    return {name: members[name] for name in members if name in {"kty", "crv", "x", "y", "n", "e"}}


@attrs.define
class Prover:
    """Makes proofs; *header* and *claims* replace the usual members, None takes one away."""

    clock: MovableClock
    signer: SigningKey = attrs.field(factory=key)

    @property
    def jkt(self) -> str:
        return self.signer.public.thumbprint()

    def prove(
        self,
        method: str = "POST",
        url: str = TOKEN_URL,
        *,
        token: str | None = None,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> tuple[str, str]:
        """Return the field ``DPoP`` with a proof for a request."""
        usual: dict[str, Any] = {
            "jti": f"jti-{next(_numbers)}",
            "htm": method,
            "htu": url,
            "iat": int(self.clock.now.timestamp()),
            "ath": None if token is None else hash_of(Secret(token)),
        }
        members = {"typ": "dpop+jwt", "alg": self.signer.algorithm, "jwk": public_jwk(self.signer)}
        return "DPoP", jws(
            _without_none(members | (header or {})), _without_none(usual | claims), self.signer
        )

    def call(self, token: str, method: str = "GET", url: str = REPORTS, **other: Any) -> Any:
        """Return the fields of a request to the API."""
        return (("Authorization", f"DPoP {token}"), self.prove(method, url, token=token, **other))


def _without_none(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def other_key() -> SigningKey:
    return key("ES256", "other")


def nonces_of(response: HttpResponse) -> list[str]:
    return [value for name, value in response.headers if name == "DPoP-Nonce"]


def at(clock: MovableClock, moment: float) -> None:
    clock.now = datetime.fromtimestamp(moment, clock.now.tzinfo)


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Return a JWS without signature."""
    import json

    return ".".join(encode(json.dumps(part).encode()) for part in (header, claims)) + "."
