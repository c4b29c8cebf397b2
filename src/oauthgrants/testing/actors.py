"""Who takes part in tests, and what they know."""

from __future__ import annotations

import base64
from urllib.parse import quote_plus

import attrs

from oauthgrants import HttpResponse, Scope, Secret
from oauthgrants.testing.responses import assert_issued


@attrs.frozen(kw_only=True)
class TestClient:
    """
    A client of tests, and what it knows.

    Attributes:
        client_id: Its name.
        secret: In the clear, None for a public client.
    """

    __test__ = False  # no test, whatever it is called

    client_id: str
    secret: Secret | None

    @property
    def authorization(self) -> tuple[str, str]:
        """
        The header of ``client_secret_basic`` (RFC 6749, 2.3.1).

        Raises:
            ValueError: The client is public.
        """
        if self.secret is None:
            raise ValueError(f"client {self.client_id!r} is public, and has no client_secret")
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret.reveal())}"
        return "Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"


@attrs.frozen(kw_only=True)
class TestUser:
    """
    A user of tests, and the password.

    Attributes:
        username: What is typed.
        sub: What tokens carry.
        password: In the clear.
    """

    __test__ = False

    username: str
    sub: str
    password: Secret


@attrs.frozen(kw_only=True)
class IssuedTokens:
    """
    What a token endpoint answered.

    Attributes:
        access_token: In the clear, as are all of these.
        token_type: ``Bearer``.
        expires_in: Seconds.
        scope: What was granted.
        refresh_token: None without.
    """

    access_token: str = attrs.field(repr=False)
    token_type: str
    expires_in: int
    scope: Scope
    refresh_token: str | None = attrs.field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What a request to a protected resource has to carry."""
        return {"Authorization": f"{self.token_type} {self.access_token}"}

    @classmethod
    def of(cls, response: HttpResponse) -> IssuedTokens:
        """
        Return what *response* brings.

        Raises:
            AssertionError: It brings no tokens; says what it brings instead.
        """
        members = assert_issued(response)
        return cls(
            access_token=members["access_token"],
            token_type=members["token_type"],
            expires_in=members["expires_in"],
            scope=Scope.of(members.get("scope", "")),
            refresh_token=members.get("refresh_token"),
        )
