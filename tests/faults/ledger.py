"""What clients were told, and whether it is true."""

from __future__ import annotations

from typing import Literal, Protocol

import attrs
from sqlalchemy import func, select

from oauthgrants import HttpResponse
from oauthgrants.stores.sqlalchemy import SqlAlchemyStore

_LOOKS = 100


class Unanswered(Exception):
    """There was no answer, or one that says to come again: whether it was done is not known."""


class Post(Protocol):
    """
    Sends a form for a client.

    Raises:
        OSError: The server is gone.
    """

    def __call__(self, client: str, path: str = "/token", **parameters: str) -> HttpResponse:
        """Return the response."""
        ...


@attrs.define
class Family:
    """
    What a client has of one sign-in.

    Attributes:
        access: The access tokens that it got.
        refresh: The refresh tokens that it got; all but the last are spent.
        unanswered: What it has asked for without an answer.
        revoked: Whether it was told that all of them are revoked.
    """

    access: list[str] = attrs.field(factory=list[str])
    refresh: list[str] = attrs.field(factory=list[str])
    unanswered: Literal["refresh", "revocation"] | None = None
    revoked: bool = False

    def add(self, answer: HttpResponse) -> None:
        """Keep the tokens in *answer*."""
        tokens = answer.json()
        self.access.append(tokens["access_token"])
        self.refresh.append(tokens["refresh_token"])


@attrs.define
class Ledger:
    """
    What all clients were told.

    Attributes:
        service: Tokens of client credentials.
        families: What came of each sign-in.
        unavailable: Answers that said to come again.
        wrong: Answers that nothing justifies.
    """

    service: list[str] = attrs.field(factory=list[str])
    families: list[Family] = attrs.field(factory=list[Family])
    unavailable: list[HttpResponse] = attrs.field(factory=list[HttpResponse])
    wrong: list[HttpResponse] = attrs.field(factory=list[HttpResponse])

    @property
    def tokens(self) -> int:
        """How many tokens were acknowledged."""
        pairs = sum(len(family.access) + len(family.refresh) for family in self.families)
        return len(self.service) + pairs

    def require_ok(self, answer: HttpResponse) -> HttpResponse:
        """
        Return *answer* if it is one.

        Raises:
            Unanswered: The client is to come again.
        """
        if answer.status == 200:
            return answer
        if answer.status == 503 and ("Retry-After", "5") in answer.headers:
            self.unavailable.append(answer)
        else:
            self.wrong.append(answer)
        raise Unanswered


def refresh(post: Post, token: str) -> HttpResponse:
    """Return the answer to a refresh token."""
    return post("app", grant_type="refresh_token", refresh_token=token)


def require_true(ledger: Ledger, post: Post) -> None:
    """Check that the server at *post* knows all that *ledger* says, and ends all families."""
    assert not ledger.wrong, [(answer.status, answer.body) for answer in ledger.wrong]
    for token in ledger.service:
        assert _is_active(post, "service", token), "a token was lost"
    for family in ledger.families:
        if _is_whole(post, family):
            assert not family.revoked
            _require_one_use(post, family)
        else:
            assert family.revoked or family.unanswered == "revocation"
            assert refresh(post, family.refresh[-1]).status == 400
        _require_ended(post, family)


def _is_whole(post: Post, family: Family) -> bool:
    """Return whether all access tokens of *family* are active; check that else none is."""
    active = set(_are_active(post, family))
    for _ in range(_LOOKS if family.unanswered else 0):
        if len(active) == 1:
            break
        # What the server had begun when it was killed may have come to its end meanwhile.
        active = set(_are_active(post, family))
    assert len(active) == 1, "the family is half revoked"
    return active.pop()


def _require_one_use(post: Post, family: Family) -> None:
    """Check that the last refresh token works, and that none works twice."""
    answer = refresh(post, family.refresh[-1])
    if answer.status == 200:
        family.add(answer)
        # The one before is spent now: whoever sends it has stolen it, or was stolen from.
        assert refresh(post, family.refresh[-2]).status == 400
    else:
        # It was spent, and the client does not have what came for it: a replay.
        assert family.unanswered == "refresh"
        assert answer.json()["error"] == "invalid_grant"


def _require_ended(post: Post, family: Family) -> None:
    """Check that neither the oldest tokens of *family* are active nor the youngest."""
    assert not _is_active(post, "app", family.access[0])
    assert not _is_active(post, "app", family.access[-1])
    assert not _is_active(post, "app", family.refresh[-1])


def _are_active(post: Post, family: Family) -> list[bool]:
    return [_is_active(post, "app", token) for token in family.access]


def _is_active(post: Post, client: str, token: str) -> bool:
    answer = post(client, "/introspect", token=token)
    assert answer.status == 200
    active: bool = answer.json()["active"]
    return active


def require_sound(store: SqlAlchemyStore) -> None:
    """Check that no refresh token has two successors, and that no token is left of its family."""
    tables = store.tables
    families = select(tables.families.c.family)
    with store.engine.connect() as connection:
        for tokens in (tables.access_tokens, tables.refresh_tokens):
            astray = select(func.count()).where(
                tokens.c.family.is_not(None), tokens.c.family.not_in(families)
            )
            assert connection.scalar(astray) == 0
        parent = tables.refresh_tokens.c.parent
        twice = select(parent).where(parent.is_not(None)).group_by(parent).having(func.count() > 1)
        assert connection.execute(twice).all() == []
