"""What the pages on security say: which rules there are, and which test shows what is promised."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conformance import EVIDENCE, Catalogue
from oauthgrants.policy import RULES

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"


def rules_table() -> str:
    lines = ["| rule | severity | finds | do | asked for by |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| `{rule.name}` | {rule.severity} | {rule.summary} | {rule.advice} | "
        f"{', '.join(rule.requirements)} |"
        for rule in sorted(RULES, key=lambda rule: (-rule.severity, rule.name))
    ]
    return "\n".join(lines)


def test_the_page_has_every_rule() -> None:
    page = (DOCS / "policy-check.md").read_text("utf-8")
    written = page.partition("<!-- rules -->\n")[2].partition("<!-- end of rules -->")[0]

    assert rules_table() == written.strip("\n"), (
        "docs/policy-check.md is not up to date; between its comments goes the table that "
        "rules_table() of this file returns"
    )


def named_tests() -> set[str]:
    page = (DOCS / "security.md").read_text("utf-8")
    return set(re.findall(r"`(test_\w+)`", page))


def named_requirements(page: str) -> set[str]:
    return set(re.findall(r"\b(?:R\d+|D\d+|OIDC)-[\w.]+-[a-z]\b", page))


def test_the_threat_model_names_tests_that_are_there() -> None:
    there = {
        name
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text("utf-8"))
    }

    assert len(named_tests()) > 20
    assert [] == sorted(named_tests() - there)


PAGES = ("security.md", "leaving-the-password-grant.md", "policy-check.md", "choosing-a-grant.md")


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_name_requirements_that_are_proven(
    name: str, pytestconfig: pytest.Config
) -> None:
    catalogue = Catalogue.load()
    named = named_requirements((DOCS / name).read_text("utf-8"))

    assert [] == sorted(named - catalogue.ids)
    assert [] == sorted(named & catalogue.left_out.keys())
    evidence = pytestconfig.stash[EVIDENCE]
    if evidence.complete:
        assert [] == sorted(named - evidence.proofs.keys())


def test_every_promise_has_a_test() -> None:
    """Each row of the table of promises names one, or a requirement."""
    page = (DOCS / "security.md").read_text("utf-8")
    section = page.partition("## What is promised")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not re.match(r"\| (---|promise)", row)]

    assert len(promises) > 20
    for row in promises:
        assert named_requirements(row) or re.search(r"`test_\w+`", row), row


@pytest.mark.req("R9700-2.5-a")
def test_keys_are_documented_first() -> None:
    """Before secrets, which the server and whoever reads along could leak."""
    page = (DOCS / "client-authentication.md").read_text("utf-8")
    methods = re.findall(r"^\| `(\w+)`", page, re.MULTILINE)
    headings = re.findall(r"^## (.*)", page, re.MULTILINE)

    assert "private_key_jwt" == methods[0]
    assert methods.index("client_secret_basic") > 0
    assert "private_key_jwt" == headings[0]
