"""What a benchmark prints: the machine and its software first, then tables."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import attrs

import oauthgrants

_MICRO, _MILLI = 1e-6, 1e-3


@attrs.frozen
class Table:
    """
    What a benchmark prints and a page shows.

    Attributes:
        title: A line, without Markdown.
        head: The names of the columns; the first column is text.
        rows: Cells, as they are shown.
    """

    title: str
    head: list[str]
    rows: list[list[str]]

    @classmethod
    def of(cls, title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
        """Return a table of whatever can be shown."""
        return cls(title, list(head), [[str(cell) for cell in row] for row in rows])

    def __str__(self) -> str:
        return table(self.title, self.head, self.rows)


def write(path: Path | None, machine: str, tables: Mapping[str, Table], **more: object) -> None:
    """
    Write what was measured to *path*, if there is one, for `page` to show.

    Args:
        path: Where it goes.
        machine: What `describe_machine` said.
        tables: By the name that the page calls each by.
        **more: What a drawing needs.
    """
    if path is None:
        return
    figures = {
        "machine": machine.splitlines(),
        "tables": {name: attrs.asdict(each) for name, each in tables.items()},
        **more,
    }
    path.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def describe_machine(*libraries: str, **servers: str) -> str:
    """
    Return what the figures below it hold for.

    Args:
        *libraries: Distributions whose version matters.
        **servers: What else runs, with its version.
    """
    described = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        **{name: version(name) for name in (oauthgrants.__name__, *libraries)},
        **servers,
    }
    width = max(map(len, described))
    return "\n".join(f"{name:{width}}  {value}" for name, value in described.items()) + "\n"


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table that reads well in a terminal and is Markdown: the first column is text."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = [
        "-" * width if number == 0 else "-" * (width - 1) + ":"
        for number, width in enumerate(widths)
    ]
    lines = [
        "| "
        + " | ".join(
            f"{cell:<{width}}" if number == 0 else f"{cell:>{width}}"
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in (cells[0], rule, *cells[1:])
    ]
    return "\n".join([f"{title}\n", *lines, ""])


def duration(seconds: float) -> str:
    """Return *seconds* in a unit that leaves few zeros."""
    if seconds < _MILLI:
        return f"{seconds / _MICRO:.1f} µs"
    if seconds < 1:
        return f"{seconds / _MILLI:.2f} ms"
    return f"{seconds:.1f} s"


def size(octets: float) -> str:
    """Return *octets* in decimal units, with three digits."""
    for unit in ("B", "kB", "MB"):
        if octets < 999.5:
            return f"{octets:.3g} {unit}"
        octets /= 1000
    return f"{octets:.3g} GB"


def count(number: float) -> str:
    """Return a whole number with its thousands apart."""
    return f"{number:,.0f}"


def _processor() -> str:
    # Where there is no such file, or it does not say, the architecture has to do.
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
