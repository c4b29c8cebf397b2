"""
What a ``client_credentials`` request costs, by where tokens are kept.

``python -m tests.benchmarks.costs``
"""

from __future__ import annotations

from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from oauthgrants import AuthorizationServer, HttpRequest, Secret
from oauthgrants.jose import SigningKey
from oauthgrants.stores.cached import CachedClients

from . import report
from .asking import form_request, settings_of
from .measuring import Case, Timings, interleave
from .population import clients
from .subjects import OPENERS, Subject

_CLIENT_ID = "client-0"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table."""
    parser = ArgumentParser(
        "python -m tests.benchmarks.costs",
        description="What a client_credentials request costs, by where tokens are kept.",
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--store", action="append", choices=OPENERS, help="may be repeated")
    parser.add_argument("--rounds", type=int, default=40, help="blocks of each kind")
    parser.add_argument("--calls", type=int, default=50, help="requests in a block")
    chosen = parser.parse_args(arguments)
    print(report.describe_machine("sqlalchemy", "psycopg", "redis", "joserfc"))
    cases: dict[str, Case] = {}
    with ExitStack() as opened:
        for name in chosen.store or OPENERS:
            subject = opened.enter_context(OPENERS[name]("costs", True))
            client, secret = clients()[0]
            subject.store.add_client(client)
            for kind, case in _cases(subject, secret, chosen.calls).items():
                cases[f"{name} {subject.version}".strip() + kind] = case
        timings = interleave(cases, rounds=chosen.rounds)
    print(
        report.table(
            f"client_credentials without HTTP, one at a time, in one process "
            f"({chosen.rounds} rounds; writes wait for the disk)",
            ["tokens in", "time", "CPU of this process", "requests/s a core", "CPU of the server"],
            [[name, *_figures(timings[name])] for name in cases],
        )
    )


def _figures(timings: Timings) -> list[str]:
    server = timings.mean_elsewhere
    return [
        report.duration(timings.usual),
        report.duration(timings.usual_cpu),
        report.count(1 / timings.usual_cpu),
        "" if server is None else report.duration(server),
    ]


def _cases(subject: Subject, secret: Secret, calls: int) -> dict[str, Case]:
    store = subject.store
    cached: dict[str, Any] = {"clients": CachedClients(store)}
    jwt: dict[str, Any] = {
        "access_token_format": "jwt",
        "signing_keys": SigningKey.generate("ES256", kid="1"),
    }
    # In memory, clients are as near as in a cache.
    kinds: dict[str, dict[str, Any]] = (
        {"": {}, ", cached client": cached, ", JWT and cached client": cached | jwt}
        if subject.waits
        else {"": {}, ", JWT": jwt}
    )
    form = form_request("/token", _CLIENT_ID, secret, grant_type="client_credentials")
    return {
        kind: Case(
            partial(_ask, AuthorizationServer(**settings_of(store, **settings)), form),
            calls,
            elsewhere=subject.cpu,
        )
        for kind, settings in kinds.items()
    }


def _ask(server: AuthorizationServer, form: HttpRequest, _: None) -> None:
    assert server.token(form).status == 200


if __name__ == "__main__":
    main()
