"""The errors of the specifications, one class a code, each with its wire form."""

from __future__ import annotations

import re
from copy import copy
from typing import ClassVar, Self

from oauthgrants.secret import Secret

Headers = tuple[tuple[str, str], ...]
"""Name and value of each header field."""

# NQSCHAR = %x20-21 / %x23-5B / %x5D-7E (RFC 6749, Appendix A.8)
_NOT_NQSCHAR = re.compile(r"[^\x20-\x21\x23-\x5B\x5D-\x7E]")


class OAuthError(Exception):
    """
    A client's mistake, or a fault that it has to hear of; an endpoint answers with it.

    Args:
        description: Shown to the client as ``error_description``. A constant:
            what the client sent never goes back in it. A character that the grammar does not
            allow (RFC 6749, 5.2) is shown as ``?``.
        reason: Why, for events alone; the description where it is left out.
        sub: Whose password or token it is about, for events alone; None where nobody knows.
    """

    code: ClassVar[str]
    status: int = 400
    headers: Headers = ()
    """What the response carries beside the headers of every error."""

    def __init__(self, description: str = "", *, reason: str = "", sub: str | None = None) -> None:
        super().__init__(description)
        self.description: str = (
            description if is_nqschar(description) else _NOT_NQSCHAR.sub("?", description)
        )
        self.reason: str = reason or description
        self.sub = sub

    def __init_subclass__(cls) -> None:
        """Refuse a code that the grammar of error codes does not allow (RFC 6749, 8.5)."""
        code = getattr(cls, "code", None)
        if not (isinstance(code, str) and is_nqschar(code)):
            raise ValueError(
                f"{cls.__name__}.code has to be one or more of %x20-21 / %x23-5B / %x5D-7E "
                "(RFC 6749, Section 8.5)"
            )

    def parameters(self) -> dict[str, str]:
        """Return the members of the JSON body (RFC 6749, 5.2)."""
        if not self.description:
            return {"error": self.code}
        return {"error": self.code, "error_description": self.description}

    def with_headers(self, *headers: tuple[str, str]) -> Self:
        """Return the same error with *headers* beside those of its class."""
        error = copy(self)
        error.headers = (*type(self).headers, *headers)
        return error


def is_nqschar(text: str) -> bool:
    """Return whether *text* is ``1*NQSCHAR`` (RFC 6749, Appendix A.7)."""
    # What is ASCII and printable is %x20-7E.
    is_vschar = text.isascii() and text.isprintable()
    return is_vschar and text != "" and '"' not in text and "\\" not in text


class InvalidRequest(OAuthError):
    """A parameter is missing, repeated, malformed or not supported (RFC 6749, 5.2)."""

    code = "invalid_request"


class MethodNotAllowed(InvalidRequest):
    """The endpoint takes POST alone (RFC 6749, 3.2; RFC 9110, 15.5.6)."""

    status = 405
    headers: Headers = (("Allow", "POST"),)


class InvalidClient(OAuthError):
    """Client authentication failed; the reason is not the client's to know (RFC 6749, 5.2)."""

    code = "invalid_client"
    status = 401
    headers: Headers = (("WWW-Authenticate", 'Basic realm="token"'),)


class InvalidClientWithoutBasic(InvalidClient):
    """`InvalidClient` where Basic is neither offered nor tried, so no challenge fits (C-11)."""

    status = 400
    headers: Headers = ()


class TooManyWrongSecrets(InvalidClient):
    """The client's secret is not looked at: too many were wrong lately (RFC 6585, 4; C-04)."""

    status = 429
    headers: Headers = ()


class InvalidGrant(OAuthError):
    """The resource owner's credentials or the refresh token are not valid (RFC 6749, 5.2)."""

    code = "invalid_grant"


class TooManyWrongPasswords(InvalidGrant):
    """The password or code is not looked at: too many were wrong lately (RFC 6585, 4; C-04)."""

    status = 429


class UnauthorizedClient(OAuthError):
    """The client is known but may not use this grant type (RFC 6749, 5.2)."""

    code = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    """The server has no handler for the grant type (RFC 6749, 5.2)."""

    code = "unsupported_grant_type"


class InvalidScope(OAuthError):
    """The scope is malformed, unknown, or more than may be granted (RFC 6749, 5.2)."""

    code = "invalid_scope"


class InvalidTarget(OAuthError):
    """The resource is malformed, unknown, or not the client's to ask for (RFC 8707, 2)."""

    code = "invalid_target"


class MfaRequired(OAuthError):
    """
    The password is right, and a second factor is needed.

    Attributes:
        mfa_token: What the client shows together with the second factor, None if this server
            takes none.
    """

    code = "mfa_required"
    status = 403
    mfa_token: Secret | None = None

    @classmethod
    def with_token(cls, mfa_token: Secret) -> Self:
        """Return the error that lets the client go on."""
        error = cls("a second factor is required")
        error.mfa_token = mfa_token
        return error

    def parameters(self) -> dict[str, str]:
        """Return the members of the JSON body, ``mfa_token`` included."""
        members = super().parameters()
        if self.mfa_token is not None:
            members["mfa_token"] = self.mfa_token.reveal()
        return members


class InvalidToken(OAuthError):
    """The access token is expired, revoked, malformed or not for here (RFC 6750, 3.1)."""

    code = "invalid_token"
    status = 401


class MissingToken(InvalidToken):
    """The request has no access token; the challenge says no more than that (RFC 6750, 3.1)."""

    def parameters(self) -> dict[str, str]:
        """Return nothing: a request without a token is no mistake (RFC 6750, 3.1)."""
        return {}


class InvalidDpopProof(OAuthError):
    """The proof is missing where it is wanted, or is not what it has to be (RFC 9449, 5)."""

    code = "invalid_dpop_proof"


class UseDpopNonce(OAuthError):
    """
    The proof has no nonce of this server, or one that is too old (RFC 9449, 8 and 9).

    Attributes:
        nonce: For the next proof.
    """

    code = "use_dpop_nonce"
    nonce: str = ""

    @classmethod
    def offering(cls, nonce: str) -> Self:
        """Return the error that gives the client *nonce*."""
        error = cls("the DPoP proof needs the nonce of this server")
        error.nonce = nonce
        error.headers = (("DPoP-Nonce", nonce),)
        return error


class InsufficientScope(OAuthError):
    """
    The request takes more scope than the access token has (RFC 6750, 3.1).

    Attributes:
        scope: The scope that is needed, for the challenge; empty to leave it out.
    """

    code = "insufficient_scope"
    status = 403
    scope: str = ""

    @classmethod
    def wanting(cls, scope: str) -> Self:
        """Return the error that asks for *scope*, scope tokens with spaces between them."""
        error = cls("the scope of the access token does not cover this request")
        error.scope = scope
        return error


class TemporarilyUnavailable(OAuthError):
    """A store or another part of the host does not answer; the client may try again."""

    code = "temporarily_unavailable"
    status = 503
    headers: Headers = (("Retry-After", "5"),)


class InvalidClientMetadata(ValueError):
    """
    A client cannot be registered as described (RFC 7591, 3.2.2).

    A ``ValueError``, since a client is registered by its host. A registration
    endpoint answers with ``code`` and the message.
    """

    code = "invalid_client_metadata"
