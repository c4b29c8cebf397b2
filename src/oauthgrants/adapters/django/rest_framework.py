"""
Access tokens in Django REST framework.

A view names `TokenAuthentication` among its ``authentication_classes`` and `require_token` among
its ``permission_classes``::

    class Reports(APIView):
        authentication_classes = [TokenAuthentication]
        permission_classes = [require_token(scope="reports:read")]
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest

from oauthgrants.adapters.django.guards import Wanted
from oauthgrants.adapters.django.servers import servers
from oauthgrants.adapters.django.users import DjangoUsers
from oauthgrants.errors import InvalidToken, MissingToken, OAuthError
from oauthgrants.scopes import Scope
from oauthgrants.tokens import VerifiedToken

try:
    from rest_framework.authentication import BaseAuthentication
    from rest_framework.exceptions import APIException
    from rest_framework.permissions import BasePermission
    from rest_framework.request import Request
except ModuleNotFoundError as _missing:  # pragma: no cover  # a test tries it in its own process
    raise ModuleNotFoundError(
        "this module needs Django REST framework: pip install 'oauthgrants[djangorestframework]'",
        name=_missing.name,
    ) from _missing


class Refusal(APIException):
    """
    An `OAuthError` as the framework sends it: status, challenge and members are the same.

    It is no ``AuthenticationFailed``: of such the framework replaces the challenge by that of the
    first of the ``authentication_classes``, and 401 by 403 if that has none.
    """

    def __init__(self, error: OAuthError) -> None:
        super().__init__(detail=error.parameters(), code=error.code)
        response = servers().guard.resource_server.render(error)
        headers = {name.lower(): value for name, value in response.headers}
        self.status_code: int = response.status
        # The framework's handler of exceptions sends these two.
        self.auth_header: str | None = headers.get("www-authenticate")
        self.wait: int = int(headers.get("retry-after", 0))
        nonce = headers.get("dpop-nonce")
        self.further: dict[str, str] = {} if nonce is None else {"DPoP-Nonce": nonce}


class TokenUser:
    """
    Who acts with a token and has no account here: a client, or a user of another server.

    Attributes:
        token: The token.
    """

    is_authenticated = is_active = True
    is_anonymous = is_staff = is_superuser = False

    def __init__(self, token: VerifiedToken) -> None:
        self.token = token

    def __str__(self) -> str:
        return self.get_username()

    @property
    def pk(self) -> str:
        """The ``sub``, which throttles tell users apart by."""
        return self.token.sub

    def get_username(self) -> str:
        """Return the name of the user, or the client's identifier if it acts for itself."""
        return self.token.username or self.token.client_id

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Return False: the scope of a token says what it may do."""
        return False

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        """Return False, unless nothing is asked for."""
        return not list(perm_list)


class TokenAuthentication(BaseAuthentication):
    """
    Finds out who asks by the access token: ``request.user``, and the token in ``request.auth``.

    For a user of this project's authorization server that is the account, else a `TokenUser`. A
    request without token is left to the other ``authentication_classes``.
    """

    def authenticate(self, request: Request) -> tuple[Any, VerifiedToken] | None:
        """
        Return who asks, and the token; None without token.

        Raises:
            Refusal: The token is not valid, or its user is gone or inactive.
        """
        guard = servers().guard
        # What they call headers is sent with every response of the view.
        view = request.parser_context.get("view")
        headers: dict[str, str] = {} if view is None else view.headers
        try:
            token = guard.verify(_request_of(request))
            user = self.find_user(token)
        except MissingToken:
            return None
        except OAuthError as error:
            refusal = Refusal(error)
            headers |= refusal.further
            raise refusal from None
        headers |= dict(token.response_headers)
        return user, token

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge for a request that has no token."""
        return Refusal(MissingToken("there is no access token")).auth_header or ""

    def find_user(self, token: VerifiedToken) -> Any:
        """
        Return who acts with *token*.

        Raises:
            InvalidToken: The user is gone or inactive.
        """
        users = servers().users
        # Only our own tokens have identifiers that we gave.
        is_own = "resource_tokens" not in servers().configuration.values
        if not (is_own and token.acts_for_user and isinstance(users, DjangoUsers)):
            return TokenUser(token)
        account = users.find_account(token.sub)
        if account is None or not account.is_active:
            raise InvalidToken("the access token is unknown, revoked or expired")
        return account


def require_token(*, scope: Wanted = None, any_scope: Wanted = None) -> type[BasePermission]:
    """
    Return a class for ``permission_classes``: it lets through tokens with this scope.

    It raises where it refuses, so that the challenge is right; in a choice, as in
    ``IsAdminUser | require_token()``, put it last.

    Args:
        scope: The scope that the token has to have, all of it.
        any_scope: Scope tokens of which it has to have at least one.
    """
    every, some = Scope.of(scope or ()), Scope.of(any_scope or ())

    class RequireToken(BasePermission):
        """Lets through requests with a token that has the scope."""

        def has_permission(self, request: Request, view: object) -> bool:
            """
            Return True.

            Raises:
                Refusal: There is no token, or its scope is too narrow.
            """
            token: object = request.auth
            if not isinstance(token, VerifiedToken):
                raise Refusal(MissingToken("there is no access token"))
            if not (every <= token.scope and (not some or some & token.scope)):
                try:
                    # Once more, with all that goes with a refusal.
                    servers().guard.verify(_request_of(request), scope=every, any_scope=some)
                except OAuthError as error:
                    raise Refusal(error) from None
            return True

    return RequireToken


def _request_of(request: Request) -> HttpRequest:
    django_request: HttpRequest = request._request  # noqa: SLF001  # there is no other name
    return django_request
