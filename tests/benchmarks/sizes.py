"""
How much room tokens take, by where they are kept.

``python -m tests.benchmarks.sizes --tokens 1000000``
"""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from resource import RUSAGE_SELF, getrusage

from oauthgrants import AuthorizationServer, MemoryStore

from . import report
from .asking import ALICE, Asker, settings_of
from .population import Tokens, access_token, clients, sign_in
from .subjects import OPENERS

_KINDS = ("client's access token", "sign-in")
"""A sign-in has an access token, a refresh token and their family."""

_MILLION, _TEN = 1_000_000, 10


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table."""
    parser = ArgumentParser(
        "python -m tests.benchmarks.sizes",
        description="How much room tokens take, by where they are kept.",
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--store", action="append", choices=OPENERS, help="may be repeated")
    parser.add_argument("--tokens", type=int, default=_MILLION, help="and a tenth as many sign-ins")
    chosen = parser.parse_args(arguments)
    print(report.describe_machine("sqlalchemy", "redis"))
    numbers = [chosen.tokens, chosen.tokens // _TEN]
    rows: list[list[str]] = []
    for store in chosen.store or OPENERS:
        measured = [
            _octets(store, kind, number) for kind, number in zip(_KINDS, numbers, strict=True)
        ]
        each = [octets / number for (_, octets), number in zip(measured, numbers, strict=True)]
        sizes = [report.size(one) for one in each] + [report.size(one * _MILLION) for one in each]
        rows.append([f"{store} {measured[0][0]}".strip(), *sizes])
    print(
        report.table(
            f"room with {report.count(numbers[0])} access tokens, and with "
            f"{report.count(numbers[1])} sign-ins: on disk, for memory and Valkey in memory",
            ["kept in", *_KINDS, *(f"a million of {kind}s" for kind in _KINDS)],
            rows,
        )
    )


def _octets(store: str, kind: str, number: int) -> tuple[str, int]:
    """Return the version of what keeps tokens, and what it takes for so many."""
    if store == "memory":
        # A process of its own, whose memory nobody else has used before.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            return "", process.submit(_octets_in_memory, kind, number).result()
    with OPENERS[store]("sizes", False) as subject:
        before = subject.octets()
        subject.fill(_tokens(kind, number))
        subject.settle()
        return subject.version, subject.octets() - before


def _octets_in_memory(kind: str, number: int) -> int:
    """Return the same for a store that a server fills, with what it keeps for them."""
    [(client, secret), *_] = clients()
    store = MemoryStore()
    store.add_client(client)
    store.add_user(ALICE)
    with asyncio.Runner() as runner:
        asker = Asker(
            server=AuthorizationServer(**settings_of(store)),
            client_id=client.client_id,
            secret=secret,
            runner=runner,
        )
        ask = asker.ask_for_token if kind == _KINDS[0] else asker.sign_in
        ask()
        before = getrusage(RUSAGE_SELF).ru_maxrss
        for _ in range(number):
            ask()
        grown = getrusage(RUSAGE_SELF).ru_maxrss - before
    return grown * (1 if sys.platform == "darwin" else 1024)


def _tokens(kind: str, number: int) -> Iterator[Tokens]:
    """Return so many, issued within the last minutes one after another."""
    now = datetime.now(UTC)
    for each in range(number):
        issued_at = now - timedelta(minutes=10) * (1 - each / number)
        if kind == _KINDS[0]:
            yield access_token(each, issued_at), None
        else:
            yield sign_in(each, issued_at)


if __name__ == "__main__":
    main()
