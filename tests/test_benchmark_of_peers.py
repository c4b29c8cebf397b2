"""The benchmark of peers asks what it says, notices who answers wrongly, and prints its tables."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Generator
from functools import partial
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import attrs
import pytest

from benchmarks import peer_plot, peers
from benchmarks.floor import floor, signer
from benchmarks.peer_entrants import ROWS, Entrant, WrongAnswer
from benchmarks.peer_requests import TOKEN, Answer, Asked, Contender, World

HERE = [name for name in peers.PEERS if find_spec(name) is not None]


@pytest.fixture
def runner() -> Generator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def entrant_of(
    row: str, runner: asyncio.Runner, make: Callable[[World], Contender], size: int = 2
) -> Entrant:
    world = ROWS[row].make_world()
    return Entrant(make(world), world, ROWS[row], size, runner, make(world))


@pytest.mark.parametrize("name", ROWS)
def test_every_contender_does_what_it_is_timed_for(name: str, runner: asyncio.Runner) -> None:
    makes = peers.contenders(ROWS[name], HERE)

    entrants = [entrant_of(name, runner, make) for make in makes]
    for entrant in entrants:
        entrant.prove()
        for _ in range(3):
            entrant.run(entrant.make())
            assert len(entrant.answers) == 2
            entrant.check()

    assert {"floor", "floor again", "oauthgrants", "oauthgrants, async"} < {
        entrant.contender.name for entrant in entrants
    }


def spoiling(spoil: Callable[[Asked, Answer], Answer], world: World) -> Contender:
    """Return the floor, with other answers of the token endpoint."""
    made = floor(world)

    def token(asked: Asked) -> Answer:
        return spoil(asked, made.ways[TOKEN](asked))

    return attrs.evolve(made, ways={**made.ways, TOKEN: token})


def test_who_lets_a_wrong_secret_in_is_noticed(runner: asyncio.Runner) -> None:
    let_in = partial(spoiling, lambda _, __: (200, "{}"))

    with pytest.raises(WrongAnswer, match=r"refusal of a wrong secret: \[200\]"):
        entrant_of("wrong-secret", runner, let_in).prove()


def test_who_names_another_error_is_noticed(runner: asyncio.Runner) -> None:
    other = partial(spoiling, lambda _, __: (401, '{"error":"invalid_grant"}'))

    with pytest.raises(WrongAnswer, match="refusal of a wrong secret"):
        entrant_of("wrong-secret", runner, other).prove()


@pytest.mark.parametrize("row", ["issue", "password", "refresh", "es256"])
def test_who_issues_something_else_is_noticed(row: str, runner: asyncio.Runner) -> None:
    def spoil(_: Asked, answer: Answer) -> Answer:
        tokens = {"token_type": "mac", "scope": "read"}
        return answer[0], json.dumps({**json.loads(answer[1]), **tokens})

    with pytest.raises(WrongAnswer, match=ROWS[row].name):
        entrant_of(row, runner, partial(spoiling, spoil)).prove()


def test_who_does_not_know_its_own_tokens_is_noticed(runner: asyncio.Runner) -> None:
    def spoil(_: Asked, answer: Answer) -> Answer:
        return answer[0], json.dumps({**json.loads(answer[1]), "access_token": "made-up"})

    for row in ("issue", "bearer", "introspect", "revoke"):
        with pytest.raises(WrongAnswer):
            entrant_of(row, runner, partial(spoiling, spoil)).prove()


def test_a_refusal_among_the_answers_is_noticed(runner: asyncio.Runner) -> None:
    entrant = entrant_of("issue", runner, floor)
    entrant.run(entrant.make())
    entrant.answers[1] = 429, ""

    with pytest.raises(WrongAnswer, match=r"floor, client_credentials: \[200, 429\]"):
        entrant.make()


def test_the_tables_and_the_figures_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = (
        "--row issue --row bearer --row wrong-secret --rounds 2 --calls 2 --tokens 50 --starts 1"
    )
    written = tmp_path / "peers.json"

    peers.main([*short.split(), "--json", str(written)])

    printed = capsys.readouterr().out
    for title in (
        "client_credentials (2 rounds of 2)",
        "bearer check (2 rounds of 2)",
        "refusal of a wrong secret (2 rounds of 2; no limit on guesses)",
        "async over sync (goal 1.3)",
        "import, beyond a bare start",
        "50 access tokens of client_credentials in memory (goal 300 B each)",
    ):
        assert f"\n{title}" in printed
    for name in ("oauthgrants, async", "oauthgrants in Flask", "Authlib, fast tokens", "oauthlib"):
        assert f"\n| {name} " in printed
    figures = json.loads(written.read_text("utf-8"))
    assert [row["name"] for row in figures["rows"]] == [
        "client_credentials",
        "bearer check",
        "refusal of a wrong secret",
    ]
    assert figures["tables"].keys() == {"async", "imports", "kept"}
    peer_plot.main([str(written), str(tmp_path / "peers.svg")])
    assert (tmp_path / "peers.svg").read_text("utf-8") == peer_plot.draw(figures["rows"])


def test_peers_that_are_not_there_are_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find_none(name: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(peers, "find_spec", find_none)

    peers.main(["--row", "issue", "--rounds", "1", "--calls", "1", "--tokens", "0"])

    printed = capsys.readouterr().out
    for name in ("Authlib", "oauthlib", "aioauth", "Flask"):
        assert f"\n{name} is not installed and left out: pip install '.[bench]'\n" in printed
        assert f"| {name}" not in printed
    assert "\n| oauthgrants, async |" in printed


def test_the_floor_signs_with_what_it_has() -> None:
    world = World.make("ES384")

    with pytest.raises(ValueError, match="no signature for ES384"):
        signer("ES384", world.pem)
