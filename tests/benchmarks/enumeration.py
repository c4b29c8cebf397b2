"""
Whether the time of a refusal tells who exists.

Known and unknown clients and users are refused in turns, in an order of chance, thousands of times
in one process. The table has the medians, how far they lie apart, and the chance that samples
differ as much if both come from the same distribution (Mann and Whitney's rank test).
"""

from __future__ import annotations

import argparse
import asyncio
import warnings
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import groupby
from math import erfc, sqrt
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

import attrs

from oauthgrants import (
    Argon2idHasher,
    AsyncAuthorizationServer,
    AuthorizationServer,
    Client,
    HttpRequest,
    PasswordGrant,
    Secret,
    User,
)
from oauthgrants.client_secrets import hash_client_secret

from .report import describe_machine, duration, table
from .subjects import OPENERS

ISSUER = "https://auth.example.com"
# As slow as a refusal has to be for a difference to be seen, and no slower.
HASHER = Argon2idHasher(memory_cost=8 * 1024, time_cost=1, lanes=1)


@attrs.frozen
class Pair:
    """
    Two requests that are refused, and that nobody should be able to tell apart.

    Attributes:
        name: What is guessed.
        known: A request for somebody who exists.
        unknown: The same for nobody.
    """

    name: str
    known: HttpRequest
    unknown: HttpRequest


def make_request(client_id: str, secret: str, body: str) -> HttpRequest:
    """Return a token request of that client."""
    credentials = b64encode(f"{client_id}:{secret}".encode()).decode()
    return HttpRequest(
        method="POST",
        url=f"{ISSUER}/token",
        headers=[
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Authorization", f"Basic {credentials}"),
        ],
        body=body.encode(),
    )


def register(store: Any) -> list[Pair]:
    """Add who is known to *store*, and return what is asked."""
    app, secret = Client.confidential("app", grant_types=["password"], first_party=True)
    store.add_client(app)
    hashed = attrs.evolve(
        hash_client_secret(Secret("chosen"), machine_made=True), hash=HASHER.hash(Secret("chosen"))
    )
    store.add_client(Client(client_id="chosen", secrets=(hashed,)))
    store.add_user(
        User(sub="user-1", username="alice", password_hash=HASHER.hash(Secret("wonderland")))
    )
    guess = "grant_type=password&password=guess&username="
    right = secret.reveal()
    return [
        Pair(
            "client secret, machine-made",
            make_request("app", "guess", guess),
            make_request("apq", "guess", guess),
        ),
        Pair(
            "client secret, chosen",
            make_request("chosen", "guess", guess),
            make_request("chosem", "guess", guess),
        ),
        Pair(
            "password",
            make_request("app", right, guess + "alice"),
            make_request("app", right, guess + "alicf"),
        ),
    ]


def sample(ask: Callable[[HttpRequest], int], pair: Pair, samples: int) -> list[list[float]]:
    """Return how long each request of *pair* took, *samples* times each, in turns."""
    order, taken = Random(0), [list[float](), list[float]()]
    requests = (pair.known, pair.unknown)
    statuses = {ask(request) for request in requests * 5}
    for _ in range(samples):
        for which in order.sample((0, 1), 2):
            start = perf_counter()
            statuses.add(ask(requests[which]))
            taken[which].append(perf_counter() - start)
    if statuses not in ({400}, {401}):
        raise RuntimeError(f"{pair.name}: answered with {sorted(statuses)}")
    return taken


def chance_of(these: Sequence[float], those: Sequence[float]) -> float:
    """
    Return the chance that samples of one distribution differ in rank as much as these do.

    Mann and Whitney's test, two-sided, by the normal approximation.

    >>> chance_of([1, 2, 3, 4], [1, 2, 3, 4])
    1.0
    >>> chance_of(range(50), range(100, 150)) < 1e-9
    True
    """
    both = sorted([(value, 0) for value in these] + [(value, 1) for value in those])
    rank, ranks, ties = 1, 0.0, 0
    for _, group in groupby(both, key=lambda each: each[0]):
        members = list(group)
        ranks += sum(1 for _, which in members if which == 0) * (rank + (len(members) - 1) / 2)
        ties += len(members) ** 3 - len(members)
        rank += len(members)
    n, m = len(these), len(those)
    spread = sqrt(n * m / 12 * ((n + m + 1) - ties / ((n + m) * (n + m - 1))))
    away = abs(ranks - n * (n + 1) / 2 - n * m / 2)
    return erfc(away / spread / sqrt(2))


def ask_sync(store: Any) -> Callable[[HttpRequest], int]:
    """Return how a sync server is asked; it limits nothing, so that each guess is looked at."""
    server = AuthorizationServer(**_settings(store))
    return lambda request: server.token(request).status


def ask_async(store: Any, runner: asyncio.Runner) -> Callable[[HttpRequest], int]:
    """Return how an async server is asked."""
    server = AsyncAuthorizationServer(**_settings(store))
    return lambda request: runner.run(server.token(request)).status


def _settings(store: Any) -> dict[str, Any]:
    class Silent:
        def record(self, event: object) -> None:
            """Do without the log."""

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        grants = [PasswordGrant()]
    return {
        "issuer": ISSUER,
        "store": store,
        "grants": grants,
        "hasher": HASHER,
        "throttle": None,
        "event_sink": Silent(),
    }


def run(samples: int, stores: Sequence[str]) -> str:
    """Return the tables."""
    rows: list[tuple[str, ...]] = []
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        for name in stores:
            store = stack.enter_context(OPENERS[name]("enumeration", True)).store
            pairs = register(store)
            colours = {"sync": ask_sync(store), "async": ask_async(store, runner)}
            for colour, ask in colours.items():
                for pair in pairs:
                    known, unknown = sample(ask, pair, samples)
                    apart = median(known) / median(unknown) - 1
                    rows.append(
                        (
                            f"{name}, {colour}: {pair.name}",
                            duration(median(known)),
                            duration(median(unknown)),
                            f"{apart:+.1%}",
                            f"{chance_of(known, unknown):.2f}",
                        )
                    )
    head = ("what is refused", "known", "unknown", "apart", "chance")
    return table(f"Medians of {samples} refusals each, in turns", head, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the machine and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2000, help="of each kind")
    parser.add_argument(
        "--store", action="append", choices=list(OPENERS), help="may be repeated; default: memory"
    )
    chosen = parser.parse_args(arguments)
    print(describe_machine("cryptography"))
    print(run(chosen.samples, chosen.store or ["memory"]))


if __name__ == "__main__":
    main()
