"""The keys of an authorization server, fetched and kept for a while (RFC 7517, 5; RFC 8414)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from oauthgrants.checks import require_https, require_issuer
from oauthgrants.endpoints.metadata import well_known_url
from oauthgrants.events import Fault
from oauthgrants.fetching import UnusableAnswer, fetch_object
from oauthgrants.jose import InvalidJwt, PublicKey
from oauthgrants.token_checks import Services
from oauthgrants.token_checks.key_sets import Keys, members_of
from oauthgrants.wire import HttpRequest, HttpResponse

_ACCEPT = (("Accept", "application/json"),)
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=([0-9]{1,9})(?![0-9])", re.IGNORECASE)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@attrs.frozen(kw_only=True)
class FetchedKeys:
    """
    Keys of an authorization server, fetched and kept.

    They are fetched when they are needed, again when they have been kept for long enough, and
    when a token names a key that is not among them. If that fails, the old ones stay.

    Attributes:
        jwks_uri: Where the JWK Set is, None to read it in the metadata of *issuer*.
        issuer: Whose metadata (RFC 8414), None if *jwks_uri* says it all.
        lifetime: For how long keys are kept; less if ``max-age`` says so.
        floor: So long at least lies between two fetches that unknown keys cause, and
            between one that failed and the next.
    """

    jwks_uri: str | None = None
    issuer: str | None = None
    lifetime: timedelta = timedelta(hours=1)
    floor: timedelta = timedelta(seconds=10)

    @classmethod
    def discover(cls, issuer: str) -> FetchedKeys:
        """Return the keys of *issuer*, found by its metadata (RFC 8414, 3)."""
        return cls(issuer=issuer)

    def bind(self, services: Services) -> _Kept:
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
        return _Kept(self, services)


class _Kept:
    """Fetched keys and what is known of their age."""

    def __init__(self, settings: FetchedKeys, services: Services) -> None:
        self._settings = settings
        self._services = services
        self._fetcher = services.open_fetcher()
        self._gate = services.make_gate()
        self._keys: Keys = ()
        self._good_until = _LONG_AGO
        self._may_search_at = _LONG_AGO
        self._failed = False

    async def get(self) -> Keys:
        if self._is_stale() and not (self._keys and self._gate.locked()):
            async with self._gate:
                # Who waited finds that another one has fetched.
                if self._is_stale():
                    await self._renew()
        if not self._keys:
            raise UnusableAnswer("the JWK Set: there is none, for the last fetch failed")
        return self._keys

    def _is_stale(self) -> bool:
        return self._services.clock() >= self._good_until

    async def _renew(self) -> None:
        try:
            await self._fetch()
        except Exception as error:
            if not self._keys:
                raise
            self._services.record(Fault(at=self._services.clock(), error=error))

    async def get_newer(self, than: Keys) -> Keys:
        async with self._gate:
            if self._keys is than:
                now = self._services.clock()
                if now >= self._may_search_at:
                    self._may_search_at = now + self._settings.floor
                    await self._fetch()
                elif self._failed:
                    # The token may be good: who can say, as long as the keys cannot be had.
                    raise UnusableAnswer("the JWK Set: the last fetch failed")
            return self._keys

    async def _fetch(self) -> None:
        try:
            jwks, response = await self._fetch_object(await self._find_uri(), "the JWK Set")
            keys = _read_keys(jwks)
        except Exception:
            self._failed = True
            self._good_until = self._services.clock() + self._settings.floor
            raise
        self._keys, self._failed = keys, False
        self._good_until = self._services.clock() + self._lifetime_of(response)

    async def _find_uri(self) -> str:
        if self._settings.jwks_uri is not None:
            return self._settings.jwks_uri
        issuer = str(self._settings.issuer)
        metadata, _ = await self._fetch_object(
            well_known_url(issuer, "oauth-authorization-server"), "the server metadata"
        )
        if metadata.get("issuer") != issuer:  # RFC 8414, 3.3
            raise UnusableAnswer("the server metadata: the issuer is another one")
        uri = metadata.get("jwks_uri")
        if not isinstance(uri, str):
            raise UnusableAnswer("the server metadata: there is no jwks_uri")
        require_https(
            uri,
            "jwks_uri",
            allow_insecure_transport=self._services.allow_insecure_transport,
        )
        return uri

    async def _fetch_object(self, url: str, name: str) -> tuple[dict[str, Any], HttpResponse]:
        request = HttpRequest(method="GET", url=url, headers=_ACCEPT)
        return await fetch_object(self._fetcher, request, name)

    def _lifetime_of(self, response: HttpResponse) -> timedelta:
        fields = [value for name, value in response.headers if name.lower() == "cache-control"]
        said = _MAX_AGE.search(",".join(fields))
        if said is None:
            return self._settings.lifetime
        most, least = self._settings.lifetime, self._settings.floor
        return min(max(timedelta(seconds=int(said[1])), least), most)


def _read_keys(jwks: Mapping[str, Any]) -> Keys:
    """
    Return the keys that are usable: what others are for is not ours to know (RFC 7517, 5).

    Raises:
        UnusableAnswer: None is.
    """
    keys: list[PublicKey] = []
    for jwk in members_of(jwks):
        try:
            keys.append(PublicKey.from_jwk(jwk))
        except InvalidJwt:
            continue
    if not keys:
        raise UnusableAnswer("the JWK Set: it has no key that verifies")
    return tuple(keys)
