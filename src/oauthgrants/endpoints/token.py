"""The token endpoint (RFC 6749, 3.2)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from oauthgrants.clients import VerifiedClient
from oauthgrants.errors import UnsupportedGrantType
from oauthgrants.forms import Form
from oauthgrants.grants import GrantHandler, TokenRequest
from oauthgrants.wire import HttpRequest, HttpResponse, render


@attrs.frozen
class TokenHandler:
    """
    Hands a request to its grant.

    Attributes:
        grants: What answers each enabled ``grant_type``, character for character.
    """

    grants: Mapping[str, GrantHandler]

    async def __call__(
        self, request: HttpRequest, form: Form, client: VerifiedClient
    ) -> HttpResponse:
        """
        Return the tokens.

        Raises:
            InvalidRequest: ``grant_type`` is missing.
            UnsupportedGrantType: It is not enabled.
            UnauthorizedClient: The client is not registered for it.
            OAuthError: The grant refuses.
        """
        grant_type = form.require("grant_type")
        grant = self.grants.get(grant_type)
        if grant is None:
            raise UnsupportedGrantType("the grant type is not supported")
        client.require_grant_type(grant_type)
        answer = await grant(TokenRequest(form=form, client=client, source=request.source))
        return render(answer.parameters())
