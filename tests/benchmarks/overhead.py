"""
What a store costs beside the bare statements that it sends.

``python -m tests.benchmarks.overhead --json docs/figures/overhead.json``
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from . import report
from .async_rivals import on_asyncpg, on_redis_asyncio
from .measuring import interleave
from .rivals import Rivals, on_postgresql, on_sqlite, on_valkey

GOAL = 1.5
"""The store takes at most so many times as long as the driver alone."""

RIVALS: Mapping[str, Callable[[int, asyncio.Runner], AbstractContextManager[Rivals]]] = {
    "SQLite": lambda calls, _: on_sqlite(calls),
    "PostgreSQL, psycopg": lambda calls, _: on_postgresql(calls),
    "PostgreSQL, psycopg, no commit waits for the disk": (
        lambda calls, _: on_postgresql(calls, durable=False)
    ),
    "PostgreSQL, asyncpg": on_asyncpg,
    "PostgreSQL, asyncpg, no commit waits for the disk": (
        lambda calls, runner: on_asyncpg(calls, runner, durable=False)
    ),
    "Valkey, no write waits for the disk": lambda calls, _: on_valkey(calls),
    "Valkey, asyncio, no write waits for the disk": on_redis_asyncio,
}
"""By name."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table."""
    parser = ArgumentParser(
        "python -m tests.benchmarks.overhead",
        description="What a store costs beside the bare statements that it sends.",
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--on", action="append", choices=RIVALS, help="may be repeated")
    parser.add_argument("--rounds", type=int, default=60, help="blocks of each kind")
    parser.add_argument("--calls", type=int, default=20, help="calls in a block")
    parser.add_argument("--json", type=Path, help="where the figures go too")
    chosen = parser.parse_args(arguments)
    machine = report.describe_machine("sqlalchemy", "psycopg", "asyncpg", "redis")
    print(machine)
    rows: list[list[object]] = []
    with asyncio.Runner() as runner:
        for name in chosen.on or RIVALS:
            with RIVALS[name](chosen.calls, runner) as rivals:
                rows.append([name, *_compare(rivals, chosen.rounds)])
    table = report.Table.of(
        f"find a client and store a token ({chosen.rounds} rounds; goal {GOAL})",
        [
            "on",
            "bare",
            "store",
            "store over bare (middle half)",
            "the same, CPU of this process",
            "whole request",
            "request over bare",
        ],
        rows,
    )
    print(table)
    report.write(chosen.json, machine, {"stores": table})


def _compare(rivals: Rivals, rounds: int) -> list[object]:
    cases = {"store": rivals.store, "bare": rivals.bare, "request": rivals.request}
    came = interleave(cases, rounds=rounds)
    store, bare, request = came["store"], came["bare"], came["request"]
    return [
        report.duration(bare.usual / rivals.at_once),
        report.duration(store.usual / rivals.at_once),
        store.over(bare),
        store.cpu_over(bare),
        report.duration(request.usual / rivals.at_once),
        request.over(bare),
    ]


if __name__ == "__main__":
    main()
