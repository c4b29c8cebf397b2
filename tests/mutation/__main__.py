"""Tries the mutants, and says which of them no test notices."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path
from time import monotonic

import attrs

from . import SCOPE, find_modules
from .mutants import Mutant, make_mutants
from .report import (
    NOTICED,
    PAGE,
    Outcome,
    Result,
    find_unexplained,
    rate,
    read_outcomes,
    read_reasons,
    write_page,
)
from .running import Runner, run

_LEAST = 90.0
_OFTEN = 100


def main() -> int:
    arguments = _read_arguments()
    # Who starts a process of its own has to import the same package.
    os.environ["PYTHONPATH"] = str(Path("src").resolve())
    sys.path.insert(0, os.environ["PYTHONPATH"])
    modules = find_modules(tuple(arguments.names))
    every = [each for module in modules for each in make_mutants(module)]
    mutants = [each for each in every if not each.is_wording]
    print(
        f"{len(mutants)} mutants in {len(modules)} modules; {len(every) - len(mutants)} more would "
        "change the words of an error only",
        flush=True,
    )
    earlier = {_key(each): each for each in read_outcomes(arguments.kept)}
    known = {
        each.key: earlier[each.key]
        for each in mutants
        if each.key in earlier and _counts(earlier[each.key], arguments)
    }
    left = [each for each in mutants if each.key not in known]
    status = 0
    if left and not arguments.report:
        status = _try(left, known, arguments.seconds)
    others = [each for key, each in earlier.items() if key[0] not in modules]
    _keep(arguments.kept, [*others, *known.values()])
    # One is a test that failed; more, that not all was tried, perhaps as somebody stopped it.
    return status if status > 1 else _tell(mutants, list(known.values()), arguments.write)


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation",
        description="Mutants that a test has noticed are not tried again until their function "
        "changes; the others are.",
    )
    parser.add_argument(
        "names", nargs="*", default=list(SCOPE), help="modules or folders below src/oauthgrants"
    )
    parser.add_argument("--seconds", type=float, default=86400, help="stop after so long")
    parser.add_argument("--fresh", action="store_true", help="try all of them again")
    parser.add_argument("--report", action="store_true", help="try none, tell what is known")
    parser.add_argument("--write", action="store_true", help=f"renew {PAGE}")
    parser.add_argument("--kept", type=Path, default=Path(".mutants.jsonl"), help="what is known")
    return parser.parse_args()


_Key = tuple[str, str, str, str, int]


def _key(outcome: Outcome) -> _Key:
    return outcome.module, outcome.function, outcome.digest, outcome.change, outcome.offset


def _counts(outcome: Outcome, arguments: argparse.Namespace) -> bool:
    """Return whether an earlier run has said what there is to say."""
    return arguments.report or (outcome.result in NOTICED and not arguments.fresh)


def _try(mutants: list[Mutant], known: dict[_Key, Outcome], seconds: float) -> int:
    results: Counter[Result] = Counter()

    def tell(mutant: Mutant, result: Result) -> None:
        known[mutant.key] = Outcome(*mutant.key, result=result)
        results[result] += 1
        if results.total() % _OFTEN == 0:
            print(f"{results.total()} of {len(mutants)}: {mutant.module}", file=sys.stderr)

    runner = Runner(mutants, tell, monotonic() + seconds)
    status = run(runner)
    for each in sorted(runner.left_out):
        print(f"left out, since it fails without a mutant: {each}")
    return status


def _keep(path: Path, outcomes: list[Outcome]) -> None:
    path.write_text(
        "".join(json.dumps(attrs.asdict(each)) + "\n" for each in outcomes), encoding="utf-8"
    )


def _tell(mutants: list[Mutant], outcomes: list[Outcome], write: bool) -> int:
    unexplained = find_unexplained(outcomes, read_reasons())
    for each in unexplained:
        print(f"{each.result}: {each.module}, {each.function}: {each.change}")
    print(f"{rate(outcomes):.1f} % of {len(outcomes)} were noticed", end="; ")
    print(f"{len(unexplained)} of the others have no reason in survivors.toml")
    left = len(mutants) - len(outcomes)
    if left:
        print(f"{left} were not tried")
    elif write:
        write_page(outcomes, read_reasons())
    return int(bool(unexplained) or rate(outcomes) < _LEAST)


if __name__ == "__main__":
    sys.exit(main())
