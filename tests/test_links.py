"""Links between the pages of the repository lead somewhere, as files and as headings."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parent.parent

_FENCE = re.compile(r"^(`{3,}).*?^\1", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`+[^`\n]*`+")
_LINK = re.compile(r"\]\((?!https?://|mailto:)([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.*?) *$", re.MULTILINE)
_TARGET = re.compile(r"^\(([\w-]+)\)=$", re.MULTILINE)


def pages() -> list[Path]:
    found = [*ROOT.glob("*.md"), *ROOT.glob(".github/*.md"), *ROOT.glob("docs/*.md")]
    return sorted([*found, *ROOT.glob("examples/**/*.md")])


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return what can follow ``#``, as GitHub and Sphinx make it of headings."""
    text = _FENCE.sub("", page.read_text("utf-8"))
    return frozenset([*map(slug, _HEADING.findall(text)), *_TARGET.findall(text)])


@cache
def targets() -> frozenset[str]:
    """Return what Sphinx finds from any page of the documentation."""
    docs = (page.read_text("utf-8") for page in ROOT.glob("docs/*.md"))
    return frozenset(name for text in docs for name in _TARGET.findall(text))


def slug(heading: str) -> str:
    """
    Return the anchor of *heading*.

    >>> slug("Tokens, `scope` and [RFC 6749](https://example.com)")
    'tokens-scope-and-rfc-6749'
    """
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def find_broken(page: Path) -> list[str]:
    prose = _CODE.sub("", _FENCE.sub("", page.read_text("utf-8")))
    broken: list[str] = []
    for link in _LINK.findall(prose):
        path, _, anchor = unquote(link).partition("#")
        target = page.parent / path if path else page
        if not path and anchor in targets():
            continue
        if not target.exists() or (
            anchor and target.suffix == ".md" and anchor not in anchors(target.resolve())
        ):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert find_broken(page) == []


def test_what_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A heading\n[there](#a-heading) [not](#another) [gone](gone.md) `[code](gone.md)`\n"
        "[elsewhere](https://example.com/gone.md) [](page.md#a-heading) [](page.md#b)\n"
        "```text\n[code](gone.md)\n# no heading\n```\n",
        "utf-8",
    )

    assert find_broken(page) == ["#another", "gone.md", "page.md#b"]


def test_addresses_name_one_place() -> None:
    """What is said to be secure is not fetched in the clear."""
    plain = [
        f"{page.relative_to(ROOT)}: {address}"
        for page in pages()
        for address in re.findall(r"\]\((http://[^)]+)\)", page.read_text("utf-8"))
    ]

    assert plain == []
