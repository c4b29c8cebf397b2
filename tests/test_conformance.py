"""The page that says what is proven is true."""

from __future__ import annotations

import pytest

from conformance import EVIDENCE, PAGE, Catalogue, Proofs, render


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue.load()


@pytest.fixture
def proofs(pytestconfig: pytest.Config) -> Proofs:
    evidence = pytestconfig.stash[EVIDENCE]
    if not evidence.complete:
        pytest.skip("only a part of the tests was collected")
    return evidence.proofs


def test_the_page_is_up_to_date(catalogue: Catalogue, proofs: Proofs) -> None:
    """If this fails: pytest --write-conformance --collect-only -q"""
    assert render(catalogue, proofs) == PAGE.read_text("utf-8"), (
        "docs/conformance.md is not up to date: pytest --write-conformance --collect-only -q"
    )


DOCUMENTS = (
    "D21", "D7523", "R6749", "R6750", "R6819", "R7009", "R7515", "R7517", "R7519", "R7638", "R7662",
    "R8414", "R8707", "R8725", "R9068", "R9700", "R9701", "R9728",
)  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_row_has_a_test_or_a_reason(
    catalogue: Catalogue, proofs: Proofs, document: str
) -> None:
    rows = {id_ for id_ in catalogue.ids if id_.startswith(f"{document}-")}
    assert [] == sorted(rows - proofs.keys() - catalogue.left_out.keys())


def test_no_row_is_both_proven_and_left_out(catalogue: Catalogue, proofs: Proofs) -> None:
    assert [] == sorted(proofs.keys() & catalogue.left_out.keys())


def test_only_known_rows_are_left_out(catalogue: Catalogue) -> None:
    assert [] == sorted(catalogue.left_out.keys() - catalogue.ids)
    documents = {id_.partition("-")[0] for id_ in catalogue.ids}
    assert [] == sorted(catalogue.left_out_documents.keys() - documents)


def test_the_page_says_what_is_proven_and_why_not(catalogue: Catalogue) -> None:
    page = render(catalogue, {"R6749-3.2-a": ["test_token.py::test_only_post_yields_a_token"]})

    assert "yields a token; any other method" in page
    assert "| `test_token.py` only post yields a token |" in page
    assert "| *not offered: clients are authenticated for every grant* |" in page
