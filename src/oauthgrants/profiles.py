"""Sets of rules that a server or a resource server keeps to: OAuth 2.0, and the 2.1 draft."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import attrs

from oauthgrants.client_auth.assertion_rules import AssertionRules
from oauthgrants.client_secrets import SECRET_METHODS
from oauthgrants.mfa import MFA_OTP

ProfileName = Literal["oauth2.0", "oauth2.1"]
"""The names of the profiles."""


@attrs.frozen(kw_only=True)
class Profile:
    """
    What a set of rules asks beyond OAuth 2.0 as it is written.

    Attributes:
        name: As it stands in configurations.
        barred: Values of ``grant_type`` that cannot be enabled.
        secret_methods_equal: Whether a secret may come in the body, whatever the client is
            registered for, and also by Basic where that is enabled (C-12).
        refresh_needs_grant: Whether a refresh token ends with the grant that it came from.
        issuer_audience: Whether assertions have to name the issuer and nothing else (C-13).
        allows_query: Whether a resource server may take tokens from URLs.
    """

    name: ProfileName
    barred: frozenset[str] = frozenset()
    secret_methods_equal: bool = False
    refresh_needs_grant: bool = False
    issuer_audience: bool = False
    allows_query: bool = True

    @classmethod
    def named(cls, name: str) -> Profile:
        """
        Return the profile with this name.

        Raises:
            ValueError: There is none.

        >>> Profile.named("oauth2.1").secret_methods_equal
        True
        """
        profile = PROFILES.get(name)
        if profile is None:
            raise ValueError(f"profile is {name!r}; there are {' and '.join(PROFILES)}")
        return profile

    def require(
        self, grant_types: Collection[str], methods: Collection[str] | None, rules: AssertionRules
    ) -> None:
        """
        Check that a server's settings keep to the profile.

        Args:
            grant_types: The grants that are enabled.
            methods: The client authentication methods that are, None for all that can work.
            rules: What assertions have to be.

        Raises:
            ValueError: They do not; says why.
        """
        self._require_grants(grant_types)
        self._require_methods(methods)
        if self.issuer_audience and rules.accept_endpoint_audience:
            raise ValueError(
                f"profile {self.name} goes with no accept_endpoint_audience: another server that "
                "gets such an assertion could use it here"
            )

    def _require_grants(self, grant_types: Collection[str]) -> None:
        barred = sorted(self.barred.intersection(grant_types))
        if barred:
            raise ValueError(
                f"profile {self.name} has no password grant: it shows a user's password to the "
                "client, OAuth 2.1 drops it and RFC 9700, Section 2.4 forbids it. Leave "
                f"{' and '.join(barred)} out of the grants, or leave out the profile"
            )

    def _require_methods(self, asked: Collection[str] | None) -> None:
        if (
            self.secret_methods_equal
            and asked is not None
            and SECRET_METHODS.intersection(asked)
            and "client_secret_post" not in asked
        ):
            raise ValueError(
                f"client_auth_methods has client_secret_basic: profile {self.name} takes "
                "client_secret_post beside it (OAuth 2.1, Section 2.4.1)"
            )

    def require_no_query(self, *, allow_query: bool) -> None:
        """
        Check that tokens in URLs are ignored (OAuth 2.1, Section 5.1).

        Raises:
            ValueError: They are not.
        """
        if allow_query and not self.allows_query:
            raise ValueError(
                f"profile {self.name} goes with no allow_query: histories and logs keep URLs "
                "(OAuth 2.1, Section 5.1)"
            )


PROFILES: Mapping[str, Profile] = {
    "oauth2.0": Profile(name="oauth2.0"),
    "oauth2.1": Profile(
        name="oauth2.1",
        # The extension grant finishes a sign-in that the password grant began.
        barred=frozenset({"password", MFA_OTP}),
        secret_methods_equal=True,
        refresh_needs_grant=True,
        issuer_audience=True,
        allows_query=False,
    ),
}
"""Each by its name."""
