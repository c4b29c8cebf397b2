"""The targets of ``python -m tests.fuzzing``, for a few seconds; a million inputs are its own."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from fuzzing import TARGETS, models, seeds
from fuzzing.mutations import mutate

req = pytest.mark.req
TESTS = Path(__file__).parent
CHANCE = 2000
GUIDED = 1500


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command, as whoever fuzzes does: what is thrown at a server there stays there."""
    return subprocess.run(
        [sys.executable, "-m", "fuzzing", *arguments],
        cwd=TESTS,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@req(
    *("R6749-B-a", "R6749-B-b", "R6749-3.2-d", "R6749-3.2-e", "R6749-10.14-a"),
    *("R6749-2.3.1-b", "R6749-2.3.1-c", "R6749-3.3-a", "R6749-3.3-b", "R6749-3.3-d"),
    *("R7515-4.1.11-a", "R7523-3-a", "R7523-3-b", "R7523-3-c", "R7523-3-e"),
)
def test_what_is_kept_and_what_is_made_of_it_breaks_nothing() -> None:
    ended = run("--by-chance", "--seed", "1", "--runs", str(CHANCE))

    assert ended.returncode == 0, ended.stdout
    lines = ended.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == list(TARGETS)
    assert all(line.endswith(", 0 crashes") for line in lines)


@pytest.mark.skipif(find_spec("atheris") is None, reason="pip install --group fuzz brings atheris")
def test_what_follows_the_coverage_breaks_nothing() -> None:
    ended = run("--seed", "1", "--runs", str(GUIDED))

    assert ended.returncode == 0, ended.stdout
    lines = ended.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == list(TARGETS)
    for line in lines:
        assert f" {GUIDED:,} runs " in line
        assert " edges, 0 crashes" in line
        assert " 0 edges" not in line


@pytest.mark.parametrize("option", ["--by-chance", "--seed=1"])
def test_a_target_that_fails_is_told(option: str, tmp_path: Path) -> None:
    """As if the parser took broken escapes for text."""
    if option != "--by-chance" and find_spec("atheris") is None:
        pytest.skip("pip install --group fuzz brings atheris")
    (tmp_path / "sitecustomize.py").write_text(
        "import re\nfrom oauthgrants import forms\nforms._BROKEN_ESCAPE = re.compile('(?!)')\n",
        "utf-8",
    )
    ended = subprocess.run(
        [sys.executable, "-m", "fuzzing", option, "--runs=10", "form"],
        cwd=TESTS,
        capture_output=True,
        text=True,
        timeout=300,
        env={"PYTHONPATH": str(tmp_path)},
        check=False,
    )

    assert ended.returncode == 1, ended.stdout
    assert "1 crashes" in ended.stdout
    assert "form fails on b'%'" in ended.stdout


def test_an_unknown_target_is_told() -> None:
    ended = run("froms")

    assert ended.returncode == 2
    assert "there is no target froms" in ended.stderr


def test_one_seed_makes_one_series() -> None:
    inputs = seeds.read("form")

    assert list(mutate(inputs, 50, seed=1)) == list(mutate(inputs, 50, seed=1))
    assert list(mutate(inputs, 50, seed=1)) != list(mutate(inputs, 50, seed=2))
    assert list(mutate(inputs, 0, seed=1)) == inputs


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"{}", {}),
        (b' {"a" : [1, -0.5e+2, true, false, null, "\\u00e9\\n\\ud83d\\ude00"]} ',
         {"a": [1, -50.0, True, False, None, "é\n😀"]}),
    ],
)  # fmt: skip
def test_the_model_reads_json(octets: bytes, expected: object) -> None:
    assert models.parse_json_object(octets) == expected


@pytest.mark.parametrize(
    "octets",
    [b"", b"[]", b"{", b'{"a":1,"a":2}', b'{"a":01}', b'{"a":NaN}', b'{"a":"\\ud800"}', b'{"a":.5}',
     b'{"a":"\n"}', b'{"a":1}x', b'{"a":"\\x"}', b"{'a':1}", b'{"a":1,}', b"\xff"],
)  # fmt: skip
def test_the_model_refuses_what_is_no_object_of_json(octets: bytes) -> None:
    with pytest.raises(models.Refused):
        models.parse_json_object(octets)


def test_the_model_goes_only_so_deep() -> None:
    with pytest.raises(models.TooDeep):
        models.parse_json_object(b'{"a":' * 300)


@pytest.mark.parametrize("text", ["a", "ab=", "ab==x", "YTpi=", "YTpjZB==", "*"])
def test_the_model_knows_one_spelling_of_base64(text: str) -> None:
    with pytest.raises(models.Refused):
        models.decode_base64(text)
