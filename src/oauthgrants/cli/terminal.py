"""Output for people at a terminal; the only module that imports rich."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.syntax import Syntax
from rich.text import Text

from oauthgrants.policy import Finding, Severity

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


class Terminal:
    """Shows panels, headlines and notes on standard output."""

    def __init__(self) -> None:
        # Ellipses are more than some terminals can show.
        reconfigure = getattr(sys.stdout, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
        self._console = Console()

    def show(self, title: str, text: str, language: str) -> None:
        """Show *text*, in a language that can be coloured."""
        shown = Syntax(text.rstrip(), language, word_wrap=True, background_color="default")
        self._console.print(Panel(shown, title=title, title_align="left"))

    def headline(self, text: str) -> None:
        """Begin another part."""
        self._console.rule(Text(text), align="left")

    def warn(self, text: str) -> None:
        """Show a warning."""
        self._console.print(Panel(Text(text), title="Warning", style="yellow"))

    def note(self, text: str) -> None:
        """Show what is beside the point."""
        self._console.print(Text(text, style="dim"))

    def show_findings(self, findings: Iterable[Finding]) -> None:
        """Show what a check has found, each with what to do."""
        for finding in findings:
            colour = _COLOURS[finding.severity]
            head = Text(f"{finding.severity}  ", style=f"bold {colour}")
            head.append(f"{finding.subject}  ", style="bold")
            head.append(finding.rule, style="dim")
            self._console.print(head)
            self._console.print(Padding(Text(f"{finding.message}."), (0, 0, 0, 2)))
            self._console.print(Padding(Text(f"→ {finding.advice}"), (0, 0, 0, 2)))
            ids = Text(", ".join(finding.requirements), style="dim")
            self._console.print(Padding(ids, (0, 0, 1, 2)))

    def show_marked(self, text: str, styles: Mapping[str, str]) -> None:
        """Show lines, and what matches a pattern of *styles* in its style."""
        shown = Text(text.rstrip("\n"))
        for pattern, style in styles.items():
            shown.highlight_regex(re.compile(pattern, re.MULTILINE), style)
        self._console.print(shown)

    def end(self, text: str) -> None:
        """Show that all went well."""
        self._console.print(Text(text, style="bold green"))


@contextmanager
def counting(what: str) -> Generator[Callable[[int], None]]:
    """
    Show on standard error that something goes on, for how long, and how far it is.

    Args:
        what: What is counted.

    Returns:
        Takes how many more there are.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        BarColumn(),
        TextColumn("{task.completed} {task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        # How many there will be, nobody knows without reading them all.
        task = progress.add_task(what, total=None)

        def count(more: int) -> None:
            progress.advance(task, more)

        yield count
