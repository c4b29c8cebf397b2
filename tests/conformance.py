"""
Which test proves which requirement: a pytest plugin.

Tests name the rows of ``requirements.toml`` that they prove with ``@pytest.mark.req(…)``; a marker
that names an unknown row ends the run. ``pytest --write-conformance`` writes what is proven to
``docs/conformance.md``; with ``--collect-only -q`` it does no more than that.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs
import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "conformance.md"

Proofs = Mapping[str, Sequence[str]]
"""The tests that prove each row, as ``path::name``."""

_INTRODUCTION = """\
<!-- Written by pytest --write-conformance from tests/requirements.toml and the tests. -->

# Conformance

What the specifications ask of an authorization server, row by row, and the tests that prove it.
An id is document, section and letter. `D21` is the OAuth 2.1 draft, `D7523` the draft update of
RFC 7523, `OIDC` OpenID Connect Core. The level is what the document sets for the server,
prohibitions included; MAY binds only if the feature is offered. An error without a status means
HTTP 400, a JSON body and no token. `(host)` marks what the application around the library
supplies, `(later)` grants that are not in scope, `(C-nn)` a point that the documents leave open:
[the choices](#choices-where-the-documents-leave-room) settle it.

Tests are files in `tests/` and the names in them, read as sentences: *a repeat is refused* is
`test_a_repeat_is_refused`. What stands in italics alone is the reason why there is no test.
"""


@attrs.frozen
class Requirement:
    """A row: what a document asks, and how firmly."""

    id: str
    level: str
    text: str


@attrs.frozen
class Document:
    """Rows that belong together."""

    title: str
    requirements: tuple[Requirement, ...]


@attrs.frozen
class Catalogue:
    """All rows, the reasons of those without a test, and the choices."""

    documents: tuple[Document, ...]
    choices: tuple[tuple[str, str, str], ...]
    left_out: Mapping[str, str]
    left_out_documents: Mapping[str, str]

    @classmethod
    def load(cls, directory: Path = TESTS) -> Catalogue:
        """Return what the data files in *directory* say."""
        data = tomllib.loads((directory / "requirements.toml").read_text("utf-8"))
        left_out = tomllib.loads((directory / "left_out.toml").read_text("utf-8"))
        return cls(
            documents=tuple(
                Document(
                    document["title"],
                    tuple(
                        Requirement(id_, level, text)
                        for id_, (level, text) in document["requirements"].items()
                    ),
                )
                for document in data["documents"]
            ),
            choices=tuple(
                (id_, question, choice) for id_, (question, choice) in data["choices"].items()
            ),
            left_out=left_out["requirements"],
            left_out_documents=left_out["documents"],
        )

    @property
    def ids(self) -> frozenset[str]:
        """The id of every row."""
        return frozenset(row.id for document in self.documents for row in document.requirements)

    def find_reason(self, id_: str) -> str | None:
        """Return why the row has no test, None if nobody says."""
        return self.left_out.get(id_) or self.left_out_documents.get(id_.partition("-")[0])


@attrs.define
class Evidence:
    """What a run has collected: the tests by row, and whether those are all there are."""

    proofs: dict[str, list[str]] = attrs.field(factory=dict[str, list[str]])
    complete: bool = True


EVIDENCE = pytest.StashKey[Evidence]()


class Plugin:
    """Collects the markers of a run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._evidence = config.stash[EVIDENCE] = Evidence(complete=_is_whole_suite(config))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note that a file is missing, such as one that asks for an extra."""
        if not report.passed:
            self._evidence.complete = False

    @pytest.hookimpl(tryfirst=True)  # before -k and -m take tests away
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """
        Collect the markers, and write the page if asked to.

        Raises:
            UsageError: A marker names no known row, or the page is wanted of a part of the tests.
        """
        catalogue = Catalogue.load()
        self._evidence.proofs.update(collect(items))
        unknown = sorted(self._evidence.proofs.keys() - catalogue.ids)
        if unknown:
            raise pytest.UsageError(
                *(
                    f"@pytest.mark.req names {id_}, which tests/requirements.toml has not: {test}"
                    for id_ in unknown
                    for test in self._evidence.proofs[id_]
                )
            )
        if self._config.getoption("write_conformance"):
            if not self._evidence.complete:
                raise pytest.UsageError("--write-conformance needs the whole suite: pytest alone")
            PAGE.write_text(render(catalogue, self._evidence.proofs), "utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--write-conformance``."""
    parser.addoption(
        "--write-conformance",
        action="store_true",
        help="write docs/conformance.md: which test proves which requirement",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin to collect."""
    config.pluginmanager.register(Plugin(config))


def collect(items: Iterable[pytest.Item]) -> dict[str, list[str]]:
    """Return the tests by the row that they prove; those of one function count as one."""
    proofs: dict[str, set[str]] = {}
    for item in items:
        name = f"{item.path.name}::{getattr(item, 'originalname', item.name)}"
        for marker in item.iter_markers("req"):
            for id_ in marker.args:
                proofs.setdefault(id_, set()).add(name)
    return {id_: sorted(names) for id_, names in proofs.items()}


def render(catalogue: Catalogue, proofs: Proofs) -> str:
    """Return the page; the same tests give the same page."""
    lines = [_INTRODUCTION, *_summary(catalogue, proofs)]
    for document in catalogue.documents:
        lines += [
            f"\n## {document.title}\n",
            "| id | level | requirement | proven by |",
            "| --- | --- | --- | --- |",
        ]
        lines += [
            f"| {row.id} | {row.level} | {row.text} | {_evidence_for(row, catalogue, proofs)} |"
            for row in document.requirements
        ]
    lines += [
        "\n## Choices where the documents leave room\n",
        "| id | question | choice |",
        "| --- | --- | --- |",
        *(f"| {' | '.join(choice)} |" for choice in catalogue.choices),
    ]
    return "\n".join(lines) + "\n"


def _summary(catalogue: Catalogue, proofs: Proofs) -> Iterable[str]:
    yield "| document | rows | proven |"
    yield "| --- | ---: | ---: |"
    for document in catalogue.documents:
        rows = document.requirements
        yield f"| {document.title} | {len(rows)} | {sum(row.id in proofs for row in rows)} |"


def _evidence_for(row: Requirement, catalogue: Catalogue, proofs: Proofs) -> str:
    if row.id not in proofs:
        return f"*{catalogue.find_reason(row.id) or 'not yet'}*"
    by_file: dict[str, list[str]] = {}
    for test in proofs[row.id]:
        file, _, name = test.partition("::")
        by_file.setdefault(file, []).append(name.removeprefix("test_").replace("_", " "))
    return "; ".join(f"`{file}` {', '.join(names)}" for file, names in by_file.items())


def _is_whole_suite(config: pytest.Config) -> bool:
    """Return whether this directory is collected and nothing in it is left out."""
    here = config.invocation_params.dir
    partly = any(config.getoption(name, None) for name in ("ignore_glob", "lf")) or any(
        (here / ignored).resolve().is_relative_to(TESTS)
        for ignored in config.getoption("ignore", None) or ()
    )
    return not partly and any(TESTS.is_relative_to((here / arg).resolve()) for arg in config.args)
