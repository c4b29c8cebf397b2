"""The page on performance has the figures that were measured, and nobody typed them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import page, peer_plot
from benchmarks.report import Table, write

DOCS = Path(__file__).parent.parent / "docs"


def test_the_page_has_the_figures_and_their_drawing() -> None:
    text = (DOCS / "performance.md").read_text("utf-8")
    figures = json.loads((DOCS / "images" / "peers.json").read_text("utf-8"))

    assert page.fill(text, DOCS) == text
    assert (DOCS / "images" / "peers.svg").read_text("utf-8") == peer_plot.draw(figures["rows"])


def test_all_that_was_measured_is_on_the_page() -> None:
    text = (DOCS / "performance.md").read_text("utf-8")

    for path in [DOCS / "images" / "peers.json", *sorted((DOCS / "figures").glob("*.json"))]:
        figures = json.loads(path.read_text("utf-8"))
        drawn = peer_plot.tables(figures["rows"]) if "rows" in figures else {}
        for name in ("machine", *figures["tables"], *drawn):
            assert f"<!-- {path.relative_to(DOCS)}: {name} -->" in text


def test_figures_go_where_the_marks_are(tmp_path: Path) -> None:
    """Whatever stood there before; and a second time changes nothing."""
    table = Table.of("times", ["what", "ms"], [["issue", 1.5]])
    write(tmp_path / "x.json", "date  today\n", {"times": table})
    written = tmp_path / "page.md"
    written.write_text(
        "# It\n\n<!-- x.json: times -->\nold\n<!-- end -->\n\n"
        "on\n\n<!-- x.json: machine -->\n<!-- end -->\n",
        encoding="utf-8",
    )

    for _ in range(2):
        page.main([str(written)])

        assert written.read_text("utf-8") == (
            "# It\n\n<!-- x.json: times -->\n\n"
            "times:\n\n| what  |  ms |\n| ----- | --: |\n| issue | 1.5 |\n\n"
            "<!-- end -->\n\non\n\n"
            "<!-- x.json: machine -->\n\n```text\ndate  today\n```\n\n<!-- end -->\n"
        )


def test_a_mark_of_no_table_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / "x.json", "", {})

    with pytest.raises(KeyError, match="times"):
        page.fill("<!-- x.json: times -->\n<!-- end -->\n", tmp_path)


def test_without_a_place_nothing_is_written() -> None:
    write(None, "", {})
