"""The small changes to a module's functions that a test has to notice; mutmut makes them."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from types import CodeType

import attrs
import libcst as cst
from mutmut.mutation.file_mutation import create_mutations, deep_replace

from . import ARROW, PACKAGE

Definition = ast.FunctionDef | ast.AsyncFunctionDef


@attrs.frozen(kw_only=True)
class Mutant:
    """
    A module with one change in one of its functions.

    Attributes:
        module: The module's path below the package.
        function: The qualified name of the outermost function with the change.
        digest: Of that function without the change.
        first_line: Where it begins, as its code object says.
        lines: The first line and the last of the statement with the change; of the whole
            function if a default is what differs.
        change: The lines that differ, as ``before => after``, without indentation.
        is_wording: Whether only the text of an error differs.
        source: The whole module with the change.
    """

    module: str
    function: str
    digest: str
    first_line: int
    lines: tuple[int, int]
    change: str
    is_wording: bool
    source: str

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """What is the same in the next run, as long as the function is the same."""
        return self.module, self.function, self.digest, self.change, self.lines[0] - self.first_line


def make_mutants(module: str) -> list[Mutant]:
    """Return the mutants of *module*, a path below the package, in the order of its lines."""
    path = PACKAGE / module
    text = path.read_text("utf-8")
    functions = dict(_find_functions(ast.parse(text)))
    parsed, mutations, _, _ = create_mutations(str(path), text)
    made: dict[str, Mutant] = {}
    for mutation in mutations:
        if mutation.contained_by_top_level_function is None:
            continue
        changed = deep_replace(parsed, mutation.original_node, mutation.mutated_node)
        assert isinstance(changed, cst.Module)
        source = changed.code
        change, line = _compare(text, source)
        for name, definition in functions.items():
            if definition.lineno <= line <= _last_line(definition):
                statement = _find_statement(definition, line)
                made[source] = Mutant(
                    module=module,
                    function=name,
                    digest=hashlib.sha256(ast.unparse(definition).encode()).hexdigest()[:12],
                    first_line=_first_line(definition),
                    lines=_own_lines(statement),
                    change=change,
                    is_wording=isinstance(mutation.original_node, cst.SimpleString)
                    and isinstance(statement, ast.Raise),
                    source=source,
                )
    return sorted(made.values(), key=lambda each: each.lines)


def find_code(module: CodeType, first_line: int) -> CodeType:
    """
    Return the code of the function that begins on *first_line*.

    Raises:
        LookupError: There is none.
    """
    for each in module.co_consts:
        if isinstance(each, CodeType):
            if each.co_firstlineno == first_line and "__qualname__" not in each.co_names:
                return each
            try:
                return find_code(each, first_line)
            except LookupError:
                continue
    raise LookupError(f"no function begins on line {first_line}")


def find_definition(source: str, first_line: int) -> Definition:
    """Return the definition of the function that begins on *first_line*."""
    found = dict(_find_functions(ast.parse(source))).values()
    return next(each for each in found if _first_line(each) == first_line)


def _find_functions(
    node: ast.Module | ast.ClassDef, prefix: str = ""
) -> Iterator[tuple[str, Definition]]:
    for each in node.body:
        if isinstance(each, ast.ClassDef):
            yield from _find_functions(each, f"{prefix}{each.name}.")
        elif isinstance(each, Definition):
            yield prefix + each.name, each


def _first_line(definition: Definition) -> int:
    return min([definition.lineno, *(each.lineno for each in definition.decorator_list)])


def _last_line(statement: ast.stmt) -> int:
    assert statement.end_lineno is not None
    return statement.end_lineno


def _compare(before: str, after: str) -> tuple[str, int]:
    """Return the lines that differ, and the number of the first."""
    old, new = before.splitlines(), after.splitlines()
    same = _count_same(old, new)
    ends = _count_same(old[same:][::-1], new[same:][::-1])
    sides = old[same : len(old) - ends], new[same : len(new) - ends]
    return ARROW.join(" ".join(map(str.strip, side)) for side in sides), same + 1


def _count_same(old: list[str], new: list[str]) -> int:
    """Return how many lines are the same before the first that is not."""
    pairs = enumerate(zip(old, new, strict=False))
    shorter = min(len(old), len(new))
    return next((index for index, (was, is_) in pairs if was != is_), shorter)


def _find_statement(definition: Definition, line: int) -> ast.stmt:
    """Return the innermost statement that *line* is part of."""
    around = [
        each
        for each in ast.walk(definition)
        if isinstance(each, ast.stmt) and each.lineno <= line <= _last_line(each)
    ]
    return max(around, key=lambda each: each.lineno)


def _own_lines(statement: ast.stmt) -> tuple[int, int]:
    """Return the first and the last line; of what has a body without it, but for a function."""
    body: list[ast.stmt] = getattr(statement, "body", [])
    if body and not isinstance(statement, Definition):
        return statement.lineno, max(statement.lineno, body[0].lineno - 1)
    return statement.lineno, _last_line(statement)
