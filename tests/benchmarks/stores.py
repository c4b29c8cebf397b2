"""
What a store's calls cost with few tokens and with many.

``python -m tests.benchmarks.stores --tokens 10000 1000000 --store sqlite --store postgresql``
"""

from __future__ import annotations

from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain, islice
from itertools import count as count_from
from os import urandom

import attrs

from oauthgrants import RefreshToken
from oauthgrants.ports import Rotation

from . import report
from .measuring import Case, interleave
from .population import Population, access_beside, access_token, expired_token, sign_in
from .subjects import OPENERS, Subject

GOAL = 1.5
"""With a hundred times the tokens, nothing takes longer than so many times as long."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table a store."""
    parser = ArgumentParser(
        "python -m tests.benchmarks.stores",
        description="What a store's calls cost with few tokens and with many.",
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--store", action="append", choices=OPENERS, help="may be repeated")
    parser.add_argument("--tokens", nargs="+", type=int, default=[10_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=40, help="blocks of each kind")
    parser.add_argument("--calls", type=int, default=20, help="calls in a block")
    parser.add_argument(
        "--batch", nargs="+", type=int, default=[100, 1000], help="tokens that a purge deletes"
    )
    parser.add_argument(
        "--no-sync",
        action="store_true",
        help="let no commit wait for the disk, so that nothing can hide behind that",
    )
    parser.add_argument(
        "--together",
        action="store_true",
        help="compare stores with one another, and not each with itself",
    )
    chosen = parser.parse_args(arguments)
    print(report.describe_machine("sqlalchemy", "psycopg", "redis"))
    names, sizes = chosen.store or list(OPENERS), sorted(chosen.tokens)
    pairs = [[(name, size) for size in sizes] for name in names]
    for compared in [list(chain(*pairs))] if chosen.together else pairs:
        print(_measure(compared, chosen))


def _measure(compared: Sequence[tuple[str, int]], chosen: Namespace) -> str:
    """Return a table of stores with so many tokens, the last of them over the first."""
    with ExitStack() as opened:
        labels: list[str] = []
        cases: dict[str, dict[str, Case]] = {}
        for name, size in compared:
            subject = opened.enter_context(OPENERS[name](f"{size}", not chosen.no_sync))
            population = Population(size)
            subject.fill(population)
            subject.settle()
            # What waits for nobody is so fast that a block takes more calls to be measured.
            calls = chosen.calls if subject.waits else 50 * chosen.calls
            label = f"{name} {subject.version}, {report.count(size)}".replace(" ,", ",")
            cases[label] = _cases(subject, population, calls, chosen.batch)
            labels.append(label)
        # Some stores have nothing to purge.
        operations = [each for each in cases[labels[0]] if each in cases[labels[-1]]]
        timings = interleave(
            {(label, each): cases[label][each] for label in labels for each in operations},
            rounds=chosen.rounds,
        )
    first, last = labels[0], labels[-1]
    waiting = "wait for no disk" if chosen.no_sync else "wait for the disk"
    return report.table(
        f"a call with so many live tokens ({chosen.rounds} rounds; commits {waiting})",
        ["call", *labels, f"the last over the first (goal {GOAL})"],
        [
            [
                each,
                *(report.duration(timings[label, each].usual) for label in labels),
                timings[last, each].over(timings[first, each]),
            ]
            for each in operations
        ],
    )


def _cases(
    subject: Subject, population: Population, calls: int, batches: Sequence[int]
) -> dict[str, Case]:
    store = subject.store
    # No number is used twice, so what is added is new.
    new, expired = count_from(population.size), count_from()
    refresh_tokens = deque(population.some_refresh_tokens(2000))

    def find(digest: bytes) -> None:
        assert store.find_access_token(digest) is not None

    def rotate(spent: RefreshToken) -> None:
        found = store.find_refresh_token(spent.digest)
        assert found is not None
        successor = attrs.evolve(
            found,
            digest=urandom(32),
            issued_at=found.issued_at + timedelta(seconds=1),
            parent=spent.digest,
        )
        access = access_beside(successor, urandom(32))
        outcome = store.rotate_refresh_token(spent.digest, access, successor, grace=timedelta())
        assert outcome is Rotation.ROTATED
        refresh_tokens.append(successor)

    def save_sign_in() -> str:
        pair = sign_in(next(new), datetime.now(UTC))
        store.save_tokens(*pair)
        return pair[1].family

    def add_expired(batch: int) -> datetime:
        now = datetime.now(UTC)
        subject.fill(expired_token(number, now) for number in islice(expired, batch))
        return now

    def purge(batch: int, now: datetime) -> None:
        assert store.delete_expired(now, batch) == batch

    cases = {
        "issue an access token": Case(
            lambda token: store.save_tokens(token, None),
            calls,
            lambda: access_token(next(new), datetime.now(UTC)),
        ),
        "issue at a sign-in": Case(
            lambda pair: store.save_tokens(*pair),
            calls,
            lambda: sign_in(next(new), datetime.now(UTC)),
        ),
        "look up an access token": Case(find, calls, population.random_access_digest),
        "find and rotate a refresh token": Case(
            rotate, min(calls, len(refresh_tokens)), refresh_tokens.popleft
        ),
        "revoke a sign-in": Case(store.revoke_family, calls, save_sign_in),
    }
    # Some forget by themselves.
    if hasattr(store, "delete_expired"):
        for batch in batches:
            cases[f"purge a batch of {report.count(batch)}"] = Case(
                partial(purge, batch), 1, partial(add_expired, batch)
            )
    return cases


if __name__ == "__main__":
    main()
