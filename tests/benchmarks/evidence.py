"""What clients were told, compared with what is stored: nothing lost, nothing there twice."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import attrs
from sqlalchemy import Column, Connection, Table, func, select

from oauthgrants import Secret
from oauthgrants.hashing import token_digest
from oauthgrants.secret import SecretFormat

from .asking import ALICE, form_request
from .driving import Address, Answer, exchange, race, to_octets
from .population import sign_in
from .subjects import Subject

CLIENT_ID = "client-0"
"""Of the client that asks."""

_REFRESH_TOKEN = SecretFormat("ogrt_")


@attrs.define
class Chain:
    """
    A sign-in that is refreshed, each time with the refresh token of the last answer.

    Attributes:
        secret: The client's.
        family: That of its tokens.
        value: The refresh token that is not spent.
        rotations: How often it was refreshed.
    """

    secret: Secret
    family: str
    value: str = attrs.field(repr=False)
    rotations: int = 0

    @classmethod
    def begin(cls, subject: Subject, number: int, secret: Secret) -> Chain:
        """Store the first refresh token; no two sign-ins have the same *number*."""
        value = _REFRESH_TOKEN.generate()
        first = attrs.evolve(
            sign_in(number, datetime.now(UTC))[1],
            digest=token_digest(value),
            client_id=CLIENT_ID,
            sub=ALICE.sub,
            username=ALICE.username,
        )
        subject.store.save_tokens(None, first)
        return cls(secret, first.family, value.reveal())

    @property
    def octets(self) -> bytes:
        """The request that refreshes it."""
        form = {"grant_type": "refresh_token", "refresh_token": self.value}
        return to_octets(form_request("/token", CLIENT_ID, self.secret, **form))

    def __call__(self, address: Address) -> Answer:
        """Refresh it."""
        answer = exchange(address, self.octets)
        if answer.status == 200:
            self.value = answer.json()["refresh_token"]
            self.rotations += 1
        return answer


@attrs.define
class Race:
    """
    One refresh token that comes several times at once.

    Attributes:
        family: That of the token.
        answers: One for each time.
    """

    family: str
    answers: list[Answer]

    @classmethod
    def run(cls, chain: Chain, address: Address, racers: int) -> Race:
        """Send the refresh token of *chain* so many times."""
        return cls(chain.family, race(address, chain.octets, racers))


@attrs.frozen
class Evidence:
    """
    What clients were told.

    Attributes:
        answers: To all requests but those of races.
        chains: Those that were refreshed one time after another.
        races: The others.
    """

    answers: list[Answer] = attrs.field(factory=list[Answer])
    chains: list[Chain] = attrs.field(factory=list[Chain])
    races: list[Race] = attrs.field(factory=list[Race])

    def check(self, subject: Subject) -> list[tuple[str, str]]:
        """
        Return what was found, for a table.

        Raises:
            AssertionError: A token was lost, is there twice, or is there and nobody asked.
        """
        refused = Counter(answer.status for answer in self.answers if answer.status != 200)
        assert not refused, f"requests were refused: {refused}"
        answered = [token_digest(Secret(each.json()["access_token"])) for each in self.answers]
        tables = subject.store.tables
        with subject.store.engine.connect() as connection:
            stored = set(connection.scalars(select(tables.access_tokens.c.digest)))
            members = _counts(connection, tables.refresh_tokens, tables.refresh_tokens.c.family)
            children = _counts(connection, tables.refresh_tokens, tables.refresh_tokens.c.parent)
        assert len(set(answered)) == len(answered), "an access token was given out twice"
        assert stored == set(answered), (
            f"{len(set(answered) - stored)} access tokens were given out and are not stored, "
            f"{len(stored - set(answered))} are stored and were not given out"
        )
        # None is the parent of those that begin a chain.
        children.pop(None, None)
        assert set(children.values()) <= {1}, "a refresh token has two successors"
        for chain in self.chains:
            assert members.get(chain.family) == chain.rotations + 1, "a chain has a fork or a gap"
        for each in self.races:
            statuses = sorted(answer.status for answer in each.answers)
            assert statuses == [200] + [400] * (len(statuses) - 1), f"a race ended {statuses}"
            assert each.family not in members, "a family has outlived the reuse of its token"
        return [
            ("access tokens given out, each of them stored once", f"{len(answered):,}"),
            ("access tokens lost, or there twice", "0"),
            (
                "refresh tokens spent, each with one successor",
                f"{sum(chain.rotations for chain in self.chains):,}",
            ),
            ("refresh tokens that came several times at once", f"{len(self.races):,}"),
            ("of these, worked once and ended their family", f"{len(self.races):,}"),
        ]


def _counts(connection: Connection, table: Table, column: Column[object]) -> dict[object, int]:
    rows = connection.execute(select(column, func.count()).select_from(table).group_by(column))
    return {row[0]: row[1] for row in rows}
