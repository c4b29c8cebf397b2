"""How a server, sync or async, fetches the keys of its clients, which it seldom does."""

from __future__ import annotations

from collections.abc import Callable

from oauthgrants.brief import service
from oauthgrants.fetching import AsyncHttpxFetcher, Fetcher, HttpxFetcher
from oauthgrants.gates import Gate, TaskGate, ThreadGate
from oauthgrants.ports import off_loop


@service
class Connections:
    """
    How a server of one colour fetches keys.

    Attributes:
        open_fetcher: Returns what sends requests, to public addresses alone if it is told so.
            It keeps no connection, so nothing has to be closed.
        make_gate: Returns a new gate.
        adapt: Returns a host's fetcher as it is called.
    """

    open_fetcher: Callable[[bool], Fetcher]
    make_gate: Callable[[], Gate]
    adapt: Callable[[Fetcher], Fetcher]


def _off_loop(fetcher: Fetcher) -> Fetcher:
    # Not at the top: a sync server does without, and asyncio takes long to import.
    from asyncio import to_thread

    return off_loop(fetcher, to_thread)


IN_THREADS = Connections(
    lambda public_only: HttpxFetcher(public_only=public_only, keep_alive=False),
    ThreadGate,
    lambda fetcher: fetcher,
)
"""On the caller's stack."""

ON_LOOPS = Connections(
    lambda public_only: AsyncHttpxFetcher(public_only=public_only, keep_alive=False),
    TaskGate,
    _off_loop,
)
"""On event loops."""
