"""Tokens that are bound to the certificate of their client (RFC 8705, 3 and 4)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from oauthgrants.certificates import thumbprint
from oauthgrants.clients import VerifiedClient
from oauthgrants.confirmations import CERTIFICATE
from oauthgrants.errors import InvalidRequest
from oauthgrants.tokens import NO_CLAIMS
from oauthgrants.wire import HttpRequest


@attrs.frozen
class CertificateBinding:
    """
    Binds the tokens of clients that are registered for it, however they authenticate.

    The server need not know the certificate: it only has to prove later that a token is used by
    the one who asked for it, and that is whoever has the private key. A client that is not
    registered for it may show a certificate, which binds nothing: it may call APIs without one.
    """

    def __call__(self, request: HttpRequest, client: VerifiedClient) -> Mapping[str, str]:
        """
        Return the ``cnf`` of the tokens of *client*, empty for nothing.

        Raises:
            InvalidRequest: It has to show a certificate, and does not (C-14).
        """
        if not client.client.tls_client_certificate_bound_access_tokens:
            return NO_CLAIMS
        if not request.client_certificate:
            raise InvalidRequest("a client certificate is needed, to bind the tokens to")
        return {CERTIFICATE: thumbprint(request.client_certificate)}
