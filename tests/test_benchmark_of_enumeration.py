"""The benchmark of refusals runs, prints what it says, and knows its statistics."""

from __future__ import annotations

from random import Random

import pytest

from benchmarks import enumeration


def test_what_is_refused_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    enumeration.main(["--samples", "5", "--store", "memory", "--store", "sqlite"])

    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.startswith(("| memory", "| sqlite"))]
    assert len(rows) == 2 * 2 * 3
    assert "| memory, async: password" in printed


def test_samples_of_one_distribution_are_likely_to_differ_so_little() -> None:
    chance = Random(0)
    these, those = ([chance.gauss(0, 1) for _ in range(500)] for _ in range(2))

    assert enumeration.chance_of(these, those) > 0.05
    assert enumeration.chance_of(these, [value + 0.5 for value in those]) < 1e-6
    assert enumeration.chance_of([1.0] * 9 + [2.0], [1.0] * 10) > 0.3


def test_what_is_let_in_is_no_refusal() -> None:
    request = enumeration.make_request("app", "x", "")
    pair = enumeration.Pair("x", request, request)
    answers = iter([200] * 3 + [401] * 100)

    with pytest.raises(RuntimeError, match="answered with \\[200, 401\\]"):
        enumeration.sample(lambda _: next(answers), pair, samples=2)
