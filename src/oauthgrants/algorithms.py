"""The names of signature algorithms (RFC 7518, 3.1; RFC 9864), without their library."""

from __future__ import annotations

from collections.abc import Collection, Mapping

CURVES: Mapping[str, str] = {
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    "ES256K": "secp256k1",
    "EdDSA": "Ed25519",
    "Ed25519": "Ed25519",
    "Ed448": "Ed448",
}
"""The curve that goes with each algorithm of its kind."""

RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
"""Those that go with RSA keys."""

ALGORITHMS = frozenset({*CURVES, *RSA})
"""The signature algorithms there are: asymmetric ones alone, and never ``none``."""

MACS: Mapping[str, int] = {"HS256": 32, "HS384": 48, "HS512": 64}
"""The HMACs, and how many octets their secrets have at least (RFC 7518, 3.2)."""

ALGORITHMS_OF: Mapping[str, Collection[str]] = {
    "client_secret_jwt": MACS.keys(),
    "private_key_jwt": ALGORITHMS,
}
"""What signs client assertions, by method (OpenID Connect Core, 9): neither takes the other's."""


def also_called(algorithm: str) -> frozenset[str]:
    """Return the names of *algorithm*: RFC 9864 renamed EdDSA on Ed25519 (C-24)."""
    names = {"EdDSA", "Ed25519"}
    return frozenset(names if algorithm in names else {algorithm})
