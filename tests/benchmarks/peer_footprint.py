"""
What a library takes beside the time of requests: to be imported, and for tokens that it keeps.

Each figure comes from a process of its own, which has done nothing else.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from resource import getpagesize
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from . import report
from .floor import floor
from .peer_oauthgrants import sync
from .peer_requests import TOKEN, Contender, World

IMPORT_GOAL, TOKEN_GOAL = 0.035, 300
"""Seconds of CPU to import the server and the memory store; bytes for each access token there."""

_IMPORTS = {
    # What oauthgrants and others cannot do without.
    "attrs": "import attrs",
    "oauthgrants": "from oauthgrants import AuthorizationServer, MemoryStore",
    "authlib": "from authlib.oauth2 import AuthorizationServer",
    "oauthlib": "from oauthlib.oauth2 import BackendApplicationServer",
    "aioauth": "from aioauth.server import AuthorizationServer",
}
_WARM = 1000

# Run by a Python that has done nothing before.
_MEASURE = """
import sys, time
before, start = len(sys.modules), time.process_time()
{statement}
print(time.process_time() - start, len(sys.modules) - before)
"""


def imports(there: Sequence[str], *, starts: int) -> report.Table:
    """
    Return what it takes to import oauthgrants and the peers that are *there*.

    Args:
        there: What can be imported.
        starts: So often each is imported, after once that is not counted.
    """
    names = ["attrs", "oauthgrants", *(name for name in _IMPORTS if name in there)]
    taken: dict[str, list[tuple[float, int]]] = {name: [] for name in names}
    # In turns, as everything here. The first start compiles, for all of them to the same place:
    # a library that is being worked on has no compiled files of pip's.
    with TemporaryDirectory() as folder:
        for _ in range(starts + 1):
            for name in names:
                taken[name].append(_import(_IMPORTS[name], folder))
    return report.Table.of(
        f"import, beyond a bare start (median of {starts}; goal {report.duration(IMPORT_GOAL)})",
        ["", "CPU", "modules"],
        [
            [name, report.duration(median(seconds for seconds, _ in each[1:])), each[-1][1]]
            for name, each in taken.items()
        ],
    )


def kept(tokens: int) -> report.Table:
    """Return what so many access tokens take."""
    return report.Table.of(
        f"{report.count(tokens)} access tokens of client_credentials in memory "
        f"(goal {TOKEN_GOAL} B each)",
        ["", "each", "full garbage collection"],
        [[name, *_kept(make, tokens)] for name, make in _KEEPERS.items()],
    )


def _import(statement: str, folder: str) -> tuple[float, int]:
    compiled = {"PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE.format(statement=statement)],
        env={**os.environ, **compiled},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    seconds, modules = done.stdout.split()
    return float(seconds), int(modules)


_KEEPERS: dict[str, Callable[[World], Contender]] = {"oauthgrants": sync, "floor": floor}


def _kept(make: Callable[[World], Contender], tokens: int) -> tuple[str, str]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        octets, seconds = process.submit(keep_tokens, make, tokens).result()
    return report.size(octets / tokens), report.duration(seconds)


def keep_tokens(make: Callable[[World], Contender], tokens: int) -> tuple[int, float]:
    """Return the octets that *tokens* tokens take in this process, and then a full collection."""
    world = World.make()
    contender = make(world)
    asked = world.ask(TOKEN, grant_type="client_credentials", scope="read")
    way = contender.ways[TOKEN]
    for _ in range(_WARM):
        way(asked)
    gc.collect()
    before = _resident()
    for _ in range(tokens):
        way(asked)
    gc.collect()
    octets = _resident() - before
    start = perf_counter()
    gc.collect()
    return octets, perf_counter() - start


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * getpagesize()
