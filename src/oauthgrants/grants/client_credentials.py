"""The client credentials grant: a client acts for itself (RFC 6749, 4.4)."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import attrs

from oauthgrants.grants import GrantHandler, Services, TokenRequest
from oauthgrants.issuing import Issue
from oauthgrants.tokens import TokenResponse, require_lifetime


@attrs.frozen(kw_only=True)
class ClientCredentialsGrant:
    """
    Machine to machine: confidential clients, no user, no refresh token (RFC 6749, 4.4).

    Attributes:
        access_token_lifetime: Whole seconds, None for the server's.
    """

    access_token_lifetime: timedelta | None = attrs.field(default=None, validator=require_lifetime)

    grant_type = "client_credentials"
    parameters: frozenset[str] = frozenset({"scope"})

    def bind(self, services: Services) -> GrantHandler:
        """Return what answers requests."""
        return partial(self._answer, services)

    async def _answer(self, services: Services, request: TokenRequest) -> TokenResponse:
        client, form = request.client, request.form
        audience = services.resources.read(client, form.get_all("resource"))  # RFC 8707
        asked = services.scopes.read(client, form.get("scope"))  # 4.4.2
        issue = Issue(
            client=client,
            grant_type=self.grant_type,
            scope=await services.scopes.grant(asked, client),  # 3.3
            audience=audience,
            form=form,
            cnf=request.cnf,
            source=request.source,
            access_token_lifetime=self.access_token_lifetime,
        )
        return await services.issuer.issue(issue)  # 4.4.3
