"""Clients that ask for tokens as fast as they can."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from threading import Condition, Thread
from typing import Self

from ledger import Family, Ledger, Post, Unanswered, refresh

from oauthgrants import HttpResponse

# Then the client signs in again.
_REFRESHES = 4
_PATIENCE = 30.0
_PAUSE = 0.1


def ask_for_tokens(post: Post, ledger: Ledger) -> None:
    """Get a token by client credentials."""
    answer = ledger.require_ok(post("service", grant_type="client_credentials"))
    ledger.service.append(answer.json()["access_token"])


def sign_in(post: Post, ledger: Ledger) -> Family:
    """Return what came of a sign-in."""
    family = Family()
    form = {"grant_type": "password", "username": "alice", "password": "wonderland"}
    family.add(ledger.require_ok(post("app", **form)))
    ledger.families.append(family)
    return family


def sign_in_and_refresh(post: Post, ledger: Ledger) -> None:
    """Sign in, and refresh until there is no answer, a few times at most."""
    family = sign_in(post, ledger)
    for _ in range(_REFRESHES):
        family.unanswered = "refresh"
        family.add(ledger.require_ok(refresh(post, family.refresh[-1])))
        family.unanswered = None


def sign_in_and_revoke(post: Post, ledger: Ledger) -> None:
    """Sign in, refresh once, and revoke all of it."""
    family = sign_in(post, ledger)
    family.unanswered = "refresh"
    family.add(ledger.require_ok(refresh(post, family.refresh[-1])))
    family.unanswered = "revocation"
    ledger.require_ok(post("app", "/revoke", token=family.refresh[-1]))
    family.unanswered, family.revoked = None, True


Turn = Callable[[Post, Ledger], None]
TURNS: Sequence[Turn] = (
    ask_for_tokens,
    sign_in_and_refresh,
    sign_in_and_refresh,
    sign_in_and_revoke,
)


class Load:
    """Workers, a thread each, that go on until the server is gone or they are told to end."""

    def __init__(
        self,
        open_door: Callable[[], AbstractContextManager[Post]],
        turns: Sequence[Turn] = TURNS,
    ) -> None:
        self.ledger = Ledger()
        self._open_door = open_door
        self._ends = False
        self._answers = [Counter[int]() for _ in turns]
        self._changed = Condition()
        self._threads = [
            Thread(target=self._work, args=[number, turn]) for number, turn in enumerate(turns)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def wait_for_answers(self, number: int = 1, *, status: int = 200) -> None:
        """Return when each worker has got so many more of them."""
        with self._changed:
            wanted = [answers[status] + number for answers in self._answers]
            assert self._changed.wait_for(
                lambda: all(
                    answers[status] >= least
                    for answers, least in zip(self._answers, wanted, strict=True)
                ),
                _PATIENCE,
            ), f"there is no {status}"

    def end(self) -> None:
        """Return when the last worker has stopped."""
        with self._changed:
            self._ends = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_PATIENCE)
            assert not thread.is_alive()

    def _work(self, number: int, turn: Turn) -> None:
        with self._open_door() as post:

            def count(client: str, path: str = "/token", **parameters: str) -> HttpResponse:
                answer = post(client, path, **parameters)
                self._count(number, answer)
                return answer

            while not self._ends:
                try:
                    turn(count, self.ledger)
                except Unanswered:
                    self._rest()
                except OSError:
                    return

    def _count(self, number: int, answer: HttpResponse) -> None:
        with self._changed:
            self._answers[number][answer.status] += 1
            self._changed.notify_all()

    def _rest(self) -> None:
        """Wait before the next request, as the client was told to, but not as long."""
        with self._changed:
            self._changed.wait_for(lambda: self._ends, _PAUSE)
