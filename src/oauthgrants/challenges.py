"""What a refusal asks for: the field ``WWW-Authenticate`` (RFC 6750, 3; RFC 9449, 7.1)."""

from __future__ import annotations

from collections.abc import Mapping

from oauthgrants.brief import service
from oauthgrants.errors import (
    InsufficientScope,
    InvalidDpopProof,
    InvalidRequest,
    InvalidToken,
    OAuthError,
    UseDpopNonce,
)
from oauthgrants.forms import is_vschar

_FIELD = "WWW-Authenticate"


@service(kw_only=True)
class Challenges:
    """
    The challenges of one resource server, in one field.

    Attributes:
        realm: Names the protected resources, None to leave it out.
        resource_metadata: The URL of the metadata, None to leave it out.
        algorithms: What may sign DPoP proofs, none where that scheme is not offered.
        bearer: Whether the scheme ``Bearer`` is offered.

    Raises:
        ValueError: *realm* cannot stand in a header, or nothing is left to say.

    >>> error = InvalidToken("The access token expired")
    >>> Challenges(realm="example").describe(error)
    'Bearer realm="example", error="invalid_token", error_description="The access token expired"'
    >>> Challenges(algorithms=("ES256",), bearer=False).describe(error)
    'DPoP error="invalid_token", error_description="The access token expired", algs="ES256"'
    """

    realm: str | None = None
    resource_metadata: str | None = None
    algorithms: tuple[str, ...] = ()
    bearer: bool = True

    def __attrs_post_init__(self) -> None:
        if self.bearer and not self.realm and self.resource_metadata is None:
            raise ValueError(
                "a challenge needs at least one parameter (RFC 6750, Section 3): "
                "give the resource server realm=, or publish_metadata=True"
            )
        if not is_vschar(self.realm or ""):
            raise ValueError(f"realm {self.realm!r} has to be of printable ASCII characters")

    def describe(self, error: OAuthError, *, by_dpop: bool | None = None) -> str:
        """
        Return the value of the field that goes with *error*.

        Args:
            error: Why the request is refused.
            by_dpop: Whether the token came by the scheme ``DPoP``, None if nobody knows. The
                challenge of the scheme that was used comes first, and has the error.
        """
        offered = {"Bearer": self.bearer, "DPoP": bool(self.algorithms)}
        schemes = [name for name, is_offered in offered.items() if is_offered]
        used = {True: ["DPoP"], False: ["Bearer"], None: schemes}[by_dpop]
        # Of one that is not offered, the error goes to the one that is.
        blamed = [name for name in schemes if name in used] or schemes
        others = [name for name in schemes if name not in blamed]
        challenges = [
            *(self._write(name, {**error.parameters(), **_wanted(error)}) for name in blamed),
            *(self._write(name, {}) for name in others),
        ]
        return ", ".join(challenges)

    def _write(self, scheme: str, error: Mapping[str, str]) -> str:
        parameters = {
            "realm": self.realm,
            **error,
            "algs": " ".join(self.algorithms) if scheme == "DPoP" else None,
            "resource_metadata": self.resource_metadata,
        }
        return f"{scheme} " + ", ".join(
            f"{name}={_quote(value)}" for name, value in parameters.items() if value
        )

    def add_to(self, error: OAuthError, *, by_dpop: bool | None = None) -> OAuthError:
        """
        Return *error* with the challenges, if it is one that better credentials can mend.

        Args:
            error: Why the request is refused; one that has challenges keeps them.
            by_dpop: As in `describe`.
        """
        about_proof = isinstance(error, InvalidDpopProof | UseDpopNonce)
        if not about_proof and not isinstance(
            error, InvalidRequest | InvalidToken | InsufficientScope
        ):
            return error
        if any(name == _FIELD for name, _ in error.headers):
            return error
        nonce = (("DPoP-Nonce", error.nonce),) if isinstance(error, UseDpopNonce) else ()
        refusal = error.with_headers((_FIELD, self.describe(error, by_dpop=by_dpop)), *nonce)
        if about_proof:
            # 400 is the token endpoint's (RFC 9449, Sections 5, 7.1 and 9).
            refusal.status = 401
        return refusal


def _wanted(error: OAuthError) -> dict[str, str]:
    return {"scope": error.scope} if isinstance(error, InsufficientScope) else {}


def _quote(text: str) -> str:
    """Return *text* as a quoted-string (RFC 9110, 5.6.4)."""
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'
