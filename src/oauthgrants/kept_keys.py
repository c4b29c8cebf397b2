"""Keys of another party, fetched and kept for a while (RFC 7517, 5)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import attrs

from oauthgrants.events import Event, Fault
from oauthgrants.fetching import Fetcher, UnusableAnswer, fetch_object
from oauthgrants.gates import Gate
from oauthgrants.ports import Clock
from oauthgrants.wire import HttpRequest, HttpResponse

Key = TypeVar("Key")

LIFETIME = timedelta(hours=1)
"""How long keys are kept, unless it is said otherwise."""

FLOOR = timedelta(seconds=10)
"""The least time between two fetches that unknown keys cause, unless it is said otherwise."""

_ACCEPT = (("Accept", "application/json"),)
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=([0-9]{1,9})(?![0-9])", re.IGNORECASE)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@attrs.define(kw_only=True)
class KeptKeys(Generic[Key]):
    """
    Keys and what is known of their age.

    They are fetched when they are needed, again when they have been kept for long enough, and
    when somebody names a key that is not among them. If that fails, the old ones stay.

    Attributes:
        find_uri: Says where the JWK Set is.
        read: Returns what is usable of a JWK Set; a ``ValueError`` if nothing is.
        fetcher: Sends requests.
        gate: Lets one fetch at a time.
        clock: Tells the time.
        record: Reports events.
        lifetime: For how long keys are kept; less if ``max-age`` says so.
        floor: The least time between two fetches that unknown keys cause, and between a fetch
            that failed and the next.
    """

    find_uri: Callable[[], Awaitable[str]]
    read: Callable[[Mapping[str, Any]], tuple[Key, ...]]
    fetcher: Fetcher
    gate: Gate
    clock: Clock
    record: Callable[[Event], None]
    lifetime: timedelta = LIFETIME
    floor: timedelta = FLOOR
    _keys: tuple[Key, ...] = attrs.field(default=(), init=False)
    _good_until: datetime = attrs.field(default=_LONG_AGO, init=False)
    _may_search_at: datetime = attrs.field(default=_LONG_AGO, init=False)
    _failed: bool = attrs.field(default=False, init=False)

    async def get(self) -> tuple[Key, ...]:
        """
        Return the keys as they are known, one or more.

        Raises:
            UnusableAnswer: There are none, since the last fetch failed.
        """
        if self._is_stale() and not (self._keys and self.gate.locked()):
            async with self.gate:
                # Somebody else may have fetched while this one waited.
                if self._is_stale():
                    await self._renew()
        if not self._keys:
            raise UnusableAnswer("the JWK Set: there is none, for the last fetch failed")
        return self._keys

    async def get_newer(self, than: tuple[Key, ...]) -> tuple[Key, ...]:
        """
        Return the keys now that somebody names one that *than* lacks, *than* if it stays so.

        Raises:
            UnusableAnswer: Nobody can say, since the last fetch failed.
        """
        async with self.gate:
            if self._keys is than:
                now = self.clock()
                if now >= self._may_search_at:
                    self._may_search_at = now + self.floor
                    await self._fetch()
                elif self._failed:
                    # The token may be good: nobody can say while the keys cannot be had.
                    raise UnusableAnswer("the JWK Set: the last fetch failed")
            return self._keys

    def _is_stale(self) -> bool:
        return self.clock() >= self._good_until

    async def _renew(self) -> None:
        try:
            await self._fetch()
        except Exception as error:
            if not self._keys:
                raise
            self.record(Fault(at=self.clock(), error=error))

    async def _fetch(self) -> None:
        try:
            uri = await self.find_uri()
            jwks, response = await get_object(self.fetcher, uri, "the JWK Set")
            keys = self._read(jwks)
        except Exception:
            self._failed = True
            self._good_until = self.clock() + self.floor
            raise
        self._keys, self._failed = keys, False
        self._good_until = self.clock() + self._lifetime_of(response)

    def _read(self, jwks: Mapping[str, Any]) -> tuple[Key, ...]:
        try:
            return self.read(jwks)
        except ValueError as error:
            raise UnusableAnswer(f"the JWK Set: {error}") from None

    def _lifetime_of(self, response: HttpResponse) -> timedelta:
        fields = [value for name, value in response.headers if name.lower() == "cache-control"]
        said = _MAX_AGE.search(",".join(fields))
        if said is None:
            return self.lifetime
        return min(max(timedelta(seconds=int(said[1])), self.floor), self.lifetime)


async def get_object(fetcher: Fetcher, url: str, name: str) -> tuple[dict[str, Any], HttpResponse]:
    """
    Return the JSON object at *url*, and the response.

    Args:
        fetcher: Sends the request.
        url: Where to ask.
        name: What is asked for, for the message.

    Raises:
        UnusableAnswer: The status is not 200, or the body no such object.
    """
    request = HttpRequest(method="GET", url=url, headers=_ACCEPT)
    return await fetch_object(fetcher, request, name)
