"""The benchmarks over HTTP start servers, notice who answers wrongly, and print their tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

from benchmarks import over_http, storm
from benchmarks.loading import Load, Refused, rate_in
from benchmarks.peer_requests import TOKEN, World
from benchmarks.web_servers import Entry, Service, by_uvicorn, serve


def cells_of(written: Path, table: str) -> dict[str, list[str]]:
    """Return the rows of a table in what was *written*, by what they are of."""
    rows = json.loads(written.read_text("utf-8"))["tables"][table]["rows"]
    return {row[0]: row[1:] for row in rows}


def test_what_answers_over_http_is_told_beside_one_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "http.json"
    short = "--rounds 1 --seconds 0.1 --connections 2 --threads --under gunicorn --under uvicorn"

    over_http.main([*short.split(), "--json", str(written)])

    printed = capsys.readouterr().out
    assert "load           threads of Python, 2 connections" in printed
    assert "oidc-provider  left out; see --oidc-provider" in printed
    assert list(cells_of(written, "gunicorn")) == [
        "oauthgrants",
        "bare WSGI",
        "Authlib in Flask",
        "Authlib in Flask, fast tokens",
    ]
    under_uvicorn = cells_of(written, "uvicorn")
    assert list(under_uvicorn) == ["oauthgrants", "bare ASGI"]
    assert under_uvicorn["bare ASGI"][2] == "0.9"
    for row in under_uvicorn.values():
        assert float(row[0].replace(",", "")) > 0


@pytest.fixture(scope="module")
def world() -> World:
    return World.make()


@pytest.fixture(scope="module")
def service(world: World) -> Iterator[Service]:
    with serve(by_uvicorn("oauthgrants", "oauthgrants_asgi"), world.secret) as service:
        yield service


@pytest.mark.skipif(which("wrk") is None, reason="wrk is not installed")
def test_wrk_counts_right_answers_alone(service: Service, world: World, tmp_path: Path) -> None:
    load = Load(2)
    asked = world.ask(TOKEN, grant_type="client_credentials")

    assert load.name.startswith("wrk ")
    assert load.rate(service.address, asked, 1, tmp_path) > 0
    with pytest.raises(Refused, match="Non-2xx"):
        load.rate(service.address, world.ask(TOKEN, grant_type="none"), 1, tmp_path)


def test_a_refusal_under_load_is_noticed(service: Service, world: World, tmp_path: Path) -> None:
    refused = world.ask(TOKEN, grant_type="none")

    with pytest.raises(Refused, match="were refused"):
        Load(1, None).rate(service.address, refused, 0.05, tmp_path)


@pytest.mark.parametrize(
    ("printed", "complaint"),
    [
        ("Requests/sec: 9\n  Non-2xx or 3xx responses: 7\n", "Non-2xx or 3xx responses: 7"),
        ("  Socket errors: connect 0, read 2\nRequests/sec: 9\n", "connect 0, read 2"),
        ("", "does not say"),
    ],
)
def test_what_wrk_complains_of_is_no_figure(printed: str, complaint: str) -> None:
    with pytest.raises(Refused, match=complaint):
        rate_in(printed)


def test_the_rate_is_what_wrk_says() -> None:
    assert rate_in("  2 requests in 1.00s\nRequests/sec:   4387.20\nTransfer/sec: 1MB\n") == 4387.2


def test_who_lets_everyone_in_is_noticed(world: World) -> None:
    bare = by_uvicorn("bare ASGI", "bare_asgi")
    with (
        serve(bare, world.secret) as service,
        pytest.raises(over_http.WrongAnswer, match="1 tokens, 200 to a wrong secret"),
    ):
        over_http.prove(bare, service, world)


def test_who_does_not_listen_says_why() -> None:
    broken = Entry("broken", [sys.executable, "-c", "raise SystemExit('no port is free')"])

    with (
        pytest.raises(RuntimeError, match="broken does not listen: no port is free"),
        serve(broken, "secret"),
    ):
        pass


def test_a_storm_of_sign_ins_is_told_beside_calm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "storm.json"

    storm.main(["--rounds", "1", "--seconds", "0.1", "--people", "1", "--json", str(written)])

    assert "while 1 people sign in all the time (1 turns of 0.1 s)" in capsys.readouterr().out
    rows = cells_of(written, "storm")
    assert list(rows) == ["asyncio (uvicorn)", "2 threads (gunicorn)", "1 threads (gunicorn)"]
    assert [row[5] for row in rows.values()] == ["5", "", ""]
