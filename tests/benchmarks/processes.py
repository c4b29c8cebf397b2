"""
How many requests several server processes answer on one PostgreSQL, and that they lose nothing.

``python -m tests.benchmarks.processes --processes 1 2 4``
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from random import Random
from statistics import median

import attrs

from . import report
from .asking import ALICE, form_request
from .driving import Address, Turn, drive, exchange, to_octets
from .evidence import CLIENT_ID, Chain, Evidence, Race
from .measuring import cpu_seconds, ratio_of
from .population import clients
from .subjects import Subject, open_postgresql
from .token_server import URL

_RACERS = 4
_WARM_UP = 0.3
_GRANTS = ("client_credentials", "refresh_token")


@attrs.frozen
class Service:
    """
    Server processes behind one address.

    Attributes:
        address: Where they listen.
        master: The id of the process that began them.
    """

    address: Address
    master: int

    def cpu(self) -> float | None:
        """Return what they have computed so far, in seconds; None where nobody says."""
        children = Path(f"/proc/{self.master}/task/{self.master}/children")
        if not children.exists():
            return None
        return cpu_seconds(map(int, children.read_text("utf-8").split()))


@attrs.frozen
class Turns:
    """
    What a number of processes did with a grant, one entry a round.

    Attributes:
        rates: Answers a second.
        latencies: Seconds to an answer, in half of the requests.
        cpu: Seconds that the processes computed for an answer.
        database: The same for the database.
    """

    rates: list[float] = attrs.field(factory=list[float])
    latencies: list[float] = attrs.field(factory=list[float])
    cpu: list[float] = attrs.field(factory=list[float])
    database: list[float] = attrs.field(factory=list[float])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for each grant, and what was checked."""
    parser = ArgumentParser(
        "python -m tests.benchmarks.processes",
        description="How many requests several server processes answer on one PostgreSQL.",
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=10, help="turns of each number of processes")
    parser.add_argument("--seconds", type=float, default=2.0, help="that a turn takes")
    parser.add_argument("--threads", type=int, default=8, help="requests under way at a time")
    parser.add_argument("--races", type=int, default=20, help="for each number of processes")
    parser.add_argument("--cached", action="store_true", help="let each process remember clients")
    chosen = parser.parse_args(arguments)
    numbers: list[int] = sorted(chosen.processes)
    print(report.describe_machine("sqlalchemy", "psycopg", "gunicorn"))
    with ExitStack() as opened:
        subject = opened.enter_context(open_postgresql("processes", True))
        [(client, secret), *_] = clients()
        subject.store.add_client(client)
        subject.store.add_user(ALICE)
        services = {
            number: opened.enter_context(_serve(subject, number, cached=chosen.cached))
            for number in numbers
        }
        form = form_request("/token", CLIENT_ID, secret, grant_type="client_credentials")
        evidence = Evidence(
            chains=[Chain.begin(subject, number, secret) for number in range(chosen.threads)]
        )
        turns: dict[str, list[Turn]] = {
            "client_credentials": [partial(exchange, octets=to_octets(form))] * chosen.threads,
            "refresh_token": list(evidence.chains),
        }
        came = _take_turns(
            services,
            turns,
            evidence,
            database=subject.cpu,
            rounds=chosen.rounds,
            seconds=chosen.seconds,
        )
        for service in services.values():
            for _ in range(chosen.races):
                # No chain has the number of another.
                number = chosen.threads + len(evidence.races)
                raced = Chain.begin(subject, number, secret)
                evidence.races.append(Race.run(raced, service.address, _RACERS))
        found = evidence.check(subject)
    for grant in _GRANTS:
        print(_table(grant, numbers, {number: came[number, grant] for number in numbers}, chosen))
    print(report.table("what clients were told and what is stored", ["checked", "number"], found))


def _take_turns(
    services: dict[int, Service],
    turns: dict[str, list[Turn]],
    evidence: Evidence,
    *,
    database: Callable[[], float | None],
    rounds: int,
    seconds: float,
) -> defaultdict[tuple[int, str], Turns]:
    came: defaultdict[tuple[int, str], Turns] = defaultdict(Turns)
    order, random = [(number, grant) for number in services for grant in turns], Random(0)
    for number, grant in order:
        # The first requests make connections and prepare statements.
        warm_up = drive(services[number].address, turns[grant], min(_WARM_UP, seconds))
        evidence.answers.extend(warm_up.answers)
    for _ in range(rounds):
        random.shuffle(order)
        for number, grant in order:
            service, entry = services[number], came[number, grant]
            before = service.cpu(), database()
            driven = drive(service.address, turns[grant], seconds)
            after = service.cpu(), database()
            evidence.answers.extend(driven.answers)
            entry.rates.append(driven.rate)
            entry.latencies.append(median(driven.latencies))
            for computed, start, end in zip(
                (entry.cpu, entry.database), before, after, strict=True
            ):
                if start is not None and end is not None:
                    computed.append((end - start) / len(driven.answers))
    return came


def _table(grant: str, numbers: list[int], came: dict[int, Turns], chosen: Namespace) -> str:
    fewest = numbers[0]
    return report.table(
        f"{grant}{', cached clients' if chosen.cached else ''}: so many gunicorn sync workers, "
        f"{chosen.threads} requests at a time, {chosen.rounds} turns of {chosen.seconds:g} s; "
        f"clients, workers and PostgreSQL share {os.cpu_count()} cores",
        [
            "processes",
            "requests/s",
            f"over {fewest}",
            "median latency",
            "CPU of workers a request",
            "CPU of PostgreSQL a request",
        ],
        [
            [
                number,
                report.count(median(each.rates)),
                ratio_of(each.rates, came[fewest].rates),
                report.duration(median(each.latencies)),
                report.duration(median(each.cpu)) if each.cpu else "unknown",
                report.duration(median(each.database)) if each.database else "unknown",
            ]
            for number, each in came.items()
        ],
    )


@contextmanager
def _serve(subject: Subject, processes: int, *, cached: bool) -> Generator[Service, None, None]:
    """Start so many workers, which take turns in accepting connections."""
    package = Path(__file__).parent
    with socket.create_server(("127.0.0.1", 0)) as listening:
        master = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn"),
                *("--bind", f"fd://{listening.fileno()}"),
                *("--workers", str(processes)),
                *("--pythonpath", str(package.parent)),
                *("--log-level", "critical"),
                f"{package.name}.token_server:build(cached={cached})",
            ],
            env={**os.environ, URL: subject.url or ""},
            pass_fds=[listening.fileno()],
        )
        try:
            yield Service(listening.getsockname(), master.pid)
        finally:
            master.terminate()
            master.wait(timeout=60)


if __name__ == "__main__":
    main()
