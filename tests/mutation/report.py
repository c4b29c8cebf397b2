"""What came of the mutants: kept between runs, and shown on a page."""

from __future__ import annotations

import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import attrs

from . import ARROW

PAGE = Path("docs/mutation-testing.md")
REASONS = Path(__file__).with_name("survivors.toml")
_PART = re.compile(r"(?<=<!-- from here on: python -m tests.mutation --write -->\n).*", re.DOTALL)

Result = Literal["killed", "survived", "timed out", "unreached"]
"""What came of a mutant; one that runs on until it is stopped was noticed too."""

NOTICED: frozenset[Result] = frozenset({"killed", "timed out"})


@attrs.frozen
class Outcome:
    """
    What came of a mutant.

    Attributes:
        module: The module's path below the package.
        function: The qualified name of its function.
        digest: Of the function as it was then.
        change: The lines that differ, as ``before => after``.
        offset: Where in the function the statement with the change begins, in lines.
        result: What came of it.
    """

    module: str
    function: str
    digest: str
    change: str
    offset: int
    result: Result


@attrs.frozen
class Reason:
    """
    Why no test notices.

    Attributes:
        module: The module's path below the package.
        function: The qualified name of the function.
        changes: As `Outcome.change`.
        why: A sentence.
    """

    module: str
    function: str
    changes: tuple[str, ...]
    why: str


def read_outcomes(path: Path) -> list[Outcome]:
    """Return what earlier runs have kept."""
    if not path.exists():
        return []
    return [Outcome(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def read_reasons(path: Path = REASONS) -> list[Reason]:
    """Return the survivors that somebody has looked at."""
    reasons = tomllib.loads(path.read_text("utf-8"))["survivor"]
    return [Reason(**each | {"changes": tuple(each["changes"])}) for each in reasons]


def find_unexplained(outcomes: Iterable[Outcome], reasons: Iterable[Reason]) -> list[Outcome]:
    """Return what no test has noticed, and nobody has given a reason for."""
    known = {(each.module, each.function, change) for each in reasons for change in each.changes}
    return [
        each
        for each in outcomes
        if each.result not in NOTICED and (each.module, each.function, each.change) not in known
    ]


def rate(outcomes: Sequence[Outcome]) -> float:
    """Return the share that was noticed, in percent."""
    noticed = sum(each.result in NOTICED for each in outcomes)
    return 100 * noticed / len(outcomes) if outcomes else 100.0


def render(outcomes: Sequence[Outcome], reasons: Sequence[Reason]) -> str:
    """Return the tables and the list of the page."""
    modules: defaultdict[str, list[Outcome]] = defaultdict(list)
    for each in outcomes:
        modules[each.module].append(each)
    lines = [
        "| module | mutants | killed | survived | rate |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, own in [*sorted(modules.items()), ("together", list(outcomes))]:
        shown = name if name == "together" else f"`{name}`"
        killed = sum(each.result in NOTICED for each in own)
        lines.append(
            f"| {shown} | {len(own)} | {killed} | {len(own) - killed} | {rate(own):.1f} % |"
        )
    lines += ["", "## Survivors"]
    alive = {
        (each.module, each.function, each.change) for each in outcomes if each.result not in NOTICED
    }
    last = ""
    for reason in sorted(reasons, key=lambda each: (each.module, each.function, each.why)):
        changes = [
            each for each in reason.changes if (reason.module, reason.function, each) in alive
        ]
        if not changes:
            continue
        if reason.module != last:
            last = reason.module
            lines += ["", f"### `{last}`"]
        lines += ["", f"**`{reason.function}`**: {reason.why}", ""]
        lines += [f"- {_quote(before)} → {_quote(after)}" for before, after in map(_split, changes)]
    return "\n".join(lines) + "\n"


def write_page(outcomes: Sequence[Outcome], reasons: Sequence[Reason]) -> None:
    """Renew what the page has from the last whole run."""
    text = PAGE.read_text("utf-8")
    part = render(outcomes, reasons)
    PAGE.write_text(_PART.sub(lambda _: part, text), "utf-8")


def _split(change: str) -> tuple[str, str]:
    before, _, after = change.partition(ARROW)
    return before, after


def _quote(code: str) -> str:
    return f"`` {code} ``" if code else "nothing"
