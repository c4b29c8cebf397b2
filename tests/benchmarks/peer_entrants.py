"""What contenders are asked, and how their answers are looked at while no clock runs."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, cast

import attrs
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from .asking import ALICE, PASSWORD
from .floor import BARE, encode, signed_part
from .peer_requests import (
    INTROSPECT,
    REPORTS,
    REVOKE,
    TOKEN,
    Answer,
    Asked,
    Contender,
    World,
    bearing,
)

_CLAIMS = {"iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope"}
_KEYS: dict[str, Any] = {"ES256": ECKey, "EdDSA": OKPKey, "RS256": RSAKey}


class WrongAnswer(AssertionError):
    """A contender does not do what it would be timed for."""


@attrs.frozen(kw_only=True)
class Row:
    """
    Something that all contenders do.

    Attributes:
        name: As it stands in the tables.
        goal: It takes at most so many times as long as the floor.
        path: Where it is asked.
        kind: Which of the ways below to ask and to look at the answer.
        algorithm: Of a JWT, None for opaque tokens.
        makes_tokens: Whether it matters how tokens are made.
    """

    name: str
    goal: float
    path: str = TOKEN
    kind: str
    algorithm: str | None = None
    makes_tokens: bool = False

    @property
    def guesses_are_free(self) -> bool:
        """Whether no limit may come between the question and its check."""
        return self.kind.startswith("refuse")

    @property
    def has_sign_ins(self) -> bool:
        """Whether it is about users."""
        return self.kind in ("password", "refresh", "refuse refresh token")

    def make_world(self) -> World:
        """Return a new world for it."""
        return World.make(self.algorithm, guesses_are_free=self.guesses_are_free)


ROWS = {
    "issue": Row(name="client_credentials", goal=1.6, kind="issue", makes_tokens=True),
    "password": Row(
        name="password, with refresh token", goal=1.6, kind="password", makes_tokens=True
    ),
    "refresh": Row(name="rotating refresh", goal=1.6, kind="refresh", makes_tokens=True),
    "bearer": Row(name="bearer check", goal=2.5, path=REPORTS, kind="bearer"),
    "introspect": Row(name="introspection", goal=2.0, path=INTROSPECT, kind="introspect"),
    "revoke": Row(name="revocation", goal=2.0, path=REVOKE, kind="revoke"),
    "es256": Row(name="client_credentials, ES256", goal=1.3, kind="issue", algorithm="ES256"),
    "eddsa": Row(name="client_credentials, EdDSA", goal=1.3, kind="issue", algorithm="EdDSA"),
    "rs256": Row(name="client_credentials, RS256", goal=1.3, kind="issue", algorithm="RS256"),
    "wrong-secret": Row(name="refusal of a wrong secret", goal=2.5, kind="refuse secret"),
    "unknown-refresh": Row(
        name="refusal of an unknown refresh token", goal=2.5, kind="refuse refresh token"
    ),
}
"""By the name on the command line."""


@attrs.define
class Entrant:
    """
    A contender in its row, with what it needs to be asked.

    Attributes:
        contender: Who answers.
        world: What it knows.
        row: What it is asked.
        size: So many questions are a block.
        runner: On whose loop answers are awaited.
        stranger: Another one of its kind, whose tokens it does not know.
        answers: Those of the last block.
    """

    contender: Contender
    world: World
    row: Row
    size: int
    runner: asyncio.Runner
    stranger: Contender
    answers: list[Answer] = attrs.field(factory=list[Answer], repr=False)
    _fixed: Asked | None = attrs.field(default=None, repr=False)

    def ask(self, asked: Asked, contender: Contender | None = None) -> Answer:
        """Return the answer to one question."""
        asked_one = contender or self.contender
        answer: Any = asked_one.ways[asked.path](asked)
        return self.runner.run(_wait(answer)) if asked_one.is_async else answer

    def run(self, block: list[Asked]) -> None:
        """Ask all of *block*: what is timed."""
        way: Any = self.contender.ways[self.row.path]
        if self.contender.is_async:
            self.answers = self.runner.run(_ask_all(way, block))
        else:
            self.answers = [way(asked) for asked in block]

    def make(self) -> list[Asked]:
        """Look at the last answers, and return the next questions."""
        self.check()
        last, self.answers = self.answers, []
        match self.row.kind:
            case "refresh":
                tokens = [self._tokens(answer) for answer in last or self._sign_ins()]
                return [self._refresh(token["refresh_token"]) for token in tokens]
            case "revoke":
                return [
                    self.world.ask(REVOKE, token=self._access(), token_type_hint="access_token")
                    for _ in range(self.size)
                ]
            case _:
                self._fixed = self._fixed or self._question()
                return [self._fixed] * self.size

    def check(self) -> None:
        """
        Look at each answer of the last block.

        Raises:
            WrongAnswer: One has another status than it has to have.
        """
        right = {"refuse secret": (401,), "refuse refresh token": (400,), "revoke": (200, 204)}
        statuses = {status for status, _ in self.answers}
        if not statuses <= {*right.get(self.row.kind, (200,))}:
            raise WrongAnswer(f"{self.contender.name}, {self.row.name}: {sorted(statuses)}")

    def prove(self) -> None:
        """
        Look closely at what this contender answers, before it is timed.

        Raises:
            WrongAnswer: It is not the work of the row.
        """
        question = self.make()[0]
        answer = self.ask(question)
        self.answers = [answer]
        self.check()
        self.answers = []
        proof: Any = getattr(self, f"_prove_{self.row.kind.replace(' ', '_')}")
        if not proof(question, answer):
            # Without the answer: there may be tokens in it.
            raise WrongAnswer(f"{self.contender.name}, {self.row.name}: not what it has to be")

    def _question(self) -> Asked:
        match self.row.kind:
            case "issue":
                return self.world.ask(TOKEN, grant_type="client_credentials", scope="read")
            case "password":
                return self._sign_in()
            case "bearer":
                return bearing(self._access())
            case "introspect":
                return self._introspect(self._access())
            case "refuse secret":
                form = {"grant_type": "client_credentials", "scope": "read"}
                return self.world.ask(TOKEN, secret="x" * len(self.world.secret), **form)
            case _:
                # As those that it makes, so that it is not refused for how it looks.
                answer = self.ask(self._sign_in(), self.stranger)
                return self._refresh(self._tokens(answer)["refresh_token"])

    def _sign_in(self) -> Asked:
        return self.world.ask(
            TOKEN,
            grant_type="password",
            scope="read",
            username=ALICE.username,
            password=PASSWORD.reveal(),
        )

    def _sign_ins(self) -> Iterator[Answer]:
        return (self.ask(self._sign_in()) for _ in range(self.size))

    def _refresh(self, token: str) -> Asked:
        return self.world.ask(TOKEN, grant_type="refresh_token", refresh_token=token)

    def _introspect(self, token: str) -> Asked:
        return self.world.ask(INTROSPECT, token=token, token_type_hint="access_token")

    def _access(self) -> str:
        # Not all of them serve both grants.
        asked = self.world.ask(TOKEN, grant_type="client_credentials", scope="read")
        return str(self._tokens(self.ask(asked))["access_token"])

    def _tokens(self, answer: Answer) -> dict[str, Any]:
        status, body = answer
        if status != 200:
            raise WrongAnswer(f"{self.contender.name}: {status}")
        tokens: dict[str, Any] = json.loads(body)
        return tokens

    def _knows(self, token: str) -> bool:
        """Return whether *token* opens what it has to open; not all of them check tokens."""
        if REPORTS in self.contender.ways:
            return self.ask(bearing(token))[0] == 200
        return bool(self._tokens(self.ask(self._introspect(token)))["active"])

    def _prove_issue(self, _: Asked, answer: Answer) -> bool:
        if self.contender.name == BARE:
            signed = signed_part(str(self.row.algorithm))
            return bool(self._claims((signed + b"." + encode(cast("bytes", answer[1]))).decode()))
        tokens = self._tokens(answer)
        token = str(tokens["access_token"])
        if tokens["token_type"].lower() != "bearer" or tokens["scope"] != "read":
            return False
        if self.row.algorithm is not None:
            return _CLAIMS <= {*self._claims(token)}
        return self._knows(token) and not self._knows(f"{token}~")

    def _prove_password(self, question: Asked, answer: Answer) -> bool:
        wrong = attrs.evolve(
            question, body=question.body.replace(PASSWORD.reveal().encode(), b"guess")
        )
        refused = self.ask(wrong)[0] in (400, 401)
        fresh = self.ask(self._refresh(self._tokens(answer)["refresh_token"]))[0] == 200
        return refused and fresh and self._prove_issue(question, answer)

    def _prove_refresh(self, question: Asked, answer: Answer) -> bool:
        # The token that was spent is refused: last, as that may end the whole sign-in.
        return self._prove_issue(question, answer) and self.ask(question)[0] == 400

    def _prove_bearer(self, _: Asked, answer: Answer) -> bool:
        refused = self.ask(bearing("not-a-token"))[0]
        return answer[1] in (self.world.client_id, self.world.client_id.encode()) and refused == 401

    def _prove_introspect(self, _: Asked, answer: Answer) -> bool:
        found = self._tokens(answer)
        unknown = self._tokens(self.ask(self._introspect("not-a-token")))
        return (
            found["active"] is True
            and (found["client_id"], found["scope"]) == (self.world.client_id, "read")
            and unknown["active"] is False
        )

    def _prove_revoke(self, _: Asked, __: Answer) -> bool:
        token = self._access()
        before = self._knows(token)
        self.ask(self.world.ask(REVOKE, token=token, token_type_hint="access_token"))
        return before and not self._knows(token)

    def _prove_refuse_secret(self, _: Asked, answer: Answer) -> bool:
        return bool(json.loads(answer[1])["error"] == "invalid_client")

    def _prove_refuse_refresh_token(self, _: Asked, answer: Answer) -> bool:
        return bool(json.loads(answer[1])["error"] == "invalid_grant")

    def _claims(self, token: str) -> dict[str, Any]:
        algorithm = str(self.row.algorithm)
        key = _KEYS[algorithm].import_key(self.world.pem)
        with warnings.catch_warnings():
            # Its name is deprecated (RFC 9864), and still what everybody writes.
            warnings.filterwarnings("ignore", "EdDSA is deprecated")
            return jwt.decode(token, key, algorithms=[algorithm]).claims


async def _wait(answer: Awaitable[Answer]) -> Answer:
    return await answer


async def _ask_all(
    way: Callable[[Asked], Awaitable[Answer]], block: Iterable[Asked]
) -> list[Answer]:
    return [await way(asked) for asked in block]
