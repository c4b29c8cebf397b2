"""The reasons of ``python -m tests.mutation`` fit the code; to try the mutants takes too long."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from mutation import ARROW, PACKAGE, SCOPE, TESTS, find_modules
from mutation.report import Outcome, Reason, find_unexplained, rate, read_reasons, render

ROOT = Path(__file__).parents[1]
REASONS = read_reasons()


def functions_of(module: str) -> dict[str, str]:
    """Return what stands in each function of *module*, without line breaks and indentation."""
    text = (ROOT / PACKAGE / module).read_text("utf-8")
    found: dict[str, str] = {}

    def look(node: ast.AST, prefix: str) -> None:
        for each in ast.iter_child_nodes(node):
            if isinstance(each, ast.ClassDef):
                look(each, f"{prefix}{each.name}.")
            elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = text.splitlines()[each.lineno - 1 : each.end_lineno]
                found[prefix + each.name] = " ".join(map(str.strip, lines))

    look(ast.parse(text), "")
    return found


@pytest.mark.parametrize("module", sorted({each.module for each in REASONS}))
def test_what_has_a_reason_is_there(module: str) -> None:
    functions = functions_of(module)
    for reason in REASONS:
        if reason.module == module:
            for change in reason.changes:
                before, arrow, after = change.partition(ARROW)
                assert arrow, change
                assert before != after
                assert before in functions[reason.function], change


def test_each_survivor_has_one_reason() -> None:
    named = [(each.module, each.function, change) for each in REASONS for change in each.changes]

    assert len(named) == len(set(named))
    assert all(each.changes and each.why.endswith(".") for each in REASONS)


def test_what_is_mutated_and_what_has_to_notice_are_there() -> None:
    for name in SCOPE:
        assert (ROOT / PACKAGE / name).exists(), name
    for name in TESTS:
        assert (ROOT / name).is_file(), name


def test_folders_stand_for_what_is_in_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)

    assert find_modules(("grants", "forms.py")) == sorted(
        ["forms.py", *(f"grants/{each.name}" for each in (ROOT / PACKAGE / "grants").glob("*.py"))]
    )


def test_the_page_tells_rates_and_reasons() -> None:
    outcomes = [
        Outcome("forms.py", "Form.get", "0123456789ab", "a => b", 1, "killed"),
        Outcome("forms.py", "Form.get", "0123456789ab", "a => c", 1, "timed out"),
        Outcome("forms.py", "Form.get", "0123456789ab", "a => d", 1, "survived"),
        Outcome("scopes.py", "Scope.of", "0123456789ab", "e => f", 2, "unreached"),
    ]
    reasons = [
        Reason("forms.py", "Form.get", ("a => d",), "Nobody can tell."),
        Reason("forms.py", "Form.get", ("a => b",), "It was noticed since."),
    ]

    page = render(outcomes, reasons)

    assert [each.change for each in find_unexplained(outcomes, reasons)] == ["e => f"]
    assert rate(outcomes) == 50
    assert "| `forms.py` | 3 | 2 | 1 | 66.7 % |" in page
    assert "| together | 4 | 2 | 2 | 50.0 % |" in page
    assert "**`Form.get`**: Nobody can tell.\n\n- `` a `` → `` d ``" in page
    assert "since" not in page
