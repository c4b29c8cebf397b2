"""
What requests cost: here, with Authlib, oauthlib and aioauth, and at least.

``python -m tests.benchmarks.peers --json docs/images/peers.json``

Nothing here waits for anything, so that what this process computes is the measure: other processes
take the processor away, and do not count then. What the clock says stands beside it.
"""

from __future__ import annotations

import asyncio
import logging
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs

from . import report
from .floor import floor, signature_alone
from .measuring import Case, Ratio, Timings, interleave
from .peer_entrants import ROWS, Entrant, Row
from .peer_footprint import imports, kept
from .peer_oauthgrants import for_asyncio, in_flask, sync
from .peer_requests import Contender, World

ASYNC_GOAL = 1.3
"""Awaited, an answer takes at most so many times as long."""

FLOOR, AGAIN, SYNC, ASYNC = "floor", "floor again", "oauthgrants", "oauthgrants, async"
PEERS = {"authlib": "Authlib", "oauthlib": "oauthlib", "aioauth": "aioauth", "flask": "Flask"}
"""The distributions, by what is imported."""

Make = Callable[[World], Contender]


@attrs.frozen
class Measured:
    """
    A row as it came out.

    Attributes:
        row: What was asked.
        timings: By the name of the contender; each is that of a block.
    """

    row: Row
    timings: dict[str, Timings]

    def over_floor(self, name: str) -> Ratio:
        """Return how many times as much as the floor *name* computed."""
        return self.timings[name].cpu_over(self.timings[FLOOR])

    @property
    def async_over_sync(self) -> Ratio:
        """How many times as much an answer takes that is awaited."""
        return self.timings[ASYNC].cpu_over(self.timings[SYNC])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for each row, and one of what is beside requests."""
    parser = ArgumentParser(
        "python -m tests.benchmarks.peers",
        description="What requests cost: here, with peers, and at least.",
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--row", action="append", choices=ROWS, help="may be repeated")
    parser.add_argument("--rounds", type=int, default=80, help="blocks of each contender")
    parser.add_argument("--calls", type=int, default=50, help="requests in a block")
    parser.add_argument(
        "--tokens", type=int, default=100_000, help="to see what they take, 0 for not at all"
    )
    parser.add_argument("--starts", type=int, default=9, help="how often each is imported")
    parser.add_argument("--json", type=Path, help="where the figures go too")
    chosen = parser.parse_args(arguments)
    there = [name for name in PEERS if find_spec(name) is not None]
    machine = report.describe_machine("cryptography", "joserfc", *(PEERS[name] for name in there))
    print(machine)
    for name, distribution in PEERS.items():
        if name not in there:
            print(f"{distribution} is not installed and left out: pip install '.[bench]'\n")

    measured: list[Measured] = []
    with asyncio.Runner() as runner, _quiet():
        for name in chosen.row or ROWS:
            measured.append(
                measure(ROWS[name], runner, there, rounds=chosen.rounds, calls=chosen.calls)
            )
            print(_table(measured[-1], chosen.rounds, chosen.calls), flush=True)
    tables = {"async": _async_table(measured)}
    if chosen.tokens:
        tables["imports"] = imports(there, starts=chosen.starts)
        tables["kept"] = kept(chosen.tokens)
    print(*tables.values(), sep="\n")
    rows = [_figures(each) for each in measured]
    report.write(chosen.json, machine, tables, rows=rows)


@contextmanager
def _quiet() -> Generator[None]:
    # A spent token that comes again is logged as a warning, and proving that it is refused is no
    # news. What is timed logs below that level, which nobody hears here as by default.
    handler = logging.NullHandler()
    logger = logging.getLogger("oauthgrants")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def contenders(row: Row, there: Sequence[str]) -> list[Make]:
    """Return who takes part in *row*, of those peers that are *there*."""
    makes: list[Make] = [floor, partial(floor, name=AGAIN)]
    if row.algorithm is not None:
        makes.append(signature_alone)
    makes += [sync, for_asyncio]
    in_turn = (False, True) if row.makes_tokens else (False,)
    if "flask" in there:
        makes.append(in_flask)
    # Authlib signs with what joserfc recommends, which EdDSA is not.
    if "authlib" in there and row.algorithm != "EdDSA":
        authlib: Any = import_module(".peer_libraries.peer_authlib", __package__)
        makes += [partial(authlib.bare, fast=fast) for fast in in_turn]
        if "flask" in there:
            makes += [partial(authlib.in_flask, fast=fast) for fast in in_turn]
    # The others have no access tokens that are JWTs (RFC 9068).
    if row.algorithm is None:
        if "oauthlib" in there:
            oauthlib: Any = import_module(".peer_libraries.peer_oauthlib", __package__)
            make = oauthlib.legacy if row.has_sign_ins else oauthlib.backend
            makes += [partial(make, fast=fast) for fast in in_turn]
        if "aioauth" in there and row.kind != "bearer":
            aioauth: Any = import_module(".peer_libraries.peer_aioauth", __package__)
            makes.append(aioauth.server)
    return makes


def measure(
    row: Row, runner: asyncio.Runner, there: Sequence[str], *, rounds: int, calls: int
) -> Measured:
    """
    Return what *row* took, after each contender has shown that it does the work.

    Raises:
        WrongAnswer: One does not, before the clock runs or while it does.
    """
    world = row.make_world()
    entrants: dict[str, Entrant] = {}
    for make in contenders(row, there):
        Entrant(make(world), world, row, 1, runner, make(world)).prove()
        entrant = Entrant(make(world), world, row, calls, runner, make(world))
        entrants[entrant.contender.name] = entrant
    cases = {name: Case(each.run, 1, each.make) for name, each in entrants.items()}
    timings = interleave(cases, rounds=rounds)
    for entrant in entrants.values():
        entrant.check()
    # A block is one call of the case.
    return Measured(
        row,
        {
            name: Timings([wall / calls for wall in each.wall], [cpu / calls for cpu in each.cpu])
            for name, each in timings.items()
        },
    )


def _table(measured: Measured, rounds: int, calls: int) -> str:
    row = measured.row
    rows = [
        [
            name,
            report.duration(timings.usual_cpu),
            measured.over_floor(name),
            row.goal if name == SYNC else "",
            timings.over(measured.timings[FLOOR]),
        ]
        for name, timings in measured.timings.items()
    ]
    note = "; no limit on guesses" if row.guesses_are_free else ""
    return report.table(
        f"{row.name} ({rounds} rounds of {calls}{note})",
        ["", "CPU", "over the floor (middle half)", "goal", "the same by the clock"],
        rows,
    )


def _async_table(measured: Sequence[Measured]) -> report.Table:
    rows = [[each.row.name, each.async_over_sync] for each in measured]
    return report.Table.of(
        f"async over sync (goal {ASYNC_GOAL})", ["", "async over sync (middle half)"], rows
    )


def _figures(measured: Measured) -> dict[str, object]:
    return {
        "name": measured.row.name,
        "goal": measured.row.goal,
        "contenders": [
            {
                "name": name,
                "microseconds": round(timings.usual_cpu * 1e6, 1),
                **{
                    part: round(value, 2)
                    for part, value in attrs.asdict(measured.over_floor(name)).items()
                },
            }
            for name, timings in measured.timings.items()
        ],
    }


if __name__ == "__main__":
    main()
