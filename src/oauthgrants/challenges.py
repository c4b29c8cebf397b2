"""What a refusal asks for: the ``WWW-Authenticate`` field (RFC 6750, 3; RFC 9728, 5.1)."""

from __future__ import annotations

import attrs

from oauthgrants.errors import InsufficientScope, InvalidRequest, InvalidToken, OAuthError
from oauthgrants.forms import is_vschar


@attrs.frozen(kw_only=True)
class BearerChallenge:
    """
    The challenge of one resource server.

    Attributes:
        realm: Names the protected resources, None to leave it out.
        resource_metadata: The URL of the metadata, None to leave it out.

    Raises:
        ValueError: *realm* cannot stand in a header, or nothing is left to say.

    >>> BearerChallenge(realm="example").describe(InvalidToken("The access token expired"))
    'Bearer realm="example", error="invalid_token", error_description="The access token expired"'
    """

    realm: str | None
    resource_metadata: str | None = None

    def __attrs_post_init__(self) -> None:
        if not self.realm and self.resource_metadata is None:
            raise ValueError(
                "a challenge has a parameter at least (RFC 6750, Section 3): "
                "give the resource server realm=, or publish_metadata=True"
            )
        if not is_vschar(self.realm or ""):
            raise ValueError(f"realm {self.realm!r} has to be of printable ASCII characters")

    def describe(self, error: OAuthError) -> str:
        """Return the value of the field that goes with *error*."""
        parameters = {
            "realm": self.realm,
            **error.parameters(),
            "scope": error.scope if isinstance(error, InsufficientScope) else None,
            "resource_metadata": self.resource_metadata,
        }
        return "Bearer " + ", ".join(
            f"{name}={_quote(value)}" for name, value in parameters.items() if value
        )

    def add_to(self, error: OAuthError) -> OAuthError:
        """Return *error* with the challenge, if it is one that better credentials can mend."""
        if not isinstance(error, InvalidRequest | InvalidToken | InsufficientScope):
            return error
        return error.with_headers(("WWW-Authenticate", self.describe(error)))


def _quote(text: str) -> str:
    """Return *text* as a quoted-string (RFC 9110, 5.6.4)."""
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'
