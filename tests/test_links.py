"""
Links between the pages of the repository lead somewhere, as files and as headings; what is cited
of specifications is there.

Whether other people's pages answer is asked by name, ``bash .ci/run links``, since it takes the
whole internet.
"""

from __future__ import annotations

import re
import tomllib
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
_ADDRESS = re.compile(r"\]\((https?://[^)\s]+)\)|<(https?://[^>\s]+)>")
_RFC = re.compile(r"https://www\.rfc-editor\.org/rfc/rfc(\d+)(?:#(?:section|appendix)-([\w.]+))?")
# "RFC 6749, 5.2" and "RFC 6749, Section 5.2"; "RFC 6749, 6750" is a list of documents.
_CITED = re.compile(r"RFC (\d{4}),\s+(?:Sections? )?((?:\d{1,2}|[A-D])(?:\.\d+)*)(?![\w.-]*\w)")
# That no requirement stands for, and that are cited; each looked up in its document.
_FURTHER = {
    "3986": "2.3 3.3 4.3 5.2.4 6.2",
    "4226": "4",
    "4513": "5.1.2",
    "4514": "2.1 3",
    "4518": "2 2.2",
    "4648": "3.5",
    "5280": "7.5",
    "6238": "5.2",
    "6454": "6.2",
    "6455": "7.4.1",
    "6585": "4",
    "6749": "1.1 1.4 1.5 A.2 A.16",
    "7468": "3",
    "7515": "2 7.1",
    "7517": "4.7 5",
    "7518": "3.1 3.2 3.3 6.2.1.2",
    "7519": "4.1.3 4.1.7 6",
    "7591": "5",
    "7662": "3.1",
    "7800": "3.1",
    "8018": "5.2",
    "8414": "3.1",
    "8705": "2.2.2 3.3",
    "8725": "2.6",
    "8941": "3.3.5",
    "9106": "3.1 4",
    "9110": "5.3 5.6.2 5.6.4 7.2 8.6 9.3.2 10.1.1 10.2.3 12.4.2 13.1.2 15.4.5 15.5.5 15.5.6",
    "9112": "2.1 3 3.2.2",
    "9440": "2.1",
    "9449": "8.2 10",
    "9700": "4.3.2",
    "9728": "3.1",
}


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


def addresses(page: Path) -> list[str]:
    prose = _CODE.sub("", _FENCE.sub("", page.read_text("utf-8")))
    return [first or second for first, second in _ADDRESS.findall(prose)]


def test_addresses_name_one_place() -> None:
    """What is said to be secure is not fetched in the clear."""
    found = {page: addresses(page) for page in pages()}
    assert sum(map(len, found.values())) > 10

    assert [] == [
        f"{page.relative_to(ROOT)}: {address}"
        for page, each in found.items()
        for address in each
        if address.startswith("http://")
    ]


# What is cited of specifications


@cache
def sections() -> frozenset[tuple[str, str]]:
    """Return which sections there are, as far as somebody has looked them up."""
    document = tomllib.loads((ROOT / "tests" / "requirements.toml").read_text("utf-8"))
    ids = (id_ for each in document["documents"] for id_ in each["requirements"])
    found = {(rfc, section) for rfc, listed in _FURTHER.items() for section in listed.split()}
    for match in filter(None, (re.fullmatch(r"R(\d{4})-([\w.]+)-[a-z]+", id_) for id_ in ids)):
        parts = match[2].split(".")
        found |= {(match[1], ".".join(parts[:n])) for n in range(1, len(parts) + 1)}
    return frozenset(found)


def cited_in(text: str) -> set[tuple[str, str]]:
    return set(_CITED.findall(text))


def sources() -> list[Path]:
    folders = ("src", "examples")
    return [*pages(), *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]


def test_each_section_that_is_cited_exists() -> None:
    """One that is cited for the first time is looked up, and gets a requirement or a line above."""
    cited = {(path, *found) for path in sources() for found in cited_in(path.read_text("utf-8"))}
    assert len(cited) > 200

    assert [] == sorted(
        f"{path.relative_to(ROOT)}: RFC {rfc}, {section}"
        for path, rfc, section in cited
        if (rfc, section) not in sections()
    )


def test_links_to_specifications_lead_to_sections_that_exist() -> None:
    """They go to the editor of the RFCs, and nowhere that shows a copy."""
    every = [address for page in pages() for address in addresses(page)]
    copies = ("//tools.ietf.org", "//datatracker.ietf.org/doc/html/rfc", "//www.ietf.org/rfc")
    assert [] == [address for address in every if any(copy in address for copy in copies)]
    links = [match for match in map(_RFC.fullmatch, every) if match]
    assert links

    assert [] == [match[0] for match in links if match[2] and match.groups() not in sections()]
    assert [] == [each for each in every if "rfc-editor" in each and not _RFC.fullmatch(each)]


def test_what_is_cited_is_understood() -> None:
    text = "(RFC 6749, 5.2; RFC 9110, Section 15.5.6), RFC 6749, 6750 and RFC 6749, A.16."

    assert cited_in(text) == {("6749", "5.2"), ("9110", "15.5.6"), ("6749", "A.16")}
