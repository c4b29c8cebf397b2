"""The keys of an authorization server, fetched and kept for a while (RFC 7517, 5; RFC 8414)."""

from __future__ import annotations

from datetime import timedelta

import attrs

from oauthgrants.checks import require_https, require_issuer
from oauthgrants.endpoints.metadata import well_known_url
from oauthgrants.fetching import Fetcher, UnusableAnswer
from oauthgrants.jose import PublicKey
from oauthgrants.jwk_sets import usable_keys
from oauthgrants.kept_keys import FLOOR, LIFETIME, KeptKeys, get_object
from oauthgrants.token_checks import Services


@attrs.frozen(kw_only=True)
class FetchedKeys:
    """
    Keys of an authorization server, fetched and kept.

    They are fetched when they are needed, again when they have been kept for long enough, and
    when a token names a key that is not among them. If that fails, the old ones stay.

    Attributes:
        jwks_uri: Where the JWK Set is, None to read it in the metadata of *issuer*.
        issuer: Whose metadata to read (RFC 8414), None with a *jwks_uri*.
        lifetime: For how long keys are kept; less if ``max-age`` says so.
        floor: The least time between two fetches that unknown keys cause, and between a fetch
            that failed and the next.
    """

    jwks_uri: str | None = None
    issuer: str | None = None
    lifetime: timedelta = LIFETIME
    floor: timedelta = FLOOR

    @classmethod
    def discover(cls, issuer: str) -> FetchedKeys:
        """Return the keys of *issuer*, found by its metadata (RFC 8414, 3)."""
        return cls(issuer=issuer)

    def bind(self, services: Services) -> KeptKeys[PublicKey]:
        """
        Return the keys; none is fetched yet.

        Raises:
            ValueError: There is no URL to begin with, or one that is not https.
        """
        insecure = services.allow_insecure_transport
        if self.jwks_uri is not None:
            require_https(self.jwks_uri, "jwks_uri", allow_insecure_transport=insecure)
        elif self.issuer is not None:
            require_issuer(self.issuer, allow_insecure_transport=insecure)
        else:
            raise ValueError("FetchedKeys takes jwks_uri= or issuer=")
        fetcher = services.open_fetcher()
        return KeptKeys(
            find_uri=_Finder(self, fetcher, allow_insecure_transport=insecure),
            read=usable_keys,
            fetcher=fetcher,
            gate=services.make_gate(),
            clock=services.clock,
            record=services.record,
            lifetime=self.lifetime,
            floor=self.floor,
        )


@attrs.frozen
class _Finder:
    """Says where the JWK Set is."""

    settings: FetchedKeys
    fetcher: Fetcher
    allow_insecure_transport: bool = attrs.field(kw_only=True)

    async def __call__(self) -> str:
        if self.settings.jwks_uri is not None:
            return self.settings.jwks_uri
        issuer = str(self.settings.issuer)
        metadata, _ = await get_object(
            self.fetcher,
            well_known_url(issuer, "oauth-authorization-server"),
            "the server metadata",
        )
        if metadata.get("issuer") != issuer:  # RFC 8414, 3.3
            raise UnusableAnswer("the server metadata: the issuer is another one")
        uri = metadata.get("jwks_uri")
        if not isinstance(uri, str):
            raise UnusableAnswer("the server metadata: there is no jwks_uri")
        require_https(uri, "jwks_uri", allow_insecure_transport=self.allow_insecure_transport)
        return uri
