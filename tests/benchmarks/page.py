"""
Puts what was measured into a page, where it has marks for that: the same from the same figures.

``python -m tests.benchmarks.page docs/performance.md``

``<!-- figures/http.json: gunicorn -->`` begins a place, and ``<!-- end -->`` ends it: the file as
seen from the page, and a table of it, or ``machine`` for what the figures hold for.
"""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .peer_plot import tables
from .report import Table

_PLACE = re.compile(r"(<!-- (\S+\.json): (\S+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page anew."""
    parser = ArgumentParser(
        "python -m tests.benchmarks.page",
        description="Puts what was measured into a page, where it has marks for that.",
    )
    parser.add_argument("page", type=Path)
    chosen = parser.parse_args(arguments)
    text = chosen.page.read_text("utf-8")
    chosen.page.write_text(fill(text, chosen.page.parent), encoding="utf-8")


def fill(text: str, folder: Path) -> str:
    """
    Return the page *text* with what stands in the files that it names, as seen from *folder*.

    Raises:
        KeyError: A file has no such table.
    """

    def put(place: re.Match[str]) -> str:
        figures: dict[str, Any] = json.loads((folder / place[2]).read_text("utf-8"))
        return f"{place[1]}\n{_show(figures, place[3])}\n{place[4]}"

    return _PLACE.sub(put, text)


def _show(figures: dict[str, Any], name: str) -> str:
    if name == "machine":
        return "\n".join(["```text", *figures["machine"], "```", ""])
    drawn = tables(figures["rows"]) if "rows" in figures else {}
    table = drawn.get(name) or Table(**figures["tables"][name])
    # What ends with a colon belongs to what follows it.
    return str(Table(f"{table.title}:", table.head, table.rows))


if __name__ == "__main__":
    main()
