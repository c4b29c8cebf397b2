"""Runs targets, one after the other, and says how many inputs each has had."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import attrs

from . import FOLDER, LONGEST, TARGETS, load, seeds
from .mutations import mutate

_STATISTIC = re.compile(r"^stat::(\w+):\s+(\d+)", re.MULTILINE)
_UNINTERESTING = re.compile(r"^(?:INFO|WARNING|#\d+|stat::).*\n", re.MULTILINE)
_COVERED = re.compile(r"\bcov: (\d+)")
_SLOWEST = 10


@attrs.frozen
class Outcome:
    """
    What came of fuzzing a target.

    Attributes:
        runs: How many inputs it has had.
        seconds: How long that took.
        covered: The edges of the library that were reached, None if nobody looked.
        crash: The input that it failed on, None if there was none.
        trace: What it said then.
        found: Inputs that reached what none before them had.
    """

    runs: int
    seconds: float
    covered: int | None = None
    crash: bytes | None = None
    trace: str = ""
    found: tuple[bytes, ...] = ()


def fuzz_guided(target: str, runs: int, seed: int) -> Outcome:
    """Return what comes of *runs* inputs that follow the coverage."""
    with TemporaryDirectory() as folder:
        kept, new = Path(folder) / "kept", Path(folder) / "new"
        for number, each in enumerate(seeds.read(target)):
            _write(kept / f"{number:04}", each)
        words = Path(folder) / "words"
        words.write_text("".join(f'"{_escape(each)}"\n' for each in seeds.WORDS), "ascii")
        new.mkdir()
        (Path(folder) / "crash").mkdir()
        began = monotonic()
        process = subprocess.run(
            [
                *(sys.executable, "-m", f"{__package__}.guided", target, str(new), str(kept)),
                *(f"-runs={runs}", f"-seed={seed}", f"-max_len={LONGEST}", f"-dict={words}"),
                *(f"-timeout={_SLOWEST}", f"-artifact_prefix={folder}/crash/"),
                *("-print_final_stats=1", "-verbosity=1"),
            ],
            # Where the package is found by the name that it has here
            cwd=FOLDER.parents[len((__package__ or "").split(".")) - 1],
            # libFuzzer uses the one, and tracebacks come on the other.
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        seconds = monotonic() - began
        said = process.stdout.decode("utf-8", "replace")
        crashes = sorted((Path(folder) / "crash").glob("*"))
        statistics = dict(_STATISTIC.findall(said))
        covered = _COVERED.findall(said)
        crash = crashes[0].read_bytes() if crashes else None
        if crash is None and process.returncode:
            raise RuntimeError(f"{target} did not run:\n{said}")
        return Outcome(
            runs=int(statistics.get("number_of_executed_units", 0)),
            seconds=seconds,
            covered=int(covered[-1]) if covered else None,
            crash=crash,
            trace="" if crash is None else _UNINTERESTING.sub("", said),
            found=tuple(path.read_bytes() for path in sorted(new.iterdir())),
        )


def fuzz_by_chance(target: str, runs: int, seed: int) -> Outcome:
    """Return what comes of *runs* mutations of the corpus, in this process."""
    fuzz = load(target)
    began, count = monotonic(), 0
    for each in mutate(seeds.read(target), runs, seed=seed):
        count += 1
        try:
            fuzz(each)
        except Exception as error:
            return Outcome(count, monotonic() - began, crash=each, trace=repr(error))
    return Outcome(count, monotonic() - began)


def _write(path: Path, octets: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(octets)


def _escape(word: bytes) -> str:
    return "".join(f"\\x{octet:02x}" for octet in word)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each target, and return 1 if one has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--runs", type=int, default=100_000, help="inputs of each (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of chance; 0 for a new one")
    parser.add_argument(
        "--keep", action="store_true", help="add short inputs that reach more to the corpus"
    )
    parser.add_argument(
        "--by-chance", action="store_true", help="do without atheris, as if it were not there"
    )
    chosen = parser.parse_args(arguments)
    unknown = sorted(set(chosen.targets) - set(TARGETS))
    if unknown:
        parser.error(f"there is no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    guided = not chosen.by_chance and find_spec("atheris") is not None
    if not guided:
        print("without coverage: pip install --group fuzz brings atheris", file=sys.stderr)
    failed = False
    for target in chosen.targets or TARGETS:
        outcome = (fuzz_guided if guided else fuzz_by_chance)(target, chosen.runs, chosen.seed)
        failed |= outcome.crash is not None
        _tell(target, outcome)
        if chosen.keep and outcome.crash is None:
            _keep(target, outcome.found)
    return int(failed)


def _tell(target: str, outcome: Outcome) -> None:
    speed = outcome.runs / max(outcome.seconds, 1e-9)
    covered = "" if outcome.covered is None else f", {outcome.covered:,} edges"
    print(
        f"{target}: {outcome.runs:,} runs in {outcome.seconds:.0f} s ({speed:,.0f}/s){covered}, "
        f"{int(outcome.crash is not None)} crashes",
        flush=True,
    )
    if outcome.crash is not None:
        print(f"{outcome.trace}\n{target} fails on {outcome.crash!r}", flush=True)


_SHORT = 120
_MOST_KEPT = 60


def _keep(target: str, found: Sequence[bytes]) -> None:
    """Add the shortest of *found* to the corpus, as far as there is room."""
    kept = seeds.read(target)
    short = sorted((each for each in found if len(each) <= _SHORT), key=len)
    seeds.write(target, [*kept, *short[: max(0, _MOST_KEPT - len(kept))]])


if __name__ == "__main__":
    sys.exit(main())
