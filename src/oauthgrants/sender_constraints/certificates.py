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

    The certificate need not be one that the server knows: whoever has its private key is the
    one who asked for the token, and that is all that its use has to prove. Clients that are not
    registered for it may show one, which binds nothing: they may call APIs without.
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
