"""
How long ``client_credentials`` takes while many people sign in, with the real cost of passwords.

``python -m tests.benchmarks.storm --json docs/figures/storm.json``
"""

from __future__ import annotations

from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from statistics import median, quantiles
from threading import Event
from time import monotonic, perf_counter, sleep

import attrs

from . import report
from .asking import ALICE, PASSWORD
from .driving import exchange
from .loading import Refused, to_octets
from .measuring import Ratio, ratio_of
from .peer_requests import TOKEN, World
from .web_servers import Entry, Service, by_gunicorn, by_uvicorn, serve

GOAL = 5
"""With asyncio, 99 of 100 requests take at most so many times as long as 99 of 100 do idle."""

ASYNCIO = "asyncio (uvicorn)"
_PAUSE = 0.005
_OK = 200


@attrs.frozen
class Turn:
    """
    Latencies of one turn, in seconds.

    Attributes:
        usual: Half of the requests took less.
        worst: 99 of 100 took less.
    """

    usual: float
    worst: float

    @classmethod
    def of(cls, latencies: Sequence[float]) -> Turn:
        """Return what is told of *latencies*."""
        return cls(median(latencies), quantiles(latencies, n=100, method="inclusive")[-1])


@attrs.frozen
class Weathers:
    """
    What came of a server, one turn a round.

    Attributes:
        idle: While nobody signs in.
        storm: While people do.
        sign_ins: A second, meanwhile.
    """

    idle: list[Turn] = attrs.field(factory=list[Turn])
    storm: list[Turn] = attrs.field(factory=list[Turn])
    sign_ins: list[float] = attrs.field(factory=list[float])

    @property
    def ratio(self) -> Ratio:
        """How much longer 99 of 100 take in a storm."""
        return ratio_of([turn.worst for turn in self.storm], [turn.worst for turn in self.idle])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table."""
    parser = ArgumentParser(
        "python -m tests.benchmarks.storm",
        description="How long client_credentials takes while many people sign in.",
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=10, help="turns of each kind")
    parser.add_argument("--seconds", type=float, default=4.0, help="that a turn takes")
    parser.add_argument("--people", type=int, default=8, help="who sign in at a time")
    parser.add_argument("--json", type=Path, help="where the figures go too")
    chosen = parser.parse_args(arguments)
    machine = report.describe_machine("cryptography", "gunicorn", "uvicorn")
    print(machine)
    people: int = chosen.people
    entries = [
        by_uvicorn(ASYNCIO, "sign_ins_asgi"),
        by_gunicorn(f"{2 * people} threads (gunicorn)", "sign_ins_wsgi()", threads=2 * people),
        by_gunicorn(f"{people} threads (gunicorn)", "sign_ins_wsgi()", threads=people),
    ]
    came = _measure(entries, chosen)
    table = report.Table.of(
        f"latency of client_credentials while {people} people sign in all the time "
        f"({chosen.rounds} turns of {chosen.seconds:g} s)",
        [
            "",
            "idle, p50",
            "idle, p99",
            "storm, p50",
            "storm, p99",
            "p99 over idle (middle half)",
            "goal",
            "sign-ins/s",
        ],
        [[name, *_figures(name, each)] for name, each in came.items()],
    )
    print(table)
    report.write(chosen.json, machine, {"storm": table})


def _figures(name: str, came: Weathers) -> list[object]:
    latencies = [
        report.duration(median(values))
        for turns in (came.idle, came.storm)
        for values in ([turn.usual for turn in turns], [turn.worst for turn in turns])
    ]
    goal = GOAL if name == ASYNCIO else ""
    return [*latencies, came.ratio, goal, f"{median(came.sign_ins):.1f}"]


def _measure(entries: Sequence[Entry], chosen: Namespace) -> Mapping[str, Weathers]:
    world = World.make()
    came = {entry.name: Weathers() for entry in entries}
    with ExitStack() as opened:
        services = {
            entry.name: opened.enter_context(serve(entry, world.secret)) for entry in entries
        }
        order, random = [(name, stormy) for name in services for stormy in (False, True)], Random(0)
        for service in services.values():
            _latencies(service, world, min(1.0, chosen.seconds))
        for _ in range(chosen.rounds):
            random.shuffle(order)
            for name, stormy in order:
                service, each = services[name], came[name]
                if stormy:
                    with _storm(service, world, chosen.people) as signed_in:
                        before = len(signed_in)
                        each.storm.append(Turn.of(_latencies(service, world, chosen.seconds)))
                        each.sign_ins.append((len(signed_in) - before) / chosen.seconds)
                else:
                    each.idle.append(Turn.of(_latencies(service, world, chosen.seconds)))
    return came


def _latencies(service: Service, world: World, seconds: float) -> list[float]:
    """Ask for a token again and again, with pauses; return how long each took, in seconds."""
    asked = world.ask(TOKEN, grant_type="client_credentials", scope="read")
    octets = to_octets(service.address, asked)
    latencies: list[float] = []
    ends = monotonic() + seconds
    while not latencies or monotonic() < ends:
        start = perf_counter()
        answer = exchange(service.address, octets)
        latencies.append(perf_counter() - start)
        if answer.status != _OK:
            raise Refused(f"client_credentials: {answer.status}")
        sleep(_PAUSE)
    # Of one nobody can say what 99 of 100 take.
    return latencies if len(latencies) > 1 else latencies * 2


@contextmanager
def _storm(service: Service, world: World, people: int) -> Generator[list[int]]:
    """Have so many people sign in, again and again; return the list of what they were told."""
    asked = world.ask(
        TOKEN, grant_type="password", username=ALICE.username, password=PASSWORD.reveal()
    )
    octets = to_octets(service.address, asked)
    stop, began = Event(), Event()
    told: list[int] = []

    def sign_in() -> None:
        while not stop.is_set():
            told.append(exchange(service.address, octets).status)
            began.set()

    with ThreadPoolExecutor(people) as pool:
        running = [pool.submit(sign_in) for _ in range(people)]
        try:
            began.wait(60)
            yield told
        finally:
            stop.set()
    for thread in running:
        thread.result()
    if {*told} != {_OK}:
        raise Refused(f"sign-ins: {sorted({*told})}")


if __name__ == "__main__":
    main()
