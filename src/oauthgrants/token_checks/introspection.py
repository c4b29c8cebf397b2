"""Access tokens that their authorization server is asked about (RFC 7662; extra ``resource``)."""

from __future__ import annotations

from base64 import b64encode
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, cast
from urllib.parse import quote_plus, urlencode

import attrs

from oauthgrants.checks import require_https
from oauthgrants.confirmations import KEY, read_confirmation
from oauthgrants.errors import InvalidToken
from oauthgrants.fetching import Fetcher, UnusableAnswer, fetch_object
from oauthgrants.hashing import token_digest
from oauthgrants.ports import Clock
from oauthgrants.scopes import Scope
from oauthgrants.secret import Secret
from oauthgrants.token_checks import Services
from oauthgrants.tokens import REGISTERED_CLAIMS, AccessToken
from oauthgrants.wire import HttpRequest

_NAME = "introspection"
_END_OF_TIME = datetime.max.replace(tzinfo=UTC, microsecond=0)
_TEXTS = ("client_id", "sub", "username", "scope", "iss", "jti", "token_type")


def _to_secret(secret: Secret | str) -> Secret:
    return secret if isinstance(secret, Secret) else Secret(secret)


@attrs.frozen(kw_only=True)
class RemoteIntrospection:
    """
    Asks an authorization server at each call, or less often if answers may be kept.

    While the server is away, calls are refused with 503. A token whose ``cnf`` has an unknown
    member is refused.

    Attributes:
        endpoint: The URL of the introspection endpoint.
        client_id: This resource server's, for ``client_secret_basic``.
        client_secret: That of this client.
        issuer: What ``iss`` has to be in answers that have one, None for anything.
        keep_for: For how long an answer about a valid token is kept, never beyond its ``exp``.
            Zero to keep none, so that a revoked token ends at once.
        keep_most: How many answers are kept, one or more; the one used last stays longest.

    Raises:
        ValueError: *keep_most* is less than one.
    """

    endpoint: str
    client_id: str
    client_secret: Secret = attrs.field(converter=_to_secret)
    issuer: str | None = None
    keep_for: timedelta = timedelta()
    keep_most: int = attrs.field(default=10_000, validator=attrs.validators.ge(1))

    def bind(self, services: Services) -> _RemoteFinder:
        """
        Return what asks.

        Raises:
            ValueError: The endpoint is not https.
        """
        require_https(
            self.endpoint,
            "the introspection endpoint",
            allow_insecure_transport=services.allow_insecure_transport,
        )
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret.reveal())}"
        return _RemoteFinder(
            endpoint=self.endpoint,
            headers=(
                ("Authorization", f"Basic {b64encode(pair.encode()).decode()}"),
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("Accept", "application/json"),
            ),
            issuer=self.issuer,
            fetcher=services.open_fetcher(),
            clock=services.clock,
            kept=_KeptAnswers(self.keep_for, self.keep_most),
        )


class _KeptAnswers:
    """Answers about valid tokens, under the digest of the token."""

    def __init__(self, keep_for: timedelta, most: int) -> None:
        self._keep_for = keep_for
        self._most = most
        self._lock = Lock()
        self._answers: OrderedDict[bytes, tuple[datetime, AccessToken]] = OrderedDict()

    def find(self, digest: bytes, now: datetime) -> AccessToken | None:
        with self._lock:
            answer = self._answers.get(digest)
            if answer is None:
                return None
            until, token = answer
            if now >= until:
                del self._answers[digest]
                return None
            self._answers.move_to_end(digest)
            return token

    def keep(self, token: AccessToken, now: datetime) -> None:
        until = min(now + self._keep_for, token.expires_at)
        if until <= now:
            return
        with self._lock:
            self._answers[token.digest] = until, token
            self._answers.move_to_end(token.digest)
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)


@attrs.frozen(kw_only=True)
class _RemoteFinder:
    endpoint: str
    headers: tuple[tuple[str, str], ...] = attrs.field(repr=False)
    issuer: str | None
    fetcher: Fetcher
    clock: Clock
    kept: _KeptAnswers

    async def find_access_token(self, value: Secret) -> AccessToken | None:
        """
        Return what the server says of *value*, None if that it is not active.

        Raises:
            InvalidToken: It is active and yet not valid here.
            UnusableAnswer: The server does not say.
        """
        digest = token_digest(value)
        token = self.kept.find(digest, self.clock())
        if token is None:
            answer = await self._ask(value)
            if not answer["active"]:
                return None
            now = self.clock()
            token = self._read(answer, digest, now)
            self.kept.keep(token, now)
        return token

    async def _ask(self, value: Secret) -> dict[str, Any]:
        body = urlencode({"token": value.reveal(), "token_type_hint": "access_token"})
        answer, _ = await fetch_object(
            self.fetcher,
            HttpRequest(method="POST", url=self.endpoint, headers=self.headers, body=body.encode()),
            _NAME,
        )
        if not isinstance(answer.get("active"), bool):
            raise UnusableAnswer(f"{_NAME}: the answer does not say whether the token is active")
        # Some servers write null for what the token has not.
        return {name: value for name, value in answer.items() if value is not None}

    def _read(self, answer: Mapping[str, Any], digest: bytes, now: datetime) -> AccessToken:
        for name in _TEXTS:
            if not isinstance(answer.get(name, ""), str):
                raise UnusableAnswer(f"{_NAME}: {name} is not a string")
        if self.issuer is not None and answer.get("iss", self.issuer) != self.issuer:
            raise InvalidToken("the access token is not valid", reason="the issuer is another one")
        cnf = _read_confirmation(answer)
        issued_at = _moment(answer, "iat") or now
        expires_at = _moment(answer, "exp") or _END_OF_TIME
        if expires_at <= now:
            raise InvalidToken("The access token expired")
        client_id, sub = _read_parties(answer)
        return AccessToken(
            digest=digest,
            client_id=client_id,
            sub=sub,
            username=answer.get("username"),
            scope=_read_scope(answer),
            audience=_read_audience(answer),
            issued_at=issued_at,
            lifetime=expires_at - issued_at,
            jti=answer.get("jti"),
            extra={name: value for name, value in answer.items() if name not in REGISTERED_CLAIMS},
            cnf=cnf,
        )


def _read_confirmation(answer: Mapping[str, Any]) -> Mapping[str, str]:
    """Return ``cnf`` (RFC 8705, 3.2; RFC 9449, 6.2), empty if it is missing."""
    try:
        cnf = read_confirmation(answer)
    except ValueError as error:
        raise InvalidToken("the access token is not valid", reason=str(error)) from None
    # Some servers say Bearer of a token that is bound to a key; DPoP needs such a binding.
    types = {"bearer", "dpop"} if KEY in cnf else {"bearer"}
    if answer.get("token_type", "Bearer").lower() not in types:
        raise InvalidToken(
            "the access token is not valid", reason="the type of the token is not understood"
        )
    return cnf


def _read_parties(answer: Mapping[str, Any]) -> tuple[str, str]:
    """Return ``client_id`` and ``sub``; without a user, the latter is often left out."""
    client_id, sub = answer.get("client_id"), answer.get("sub")
    if client_id and not sub and "username" not in answer:
        sub = client_id
    if not client_id or not sub:
        raise UnusableAnswer(f"{_NAME}: the answer does not say who acts")
    return client_id, sub


def _read_scope(answer: Mapping[str, Any]) -> Scope:
    try:
        return Scope.of(answer.get("scope", ""))
    except ValueError:
        raise UnusableAnswer(f"{_NAME}: scope is malformed") from None


def _read_audience(answer: Mapping[str, Any]) -> tuple[str, ...]:
    aud: Any = answer.get("aud", [])
    values = cast("Sequence[Any]", aud if isinstance(aud, list) else [aud])
    if not all(isinstance(value, str) for value in values):
        raise UnusableAnswer(f"{_NAME}: aud is neither a string nor an array of them")
    return tuple(values)


def _moment(answer: Mapping[str, Any], name: str) -> datetime | None:
    if name not in answer:
        return None
    seconds: object = answer[name]
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise UnusableAnswer(f"{_NAME}: {name} is not a number")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise UnusableAnswer(f"{_NAME}: {name} is out of range") from None
